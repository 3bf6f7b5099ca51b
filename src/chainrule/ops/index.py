"""Reading and writing at positions that index tensors give: the operations behind ``x[i, j]`` and ``index_put``.

``dims`` says which dimension each index array stands for.  As in NumPy, the dimensions of the broadcast index come
where the first of ``dims`` was when those are neighbours, and in front otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.batching import batch_size
from ..core.op import Op
from ..core.size import Shape, text
from ..core.tensor import wrap
from .bounds import beyond
from .structure import permute, sum_to, view

_ALL = slice(None)


def place(indices: Sequence[Any], dims: Shape) -> tuple[Any, ...]:
    """The NumPy index with each of ``indices`` at its dimension."""
    if len(dims) == 1:
        return (*(_ALL,) * dims[0], indices[0])
    at: list[Any] = [_ALL] * (dims[-1] + 1)
    for i, d in zip(indices, dims, strict=True):
        at[d] = i
    return tuple(at)


def together(dims: Shape) -> bool:
    """Whether ``dims`` are neighbours."""
    return dims[-1] - dims[0] == len(dims) - 1


def _checked(x: Any, indices: Sequence[Any], dims: Shape, error: Exception) -> Exception:
    """The exception of PyTorch for what NumPy refused."""
    shapes = [np.shape(i) for i in indices]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        listed = ", ".join([text(s) for s in shapes])
        return IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {listed}")
    for i, d in zip(indices, dims, strict=True):
        n = x.shape[d]
        bad = np.extract((i < -n) | (i >= n), i)
        if bad.size:
            return beyond("index", bad[0], n, d)
    return error


def _index(x: Any, *indices: Any, dims: Shape, unique: bool = False) -> Any:
    try:
        r = x[place(indices, dims)]
    except IndexError as error:
        raise _checked(x, indices, dims, error) from None
    return r if isinstance(r, np.generic) or r.flags.c_contiguous else np.ascontiguousarray(r)


def add_at(out: Any, at: tuple[Any, ...], g: Any) -> None:
    """``out[at] += g`` where an element may be hit more than once."""
    rows = at[0] if len(at) == 1 else None
    if rows is not None and out.ndim > 1 and rows.size > 16:
        _add_rows(out, rows.reshape(-1), np.broadcast_to(g, (*rows.shape, *out.shape[1:])).reshape(-1, *out.shape[1:]))
    else:
        np.add.at(out, at, g)


def _add_rows(out: Any, rows: Any, g: Any) -> None:
    # Sorted and added run by run: ten times as quick as add.at, which goes element by element.
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    at = ordered[starts]
    sums = np.add.reduceat(g[order], starts, axis=0)
    if at[0] < 0:  # the same row under two names
        np.add.at(out, at, sums)
    else:
        out[at] += sums


def _index_back(g: Any, *indices: Any, shape: Shape, dims: Shape, unique: bool) -> Any:
    out = np.zeros(shape, g.dtype)
    if unique:
        out[place(indices, dims)] = g
    else:
        add_at(out, place(indices, dims), g)
    return out


def _index_put(x: Any, values: Any, *indices: Any, dims: Shape, accumulate: bool) -> Any:
    out = np.array(x)
    put_into(out, values, indices, dims, accumulate)
    return out


def put_into(out: Any, values: Any, indices: Sequence[Any], dims: Shape, accumulate: bool) -> None:
    """Write (or add) ``values`` at ``indices`` into the memory of ``out``."""
    at = place(indices, dims)
    try:
        if not accumulate:
            out[at] = values
        elif out.dtype == bool:
            out[at] |= values
        else:
            np.add.at(out, at, values)
    except IndexError as error:
        raise _checked(out, indices, dims, error) from None
    except ValueError:
        want = out[at].shape
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {text(np.shape(values))} cannot be broadcast to indexing result of shape {text(want)}"
        ) from None


# vmap


class _Lined:
    """Index arrays and dims with the batch as one more indexed dimension, and where the result has its axes."""

    def __init__(self, args: Sequence[Any], mask: Sequence[bool], x_batched: bool, dims: Shape, size: int) -> None:
        ranks = [len(a.shape) - m for a, m in zip(args, mask, strict=True)]
        rank = self.rank = max(ranks)
        first = dims[0] if together(dims) else 0
        if not any(mask):
            self.indices, self.dims = list(args), tuple([d + 1 for d in dims])
            # neighbours: the batch axis stays in front; else the index comes first, and the batch axis after it
            self.moves = None if together(dims) else (rank, 0, 1)
            return
        self.indices = [
            view(a, shape=(size, *(1,) * (rank - r), *a.shape[1:])) if m and r < rank else a
            for a, m, r in zip(args, mask, ranks, strict=True)
        ]
        if not x_batched:
            self.dims = dims
            self.moves = (first, 0, 1) if together(dims) and first else None
            return
        self.indices.insert(0, wrap(np.arange(size).reshape((size,) + (1,) * rank)))
        self.dims = (0, *[d + 1 for d in dims])
        self.moves = None if together(self.dims) or not together(dims) else (1, 1 + first, rank)

    def order(self, ndim: int, back: bool = False) -> tuple[int, ...] | None:
        """The permutation that brings the result's axes where vmap wants them (``back``: the inverse)."""
        if self.moves is None:
            return None
        source, target, count = self.moves
        moved = list(range(source, source + count))
        rest = [d for d in range(ndim) if d not in moved]
        order = tuple(rest[:target] + moved + rest[target:])
        return tuple(sorted(range(ndim), key=order.__getitem__)) if back else order


def _batch_index(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    lined = _Lined(args[1:], mask[1:], mask[0], kw["dims"], batch_size(args, mask))
    r = op(args[0], *lined.indices, dims=lined.dims, unique=kw["unique"] and mask[0])
    order = lined.order(r.ndim)
    return r if order is None else permute(r, dims=order)


def _batch_index_back(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    size = batch_size(args, mask)
    lined = _Lined(args[1:], mask[1:], True, kw["dims"], size)
    g = args[0] if mask[0] else args[0].expand((size, *args[0].shape))
    order = lined.order(g.ndim, back=True)
    if order is not None:
        g = permute(g, dims=order)
    return op(g, *lined.indices, shape=(size, *kw["shape"]), dims=lined.dims, unique=kw["unique"])


def result_shape(shape: Shape, indices: Sequence[Shape], dims: Shape) -> Shape:
    """The shape of what is found in a tensor of ``shape`` by index arrays of the shapes ``indices`` at ``dims``."""
    broadcast = np.broadcast_shapes(*indices)
    rest = [n for d, n in enumerate(shape) if d not in dims]
    first = dims[0] if together(dims) else 0
    return (*rest[:first], *broadcast, *rest[first:])


def _batch_put(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    size = batch_size(args, mask)
    x, values = args[0], args[1]
    if not mask[0]:
        x = x.expand((size, *x.shape))
    dims = kw["dims"]
    lined = _Lined(args[2:], mask[2:], True, dims, size)
    rank = 1 + len(result_shape(x.shape[1:], [a.shape[m:] for a, m in zip(args[2:], mask[2:], strict=True)], dims))
    lead = (size,) if mask[1] else ()
    own = values.shape[len(lead) :]
    values = view(values, shape=(*lead, *(1,) * (rank - len(lead) - len(own)), *own))
    order = lined.order(rank, back=True)
    if order is not None:
        values = permute(values, dims=order)
    return op(x, values, *lined.indices, dims=lined.dims, accumulate=kw["accumulate"])


def _batch_clear(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    size = batch_size(args, mask)
    x = args[0] if mask[0] else args[0].expand((size, *args[0].shape))
    lined = _Lined(args[1:], mask[1:], True, kw["dims"], size)
    return op(x, *lined.indices, dims=lined.dims)


# Declarations


def _put_rest(g: Any, rest: Any, dims: Shape, accumulate: bool) -> Any:
    return g if accumulate else index_clear(g, *rest[1:], dims=dims)


def _put_values(g: Any, values_shape: Any, rest: Any, dims: Shape) -> Any:
    return sum_to(index_op(g, *rest[1:], dims=dims, unique=False), shape=tuple(values_shape))


index_op = Op(
    "index", _index, kind="multilinear", args="x index",
    vjp=[lambda g, rest, x_shape, dims, unique: index_back(g, *rest, shape=tuple(x_shape), dims=dims, unique=unique)],
    batch=_batch_index,
)  # fmt: skip
index_back: Op = Op(
    "index_back", _index_back, kind="multilinear", args="g index",
    vjp=[lambda g, rest, dims, unique: index_op(g, *rest, dims=dims, unique=unique)], batch=_batch_index_back,
    node="IndexBackwardBackward0",
)  # fmt: skip
index_put_op = Op(
    "index_put", _index_put, kind="linear", args="x values index", vjp=[_put_rest, _put_values], batch=_batch_put,
)  # fmt: skip
index_clear: Op = Op(
    "index_clear", lambda x, *indices, dims: _index_put(x, 0, *indices, dims=dims, accumulate=False), kind="multilinear",
    args="x index",
    vjp=[lambda g, rest, dims: index_clear(g, *rest, dims=dims)], batch=_batch_clear,
)  # fmt: skip


def lined(x: Any, index: Any, dim: int) -> Any:
    """vmap: ``index[b]`` along ``dim`` of every ``x[b]``; both carry the batch in front."""
    size = x.shape[0]
    rows = wrap(np.arange(size).reshape((size,) + (1,) * (index.ndim - 1)))
    r = index_op(x, rows, index, dims=(0, dim + 1), unique=False)
    if dim == 0:
        return r
    count = index.ndim - 1
    moved = tuple(range(1, 1 + count))
    rest = [d for d in range(r.ndim) if d not in moved]
    return permute(r, dims=(*rest[: 1 + dim], *moved, *rest[1 + dim :]))


def unlined(g: Any, index: Any, dim: int, shape: Shape) -> Any:
    """The transpose of :func:`lined`: cotangents put where they came from in zeros of ``shape``, batch in front."""
    size = shape[0]
    rows = wrap(np.arange(size).reshape((size,) + (1,) * (index.ndim - 1)))
    if dim:
        count = index.ndim - 1
        moved = tuple(range(1 + dim, 1 + dim + count))
        g = permute(g, dims=(0, *moved, *[d for d in range(1, g.ndim) if d not in moved]))
    return index_back(g, rows, index, shape=shape, dims=(0, dim + 1), unique=False)
