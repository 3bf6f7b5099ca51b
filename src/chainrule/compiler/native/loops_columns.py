"""Rows and sums over all rows in one pass: a kernel whose chunks are blocks of rows, each with sums of its own, and one that adds those up.

How many blocks there are depends on the shape alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ..program.ir import Node
from . import loops_split
from .emitter import Index, Module, constant, vec
from .loops import WORK, Call, Nest
from .loops_expr import Axis, Lowered, Lowering, Store, axes_of
from .loops_index import Affine
from .numbers import in_memory

_MOST, _FEWEST = 64, 16  # blocks
_ROWS = 4  # that a block has at least


@dataclass(frozen=True)
class Columns:
    """Reductions over the leading axes, ``lead`` of them, beside ones along the others; ``partial`` are the values of ``blocks`` blocks of
    ``length`` rows."""

    lead: int
    length: int
    blocks: int
    partial: dict[int, Node]


def plan(nodes: Sequence[Node]) -> Columns | None:
    """How to cut a group that has reductions of both kinds; None for any other."""
    reductions = [n for n in nodes if n.op == "reduce"]
    columns = [n for n in reductions if len(n.args[0].shape) - 1 not in n.attrs["axes"]]
    if not columns or len(columns) == len(reductions):
        return None
    shape, lead = columns[0].args[0].shape, len(columns[0].attrs["axes"])
    rows = prod(shape[:lead])
    count = max(1, min(_MOST, rows // _ROWS, max(_FEWEST, prod(shape) // WORK)))
    length = -(-rows // count)
    blocks = -(-rows // length)
    return Columns(lead, length, blocks, {id(n): Node("temp", (), (blocks, *shape[lead:]), n.dtype, {"adds": True}) for n in columns})


def calls(module: Module, name: str, nodes: Sequence[Node], outputs: Sequence[Node], cut: Columns) -> list[Call]:
    """The group's kernels: the blocks of full length, a shorter last one, and what adds up the blocks' sums."""
    made = [_Blocks(module, module.fresh(name), low, length).write() for low, length in _parts(nodes, outputs, cut)]
    sums = [n for n in nodes if id(n) in cut.partial]
    joined = loops_split.joined(
        sums, [n for n in outputs if id(n) in cut.partial], loops_split.Plan(0, cut.length, cut.blocks, cut.partial)
    )
    return [*made, Nest(module, module.fresh(name), joined).write()]


def _parts(nodes: Sequence[Node], outputs: Sequence[Node], cut: Columns) -> list[tuple[Lowered, int]]:
    sums = [n for n in nodes if id(n) in cut.partial]
    shape = sums[0].args[0].shape
    axes = tuple(range(cut.lead, len(shape)))
    width, rows = prod(shape[cut.lead :]), prod(shape[: cut.lead])
    whole, left = divmod(rows, cut.length)
    inside = {id(n) for n in nodes}
    out = []
    for count, length, first in ((whole, cut.length, 0), (1, left, whole)):
        if not count or not length:
            continue
        grid = [Axis(count, cut.length * width, cut.length), Axis(length, width, 1), *axes_of(shape, axes)[cut.lead :]]

        def wanted(low: Lowering, first: int = first) -> list[Store]:
            strides = [a.step if a.reduced else a.kept // cut.length * width for a in low.grid]
            at = low._trimmed(Affine(tuple(strides), first * width))
            stores = [low.stored(n) for n in outputs if id(n) not in cut.partial]
            return stores + [Store(low.value(n.args[0], low.everywhere()), cut.partial[id(n)], at) for n in sums]

        start = (first * cut.length * width, first * cut.length)
        out.append((Lowering(inside, shape, axes, grid, start).lower(wanted), length))
    return out


class _Blocks(Nest):
    """Chunks are blocks of ``length`` rows, each of which begins with sums of 0."""

    def __init__(self, module: Module, name: str, low: Lowered, length: int) -> None:
        self.height = length
        super().__init__(module, name, low)

    def _plan(self) -> None:
        super()._plan()
        self.block, self.blocks = self.height, self.rows // self.height

    def _chunk(self, chunk: Index) -> None:
        for s in self.low.stores:
            if s.node.attrs.get("adds"):
                self._clear(s, chunk)
        super()._chunk(chunk)

    def _clear(self, s: Store, chunk: Index) -> None:
        f, element, width = self.f, in_memory(s.node.dtype), prod(s.node.shape[1:])
        start = f.gep(self.ev.pointers[id(s.node)], f.add(s.at.offset, f.mul(chunk, width)), element)
        whole = width - width % self.lanes
        for end, begin, lanes in ((whole, 0, self.lanes), (width, whole, 1)):
            type_ = vec(element, lanes)
            f.loop(begin, end, lanes, lambda i, _, t=type_: f.store(t, constant(t, 0), f.gep(start, i, element)))  # type: ignore[misc]


__all__ = ["Columns", "calls", "plan"]
