"""Powers, and division with remainder.

x^y = exp(y·log x).  An error of the logarithm is multiplied by up to 745, so doubles take it as a sum of two (some 65 bits); floats
take an ordinary double's.
"""

from __future__ import annotations

import math

from .lanes import Lanes, fma, polynomial, quick_two_sum, two_product, where
from .vmath_exp import exp
from .vmath_log import as_float, log, normal, split
from .vmath_tables import PARTS, POLYNOMIALS


def _log_twice(x: Lanes) -> tuple[Lanes, Lanes]:
    """log(x) of a positive finite double as a sum of two: 2s + ⅔s³ + … with s = f/(2 + f), the first two terms in double parts."""
    scaled, more = normal(x)
    k, f = split(scaled)
    n = as_float(k, "double") + more
    d, dl = quick_two_sum(x.like(2.0), f)
    s = f / d
    back, lost = two_product(s, d)
    sl = (f - back - lost - s * dl) / d
    z, zl = two_product(s, s)
    zl = fma(s, 2.0 * sl, zl)
    c, cl = PARTS["two_thirds", "double"]
    w, wl = two_product(z, x.like(c))
    wl = fma(z, cl, fma(zl, c, wl))
    v, vl = two_product(s, w)
    vl = fma(s, wl, fma(sl, w, vl))
    tail = s * (z * z) * polynomial(z, POLYNOMIALS["log_tail", "double"])
    h, low = quick_two_sum(2.0 * s, v)
    low = low + (fma(sl, 2.0, vl) + tail)
    high, rest = PARTS["ln2", "double"]
    h, more_low = quick_two_sum(n * high, h)
    return quick_two_sum(h, more_low + fma(n, rest, low))


def _magnitude(a: Lanes, y: Lanes) -> Lanes:
    """a^y for a > 0 and finite, of doubles."""
    h, low = _log_twice(a)
    y = y.at_most(2.0**70).at_least(-(2.0**70))  # beyond, every a but 1 gives 0 or infinity
    p, lost = two_product(y, h)
    rest = fma(y, low, lost)
    return exp(p, where(p.abs() > 760.0, 0.0, rest))


def _odd(y: Lanes, whole: Lanes) -> Lanes:
    """Whether y is an odd number, where ``whole`` says whether it is a whole one."""
    half = y * 0.5
    return whole & half.differs(half.unary("floor"))


def pow(x: Lanes, y: Lanes) -> Lanes:
    """C's pow: 1 for y = 0 and for x = 1 whatever the other is, NaN of a negative number unless y is whole."""
    a = x.abs()
    if x.element == "double":
        size = _magnitude(a, y)
    else:
        wide = y.cast("fpext", "double").at_most(2.0**40).at_least(-(2.0**40))
        size = exp(wide * log(a.cast("fpext", "double"))).cast("fptrunc", "float")
    extreme = a.equals(0.0) | a.equals(math.inf)
    grows = a.equals(math.inf) ^ (y < 0.0)
    size = where(extreme, where(grows, a.like(math.inf), 0.0), size)
    whole = y.equals(y.unary("floor"))
    size = where((x < 0.0) & ~whole & ~extreme, math.nan, size)
    size = where((x.bits() < 0) & _odd(y, whole), -size, size)
    size = where(y.is_nan(), y, where(x.is_nan(), x, size))
    unit = a.equals(1.0) & y.abs().equals(math.inf)
    return where(y.equals(0.0) | x.equals(1.0) | unit, 1.0, size)


# -- division with remainder ---------------------------------------------------------------------------------------------


def fmod(x: Lanes, y: Lanes) -> Lanes:
    """What is left of x / y rounded to zero, exactly; the sign is that of x."""
    return Lanes(x.f, x.type, x.f.binary("frem", x.type, x.name, y.name))


def remainder(x: Lanes, y: Lanes) -> Lanes:
    """What is left of x / y rounded down; the sign is that of y, but a zero has that of x, as PyTorch has it."""
    r = fmod(x, y)
    return where(r.differs(0.0) & ((r < 0.0) ^ (y < 0.0)), r + y, r)


def floor_div(x: Lanes, y: Lanes) -> Lanes:
    """The whole quotient rounded down, of which ``remainder`` is the rest; by 0 it is x / 0."""
    r = fmod(x, y)
    q = (x - r) / y
    q = where(r.differs(0.0) & ((r < 0.0) ^ (y < 0.0)), q - 1.0, q)
    low = q.unary("floor")
    whole = where(q - low > 0.5, low + 1.0, low)  # q is whole but for rounding
    whole = where(q.equals(0.0), q.like(0.0).with_sign_of(x / y), whole)
    return where(y.equals(0.0), x / y, whole)


def hypot(x: Lanes, y: Lanes) -> Lanes:
    """√(x² + y²) without overflow; infinite where an argument is, even beside NaN."""
    if x.element == "float":
        a, b = x.cast("fpext", "double"), y.cast("fpext", "double")
        r = fma(a, a, b * b).sqrt().cast("fptrunc", "float")
    else:
        a, b = x.abs(), y.abs()
        large, small = where(a < b, b, a), where(a < b, a, b)
        huge, tiny = large > 2.0**510, large < 2.0**-450
        scale = where(huge, large.like(2.0**-600), where(tiny, large.like(2.0**600), 1.0))
        back = where(huge, large.like(2.0**600), where(tiny, large.like(2.0**-600), 1.0))
        p, q = large * scale, small * scale
        square, lost = two_product(p, p)
        r = (square + (lost + q * q)).sqrt() * back
        r = where(a.is_nan(), a, where(b.is_nan(), b, r))
    return where(x.abs().equals(math.inf) | y.abs().equals(math.inf), math.inf, r)


__all__ = ["floor_div", "fmod", "hypot", "pow", "remainder"]
