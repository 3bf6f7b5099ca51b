"""Layers that learn the size of their input from the first one."""

from __future__ import annotations

from itertools import chain
from typing import Any

from ...core.grad_mode import no_grad
from ...ops.creation import tensor
from ..parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from . import convolution, normalisation
from .linear import Linear

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d", "LazyConvTranspose1d",
    "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LazyLinear",
    "LazyModuleMixin",
]  # fmt: skip


class LazyModuleMixin:
    """For modules with uninitialised parameters: ``initialize_parameters(*input)`` runs before the first ``forward``.

    Then the module becomes an instance of ``cls_to_become``.
    """

    cls_to_become: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        me: Any = self
        me._load_hook = me._register_load_state_dict_pre_hook(self._lazy_load_hook)
        me._initialize_hook = me.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _members(self) -> Any:
        me: Any = self
        return chain(me._parameters.items(), me._buffers.items())

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        me: Any = self
        for name, t in self._members():
            if t is not None and name not in me._non_persistent_buffers_set:
                destination[prefix + name] = t if is_lazy(t) or keep_vars else t.detach()

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        for name, t in self._members():
            given = state_dict.get(prefix + name)
            if is_lazy(t) and given is not None and not is_lazy(given):
                with no_grad():
                    t.materialize(given.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their shapes and values, from the input."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(is_lazy(t) for _, t in self._members())

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {type(self).__name__} has not been fully initialized")
        for name in ("_initialize_hook", "_load_hook"):
            getattr(module, name).remove()
            delattr(module, name)
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Any:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy forward pass to correctly initialize the"
            " modules"
        )


class LazyLinear(LazyModuleMixin, Linear):
    """:class:`Linear` whose ``in_features`` the first input tells.

    >>> import chainrule as torch
    >>> layer = torch.nn.LazyLinear(2)
    >>> _ = layer(torch.zeros(1, 3))
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter.make(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter.make(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the weights, once there are any."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Any) -> None:  # type: ignore[override]
        """Take ``in_features`` from the input."""
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            me: Any = self
            me.weight.materialize((self.out_features, self.in_features))
            if me.bias is not None:
                me.bias.materialize((self.out_features,))
            self.reset_parameters()
        if self.in_features == 0:  # the weights came from a state_dict
            self.in_features = self.weight.shape[-1]
            if input.shape[-1] != self.in_features:
                raise AssertionError(
                    f"The in_features inferred from input: {input.shape[-1]} is not equal to in_features from self.weight:"
                    f" {self.weight.shape[-1]}"
                )


class _LazyConv(LazyModuleMixin):
    def __init__(self, out_channels: int, kernel_size: Any, *args: Any, **kwargs: Any) -> None:
        made: Any = {k: kwargs.get(k) for k in ("device", "dtype")}
        at = 4  # the place of bias among the arguments after kernel_size
        wants_bias = args[at] if len(args) > at else kwargs.pop("bias", True)
        if len(args) > at:
            args = (*args[:at], False, *args[at + 1 :])
        else:
            kwargs["bias"] = False
        super().__init__(0, 0, kernel_size, *args, **kwargs)
        me: Any = self
        me.weight = UninitializedParameter.make(**made)
        me.out_channels = out_channels
        if wants_bias:
            me.bias = UninitializedParameter.make(**made)

    def reset_parameters(self) -> None:
        """Draw the weights, once there are any."""
        me: Any = self
        if not self.has_uninitialized_params() and me.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """Take ``in_channels`` from the input."""
        if not self.has_uninitialized_params():
            return
        me: Any = self
        dims = len(me.kernel_size)
        if input.dim() not in (dims + 1, dims + 2):
            raise RuntimeError(
                f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {type(self).__name__}, but got input of size:"
                f" {input.shape}"
            )
        me.in_channels = input.shape[-dims - 1]
        if me.in_channels % me.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        first, second = (me.in_channels, me.out_channels) if me.transposed else (me.out_channels, me.in_channels)
        me.weight.materialize((first, second // me.groups, *me.kernel_size))
        if me.bias is not None:
            me.bias.materialize((me.out_channels,))
        self.reset_parameters()


class LazyConv1d(_LazyConv, convolution.Conv1d):
    """:class:`Conv1d` whose ``in_channels`` the first input tells."""

    cls_to_become = convolution.Conv1d


class LazyConv2d(_LazyConv, convolution.Conv2d):
    """:class:`Conv2d` whose ``in_channels`` the first input tells."""

    cls_to_become = convolution.Conv2d


class LazyConv3d(_LazyConv, convolution.Conv3d):
    """:class:`Conv3d` whose ``in_channels`` the first input tells."""

    cls_to_become = convolution.Conv3d


class LazyConvTranspose1d(_LazyConv, convolution.ConvTranspose1d):
    """:class:`ConvTranspose1d` whose ``in_channels`` the first input tells."""

    cls_to_become = convolution.ConvTranspose1d


class LazyConvTranspose2d(_LazyConv, convolution.ConvTranspose2d):
    """:class:`ConvTranspose2d` whose ``in_channels`` the first input tells."""

    cls_to_become = convolution.ConvTranspose2d


class LazyConvTranspose3d(_LazyConv, convolution.ConvTranspose3d):
    """:class:`ConvTranspose3d` whose ``in_channels`` the first input tells."""

    cls_to_become = convolution.ConvTranspose3d


class _LazyNorm(LazyModuleMixin):
    def __init__(
        self, eps: float = 1e-5, momentum: Any = 0.1, affine: bool = True, track_running_stats: bool = True, device: Any = None,
        dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        made = {"device": device, "dtype": dtype}
        me: Any = self
        me.affine = affine
        me.track_running_stats = track_running_stats
        if affine:
            me.weight = UninitializedParameter.make(**made)
            if bias:
                me.bias = UninitializedParameter.make(**made)
        if track_running_stats:
            me.running_mean = UninitializedBuffer.make(**made)
            me.running_var = UninitializedBuffer.make(**made)
            me.num_batches_tracked = tensor(0)

    def reset_parameters(self) -> None:
        """Statistics as new, weight 1, bias 0, once there are any."""
        me: Any = self
        if not self.has_uninitialized_params() and me.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Any) -> None:  # type: ignore[override]
        """Take ``num_features`` from the input."""
        if self.has_uninitialized_params():
            me: Any = self
            me.num_features = input.shape[1]
            for _, t in list(self._members()):
                if is_lazy(t):
                    t.materialize((me.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, normalisation.BatchNorm1d):
    """:class:`BatchNorm1d` whose ``num_features`` the first input tells."""

    cls_to_become = normalisation.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, normalisation.BatchNorm2d):
    """:class:`BatchNorm2d` whose ``num_features`` the first input tells."""

    cls_to_become = normalisation.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, normalisation.BatchNorm3d):
    """:class:`BatchNorm3d` whose ``num_features`` the first input tells."""

    cls_to_become = normalisation.BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, normalisation.InstanceNorm1d):
    """:class:`InstanceNorm1d` whose ``num_features`` the first input tells."""

    cls_to_become = normalisation.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, normalisation.InstanceNorm2d):
    """:class:`InstanceNorm2d` whose ``num_features`` the first input tells."""

    cls_to_become = normalisation.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, normalisation.InstanceNorm3d):
    """:class:`InstanceNorm3d` whose ``num_features`` the first input tells."""

    cls_to_become = normalisation.InstanceNorm3d
