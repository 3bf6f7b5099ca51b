"""Places that are looked for or found along a dimension: what sorting and selecting differentiate with, and searching in sorted values."""

from __future__ import annotations

import numpy as np

from ...program.ir import Node, row_major
from .. import build
from ..symbolic import Unsupported
from .indexing import _linear as linear
from .indexing import gathered, scattered
from .structure import zeros
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
    others = {d: d for d in range(len(shape)) if d != dim}
    places = linear(shape, {dim: build.cast(index, _I8)}, index.shape, others)
    return scattered(zeros(shape, g.dtype), places, g, "set" if unique else "add")


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
