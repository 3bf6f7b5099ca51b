"""What a kernel depends on of the values that it is called with."""

from __future__ import annotations

from collections.abc import Sequence
from math import copysign
from typing import Any

import numpy as np
from numpy import ndarray

from ...core.op import Op
from .sketch import Sketch

FLOATS: frozenset[Any] = frozenset({np.dtype("f4"), np.dtype("f8")})
_CODES: dict[Any, str] = {d: d.char for d in (*FLOATS, np.dtype(bool))}  # a dtype takes longer to look up than its letter
_PLAIN = frozenset({int, bool, str, type(None), np.dtype})


class Leave(Exception):
    """The call is one for NumPy."""


class Arguments:
    """The values of one call: a hashable ``key`` of all but shapes and numbers in arrays, the ``arrays``, and their ``shapes``.

    Contiguous arrays are inputs as they are; one whose elements are all the same element (a cotangent that a sum has spread) is an input
    of shape (), and so is a 0-d value, which has no place in ``shapes``.  Everything else belongs to the key, with its value.
    """

    __slots__ = ("arrays", "key", "plain", "shapes")

    def __init__(self) -> None:
        self.key: list[Any] = []
        self.arrays: list[Any] = []
        self.shapes: list[tuple[int, ...]] = []
        self.plain = True  # nothing in the key is a shape

    def alike(self) -> bool:
        """Whether all arrays have one shape, which nothing else depends on."""
        return self.plain and self.shapes.count(self.shapes[0]) == len(self.shapes)

    def add(self, value: Any) -> None:
        """Take up one value; raises Leave."""
        kind = type(value)
        if kind is ndarray:
            code = _CODES.get(value.dtype)
            if code is None:
                raise Leave
            shape = value.shape
            if not shape:
                self.key += ("number", code)
            elif value.flags.c_contiguous:
                self.key += ("array", code)
                self.shapes.append(shape)
            elif not any(value.strides) and value.size:
                self.key += ("spread", code)
                self.shapes.append(shape)
                value = np.asarray(value[(0,) * value.ndim])
            else:
                raise Leave
            self.arrays.append(value)
        elif kind is np.float32 or kind is np.float64:
            self.key += ("number", value.dtype.char)
            self.arrays.append(np.asarray(value))
        elif kind is float:
            self.key += (float, value, copysign(1.0, value))
        elif kind is tuple or kind is list:
            self.plain = False
            if {*map(type, value)} == {int}:  # a shape, or dimensions
                self.key.append(tuple(value))
            else:
                self.add_all(value)
        elif kind in _PLAIN:
            self.key += (kind, value)
        else:
            raise Leave

    def add_all(self, values: Sequence[Any]) -> None:
        self.key += (tuple, len(values))
        for v in values:
            self.add(v)

    def add_keywords(self, kw: dict[str, Any]) -> None:
        for name, value in kw.items():
            if isinstance(value, (ndarray, np.generic)):
                raise Leave
            self.key.append(name)
            self.add(value)


def plain_key(op: Op, values: Sequence[Any], kw: dict[str, Any]) -> Any:
    """What tells a call with contiguous arrays of one dtype (and None) from others in a third of the time; None for other values.

    Keywords that are equal, such as 1 and True, mean the same to an operation.
    """
    dtype = getattr(values[0], "dtype", None)
    shapes: list[Any] = []
    for v in values:
        if type(v) is ndarray:
            if v.dtype is not dtype or not v.flags.c_contiguous:
                return None
            shapes.append(v.shape)
        elif v is None:
            shapes.append(None)
        else:
            return None
    if op.kind == "elementwise" and not kw and shapes.count(shapes[0]) == len(shapes):
        return (op, dtype)
    return (op, dtype, *shapes, *kw.items())


def stand_in(sketch: Sketch, value: Any, shape: tuple[int, ...] | None = None) -> Any:
    """A value as the tracing sees it: a tensor that stands for an input (of ``shape`` instead of its own), or itself."""
    if isinstance(value, ndarray) and value.ndim:
        own = value.shape if shape is None else shape
        return sketch.given(own, value.dtype) if value.flags.c_contiguous else sketch.given((), value.dtype).expand(own)
    if isinstance(value, (ndarray, np.generic)):
        return sketch.given((), value.dtype)
    return tuple(stand_ins(sketch, value, shape)) if type(value) is tuple else value


def stand_ins(sketch: Sketch, values: Sequence[Any], shape: tuple[int, ...] | None = None) -> list[Any]:
    return [stand_in(sketch, v, shape) for v in values]
