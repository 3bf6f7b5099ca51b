"""Sums, products, quotients and powers."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core import apply
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare

mul = declare.binary(
    "mul", operator.mul, [lambda t, y: t * y, lambda t, x: t * x], operator="mul", aliases=("multiply",),
    doc="The product of ``input`` and ``other``, elementwise and broadcast.",
)  # fmt: skip
neg = declare.unary("neg", operator.neg, lambda t: -t, result="same", aliases=("negative",), doc="``-input``, elementwise.")
Tensor.__neg__ = neg  # type: ignore[attr-defined]
sin = declare.unary("sin", np.sin, lambda t, x: t * cos(x), doc="The sine of ``input`` (radians), elementwise.")
cos = declare.unary("cos", np.cos, lambda t, x: -t * sin(x), doc="The cosine of ``input`` (radians), elementwise.")
exp = declare.unary("exp", np.exp, lambda t, out: t * out, doc="e to the power of ``input``, elementwise.")
_add = declare.binary("add", operator.add, [lambda t: t, lambda t: t], operator="add", method=False)
_sub = declare.binary("sub", operator.sub, [lambda t: t, lambda t: -t], operator="sub", method=False)
_div = declare.binary(
    "div", operator.truediv, [lambda t, y: t / y, lambda t, out, y: -t * out / y], result="float", operator="truediv", method=False
)


@declare.method(inplace=True)
def add(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input + alpha * other``, elementwise and broadcast."""
    if alpha != 1:
        other = mul(other, alpha) if isinstance(other, Tensor) else other * alpha
    result: Tensor = _add(input, other, out=out)
    return result


__all__ = ["Op", "add", "apply", "cos", "exp", "mul", "neg", "sin"]
