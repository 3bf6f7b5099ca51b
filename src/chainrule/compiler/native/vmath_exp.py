"""Exponentials and what is made of them: exp, exp2, expm1, the logistic function, hyperbolic functions.

exp(x) = 2ⁿ·eʳ with n = round(x / ln 2); ln 2 in two parts, the first short, so that n times it is exact.
"""

from __future__ import annotations

import math

from .lanes import Lanes, bits_of, fma, in_double, polynomial, where
from .vmath_tables import PARTS, POLYNOMIALS

_RANGE = {"float": (-104.5, 89.0), "double": (-746.0, 710.0)}  # beyond, exp is 0 or infinite
_RANGE_2 = {"float": (-151.0, 129.0), "double": (-1076.0, 1025.0)}


def nearest(x: Lanes, scale: Lanes | float = 1.0) -> tuple[Lanes, Lanes]:
    """round(x·scale) as a float, and a float whose low bits hold that integer; for |x·scale| below 2^21."""
    magic = 1.5 * 2.0**x.mantissa
    shifted = fma(x, scale, magic)
    return shifted - magic, shifted


def times_power(y: Lanes, n: Lanes, shifted: Lanes, *, safe: bool = True) -> Lanes:
    """y·2ⁿ for y near 1 and (n, shifted) from :func:`nearest`; ``safe``: also where the result is not a normal number."""
    f = y.f
    if not safe:
        return (y.bits() + (shifted.bits() << y.mantissa)).number(y.element)
    if f.target.avx512 and y.lanes * y.width == 512:
        kind, mask = ("ps", "i16") if y.element == "float" else ("pd", "i8")
        name = f"llvm.x86.avx512.mask.scalef.{kind}.512"
        f.module.declare(name, f"declare {y.type} @{name}({y.type}, {y.type}, {y.type}, {mask}, i32)")
        return y.made(f"call {y.type} @{name}({y.type} {y.name}, {y.type} {n.name}, {y.type} {y.name}, {mask} -1, i32 4)")
    whole = shifted.bits() - bits_of(y.element, 1.5 * 2.0**y.mantissa)
    half = whole >> 1
    return y * _power(half, y) * _power(whole - half, y)


def _power(n: Lanes, like: Lanes) -> Lanes:
    """2ⁿ of an integer that is the exponent of a normal number."""
    return ((n + like.bias) << like.mantissa).number(like.element)


def reduced(x: Lanes, low: Lanes | None = None) -> tuple[Lanes, Lanes, Lanes]:
    """r, n, shifted with x (+ low) = n·ln 2 + r, for x in range."""
    high, rest = PARTS["ln2", x.element]
    n, shifted = nearest(x, 1 / math.log(2))
    r = fma(n, -high, x)
    if low is not None:
        r = r + low
    return fma(n, -rest, r), n, shifted


def exp_minus_1(r: Lanes) -> Lanes:
    """eʳ - 1 for |r| up to half of ln 2."""
    return fma(polynomial(r, POLYNOMIALS["exp", r.element]), r * r, r)


def exp(x: Lanes, low: Lanes | None = None) -> Lanes:
    """e to the power x (+ low)."""
    bottom, top = _RANGE[x.element]
    r, n, shifted = reduced(x.at_least(bottom).at_most(top), low)
    return times_power(exp_minus_1(r) + 1.0, n, shifted)


def exp_in_range(x: Lanes) -> Lanes:
    """exp where neither argument nor result leave the normal numbers."""
    r, n, shifted = reduced(x)
    return times_power(exp_minus_1(r) + 1.0, n, shifted, safe=False)


def exp2(x: Lanes) -> Lanes:
    bottom, top = _RANGE_2[x.element]
    x = x.at_least(bottom).at_most(top)
    n, shifted = nearest(x)
    return times_power(exp_minus_1((x - n) * math.log(2)) + 1.0, n, shifted)


def expm1(x: Lanes) -> Lanes:
    # (2ⁿ - 1) + 2ⁿ(eʳ - 1) at half its size: 2^128 is no float
    bottom, top = (-18.0, 89.0) if x.element == "float" else (-40.0, 710.0)
    r, n, shifted = reduced(x.at_least(bottom).at_most(top))
    half = times_power(x.like(0.5), n, shifted, safe=False)
    y = 2.0 * fma(half, exp_minus_1(r), half - 0.5)
    return where(x.equals(0.0), x, where(x > top, math.inf, y))


def sigmoid(x: Lanes) -> Lanes:
    e = exp(-x.abs())
    return where(x < 0.0, e, 1.0) / (e + 1.0)


def tanh(x: Lanes) -> Lanes:
    a = x.abs()
    if x.element == "double":
        e = expm1(a.at_most(22.0) * 2.0)
        return (e / (e + 2.0)).with_sign_of(x)
    z = x * x
    near = fma(polynomial(z, POLYNOMIALS["tanh", "float"]) * z, x, x)
    far = 1.0 - 2.0 / (exp_in_range((a * 2.0).at_most(40.0)) + 1.0)
    return where(a > 0.625, far, near).with_sign_of(x)  # near: also NaN


def _both(a: Lanes) -> tuple[Lanes, Lanes]:
    """eᵃ / 2 and e⁻ᵃ / 2 for a ≥ 0, the first infinite only where it must be."""
    r, n, _shifted = reduced(a.at_most(_RANGE["double"][1] + 1.0))
    y = exp_minus_1(r) + 1.0
    _, below = nearest(n - 1.0)
    _, opposite = nearest(-1.0 - n)
    return times_power(y, n - 1.0, below), times_power(1.0 / y, -1.0 - n, opposite)


def _sinh(x: Lanes) -> Lanes:
    a = x.abs()
    z = x * x
    near = fma(polynomial(z, POLYNOMIALS["sinh", "double"]) * z, x, x)
    grows, falls = _both(a)
    return where(a < 1.0, near, (grows - falls).with_sign_of(x))


def _cosh(x: Lanes) -> Lanes:
    grows, falls = _both(x.abs())
    return grows + falls


sinh, cosh = in_double(_sinh), in_double(_cosh)

__all__ = ["cosh", "exp", "exp2", "exp_in_range", "expm1", "sigmoid", "sinh", "tanh"]
