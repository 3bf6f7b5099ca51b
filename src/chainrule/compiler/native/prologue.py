"""What is done to an operand on its way into a product, as code for the hook of :class:`.gemm.Gemm` or :class:`.conv.Conv`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..program.ir import Node
from .emitter import Emitter, Index, parts
from .kernel import Place
from .lanes import Lanes
from .loops_expr import Expr, Lowering, axes_of, walk
from .loops_index import NotAffine
from .loops_value import Evaluator, spread
from .numbers import pack


class Prologue:
    """Nodes that are computed of what lies in memory, where a kernel reads the ``operand`` that they give.

    ``nodes`` are those of the group with the views between them.  The operand is seen as matrices: ``dims`` are the extents of its batch
    axes, rows, columns.  ``buffers`` are the nodes whose memory the hook's pointers have to be to, from the kernel's pointer ``first`` on.
    Raises NotAffine where an element's place in one of them is no affine function of its place in the matrices.
    """

    first = 3

    def __init__(self, operand: Node, nodes: Sequence[Node], dims: Sequence[int]) -> None:
        self.batch, self.last = tuple(dims[:-2]), len(dims) - 1
        grid = [replace(a, part=min(j, self.last)) for j, a in enumerate(axes_of(operand.shape))]
        low = Lowering({id(n) for n in nodes}, operand.shape, (), grid).lower(lambda low: [low.stored(operand)])
        self.axis = {part: j for j, part in enumerate(low.parts)}
        if low.checked or len(self.axis) < len(low.parts):
            raise NotAffine
        self.axes = len(low.domain)
        self.root = low.stores[0].value
        self.dtype = operand.dtype
        self.given: Expr | None = None
        self.buffers = self._read()

    def _read(self) -> list[Node]:
        loads = [e for e in walk([self.root]) if e.kind == "load" and e is not self.given]
        return list({id(e.node): e.node for e in loads if e.node is not None}.values())

    def primary(self) -> tuple[Node, int, tuple[int, ...]]:
        """What the kernel itself is to read, and hand to the hook: (what lies in memory, its first element, strides in elements).

        What has another dtype than the operand the hook reads again: the kernel's load comes to nothing, its places count.
        Raises NotAffine if nothing has an element for each of the operand's.
        """
        loads = [e for e in walk([self.root]) if e.kind == "load"]
        for e in sorted(loads, key=lambda e: e.dtype != self.dtype):
            assert e.node is not None and e.at is not None
            steps = [e.at.strides[self.axis[part]] if part in self.axis else 0 for part in range(self.last + 1)]
            if all(e.at.strides) and 1 in steps[-2:]:
                self.given = e if e.dtype == self.dtype else None
                self.buffers = self._read()
                return e.node, e.at.offset, tuple(steps)
        raise NotAffine

    def __call__(self, f: Emitter, place: Place, value: str, /) -> str:
        lanes = parts(place.type)[1]
        along = self.axis.get(self.last - 1 + place.along)
        pointers = {id(n): place.buffers[self.first + k] for k, n in enumerate(self.buffers)}
        ev = Evaluator(f, pointers, None, self.axes, along, 1 if along is None else lanes)
        ev.valid = None if along is None else place.valid
        for part, index in enumerate([*self._matrix(f, place.batch), place.row, place.column]):
            if part in self.axis:
                ev.coordinates[self.axis[part]] = index
        if self.given is not None:
            ev.remember(self.given, Lanes(f, place.type, value))
        return pack(spread(ev.value(self.root), lanes), self.dtype).name

    def _matrix(self, f: Emitter, batch: Index) -> list[Index]:
        """The coordinates of a matrix of the batch."""
        out: list[Index] = []
        for n in reversed(self.batch[1:]):
            out.append(f.rem(batch, n))
            batch = f.div(batch, n)
        return [batch, *reversed(out)] if self.batch else []


__all__ = ["Prologue"]
