"""Largest and smallest elements, their places, softmax and its relatives."""

from __future__ import annotations

from .row import Row, apart, array, bools, ints, real

NAN, INF = float("nan"), float("inf")
TIES = (array([[2.0, 5.0, 5.0], [5.0, 1.0, 1.0]]),)
ODD = (array([[1.0, NAN, -INF], [0.0, -0.0, INF]]),)
SCALAR = (array(1.5),)
NO_ROWS = (array([[], [], []]),)
LOW = (array([[-INF, -INF, -INF], [1.0, -INF, 2.0]]),)

ROWS = [
    Row("max", lambda T, x: T.max(x), (apart(2, 3),), op="max_all", special=(SCALAR, TIES)),
    Row("min", lambda T, x: T.min(x), (apart(2, 3),), op="min_all", special=(SCALAR, TIES)),
    Row("max nan", lambda T, x: (T.max(x), T.min(x)), ODD, op=("max_all", "min_all"), differentiable=False),
    Row("max dim", lambda T, x: T.max(x, 1), (apart(2, 3),), op=("max", "take_along", "put_along"), special=(TIES, ODD)),
    Row("max kept", lambda T, x: T.max(x, 0, True), (apart(2, 3, 4),), op="max"),
    Row("max scalar", lambda T, x: T.max(x, 0), SCALAR, op="max"),
    Row("max truth", lambda T, x: T.max(x, 0), (bools(3, 4),), op="max"),
    Row("max of two", lambda T, x, y: T.max(x, y), (apart(2, 3), real(3)), op="maximum"),
    Row("min dim", lambda T, x: T.min(x, -1, keepdim=True), (apart(2, 3, 4),), op="min", special=(TIES, ODD)),
    Row("min of two", lambda T, x, y: T.min(x, y), (apart(2, 3), real(3)), op="minimum"),
    Row("min integers", lambda T, x: (x.min(), *x.min(0)), (ints(3, 4),), op="min"),
    Row("amax", lambda T, x: T.amax(x), (apart(2, 3),), special=(SCALAR, TIES)),
    Row("amax dim", lambda T, x: T.amax(x, (0, 2), True), (apart(2, 3, 4),), op="amax"),
    Row("amin", lambda T, x: T.amin(x, 1), (apart(2, 3),), special=(TIES,)),
    Row("amax nan", lambda T, x: (T.amax(x, 0), T.amin(x, 1)), ODD, op=("amax", "amin"), differentiable=False),
    Row("aminmax", lambda T, x: T.aminmax(x, dim=1), (apart(2, 3),), special=(TIES,)),
    Row("aminmax all", lambda T, x: T.aminmax(x), (apart(2, 3),), op="aminmax"),
    Row("argmax", lambda T, x: (T.argmax(x), T.argmax(x, 0), T.argmax(x, 1, keepdim=True)), (apart(2, 3),), differentiable=False,
        special=(TIES, ODD)),
    Row("argmin", lambda T, x: (T.argmin(x), T.argmin(x, -1), T.argmin(x, keepdim=True)), (apart(2, 3),), differentiable=False,
        special=(TIES, ODD)),
    Row("softmax", lambda T, x: T.softmax(x, 1), (real(2, 3),), special=(LOW, NO_ROWS, (array([[1000.0, 0.0], [NAN, 1.0]]),))),
    Row("softmax vector", lambda T, x: T.softmax(x, -1), (real(4),), op="softmax"),
    Row("softmax many rows", lambda T, x: x.softmax(1), (real(40, 3),), op="softmax", second=False, numeric=False),
    Row("softmax first", lambda T, x: x.softmax(0), (real(3, 2, 2),), op="softmax"),
    Row("softmax dtype", lambda T, x: x.softmax(0, dtype=T.float64), (real(3),), op="softmax", second=False),
    Row("softmax scalar", lambda T, x: x.softmax(0), SCALAR, op="softmax"),
    Row("log_softmax", lambda T, x: T.log_softmax(x, 1), (real(2, 3),), special=(NO_ROWS, (array([[1000.0, 0.0], [NAN, 1.0]]),))),
    Row("log_softmax vector", lambda T, x: x.log_softmax(0), (real(4),), op="log_softmax"),
    Row("log_softmax middle", lambda T, x: x.log_softmax(1), (real(2, 3, 2),), op="log_softmax"),
    Row("logsumexp", lambda T, x: T.logsumexp(x, 1), (real(2, 3),), special=((array([[1000.0, 1000.0], [0.0, -1000.0]]),),)),
    Row("logsumexp dims", lambda T, x: T.logsumexp(x, (0, 1), True), (real(2, 3),), op="logsumexp"),
    Row("logsumexp nothing", lambda T, x: T.logsumexp(x, 1), LOW, op="logsumexp", differentiable=False, special=(NO_ROWS, ODD)),
    Row("logsumexp integers", lambda T, x: T.logsumexp(x, 0), (ints(3, 2),), op="logsumexp"),
]  # fmt: skip
