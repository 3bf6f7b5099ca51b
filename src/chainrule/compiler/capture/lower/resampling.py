"""Elements looked up at places that are known beforehand, and sums of them with known weights: padding, interpolation, adaptive means.

Every dimension is for itself.  Where a dimension's places are few even steps the result is views side by side, and where each place is
taken a number of times it is a view; weights are a product with a matrix, as the uncompiled operations have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ....ops.pooling_maps import mean_matrix
from ....ops.resampling import EXACT, nearest, weights
from ...program.ir import Node
from .. import build
from ..symbolic import Unsupported
from .indexing import along, gathered
from .reduction import in_float
from .structure import padded, part, stepped, zeros
from .table import lowers

_TAPS, _DENSE = 6, 24  # weights a row that are looked up, where there are so many times as many elements
_PIECES = 8  # even steps that are put side by side; more are looked up
_I8 = np.dtype(np.int64)


# -- one dimension -------------------------------------------------------------------------------------------------------


def repeated(x: Node, axis: int, times: int) -> Node:
    """Every element along an axis ``times`` times."""
    wide = build.expand(build.unsqueeze(x, axis + 1), (*x.shape[: axis + 1], times, *x.shape[axis + 1 :]))
    return build.reshape(wide, (*x.shape[:axis], x.shape[axis] * times, *x.shape[axis + 1 :]))


def _times(index: Any, size: int) -> int:
    """How often each place occurs, where the places are 0, 0, … 1, 1, … up to the last; else 0."""
    times = len(index) // size if size else 0
    return times if times and np.array_equal(index, np.repeat(np.arange(size), times)) else 0


def _runs(index: Any) -> list[tuple[int, int, int]]:
    """Even steps (start, step, count) that make up the places."""
    found = []
    at = 0
    while at < len(index):
        end = at + 1
        step = int(index[end] - index[at]) if end < len(index) else 1
        while end < len(index) and index[end] - index[end - 1] == step:
            end += 1
        found.append((int(index[at]), step if end - at > 1 else 1, end - at))
        at = end
    return found


def picked(x: Node, axis: int, index: Any) -> Node:
    """The elements at known places along an axis."""
    size = x.shape[axis]
    if times := _times(index, size):
        return repeated(x, axis, times)
    runs = _runs(index)
    if 0 < len(runs) <= _PIECES:
        return build.concat([stepped(x, axis, *run) for run in runs], axis)
    return looked_up(x, axis, index)


def looked_up(x: Node, axis: int, index: Any) -> Node:
    """The same by an index for each element."""
    shape = (*x.shape[:axis], len(index), *x.shape[axis + 1 :])
    return gathered(x, along(x.shape, _line(index, axis, shape, _I8), axis))


def _line(values: Any, axis: int, shape: Sequence[int], dtype: Any) -> Node:
    """Known values along one axis, everywhere else the same."""
    kept = [len(values) if d == axis else 1 for d in range(len(shape))]
    return build.expand(build.reshape(build.const(values, dtype), kept), shape)


def unpicked(g: Node, axis: int, index: Any, size: int) -> Node:
    """The transpose of :func:`picked`: what belongs to one place is added up."""
    rest = g.shape[axis + 1 :]
    if times := _times(index, size):
        return build.sum_of(build.reshape(g, (*g.shape[:axis], size, times, *rest)), axis + 1, False)
    runs = _runs(index)
    if len(runs) > _PIECES or any(step not in (-1, 0, 1) for _, step, _ in runs):
        chosen = np.zeros((size, len(index)))
        chosen[index, np.arange(len(index))] = 1
        return weighted(g, axis, chosen)
    total: Node | None = None
    at = 0
    for start, step, count in runs:
        piece = stepped(g, axis, at if step >= 0 else at + count - 1, step or 1, count)
        at += count
        low = start - (count - 1 if step < 0 else 0)
        if step == 0:
            piece = build.sum_of(piece, axis, True)
        before, after = [0] * len(g.shape), [0] * len(g.shape)
        before[axis], after[axis] = low, size - low - piece.shape[axis]
        term = padded(piece, before, after, 0.0)
        total = term if total is None else build.add(total, term)
    return total if total is not None else zeros((*g.shape[:axis], size, *rest), g.dtype)


def weighted(x: Node, axis: int, matrix: Any) -> Node:
    """Every result along an axis is the sum of the elements there with a row of weights."""
    most = int((matrix != 0).sum(1).max(initial=0))
    if 0 < most <= _TAPS and x.shape[axis] > _DENSE * most:
        return _sparse(x, axis, matrix, most)
    factors = build.const(matrix, x.dtype)
    if axis == len(x.shape) - 1:
        rows = build.reshape(x, (prod(x.shape[:-1]), x.shape[-1]))
        return build.reshape(build.matmul(rows, build.permute(factors, (1, 0))), (*x.shape[:-1], len(matrix)))
    lead, rest = x.shape[:axis], x.shape[axis + 1 :]
    columns = build.reshape(x, (*([prod(lead)] if lead else []), x.shape[axis], prod(rest)))
    return build.reshape(build.matmul(factors, columns), (*lead, len(matrix), *rest))


def along_axes(x: Node, matrices: Sequence[Any]) -> Node:
    """Each of the last dimensions with its matrix."""
    if x.dtype.kind not in "fV" or not x.size:
        raise Unsupported("integers, or nothing at all")

    def compute(v: Node) -> Node:
        for axis, m in enumerate(matrices, len(x.shape) - len(matrices)):
            v = weighted(v, axis, m)
        return v

    return in_float(x, compute)


def _sparse(x: Node, axis: int, matrix: Any, most: int) -> Node:
    """The same, where a row has few weights that are not zero: their elements are looked up."""
    chosen = np.sort(np.argsort(matrix == 0, 1, kind="stable")[:, :most], 1)
    factors = np.take_along_axis(matrix, chosen, 1)
    shape = (*x.shape[:axis], len(matrix), *x.shape[axis + 1 :])
    total: Node | None = None
    for k in range(most):
        seen = looked_up(x, axis, chosen[:, k])
        term = build.mul(seen, _line(factors[:, k], axis, shape, x.dtype))
        total = term if total is None else build.add(total, term)
    assert total is not None
    return total


# -- padding -------------------------------------------------------------------------------------------------------------


@lowers("constant_pad_nd")
def constant_pad(x: Node, *, pads: Any, value: Any) -> Node:
    inner = tuple([slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pads, strict=True)])
    return padded(part(x, lambda v: v[inner]), [max(a, 0) for a, _ in pads], [max(b, 0) for _, b in pads], value)


@lowers(*[f"{kind}_pad{n}d" for kind in ("reflection", "replication", "circular") for n in (1, 2, 3)])
def look_up(x: Node, *, places: Any) -> Node:
    for axis, index in enumerate(places):
        if index is not None:
            x = picked(x, axis, np.array(index, np.int64))
    return x


@lowers("unpad")
def put_back(g: Node, *, places: Any, shape: Any) -> Node:
    def compute(v: Node) -> Node:
        for axis, index in enumerate(places):
            if index is not None:
                v = unpicked(v, axis, np.array(index, np.int64), shape[axis])
        return v

    return in_float(g, compute)


# -- interpolation -------------------------------------------------------------------------------------------------------


def _interpolated(x: Node, *, plans: Any) -> Node:
    if plans[0][0] in EXACT:
        for axis, plan in enumerate(plans, len(x.shape) - len(plans)):
            x = picked(x, axis, nearest(plan))
        return x
    return along_axes(x, [weights(p) for p in plans])


_SMOOTH = ("linear1d", "bilinear2d", "trilinear3d", "bicubic2d", "bilinear2daa", "bicubic2daa", "lanczos2daa")
_NEAREST = [f"{kind}{n}d" for kind in ("nearest", "nearestexact") for n in (1, 2, 3)]
lowers(*["upsample_" + name for name in (*_SMOOTH, *_NEAREST)])(_interpolated)


@lowers("upsample_backward")
def interpolated_back(g: Node, *, plans: Any) -> Node:
    if plans[0][0] not in EXACT:
        return along_axes(g, [weights(p).T for p in plans])

    def compute(v: Node) -> Node:
        for axis, plan in enumerate(plans, len(g.shape) - len(plans)):
            v = unpicked(v, axis, nearest(plan), plan[1])
        return v

    return in_float(g, compute)


# -- means over cells ----------------------------------------------------------------------------------------------------


def _even(size: Any, cells: Any) -> bool:
    """Whether all cells are of one size, and none of two have elements in common."""
    return all(n and n % o == 0 for n, o in zip(size, cells, strict=True))


@lowers("adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_mean(x: Node, *, size: Any, cells: Any) -> Node:
    if x.dtype.kind not in "fV" or not x.size or not prod(cells):
        raise Unsupported("integers, or nothing at all")
    if not _even(size, cells):
        return along_axes(x, [mean_matrix(n, o) for n, o in zip(size, cells, strict=True)])
    lead = x.shape[: len(x.shape) - len(size)]
    blocks = [k for n, o in zip(size, cells, strict=True) for k in (o, n // o)]
    inside = tuple([len(lead) + 2 * i + 1 for i in range(len(size))])
    factor = prod(cells) / prod(size)
    return in_float(x, lambda v: build.mul(build.sum_of(build.reshape(v, (*lead, *blocks)), inside, False), build.number(v, factor)))


@lowers("adaptive_avg_pool_backward")
def adaptive_mean_back(g: Node, *, size: Any, cells: Any) -> Node:
    if g.dtype.kind not in "fV" or not g.size or not prod(size):
        raise Unsupported("integers, or nothing at all")
    if not _even(size, cells):
        return along_axes(g, [mean_matrix(n, o).T for n, o in zip(size, cells, strict=True)])

    def compute(v: Node) -> Node:
        v = build.mul(v, build.number(v, prod(cells) / prod(size)))
        for axis, (n, o) in enumerate(zip(size, cells, strict=True), len(g.shape) - len(size)):
            v = repeated(v, axis, n // o)
        return v

    return in_float(g, compute)


# -- channels and pixels -------------------------------------------------------------------------------------------------


def _dealt(x: Node, shape: Sequence[int], order: Sequence[int], made: Sequence[int]) -> Node:
    return build.reshape(build.permute(build.reshape(x, shape), order), made)


@lowers("pixel_shuffle")
def to_pixels(x: Node, *, factor: int) -> Node:
    *lead, c, h, w = x.shape
    split = (prod(lead), c // factor**2, factor, factor, h, w)
    return _dealt(x, split, (0, 1, 4, 2, 5, 3), (*lead, c // factor**2, h * factor, w * factor))


@lowers("pixel_unshuffle")
def to_channels(x: Node, *, factor: int) -> Node:
    *lead, c, h, w = x.shape
    split = (prod(lead), c, h // factor, factor, w // factor, factor)
    return _dealt(x, split, (0, 1, 3, 5, 2, 4), (*lead, c * factor**2, h // factor, w // factor))


@lowers("channel_shuffle")
def shuffled(x: Node, *, groups: int) -> Node:
    n, c = x.shape[:2]
    rest = x.shape[2:]
    return _dealt(x, (n, groups, c // groups, *rest), (0, 2, 1, *range(3, 3 + len(rest))), x.shape)
