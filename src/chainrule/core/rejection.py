"""Random samples by trial and rejection: Poisson, binomial, gamma and Dirichlet, number for number as PyTorch draws them.

Each sample takes as many draws as it happens to need, so these run one by one. `float32` parameters enter some formulas
as float32: where rounding can turn an acceptance, PyTorch's own roundings are kept.

Hörmann, "The transformed rejection method for generating Poisson random variables" (1993) and "The generation of binomial
random variates" (1993); Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtype import dtype, float32, float64
from .dtype import of as dtype_of
from .floating_flags import quiet
from .sampling import DIGITS, cast, no_kernel, normal_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .generator import Generator
    from .sampling import Array

_THIRD = np.float32(1) / np.float32(3)
_SQUEEZE = float(np.float32(0.0331))


def poisson(generator: Generator, rate: Array) -> Array:
    """Samples of the Poisson distribution, in the shape and floating-point dtype of `rate`. RuntimeError unless all rates are >= 0."""
    d = dtype_of(rate.dtype)
    if d not in DIGITS:
        raise no_kernel("poisson_cpu", d)
    with generator.lock:
        unit = generator.each_double()
        return _each(lambda mean: _poisson(unit, mean), d, rate.astype(np.float64))


def binomial(generator: Generator, count: Array, prob: Array) -> Array:
    """How many of `count` trials of probability `prob` succeed: float32 or float64 arrays that broadcast.

    ValueError for other dtypes than floating-point ones, RuntimeError if the two differ.
    """
    d, of_prob = dtype_of(count.dtype), dtype_of(prob.dtype)
    for name, given in (("count", d), ("prob", of_prob)):
        if not given.is_floating_point:
            raise ValueError(f"binomial only supports floating-point dtypes for {name}, got: {given.scalar_name}")
    if d is not of_prob:
        raise RuntimeError(f"Found dtype {of_prob.scalar_name} but expected {d.scalar_name}")
    _require_single_or_double("binomial_cpu", d)
    kind: Any = d.np.type
    with generator.lock, quiet():
        unit = generator.each_double()
        return _each(lambda n, p: _binomial(unit, kind(n), kind(p)), d, *np.broadcast_arrays(count, prob))


def standard_gamma(generator: Generator, alpha: Array) -> Array:
    """Samples of the gamma distribution of shape `alpha` and rate 1, in the shape and dtype (float32 or float64) of `alpha`."""
    d = dtype_of(alpha.dtype)
    _require_single_or_double("gamma_cpu", d)
    kind: Any = d.np.type
    with generator.lock, quiet():
        unit = generator.each_double()
        samples = _each(lambda a: _gamma(generator, unit, kind(a)), d, alpha)
    return np.maximum(samples, np.finfo(d.np).tiny)


def dirichlet(generator: Generator, alpha: Array) -> Array:
    """Samples of the Dirichlet distribution, along the last dimension of `alpha` (float32 or float64)."""
    d = dtype_of(alpha.dtype)
    _require_single_or_double("dirichlet", d)
    with generator.lock, quiet():
        unit = generator.each_double()
        samples = _each(lambda a: _gamma(generator, unit, np.float64(a)), float64, alpha)
    # No sample is 0: where all of a row underflowed, they share it.
    samples = np.maximum(samples, np.finfo(np.float64).tiny)
    total = samples.sum(-1, keepdims=True) if samples.ndim else samples
    limits: Any = np.finfo(d.np)
    return np.clip(cast(samples / total, d), limits.tiny, 1 - limits.epsneg)


def _require_single_or_double(kernel: str, d: dtype) -> None:
    if d is not float32 and d is not float64:
        raise no_kernel(kernel, d)


def _each(sample: Callable[..., float], d: dtype, *parameters: Array) -> Array:
    """`sample` of every element of the parameters, which are of one shape, in the order of their indices."""
    values = map(sample, *(p.reshape(-1).tolist() for p in parameters))
    shape = parameters[0].shape
    return cast(np.fromiter(values, np.float64, math.prod(shape)), d).reshape(shape)


def _poisson(unit: Iterator[float], mean: float) -> float:
    if not mean >= 0:
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    if mean >= 10:
        return _poisson_many(unit, mean)
    if mean == 0:
        return 0
    bound = math.exp(-mean)
    product, arrivals = next(unit), 0
    while product > bound:
        arrivals += 1
        product *= next(unit)
    return arrivals


def _poisson_many(unit: Iterator[float], mean: float) -> float:
    """Hörmann's PTRS."""
    log_mean = math.log(mean)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    log_inverse_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = next(unit) - 0.5
        v = next(unit)
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + log_inverse_alpha - math.log(a / (us * us) + b) <= -mean + k * log_mean - math.lgamma(k + 1):
            return k


def _binomial(unit: Iterator[float], n: Any, p: Any) -> float:
    """`n` and `p` are NumPy scalars of the dtype of the parameters, and so are the first results made of them."""
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return float(n)
    if p != p or not n < math.inf:
        return math.nan
    if p > 0.5:
        return float(n) - _binomial_rare(unit, n, 1 - p)
    return _binomial_rare(unit, n, p)


def _binomial_rare(unit: Iterator[float], n: Any, p: Any) -> float:
    if n * p >= 10:
        return _binomial_many(unit, n, p)
    log_failure = math.log1p(-float(p))
    trials, successes = 0, 0
    while True:  # the gaps between successes are geometric
        trials += math.ceil(math.log(next(unit)) / log_failure)
        if trials > n:
            return successes
        successes += 1


def _binomial_many(unit: Iterator[float], n: Any, p: Any) -> float:
    """Hörmann's BTRS."""
    spread = math.sqrt(n * p * (1 - p))
    odds = float(p / (1 - p))
    mode = math.floor((n + 1) * p)
    centre = float(n * p) + 0.5
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * float(p)
    v_r = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * spread
    total = float(n)
    while True:
        u = next(unit) - 0.5
        v = next(unit)
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + centre)
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or k > total:
            continue
        bound = (mode + 0.5) * math.log((mode + 1) / (odds * (total - mode + 1)))
        bound += (total + 1) * math.log((total - mode + 1) / (total - k + 1))
        bound += (k + 0.5) * math.log(odds * (total - k + 1) / (k + 1))
        bound += _stirling_tail(mode) + _stirling_tail(total - mode) - _stirling_tail(k) - _stirling_tail(total - k)
        if math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


def _stirling_tail(k: float) -> float:
    """What Stirling's formula lacks of log(k!)."""
    if k <= 9:
        return math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi))
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def _gamma(generator: Generator, unit: Iterator[float], alpha: Any) -> float:
    """Marsaglia and Tsang's method. `alpha` is a NumPy scalar of the dtype in which it is lowered or raised."""
    scale = 1.0
    if alpha < 1:
        if alpha == 0:
            return 0.0
        scale = math.pow(1 - next(unit), 1 / alpha)
        alpha += 1
    d = float(alpha - _THIRD)
    c = 1 / math.sqrt(9 * d)
    while True:
        x = _normal(generator, unit)
        y = 1 + c * x
        while y <= 0:
            x = _normal(generator, unit)
            y = 1 + c * x
        v = y * y * y
        u = 1 - next(unit)
        square = x * x
        if u < 1 - _SQUEEZE * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1 - v + math.log(v)):
            return scale * d * v


def _normal(generator: Generator, unit: Iterator[float]) -> float:
    z = generator.next_normal
    if z is not None:
        generator.next_normal = None
        return z
    z, generator.next_normal = normal_pair(next(unit), next(unit))
    return z
