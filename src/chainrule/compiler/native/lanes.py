"""Formulas on vector values: what a :class:`Lanes` is asked to compute becomes an instruction of the function being emitted.

    x = Lanes(f, "<16 x float>", "%x")
    y = fma(x, x, 1.0) / (x + 2.0)      # five instructions; y.name holds the result

Numbers on either side stand for constants of the same type.  Comparisons of floats are false where a NaN is among them (``!=`` is
true), as in C.  On integers ``//`` is not defined, ``>>`` keeps the sign, and everything wraps.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from .emitter import Emitter, constant, parts, vec
from .target import SIZES

Number = float | int | bool

_WHOLE_OF = {"half": "i16", "bfloat": "i16", "float": "i32", "double": "i64"}
_MANTISSA = {"float": 23, "double": 52}
_BIAS = {"float": 127, "double": 1023}


class Lanes:
    """A vector value (or a scalar) and the function in which it is."""

    __slots__ = ("element", "f", "lanes", "name", "type")

    def __init__(self, f: Emitter, type_: str, name: str) -> None:
        self.f = f
        self.type = type_
        self.name = name
        self.element, self.lanes = parts(type_)

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def floating(self) -> bool:
        return self.element[0] != "i"

    @property
    def mantissa(self) -> int:
        """Bits of the fraction that are stored."""
        return _MANTISSA[self.element]

    @property
    def bias(self) -> int:
        """What a stored exponent is above the exponent."""
        return _BIAS[self.element]

    @property
    def whole(self) -> str:
        """The element type of integers of the same size."""
        return _WHOLE_OF[self.element]

    @property
    def width(self) -> int:
        """Bits of an element."""
        return 1 if self.element == "i1" else 8 * SIZES[self.element]

    def like(self, value: Number) -> Lanes:
        """A constant of the same type."""
        return Lanes(self.f, self.type, constant(self.type, value))

    def _other(self, value: Lanes | Number) -> str:
        return value.name if isinstance(value, Lanes) else constant(self.type, value)

    def made(self, text: str, element: str | None = None) -> Lanes:
        """The result of an instruction, of ``element`` (default: the same type)."""
        type_ = self.type if element is None else vec(element, self.lanes)
        return Lanes(self.f, type_, self.f.op(text))

    # -- arithmetic ----------------------------------------------------------------------------------------------------

    def _binary(self, opcode: str, other: Lanes | Number, reverse: bool = False) -> Lanes:
        a, b = self.name, self._other(other)
        if reverse:
            a, b = b, a
        return self.made(f"{opcode} {self.type} {a}, {b}")

    def __add__(self, other: Lanes | Number) -> Lanes:
        return self._binary("fadd" if self.floating else "add", other)

    __radd__ = __add__

    def __sub__(self, other: Lanes | Number) -> Lanes:
        return self._binary("fsub" if self.floating else "sub", other)

    def __rsub__(self, other: Lanes | Number) -> Lanes:
        return self._binary("fsub" if self.floating else "sub", other, True)

    def __mul__(self, other: Lanes | Number) -> Lanes:
        return self._binary("fmul" if self.floating else "mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Lanes | Number) -> Lanes:
        return self._binary("fdiv", other)

    def __rtruediv__(self, other: Lanes | Number) -> Lanes:
        return self._binary("fdiv", other, True)

    def __neg__(self) -> Lanes:
        return self.made(f"fneg {self.type} {self.name}") if self.floating else self._binary("sub", 0, True)

    def __and__(self, other: Lanes | Number) -> Lanes:
        return self._binary("and", other)

    def __or__(self, other: Lanes | Number) -> Lanes:
        return self._binary("or", other)

    def __xor__(self, other: Lanes | Number) -> Lanes:
        return self._binary("xor", other)

    def __invert__(self) -> Lanes:
        return self._binary("xor", True if self.element == "i1" else -1)

    def __lshift__(self, other: Lanes | Number) -> Lanes:
        return self._binary("shl", other)

    def __rshift__(self, other: Lanes | Number) -> Lanes:
        return self._binary("ashr", other)

    def logical_shift(self, other: Lanes | Number) -> Lanes:
        """To the right, with zeros from the left."""
        return self._binary("lshr", other)

    # -- comparison ----------------------------------------------------------------------------------------------------

    def compare(self, how: str, other: Lanes | Number) -> Lanes:
        """``how`` as LLVM's ``fcmp`` or ``icmp`` names it."""
        opcode = "fcmp" if self.floating else "icmp"
        return self.made(f"{opcode} {how} {self.type} {self.name}, {self._other(other)}", "i1")

    def __lt__(self, other: Lanes | Number) -> Lanes:
        return self.compare("olt" if self.floating else "slt", other)

    def __le__(self, other: Lanes | Number) -> Lanes:
        return self.compare("ole" if self.floating else "sle", other)

    def __gt__(self, other: Lanes | Number) -> Lanes:
        return self.compare("ogt" if self.floating else "sgt", other)

    def __ge__(self, other: Lanes | Number) -> Lanes:
        return self.compare("oge" if self.floating else "sge", other)

    def equals(self, other: Lanes | Number) -> Lanes:
        return self.compare("oeq" if self.floating else "eq", other)

    def differs(self, other: Lanes | Number) -> Lanes:
        return self.compare("une" if self.floating else "ne", other)

    def is_nan(self) -> Lanes:
        return self.compare("uno", self)

    # -- conversion ----------------------------------------------------------------------------------------------------

    def bits(self) -> Lanes:
        """A float's bits as an integer."""
        return self.made(f"bitcast {self.type} {self.name} to {vec(self.whole, self.lanes)}", self.whole)

    def number(self, element: str) -> Lanes:
        """The float that has these bits."""
        return self.made(f"bitcast {self.type} {self.name} to {vec(element, self.lanes)}", element)

    def cast(self, opcode: str, element: str) -> Lanes:
        """Converted by the instruction ``opcode``."""
        return self.made(f"{opcode} {self.type} {self.name} to {vec(element, self.lanes)}", element)

    # -- what has an instruction of its own ----------------------------------------------------------------------------

    def unary(self, intrinsic: str) -> Lanes:
        return Lanes(self.f, self.type, self.f.intrinsic(intrinsic, self.type, self.name))

    def binary(self, intrinsic: str, other: Lanes | Number) -> Lanes:
        return Lanes(self.f, self.type, self.f.intrinsic(intrinsic, self.type, self.name, self._other(other)))

    def abs(self) -> Lanes:
        return self.unary("fabs")

    def sqrt(self) -> Lanes:
        return self.unary("sqrt")

    def with_sign_of(self, other: Lanes | Number) -> Lanes:
        return self.binary("copysign", other)

    def at_least(self, bound: float) -> Lanes:
        """The larger of the two; NaN stays."""
        return where(self.compare("olt", bound), self.like(bound), self)

    def at_most(self, bound: float) -> Lanes:
        """The smaller of the two; NaN stays."""
        return where(self.compare("ogt", bound), self.like(bound), self)


def bits_of(element: str, value: float) -> int:
    """The bits of a float as a signed integer."""
    if element == "float":
        return int(struct.unpack("<i", struct.pack("<f", value))[0])
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def where(condition: Lanes, a: Lanes | Number, b: Lanes | Number) -> Lanes:
    """Lane by lane ``a`` where the condition holds, else ``b``; one of the two may be a number."""
    one = a if isinstance(a, Lanes) else b
    if not isinstance(one, Lanes):
        raise TypeError("where() takes at least one value")
    return Lanes(one.f, one.type, one.f.select(one.type, condition.name, one._other(a), one._other(b)))


def fma(a: Lanes, b: Lanes | Number, c: Lanes | Number) -> Lanes:
    """a·b + c, rounded once where the processor can, else twice."""
    return Lanes(a.f, a.type, a.f.fma(a.type, a.name, a._other(b), a._other(c)))


def polynomial(x: Lanes, coefficients: tuple[float, ...]) -> Lanes:
    """By Horner's rule; the highest power first."""
    r = x.like(coefficients[0])
    for c in coefficients[1:]:
        r = fma(r, x, c)
    return r


def any_lane(condition: Lanes) -> str:
    """An ``i1``: whether the condition holds somewhere."""
    if condition.lanes == 1:
        return condition.name
    word = f"i{condition.lanes}"
    bits = condition.f.op(f"bitcast {condition.type} {condition.name} to {word}")
    return condition.f.op(f"icmp ne {word} {bits}, 0")


def two_sum(a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    """The rounded sum and what rounding lost (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def quick_two_sum(a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    """The same where ``|a| >= |b|`` or ``a`` is 0 (Dekker)."""
    s = a + b
    return s, b - (s - a)


def two_product(a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    """The rounded product and what rounding lost; without fma by halves of the operands (Dekker), which must stay below 2^996."""
    p = a * b
    if a.f.target.fma:
        return p, fma(a, b, -p)
    (ah, al), (bh, bl) = _halves(a), _halves(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def _halves(a: Lanes) -> tuple[Lanes, Lanes]:
    t = a * (2.0 ** (27 if a.element == "double" else 12) + 1.0)
    high = t - (t - a)
    return high, a - high


def in_double(function: Callable[..., Lanes]) -> Callable[..., Lanes]:
    """A function of doubles, also of floats: computed in double there and rounded once, so nearly always to the nearest."""

    def run(*args: Lanes) -> Lanes:
        if args[0].element == "double":
            return function(*args)
        return function(*[a.cast("fpext", "double") for a in args]).cast("fptrunc", "float")

    return run
