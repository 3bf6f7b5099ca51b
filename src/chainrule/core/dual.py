"""The value of a tensor in forward mode: a primal and its tangent."""

from __future__ import annotations

from typing import Any

from .jvp import push_forward
from .op import Op
from .tensor import Tensor, wrap
from .value import Value

TANGENT_SHAPE = (
    "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is of"
    " size {} while the given forward gradient is of size {}."
)


class Dual(Value):
    """``primal`` and ``tangent`` are tensors of lower levels, of one shape and dtype."""

    __slots__ = ("primal", "tangent")

    def __init__(self, level: int, primal: Tensor, tangent: Tensor) -> None:
        self.level = level
        self.primal = primal
        self.tangent = tangent

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.primal._value.shape
        return shape

    @property
    def numpy_dtype(self) -> Any:
        return self.primal.dtype.np

    @property
    def requires_grad(self) -> bool:
        return self.primal.requires_grad or self.tangent.requires_grad

    @property
    def inner_grad_fn(self) -> Any:
        return self.primal.grad_fn

    def tape_below(self, tensor: Tensor, cotangent: Any) -> tuple[Tensor, Any] | None:
        return (self.primal, cotangent) if self.primal.requires_grad else None

    def interpret(self, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        level = self.level
        primals: list[Any] = []
        tangents: list[Any] = []
        for a in args:
            if isinstance(a, Tensor) and type(a._value) is Dual and a._value.level == level:
                primals.append(a._value.primal)
                tangents.append(a._value.tangent)
            else:
                primals.append(a)
                tangents.append(None)
        out = op.apply(*primals, **kw)
        pushed = push_forward(op, primals, tangents, out, kw)
        if pushed is None:
            return out
        if isinstance(out, (tuple, list)):
            return tuple([o if t is None else wrap(Dual(level, o, t)) for o, t in zip(out, pushed, strict=True)])
        return wrap(Dual(level, out, pushed))

    def concrete(self, what: str) -> Any:
        inner = self.primal._value
        return inner.concrete(what) if isinstance(inner, Value) else inner


def make_dual(level: int, primal: Tensor, tangent: Tensor) -> Tensor:
    """A tensor with a tangent at ``level``."""
    return wrap(Dual(level, primal, tangent))


def split_dual(tensor: Any, level: int) -> tuple[Any, Any]:
    """(primal, tangent) of a tensor at ``level``; the tangent is None where it does not depend on the level's inputs."""
    if isinstance(tensor, Tensor):
        v = tensor._value
        if type(v) is Dual and v.level == level:
            return v.primal, v.tangent
    return tensor, None
