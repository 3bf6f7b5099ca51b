"""Sine, cosine, tangent of any argument, and their inverses.

x = q·π/2 + r with |r| up to π/4.  Moderate arguments are reduced by π/2 in three parts (Cody and Waite), the rest lane by lane with as
many bits of 2/π as they need (Payne and Hanek), in a function of its own that is called when there is such a lane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .emitter import Module, mangled, vec
from .lanes import Lanes, any_lane, fma, in_double, polynomial, quick_two_sum, two_product, two_sum, where
from .vmath_exp import nearest
from .vmath_tables import PARTS, POLYNOMIALS, TWO_OVER_PI

_MODERATE = {"float": 32768.0, "double": 2.0**20}


def reduced(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """(r, what r lacks, q as an integer of which the last two bits count)."""
    near = _reduced_near(x)
    far = _far(x)
    f = x.f

    def slow() -> list[str]:
        found = _called(_far_function(f.module, x), x)
        return [where(far, n, t).name for n, t in zip(found, near, strict=True)]

    names = f.when(any_lane(far), slow, [(t.type, t.name) for t in near])
    r, low, q = [Lanes(f, t.type, n) for n, t in zip(names, near, strict=True)]
    return r, low, q


def _far(x: Lanes) -> Lanes:
    a = x.abs()
    return (a > _MODERATE[x.element]) & (a < math.inf)


def _reduced_near(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    if x.element == "double":
        n, shifted = nearest(x, 2 / math.pi)
        first, second, third = PARTS["half_pi", "double"]
        r, low = two_sum(x - n * first, n * -second)
        r, low = quick_two_sum(r, low - n * third)
        return r, low, shifted.bits()
    if x.f.target.fma:
        n, shifted = nearest(x, 2 / math.pi)
        r = x
        for part in PARTS["half_pi", "float"]:
            r = fma(n, -part, r)
        return r, x.like(0.0), shifted.bits()
    r, _, q = _reduced_near(x.cast("fpext", "double"))
    return r.cast("fptrunc", "float"), x.like(0.0), q.cast("trunc", "i32")


def _types(x: Lanes) -> list[str]:
    """Of two numbers and an integer in each lane."""
    return [x.type, x.type, vec(x.whole, x.lanes)]


def _called(name: str, x: Lanes) -> list[Lanes]:
    """What a function of three results gives for x."""
    kind = f"{{ {', '.join(_types(x))} }}"
    result = x.f.call(name, f"{x.type} {x.name}", result=kind)
    return [Lanes(x.f, t, x.f.op(f"extractvalue {kind} {result}, {k}")) for k, t in enumerate(_types(x))]


def _open(module: Module, name: str, x: Lanes, attributes: str = "nounwind") -> Lanes:
    """Begin such a function: its argument."""
    kind = f"{{ {', '.join(_types(x))} }}"
    f = module.function(name, f"{x.type} %x", result=kind, attributes=attributes)
    return Lanes(f, x.type, "%x")


def _close(results: Sequence[Lanes]) -> None:
    f, value = results[0].f, "poison"
    for k, r in enumerate(results):
        value = f.op(f"insertvalue {f.result} {value}, {r.type} {r.name}, {k}")
    f.ret(value)


def _far_function(module: Module, like: Lanes) -> str:
    """The reduction of all lanes, one after the other."""
    name = f"reduce_far_{mangled(like.type)}"
    if module.has(name):
        return name
    x = _open(module, name, like, "nounwind noinline")
    f, type_, outs = x.f, x.type, _types(x)

    def lane(i: str, made: list[str]) -> list[str]:
        value = Lanes(f, x.element, "%x" if x.lanes == 1 else f.op(f"extractelement {type_} %x, i64 {i}"))
        wide = value if x.element == "double" else value.cast("fpext", "double")
        found = [r.name for r in _called(_far_scalar(module, wide), wide)]
        if x.element == "float":
            found = [f.cast("fptrunc", "double", v, "float") for v in found[:2]] + [f.cast("trunc", "i64", found[2], "i32")]
        if x.lanes == 1:
            return found
        elements = [x.element, x.element, x.whole]
        return [f.op(f"insertelement {t} {m}, {e} {v}, i64 {i}") for t, m, e, v in zip(outs, made, elements, found, strict=True)]

    values = f.loop(0, x.lanes, 1, lane, [(t, "zeroinitializer" if x.lanes > 1 else "0" if t[0] == "i" else "0.0") for t in outs])
    _close([Lanes(f, t, v) for t, v in zip(outs, values, strict=True)])
    return name


def _far_scalar(module: Module, like: Lanes) -> str:
    """One double: the 192 bits of 2/π that matter times its 53 bits, of which the product's whole multiples of 4 drop out."""
    name = "reduce_far_one"
    if module.has(name):
        return name
    table = module.table("i64", TWO_OVER_PI)
    x = _open(module, name, like, "nounwind noinline")
    f = x.f
    bits = x.abs().bits()
    mantissa = (bits & (2**52 - 1)) | 2**52
    start = (bits >> 52) - (1075 - 62)  # where the window begins: its first bit has weight 2 in x·2/π
    word, shift = start >> 6, start & 63
    words = []
    for k in range(4):
        words.append(Lanes(f, "i64", f.load("i64", f.gep(table, (word + k).name, "i64"))))
    back = 63 - shift
    window = [(words[k] << shift) | (words[k + 1].logical_shift(1).logical_shift(back)) for k in range(3)]
    m = mantissa.cast("zext", "i128")
    low = window[2].cast("zext", "i128") * m
    middle = window[1].cast("zext", "i128") * m + low.logical_shift(64)
    top = window[0] * mantissa + middle.logical_shift(64).cast("trunc", "i64")
    turn = (top.cast("zext", "i128") << 64) | middle.cast("trunc", "i64").cast("zext", "i128")
    q = (top + 2**61).logical_shift(62)
    fraction = turn - (q.cast("zext", "i128") << 126)  # quarter turns, as a fixed-point number with 126 bits
    negative = fraction < 0
    size = where(negative, -fraction, fraction)
    zeros = Lanes(f, "i128", f.op(f"call i128 @llvm.ctlz.i128(i128 {size.name}, i1 false)"))
    module.declare("llvm.ctlz.i128", "declare i128 @llvm.ctlz.i128(i128, i1 immarg)")
    up = size << (zeros & 127)
    first = up.logical_shift(75).cast("trunc", "i64").cast("uitofp", "double")
    second = (up.logical_shift(22).cast("trunc", "i64") & (2**53 - 1)).cast("uitofp", "double")
    scale = ((1023 - 51 - zeros.cast("trunc", "i64")) << 52).number("double")  # 2^(2 - zeros - 53)
    a, b = first * scale, second * (scale * 2.0**-53)
    pi, more = PARTS["half_pi_full", "double"]
    high, lost = two_product(a, x.like(pi))
    r, rest = quick_two_sum(high, lost + (a * more + b * pi))
    flip = (x.bits() < 0) ^ negative
    r, rest = where(flip, -r, r), where(flip, -rest, rest)
    q = where(x.bits() < 0, -q, q)
    _close([r, rest, q])
    return name


def _sine(r: Lanes, low: Lanes) -> Lanes:
    z = r * r
    p = polynomial(z, POLYNOMIALS["sin", r.element])
    if r.element == "float":
        return fma(p * z, r, r)
    return r + fma(z, p * r - 0.5 * low, low)


def _cosine(r: Lanes, low: Lanes) -> Lanes:
    z = r * r
    p = polynomial(z, POLYNOMIALS["cos", r.element])
    if r.element == "float":
        return fma(p * z, z, fma(z, -0.5, 1.0))
    half = z * 0.5
    w = 1.0 - half
    return w + ((1.0 - w - half) + fma(z * z, p, -(r * low)))


def _odd(q: Lanes) -> Lanes:
    return (q & 1).differs(0)


def _signed(y: Lanes, q: Lanes) -> Lanes:
    """``y``, negative where q has its second bit."""
    return (y.bits() ^ ((q & 2) << (y.width - 2))).number(y.element)


def _on_circle(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """(sine and cosine of what x is reduced to, the quarter turns): sine and cosine of one argument are often wanted together."""
    key = (_on_circle, x.type, x.name)
    found: Sequence[Lanes] | None = x.f.known.get(key)
    if found is None:
        found = _circle(x) if x.element == "float" else _called(_circle_function(x.f.module, x), x)
        x.f.known[key] = found
    s, c, q = found
    return s, c, q


def _circle(x: Lanes) -> list[Lanes]:
    r, low, q = reduced(x)
    return [_sine(r, low), _cosine(r, low), q]


def _circle_function(module: Module, like: Lanes) -> str:
    """The same as a function: that of doubles is long."""
    name = f"circle_{mangled(like.type)}"
    if not module.has(name):
        _close(_circle(_open(module, name, like)))
    return name


def sin(x: Lanes) -> Lanes:
    s, c, q = _on_circle(x)
    return where(x.equals(0.0), x, _signed(where(_odd(q), c, s), q))


def cos(x: Lanes) -> Lanes:
    s, c, q = _on_circle(x)
    return _signed(where(_odd(q), s, c), q + 1)


def _tan(x: Lanes) -> Lanes:
    s, c, q = _on_circle(x)
    odd = _odd(q)
    y = where(odd, -c, s) / where(odd, s, c)
    return where(x.equals(0.0), x, y)


# -- inverses ------------------------------------------------------------------------------------------------------------


def _arc(z: Lanes, s: Lanes) -> Lanes:
    """asin(s) - s for z = s² up to 1/4."""
    return polynomial(z, POLYNOMIALS["asin", "double"]) * z * s


def _asin(x: Lanes) -> Lanes:
    # asin(a) = π/2 - 2 asin(√((1 - a)/2)) from 1/2 on
    a = x.abs()
    far = a > 0.5
    z = where(far, (1.0 - a) * 0.5, x * x)
    s = where(far, z.sqrt(), a)
    high, low = PARTS["half_pi_full", "double"]
    d = _arc(z, s)
    missing = where(far, fma(-s, s, z) / (s + s), 0.0)  # what the root lacks
    missing = where(missing.is_nan(), 0.0, missing)
    y = where(far, high - (2.0 * s - (low - 2.0 * (d + missing))), s + d)
    return y.with_sign_of(x)


def _acos(x: Lanes) -> Lanes:
    a = x.abs()
    far = a > 0.5
    z = where(far, (1.0 - a) * 0.5, x * x)
    s = where(far, z.sqrt(), x)
    high, low = PARTS["half_pi_full", "double"]
    d = _arc(z, s)
    ends = 2.0 * (s + d)
    ends = where(x < 0.0, 2.0 * (high - (s + (d - low))), ends)
    return where(far, ends, high - (s + (d - low)))


def _atan_of(y: Lanes, x: Lanes) -> Lanes:
    """atan(y / x) for y, x ≥ 0, not both 0 or infinite: of t = y/x, (t - 1)/(t + 1) or -1/t, whichever is small."""
    small, large = y < x * 0.4142135623730950, y > x * 2.414213562373095
    up = where(small, y, where(large, -x, y - x))
    down = where(small, x, where(large, y, y + x))
    t = up / down
    z = t * t
    p = polynomial(z, POLYNOMIALS["atan", "double"]) * z * t
    high, low = PARTS["half_pi_full", "double"]
    base = where(small, x.like(0.0), where(large, x.like(high), high / 2))
    rest = where(small, x.like(0.0), where(large, x.like(low), low / 2))
    return base + (t + (p + rest))


def _atan(x: Lanes) -> Lanes:
    return _atan_of(x.abs(), x.like(1.0)).with_sign_of(x)


def _atan2(y: Lanes, x: Lanes) -> Lanes:
    b, a = y.abs(), x.abs()
    # The larger of the two is brought near 1, so that neither their sum nor their quotient leaves the range.
    huge, tiny = (a > 2.0**1000) | (b > 2.0**1000), (a < 2.0**-900) & (b < 2.0**-900)
    scale = where(huge, a.like(2.0**-100), where(tiny, a.like(2.0**120), 1.0))
    both_infinite = a.equals(math.inf) & b.equals(math.inf)
    one, two = where(both_infinite, 1.0, a * scale), where(both_infinite, 1.0, b * scale)
    angle = where(b.equals(0.0) & ~a.is_nan(), 0.0, _atan_of(two, one))
    high, low = PARTS["half_pi_full", "double"]
    behind = 2.0 * high - (angle - 2.0 * low)
    angle = where(x.bits() < 0, behind, angle)
    return where(x.is_nan(), x, angle).with_sign_of(y)


tan, asin, acos, atan, atan2 = in_double(_tan), in_double(_asin), in_double(_acos), in_double(_atan), in_double(_atan2)

__all__ = ["acos", "asin", "atan", "atan2", "cos", "sin", "tan"]
