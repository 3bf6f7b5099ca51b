"""Views of a part: select, slice, split, unbind, diagonal, windows, strides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.batching import along_dims, batch_size, bring
from ..core.mutation import root
from ..core.op import Op
from ..core.outputs import write_out
from ..core.size import Shape, contiguous_strides, normalize_dim, text
from ..core.tensor import Tensor, materialise, wrap
from ..core.views import as_view, as_views
from . import declare
from .dims import index_of, one_dim, sizes, value_of
from .reducing import numpy_names
from .strides import offset, restride
from .structure import view as view_op

ndarray = np.ndarray


def _zeros(g: Any, shape: Shape) -> Any:
    return np.zeros(shape, g.dtype)


def _shifted(*names: str) -> Any:
    """Batch rule of an operation with dims in ``names`` and the shape of a single example in ``shape``."""
    move = along_dims(*names)

    def rule(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
        return move(op, args, mask, {**kw, "shape": (args[0].shape[0], *kw["shape"])})

    return rule


# select and slice


def at(dim: int, index: Any) -> tuple[Any, ...]:
    """The NumPy index with ``index`` at dimension ``dim`` and everything elsewhere; always a view."""
    return (*(slice(None),) * dim, index, ...)


def _select_back(g: Any, *, shape: Shape, dim: int, index: int) -> Any:
    out = _zeros(g, shape)
    out[at(dim, index)] = g
    return out


def _slice_back(g: Any, *, shape: Shape, dim: int, start: int, end: int, step: int) -> Any:
    out = _zeros(g, shape)
    out[at(dim, slice(start, end, step))] = g
    return out


select_op = Op(
    "select", lambda x, *, dim, index: x[at(dim, index)], kind="view",
    vjp=[lambda g, x_shape, dim, index: select_back(g, shape=tuple(x_shape), dim=dim, index=index)], batch=along_dims("dim"),
)  # fmt: skip
select_back: Op = Op(
    "select_back", _select_back, kind="linear",
    vjp=[lambda g, dim, index: select_op(g, dim=dim, index=index)], batch=_shifted("dim"), node="SelectBackwardBackward0",
)  # fmt: skip
slice_op = Op(
    "slice", lambda x, *, dim, start, end, step: x[at(dim, slice(start, end, step))], kind="view",
    vjp=[
        lambda g, x_shape, dim, start, end, step: slice_back(g, shape=tuple(x_shape), dim=dim, start=start, end=end, step=step)
    ], batch=along_dims("dim"),
)  # fmt: skip
slice_back: Op = Op(
    "slice_back", _slice_back, kind="linear",
    vjp=[lambda g, dim, start, end, step: slice_op(g, dim=dim, start=start, end=end, step=step)],
    batch=_shifted("dim"), node="SliceBackwardBackward0",
)  # fmt: skip


def sliced(x: Tensor, dim: int, start: int, end: int, step: int = 1) -> Tensor:
    """``x[start:end:step]`` along ``dim``; bounds within ``0 <= start <= end <= length``."""
    v = x._value
    kw = {"dim": dim, "start": start, "end": end, "step": step}
    if type(v) is ndarray:
        return as_view(slice_op, x, slice_op.impl(v, **kw), kw)
    return slice_op(x, **kw)  # type: ignore[no-any-return]


def selected(x: Tensor, dim: int, index: int) -> Tensor:
    """``x`` at ``index`` of ``dim``; neither may be negative."""
    v = x._value
    kw = {"dim": dim, "index": index}
    if type(v) is ndarray:
        return as_view(select_op, x, v[at(dim, index)], kw)
    return select_op(x, **kw)  # type: ignore[no-any-return]


@declare.method
@numpy_names
def select(input: Tensor, dim: Any, index: Any) -> Tensor:
    """``input`` at ``index`` of ``dim``, without that dimension, as a view."""
    shape = value_of("select", input).shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = one_dim("select", dim, len(shape))
    index = index_of("select", "index", index, 3)
    n = shape[dim]
    if not -n <= index < n:
        raise IndexError(f"select(): index {index} out of range for tensor of size {text(shape)} at dimension {dim}")
    return selected(input, dim, index + n if index < 0 else index)


@declare.method
@numpy_names
def narrow(input: Tensor, dim: Any, start: Any, length: Any) -> Tensor:
    """``length`` entries of ``dim`` from ``start`` on, as a view."""
    shape = value_of("narrow", input).shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    length = index_of("narrow", "length", length, 4)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    dim = one_dim("narrow", dim, len(shape))
    if isinstance(start, Tensor) and (start._value.ndim or start.dtype.category != 1):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    start = index_of("narrow", "start", start, 3)
    n = shape[dim]
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    if start < 0:
        start += n
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return sliced(input, dim, start, start + length)


@declare.method
@numpy_names
def narrow_copy(input: Tensor, dim: Any, start: Any, length: Any, *, out: Tensor | None = None) -> Tensor:
    """:func:`narrow` as a copy."""
    if isinstance(length, int) and length < 0:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({input.shape[dim]}).")
    r: Tensor = narrow(input, dim, start, length).clone()
    return r if out is None else write_out(out, r)


# Several views at once


def _split(x: Any, *, dim: int, bounds: tuple[int, ...]) -> tuple[Any, ...]:
    lead = (slice(None),) * dim
    return tuple([x[(*lead, slice(a, b))] for a, b in zip(bounds, bounds[1:], strict=False)])


def _unbind(x: Any, *, dim: int) -> tuple[Any, ...]:
    return tuple([x[at(dim, i)] for i in range(x.shape[dim])])


def _joined(*args: Any, dim: int) -> Any:
    r = np.concatenate(args, dim)
    return r if r.flags.c_contiguous else np.ascontiguousarray(r)


def _cut(g: Any, args_shape: Any, dim: int, needs: Any) -> list[Any]:
    found, start = [], 0
    for shape, needed in zip(args_shape, needs, strict=True):
        end = start + shape[dim]
        found.append(slice_op(g, dim=dim, start=start, end=end, step=1) if needed else None)
        start = end
    return found


def _batch_join(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    return op(*bring(args, mask, batch_size(args, mask)), dim=kw["dim"] + 1)


def _piled(*args: Any, dim: int) -> Any:
    first = args[0]
    shape = first.shape
    if not shape:
        return np.array(args, first.dtype)
    r = np.empty((*shape[:dim], len(args), *shape[dim:]), first.dtype)
    parts = r.swapaxes(0, dim) if dim == 1 else np.moveaxis(r, dim, 0) if dim else r
    for k, a in enumerate(args):
        if a.shape != shape:
            raise ValueError("stack needs one shape")
        parts[k] = a
    return r


cat_op = Op("cat", _joined, kind="linear", variadic=True, args="tensors", vjp=_cut, batch=_batch_join)
stack_op = Op(
    "stack", _piled, kind="linear", variadic=True, args="tensors",
    vjp=lambda g, dim, needs: [select_op(g, dim=dim, index=i) if n else None for i, n in enumerate(needs)], batch=_batch_join,
)  # fmt: skip


def _splits(name: str, node: str) -> Op:
    return Op(name, _split, kind="view", outputs=-1, vjp=[lambda g, dim: cat_op(*g, dim=dim)], batch=along_dims("dim"), node=node)


split_op, split_with_sizes_op = _splits("split", "SplitBackward0"), _splits("split_with_sizes", "SplitWithSizesBackward0")
unsafe_split_op = Op(
    "unsafe_split", _split, kind="linear", outputs=-1, vjp=split_op.rules, batch=along_dims("dim"), node="UnsafeSplitBackward0"
)
unbind_op = Op("unbind", _unbind, kind="view", outputs=-1, vjp=[lambda g, dim: stack_op(*g, dim=dim)], batch=along_dims("dim"))


def _parts(op: Op, x: Tensor, **kw: Any) -> tuple[Tensor, ...]:
    v = x._value
    if type(v) is ndarray:
        return as_views(op, x, op.impl(v, **kw), kw)
    return op(x, **kw)  # type: ignore[no-any-return]


def _bounds(lengths: Sequence[int]) -> tuple[int, ...]:
    at, bounds = 0, [0]
    for n in lengths:
        at += n
        bounds.append(at)
    return tuple(bounds)


@declare.method
def split(tensor: Tensor, split_size_or_sections: Any = None, dim: Any = 0, *, split_size: Any = None) -> tuple[Tensor, ...]:
    """Views of ``split_size`` entries each along ``dim`` (the last may be shorter), or of the lengths in a list."""
    given = split_size if split_size_or_sections is None else split_size_or_sections
    if isinstance(given, (tuple, list)):
        return split_with_sizes(tensor, given, dim)
    size = index_of("split", "split_size", given, 2)
    shape = value_of("split", tensor, "tensor").shape
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    dim = one_dim("split", dim, len(shape))
    n = shape[dim]
    if size == 0 and n != 0:
        raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
    bounds = (*range(0, n, size), n) if n else (0, 0)
    return _parts(split_op, tensor, dim=dim, bounds=bounds)


@declare.method
def split_with_sizes(input: Tensor, split_sizes: Any, dim: Any = 0) -> tuple[Tensor, ...]:
    """Views of the lengths ``split_sizes`` along ``dim``; they must add up."""
    shape = value_of("split_with_sizes", input).shape
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    lengths = sizes("split_with_sizes", "split_sizes", (split_sizes,))
    dim = one_dim("split_with_sizes", dim, len(shape), position=3)
    for n in lengths:
        if n < 0:
            raise RuntimeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(lengths)}")
    if sum(lengths) != shape[dim]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {shape[dim]} (input tensor's size at dimension {dim}), but got"
            f" split_sizes={list(lengths)}"
        )
    return _parts(split_with_sizes_op, input, dim=dim, bounds=_bounds(lengths))


@declare.method
@numpy_names
def chunk(input: Tensor, chunks: Any, dim: Any = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` views of equal length along ``dim``; the last may be shorter."""
    shape = value_of("chunk", input).shape
    if not shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    chunks = index_of("chunk", "chunks", chunks, 2)
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = one_dim("chunk", dim, len(shape), position=3)
    size = -(-shape[dim] // chunks)
    if size == 0:
        return _parts(split_with_sizes_op, input, dim=dim, bounds=(0,) * (chunks + 1))
    return split(input, size, dim)


@declare.method
def unsafe_split(tensor: Tensor, split_size: Any, dim: Any = 0) -> tuple[Tensor, ...]:
    """:func:`split` whose outputs the tape takes for new tensors: they may be written in place, if ``tensor`` is not read again."""
    shape = value_of("unsafe_split", tensor, "tensor").shape
    dim = one_dim("unsafe_split", dim, len(shape), position=3)
    size, n = index_of("unsafe_split", "split_size", split_size, 2), shape[dim]
    if size <= 0 and n:
        raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
    return unsafe_split_op(tensor, dim=dim, bounds=(*range(0, n, size), n) if n else (0, 0))  # type: ignore[no-any-return]


@declare.method
def unsafe_chunk(input: Tensor, chunks: Any, dim: Any = 0) -> tuple[Tensor, ...]:
    """:func:`chunk` whose outputs the tape takes for new tensors: they may be written in place, if ``input`` is not read again."""
    shape = value_of("unsafe_chunk", input).shape
    dim = one_dim("unsafe_chunk", dim, len(shape), position=3)
    chunks = index_of("unsafe_chunk", "chunks", chunks, 2)
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return unsafe_split(input, max(1, -(-shape[dim] // chunks)), dim)


@declare.method
@numpy_names
def unbind(input: Tensor, dim: Any = 0) -> tuple[Tensor, ...]:
    """The slices along ``dim``, without it, as views."""
    v = value_of("unbind", input)
    dim = normalize_dim(index_of("unbind", "dim", dim, 2), v.ndim, wrap_scalar=False)
    return _parts(unbind_op, input, dim=dim)


@declare.method
@numpy_names
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: Any = 0, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Views along ``dim``: so many of nearly equal length, or cut before each of the given indices."""
    given = next((a for a in (indices_or_sections, indices, sections) if a is not None), None)
    shape = value_of("tensor_split", input).shape
    if not shape:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = one_dim("tensor_split", dim, len(shape), position=3)
    n = shape[dim]
    if isinstance(given, Tensor):
        given = given.tolist()
    if isinstance(given, (tuple, list)):
        return tuple([_clipped(input, dim, a, b) for a, b in zip((0, *given), (*given, n), strict=True)])
    parts = index_of("tensor_split", "sections", given, 2)
    if parts <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
    small, longer = divmod(n, parts)
    bounds = _bounds([small + 1] * longer + [small] * (parts - longer))
    return tuple([sliced(input, dim, a, b) for a, b in zip(bounds, bounds[1:], strict=False)])


def _clipped(x: Tensor, dim: int, start: int, end: int) -> Tensor:
    start, end, _ = slice(start, end).indices(x._value.shape[dim])
    return sliced(x, dim, start, max(start, end))


def _axis_split(name: str, input: Tensor, given: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    shape = value_of(name, input).shape
    if len(shape) < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {len(shape)} dimensions!"
        )
    if isinstance(given, int):
        if given <= 0 or shape[dim] % given:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {shape[dim]} is not divisible"
                f" by the split_size {given}!"
            )
    return tensor_split(input, given, dim)


def _given(a: Any, b: Any, c: Any) -> Any:
    return a if a is not None else b if b is not None else c


@declare.method
def hsplit(input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None) -> tuple[Tensor, ...]:
    """:func:`tensor_split` by columns; equal parts only."""
    dim = 0 if value_of("hsplit", input).ndim == 1 else 1
    return _axis_split("hsplit", input, _given(indices_or_sections, indices, sections), dim, 1)


@declare.method
def vsplit(input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None) -> tuple[Tensor, ...]:
    """:func:`tensor_split` by rows; equal parts only."""
    return _axis_split("vsplit", input, _given(indices_or_sections, indices, sections), 0, 2)


@declare.method
def dsplit(input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None) -> tuple[Tensor, ...]:
    """:func:`tensor_split` along the third dimension; equal parts only."""
    return _axis_split("dsplit", input, _given(indices_or_sections, indices, sections), 2, 3)


# diagonal


def _diagonal(x: Any, *, offset: int, dim1: int, dim2: int) -> Any:
    r = x.diagonal(offset, dim1, dim2)
    if r.shape[-1]:
        if x.flags.writeable:
            r.flags.writeable = True
        return r
    n, m = x.shape[dim1], x.shape[dim2]
    a, b = x.strides[dim1], x.strides[dim2]
    length = max(0, min(n, m - offset) if offset >= 0 else min(n + offset, m))
    start = offset * b if offset >= 0 else -offset * a
    rest = [d for d in range(x.ndim) if d not in (dim1, dim2)]
    shape = (*[x.shape[d] for d in rest], length)
    return restride(x, shape, (*[x.strides[d] for d in rest], a + b), start if length else 0)


def _diagonal_back(g: Any, *, shape: Shape, offset: int, dim1: int, dim2: int) -> Any:
    out = _zeros(g, shape)
    _diagonal(out, offset=offset, dim1=dim1, dim2=dim2)[...] = g
    return out


diagonal_op = Op(
    "diagonal", _diagonal, kind="view",
    vjp=[lambda g, x_shape, offset, dim1, dim2: diagonal_back(g, shape=tuple(x_shape), offset=offset, dim1=dim1, dim2=dim2)],
    batch=along_dims("dim1", "dim2"),
)  # fmt: skip
diagonal_back: Op = Op(
    "diagonal_back", _diagonal_back, kind="linear",
    vjp=[lambda g, offset, dim1, dim2: diagonal_op(g, offset=offset, dim1=dim1, dim2=dim2)],
    batch=_shifted("dim1", "dim2"), node="DiagonalBackwardBackward0",
)  # fmt: skip


@declare.method
def diagonal(input: Tensor, offset: Any = 0, dim1: Any = 0, dim2: Any = 1) -> Tensor:
    """The diagonal of the planes (``dim1``, ``dim2``) as the last dimension of a view; ``offset`` > 0 is above the main one."""
    ndim = value_of("diagonal", input).ndim
    a, b = one_dim("diagonal", dim1, ndim, "dim1", 3), one_dim("diagonal", dim2, ndim, "dim2", 4)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    kw = {"offset": index_of("diagonal", "offset", offset, 2), "dim1": a, "dim2": b}
    v = input._value
    if type(v) is ndarray:
        return as_view(diagonal_op, input, _diagonal(v, **kw), kw)
    return diagonal_op(input, **kw)  # type: ignore[no-any-return]


# Sliding windows


def _windows(x: Any, *, dim: int, size: int, step: int) -> Any:
    if not x.ndim:
        return restride(x, (size,), (x.itemsize,))
    count = (x.shape[dim] - size) // step + 1
    strides = x.strides
    return restride(
        x, (*x.shape[:dim], count, *x.shape[dim + 1 :], size), (*strides[:dim], strides[dim] * step, *strides[dim + 1 :], strides[dim])
    )


def _windows_back(g: Any, *, shape: Shape, dim: int, size: int, step: int) -> Any:
    out = _zeros(g, shape)
    if not shape:
        out[...] = g.sum()
        return out
    count = g.shape[dim]
    for k in range(size):  # one strided addition for each place in the window: no two of its elements overlap
        out[at(dim, slice(k, k + step * (count - 1) + 1, step))] += g[..., k]
    return out


def _batch_windows(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    return along_dims("dim")(op, args, mask, kw) if args[0].ndim > 1 else view_op(args[0], shape=(*args[0].shape, 1))


unfold_op = Op(
    "unfold", _windows, kind="view", batch=_batch_windows,
    vjp=[lambda g, x_shape, dim, size, step: unfold_back(g, shape=tuple(x_shape), dim=dim, size=size, step=step)],
)  # fmt: skip
unfold_back: Op = Op(
    "unfold_back", _windows_back, kind="linear",
    vjp=[lambda g, dim, size, step: unfold_op(g, dim=dim, size=size, step=step)],
    batch=lambda op, args, mask, kw: _shifted("dim")(op, args, mask, kw) if kw["shape"] else view_op(args[0], shape=args[0].shape[:1]),
    node="UnfoldBackwardBackward0",
)  # fmt: skip


def unfold(input: Tensor, dimension: Any, size: Any, step: Any) -> Tensor:
    """All windows of ``size`` entries of ``dimension``, ``step`` apart, as a view; the window is the last dimension."""
    shape = value_of("unfold", input).shape
    dim = one_dim("unfold", dimension, len(shape), "dimension")
    size, step = index_of("unfold", "size", size, 3), index_of("unfold", "step", step, 4)
    n = shape[dim] if shape else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    v = input._value
    kw = {"dim": dim, "size": size, "step": step}
    if type(v) is ndarray:
        return as_view(unfold_op, input, _windows(v, **kw), kw)
    return unfold_op(input, **kw)  # type: ignore[no-any-return]


declare.attach(unfold, "unfold")


# as_strided


def _strided(x: Any, *, size: Shape, stride: Shape, start: int | None, geometry: Any) -> Any:
    step = x.itemsize
    return restride(x, size, tuple([s * step for s in stride]), 0 if start is None else start * step - offset(x))


def _strided_back(g: Any, *, size: Shape, stride: Shape, start: int | None, geometry: Any) -> Any:
    shape, strides, begin = geometry
    counts = _places(size, stride, begin if start is None else start)
    mine = _places(shape, strides, begin)
    top = max([int(p.max()) for p in (counts, mine) if p.size], default=-1) + 1
    memory = np.zeros(top, g.dtype)
    np.add.at(memory, counts, g)
    shared = np.zeros(top, np.int64)
    np.add.at(shared, mine, 1)
    # Elements of the input that are one memory location share what arrives there.
    found = memory[mine]
    return np.asarray((found / np.maximum(shared[mine], 1)).astype(g.dtype) if shared.max(initial=0) > 1 else found)


def _places(shape: Shape, strides: Shape, begin: int) -> Any:
    place = np.full(shape, begin, np.int64)
    for d, (n, s) in enumerate(zip(shape, strides, strict=True)):
        place += (np.arange(n) * s).reshape((n,) + (1,) * (len(shape) - d - 1))
    return place


def _gather_strided(g: Any, *, size: Shape, stride: Shape, start: int | None, geometry: Any) -> Any:
    shape, strides, begin = geometry
    counts = _places(size, stride, begin if start is None else start)
    mine = _places(shape, strides, begin)
    memory = np.zeros(max([int(p.max()) for p in (counts, mine) if p.size], default=-1) + 1, g.dtype)
    memory[mine] = g
    return np.asarray(memory[counts])


as_strided_op = Op(
    "as_strided", _strided, kind="view",
    vjp=[lambda g, size, stride, start, geometry: as_strided_back(g, size=size, stride=stride, start=start, geometry=geometry)],
)  # fmt: skip
as_strided_back: Op = Op(
    "as_strided_back", _strided_back, kind="linear",
    vjp=[lambda g, size, stride, start, geometry: strided_gather(g, size=size, stride=stride, start=start, geometry=geometry)],
    node="AsStridedBackwardBackward0",
)  # fmt: skip
strided_gather: Op = Op("strided_gather", _gather_strided, kind="linear", vjp=as_strided_op.rules, node="AsStridedBackward0")


@declare.method
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
    """The storage of ``input`` under any shape, strides and offset, counted in elements."""
    v = materialise(input)
    kw = strided_arguments(v, size, stride, storage_offset)
    if isinstance(v, ndarray):
        return as_view(as_strided_op, input, as_strided_op.impl(v, **kw), kw)
    return strided_gather(input, **kw)  # type: ignore[no-any-return]


def strided_arguments(v: Any, size: Any, stride: Any, storage_offset: Any) -> dict[str, Any]:
    """The keywords of ``as_strided``; without ``stride``, those that describe ``v`` itself."""
    if isinstance(v, ndarray):
        geometry = (v.shape, tuple([s // v.itemsize for s in v.strides]), offset(v) // v.itemsize)
    else:
        geometry = (tuple(v.shape), contiguous_strides(tuple(v.shape)), 0)
    if stride is None:
        return {"size": geometry[0], "stride": geometry[1], "start": geometry[2], "geometry": geometry}
    size, stride = sizes("as_strided", "size", (size,)), sizes("as_strided", "stride", (stride,), 3)
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if stride and min(stride) < 0:
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    start = None if storage_offset is None else index_of("as_strided", "storage_offset", storage_offset, 4)
    if isinstance(v, ndarray) and 0 not in size:
        first = geometry[2] if start is None else start
        needed = (1 + first + sum((n - 1) * s for n, s in zip(size, stride, strict=True))) * v.itemsize
        held = root(v).nbytes if isinstance(root(v), ndarray) else needed
        if needed > held:
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {first}, and itemsize {v.itemsize} requiring a"
                f" storage size of {needed} are out of bounds for storage of size {held}"
            )
    return {"size": size, "stride": stride, "start": start, "geometry": geometry}


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates of flat ``indices`` into a tensor of ``shape``, one tensor a dimension.

    >>> import chainrule as torch
    >>> torch.unravel_index(torch.tensor(5), (2, 3))
    (tensor(1), tensor(2))
    """
    v = value_of("unravel_index", indices, "indices")
    if indices.dtype.category != 1:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    lengths = (shape,) if isinstance(shape, int) else tuple([int(n) for n in shape])
    found, rest = [], np.asarray(v)
    for n in reversed(lengths):
        found.append(wrap((rest % n)[()]))
        rest = rest // n
    return tuple(reversed(found))


__all__ = [
    "as_strided", "chunk", "diagonal", "dsplit", "hsplit", "narrow", "narrow_copy", "select", "split", "split_with_sizes",
    "tensor_split", "unbind", "unravel_index", "unsafe_chunk", "unsafe_split", "vsplit",
]  # fmt: skip
