"""Rounding, signs, and division with remainder."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import apply
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare
from .compare import where


def _trunc_divide(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu":
        q = x // y
        return q + ((q < 0) & (q * y != x))
    return np.trunc(x / y)


def _floor_divide(x: Any, y: Any) -> Any:
    return x // y


_ROUNDED = {
    "trunc": Op("div_trunc", _trunc_divide, kind="elementwise", args="x y", d=[lambda t: t * 0, lambda t: t * 0], node="DivBackward2"),
    "floor": Op("div_floor", _floor_divide, kind="elementwise", args="x y", d=[lambda t: t * 0, lambda t: t * 0], node="DivBackward2"),
}


def divide_rounded(input: Any, other: Any, rounding_mode: str, out: Any) -> Tensor:
    """The quotient rounded to zero (``'trunc'``) or down (``'floor'``), in the dtype of the operands."""
    op = _ROUNDED.get(rounding_mode)
    if op is None:
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    result: Tensor = apply.elementwise(op, (input, other), out)
    return result


def _sign(x: Any) -> Any:
    return np.sign(x)


sign = declare.unary("sign", _sign, lambda t: t * 0, result="same", doc="-1, 0 or 1 by the sign of ``input``, elementwise.")
absolute = declare.unary(
    "abs", abs, lambda t, x: t * sign(x), result="same", aliases=("absolute",), doc="The absolute value of ``input``; its derivative at 0 is 0."
)
abs = absolute  # noqa: A001
Tensor.__abs__ = abs  # type: ignore[attr-defined]

__all__ = ["abs", "absolute", "sign"]
