"""Operations whose value is their argument's: they only give a recorded gradient the history that PyTorch's has."""

from __future__ import annotations

from typing import Any

import numpy as np

from .op import Op, level_of
from .tensor import Tensor, wrap_with
from .value import Value

_tie = Op(
    "tie", lambda g, x: g, kind="general", args="g x", vjp=[lambda g: g, lambda g, x_shape, x_dtype: np.zeros(x_shape, x_dtype)],
)  # fmt: skip
_copy = Op("copy_gradient", lambda g: g.copy(), kind="linear", args="g", vjp=[lambda g: g], node="CopyBackwards")


def tied(ct: Any, edge: Any) -> Any:
    """``ct``, whose derivative with respect to what ``edge`` leads to is 0, as a function of it all the same.

    So the second derivative of a piecewise linear function is a zero, not an error about an input that was not used.
    """
    if not isinstance(ct, Tensor) or level_of(ct):
        return ct
    return _tie(ct, edge if edge.is_leaf_edge else wrap_with(ct._value, edge))


def copied(ct: Tensor) -> Tensor:
    """What becomes a leaf's gradient where gradients are recorded."""
    if isinstance(ct._value, Value):
        return ct
    result: Tensor = _copy(ct)
    return result
