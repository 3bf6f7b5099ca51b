"""Kernels for groups of nodes: elementwise functions, views, index arithmetic, gathering, and reductions.

    calls = emit(module, nodes, outputs)

emits what computes ``outputs`` (members of the group whose values are wanted in memory) from whatever the group's nodes take from
outside.  A :class:`Call` is a kernel and the nodes whose memory its pointers are, in order; calls run one after the other.
:data:`ERRORS` stands for the three int64 of :mod:`.findings`, to which a kernel writes that it met an index out of bounds.
A node ``temp`` among a call's stands for memory that only these calls use.  :func:`fits` says whether a group can be one.

The reductions of a group run over the same axes of the same shape (but see ``loops_columns.py``), and every output has that shape or a
reduction's.  What is reduced
may be used again along the reduced axes (softmax, layer normalisation): then the row is walked once more, and what is dear to compute
is kept in the workspace in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from ..program.ir import Node
from . import loops_split
from .emitter import Index, Module
from .kernel import Kernel, open_kernel
from .lanes import Lanes
from .loops_expr import Expr, Lowered, Lowering, NotAffine, Store, walk
from .loops_index import Affine
from .loops_reduce import RUN, Reducer
from .loops_value import Evaluator, spread
from .numbers import in_register
from .target import SIZES, Target

ERRORS = Node("errors", (), (3,), np.dtype(np.int64))

WORK = 1 << 15  # what a chunk is worth, in additions and loads
_LARGER, _CHUNKS = 4, 16  # how many times as much where so many chunks are left: to claim one takes a tenth of a microsecond
_KEEP = 8  # from this cost on a value is kept for the next walk rather than computed again
_KEPT_BYTES = 1 << 18


@dataclass(frozen=True)
class Call:
    """A kernel and whose memory its pointers are."""

    kernel: Kernel
    buffers: tuple[Node, ...]


def lowered(nodes: Sequence[Node], outputs: Sequence[Node]) -> Lowered:
    """The group as expressions; :class:`NotAffine` where it cannot be one loop nest."""
    inside = {id(n) for n in nodes}
    reductions = [n for n in nodes if n.op == "reduce"]
    if reductions:
        shape, axes = reductions[0].args[0].shape, reductions[0].attrs["axes"]
    else:
        shape, axes = max((n.args[0].shape if n.op == "concat" else n.shape for n in outputs), key=prod), ()
    return Lowering(inside, shape, axes).lower(lambda low: [s for n in outputs for s in low.stores(n)])


def fits(nodes: Sequence[Node], outputs: Sequence[Node]) -> bool:
    """Whether the nodes can be one group."""
    try:
        lowered(nodes, outputs)
    except NotAffine:
        return False
    return True


def emit(module: Module, name: str, nodes: Sequence[Node], outputs: Sequence[Node]) -> list[Call]:
    """Write the group's kernels into the module; ValueError where it does not :func:`fits`."""
    from . import loops_columns

    try:
        if (columns := loops_columns.plan(nodes)) is not None:
            return loops_columns.calls(module, name, nodes, outputs, columns)
        low = lowered(nodes, outputs)
    except NotAffine:
        raise ValueError(f"{outputs[0]!r} and what belongs to it cannot be computed in one loop nest") from None
    cut = loops_split.plan(nodes, low, WORK)
    nests = [low] if cut is None else [*loops_split.parts(nodes, outputs, cut), loops_split.joined(nodes, outputs, cut)]
    return [Nest(module, module.fresh(name), one).write() for one in nests]


class Nest:
    """The loops of one kernel.

    Chunks are blocks of *rows*, the points of the kept axes but the vector axis, times segments of the vector axis where that is kept.
    """

    def __init__(self, module: Module, name: str, low: Lowered) -> None:
        self.module, self.name, self.low = module, name, low
        self.domain = low.domain
        self.vector = len(self.domain) - 1
        self.kept_vector = self.vector not in low.reduced
        self.outer = [j for j in range(len(self.domain)) if j not in low.reduced and j != self.vector]
        self.inner = [j for j in range(len(self.domain)) if j in low.reduced and (self.kept_vector or j != self.vector)]
        self.reduced = frozenset(low.reduced)
        self.lanes = self._lanes(module.target)
        self.roots = [s.value for s in low.stores] + low.reductions
        self.levels = max([e.level for e in self.roots], default=0)
        self.cost = max(1, sum(e.cost and 1 for e in walk(self.roots)) + sum(max(0, e.cost - 8) > 40 for e in walk(self.roots)) * 20)
        self._plan()

    def _lanes(self, target: Target) -> int:
        wide = any(in_register(e.dtype) == "double" for e in walk([s.value for s in self.low.stores] + self.low.reductions))
        lanes = target.lanes("double" if wide else "float")
        return 1 if self.domain[-1] == 1 else lanes

    def _plan(self) -> None:
        self.rows = prod([self.domain[j] for j in self.outer])
        self.length = self.domain[self.vector]
        row = prod([self.domain[j] for j in range(len(self.domain)) if j not in self.outer])
        self.side = 1
        if self.low.reductions:
            heavy = len(walk(self.roots)) > 24
            self.side = min(1 if heavy and self.kept_vector else 2 if heavy else 4, max(1, self.length // self.lanes))
        self.segment = self.length
        if self.kept_vector:
            each = max(1, row // max(1, self.length)) * self.cost
            step = self.lanes * self.side
            self.segment = min(self.length, -(-max(step, WORK // each) // step) * step)
        self.segments = -(-self.length // self.segment) if self.length else 0
        work = max(1, row * self.cost // max(1, self.segments))
        least = max(1, WORK // work)
        self.block = min(self.rows, max(least, min(_LARGER * least, self.rows * self.segments // _CHUNKS)))
        self.blocks = -(-self.rows // self.block) if self.rows else 0
        self.kept = self._kept()

    def _kept(self) -> list[Expr]:
        """What is computed on one walk along the row and used on another."""
        where_used: dict[int, set[int]] = {}
        found: dict[int, Expr] = {}
        for level in range(self.levels + 1):
            for e in walk_here(self._of_level(level)):
                if e.kind in ("map", "inside", "gather") and e.deps & self.reduced and e.cost >= _KEEP:
                    where_used.setdefault(id(e), set()).add(level)
                    found[id(e)] = e
        several = [found[k] for k, levels in where_used.items() if len(levels) > 1]
        inner = {id(a) for e in several for a in walk_here([e]) if a is not e}
        several = [e for e in several if id(e) not in inner]
        points = prod([self.domain[j] for j in self.reduced])
        self.slots = -(-points // self.lanes) * self.lanes if not self.kept_vector else points * self.lanes * self.side
        self.slots = -(-self.slots // 16) * 16 + 64
        size = sum(self.slots * 8 for _ in several)
        return several if 0 < size <= _KEPT_BYTES else []

    def _full(self, s: Store) -> bool:
        return s.at.along(sorted(self.reduced))

    def _of_level(self, level: int) -> list[Expr]:
        stores = [s.value for s in self.low.stores if s.value.level == level and self._full(s)]
        return stores + [r.args[0] for r in self.low.reductions if r.args[0].level == level]

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self) -> Call:
        low = self.low
        buffers = list(dict.fromkeys([*low.loads, *[s.node for s in low.stores]]))
        buffers += [ERRORS] if low.checked else []
        f, pointers = open_kernel(self.module, self.name, len(buffers))
        self.f = f
        known = {id(n): p for n, p in zip(buffers, pointers, strict=True)}
        chunks = self.blocks * self.segments
        self.ev = Evaluator(f, known, pointers[-1] if low.checked else None, len(self.domain), self.vector, self.lanes)
        if chunks:
            self.ev.hoist(self.roots, frozenset(range(len(self.domain))))
            self._chunk("%chunk" if chunks > 1 else 0)
        f.ret()
        size = prod(self.domain)
        kernel = Kernel(self.name, len(buffers), chunks, len(self.kept) * self.slots * 8, size * self.cost, sum(n.bytes for n in buffers))
        return Call(kernel, tuple(buffers))

    def _chunk(self, chunk: Index) -> None:
        f = self.f
        segment, block = f.rem(chunk, self.segments), f.div(chunk, self.segments)
        first = f.mul(block, self.block)
        last = f.least(f.add(first, self.block), self.rows)
        if self.rows == 1:
            self._row(0, segment)
        else:
            f.loop(first, last, 1, lambda r, _: self._row(r, segment), entered=True)

    def _row(self, row: Index, segment: Index) -> None:
        ev = self.ev
        ev.enter()
        rest = row
        for j in reversed(self.outer):
            ev.coordinates[j] = self.f.rem(rest, self.domain[j]) if j != self.outer[0] else rest
            rest = self.f.div(rest, self.domain[j])
        ev.hoist(self.roots, frozenset(j for j in range(len(self.domain)) if j not in self.outer))
        if self.kept_vector:
            self._segment(segment)
        else:
            self._walks([0])
        ev.leave()

    def _segment(self, segment: Index) -> None:
        """The vectors of a segment of the kept vector axis, and what is left at its end."""
        f = self.f
        start, whole = f.mul(segment, self.segment), self.length - self.length % self.lanes
        end = f.least(f.add(start, self.segment), whole)
        wide = self.lanes * self.side
        middle: Index = start
        if self.side > 1:
            middle = f.add(start, f.mul(f.div(f.sub(end, start), wide), wide))
            f.loop(start, middle, wide, lambda i, _: self._at(i, self.side, None))
        f.loop(middle, end, self.lanes, lambda i, _: self._at(i, 1, None))
        if whole < self.length:
            if isinstance(segment, int):
                self._at(whole, 1, self.length - whole)
            else:
                last = f.icmp("eq", "i64", segment, str(self.segments - 1))
                f.when(last, lambda: self._at(whole, 1, self.length - whole))

    def _at(self, i: Index, count: int, valid: int | None) -> None:
        ev = self.ev
        ev.valid = valid
        if self.low.reductions:
            self._walks([self.f.add(i, u * self.lanes) for u in range(count)])
        else:
            ev.enter()
            ev.coordinates[self.vector] = i
            for s in self.low.stores:
                ev.put(s)
            ev.leave()
        ev.valid = None

    def _walks(self, places: Sequence[Index]) -> None:
        """All walks over the reduced axes; ``places`` are the vector axis's where it is kept."""
        ev = self.ev
        scopes: list[dict[int, Lanes]] = [{} for _ in places]
        for level in range(self.levels + 1):
            reductions = [r for r in self.low.reductions if r.args[0].level == level]
            stores = [s for s in self.low.stores if s.value.level == level and self._full(s)]
            if not reductions and not stores:
                continue
            walk_ = Walk(self, reductions, stores, places, scopes, level)
            for k, values in enumerate(walk_.run()):
                for r, v in zip(reductions, values, strict=True):
                    scopes[k][id(r)] = v
        for place, scope in zip(places, scopes, strict=True):
            ev.scopes.append(scope)
            if self.kept_vector:
                ev.coordinates[self.vector] = place
            for s in self.low.stores:
                if not self._full(s):
                    ev.put(s)
            ev.leave()


class Walk:
    """One walk over the reduced axes: some reductions, some stores."""

    def __init__(
        self, nest: Nest, reductions: Sequence[Expr], stores: Sequence[Store], places: Sequence[Index], scopes: list[dict[int, Lanes]],
        level: int,
    ) -> None:  # fmt: skip
        self.nest, self.f, self.ev = nest, nest.f, nest.ev
        self.reductions, self.stores, self.places, self.scopes, self.level = reductions, stores, places, scopes, level
        n = nest
        steps = -(-n.length // (n.lanes * n.side)) if not n.kept_vector else 1
        steps *= prod([n.domain[j] for j in n.inner])
        self.columns = len(places) if n.kept_vector else n.side
        self.reducers = [Reducer(self.f, r, n.lanes, steps > RUN) for r in reductions]
        self.here = walk_here(n._of_level(level))

    def run(self) -> list[list[Lanes]]:
        """What the reductions give, for each place."""
        n, ev = self.nest, self.ev
        for place, scope in zip(self.places, self.scopes, strict=True):
            ev.scopes.append(scope)
            if n.kept_vector:
                ev.coordinates[n.vector] = place
            ev.hoist(n._of_level(self.level), n.reduced, self.level)
            ev.leave()
        start = [c for _ in range(self.columns) for r in self.reducers for c in r.start()]
        carried = self._loops(0, 0, start)
        per = self._unflat(carried)
        if n.kept_vector:
            return [[r.finished(r.joined([c])) for r, c in zip(self.reducers, column, strict=True)] for column in per]
        together = [r.joined([column[k] for column in per]) for k, r in enumerate(self.reducers)]
        return [[r.finished(r.across(v)) for r, v in zip(self.reducers, together, strict=True)]]

    def _types(self) -> list[str]:
        return [t for _ in range(self.columns) for r in self.reducers for t in r.types]

    def _unflat(self, carried: Sequence[str]) -> list[list[list[str]]]:
        rest = list(carried)
        out = []
        for _ in range(self.columns):
            column = []
            for r in self.reducers:
                k = len(r.types)
                column.append(rest[:k])
                rest = rest[k:]
            out.append(column)
        return out

    def _flush(self, carried: Sequence[str]) -> list[str]:
        return [c for column in self._unflat(carried) for r, held in zip(self.reducers, column, strict=True) for c in r.flush(held)]

    def _loop(
        self, start: Index, end: Index, step: int, carried: Sequence[str], body: Callable[[Index, list[str]], list[str]]
    ) -> list[str]:
        return self.f.loop(start, end, step, body, list(zip(self._types(), carried, strict=True)))

    def _runs(self, end: int, step: int, carried: Sequence[str], body: Callable[[Index, list[str]], list[str]]) -> list[str]:
        """``range(0, end, step)``, in runs after which sums are taken out."""
        if not any(r.careful for r in self.reducers) or end <= RUN * step:
            return self._flush(self._loop(0, end, step, carried, body))

        def run(i: Index, held: list[str]) -> list[str]:
            stop = self.f.least(self.f.add(i, RUN * step), end)
            return self._flush(self._loop(i, stop, step, held, body))

        return self._loop(0, end, RUN * step, carried, run)

    def _loops(self, depth: int, flat: Index, carried: list[str]) -> list[str]:
        """The loops over the reduced axes but a reduced vector axis; ``flat`` numbers their points."""
        n, ev, f = self.nest, self.ev, self.f
        if depth == len(n.inner):
            return self._points(flat, carried) if n.kept_vector else self._vectors(flat, carried)
        axis = n.inner[depth]

        def body(i: Index, held: list[str]) -> list[str]:
            ev.enter()
            ev.coordinates[axis] = i
            out = self._loops(depth + 1, f.add(f.mul(flat, n.domain[axis]), i), held)
            ev.leave()
            return out

        if n.kept_vector and depth == len(n.inner) - 1:
            return self._runs(n.domain[axis], 1, carried, body)
        return self._loop(0, n.domain[axis], 1, carried, body)

    def _points(self, flat: Index, carried: list[str]) -> list[str]:
        """The vectors side by side at one point of the reduced axes."""
        n = self.nest
        out = []
        for k, (place, scope, held) in enumerate(zip(self.places, self.scopes, self._unflat(carried), strict=True)):
            self.ev.coordinates[n.vector] = place
            self.ev.scopes.append(dict(scope))
            slot = self.f.mul(self.f.add(self.f.mul(flat, len(self.places)), k), n.lanes)
            out += self._one(held, slot, None)
            self.ev.leave()
        return out

    def _vectors(self, flat: Index, carried: list[str]) -> list[str]:
        """Along a reduced vector axis: several vectors at a time, then what is left."""
        n, f = self.nest, self.f
        wide = n.lanes * n.side
        main = n.length - n.length % wide
        base = f.mul(flat, n.length)

        def several(i: Index, held: list[str]) -> list[str]:
            out = []
            for k, column in enumerate(self._unflat(held)):
                out += self._vector(f.add(i, k * n.lanes), base, column, None)
            return out

        carried = self._runs(main, wide, carried, several)
        columns = self._unflat(carried)
        for k in range(-(-(n.length - main) // n.lanes)):
            at = main + k * n.lanes
            valid = n.length - at if n.length - at < n.lanes else None
            held = self._vector(at, base, columns[k], valid)
            columns[k] = [held[p : p + len(r.types)] for p, r in zip(self._starts(), self.reducers, strict=True)]
        return self._flush([c for column in columns for held in column for c in held])

    def _starts(self) -> list[int]:
        sizes = [len(r.types) for r in self.reducers]
        return [sum(sizes[:k]) for k in range(len(sizes))]

    def _vector(self, at: Index, base: Index, held: list[list[str]], valid: int | None) -> list[str]:
        ev = self.ev
        ev.coordinates[self.nest.vector] = at
        ev.valid = valid
        ev.scopes.append(dict(self.scopes[0]))
        out = self._one(held, self.f.add(base, at), valid)
        ev.leave()
        ev.valid = None
        return out

    def _one(self, held: list[list[str]], slot: Index, valid: int | None) -> list[str]:
        """The stores and the reductions at one vector; ``slot`` is its place in what is kept."""
        n, ev = self.nest, self.ev
        here = {id(e) for e in self.here}
        mine = [(k, e) for k, e in enumerate(n.kept) if id(e) in here]
        for k, e in mine:
            if self._made_before(e):
                ev.remember(e, self._slot(k, e, slot, None, valid))
        out = []
        for r, column in zip(self.reducers, held, strict=True):
            x = ev.spread(r.arg)
            index = self._index() if r.position else None
            on = None if valid is None or n.kept_vector else ev._mask()
            out += r.into(column, x, index, on)
        for s in self.stores:
            ev.put(s)
        for k, e in mine:
            if not self._made_before(e):
                self._slot(k, e, slot, ev.spread(e), valid)
        return out

    def _made_before(self, e: Expr) -> bool:
        return any(id(e) in {id(x) for x in walk_here(self.nest._of_level(level))} for level in range(self.level))

    def _slot(self, k: int, e: Expr, slot: Index, value: Lanes | None, valid: int | None) -> Lanes:
        n, f = self.nest, self.f
        element = in_register(e.dtype)
        memory = "i8" if element == "i1" else element
        place = f.gep(f.gep("%workspace", k * n.slots * 8), slot, memory)
        type_ = f"<{n.lanes} x {memory}>" if n.lanes > 1 else memory
        align = SIZES[memory]
        if value is not None:
            stored = value.cast("zext", "i8") if element == "i1" else value
            f.store(type_, stored.name, place, align, valid=None if n.kept_vector else valid)
            return value
        found = Lanes(f, type_, f.load(type_, place, align, valid=None if n.kept_vector else valid))
        return found.differs(0) if element == "i1" else found

    def _index(self) -> Lanes:
        """The number of each lane's element among the reduced ones."""
        n, ev = self.nest, self.ev
        strides = [0] * len(n.domain)
        step = 1
        for j in sorted(n.reduced, reverse=True):
            strides[j] = step
            step *= n.domain[j]
        return spread(ev._position(Affine(tuple(strides))), n.lanes)


def walk_here(roots: Sequence[Expr]) -> list[Expr]:
    """Like ``walk``, but not into what finished reductions have reduced."""
    seen: set[int] = set()
    out: list[Expr] = []
    stack = list(roots)
    while stack:
        e = stack.pop()
        if id(e) not in seen:
            seen.add(id(e))
            out.append(e)
            if e.kind != "reduced":
                stack.extend(e.args)
    return out


__all__ = ["ERRORS", "Call", "emit", "fits", "lowered"]
