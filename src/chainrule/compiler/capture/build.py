"""Making nodes: what lowerings are written with.  Shapes broadcast here, explicitly; a program has no broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from math import prod
from typing import Any

import numpy as np

from ..program import make as nodes
from ..program.ir import NOWHERE, Node, Shape, Source, row_major

SOURCE: ContextVar[Source] = ContextVar("source", default=NOWHERE)  # of the operation that is being lowered

_BOOL = np.dtype(bool)
_I8 = np.dtype(np.int64)


def make(op: str, args: Sequence[Node], shape: Sequence[int], dtype: Any, **attrs: Any) -> Node:
    """A node that remembers the operation being lowered."""
    return Node(op, args, shape, dtype, attrs, SOURCE.get())


def const(value: Any, dtype: Any = None) -> Node:
    """A constant; the array is copied, since its owner may write to it later."""
    array = np.array(value, dtype)
    return make("const", (), array.shape, array.dtype, value=array)


def full(shape: Sequence[int], value: Any, dtype: Any) -> Node:
    """One number everywhere."""
    return expand(const(value, dtype), shape)


# -- views -----------------------------------------------------------------------------------------------------------------


def strided(x: Node) -> tuple[Node, Shape, int]:
    """(the node whose row-major elements x names, strides, offset)."""
    if x.op == "view":
        return x.args[0], x.attrs["strides"], x.attrs["offset"]
    return x, row_major(x.shape), 0


def view(base: Node, shape: Sequence[int], strides: Sequence[int], offset: int) -> Node:
    """``as_strided`` of the row-major elements of ``base``; ``base`` itself where that is the same."""
    return nodes.view(base, shape, strides, offset, SOURCE.get())


def expand(x: Node, shape: Sequence[int]) -> Node:
    """Broadcast to ``shape``."""
    shape = tuple(shape)
    if x.shape == shape:
        return x
    base, strides, offset = strided(x)
    lead = len(shape) - len(x.shape)
    wide = [0] * lead + [0 if n == 1 and m != 1 else s for n, m, s in zip(x.shape, shape[lead:], strides, strict=True)]
    return view(base, shape, wide, offset)


def permute(x: Node, dims: Sequence[int]) -> Node:
    base, strides, offset = strided(x)
    return view(base, [x.shape[d] for d in dims], [strides[d] for d in dims], offset)


def reshape(x: Node, shape: Sequence[int]) -> Node:
    """The elements in row-major order, in another shape; a view of a view where the strides allow it."""
    shape = tuple(shape)
    if x.shape == shape:
        return x
    if x.op == "view" and x.size:
        base, strides, offset = strided(x)
        merged = _reshaped(x.shape, strides, shape)
        if merged is not None:
            return view(base, shape, merged, offset)
    return view(x, shape, row_major(shape), 0)


def _reshaped(old: Shape, strides: Shape, new: Shape) -> Shape | None:
    """Strides of the same elements in the shape ``new``, or None where there are none."""
    old_dims = [(n, s) for n, s in zip(old, strides, strict=True) if n != 1]
    out: list[int] = [0] * len(new)
    i = 0
    j = 0
    while j < len(new):
        if new[j] == 1:
            j += 1
            continue
        if i >= len(old_dims):
            return None
        have, want = old_dims[i][0], new[j]
        first_i, first_j = i, j
        while have != want:
            if have < want:
                i += 1
                have *= old_dims[i][0]
            else:
                j += 1
                want *= new[j]
        for k in range(first_i, i):
            if old_dims[k][1] != old_dims[k + 1][0] * old_dims[k + 1][1]:
                return None
        step = old_dims[i][1]
        for k in range(j, first_j - 1, -1):
            out[k] = step
            step *= new[k]
        i += 1
        j += 1
    return tuple(out)


def unsqueeze(x: Node, axis: int) -> Node:
    base, strides, offset = strided(x)
    shape = [*x.shape[:axis], 1, *x.shape[axis:]]
    return view(base, shape, [*strides[:axis], 0, *strides[axis:]], offset)


# -- elementwise -----------------------------------------------------------------------------------------------------------


def cast(x: Node, dtype: Any) -> Node:
    kind = np.dtype(dtype)
    if x.op == "const" and x.dtype != kind:
        return const(x.attrs["value"].astype(kind))
    return nodes.cast(x, kind, SOURCE.get())


def together(args: Sequence[Node]) -> tuple[list[Node], Shape]:
    """Nodes of one shape (those of shape () stay)."""
    shape = np.broadcast_shapes(*[a.shape for a in args])
    return [a if a.shape == () else expand(a, shape) for a in args], shape


def mapped(fn: str, *args: Node, dtype: Any = None) -> Node:
    """``fn`` of nodes that broadcast; the dtype is that of the last argument unless given."""
    lined, shape = together(args)
    return make("map", lined, shape, dtype if dtype is not None else args[-1].dtype, fn=fn)


def compare(fn: str, a: Node, b: Node) -> Node:
    return mapped(fn, a, b, dtype=_BOOL)


def number(like: Node, value: Any) -> Node:
    """A number as a constant in the dtype of ``like``."""
    return const(value, like.dtype)


def add(a: Node, b: Node) -> Node:
    return mapped("add", a, b)


def sub(a: Node, b: Node) -> Node:
    return mapped("sub", a, b)


def mul(a: Node, b: Node) -> Node:
    return mapped("mul", a, b)


def div(a: Node, b: Node) -> Node:
    return mapped("div", a, b)


def where(condition: Node, a: Node, b: Node) -> Node:
    return mapped("where", condition, a, b, dtype=a.dtype)


def inside(index: Node, size: int, said: str, dim: int = 0, wraps: bool = False) -> Node:
    """An index along a dimension, looked at; with ``wraps`` negative ones count from the end."""
    index = cast(index, _I8)
    return make("map", (index,), index.shape, _I8, fn="inside", size=size, wraps=wraps, said=said, dim=dim)


# -- reductions ------------------------------------------------------------------------------------------------------------


def axes_of(x: Node, dims: Sequence[int] | int | None) -> tuple[int, ...]:
    rank = len(x.shape)
    if dims is None:
        return tuple(range(rank))
    given = (dims,) if isinstance(dims, int) else tuple(dims)
    return tuple(sorted({d % rank for d in given})) if rank else ()


def reduce(fn: str, x: Node, dims: Sequence[int] | int | None, keep: bool, dtype: Any = None) -> Node:
    """Reduce over ``dims``; ``keep`` leaves them as 1."""
    axes = axes_of(x, dims)
    kept = [1 if i in axes else n for i, n in enumerate(x.shape)]
    kind = dtype if dtype is not None else x.dtype
    if not axes:
        return cast(x, kind) if fn not in ("argmax", "argmin") else full(x.shape, 0, _I8)
    out = make("reduce", (x,), [n for i, n in enumerate(x.shape) if i not in axes], kind, fn=fn, axes=axes)
    return reshape(out, kept) if keep else out


def sum_of(x: Node, dims: Sequence[int] | int | None, keep: bool) -> Node:
    return reduce("sum", x, dims, keep)


def mean_of(x: Node, dims: Sequence[int] | int | None, keep: bool) -> Node:
    count = prod([x.shape[d] for d in axes_of(x, dims)])
    return mul(reduce("sum", x, dims, keep), number(x, 1.0 / max(1, count)))


# -- contractions ----------------------------------------------------------------------------------------------------------


def matmul(a: Node, b: Node) -> Node:
    """(…, M, K) times (…, K, N), batch axes broadcast."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return nodes.matmul(expand(a, (*batch, *a.shape[-2:])), expand(b, (*batch, *b.shape[-2:])), SOURCE.get())


# -- parts -----------------------------------------------------------------------------------------------------------------


def concat(parts: Sequence[Node], axis: int) -> Node:
    return parts[0] if len(parts) == 1 else nodes.concat(parts, axis, SOURCE.get())


def put(base: Node, value: Node, strides: Sequence[int], offset: int) -> Node:
    """``base`` with the places that the view names replaced."""
    if value.shape == base.shape and view(base, value.shape, strides, offset) is base:
        return value
    return nodes.put(base, value, strides, offset, SOURCE.get())


def iota(shape: Sequence[int], axis: int) -> Node:
    return nodes.iota(shape, axis, SOURCE.get())

