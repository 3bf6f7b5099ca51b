"""Sliding windows over raw arrays: the memory side of convolution and pooling.

An array is (N, C, *spatial); a window has a kernel size, a stride and a dilation for every spatial dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Ints = tuple[int, ...]


def padded(x: Any, padding: Sequence[int], value: Any = 0) -> Any:
    """``x`` with ``padding`` elements of ``value`` at both ends of every spatial dimension."""
    if not any(padding):
        return x
    shape = x.shape[:2] + tuple([n + 2 * p for n, p in zip(x.shape[2:], padding)])
    r = np.zeros(shape, x.dtype) if value == 0 else np.full(shape, value, x.dtype)
    inside: Any = (..., *[slice(p, p + n) for p, n in zip(padding, x.shape[2:])])
    r[inside] = x
    return r


def cut(x: Any, padding: Sequence[int]) -> Any:
    """The inverse of :func:`padded`."""
    if not any(padding):
        return x
    return np.ascontiguousarray(x[(..., *[slice(p, n - p) for p, n in zip(padding, x.shape[2:])])])


def output_size(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]) -> Ints:
    """How many windows fit along every spatial dimension."""
    return tuple([(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation)])


def windows(x: Any, out: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """A view (N, C, *kernel, *out) of the (padded) ``x``; not to be written."""
    steps = x.strides[2:]
    shape = (*x.shape[:2], *kernel, *out)
    strides = (*x.strides[:2], *[b * d for b, d in zip(steps, dilation)], *[b * s for b, s in zip(steps, stride)])
    if x.flags.c_contiguous:  # ten times as quick as as_strided
        return np.ndarray(shape, x.dtype, x, 0, strides)
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def offsets(kernel: Sequence[int]) -> Any:
    """Every position in a kernel."""
    return np.ndindex(*kernel)


def shifted(position: Sequence[int], out: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> tuple[Any, ...]:
    """The index of what the windows see at one position of the kernel: (..., slice, …) into a padded array."""
    return (..., *[slice(i * d, i * d + (n - 1) * s + 1, s) for i, n, s, d in zip(position, out, stride, dilation)])


def add_windows(columns: Any, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """The transpose of :func:`windows`: (N, C, *kernel, *out) added up in an array (N, C, *size)."""
    n = len(size)
    kernel, out = columns.shape[2 : 2 + n], columns.shape[2 + n :]
    r = np.zeros((*columns.shape[:2], *size), columns.dtype)
    for position in offsets(kernel):
        r[shifted(position, out, stride, dilation)] += columns[(slice(None), slice(None), *position)]
    return r
