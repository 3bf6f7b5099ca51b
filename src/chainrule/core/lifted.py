"""The value of a tensor that a ``grad`` or ``vjp`` transform tracks: a tensor of the level below, with a tape above it.

The tape of a level is on the tensors whose values are of that level; operations go on one level below, where they may
be recorded again.  So ``grad(grad(f))`` has two tapes, and neither sees the other's leaves.
"""

from __future__ import annotations

from typing import Any

from .modes import MODES
from .node import LEAF
from .op import Op
from .tensor import Tensor, wrap, wrap_with
from .value import Value, indented, interpreted


class Lifted(Value):
    """``inner`` is the tensor below; ``outer_grad``: was recording on when the transform was entered."""

    __slots__ = ("inner", "outer_grad")

    def __init__(self, level: int, inner: Tensor, outer_grad: bool) -> None:
        self.level = level
        self.inner = inner
        self.outer_grad = outer_grad

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.inner._value.shape
        return shape

    @property
    def numpy_dtype(self) -> Any:
        return self.inner.dtype.np

    def interpret(self, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        level = self.level
        inner = [a._value.inner if isinstance(a, Tensor) and type(a._value) is Lifted and a._value.level == level else a for a in args]
        if self.outer_grad or not MODES.grad:
            return interpreted(op.apply(*inner, **kw), self.lift)
        MODES.grad = False
        try:
            return interpreted(op.apply(*inner, **kw), self.lift)
        finally:
            MODES.grad = True

    def under(self, tensor: Tensor) -> Tensor:
        return self.inner

    def lift(self, tensor: Tensor) -> Tensor:
        return wrap(Lifted(self.level, tensor, self.outer_grad))

    def text(self, tensor: Tensor) -> str:
        return f"GradTrackingTensor(lvl={self.level}, value={indented(self.inner)})"

    def concrete(self, what: str) -> Any:
        inner = self.inner._value
        return inner.concrete(what) if isinstance(inner, Value) else inner


def lifted_leaf(level: int, inner: Tensor, outer_grad: bool) -> Tensor:
    """A leaf of the level's tape that stands for ``inner``."""
    return wrap_with(Lifted(level, inner, outer_grad), LEAF)


def lower(tensor: Any, level: int) -> Any:
    """The tensor below, when ``tensor`` is of that level; else itself."""
    if isinstance(tensor, Tensor):
        v = tensor._value
        if type(v) is Lifted and v.level == level:
            return v.inner
    return tensor
