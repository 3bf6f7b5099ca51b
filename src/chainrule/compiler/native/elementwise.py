"""The elementwise functions of programs, on registers, for every dtype.

:func:`apply` is what kernels call: fused loops, and the prologues and epilogues of contractions.  Floats go to ``vmath``; integers wrap,
and what NumPy defines for them (division by zero, shifts by too much) holds here too: nothing traps.  Half-width floats are computed
as floats and rounded after each function, as the operations are when they run one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .emitter import mangled
from .lanes import Lanes, where
from .numbers import in_register, narrow, settled
from .vmath import FUNCTIONS

DType = np.dtype[Any]

# These give a number that one of their arguments' dtype holds exactly.
_EXACT = frozenset({"neg", "abs", "sign", "maximum", "minimum", "fmax", "fmin", "copysign", "floor", "ceil", "trunc", "rint", "where"})
_FLOAT_COMPARISONS = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}


def apply(fn: str, dtype: DType, kinds: Sequence[DType], args: Sequence[Lanes]) -> Lanes:
    """``fn`` of values of dtypes ``kinds``; the result's dtype is ``dtype``."""
    if fn == "cast":
        return cast(args[0], kinds[0], dtype)
    if fn == "where":
        return where(args[0], args[1], args[2])
    kind = kinds[0].kind
    if kind in "fV":
        return _of_floats(fn, dtype, args)
    if kind == "b":
        return _of_bools(fn, args)
    return _of_integers(fn, kind == "u", args)


# -- floats --------------------------------------------------------------------------------------------------------------


def _of_floats(fn: str, dtype: DType, args: Sequence[Lanes]) -> Lanes:
    x = args[0]
    if fn in _FLOAT_COMPARISONS:
        return x.compare(_FLOAT_COMPARISONS[fn], args[1])
    if fn in _PREDICATES:
        return _PREDICATES[fn](x)
    r = Lanes(x.f, x.type, FUNCTIONS[fn](x.f, x.type, *[a.name for a in args]))
    return r if fn in _EXACT else settled(r, dtype)


_INFINITE = float("inf")
_PREDICATES: dict[str, Callable[[Lanes], Lanes]] = {
    "isnan": lambda x: x.is_nan(),
    "isinf": lambda x: x.abs().equals(_INFINITE),
    "isfinite": lambda x: x.abs() < _INFINITE,
    "signbit": lambda x: x.bits() < 0,
}

# -- bool ----------------------------------------------------------------------------------------------------------------


_BOOLS: dict[str, Callable[..., Lanes]] = {
    "add": lambda x, y: x | y,
    "or": lambda x, y: x | y,
    "maximum": lambda x, y: x | y,
    "mul": lambda x, y: x & y,
    "and": lambda x, y: x & y,
    "minimum": lambda x, y: x & y,
    "xor": lambda x, y: x ^ y,
    "ne": lambda x, y: x ^ y,
    "eq": lambda x, y: ~(x ^ y),
    "lt": lambda x, y: ~x & y,
    "le": lambda x, y: ~x | y,
    "gt": lambda x, y: x & ~y,
    "ge": lambda x, y: x | ~y,
    "not": lambda x: ~x,
}


def _of_bools(fn: str, args: Sequence[Lanes]) -> Lanes:
    return _BOOLS[fn](*args)


# -- integers ------------------------------------------------------------------------------------------------------------


def _of_integers(fn: str, unsigned: bool, args: Sequence[Lanes]) -> Lanes:
    simple = _INTEGERS.get(fn)
    if simple is not None:
        return simple(*args)
    return _SIGNED[fn](unsigned, *args)


def _compare(how: str) -> Callable[..., Lanes]:
    return lambda unsigned, x, y: x.compare(("u" if unsigned else "s") + how, y)


def _safe(unsigned: bool, x: Lanes, y: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """The quotient and the rest of division rounded to zero by what divides without a trap, and where y is 0."""
    zero = y.equals(0)
    divisor = where(zero | y.equals(-1), 1, y) if not unsigned else where(zero, 1, y)
    sign = "u" if unsigned else "s"
    q = x.made(f"{sign}div {x.type} {x.name}, {divisor.name}")
    return q, x - q * divisor, zero


def _floor_div(unsigned: bool, x: Lanes, y: Lanes) -> Lanes:
    q, rest, zero = _safe(unsigned, x, y)
    if not unsigned:
        down = rest.differs(0) & ((rest ^ y) < 0)
        q = where(y.equals(-1), -x, where(down, q - 1, q))
    return where(zero, 0, q)


def _fmod(unsigned: bool, x: Lanes, y: Lanes) -> Lanes:
    _, rest, zero = _safe(unsigned, x, y)
    return where(zero, 0, rest)


def _remainder(unsigned: bool, x: Lanes, y: Lanes) -> Lanes:
    _, rest, zero = _safe(unsigned, x, y)
    if not unsigned:
        rest = where(rest.differs(0) & ((rest ^ y) < 0), rest + y, rest)
    return where(zero, 0, rest)


def _power(unsigned: bool, x: Lanes, y: Lanes) -> Lanes:
    """By squaring; a negative power is that of 1 or -1, else 0."""
    f = x.f
    name = f"power_{'u' if unsigned else 's'}_{mangled(x.type)}"
    if not f.module.has(name):
        g = f.module.function(name, f"{x.type} %x, {x.type} %y", result=x.type)
        base, exponent = Lanes(g, x.type, "%x"), Lanes(g, x.type, "%y")

        def step(_: str, carried: list[str]) -> list[str]:
            r, power, left = [Lanes(g, x.type, c) for c in carried]
            r = where((left & 1).differs(0), r * power, r)
            return [r.name, (power * power).name, left.logical_shift(1).name]

        r = Lanes(g, x.type, g.loop(0, x.width, 1, step, [(x.type, base.like(1).name), (x.type, "%x"), (x.type, "%y")])[0])
        if not unsigned:
            alternating = where((exponent & 1).differs(0), base.like(-1), 1)
            r = where(exponent < 0, where(base.equals(1), base.like(1), where(base.equals(-1), alternating, 0)), r)
        g.ret(r.name)
    return Lanes(f, x.type, f.call(name, f"{x.type} {x.name}", f"{x.type} {y.name}", result=x.type))


def _shift(unsigned: bool, x: Lanes, y: Lanes, left: bool) -> Lanes:
    inside = y.compare("ult", x.width)
    by = where(inside, y, 0)
    if left:
        return where(inside, x << by, 0)
    if unsigned:
        return where(inside, x.logical_shift(by), 0)
    return where(inside, x >> by, x >> (x.width - 1))


def _sign(unsigned: bool, x: Lanes) -> Lanes:
    if unsigned:
        return x.differs(0).cast("zext", x.element)
    return (x > 0).cast("zext", x.element) - (x < 0).cast("zext", x.element)


_INTEGERS: dict[str, Callable[..., Lanes]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "square": lambda x: x * x,
    "neg": lambda x: -x,
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "not": lambda x: ~x,
    "eq": lambda x, y: x.equals(y),
    "ne": lambda x, y: x.differs(y),
}
_SIGNED: dict[str, Callable[..., Lanes]] = {
    "floor_div": _floor_div,
    "fmod": _fmod,
    "remainder": _remainder,
    "pow": _power,
    "shl": lambda unsigned, x, y: _shift(unsigned, x, y, True),
    "shr": lambda unsigned, x, y: _shift(unsigned, x, y, False),
    "sign": _sign,
    "abs": lambda unsigned, x: x if unsigned else where(x < 0, -x, x),
    "maximum": lambda unsigned, x, y: x.binary("umax" if unsigned else "smax", y),
    "minimum": lambda unsigned, x, y: x.binary("umin" if unsigned else "smin", y),
    "fmax": lambda unsigned, x, y: x.binary("umax" if unsigned else "smax", y),
    "fmin": lambda unsigned, x, y: x.binary("umin" if unsigned else "smin", y),
    "lt": _compare("lt"),
    "le": _compare("le"),
    "gt": _compare("gt"),
    "ge": _compare("ge"),
}

# -- conversion ----------------------------------------------------------------------------------------------------------


def cast(x: Lanes, from_: DType, to: DType) -> Lanes:
    """Converted as C does; floats outside of an integer's range give what x86 gives."""
    element = in_register(to)
    if to.kind == "b":
        return x if from_.kind == "b" else x.differs(0)
    if from_.kind in "fV":
        return _from_float(x, to, element)
    if to.kind in "fV":
        r = x.cast("uitofp" if from_.kind in "bu" else "sitofp", element)
        return settled(r, to)
    if from_.kind == "b":
        return x.cast("zext", element)
    width = 8 * to.itemsize
    if width == x.width:
        return x
    return x.cast("trunc" if width < x.width else "zext" if from_.kind == "u" else "sext", element)


def _from_float(x: Lanes, to: DType, element: str) -> Lanes:
    if to.kind in "fV":
        if element != x.element:
            x = x.cast("fpext" if element == "double" else "fptrunc", element)
        return settled(x, to) if narrow(to) else x
    if to.itemsize == 8:
        return x.cast("fptosi" if to.kind == "i" else "fptoui", "i64")
    if to.itemsize == 4:
        return x.cast("fptosi", "i32") if to.kind == "i" else x.cast("fptosi", "i64").cast("trunc", "i32")
    return x.cast("fptosi", "i32").cast("trunc", element)


__all__ = ["apply", "cast"]
