"""Pooling on raw arrays and as operations: maxima with their places, sums over windows, means over cells.

The spatial dimensions are the last ones; everything before them is a batch, so vmap needs no rules of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..core.op import Op
from .products import wide
from .windows import offsets, windows

Ints = tuple[int, ...]
_FEW = 2048  # windows up to which laying them out costs less than going through the positions of the kernel


def _same_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    return op(*args, **kw)


def _both_batched(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    from ..core.batching import batch_size, bring

    return op(*bring(args, mask, batch_size(args, mask)), **kw)


def _lead(x: Any, dims: int) -> Ints:
    return tuple(x.shape[: x.ndim - dims])


def _room(x: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, cells: Ints, value: Any) -> Any:
    """``x`` with ``value`` all around, far enough for every window."""
    dims = len(kernel)
    ends = [
        max(0, (o - 1) * s + d * (k - 1) + 1 - n - p)
        for o, s, d, k, n, p in zip(cells, stride, dilation, kernel, x.shape[-dims:], padding)
    ]
    if not any(padding) and not any(ends):
        return x
    lead = _lead(x, dims)
    r = np.full((*lead, *[n + p + e for n, p, e in zip(x.shape[-dims:], padding, ends)]), value, x.dtype)
    inside: Any = (..., *[slice(p, p + n) for p, n in zip(padding, x.shape[-dims:])])
    r[inside] = x
    return r


def _seen(x: Any, position: Sequence[int], stride: Ints, dilation: Ints, cells: Ints) -> Any:
    return x[(..., *[slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, s, o in zip(position, dilation, stride, cells)])]


# -- maxima --------------------------------------------------------------------------------------------------------------


@lru_cache(64)
def _starts(size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, cells: Ints) -> tuple[Any, Any]:
    """For every window, the flat index of its first element, and how much further the first one inside the array is."""
    steps = [prod(size[i + 1 :]) for i in range(len(size))]
    base = np.zeros(cells, np.int64)
    skip = np.zeros(cells, np.int64)
    for axis, (s, p, d, o, step) in enumerate(zip(stride, padding, dilation, cells, steps)):
        first = np.arange(o) * s - p
        missing = -(np.minimum(first, 0) // d) * d
        shape = [1] * len(cells)
        shape[axis] = o
        base += (first * step).reshape(shape)
        skip += (missing * step).reshape(shape)
    base.flags.writeable = skip.flags.writeable = False
    return base, skip


def _max_pool(x: Any, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, cells: Ints) -> tuple[Any, Any]:
    dims = len(kernel)
    size = tuple(x.shape[-dims:])
    half = x.dtype.kind not in "iuf"
    low = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
    room = _room(wide(x) if half else x, kernel, stride, padding, dilation, cells, low)
    if prod(cells) * prod(x.shape[: x.ndim - dims]) <= _FEW:
        found = _few_maxima(room, size, kernel, stride, padding, dilation, cells, low)
        if found is not None:
            return (found[0].astype(x.dtype) if half else found[0]), found[1]
    steps = [prod(size[i + 1 :]) for i in range(dims)]
    holes = x.dtype.kind not in "iu" and bool(np.isnan(room).any())
    # Which position of the kernel won, as a number that only grows: a maximum is many times as quick as a masked write.
    small = np.int8 if prod(kernel) < 127 else np.int32
    top: Any = None
    won: Any = None
    places = []
    for k, position in enumerate(offsets(kernel), 1):
        v = _seen(room, position, stride, dilation, cells)
        places.append(sum(i * d * s for i, d, s in zip(position, dilation, steps)))
        if top is None and not any(padding):
            top, won = v.copy(), np.full(v.shape, k, small)
            continue
        if top is None:
            top, won = np.full(v.shape, low, v.dtype), np.zeros(v.shape, small)
        better = v > top
        if holes:
            better |= np.isnan(v)
        won = np.maximum(won, better * small(k))
        np.maximum(top, v, out=top)
    base, first = _starts(size, kernel, stride, padding, dilation, cells)
    where = np.array([0, *places]).take(won)
    if any(padding):
        where += np.where(won == 0, first, 0)
    where += base
    return (top.astype(x.dtype) if half else top), where


@lru_cache(64)
def _tap_steps(size: Ints, kernel: Ints, dilation: Ints) -> Any:
    """How far every position of the kernel is from the first one, in the flat array."""
    steps = [prod(size[i + 1 :]) for i in range(len(size))]
    return np.array([sum(i * d * s for i, d, s in zip(position, dilation, steps)) for position in offsets(kernel)])


def _few_maxima(
    room: Any, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, cells: Ints, low: Any
) -> tuple[Any, Any] | None:
    """The maxima of few windows, laid out side by side; None where NaN, or windows of nothing but padding, need more care."""
    dims = len(kernel)
    lead = _lead(room, dims)
    planes, taps = prod(lead), prod(kernel)
    seen = windows(room.reshape(planes, 1, *room.shape[-dims:]), cells, kernel, stride, dilation)
    order = (0, *range(2 + dims, 2 + 2 * dims), *range(2, 2 + dims))
    rows = seen[:, 0].transpose(0, *[d - 1 for d in order[1:]]).reshape(-1, taps)
    won = rows.argmax(1)
    top = rows[np.arange(won.size), won]
    if room.dtype.kind == "f" and not (top > low).all():
        return None
    base, _ = _starts(size, kernel, stride, padding, dilation, cells)
    where = _tap_steps(size, kernel, dilation).take(won).reshape(*lead, *cells)
    where += base
    return top.reshape(*lead, *cells), where


def _flat_places(x: Any, index: Any, size: Ints) -> Any:
    """Indices into planes of ``size`` as indices into the whole array."""
    dims = len(size)
    planes = prod(index.shape[: index.ndim - dims])
    return index.reshape(planes, prod(index.shape[index.ndim - dims :])) + (np.arange(planes) * prod(size))[:, None]


def _scatter(g: Any, index: Any, *, size: Ints, add: bool) -> Any:
    """Planes of ``size`` with the elements of ``g`` at the places ``index``, added up or (``add=False``) the last one."""
    places = _flat_places(g, index, size).ravel()
    shape = (*_lead(g, len(size)), *size)
    if add and g.dtype.kind == "f" and g.dtype.itemsize > 2:
        r = np.bincount(places, g.ravel(), prod(shape)).astype(g.dtype, copy=False)
    else:
        r = np.zeros(prod(shape), g.dtype)
        if add:
            np.add.at(r, places, g.ravel())
        else:
            r[places] = g.ravel()
    return r.reshape(shape)


def _pick(x: Any, index: Any, *, size: Ints, add: bool) -> Any:
    """The elements of ``x`` at the places ``index``."""
    return x.reshape(-1)[_flat_places(x, index, size)].reshape(index.shape)


scatter_places = Op(
    "scatter_places", _scatter, kind="multilinear", args="g index", batch=_both_batched, node="MaxUnpool2DBackward0",
    vjp=[lambda g, index, size, add: pick_places(g, index, size=size, add=add), None],
)  # fmt: skip
scatter_places_3d = Op(
    "scatter_places_3d", _scatter, kind="multilinear", args="g index", batch=_both_batched, node="MaxUnpool3DBackward0",
    vjp=[lambda g, index, size, add: pick_places(g, index, size=size, add=add), None],
)  # fmt: skip
pick_places: Op = Op(
    "pick_places", _pick, kind="multilinear", args="x index", batch=_both_batched,
    vjp=[lambda g, index, size, add: scatter_places(g, index, size=size, add=add), None],
)  # fmt: skip


def _back_to_places(g: Any, x_shape: tuple[int, ...], out1: Any, cells: Ints) -> Any:
    return scatter_places(g, out1, size=tuple(x_shape[-len(cells) :]), add=True)


def _picked_tangent(tangents: Sequence[Any], result: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    t = tangents[0]
    return pick_places(t, result[1], size=tuple(t.shape[-len(kw["cells"]) :]), add=True), None


def selecting(name: str, impl: Any, node: str, beside: str = "") -> Op:
    """An operation of elements that are picked from planes: ``impl`` gives them and their flat places.

    ``beside`` is the name of another array that it goes by.
    """
    rules = [_back_to_places, None] if beside else [_back_to_places]
    return Op(
        name, impl, kind="general", args=f"x {beside}", outputs=2, vjp=rules, jvp=_picked_tangent,
        batch=_both_batched if beside else _same_batch, node=node, flat=True,
    )  # fmt: skip


max_pool = {
    2: selecting("max_pool2d", _max_pool, "MaxPool2DWithIndicesBackward0"),
    3: selecting("max_pool3d", _max_pool, "MaxPool3DWithIndicesBackward0"),
}


def cell_bounds(size: int, cells: int) -> list[tuple[int, int]]:
    """Where adaptive pooling's cells begin and end along one dimension."""
    return [(i * size // cells, -(-(i + 1) * size // cells)) for i in range(cells)]


def _adaptive_max(x: Any, *, cells: Ints) -> tuple[Any, Any]:
    dims = len(cells)
    size = x.shape[-dims:]
    lead = _lead(x, dims)
    top = np.empty((*lead, *cells), x.dtype)
    where = np.empty((*lead, *cells), np.int64)
    flat = np.arange(prod(size)).reshape(size)
    bounds = [cell_bounds(n, o) for n, o in zip(size, cells)]
    for cell in offsets(cells):
        part = tuple([slice(*b[i]) for b, i in zip(bounds, cell)])
        seen = x[(..., *part)].reshape(*lead, flat[part].size)
        first = np.argmax(wide(seen), axis=-1)
        top[(..., *cell)] = np.take_along_axis(seen, first[..., None], -1)[..., 0]
        where[(..., *cell)] = flat[part].reshape(-1)[first]
    return top, where


adaptive_max = {
    2: selecting("adaptive_max_pool2d", _adaptive_max, "AdaptiveMaxPool2DBackward0"),
    3: selecting("adaptive_max_pool3d", _adaptive_max, "AdaptiveMaxPool3DBackward0"),
}


# -- means ---------------------------------------------------------------------------------------------------------------


@lru_cache(64)
def divisors(size: Ints, kernel: Ints, stride: Ints, padding: Ints, cells: Ints, include: bool) -> Any:
    """How many elements each window's mean divides by."""
    r: Any = np.ones((), np.int64)
    for n, k, s, p, o in zip(size, kernel, stride, padding, cells):
        first = np.arange(o) * s - p
        last = np.minimum(first + k, n + p)
        count = last - first if include else np.minimum(last, n) - np.maximum(first, 0)
        r = np.multiply.outer(r, count)
    r.flags.writeable = False
    return r


def _divide(x: Any, size: Ints, kernel: Ints, stride: Ints, padding: Ints, cells: Ints, include: bool, divisor: int | None) -> Any:
    n = divisor if divisor is not None else divisors(size, kernel, stride, padding, cells, include)
    if x.dtype.kind in "iu":  # towards zero, as C divides
        return np.sign(x) * np.sign(n) * (np.abs(x) // np.abs(n))
    return x / np.asarray(n, x.dtype)


def _avg_pool(
    x: Any, *, size: Ints, kernel: Ints, stride: Ints, padding: Ints, cells: Ints, include: bool, divisor: int | None
) -> Any:
    dims = len(kernel)
    ones = (1,) * dims
    r = _room(wide(x), kernel, stride, padding, ones, cells, 0)
    for axis in range(dims):  # sums over windows factor into sums over each dimension
        lead = (slice(None),) * (r.ndim - dims + axis)
        s, o = stride[axis], cells[axis]
        parts = [r[(*lead, slice(i, i + (o - 1) * s + 1, s))] for i in range(kernel[axis])]
        total = parts[0]
        for k, part in enumerate(parts[1:]):
            total = total + part if k == 0 else np.add(total, part, out=total)
        r = total
    return _divide(r, size, kernel, stride, padding, cells, include, divisor).astype(x.dtype, copy=False)


def _avg_back(g: Any, *, size: Ints, kernel: Ints, stride: Ints, padding: Ints, cells: Ints, include: bool, divisor: int | None) -> Any:
    dims = len(kernel)
    kind = g.dtype
    r = _divide(wide(g), size, kernel, stride, padding, cells, include, divisor)
    for axis in range(dims):
        lead = (slice(None),) * (r.ndim - dims + axis)
        s, o, n, p = stride[axis], cells[axis], size[axis], padding[axis]
        reach = max((o - 1) * s + kernel[axis], n + p)
        shape = list(r.shape)
        shape[len(lead)] = reach
        spread = np.zeros(shape, r.dtype)
        for i in range(kernel[axis]):
            spread[(*lead, slice(i, i + (o - 1) * s + 1, s))] += r
        r = spread[(*lead, slice(p, p + n))]
    return np.ascontiguousarray(r, kind)


def _avg_rule(
    g: Any, size: Ints, kernel: Ints, stride: Ints, padding: Ints, cells: Ints, include: bool, divisor: int | None
) -> Any:
    return avg_pool_back(g, size=size, kernel=kernel, stride=stride, padding=padding, cells=cells, include=include, divisor=divisor)


def _avg_back_rule(
    g: Any, size: Ints, kernel: Ints, stride: Ints, padding: Ints, cells: Ints, include: bool, divisor: int | None
) -> Any:
    return avg_pool[2](g, size=size, kernel=kernel, stride=stride, padding=padding, cells=cells, include=include, divisor=divisor)


avg_pool = {
    2: Op("avg_pool2d", _avg_pool, kind="linear", vjp=[_avg_rule], batch=_same_batch, node="AvgPool2DBackward0"),
    3: Op("avg_pool3d", _avg_pool, kind="linear", vjp=[_avg_rule], batch=_same_batch, node="AvgPool3DBackward0"),
}
avg_pool_back = Op("avg_pool_backward", _avg_back, kind="linear", vjp=[_avg_back_rule], batch=_same_batch)


@lru_cache(64)
def mean_matrix(size: int, cells: int) -> Any:
    """(cells, size): each row takes the mean over one cell of adaptive pooling."""
    r = np.zeros((cells, size))
    for i, (a, b) in enumerate(cell_bounds(size, cells)):
        r[i, a:b] = 1 / (b - a)
    r.flags.writeable = False
    return r


def _adaptive_avg(x: Any, *, size: Ints, cells: Ints) -> Any:
    return along_axes(x, [mean_matrix(n, o) for n, o in zip(size, cells)])


def _adaptive_back(g: Any, *, size: Ints, cells: Ints) -> Any:
    return along_axes(g, [mean_matrix(n, o).T for n, o in zip(size, cells)])


def along_axes(x: Any, matrices: Sequence[Any]) -> Any:
    """Every one of the last dimensions multiplied by its matrix."""
    r = wide(x)
    dims = len(matrices)
    for axis, m in enumerate(matrices):
        m = m.astype(r.dtype, copy=False)
        if axis == dims - 1:
            r = np.ascontiguousarray(np.matmul(r, m.T))
        else:
            at = r.ndim - dims + axis
            rest = r.shape[at + 1 :]
            r = (m @ r.reshape(*r.shape[: at + 1], prod(rest))).reshape(*r.shape[:at], m.shape[0], *rest)
    return r.astype(x.dtype, copy=False)


adaptive_avg = {
    n: Op(
        f"adaptive_avg_pool{n}d", _adaptive_avg, kind="linear", batch=_same_batch, node=f"AdaptiveAvgPool{n}DBackward0",
        vjp=[lambda g, size, cells: adaptive_avg_back(g, size=size, cells=cells)],
    )
    for n in (2, 3)
}  # fmt: skip
adaptive_avg_back: Op = Op(
    "adaptive_avg_pool_backward", _adaptive_back, kind="linear", batch=_same_batch,
    vjp=[lambda g, size, cells: adaptive_avg[2](g, size=size, cells=cells)],
)  # fmt: skip

__all__: list[str] = []
