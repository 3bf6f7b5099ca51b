"""Sums, means, products, truth, traces; variances and covariances."""

from __future__ import annotations

from .row import Row, array, bools, cplx, ints, real

NAN, INF = float("nan"), float("inf")
EMPTY = (array([[], [], []]),)
SCALAR = (array(1.5),)
ODD = (array([[1.0, NAN, -INF], [0.0, -0.0, INF]]),)

ROWS = [
    Row("sum", lambda T, x: T.sum(x), (real(2, 3),), op="sum_all", special=(SCALAR, EMPTY, ODD)),
    Row("sum dim", lambda T, x: T.sum(x, dim=1), (real(2, 3),), op="sum", special=(EMPTY, ODD)),
    Row("sum first", lambda T, x: T.sum(x, 0), (real(4, 3),), op="sum", special=(ODD,)),
    Row("sum dims kept", lambda T, x: T.sum(x, (0, -1), True), (real(2, 3, 4),), op="sum"),
    Row("sum middle", lambda T, x: x.sum(1), (real(2, 3, 4),), op="sum"),
    Row("sum axis", lambda T, x: x.sum(axis=0, keepdims=True), (real(2, 3),), op="sum", second=False),
    Row("sum no dims", lambda T, x: T.sum(x, ()), (real(2, 3),), op="sum"),
    Row("sum scalar dim", lambda T, x: x.sum(-1), (real(),), op="sum"),
    Row("sum many", lambda T, x: (x.sum(0), x.sum(1), x.sum()), (real(700, 30),), op=("sum", "sum_all"), second=False, vmap=False,
        numeric=False),
    Row("sum integers", lambda T, x: (x.sum(), x.sum(0), x.sum(dtype=T.uint8)), (ints(3, 4, dtype="uint8"),), op="sum"),
    Row("sum truth", lambda T, x: (x.sum(), x.sum(1)), (bools(3, 4),), op="sum"),
    Row("sum dtype", lambda T, x: x.sum(0, dtype=T.float64), (real(3, 2),), op="sum", second=False),
    Row("sum complex", lambda T, x: x.sum(1), (cplx(2, 3),), op="sum"),
    Row("sum_to_size", lambda T, x: x.sum_to_size(1, 3), (real(4, 2, 3),), op="sum"),
    Row("mean", lambda T, x: T.mean(x), (real(2, 3),), op="mean_all", special=(SCALAR, EMPTY, ODD)),
    Row("mean dim", lambda T, x: T.mean(x, 0), (real(2, 3),), op="mean", special=(EMPTY, ODD)),
    Row("mean dims kept", lambda T, x: T.mean(x, (0, 2), True), (real(2, 3, 4),), op="mean"),
    Row("mean dtype", lambda T, x: x.mean(dtype=T.float32), (ints(5),), op="mean_all"),
    Row("mean complex", lambda T, x: x.mean(), (cplx(2, 3),), op="mean_all"),
    Row("nansum", lambda T, x: (T.nansum(x), T.nansum(x, 0)), (real(2, 3),), special=(ODD, EMPTY)),
    Row("nanmean", lambda T, x: (T.nanmean(x), T.nanmean(x, 1, True)), (real(2, 3),), op="nansum", special=(ODD,)),
    Row("prod", lambda T, x: T.prod(x), (real(2, 3),), op="prod_all",
        special=(SCALAR, EMPTY, (array([[2.0, 0.0], [3.0, 4.0]]),), (array([0.0, 2.0, 0.0]),), (array([INF, 0.0]),))),
    Row("prod zero", lambda T, x: T.prod(x), (array([2.0, 0.0, 3.0, -1.5]),), op="prod_all"),
    Row("prod two zeros", lambda T, x: T.prod(x), (array([2.0, 0.0, 3.0, 0.0]),), op="prod_all"),
    Row("prod dim", lambda T, x: T.prod(x, 1), (array([[2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [1.5, 2.0, -1.0]]),), op="prod", special=(EMPTY,)),
    Row("prod kept", lambda T, x: T.prod(x, 0, True), (real(3, 2),), op="prod"),
    Row("prod complex", lambda T, x: T.prod(x, 0), (cplx(3, 2),), op="prod"),
    Row("prod integers", lambda T, x: (x.prod(), x.prod(0), x.prod(0, dtype=T.uint8)), (ints(3, 4, lo=1, hi=5, dtype="uint8"),), op="prod"),
    Row("all", lambda T, x: (T.all(x), T.all(x, 0), T.all(x, (0, 1), True)), (bools(2, 3),), special=((array([[], []], "bool"),),)),
    Row("any", lambda T, x: (T.any(x), T.any(x, 1), T.any(x, ())), (bools(2, 3),), special=((array([[], []], "bool"),),)),
    Row("all numbers", lambda T, x: (x.all(), x.any(0)), (ints(3, 3, hi=2, dtype="uint8"),), op=("all", "any")),
    Row("all floats", lambda T, x: (x.all(0), x.any(0)), (array([[NAN, 0.0, -0.0], [1.0, 0.0, 2.0]]),), op=("all", "any"),
        differentiable=False),
    Row("count_nonzero", lambda T, x: (T.count_nonzero(x), T.count_nonzero(x, 0)), (ints(3, 4, hi=2),),
        special=((array([[0.0, NAN], [-0.0, 1.0]]),),)),
    Row("trace", lambda T, x: T.trace(x), (real(3, 4),), op=("trace", "on_diagonal"), special=((array([[], []]),),)),
    Row("trace integers", lambda T, x: T.trace(x), (ints(3, 3, dtype="int32"),), op="trace"),
    Row("var", lambda T, x: T.var(x), (real(2, 3),), special=(ODD, (array([5.0, 5.0]),))),
    Row("var dim", lambda T, x: T.var(x, 1), (real(2, 3),), op="var"),
    Row("var correction", lambda T, x: T.var(x, (0, 2), correction=0, keepdim=True), (real(2, 3, 4),), op="var"),
    Row("var biased", lambda T, x: x.var(0, False), (real(4, 3),), op="var"),
    Row("var far from zero", lambda T, x: x.var(), (real(50, lo=2000.0, hi=2002.0),), op="var", second=False, numeric=False, rtol=1e-3),
    Row("var complex", lambda T, x: T.var(x, 0), (cplx(4, 2),), op="var"),
    Row("std", lambda T, x: T.std(x), (real(2, 3),), special=(ODD, (array([5.0, 5.0]),))),
    Row("std dim", lambda T, x: T.std(x, 1, keepdim=True), (real(2, 3),), op="std"),
    Row("std unbiased", lambda T, x: x.std(unbiased=False), (real(4),), op="std"),
    Row("std complex", lambda T, x: T.std(x, 0), (cplx(4, 2),), op="std"),
    Row("var_mean", lambda T, x: T.var_mean(x, 1), (real(2, 3),)),
    Row("std_mean", lambda T, x: T.std_mean(x, (0, 1), correction=2, keepdim=True), (real(2, 3),)),
    Row("cov", lambda T, x: T.cov(x), (real(3, 5),), op="cov"),
    Row("cov weights", lambda T, x, f, a: T.cov(x, correction=0, fweights=f, aweights=a),
        (real(2, 4), ints(4, lo=1, hi=4), real(4, lo=0.3, hi=1.5)), op="cov", vmap=(True, False, False)),
    Row("cov one variable", lambda T, x: T.cov(x), (real(5),), op="cov"),
    Row("corrcoef", lambda T, x: T.corrcoef(x), (real(3, 5),), op="corrcoef", atol=1e-6),
]  # fmt: skip
