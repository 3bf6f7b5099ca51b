"""Random arrays by formula: a uniform number in, a sample out, bit by bit as PyTorch's CPU kernels draw them.

Every function takes the generator, a shape (or an array of parameters) and a dtype, and returns a new C-ordered array.
PyTorch fills a tensor in the order of its memory, so the caller who has a transposed tensor to fill draws the shape in
memory and transposes the result. Samples that take a varying number of draws are in `rejection`.

Where PyTorch's kernels multiply and add in one rounding, so does this module (`_fused`); bfloat16 and float16 are computed
in float32 and then rounded. Everything is equal to PyTorch's but for the last ulps of NumPy's log, sin and cos.

One function has two forms in PyTorch: on Intel's processors its x86 builds take `bernoulli_` with one probability for all
(dropout, hence) from the Math Kernel Library; on all others, and here, it comes from the generator's own numbers.
"""

from __future__ import annotations

import math
from functools import cache
from math import cos, log1p, sin, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtype import FLOAT8, INT, WIDE_UNSIGNED, bfloat16, dtype, float16, float32, float64
from .dtype import of as dtype_of
from .floating_flags import quiet
from .info import finfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .generator import Generator

    Array = NDArray[Any]
    Doubles = NDArray[np.float64]
    Shape = tuple[int, ...]

# Samples are made in pieces that stay in the cache. A multiple of 16: the blocks of `normal` must not straddle pieces.
_PIECE = 4096
DIGITS = {bfloat16: 8, float16: 11, float32: 24, float64: 53}  # of the significand
_TAU = 2.0 * math.pi
_TAU32 = np.float32(_TAU)


def no_kernel(kernel: str, d: dtype) -> NotImplementedError:
    return NotImplementedError(f"\"{kernel}\" not implemented for '{d.scalar_name}'")


def cast(values: Array, d: dtype) -> Array:
    """`values` as elements of `d`; the 16-bit ones by way of float32."""
    if values.dtype == d.np:
        return values
    with quiet():
        if d.itemsize == 2 and d.is_floating_point:
            values = values.astype(np.float32, copy=False)
        return values.astype(d.np)


@cache
def largest(d: dtype) -> float:
    """The greatest number of a floating-point dtype."""
    return finfo(d).max


def filled(draw: Callable[[int], Array], shape: Shape, d: dtype, formula: Callable[[Any], Array]) -> Array:
    """An array of `d`, piece by piece what `formula` makes, as a new array, of what `draw` gives for a count."""
    count = math.prod(shape)
    if count <= _PIECE:
        return cast(formula(draw(count)), d).reshape(shape)
    out = np.empty(count, d.np)
    for start in range(0, count, _PIECE):
        piece = out[start : start + _PIECE]
        piece[...] = cast(formula(draw(len(piece))), d)
    return out.reshape(shape)


def _complex(parts: Array, d: dtype) -> Array:
    whole: Array = parts.view(d.np)[..., 0]
    return whole


def _fused(x: Any, scale: float, shift: float) -> Any:
    """`x * scale + shift` rounded once, for float64 arrays and for floats (Dekker's product, Knuth's sum)."""
    if not (abs(scale) < 1e290 and abs(shift) < 1e290):
        return x * scale + shift
    product = x * scale
    x_high = x * 134217729.0
    x_high -= x_high - x
    x_low = x - x_high
    scale_high = scale * 134217729.0
    scale_high -= scale_high - scale
    scale_low = scale - scale_high
    lost = ((x_high * scale_high - product) + x_high * scale_low + x_low * scale_high) + x_low * scale_low
    total = product + shift
    added = total - product
    lost += (product - (total - added)) + (shift - added)
    return total + lost


# Uniform numbers


def uniform(generator: Generator, shape: Shape, d: dtype, low: float = 0.0, high: float = 1.0) -> Array:
    """Samples of U[low, high) in a floating-point or complex dtype (both parts drawn).

    RuntimeError for bounds that are out of order or of range, NotImplementedError for other dtypes.
    """
    if d.is_complex:
        return _complex(uniform(generator, (*shape, 2), d.to_real(), low, high), d)
    if low != 0.0 or high != 1.0 or d not in DIGITS:
        _check_bounds(d, low, high)
    with generator.lock:
        if d is float64:
            return filled(generator.doubles, shape, d, lambda u: _stretched64(u, low, high))
        return filled(generator.floats, shape, d, lambda u: _stretched32(u, d, low, high))


def _check_bounds(d: dtype, low: float, high: float) -> None:
    if d not in DIGITS:
        raise no_kernel("check_uniform_bounds", d)
    limit = largest(d)
    for name, bound in (("from", low), ("to", high)):
        if not -limit <= bound <= limit:
            raise RuntimeError(f"{name} is out of bounds for {d.cpp_name}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{d.scalar_name}>::max(), but found to={high:g} and from={low:g} which"
            " result in to-from to exceed the limit"
        )


def _stretched64(unit: Doubles, low: float, high: float) -> Array:
    if low == 0.0 and high == 1.0:
        return unit.copy()
    return _without_high(_fused(unit, high - low, low), low, high)


def _stretched32(unit: NDArray[np.float32], d: dtype, low: float, high: float) -> Array:
    if low == 0.0 and high == 1.0:
        values: Array = unit.copy()
    else:
        # A product of two float32 is exact in float64, so this rounds once.
        low32, high32 = np.float32(low), np.float32(high)
        values = (unit * np.float64(high32 - low32) + np.float64(low32)).astype(np.float32)
    if d is float32:
        return values if high == 1.0 and low == 0.0 else _without_high(values, low32, high32)
    return _without_high(cast(values, d), cast(np.array(low), d)[()], cast(np.array(high), d)[()])


def _without_high(values: Array, low: Any, high: Any) -> Array:
    """Rounding can reach `high`, which the interval excludes: such a sample becomes `low`."""
    reached = values == high
    if reached.any():
        values[reached] = low
    return values


# Normal numbers


def normal(generator: Generator, shape: Shape, d: dtype, mean: float = 0.0, std: float = 1.0, contiguous: bool = True) -> Array:
    """Samples of N(mean, std²) in a floating-point or complex dtype (both parts drawn, with std/√2).

    `contiguous` says whether the tensor to be filled is, for the others are drawn in another way. RuntimeError if `std` is
    negative, NotImplementedError for other dtypes.
    """
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    if d.is_complex:
        return _complex(normal(generator, (*shape, 2), d.to_real(), mean, std / math.sqrt(2.0), contiguous), d)
    count = math.prod(shape)
    if count == 0:
        return np.empty(shape, d.np)
    if d not in DIGITS:
        raise no_kernel("normal_kernel_cpu", d)
    with generator.lock:
        if count < 16 or not contiguous:
            return filled(lambda n: normal_doubles(generator, n), shape, d, lambda z: _scaled64(z, mean, std))
        return _in_blocks(generator, count, d, mean, std).reshape(shape)


def normal_of(generator: Generator, mean: Array | float, std: Array | float, d: dtype) -> Array:
    """Samples of N(mean, std²) of parameters of which at least one is an array; they broadcast. `d` is the dtype of the result.

    RuntimeError if a `std` is negative or complex.
    """
    shape = np.broadcast_shapes(np.shape(mean), np.shape(std))
    if not isinstance(std, np.ndarray):
        return normal(generator, shape, d, 0.0, std) + cast(np.asarray(mean), d)
    if std.dtype.kind == "c":
        raise RuntimeError("normal expects standard deviation to be non-complex")
    if std.size and not (std >= 0).all():
        raise RuntimeError("normal expects all elements of std >= 0.0")
    return normal(generator, shape, d) * cast(std, d.to_real()) + cast(np.asarray(mean), d)


def normal_pair(u: float, v: float) -> tuple[float, float]:
    """Two independent samples of N(0, 1) from two of U[0, 1) (Box and Muller)."""
    theta = _TAU * u
    radius = sqrt(-2.0 * log1p(-v))
    return radius * cos(theta), radius * sin(theta)


def normal_doubles(generator: Generator, count: int) -> Doubles:
    """`count` float64 samples of N(0, 1), made in pairs; an odd one's partner waits in the generator for the next call."""
    z = np.empty(count + 2)
    start = 0
    if generator.next_normal is not None and count:
        z[0] = generator.next_normal
        generator.next_normal = None
        start = 1
    pairs = (count - start + 1) // 2
    end = start + 2 * pairs
    if pairs:
        unit = generator.doubles(2 * pairs)
        if pairs <= 8:  # cheaper one by one
            numbers = unit.tolist()
            z[start:end] = [half for pair in map(normal_pair, numbers[0::2], numbers[1::2]) for half in pair]
        else:
            theta = _TAU * unit[0::2]
            radius = np.sqrt(-2.0 * np.log1p(-unit[1::2]))
            np.multiply(radius, np.cos(theta), out=z[start:end:2])
            np.multiply(radius, np.sin(theta), out=z[start + 1 : end : 2])
        if end > count:
            generator.next_normal = float(z[count])
    return z[:count]


def _scaled64(z: Doubles, mean: float, std: float) -> Doubles:
    if mean == 0.0:
        return z if std == 1.0 else z * std
    scaled: Doubles = _fused(z, std, mean)
    return scaled


def _in_blocks(generator: Generator, count: int, d: dtype, mean: float, std: float) -> Array:
    """Sixteen at a time. A rest is drawn by a block of its own, which overwrites the last sixteen.

    In float32 and float64 the rest had been drawn before, as uniform numbers that nobody then needs.
    """
    draw = generator.doubles if d is float64 else generator.floats
    out = np.empty(count, d.np)
    full = count - count % _PIECE
    for start in range(0, full, _PIECE):
        out[start : start + _PIECE] = cast(_box_muller(draw(_PIECE), mean, std), d)
    rest = count % 16
    whole = count - full - rest
    if rest:
        unit = draw(whole + (rest if d.itemsize > 2 else 0) + 16)
        z = cast(_box_muller(np.concatenate((unit[:whole], unit[-16:])), mean, std), d)
        out[full : full + whole] = z[:whole]
        out[-16:] = z[-16:]
    elif whole:
        out[full:] = cast(_box_muller(draw(whole), mean, std), d)
    return out


def _box_muller(unit: Array, mean: float, std: float) -> Array:
    """Blocks of 16 uniform numbers, eight for the radius and eight for the angle, as eight cosines and eight sines."""
    blocks = unit.reshape(-1, 2, 8)
    single = unit.dtype == np.float32
    # The logarithm of float32 is taken in float64: rounded from there it agrees with PyTorch's more often than NumPy's.
    log = np.log(1 - blocks[:, 0], dtype=np.float64)
    radius = np.sqrt(log.astype(np.float32) * np.float32(-2) if single else log * -2.0)
    theta = blocks[:, 1] * (_TAU32 if single else _TAU)
    z = np.empty_like(blocks)
    np.multiply(radius, np.cos(theta), out=z[:, 0])
    np.multiply(radius, np.sin(theta), out=z[:, 1])
    flat = z.reshape(-1)
    if not single:
        return _scaled64(flat, mean, std)
    if mean == 0.0:
        if std != 1.0:
            flat *= np.float32(std)
        return flat
    with quiet():
        fused: Array = (flat * np.float64(np.float32(std)) + np.float64(np.float32(mean))).astype(np.float32)
    return fused


def log_normal(generator: Generator, shape: Shape, d: dtype, mean: float = 1.0, std: float = 2.0) -> Array:
    """Samples of exp(N(mean, std²)) in a floating-point dtype. RuntimeError unless `std` is positive."""
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    if d not in DIGITS:
        raise no_kernel("log_normal_cpu", d)
    with generator.lock, quiet():
        return filled(lambda n: normal_doubles(generator, n), shape, d, lambda z: np.exp(_scaled64(z, mean, std)))


# By the inverse of the distribution function


def exponential(generator: Generator, shape: Shape, d: dtype, rate: float = 1.0) -> Array:
    """Samples of the exponential distribution with density rate·exp(-rate·x). RuntimeError unless `rate` is positive."""
    if not rate > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
    if not d.is_floating_point:
        raise _continuous("Exponential", d.scalar_name)
    if d in FLOAT8:
        raise no_kernel("exponential_cpu", d)
    with generator.lock:
        return filled(generator.doubles, shape, d, lambda u: np.log1p(-u) * (-1.0 / rate))


def cauchy(generator: Generator, shape: Shape, d: dtype, median: float = 0.0, sigma: float = 1.0) -> Array:
    """Samples of the Cauchy distribution. RuntimeError unless `sigma` is positive and `d` floating-point."""
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    if not d.is_floating_point:
        raise _continuous("Cauchy", d.cpp_name)
    if d in FLOAT8:
        raise no_kernel("cauchy_cpu", d)
    with generator.lock, quiet():
        return filled(generator.doubles, shape, d, lambda u: _scaled64(np.tan(math.pi * (u - 0.5)), median, sigma))


def _continuous(name: str, given: str) -> RuntimeError:
    return RuntimeError(
        f"{name} distribution is a continuous probability distribution. dtype must be a floating point but you specified {given}"
    )


def geometric(generator: Generator, shape: Shape, d: dtype, p: float) -> Array:
    """How many trials of probability `p` until the first success. RuntimeError unless 0 < p < 1."""
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if d not in DIGITS and (d.category != INT or d in WIDE_UNSIGNED):
        raise no_kernel("geometric_cpu", d)
    failure = math.log1p(-p)
    with generator.lock, quiet():
        return filled(generator.doubles, shape, d, lambda u: np.ceil(np.log(u) / failure))


# Yes or no


def bernoulli(generator: Generator, shape: Shape, d: dtype, p: float = 0.5) -> Array:
    """Ones with probability `p`, zeros otherwise; with `bool` for `d`, the mask of a dropout that keeps with probability `p`.

    RuntimeError unless 0 <= p <= 1.
    """
    if not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    if not takes_bits(d):
        raise no_kernel("bernoulli_scalar_cpu_", d)
    with generator.lock:
        return filled(generator.doubles, shape, d, lambda u: np.less(u, p))


def bernoulli_of(generator: Generator, p: Array, d: dtype | None = None) -> Array:
    """Ones where `p`, a floating-point array, is the probability of it. `d` is the dtype of the result, by default that of `p`.

    RuntimeError unless all of `p` are in [0, 1].
    """
    given = dtype_of(p.dtype)
    target = given if d is None else d
    if not takes_bits(target):
        raise no_kernel("bernoulli_tensor_cpu_self_", target)
    if given not in DIGITS:
        raise no_kernel("bernoulli_tensor_cpu_p_", given)
    if not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, please"
            " report an enhancement request to PyTorch.)"
        )
    with generator.lock:
        unit = generator.doubles(p.size) if given is float64 else generator.floats(p.size)
    return cast(np.less(unit.reshape(p.shape), p if given is float64 else p.astype(np.float32)), target)


def takes_bits(d: dtype) -> bool:
    """Whether PyTorch fills tensors of `d` with zeros and ones, and with `random_()`."""
    return d in DIGITS or (d.category <= INT and d not in WIDE_UNSIGNED)


# Categories


def multinomial(generator: Generator, weights: Array, count: int, replacement: bool = False) -> NDArray[np.int64]:
    """`count` categories of each row of `weights` (a vector or a matrix of floats), drawn in proportion to the weights.

    RuntimeError for weights that are no distribution, and if `count` is too large or not positive. Without replacement,
    categories of weight 0, when they are needed, come in the order of their indices.
    """
    _check_multinomial(weights, count, replacement)
    with quiet():
        if replacement and count > 1:
            return _with_replacement(generator, weights, count)
        _check_weights(weights)
        race = _race(generator, weights)
        if count == 1:
            first: NDArray[np.int64] = race.argmax(-1, keepdims=True)
            return first
        finish: NDArray[np.int64] = np.argsort(-race, -1, kind="stable")[..., :count].copy()
    return finish


def _check_multinomial(weights: Array, count: int, replacement: bool) -> None:
    d = dtype_of(weights.dtype)
    if weights.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not d.is_floating_point:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {d.scalar_name}")
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and count > weights.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if weights.shape[-1] > 2**24:
        raise RuntimeError("number of categories cannot exceed 2^24")


def _check_weights(weights: Array) -> None:
    if not ((weights >= 0) & (weights < np.inf)).all():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (weights.sum(-1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def _race(generator: Generator, weights: Array) -> Array:
    """Weights over exponential times: the greatest is first at the finish, with the probability of its weight."""
    d = dtype_of(weights.dtype)
    if weights.ndim == 2 and weights.strides[0] < weights.strides[1]:  # drawn in the order of the memory
        times = exponential(generator, weights.shape[::-1], d).T
    else:
        times = exponential(generator, weights.shape, d)
    race: Array = weights / times
    return race


def _with_replacement(generator: Generator, weights: Array, count: int) -> NDArray[np.int64]:
    """Each draw is looked up in the running sums of the weights, which are float32 unless the weights are float64."""
    running: Array = np.cumsum(weights, -1, dtype=np.float64 if weights.dtype == np.float64 else np.float32)
    if not (weights >= 0).all():
        raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
    if not (weights < np.inf).all():
        raise RuntimeError("invalid multinomial distribution (encountering probability entry = infinity or NaN)")
    if weights.shape[-1] == 0 or not (running[..., -1] > 0).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    running /= running[..., -1:]
    running[..., -1] = 1.0
    rows = running.reshape(-1, running.shape[-1])
    out = np.empty((len(rows), count), np.int64)
    with generator.lock:
        for row, found in zip(rows, out):
            found[:] = np.searchsorted(row, generator.doubles(count))
    return out.reshape((*weights.shape[:-1], count))
