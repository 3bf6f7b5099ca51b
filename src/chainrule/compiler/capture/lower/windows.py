"""What windows that slide over the last dimensions see, and the way back: unfolding, folding, the gradients of means over windows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as offsets
from math import prod
from typing import Any

from ....ops.pooling_maps import divisors
from ...program.ir import Node, row_major
from .. import build
from ..symbolic import Unsupported
from .reduction import in_float
from .resampling import repeated
from .structure import padded, stepped, zeros
from .table import lowers

_POSITIONS = 64  # of a window: as many sums of a whole image are worth having


def _inner(x: Node, axis: int, start: int, size: int) -> Node:
    """``size`` elements along an axis from ``start`` on, zero where there are none."""
    end = min(start + size, x.shape[axis])
    kept = stepped(x, axis, start, 1, max(0, end - start))
    after = [0] * len(x.shape)
    after[axis] = size - kept.shape[axis]
    return padded(kept, [0] * len(x.shape), after, 0.0)


def _spread(g: Node, axis: int, kernel: int, stride: int, padding: int, size: int) -> Node:
    """Along one dimension every element to all places of its window, added up."""
    if kernel == 1 and stride == 1 and not padding:
        return g
    if kernel == stride:
        return _inner(repeated(g, axis, kernel), axis, padding, size)
    count = (g.shape[axis] - 1) * stride + 1
    if stride > 1:
        shape = (*g.shape[:axis], count, *g.shape[axis + 1 :])
        steps = list(row_major(shape))
        steps[axis] *= stride
        g = build.put(zeros(shape, g.dtype), g, steps, 0)
    before, after = [0] * len(g.shape), [0] * len(g.shape)
    before[axis] = kernel - 1
    after[axis] = max(kernel - 1, padding + size - count)
    room = padded(g, before, after, 0.0)
    total: Node | None = None
    for i in range(kernel):
        seen = stepped(room, axis, padding + i, 1, size)
        total = seen if total is None else build.add(total, seen)
    assert total is not None
    return total


@lowers("avg_pool_backward")
def mean_back(g: Node, *, size: Any, kernel: Any, stride: Any, padding: Any, cells: Any, include: bool, divisor: int | None) -> Node:
    if g.dtype.kind not in "fV" or not g.size or max(kernel) > _POSITIONS:
        raise Unsupported("integers, or nothing at all")

    def compute(v: Node) -> Node:
        counts = divisor if divisor is not None else divisors(size, kernel, stride, padding, cells, include)
        v = build.div(v, build.const(counts, v.dtype))
        for axis, at in enumerate(zip(kernel, stride, padding, size, strict=True), len(g.shape) - len(size)):
            v = _spread(v, axis, *at)
        return v

    return in_float(g, compute)


def _counts(size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> list[int]:
    axes = zip(size, kernel, dilation, padding, stride, strict=True)
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in axes]


@lowers("im2col")
def columns(x: Node, *, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Node:
    lead, count = x.shape[:-2], _counts(size, kernel, dilation, padding, stride)
    around = (*(0,) * len(lead), *padding)
    base, strides, offset = build.strided(padded(x, around, around, 0.0))
    inner = strides[-2:]
    steps = [*strides[:-2], *[s * d for s, d in zip(inner, dilation, strict=True)], *[s * t for s, t in zip(inner, stride, strict=True)]]
    seen = build.view(base, (*lead, *kernel, *count), steps, offset)
    return build.reshape(seen, (*lead[:-1], lead[-1] * prod(kernel), prod(count)))


@lowers("col2im")
def from_columns(x: Node, *, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Node:
    if prod(kernel) > _POSITIONS:
        raise Unsupported("large windows")
    count = _counts(size, kernel, dilation, padding, stride)
    lead = (*x.shape[:-2], x.shape[-2] // prod(kernel))
    blocks = build.reshape(x, (*lead, *kernel, *count))
    at = len(lead)
    if tuple(kernel) == tuple(stride) and tuple(dilation) == (1, 1):  # no place is in two windows
        order = (*range(at), at + 2, at, at + 3, at + 1)
        image = build.reshape(build.permute(blocks, order), (*lead, count[0] * kernel[0], count[1] * kernel[1]))
        return _inner(_inner(image, at, padding[0], size[0]), at + 1, padding[1], size[1])
    room = (*lead, *[n + 2 * p for n, p in zip(size, padding, strict=True)])
    image = _summed(x, blocks, room, [range(k) for k in kernel], dilation, stride)
    for axis, (p, n) in enumerate(zip(padding, size, strict=True), at):
        image = stepped(image, axis, p, 1, n)
    return image


def _summed(like: Node, blocks: Node, room: Sequence[int], positions: Any, dilation: Any, stride: Any) -> Node:
    """The blocks (…, kernel, counts) of every position of a kernel, each put into zeros of the shape ``room``, and all added up."""
    steps = row_major(room)
    lead = len(room) - 2
    wide = (*steps[:lead], *[s * t for s, t in zip(steps[lead:], stride, strict=True)])
    total: Node | None = None
    for position in offsets(*positions):
        piece = blocks
        for k in position:
            piece = _first(piece, lead, k)
        start = sum(i * d * s for i, d, s in zip(position, dilation, steps[lead:], strict=True))
        term = build.put(zeros(room, like.dtype), piece, wide, start)
        total = term if total is None else build.add(total, term)
    assert total is not None
    return total


def _first(x: Node, axis: int, k: int) -> Node:
    """What is at ``k`` of an axis, which goes."""
    return build.reshape(stepped(x, axis, k, 1, 1), (*x.shape[:axis], *x.shape[axis + 1 :]))
