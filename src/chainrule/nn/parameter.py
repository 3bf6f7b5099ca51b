"""``Parameter`` and ``Buffer``: tensors that a module registers when they are assigned to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.node import LEAF
from ..core.tensor import Tensor, new


class _Kind(type(Tensor)):  # type: ignore[misc]
    """``Parameter(data)`` makes a parameter; it is not the legacy tensor constructor."""

    def __call__(cls, *args: Any, **kw: Any) -> Any:
        return cls.make(*args, **kw)


class Parameter(Tensor, metaclass=_Kind):
    """A tensor that is a module's parameter: a leaf that requires gradient, sharing the memory of ``data``.

    >>> import chainrule as torch
    >>> torch.nn.Parameter(torch.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    if TYPE_CHECKING:  # what the metaclass answers

        def __init__(self, data: Any = None, requires_grad: bool = True) -> None: ...

    @classmethod
    def make(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        """The constructor's work; ``data`` None gives an empty parameter."""
        if data is None:
            from ..ops.factories import empty

            data = empty(0)
        p = new(cls)
        p._value = data.detach()._value
        if requires_grad:
            if not (data.dtype.is_floating_point or data.dtype.is_complex):
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            p._gn = LEAF
        return p

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    __str__ = __repr__

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        twin = type(self).make(self.data.clone(), self.requires_grad)
        memo[id(self)] = twin
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (_rebuild_parameter, (type(self), self.data, self.requires_grad))


def _rebuild_parameter(cls: Any, data: Any, requires_grad: bool) -> Any:
    return cls.make(data, requires_grad)


class _BufferKind(_Kind):
    """A buffer is a plain tensor with a mark, so that operations and copies of it are plain tensors too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferKind):
    """A tensor that is a module's buffer: state that is no parameter, in ``state_dict`` if ``persistent``."""

    persistent: bool

    if TYPE_CHECKING:  # what the metaclass answers

        def __init__(self, data: Any = None, *, persistent: bool = True) -> None: ...

    @classmethod
    def make(cls, data: Any = None, *, persistent: bool = True) -> Any:
        """The constructor's work; ``data`` None gives an empty buffer."""
        if data is None:
            from ..ops.factories import empty

            data = empty(0)
        b: Any = data.detach().requires_grad_(data.requires_grad)
        b.persistent = persistent
        b._is_buffer = True
        return b
