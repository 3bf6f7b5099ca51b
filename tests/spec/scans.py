"""Running sums, products and extrema, differences, the trapezoidal rule."""

from __future__ import annotations

from .row import Row, apart, array, bools, cplx, ints, real

NAN, INF = float("nan"), float("inf")
SCALAR = (array(1.5),)
NONE = (array([[], []]),)
ODD = (array([1.0, INF, NAN, -INF, 2.0]),)
TIES = (array([3.0, 1.0, 3.0, 5.0, 5.0, 1.0]),)

ROWS = [
    Row("cumsum", lambda T, x: T.cumsum(x, 0), (real(4),), special=(SCALAR, ODD)),
    Row("cumsum dim", lambda T, x: x.cumsum(-1), (real(2, 3),), op="cumsum", special=(NONE,)),
    Row("cumsum integers", lambda T, x: (x.cumsum(0), x.cumsum(1, dtype=T.int16)), (ints(2, 3, dtype="uint8"),), op="cumsum"),
    Row("cumsum truth", lambda T, x: x.cumsum(1), (bools(2, 3),), op="cumsum"),
    Row("cumsum complex", lambda T, x: x.cumsum(0), (cplx(3),), op="cumsum"),
    Row("cumprod", lambda T, x: T.cumprod(x, 0), (real(4),), op=("cumprod", "shift", "recurrence"), special=(SCALAR, NONE)),
    Row("cumprod zeros", lambda T, x: T.cumprod(x, 0), (array([2.0, 0.0, 3.0, 0.0, 1.5]),), op=("cumprod", "shift", "recurrence")),
    Row("cumprod dim", lambda T, x: x.cumprod(1), (array([[2.0, 0.0, 3.0], [1.5, -2.0, 0.0]]),), op=("cumprod", "shift", "recurrence")),
    Row("cumprod complex", lambda T, x: x.cumprod(0), (cplx(3, 2),), op="cumprod"),
    Row("cumprod integers", lambda T, x: x.cumprod(0), (ints(4, lo=1, dtype="int32"),), op="cumprod"),
    Row("logcumsumexp", lambda T, x: T.logcumsumexp(x, 0), (real(4),), special=(SCALAR, (array([-800.0, 0.0, 800.0, 801.0]),))),
    Row("logcumsumexp dim", lambda T, x: T.logcumsumexp(x, 1), (real(2, 3),), op="logcumsumexp", special=(NONE,)),
    Row("logcumsumexp infinite", lambda T, x: T.logcumsumexp(x, 0), (array([-INF, -INF, 1.0, INF, 2.0]),), op="logcumsumexp",
        differentiable=False),
    Row("cummax", lambda T, x: T.cummax(x, 0), (apart(5),), special=(ODD, TIES, SCALAR, NONE)),
    Row("cummax dim", lambda T, x: T.cummax(x, 1), (apart(2, 4),), op="cummax"),
    Row("cummin", lambda T, x: T.cummin(x, 0), (apart(5),), special=(ODD, TIES, SCALAR, NONE)),
    Row("cummin integers", lambda T, x: T.cummin(x, 1), (ints(3, 4),), op="cummin"),
    Row("diff", lambda T, x: T.diff(x), (real(2, 4),), op="diff"),
    Row("diff order", lambda T, x, a: T.diff(x, n=2, dim=0, append=a), (real(3, 2), real(1, 2)), op="diff"),
    Row("diff truth", lambda T, x: T.diff(x), (bools(5),), op="diff"),
    Row("trapezoid", lambda T, y: T.trapezoid(y), (real(2, 4),), op="trapezoid"),
    Row("trapezoid dx", lambda T, y: T.trapezoid(y, dx=0.5, dim=0), (real(4, 2),), op="trapezoid"),
    Row("trapezoid x", lambda T, y, x: T.trapezoid(y, x), (real(2, 4), real(4)), op="trapezoid"),
    Row("cumulative_trapezoid", lambda T, y, x: T.cumulative_trapezoid(y, x), (real(2, 4), real(2, 4)), op="cumulative_trapezoid"),
]  # fmt: skip
