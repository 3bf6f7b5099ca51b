"""Kernels for what puts values to places: concatenation, padding, writing into a view, scattering; scans; and the order of rows.

Such a node is the last of its group; what it takes may be computed by the rest of the group on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from ..program.ir import Node, row_major
from .elementwise import apply
from .emitter import Index, Module
from .kernel import Kernel, open_kernel
from .lanes import Lanes, where
from .loops import ERRORS, WORK, Call, Nest
from .loops_expr import Lowered, Lowering, NotAffine, Store
from .loops_index import Affine
from .loops_order import ordered
from .loops_value import Evaluator
from .numbers import DType, in_memory, in_register, narrow, number, pack, settled, unpack

MOVES = frozenset({"concat", "pad", "put", "scatter", "scan", "order"})
_FUNCTIONS = {"add": "add", "mul": "mul", "max": "maximum", "min": "minimum", "cumsum": "add", "cumprod": "mul"}
_FUNCTIONS |= {"cummax": "maximum", "cummin": "minimum", "logcumsumexp": "logaddexp", "recurrence": "add"}


def emit_move(module: Module, name: str, nodes: Sequence[Node], node: Node, *, inplace: bool = False) -> list[Call]:
    """The kernels of a group that ends in ``node``, in the order in which they have to run.

    ``inplace``: the memory of ``node`` holds the base of the ``put`` or ``scatter`` already.  ValueError where an argument cannot be
    computed on the way; then it needs memory of its own.
    """
    try:
        return _Move(module, name, {id(n) for n in nodes if n is not node}, node).calls(inplace)
    except NotAffine:
        raise ValueError(f"an argument of {node!r} cannot be computed in the loop nest that moves it") from None


class _Move:
    def __init__(self, module: Module, name: str, inside: set[int], node: Node) -> None:
        self.module, self.name, self.inside, self.node = module, name, inside, node

    def calls(self, inplace: bool) -> list[Call]:
        node = self.node
        steps = row_major(node.shape)
        if node.op == "concat":
            out, at = [], 0
            for k, a in enumerate(node.args):
                if k not in node.attrs.get("there", ()):
                    out += self._into(a, steps, at * steps[node.attrs["axis"]])
                at += a.shape[node.attrs["axis"]]
            return out
        if node.op == "pad":
            x, fill = node.args
            offset = sum(low * s for low, s in zip(node.attrs["low"], steps))
            return (self._filled(fill) if x.shape != node.shape else []) + self._into(x, steps, offset)
        if node.op == "scan":
            return [self._scan()]
        if node.op == "order":
            return [ordered(self.module, self.name, self.inside, node)]
        base = [] if inplace else self._into(node.args[0], steps, 0)
        if node.op == "put":
            return base + self._into(node.args[1], node.attrs["strides"], node.attrs["offset"])
        return [*base, self._scatter()]

    def _nest(self, low: Lowered) -> list[Call]:
        return [Nest(self.module, self.module.fresh(self.name), low).write()]

    def _filled(self, fill: Node) -> list[Call]:
        def wanted(low: Lowering) -> list[Store]:
            return [Store(low.value(fill, Affine((0,) * len(low.grid))), self.node, low.everywhere())]

        return self._nest(Lowering(self.inside, self.node.shape, ()).lower(wanted))

    def _into(self, x: Node, strides: Sequence[int], offset: int) -> list[Call]:
        """``x`` to the places of a view of the node."""
        return self._nest(Lowering(self.inside, x.shape, ()).lower(lambda low: [low.moved(x, self.node, strides, offset)]))

    # -- one element after the other -----------------------------------------------------------------------------------

    def _open(self, low: Lowered, chunks: int, checked: bool) -> tuple[Evaluator, str, Callable[[], Call]]:
        buffers = [*low.loads, self.node, *([ERRORS] if checked else [])]
        name = self.module.fresh(self.name)
        f, pointers = open_kernel(self.module, name, len(buffers))
        known = {id(n): p for n, p in zip(buffers, pointers, strict=True)}
        ev = Evaluator(f, known, pointers[-1] if checked else None, len(low.domain), None, 1)

        def close() -> Call:
            f.ret()
            size = prod(low.domain)
            return Call(Kernel(name, len(buffers), chunks if size else 0, 0, size, sum(n.bytes for n in buffers)), tuple(buffers))

        return ev, known[id(self.node)], close

    def _scatter(self) -> Call:
        """In row-major order, so that of several values for one place the last stays."""
        _, index, value = self.node.args

        def wanted(low: Lowering) -> list[Store]:
            at = low.everywhere()
            return [Store(low.value(n, at), n, at) for n in (index, value)]

        low = Lowering(self.inside, index.shape, ()).lower(wanted)
        ev, memory, close = self._open(low, 1, True)
        places, values = [s.value for s in low.stores]
        dtype, fn = self.node.dtype, self.node.attrs["fn"]
        element = in_memory(dtype)
        f = ev.f

        def one() -> None:
            raw = ev.value(places)
            where = ev.checked(raw, self.node.size)
            x = ev.value(values)
            address = f.gep(memory, where.name, element)

            def write() -> None:
                y = x
                if fn != "set":
                    held = unpack(Lanes(f, element, f.load(element, address)), dtype)
                    y = apply(_FUNCTIONS[fn], dtype, [dtype, dtype], [held, x])
                f.store(element, pack(y, dtype).name, address)

            f.when(raw.compare("ult", self.node.size).name, write)

        if prod(low.domain):
            self._loops(ev, low, list(range(len(low.domain))), one)
        return close()

    def _loops(self, ev: Evaluator, low: Lowered, axes: Sequence[int], body: Callable[[], None]) -> None:
        ev.hoist([s.value for s in low.stores], frozenset(axes))
        if not axes:
            body()
            return

        def inside(i: Index, _: list[str]) -> None:
            ev.enter()
            ev.coordinates[axes[0]] = i
            self._loops(ev, low, axes[1:], body)
            ev.leave()

        ev.f.loop(0, low.domain[axes[0]], 1, inside)

    def _scan(self) -> Call:
        """Row by row along the axis; half-width floats add up as floats."""
        x, axis, dtype = self.node.args[0], self.node.attrs["axis"], self.node.dtype

        def wanted(low: Lowering) -> list[Store]:
            return [Store(low.value(v, low.everywhere()), self.node, low.everywhere()) for v in self.node.args]

        low = Lowering(self.inside, x.shape, (axis,)).lower(wanted)
        outer = [j for j in range(len(low.domain)) if j not in low.reduced]
        inner = sorted(low.reduced)
        rows = prod([low.domain[j] for j in outer])
        block = max(1, min(rows, WORK // max(1, prod([low.domain[j] for j in inner]))))
        chunks = -(-rows // block) if rows else 0
        ev, memory, close = self._open(low, chunks, low.checked)
        f, store, factors = ev.f, low.stores[0], low.stores[1:]
        kind = np.dtype(np.float32) if narrow(dtype) else dtype
        fn = _FUNCTIONS[self.node.attrs["fn"]]
        type_ = in_register(dtype)
        first = number(f, kind, 1, _neutral(fn, kind)).name

        def along(axes: Sequence[int], held: str) -> str:
            if not axes:
                before = Lanes(f, type_, held)
                for factor in factors:
                    before = apply("mul", kind, [kind, kind], [before, ev.value(factor.value)])
                total = _combined(fn, kind, before, ev.value(store.value))
                ev.store(memory, dtype, store.at, settled(total, dtype))
                return total.name

            def step(i: Index, carried: list[str]) -> list[str]:
                ev.enter()
                ev.coordinates[axes[0]] = i
                out = along(axes[1:], carried[0])
                ev.leave()
                return [out]

            return f.loop(0, low.domain[axes[0]], 1, step, [(type_, held)])[0]

        def row(r: Index, _: list[str]) -> None:
            ev.enter()
            rest = r
            for j in reversed(outer):
                ev.coordinates[j] = f.rem(rest, low.domain[j])
                rest = f.div(rest, low.domain[j])
            along(inner, first)
            ev.leave()

        if prod(low.domain):
            start = f.mul("%chunk" if chunks > 1 else 0, block)
            f.loop(start, f.least(f.add(start, block), rows), 1, row)
        return close()


def _neutral(fn: str, kind: DType) -> float:
    """What a scan begins with."""
    if fn in ("add", "mul"):
        return 0 if fn == "add" else 1
    if kind.kind in "iu":
        return int(np.iinfo(kind).max if fn == "minimum" else np.iinfo(kind).min)
    return float("inf") if fn == "minimum" else float("-inf")


def _combined(fn: str, kind: DType, x: Lanes, y: Lanes) -> Lanes:
    """The function of two values; logarithms of sums of exponentials with equal arguments, infinite ones among them, apart."""

    def of(name: str, *args: Lanes) -> Lanes:
        return apply(name, kind, [kind] * len(args), args)

    if fn != "logaddexp":
        return of(fn, x, y)
    apart = of("add", of("maximum", x, y), of("log1p", of("exp", of("neg", of("abs", of("sub", x, y))))))
    return where(x.equals(y), x + math.log(2), apart)


__all__ = ["MOVES", "emit_move"]
