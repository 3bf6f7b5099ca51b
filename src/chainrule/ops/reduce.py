"""Sums, means, products and truth over dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.batching import same
from ..core.dtype import as_dtype
from ..core.op import Op
from ..core.outputs import write_out
from . import declare
from .products import conj
from .reducing import checked, count, integers_to_int64, kind_of, many_dims, numpy_names, one_dim, prompt, to_kind
from .structure import expand_to, kept, sum_dims, view
from .summation import add_over, total


def _spread(g: Any, x_shape: Any) -> Any:
    """A 0-d cotangent at every element."""
    return expand_to(g, shape=tuple(x_shape))


def _all_dims(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    x = args[0]
    return sum_dims(x, dim=tuple(range(1, x.ndim)), keepdim=False)


def _mean_of_all(x: Any) -> Any:
    n = x.size
    if x.dtype in FLOATS:
        return total(x) / n
    return _mean(x, dim=tuple(range(x.ndim)), keepdim=False)


def _mean(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    n = count(x.shape, dim)
    if x.dtype.kind in "fc" and x.dtype.itemsize > 2:
        return add_over(x, dim=dim, keepdim=keepdim) / n
    return np.asarray(add_over(x.astype(np.float32), dim=dim, keepdim=keepdim) / n).astype(x.dtype)


def _divide(g: Any, n: int) -> Any:
    """``g / n`` in the dtype of ``g``; an empty mean has no cotangent to divide."""
    r = g / (n or 1)
    return r if r.dtype == g.dtype else np.asarray(r, g.dtype)


def _spread_mean(g: Any, x_shape: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    g = _divide(g, count(x_shape, dim))
    return expand_to(g if keepdim else view(g, shape=kept(x_shape, dim)), shape=tuple(x_shape))


def _numel(shape: Any) -> int:
    return count(shape, tuple(range(len(shape))))


sum_all: Op = Op("sum_all", total, kind="linear", vjp=[_spread], batch=_all_dims, node="SumBackward0")
mean_all: Op = Op(
    "mean_all", _mean_of_all, kind="linear", vjp=[lambda g, x_shape: _spread(_divide(g, _numel(x_shape)), x_shape)],
    batch=lambda op, args, mask, kw: mean_dims(args[0], dim=tuple(range(1, args[0].ndim)), keepdim=False), node="MeanBackward0",
)  # fmt: skip
mean_dims: Op = Op(
    "mean", _mean, kind="linear", vjp=[_spread_mean], batch=sum_dims.batch_rule, node="MeanBackward1",
)  # fmt: skip
_sum_all = prompt(sum_all)
_sum_dims = prompt(sum_dims)
_mean_all = prompt(mean_all)
_mean_dims = prompt(mean_dims)


@declare.method
def sum(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None, axis: Any = None, keepdims: bool = False
) -> Any:
    """The sum of all elements, or over the dimensions ``dim``; integers and truth values add up as int64.

    Raises IndexError for a dimension out of range, RuntimeError for one given twice.

    >>> import chainrule as torch
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(0)
    tensor([4., 6.])
    """
    v = checked("sum", input)
    if axis is not None:
        dim = axis
    if keepdims:
        keepdim = True
    if v.dtype in FLOATS and dtype is None and out is None:
        if dim is None and not keepdim:
            return _sum_all(input)
        return _sum_dims(input, dim=many_dims(dim, v.ndim), keepdim=keepdim)
    if out is not None:
        return write_out(out, sum(input, dim, keepdim, dtype=dtype or out.dtype))
    if dtype is not None:
        dtype = as_dtype(dtype, "sum", "dtype")
    x = integers_to_int64(input, dtype)
    if x.dtype.category == 0:
        return any(x, dim, keepdim)  # dtype=bool: a sum of truth values is whether one is true
    if dim is None and not keepdim:
        return sum_all(x)
    return sum_dims(x, dim=many_dims(dim, x.ndim), keepdim=keepdim)


def _mean_kind(input: Any, dtype: Any) -> Any:
    """The dtype that a mean computes in, or PyTorch's refusal of integers."""
    if dtype is not None:
        dtype = as_dtype(dtype, "mean", "dtype")
    kind = dtype or kind_of(input)
    if kind.category < 2:
        which = "Input dtype" if dtype is None else "Optional dtype"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {which} must be either a floating point or complex dtype. Got: {kind.scalar_name}"
        )
    return kind


@declare.method
def mean(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None, axis: Any = None, keepdims: bool = False
) -> Any:
    """The mean of all elements, or over the dimensions ``dim``.  The mean of nothing is NaN.

    Raises RuntimeError for integers, unless ``dtype`` is a floating-point dtype.

    >>> import chainrule as torch
    >>> torch.tensor([1.0, 2.0, 6.0]).mean()
    tensor(3.)
    """
    v = checked("mean", input)
    if axis is not None:
        dim = axis
    if keepdims:
        keepdim = True
    if v.dtype in FLOATS and dtype is None and out is None:
        if dim is None and not keepdim:
            return _mean_all(input)
        return _mean_dims(input, dim=many_dims(dim, v.ndim), keepdim=keepdim)
    if out is not None:
        return write_out(out, mean(input, dim, keepdim, dtype=dtype))
    x = to_kind(input, _mean_kind(input, dtype))
    if dim is None and not keepdim:
        return mean_all(x)
    return mean_dims(x, dim=many_dims(dim, x.ndim), keepdim=keepdim)


# -- without NaN ---------------------------------------------------------------------------------------------------------


def _nansum(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    return add_over(np.where(x != x, x.dtype.type(0), x), dim=dim, keepdim=keepdim)


nansum_dims = Op(
    "nansum", _nansum, kind="general",
    vjp=[lambda g, x, dim, keepdim: (g if keepdim else view(g, shape=kept(x.shape, dim))) * (x == x)],
    jvp=lambda tangents, out, args, kw: sum_dims(tangents[0] * (args[0] == args[0]), **kw),
    batch=sum_dims.batch_rule,
)  # fmt: skip


@declare.method
@numpy_names
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The sum of the elements that are not NaN, over all or the given dimensions.

    >>> import chainrule as torch
    >>> torch.nansum(torch.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    checked("nansum", input)
    if out is not None:
        return write_out(out, nansum(input, dim, keepdim, dtype=dtype))
    kind = kind_of(input)
    if kind.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    if kind.category < 2:
        return sum(input, dim, keepdim, dtype=dtype)
    return nansum_dims(to_kind(input, dtype), dim=many_dims(dim, input.ndim), keepdim=keepdim)


@declare.method
@numpy_names
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The mean of the elements that are not NaN.

    >>> import chainrule as torch
    >>> torch.nanmean(torch.tensor([1.0, float("nan"), 2.0]))
    tensor(1.5000)
    """
    checked("nanmean", input)
    if out is not None:
        return write_out(out, nanmean(input, dim, keepdim, dtype=dtype))
    kind = kind_of(input)
    if kind.category < 2:
        raise RuntimeError(f"nanmean(): expected input to have floating point or complex dtype but got {kind.scalar_name}")
    kept_count = sum(input == input, dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / kept_count


# -- products ------------------------------------------------------------------------------------------------------------


_multiply: Any = np.multiply


def _prod(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    if x.dtype.kind in "biu" or x.dtype.itemsize > 2:
        return _multiply.reduce(x, axis=dim, keepdims=keepdim, dtype=x.dtype)
    return np.asarray(_multiply.reduce(x.astype(np.float32), axis=dim, keepdims=keepdim)).astype(x.dtype)


def others(x: Any, dim: int) -> Any:
    """At every element, the product of the others along ``dim``: right where elements are zero, and differentiable there."""
    from .scan import cumprod_along

    before = cumprod_along(x, dim=dim, exclusive=True, reverse=False)
    after = cumprod_along(x, dim=dim, exclusive=True, reverse=True)
    return before * after


def _prod_vjp(g: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    if not keepdim:
        g = view(g, shape=kept(x.shape, dim))
    if len(dim) == 1:
        return g * conj(others(x, dim[0]))
    flat = others(view(x, shape=(_numel(x.shape),)), 0)
    return g * conj(view(flat, shape=tuple(x.shape)))


def _prod_batch(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    x = args[0]
    if len(kw["dim"]) == 1:
        return op(x, dim=(kw["dim"][0] + 1,), keepdim=kw["keepdim"])
    n = x.shape[0]
    flat = view(x, shape=(n, _numel(x.shape[1:])))
    return op(flat, dim=(1,), keepdim=False)


# Over one dimension, or over all of them.
prod_dims = Op("prod", _prod, kind="general", vjp=[_prod_vjp], batch=_prod_batch, node="ProdBackward1")
prod_all = Op(
    "prod_all", lambda x: _prod(x, dim=tuple(range(x.ndim)), keepdim=False), kind="general",
    vjp=[lambda g, x: _prod_vjp(g, x, tuple(range(len(x.shape))), False)],
    batch=lambda op, args, mask, kw: _prod_batch(prod_dims, args, mask, {"dim": tuple(range(args[0].ndim - 1)), "keepdim": False}),
    node="ProdBackward0",
)  # fmt: skip


_prod_all = prompt(prod_all)


@declare.method
@numpy_names
def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The product of all elements, or along ``dim``; integers and truth values multiply as int64.

    >>> import chainrule as torch
    >>> torch.prod(torch.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    checked("prod", input)
    if out is not None:
        return write_out(out, prod(input, dim, keepdim, dtype=dtype))
    x = integers_to_int64(input, dtype)
    if dim is None:
        return _prod_all(x)
    if x.ndim == 0:
        one_dim(dim, 0)
        return prod_all(x)
    return prod_dims(x, dim=(one_dim(dim, x.ndim),), keepdim=keepdim)


# -- truth and counting --------------------------------------------------------------------------------------------------


def _truth(reduce: Any) -> Any:
    def impl(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
        r = reduce(x != 0 if x.dtype.kind != "b" else x, axis=dim, keepdims=keepdim)
        return r.astype(np.uint8) if x.dtype == np.uint8 else r

    return impl


all_dims = Op("all", _truth(np.logical_and.reduce), kind="general", batch=sum_dims.batch_rule)
any_dims = Op("any", _truth(np.logical_or.reduce), kind="general", batch=sum_dims.batch_rule)


_all_of = prompt(all_dims)
_any_of = prompt(any_dims)


def _truth_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    if isinstance(dim, (tuple, list)) and not dim:
        return ()  # all() and any() take an empty tuple at its word: nothing is reduced
    return many_dims(dim, ndim)


@declare.method
@numpy_names
def all(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """Whether every element is true, over all or the given dimensions; bool, but uint8 for uint8.

    >>> import chainrule as torch
    >>> torch.all(torch.tensor([True, False]))
    tensor(False)
    """
    v = checked("all", input)
    if out is not None:
        return write_out(out, all(input, dim, keepdim))
    return _all_of(input, dim=_truth_dims(dim, v.ndim), keepdim=keepdim)


@declare.method
@numpy_names
def any(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """Whether some element is true, over all or the given dimensions; bool, but uint8 for uint8.

    >>> import chainrule as torch
    >>> torch.any(torch.tensor([True, False]))
    tensor(True)
    """
    v = checked("any", input)
    if out is not None:
        return write_out(out, any(input, dim, keepdim))
    return _any_of(input, dim=_truth_dims(dim, v.ndim), keepdim=keepdim)


count_dims = Op(
    "count_nonzero", lambda x, *, dim: np.add.reduce(x != 0, axis=dim, dtype=np.int64), kind="general", batch=sum_dims.batch_rule
)


@declare.method
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements are not zero, over all or the given dimensions, as int64.

    >>> import chainrule as torch
    >>> torch.count_nonzero(torch.tensor([0, 3, 0, 4]))
    tensor(2)
    """
    v = checked("count_nonzero", input)
    return count_dims(input, dim=many_dims(dim, v.ndim))


# -- others --------------------------------------------------------------------------------------------------------------


@declare.method
def sum_to_size(input: Any, *size: Any) -> Any:
    """``input`` summed down to ``size``, to which it must broadcast back.

    Raises RuntimeError where it does not.

    >>> import chainrule as torch
    >>> torch.ones(2, 3).sum_to_size(2, 1)
    tensor([[3.],
            [3.]])
    """
    v = checked("sum_to_size", input)
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else tuple(size)
    have = tuple(v.shape)
    lead = len(have) - len(shape)
    if lead < 0 or not _builtin_all([n in (1, have[i + lead]) for i, n in enumerate(shape)]):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(have)}}}.")
    if not shape:
        return sum(input)
    dims = tuple([i for i, n in enumerate(have) if i < lead or (shape[i - lead] == 1 and n != 1)])
    if not dims:
        return input
    r = sum(input, dims, True)
    return view(r, shape=shape) if lead else r


def _builtin_all(items: list[bool]) -> bool:
    return False not in items


def _trace(x: Any) -> Any:
    if x.dtype.kind in "biu":
        x = x.astype(np.int64)
    return add_over(x.diagonal(0, -2, -1), dim=(x.ndim - 2,), keepdim=False)


def _on_diagonal(g: Any, *, shape: tuple[int, int]) -> Any:
    return np.eye(*shape, dtype=g.dtype) * np.reshape(g, (*g.shape, 1, 1))


# Of the matrices in the last two dimensions, and the transpose: numbers put on the diagonals of matrices.
trace_op: Op = Op("trace", _trace, kind="linear", vjp=[lambda g, x_shape: on_diagonal(g, shape=tuple(x_shape[-2:]))], batch=same)
on_diagonal: Op = Op("on_diagonal", _on_diagonal, kind="linear", vjp=[lambda g: trace_op(g)], batch=same)


@declare.method
def trace(input: Any) -> Any:
    """The sum of the main diagonal of a matrix.

    Raises RuntimeError unless ``input`` has two dimensions.

    >>> import chainrule as torch
    >>> torch.trace(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    v = checked("trace", input)
    if kind_of(input).category == 0:
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    if v.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {v.ndim}")
    return trace_op(input)


__all__ = ["all", "any", "count_nonzero", "mean", "nanmean", "nansum", "prod", "sum", "sum_to_size", "trace"]
