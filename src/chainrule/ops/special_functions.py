"""Special functions: the error function and its family, gamma and its logarithmic derivatives, Bessel functions.

NumPy has none of them.  Arrays go through rational functions (``rational.py``) in float64, rounded once to the dtype of
the input; 0-d values go through Python's ``math`` where it has the function.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import apply
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare
from .blocks import blocked
from .compare import where
from .domain import not_complex
from .exponential import exp, log
from .rational import (
    DIGAMMA_HIGH,
    DIGAMMA_MID,
    ERF,
    ERF32,
    ERFCINV_FAR,
    ERFCINV_MID,
    ERFCX,
    ERFINV_LOW,
    I0E_HIGH,
    I0E_LOW,
    I1E_HIGH,
    I1E_LOW,
    LGAMMA_HIGH,
    LGAMMA_MID,
    horner,
    in_double,
    ratio,
)

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
_ROOT_HALF = math.sqrt(0.5)


def _scalar_first(function: Any, impl: Any) -> Any:
    """``function`` of ``math`` for NumPy scalars where it has an answer, else ``impl``."""

    def either(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            try:
                return type(x)(function(x))
            except (ValueError, OverflowError):
                pass
        return impl(x)

    return either


# -- the error function --------------------------------------------------------------------------------------------------


def _gauss(x: Any, scale: float = 1.0) -> Any:
    """exp(-scale x²) to full relative precision: x² is split, else its rounding error would be multiplied by x²."""
    head = x.astype(np.float32).astype(np.float64)
    rest = scale * (x - head) * (x + head)
    return np.exp(-scale * head * head) * (1 - rest * (1 - rest * (0.5 - rest / 6)))


def _erfc_of(a: Any) -> Any:
    """erfc of a float64 array of numbers >= 0 (or NaN)."""
    a = np.minimum(a, 28.0)
    return _gauss(a) * ratio(ERFCX, a)


def _erf64(x: Any) -> Any:
    a = np.abs(x)
    r = np.copysign(1 - np.exp(-a * a) * ratio(ERFCX, np.minimum(a, 28.0)), x)
    near = a < 1
    if near.any():
        v = x[near]
        r[near] = v * ratio(ERF, v * v)
    return r


def _erf32(x: Any) -> Any:
    u = x * x
    np.minimum(u, 16, out=u)
    u = horner(ERF32, u)
    u *= x
    return np.tanh(u, out=u)


def _erf(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        return type(x)(math.erf(x))
    if x.dtype == np.float32:
        return blocked(_erf32, x) if x.ndim else blocked(_erf32, x.reshape(1)).reshape(())
    return _erf_wide(x)


_erf_wide = in_double(_erf64)


def _erfc(x: Any) -> Any:
    r = _erfc_of(np.abs(x))
    return np.where(x < 0, 2 - r, r)


def _erfcx(x: Any) -> Any:
    a = np.abs(x)
    # Past 1e25 the powers in P and Q would overflow; there 1/(x √π) is exact.
    r = np.where(a < 1e25, ratio(ERFCX, np.minimum(a, 1e25)), 0.5 * _TWO_OVER_ROOT_PI / a)
    return np.where(x < 0, 2 / _gauss(a) - r, r)


erf = declare.unary(
    "erf", _erf, lambda t, x: t * (exp(-x * x) * _TWO_OVER_ROOT_PI), check=not_complex("erf_vml_cpu"),
    doc="The error function, 2/√π ∫₀ˣ exp(-s²) ds, elementwise.",
)  # fmt: skip
erfc = declare.unary(
    "erfc", _scalar_first(math.erfc, in_double(_erfc)), lambda t, x: t * (exp(-x * x) * -_TWO_OVER_ROOT_PI),
    check=not_complex("erfc_vml_cpu"), doc="``1 - erf(input)``, without cancellation where erf is near 1, elementwise.",
)  # fmt: skip
erfcx = declare.unary(
    "special_erfcx", in_double(_erfcx), lambda t, x, out: t * (2 * x * out - _TWO_OVER_ROOT_PI), method=False,
    check=not_complex("erfcx_cpu"), doc="``exp(input**2) * erfc(input)``, elementwise.",
)  # fmt: skip

# -- inverses ------------------------------------------------------------------------------------------------------------


def _erfcinv_of(q: Any) -> Any:
    """The inverse of erfc for float64 numbers in (0, 0.15]."""
    r = np.sqrt(-np.log(q))
    return np.where(r <= 6.0, ratio(ERFCINV_MID, np.minimum(r, 6.1)), ratio(ERFCINV_FAR, r))


def _erfinv(y: Any) -> Any:
    a = np.abs(y)
    low = np.where(a <= 0.85, y, 0)
    r = low * ratio(ERFINV_LOW, (0.85 - low) * (0.85 + low))
    far = ~(a <= 0.85)
    if far.any():
        q = 1 - a[far]
        tail = np.where(q == 0, np.inf, _erfcinv_of(np.where(q > 0, q, np.nan)))
        r[far] = np.copysign(tail, y[far])
    return r


def _ndtri(p: Any) -> Any:
    # Φ⁻¹(p) = √2 erf⁻¹(2p - 1); from the nearer end, where 2p - 1 would round.
    r = math.sqrt(2) * _erfinv(2 * p - 1)
    low = (p < 0.075) & (p > 0)
    if low.any():
        r[low] = -math.sqrt(2) * _erfcinv_of(2 * p[low])
    return r


erfinv = declare.unary(
    "erfinv", in_double(_erfinv), lambda t, out: t * (exp(out * out) * (1 / _TWO_OVER_ROOT_PI)), check=not_complex("erfinv_vml_cpu"),
    doc="The inverse of the error function on (-1, 1), elementwise; infinite at the ends, NaN beyond.",
)  # fmt: skip
ndtri = declare.unary(
    "special_ndtri", in_double(_ndtri), lambda t, out: t * (exp(out * out * 0.5) * math.sqrt(2 * math.pi)), method=False,
    check=not_complex("ndtri_cpu"), doc="The inverse of the normal distribution function, elementwise.",
)  # fmt: skip


def _ndtr(x: Any) -> Any:
    a = np.minimum(np.abs(x), 40.0)
    tail = 0.5 * _gauss(a, 0.5) * ratio(ERFCX, a * _ROOT_HALF)
    return np.where(x < 0, tail, 1 - tail)


def _log_ndtr(x: Any) -> Any:
    below = np.minimum(x, -1.0)
    low = np.log(0.5 * _erfcx(below * -_ROOT_HALF)) - 0.5 * below * below
    return np.where(x < -1, low, np.log1p(-_ndtr(-np.maximum(x, -1.0))))


ndtr = declare.unary(
    "special_ndtr", in_double(_ndtr), lambda t, x: t * (exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))), method=False,
    check=not_complex("erf_vml_cpu"), doc="The normal distribution function, elementwise.",
)  # fmt: skip
log_ndtr = declare.unary(
    "special_log_ndtr", in_double(_log_ndtr), lambda t, x: t * (math.sqrt(2 / math.pi) / erfcx(x * -_ROOT_HALF)), method=False,
    check=not_complex("log_ndtr_cpu"), doc="The logarithm of the normal distribution function, elementwise.",
)  # fmt: skip

# -- gamma ---------------------------------------------------------------------------------------------------------------

# B₂ₖ / (2k (2k - 1)) of Stirling's series, and B₂ₖ / (2k) of its derivative, as polynomials in 1/x².
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_STIRLING_SLOPE = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
_HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
_DIGAMMA_ROOT = (1.4616321449683622, 9.549995429965697e-17)  # where ψ is 0, in two parts


def _pieces(y: Any, *pieces: tuple[Any, Any]) -> Any:
    """The first piece whose condition holds, elementwise; each function is called with its own elements only."""
    r = np.full_like(y, np.nan)
    left = y == y
    for condition, function in pieces:
        here = condition(y) & left
        if here.any():
            r[here] = function(y[here])
            left &= ~here
    return r


def _stirling(y: Any) -> Any:
    v = 1 / y
    return np.where(np.isinf(y), y, (y - 0.5) * np.log(y) - y + (_HALF_LOG_TAU + v * horner(_STIRLING, v * v)))


def _log_gamma(y: Any) -> Any:
    """log Γ of numbers >= 0.5."""
    return _pieces(
        y,
        (lambda y: y < 2.5, lambda y: (y - 1) * (y - 2) * ratio(LGAMMA_MID, y)),
        (lambda y: y < 10, lambda y: ratio(LGAMMA_HIGH, y)),
        (lambda y: y >= 10, _stirling),
    )


def _sin_pi(x: Any) -> Any:
    """|sin πx|, exactly 0 at whole numbers."""
    return np.sin(math.pi * np.abs(x - np.rint(x)))


def _lgamma(x: Any) -> Any:
    return _pieces(
        x,
        (np.isinf, np.abs),
        (lambda x: x >= 0.5, _log_gamma),
        (lambda x: x > -0.5, lambda x: _log_gamma(x + 1) - np.log(np.abs(x))),
        (lambda x: x < 0, lambda x: np.log(math.pi / _sin_pi(x)) - _log_gamma(1 - x)),
    )


def _psi(y: Any) -> Any:
    """ψ of numbers >= 1."""
    high, low = _DIGAMMA_ROOT

    def far(y: Any) -> Any:
        v = 1 / (y * y)
        return np.log(y) - 0.5 / y - v * horner(_STIRLING_SLOPE, v)

    return _pieces(
        y,
        (lambda y: y < 2, lambda y: (y - high - low) * ratio(DIGAMMA_MID, y)),
        (lambda y: y < 10, lambda y: ratio(DIGAMMA_HIGH, y)),
        (lambda y: y >= 10, far),
    )


def _reflected_psi(x: Any) -> Any:
    fraction = x - np.rint(x)
    return np.where(fraction == 0, np.nan, _psi(1 - x) - math.pi / np.tan(math.pi * fraction))


def _digamma(x: Any) -> Any:
    return _pieces(
        x,
        (lambda x: x == 0, lambda x: np.copysign(np.inf, -x)),
        (lambda x: x >= 1, _psi),
        (lambda x: x > 0, lambda x: _psi(x + 1) - 1 / x),
        (lambda x: x > -np.inf, _reflected_psi),
    )


lgamma = declare.unary(
    "lgamma", _scalar_first(math.lgamma, in_double(_lgamma)), lambda t, x: t * digamma(x), check=not_complex("lgamma_vml_cpu"),
    doc="log |Γ(input)|, elementwise.",
)  # fmt: skip
digamma: Any = declare.unary(
    "digamma", in_double(_digamma), lambda t, x: t * _polygamma(x, n=1), check=not_complex("digamma"),
    doc="The derivative of log Γ, elementwise; NaN at negative whole numbers.",
)  # fmt: skip

# -- zeta and polygamma --------------------------------------------------------------------------------------------------

# B₂ₖ / (2k)!, k = 1, 2, …, of the Euler–Maclaurin formula.
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600, -3617 / 10670622842880000,
    43867 / 5109094217170944000, -174611 / 802857662698291200000, 77683 / 14101100039391805440000,
)  # fmt: skip
_DIRECT = 10


def _zeta_of(s: Any, q: Any) -> Any:
    """Σ (q + k)⁻ˢ of q > 0: ten terms, and the rest by Euler and Maclaurin."""
    total = np.zeros_like(q)
    for k in range(_DIRECT):
        total += (q + k) ** -s
    a = q + _DIRECT
    power = a**-s
    total += power * (a / (s - 1) + 0.5)
    factor = s
    power = power / a
    for k, b in enumerate(_BERNOULLI):
        total += b * factor * power
        factor = factor * (s + 2 * k + 1) * (s + 2 * k + 2)
        power = power / (a * a)
    return total


def _zeta(s: Any, q: Any) -> Any:
    r = np.where(q > 0, _zeta_of(s, np.where(q > 0, q, 1)), np.nan)
    below = (q <= 0) & (s == np.rint(s))
    if below.any():
        # Down to -n the terms are added one by one: they are few, or the sum is dominated by the last ones.
        r[below] = _zeta_below(s[below], q[below])
    r = np.where((q <= 0) & (q == np.rint(q)), np.inf, r)
    return np.where(s == 1, np.inf, np.where(s < 1, np.nan, r))


def _zeta_below(s: Any, q: Any) -> Any:
    steps = np.ceil(1 - q)
    r = _zeta_of(s, q + steps)
    for k in range(int(min(steps.max(), 1e6))):
        r += np.where(k < steps, (q + k) ** -s, 0)
    return r


def _cotangent_derivative(n: int) -> list[int]:
    """The n-th derivative of cot as a polynomial in cot: each is -(1 + c²) times the derivative of the one before."""
    p = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [0] * (len(slope) + 2)
        for k, c in enumerate(slope):
            p[k] -= c
            p[k + 2] -= c
    return p


def _polygamma_kernel(n: int) -> Any:
    scale = (-1) ** (n + 1) * math.gamma(n + 1)
    reflection = [float(c) for c in _cotangent_derivative(n)]

    def above(x: Any) -> Any:
        return scale * _zeta_of(float(n + 1), x)

    def below(x: Any) -> Any:
        fraction = x - np.rint(x)
        c = 1 / np.tan(math.pi * np.where(fraction == 0, 0.5, fraction))
        r = (-1) ** n * above(1 - x) - math.pi ** (n + 1) * horner(tuple(reflection), c)
        return np.where(fraction == 0, scale * np.inf, r)

    def kernel(x: Any) -> Any:
        return _pieces(x, (lambda x: x == np.inf, np.zeros_like), (lambda x: x > 0, above), (lambda x: x > -np.inf, below))

    return in_double(kernel)


_KERNELS: dict[int, Any] = {}


def _polygamma_impl(x: Any, *, n: int) -> Any:
    kernel = _KERNELS.get(n)
    if kernel is None:
        kernel = _KERNELS[n] = _polygamma_kernel(n)
    return kernel(x)


_polygamma: Op = Op(
    "polygamma", _polygamma_impl, kind="elementwise", d=[lambda t, x, n: t * _polygamma(x, n=n + 1)], result="float",
    check=not_complex("polygamma"),
)  # fmt: skip


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The ``n``-th derivative of :func:`digamma`, elementwise.  RuntimeError for negative ``n``."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    result: Tensor = digamma(input, out=out) if n == 0 else apply.elementwise(_polygamma, (input,), out, {"n": int(n)})
    return result


declare.attach(lambda self, n: polygamma(n, self), "polygamma", inplace=True)


def _zeta_rule(t: Any, x: Any, y: Any) -> Any:
    return -t * x * zeta(x + 1, y)


def _unknown(t: Any) -> Any:
    raise RuntimeError("the derivative for 'self' is not implemented")


_zeta_impl = in_double(_zeta)
_ZETAS = [
    Op(name, _zeta_impl, kind="elementwise", args="x y", d=[_unknown, _zeta_rule], result="float", node=f"SpecialZetaBackward{k}",
       check=not_complex("zeta_cpu"))
    for k, name in enumerate(("special_zeta", "special_zeta_from_number", "special_zeta_number"))
]  # fmt: skip


def zeta(input: Any, other: Any, *, out: Tensor | None = None) -> Any:
    """Hurwitz' zeta function Σ (other + k)**-input, k = 0, 1, …, elementwise and broadcast.

    Differentiable with respect to ``other`` only.
    """
    a, b = isinstance(input, Tensor), isinstance(other, Tensor)
    if not a and not b:
        return _zeta_impl(input, other)
    return apply.elementwise(_ZETAS[0 if a and b else 2 if a else 1], (input, other), out)


_mvlgamma = Op(
    "mvlgamma", lambda x, *, p: p * (p - 1) / 4 * math.log(math.pi) + sum(lgamma(x - j / 2) for j in range(p)), kind="elementwise",
    d=[lambda t, x, p: t * sum(digamma(x - j / 2) for j in range(p))], result="float", check=not_complex("mvlgamma"),
)  # fmt: skip


@declare.method(inplace=True)
def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension ``p``, elementwise; every element exceeds (p - 1)/2."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    result: Tensor = apply.elementwise(_mvlgamma, (input,), out, {"p": int(p)})
    return result


# -- modified Bessel functions -------------------------------------------------------------------------------------------


def _bessel(a: Any, low: Any, high: Any) -> Any:
    """exp(-a) Iᵥ(a), of a >= 0 (for ν = 1 over a below 8)."""
    r = ratio(low, np.minimum(a, 8.0))
    far = a > 8
    if far.any():
        r[far] = horner(high, 16 / a[far] - 1) / np.sqrt(a[far])
    return r


def _i0e(x: Any) -> Any:
    return _bessel(np.abs(x), I0E_LOW, I0E_HIGH)


def _i1e(x: Any) -> Any:
    a = np.abs(x)
    return _bessel(a, I1E_LOW, I1E_HIGH) * np.where(a > 8, np.sign(x), x)


def _grown(scaled: Any) -> Any:
    """A scaled function times exp|x|, in two factors: the first may not overflow before the product does."""

    def kernel(x: Any) -> Any:
        half = np.exp(0.5 * np.abs(x))
        return np.where(np.isinf(x), np.abs(x) if scaled is _i0e else x, half * scaled(x) * half)

    return kernel


i0 = declare.unary(
    "i0", in_double(_grown(_i0e)), lambda t, x: t * i1(x), check=not_complex("i0_vml_cpu"),
    doc="The modified Bessel function of the first kind of order 0, elementwise.",
)  # fmt: skip
i0e = declare.unary(
    "special_i0e", in_double(_i0e), lambda t, x, out: t * (i1e(x) - _sign_of(x) * out), method=False, node="SpecialI0EBackward0",
    check=not_complex("i0e_cpu"), doc="``exp(-abs(input)) * i0(input)``, elementwise.",
)  # fmt: skip


def _sign_of(x: Any) -> Any:
    return where(x > 0, 1.0, where(x < 0, -1.0, x * 0))


def _i1_over(out: Any, x: Any) -> Any:
    """I₁(x)/x, 1/2 at 0 (and its scaled form)."""
    flat = x == 0
    return where(flat, 0.5, out / where(flat, 1, x))


i1: Any = declare.unary(
    "special_i1", in_double(_grown(_i1e)), lambda t, x, out: t * (i0(x) - _i1_over(out, x)), method=False,
    check=not_complex("i1_cpu"), doc="The modified Bessel function of the first kind of order 1, elementwise.",
)  # fmt: skip
i1e: Any = declare.unary(
    "special_i1e", in_double(_i1e), lambda t, x, out: t * (i0e(x) - _sign_of(x) * out - _i1_over(out, x)), method=False,
    node="SpecialI1EBackward0", check=not_complex("i1e_cpu"), doc="``exp(-abs(input)) * i1(input)``, elementwise.",
)  # fmt: skip

# -- entropy -------------------------------------------------------------------------------------------------------------


def _entr(x: Any) -> Any:
    return np.where(x > 0, -x * np.log(np.where(x > 0, x, 1)), np.where(x == 0, 0, np.where(x < 0, -np.inf, x)))[()]


entr = declare.unary(
    "special_entr", _entr, lambda t, x: where(x < 0, math.nan, t * (-log(x) - 1)), method=False, check=not_complex("entr_cpu"),
    doc="``-input * log(input)``, elementwise; 0 at 0, minus infinity below.",
)  # fmt: skip

__all__ = ["digamma", "erf", "erfc", "erfinv", "i0", "lgamma", "mvlgamma", "polygamma"]
