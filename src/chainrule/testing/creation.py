"""Tensors of random values for tests.

Source of ranges and errors: https://docs.pytorch.org/docs/stable/testing.html#torch.testing.make_tensor
"""

from __future__ import annotations

import math
from typing import Any

from ..core.dtype import bool_, dtype
from ..core.info import finfo, iinfo
from ..core.tensor import Tensor
from ..ops.complex_parts import complex as complex_of
from ..ops.factories import empty
from ..ops.random import randint


def make_tensor(
    *shape: Any, dtype: dtype, device: Any = "cpu", low: float | None = None, high: float | None = None, requires_grad: bool = False,
    noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of this shape whose elements are drawn evenly from ``low`` to ``high`` (without it).

    Unless given, that is -9 to 9 for floating and complex dtypes (both parts), -9 to 10 for integers, 0 to 10 for uint8, 0 to 2 for bool.
    ``noncontiguous`` leaves a gap behind each element, ``exclude_zero`` puts the smallest positive normal number, or 1, where a zero
    would be.  Raises ValueError for an empty or impossible range and for ``requires_grad`` of integers.

    >>> import chainrule as torch
    >>> x = torch.testing.make_tensor(2, 3, dtype=torch.float32, low=0, high=1)
    >>> x.shape, bool((x >= 0).all()), bool((x < 1).all())
    (torch.Size([2, 3]), True, True)
    """
    whole = not (dtype.is_floating_point or dtype.is_complex)
    sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got"
            f" {noncontiguous=} and memory_format={memory_format!r}"
        )
    if requires_grad and whole:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    gaps = noncontiguous and math.prod(sizes) > 1
    if gaps:
        sizes = (*sizes[:-1], 2 * sizes[-1])
    result = _drawn(sizes, dtype, device, *_bounds(dtype, low, high))
    if gaps:
        result = result[..., ::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        tiny = 1 if whole else finfo(dtype).tiny
        result[result == 0] = complex(tiny, tiny) if dtype.is_complex else tiny
    return result.requires_grad_() if requires_grad else result  # type: ignore[no-any-return]


def _bounds(kind: dtype, low: float | None, high: float | None) -> tuple[float, float]:
    """From where to where, as far as the dtype goes."""
    floating = kind.is_floating_point or kind.is_complex
    if floating:
        least, most, usual = finfo(kind).min, finfo(kind).max, (-9.0, 9.0)
    elif kind is bool_:
        least, most, usual = 0, 2, (0, 2)
    else:
        least, most = iinfo(kind).min, iinfo(kind).max + (kind.name != "int64")
        usual = (max(least, -9), 10)
    low, high = usual[0] if low is None else low, usual[1] if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low > high or (low == high and not floating):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    if high < least or low >= most:
        raise ValueError(f"The value interval specified by `low` and `high` is [{low}, {high}), but {kind} only supports [{least}, {most})")
    low, high = [min(max(x, least), most) for x in (low, high)]
    return (low, high) if floating else (math.ceil(low), math.ceil(high))


def _drawn(sizes: Any, kind: dtype, device: Any, low: float, high: float) -> Any:
    if kind.is_complex:
        return complex_of(*[_drawn(sizes, kind.to_real(), device, low, high) for _ in range(2)])
    made: Any = empty(sizes, dtype=kind, device=device)
    return made.uniform_(low, high) if kind.is_floating_point else randint(int(low), int(high), sizes, dtype=kind, device=device)


__all__ = ["make_tensor"]
