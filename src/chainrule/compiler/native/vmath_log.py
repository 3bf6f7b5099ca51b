"""Logarithms, and the inverse hyperbolic functions, which are logarithms.

x = 2ᵏ·(1 + f) with 1 + f between √½ and √2, and log(1 + f) = f + a rest that is small beside f.
"""

from __future__ import annotations

import math

from .lanes import Lanes, bits_of, fma, in_double, polynomial, where
from .vmath_tables import PARTS, POLYNOMIALS


def split(x: Lanes) -> tuple[Lanes, Lanes]:
    """(k as an integer, f) of a positive normal number."""
    bits = x.bits()
    k = (bits - bits_of(x.element, math.sqrt(0.5))) >> x.mantissa
    return k, (bits - (k << x.mantissa)).number(x.element) - 1.0


def normal(x: Lanes) -> tuple[Lanes, Lanes]:
    """x, or a power of two times x where it is subnormal, and what is to be added to k for that."""
    small = x < 2.0 ** (1 - x.bias)
    return where(small, x * 2.0**x.mantissa, x), where(small, x.like(-x.mantissa), 0.0)


def as_float(k: Lanes, element: str) -> Lanes:
    """A small integer as a float, by arithmetic: few processors convert vectors of 64-bit integers."""
    if element == "float":
        return k.cast("sitofp", element)
    magic = 1.5 * 2.0**52
    return (k + bits_of("double", magic)).number("double") - magic


def rest(f: Lanes) -> Lanes:
    """log(1 + f) - f."""
    if f.element == "float":
        z = f * f
        return fma(polynomial(f, POLYNOMIALS["log", "float"]) * f, z, z * -0.5)
    half = f * f * 0.5
    s = f / (f + 2.0)
    z = s * s
    return s * fma(polynomial(z, POLYNOMIALS["log_z", "double"]), z, half) - half


def at_edges(x: Lanes, y: Lanes, pole: float = 0.0) -> Lanes:
    """``y``, with the logarithm's values at its pole, below it and at infinity."""
    y = where(x.equals(pole), -math.inf, y)
    y = where(x.compare("ult", pole), math.nan, y)
    return where(x.equals(math.inf), x, y)


def log(x: Lanes) -> Lanes:
    high, low = PARTS["ln2", x.element]
    scaled, more = normal(x)
    k, f = split(scaled)
    n = as_float(k, x.element) + more
    return at_edges(x, fma(n, high, f + fma(n, low, rest(f))))


def log1p(x: Lanes) -> Lanes:
    high, low = PARTS["ln2", x.element]
    k, m = split(x + 1.0)
    inverse = ((x.bias - k) << x.mantissa).number(x.element)  # 2⁻ᵏ
    f = where(x > 2.0**60, m, fma(x, inverse, inverse - 1.0))
    n = as_float(k, x.element)
    y = fma(n, high, f + fma(n, low, rest(f)))
    return where(x.equals(0.0), x, at_edges(x, y, -1.0))


def _to_base(x: Lanes, unit: tuple[float, float], factor: tuple[float, float]) -> Lanes:
    """k·unit + factor·log(1 + f), both numbers in two parts."""
    scaled, more = normal(x)
    k, f = split(scaled)
    n = as_float(k, x.element) + more
    small = fma(rest(f), factor[0], f * factor[1])
    if unit[1]:
        small = fma(n, unit[1], small)
    return at_edges(x, fma(n, unit[0], fma(f, factor[0], small)))


def log2(x: Lanes) -> Lanes:
    return _to_base(x, (1.0, 0.0), _pair("log2_e", x))


def log10(x: Lanes) -> Lanes:
    return _to_base(x, _pair("log10_2", x), _pair("log10_e", x))


def _pair(name: str, x: Lanes) -> tuple[float, float]:
    high, low = PARTS[name, x.element]
    return high, low


_HUGE = 2.0**54  # above, 1 + x² is x² and 1 + x is x


def _asinh(x: Lanes) -> Lanes:
    a = x.abs()
    huge = a > _HUGE
    z = a * a
    y = log1p(where(huge, a, a + z / (fma(a, a, 1.0).sqrt() + 1.0)))
    return where(huge, y + math.log(2), y).with_sign_of(x)


def _acosh(x: Lanes) -> Lanes:
    t = x - 1.0
    huge = x > _HUGE
    y = log1p(where(huge, x, t + fma(t, t, t + t).sqrt()))
    return where(x < 1.0, math.nan, where(huge, y + math.log(2), y))


def _atanh(x: Lanes) -> Lanes:
    a = x.abs()
    return (log1p((a + a) / (1.0 - a)) * 0.5).with_sign_of(x)


asinh, acosh, atanh = in_double(_asinh), in_double(_acosh), in_double(_atanh)

__all__ = ["acosh", "asinh", "at_edges", "atanh", "log", "log10", "log1p", "log2"]
