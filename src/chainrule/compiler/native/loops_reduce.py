"""Reductions in registers: what is carried through the loops, how an element goes in, how lanes come together.

Sums of floats are added in short runs, and the runs' sums with what rounding lost (Knuth's two-sum), so that the error does not grow with
the number of elements.  Everything is combined in an order that depends on shapes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .elementwise import apply
from .emitter import Emitter, constant, vec
from .lanes import Lanes, two_sum, where
from .loops_expr import Expr
from .numbers import DType, in_register, settled

RUN = 32  # additions to one register before its sum is taken out
_COMBINE = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum", "any": "or", "all": "and"}
_BYTE = np.dtype(np.uint8)
_NONE = 2**63 - 1  # the index of no element


class Reducer:
    """One reduction over lanes of ``lanes``; ``long`` says that more than a run is added to each register."""

    def __init__(self, f: Emitter, e: Expr, lanes: int, long: bool) -> None:
        self.f = f
        self.fn = e.fn
        self.result = e.dtype
        self.lanes = lanes
        self.arg = e.args[0]
        self.position = e.fn.startswith("arg")
        given = self.arg.dtype
        self.dtype: DType = _BYTE if self.position and given.kind == "b" else given
        self.element = in_register(self.dtype)
        self.type = vec(self.element, lanes)
        self.careful = long and e.fn == "sum" and given.kind in "fV"

    @property
    def types(self) -> list[str]:
        """What is carried."""
        if self.position:
            return [self.type, vec("i64", self.lanes)]
        return [self.type] * (3 if self.careful else 1)

    def start(self) -> list[str]:
        first = constant(self.type, self._identity())
        if self.position:
            return [first, constant(vec("i64", self.lanes), _NONE)]
        return [first] * len(self.types)

    def _identity(self) -> Any:
        name = self.fn.removeprefix("arg")
        if name in ("sum", "any"):
            return 0
        if name in ("prod", "all"):
            return 1
        kind = self.dtype.kind
        if kind == "b":
            return name == "min"
        if kind in "iu":
            return np.iinfo(self.dtype).min if name == "max" else np.iinfo(self.dtype).max
        return float("-inf") if name == "max" else float("inf")

    def into(self, carried: Sequence[str], x: Lanes, index: Lanes | None, mask: str | None) -> list[str]:
        """One more vector; only the lanes of ``mask`` count."""
        if self.dtype is _BYTE and x.element == "i1":
            x = x.cast("zext", "i8")
        if mask is not None:
            on = Lanes(self.f, vec("i1", self.lanes), mask)
            x = where(on, x, self._identity())
        held = Lanes(self.f, self.type, carried[0])
        if not self.position:
            return [self._combine(held, x).name, *carried[1:]]
        assert index is not None
        if mask is not None:
            index = where(on, index, _NONE)
        value, place = self._better(held, Lanes(self.f, index.type, carried[1]), x, index)
        return [value.name, place.name]

    def _combine(self, a: Lanes, b: Lanes) -> Lanes:
        kind = self.dtype
        if kind.kind in "fV":
            kind = np.dtype(np.float64 if self.element == "double" else np.float32)
        return apply(_COMBINE[self.fn], kind, [kind, kind], [a, b])

    def _better(self, a: Lanes, i: Lanes, b: Lanes, j: Lanes) -> tuple[Lanes, Lanes]:
        """The extreme of two; the first of two that are equal; NaN before all else."""
        largest = self.fn == "argmax"
        equal = b.equals(a)
        if a.floating:
            more = b > a if largest else b < a
            more = more | (b.is_nan() & ~a.is_nan())
            equal = equal | (b.is_nan() & a.is_nan())
        else:
            sign = "u" if self.dtype.kind == "u" else "s"
            more = b.compare(sign + ("gt" if largest else "lt"), a)
        takes = more | (equal & (j < i))
        return where(takes, b, a), where(takes, j, i)

    def flush(self, carried: Sequence[str]) -> list[str]:
        """Take a run's sum out of the register that elements are added to."""
        if not self.careful:
            return list(carried)
        run, high, low = [Lanes(self.f, self.type, c) for c in carried]
        high, lost = two_sum(high, run)
        return [constant(self.type, 0), high.name, (low + lost).name]

    def joined(self, several: Sequence[Sequence[str]]) -> list[Lanes]:
        """One vector (and its indices) from the registers of several vectors side by side; nothing is left in runs."""
        parts = [self._total(c) for c in several]
        while len(parts) > 1:
            parts = [self._both(parts[k], parts[k + 1]) if k + 1 < len(parts) else parts[k] for k in range(0, len(parts), 2)]
        return parts[0]

    def _total(self, carried: Sequence[str]) -> list[Lanes]:
        if self.position:
            return [Lanes(self.f, t, c) for t, c in zip(self.types, carried, strict=True)]
        if not self.careful:
            return [Lanes(self.f, self.type, carried[0])]
        _, high, low = [Lanes(self.f, self.type, c) for c in self.flush(carried)]
        return [where(low.is_nan(), high, high + low)]  # of infinite sums nothing is lost

    def _both(self, a: list[Lanes], b: list[Lanes]) -> list[Lanes]:
        if self.position:
            return list(self._better(a[0], a[1], b[0], b[1]))
        return [self._combine(a[0], b[0])]

    def across(self, values: list[Lanes]) -> list[Lanes]:
        """The lanes put together, halves first."""
        lanes = values[0].lanes
        while lanes > 1:
            lanes //= 2
            low = [_part(v, 0, lanes) for v in values]
            high = [_part(v, lanes, lanes) for v in values]
            values = self._both(low, high)
        return values

    def finished(self, values: list[Lanes]) -> Lanes:
        """The result as its dtype holds it."""
        if self.position:
            return values[1]
        return settled(values[0], self.result)


def _part(x: Lanes, first: int, count: int) -> Lanes:
    if count == 1:
        return Lanes(x.f, x.element, x.f.op(f"extractelement {x.type} {x.name}, i64 {first}"))
    picks = ", ".join(f"i32 {first + k}" for k in range(count))
    type_ = vec(x.element, count)
    return Lanes(x.f, type_, x.f.op(f"shufflevector {x.type} {x.name}, {x.type} poison, <{count} x i32> <{picks}>"))


__all__ = ["RUN", "Reducer"]
