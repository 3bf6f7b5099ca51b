"""The error function and its complement, and the logarithm of the gamma function."""

from __future__ import annotations

from .emitter import literal, mangled
from .lanes import Lanes, fma, in_double, polynomial, two_product, where
from .vmath_exp import exp, exp_in_range, nearest
from .vmath_tables import PIECES, POLYNOMIALS

_WIDTH = 33 / 128  # of a piece of erf(x) / x; from the end of the last one on erf is 1


def _complement(a: Lanes) -> Lanes:
    """erfc(a) = exp(-a²)·erfcx(a) for a ≥ 1/2; the square in two parts."""
    a = a.at_most(28.0)
    scaled = polynomial((a - 4.0) / (a + 4.0), POLYNOMIALS["erfcx", "double"])
    high, low = two_product(a, a)
    return exp(-high, -low) * (scaled / fma(a, 2.0, 1.0))


def _near(x: Lanes) -> Lanes:
    """erf(x) for |x| up to 1."""
    return fma(polynomial(x * x, POLYNOMIALS["erf", x.element]), x, x)


def _chosen(index: Lanes, values: tuple[float, ...]) -> Lanes:
    """Of 16 floats the one that the low bits of an integer say, lane by lane: one instruction of AVX-512."""
    f, type_ = index.f, "<16 x float>"
    name = "llvm.x86.avx512.permvar.sf.512"
    f.module.declare(name, f"declare {type_} @{name}({type_}, {index.type})")
    given = "<" + ", ".join(f"float {literal('float', v)}" for v in values) + ">"
    return index.made(f"call {type_} @{name}({type_} {given}, {index.type} {index.name})", "float")


def _erf_in_pieces(x: Lanes) -> Lanes:
    """|x|·(b + p(|x| - middle)) for 16 pieces of erf(x) / x, b a power of 2 near it and p a polynomial.

    As all lanes take one way this is twice as fast as two ways of which each lane throws one away.
    """
    a = x.abs().at_most(15.5 * _WIDTH)
    n, shifted = nearest(a, 1 / _WIDTH)
    s = fma(n, -_WIDTH, a)
    index = shifted.bits()
    base, first, *rest = [_chosen(index, row) for row in PIECES["erf"]]
    for c in rest:
        first = fma(first, s, c)
    return fma(a, first, a * base).at_most(1.0).with_sign_of(x)


def erf(x: Lanes) -> Lanes:
    if x.f.target.avx512 and x.type == "<16 x float>":
        return _erf_in_pieces(x)
    a = x.abs()
    if x.element == "double":
        return where(a < 1.0, _near(x), (1.0 - _complement(a)).with_sign_of(x))
    t = a.at_most(4.0)
    far = 1.0 - exp_in_range(fma(polynomial(t, POLYNOMIALS["erf_log", "float"]), t, -t))
    return where(a > 0.92, far.with_sign_of(x), _near(x))  # near: also NaN


def _erfc(x: Lanes) -> Lanes:
    a = x.abs()
    far = _complement(a)
    return where(a < 0.5, 1.0 - _near(x), where(x < 0.0, 2.0 - far, far))


erfc = in_double(_erfc)


def _lgamma(x: Lanes) -> Lanes:
    """The C library's, lane by lane."""
    f = x.f
    f.module.declare("lgamma", "declare double @lgamma(double)")
    if x.lanes == 1:
        return x.made(f"call double @lgamma(double {x.name})")
    name = f"lanes_lgamma_{mangled(x.type)}"
    if not f.module.has(name):
        g = f.module.function(name, f"{x.type} %x", result=x.type)

        def lane(i: str, made: list[str]) -> list[str]:
            one = g.op(f"extractelement {x.type} %x, i64 {i}")
            return [g.op(f"insertelement {x.type} {made[0]}, double {g.op(f'call double @lgamma(double {one})')}, i64 {i}")]

        g.ret(g.loop(0, x.lanes, 1, lane, [(x.type, "zeroinitializer")])[0])
    return Lanes(f, x.type, f.call(name, f"{x.type} {x.name}", result=x.type))


lgamma = in_double(_lgamma)

__all__ = ["erf", "erfc", "lgamma"]
