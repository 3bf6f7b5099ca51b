"""Kernels that put the elements of rows in order: the first ``count`` indices of a row's stable order.

Elements become keys, unsigned integers in the same order (NaN last; zeros of both signs are equal); the order is that of keys, and of
indices where keys are equal.  A short row is ranked: an element's place is the number of those that come before it.  Of a long one of
which few are wanted, these are kept in order and others pass by; else rows are sorted by their keys' bytes, the last byte first (LSD
radix sort, Knuth, The Art of Computer Programming 3, 5.2.5).  Nothing depends on how values lie but the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import NamedTuple

from ..program.ir import Node, row_major
from .emitter import Index, Module, constant, vec
from .kernel import Kernel, open_kernel
from .lanes import Lanes, any_lane, where
from .loops import ERRORS, WORK, Call
from .loops_expr import Lowering, NotAffine
from .loops_value import Evaluator
from .target import SIZES

_SHORT = 64  # elements of a row that is ranked
_FEW = 64  # of a long one that are kept in order
_DIGITS = 256


class _Row(NamedTuple):
    """Where a row's keys and indices are in the workspace, twice, and the counts of digits."""

    keys: str
    places: str
    other_keys: str
    other_places: str
    counts: str


class _Order:
    def __init__(self, module: Module, name: str, inside: set[int], node: Node) -> None:
        x, axis = node.args[0], node.attrs["axis"]
        self.node = node
        self.size, self.count = x.shape[axis], node.shape[axis]
        self.descending = bool(node.attrs["descending"])
        steps = row_major(node.shape)
        low = Lowering(inside, x.shape, (axis,)).lower(lambda low: [low.moved(x, node, steps, 0)])
        if len(low.reduced) != 1:
            raise NotAffine
        self.low = low
        (self.axis,) = low.reduced
        self.outer = [j for j in range(len(low.domain)) if j != self.axis]
        self.name = module.fresh(name)
        wide = x.dtype.itemsize == 8
        self.element = "i64" if wide else "i32"
        self.bytes = SIZES[self.element]
        self.lanes = min(module.target.lanes("double" if wide else "float"), 1 << (max(1, self.size).bit_length() - 1))
        self.module = module

    def write(self) -> Call:
        low = self.low
        buffers = [*low.loads, self.node, *([ERRORS] if low.checked else [])]
        f, pointers = open_kernel(self.module, self.name, len(buffers))
        known = {id(n): p for n, p in zip(buffers, pointers, strict=True)}
        self.f = f
        self.ev = Evaluator(f, known, pointers[-1] if low.checked else None, len(low.domain), self.axis, self.lanes)
        self.memory = known[id(self.node)]
        rows = prod([low.domain[j] for j in self.outer])
        work = self.size * (8 if self.size <= _SHORT else 4 if self.few else 10 * self.bytes)
        block = max(1, min(rows, WORK // work))
        chunks = -(-rows // block)
        parts, workspace = self._parts()
        start = f.mul("%chunk" if chunks > 1 else 0, block)
        f.loop(start, f.least(f.add(start, block), rows), 1, lambda r, _: self._row(r, parts))
        f.ret()
        kernel = Kernel(self.name, len(buffers), chunks, workspace, rows * self.size * 8, sum(n.bytes for n in buffers))
        return Call(kernel, tuple(buffers))

    @property
    def few(self) -> bool:
        return bool(self.count <= _FEW and self.count * 4 <= self.size)

    def _parts(self) -> tuple[_Row, int]:
        """The workspace."""
        f, at, found = self.f, 0, []
        room = -(-self.size // 64) * 64 + 64
        for size in (room * self.bytes, room * 4, room * self.bytes, room * 4, self.bytes * _DIGITS * 4):
            found.append(f.gep("%workspace", at))
            at += size
        return _Row(*found), at

    def _row(self, r: Index, at: _Row) -> None:
        ev, f, domain = self.ev, self.f, self.low.domain
        ev.enter()
        rest = r
        for j in reversed(self.outer):
            ev.coordinates[j] = f.rem(rest, domain[j]) if j != self.outer[0] else rest
            rest = f.div(rest, domain[j])
        ev.hoist([s.value for s in self.low.stores], frozenset((self.axis,)))
        self._vectors(lambda i, valid: self._fill(i, valid, at))
        if self.size <= _SHORT:
            self._ranked(at)
        elif self.few:
            self._kept(at)
        else:
            self._sorted(at)
        ev.leave()

    def _vectors(self, body: Callable[[Index, int | None], None]) -> None:
        """The row in vectors, and what is left at its end."""
        whole = self.size - self.size % self.lanes
        self.f.loop(0, whole, self.lanes, lambda i, _: body(i, None))
        if whole < self.size:
            body(whole, self.size - whole)

    # -- keys ----------------------------------------------------------------------------------------------------------

    def _fill(self, i: Index, valid: int | None, at: _Row) -> None:
        """The keys of a vector of elements, and their indices."""
        ev, f = self.ev, self.f
        ev.enter()
        ev.valid = valid
        ev.coordinates[self.axis] = i
        keys = self._keys(ev.spread(self.low.stores[0].value))
        f.store(keys.type, keys.name, f.gep(at.keys, i, self.element), valid=valid)
        if self.size > _SHORT and not self.few:
            places = self._from(i, "i32")
            f.store(places.type, places.name, f.gep(at.places, i, "i32"), valid=valid)
        ev.valid = None
        ev.leave()

    def _from(self, i: Index, element: str) -> Lanes:
        """``i``, ``i + 1``, …"""
        start = str(i) if isinstance(i, int) or element == "i64" else self.f.op(f"trunc i64 {i} to {element}")
        type_ = vec(element, self.lanes)
        if self.lanes == 1:
            return Lanes(self.f, type_, start)
        ramp = "<" + ", ".join(f"{element} {k}" for k in range(self.lanes)) + ">"
        return Lanes(self.f, type_, self.f.splat(start, type_)) + Lanes(self.f, type_, ramp)

    def _keys(self, x: Lanes) -> Lanes:
        """Unsigned integers in the order of the elements."""
        if x.floating:
            bits = (x + 0.0).bits()
            keys = where(x.is_nan(), -1, bits ^ ((bits >> (bits.width - 1)) | (-1 << (bits.width - 1))))
        else:
            signed = self.low.stores[0].value.dtype.kind == "i"
            keys = x if x.element == self.element else x.cast("sext" if signed else "zext", self.element)
            if signed:
                keys = keys ^ (-1 << (keys.width - 1))
        return ~keys if self.descending else keys

    def _put(self, place: Index, index: str) -> None:
        """An index (i64) to a place of the result's row."""
        self.ev.coordinates[self.axis] = place
        address = self.f.gep(self.memory, self.ev.offset(self.low.stores[0].at), "i64")
        self.f.store("i64", index, address)

    # -- short rows ----------------------------------------------------------------------------------------------------

    def _ranked(self, at: _Row) -> None:
        f, type_ = self.f, vec(self.element, self.lanes)

        def ranks(i: Index, valid: int | None) -> None:
            mine = Lanes(f, type_, f.load(type_, f.gep(at.keys, i, self.element)))
            own = self._from(i, self.element)

            def compared(j: Index, held: list[str]) -> list[str]:
                key = Lanes(f, type_, f.splat(f.load(self.element, f.gep(at.keys, j, self.element)), type_))
                place = str(j) if isinstance(j, int) or self.element == "i64" else f.op(f"trunc i64 {j} to {self.element}")
                earlier = Lanes(f, type_, f.splat(place, type_)).compare("ult", own)
                before = key.compare("ult", mine) | (key.equals(mine) & earlier)
                return [f.select(type_, before.name, (Lanes(f, type_, held[0]) + 1).name, held[0])]

            (rank,) = f.loop(0, self.size, 1, compared, [(type_, constant(type_, 0))])
            f.store(type_, rank, f.gep(at.other_keys, i, self.element))

        self._vectors(ranks)

        def stored(i: Index, _: list[str]) -> None:
            rank = f.load(self.element, f.gep(at.other_keys, i, self.element))
            wide = f.cast("zext", self.element, rank, "i64")
            if self.count == self.size:
                self._put(wide, str(i))
            else:
                f.when(f.icmp("ult", "i64", wide, str(self.count)), lambda: self._put(wide, str(i)))

        f.loop(0, self.size, 1, stored)

    # -- few of many ---------------------------------------------------------------------------------------------------

    def _kept(self, at: _Row) -> None:
        """The keys that come first so far are in order, in the other half of the workspace, with their indices."""
        f, element, last = self.f, self.element, self.count - 1
        best, where_ = at.other_keys, at.other_places

        def insert(key: str, i: Index, end: Index) -> None:
            """To its place among the first ``end``, behind those that are equal; what comes after moves on by one."""
            head, check, move, done = [f.fresh(s) for s in ("head", "check", "move", "done")]
            before = f.block
            f.jump(head)
            f.label(head)
            j, following = "%" + f.fresh("j"), "%" + f.fresh("j")
            f.do(f"{j} = phi i64 [ {end}, %{before} ], [ {following}, %{move} ]")
            f.branch(f.icmp("sgt", "i64", j, "0"), check, done)
            f.label(check)
            f.do(f"{following} = sub nsw i64 {j}, 1")
            held = f.load(element, f.gep(best, following, element))
            f.branch(f.icmp("ugt", element, held, key), move, done)
            f.label(move)
            f.store(element, held, f.gep(best, j, element))
            f.store("i32", f.load("i32", f.gep(where_, following, "i32")), f.gep(where_, j, "i32"))
            f.jump(head)
            f.label(done)
            f.store(element, key, f.gep(best, j, element))
            f.store("i32", f.op(f"trunc i64 {i} to i32"), f.gep(where_, j, "i32"))

        f.loop(0, self.count, 1, lambda i, _: insert(f.load(element, f.gep(at.keys, i, element)), i, i))
        worst = f.gep(best, last, element)

        def one(i: Index) -> None:
            key = f.load(element, f.gep(at.keys, i, element))
            f.when(f.icmp("ult", element, key, f.load(element, worst)), lambda: insert(key, i, last))

        type_ = vec(element, self.lanes)
        whole = self.count + (self.size - self.count) // self.lanes * self.lanes

        def several(i: Index, _: list[str]) -> None:
            keys = Lanes(f, type_, f.load(type_, f.gep(at.keys, i, element)))
            bound = Lanes(f, type_, f.splat(f.load(element, worst), type_))
            better = any_lane(keys.compare("ult", bound))
            f.when(better, lambda: (f.loop(i, f.add(i, self.lanes), 1, lambda k, _: one(k)), ())[1])

        f.loop(self.count, whole, self.lanes, several)
        f.loop(whole, self.size, 1, lambda i, _: one(i))
        self._result(where_)

    def _result(self, places: str) -> None:
        f = self.f
        f.loop(0, self.count, 1, lambda k, _: self._put(k, f.cast("zext", "i32", f.load("i32", f.gep(places, k, "i32")), "i64")))

    # -- many ----------------------------------------------------------------------------------------------------------

    def _digit(self, key: str, p: int) -> str:
        f = self.f
        shifted = f.op(f"lshr {self.element} {key}, {8 * p}") if p else key
        return f.cast("zext", self.element, f.op(f"and {self.element} {shifted}, {_DIGITS - 1}"), "i64")

    def _sorted(self, at: _Row) -> None:
        f, element = self.f, self.element
        zero = vec("i32", 8)
        f.loop(0, self.bytes * _DIGITS, 8, lambda i, _: f.store(zero, "zeroinitializer", f.gep(at.counts, i, "i32")))

        def counted(i: Index, _: list[str]) -> None:
            key = f.load(element, f.gep(at.keys, i, element))
            for p in range(self.bytes):
                place = f.gep(f.gep(at.counts, p * _DIGITS, "i32"), self._digit(key, p), "i32")
                f.store("i32", f.op(f"add i32 {f.load('i32', place)}, 1"), place)

        f.loop(0, self.size, 1, counted)
        held = [at.keys, at.places, at.other_keys, at.other_places]
        for p in range(self.bytes):
            counts = f.gep(at.counts, p * _DIGITS, "i32")
            some = self._digit(f.load(element, held[0]), p)
            alike = f.load("i32", f.gep(counts, some, "i32"))
            passes = f.icmp("ne", "i32", alike, str(self.size))  # where all have the same digit they are in its order already
            held = f.when(passes, partial(self._pass, p, counts, held), [("ptr", h) for h in held])
        self._result(held[1])

    def _pass(self, p: int, counts: str, held: Sequence[str]) -> list[str]:
        """Keys and indices from the one pair of arrays to the other, by one digit."""
        f, element = self.f, self.element
        keys, places, new_keys, new_places = held

        def summed(d: Index, carried: list[str]) -> list[str]:
            place = f.gep(counts, d, "i32")
            count = f.load("i32", place)
            f.store("i32", carried[0], place)
            return [f.op(f"add i32 {carried[0]}, {count}")]

        f.loop(0, _DIGITS, 1, summed, [("i32", "0")])

        def moved(i: Index, _: list[str]) -> None:
            key = f.load(element, f.gep(keys, i, element))
            slot = f.gep(counts, self._digit(key, p), "i32")
            to = f.load("i32", slot)
            f.store("i32", f.op(f"add i32 {to}, 1"), slot)
            target = f.cast("zext", "i32", to, "i64")
            f.store(element, key, f.gep(new_keys, target, element))
            f.store("i32", f.load("i32", f.gep(places, i, "i32")), f.gep(new_places, target, "i32"))

        f.loop(0, self.size, 1, moved)
        return [new_keys, new_places, keys, places]


def ordered(module: Module, name: str, inside: set[int], node: Node) -> Call:
    """The kernel of an ``order`` node; NotAffine where its argument cannot be computed along a row."""
    return _Order(module, name, inside, node).write()


__all__ = ["ordered"]
