"""Sequences of different lengths: padded to one tensor, or packed step by step without padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from .joining import stack
from .padding import pad
from .rows import index_select_op
from .structure import view


def _row_numbers(sizes: Sequence[int], n: int) -> Any:
    """Where the rows of a packed sequence stand in the padded one (steps * n rows)."""
    return np.concatenate([np.arange(size) + t * n for t, size in enumerate(sizes)])


def pack_padded(input: Any, lengths: Any, batch_first: bool) -> tuple[Tensor, Tensor]:
    """The rows of all steps of a padded ``input`` (T, N, …) one under the other, and how many rows every step has.

    ``lengths`` fall.  Raises RuntimeError where they do not, do not fit ``input``, or are not positive.
    """
    x = input.transpose(0, 1) if batch_first else input
    if 0 in x.shape:
        raise RuntimeError("Cannot pack empty tensors.")
    counts = [int(k) for k in lengths.tolist()]
    steps, n = x.shape[:2]
    if len(counts) != n:
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} (batch_size={n})")
    if counts[-1] <= 0:
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")
    if any(a < b for a, b in zip(counts, counts[1:])):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass `enforce_sorted=False` to"
            " pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not need ONNX exportability."
        )
    if counts[0] > steps:
        raise RuntimeError(f"Expected all `lengths` to be at most the number of steps, but got {counts[0]} for {steps} steps")
    sizes = [sum(k > t for k in counts) for t in range(counts[0])]
    rows = x.reshape(steps * n, *x.shape[2:])
    return index_select_op(rows, wrap(_row_numbers(sizes, n)), dim=0), wrap(np.array(sizes))


def pad_packed(data: Any, batch_sizes: Any, batch_first: bool, padding_value: float, total: int) -> tuple[Tensor, Tensor]:
    """The inverse of :func:`pack_padded`, with ``total`` steps; what is no sequence's is ``padding_value``."""
    sizes = [int(k) for k in batch_sizes.tolist()]
    n, rest = sizes[0], tuple(data.shape[1:])
    lengths = [sum(size > k for size in sizes) for k in range(n)]
    # Row 0 of what is chosen from is the padding.
    source = np.zeros(total * n, np.int64)
    source[_row_numbers(sizes, n)] = np.arange(1, sum(sizes) + 1)
    rows = pad(data, [0, 0] * len(rest) + [1, 0], value=padding_value)
    r = view(index_select_op(rows, wrap(source), dim=0), shape=(total, n, *rest))
    return (r.transpose(0, 1) if batch_first else r), wrap(np.array(lengths))


def pad_sequences(sequences: Sequence[Any], batch_first: bool, padding_value: float, padding_side: str) -> Tensor:
    """Tensors (L, …) of different lengths as one (longest, N, …), or (N, longest, …) with ``batch_first``."""
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    first = tuple(sequences[0].shape[1:])
    for s in sequences:
        if tuple(s.shape[1:]) != first:
            raise RuntimeError(
                f"The size of tensor a ({s.shape[1:]}) must match the size of tensor b ({sequences[0].shape[1:]}): sequences may differ"
                " only in their first dimension"
            )
    longest = max(s.shape[0] for s in sequences)
    padded = []
    for s in sequences:
        missing = longest - s.shape[0]
        ends = [missing, 0] if padding_side == "left" else [0, missing]
        padded.append(pad(s, [0, 0] * len(first) + ends, value=padding_value) if missing else s)
    return stack(padded, 0 if batch_first else 1)
