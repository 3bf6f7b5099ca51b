"""``out=``: a result written into a tensor that the caller gives."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .mutation import written
from .tensor import Tensor


def write_out(out: Any, result: Any) -> Any:
    """Put ``result`` into ``out``, resized if need be; tuples element by element.

    Raises RuntimeError where gradient would be lost or the dtype cannot hold the result.
    """
    if isinstance(result, tuple):
        for o, r in zip(out, result, strict=True):
            write_out(o, r)
        return type(result)(out) if type(result) is tuple else type(result)(tuple(out))
    if out._gn is not None or result._gn is not None:
        raise RuntimeError("out=... arguments don't support automatic differentiation, but one of the arguments requires grad.")
    a, b = result.dtype, out.dtype
    if a is not b and a.category > b.category:
        raise RuntimeError(f"result type {a.scalar_name} can't be cast to the desired output type {b.scalar_name}")
    if tuple(out.shape) != tuple(result.shape):
        _resize(out, result)
    elif isinstance(out._value, np.ndarray):
        np.copyto(out._value, result._value, casting="unsafe")
        written(out._value, "out=")
    else:
        out._value = result._value.astype(out._value.dtype)
    return out


def _resize(out: Tensor, result: Tensor) -> None:
    if int(np.prod(out.shape)) != 0:
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not match the"
            f" required output shape {list(result.shape)}. This behavior is deprecated, and in a future PyTorch release outputs"
            " will not be resized unless they have zero elements. You can explicitly reuse an out tensor t by resizing it,"
            " inplace, to zero elements with t.resize_(0).",
            UserWarning,
            stacklevel=4,
        )
    out._value = np.array(result._value, dtype=out.dtype.np)
