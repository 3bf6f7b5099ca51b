"""``device='meta'``: tensors that have a shape and a dtype but no data.

Operations run on dummies whose every stride is 0, one element in memory whatever the shape, and keep what the result
looks like.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .floating_flags import IGNORE, enter, leave
from .tensor import Tensor, wrap
from .value import Value, interpreted


class Meta(Value):
    """A shape, a NumPy dtype and strides (in bytes)."""

    __slots__ = ("_dtype", "_shape", "strides")

    level = 0

    def __init__(self, shape: tuple[int, ...], numpy_dtype: Any, strides: tuple[int, ...] | None = None) -> None:
        self._shape = shape
        self._dtype = numpy_dtype
        self.strides = strides if strides is not None else row_major(shape, numpy_dtype.itemsize)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def numpy_dtype(self) -> Any:
        return self._dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        n = 1
        for length in self._shape:
            n *= length
        return n

    def dummy(self) -> Any:
        """An array of this shape and dtype over one element of memory."""
        return np.ndarray(self._shape, self._dtype, np.zeros((), self._dtype), 0, (0,) * len(self._shape))

    def interpret(self, op: Any, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        raws = [a._value if isinstance(a, Tensor) else a for a in args]
        if op.kind in ("elementwise", "multilinear"):
            for r in raws:
                if isinstance(r, np.ndarray) and r.ndim:
                    raise RuntimeError("Tensor on device cpu is not on the expected device meta!")
        if op.kind == "elementwise":
            return _elementwise(op, args, kw)
        if op.infer is not None:
            return interpreted(op.infer(*raws, **kw), wrap)
        token = enter(IGNORE)
        try:
            result = op.impl(*[r.dummy() if isinstance(r, Meta) else r for r in raws], **kw)
        finally:
            leave(token)
        return interpreted(result, meta_like)

    def concrete(self, what: str) -> Any:
        if what == "numpy":
            raise TypeError("can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.")
        if what == "tolist":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        raise RuntimeError("Tensor.item() cannot be called on meta tensors")


def row_major(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Strides in bytes of a contiguous array."""
    strides = [itemsize] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * max(shape[i + 1], 1)
    return tuple(strides)


def meta_like(value: Any) -> Tensor:
    """A meta tensor that looks like a raw value."""
    return wrap(Meta(value.shape, value.dtype))


def _elementwise(op: Any, args: tuple[Any, ...], kw: dict[str, Any]) -> Tensor:
    from .apply import elementwise

    stand_ins = [wrap(a._value.dummy()) if isinstance(a, Tensor) and isinstance(a._value, Meta) else a for a in args]
    return meta_like(elementwise(op, tuple(stand_ins), None, kw)._value)


__all__ = ["Meta", "meta_like"]
