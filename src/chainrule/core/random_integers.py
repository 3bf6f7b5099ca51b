"""Random integers and permutations, as PyTorch's CPU kernels draw them. See `sampling` for the shape of these functions."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtype import BOOL, FLOAT, FLOAT8, bfloat16, dtype, float16, float32, float64, int64, uint64
from .info import iinfo
from .sampling import DIGITS, cast, filled, largest, no_kernel, takes_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .generator import Generator
    from .sampling import Array, Shape

_WIDE_SPAN = 2**28  # from here on a sample takes 64 bits instead of 32
_C_NAMES = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t"}
_LOOPED = 512  # a permutation that is shorter is swapped together in a loop


def random(generator: Generator, shape: Shape, d: dtype) -> Array:
    """The integers from 0 to the greatest that `d` holds with all before it, equally likely: `random_()`.

    NotImplementedError for the dtypes for which PyTorch has none.
    """
    if not takes_bits(d):
        raise no_kernel("random_kernel_cpu", d)
    return _drawn(generator, shape, d, 0, _exact_up_to(d) + 1, wide=d in (int64, float64))


def random_from(generator: Generator, shape: Shape, d: dtype, low: int) -> Array:
    """The integers from `low` to the greatest that `d` holds with all before it: `random_(low, None)`.

    RuntimeError or NotImplementedError if `d` does not hold `low`.
    """
    if low == -(2**63):
        return _any_64_bits(generator, shape, d)
    if d.is_complex:
        raise RuntimeError("random_from_to_impl handles only integral, floating-point and boolean types")
    if d in FLOAT8:
        raise no_kernel("random_from_to_range_calc", d)
    greatest = _exact_up_to(d)
    _check_limits(d, low, greatest)
    if d.category == FLOAT:
        low = _reachable(d, low, 1)
        if low > greatest:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got"
                f" from={low} > to_inc={greatest}"
            )
        _warn_of_gaps(d, low, greatest)
    return _drawn(generator, shape, d, low, greatest - low + 1)


def randint(generator: Generator, shape: Shape, d: dtype, low: int, high: int) -> Array:
    """The integers of [low, high), equally likely, in any real dtype: `random_(low, high)`, `randint`.

    RuntimeError if the interval is empty or not within `d`; a UserWarning where a floating-point `d` skips some of it.
    """
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if d in FLOAT8:
        raise no_kernel("random_update_from_to", d)
    if d.is_complex:
        raise RuntimeError("check_random_bounds handles only integral, floating-point and boolean types")
    _check_limits(d, low, high - 1)
    if d.category == FLOAT:
        low, high = _reachable(d, low, 1), _reachable(d, high, -1)
        if low >= high:
            raise RuntimeError(
                f"random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from={low} >= to={high}"
            )
        _warn_of_gaps(d, low, high - 1)
    return _drawn(generator, shape, d, low, high - low)


@cache
def _limits(d: dtype) -> tuple[float, float]:
    if d.category == FLOAT:
        return -largest(d), largest(d)
    if d.category == BOOL:
        return 0, 1
    # An upper bound is an int64 where PyTorch compares it.
    return iinfo(d).min, iinfo(d).max if d is not uint64 else 2**63 - 1


def _check_limits(d: dtype, low: int, last: int) -> None:
    least, greatest = _limits(d)
    if not least <= low <= greatest:
        raise RuntimeError(f"from is out of bounds for {d.cpp_name}")
    if not least <= last <= greatest:
        raise RuntimeError(f"to - 1 is out of bounds for {d.cpp_name}")


def _exact_up_to(d: dtype) -> int:
    """The integer up to which `d` holds every one."""
    if d.category == FLOAT:
        return 1 << DIGITS[d]
    return 1 if d.category == BOOL else iinfo(d).max


def _reachable(d: dtype, bound: int, inwards: int) -> int:
    """The bound of an interval; or, if its neighbour inside rounds past it in `d`, the number of `d` next to that."""
    inside = bound + inwards
    rounded = (int(cast(np.array(inside), d)) + 2**63) % 2**64 - 2**63  # 2**63 is no int64: it wraps
    if rounded < bound if inwards > 0 else rounded >= bound:
        return rounded + inwards * (1 << (abs(inside).bit_length() - DIGITS[d]))
    return bound


def _warn_of_gaps(d: dtype, low: int, last: int) -> None:
    digits = DIGITS[d]
    for name, bound in (("from", low), ("to - 1", last)):
        if not -(1 << digits) <= bound <= 1 << digits:
            warnings.warn(
                f"{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations {d.cpp_name} can support discrete"
                " uniform distribution only within this range. This warning will become an error in version 1.7 release, please fix"
                " the code in advance",
                UserWarning,
                stacklevel=4,
            )


def _drawn(generator: Generator, shape: Shape, d: dtype, low: int, span: int, wide: bool | None = None) -> Array:
    """`low` plus a word, or a pair of words, modulo `span`."""
    if wide is None:
        wide = span >= _WIDE_SPAN
    with generator.lock:
        if not wide:
            offset, divisor = np.int64(low), np.uint32(span)
            return filled(generator.words, shape, d, lambda w: _modulo(w.astype(np.uint32), divisor).astype(np.int64) + offset)
        shift, large = np.uint64(low % 2**64), np.uint64(span)
        return filled(generator.word_pairs, shape, d, lambda w: (_modulo(w, large) + shift).view(np.int64))


def _modulo(words: Array, divisor: Any) -> Array:
    """`words % divisor`; NumPy vectorises the division by one number, not the remainder."""
    quotient = words // divisor
    quotient *= divisor
    rest: Array = words - quotient
    return rest


def _any_64_bits(generator: Generator, shape: Shape, d: dtype) -> Array:
    if d not in (int64, float64, float32, bfloat16):
        if d.name in _C_NAMES:
            raise RuntimeError("random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16")
        raise no_kernel("random_full_64_bits_range_kernel_cpu", d)
    with generator.lock:
        return filled(generator.word_pairs, shape, d, lambda w: w.view(np.int64))


def randperm(generator: Generator, n: int, d: dtype = int64) -> Array:
    """The integers from 0 to n - 1 in random order. RuntimeError if `n` is negative or `d` does not hold them.

    PyTorch's permutation up to its 2**32 / 20 elements, from where on it shuffles in another way.
    """
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    _check_permutation(n, d)
    with generator.lock:
        words = generator.words(max(n - 1, 0))
    steps = np.arange(n)
    goals = steps.copy()
    goals[:-1] += _remainders(words, n)
    shuffled = _swapped(goals) if n < _LOOPED else _swapped_at_once(steps, goals)
    return cast(shuffled, d)


def _check_permutation(n: int, d: dtype) -> None:
    if d.name in _C_NAMES:
        if n - 1 > iinfo(d).max:
            raise RuntimeError(f"value cannot be converted to type {_C_NAMES[d.name]} without overflow")
    elif d not in DIGITS:
        raise no_kernel("randperm", d)
    elif d is not bfloat16 and n > _exact_up_to(d) + 1:
        limit = "2049" if d is float16 else f"2^{DIGITS[d]}+1"
        raise RuntimeError(f"n cannot be greater than {limit} for {d.scalar_name} type.")


def _remainders(words: Array, n: int) -> NDArray[np.int64]:
    """How many places ahead each step's partner is: of the n at step 0, one of n - 1 at step 1, and so on."""
    left: Array = np.arange(n, 1, -1, dtype=np.uint32)
    return (words.astype(np.uint32) % left).astype(np.int64)


def _swapped(goals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fisher and Yates's shuffle: for each i in turn, swap the elements at i and at goals[i], which is not before i."""
    order = list(range(len(goals)))
    for i, goal in enumerate(goals.tolist()):
        order[i], order[goal] = order[goal], order[i]
    return np.array(order, np.int64)


def _swapped_at_once(steps: NDArray[np.int64], goals: NDArray[np.int64]) -> NDArray[np.int64]:
    """What `_swapped` gives, without a loop over the elements.

    Step i takes what is at goals[i] to its place i, and leaves there what was at i. So the element at goals[i] is the one
    that was at m, for the last step m before i with the same goal; with no such step it is goals[i] itself. And what was
    at m is, likewise, what was at k for the last step k before m whose goal was m, and so on back.
    """
    by_goal = np.sort(goals << 32 | steps)
    again = np.flatnonzero(by_goal[1:] >> 32 == by_goal[:-1] >> 32)
    by_goal &= 0xFFFFFFFF
    ahead = goals != steps
    before = steps.copy()
    before[goals[ahead]] = steps[ahead]  # of the steps that share a goal, the last stays
    element = by_goal[again]
    moved = np.arange(len(element))
    while len(moved):
        here = element[moved]
        there = before[here]
        element[moved] = there
        moved = moved[there != here]
    shuffled = goals.copy()
    shuffled[by_goal[again + 1]] = element
    return shuffled
