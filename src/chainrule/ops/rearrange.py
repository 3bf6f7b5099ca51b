"""The same elements elsewhere, or several times: repeat, tile, roll, flip, rot90."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.op import Op
from ..core.size import Shape, check_sizes, normalize_dim, normalize_dims
from ..core.tensor import Tensor, wrap
from ..core.value import Value
from . import declare
from .dims import index_of, keyword, one_dim, sizes, value_of
from .reducing import numpy_names
from .rows import index_select
from .shape import expand, flatten, reshape, unsqueeze
from .slicing import at
from .structure import clone, sum_dims, view

ndarray = np.ndarray


# repeat


def _repeat(x: Any, *, repeats: Shape) -> Any:
    return np.tile(x, repeats)


def _unrepeat(g: Any, x_shape: Any, repeats: Shape) -> Any:
    shape = (1,) * (len(repeats) - len(x_shape)) + tuple(x_shape)
    split = [n for pair in zip(repeats, shape, strict=True) for n in pair]
    return view(sum_dims(view(g, shape=tuple(split)), dim=tuple(range(0, len(split), 2)), keepdim=False), shape=tuple(x_shape))


def _batch_repeat(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    x, repeats = args[0], kw["repeats"]
    x = view(x, shape=(x.shape[0], *(1,) * (len(repeats) + 1 - x.ndim), *x.shape[1:]))
    return op(x, repeats=(1, *repeats))


repeat_op = Op("repeat", _repeat, kind="linear", vjp=[_unrepeat], batch=_batch_repeat)


def _repeat_method(self: Tensor, *repeats: Any, **kw: Any) -> Tensor:
    """This tensor so many times along each dimension, as a copy; more numbers than dimensions add leading ones."""
    if kw:
        repeats = (keyword("repeat", "repeats", kw),)
    elif not repeats:
        raise TypeError('repeat() missing 1 required positional arguments: "repeats"')
    counts = sizes("repeat", "repeats", repeats, 1)
    shape = self._value.shape
    if len(counts) < len(shape):
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    check_sizes([a * b for a, b in zip(counts, (1,) * (len(counts) - len(shape)) + tuple(shape), strict=True)])
    return repeat_op(self, repeats=counts)  # type: ignore[no-any-return]


declare.attach(_repeat_method, "repeat")


def tile(input: Tensor, *dims: Any, **kw: Any) -> Tensor:
    """``input`` so many times along its last dimensions: ``repeat`` with leading ones filled in."""
    counts = sizes("tile", "dims", (keyword("tile", "dims", kw),) if kw else dims)
    ndim = value_of("tile", input).ndim
    return _repeat_method(input, (1,) * (ndim - len(counts)) + counts)


declare.attach(tile, "tile")


@declare.method
@numpy_names
def repeat_interleave(input: Tensor, repeats: Any = None, dim: Any = None, *, output_size: int | None = None) -> Tensor:
    """Every entry along ``dim`` so many times in a row, a number or one for each entry; of the flat tensor without ``dim``.

    ``repeat_interleave(repeats)`` alone gives ``0`` so often as ``repeats[0]`` says, then ``1``, and so on.

    >>> import chainrule as torch
    >>> torch.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    v = value_of("repeat_interleave", input)
    if repeats is None:
        if v.ndim != 1:
            raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
        return wrap(np.repeat(np.arange(v.shape[0]), _counts(input)))
    if dim is None:
        input, dim = flatten(input), 0
    else:
        dim = one_dim("repeat_interleave", dim, v.ndim, position=3)
    length = input._value.shape[dim] if input._value.ndim else 1
    if isinstance(repeats, Tensor):
        counts = _counts(repeats)
        if counts.size == 1:
            counts = np.broadcast_to(counts.reshape(-1), (length,))
        elif counts.ndim != 1 or counts.size != length:
            raise RuntimeError(
                f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.size} and input.size({dim}) ="
                f" {length}"
            )
        places = np.repeat(np.arange(length), counts)
        if output_size is not None and output_size != places.size:
            raise RuntimeError("allocated size does not match required size")
        return index_select(input, dim, wrap(places))
    count = index_of("repeat_interleave", "repeats", repeats, 2)
    if count < 0:
        raise RuntimeError("Repeats must be non-negative")
    wide = unsqueeze(input, dim + 1)
    shape = wide._value.shape
    copies = clone(expand(wide, (*shape[: dim + 1], count, *shape[dim + 2 :])))
    return reshape(copies, (*shape[:dim], shape[dim] * count, *shape[dim + 2 :]))


def _counts(repeats: Tensor) -> Any:
    v = repeats._value
    if isinstance(v, Value):
        v = v.concrete("item")
    if repeats.dtype.name not in ("int64", "int32"):
        raise NotImplementedError(f"\"repeat_interleave_cpu\" not implemented for '{repeats.dtype.scalar_name}'")
    v = np.asarray(v)
    if v.size and v.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return v


# roll


def _batch_shifted(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    return op(args[0], **{**kw, "dims": tuple([d + 1 for d in kw["dims"]])})


def _batch_roll(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    if kw["dims"] is not None:
        return _batch_shifted(op, args, mask, kw)
    x = args[0]
    return view(op(view(x, shape=(x.shape[0], prod(x.shape[1:]))), shifts=(kw["shifts"],), dims=(1,)), shape=tuple(x.shape))


def _roll(x: Any, *, shifts: Any, dims: Any) -> Any:
    if dims is None:
        return _roll(x.reshape(-1), shifts=(shifts,), dims=(0,)).reshape(x.shape)
    for by, d in zip(shifts, dims, strict=True):
        n = x.shape[d]
        cut = -by % n if n else 0
        if cut:
            x = np.concatenate((x[at(d, slice(cut, None))], x[at(d, slice(None, cut))]), d)
    return np.array(x, order="C")


roll_op: Op = Op(
    "roll", _roll, kind="linear",
    vjp=[
        lambda g, shifts, dims: roll_op(g, shifts=-shifts if dims is None else tuple([-s for s in shifts]), dims=dims)
    ], batch=_batch_roll,
)  # fmt: skip


@declare.method
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """``input`` shifted around along ``dims``: what leaves at one end comes in at the other. The flat tensor without ``dims``."""
    v = value_of("roll", input)
    by = sizes("roll", "shifts", (shifts,))
    along = () if dims is None else sizes("roll", "dims", (dims,), 3)
    if not by:
        raise RuntimeError("`shifts` required")
    if not along and len(by) == 1:
        return roll_op(input, shifts=by[0], dims=None)  # type: ignore[no-any-return]
    if len(by) != len(along):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(along)}")
    return roll_op(input, shifts=by, dims=tuple([normalize_dim(d, v.ndim, wrap_scalar=False) for d in along]))  # type: ignore[no-any-return]


# flip and rot90

flip_op: Op = Op(
    "flip", lambda x, *, dims: np.array(np.flip(x, dims), order="C"), kind="linear", vjp=[lambda g, dims: flip_op(g, dims=dims)],
    batch=_batch_shifted,
)  # fmt: skip


def _rot90(x: Any, *, k: int, dims: Shape) -> Any:
    a, b = dims
    if k == 0:
        return np.array(x, order="C")
    if k == 2:
        return np.array(np.flip(x, dims), order="C")
    return np.array(np.flip(x, b if k == 1 else a), order="C").swapaxes(a, b)


rot90_op: Op = Op(
    "rot90", _rot90, kind="linear", vjp=[lambda g, k, dims: rot90_op(g, k=-k % 4, dims=dims)], batch=_batch_shifted,
)  # fmt: skip


@declare.method
def flip(input: Tensor, *dims: Any, **kw: Any) -> Tensor:
    """``input`` reversed along ``dims``, as a copy."""
    ndim = value_of("flip", input).ndim
    if kw:
        dims = (keyword("flip", "dims", kw),)
    elif not dims:
        raise TypeError('flip() missing 1 required positional arguments: "dims"')
    along = normalize_dims(sizes("flip", "dims", dims), ndim)
    return flip_op(input, dims=along if ndim else ())  # type: ignore[no-any-return]


@declare.method
def fliplr(input: Tensor) -> Tensor:
    """``input`` reversed along its second dimension."""
    if value_of("fliplr", input).ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip_op(input, dims=(1,))  # type: ignore[no-any-return]


@declare.method
def flipud(input: Tensor) -> Tensor:
    """``input`` reversed along its first dimension."""
    if value_of("flipud", input).ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip_op(input, dims=(0,))  # type: ignore[no-any-return]


@declare.method
def rot90(input: Tensor, k: Any = 1, dims: Any = (0, 1)) -> Tensor:
    """``input`` turned by ``k`` right angles in the plane ``dims``, from the first towards the second."""
    ndim = value_of("rot90", input).ndim
    plane = sizes("rot90", "dims", (dims,), 3)
    if len(plane) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(plane)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    if plane[0] == plane[1] or abs(plane[0] - plane[1]) == ndim:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {plane[0]} and dim1 = {plane[1]}")
    turned = tuple([normalize_dim(d, ndim) for d in plane])
    return rot90_op(input, k=index_of("rot90", "k", k, 2) % 4, dims=turned)  # type: ignore[no-any-return]


__all__ = ["flip", "fliplr", "flipud", "repeat_interleave", "roll", "rot90", "tile"]
