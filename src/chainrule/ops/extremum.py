"""Largest and smallest elements, and where they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import return_types
from ..core.apply import FLOATS, NUMBERS
from ..core.op import Op
from ..core.outputs import write_out
from ..core.tensor import Tensor, wrap
from . import declare
from .along import put_along, take_along
from .compare import maximum, minimum, where
from .reducing import check_out, checked, kind_of, many_dims, numpy_names, one_dim, prompt
from .structure import cast, kept, sum_dims, view

# -- values, ties share the gradient -------------------------------------------------------------------------------------


def shared(g: Any, x: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """The cotangent ``g`` spread evenly over the elements that attain ``out``."""
    if not keepdim:
        shape = kept(x.shape, dim)
        g, out = view(g, shape=shape), view(out, shape=shape)
    chosen = _attains(x, out)
    share = g / cast(sum_dims(chosen, dim=dim, keepdim=True), dtype=kind_of(g).np)
    return where(chosen, share, 0)


def _attains(x: Any, out: Any) -> Any:
    """Which elements are the extremum; NaN is one where it is the result."""
    return (x == out) | ((x != x) & (out != out))


def _shared_jvp(tangents: Any, out: Any, args: Any, kw: dict[str, Any]) -> Any:
    x, dim, keepdim = args[0], kw["dim"], kw["keepdim"]
    chosen = _attains(x, out if keepdim else view(out, shape=kept(x.shape, dim)))
    t = where(chosen, tangents[0], 0)
    return sum_dims(t, **kw) / cast(sum_dims(chosen, **kw), dtype=kind_of(t).np)


_NARROW = 32


def reduced(reduce: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """``reduce(x, axis=dim, keepdims=keepdim)`` on a raw array, quicker over many short rows.

    NumPy spends 50 ns on every row; a transposed copy has only few.
    """
    if x.ndim == 2 and dim == (1,) and x.shape[1] <= _NARROW <= x.shape[0]:
        r = reduce(x.T.copy(), axis=0)
        return r.reshape(-1, 1) if keepdim else r
    return reduce(x, axis=dim, keepdims=keepdim)


def _extremum(reduce: Any) -> Any:
    def impl(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
        r = reduced(reduce, x, dim, keepdim)
        return r if isinstance(r, np.ndarray) or r.dtype.kind != "V" else np.asarray(r)

    return impl


def _valued(name: str, reduce: Any, node: str) -> Op:
    return Op(name, _extremum(reduce), kind="general", vjp=[shared], jvp=_shared_jvp, batch=sum_dims.batch_rule, node=node)


amax_op = _valued("amax", np.maximum.reduce, "AmaxBackward0")
amin_op = _valued("amin", np.minimum.reduce, "AminBackward0")


def _whole(name: str, over: Op, pick: str, node: str) -> Op:
    """The extremum of all elements."""

    def impl(x: Any) -> Any:
        if x.ndim and x.flags.c_contiguous and x.dtype in NUMBERS:
            return x.ravel()[getattr(x, pick)()]
        return over.impl(x, dim=tuple(range(x.ndim)), keepdim=False)

    def everything(x: Any) -> dict[str, Any]:
        return {"dim": tuple(range(x.ndim)), "keepdim": False}

    return Op(
        name, impl, kind="general", node=node,
        vjp=[lambda g, x, out: shared(g, x, out, tuple(range(x.ndim)), False)],
        jvp=lambda tangents, out, args, kw: _shared_jvp(tangents, out, args, everything(args[0])),
        batch=lambda op, args, mask, kw: over(args[0], dim=tuple(range(1, args[0].ndim)), keepdim=False),
    )  # fmt: skip


max_all = _whole("max_all", amax_op, "argmax", "MaxBackward1")
min_all = _whole("min_all", amin_op, "argmin", "MinBackward1")
_prompt = {op: prompt(op) for op in (max_all, min_all, amax_op, amin_op)}


def _aminmax_rule(g: Any, x: Any, out0: Any, out1: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return shared(g[0], x, out0, dim, keepdim) + shared(g[1], x, out1, dim, keepdim)


aminmax_op = Op(
    "aminmax", lambda x, **kw: (amin_op.impl(x, **kw), amax_op.impl(x, **kw)), kind="general", outputs=2, differentiable=(0, 1),
    vjp=[_aminmax_rule], batch=sum_dims.batch_rule,
    jvp=lambda tangents, out, args, kw: (_shared_jvp(tangents, out[0], args, kw), _shared_jvp(tangents, out[1], args, kw)),
)  # fmt: skip

# -- values with their indices: the index says who gets the gradient -----------------------------------------------------


def at_index(g: Any, x_shape: Any, out1: Any, dim: int, keepdim: bool) -> Any:
    """The cotangent of values that were picked along ``dim`` by the indices ``out1``."""
    if not keepdim:
        shape = kept(x_shape, (dim,))
        g, out1 = view(g, shape=shape), view(out1, shape=shape)
    return put_along(g, out1, dim=dim, size=x_shape[dim], unique=True)


def at_index_jvp(tangents: Any, out: Any, args: Any, kw: dict[str, Any]) -> Any:
    """The tangents that the indices pick."""
    x, dim, index = args[0], kw["dim"], out[1]
    shape = tuple(index.shape)
    if not kw["keepdim"]:
        index = view(index, shape=kept(x.shape, (dim,)))
    return (view(take_along(tangents[0], index, dim=dim), shape=shape), None)


def picked(x: Any, index: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """``(values, indices)`` for indices along ``dim``, on raw arrays."""
    if x.ndim == 1:
        values, index = x[index], index
        return (np.reshape(values, (1,)), np.reshape(index, (1,))) if keepdim else (values, index)
    if x.ndim == 2 and x.flags.c_contiguous and not keepdim:
        rows, columns = x.shape
        flat = index + np.arange(0, rows * columns, columns) if dim else index * columns + np.arange(columns)
        return x.ravel()[flat], index
    kept_index = np.expand_dims(index, dim)
    values = take_along.impl(x, kept_index, dim=dim)
    return (values, kept_index) if keepdim else (values.reshape(index.shape), index)


def selecting(name: str, find: Any, node: str) -> Op:
    """An operation whose results are elements of its input; ``find(x, dim, **kw)`` gives their indices."""

    def impl(x: Any, *, dim: int, keepdim: bool, **kw: Any) -> Any:
        return picked(x, find(x, dim, **kw), dim, keepdim)

    return Op(
        name, impl, kind="general", outputs=2, vjp=[at_index], jvp=at_index_jvp, node=node,
        batch=lambda op, args, mask, kw: op(args[0], **{**kw, "dim": kw["dim"] + 1}),
    )  # fmt: skip


max_dim = selecting("max", lambda x, dim: x.argmax(dim), "MaxBackward0")
min_dim = selecting("min", lambda x, dim: x.argmin(dim), "MinBackward0")


def select(op: Op, made: Any, input: Any, dim: int, keepdim: bool, **kw: Any) -> Any:
    """``op`` as the named tuple ``made``; a 0-d tensor is its own result at index 0.  IndexError for an empty dimension."""
    shape = input._value.shape
    ndim = len(shape)
    dim = one_dim(dim, ndim)
    if ndim == 0:
        values, indices = op(view(input, shape=(1,)), dim=0, keepdim=False, **kw)
        return made((values, indices))
    if shape[dim] == 0:
        raise IndexError(f"{made.__name__}(): Expected reduction dim {dim} to have non-zero size.")
    return made(op(input, dim=dim, keepdim=keepdim, **kw))


# -- public --------------------------------------------------------------------------------------------------------------


def _whole_of(name: str, op: Op, input: Any, v: Any) -> Any:
    if v.dtype in FLOATS and v.size:
        return _prompt[op](input)
    kind = kind_of(input)
    if kind.is_complex:
        raise NotImplementedError(f"\"{name}_all\" not implemented for '{kind.scalar_name}'")
    if 0 in v.shape:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
        )
    return op(input)


def _check_real(name: str, input: Any) -> None:
    kind = kind_of(input)
    if kind.is_complex:
        raise NotImplementedError(f"\"{name}\" not implemented for '{kind.scalar_name}'")


@declare.method
def max(
    input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None, axis: Any = None, keepdims: bool = False
) -> Any:
    """The largest element; along ``dim`` the named tuple ``(values, indices)``; of two tensors, :func:`maximum`.

    NaN is larger than everything.  The whole tensor's largest elements share the gradient; along ``dim`` the one at the
    index gets all of it.

    >>> import chainrule as torch
    >>> torch.max(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), 1).indices
    tensor([1, 0])
    """
    v = checked("max", input)
    if dim is None and axis is None and other is None and out is None:
        return _whole_of("max", max_all, input, v)
    return _overload("max", max_dim, max, maximum, input, dim if axis is None else axis, keepdim or keepdims, other, out)


@declare.method
def min(
    input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None, axis: Any = None, keepdims: bool = False
) -> Any:
    """The smallest element; along ``dim`` the named tuple ``(values, indices)``; of two tensors, :func:`minimum`.

    NaN is smaller than everything.  Ties as in :func:`max`.

    >>> import chainrule as torch
    >>> torch.min(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), 0).values
    tensor([1., 2.])
    """
    v = checked("min", input)
    if dim is None and axis is None and other is None and out is None:
        return _whole_of("min", min_all, input, v)
    return _overload("min", min_dim, min, minimum, input, dim if axis is None else axis, keepdim or keepdims, other, out)


def _overload(name: str, op: Op, public: Any, of_two: Any, input: Any, dim: Any, keepdim: bool, other: Any, out: Any) -> Any:
    if isinstance(dim, Tensor) or other is not None:
        return of_two(input, dim if other is None else other, out=out)
    if out is not None:
        return write_out(out, public(input) if dim is None else public(input, dim, keepdim))
    if input._value.dtype not in FLOATS and kind_of(input).is_complex:
        raise RuntimeError(f"{name}(): does not support complex input")
    return select(op, getattr(return_types, name), input, dim, keepdim)


def _over(op: Op, input: Any, dim: Any, keepdim: bool, out: Any) -> Any:
    v = checked(op.name, input)
    if out is not None:
        if out.dtype is not input.dtype:
            raise RuntimeError(
                f"Expected the dtype for input and out to match, but got {input.dtype.scalar_name} for input's dtype and"
                f" {out.dtype.scalar_name} for out's dtype."
            )
        return write_out(out, _over(op, input, dim, keepdim, None))
    if v.dtype not in FLOATS:
        _check_real("max_values_cpu" if op is amax_op else "min_values_cpu", input)
    dims = many_dims(dim, v.ndim)
    if 0 in v.shape:
        check_not_empty(op.name, v.shape, dims, dim is None or (isinstance(dim, (tuple, list)) and not dim))
    return _prompt[op](input, dim=dims, keepdim=keepdim)


def check_not_empty(name: str, shape: Any, dims: tuple[int, ...], all_dims: bool) -> None:
    """Refuse to reduce nothing by an operation that has no identity."""
    if all_dims:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
        )
    for d in dims:
        if shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


@declare.method
@numpy_names
def amax(input: Any, dim: Any = (), keepdim: bool = False, *, out: Any = None) -> Any:
    """The largest elements over ``dim`` (all by default); ties share the gradient evenly.

    >>> import chainrule as torch
    >>> torch.amax(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), 1)
    tensor([5., 7.])
    """
    return _over(amax_op, input, dim, keepdim, out)


@declare.method
@numpy_names
def amin(input: Any, dim: Any = (), keepdim: bool = False, *, out: Any = None) -> Any:
    """The smallest elements over ``dim`` (all by default); ties share the gradient evenly.

    >>> import chainrule as torch
    >>> torch.amin(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), 1)
    tensor([1., 2.])
    """
    return _over(amin_op, input, dim, keepdim, out)


@declare.method
@numpy_names
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    """The named tuple ``(min, max)`` of all elements, or along ``dim``; ties share the gradient evenly.

    >>> import chainrule as torch
    >>> torch.aminmax(torch.tensor([3.0, 1.0, 2.0])).max
    tensor(3.)
    """
    v = checked("aminmax", input)
    if out is not None:
        check_out(input, *out)
        return write_out(out, aminmax(input, dim=dim, keepdim=keepdim))
    _check_real("aminmax_cpu", input)
    if dim is None:
        if 0 in v.shape:
            raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.")
        dims = tuple(range(v.ndim))
    else:
        d = one_dim(dim, v.ndim)
        if v.ndim and v.shape[d] == 0:
            raise IndexError(f"aminmax: Expected reduction dim {d} to have non-zero size.")
        dims = (d,) if v.ndim else ()
    return return_types.aminmax(aminmax_op(input, dim=dims, keepdim=keepdim))


# -- positions -----------------------------------------------------------------------------------------------------------


def _position(pick: str) -> Any:
    def impl(x: Any, *, dim: int | None, keepdim: bool) -> Any:
        r = getattr(x, pick)(dim, keepdims=keepdim) if keepdim else getattr(x, pick)(dim)
        return r

    return impl


def _position_batch(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    x, dim, keepdim = args[0], kw["dim"], kw["keepdim"]
    if dim is not None:
        return op(x, dim=dim + 1, keepdim=keepdim)
    r = op(view(x, shape=(x.shape[0], int(np.prod(x.shape[1:], dtype=np.int64)))), dim=1, keepdim=False)
    return view(r, shape=(x.shape[0],) + (1,) * (x.ndim - 1)) if keepdim else r


argmax_op = Op("argmax", _position("argmax"), kind="general", batch=_position_batch)
argmin_op = Op("argmin", _position("argmin"), kind="general", batch=_position_batch)


def _argextremum(op: Op, input: Any, dim: Any, keepdim: bool, out: Any) -> Any:
    v = checked(op.name, input)
    if v.dtype in NUMBERS and not keepdim and out is None and v.ndim and v.size and (dim is None or -v.ndim <= dim < v.ndim):
        return wrap(getattr(v, op.name)(dim))
    if out is not None:
        return write_out(out, _argextremum(op, input, dim, keepdim, None))
    kind = kind_of(input)
    if kind.is_complex or kind.category == 0:
        raise RuntimeError(f"{op.name}(): does not support {'complex' if kind.is_complex else 'bool'} input")
    if dim is None:
        if 0 in v.shape:
            raise IndexError(f"{op.name}(): Expected reduction dim to be specified for input.numel() == 0.")
        return op(input, dim=None, keepdim=keepdim)
    dim = one_dim(dim, v.ndim)
    if v.ndim == 0:
        return op(input, dim=None, keepdim=False)
    if v.shape[dim] == 0:
        raise IndexError(f"{op.name}(): Expected reduction dim {dim} to have non-zero size.")
    return op(input, dim=dim, keepdim=keepdim)


@declare.method
def argmax(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The index of the largest element (of the flattened tensor, or along ``dim``); the first of equal ones.

    >>> import chainrule as torch
    >>> torch.argmax(torch.tensor([1.0, 9.0, 4.0]))
    tensor(1)
    """
    return _argextremum(argmax_op, input, dim if axis is None else axis, keepdim or keepdims, out)


@declare.method
def argmin(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The index of the smallest element (of the flattened tensor, or along ``dim``); the first of equal ones.

    >>> import chainrule as torch
    >>> torch.argmin(torch.tensor([5.0, 9.0, 4.0]))
    tensor(2)
    """
    return _argextremum(argmin_op, input, dim if axis is None else axis, keepdim or keepdims, out)


__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]
