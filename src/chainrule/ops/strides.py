"""Arrays that look at another array's memory with a shape and strides of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.mutation import root
from ..core.size import Shape, text


def storage(a: Any) -> Any:
    """The memory that ``a`` lies in, as an array whose elements follow each other."""
    owner = root(a)
    if owner.flags.c_contiguous:
        return owner
    return owner.transpose(sorted(range(owner.ndim), key=lambda d: -owner.strides[d]))


def offset(a: Any) -> int:
    """How many bytes after the beginning of its storage ``a`` starts."""
    start: int = a.__array_interface__["data"][0]
    return start - int(storage(a).__array_interface__["data"][0])


def restride(a: Any, shape: Shape, strides: Shape, start: int = 0) -> Any:
    """The memory of ``a`` from ``start`` bytes after its first element, with this shape and these strides in bytes.

    Unlike NumPy's ``as_strided`` it stays within the storage and keeps ``base``, by which writes find each other.
    """
    if a.base is None and a.flags.c_contiguous:
        memory, begin = a, start
    else:
        memory, begin = storage(a), offset(a) + start
    if 0 in shape:
        return np.ndarray(shape, a.dtype, memory, 0, strides) if memory.size else np.empty(shape, a.dtype)
    try:
        return np.ndarray(shape, a.dtype, memory, begin, strides)  # looks itself whether that stays within the memory
    except (TypeError, ValueError):
        pass
    last = begin + sum([(n - 1) * s for n, s in zip(shape, strides, strict=True)]) + a.itemsize
    size = a.itemsize
    counts = tuple([s // size for s in strides])
    raise RuntimeError(
        f"setStorage: sizes {text(shape)}, strides {text(counts)}, storage offset {begin // size}, and itemsize {size} requiring"
        f" a storage size of {last} are out of bounds for storage of size {memory.nbytes}"
    )
