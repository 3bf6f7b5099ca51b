"""Pruning (``torch.nn.utils.prune``): a parameter times a mask.

A pruned parameter ``name`` is computed before every call from the parameter ``name_orig`` and the buffer ``name_mask``.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from ...ops.likes import ones_like
from ...ops.norm import vector_norm
from ...ops.random import rand, rand_like
from ._hooked import hooks_of
from .convert_parameters import parameters_to_vector

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer", "RandomStructured",
    "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned", "l1_unstructured", "ln_structured",
    "random_structured", "random_unstructured", "remove",
]  # fmt: skip


def _hooks(module: Any, name: str | None = None) -> list[tuple[Any, Any]]:
    """(key, method) of the module's pruning hooks (for this parameter)."""
    return [(k, h) for k, h in hooks_of(module) if isinstance(h, BasePruningMethod) and name in (None, h._tensor_name)]


class BasePruningMethod(ABC):
    """A way to choose what is pruned: a subclass gives ``PRUNING_TYPE`` and :meth:`compute_mask`."""

    PRUNING_TYPE = "unstructured"
    _tensor_name: str

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask for a tensor of importances, on top of ``default_mask``."""

    def apply_mask(self, module: Any) -> Any:
        """The pruned tensor."""
        mask, original = getattr(module, self._tensor_name + "_mask"), getattr(module, self._tensor_name + "_orig")
        return mask.to(dtype=original.dtype) * original

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune the parameter ``name`` by a method made from the arguments, on top of what pruned it before."""
        before = _hooks(module, name)
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        for key, old in before:
            del module._forward_pre_hooks[key]
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            container.add_pruning_method(method)
            method = container
        original = getattr(module, name)
        scores = original if importance_scores is None else importance_scores
        if scores.shape != original.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, got {scores.shape} vs {original.shape}"
            )
        if before:
            default = getattr(module, name + "_mask").detach().clone()
        else:
            default = ones_like(original)
        mask = method.compute_mask(scores.detach(), default_mask=default.detach())
        if not before:
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """The tensor ``t``, pruned by this method."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError(f"importance_scores should have the same shape as tensor t, got {scores.shape} vs {t.shape}")
        return t * self.compute_mask(scores, default_mask=ones_like(t) if default_mask is None else default_mask)

    def remove(self, module: Any) -> None:
        """Make the pruned tensor the parameter."""
        name = self._tensor_name
        weight = self.apply_mask(module)
        delattr(module, name)
        original = module._parameters[name + "_orig"]
        original.data = weight.data
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Methods one after the other: each looks only at what those before have left."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if args:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Append a method for the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer {self}. Found"
                f" '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, index: Any) -> Any:
        return self._pruning_methods[index]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of the last method, where the ones before have left something."""
        method: Any = self._pruning_methods[-1]
        kind = method.PRUNING_TYPE
        part: Any
        if kind == "unstructured":
            part = default_mask == 1
        elif kind == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError('Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.')
            dim = method.dim + t.dim() if method.dim < 0 else method.dim
            if dim < 0:
                raise IndexError(f"Index is out of bounds for tensor with dimensions {t.dim()}")
            left = default_mask.sum(dim=[d for d in range(t.dim()) if d != dim]) != 0
            part = tuple([left if d == dim else slice(None) for d in range(t.dim())])
        elif kind == "global":
            part = tuple([slice(None)] * t.dim())
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
        mask = default_mask.to(dtype=t.dtype).clone()
        mask[part] = method.compute_mask(t[part], default_mask=default_mask[part]).to(dtype=mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Nothing is pruned, but the parameter is prepared."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of before."""
        return default_mask


class CustomFromMask(BasePruningMethod):
    """What a given mask takes out is pruned."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The given mask times that of before."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}")
        return default_mask * self.mask.to(dtype=default_mask.dtype)


class _Amount(BasePruningMethod):
    """A share (a float) or a number (an integer) of what there is."""

    def __init__(self, amount: Any) -> None:
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        whole = isinstance(amount, numbers.Integral)
        if (whole and float(amount) < 0) or (not whole and not 0.0 <= float(amount) <= 1.0):
            raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
        self.amount: Any = amount

    def _number(self, size: int) -> int:
        n: Any = self.amount if isinstance(self.amount, numbers.Integral) else round(self.amount * size)
        if n > size:
            raise ValueError(f"amount={n} should be smaller than the number of parameters to prune={size}")
        return int(n)


class _Unstructured(_Amount):
    def _without(self, scores: Any, default_mask: Any, largest: bool) -> Any:
        mask = default_mask.clone()
        mask.view(-1)[scores.reshape(-1).topk(self._number(scores.numel()), largest=largest).indices] = 0
        return mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of before without ``amount`` more entries."""
        if self._number(t.numel()) == 0:
            return default_mask.clone()
        return self._without(*self._scores(t, default_mask))

    def _scores(self, t: Any, default_mask: Any) -> tuple[Any, Any, bool]:
        raise TypeError(f"{type(self).__name__} does not say what it prunes")


class RandomUnstructured(_Unstructured):
    """Entries at random."""

    def _scores(self, t: Any, default_mask: Any) -> tuple[Any, Any, bool]:
        return rand_like(t), default_mask, True


class L1Unstructured(_Unstructured):
    """The entries of least magnitude."""

    def _scores(self, t: Any, default_mask: Any) -> tuple[Any, Any, bool]:
        return t.abs(), default_mask, False


class _Structured(_Amount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of before without ``amount`` channels along ``dim``."""
        if t.dim() <= 1:
            raise ValueError(
                f"Structured pruning can only be applied to multidimensional tensors. Found tensor of shape {t.shape} with {t.dim()} dims"
            )
        if self.dim >= t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        size = t.shape[self.dim]
        n = self._number(size)
        if n == 0:
            return default_mask
        mask = t.zeros_like()
        at: list[Any] = [slice(None)] * t.dim()
        at[self.dim] = self._kept(t, size, n)
        mask[tuple(at)] = 1
        return mask * default_mask.to(dtype=mask.dtype)

    def _kept(self, t: Any, size: int, n: int) -> Any:
        raise TypeError(f"{type(self).__name__} does not say what it prunes")


class RandomStructured(_Structured):
    """Channels at random."""

    def _kept(self, t: Any, size: int, n: int) -> Any:
        drawn: Any = rand(size)
        return drawn > drawn.kthvalue(n).values


class LnStructured(_Structured):
    """The channels of least norm of order ``n``."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t: Any, size: int, n: int) -> Any:
        norms: Any = vector_norm(t, self.n, dim=[d for d in range(t.dim()) if d != self.dim % t.dim()])
        return norms.topk(size - n, largest=True).indices


def identity(module: Any, name: str) -> Any:
    """Prepare a parameter for pruning, without pruning it."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune entries at random."""
    RandomUnstructured.apply(module, name, amount=amount)
    return module


def l1_unstructured(module: Any, name: str, amount: Any, importance_scores: Any = None) -> Any:
    """Prune the entries of least magnitude.

    >>> import chainrule as torch
    >>> layer = torch.nn.utils.prune.l1_unstructured(torch.nn.Linear(4, 2), "weight", amount=0.5)
    >>> layer.weight_mask.sum()
    tensor(4.)
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune channels along ``dim`` at random."""
    RandomStructured.apply(module, name, amount=amount, dim=dim)
    return module


def ln_structured(module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> Any:
    """Prune the channels along ``dim`` of least norm of order ``n``."""
    LnStructured.apply(module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """Prune what ``mask`` takes out."""
    CustomFromMask.apply(module, name, mask=mask)
    return module


def global_unstructured(parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any) -> None:
    """Prune several (module, name) together by an unstructured method, as if they were one vector."""
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    weights = [getattr(m, name) for m, name in pairs]
    everything = parameters_to_vector([scores.get(pair, w) for pair, w in zip(pairs, weights, strict=True)])
    mask = parameters_to_vector([getattr(m, name + "_mask", ones_like(w)) for (m, name), w in zip(pairs, weights, strict=True)])
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method {pruning_method} of type'
            f" {method.PRUNING_TYPE}"
        )
    method._tensor_name = "temp"
    final = PruningContainer(method).compute_mask(everything.detach(), mask.detach())
    start = 0
    for (module, name), w in zip(pairs, weights, strict=True):
        custom_from_mask(module, name, final[start : start + w.numel()].view_as(w))
        start += w.numel()


def remove(module: Any, name: str) -> Any:
    """Make a pruned parameter an ordinary one, with the zeros in it; ValueError where it is not pruned."""
    for key, method in _hooks(module, name):
        method.remove(module)
        del module._forward_pre_hooks[key]
        return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Any) -> bool:
    """Whether the module, or one inside it, has a pruned parameter."""
    return any(_hooks(m) for m in module.modules())
