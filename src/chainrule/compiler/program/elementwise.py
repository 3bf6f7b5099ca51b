"""The elementwise functions on NumPy arrays: the same text as eager operations run, where they have one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.bounds import beyond
from ...ops.compare import choose
from ...ops.exponential import sigmoid
from ...ops.powers import tensor_power
from ...ops.special_functions import erf, erfc, lgamma
from .ir import DType, Node

Implementation = Callable[..., Any]


def _sign(x: Any) -> Any:
    return np.greater(x, 0).astype(x.dtype) - np.less(x, 0).astype(x.dtype)


def _remainder(x: Any, y: Any) -> Any:
    """What is left of floor division; a zero has the sign of ``x``, as eager operations have it."""
    if x.dtype.kind != "f":
        return np.remainder(x, y)
    r = np.fmod(x, y)
    return choose((r != 0) & ((r < 0) != (y < 0)), r + y, r)


def _rsqrt(x: Any) -> Any:
    return np.divide(1, np.sqrt(x), dtype=x.dtype)


IMPLEMENTATIONS: dict[str, Implementation] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "floor_div": np.floor_divide,
    "fmod": np.fmod,
    "remainder": _remainder,
    "neg": np.negative,
    "abs": np.absolute,
    "sign": _sign,
    "reciprocal": np.reciprocal,
    "square": np.square,
    "pow": tensor_power,
    "sqrt": np.sqrt,
    "rsqrt": _rsqrt,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sigmoid": sigmoid.op.impl,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "erf": erf.op.impl,
    "erfc": erfc.op.impl,
    "lgamma": lgamma.op.impl,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "fmin": np.fmin,
    "where": choose,
    "copysign": np.copysign,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "signbit": np.signbit,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "shl": np.left_shift,
    "shr": np.right_shift,
}


def implementation(node: Node) -> Implementation:
    """What computes a ``map`` from arrays and NumPy scalars; a ufunc where one does."""
    name = node.attrs["fn"]
    if name == "cast":
        return _cast(node.dtype)
    if name == "inside":
        return _inside(**{k: v for k, v in node.attrs.items() if k != "fn"})
    found = IMPLEMENTATIONS[name]
    if node.args[-1].dtype.kind != "V":
        return found
    return _in_float32(found, node.dtype)


def _cast(dtype: DType) -> Implementation:
    return lambda x: x.astype(dtype)


def _inside(*, size: int, wraps: bool, said: str, dim: int) -> Implementation:
    low = -size if wraps else 0

    def run(index: Any) -> Any:
        bad = (index < low) | (index >= size)
        if bad.any():
            raise beyond(said, np.extract(bad, index)[0], size, dim)
        return np.where(index < 0, index + size, index)

    return run


def _in_float32(function: Implementation, dtype: DType) -> Implementation:
    """bfloat16 computes in float32 and is rounded after every operation."""
    wide = np.float32

    def run(*args: Any) -> Any:
        return np.asarray(function(*[x if x.dtype == np.bool_ else x.astype(wide) for x in args])).astype(dtype)

    return run
