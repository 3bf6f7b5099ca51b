"""What pairs rows: distances of all of two sets, and cross products."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...program.ir import Node
from .. import build
from ..symbolic import Unsupported
from .structure import stepped
from .table import lowers

_FEW_COLUMNS = 8


@lowers("linalg_cross")
def cross(x: Node, y: Node, *, dim: int) -> Node:
    shape = np.broadcast_shapes(x.shape, y.shape)
    x, y = build.expand(x, shape), build.expand(y, shape)

    def of(v: Node, k: int) -> Node:
        return stepped(v, dim, k % 3, 1, 1)

    rows = [build.sub(build.mul(of(x, k + 1), of(y, k + 2)), build.mul(of(x, k + 2), of(y, k + 1))) for k in range(3)]
    return build.concat(rows, dim)


@lowers("cdist", "euclidean_dist")
def distances(x: Node, y: Node, *, p: float, by_product: bool) -> Node:
    """Between all rows; few columns are added up one by one, so that the lanes of vectors are pairs of rows."""
    if not x.size or not y.size:
        raise Unsupported("nothing at all")
    return _in_float(x, y, lambda a, b: _euclidean(a, b) if p == 2 and by_product else _distances(a, b, p))


def _in_float(x: Node, y: Node, compute: Callable[[Node, Node], Node]) -> Node:
    """Half precision computes in float32."""
    if x.dtype.itemsize >= 4:
        return compute(x, y)
    return build.cast(compute(build.cast(x, np.float32), build.cast(y, np.float32)), x.dtype)


def _euclidean(x: Node, y: Node) -> Node:
    last = len(x.shape) - 1
    sizes = [build.sum_of(build.mul(v, v), last, False) for v in (x, y)]
    squares = build.add(build.unsqueeze(sizes[0], last), build.unsqueeze(sizes[1], last - 1))
    turned = build.permute(y, (*range(last - 1), last, last - 1))
    twice = build.mul(build.number(x, 2), build.matmul(x, turned))
    return build.mapped("sqrt", build.mapped("maximum", build.sub(squares, twice), build.number(x, 0)))


def _distances(x: Node, y: Node, p: float) -> Node:
    last = len(x.shape) - 1
    fn = "max" if math.isinf(p) else "sum"
    columns = x.shape[-1]
    if columns <= _FEW_COLUMNS:
        total: Node | None = None
        for k in range(columns):
            a = build.unsqueeze(_column(x, k), last)
            b = build.unsqueeze(_column(y, k), last - 1)
            term = _size(build.sub(a, b), p)
            total = term if total is None else build.mapped("maximum" if fn == "max" else "add", total, term)
        assert total is not None
    else:
        shape = (*x.shape[:-1], y.shape[-2], columns)
        a, b = build.expand(build.unsqueeze(x, last), shape), build.expand(build.unsqueeze(y, last - 1), shape)
        total = build.reduce(fn, _size(build.sub(a, b), p), last + 1, False)
    if p == 2:
        return build.mapped("sqrt", total)
    return total if p in (0, 1) or math.isinf(p) else build.mapped("pow", total, build.number(total, 1 / p))


def _column(x: Node, k: int) -> Node:
    last = len(x.shape) - 1
    return build.reshape(stepped(x, last, k, 1, 1), x.shape[:-1])


def _size(d: Node, p: float) -> Node:
    """What a difference adds to a distance."""
    if p == 2:
        return build.mul(d, d)
    if p == 0:
        return build.cast(build.compare("ne", d, build.number(d, 0)), d.dtype)
    size = build.mapped("abs", d)
    return size if p == 1 or math.isinf(p) else build.mapped("pow", size, build.number(d, p))
