"""Exponentials, logarithms, roots and the logistic function."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..core import apply
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare

LN2 = math.log(2.0)
LN10 = math.log(10.0)

exp = declare.unary("exp", np.exp, lambda t, out: t * out, doc="e to the power of ``input``, elementwise.")
exp2 = declare.unary("exp2", np.exp2, lambda t, out: t * out * LN2, doc="2 to the power of ``input``, elementwise.")
expm1 = declare.unary("expm1", np.expm1, lambda t, out: t * (out + 1), doc="``exp(input) - 1`` without cancellation near 0, elementwise.")
log = declare.unary("log", np.log, lambda t, x: t / x, doc="The natural logarithm of ``input``, elementwise.")
log2 = declare.unary("log2", np.log2, lambda t, x: t / (x * LN2), doc="The logarithm of ``input`` to base 2, elementwise.")
log10 = declare.unary("log10", np.log10, lambda t, x: t / (x * LN10), doc="The logarithm of ``input`` to base 10, elementwise.")
log1p = declare.unary(
    "log1p", np.log1p, lambda t, x: t / (x + 1), node="Log1PBackward0",
    doc="``log(1 + input)`` without cancellation near 0, elementwise.",
)  # fmt: skip
sqrt = declare.unary("sqrt", np.sqrt, lambda t, out: t / (2 * out), doc="The square root of ``input``, elementwise; NaN below 0.")


def _rsqrt(x: Any) -> Any:
    return 1.0 / np.sqrt(x)


rsqrt = declare.unary("rsqrt", _rsqrt, lambda t, out: t * out * out * out * -0.5, doc="``1 / sqrt(input)``, elementwise.")


def _sigmoid(x: Any) -> Any:
    # exp overflows to infinity where the result is 0, so no branch is needed.
    if not isinstance(x, np.ndarray):
        return 1.0 / (1.0 + np.exp(-x))
    r = np.negative(x)
    np.exp(r, out=r)
    r += 1
    return np.reciprocal(r, out=r)


sigmoid = declare.unary("sigmoid", _sigmoid, lambda t, out: t * (out * (1.0 - out)), doc="``1 / (1 + exp(-input))``, elementwise.")
expit = sigmoid

__all__ = ["exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "rsqrt", "sigmoid", "sqrt"]
