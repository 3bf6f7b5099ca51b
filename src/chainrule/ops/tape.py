"""A tensor's place on the tape: gradients, hooks, leaves."""

from __future__ import annotations

import warnings
import weakref
from typing import Any

from ..core import grad as _grad
from ..core.dtype import dtype
from ..core.epoch import hooking
from ..core.hooks import HookTable, register
from ..core.node import LEAF, Slot
from ..core.tensor import Tensor, set_requires_grad
from ..core.value import Value
from .declare import attach, method

attach(_grad.tensor_backward, "backward")

_NOT_A_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during"
    " autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the"
    " non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See"
    " github.com/pytorch/pytorch/pull/30531 for more information."
)


def _get_grad(self: Tensor) -> Tensor | None:
    found: Tensor | None = self._grad
    if found is None:
        gn = self._gn
        if gn is not None and gn is not LEAF and not _retains(self):
            warnings.warn(_NOT_A_LEAF, UserWarning, stacklevel=2)
    return found


def _set_grad(self: Tensor, grad: Any) -> None:
    if grad is None:
        self._grad = None
        return
    if not isinstance(grad, Tensor):
        raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(grad).__name__}")
    if grad is self:
        raise RuntimeError("can't assign Variable as its own grad")
    want = _grad_dtype(self)
    if want is not None and grad.dtype is not want:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{grad.dtype.cpp_name}' to a tensor with grad_dtype '{want.scalar_name}'. The"
            " gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype"
            " attribute with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a"
            " tensor and its gradient may break downstream systems that assume they match."
        )
    if grad._value.shape != self._value.shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(grad.shape)}' to a tensor of size '{list(self.shape)}'. Please ensure that"
            " the gradient and the tensor are the same size"
        )
    self._grad = grad


def _del_grad(self: Tensor) -> None:
    self._grad = None


_UNSET: Any = object()


def _grad_dtype(self: Tensor) -> dtype | None:
    """The dtype that ``grad`` must have: that of the tensor unless another is set; None allows any."""
    chosen = self.__dict__.get("_chosen_grad_dtype", _UNSET)
    return self.dtype if chosen is _UNSET else chosen


def _set_grad_dtype(self: Tensor, kind: dtype | None) -> None:
    if self._gn is not None and self._gn is not LEAF:
        raise RuntimeError("grad_dtype can only be set on leaf tensors.")
    self.__dict__["_chosen_grad_dtype"] = kind


attach(property(_grad_dtype, _set_grad_dtype), "grad_dtype")
attach(property(_get_grad, _set_grad, _del_grad), "grad")


def _place(self: Tensor) -> tuple[Any, int]:
    """The node that made this tensor and which output of it this is."""
    gn = self._gn
    return (gn.node, gn.index) if isinstance(gn, Slot) else (gn, 0)


def _retains(self: Tensor) -> bool:
    node, index = _place(self)
    hooks = node.hooks
    return hooks is not None and index in hooks.retain and hooks.retain[index]() is self


@method
def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Set ``requires_grad`` in place.

    >>> import chainrule as torch
    >>> torch.ones(2).requires_grad_()
    tensor([1., 1.], requires_grad=True)
    """
    set_requires_grad(self, requires_grad)
    return self


@method
def retain_grad(self: Tensor) -> None:
    """Let backward keep this non-leaf's gradient in ``grad``.

    Raises RuntimeError for a tensor that does not require gradient.
    """
    if self._gn is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self._gn is LEAF:
        return
    node, index = _place(self)
    node._hooks().retain[index] = weakref.ref(self)


def _retains_grad(self: Tensor) -> bool:
    """True for a tensor that is no leaf and keeps its gradient all the same."""
    return self._gn is not None and self._gn is not LEAF and _retains(self)


attach(property(_retains_grad), "retains_grad")


@method
def register_hook(self: Tensor, hook: Any) -> Any:
    """Call ``hook(grad)`` whenever this tensor's gradient has been computed; what it returns replaces the gradient.

    Returns a handle whose ``remove()`` takes it out.  Raises RuntimeError for a tensor that does not require gradient.

    >>> import chainrule as torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> handle = x.register_hook(lambda g: g * 2)
    >>> (x * 3).backward()
    >>> x.grad
    tensor(6.)
    """
    if self._gn is None and not (isinstance(self._value, Value) and self._value.requires_grad):
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self._gn is LEAF:
        hooking()
        if self._hooks is None:
            self._hooks = HookTable()
        return register(self._hooks, hook)
    node, index = _place(self)
    return register(node._hooks().tensor.setdefault(index, HookTable()), hook)


@method
def register_post_accumulate_grad_hook(self: Tensor, hook: Any) -> Any:
    """Call ``hook(tensor)`` whenever ``grad`` of this leaf has been accumulated."""
    if self._gn is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self._gn is not LEAF:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    hooking()
    if self._post_hooks is None:
        self._post_hooks = HookTable()
    return register(self._post_hooks, hook)


@method
def detach_(self: Tensor) -> Tensor:
    """Take this tensor off the tape; it becomes a leaf.

    Raises RuntimeError for a view.
    """
    if self._base is not None and self._gn is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and"
            " gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called on"
            " these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as"
            " the solution."
        )
    if self._gn is not None:
        del self._gn
    return self


attach(property(lambda self: self.grad_fn), "_grad_fn")
attach(property(lambda self: self._post_hooks), "_post_accumulate_grad_hooks")

__all__: list[str] = []
