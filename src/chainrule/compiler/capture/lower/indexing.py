"""Reading and writing at positions that index tensors give, and pooling."""

from __future__ import annotations

from itertools import product as offsets
from math import prod
from typing import Any

import numpy as np

from ....ops.gather import start as scatter_start
from ....ops.pooling_maps import cell_bounds, divisors
from ...program.ir import Node, row_major
from .. import build
from ..symbolic import Unsupported
from .structure import padded, zeros
from .table import lowers

_I8 = np.dtype(np.int64)


def _scaled(index: Node, step: int) -> Node:
    return index if step == 1 else build.mul(index, build.number(index, step))


def linear(shape: tuple[int, ...], parts: dict[int, Node], result: tuple[int, ...], axes: dict[int, int]) -> Node:
    """Flat places in ``shape``: dimension d by the index ``parts[d]`` (of the result's shape) or by the result's axis ``axes[d]``."""
    steps = row_major(shape)
    total: Node | None = None
    for d in range(len(shape)):
        index = parts[d] if d in parts else build.iota(result, axes[d])
        term = _scaled(index, steps[d])
        total = term if total is None else build.add(total, term)
    return build.expand(total if total is not None else build.const(0, _I8), result)


def along(shape: tuple[int, ...], index: Node, dim: int) -> Node:
    """Flat places in ``shape`` for an index of its rank along one dimension, whose elements are inside."""
    return linear(shape, {dim: index}, index.shape, {d: d for d in range(len(shape)) if d != dim})


def gathered(x: Node, places: Node) -> Node:
    return build.make("gather", (x, places), places.shape, x.dtype)


def scattered(base: Node, places: Node, value: Node, fn: str) -> Node:
    value = build.expand(build.cast(value, base.dtype), places.shape)
    return build.make("scatter", (base, places, value), base.shape, base.dtype, fn=fn)


def _along_places(shape: tuple[int, ...], index: Node, dim: int) -> Node:
    """The same of an index that is looked at."""
    if not shape:
        raise Unsupported("0-d")
    return along(shape, build.inside(index, shape[dim], "gather", dim), dim)


@lowers("inside")
def inside(index: Node, *, size: int, said: str) -> Node:
    return build.inside(index, size, said)


@lowers("gather", "take_along")
def gather(x: Node, index: Node, *, dim: int) -> Node:
    if len(x.shape) != len(index.shape):
        raise Unsupported("0-d")
    if any(a < b for d, (a, b) in enumerate(zip(x.shape, index.shape, strict=True)) if d != dim):
        raise Unsupported("an index that broadcasts")
    return gathered(x, _along_places(x.shape, index, dim))


@lowers("gather_back")
def gather_back(g: Node, index: Node, *, dim: int, shape: Any) -> Node:
    return scattered(zeros(shape, g.dtype), _along_places(tuple(shape), index, dim), g, "add")


def _rows(shape: tuple[int, ...], index: Node, dim: int, said: str = "rows", wraps: bool = False) -> Node:
    """The flat places of the rows picked along ``dim``; the index has any rank."""
    count = len(index.shape)
    result = (*shape[:dim], *index.shape, *shape[dim + 1 :])
    wide = build.reshape(build.inside(index, shape[dim], said, dim, wraps), (*(1,) * dim, *index.shape, *(1,) * (len(shape) - dim - 1)))
    axes = {d: d if d < dim else d + count - 1 for d in range(len(shape)) if d != dim}
    return linear(shape, {dim: build.expand(wide, result)}, result, axes)


def _picked(shape: tuple[int, ...], index: Node, dim: int, said: str = "rows", wraps: bool = False) -> Node:
    """The same, where a single index is one of a vector."""
    if not shape:
        raise Unsupported("0-d")
    return _rows(shape, index if index.shape else build.reshape(index, (1,)), dim, said, wraps)


@lowers("index_select")
def index_select(x: Node, index: Node, *, dim: int) -> Node:
    return gathered(x, _picked(x.shape, index, dim))


@lowers("index_select_back")
def index_select_back(g: Node, index: Node, *, dim: int, shape: Any) -> Node:
    return scattered(zeros(shape, g.dtype), _picked(tuple(shape), index, dim), g, "add")


_SCATTERED = {"sum": "add", "mean": "add", "prod": "mul", "amax": "max", "amin": "min"}
_OF_TRUTH = {"add": "max", "mul": "min", "max": "max", "min": "min"}  # a sum of truth values is one of two: whether some hold


def _reduced(x: Node, reduce: str) -> str:
    """The ``scatter`` that such a reduction is."""
    fn = _SCATTERED[reduce]
    return _OF_TRUTH[fn] if x.dtype.kind == "b" else fn


@lowers("scatter", "scatter_value")
def scatter(x: Node, index: Node, src: Node | None = None, *, dim: int, value: Any = None) -> Node:
    return scattered(x, _along_places(x.shape, index, dim), build.number(x, value) if src is None else src, "set")


@lowers("scatter_add", "scatter_reduce")
def scatter_reduce(x: Node, index: Node, src: Node, *, dim: int, reduce: str = "sum", include_self: bool = True) -> Node:
    if reduce == "mean" and x.dtype.kind == "b":
        raise Unsupported("a mean of truth values")
    places = _along_places(x.shape, index, dim)
    held = x if include_self else scattered(x, places, build.number(x, scatter_start(x.dtype, reduce)), "set")
    made = scattered(held, places, src, _reduced(x, reduce))
    if reduce != "mean":
        return made
    one = build.const(1, _I8)
    count = scattered(zeros(x.shape, _I8), places, one, "add")
    count = build.add(count, one) if include_self else build.mapped("maximum", count, one)
    return build.mapped("floor_div" if x.dtype.kind in "iu" else "div", made, build.cast(count, x.dtype))


@lowers("index_add")
def index_add(x: Node, index: Node, src: Node, *, dim: int, alpha: Any) -> Node:
    if x.dtype.kind == "b" and alpha != 1:
        raise Unsupported("multiples of truth values")
    added = src if alpha == 1 else build.mul(src, build.number(src, alpha))
    return scattered(x, _picked(x.shape, index, dim, "gather"), added, _reduced(x, "sum"))


@lowers("index_copy")
def index_copy(x: Node, index: Node, src: Node, *, dim: int) -> Node:
    return scattered(x, _picked(x.shape, index, dim, "index_copy"), src, "set")


@lowers("index_fill", "index_fill_from")
def index_fill(x: Node, index: Node, filling: Node | None = None, *, dim: int, value: Any = None) -> Node:
    places = _picked(x.shape, index, dim, "index", wraps=True)
    return scattered(x, places, build.number(x, value) if filling is None else filling, "set")


@lowers("embedding")
def embedding(weight: Node, indices: Node, *, padding_idx: int, scale: bool) -> Node:
    return gathered(weight, _rows(weight.shape, indices, 0))


@lowers("embedding_back")
def embedding_back(g: Node, indices: Node, *, rows: int, padding_idx: int, scale: bool) -> Node:
    if scale:
        raise Unsupported("scale_grad_by_freq")
    if padding_idx >= 0:
        kept = build.compare("ne", build.cast(indices, _I8), build.const(padding_idx, _I8))
        g = build.where(build.expand(build.unsqueeze(kept, len(kept.shape)), g.shape), g, build.number(g, 0))
    shape = (rows, g.shape[-1])
    return scattered(zeros(shape, g.dtype), _rows(shape, indices, 0), g, "add")


@lowers("take")
def take(x: Node, index: Node) -> Node:
    return gathered(x, build.inside(index, x.size, "take", wraps=True))


@lowers("take_back")
def take_back(g: Node, index: Node, *, shape: Any) -> Node:
    return scattered(zeros(shape, g.dtype), build.inside(index, prod(shape), "take", wraps=True), g, "add")


def _places(shape: tuple[int, ...], indices: tuple[Node, ...], dims: tuple[int, ...]) -> Node:
    """Flat places of ``x[…]`` with each index at its dimension, laid out as NumPy lays the result out."""
    if any(i.dtype.kind == "b" for i in indices):
        raise Unsupported("masks")
    wide = np.broadcast_shapes(*[i.shape for i in indices])
    count = len(wide)
    first = dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0
    others = [d for d in range(len(shape)) if d not in dims]
    before = [d for d in others if d < first] if first else []
    after = [d for d in others if d not in before]
    result = (*[shape[d] for d in before], *wide, *[shape[d] for d in after])
    axes = {d: k for k, d in enumerate(before)} | {d: len(before) + count + k for k, d in enumerate(after)}
    parts = {}
    for index, d in zip(indices, dims, strict=True):
        spread = build.expand(build.inside(index, shape[d], "index", d, wraps=True), wide)
        parts[d] = build.expand(build.reshape(spread, (*(1,) * len(before), *wide, *(1,) * len(after))), result)
    return linear(shape, parts, result, axes)


@lowers("index")
def index(x: Node, *indices: Node, dims: Any, unique: bool = False) -> Node:
    return gathered(x, _places(x.shape, indices, tuple(dims)))


@lowers("index_back")
def index_back(g: Node, *indices: Node, shape: Any, dims: Any, unique: bool) -> Node:
    return scattered(zeros(shape, g.dtype), _places(tuple(shape), indices, tuple(dims)), g, "set" if unique else "add")


@lowers("index_put")
def index_put(x: Node, values: Node, *indices: Node, dims: Any, accumulate: bool) -> Node:
    return scattered(x, _places(x.shape, indices, tuple(dims)), values, _reduced(x, "sum") if accumulate else "set")


@lowers("index_clear")
def index_clear(x: Node, *indices: Node, dims: Any) -> Node:
    return scattered(x, _places(x.shape, indices, tuple(dims)), build.number(x, 0), "set")


@lowers("masked_fill")
def masked_fill(x: Node, mask: Node, *, value: Any) -> Node:
    if mask.dtype.kind != "b":
        raise Unsupported("a mask that is not bool")
    return _filled(x, mask, build.number(x, value))


@lowers("masked_fill_from")
def masked_fill_from(x: Node, mask: Node, value: Node) -> Node:
    if mask.dtype.kind != "b":
        raise Unsupported("a mask that is not bool")
    return _filled(x, mask, build.cast(value, x.dtype))


def _filled(x: Node, mask: Node, value: Node) -> Node:
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return build.where(build.expand(mask, shape), value, build.expand(x, shape))


# -- pooling -----------------------------------------------------------------------------------------------------------------


def _windows(x: Node, kernel: Any, stride: Any, dilation: Any, cells: Any) -> list[tuple[tuple[int, ...], Node]]:
    """For every position of the kernel, what all windows see there."""
    base, strides, start = build.strided(x)
    lead = len(x.shape) - len(kernel)
    seen = []
    for position in offsets(*[range(k) for k in kernel]):
        at = start + sum(i * d * s for i, d, s in zip(position, dilation, strides[lead:], strict=True))
        steps = (*strides[:lead], *[s * t for s, t in zip(strides[lead:], stride, strict=True)])
        seen.append((position, build.view(base, (*x.shape[:lead], *cells), steps, at)))
    return seen


def _room(x: Node, kernel: Any, stride: Any, padding: Any, dilation: Any, cells: Any, fill: float) -> Node:
    """x with its padding, and as much behind it as the last window needs."""
    lead = len(x.shape) - len(kernel)
    ends = [(o - 1) * s + d * (k - 1) + 1 for o, s, d, k in zip(cells, stride, dilation, kernel, strict=True)]
    high = [max(0, e - n - p) for e, n, p in zip(ends, x.shape[lead:], padding, strict=True)]
    return padded(x, (0,) * lead + tuple(padding), (0,) * lead + tuple(high), fill)


def _max_pool(x: Node, *, kernel: Any, stride: Any, padding: Any, dilation: Any, cells: Any) -> tuple[Node, Node]:
    if x.dtype.kind != "f" or x.dtype.itemsize < 4 or not x.size:
        raise Unsupported("dtype")
    room = _room(x, kernel, stride, padding, dilation, cells, -np.inf)
    size = x.shape[len(x.shape) - len(kernel) :]
    steps = row_major(size)
    shape = (*x.shape[: len(x.shape) - len(kernel)], *cells)
    lead = len(shape) - len(cells)
    corner: Node | None = None
    for axis, (s, p, step) in enumerate(zip(stride, padding, steps, strict=True)):
        along = build.iota(shape, lead + axis)
        term = _scaled(build.sub(_scaled(along, s), build.number(along, p)), step)
        corner = term if corner is None else build.add(corner, term)
    assert corner is not None
    top: Node | None = None
    where: Node | None = None
    for position, seen in _windows(room, kernel, stride, dilation, cells):
        place = build.add(corner, build.const(sum(i * d * t for i, d, t in zip(position, dilation, steps, strict=True)), _I8))
        if top is None or where is None:
            top, where = seen, place
            if any(padding):  # a first place inside, should nothing be greater than what is around
                where = build.mapped("maximum", place, build.const(0, _I8))
            continue
        better = build.mapped("or", build.compare("gt", seen, top), build.mapped("isnan", seen, dtype=bool), dtype=bool)
        top, where = build.where(better, seen, top), build.where(better, place, where)
    assert top is not None and where is not None
    return top, where


lowers("max_pool2d", "max_pool3d")(_max_pool)


@lowers("adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max(x: Node, *, cells: Any) -> tuple[Node, Node]:
    """A cell's elements are looked up side by side; a small cell has its last one several times."""
    if x.dtype.kind != "f" or not x.size or not prod(cells):
        raise Unsupported("integers, or nothing at all")
    if x.dtype.itemsize < 4:
        top, found = adaptive_max(build.cast(x, np.float32), cells=cells)
        return build.cast(top, x.dtype), found
    lead = x.shape[: len(x.shape) - len(cells)]
    size = x.shape[len(lead) :]
    table = np.zeros((1, 1), np.int64)
    for n, o in zip(size, cells, strict=True):
        bounds = cell_bounds(n, o)
        widest = max(b - a for a, b in bounds)
        along = np.array([np.minimum(np.arange(a, a + widest), b - 1) for a, b in bounds])
        table = (table[:, None, :, None] * n + along[None, :, None, :]).reshape(len(table) * o, -1)
    planes, (count, most) = prod(lead), table.shape
    shape = (planes, count, most)
    places = build.add(build.expand(build.const(table), shape), _scaled(build.iota(shape, 0), prod(size)))
    seen = gathered(x, places)
    first = build.reduce("argmax", seen, 2, False, _I8)
    at = build.add(first, _scaled(build.iota((planes, count), 1), most))
    where = gathered(build.const(table), at)
    return build.reshape(build.reduce("max", seen, 2, False), (*lead, *cells)), build.reshape(where, (*lead, *cells))


@lowers("pick_places")
def pick_places(x: Node, index: Node, *, size: Any, add: bool) -> Node:
    lead = x.shape[: len(x.shape) - len(size)]
    flat = build.reshape(index, (prod(lead), prod(index.shape[len(lead) :])))
    return build.reshape(gathered(x, build.add(flat, _scaled(build.iota(flat.shape, 0), prod(size)))), index.shape)


@lowers("scatter_places", "scatter_places_3d")
def scatter_places(g: Node, index: Node, *, size: Any, add: bool) -> Node:
    lead = g.shape[: len(g.shape) - len(size)]
    planes, inside = prod(lead), prod(size)
    cells = prod(g.shape[len(lead) :])
    flat = build.reshape(index, (planes, cells))
    places = build.add(flat, _scaled(build.iota((planes, cells), 0), inside))
    made = scattered(zeros((planes, inside), g.dtype), places, build.reshape(g, (planes, cells)), "add" if add else "set")
    return build.reshape(made, (*lead, *size))


def _avg_pool(x: Node, *, size: Any, kernel: Any, stride: Any, padding: Any, cells: Any, include: bool, divisor: int | None) -> Node:
    if x.dtype.kind != "f" or x.dtype.itemsize < 4:
        raise Unsupported("integers and half precision")
    ones = (1,) * len(kernel)
    room = _room(x, kernel, stride, padding, ones, cells, 0.0)
    total: Node | None = None
    for _, seen in _windows(room, kernel, stride, ones, cells):
        total = seen if total is None else build.add(total, seen)
    assert total is not None
    counts = divisors(size, kernel, stride, padding, cells, include) if divisor is None else np.array(divisor)
    alike = counts.size and (counts == counts.flat[0]).all()
    return build.div(total, build.number(x, counts.flat[0]) if alike else build.const(counts, x.dtype))


lowers("avg_pool2d", "avg_pool3d")(_avg_pool)
