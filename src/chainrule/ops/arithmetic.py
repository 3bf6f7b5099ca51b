"""Sums, differences, products and quotients."""

from __future__ import annotations

import operator
from typing import Any

from ..core import apply
from ..core.inplace import inplace_of
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare

mul = declare.binary(
    "mul", operator.mul, [lambda t, y: t * y, lambda t, x: t * x], operator="mul", commutative=True, aliases=("multiply",),
    doc="""The product of ``input`` and ``other``, elementwise and broadcast.

    >>> import chainrule as torch
    >>> torch.mul(torch.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """,
)  # fmt: skip
neg = declare.unary(
    "neg", operator.neg, lambda t: -t, result="same", aliases=("negative",),
    doc="``-input``, elementwise.  RuntimeError for bool tensors.",
)  # fmt: skip
Tensor.__neg__ = neg  # type: ignore[attr-defined]
reciprocal = declare.unary(
    "reciprocal", lambda x: 1.0 / x, lambda t, out: -t * out * out, doc="``1 / input``, elementwise; integers give floats."
)

_add = declare.binary("add", operator.add, [lambda t: t, lambda t: t], operator="add", commutative=True, method=False)
_sub = declare.binary("sub", operator.sub, [lambda t: t, lambda t: -t], operator="sub", method=False)
_div = declare.binary(
    "div", operator.truediv, [lambda t, y: t / y, lambda t, out, y: -t * out / y], result="float", operator="truediv", method=False
)
_add_scaled = Op(
    "add_scaled", lambda x, y, *, alpha: x + y * alpha, kind="elementwise", args="x y",
    d=[lambda t: t, lambda t, alpha: t * alpha], node="AddBackward0",
)  # fmt: skip
_sub_scaled = Op(
    "sub_scaled", lambda x, y, *, alpha: x - y * alpha, kind="elementwise", args="x y",
    d=[lambda t: t, lambda t, alpha: -t * alpha], node="SubBackward0",
)  # fmt: skip
_rsub_number = Op("rsub", lambda x, y: y - x, kind="elementwise", args="x y", d=[lambda t: -t, None], node="RsubBackward1")
_rsub_tensor = Op("rsub_tensor", lambda x, y: y - x, kind="elementwise", args="x y", d=[lambda t: -t, lambda t: t], node="RsubBackward0")
Tensor.__rsub__ = apply.binary(_rsub_number, operator=True)  # type: ignore[attr-defined]


def _rtruediv(self: Tensor, other: Any) -> Any:
    return reciprocal(self) * other


Tensor.__rtruediv__ = _rtruediv  # type: ignore[attr-defined]


@declare.method(inplace=True)
def add(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input + alpha * other``, elementwise and broadcast.

    >>> import chainrule as torch
    >>> torch.add(torch.tensor([1, 2]), 10, alpha=2)
    tensor([21, 22])
    """
    if alpha == 1:
        result: Tensor = _add(input, other, out=out)
        return result
    return _scaled(_add_scaled, input, other, alpha, out)


@declare.method(inplace=True, aliases=("subtract",))
def sub(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input - alpha * other``, elementwise and broadcast.  RuntimeError for bool tensors."""
    if alpha == 1:
        result: Tensor = _sub(input, other, out=out)
        return result
    return _scaled(_sub_scaled, input, other, alpha, out)


def _scaled(op: Op, input: Any, other: Any, alpha: Any, out: Any) -> Tensor:
    if isinstance(alpha, float) and not any(isinstance(v, Tensor) and v.dtype.category >= 2 for v in (input, other)):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    result: Tensor = apply.elementwise(op, (input, other), out, {"alpha": alpha})
    return result


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``, elementwise and broadcast."""
    op = _rsub_tensor if isinstance(other, Tensor) else _rsub_number
    result: Tensor = apply.elementwise(op, (input if alpha == 1 else input * alpha, other))
    return result


@declare.method(inplace=True, aliases=("divide",))
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """``input / other``, elementwise and broadcast; ``rounding_mode`` rounds it: ``'trunc'`` to zero, ``'floor'`` down.

    Without rounding, integers give floats.

    >>> import chainrule as torch
    >>> torch.div(torch.tensor([-7, 7]), 2, rounding_mode="floor")
    tensor([-4,  3])
    """
    if rounding_mode is None:
        result: Tensor = _div(input, other, out=out)
        return result
    from .rounding import divide_rounded

    return divide_rounded(input, other, rounding_mode, out)


@declare.method(inplace=True)
def true_divide(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """``input / other``, elementwise and broadcast; integers give floats."""
    return div(input, other, out=out)


@declare.method
def positive(input: Tensor) -> Tensor:
    """``input`` itself.  RuntimeError for bool tensors."""
    if input.dtype.category == 0:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


Tensor.__pos__ = positive  # type: ignore[attr-defined]
Tensor.__iadd__ = inplace_of(add, "add_")  # type: ignore[attr-defined]
Tensor.__isub__ = inplace_of(sub, "sub_")  # type: ignore[attr-defined]
Tensor.__itruediv__ = inplace_of(div, "div_")  # type: ignore[attr-defined]
multiply, subtract, divide, negative = mul, sub, div, neg

__all__ = [
    "add",
    "div",
    "divide",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "reciprocal",
    "rsub",
    "sub",
    "subtract",
    "true_divide",
]
