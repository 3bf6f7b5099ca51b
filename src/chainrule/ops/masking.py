"""Where a condition holds: masked_fill, masked_select, masked_scatter, nonzero; and index_put."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.inplace import check_writable, overwrite, snapshot, store
from ..core.modes import MODES
from ..core.naming import argument_error, type_name
from ..core.node import LEAF
from ..core.op import Op
from ..core.outputs import write_out
from ..core.size import Shape, broadcast_pair
from ..core.tensor import Tensor, wrap, wrap_with
from ..core.value import Value
from ..core.views import records
from . import declare
from .bounds import beyond
from .data import checked_scalar
from .dims import value_of
from .index import index_put_op, put_into
from .quick import recorder
from .shape import expand, reshape
from .structure import cast_to, sum_dims, sum_to, view

ndarray = np.ndarray
_NUMBERS = (int, float, complex, np.number, np.bool_)


# masked_fill


def _fill(x: Any, mask: Any, *, value: Any) -> Any:
    shape = x.shape if x.shape == mask.shape else np.broadcast_shapes(x.shape, mask.shape)
    out = np.array(x) if x.shape == shape else np.array(np.broadcast_to(x, shape), order="C")
    np.copyto(out, value, where=mask)
    return out


def _fill_from(x: Any, mask: Any, value: Any) -> Any:
    return _fill(x, mask, value=value)


def _raised(x: Any, ndim: int) -> Any:
    """``x``, whose axis 0 is a batch, with ones after it up to ``ndim`` axes."""
    return view(x, shape=(x.shape[0], *(1,) * (ndim - x.ndim), *x.shape[1:])) if x.ndim < ndim else x


def _batch_fill(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    rank = 1 + max(a.ndim - m for a, m in zip(args[:2], mask[:2], strict=True))
    if len(args) == 3 and mask[2]:
        from .compare import where

        return where(*[_raised(a, rank) if m else a for a, m in zip((args[1], args[2], args[0]), (mask[1], mask[2], mask[0]), strict=True)])
    x, m = [_raised(a, rank) if b else a for a, b in zip(args[:2], mask[:2], strict=True)]
    return op(x, m, *args[2:], **kw)


def _masked_total(g: Any, mask: Any) -> Any:
    kept = masked_fill_op(g, ~mask, value=0)
    return sum_dims(kept, dim=tuple(range(kept.ndim)), keepdim=False)


masked_fill_op: Op = Op(
    "masked_fill", _fill, kind="general", args="x mask",
    vjp=[lambda g, mask, x_shape: sum_to(masked_fill_op(g, mask, value=0), shape=tuple(x_shape)), None],
    jvp=lambda tangents, out, args, kw: masked_fill_op(tangents[0], args[1], value=0), batch=_batch_fill,
)  # fmt: skip
masked_fill_from = Op(
    "masked_fill_from", _fill_from, kind="linear", args="x mask value",
    vjp=[lambda g, mask, x_shape: sum_to(masked_fill_op(g, mask, value=0), shape=tuple(x_shape)), None, _masked_total],
    batch=_batch_fill, node="MaskedFillBackward1",
)  # fmt: skip
_C_NAMES = {"int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char", "uint8": "unsigned char",
            "float32": "float", "float64": "double"}  # fmt: skip
_finish_fill = recorder(masked_fill_op)


@declare.method(inplace=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``input`` with ``value``, a number or a 0-d tensor, where ``mask`` is True. The mask broadcasts.

    >>> import chainrule as torch
    >>> torch.tensor([1.0, 2.0]).masked_fill(torch.tensor([True, False]), 0.0)
    tensor([0., 2.])
    """
    v, m = value_of("masked_fill", input), value_of("masked_fill", mask, "mask", 2)
    if mask.dtype.name != "bool":
        name = mask.dtype.name
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {_C_NAMES.get(name, name)}")
    if isinstance(value, Tensor):
        if value._value.ndim:
            raise RuntimeError(
                f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value._value.ndim} dimension(s)."
            )
        broadcast_pair(tuple(m.shape), tuple(v.shape))
        if value.dtype.is_complex and not input.dtype.is_complex:
            return masked_fill(input, mask, value.item())
        return masked_fill_from(input, mask, cast_to(value, input.dtype))  # type: ignore[no-any-return]
    if not isinstance(value, _NUMBERS):
        raise argument_error("masked_fill", "value", "Number", value, 3)
    value = checked_scalar(value, input.dtype)
    if type(v) is ndarray and type(m) is ndarray:
        if v.shape != m.shape:
            broadcast_pair(m.shape, v.shape)
        kw = {"value": value}
        return _finish_fill(_fill(v, m, value=value), (v, m), (input, mask), kw)
    broadcast_pair(tuple(m.shape), tuple(v.shape))
    return masked_fill_op(input, mask, value=value)  # type: ignore[no-any-return]


# nonzero, masked_select


@declare.method
def nonzero(input: Tensor, *, as_tuple: bool = False, out: Tensor | None = None) -> Any:
    """The positions of the elements that are not zero, one a row; with ``as_tuple`` one vector a dimension.

    >>> import chainrule as torch
    >>> torch.tensor([0, 1, 2]).nonzero()
    tensor([[1],
            [2]])
    """
    v = value_of("nonzero", input)
    if isinstance(v, Value):
        v = v.concrete("nonzero")
    found = np.nonzero(np.atleast_1d(v))
    if as_tuple:
        return tuple([wrap(np.ascontiguousarray(f)) for f in found])
    rows = np.stack(found, 1) if v.ndim else np.zeros((len(found[0]), 0), np.int64)
    r = wrap(np.ascontiguousarray(rows, np.int64))
    return r if out is None else write_out(out, r)


@declare.method
def argwhere(input: Tensor) -> Tensor:
    """``input.nonzero()``."""
    return nonzero(input)  # type: ignore[no-any-return]


def _common(function: str, input: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    shape = broadcast_pair(tuple(value_of(function, input).shape), tuple(value_of(function, mask, "mask", 2).shape))
    a = input if tuple(input._value.shape) == shape else expand(input, shape)
    return a, mask if tuple(mask._value.shape) == shape else expand(mask, shape)


def _select(x: Any, mask: Any) -> Any:
    return np.asarray(x)[mask]


def _select_back(g: Any, mask: Any) -> Any:
    out = np.zeros(mask.shape, g.dtype)
    out[mask] = g
    return out


masked_select_op = Op(
    "masked_select", _select, kind="multilinear", args="x mask", vjp=[lambda g, mask: masked_place(g, mask), None]
)
masked_place: Op = Op(
    "masked_place", _select_back, kind="multilinear", args="g mask", vjp=[lambda t, mask: masked_select_op(t, mask), None],
    node="MaskedSelectBackwardBackward0",
)  # fmt: skip


@declare.method
def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of ``input`` where ``mask`` is True, as one row; both are broadcast."""
    value_of("masked_select", input)
    value_of("masked_select", mask, "mask", 2)
    if mask.dtype.name != "bool":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    a, m = _common("masked_select", input, mask)
    if not a._value.ndim:
        a, m = reshape(a, 1), reshape(m, 1)
    r: Tensor = masked_select_op(a, m)
    return r if out is None else write_out(out, r)


# masked_scatter


def _mscatter(x: Any, mask: Any, source: Any) -> Any:
    out = np.array(np.broadcast_to(x, mask.shape))
    out[mask] = source.reshape(-1)[: int(np.count_nonzero(mask))]
    return out


def _mscatter_source(g: Any, mask: Any, source_shape: Any) -> Any:
    found = masked_select_op(g, mask)
    return first_of(found, shape=tuple(source_shape))


def _first_of(x: Any, *, shape: Shape) -> Any:
    out = np.zeros(shape, x.dtype)
    out.reshape(-1)[: x.size] = x
    return out


first_of = Op(
    "first_of", _first_of, kind="linear", vjp=[lambda g, x_shape: view(_head(view(g, shape=(-1,)), x_shape[0]), shape=tuple(x_shape))]
)


def _head(x: Any, n: int) -> Any:
    from .slicing import slice_op

    return slice_op(x, dim=0, start=0, end=n, step=1)


masked_scatter_op = Op(
    "masked_scatter", _mscatter, kind="linear", args="x mask source",
    vjp=[lambda g, mask: masked_fill_op(g, mask, value=0), None, _mscatter_source],
)  # fmt: skip


@declare.method(inplace=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """``input`` with the elements of ``source``, in order, where ``mask`` is True."""
    value_of("masked_scatter", input)
    value_of("masked_scatter", mask, "mask", 2)
    value_of("masked_scatter", source, "source", 3)
    if mask.dtype.name != "bool":
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.scalar_name}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got{input.dtype.scalar_name} and {source.dtype.scalar_name}"
        )
    a, m = _common("masked_scatter", input, mask)
    v = m._value
    size = prod(source._value.shape)
    if not isinstance(v, Value) and int(np.count_nonzero(v)) > size:
        raise beyond("masked_scatter", size, size)
    return masked_scatter_op(a, m, source)  # type: ignore[no-any-return]


# index_put


def _lookups(input: Tensor, indices: Any) -> tuple[list[Tensor], Shape]:
    from .indexing import lookups

    if not isinstance(indices, (tuple, list)):
        raise argument_error("index_put", "indices", "tuple of Tensors", indices, 2)
    at: dict[int, Tensor] = {}
    dim = 0
    for k, i in enumerate(indices):
        if not isinstance(i, Tensor):
            raise TypeError(f"expected Tensor as element {k} in argument 0, but got {type_name(i)}")
        at[dim] = i
        dim += i._value.ndim if i.dtype.name in ("bool", "uint8") else 1
    if dim > input._value.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input._value.ndim} (got {dim})")
    tensors, dims, _ = lookups(tuple(input._value.shape), at)
    return tensors, dims


def _matched(input: Tensor, values: Any) -> Tensor:
    if values.dtype is not input.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {input.dtype.scalar_name} for the destination and"
            f" {values.dtype.scalar_name} for the source."
        )
    return values  # type: ignore[no-any-return]


@declare.method
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``values`` at ``input[indices]``; ``accumulate`` adds them, also where an index occurs twice."""
    tensors, dims = _lookups(input, indices)
    return index_put_op(input, _matched(input, values), *tensors, dims=dims, accumulate=accumulate)  # type: ignore[no-any-return]


def put_at(target: Tensor, tensors: list[Tensor], dims: Shape, values: Tensor, accumulate: bool = False) -> Tensor:
    """``index_put_`` with indices that have been read already."""
    recording = MODES.grad and (records(target) or values._gn is not None)
    plain = not any(isinstance(x._value, Value) for x in (target, values, *tensors))
    if recording or not plain:
        if recording:
            check_writable(target)
        source = target
        if target._gn is not LEAF and plain:
            source = wrap_with(snapshot(target._value), target._gn) if target._gn is not None else wrap(snapshot(target._value))
        result = index_put_op(source, values, *tensors, dims=dims, accumulate=accumulate)
        return overwrite("index_put_", target, result, recording)
    out = np.array(target._value)
    put_into(out, values._value, [t._value for t in tensors], dims, accumulate)
    store("index_put_", target, out)
    return target


def index_put_(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """Write ``values`` at ``self[indices]``; ``accumulate`` adds them, also where an index occurs twice."""
    tensors, dims = _lookups(self, indices)
    return put_at(self, tensors, dims, _matched(self, values), accumulate)


declare.attach(index_put_, "index_put_")

__all__ = ["argwhere", "index_put", "masked_fill", "masked_scatter", "masked_select", "nonzero"]
