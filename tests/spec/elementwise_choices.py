"""Comparisons, choices, bounds, rounding, signs, bits."""

from __future__ import annotations

from .row import Row, apart, array, bools, cplx, ints, positive, real

NAN, INF = float("nan"), float("inf")
EMPTY = array([[], []])
POINTS = array([-INF, -2.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.5, 2.0, INF, NAN])
OTHERS = array([1.0, -2.5, 0.0, -0.5, 0.0, 1.0, NAN, 1.0, 2.0, INF, NAN])
PAIRS = ((POINTS, OTHERS), (array(1.5), array(-2.0)), (EMPTY, real(1)))
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
KINDS = ("isnan", "isinf", "isfinite", "isposinf", "isneginf")
ROUNDINGS = ("floor", "ceil", "trunc", "round", "sign", "sgn", "abs")
BITS = ("bitwise_and", "bitwise_or", "bitwise_xor")
LOGIC = ("logical_and", "logical_or", "logical_xor")

ROWS = [
    *[Row(n, lambda T, x, y, n=n: getattr(T, n)(x, y), (real(3, 1), real(4)), special=PAIRS) for n in COMPARISONS],
    Row("comparison operators", lambda T, x, y: (x == y, x != y, x < y, x <= y, x > y, x >= y, x > 0, 1 < x, x == 0.5),
        (ints(5, hi=3), ints(5, hi=3)),
        op=COMPARISONS),
    Row("comparison kinds", lambda T, x, y: (x == y, x < y, x >= 1, y != 3.0), (ints(5, hi=3, dtype="uint8"), real(5)), op=COMPARISONS),
    Row("comparison complex", lambda T, x, y: (x == y, x != 1j), (cplx(3), cplx(3)), op=("eq", "ne")),
    *[Row(n, lambda T, x, n=n: getattr(T, n)(x), (real(3),), special=((POINTS,),)) for n in KINDS],
    Row("kinds of integers", lambda T, x: tuple(getattr(T, n)(x) for n in KINDS), (ints(3),), op=KINDS),
    Row("isreal", lambda T, x, z: (T.isreal(x), T.isreal(z)), (real(2), array([1.0, 2j])), op="view_as_real", differentiable=False),
    Row("isclose", lambda T, x, y: (T.isclose(x, y), T.isclose(x, y, rtol=0.5, atol=0.1, equal_nan=True)), (POINTS, OTHERS), op="isclose",
        vmap=(True, True)),
    Row("where", lambda T, c, x, y: T.where(c, x, y), (bools(3, 4), real(4), real(3, 1)),
        special=((array([True, False, True]), array([1.0, NAN, 2.0]), array([NAN, 3.0, INF])), (array(True), array(1.0), array(2.0)))),
    Row("where numbers", lambda T, c, x: (T.where(c, x, 1), T.where(c, 0.5, x), x.where(c, -1.0)), (bools(2, 3), real(2, 3)), op="where"),
    Row("where kinds", lambda T, c, x, y: (T.where(c, x, y), T.where(c, x, 2), T.where(c, 1, 2.5)), (bools(3), ints(3), real(3)),
        op="where"),
    Row("where complex", lambda T, c, x, y: T.where(c, x, y), (bools(3), cplx(3), real(3, grad=False)), op="where"),
    Row("clamp", lambda T, x: T.clamp(x, -0.6, 1.1), (real(3, 4),),
        special=((array([-INF, -0.6, 0.0, 1.1, INF, NAN]),), (array(3.0),), (EMPTY,))),
    Row("clamp one side", lambda T, x: (T.clamp(x, min=0.1), T.clamp(x, max=0.1), T.clip(x, 2, 1)), (real(3, 4),), op="clamp"),
    Row("clamp integers", lambda T, x: (x.clamp(2, 5), x.clamp(2.5, 5), x.clamp(max=4)), (ints(6),), op="clamp"),
    Row("clamp_tensor", lambda T, x, a, b: T.clamp(x, a, b), (real(3, 4), real(4, lo=-1, hi=0), real(3, 1, lo=0.05, hi=1)),
        special=((array([0.0, 2.0, 5.0, 1.0, NAN]), array([1.0, 3.0, 3.0, 1.0, 0.0]), array([3.0, 1.0, 1.0, 1.0, 1.0])),)),
    Row("clamp_tensor one side", lambda T, x, a: (T.clamp(x, min=a), T.clamp(x, max=a)), (real(3, 4), real(4)), op="clamp_tensor"),
    Row("clamp_min", lambda T, x: T.clamp_min(x, 0.1), (real(3, 4),), special=((POINTS,),)),
    Row("clamp_max", lambda T, x: T.clamp_max(x, 0.1), (real(3, 4),), special=((POINTS,),)),
    Row("clamp_min_tensor", lambda T, x, a: T.clamp_min(x, a), (real(3, 4), real(4)), special=((array([1.0, 2.0]), array([1.0, NAN])),)),
    Row("clamp_max_tensor", lambda T, x, a: T.clamp_max(x, a), (real(3, 4), real(4)), special=((array([1.0, 2.0]), array([1.0, NAN])),)),
    Row("maximum", lambda T, x, y: T.maximum(x, y), (apart(3, 4), real(4, lo=-1.7, hi=1.9)), special=PAIRS),
    Row("minimum", lambda T, x, y: T.minimum(x, y), (apart(3, 4), real(4, lo=-1.7, hi=1.9)), special=PAIRS),
    Row("fmax", lambda T, x, y: T.fmax(x, y), (apart(3, 4), real(4, lo=-1.7, hi=1.9)), special=PAIRS),
    Row("fmin", lambda T, x, y: T.fmin(x, y), (apart(3, 4), real(4, lo=-1.7, hi=1.9)), special=PAIRS),
    Row("extrema of integers", lambda T, x, y: (T.maximum(x, y), T.minimum(x, y), T.fmax(x, y), T.fmin(x, y)), (ints(4), ints(4)),
        op=("maximum", "minimum", "fmax", "fmin")),
    Row("nan_to_num", lambda T, x: (T.nan_to_num(x), T.nan_to_num(x, nan=0.5, posinf=1.5, neginf=-2.0)), (real(3),), special=((POINTS,),)),
    Row("nan_to_num complex", lambda T, z: T.nan_to_num(z), (array([1 + 2j, complex(NAN, 1), complex(1, INF)]),), op="nan_to_num",
        differentiable=False),
    *[Row(n, lambda T, x, n=n: getattr(T, n)(x), (real(3, 4),), special=((POINTS,), (array(-1.5),), (EMPTY,))) for n in ROUNDINGS],
    Row("frac", lambda T, x: T.frac(x), (real(3, 4),), special=((array([-2.5, -0.0, 3.0]),),)),
    Row("roundings of integers", lambda T, x: tuple(getattr(T, n)(x) for n in ROUNDINGS), (ints(4, lo=-3),), op=ROUNDINGS),
    Row("round_decimals", lambda T, x: (T.round(x, decimals=1), x.round(decimals=-1)), (real(3, 4, lo=-30, hi=30),), special=((POINTS,),)),
    Row("signbit", lambda T, x: T.signbit(x), (real(3),), special=((POINTS,),)),
    Row("signbit of integers", lambda T, x: T.signbit(x), (ints(4, lo=-3),), op="signbit"),
    Row("copysign", lambda T, x, y: T.copysign(x, y), (real(3, 1), real(4)), special=((array([1.0, 0.0, 2.0]), array([-0.0, -1.0, NAN])),)),
    Row("copysign_number", lambda T, x: T.copysign(x, -0.0), (real(3),)),
    Row("heaviside", lambda T, x, y: T.heaviside(x, y), (real(3, 1, grad=False), real(4, grad=False)),
        special=((POINTS, OTHERS),), differentiable=False),
    Row("nextafter", lambda T, x, y: T.nextafter(x, y), (real(3, 1), real(4)), special=((POINTS, OTHERS),), numeric=False),
    Row("nextafter half", lambda T, x, y: T.nextafter(x.bfloat16(), y.bfloat16()).float(), (real(4), real(4)),
        op="nextafter", differentiable=False),
    Row("ldexp", lambda T, x, y: T.ldexp(x, y), (real(3, 1), real(4)), special=((POINTS, OTHERS),), gradients=False),
    Row("ldexp integers", lambda T, x, n: T.ldexp(x, n), (real(4), ints(4)), op="ldexp"),
    Row("frexp", lambda T, x: tuple(T.frexp(x)), (real(3, 4),), special=((array([0.0, 8.0, -0.1]),),)),
    *[Row(n, lambda T, x, y, n=n: getattr(T, n)(x, y), (ints(3, 1), ints(4)),) for n in BITS],
    Row("bits of truth", lambda T, x, y: (x & y, x | y, x ^ y, ~x), (bools(8), bools(8)), op=(*BITS, "bitwise_not")),
    Row("bits of numbers", lambda T, x: (x & 3, 1 | x, x ^ True, ~x), (ints(5, dtype="int16"),), op=(*BITS, "bitwise_not")),
    *[Row(n, lambda T, x, y, n=n: getattr(T, n)(x, y), (ints(3, 1, lo=-12, hi=12), ints(4, lo=-12, hi=12)),) for n in ("gcd", "lcm")],
    Row("bitwise_left_shift", lambda T, x, y: (x << y, x << 2, 1 << y), (ints(5, dtype="int32"), ints(5, hi=34, dtype="int32"))),
    Row("bitwise_right_shift", lambda T, x, y: (x >> y, x >> 1), (ints(5, lo=-99, hi=99), ints(5, hi=66))),
    Row("bitwise_not", lambda T, x: (~x, T.bitwise_not(x)), (ints(5, dtype="uint8"),)),
    *[Row(n, lambda T, x, y, n=n: getattr(T, n)(x, y), (ints(3, 1, hi=2), real(4)), special=((POINTS, OTHERS),)) for n in LOGIC],
    Row("logical_not", lambda T, x: T.logical_not(x), (ints(4, hi=2),), special=((POINTS,),)),
    Row("abs positive", lambda T, x: abs(x), (positive(3),), op="abs"),
]  # fmt: skip
