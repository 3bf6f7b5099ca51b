"""Vectors of a weight with their lengths apart (T. Salimans and D. Kingma, "Weight normalization …", 2016)."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from .norm import vector_norm


def norm_except_dim(v: Tensor, pow: float = 2, dim: int = 0) -> Tensor:
    """The norms over all dimensions but ``dim``, which all stay; over all of them for -1.

    >>> import chainrule as torch
    >>> torch.norm_except_dim(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    tensor([[5.],
            [2.]])
    """
    x: Any = v
    if dim == -1:
        return vector_norm(x, pow)  # type: ignore[no-any-return]
    return vector_norm(x, pow, dim=[d for d in range(x.ndim) if d != dim % x.ndim], keepdim=True)  # type: ignore[no-any-return]


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """``v`` with the norms ``g`` (see :func:`norm_except_dim`)."""
    return v * (g / norm_except_dim(v, 2, dim))


__all__ = ["norm_except_dim"]
