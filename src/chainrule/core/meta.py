"""``device='meta'``: tensors that have a shape and a dtype but no data.

Operations run on dummies whose every stride is 0, one element in memory whatever the shape, and keep what the result
looks like.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .floating_flags import IGNORE, enter, leave
from .size import broadcast_pair
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

    def strided(self) -> Any:
        """An array of this shape, dtype and strides: addresses that nobody touches, as far as the system gives them."""
        count = self._dtype.itemsize + sum([(n - 1) * s for n, s in zip(self._shape, self.strides, strict=True)])
        try:
            return np.ndarray(self._shape, self._dtype, np.empty(count if 0 not in self._shape else 0, np.uint8), 0, self.strides)
        except MemoryError:
            return self.dummy()

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
        view = op.kind == "view"
        token = enter(IGNORE)
        try:
            result = op.impl(*[(r.strided() if view else r.dummy()) if isinstance(r, Meta) else r for r in raws], **kw)
        finally:
            leave(token)
        return interpreted(result, _view_like if view else meta_like)

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


def like(value: Any, shape: tuple[int, ...] | None = None) -> Meta:
    """What has the dtype of a raw value, and its shape or another one."""
    return Meta(tuple(value.shape) if shape is None else shape, value.numpy_dtype if isinstance(value, Meta) else value.dtype)


def meta_like(value: Any) -> Tensor:
    """A meta tensor that looks like a raw value."""
    return wrap(like(value))


def _view_like(value: Any) -> Tensor:
    return wrap(Meta(value.shape, value.dtype, value.strides))


def _elementwise(op: Any, args: tuple[Any, ...], kw: dict[str, Any]) -> Tensor:
    """The dtype comes from running on one element each, the shape from broadcasting."""
    from .apply import elementwise

    shape: tuple[int, ...] = ()
    stand_ins = []
    for a in args:
        if isinstance(a, Tensor):
            shape = broadcast_pair(shape, tuple(a._value.shape))
            if isinstance(a._value, Meta):
                a = wrap(np.zeros((1,) * a._value.ndim, a._value.numpy_dtype))
        stand_ins.append(a)
    return wrap(Meta(shape, elementwise(op, tuple(stand_ins), None, kw)._value.dtype))


__all__ = ["Meta", "like", "meta_like"]
