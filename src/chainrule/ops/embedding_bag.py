"""Sums, means and maxima of embedded rows, without keeping the rows apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from .basics import _concrete
from .embedding import embedding
from .joining import stack


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


def _starts(input: Tensor, offsets: Tensor | None, include_last: bool) -> Any:
    """Where the bags begin, and at the end where the last one ends."""
    if offsets is None:
        n, length = input.shape
        return np.arange(n + 1) * length
    starts = np.asarray(_concrete(offsets, "numpy"))
    count = input.shape[0]
    if starts.size and starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got"
            f" {starts[0]}"
        )
    if starts.size and starts[-1] > count:
        raise RuntimeError(f"offsets[-1] can not be greater than input's length {count} but got offsets[-1] of {starts[-1]}")
    return starts if include_last else np.append(starts, count)


def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None, norm_type: float = 2,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """The sum, mean or maximum of the rows of ``weight`` in every bag of indices: a row of a 2-D ``input``, or the part of a
    1-D one from one of ``offsets`` to the next.  Indices ``padding_idx`` do not count; an empty bag gives zeros.
    """
    _check(input, offsets, per_sample_weights, mode, include_last_offset)
    starts = _starts(input, offsets, include_last_offset)
    flat: Any = input.reshape(-1)
    indices = np.asarray(_concrete(flat, "numpy"))
    rows = weight.shape[0]
    wrong = np.flatnonzero((indices < 0) | (indices >= rows))
    if wrong.size:
        raise RuntimeError(f"Index {wrong[0]} of input takes value {indices[wrong[0]]} which is not in the valid range [0, {rows})")
    lengths = np.diff(starts)
    bags = np.repeat(np.arange(lengths.size), lengths)
    places = np.arange(bags.size)
    if padding_idx is not None:
        places = places[indices[: bags.size] != padding_idx % rows]
    bags = bags[places]
    table: Any = embedding(flat[wrap(places)], weight, None, max_norm, norm_type, scale_grad_by_freq, sparse)
    if mode == "max":
        width = weight.shape[1]
        groups = [np.flatnonzero(bags == i) for i in range(lengths.size)]
        return stack([table[wrap(g)].max(0)[0] if g.size else table.new_zeros((width,)) for g in groups], 0)
    if per_sample_weights is not None:
        table = table * per_sample_weights.reshape(-1)[wrap(places)].unsqueeze(1)
    total: Any = table.new_zeros((lengths.size, weight.shape[1])).index_add(0, wrap(bags), table)
    if mode == "mean":
        counts = np.maximum(np.bincount(bags, minlength=lengths.size), 1)
        total = total / table.new_tensor(counts.reshape(-1, 1))
    return total  # type: ignore[no-any-return]


__all__ = ["embedding_bag"]
