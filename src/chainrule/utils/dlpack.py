"""Exchange of tensors with other libraries without a copy (``torch.utils.dlpack``)."""

from __future__ import annotations

from typing import Any

from ..core.naming import argument_error
from ..core.tensor import Tensor
from ..ops.creation import from_dlpack as _from_object

__all__ = ["from_dlpack", "to_dlpack"]


class _Held:
    """A capsule as an object that gives it."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule over the memory of ``tensor``, to be consumed once.

    >>> import chainrule as torch
    >>> from chainrule.utils.dlpack import from_dlpack, to_dlpack
    >>> from_dlpack(to_dlpack(torch.ones(2)))
    tensor([1., 1.])
    """
    if not isinstance(tensor, Tensor):
        raise argument_error("_to_dlpack", "data", "Tensor", tensor, 1)
    try:
        return tensor.__dlpack__(max_version=(1, 0))  # NumPy reads one without a version as read-only
    except TypeError:  # before NumPy 2.1
        return tensor.__dlpack__()


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of a capsule, or of an object with ``__dlpack__``.

    Raises RuntimeError for a capsule that has been consumed and for what is no capsule.
    """
    if hasattr(ext_tensor, "__dlpack__"):
        return _from_object(ext_tensor, device=device, copy=copy)
    try:
        return _from_object(_Held(ext_tensor), device=device, copy=copy)
    except (ValueError, TypeError, AttributeError):
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might have already"
            " constructed a tensor from it once."
        ) from None
