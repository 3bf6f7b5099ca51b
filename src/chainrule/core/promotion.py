"""Type promotion: which dtype an operation on several operands computes in.

Operands fall into three priorities: tensors with dimensions, 0-d tensors, Python numbers. A lower priority changes the
result only if its category (bool < int < float < complex) is higher than that of all priorities above it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .dtype import (
    BOOL,
    COMPLEX,
    DTYPES,
    FLOAT,
    FLOAT8,
    INT,
    WIDE_UNSIGNED,
    as_dtype,
    bfloat16,
    bool_,
    defaults,
    dtype,
    float16,
    float32,
    int8,
    int16,
    int64,
    uint8,
)  # fmt: skip


class Unpromotable(dict[Any, dtype]):
    """The promotion table; a missing pair is one that PyTorch refuses."""

    def __missing__(self, pair: tuple[dtype, dtype]) -> dtype:
        a, b = pair
        kinds = "Float8 Types" if a in FLOAT8 or b in FLOAT8 else "uint16, uint32, uint64 types"
        raise RuntimeError(f"Promotion for {kinds} is not supported, attempted to promote {a.scalar_name} and {b.scalar_name}")


def _meet(a: dtype, b: dtype) -> dtype | None:
    """The promotion of two different dtypes where `a` has the lower or the same category; None where there is none."""
    if a in FLOAT8 or b in FLOAT8:
        return None
    if a in WIDE_UNSIGNED or b in WIDE_UNSIGNED:
        return b if b.category == FLOAT else None
    if b.category == COMPLEX:
        if a.category < FLOAT:
            return b
        return _join_floats(a.to_real(), b.to_real()).to_complex()
    if a.category != b.category:
        return b
    if a.category == FLOAT:
        return _join_floats(a, b)
    if {a, b} == {uint8, int8}:
        return int16
    return a if a.itemsize > b.itemsize else b


def _join_floats(a: dtype, b: dtype) -> dtype:
    if {a, b} == {float16, bfloat16}:
        return float32
    return a if a.itemsize >= b.itemsize else b


def _table() -> Unpromotable:
    table = Unpromotable()
    for a in DTYPES:
        table[a, a] = a
        for b in DTYPES:
            if a is not b:
                low, high = (a, b) if a.category <= b.category else (b, a)
                joined = _meet(low, high)
                if joined is not None:
                    table[a, b] = joined
    return table


PROMOTE = _table()


def promote_types(type1: Any, type2: Any) -> dtype:
    """The smallest dtype that neither operand's dtype is bigger than or of a higher category.

    >>> import chainrule as torch
    >>> torch.promote_types(torch.int32, torch.float16)
    torch.float16
    """
    return PROMOTE[as_dtype(type1, "promote_types", "type1", 1), as_dtype(type2, "promote_types", "type2", 2)]


def scalar_dtype(value: Any) -> dtype:
    """The dtype of a Python number (or of a NumPy scalar, which counts as the Python number it is closest to)."""
    kind = scalar_category(value)
    return bool_ if kind == BOOL else int64 if kind == INT else defaults.floating if kind == FLOAT else defaults.complex


def scalar_category(value: Any) -> int:
    """BOOL, INT, FLOAT or COMPLEX for a Python or NumPy scalar; TypeError for anything else."""
    kind = type(value)
    if kind in _CATEGORIES:
        return _CATEGORIES[kind]
    return type_category(kind)


_CATEGORIES: dict[type, int] = {bool: BOOL, int: INT, float: FLOAT, complex: COMPLEX}


def type_category(kind: type) -> int:
    """The category of the values of a Python or NumPy scalar type; TypeError for any other type."""
    for abstract, category in ((bool, BOOL), (np.bool_, BOOL), (int, INT), (np.integer, INT), (float, FLOAT), (np.floating, FLOAT),
                               (complex, COMPLEX), (np.complexfloating, COMPLEX)):  # fmt: skip
        if issubclass(kind, abstract):
            _CATEGORIES[kind] = category
            return category
    raise TypeError(f"expected a number, but got {kind.__name__}")


def combine(higher: dtype, lower: dtype) -> dtype:
    """The result of two priorities of operands (tensors over 0-d tensors over Python numbers).

    >>> from chainrule.core.dtype import float32, float64, int8
    >>> combine(float32, float64), combine(int8, float64)
    (torch.float32, torch.float64)
    """
    if higher.category == COMPLEX:
        return higher
    if higher.category == FLOAT:
        return higher.to_complex() if lower.category == COMPLEX else higher
    if lower.category == COMPLEX:
        return lower
    if higher.category == BOOL or lower.category == FLOAT:
        return PROMOTE[higher, lower]
    return higher


def scalar_result(tensor: dtype, category: int) -> dtype:
    """The result dtype of one tensor, of any number of dimensions, with a Python number of this category."""
    if category <= tensor.category:
        return tensor
    if category == INT:
        return int64
    return combine(tensor, defaults.floating if category == FLOAT else defaults.complex)


def result_dtype(items: Iterable[Any]) -> dtype:
    """The result dtype of operands: `(dtype, is_zero_dim)` for a tensor, the type of a Python number (`float`) for a number.

    >>> from chainrule.core.dtype import int32, float64
    >>> result_dtype([(int32, False), (float64, True), int])
    torch.float64
    """
    dimensioned: dtype | None = None
    zero_dim: dtype | None = None
    number: dtype | None = None
    for item in items:
        if type(item) is tuple:
            found, is_zero_dim = item
            if is_zero_dim:
                zero_dim = found if zero_dim is None else PROMOTE[zero_dim, found]
            else:
                dimensioned = found if dimensioned is None else PROMOTE[dimensioned, found]
        else:
            category = _CATEGORIES[item] if item in _CATEGORIES else type_category(item)
            found = (
                bool_ if category == BOOL else int64 if category == INT else defaults.floating if category == FLOAT else defaults.complex
            )
            number = found if number is None else PROMOTE[number, found]
    result: dtype | None = None
    for priority in (dimensioned, zero_dim, number):
        if priority is not None:
            result = priority if result is None else combine(result, priority)
    if result is None:
        raise ValueError("result_dtype needs at least one operand")
    return result


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a value of dtype `from_` may be written into a tensor of dtype `to` (never down a category, except to bool).

    >>> import chainrule as torch
    >>> torch.can_cast(torch.float64, torch.float32), torch.can_cast(torch.float32, torch.int32)
    (True, False)
    """
    return castable(as_dtype(from_, "can_cast", "from_", 1), as_dtype(to, "can_cast", "to", 2))


def castable(source: dtype, target: dtype) -> bool:
    """`can_cast` for two dtypes that need no check: what decides whether an in-place result fits its tensor."""
    return source.category <= target.category
