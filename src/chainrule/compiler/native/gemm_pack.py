"""Packing: an operand's block copied into the workspace in the order in which tiles read it.

The right operand becomes panels, ``[k][columns]``, padded to whole vectors.  The left one becomes rows with a pitch that keeps
them out of each other's cache sets, or, where its columns are contiguous, tiles ``[k][rows]``.  Hooks on an operand run here,
once for each element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .emitter import Emitter, Index, vec
from .gemm_tile import Tile, load_lanes, transposed
from .kernel import Hook, Place
from .target import SIZES

PITCH = 16  # elements more than the depth: rows a power of two apart would share a cache set


@dataclass(frozen=True)
class Source:
    """A block of an operand: first element, strides in elements, where it lies, and what is done to its elements."""

    pointer: str
    rows: int
    columns: int
    place: Place  # of the first element; its type and lanes do not matter
    hook: Hook | None = None

    def read(self, f: Emitter, element: str, lanes: int, row: Index, column: Index, along: int, valid: int | None) -> str:
        """Elements from (row, column) on, down (``along`` 0) or across (1); lanes that do not count are zero or anything."""
        kind = vec(element, lanes)
        at = f.gep(self.pointer, f.add(f.mul(row, self.rows), f.mul(column, self.columns)), element)
        value = load_lanes(f, kind, at, self.columns if along else self.rows, valid)
        if self.hook is None:
            return value
        here = self.place
        return self.hook(f, Place(kind, f.add(here.row, row), f.add(here.column, column), here.batch, along, valid, here.buffers), value)


def pack_panel(f: Emitter, tile: Tile, source: Source, to: str, depth: Index, tail: int) -> None:
    """A panel of the right operand, ``depth`` rows of ``tile.vectors`` vectors; ``tail`` is what ``depth`` may leave over by the lanes."""
    width, lanes, size = tile.vectors * tile.lanes, tile.lanes, SIZES[tile.element]
    align = min(64, lanes * size)

    def put(k: Index, j: int, value: str) -> None:
        f.store(tile.type, value, f.gep(to, f.add(f.mul(k, width), j * lanes), tile.element), align)

    def across(k: Index, _: object) -> None:
        for j in range(tile.vectors):
            put(k, j, source.read(f, tile.element, lanes, k, j * lanes, 1, tile.lanes_of(j)))

    def turned(k: Index, count: int) -> None:
        for j in range(tile.vectors):
            columns = tile.valid if j == tile.vectors - 1 else lanes
            read = [source.read(f, tile.element, lanes, k, j * lanes + r, 0, count if count < lanes else None) for r in range(columns)]
            for r, value in enumerate(transposed(f, tile.element, read + ["zeroinitializer"] * (lanes - columns))[:count]):
                put(f.add(k, r), j, value)

    if source.rows != 1 or lanes * size < 16:
        f.loop(0, depth, 1, across)
        return
    _in_vectors(f, depth, lanes, tail, turned)


def pack_rows(f: Emitter, element: str, lanes: int, source: Source, to: str, rows: Index, depth: Index, tail: int, pitch: int) -> None:
    """Rows of the left operand, ``pitch`` elements apart."""

    def row(i: Index, _: object) -> None:
        def some(k: Index, count: int) -> None:
            value = source.read(f, element, lanes, i, k, 1, count if count < lanes else None)
            f.store(vec(element, lanes), value, f.gep(to, f.add(f.mul(i, pitch), k), element), valid=count if count < lanes else None)

        _in_vectors(f, depth, lanes, tail, some)

    f.loop(0, rows, 1, row)


def pack_tile(f: Emitter, element: str, lanes: int, source: Source, to: str, rows: int, depth: Index, pitch: int) -> None:
    """A tile of the left operand whose rows are contiguous: ``[k][rows]``, k's ``pitch`` elements apart."""

    def step(k: Index, _: object) -> None:
        for i in range(0, rows, lanes):
            valid = rows - i if rows - i < lanes else None
            value = source.read(f, element, lanes, i, k, 0, valid)
            f.store(vec(element, lanes), value, f.gep(to, f.add(f.mul(k, pitch), i), element), valid=valid)

    f.loop(0, depth, 1, step)


def _in_vectors(f: Emitter, depth: Index, lanes: int, tail: int, some: Callable[[Index, int], None]) -> None:
    """``some(k, lanes)`` for whole vectors up to ``depth``, then ``some(k, tail)`` if anything is left over."""
    whole: Index = depth - depth % lanes if isinstance(depth, int) else f.op(f"and i64 {depth}, {-lanes}")
    f.loop(0, whole, lanes, lambda k, _: some(k, lanes))
    if not tail:
        return
    if isinstance(depth, int):
        some(whole, tail)
    else:
        f.when(f.icmp("slt", "i64", str(whole), depth), lambda: some(whole, tail))
