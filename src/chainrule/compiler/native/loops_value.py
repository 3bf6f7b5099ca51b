"""Expressions at a point of a loop nest, as instructions.

An evaluator knows the coordinates of the loops around it.  One axis may run along the lanes of vectors; a value that does not depend
on it is computed once, as a scalar, and spread where a vector is wanted.  What has been computed is remembered in scopes, one for each
loop that has been entered, so that what does not depend on a loop is computed before it (:meth:`Evaluator.hoist`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..program.ir import Node
from .elementwise import apply
from .emitter import Emitter, Index, mangled, mask, parts, vec
from .findings import ELEMENTS, code
from .lanes import Lanes, any_lane, where
from .loops_expr import Expr, Store
from .loops_index import Affine
from .numbers import DType, in_memory, number, pack, unpack
from .target import SIZES


class Evaluator:
    """``pointers`` has what each node in memory begins at; ``vector`` is the axis along which the lanes run (None: none does)."""

    def __init__(self, f: Emitter, pointers: dict[int, str], errors: str | None, axes: int, vector: int | None, lanes: int) -> None:
        self.f = f
        self.pointers = pointers
        self.errors = errors
        self.vector = vector
        self.lanes = lanes
        self.coordinates: list[Index] = [0] * axes
        self.valid: int | None = None  # lanes that count
        self.scopes: list[dict[int, Lanes]] = [{}]

    # -- scopes --------------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        self.scopes.append({})

    def leave(self) -> None:
        self.scopes.pop()

    def remember(self, e: Expr, value: Lanes) -> None:
        self.scopes[-1][id(e)] = value

    def hoist(self, roots: Sequence[Expr], axes: frozenset[int], level: int = 0) -> None:
        """Compute here what does not change along ``axes``, as far as the reductions below ``level`` go."""
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            e = stack.pop()
            if id(e) in seen:
                continue
            seen.add(id(e))
            if e.deps & axes or e.level > level:
                if e.kind != "reduced":
                    stack.extend(e.args)
            elif e.kind != "const":
                self.value(e)

    # -- values --------------------------------------------------------------------------------------------------------

    def width(self, e: Expr) -> int:
        return self.lanes if self.vector in e.deps else 1

    def value(self, e: Expr) -> Lanes:
        """The value as it is: a vector only if it differs from lane to lane."""
        for scope in reversed(self.scopes):
            found = scope.get(id(e))
            if found is not None:
                return found
        made = self._compute(e)
        if e.kind != "const":
            self.scopes[-1][id(e)] = made
        return made

    def spread(self, e: Expr, lanes: int | None = None) -> Lanes:
        """The value in every lane."""
        lanes = lanes or self.lanes
        if e.kind == "const":
            return number(self.f, e.dtype, lanes, e.value)
        return spread(self.value(e), lanes)

    def _compute(self, e: Expr) -> Lanes:
        if e.kind == "const":
            return number(self.f, e.dtype, 1, e.value)
        if e.kind == "load":
            assert e.node is not None and e.at is not None
            return self.load(self.pointers[id(e.node)], e.dtype, e.at)
        if e.kind == "iota":
            assert e.at is not None
            return self._position(e.at)
        if e.kind == "gather":
            return self._gather(e)
        if e.kind == "inside":
            assert e.node is not None
            return self._inside(self.value(e.args[0]), e.node)
        if e.kind == "reduced":
            raise AssertionError("a reduction is used before it is finished")
        lanes = self.width(e)
        return apply(e.fn, e.dtype, [a.dtype for a in e.args], [self.spread(a, lanes) for a in e.args])

    # -- positions and memory ------------------------------------------------------------------------------------------

    def offset(self, at: Affine) -> Index:
        """The position of the first lane."""
        total: Index = at.offset
        for c, stride in zip(self.coordinates, at.strides):
            if stride:
                total = self.f.add(total, self.f.mul(c, stride))
        return total

    def step(self, at: Affine) -> int:
        """How far apart two lanes are."""
        return 0 if self.vector is None else at.strides[self.vector]

    def _position(self, at: Affine) -> Lanes:
        base = self.offset(at)
        step = self.step(at)
        one = Lanes(self.f, "i64", str(base))
        if not step:
            return one
        return spread(one, self.lanes) + self._ramp(step)

    def _ramp(self, step: int) -> Lanes:
        if self.lanes == 1:
            return Lanes(self.f, "i64", "0")
        return Lanes(self.f, vec("i64", self.lanes), "<" + ", ".join(f"i64 {k * step}" for k in range(self.lanes)) + ">")

    def load(self, pointer: str, dtype: DType, at: Affine) -> Lanes:
        """What lies in memory at a position."""
        element = in_memory(dtype)
        address = self.f.gep(pointer, self.offset(at), element)
        step = self.step(at)
        if not step:
            return unpack(Lanes(self.f, element, self.f.load(element, address)), dtype)
        type_ = vec(element, self.lanes)
        if step == 1 or self.lanes == 1:
            return unpack(Lanes(self.f, type_, self.f.load(type_, address, valid=self.valid)), dtype)
        return unpack(self._load_lanes(type_, self._addresses(address, element, self._ramp(step))), dtype)

    def _addresses(self, pointer: str, element: str, offsets: Lanes) -> str:
        return self.f.op(f"getelementptr {element}, ptr {pointer}, {offsets.type} {offsets.name}")

    def _mask(self) -> str:
        return "splat (i1 true)" if self.valid is None else mask(self.valid, self.lanes)

    def _load_lanes(self, type_: str, addresses: str) -> Lanes:
        """One element from each address."""
        element, lanes = parts(type_)
        if lanes == 1:
            return Lanes(self.f, type_, self.f.load(type_, addresses))
        name = f"llvm.masked.gather.{mangled(type_)}.v{lanes}p0"
        self.f.module.declare(name, f"declare {type_} @{name}(<{lanes} x ptr>, i32 immarg, <{lanes} x i1>, {type_})")
        given = f"<{lanes} x ptr> {addresses}, i32 {SIZES[element]}, <{lanes} x i1> {self._mask()}, {type_} zeroinitializer"
        return Lanes(self.f, type_, self.f.op(f"call {type_} @{name}({given})"))

    def store(self, pointer: str, dtype: DType, at: Affine, value: Lanes) -> None:
        """Put a value to its position; a scalar where the position is the same for all lanes."""
        element = in_memory(dtype)
        address = self.f.gep(pointer, self.offset(at), element)
        step = self.step(at)
        if not step or self.lanes == 1:
            self.f.store(element, pack(value, dtype).name, address)
            return
        packed = pack(spread(value, self.lanes), dtype)
        if step == 1:
            self.f.store(packed.type, packed.name, address, valid=self.valid)
            return
        n = self.lanes
        name = f"llvm.masked.scatter.{mangled(packed.type)}.v{n}p0"
        self.f.module.declare(name, f"declare void @{name}({packed.type}, <{n} x ptr>, i32 immarg, <{n} x i1>)")
        places = self._addresses(address, element, self._ramp(step))
        self.f.do(f"call void @{name}({packed.type} {packed.name}, <{n} x ptr> {places}, i32 {SIZES[element]}, <{n} x i1> {self._mask()})")

    def put(self, s: Store) -> None:
        """Compute and store, or add to what is there."""
        pointer, kind, value = self.pointers[id(s.node)], s.node.dtype, self.value(s.value)
        if s.node.attrs.get("adds"):
            value = apply("add", kind, [kind, kind], [self.load(pointer, kind, s.at), self.spread(s.value)])
        self.store(pointer, kind, s.at, value)

    # -- by index ------------------------------------------------------------------------------------------------------

    def _gather(self, e: Expr) -> Lanes:
        index = self.checked(self.value(e.args[0]), e.size)
        element = in_memory(e.dtype)
        assert e.node is not None
        places = self._addresses(self.pointers[id(e.node)], element, index)
        return unpack(self._load_lanes(vec(element, index.lanes), places), e.dtype)

    def _inside(self, index: Lanes, node: Node) -> Lanes:
        """The place along a dimension that an index means."""
        size = node.attrs["size"]
        place = where(index < 0, index + index.like(size), index) if node.attrs["wraps"] else index
        return self.checked(index, size, place, code(node.attrs["said"], node.attrs["dim"]))

    def checked(self, index: Lanes, size: int, place: Lanes | None = None, found: int = ELEMENTS) -> Lanes:
        """The index, or the ``place`` that it means; where that is outside, the error is noted as ``found`` and it is 0."""
        place = index if place is None else place
        bad = place.compare("uge", size)
        if index.lanes > 1 and self.valid is not None:
            bad = bad & Lanes(self.f, bad.type, self._mask())
        f = self.f
        errors = self.errors
        assert errors is not None

        def first() -> None:
            one = index.name
            if index.lanes > 1:
                word = f"i{index.lanes}"
                bits = f.op(f"bitcast {bad.type} {bad.name} to {word}")
                f.module.declare(f"llvm.cttz.{word}", f"declare {word} @llvm.cttz.{word}({word}, i1 immarg)")
                lane = f.op(f"call {word} @llvm.cttz.{word}({word} {bits}, i1 true)")
                one = f.op(f"extractelement {index.type} {index.name}, {word} {lane}")
            f.store("i64", one, f.gep(errors, 1, "i64"))
            f.store("i64", str(size), f.gep(errors, 2, "i64"))
            f.store("i64", str(found), errors)

        def note() -> None:
            f.when(f.op(f"icmp eq i64 {f.load('i64', errors)}, 0"), first)

        f.when(any_lane(bad), note)
        return where(bad, 0, place)


def spread(x: Lanes, lanes: int) -> Lanes:
    """A scalar in every lane; a vector as it is."""
    if x.lanes == lanes:
        return x
    type_ = vec(x.element, lanes)
    return Lanes(x.f, type_, x.f.splat(x.name, type_))


__all__ = ["Evaluator", "spread"]
