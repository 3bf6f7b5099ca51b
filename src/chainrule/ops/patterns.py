"""Index patterns and matrices of powers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import cpu as _cpu
from ..core.device import strided, tensor_device
from ..core.dtype import as_dtype, int32, int64
from ..core.meta import Meta
from ..core.tensor import Tensor
from .factories import finish
from .joining import cat
from .scan import cumprod


def _triangle(function: str, row: Any, col: Any, offset: int, dtype: Any, device: Any, layout: Any, lower: bool) -> Tensor:
    if row < 0:
        raise RuntimeError(f"row must be non-negative, got{row}")
    if col < 0:
        raise RuntimeError(f"col must be non-negative, got{col}")
    kind = as_dtype(dtype, function)
    if kind not in (int64, int32):
        raise NotImplementedError(f"\"{function}\" not implemented for '{kind.scalar_name}'")
    mask = np.tri(row, col, offset if lower else offset - 1, dtype=bool)
    pairs = np.array(np.nonzero(mask if lower else ~mask), kind.np)
    return finish(pairs if tensor_device(device) is _cpu else Meta(pairs.shape, kind.np), None, False, layout)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = int64, device: Any = "cpu", layout: Any = strided) -> Tensor:
    """The indices of the lower triangle of a ``row`` by ``col`` matrix, as a 2 by n tensor.

    >>> import chainrule as torch
    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle("tril_indices", row, col, offset, dtype, device, layout, True)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = int64, device: Any = "cpu", layout: Any = strided) -> Tensor:
    """The indices of the upper triangle of a ``row`` by ``col`` matrix, as a 2 by n tensor.

    >>> import chainrule as torch
    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle("triu_indices", row, col, offset, dtype, device, layout, False)


def vander(x: Tensor, N: int | None = None, *, increasing: bool = False) -> Tensor:
    """The matrix whose columns are the powers of the vector ``x``, the highest first unless ``increasing``.

    >>> import chainrule as torch
    >>> torch.vander(torch.tensor([2, 3]))
    tensor([[2, 1],
            [3, 1]])
    """
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = int(x.shape[0]) if N is None else int(N)
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    if n == 0:
        return x.new_empty((x.shape[0], 0))
    powers: Any = linalg_vander(x, N=n)
    return powers if increasing else powers.flip(-1)  # type: ignore[no-any-return]


def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The matrices (…, n, N) whose columns are the rising powers of the vectors ``x`` (…, n), from 0 on."""
    x = x if x.ndim else x.reshape(1)
    n = int(x.shape[-1]) if N is None else int(N)
    one: Any = x.new_ones((*x.shape, 1))
    return one[..., :n] if n <= 1 else cat([one, cumprod(x.unsqueeze(-1).expand(*x.shape, n - 1), -1)], -1)


__all__ = ["tril_indices", "triu_indices", "vander"]
