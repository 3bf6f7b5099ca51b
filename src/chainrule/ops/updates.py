"""The in-place methods that training loops live on (``mul_``, ``add_`` …), written straight into memory where that is all.

The general in-place method computes a result, checks it, copies it and looks after histories.  Where nothing is recorded
and a float array takes a number or an array of its own dtype, NumPy's ``out=`` is the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy import ndarray

from ..core.apply import FLOATS
from ..core.floating_flags import IGNORE, enter, leave
from ..core.inplace import inplace_of
from ..core.modes import MODES
from ..core.mutation import written
from ..core.tensor import Tensor


def update_of(function: Callable[..., Any], name: str, ufunc: Any) -> Callable[..., Tensor]:
    """The method ``name`` that writes ``ufunc(self, other)`` over ``self``; ``function`` is what it means in general.

    A keyword ``alpha`` multiplies ``other``.
    """
    general = inplace_of(function, name)

    def method(self: Tensor, other: Any, **kw: Any) -> Tensor:
        v = self._value
        if type(v) is ndarray and v.dtype in FLOATS and not self._flags and (not MODES.grad or (self._gn is None and self._base is None)):
            kind = type(other)
            if kind is float or kind is int:
                w = other
            elif isinstance(other, Tensor) and (other._gn is None or not MODES.grad) and other._value.dtype is v.dtype:
                w = other._value
            else:
                return general(self, other, **kw)
            if kw:
                alpha = kw.get("alpha")
                if type(alpha) is not float or len(kw) != 1:
                    return general(self, other, **kw)
                w = w * alpha
            if v.flags.writeable and 0 not in v.strides:
                token = enter(IGNORE)
                try:
                    ufunc(v, w, out=v)
                except ValueError:  # shapes: the general method says so in PyTorch's words
                    return general(self, other, **kw)
                finally:
                    leave(token)
                written(v, name)
                return self
        return general(self, other, **kw)

    method.__name__ = method.__qualname__ = name
    method.__wrapped__ = function  # type: ignore[attr-defined]
    return method
