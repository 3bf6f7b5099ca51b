"""Tensors put side by side: cat, stack and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.inference import ACTIVE, mark
from ..core.naming import argument_error, type_name
from ..core.op import Op
from ..core.outputs import write_out
from ..core.promotion import promote_types
from ..core.size import normalize_dim, text
from ..core.tensor import Tensor, wrap
from .dims import index_of
from .quick import recorder
from .shape import at_least, reshape
from .slicing import cat_op, slice_op, stack_op
from .structure import cast_to
from .structure import view as view_op

ndarray = np.ndarray


def tensors_of(function: str, tensors: Any) -> tuple[Any, ...]:
    """The argument ``tensors``: a sequence of tensors, promoted to one dtype."""
    if not isinstance(tensors, (tuple, list)):
        raise argument_error(function, "tensors", "tuple of Tensors", tensors, 1)
    common: Any = None
    for k, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(f"expected Tensor as element {k} in argument 0, but got {type_name(x)}")
        kind = x.dtype
        if common is None:
            common = kind
        elif kind is not common:
            common = promote_types(common, kind)
    return tuple([cast_to(x, common) for x in tensors])


def _quick(op: Op, tensors: Any, dim: Any) -> Tensor | None:
    """The operation on arrays of one dtype; None where anything is out of the ordinary."""
    raws = []
    tracked = False
    kind = None
    try:
        for x in tensors:
            v = x._value
            if v.dtype is not kind:
                if kind is not None:
                    return None
                kind = v.dtype
            if x._gn is not None:
                tracked = True
            raws.append(v)
        if not raws or not isinstance(raws[0], ndarray if op is cat_op else (ndarray, np.generic)):
            return None
        ndim = raws[0].ndim + (op is stack_op)
        if dim < 0:
            dim += ndim
        if not 0 <= dim < ndim:
            return None
        if op is stack_op and raws[0].ndim == 0 and raws[0].dtype.kind == "V":
            return None
        r = op.impl(*raws, dim=dim)
    except (AttributeError, TypeError, ValueError):
        return None
    if tracked:
        return (_finish_cat if op is cat_op else _finish_stack)(r, raws, tensors, {"dim": dim})
    out = wrap(r)
    return mark(out) if ACTIVE.threads else out


_finish_cat, _finish_stack = recorder(cat_op), recorder(stack_op)


def cat(tensors: Any, dim: Any = 0, *, out: Tensor | None = None, axis: Any = None) -> Tensor:
    """The tensors one after another along ``dim``; their other lengths agree. Vectors without elements are passed over.

    >>> import chainrule as torch
    >>> torch.cat([torch.zeros(2), torch.ones(1)])
    tensor([0., 0., 1.])
    """
    if axis is not None:
        dim = axis
    if type(tensors) in (list, tuple) and out is None:
        found = _quick(cat_op, tensors, dim)
        if found is not None:
            return found
    given = tensors_of("cat", tensors)
    if not given:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for k, x in enumerate(given):
        if not x._value.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {k}) cannot be concatenated")
    parts = [x for x in given if x._value.shape != (0,)] or [given[0]]
    first = parts[0]._value.shape
    dim = normalize_dim(index_of("cat", "dim", dim, 2), len(first))
    for k, x in enumerate(given):
        shape = x._value.shape
        if shape == (0,):
            continue
        if len(shape) != len(first):
            raise RuntimeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
        for d, (a, b) in enumerate(zip(first, shape, strict=True)):
            if a != b and d != dim:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {a} but got size {b} for tensor number {k}"
                    " in the list."
                )
    result: Tensor = cat_op(*parts, dim=dim)
    return result if out is None else write_out(out, result)


def concat(tensors: Any, dim: Any = 0, *, out: Tensor | None = None, axis: Any = None) -> Tensor:
    """:func:`cat`."""
    return cat(tensors, dim, out=out, axis=axis)


def concatenate(tensors: Any, dim: Any = 0, *, out: Tensor | None = None, axis: Any = None) -> Tensor:
    """:func:`cat`."""
    return cat(tensors, dim, out=out, axis=axis)


def stack(tensors: Any, dim: Any = 0, *, out: Tensor | None = None, axis: Any = None) -> Tensor:
    """The tensors, which have one shape, along a new dimension ``dim``.

    >>> import chainrule as torch
    >>> torch.stack([torch.zeros(2), torch.ones(2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    if axis is not None:
        dim = axis
    if type(tensors) in (list, tuple) and out is None:
        found = _quick(stack_op, tensors, dim)
        if found is not None:
            return found
    given = tensors_of("stack", tensors)
    if not given:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = given[0]._value.shape
    dim = normalize_dim(index_of("stack", "dim", dim, 2), len(first) + 1)
    for k, x in enumerate(given):
        if x._value.shape != first:
            other = text(x._value.shape)
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {text(first)} at entry 0 and {other} at entry {k}")
    result: Tensor = stack_op(*given, dim=dim)
    return result if out is None else write_out(out, result)


def _raised(function: str, tensors: Any, ndim: int) -> tuple[Any, ...]:
    given = tensors_of(function, tensors)
    if not given:
        raise RuntimeError(f"{function} expects a non-empty TensorList")
    return tuple([at_least(ndim, x) for x in given])


def hstack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side: along the second dimension, vectors along their only one."""
    given = _raised("hstack", tensors, 1)
    return cat(given, 0 if given[0]._value.ndim == 1 else 1, out=out)


def vstack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The tensors above each other; a vector is a row."""
    return cat(_raised("vstack", tensors, 2), 0, out=out)


def row_stack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """:func:`vstack`."""
    return vstack(tensors, out=out)


def dstack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The tensors along the third dimension."""
    return cat(_raised("dstack", tensors, 3), 2, out=out)


def column_stack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side; a vector is a column."""
    given = _raised("column_stack", tensors, 0)
    return hstack([reshape(x, (-1, 1)) if x._value.ndim < 2 else x for x in given], out=out)


# block_diag


def _blocks(*args: Any) -> Any:
    rows, columns = sum([a.shape[0] for a in args]), sum([a.shape[1] for a in args])
    out = np.zeros((rows, columns), args[0].dtype)
    i = j = 0
    for a in args:
        n, m = a.shape
        out[i : i + n, j : j + m] = a
        i, j = i + n, j + m
    return out


def _block_parts(g: Any, args_shape: Any) -> list[Any]:
    found = []
    i = j = 0
    for n, m in args_shape:
        rows = slice_op(g, dim=0, start=i, end=i + n, step=1)
        found.append(slice_op(rows, dim=1, start=j, end=j + m, step=1))
        i, j = i + n, j + m
    return found


block_diag_op = Op("block_diag", _blocks, kind="linear", variadic=True, args="tensors", vjp=_block_parts)


def block_diag(*tensors: Any) -> Tensor:
    """The matrices along the diagonal of one matrix of zeros; a vector is a row, a number a 1 by 1 matrix."""
    if not tensors:
        from ..core.dtype import get_default_dtype

        return wrap(np.zeros((1, 0), get_default_dtype().np))
    given = tensors_of("block_diag", tensors)
    for k, x in enumerate(given):
        if x._value.ndim > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {k} has {x._value.ndim} dimensions")
    return block_diag_op(*[view_op(x, shape=((1,) * (2 - x._value.ndim) + tuple(x._value.shape))) for x in given])  # type: ignore[no-any-return]


__all__ = ["block_diag", "cat", "column_stack", "concat", "concatenate", "dstack", "hstack", "row_stack", "stack", "vstack"]
