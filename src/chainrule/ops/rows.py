"""Slices picked and placed along one dimension by a vector of indices; and single elements by flat ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.batched import _looped
from ..core.batching import batch_size, bring
from ..core.op import Op
from ..core.size import Shape, text
from ..core.tensor import Tensor
from ..core.value import Value
from . import declare
from .bounds import beyond
from .compare import where
from .dims import one_dim, value_of
from .gather import into, outside, scatter_reduce_op
from .index import add_at, index_back, index_op, lined, unlined
from .quick import recorder
from .reducing import numpy_names
from .shape import expand, reshape
from .slicing import at
from .structure import cast_to, permute, sum_dims, view
from .writes import full_like_op

ndarray = np.ndarray
_BOOL = np.dtype(bool)


def _select(x: Any, index: Any, *, dim: int) -> Any:
    if outside(index, x.shape[dim]):
        raise beyond("rows", -1, x.shape[dim])
    return x.take(index, dim)


def _add_into(out: Any, index: Any, src: Any, dim: int) -> None:
    if dim:
        out, src = np.moveaxis(out, dim, 0), np.moveaxis(src, dim, 0)
    add_at(out, (index,), src)


def _select_back(g: Any, index: Any, *, dim: int, shape: Shape) -> Any:
    out = np.zeros(shape, g.dtype)
    _add_into(out, index, g, dim)
    return out


def _add(x: Any, index: Any, src: Any, *, dim: int, alpha: Any) -> Any:
    n = x.shape[dim]
    if outside(index, n):
        bad = np.extract((index < 0) | (index >= n), index)
        raise beyond("gather", bad[0], n, dim)
    out = np.array(x)
    if out.dtype == bool:
        out[at(dim, index)] |= src & bool(alpha)
    else:
        _add_into(out, index, src if alpha == 1 else (src * alpha).astype(out.dtype), dim)
    return out


def _copy(x: Any, index: Any, src: Any, *, dim: int) -> Any:
    n = x.shape[dim]
    if outside(index, n):
        bad = np.extract((index < 0) | (index >= n), index)
        raise beyond("index_copy", bad[0], n, dim)
    out = np.array(x)
    out[at(dim, index)] = src
    return out


def _fill(x: Any, index: Any, *, dim: int, value: Any) -> Any:
    out = np.array(x)
    n = x.shape[dim]
    bad = np.extract((index < -n) | (index >= n), index)
    if bad.size:
        raise beyond("index", bad[0], n, dim)
    out[at(dim, index)] = value
    return out


def _fill_from(x: Any, index: Any, value: Any, *, dim: int) -> Any:
    return _fill(x, index, dim=dim, value=value)


# vmap


def _loop(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    return _looped(op, list(args), mask, kw)


def _batch_select(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    x, index = args
    dim = kw["dim"]
    if not mask[1]:
        return op(x, index, dim=dim + 1)
    if mask[0]:
        return lined(x, index, dim)
    r = index_op(x, index, dims=(dim,), unique=False)  # (…, B, k, …)
    return permute(r, dims=(dim, *[d for d in range(r.ndim) if d != dim])) if dim else r


def _batch_place(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    if mask[1] and op is index_select_back:
        size = batch_size(args, mask)
        return unlined(bring(args[:1], mask[:1], size)[0], args[1], kw["dim"], (size, *kw["shape"]))
    if mask[1]:
        return _loop(op, args, mask, kw)
    size = batch_size(args, mask)
    moved = {**kw, "dim": kw["dim"] + 1}
    if "shape" in kw:
        moved["shape"] = (size, *kw["shape"])
    others = [i for i in range(len(args)) if i != 1 and not (i == 2 and op is index_fill_from)]
    if len(args) == 3 and op is index_fill_from and mask[2]:
        return _loop(op, args, mask, kw)
    given = list(args)
    for i, a in zip(others, bring([args[i] for i in others], [mask[i] for i in others], size), strict=True):
        given[i] = a
    return op(*given, **moved)


# Declarations

index_select_op = Op(
    "index_select", _select, kind="multilinear", args="x index",
    vjp=[lambda g, index, x_shape, dim: index_select_back(g, index, dim=dim, shape=tuple(x_shape)), None], batch=_batch_select,
)  # fmt: skip
index_select_back: Op = Op(
    "index_select_back", _select_back, kind="multilinear", args="g index",
    vjp=[lambda t, index, dim: index_select_op(t, index, dim=dim), None], batch=_batch_place, node="IndexSelectBackwardBackward0",
)  # fmt: skip
index_add_op = Op(
    "index_add", _add, kind="linear", args="x index src",
    vjp=[lambda g: g, None, lambda g, index, dim, alpha: _times(index_select_op(g, index, dim=dim), alpha)], batch=_batch_place,
)  # fmt: skip
index_copy_op = Op(
    "index_copy", _copy, kind="linear", args="x index src",
    vjp=[lambda g, index, dim: index_fill_op(g, index, dim=dim, value=0), None, lambda g, index, dim: index_select_op(g, index, dim=dim)],
    batch=_batch_place,
)  # fmt: skip
index_fill_op: Op = Op(
    "index_fill", _fill, kind="general", args="x index",
    vjp=[lambda g, index, dim: index_fill_op(g, index, dim=dim, value=0), None],
    jvp=lambda tangents, out, args, kw: index_fill_op(tangents[0], args[1], dim=kw["dim"], value=0), batch=_batch_place,
)  # fmt: skip


def _fill_total(g: Any, index: Any, dim: int) -> Any:
    filled = index_fill_op(full_like_op(g, fill=False, dtype=_BOOL), index, dim=dim, value=True)
    return sum_dims(where(filled, g, 0), dim=tuple(range(g.ndim)), keepdim=False)


index_fill_from = Op(
    "index_fill_from", _fill_from, kind="linear", args="x index value",
    vjp=[lambda g, index, dim: index_fill_op(g, index, dim=dim, value=0), None, _fill_total], batch=_batch_place,
    node="IndexFillBackward1",
)  # fmt: skip


def _times(x: Any, factor: Any) -> Any:
    return x if factor == 1 else x * factor


_finish_select = recorder(index_select_op)


# Public functions


@declare.method
@numpy_names
def index_select(input: Tensor, dim: Any, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices at ``index``, a vector, along ``dim``, as a copy.

    >>> import chainrule as torch
    >>> torch.tensor([[1, 2], [3, 4]]).index_select(1, torch.tensor([1]))
    tensor([[2],
            [4]])
    """
    v, i = value_of("index_select", input), value_of("index_select", index, "index", 3)
    dim = one_dim("index_select", dim, v.ndim)
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    if i.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if not v.ndim:
        if prod(i.shape) != 1:
            raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {prod(i.shape)} value(s)")
        r = reshape(index_select(reshape(input, 1), 0, reshape(index, 1)), ())
    elif type(v) is ndarray and type(i) is ndarray and i.ndim:
        kw = {"dim": dim}
        r = _finish_select(_select(v, i, dim=dim), (v, i), (input, index), kw)
    else:
        r = index_select_op(input, index if i.ndim else reshape(index, 1), dim=dim)
    return into(out, r)


def _vector(index: Tensor) -> Tensor:
    return index if index._value.ndim else reshape(index, 1)


def _raised(op: Op, input: Tensor, index: Tensor, *rest: Tensor, **kw: Any) -> Tensor:
    """The operation, with a dimension for numbers on its way."""
    if input._value.ndim:
        return op(input, _vector(index), *rest, **kw)  # type: ignore[no-any-return]
    return reshape(op(reshape(input, 1), _vector(index), *[reshape(x, 1) if op is not index_fill_from else x for x in rest], **kw), ())


@declare.method(inplace=True)
@numpy_names
def index_add(input: Tensor, dim: Any, index: Tensor, source: Tensor, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """A copy of ``input`` with ``alpha * source`` added to the slices at ``index`` along ``dim``; what meets adds up."""
    v, i, s = value_of("index_add", input), value_of("index_add", index, "index", 3), value_of("index_add", source, "source", 4)
    dim = one_dim("index_add", dim, v.ndim)
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"index_add_(): Expected dtype int32/int64 for index but got: {index.dtype.scalar_name}")
    if i.ndim > 1:
        kind = index.dtype.scalar_name
        raise IndexError(
            f"index_add_(): Index is supposed to be a vector, but got dim: {i.ndim} with type: {kind} and size: {text(i.shape)}"
        )
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"index_add_(): self ({input.dtype.scalar_name}) and source ({source.dtype.scalar_name}) must have the same scalar type"
        )
    count, have = prod(i.shape), s.shape[dim] if s.ndim else 1
    if count != have:
        raise RuntimeError(f"index_add_(): Number of indices ({count}) should be equal to source.size(dim): ({have}), for dim: {dim}")
    if _without(v.shape, dim) != _without(s.shape, dim) or v.ndim != s.ndim:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got"
            f" self.shape = {text(v.shape)} source.shape = {text(s.shape)}"
        )
    r = _raised(index_add_op, input, index, source, dim=dim, alpha=alpha)
    return into(out, r)


def _without(shape: Shape, dim: int) -> Shape:
    return (*shape[:dim], *shape[dim + 1 :])


@declare.method(inplace=True)
@numpy_names
def index_copy(input: Tensor, dim: Any, index: Tensor, source: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of ``input`` with the slices at ``index`` along ``dim`` replaced by those of ``source``."""
    v, i, s = value_of("index_copy", input), value_of("index_copy", index, "index", 3), value_of("index_copy", source, "source", 4)
    dim = one_dim("index_copy", dim, v.ndim)
    if i.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {i.ndim})")
    if s.ndim and v.ndim and s.ndim != v.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality"
            f" ({s.ndim}), destination dimensionality ({v.ndim})"
        )
    if index.dtype.name != "int64":
        raise RuntimeError(f"index_copy_(): Expected a long tensor for index, but got {index.dtype.scalar_name}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"index_copy_(): self and source expected to have the same dtype, but got (self) {input.dtype.scalar_name} and (source)"
            f" {source.dtype.scalar_name}"
        )
    count, have = prod(i.shape), s.shape[dim] if s.ndim else 1
    a, b = _without(v.shape, dim), _without(s.shape, dim)
    if a != b:
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape:"
            f" {' '.join(map(str, a))} at dimension {dim} and source slice shape: {' '.join(map(str, b))} at dimension 0."
        )
    if s.ndim and count != have:
        raise IndexError(f"index_copy_(): Number of indices ({count}) should be equal to source.size(dim) ({have})")
    r = _raised(index_copy_op, input, index, source, dim=dim)
    return into(out, r)


@declare.method(inplace=True)
@numpy_names
def index_fill(input: Tensor, dim: Any, index: Tensor, value: Any, *, out: Tensor | None = None) -> Tensor:
    """A copy of ``input`` with ``value``, a number or a 0-d tensor, in the slices at ``index`` along ``dim``."""
    v, i = value_of("index_fill", input), value_of("index_fill", index, "index", 3)
    dim = one_dim("index_fill", dim, v.ndim)
    if index.dtype.name != "int64":
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if i.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    if isinstance(value, Tensor):
        if value._value.ndim:
            raise RuntimeError(
                f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value._value.ndim} dimension(s)."
            )
        return into(out, _raised(index_fill_from, input, index, cast_to(value, input.dtype), dim=dim))
    from .data import checked_scalar

    return into(out, _raised(index_fill_op, input, index, dim=dim, value=checked_scalar(value, input.dtype)))


@declare.method(inplace=True)
@numpy_names
def index_reduce(
    input: Tensor, dim: Any, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True, out: Tensor | None = None
) -> Tensor:
    """``source`` reduced into the slices at ``index`` along ``dim`` by ``'prod'``, ``'mean'``, ``'amax'`` or ``'amin'``."""
    v, i = value_of("index_reduce", input), value_of("index_reduce", index, "index", 3)
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    dim = one_dim("index_reduce", dim, v.ndim)
    if not v.ndim:
        input, source = reshape(input, 1), reshape(source, 1)
    shape = tuple(source._value.shape)
    wide = expand(reshape(index, (1,) * dim + (prod(i.shape),) + (1,) * (len(shape) - dim - 1)), shape)
    r: Tensor = scatter_reduce_op(input, wide, source, dim=dim, reduce=reduce, include_self=include_self)
    return into(out, r if v.ndim else reshape(r, ()))


# Flat indices


def _in_row(index: Any, n: int) -> None:
    bad = np.extract((index < -n) | (index >= n), index)
    if bad.size:
        raise beyond("take", bad[0], n)


def _take(x: Any, index: Any) -> Any:
    return x.reshape(-1)[index]


def _take_back(g: Any, index: Any, *, shape: Shape) -> Any:
    out = np.zeros(shape, g.dtype)
    np.add.at(out.reshape(-1), index, g)
    return out


def _put(x: Any, index: Any, src: Any, *, accumulate: bool) -> Any:
    out = np.array(x, order="C")
    try:
        if accumulate:
            np.add.at(out.reshape(-1), index.reshape(-1), src.reshape(-1))
        else:
            out.reshape(-1)[index.reshape(-1)] = src.reshape(-1)
    except IndexError:  # of a program, whose indices are seen here for the first time
        _in_row(index, out.size)
        raise
    return out


def _clear(x: Any, index: Any) -> Any:
    return _put(x, index, np.zeros(index.size, x.dtype), accumulate=False)


def _batch_take(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    x, index = args
    if not mask[0]:
        return op(x, index)
    flat = view(x, shape=(x.shape[0], prod(x.shape[1:])))
    if not mask[1]:
        return index_op(flat, index, dims=(1,), unique=False)
    return lined(flat, index, 0)


def _batch_take_back(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    size = batch_size(args, mask)
    g, index = bring(args[:1], mask[:1], size)[0], args[1]
    shape = (size, prod(kw["shape"]))
    if mask[1]:
        flat = unlined(g, index, 0, shape)
    else:
        flat = index_back(g, index, shape=shape, dims=(1,), unique=False)
    return view(flat, shape=(size, *kw["shape"]))


take_op = Op(
    "take", _take, kind="multilinear", args="x index",
    vjp=[lambda g, index, x_shape: take_back(g, index, shape=tuple(x_shape)), None], batch=_batch_take,
)  # fmt: skip
take_back: Op = Op(
    "take_back", _take_back, kind="multilinear", args="g index", vjp=[lambda t, index: take_op(t, index), None],
    batch=_batch_take_back,
    node="TakeBackwardBackward0",
)  # fmt: skip
put_op = Op(
    "put", _put, kind="linear", args="x index src",
    vjp=[
        lambda g, index, accumulate: g if accumulate else put_clear(g, index), None,
        lambda g, index, src_shape: view(take_op(g, index), shape=tuple(src_shape)),
    ],
)  # fmt: skip
put_clear: Op = Op("put_clear", _clear, kind="multilinear", args="x index", vjp=[lambda g, index: put_clear(g, index), None])


def _flat_index(function: str, input: Tensor, index: Tensor) -> None:
    v, i = value_of(function, input), value_of(function, index, "index", 2)
    name = f"{function}_" if function == "put" else function
    if index.dtype.name != "int64":
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {index.dtype.scalar_name}")
    n = prod(v.shape)
    if n == 0 and prod(i.shape):
        raise IndexError(f"{function}(): tried to {function} {'from' if function == 'take' else 'into'} an empty tensor")
    if not isinstance(i, Value):
        _in_row(i, n)


@declare.method
def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements at ``index`` of ``input`` seen as one row, in the shape of ``index``."""
    _flat_index("take", input, index)
    return into(out, take_op(input, index))


@declare.method(inplace=True)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``source`` at ``index`` of its elements seen as one row; ``accumulate`` adds."""
    _flat_index("put", input, index)
    s = value_of("put", source, "source", 3)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {input.dtype.scalar_name} and"
            f" source.dtype = {source.dtype.scalar_name}"
        )
    a, b = prod(s.shape), prod(index._value.shape)
    if a != b:
        raise IndexError(
            f"put_(): Expected source and index to have the same number of elements, but got source.numel() = {a}, index.numel() = {b}"
        )
    return put_op(input, index, source, accumulate=accumulate)  # type: ignore[no-any-return]


__all__ = ["index_add", "index_copy", "index_fill", "index_reduce", "index_select", "put", "take"]
