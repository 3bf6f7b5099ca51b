"""Copies, parts, joining, and what is written into parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core.op import OPS
from ....core.views import replay
from ...program.ir import Node
from .. import build
from ..symbolic import Unsupported
from .table import lowers


def probe_of(shape: tuple[int, ...]) -> Any:
    """A row-major array of one-byte elements that nobody reads."""
    return np.empty(shape, np.uint8)


def taken(x: Node, take: Any) -> tuple[Any, int, Any]:
    """(the array that ``take`` shows of a probe for x, its offset); Unsupported unless it is a view."""
    probe = probe_of(x.shape)
    shown = take(probe)
    if shown.size and not np.may_share_memory(shown, probe):
        raise Unsupported("a part that is no view")
    offset = int(shown.__array_interface__["data"][0] - probe.__array_interface__["data"][0]) if shown.size else 0
    return shown, offset, probe


def part(x: Node, take: Any) -> Node:
    """A part of x."""
    shown, offset, _ = taken(x, take)
    base, strides, start = build.strided(x)
    if base is x:
        return build.view(x, shown.shape, shown.strides, offset)
    inner = np.ndarray(x.shape, np.uint8, np.empty(max(1, base.size), np.uint8), start, strides)
    again = take(inner)
    if again.size and not np.may_share_memory(again, inner):
        return build.view(x, shown.shape, shown.strides, offset)
    distance = int(again.__array_interface__["data"][0] - inner.__array_interface__["data"][0]) if again.size else 0
    return build.view(base, again.shape, again.strides, start + distance)


def stepped(x: Node, axis: int, start: int, step: int, count: int) -> Node:
    """``count`` elements along an axis, ``step`` apart (0: one of them, repeated)."""
    base, strides, offset = build.strided(x)
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    return build.view(base, shape, (*strides[:axis], strides[axis] * step, *strides[axis + 1 :]), offset + start * strides[axis])


def put(x: Node, src: Node, take: Any) -> Node:
    """x with the part that ``take`` shows replaced by ``src``, broadcast and cast."""
    shown, offset, _ = taken(x, take)
    value = build.expand(build.cast(src, x.dtype), shown.shape)
    if _overlaps(shown):
        raise Unsupported("a part whose elements share memory")
    return build.put(x, value, shown.strides, offset)


def _overlaps(shown: Any) -> bool:
    spans = sorted([(s, n) for s, n in zip(shown.strides, shown.shape, strict=True) if n > 1], key=lambda p: abs(p[0]))
    reach = 0
    for stride, n in spans:
        if abs(stride) <= reach:
            return True
        reach += abs(stride) * (n - 1)
    return False


def zeros(shape: Any, dtype: Any) -> Node:
    return build.full(tuple(shape), 0, dtype)


@lowers("cast")
def cast(x: Node, *, dtype: Any) -> Node:
    return build.cast(x, dtype)


@lowers("clone", "copy_gradient")
def clone(x: Node) -> Node:
    return x


@lowers("tie")
def tie(g: Node, x: Node) -> Node:
    return g


@lowers("full_like")
def full_like(x: Node, *, fill: Any, dtype: Any) -> Node:
    return build.full(x.shape, fill, dtype)


@lowers("unsafe_view")
def unsafe_view(x: Node, *, shape: Any) -> Node:
    return build.reshape(x, probe_of(x.shape).reshape(shape).shape)


@lowers("write CopyBackwards", "write FillBackward3")
def spread(x: Node, src: Node) -> Node:
    return build.expand(build.cast(src, x.dtype), x.shape)


@lowers("flip")
def flip(x: Node, *, dims: Any) -> Node:
    return part(x, lambda a: np.flip(a, dims))


@lowers("rot90")
def rot90(x: Node, *, k: int, dims: Any) -> Node:
    return part(x, lambda a: np.rot90(a, k, dims))


@lowers("diagonal_copy")
def diagonal_copy(x: Node, *, offset: int, dim1: int, dim2: int) -> Node:
    return part(x, lambda a: OPS["diagonal"].impl(a, offset=offset, dim1=dim1, dim2=dim2))


@lowers("first_of")
def first_of(x: Node, *, shape: Any) -> Node:
    flat = build.reshape(x, (x.size,))
    count = int(np.prod(shape, dtype=np.int64))
    return build.reshape(part(flat, lambda a: a[:count]), shape)


@lowers("repeat")
def repeat(x: Node, *, repeats: Any) -> Node:
    lead = len(repeats) - len(x.shape)
    shape = (1,) * lead + x.shape
    x = build.reshape(x, shape)
    split = [n for s in shape for n in (1, s)]
    wide = [n for r, s in zip(repeats, shape, strict=True) for n in (r, s)]
    return build.reshape(build.expand(build.reshape(x, split), wide), [r * s for r, s in zip(repeats, shape, strict=True)])


@lowers("roll")
def roll(x: Node, *, shifts: Any, dims: Any) -> Node:
    if not dims:
        flat = build.reshape(x, (x.size,))
        return build.reshape(roll(flat, shifts=(shifts,), dims=(0,)), x.shape)
    for shift, d in zip(shifts, dims, strict=True):
        n = x.shape[d]
        by = shift % n if n else 0
        if by:
            at = (slice(None),) * (d % len(x.shape))
            back, front = [part(x, lambda a, s=s: a[s]) for s in ((*at, slice(n - by, None)), (*at, slice(0, n - by)))]
            x = build.concat([back, front], d % len(x.shape))
    return x


@lowers("cat")
def cat(*parts: Node, dim: int) -> Node:
    kind = np.result_type(*[p.dtype for p in parts])
    full = [p for p in parts if not (p.shape == (0,) and any(len(q.shape) != 1 for q in parts))]
    return build.concat([build.cast(p, kind) for p in full], dim)


@lowers("stack")
def stack(*parts: Node, dim: int) -> Node:
    kind = np.result_type(*[p.dtype for p in parts])
    return build.concat([build.unsqueeze(build.cast(p, kind), dim) for p in parts], dim)


@lowers("unsafe_split")
def unsafe_split(x: Node, *, dim: int, bounds: Any) -> list[Node]:
    count = len(OPS["unsafe_split"].impl(probe_of(x.shape), dim=dim, bounds=bounds))
    return [part(x, lambda a, k=k: OPS["unsafe_split"].impl(a, dim=dim, bounds=bounds)[k]) for k in range(count)]


def _triangle(x: Node, diagonal: int, fn: str) -> Node:
    rows, columns = build.iota(x.shape, len(x.shape) - 2), build.iota(x.shape, len(x.shape) - 1)
    inside = build.compare(fn, columns, build.add(rows, build.number(rows, diagonal)))
    return build.where(inside, x, build.number(x, 0))


@lowers("tril")
def tril(x: Node, *, diagonal: int) -> Node:
    return _triangle(x, diagonal, "le")


@lowers("triu")
def triu(x: Node, *, diagonal: int) -> Node:
    return _triangle(x, diagonal, "ge")


@lowers("select_back")
def select_back(g: Node, *, shape: Any, dim: int, index: int) -> Node:
    return put(zeros(shape, g.dtype), g, lambda a: OPS["select"].impl(a, dim=dim, index=index))


@lowers("slice_back")
def slice_back(g: Node, *, shape: Any, dim: int, start: int, end: int, step: int) -> Node:
    return put(zeros(shape, g.dtype), g, lambda a: OPS["slice"].impl(a, dim=dim, start=start, end=end, step=step))


@lowers("diagonal_back")
def diagonal_back(g: Node, *, shape: Any, offset: int, dim1: int, dim2: int) -> Node:
    return put(zeros(shape, g.dtype), g, lambda a: OPS["diagonal"].impl(a, offset=offset, dim1=dim1, dim2=dim2))


@lowers("diag_embed")
def diag_embed(x: Node, *, offset: int, dim1: int, dim2: int) -> Node:
    shape = OPS["diag_embed"].impl(probe_of(x.shape), offset=offset, dim1=dim1, dim2=dim2).shape
    return put(zeros(shape, x.dtype), x, lambda a: OPS["diagonal"].impl(a, offset=offset, dim1=dim1, dim2=dim2))


@lowers("select_scatter", "slice_scatter", "diagonal_scatter")
def scatter_part(x: Node, src: Node, *, at: dict[str, Any], part: str) -> Node:
    return put(x, src, lambda a: OPS[part].impl(a, **at))


@lowers("clear")
def clear(x: Node, *, at: dict[str, Any], part: str) -> Node:
    return put(x, build.number(x, 0), lambda a: OPS[part].impl(a, **at))


@lowers("take_view")
def take_view(x: Node, *, steps: Any, layout: Any) -> Node:
    return part(x, lambda a: replay(a, steps))


@lowers("put_view")
def put_view(g: Node, *, steps: Any, layout: Any) -> Node:
    return put(zeros(layout[0], g.dtype), g, lambda a: replay(a, steps))


@lowers("clear_view")
def clear_view(x: Node, *, steps: Any, layout: Any) -> Node:
    return put(x, build.number(x, 0), lambda a: replay(a, steps))


@lowers("copy_slices")
def copy_slices(base: Node, src: Node, *, steps: Any, layout: Any) -> Node:
    return put(base, src, lambda a: replay(a, steps))


def padded(x: Node, low: Any, high: Any, fill: float) -> Node:
    """x with ``low`` and ``high`` elements of ``fill`` around it along every axis."""
    if not any(low) and not any(high):
        return x
    shape = [a + n + b for a, n, b in zip(low, x.shape, high, strict=True)]
    return build.make("pad", (x, build.number(x, fill)), shape, x.dtype, low=tuple(low))


@lowers("identity_matrices")
def identity(x: Node, *, n: int) -> Node:
    return build.expand(build.const(np.eye(n), x.dtype), (*x.shape[:-2], n, n))


@lowers("on_diagonal")
def on_diagonal(g: Node, *, shape: Any) -> Node:
    whole = (*g.shape, *shape)
    number = build.expand(build.reshape(g, (*g.shape, 1, 1)), whole)
    here = build.compare("eq", build.iota(whole, len(whole) - 2), build.iota(whole, len(whole) - 1))
    return build.where(here, number, build.number(g, 0))


@lowers("block_diag")
def block_diag(*blocks: Node) -> Node:
    kind = np.result_type(*[b.dtype for b in blocks])
    columns = sum(b.shape[1] for b in blocks)
    rows, before = [], 0
    for b in blocks:
        rows.append(padded(build.cast(b, kind), (0, before), (0, columns - before - b.shape[1]), 0))
        before += b.shape[1]
    return build.concat(rows, 0)
