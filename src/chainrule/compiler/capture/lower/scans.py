"""Running sums, products and extrema, and the algebra that they differentiate with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...program.ir import Node
from .. import build
from ..symbolic import Unsupported
from .reduction import in_float
from .structure import padded, stepped
from .table import lowers


def backwards(x: Node, dim: int) -> Node:
    """The elements along a dimension in reverse."""
    return stepped(x, dim, x.shape[dim] - 1, -1, x.shape[dim]) if x.shape[dim] else x


def _scanned(fn: str, x: Node, dim: int, reverse: bool) -> Node:
    """From the last to the first with ``reverse``."""
    if x.dtype.kind == "b":
        raise Unsupported("truth values")
    given = backwards(x, dim) if reverse else x
    made = build.make("scan", (given,), x.shape, x.dtype, fn=fn, axis=dim)
    return backwards(made, dim) if reverse else made


@lowers("cumsum")
def cumsum(x: Node, *, dim: int, reverse: bool) -> Node:
    return _scanned("cumsum", x, dim, reverse)


@lowers("shift")
def shift(x: Node, *, dim: int, by: int, fill: float = 0) -> Node:
    n = x.shape[dim]
    by = max(-n, min(n, by))
    before, after = [0] * len(x.shape), [0] * len(x.shape)
    before[dim], after[dim] = max(by, 0), max(-by, 0)
    return padded(stepped(x, dim, max(-by, 0), 1, n - abs(by)), before, after, fill)


@lowers("cumprod")
def cumprod(x: Node, *, dim: int, exclusive: bool, reverse: bool) -> Node:
    return _scanned("cumprod", shift(x, dim=dim, by=-1 if reverse else 1, fill=1) if exclusive else x, dim, reverse)


@lowers("recurrence")
def recurrence(a: Node, b: Node, *, dim: int, reverse: bool) -> Node:
    shape = np.broadcast_shapes(a.shape, b.shape)
    kind = np.result_type(a.dtype, b.dtype)
    a, b = [build.expand(build.cast(v, kind), shape) for v in (a, b)]
    if reverse:
        a, b = backwards(a, dim), backwards(b, dim)
    first = build.compare("eq", build.iota(shape, dim), build.const(0, np.int64))
    a = build.where(first, build.number(a, 0), a)  # where nothing came before, an infinite factor is none
    made = in_float(b, lambda v: build.make("scan", (v, build.cast(a, v.dtype)), shape, v.dtype, fn="recurrence", axis=dim))
    return backwards(made, dim) if reverse else made


@lowers("logcumsumexp")
def logcumsumexp(x: Node, *, dim: int) -> Node:
    return _scanned("logcumsumexp", x, dim, False)


def _running(fn: str, attains: str) -> Callable[..., tuple[Node, Node]]:
    """The running extremum, and the last place so far where it was attained: from the first NaN on, the last NaN's."""

    def lower(x: Node, *, dim: int) -> tuple[Node, Node]:
        values = _scanned(fn, x, dim, False)
        hit = build.compare(attains, x, values)
        if x.dtype.kind not in "iu":
            unknown = [build.mapped("isnan", v, dtype=bool) for v in (x, values)]
            hit = build.mapped("or", hit, build.mapped("and", *unknown, dtype=bool), dtype=bool)
        place = build.where(hit, build.iota(x.shape, dim), build.const(0, np.int64))
        return values, _scanned("cummax", place, dim, False)

    return lower


lowers("cummax")(_running("cummax", "ge"))
lowers("cummin")(_running("cummin", "le"))
