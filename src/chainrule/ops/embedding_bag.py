"""Sums, means and maxima of embedded rows, without keeping the rows apart."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..core.meta import Meta
from ..core.op import Op
from ..core.tensor import Tensor, wrap
from .compare import where
from .embedding import embedding
from .products import wide


def _check(input: Tensor, offsets: Tensor | None, weights: Tensor | None, mode: str, include_last: bool) -> None:
    if weights is not None and weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({weights.shape}) is not None, then it must have the same shape as the input"
            f" ({input.shape})"
        )
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. However,"
                f" found offsets of type {type(offsets)}"
            )
    elif input.ndim == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.ndim != 1:
            raise ValueError("offsets has to be a 1D Tensor")
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum'"
            f" (got mode='{mode}'). Please open a feature request on GitHub."
        )


def _bags(indices: Any, offsets: Any, *, rows: int, padding: int | None, include_last: bool) -> Any:
    """For every index, which of the bags that begin at ``offsets`` it is in; -1 where it does not count."""
    count = indices.shape[0]
    if offsets.size and offsets[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got"
            f" {offsets[0]}"
        )
    if offsets.size and offsets[-1] > count:
        raise RuntimeError(f"offsets[-1] can not be greater than input's length {count} but got offsets[-1] of {offsets[-1]}")
    wrong = np.flatnonzero((indices < 0) | (indices >= rows))
    if wrong.size:
        raise RuntimeError(f"Index {wrong[0]} of input takes value {indices[wrong[0]]} which is not in the valid range [0, {rows})")
    lengths = np.diff(offsets if include_last else np.append(offsets, count))
    bags = np.full(count, -1)
    listed = np.repeat(np.arange(lengths.size), lengths)
    bags[: listed.size] = listed
    if padding is not None:
        bags[indices == padding] = -1
    return bags


def _maxima(table: Any, bags: Any, *, count: int) -> Any:
    """Where in its bag the first of the largest numbers of a column is, (count, width); -1 in an empty bag."""
    found = np.full((count, table.shape[1]), -1)
    order = np.argsort(bags, kind="stable")
    bounds = np.searchsorted(bags[order], np.arange(count + 1))
    for i, (first, end) in enumerate(itertools.pairwise(bounds.tolist())):
        if first < end:
            rows = order[first:end]
            found[i] = rows[wide(table[rows]).argmax(0)]
    return found


def _like(indices: Any, offsets: Any, **kw: Any) -> Meta:
    return Meta(tuple(indices.shape), np.dtype(np.int64))


_bags_op = Op("embedding_bags", _bags, kind="general", args="indices offsets", infer=_like)
_maxima_op = Op(
    "embedding_bag_maxima", _maxima, kind="general", args="table bags",
    infer=lambda table, bags, count: Meta((count, table.shape[1]), np.dtype(np.int64)),
)  # fmt: skip


def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None, norm_type: float = 2,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """The sum, mean or maximum of the rows of ``weight`` in every bag of indices: a row of a 2-D ``input``, or the part of a
    1-D one from one of ``offsets`` to the next.  Indices ``padding_idx`` do not count; an empty bag gives zeros.
    """
    _check(input, offsets, per_sample_weights, mode, include_last_offset)
    starts: Any = offsets
    if offsets is None:
        starts = wrap(np.arange(input.shape[0]) * input.shape[1])
    include_last = include_last_offset and offsets is not None
    count = max(0, starts.shape[0] - include_last)
    flat: Any = input.reshape(-1)
    padding = None if padding_idx is None else padding_idx % weight.shape[0]
    bags: Any = _bags_op(flat, starts, rows=weight.shape[0], padding=padding, include_last=include_last)
    table: Any = embedding(flat, weight, None, max_norm, norm_type, scale_grad_by_freq, sparse)
    if mode == "max":
        first: Any = _maxima_op(table.detach(), bags, count=count)
        if not flat.shape[0]:
            return table.new_zeros(tuple(first.shape))  # type: ignore[no-any-return]
        return where(first >= 0, table.gather(0, first.clamp(min=0)), 0.0)  # type: ignore[no-any-return]
    if per_sample_weights is not None:
        table = table * per_sample_weights.reshape(-1).unsqueeze(1)
    counted: Any = None
    if padding is not None or include_last:
        counted = bags >= 0
        bags, table = bags.clamp(min=0), where(counted.unsqueeze(1), table, 0.0)
    total: Any = table.new_zeros((count, weight.shape[1])).index_add(0, bags, table)
    if mode == "mean":
        ones = table.new_ones((flat.shape[0],)) if counted is None else counted.to(table.dtype)
        total = total / table.new_zeros((count,)).index_add(0, bags, ones).clamp(min=1).unsqueeze(1)
    return total  # type: ignore[no-any-return]


__all__ = ["embedding_bag"]
