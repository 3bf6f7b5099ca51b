"""The compiler's vector functions: every bound that ``ULPS`` states, on seeded samples of all floats and on special values."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native.emitter import Module, vec
from chainrule.compiler.native.jit import compile_text
from chainrule.compiler.native.target import Target, host, restricted
from chainrule.compiler.native.vmath import FUNCTIONS, ROWS, ULPS
from tests.compiler.vector_functions import ELEMENTS, TWO, runner, ulps

WIDE = np.longdouble
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 0.25, 1.5, 22.0, -6.0, 1e22, 1e-40, -1e-40]

REFERENCE: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "pow": np.power,
    "hypot": np.hypot,
    "fmod": np.fmod,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "square": np.square,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "sign": lambda x: np.where(np.isnan(x), 0, np.sign(np.where(np.isnan(x), 0, x)) + 0.0),
    "copysign": np.copysign,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "fmin": np.fmin,
}
# From mpmath, and of doubles that are inexact in longdouble too.
BY_MPMATH = ("erf", "erfc", "lgamma")
NAMES = tuple(ROWS)
EXTENDED = pytest.mark.skipif(np.finfo(WIDE).nmant < 63, reason="long double is no wider than double here")


def targets() -> list[Any]:
    found = [(host(), 0), (host(), 1)]
    found += [(restricted(bits), 0) for bits in (256, 128) if bits < host().bits and host().x86]
    return [pytest.param(t, lanes, id=f"{t.bits}x{lanes or 'all'}") for t, lanes in found]


def samples(element: str, count: int, seed: int) -> Any:
    """Of all floats by their bits, of everyday ones, and the special ones."""
    g = np.random.default_rng(seed)
    kind = ELEMENTS[element]
    word = np.uint32 if element == "float" else np.uint64
    bits = g.integers(0, np.iinfo(word).max, count, dtype=word).view(kind)
    info = np.finfo(kind)
    edges = [info.max, -info.max, info.smallest_subnormal, -info.smallest_subnormal, info.tiny]
    usual = [g.uniform(-r, r, count) for r in (1, 10, 1000)]
    near = np.nextafter(kind(1), kind(2) * g.integers(0, 2, 8).astype(kind), dtype=kind)
    with np.errstate(all="ignore"):
        return np.concatenate([bits, *[u.astype(kind) for u in usual], near, np.array([*SPECIAL, *edges], kind)])


def pairs(x: Any, seed: int) -> tuple[Any, Any]:
    """Of samples: shuffled partners, small whole ones, and all pairs of the special ones."""
    g = np.random.default_rng(seed)
    last = x[-len(SPECIAL) - 5 :]
    a, b = np.meshgrid(last, last)
    whole = g.integers(-9, 10, len(x)).astype(x.dtype)
    return np.concatenate([x, np.abs(x), x, a.ravel()]), np.concatenate([g.permutation(x), g.permutation(x), whole, b.ravel()])


def exact(name: str, x: Any, y: Any) -> Any:
    """The values, rounded to extended precision at most (floats: to double at least)."""
    if name in BY_MPMATH:
        return np.array([by_mpmath(name, float(v)) for v in x], WIDE)
    kind = np.float64 if x.dtype == np.float32 and np.finfo(WIDE).nmant < 63 else WIDE
    with np.errstate(all="ignore"):
        return REFERENCE[name](*[v.astype(kind) for v in ((x, y) if name in TWO else (x,))])


def by_mpmath(name: str, x: float) -> Any:
    mp: Any = pytest.importorskip("mpmath")
    if name == "lgamma":
        if math.isinf(x) or (x <= 0 and x == math.floor(x)):
            return math.inf
    elif abs(x) > 30:
        x = math.copysign(30.0, x)
    if x == 0.0 and name == "erf":
        return x
    with mp.workprec(300):
        v = mp.mpf(x)
        y = mp.re(mp.loggamma(v)) if name == "lgamma" else getattr(mp, name)(v)
        high = float(y)
        return WIDE(high) + WIDE(float(y - high)) if math.isfinite(high) else WIDE(high)


def same_zero_signs(r: Any, want: Any) -> Any:
    return (r != 0) | (want != 0) | (np.signbit(r) == np.signbit(want))


SEES_SIGNS = frozenset(REFERENCE) - {"maximum", "minimum", "fmax", "fmin", "sign"} | {"erf"}


@pytest.mark.parametrize("name", [*REFERENCE, *BY_MPMATH])
@pytest.mark.parametrize("element", ["float", pytest.param("double", marks=EXTENDED)])
@pytest.mark.parametrize(("target", "lanes"), targets())
def test_bounds(target: Target, lanes: int, element: str, name: str) -> None:
    x = samples(element, 300 if name in BY_MPMATH else 2000, seed=len(name))
    if name == "lgamma":
        # Elsewhere below 0 its zeros lie beside its poles: a bound on relative errors says nothing there.
        x = x[(x > 0) | np.isnan(x) | np.isinf(x)]
    x, y = pairs(x, 7) if name in TWO else (x, None)
    r = runner(target, element, lanes or target.lanes(element), name, NAMES)(x, y)
    want = exact(name, x, y)
    off = ulps(r, want)
    worst = int(np.argmax(off))
    bound = ULPS[name][element == "double"]
    assert off[worst] <= bound, (x[worst], None if y is None else y[worst], r[worst], want[worst])
    if name in SEES_SIGNS:
        bad = ~same_zero_signs(r, want)
        assert not bad.any(), (x[bad], None if y is None else y[bad])


@pytest.mark.parametrize("element", ["float", "double"])
@pytest.mark.parametrize("name", ["remainder", "floor_div"])
def test_division_with_remainder_as_eager(element: str, name: str) -> None:
    from chainrule.compiler.program.elementwise import IMPLEMENTATIONS

    x, y = pairs(samples(element, 1000, 3), 5)
    r = runner(host(), element, host().lanes(element), name, NAMES)(x, y)
    with np.errstate(all="ignore"):
        want = IMPLEMENTATIONS[name](x, y)
    same = (r == want) | (np.isnan(r) & np.isnan(want))
    assert same.all(), (x[~same], y[~same], r[~same], want[~same])
    bad = ~same_zero_signs(r, want)
    assert not bad.any(), (x[bad], y[bad], r[bad], want[bad])


@pytest.mark.parametrize("element", ["float", pytest.param("double", marks=EXTENDED)])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_and_nearly_right_angles(element: str, name: str) -> None:
    """Arguments beside multiples of π/2, where the reduction needs all its bits, up to the largest."""
    kind = ELEMENTS[element]
    k = np.concatenate([np.arange(1, 3000), 2.0 ** np.arange(12, 60), np.random.default_rng(0).integers(1, 2**50, 500)])
    beside = [kind(v) for v in k * math.pi / 2]
    # The doubles and floats nearest to a multiple of π/2 (Muller, Elementary Functions).
    hard = [6381956970095103.0 * 2.0**797, 6381956970095103.0 * 2.0**-50, 16367173.0 * 2.0**72, 5.319372648326541e255]
    with np.errstate(over="ignore"):
        x = np.array([*beside, *hard]).astype(kind)
    x = np.concatenate([x, -x])
    x = x[np.isfinite(x)]
    mp: Any = pytest.importorskip("mpmath")
    with mp.workprec(1300):
        want = np.array([WIDE(float(h := getattr(mp, name)(mp.mpf(float(v))))) + WIDE(float(h - float(h))) for v in x])
    r = runner(host(), element, host().lanes(element), name, NAMES)(x)
    off = ulps(r, want)
    worst = int(np.argmax(off))
    assert off[worst] <= ULPS[name][element == "double"], (x[worst], r[worst], want[worst])


@pytest.mark.parametrize(("target", "lanes"), targets())
def test_erf_ends_at_one(target: Target, lanes: int) -> None:
    """Exactly, so that a gelu of what lies far below 0 is 0; and between the pieces that it is made of nothing jumps."""
    erf = runner(target, "float", lanes or target.lanes("float"), "erf", NAMES)
    far = np.concatenate([np.linspace(3.95, 30, 5000), [1e10, np.inf]]).astype(np.float32)
    assert (erf(far) == 1).all() and (erf(-far) == -1).all()
    x = np.linspace(0, 4, 200_000).astype(np.float32)
    assert np.diff(erf(x)).min() >= -np.spacing(np.float32(1)), "a step down by more than a rounding"


@pytest.mark.parametrize("element", ELEMENTS)
def test_sine_and_cosine_of_one_argument_reduce_it_once(element: str) -> None:
    """In one block: what was computed in another one may not have been."""
    module = Module(host())
    f = module.function("both", "ptr %x, ptr %y, i1 %again", linkage="")
    type_ = vec(element, 2)
    x = f.load(type_, "%x")
    f.store(type_, FUNCTIONS["sin"](f, type_, x), "%y")
    f.store(type_, FUNCTIONS["cos"](f, type_, x), f.gep("%y", 2, element))
    f.when("%again", lambda: f.store(type_, FUNCTIONS["sin"](f, type_, x), f.gep("%y", 4, element)))
    f.store(type_, FUNCTIONS["cos"](f, type_, x), f.gep("%y", 6, element))
    f.ret()
    assert sum("call {" in line for line in f.lines) == 3  # one for the first two
    library = compile_text(module.text(), host())  # the code lives as long as it
    call = library.function("both", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_bool)
    given, out = np.array([0.5, 1e9], ELEMENTS[element]), np.zeros(8, ELEMENTS[element])
    for again in (False, True):
        call(given.ctypes.data, out.ctypes.data, again)
        wide = given.astype(np.longdouble)
        expected = [np.sin(wide), np.cos(wide), np.sin(wide) if again else np.zeros(2), np.cos(wide)]
        np.testing.assert_allclose(out, np.concatenate(expected).astype(out.dtype), rtol=1e-6 if element == "float" else 1e-15)
