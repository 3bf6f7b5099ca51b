"""A part of a tensor written into a copy of it: ``select_scatter``, ``slice_scatter`` and their relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.batching import batch_size, bring
from ..core.op import OPS, Op
from ..core.size import text
from ..core.tensor import Tensor
from . import declare
from .dims import index_of, one_dim, value_of
from .slicing import as_strided, diagonal_op, select_op, slice_op
from .structure import cast_to


def _put(x: Any, src: Any, *, at: dict[str, Any], part: str) -> Any:
    out = np.array(x)
    OPS[part].impl(out, **at)[...] = src
    return out


def _clear(x: Any, *, at: dict[str, Any], part: str) -> Any:
    return _put(x, 0, at=at, part=part)


def _batch_put(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    at = {k: v + 1 if k.startswith("dim") else v for k, v in kw["at"].items()}
    return op(*bring(args, mask, batch_size(args, mask)), at=at, part=kw["part"])


clear: Op = Op("clear", _clear, kind="linear", vjp=[lambda g, at, part: clear(g, at=at, part=part)], batch=_batch_put)


def _putting(name: str, node: str) -> Op:
    rules = [lambda g, at, part: clear(g, at=at, part=part), lambda g, at, part: OPS[part](g, **at)]
    return Op(name, _put, kind="linear", args="x src", vjp=rules, batch=_batch_put, node=node)


select_scatter_op = _putting("select_scatter", "SelectScatterBackward0")
slice_scatter_op = _putting("slice_scatter", "SliceScatterBackward0")
diagonal_scatter_op = _putting("diagonal_scatter", "DiagonalScatterBackward0")


def _scattered(op: Op, part: Op, input: Tensor, src: Any, at: dict[str, Any]) -> Tensor:
    v = value_of(op.name, input)
    want = tuple(part.impl(np.broadcast_to(np.zeros((), np.int8), v.shape), **at).shape)
    have = tuple(value_of(op.name, src, "src", 2).shape)
    if have != want:
        raise RuntimeError(f"expected src to have a size equal to the slice of self. src size = {text(have)}, slice size = {text(want)}")
    return op(input, cast_to(src, input.dtype), at=at, part=part.name)  # type: ignore[no-any-return]


@declare.method
def select_scatter(input: Tensor, src: Tensor, dim: Any, index: Any) -> Tensor:
    """A copy of ``input`` whose ``index`` of ``dim`` holds ``src``."""
    shape = value_of("select_scatter", input).shape
    dim = one_dim("select_scatter", dim, len(shape), position=3)
    index = index_of("select_scatter", "index", index, 4)
    n = shape[dim]
    if not -n <= index < n:
        raise IndexError(f"select(): index {index} out of range for tensor of size {text(shape)} at dimension {dim}")
    return _scattered(select_scatter_op, select_op, input, src, {"dim": dim, "index": index % n})


@declare.method
def slice_scatter(input: Tensor, src: Tensor, dim: Any = 0, start: Any = None, end: Any = None, step: Any = 1) -> Tensor:
    """A copy of ``input`` whose ``start:end:step`` of ``dim`` holds ``src``."""
    shape = value_of("slice_scatter", input).shape
    dim = one_dim("slice_scatter", dim, len(shape), position=3)
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    start, end, step = slice(start, end, step).indices(shape[dim])
    return _scattered(slice_scatter_op, slice_op, input, src, {"dim": dim, "start": start, "end": max(start, end), "step": step})


@declare.method
def diagonal_scatter(input: Tensor, src: Tensor, offset: Any = 0, dim1: Any = 0, dim2: Any = 1) -> Tensor:
    """A copy of ``input`` whose diagonal holds ``src``."""
    ndim = value_of("diagonal_scatter", input).ndim
    first, second = one_dim("diagonal_scatter", dim1, ndim, "dim1", 4), one_dim("diagonal_scatter", dim2, ndim, "dim2", 5)
    return _scattered(diagonal_scatter_op, diagonal_op, input, src, {"offset": offset, "dim1": first, "dim2": second})


@declare.method
def as_strided_scatter(input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
    """A copy of ``input`` whose elements at ``as_strided(size, stride, storage_offset)`` hold ``src``.

    The gradient of ``input`` is that of the elements that were kept (PyTorch 2.13 gives that of the others).
    """
    out = input.clone()
    as_strided(out, size, stride, storage_offset).copy_(src)
    return out


__all__ = ["as_strided_scatter", "diagonal_scatter", "select_scatter", "slice_scatter"]
