"""Ranges whose bounds may be known when code is written: what is known costs no instruction."""

from __future__ import annotations

from collections.abc import Callable

from .emitter import Emitter, Index


def up(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def offset(f: Emitter, index: Index, extents: tuple[int, ...], strides: tuple[int, ...]) -> Index:
    """How far a matrix of the batch lies behind the first, in elements."""
    total: Index = 0
    for axis in reversed(range(len(extents))):
        total = f.add(total, f.mul(f.rem(index, extents[axis]) if axis else index, strides[axis]))
        index = f.div(index, extents[axis])
    return total


def span(f: Emitter, index: Index, each: int, total: int) -> tuple[Index, Index]:
    """(first, count) of part ``index`` of ``total`` things, ``each`` to a part."""
    if total <= each:
        return 0, total
    first = f.mul(index, each)
    return first, each if total % each == 0 else f.least(each, f.sub(total, first))


def repeat(f: Emitter, count: Index, body: Callable[[Index], None]) -> None:
    """``body(i)`` for i from 0 to count - 1; once comes without a loop."""
    if count == 1:
        body(0)
    else:
        f.loop(0, count, 1, lambda i, _: body(i))


def split(
    f: Emitter, first: Index, count: Index, whole: int, total: int, body: Callable[[Index], None], edge: Callable[[Index], None]
) -> None:
    """``body(i)`` for the whole ones (the first ``whole`` of ``total``) among ``first + i``, i < ``count``; ``edge(i)`` for the rest."""
    if whole == total:
        repeat(f, count, body)
        return
    known = isinstance(first, int) and isinstance(count, int)
    full = f.least(count, f.sub(whole, first))
    if known:
        if full:
            repeat(f, full, body)
        if int(first) + int(count) == total:
            edge(full)
        return
    f.loop(0, full, 1, lambda i, _: body(i))
    f.when(f.icmp("slt", "i64", str(full), str(count)), lambda: edge(full))


def steps_of(f: Emitter, start: Index, end: Index, step: int, total: int, body: Callable[[Index, int], None]) -> None:
    """``body(i, count)`` from ``start`` to ``end`` in whole steps, then for what is left over of ``total``."""
    if isinstance(start, int) and isinstance(end, int) and end - start <= step:
        body(start, end - start)
        return
    rest = total % step
    whole: Index = total - rest if isinstance(end, int) and isinstance(start, int) else f.least(end, total - rest)
    f.loop(start, whole, step, lambda i, _: body(i, step))
    if rest:
        if isinstance(end, int) and isinstance(start, int):
            body(whole, rest)
        else:
            f.when(f.icmp("slt", "i64", str(whole), str(end)), lambda: body(whole, rest))
