"""Sorting and selecting along a dimension, what they differentiate with, and searching in sorted values."""

from __future__ import annotations

import numpy as np

from ...program.ir import Node, row_major
from .. import build
from ..symbolic import Unsupported
from .indexing import along, gathered, scattered
from .structure import stepped, zeros
from .table import lowers

_I8 = np.dtype(np.int64)
_LOOKED_AT = 64  # elements that are all compared, rather than searched


@lowers("put_along")
def put_along(g: Node, index: Node, *, dim: int, size: int, unique: bool) -> Node:
    shape = (*g.shape[:dim], size, *g.shape[dim + 1 :])
    if g.dtype.kind == "b":
        raise Unsupported("truth values")
    if index.shape[dim] == 1 and index.shape == g.shape:
        here = build.compare("eq", build.iota(shape, dim), build.cast(index, _I8))
        return build.where(here, build.expand(g, shape), build.number(g, 0))
    return scattered(zeros(shape, g.dtype), along(shape, build.cast(index, _I8), dim), g, "set" if unique else "add")


def order(x: Node, dim: int, descending: bool, count: int | None = None) -> Node:
    """The first ``count`` indices of the stable order along a dimension, NaN as the largest."""
    shape = (*x.shape[:dim], x.shape[dim] if count is None else count, *x.shape[dim + 1 :])
    if 0 in shape or x.shape[dim] == 1:
        return build.full(shape, 0, _I8)
    return build.make("order", (x,), shape, _I8, axis=dim, descending=bool(descending))


def _taken(x: Node, index: Node, dim: int) -> Node:
    """The elements at indices along a dimension, which are inside."""
    return gathered(x, along(x.shape, index, dim))


@lowers("argsort")
def argsort(x: Node, *, dim: int, descending: bool) -> Node:
    return order(x, dim, descending)


@lowers("sort")
def sort(x: Node, *, dim: int, descending: bool) -> tuple[Node, Node]:
    index = order(x, dim, descending)
    return _taken(x, index, dim), index


@lowers("topk")
def topk(x: Node, *, dim: int, k: int, largest: bool) -> tuple[Node, Node]:
    index = order(x, dim, largest, k)
    return _taken(x, index, dim), index


def _at(x: Node, index: Node, dim: int, keepdim: bool) -> tuple[Node, Node]:
    """The elements at one index of each row, and the indices."""
    shape = index.shape if keepdim else (*x.shape[:dim], *x.shape[dim + 1 :])
    return build.reshape(_taken(x, index, dim), shape), build.reshape(index, shape)


@lowers("kthvalue")
def kthvalue(x: Node, *, dim: int, keepdim: bool, k: int) -> tuple[Node, Node]:
    if not x.size:
        raise Unsupported("nothing at all")
    return _at(x, stepped(order(x, dim, False, k), dim, k - 1, 1, 1), dim, keepdim)


def _median(x: Node, dim: int, keepdim: bool, ignore_nan: bool) -> tuple[Node, Node]:
    """The lower median; with NaN among the elements the first NaN, unless they are ignored."""
    if not x.size:
        raise Unsupported("nothing at all")
    n = x.shape[dim]
    found = order(x, dim, False)
    middle = build.const((n - 1) // 2, _I8)
    if x.dtype.kind in "biu":
        return _at(x, stepped(found, dim, (n - 1) // 2, 1, 1), dim, keepdim)
    missing = build.sum_of(build.cast(build.mapped("isnan", x, dtype=bool), _I8), dim, True)
    known = build.sub(build.const(n, _I8), missing)
    if ignore_nan:
        last = build.mapped("maximum", build.sub(known, build.const(1, _I8)), build.const(0, _I8))
        place = build.mapped("floor_div", last, build.const(2, _I8))
    else:
        place = build.where(build.compare("gt", missing, build.const(0, _I8)), known, middle)
    return _at(x, _taken(found, place, dim), dim, keepdim)


@lowers("median")
def median(x: Node, *, dim: int, keepdim: bool) -> tuple[Node, Node]:
    return _median(x, dim, keepdim, False)


@lowers("nanmedian")
def nanmedian(x: Node, *, dim: int, keepdim: bool) -> tuple[Node, Node]:
    return _median(x, dim, keepdim, True)


@lowers("median_all")
def median_all(x: Node) -> Node:
    return median(build.reshape(x, (x.size,)), dim=0, keepdim=False)[0]


@lowers("nanmedian_all")
def nanmedian_all(x: Node) -> Node:
    return nanmedian(build.reshape(x, (x.size,)), dim=0, keepdim=False)[0]


def _less(a: Node, b: Node) -> Node:
    """Whether ``a`` comes before ``b``, where NaN comes last."""
    below = build.compare("lt", a, b)
    if a.dtype.kind in "biu":
        return below
    last = build.mapped("and", build.mapped("isnan", b, dtype=bool), build.compare("eq", a, a), dtype=bool)
    return build.mapped("or", below, last, dtype=bool)


@lowers("searchsorted")
def searchsorted(sequence: Node, values: Node, *, right: bool) -> Node:
    """By halves: the same number of steps for all values, each of which looks at one place of the sequence."""
    kind = np.result_type(sequence.dtype, values.dtype)
    if kind.kind not in "iuf" or not values.size or not sequence.size:
        raise Unsupported("truth values, or nothing at all")
    sequence, values = build.cast(sequence, kind), build.cast(values, kind)
    size = sequence.shape[-1]
    row: Node | None = None
    if len(sequence.shape) > 1:
        steps = row_major(sequence.shape[:-1])
        for d, step in enumerate(steps):
            term = build.mul(build.iota(values.shape, d), build.const(step * size, _I8))
            row = term if row is None else build.add(row, term)
    at = build.full(values.shape, 0, _I8)
    step = 1 << (size.bit_length() - 1)
    while step:
        further = build.add(at, build.const(step, _I8))
        place = build.sub(further, build.const(1, _I8))
        inside = build.compare("lt", place, build.const(size, _I8))
        place = build.mapped("minimum", place, build.const(size - 1, _I8))
        seen = gathered(sequence, place if row is None else build.add(row, place))
        passed = build.mapped("not", _less(values, seen), dtype=bool) if right else _less(seen, values)
        at = build.where(build.mapped("and", inside, passed, dtype=bool), further, at)
        step //= 2
    return at


@lowers("isin")
def isin(x: Node, y: Node, *, invert: bool) -> Node:
    kind = np.result_type(x.dtype, y.dtype)
    if not 0 < y.size <= _LOOKED_AT or kind.kind not in "iuf":
        raise Unsupported("many elements")
    tests = build.reshape(build.cast(y, kind), (1,) * len(x.shape) + (y.size,))
    same = build.compare("eq", build.unsqueeze(build.cast(x, kind), len(x.shape)), tests)
    found = build.reduce("any", same, len(x.shape), False)
    return build.mapped("not", found, dtype=bool) if invert else found


@lowers("masked_scatter")
def masked_scatter(x: Node, mask: Node, source: Node) -> Node:
    """Which element of the source a place gets is how many places before it get one."""
    if mask.dtype.kind != "b" or mask.shape != x.shape or source.dtype != x.dtype or not source.size or not x.size:
        raise Unsupported("masks that broadcast, or nothing at all")
    counted = build.cast(build.reshape(mask, (x.size,)), _I8)
    count = build.make("scan", (counted,), counted.shape, _I8, fn="cumsum", axis=0)
    place = build.mapped("maximum", build.sub(count, build.const(1, _I8)), build.const(0, _I8))
    return build.where(mask, build.reshape(gathered(source, build.inside(place, source.size, "masked_scatter")), x.shape), x)
