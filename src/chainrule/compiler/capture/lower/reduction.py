"""Sums, means, extremes and their positions, norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ...program.ir import Node
from .. import build
from ..symbolic import Unsupported
from .table import lowers

_I8 = np.dtype(np.int64)


def in_float(x: Node, compute: Callable[[Node], Node]) -> Node:
    """Half precision computes in float32."""
    if x.dtype.itemsize < 4 and x.dtype.kind not in "biu":
        return build.cast(compute(build.cast(x, np.float32)), x.dtype)
    return compute(x)


def floats_only(x: Node) -> None:
    if x.dtype.kind in "biu":
        raise Unsupported("integers")


def along(rows: Node, like: Node, dims: Sequence[int]) -> Node:
    """What belongs to rows (``like`` without ``dims``), at each of their elements."""
    kept = [1 if d in dims else n for d, n in enumerate(like.shape)]
    return build.expand(build.reshape(rows, kept), like.shape)


def adding(x: Node, dims: Any, keep: bool) -> Node:
    """The sum in the dtype of ``x``, which integers have been brought to before; truth values are counted."""
    if x.dtype.kind == "b":
        x = build.cast(x, _I8)
    total: Node = in_float(x, lambda v: build.sum_of(v, dims, keep))
    return total


@lowers("sum")
def sum_dims(x: Node, *, dim: Any, keepdim: bool) -> Node:
    return adding(x, dim, keepdim)


@lowers("sum_all")
def sum_all(x: Node) -> Node:
    return adding(x, None, False)


@lowers("column_sums")
def column_sums(x: Node) -> Node:
    return adding(x, tuple(range(len(x.shape) - 1)), False)


@lowers("mean")
def mean(x: Node, *, dim: Any, keepdim: bool) -> Node:
    floats_only(x)
    count = prod([x.shape[d] for d in build.axes_of(x, dim)])
    return in_float(x, lambda v: build.div(build.sum_of(v, dim, keepdim), build.number(v, count)))


@lowers("mean_all")
def mean_all(x: Node) -> Node:
    return mean(x, dim=None, keepdim=False)


def _extreme(fn: str) -> Callable[..., Node]:
    def lower(x: Node, *, dim: Any = None, keepdim: bool = False) -> Node:
        return build.reduce(fn, x, dim, keepdim)

    return lower


lowers("amax", "max_all")(_extreme("max"))
lowers("amin", "min_all")(_extreme("min"))


def _position(fn: str) -> Callable[..., Node]:
    def lower(x: Node, *, dim: int | None, keepdim: bool) -> Node:
        return build.reduce(fn, x, dim, keepdim, _I8)

    return lower


lowers("argmax")(_position("argmax"))
lowers("argmin")(_position("argmin"))


def _both(fn: str) -> Callable[..., tuple[Node, Node]]:
    def lower(x: Node, *, dim: int, keepdim: bool, **kw: Any) -> tuple[Node, Node]:
        if kw or not x.shape:
            raise Unsupported("keywords")
        return build.reduce(fn, x, dim, keepdim), build.reduce("arg" + fn, x, dim, keepdim, _I8)

    return lower


lowers("max")(_both("max"))
lowers("min")(_both("min"))


def _truth(fn: str) -> Callable[..., Node]:
    def lower(x: Node, *, dim: Any, keepdim: bool) -> Node:
        kind = x.dtype
        if kind.kind != "b":
            x = build.compare("ne", x, build.number(x, 0))
        found = build.reduce(fn, x, dim, keepdim)
        return build.cast(found, kind) if kind == np.uint8 else found  # PyTorch keeps this one dtype

    return lower


lowers("all")(_truth("all"))
lowers("any")(_truth("any"))


@lowers("prod")
def product(x: Node, *, dim: Any, keepdim: bool) -> Node:
    if x.dtype.kind == "b":
        raise Unsupported("truth values")
    return in_float(x, lambda v: build.reduce("prod", v, dim, keepdim))


@lowers("prod_all")
def product_all(x: Node) -> Node:
    return product(x, dim=None, keepdim=False)


def spread_of(x: Node, dim: Any, correction: float, keepdim: bool) -> tuple[Node, Node]:
    """(variance, mean) in two passes."""
    floats_only(x)
    if x.dtype.itemsize < 4:
        raise Unsupported("half precision")
    axes = build.axes_of(x, dim)
    count = prod([x.shape[d] for d in axes])
    centre = build.mean_of(x, dim, False)
    off = build.sub(x, along(centre, x, axes))
    total = build.sum_of(build.mul(off, off), dim, keepdim)
    free = max(0.0, count - correction)
    scaled = build.div(total, build.number(x, free))
    shape = total.shape
    return scaled, build.reshape(centre, shape)


@lowers("var")
def var(x: Node, *, dim: Any, correction: float, keepdim: bool) -> Node:
    return spread_of(x, dim, correction, keepdim)[0]


@lowers("std")
def std(x: Node, *, dim: Any, correction: float, keepdim: bool) -> Node:
    return build.mapped("sqrt", spread_of(x, dim, correction, keepdim)[0])


@lowers("var_mean")
def var_mean(x: Node, *, dim: Any, correction: float, keepdim: bool) -> tuple[Node, Node]:
    return spread_of(x, dim, correction, keepdim)


@lowers("std_mean")
def std_mean(x: Node, *, dim: Any, correction: float, keepdim: bool) -> tuple[Node, Node]:
    variance, centre = spread_of(x, dim, correction, keepdim)
    return build.mapped("sqrt", variance), centre


@lowers("trace")
def trace(x: Node) -> Node:
    rows, columns = x.shape[-2:]
    n = min(rows, columns)
    base, strides, offset = build.strided(x)
    diagonal = build.view(base, (*x.shape[:-2], n), (*strides[:-2], strides[-2] + strides[-1]), offset)
    return adding(build.cast(diagonal, _I8) if x.dtype.kind in "biu" else diagonal, -1, False)


@lowers("linalg_vector_norm")
def norm(x: Node, *, ord: float, dim: Any, keepdim: bool) -> Node:
    floats_only(x)
    if x.dtype.itemsize < 4 or not x.size:
        raise Unsupported("half precision, or nothing at all")
    if ord == 2:
        return build.mapped("sqrt", build.sum_of(build.mul(x, x), dim, keepdim))
    size = build.mapped("abs", x)
    if ord == 1:
        return build.sum_of(size, dim, keepdim)
    if ord in (float("inf"), float("-inf")):
        return build.reduce("max" if ord > 0 else "min", size, dim, keepdim)
    if ord == 0:
        return build.sum_of(build.cast(build.compare("ne", x, build.number(x, 0)), x.dtype), dim, keepdim)
    total = build.sum_of(build.mapped("pow", size, build.number(x, ord)), dim, keepdim)
    return build.mapped("pow", total, build.number(x, 1 / ord))


@lowers("nansum")
def nansum(x: Node, *, dim: Any, keepdim: bool) -> Node:
    if x.dtype.kind in "fV":
        x = build.where(build.mapped("isnan", x, dtype=bool), build.number(x, 0), x)
    return adding(x, dim, keepdim)


@lowers("count_nonzero")
def count_nonzero(x: Node, *, dim: Any) -> Node:
    return build.sum_of(build.cast(build.compare("ne", x, build.number(x, 0)), _I8), dim, False)


@lowers("aminmax")
def aminmax(x: Node, *, dim: Any, keepdim: bool) -> tuple[Node, Node]:
    return build.reduce("min", x, dim, keepdim), build.reduce("max", x, dim, keepdim)


@lowers("dist")
def dist(x: Node, y: Node, *, p: float) -> Node:
    apart = build.sub(x, y)
    return norm(apart, ord=p, dim=tuple(range(len(apart.shape))), keepdim=False)
