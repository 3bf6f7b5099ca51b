"""Sorting, and what looks for places in sorted values."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import return_types
from ..core.batching import batch_size, bring
from ..core.dtype import int32, int64
from ..core.op import Op
from ..core.outputs import write_out
from ..core.tensor import Tensor, wrap
from . import declare
from .along import put_along, take_along
from .extremum import select, selecting
from .reducing import along, checked, kind_of, numpy_names, one_dim
from .structure import cast_to, view

_SMALL = 512


def sort_key(x: Any) -> Any:
    """Values in a type that NumPy orders with NaN last: half precision as float32."""
    return x.astype(np.float32) if x.dtype.itemsize <= 2 and x.dtype.kind not in "biu" else x


def order(x: Any, dim: int, descending: bool) -> Any:
    """The stable order of ``x`` along ``dim``: NaN is the largest, equal elements keep their order."""
    x = sort_key(x)
    if not descending:
        return x.argsort(dim, kind="stable")
    back = (slice(None),) * dim + (slice(None, None, -1),)
    # Sorted backwards and read backwards, equal elements keep their order.
    found = x[back].argsort(dim, kind="stable")[back]
    return x.shape[dim] - 1 - found


def ranked(x: Any, dim: int, place: int) -> Any:
    """The index of the element that is at ``place`` in the stable order of ``x`` along ``dim``; ``x`` holds no NaN there.

    Selecting is many times as quick as sorting.
    """
    key = sort_key(x)
    found = np.partition(key, place, axis=dim).take([place], axis=dim)
    equal = np.cumsum(key == found, axis=dim)
    before = np.add.reduce(key < found, axis=dim, keepdims=True)
    # Of equal elements, the one that comes at this place.
    return (equal == place + 1 - before).argmax(dim)


def _sort(x: Any, *, dim: int, descending: bool) -> tuple[Any, Any]:
    index = order(x, dim, descending)
    return take_along.impl(x, index, dim=dim), index


def _sort_rule(g: Any, x_shape: Any, out1: Any, dim: int) -> Any:
    return put_along(g, out1, dim=dim, size=x_shape[dim], unique=True)


def _sort_jvp(tangents: Any, out: Any, args: Any, kw: dict[str, Any]) -> Any:
    return (take_along(tangents[0], out[1], dim=kw["dim"]), None)


def _up(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    return op(args[0], **{**kw, "dim": kw["dim"] + 1})


sort_op = Op("sort", _sort, kind="general", outputs=2, vjp=[_sort_rule], jvp=_sort_jvp, batch=_up)


def _topk(x: Any, *, dim: int, k: int, largest: bool) -> tuple[Any, Any]:
    n = x.shape[dim]
    key = sort_key(x)
    if n > _SMALL and k < n // 8 and key.dtype.kind == "f" and 0 < k and not (key != key).any():
        first = np.argpartition(-key if largest else key, k - 1, axis=dim)
        part = slice(None, k)
        candidates = np.sort(first[(slice(None),) * dim + (part,)], axis=dim)
        values = take_along.impl(key, candidates, dim=dim)
        index = take_along.impl(candidates, order(values, dim, largest), dim=dim)
    else:
        index = order(x, dim, largest)[(slice(None),) * dim + (slice(None, k),)]
    return take_along.impl(x, index, dim=dim), np.ascontiguousarray(index)


topk_op = Op("topk", _topk, kind="general", outputs=2, vjp=[_sort_rule], jvp=_sort_jvp, batch=_up)


def _kth_index(x: Any, dim: int, k: int) -> Any:
    key = sort_key(x)
    return ranked(x, dim, k - 1) if (key == key).all() else order(key, dim, False).take(k - 1, axis=dim)


kthvalue_op = selecting("kthvalue", _kth_index, "KthvalueBackward0")
argsort_op = Op("argsort", lambda x, *, dim, descending: order(x, dim, descending), kind="general", batch=_up)


def _check_sortable(what: str, input: Any) -> None:
    if kind_of(input).is_complex:
        raise RuntimeError(f" {what} does not support complex dtypes on CPU")


@declare.method
@numpy_names
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False, *, out: Any = None) -> Any:
    """The named tuple ``(values, indices)`` of ``input`` sorted along ``dim``; NaN is the largest.

    Equal elements always keep their order, whether ``stable`` is asked for or not.

    >>> import chainrule as torch
    >>> torch.sort(torch.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    v = checked("sort", input)
    if out is not None:
        return write_out(out, sort(input, dim, descending))
    _check_sortable("Sort", input)
    return return_types.sort(along(sort_op, input, one_dim(dim, v.ndim), descending=bool(descending)))


@declare.method
@numpy_names
def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The indices that sort ``input`` along ``dim``; equal elements keep their order.

    >>> import chainrule as torch
    >>> torch.argsort(torch.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    v = checked("argsort", input)
    _check_sortable("Sort", input)
    return along(argsort_op, input, one_dim(dim, v.ndim), descending=bool(descending))


@declare.method
def msort(input: Any, *, out: Any = None) -> Any:
    """``input`` sorted along its first dimension.

    >>> import chainrule as torch
    >>> torch.msort(torch.tensor([3.0, 1.0, 2.0]))
    tensor([1., 2., 3.])
    """
    if out is not None:
        return write_out(out, msort(input))
    return sort(input, 0)[0]


@declare.method
@numpy_names
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out: Any = None) -> Any:
    """The named tuple ``(values, indices)`` of the ``k`` largest (or smallest) elements along ``dim``, in order.

    Raises RuntimeError where there are fewer than ``k``.

    >>> import chainrule as torch
    >>> torch.topk(torch.tensor([3.0, 1.0, 2.0]), 2).values
    tensor([3., 2.])
    """
    v = checked("topk", input)
    if out is not None:
        return write_out(out, topk(input, k, dim, largest, sorted))
    _check_sortable("topk", input)
    if kind_of(input).category == 0:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    d = one_dim(dim, v.ndim)
    if not 0 <= k <= (v.shape[d] if v.ndim else 1):
        raise RuntimeError("selected index k out of range")
    return return_types.topk(along(topk_op, input, d, k=int(k), largest=bool(largest)))


@declare.method
@numpy_names
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The named tuple ``(values, indices)`` of the ``k``-th smallest elements along ``dim``, counted from 1.

    >>> import chainrule as torch
    >>> torch.kthvalue(torch.tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    v = checked("kthvalue", input)
    if out is not None:
        return write_out(out, kthvalue(input, k, dim, keepdim))
    kind = kind_of(input)
    if kind.is_complex or kind.category == 0:
        raise NotImplementedError(f"\"kthvalue_cpu\" not implemented for '{kind.scalar_name}'")
    d = one_dim(dim, v.ndim)
    n = v.shape[d] if v.ndim else 1
    if n and not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {d}")
    return select(kthvalue_op, return_types.kthvalue, input, d, keepdim, k=int(k))


# -- places in sorted values ---------------------------------------------------------------------------------------------


def _searchsorted(sequence: Any, values: Any, *, right: bool) -> Any:
    side = "right" if right else "left"
    sequence, values = sort_key(sequence), sort_key(np.asarray(values))
    if sequence.ndim == 1:
        return sequence.searchsorted(values, side)
    if not values.size:
        return np.zeros(values.shape, np.int64)
    rows = np.ascontiguousarray(sequence).reshape(-1, sequence.shape[-1]) if sequence.size else np.empty((prod(sequence.shape[:-1]), 0))
    wanted = np.ascontiguousarray(values).reshape(len(rows), -1)
    found = [row.searchsorted(w, side) for row, w in zip(rows, wanted, strict=True)]
    return np.array(found, np.int64).reshape(values.shape)


def _searchsorted_batch(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    n = batch_size(args, mask)
    sequence, values = args
    if not mask[0] and sequence.ndim == 1:
        return op(sequence, values, **kw)
    sequence, values = bring(args, mask, n)
    if sequence.ndim == 2 and values.ndim != 2:
        flat = op(sequence, view(values, shape=(n, int(np.prod(values.shape[1:], dtype=np.int64)))), **kw)
        return view(flat, shape=tuple(values.shape))
    return op(sequence, values, **kw)


searchsorted_op = Op("searchsorted", _searchsorted, kind="general", args="sequence values", batch=_searchsorted_batch)


def searchsorted(
    sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None, sorter: Any = None,
    out: Any = None,
) -> Any:  # fmt: skip
    """Where ``input`` would be inserted into the last dimension of ``sorted_sequence`` to keep it sorted.

    ``right`` (or ``side='right'``) puts equal elements before.  ``sorter`` holds the indices that sort an unsorted sequence.

    >>> import chainrule as torch
    >>> torch.searchsorted(torch.tensor([1, 3, 5, 7]), torch.tensor([3, 6]))
    tensor([1, 3])
    """
    if out is not None:
        return write_out(out, searchsorted(sorted_sequence, input, out_int32=out_int32, right=right, side=side, sorter=sorter))
    if side is not None:
        if side not in ("left", "right"):
            raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
        if right and side == "left":
            raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True")
        right = side == "right"
    values = input if isinstance(input, Tensor) else wrap(np.asarray(input, sorted_sequence.dtype.np if isinstance(input, int) else None))
    _check_sequence(sorted_sequence, input, values)
    if sorter is not None:
        sorted_sequence = take_along(sorted_sequence, cast_to(sorter, int64), dim=sorted_sequence.ndim - 1)
    found = searchsorted_op(sorted_sequence, values, right=bool(right))
    return cast_to(found, int32 if out_int32 else int64)


def _check_sequence(sequence: Tensor, input: Any, values: Tensor) -> None:
    if sequence.ndim == 0:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension")
    if not isinstance(input, Tensor) and sequence.ndim != 1:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries"
            f" tensor dim({sequence.ndim}) and input value's dim({values.ndim}) numel({1})"
        )
    if sequence.ndim > 1 and tuple(sequence.shape[:-1]) != tuple(values.shape[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and"
            f" input value tensor must match, but we got boundaries tensor {list(sequence.shape)} and input value tensor"
            f" {list(values.shape)}"
        )


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False, out: Any = None) -> Any:
    """The index of the bucket between the sorted ``boundaries`` into which each element falls.

    >>> import chainrule as torch
    >>> torch.bucketize(torch.tensor([1, 6, 9]), torch.tensor([1, 3, 5, 7, 9]))
    tensor([0, 3, 4])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


isin_op = Op(
    "isin", lambda x, y, *, invert: np.isin(sort_key(np.asarray(x)), sort_key(np.asarray(y)), invert=invert), kind="general", args="x y",
    batch=lambda op, args, mask, kw: op(*args, **kw) if not mask[1] else _isin_rows(op, args, mask, kw),
)  # fmt: skip


def _isin_rows(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    from .joining import stack

    elements, tests = args
    rows = [op(elements[i] if mask[0] else elements, tests[i], **kw) for i in range(tests.shape[0])]
    return stack(rows)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False, out: Any = None) -> Any:
    """Which ``elements`` are among ``test_elements``; a bool tensor.

    >>> import chainrule as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 5]))
    tensor([False,  True, False])
    """
    if out is not None:
        return write_out(out, isin(elements, test_elements, invert=invert))
    x = elements if isinstance(elements, Tensor) else wrap(np.asarray(elements))
    y = test_elements if isinstance(test_elements, Tensor) else wrap(np.asarray(test_elements))
    return isin_op(x, y, invert=bool(invert))


__all__ = ["argsort", "bucketize", "isin", "kthvalue", "msort", "searchsorted", "sort", "topk"]
