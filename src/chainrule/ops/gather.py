"""Values picked and placed along one dimension by an index tensor of the same rank: gather and the scatters."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.batching import batch_size, bring
from ..core.naming import argument_error
from ..core.op import Op
from ..core.outputs import write_out
from ..core.size import Shape, broadcast_pair, text
from ..core.tensor import Tensor
from ..core.value import Value
from . import declare
from .bounds import beyond
from .compare import where
from .dims import one_dim, value_of
from .quick import recorder
from .reducing import numpy_names
from .shape import expand, reshape
from .slicing import sliced
from .structure import cast

ndarray = np.ndarray
_most = np.maximum.reduce
_UNSIGNED = {np.dtype(np.int64): np.uint64, np.dtype(np.int32): np.uint32}


def grid(index: Any, dim: int) -> tuple[Any, ...]:
    """The NumPy index that pairs ``index`` along ``dim`` with each position of the other dimensions."""
    ndim = index.ndim
    if ndim == 1:
        return (index,)
    if ndim == 2:
        return (np.arange(index.shape[0])[:, None], index) if dim else (index, np.arange(index.shape[1]))
    return tuple([index if d == dim else np.arange(n).reshape((n,) + (1,) * (ndim - 1 - d)) for d, n in enumerate(index.shape)])


def outside(index: Any, n: int) -> bool:
    """Whether some index is negative or not below ``n``: a negative number is a very large one without its sign."""
    return bool(index.size and _most(index.view(_UNSIGNED[index.dtype]), None) >= n)


def _in_bounds(index: Any, dim: int, n: int) -> None:
    if outside(index, n):
        bad = np.extract((index < 0) | (index >= n), index)
        raise beyond("gather", bad[0], n, dim)


# On arrays: what holds one element or more dimensions; the public functions give numbers a dimension


def _gather(x: Any, index: Any, *, dim: int) -> Any:
    _in_bounds(index, dim, x.shape[dim])
    return x[grid(index, dim)]


def _gather_back(g: Any, index: Any, *, dim: int, shape: Shape) -> Any:
    out = np.zeros(shape, g.dtype)
    np.add.at(out, grid(index, dim), g)
    return out


def _scatter(x: Any, index: Any, src: Any, *, dim: int) -> Any:
    _in_bounds(index, dim, x.shape[dim])
    out = np.array(x)
    out[grid(index, dim)] = src
    return out


def _scatter_value(x: Any, index: Any, *, dim: int, value: Any) -> Any:
    return _scatter(x, index, value, dim=dim)


def _scatter_add(x: Any, index: Any, src: Any, *, dim: int) -> Any:
    _in_bounds(index, dim, x.shape[dim])
    out = np.array(x)
    if out.dtype == bool:
        np.logical_or.at(out, grid(index, dim), src)
    else:
        np.add.at(out, grid(index, dim), src)
    return out


_REDUCERS: dict[str, Any] = {
    "sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum
}  # fmt: skip


def start(dtype: Any, reduce: str) -> Any:
    """What leaves every number as it is under ``reduce``."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind == "b":
        return reduce == "amin"
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if reduce == "amax" else np.iinfo(dtype).max
    return -np.inf if reduce == "amax" else np.inf


def _scatter_reduce(x: Any, index: Any, src: Any, *, dim: int, reduce: str, include_self: bool) -> Any:
    _in_bounds(index, dim, x.shape[dim])
    out = np.array(x)
    at = grid(index, dim)
    if not include_self:
        out[at] = start(out.dtype, reduce)
    _REDUCERS[reduce].at(out, at, src)
    if reduce == "mean":
        counts = np.zeros(out.shape, np.int64)
        np.add.at(counts, at, 1)
        counts = np.maximum(counts + include_self, 1)
        out = (out // counts if out.dtype.kind in "iu" else out / counts).astype(out.dtype)
    return out


# Batching


def _batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    size = batch_size(args, mask)
    kw = {**kw, "dim": kw["dim"] + 1}
    if "shape" in kw:
        kw["shape"] = (size, *kw["shape"])
    return op(*bring(args, mask, size), **kw)


# Rules


def _counts(index: Any, like: Any, dim: int, include_self: bool) -> Any:
    """How many values each element of the result is the mean of."""
    ones = like * 0 + 1
    hits = gather_back(gather_op(ones, index, dim=dim), index, dim=dim, shape=tuple(like.shape)) + include_self
    return where(hits == 0, 1, hits)


def _reduce_rule(g: Any, x: Any, index: Any, src: Any, out: Any, dim: int, reduce: str, include_self: bool) -> tuple[Any, None, Any]:
    """The cotangents of ``x`` and ``src``."""
    if reduce == "mean":
        g = g / _counts(index, g, dim, include_self)
    if reduce in ("sum", "mean"):
        gx, gs = g, gather_op(g, index, dim=dim)
    elif reduce == "prod":
        gx, gs = _prod_rule(g, x, index, src, out, dim, include_self)
    else:
        mine = x == out
        theirs = src == gather_op(out, index, dim=dim)
        shape = tuple(x.shape)
        hits = gather_back(cast(theirs, dtype=_np_dtype(g)), index, dim=dim, shape=shape)
        hits = hits + mine if include_self else where(hits == 0, 1, hits)
        share = g / where(hits == 0, 1, hits)
        gx, gs = where(mine, share, 0), where(theirs, gather_op(share, index, dim=dim), 0)
    if not include_self:
        gx = scatter_value_op(gx if reduce not in ("amax", "amin") else g, index, dim=dim, value=0)
    return gx, None, gs


def _np_dtype(x: Any) -> Any:
    return x.dtype.np if isinstance(x, Tensor) else x.dtype


def _prod_rule(g: Any, x: Any, index: Any, src: Any, out: Any, dim: int, include_self: bool) -> tuple[Any, Any]:
    """A factor's cotangent is the product of the others: without dividing by zero where one of them is zero."""
    kw = {"dim": dim, "reduce": "prod", "include_self": include_self}
    no_x, no_src = x == 0, src == 0
    rest = scatter_reduce_op(where(no_x, 1, x), index, where(no_src, 1, src), **kw)
    kind = _np_dtype(g)
    zeros = gather_back(cast(no_src, dtype=kind), index, dim=dim, shape=tuple(x.shape))
    if include_self:
        zeros = zeros + no_x
    gx = g * where(zeros == 0, out / where(no_x, 1, x), where((zeros == 1) & no_x, rest, 0))
    at = gather_op(zeros, index, dim=dim)
    of_src = gather_op(out, index, dim=dim) / where(no_src, 1, src)
    gs = gather_op(g, index, dim=dim) * where(at == 0, of_src, where((at == 1) & no_src, gather_op(rest, index, dim=dim), 0))
    return gx if include_self else g, gs


gather_op = Op(
    "gather", _gather, kind="multilinear", args="x index",
    vjp=[lambda g, index, x_shape, dim: gather_back(g, index, dim=dim, shape=tuple(x_shape)), None], batch=_batch,
)  # fmt: skip
gather_back: Op = Op(
    "gather_back", _gather_back, kind="multilinear", args="g index",
    vjp=[lambda t, index, dim: gather_op(t, index, dim=dim), None], batch=_batch, node="GatherBackwardBackward0",
)  # fmt: skip
scatter_value_op: Op = Op(
    "scatter_value", _scatter_value, kind="general", args="x index",
    vjp=[lambda g, index, dim: scatter_value_op(g, index, dim=dim, value=0), None],
    jvp=lambda tangents, out, args, kw: scatter_value_op(tangents[0], args[1], dim=kw["dim"], value=0),
    batch=_batch, node="ScatterBackward1",
)  # fmt: skip
scatter_op = Op(
    "scatter", _scatter, kind="linear", args="x index src",
    vjp=[
        lambda g, index, dim: scatter_value_op(g, index, dim=dim, value=0), None,
        lambda g, index, dim: gather_op(g, index, dim=dim),
    ], batch=_batch,
)  # fmt: skip
scatter_add_op = Op(
    "scatter_add", _scatter_add, kind="linear", args="x index src",
    vjp=[lambda g: g, None, lambda g, index, dim: gather_op(g, index, dim=dim)], batch=_batch,
)  # fmt: skip
scatter_reduce_op = Op("scatter_reduce", _scatter_reduce, kind="general", args="x index src", vjp=_reduce_rule, batch=_batch)


_finish_gather = recorder(gather_op)


# Public functions


def index_kind(function: str, index: Any, position: int = 3) -> Any:
    """The value of an index tensor; RuntimeError unless it holds int32 or int64 (or nothing)."""
    v = value_of(function, index, "index", position)
    if v.dtype not in _UNSIGNED and index.dtype.name not in ("int64", "int32") and 0 not in v.shape:
        raise RuntimeError(f"{function}(): Expected dtype int32/int64 for index")
    return v


def _at_least_one(x: Tensor) -> Tensor:
    return x if x._value.ndim else reshape(x, 1)


def _apply(op: Op, input: Tensor, *rest: Tensor, **kw: Any) -> Tensor:
    """The operation, with a dimension for numbers on its way."""
    shape = input._value.shape if op is not gather_op else rest[0]._value.shape
    r = op(_at_least_one(input), *[_at_least_one(x) for x in rest], **kw)
    return r if shape else reshape(r, ())


@declare.method
@numpy_names
def gather(input: Tensor, dim: Any, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` for ``dim=0``, and so on: the values at ``index`` along ``dim``.

    ``index`` has the rank of ``input`` and the shape of the result. RuntimeError for an index out of range.

    >>> import chainrule as torch
    >>> torch.tensor([[1, 2], [3, 4]]).gather(1, torch.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    v = value_of("gather", input)
    dim = one_dim("gather", dim, v.ndim)
    i = index_kind("gather", index)
    have, shape = tuple(i.shape), tuple(v.shape)
    if 0 in have and len(have) != len(shape):
        return into(out, reshape(sliced(reshape(input, -1), 0, 0, 0), have))
    if max(len(have), 1) != max(len(shape), 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for d, (a, b) in enumerate(zip(have, shape, strict=False)):
        if d != dim and a > b:
            raise RuntimeError(
                f"Size does not match at dimension {d} expected index {text(have)} to be no larger than self {text(shape)} apart from"
                f" dimension {dim}"
            )
    if type(v) is ndarray and type(i) is ndarray and shape and have and out is None:
        return _finish_gather(_gather(v, i, dim=dim), (v, i), (input, index), {"dim": dim})
    return into(out, _apply(gather_op, input, index, dim=dim))


def into(out: Tensor | None, result: Tensor) -> Tensor:
    """``result``, or ``out`` holding it; RuntimeError unless their dtypes are the same."""
    if out is None:
        return result
    if out.dtype is not result.dtype:
        raise RuntimeError(f"Expected out tensor to have dtype {result.dtype.cpp_name}, but got {out.dtype.cpp_name} instead")
    return write_out(out, result)  # type: ignore[no-any-return]


def _checked(name: str, input: Tensor, dim: Any, index: Tensor, src: Any) -> tuple[int, Any]:
    """The dimension counted from the front, and ``src`` cut to the shape of ``index``."""
    v = value_of(name, input)
    dim = one_dim(name, dim, v.ndim)
    i = index_kind("scatter", index)
    shape, have = tuple(v.shape), tuple(i.shape)
    given = None
    if isinstance(src, Tensor):
        if src.dtype is not input.dtype:
            raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
        given = tuple(src._value.shape)
    if 0 in have:
        return dim, src
    if max(len(have), 1) != max(len(shape), 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    if given is not None and max(len(have), 1) != max(len(given), 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    wide = any(d != dim and a > b for d, (a, b) in enumerate(zip(have, shape, strict=False)))
    if wide or (given is not None and any(a > b for a, b in zip(have, given, strict=False))):
        more = "" if given is None else f" and to be no larger size than src {text(given)}"
        raise RuntimeError(f"Expected index {text(have)} to be no larger than self {text(shape)} apart from dimension {dim}{more}")
    if given is not None:
        for d, (a, b) in enumerate(zip(have, given, strict=False)):
            if a < b:
                src = sliced(src, d, 0, a)
    return dim, src


@declare.method(inplace=True)
@numpy_names
def scatter(
    input: Tensor, dim: Any, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None, out: Tensor | None = None
) -> Tensor:
    """A copy of ``input`` with ``src`` (a tensor or a number) at ``index`` along ``dim``: the reverse of :func:`gather`.

    Where an index occurs twice, which value stays is not specified, and the gradient is right only if they are equal.
    ``reduce`` is ``'add'`` or ``'multiply'``: see :func:`scatter_reduce`.
    """
    if out is not None:
        return into(out, scatter(input, dim, index, src, value=value, reduce=reduce))
    src = value if src is None else src
    dim, src = _checked("scatter", input, dim, index, src)
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        if isinstance(src, Tensor):
            warnings.warn(
                "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future PyTorch release."
                " Use torch.scatter_reduce instead for more reduction options.",
                UserWarning,
                stacklevel=2,
            )
        else:
            src = input.new_full(tuple(index._value.shape), src)
        return _apply(scatter_reduce_op, input, index, src, dim=dim, reduce="sum" if reduce == "add" else "prod", include_self=True)
    if 0 in index._value.shape:
        return input.clone()
    if isinstance(src, Tensor):
        return _apply(scatter_op, input, index, src, dim=dim)
    if not isinstance(src, (int, float, complex, np.number, np.bool_)):
        raise argument_error("scatter", "src", "Tensor", src, 4)
    from .data import checked_scalar

    return _apply(scatter_value_op, input, index, dim=dim, value=checked_scalar(src, input.dtype))


@declare.method(inplace=True)
@numpy_names
def scatter_add(input: Tensor, dim: Any, index: Tensor, src: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of ``input`` with ``src`` added at ``index`` along ``dim``; what meets at one place adds up."""
    dim, src = _checked("scatter_add", input, dim, index, src)
    if 0 in index._value.shape:
        return into(out, input.clone())
    return into(out, _apply(scatter_add_op, input, index, src, dim=dim))


@declare.method(inplace=True)
@numpy_names
def scatter_reduce(
    input: Tensor, dim: Any, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True, out: Tensor | None = None
) -> Tensor:
    """``src`` put at ``index`` along ``dim`` and reduced: ``'sum'``, ``'prod'``, ``'mean'``, ``'amax'`` or ``'amin'``.

    ``include_self``: what ``input`` holds there takes part. Ties of ``amax`` and ``amin`` share the gradient evenly, and
    the gradient of ``'prod'`` is right where factors are zero.
    """
    dim, src = _checked("scatter_reduce", input, dim, index, src)
    if reduce not in _REDUCERS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if 0 in index._value.shape:
        return into(out, input.clone())
    return into(out, _apply(scatter_reduce_op, input, index, src, dim=dim, reduce=reduce, include_self=include_self))


@declare.method
@numpy_names
def take_along_dim(input: Tensor, indices: Tensor, dim: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The values at ``indices`` along ``dim``, both broadcast against each other elsewhere; of the flat tensor without ``dim``."""
    shape, have = tuple(value_of("take_along_dim", input).shape), tuple(value_of("take_along_dim", indices, "indices", 2).shape)
    if indices.dtype.name != "int64":
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype.scalar_name}")
    if dim is None:
        r = gather(reshape(input, -1), 0, reshape(indices, -1))
        return r if out is None else write_out(out, r)
    if len(shape) != len(have):
        raise RuntimeError(
            f"torch.take_along_dim(): input and indices should have the same number of dimensions, but got {len(shape)} dimensions"
            f" for input, and {len(have)} dimensions for indices"
        )
    dim = one_dim("take_along_dim", dim, len(shape), position=3)
    common = list(broadcast_pair((*shape[:dim], 1, *shape[dim + 1 :]), (*have[:dim], 1, *have[dim + 1 :])))
    wide = [tuple([s if d == dim else n for d, n in enumerate(common)]) for s in (shape[dim], have[dim])]
    r = gather(expand(input, wide[0]), dim, expand(indices, wide[1]) % shape[dim] if _negative(indices) else expand(indices, wide[1]))
    return r if out is None else write_out(out, r)


def _negative(indices: Tensor) -> bool:
    v = indices._value
    return not isinstance(v, Value) and bool((np.asarray(v) < 0).any())


__all__ = ["gather", "scatter", "scatter_add", "scatter_reduce", "take_along_dim"]
