"""Distinct elements and counts of elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtype import FROM_NUMPY
from ..core.tensor import Tensor, wrap
from . import declare
from .order import sort_key
from .reducing import checked, one_dim


def _raw(function: str, input: Any) -> Any:
    """The array behind a tensor: how many distinct elements there are depends on the values."""
    v = checked(function, input)
    if isinstance(v, (np.ndarray, np.generic)):
        return np.asarray(v)
    raise RuntimeError(f"vmap: It looks like you're attempting to use {function}, whose output shape depends on the values")


def _unique(x: Any, axis: int | None) -> tuple[Any, Any, Any]:
    """Sorted distinct elements (or slices along ``axis``), where each element went, and how many there were."""
    key = sort_key(x)
    if axis is None or x.ndim == 1:
        flat = key.reshape(-1)
        index = flat.argsort(kind="stable")
        starts = _starts(flat[index])
    else:
        rows = _slices(key, axis)
        index = np.lexsort(rows.T[::-1]) if rows.shape[1] else np.arange(rows.shape[0])
        starts = _starts(rows[index])
    group = np.cumsum(starts) - 1
    inverse = np.empty(len(index), np.int64)
    inverse[index] = group
    first = index[starts]
    values = x.reshape(-1)[first] if axis is None else np.take(x, first, axis=axis)
    return values, inverse.reshape(x.shape) if axis is None else inverse, np.bincount(group, minlength=len(first)).astype(np.int64)


def _slices(x: Any, axis: int) -> Any:
    """The slices along ``axis`` as the rows of a matrix."""
    n = x.shape[axis]
    return np.moveaxis(x, axis, 0).reshape(n, x.size // n if n else 0)


def _starts(rows: Any) -> Any:
    """Where a run of equal rows begins; NaN equals nothing."""
    n = len(rows)
    starts = np.ones(n, bool)
    if n > 1:
        differs = rows[1:] != rows[:-1]
        starts[1:] = differs if rows.ndim == 1 else differs.any(axis=1)
    return starts


def _answer(found: tuple[Any, Any, Any], inverse: bool, counts: bool) -> Any:
    values, where, how_many = (wrap(np.asarray(v)) for v in found)
    chosen = (values, *([where] if inverse else []), *([how_many] if counts else []))
    return chosen if len(chosen) > 1 else values


@declare.method
def unique(input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The distinct elements (or slices along ``dim``), sorted; with ``return_inverse`` where each element went, with
    ``return_counts`` how often each occurs.  Every NaN is distinct.

    >>> import chainrule as torch
    >>> torch.unique(torch.tensor([3, 1, 3, 2]), return_counts=True)
    (tensor([1, 2, 3]), tensor([1, 1, 2]))
    """
    x = _raw("unique", input)
    kind = FROM_NUMPY[x.dtype]
    if kind.is_complex:
        raise NotImplementedError(f"\"unique\" not implemented for '{kind.scalar_name}'")
    if dim is not None and 0 in [n for i, n in enumerate(x.shape) if i != one_dim(dim, x.ndim)]:
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    if dim is None and not return_inverse and not return_counts and kind.category < 2:
        flat = np.sort(x, axis=None)  # five times as quick as the order that sorts
        return wrap(flat[_starts(flat)])
    return _answer(_unique(x, None if dim is None else one_dim(dim, x.ndim)), return_inverse, return_counts)


@declare.method
def unique_consecutive(input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The first element (or slice along ``dim``) of every run of equal ones; the other results as in :func:`unique`.

    >>> import chainrule as torch
    >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    x = _raw("unique_consecutive", input)
    axis = None if dim is None else one_dim(dim, x.ndim)
    key = sort_key(x)
    rows = key.reshape(-1) if axis is None else _slices(key, axis)
    starts = _starts(rows)
    group = np.cumsum(starts) - 1
    values = x.reshape(-1)[starts] if axis is None else np.compress(starts, x, axis=axis)
    counts = np.bincount(group, minlength=int(starts.sum())).astype(np.int64)
    return _answer((values, group.reshape(x.shape) if axis is None else group, counts), return_inverse, return_counts)


@declare.method
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of 0, 1, 2 … occurs in a 1-d tensor of non-negative integers, or the sum of their ``weights``.

    Raises RuntimeError for other tensors and for a negative ``minlength``.

    >>> import chainrule as torch
    >>> torch.bincount(torch.tensor([0, 1, 1, 3]))
    tensor([1, 2, 0, 1])
    """
    x = _raw("bincount", input)
    if FROM_NUMPY[x.dtype].category != 1:
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{FROM_NUMPY[x.dtype].scalar_name}'")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if x.ndim != 1 or (x.size and x.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if not isinstance(weights, Tensor):
        return wrap(np.bincount(x, minlength=minlength).astype(np.int64))
    w = _raw("bincount", weights)
    if w.shape != x.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    return wrap(np.bincount(x, w.astype(np.float64), minlength).astype(np.float32 if w.dtype == np.float32 else np.float64))


__all__ = ["bincount", "unique", "unique_consecutive"]
