"""Adding up raw arrays: what every sum, mean and broadcast gradient comes down to.

A sum is a product with ones, which BLAS does many times as fast as ``numpy.add.reduce``: 0.3 µs against 1.1 µs for a few
elements, 20 µs against 255 µs for the columns of a 20000 by 10 matrix.  Long runs are added in blocks, so that the error
does not grow with the length.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

_add: Any = np.add
_F4, _F8 = np.dtype("f4"), np.dtype("f8")
_FLOATS = frozenset({_F4, _F8})
_LONGEST = 4096  # what BLAS adds in one go along a row
_BLOCK = 512  # and over rows, where it has one accumulator for each column
_MANY = 1 << 16  # where blocks for BLAS overtake NumPy in adding up a whole array
_ONES: dict[Any, dict[int, Any]] = {_F4: {}, _F8: {}}


def ones(kind: Any, n: int) -> Any:
    """A shared vector of ``n`` ones; not to be written."""
    table = _ONES[kind]
    found = table.get(n)
    if found is None:
        found = np.ones(n, kind)
        if n <= _LONGEST:
            table[n] = found
    return found


def total(x: Any) -> Any:
    """The sum of all elements, in the dtype of ``x`` (truth values: int64); half precision adds up in float32."""
    kind = x.dtype
    if kind in _FLOATS:
        n = x.size
        if n <= _LONGEST:
            if type(x) is not np.ndarray:
                # A number of its own (a write finds a number by its identity), or what stands for an array in a capture.
                return +x if isinstance(x, np.floating) else _add.reduce(x, axis=None)
            found = _ONES[kind].get(n)
            return x.ravel().dot(ones(kind, n) if found is None else found)
        if n >= _MANY and type(x) is np.ndarray and x.flags.c_contiguous:
            return _rows(x.reshape(1, n))[0]
        return _add.reduce(x, axis=None)
    return add_over(x, dim=tuple(range(x.ndim)), keepdim=False)


def add_over(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """The sum over the dimensions ``dim`` (non-negative, each once), in the dtype that :func:`total` gives."""
    kind = x.dtype
    if kind in _FLOATS:
        if len(dim) == x.ndim:
            return np.reshape(total(x), (1,) * x.ndim) if keepdim else total(x)
        if x.ndim == 2 and len(dim) == 1:
            r = _rows(x) if dim[0] else _columns(x)
            return r.reshape((-1, 1) if dim[0] else (1, -1)) if keepdim else r
        if x.ndim > 1 and dim and x.flags.c_contiguous and x.size:
            return _runs(x, dim, keepdim)
        return _add.reduce(x, axis=dim, keepdims=keepdim)
    if kind.kind in "cbiu":
        return _add.reduce(x, axis=dim, keepdims=keepdim, dtype=np.int64 if kind.kind == "b" else kind)
    return np.asarray(add_over(np.asarray(x, np.float32), dim=dim, keepdim=keepdim)).astype(kind)


def _rows(x: Any) -> Any:
    """The sum of every row of a matrix."""
    n = x.shape[1]
    if n <= _LONGEST:
        return x.dot(ones(x.dtype, n))
    if not x.flags.c_contiguous:
        return _add.reduce(x, axis=1)
    blocks = n // _BLOCK
    cut = blocks * _BLOCK
    body = x if cut == n else np.ascontiguousarray(x[:, :cut])
    parts = body.reshape(-1, _BLOCK).dot(ones(x.dtype, _BLOCK)).reshape(-1, blocks)
    return _rows(parts) if cut == n else _rows(parts) + _rows(x[:, cut:])


def _columns(x: Any) -> Any:
    """The sum of every column of a matrix."""
    n = x.shape[0]
    if n <= _BLOCK:
        return ones(x.dtype, n).dot(x)
    if not x.flags.c_contiguous:
        return _add.reduce(x, axis=0)
    blocks = n // _BLOCK
    cut = blocks * _BLOCK
    r = _columns(ones(x.dtype, _BLOCK) @ x[:cut].reshape(blocks, _BLOCK, x.shape[1]))
    return r if cut == n else r + _columns(x[cut:])


def _runs(x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Add over every run of neighbouring dimensions, the last run first."""
    shape = x.shape
    end = len(shape)
    inner = 1  # the elements behind the run that is looked at
    while end:
        start = end
        wanted = end - 1 in dim
        while start and (start - 1 in dim) == wanted:
            start -= 1
        n = prod(shape[start:end])
        if not wanted:
            inner *= n
        else:
            outer = prod(shape[:start])
            if inner == 1:
                x = _rows(x.reshape(outer, n))
            elif outer == 1:
                x = _columns(x.reshape(n, inner))
            else:
                x = _middle(x.reshape(outer, n, inner))
        end = start
    return x.reshape([1 if i in dim else n for i, n in enumerate(shape)] if keepdim else [n for i, n in enumerate(shape) if i not in dim])


def _middle(x: Any) -> Any:
    outer, n, inner = x.shape
    if n > _BLOCK or outer > 64 * inner:
        return _add.reduce(x, axis=1)
    return ones(x.dtype, n) @ x
