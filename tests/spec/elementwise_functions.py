"""Functions of one number (exponentials, circles, hyperbolas) and of two (logaddexp, hypot, atan2, xlogy)."""

from __future__ import annotations

from typing import Any

from .row import Input, Row, array, bools, cplx, ints, positive, real

NAN, INF = float("nan"), float("inf")
EMPTY = array([[], []])
POINTS = array([-INF, -2.5, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 2.0, INF, NAN])
UNIT = real(2, 3, lo=-0.95, hi=0.95)
POSITIVE = positive(2, 3)
REAL = real(2, 3)


def row(name: str, given: Input = REAL, **kw: Any) -> Row:
    """The function ``name``, at boundary points too."""
    return Row(name, lambda T, x: getattr(T, name)(x), (given,), special=((POINTS,), (array(0.3),), (EMPTY,)), **kw)


def complex_row(name: str) -> Row:
    return Row(f"{name} complex", lambda T, z: getattr(T, name)(z), (cplx(2, 3),), op=name)


HOLOMORPHIC = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "sigmoid", "sin", "cos", "tan", "asin", "acos", "atan",
    "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sinc",
)  # fmt: skip
OF_INTEGERS = (*HOLOMORPHIC, "deg2rad", "rad2deg", "erf", "erfc", "lgamma", "digamma", "i0", "logit")

ROWS = [
    *[row(n) for n in ("exp", "exp2", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh", "sigmoid")],
    *[row(n) for n in ("deg2rad", "rad2deg")],
    *[row(n, POSITIVE) for n in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt")],
    *[row(n, UNIT) for n in ("asin", "acos", "atanh")],
    Row("acosh", lambda T, x: T.acosh(x), (positive(2, 3, lo=1.2),), special=((array([0.5, 1.0, 2.0, INF, NAN]),), (array(2.5),))),
    row("sinc", real(2, 3, lo=-3, hi=3)),
    *[complex_row(n) for n in HOLOMORPHIC],
    Row("functions of integers", lambda T, x: tuple(getattr(T, n)(x) for n in OF_INTEGERS), (ints(4),), op=OF_INTEGERS),
    Row("functions of truth", lambda T, x: (T.exp(x), T.sqrt(x), T.sin(x), x.sigmoid()), (bools(4),), op=("exp", "sqrt", "sin", "sigmoid")),
    Row("functions of halves", lambda T, x: tuple(getattr(T, n)(x.to(k)).float() for n in ("exp", "sin", "sigmoid", "tanh", "erf", "lgamma")
                                                  for k in (T.float16, T.bfloat16)),
        (positive(6),), op=("exp", "sin", "sigmoid", "tanh", "erf", "lgamma"), rtol=1e-2, differentiable=False),
    Row("logit", lambda T, x: T.logit(x), (positive(2, 3, lo=0.1, hi=0.9),),
        special=((array([-1.0, 0.0, 0.5, 1.0, 2.0, NAN]),), (array(0.3),))),
    Row("logit eps", lambda T, x: T.logit(x, 0.1), (positive(2, 3, lo=0.2, hi=0.8),), op="logit",
        special=((array([-1.0, 0.05, 0.1, 0.5, 0.9, 0.95, 2.0]),),)),
    Row("logaddexp", lambda T, x, y: T.logaddexp(x, y), (real(3, 1), real(4)),
        special=((array([-INF, 800.0, -800.0, 1.0]), array([1.0, 801.0, -801.0, INF])),)),
    Row("logaddexp complex", lambda T, x, y: T.logaddexp(x, y), (cplx(3), cplx(3)), op="logaddexp", differentiable=False),
    Row("logaddexp2", lambda T, x, y: T.logaddexp2(x, y), (real(3, 1), real(4)),
        special=((array([-INF, 800.0, 1.0]), array([1.0, 801.0, INF])),)),
    Row("hypot", lambda T, x, y: T.hypot(x, y), (real(3, 1), real(4)), special=((array([3.0, INF, 0.0]), array([4.0, 1.0, 2.0])),)),
    Row("hypot origin", lambda T, x, y: T.hypot(x, y), (array([0.0, 1.0]), array([0.0, 0.0])), op="hypot", differentiable=False),
    Row("atan2", lambda T, x, y: T.atan2(x, y), (real(3, 1), real(4)),
        special=((array([0.0, -0.0, 1.0, 0.0, INF, NAN]), array([1.0, -1.0, 0.0, 0.0, 1.0, 1.0])),)),
    Row("atan2 integers", lambda T, x, y: T.atan2(x, y), (ints(4), ints(4)), op="atan2"),
    Row("xlogy", lambda T, x, y: T.xlogy(x, y), (real(3, 1), positive(4)),
        special=((array([0.0, 0.0, 1.0, 2.0]), array([2.0, -1.0, 0.0, INF])),)),
    Row("xlogy origin", lambda T, x, y: T.xlogy(x, y), (array([0.0, 0.0]), array([0.0, NAN])), op="xlogy", differentiable=False),
    Row("xlogy_number", lambda T, x: T.xlogy(x, 2.5), (real(4),)),
    Row("xlogy_from_number", lambda T, y: T.xlogy(2, y), (positive(4),)),
    Row("special_xlog1py", lambda T, x, y: T.special.xlog1py(x, y), (real(3, 1), positive(4)),
        special=((array([0.0, 0.0, 1.0]), array([2.0, -3.0, -1.0])),)),
    Row("special_xlog1py_number", lambda T, x: T.special.xlog1py(x, 2.5), (real(4),)),
    Row("special_xlog1py_from_number", lambda T, y: T.special.xlog1py(2, y), (positive(4),)),
]  # fmt: skip
