"""Making nodes: each function infers the shape and dtype that ``README.md`` gives the kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .ir import NOWHERE, Node, Shape, Source, row_major
from .spec import BOOL, FUNCTIONS, Window, conv_shape


def const(value: Any, dtype: Any = None) -> Node:
    """A constant from an array, or from a number and its dtype."""
    array = np.asarray(value, dtype)
    return Node("const", (), array.shape, array.dtype, {"value": array})


def iota(shape: Sequence[int], axis: int, source: Source = NOWHERE) -> Node:
    """The coordinate along ``axis``, int64."""
    return Node("iota", (), shape, np.int64, {"axis": axis}, source)


def apply(fn: str, *args: Node, source: Source = NOWHERE) -> Node:
    """``map``: an elementwise function of arguments of one shape, or of shape ()."""
    shape = next((a.shape for a in args if a.shape), ())
    return Node("map", args, shape, BOOL if FUNCTIONS[fn].predicate else args[-1].dtype, {"fn": fn}, source)


def cast(x: Node, dtype: Any, source: Source = NOWHERE) -> Node:
    """``x`` itself where it is of that dtype."""
    return x if x.dtype == dtype else Node("map", (x,), x.shape, dtype, {"fn": "cast"}, source)


def view(x: Node, shape: Sequence[int], strides: Sequence[int], offset: int = 0, source: Source = NOWHERE) -> Node:
    """``as_strided`` of ``flat(x)``; ``x`` itself where that changes nothing."""
    shape, strides = tuple(shape), tuple(strides)
    if shape == x.shape and offset == 0 and plain(shape, strides):
        return x
    return Node("view", (x,), shape, x.dtype, {"strides": strides, "offset": offset}, source)


def plain(shape: Shape, strides: Sequence[int]) -> bool:
    """Whether the strides are those of a contiguous array, as far as they matter."""
    return 0 in shape or all(n == 1 or s == t for n, s, t in zip(shape, strides, row_major(shape)))


def reshape(x: Node, shape: Sequence[int], source: Source = NOWHERE) -> Node:
    """The elements in row-major order under another shape."""
    return view(x, shape, row_major(shape), 0, source)


def permute(x: Node, axes: Sequence[int], source: Source = NOWHERE) -> Node:
    """The axes in another order."""
    strides = row_major(x.shape)
    return view(x, [x.shape[i] for i in axes], [strides[i] for i in axes], 0, source)


def expand(x: Node, shape: Sequence[int], source: Source = NOWHERE) -> Node:
    """Broadcast to ``shape``: axes of size 1, and missing ones in front, are repeated."""
    lead = len(shape) - len(x.shape)
    own = row_major(x.shape)
    strides = [0] * lead + [0 if n == 1 else s for n, s in zip(x.shape, own)]
    return view(x, shape, strides, 0, source)


def pad(x: Node, fill: Node, low: Sequence[int], shape: Sequence[int], source: Source = NOWHERE) -> Node:
    return Node("pad", (x, fill), shape, x.dtype, {"low": tuple(low)}, source)


def put(base: Node, value: Node, strides: Sequence[int], offset: int = 0, source: Source = NOWHERE) -> Node:
    return Node("put", (base, value), base.shape, base.dtype, {"strides": tuple(strides), "offset": offset}, source)


def concat(args: Sequence[Node], axis: int, source: Source = NOWHERE) -> Node:
    first = args[0].shape
    total = sum(a.shape[axis] for a in args)
    return Node("concat", args, (*first[:axis], total, *first[axis + 1 :]), args[0].dtype, {"axis": axis}, source)


def reduce(fn: str, x: Node, axes: Sequence[int], source: Source = NOWHERE) -> Node:
    """A reduction over ``axes``, which disappear."""
    gone = tuple(sorted(axes))
    shape = [n for i, n in enumerate(x.shape) if i not in gone]
    dtype = np.int64 if fn.startswith("arg") else x.dtype
    return Node("reduce", (x,), shape, dtype, {"fn": fn, "axes": gone}, source)


def scan(fn: str, x: Node, axis: int, source: Source = NOWHERE) -> Node:
    return Node("scan", (x,), x.shape, x.dtype, {"fn": fn, "axis": axis}, source)


def matmul(a: Node, b: Node, source: Source = NOWHERE) -> Node:
    """(…, M, K) times (…, K, N), with the same leading axes."""
    return Node("matmul", (a, b), (*a.shape[:-1], b.shape[-1]), a.dtype, None, source)


def conv(x: Node, w: Node, at: Window, source: Source = NOWHERE) -> Node:
    return Node("conv", (x, w), conv_shape(x.shape, w.shape, at), x.dtype, at._asdict(), source)


def conv_input(g: Node, w: Node, shape: Sequence[int], at: Window, source: Source = NOWHERE) -> Node:
    """The cotangent of the input, whose shape is given, from that of the result."""
    return Node("conv_input", (g, w), shape, g.dtype, at._asdict(), source)


def conv_weight(g: Node, x: Node, shape: Sequence[int], at: Window, source: Source = NOWHERE) -> Node:
    """The cotangent of the weight, whose shape is given, from that of the result."""
    return Node("conv_weight", (g, x), shape, g.dtype, at._asdict(), source)


def gather(x: Node, index: Node, source: Source = NOWHERE) -> Node:
    return Node("gather", (x, index), index.shape, x.dtype, None, source)


def scatter(fn: str, base: Node, index: Node, value: Node, source: Source = NOWHERE) -> Node:
    return Node("scatter", (base, index, value), base.shape, base.dtype, {"fn": fn}, source)


def call(function: Any, args: Sequence[Node], outputs: Sequence[tuple[Sequence[int], Any]], source: Source = NOWHERE) -> list[Node]:
    """The outputs of a host call: ``function(*arrays)`` gives a tuple of arrays of these shapes and dtypes."""
    kinds = tuple([(tuple(shape), np.dtype(dtype)) for shape, dtype in outputs])
    made = Node("call", args, (), BOOL, {"function": function, "outputs": kinds}, source)
    return [Node("item", (made,), shape, dtype, {"k": k}, source) for k, (shape, dtype) in enumerate(kinds)]


__all__ = [
    "apply",
    "call",
    "cast",
    "concat",
    "const",
    "conv",
    "conv_input",
    "conv_weight",
    "expand",
    "gather",
    "iota",
    "matmul",
    "pad",
    "permute",
    "plain",
    "put",
    "reduce",
    "reshape",
    "scan",
    "scatter",
    "view",
]
