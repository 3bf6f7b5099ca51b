"""Sorting, selection by rank, quantiles, places among sorted values, distinct elements, histograms."""

from __future__ import annotations

from .row import Row, apart, array, bools, ints, positive, real

NAN, INF = float("nan"), float("inf")
SCALAR = (array(1.5),)
NONE = (array([[], []]),)
ODD = (array([3.0, NAN, 1.0, -INF, INF, NAN, 2.0]),)
TIES = (array([2.0, 1.0, 2.0, 1.0, 3.0]),)

ROWS = [
    Row("sort", lambda T, x: T.sort(x), (apart(2, 4),), special=(ODD, TIES, SCALAR, NONE)),
    Row("sort descending", lambda T, x: T.sort(x, 0, descending=True), (apart(4, 2),), op="sort", special=(ODD, TIES)),
    Row("sort stable", lambda T, x: x.sort(stable=True, dim=1, descending=True), (apart(2, 4),), op="sort"),
    Row("sort integers", lambda T, x: (*x.sort(0), *x.sort(1, True)), (ints(4, 5, dtype="uint8"),), op="sort"),
    Row("sort truth", lambda T, x: x.sort(), (bools(5),), op="sort"),
    Row("msort", lambda T, x: T.msort(x), (apart(4, 2),), op="sort"),
    Row("argsort", lambda T, x: (T.argsort(x), T.argsort(x, 0, True)), (apart(3, 4),), differentiable=False, special=(ODD, TIES)),
    Row("topk", lambda T, x: T.topk(x, 2), (apart(2, 4),), special=((array([1.0, NAN, 2.0]),),)),
    Row("topk smallest", lambda T, x: T.topk(x, 3, 0, largest=False), (apart(4, 2),), op="topk", special=((array([1.0, NAN, 2.0, INF]),),)),
    Row("topk long", lambda T, x: (*T.topk(x, 5), *T.topk(x, 4, largest=False)), (apart(2000),), op="topk", second=False, vmap=False,
        numeric=False),
    Row("kthvalue", lambda T, x: T.kthvalue(x, 2), (apart(2, 4),), special=((array([1.0, NAN, 2.0]),),)),
    Row("kthvalue kept", lambda T, x: T.kthvalue(x, 3, 0, True), (apart(4, 2),), op="kthvalue"),
    Row("median", lambda T, x: T.median(x), (apart(2, 4),), op="median_all", special=((array([2.0, 2.0, 1.0, 2.0]),), SCALAR)),
    Row("median dim", lambda T, x: T.median(x, 1), (apart(2, 4),), op="median", special=((array([[1.0, NAN, 3.0], [4.0, 6.0, 5.0]]),),)),
    Row("median kept", lambda T, x: T.median(x, 0, True), (apart(5, 2),), op="median"),
    Row("nanmedian", lambda T, x: T.nanmedian(x), (apart(2, 4),), op="nanmedian_all", special=((array([NAN, 1.0, 3.0, 2.0]),),)),
    Row("nanmedian dim", lambda T, x: T.nanmedian(x, 1), (apart(2, 4),), op="nanmedian",
        special=((array([[1.0, NAN, 3.0], [4.0, 6.0, 5.0]]),),)),
    Row("mode", lambda T, x: T.mode(x), (ints(4, 9, hi=4),)),
    Row("mode floats", lambda T, x: T.mode(x, 0), (array([[1.0, 2.0], [3.0, 2.0], [1.0, 5.0], [4.0, 6.0]]),), op="mode", numeric=False),
    Row("quantile", lambda T, x: T.quantile(x, 0.3), (apart(2, 4),), op="quantile", special=((array([1.0, NAN, 2.0]),), SCALAR)),
    Row("quantile dim", lambda T, x, q: T.quantile(x, q, 1, True), (apart(2, 5), array([0.1, 0.5, 0.83], grad=False)), op="quantile",
        vmap=(True, False)),
    Row("quantile lower", lambda T, x: T.quantile(x, 0.6, 0, interpolation="lower"), (apart(4, 2),), op="quantile"),
    Row("quantile higher", lambda T, x: T.quantile(x, 0.6, 0, interpolation="higher"), (apart(4, 2),), op="quantile"),
    Row("quantile midpoint", lambda T, x: T.quantile(x, 0.6, 0, interpolation="midpoint"), (apart(4, 2),), op="quantile"),
    Row("quantile nearest", lambda T, x: T.quantile(x, 0.6, 0, interpolation="nearest"), (apart(4, 2),), op="quantile"),
    Row("nanquantile", lambda T, x: T.nanquantile(x, 0.4, 1), (apart(2, 4),), op="nanquantile",
        special=((array([[1.0, NAN, 3.0], [4.0, 6.0, 5.0]]),),)),
    Row("searchsorted", lambda T, v: (T.searchsorted(T.tensor([-1.0, 0.0, 0.5, 0.5, 2.0], dtype=v.dtype), v),
                                      T.searchsorted(T.tensor([-1.0, 0.0, 0.5, 0.5, 2.0], dtype=v.dtype), v, right=True)),
        (real(2, 3),), differentiable=False, special=((array([0.5, -1.0, 2.0, 3.0, NAN, -INF]),),)),
    Row("searchsorted rows", lambda T, s, v: T.searchsorted(s, v, side="right", out_int32=True),
        (array([[1, 3, 5, 7], [2, 4, 6, 8]]), ints(2, 3)), op="searchsorted"),
    Row("bucketize", lambda T, v: T.bucketize(v, T.tensor([-1.0, 0.0, 0.5, 0.5, 2.0], dtype=v.dtype), right=True), (real(2, 3),),
        op="searchsorted", differentiable=False),
    Row("isin", lambda T, x, y: (T.isin(x, y), T.isin(x, y, invert=True)), (ints(2, 3), ints(4))),
    Row("unique", lambda T, x: T.unique(x, return_inverse=True, return_counts=True), (ints(3, 4, hi=5),), op="unique", vmap=False,
        special=((array([1.0, NAN, 1.0, NAN]),),), gradients=False),
    Row("unique dim", lambda T, x: T.unique(x, return_inverse=True, return_counts=True, dim=0), (ints(6, 2, hi=2),), op="unique",
        vmap=False),
    Row("unique_consecutive", lambda T, x: T.unique_consecutive(x, True, True), (ints(12, hi=2),), op="unique_consecutive", vmap=False),
    Row("bincount", lambda T, x: (T.bincount(x), T.bincount(x, minlength=12)), (ints(8, hi=6),), op="bincount", vmap=False),
    Row("bincount weights", lambda T, x, w: T.bincount(x, w), (ints(8, hi=6), real(8, grad=False)), op="bincount", vmap=False,
        differentiable=False),
    Row("histc", lambda T, x: (T.histc(x, 4), T.histc(x, 5, -1.0, 1.0)), (real(20),), op="histc", vmap=False, differentiable=False),
    Row("histogram", lambda T, x: T.histogram(x, 4, range=(-1.0, 1.5)), (real(20),), op="histogram", vmap=False, differentiable=False),
    Row("histogram edges", lambda T, x, w: T.histogram(x, T.tensor([-1.0, 0.0, 0.2, 2.0], dtype=x.dtype), weight=w, density=True),
        (real(20), positive(20)), op="histogram", vmap=False, differentiable=False),
]  # fmt: skip
