"""How the numbers of a dtype lie in memory and in registers.

In memory bool is a byte, 0 or 1.  In registers bool is ``i1``, and the half-width floats are floats that hold only what they can
hold (:func:`settled` rounds to that); everything else is the same in both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .emitter import Emitter, constant, vec
from .lanes import Lanes, bits_of, where

DType = np.dtype[Any]

_MEMORY = {"b1": "i8", "f2": "half", "V2": "i16", "f4": "float", "f8": "double"}  # V2 is bfloat16


def in_memory(dtype: DType) -> str:
    """The element type in memory; TypeError for dtypes that have no place in generated code (complex ones)."""
    found = _MEMORY.get(dtype.kind + str(dtype.itemsize))
    if found is None:
        if dtype.kind not in "iu":
            raise TypeError(f"generated code has no numbers of dtype {dtype}")
        return f"i{8 * dtype.itemsize}"
    return found


def in_register(dtype: DType) -> str:
    """The element type in registers."""
    if dtype.kind == "b":
        return "i1"
    return "float" if narrow(dtype) else in_memory(dtype)


def narrow(dtype: DType) -> bool:
    """Whether it is float16 or bfloat16."""
    return dtype.itemsize == 2 and dtype.kind in "fV"


def unpack(x: Lanes, dtype: DType) -> Lanes:
    """From what lies in memory to what is in a register."""
    if dtype.kind == "b":
        return x.differs(0)
    if dtype.kind == "V":
        return (x.cast("zext", "i32") << 16).number("float")
    if dtype.kind == "f" and dtype.itemsize == 2:
        return x.cast("fpext", "float") if _converts_half(x.f) else _half_to_float(x.bits())
    return x


def pack(x: Lanes, dtype: DType) -> Lanes:
    """From a register to memory, rounded to nearest."""
    if dtype.kind == "b":
        return x.cast("zext", "i8")
    if dtype.kind == "V":
        return (_rounded_bfloat(x).logical_shift(16)).cast("trunc", "i16")
    if dtype.kind == "f" and dtype.itemsize == 2:
        return x.cast("fptrunc", "half") if _converts_half(x.f) else _float_to_half(x).number("half")
    return x


def settled(x: Lanes, dtype: DType) -> Lanes:
    """A float rounded to what a half-width dtype can hold."""
    if not narrow(dtype):
        return x
    if dtype.kind == "V":
        return (_rounded_bfloat(x) & -65536).number("float")
    return unpack(pack(x, dtype), dtype)


def number(f: Emitter, dtype: DType, lanes: int, value: Any) -> Lanes:
    """A constant of the dtype, in every lane."""
    type_ = vec(in_register(dtype), lanes)
    plain: Any = bool(value) if dtype.kind == "b" else int(value) if dtype.kind in "iu" else float(value)
    return Lanes(f, type_, constant(type_, plain))


def _rounded_bfloat(x: Lanes) -> Lanes:
    """The float's bits such that the upper half is the nearest bfloat16."""
    bits = x.bits()
    up = bits + (bits.logical_shift(16) & 1) + 0x7FFF
    return where(x.is_nan(), bits | 0x00400000, up)


def _converts_half(f: Emitter) -> bool:
    return not f.target.x86 or f.target.has("f16c")


def _half_to_float(h: Lanes) -> Lanes:
    wide = h.cast("zext", "i32")
    size = (wide & 0x7FFF) << 13
    # The exponents differ by 112; the multiplication also makes subnormal halves normal.
    finite = (size.number("float") * 2.0**112).bits()
    finite = where(size >= 0x7C00 << 13, size | bits_of("float", float("inf")), finite)
    return (finite | ((wide & 0x8000) << 16)).number("float")


def _float_to_half(x: Lanes) -> Lanes:
    """The half's bits."""
    bits = x.bits()
    size = bits & 0x7FFFFFFF
    rebased = (size + 0xFFF + (size.logical_shift(13) & 1)).logical_shift(13) - (112 << 10)
    tiny = (size.number("float") + 0.5).bits() - bits_of("float", 0.5)  # the unit of ½ is that of subnormal halves
    half = where(size < bits_of("float", 2.0**-14), tiny, rebased)
    half = where(size >= bits_of("float", 65520.0), half.like(0x7C00), half)
    half = where(size > bits_of("float", float("inf")), half.like(0x7E00), half)
    return (half | (bits.logical_shift(16) & 0x8000)).cast("trunc", "i16")


__all__ = ["in_memory", "in_register", "narrow", "number", "pack", "settled", "unpack"]
