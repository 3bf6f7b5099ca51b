"""What holds of every kind of node: the executable form of the table in ``README.md``.

:func:`verify` is run on what capture hands over, and in the tests after every pass.  Elementwise functions have their own table,
:data:`FUNCTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...ops.bounds import SAID
from .ir import Node, Program, Shape

BOOL = np.dtype(bool)
INT64 = np.dtype(np.int64)
REDUCTIONS = ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin")
SCANS = ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "recurrence")
SCATTERS = ("set", "add", "mul", "max", "min")


class Function(NamedTuple):
    """An elementwise function: how many arguments, of which categories of dtypes (b i f), and whether the result is bool."""

    arity: int
    categories: str
    predicate: bool = False


FUNCTIONS: dict[str, Function] = {
    **{name: Function(2, "bif") for name in ("add", "mul", "maximum", "minimum")},
    **{name: Function(2, "if") for name in ("sub", "floor_div", "fmod", "remainder", "pow", "fmax", "fmin")},
    **{name: Function(2, "f") for name in ("div", "atan2", "hypot", "copysign")},
    **{name: Function(1, "if") for name in ("neg", "abs", "sign", "square")},
    **{name: Function(1, "f") for name in ("reciprocal", "sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p")},
    **{name: Function(1, "f") for name in ("sigmoid", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")},
    **{name: Function(1, "f") for name in ("asinh", "acosh", "atanh", "erf", "erfc", "lgamma", "floor", "ceil", "trunc", "rint")},
    **{name: Function(2, "bif", True) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{name: Function(1, "f", True) for name in ("isnan", "isinf", "isfinite", "signbit")},
    **{name: Function(2, "bi") for name in ("and", "or", "xor")},
    **{name: Function(2, "i") for name in ("shl", "shr")},
    "not": Function(1, "bi"),
    "where": Function(3, "bif"),
    "cast": Function(1, "bif"),
    "inside": Function(1, "i"),
}


def category(dtype: np.dtype[Any]) -> str:
    """``b``, ``i`` or ``f`` (bfloat16 too); ``c`` for what the elementwise functions do not take."""
    return {"b": "b", "i": "i", "u": "i", "f": "f", "V": "f"}.get(dtype.kind, "c")


def verify(program: Program) -> Program:
    """The program itself; ValueError names the first node that is not what ``README.md`` says, its kind, and what is wrong."""
    nodes = program.nodes()
    for node in nodes:
        _verify_node(node, program)
    stored: set[int] = set()
    for index, node in program.stores:
        if not 0 <= index < len(program.inputs):
            raise ValueError(f"store to input {index}: the program has {len(program.inputs)} inputs")
        target = program.inputs[index]
        if (target.shape, target.dtype) != (node.shape, node.dtype):
            raise ValueError(f"store to input {index}: {node!r} is not of the shape and dtype of {target!r}")
        if index in stored:
            raise ValueError(f"store to input {index}: it is stored twice")
        stored.add(index)
    for node in program.roots():
        if node.op == "call":
            raise ValueError(f"{node!r}: a call has no value of its own; its items have")
    return program


def _verify_node(node: Node, program: Program) -> None:
    check = _CHECKS.get(node.op)
    if check is None:
        raise ValueError(f"{node!r}: there is no kind of node called {node.op!r}")
    for a in node.args:
        if a.op == "call" and node.op != "item":
            raise ValueError(f"{_where(node)}: only an item takes a call as its argument")
    if any(type(n) is not int or n < 0 for n in node.shape):
        raise ValueError(f"{_where(node)}: a shape consists of integers ≥ 0")
    try:
        check(node, program)
    except (KeyError, IndexError, TypeError, AttributeError) as e:
        raise ValueError(f"{_where(node)}: attributes {sorted(node.attrs)} are not those of its kind ({e!r})") from e


def _where(node: Node) -> str:
    at = " · ".join(part for part in (node.source.operation, node.source.line) if part)
    return f"{node!r}" + (f" of {at}" if at else "")


def _need(condition: bool, node: Node, what: str) -> None:
    if not condition:
        given = ", ".join(repr(a) for a in node.args)
        raise ValueError(f"{_where(node)}: {what}" + (f"; its arguments are {given}" if given else ""))


def _arity(node: Node, n: int) -> None:
    _need(len(node.args) == n, node, f"it takes {n} argument{'s' * (n != 1)}, not {len(node.args)}")


def _same_dtype(node: Node, args: Sequence[Node]) -> None:
    _need(all(a.dtype == node.dtype for a in args), node, "its dtype is that of its arguments")


def within(shape: Shape, strides: Sequence[int], offset: int, size: int) -> bool:
    """Whether a view names places below ``size`` alone."""
    if 0 in shape:
        return True
    low = offset + sum((n - 1) * s for n, s in zip(shape, strides) if s < 0)
    high = offset + sum((n - 1) * s for n, s in zip(shape, strides) if s > 0)
    return 0 <= low and high < size


def distinct(shape: Shape, strides: Sequence[int]) -> bool:
    """Whether a view names no place twice."""
    reach = 0
    axes = sorted((abs(s), n) for n, s in zip(shape, strides) if n != 1)
    nested = True
    for stride, n in axes:
        nested = nested and stride > reach
        reach += stride * (n - 1)
    if nested or 0 in shape:
        return True
    places = np.zeros((), np.int64)
    for stride, n in axes:
        places = np.unique(places[..., None] + np.arange(n) * stride)
    return places.size == prod(shape)


# -- the kinds -----------------------------------------------------------------------------------------------------------


def _input(node: Node, program: Program) -> None:
    _arity(node, 0)
    index = node.attrs["index"]
    _need(0 <= index < len(program.inputs) and program.inputs[index] is node, node, f"it is not the program's input {index}")


def _const(node: Node, program: Program) -> None:
    _arity(node, 0)
    value = node.attrs["value"]
    _need(type(value) is np.ndarray, node, "its value is an ndarray")
    _need(value.shape == node.shape and value.dtype == node.dtype, node, f"its value is {value.dtype}{list(value.shape)}")


def _iota(node: Node, program: Program) -> None:
    _arity(node, 0)
    _need(0 <= node.attrs["axis"] < len(node.shape), node, "there is no such axis")
    _need(node.dtype == INT64, node, "its dtype is int64")


def _map(node: Node, program: Program) -> None:
    name = node.attrs["fn"]
    function = FUNCTIONS.get(name)
    if function is None:
        raise ValueError(f"{_where(node)}: there is no elementwise function called {name!r}")
    _arity(node, function.arity)
    _need(all(a.shape in (node.shape, ()) for a in node.args), node, "its arguments are of its shape, or of shape ()")
    operands = node.args
    if name == "where":
        _need(operands[0].dtype == BOOL, node, "its condition is bool")
        operands = operands[1:]
    first = operands[0].dtype
    _need(all(a.dtype == first for a in operands), node, "its arguments are of one dtype")
    _need(category(first) in function.categories, node, f"{name} does not take {first}")
    if name == "inside":
        at = node.attrs
        known = at["said"] in SAID and at["size"] >= 0 and at["dim"] >= 0 and type(at["wraps"]) is bool
        _need(known and first == INT64, node, "it takes int64, a size, what is said of an index outside, and its dimension")
    if name == "cast":
        _need(category(node.dtype) != "c", node, f"cast does not give {node.dtype}")
    else:
        _need(node.dtype == (BOOL if function.predicate else first), node, f"the result of {name} is of another dtype")


def _view(node: Node, program: Program) -> None:
    _arity(node, 1)
    _same_dtype(node, node.args)
    strides, offset = node.attrs["strides"], node.attrs["offset"]
    _need(len(strides) == len(node.shape), node, "it has a stride for each axis")
    _need(within(node.shape, strides, offset, node.args[0].size), node, "it names places outside of its argument")


def _pad(node: Node, program: Program) -> None:
    _arity(node, 2)
    _same_dtype(node, node.args)
    x, fill = node.args
    low = node.attrs["low"]
    _need(fill.shape == (), node, "what fills is of shape ()")
    fits = len(low) == len(x.shape) == len(node.shape) and all(0 <= a <= m - n for a, m, n in zip(low, node.shape, x.shape))
    _need(fits, node, "its argument does not lie within it")


def _put(node: Node, program: Program) -> None:
    _arity(node, 2)
    _same_dtype(node, node.args)
    base, value = node.args
    strides, offset = node.attrs["strides"], node.attrs["offset"]
    _need(base.shape == node.shape, node, "its shape is that of its base")
    _need(len(strides) == len(value.shape), node, "it has a stride for each axis of the value")
    _need(within(value.shape, strides, offset, node.size), node, "it names places outside of its base")
    _need(distinct(value.shape, strides), node, "it names a place twice")


def _concat(node: Node, program: Program) -> None:
    _need(len(node.args) > 0, node, "it takes at least one argument")
    _same_dtype(node, node.args)
    axis = node.attrs["axis"]
    _need(0 <= axis < len(node.shape), node, "there is no such axis")
    rest = node.shape[:axis] + node.shape[axis + 1 :]
    fits = all(len(a.shape) == len(node.shape) and a.shape[:axis] + a.shape[axis + 1 :] == rest for a in node.args)
    _need(fits and sum(a.shape[axis] for a in node.args) == node.shape[axis], node, "its arguments do not make up its shape")


def _reduce(node: Node, program: Program) -> None:
    _arity(node, 1)
    x, axes, name = node.args[0], node.attrs["axes"], node.attrs["fn"]
    _need(name in REDUCTIONS, node, f"there is no reduction called {name!r}")
    known = list(axes) == sorted(set(axes)) and all(0 <= i < len(x.shape) for i in axes)
    _need(known, node, "its axes are a sorted tuple of its argument's")
    kept = tuple([n for i, n in enumerate(x.shape) if i not in axes])
    _need(node.shape == kept, node, "its shape is that of its argument without the axes")
    if name in ("any", "all"):
        _need(x.dtype == BOOL and node.dtype == BOOL, node, f"{name} takes and gives bool")
        return
    kinds = "if" if name in ("sum", "prod") else "bif"
    _need(category(x.dtype) in kinds, node, f"{name} does not take {x.dtype}")
    if name.startswith("arg"):
        _need(node.dtype == INT64, node, "its dtype is int64")
        _need(len(axes) in (1, len(x.shape)), node, "it is over one axis, or all")
    else:
        _same_dtype(node, node.args)
    if name not in ("sum", "prod"):
        _need(node.size == 0 or all(x.shape[i] for i in axes), node, f"{name} of no elements is not defined")


def _scan(node: Node, program: Program) -> None:
    name = node.attrs["fn"]
    _need(name in SCANS, node, f"there is no scan called {name!r}")
    _arity(node, 2 if name == "recurrence" else 1)
    _same_dtype(node, node.args)
    _need(all(a.shape == node.shape for a in node.args), node, "its shape is that of its arguments")
    _need(0 <= node.attrs["axis"] < len(node.shape), node, "there is no such axis")
    _need(category(node.dtype) in "if", node, f"it does not take {node.dtype}")


def _order(node: Node, program: Program) -> None:
    _arity(node, 1)
    x, axis = node.args[0], node.attrs["axis"]
    _need(0 <= axis < len(x.shape), node, "there is no such axis")
    rest = x.shape[:axis], x.shape[axis + 1 :]
    _need(len(node.shape) == len(x.shape) and (node.shape[:axis], node.shape[axis + 1 :]) == rest, node, "other axes are its argument's")
    _need(node.shape[axis] <= x.shape[axis], node, "it has no more elements than its argument")
    _need(type(node.attrs["descending"]) is bool and node.dtype == INT64, node, "it is up or down, and int64")
    _need(category(x.dtype) != "c", node, f"it does not take {x.dtype}")


def _matmul(node: Node, program: Program) -> None:
    _arity(node, 2)
    _same_dtype(node, node.args)
    a, b = (x.shape for x in node.args)
    _need(category(node.dtype) in "if", node, f"it does not take {node.dtype}")
    _need(len(a) == len(b) >= 2 and a[:-2] == b[:-2] and a[-1] == b[-2], node, "its arguments are (…, M, K) and (…, K, N)")
    _need(node.shape == (*a[:-1], b[-1]), node, "its shape is (…, M, N)")


class Window(NamedTuple):
    """The attributes of a convolution."""

    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int


def window(node: Node) -> Window:
    """The attributes of ``conv``, ``conv_input`` or ``conv_weight``."""
    a = node.attrs
    return Window(a["stride"], a["padding"], a["dilation"], a["groups"])


def conv_shape(x: Shape, w: Shape, at: Window) -> Shape:
    """The shape of ``conv``."""
    out = [
        (n + low + high - d * (k - 1) - 1) // s + 1
        for n, k, s, (low, high), d in zip(x[2:], w[2:], at.stride, at.padding, at.dilation, strict=True)
    ]
    return (x[0], w[0], *out)


def _convolution(node: Node, x: Shape, w: Shape, g: Shape) -> None:
    _arity(node, 2)
    _same_dtype(node, node.args)
    at = window(node)
    axes = len(x) - 2
    _need(axes in (1, 2, 3) and len(w) == len(g) == len(x), node, "it has 1, 2 or 3 spatial axes")
    _need(len(at.stride) == len(at.padding) == len(at.dilation) == axes, node, "stride, padding and dilation have one entry a spatial axis")
    _need(min(*at.stride, *at.dilation, at.groups) > 0 and all(min(p) >= 0 for p in at.padding), node, "its attributes are out of range")
    _need(x[1] == w[1] * at.groups and w[0] % at.groups == 0, node, "the channels of its arguments do not agree")
    _need(g == conv_shape(x, w, at) and min(g) >= 0, node, f"the convolution's shape would be {list(conv_shape(x, w, at))}")
    _need(category(node.dtype) in "if", node, f"it does not take {node.dtype}")


def _conv(node: Node, program: Program) -> None:
    _convolution(node, node.args[0].shape, node.args[1].shape, node.shape)


def _conv_input(node: Node, program: Program) -> None:
    _convolution(node, node.shape, node.args[1].shape, node.args[0].shape)


def _conv_weight(node: Node, program: Program) -> None:
    _convolution(node, node.args[1].shape, node.shape, node.args[0].shape)


def _gather(node: Node, program: Program) -> None:
    _arity(node, 2)
    x, index = node.args
    _same_dtype(node, [x])
    _need(index.dtype == INT64, node, "its index is int64")
    _need(index.shape == node.shape, node, "its shape is that of the index")


def _scatter(node: Node, program: Program) -> None:
    _arity(node, 3)
    base, index, value = node.args
    _same_dtype(node, [base, value])
    _need(node.attrs["fn"] in SCATTERS, node, f"there is no scatter called {node.attrs['fn']!r}")
    _need(index.dtype == INT64, node, "its index is int64")
    _need(base.shape == node.shape and value.shape == index.shape, node, "base has its shape, the value that of the index")
    _need(node.attrs["fn"] == "set" or category(node.dtype) != "c", node, f"it does not take {node.dtype}")


def _call(node: Node, program: Program) -> None:
    _need(callable(node.attrs["function"]), node, "it has no function")
    for shape, dtype in node.attrs["outputs"]:
        _need(all(n >= 0 for n in shape) and np.dtype(dtype) is not None, node, "outputs are pairs (shape, dtype)")


def _item(node: Node, program: Program) -> None:
    _arity(node, 1)
    _need(node.args[0].op == "call", node, "its argument is a call")
    shape, dtype = node.args[0].attrs["outputs"][node.attrs["k"]]
    _need(node.shape == tuple(shape) and node.dtype == dtype, node, f"that output is {np.dtype(dtype)}{list(shape)}")


_CHECKS: dict[str, Callable[[Node, Program], None]] = {
    "input": _input,
    "const": _const,
    "iota": _iota,
    "map": _map,
    "view": _view,
    "pad": _pad,
    "put": _put,
    "concat": _concat,
    "reduce": _reduce,
    "scan": _scan,
    "order": _order,
    "matmul": _matmul,
    "conv": _conv,
    "conv_input": _conv_input,
    "conv_weight": _conv_weight,
    "gather": _gather,
    "scatter": _scatter,
    "call": _call,
    "item": _item,
}
KINDS = tuple(_CHECKS)

__all__ = ["FUNCTIONS", "KINDS", "REDUCTIONS", "SCANS", "SCATTERS", "category", "conv_shape", "distinct", "verify", "window", "within"]
