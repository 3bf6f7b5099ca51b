"""The kinds of node on NumPy: from a node to a function of its arguments' arrays.

Arguments are arrays of any strides, or NumPy scalars where the shape is ().
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.convolution import convolve, correlate, transpose
from ...ops.order import order
from ...ops.products import matmul_op
from ...ops.scan import recurrence
from ...ops.summation import add_over
from .elementwise import implementation
from .ir import Node
from .spec import window

Compute = Callable[..., Any]


def compute(node: Node, inplace: bool = False) -> Compute:
    """What computes the node; ``inplace`` lets ``put`` and ``scatter`` write into their base."""
    if node.op in ("put", "scatter"):
        return (_put if node.op == "put" else _scatter)(node, inplace)
    return _COMPUTE[node.op](node)


def _flat(x: Any) -> Any:
    """``x`` in row-major order."""
    return x.reshape(-1) if isinstance(x, np.ndarray) else np.asarray(x).reshape(1)


def strided(x: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
    """The view of a contiguous array; strides and offset in elements."""
    size = x.itemsize
    if 0 in shape:
        return np.empty(shape, x.dtype)
    return np.ndarray(shape, x.dtype, x, offset * size, tuple([s * size for s in strides]))


def _const(node: Node) -> Compute:
    value = np.ascontiguousarray(node.attrs["value"]).reshape(node.shape)
    return lambda: value


def _iota(node: Node) -> Compute:
    axis = node.attrs["axis"]
    ramp = np.arange(node.shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(node.shape))])
    value = np.array(np.broadcast_to(ramp, node.shape), order="C")
    return lambda: value


def _view(node: Node) -> Compute:
    shape, strides, offset = node.shape, tuple(node.attrs["strides"]), node.attrs["offset"]
    if 0 in shape:
        empty = np.empty(shape, node.dtype)
        return lambda x: empty

    def run(x: Any) -> Any:
        if not isinstance(x, np.ndarray) or not x.flags.c_contiguous:
            x = np.array(x, order="C")
        return strided(x, shape, strides, offset)

    return run


def _pad(node: Node) -> Compute:
    shape, dtype = node.shape, node.dtype
    inside = tuple([slice(a, a + n) for a, n in zip(node.attrs["low"], node.args[0].shape)])

    def run(x: Any, fill: Any) -> Any:
        r = np.empty(shape, dtype)
        r[...] = fill
        r[inside] = x
        return r

    return run


def _put(node: Node, inplace: bool) -> Compute:
    value, strides, offset = node.args[1], tuple(node.attrs["strides"]), node.attrs["offset"]

    def run(base: Any, given: Any) -> Any:
        r = base if inplace and base.flags.c_contiguous else np.array(base, order="C")
        strided(r, value.shape, strides, offset)[...] = given
        return r

    return run


def _concat(node: Node) -> Compute:
    axis = node.attrs["axis"]
    return lambda *args: np.concatenate(args, axis)


def _sum(x: Any, axes: tuple[int, ...]) -> Any:
    return add_over(x, dim=axes, keepdim=False)


def _prod(x: Any, axes: tuple[int, ...]) -> Any:
    if x.dtype.itemsize == 2 and x.dtype.kind in "fV":
        return np.asarray(np.multiply.reduce(x.astype(np.float32), axis=axes)).astype(x.dtype)
    return np.multiply.reduce(x, axis=axes, dtype=x.dtype)


def _arg(function: Any) -> Any:
    def run(x: Any, axes: tuple[int, ...]) -> Any:
        if x.dtype.kind == "V":
            x = x.astype(np.float32)
        return function(x, axis=axes[0] if len(axes) == 1 else None)

    return run


_REDUCTIONS: dict[str, Any] = {
    "sum": _sum,
    "prod": _prod,
    "max": lambda x, axes: np.maximum.reduce(x, axis=axes),
    "min": lambda x, axes: np.minimum.reduce(x, axis=axes),
    "any": lambda x, axes: np.logical_or.reduce(x, axis=axes),
    "all": lambda x, axes: np.logical_and.reduce(x, axis=axes),
    "argmax": _arg(np.argmax),
    "argmin": _arg(np.argmin),
}


def _reduce(node: Node) -> Compute:
    axes, name = node.attrs["axes"], node.attrs["fn"]
    shape, dtype = node.shape, node.dtype
    if name.startswith("arg") and (not node.args[0].shape or not node.size):
        return lambda x: np.zeros(shape, dtype)
    if not axes:
        return lambda x: np.array(x, order="C")
    if not node.size:
        return lambda x: np.zeros(shape, dtype)
    function = _REDUCTIONS[name]
    return lambda x: function(x, axes)


_SCANS: dict[str, Any] = {
    "cumsum": np.add, "cumprod": np.multiply, "cummax": np.maximum, "cummin": np.minimum, "logcumsumexp": np.logaddexp,
}  # fmt: skip


def _scan(node: Node) -> Compute:
    if node.attrs["fn"] == "recurrence":
        along = node.attrs["axis"]
        return lambda x, factor: recurrence.impl(factor, x, dim=along, reverse=False)
    accumulate = _SCANS[node.attrs["fn"]].accumulate
    axis, dtype = node.attrs["axis"], node.dtype
    if dtype.itemsize == 2 and dtype.kind in "fV":
        return lambda x: accumulate(x.astype(np.float32), axis=axis).astype(dtype)
    return lambda x: accumulate(x, axis=axis, dtype=dtype)


def _order(node: Node) -> Compute:
    axis, descending = node.attrs["axis"], node.attrs["descending"]
    first = (slice(None),) * axis + (slice(None, node.shape[axis]),)
    return lambda x: np.ascontiguousarray(order(x, axis, descending)[first])


def _matmul(node: Node) -> Compute:
    return matmul_op.impl


# -- convolution: the eager ones take the same padding at both ends ------------------------------------------------------


def _conv(node: Node) -> Compute:
    at = window(node)
    grow = _grower(node.args[0], node)
    none = (0,) * len(at.stride)
    kw = {"stride": at.stride, "padding": none, "dilation": at.dilation, "groups": at.groups}
    return lambda x, w: convolve.impl(grow(x), w, None, **kw)


def _conv_weight(node: Node) -> Compute:
    at = window(node)
    grow = _grower(node.args[1], node)
    none = (0,) * len(at.stride)
    kw = {"kernel": node.shape[2:], "stride": at.stride, "padding": none, "dilation": at.dilation, "groups": at.groups}
    return lambda g, x: correlate.impl(grow(x), g, **kw)


def _conv_input(node: Node) -> Compute:
    at = window(node)
    none = (0,) * len(at.stride)
    grown = tuple([n + low + high for n, (low, high) in zip(node.shape[2:], at.padding)])
    kw = {"size": grown, "stride": at.stride, "padding": none, "dilation": at.dilation, "groups": at.groups}
    inside: Any = (..., *[slice(low, low + n) for n, (low, _) in zip(node.shape[2:], at.padding)])
    return lambda g, w: np.array(transpose.impl(g, w, None, **kw)[inside], order="C")


def _grower(x: Node, node: Node) -> Compute:
    """Zeros around the spatial axes of ``x``."""
    pairs = window(node).padding
    if not any(low or high for low, high in pairs):
        return lambda value: value
    shape = x.shape[:2] + tuple([n + low + high for n, (low, high) in zip(x.shape[2:], pairs)])
    inside: Any = (..., *[slice(low, low + n) for n, (low, _) in zip(x.shape[2:], pairs)])

    def grow(value: Any) -> Any:
        r = np.zeros(shape, value.dtype)
        r[inside] = value
        return r

    return grow


# -- by index ------------------------------------------------------------------------------------------------------------


def out_of_range(index: Any, size: int) -> IndexError:
    """The error for the first index that is outside."""
    bad = index[(index < 0) | (index >= size)].reshape(-1)[0]
    return IndexError(f"index {int(bad)} is out of bounds for dimension 0 with size {size}")


def _checked(index: Any, size: int) -> Any:
    if index.size and (index.min() < 0 or index.max() >= size):
        raise out_of_range(np.asarray(index), size)
    return index


def _gather(node: Node) -> Compute:
    size = node.args[0].size
    return lambda x, index: _flat(x)[_checked(index, size)]


_SCATTER: dict[str, Any] = {"add": np.add.at, "mul": np.multiply.at, "max": np.maximum.at, "min": np.minimum.at}


def _scatter(node: Node, inplace: bool) -> Compute:
    size, name = node.size, node.attrs["fn"]
    update = _SCATTER.get(name)

    def run(base: Any, index: Any, value: Any) -> Any:
        r = base if inplace and base.flags.c_contiguous else np.array(base, order="C")
        places, flat = _flat(_checked(index, size)), r.reshape(-1)
        if update is None:
            flat[places] = _flat(value)
        else:
            update(flat, places, _flat(value))
        return r

    return run


# -- host calls ----------------------------------------------------------------------------------------------------------


def _call(node: Node) -> Compute:
    function = node.attrs["function"]
    wanted = [(tuple(shape), np.dtype(dtype)) for shape, dtype in node.attrs["outputs"]]

    def run(*args: Any) -> tuple[Any, ...]:
        given = [np.asarray(a) for a in args]
        found = checked_outputs(function, wanted, function(*given))
        return tuple([a.copy() if any(a is x for x in given) else a for a in found])  # what is given is not its own

    return run


def checked_outputs(function: Any, wanted: list[tuple[tuple[int, ...], Any]], given: Any) -> tuple[Any, ...]:
    """What a host call gave; RuntimeError where that is not what the program was made for."""
    arrays = tuple([np.asarray(a) for a in given])
    if len(arrays) != len(wanted) or any(a.shape != s or a.dtype != d for a, (s, d) in zip(arrays, wanted)):
        name = getattr(function, "__name__", str(function))
        shown = ", ".join(f"{a.dtype}{list(a.shape)}" for a in arrays)
        expected = ", ".join(f"{d}{list(s)}" for s, d in wanted)
        raise RuntimeError(f"{name} gave {shown or 'nothing'} where the compiled program expects {expected or 'nothing'}")
    return arrays


def _item(node: Node) -> Compute:
    k = node.attrs["k"]
    return lambda outputs: outputs[k]


_COMPUTE: dict[str, Callable[[Node], Compute]] = {
    "const": _const,
    "iota": _iota,
    "map": implementation,
    "view": _view,
    "pad": _pad,
    "concat": _concat,
    "reduce": _reduce,
    "scan": _scan,
    "order": _order,
    "matmul": _matmul,
    "conv": _conv,
    "conv_input": _conv_input,
    "conv_weight": _conv_weight,
    "gather": _gather,
    "call": _call,
    "item": _item,
}

__all__ = ["checked_outputs", "compute", "out_of_range", "strided"]
