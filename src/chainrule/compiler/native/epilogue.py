"""What is done to a product on its way to memory, as code for the hook of :class:`.gemm.Gemm` or :class:`.conv.Conv`."""

from __future__ import annotations

from collections.abc import Sequence

from ..program.ir import Node, row_major
from ..schedule.epilogue import SHORT
from .emitter import Emitter, parts
from .kernel import Place
from .lanes import Lanes
from .loops_expr import Lowering, Store, walk
from .loops_index import Affine, NotAffine
from .loops_value import Evaluator, spread
from .numbers import pack

_STRAIGHT = 12  # short operations that are written once for each vector of a tile


class Epilogue:
    """Nodes that are computed of a product's elements, and stored with it or in its place.

    ``nodes`` are those of the group with the views between them, and ``outputs`` what is stored.  The places of the product's elements
    are in matrices of ``rows`` × ``columns``.  ``result`` is whose memory the product's kernel writes; ``buffers`` are the nodes whose
    memory the hook's pointers have to be to, from the kernel's pointer ``first`` on; ``long`` says that the code is.  Raises NotAffine
    where the elements do not correspond to the product's, or lie where vectors along its rows cannot find them.
    """

    def __init__(self, product: Node, matrix: tuple[int, int], nodes: Sequence[Node], outputs: Sequence[Node], first: int) -> None:
        self.rows, self.columns = matrix
        self.lines = product.size // self.columns
        inside = {id(n) for n in nodes if n is not product}
        after = [n for n in outputs if n is not product]
        low = Lowering(inside, product.shape, ()).lower(lambda low: [low.stored(n) for n in after])
        self.domain = low.domain
        inner = walk([s.value for s in low.stores])
        self.loads = [e for e in inner if e.kind == "load" and e.node is product]
        maps = [e.fn for e in inner if e.kind == "map"]
        self.long = len(maps) > _STRAIGHT or not SHORT.issuperset(maps)
        natural = Affine(tuple([s if n > 1 else 0 for s, n in zip(row_major(self.domain), self.domain)]))
        if low.checked or any(e.at != natural for e in self.loads) or self.domain[-1] % self.columns:
            raise NotAffine
        self.stores = low.stores
        self.taken: Store | None = None
        if not any(n is product for n in outputs):
            self.taken = next((s for s in low.stores if s.node.dtype == product.dtype), None)
            if self.taken is None:
                raise NotAffine
            self.stores = [s for s in low.stores if s is not self.taken]
        self.result = product if self.taken is None else self.taken.node
        self.buffers = [n for n in low.loads if n is not product] + [s.node for s in self.stores]
        self.first = first

    def __call__(self, f: Emitter, place: Place, value: str, /) -> str:
        pointers = {id(n): place.buffers[self.first + k] for k, n in enumerate(self.buffers)}
        lanes = parts(place.type)[1]
        given = Lanes(f, place.type, value)
        if self.domain[-1] == 1 and lanes > 1:  # one element, in the first lane of a vector
            given = Lanes(f, given.element, f.op(f"extractelement {place.type} {value}, i64 0"))
        ev = Evaluator(f, pointers, None, len(self.domain), len(self.domain) - 1, given.lanes)
        ev.valid = place.valid if given.lanes > 1 else None
        self._locate(ev, place)
        for e in self.loads:
            ev.remember(e, given)
        for s in self.stores:
            ev.put(s)
        if self.taken is None:
            return value
        return pack(spread(ev.value(self.taken.value), lanes), self.taken.node.dtype).name

    def _locate(self, ev: Evaluator, place: Place) -> None:
        """Coordinates of the first lane; the last axis is one row of the product, or some."""
        f = ev.f
        line = f.add(f.mul(place.batch, self.rows), place.row)
        each = self.domain[-1] // self.columns
        ev.coordinates[-1] = f.add(f.mul(f.rem(line, each) if each < self.lines else line, self.columns), place.column)
        rest, count = f.div(line, each), self.lines // each
        for j in range(len(self.domain) - 2, -1, -1):
            ev.coordinates[j] = f.rem(rest, self.domain[j]) if self.domain[j] < count else rest
            rest, count = f.div(rest, self.domain[j]), count // self.domain[j]


__all__ = ["Epilogue"]
