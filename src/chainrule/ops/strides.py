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


class _Lent:
    """The bytes from an array's first element to its last, for NumPy to look at; keeps the array alive."""

    __slots__ = ("__array_interface__", "array")

    def __init__(self, array: Any) -> None:
        steps = zip(array.shape, array.strides, strict=True)
        count = sum([(n - 1) * s for n, s in steps]) + array.itemsize if array.size else 0
        start = array.__array_interface__["data"][0]
        self.array = array
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (count,), "data": (start, not array.flags.writeable)}


def lent(array: Any) -> Any:
    """A foreign array (strides not negative) as a value whose storage begins with its first element.

    A part of a larger array, or one with strides of its own, is a storage by itself in PyTorch.
    """
    owner = root(array)
    start = array.__array_interface__["data"][0]
    if owner.flags.c_contiguous and start == owner.__array_interface__["data"][0]:
        return array
    return np.ndarray(array.shape, array.dtype, np.asarray(_Lent(array)), 0, array.strides)


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
