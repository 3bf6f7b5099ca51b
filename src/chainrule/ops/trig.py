"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtype import BOOL, COMPLEX, INT
from . import declare
from .compare import where
from .domain import not_complex, refuse, unimplemented
from .exponential import rsqrt, sqrt

sin = declare.unary("sin", np.sin, lambda t, x: t * cos(x), doc="The sine of ``input`` (radians), elementwise.")
cos: declare.Unary = declare.unary("cos", np.cos, lambda t, x: -t * sin(x), doc="The cosine of ``input`` (radians), elementwise.")
tan = declare.unary("tan", np.tan, lambda t, out: t * (1 + out * out), doc="The tangent of ``input`` (radians), elementwise.")
asin = declare.unary(
    "asin", np.arcsin, lambda t, x: t * rsqrt(1 - x * x), aliases=("arcsin",), doc="The inverse sine of ``input``, in radians, elementwise."
)
acos = declare.unary(
    "acos", np.arccos, lambda t, x: -t * rsqrt(1 - x * x), aliases=("arccos",),
    doc="The inverse cosine of ``input``, in radians, elementwise.",
)  # fmt: skip
atan = declare.unary(
    "atan", np.arctan, lambda t, x: t / (1 + x * x), aliases=("arctan",), doc="The inverse tangent of ``input``, in radians, elementwise."
)
sinh = declare.unary("sinh", np.sinh, lambda t, x: t * cosh(x), doc="The hyperbolic sine of ``input``, elementwise.")
cosh: declare.Unary = declare.unary("cosh", np.cosh, lambda t, x: t * sinh(x), doc="The hyperbolic cosine of ``input``, elementwise.")
tanh = declare.unary("tanh", np.tanh, lambda t, out: t * (1.0 - out * out), doc="The hyperbolic tangent of ``input``, elementwise.")
asinh = declare.unary(
    "asinh", np.arcsinh, lambda t, x: t * rsqrt(x * x + 1), aliases=("arcsinh",), doc="The inverse hyperbolic sine, elementwise."
)
acosh = declare.unary(
    "acosh", np.arccosh, lambda t, x: t / (sqrt(x - 1) * sqrt(x + 1)), aliases=("arccosh",),
    doc="The inverse hyperbolic cosine, elementwise.",
)  # fmt: skip
atanh = declare.unary(
    "atanh", np.arctanh, lambda t, x: t / (1 - x * x), aliases=("arctanh",), doc="The inverse hyperbolic tangent, elementwise."
)
arcsin, arccos, arctan, arcsinh, arccosh, arctanh = asin, acos, atan, asinh, acosh, atanh

# -- of two arguments ----------------------------------------------------------------------------------------------------


def _over(t: Any, x: Any, length: Any) -> Any:
    """``t * x / length``; 0 where the length is."""
    flat = length == 0
    return where(flat, 0, t * (x / where(flat, 1, length)))


hypot = declare.binary(
    "hypot", np.hypot, [lambda t, out, x: _over(t, x, out), lambda t, out, y: _over(t, y, out)],
    check=unimplemented("hypot_cpu", BOOL, INT, COMPLEX),
    doc="""``sqrt(input**2 + other**2)`` without overflow, elementwise and broadcast.

    At the origin the derivative is 0 (the subgradient of least length), where PyTorch gives NaN.
    """,
)  # fmt: skip
atan2 = declare.binary(
    "atan2", np.arctan2, result="float", aliases=("arctan2",), check=not_complex("atan2_cpu"),
    d=[
        lambda t, x, y: _over(_over(t, y, hypot(x, y)), 1, hypot(x, y)),
        lambda t, x, y: _over(_over(-t, x, hypot(x, y)), 1, hypot(x, y)),
    ],
    doc="The angle of the vector (``other``, ``input``) from the first axis, in radians, elementwise and broadcast.",
)  # fmt: skip
arctan2 = atan2

# -- sinc ----------------------------------------------------------------------------------------------------------------

# d/dx sinc(x) = π Σ (-1)ᵏ 2k (πx)²ᵏ⁻¹ / (2k+1)!
_SERIES = [(-1) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(1, 11)]


def _sinc_rule(t: Any, x: Any) -> Any:
    """(cos πx - sinc x) / x, by its series near 0, where the difference cancels."""
    v = x * math.pi
    near = abs(v) < 1
    u = where(near, v * v, 0)
    series = _SERIES[-1] * u
    for c in _SERIES[-2:0:-1]:
        series = (series + c) * u
    series = (series + _SERIES[0]) * (v * math.pi)
    far = where(near, 1, x)
    w = far * math.pi
    return t * where(near, series, (cos(w) - sin(w) / w) / far)


sinc = declare.unary(
    "sinc", np.sinc, _sinc_rule,
    doc="``sin(π input) / (π input)``, elementwise; 1 at 0.",
)  # fmt: skip

# -- degrees -------------------------------------------------------------------------------------------------------------

_TO_RADIANS = math.pi / 180
_TO_DEGREES = 180 / math.pi
deg2rad = declare.unary(
    "deg2rad", lambda x: x * _TO_RADIANS, lambda t: t * _TO_RADIANS, node="Deg2RadBackward0",
    check=refuse(COMPLEX, "deg2rad is not supported for complex tensors."), doc="Degrees to radians, elementwise.",
)  # fmt: skip
rad2deg = declare.unary(
    "rad2deg", lambda x: x * _TO_DEGREES, lambda t: t * _TO_DEGREES, node="Rad2DegBackward0",
    check=refuse(COMPLEX, "rad2deg is not supported for complex tensors."), doc="Radians to degrees, elementwise.",
)  # fmt: skip

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
    "sin",
    "sinc",
    "sinh",
    "tan",
    "tanh",
]
