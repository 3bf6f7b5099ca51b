"""Triangles and diagonals of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.batching import same
from ..core.op import Op
from ..core.outputs import write_out
from ..core.tensor import Tensor
from . import declare
from .dims import index_of, one_dim, value_of
from .shape import reshape
from .slicing import diagonal_op


@lru_cache(maxsize=32)
def _below(n: int, m: int, diagonal: int) -> Any:
    return np.tri(n, m, diagonal, dtype=bool)


def _tril(x: Any, *, diagonal: int) -> Any:
    out = np.zeros(x.shape, x.dtype)
    np.copyto(out, x, where=_below(*x.shape[-2:], diagonal))
    return out


def _triu(x: Any, *, diagonal: int) -> Any:
    out = np.array(x, order="C")
    np.copyto(out, out.dtype.type(0), where=_below(*x.shape[-2:], diagonal - 1))
    return out


tril_op: Op = Op(
    "tril", _tril, kind="linear", vjp=[lambda g, diagonal: tril_op(g, diagonal=diagonal)], batch=same
)
triu_op: Op = Op(
    "triu", _triu, kind="linear", vjp=[lambda g, diagonal: triu_op(g, diagonal=diagonal)], batch=same
)


def _triangle(op: Op, input: Tensor, diagonal: Any, out: Tensor | None) -> Tensor:
    if value_of(op.name, input).ndim < 2:
        raise RuntimeError(f"{op.name}: input tensor must have at least 2 dimensions")
    r: Tensor = op(input, diagonal=index_of(op.name, "diagonal", diagonal, 2))
    return r if out is None else write_out(out, r)


@declare.method(inplace=True)
def tril(input: Tensor, diagonal: Any = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of the last two dimensions, zeros elsewhere; ``diagonal`` > 0 takes in more of what is above."""
    return _triangle(tril_op, input, diagonal, out)


@declare.method(inplace=True)
def triu(input: Tensor, diagonal: Any = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of the last two dimensions, zeros elsewhere; ``diagonal`` < 0 takes in more of what is below."""
    return _triangle(triu_op, input, diagonal, out)


# Diagonals


def _copied_diagonal(x: Any, *, offset: int, dim1: int, dim2: int) -> Any:
    return np.array(diagonal_op.impl(x, offset=offset, dim1=dim1, dim2=dim2))


def _embedded(x: Any, *, offset: int, dim1: int, dim2: int) -> Any:
    n = x.shape[-1] + abs(offset)
    rest = list(x.shape[:-1])
    for d in sorted((dim1, dim2)):
        rest.insert(d, n)
    out = np.zeros(rest, x.dtype)
    diagonal_op.impl(out, offset=offset, dim1=dim1, dim2=dim2)[...] = x
    return out


def _batch_embed(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    return op(args[0], offset=kw["offset"], dim1=kw["dim1"] + 1, dim2=kw["dim2"] + 1)


diagonal_copy_op = Op(
    "diagonal_copy", _copied_diagonal, kind="linear", vjp=diagonal_op.rules, batch=diagonal_op.batch_rule, node="DiagonalBackward0_copy",
)  # fmt: skip
diag_embed_op = Op(
    "diag_embed", _embedded, kind="linear",
    vjp=[lambda g, offset, dim1, dim2: diagonal_op(g, offset=offset, dim1=dim1, dim2=dim2)], batch=_batch_embed,
)  # fmt: skip


@declare.method
def diag_embed(input: Tensor, offset: Any = 0, dim1: Any = -2, dim2: Any = -1) -> Tensor:
    """Matrices in the dimensions ``dim1`` and ``dim2`` with the last dimension of ``input`` on a diagonal, zeros elsewhere."""
    ndim = value_of("diag_embed", input).ndim + 1
    a, b = one_dim("diag_embed", dim1, ndim, "dim1", 3), one_dim("diag_embed", dim2, ndim, "dim2", 4)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diag_embed_op(input, offset=index_of("diag_embed", "offset", offset, 2), dim1=a, dim2=b)  # type: ignore[no-any-return]


@declare.method
def diag(input: Tensor, diagonal: Any = 0, *, out: Tensor | None = None) -> Tensor:
    """Of a vector the matrix with it on a diagonal; of a matrix that diagonal, as a copy."""
    ndim = value_of("diag", input).ndim
    offset = index_of("diag", "diagonal", diagonal, 2)
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    op = diag_embed_op if ndim == 1 else diagonal_copy_op
    r: Tensor = op(input, offset=offset, dim1=0, dim2=1)
    return r if out is None else write_out(out, r)


@declare.method
def diagflat(input: Tensor, offset: Any = 0) -> Tensor:
    """The matrix with all elements of ``input`` on a diagonal."""
    value_of("diagflat", input)
    return diag_embed_op(reshape(input, -1), offset=index_of("diagflat", "offset", offset, 2), dim1=0, dim2=1)  # type: ignore[no-any-return]


__all__ = ["diag", "diag_embed", "diagflat", "tril", "triu"]
