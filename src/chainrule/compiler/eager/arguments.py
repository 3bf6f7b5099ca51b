"""What a kernel depends on of the values that it is called with."""

from __future__ import annotations

from collections.abc import Sequence
from math import copysign
from typing import Any

import numpy as np
from numpy import ndarray

from .sketch import Sketch

FLOATS = frozenset({np.dtype("f4"), np.dtype("f8")})
_TAKEN = FLOATS | {np.dtype(bool)}
_PLAIN = frozenset({int, bool, str, type(None), np.dtype})


class Leave(Exception):
    """The call is one for NumPy."""


class Arguments:
    """The values of one call: a hashable ``key`` of all that is not numbers in arrays, and the ``arrays``.

    Contiguous arrays are inputs as they are; one whose elements are all the same element (a cotangent that a sum has spread) is an input
    of shape (), and so is a 0-d value.  Everything else belongs to the key, with its value.
    """

    __slots__ = ("arrays", "key", "shapes")

    def __init__(self) -> None:
        self.key: list[Any] = []
        self.arrays: list[Any] = []
        self.shapes: set[Any] = set()  # of the arrays that are not 0-d

    def add(self, value: Any) -> None:
        """Take up one value; raises Leave."""
        kind = type(value)
        if kind is ndarray:
            if value.dtype not in _TAKEN:
                raise Leave
            shape = value.shape
            if value.flags.c_contiguous:
                self.key += ("array", value.dtype, shape)
            elif not any(value.strides) and value.size:
                self.key += ("spread", value.dtype, shape)
                value = np.asarray(value[(0,) * value.ndim])
            else:
                raise Leave
            self.arrays.append(value)
            if shape:
                self.shapes.add(shape)
        elif kind is np.float32 or kind is np.float64:
            self.key += ("array", value.dtype, ())
            self.arrays.append(np.asarray(value))
        elif kind is float:
            self.key += (float, value, copysign(1.0, value))
        elif kind is tuple or kind is list:
            self.key += (tuple, len(value))
            for v in value:
                self.add(v)
        elif kind in _PLAIN:
            self.key += (kind, value)
        else:
            raise Leave

    def add_keywords(self, kw: dict[str, Any]) -> None:
        for name, value in kw.items():
            if isinstance(value, (ndarray, np.generic)):
                raise Leave
            self.key.append(name)
            self.add(value)


def stand_in(sketch: Sketch, value: Any) -> Any:
    """A value as the tracing sees it: a tensor that stands for an input, or itself."""
    if isinstance(value, ndarray):
        if value.flags.c_contiguous:
            return sketch.given(value.shape, value.dtype)
        return sketch.given((), value.dtype).expand(value.shape)
    if isinstance(value, np.generic):
        return sketch.given((), value.dtype)
    return tuple([stand_in(sketch, v) for v in value]) if type(value) is tuple else value


def stand_ins(sketch: Sketch, values: Sequence[Any]) -> list[Any]:
    return [stand_in(sketch, v) for v in values]
