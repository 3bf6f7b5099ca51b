"""An array of NumPy's that is only a node: an operation's ``impl`` runs on it, and NumPy's functions become nodes.

So the compiler looks inside an implementation instead of having a second text of it.  What an implementation asks of NumPy that
is not here raises :class:`Unsupported`, and the operation becomes a host call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..program.ir import Node
from . import build


class Unsupported(Exception):
    """NumPy was asked for something that has no node."""


UFUNCS: dict[Any, str] = {
    np.add: "add", np.subtract: "sub", np.multiply: "mul", np.true_divide: "div", np.floor_divide: "floor_div", np.remainder: "remainder",
    np.fmod: "fmod", np.negative: "neg", np.absolute: "abs", np.fabs: "abs", np.sign: "sign", np.reciprocal: "reciprocal",
    np.square: "square", np.power: "pow", np.sqrt: "sqrt", np.exp: "exp", np.exp2: "exp2", np.expm1: "expm1", np.log: "log",
    np.log2: "log2", np.log10: "log10", np.log1p: "log1p", np.sin: "sin", np.cos: "cos", np.tan: "tan", np.arcsin: "asin",
    np.arccos: "acos", np.arctan: "atan", np.sinh: "sinh", np.cosh: "cosh", np.tanh: "tanh", np.arcsinh: "asinh", np.arccosh: "acosh",
    np.arctanh: "atanh", np.arctan2: "atan2", np.hypot: "hypot", np.floor: "floor", np.ceil: "ceil", np.trunc: "trunc", np.rint: "rint",
    np.maximum: "maximum", np.minimum: "minimum", np.fmax: "fmax", np.fmin: "fmin", np.copysign: "copysign", np.equal: "eq",
    np.not_equal: "ne", np.less: "lt", np.less_equal: "le", np.greater: "gt", np.greater_equal: "ge", np.isnan: "isnan",
    np.isinf: "isinf", np.isfinite: "isfinite", np.signbit: "signbit", np.logical_and: "and", np.logical_or: "or",
    np.logical_xor: "xor", np.logical_not: "not", np.bitwise_and: "and", np.bitwise_or: "or", np.bitwise_xor: "xor", np.invert: "not",
    np.left_shift: "shl", np.right_shift: "shr",
}  # fmt: skip
_LOGICAL = {np.logical_and, np.logical_or, np.logical_xor, np.logical_not}
_REDUCTIONS = {np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min", np.logical_and: "all", np.logical_or: "any"}
_PLAIN = "biuf"


class Symbol(NDArrayOperatorsMixin):
    """Stands for the array that ``node`` will be."""

    __slots__ = ("node",)
    __array_priority__ = 500

    def __init__(self, node: Node) -> None:
        if node.dtype.kind not in _PLAIN:
            raise Unsupported(f"dtype {node.dtype}")
        self.node = node

    @property
    def dtype(self) -> Any:
        return self.node.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.node.shape

    @property
    def ndim(self) -> int:
        return len(self.node.shape)

    @property
    def size(self) -> int:
        return self.node.size

    @property
    def real(self) -> Symbol:
        return self

    def __getattr__(self, name: str) -> Any:
        raise Unsupported(f"an array's {name}")

    def __getitem__(self, index: Any) -> Any:
        if index == ():
            return self
        raise Unsupported("an index")

    def __setitem__(self, index: Any, value: Any) -> None:
        mask = index.node if isinstance(index, Symbol) else None
        if mask is None or mask.dtype != bool:
            raise Unsupported("an assignment to a part")
        new = build.cast(_node(value, self.dtype), self.dtype)
        if new.shape not in ((), self.shape):
            raise Unsupported("an assignment of several values")
        self.node = build.where(mask, build.expand(new, self.shape), self.node)

    def __bool__(self) -> bool:
        raise Unsupported("a truth value")

    def __float__(self) -> float:
        raise Unsupported("a number")

    def __len__(self) -> int:
        raise Unsupported("a length")

    def __iter__(self) -> Any:
        raise Unsupported("iteration")

    def astype(self, dtype: Any, copy: bool = True) -> Symbol:
        return Symbol(build.cast(self.node, dtype))

    def copy(self, order: str = "C") -> Symbol:
        return Symbol(self.node)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kw: Any) -> Any:
        if method == "reduce":
            return _reduced(ufunc, inputs[0], out=out, **kw)
        if method == "__call__" and ufunc is np.logaddexp and not kw and out is None:
            return _logaddexp(*inputs)
        if method != "__call__" or ufunc not in UFUNCS or kw.get("where", True) is not True or kw.keys() - {"where", "casting"}:
            raise Unsupported(f"{ufunc.__name__}.{method}")
        result = _called(ufunc, inputs)
        if out is None:
            return result
        target = out[0]
        if not isinstance(target, Symbol) or target.shape != result.shape:
            raise Unsupported("out= of another shape")
        target.node = build.cast(result.node, target.dtype)
        return target

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        found = FUNCTIONS.get(function)
        if found is None:
            raise Unsupported(f"numpy.{function.__name__}")
        return found(*args, **kwargs)


def _node(value: Any, dtype: Any) -> Node:
    """A node of a symbol, an array or a number; numbers are as weak as NumPy has them."""
    if isinstance(value, Symbol):
        return value.node
    return build.const(value, dtype if isinstance(value, (int, float)) else None)


def _called(ufunc: Any, inputs: tuple[Any, ...]) -> Symbol:
    kinds = [type(i) if type(i) in (int, float, bool) else i.dtype for i in inputs]
    if any(k is bool for k in kinds):
        kinds = [np.dtype(bool) if k is bool else k for k in kinds]
    if all(isinstance(k, np.dtype) and k.kind == "b" for k in kinds) and ufunc in (np.add, np.multiply, np.maximum, np.minimum):
        raise Unsupported("arithmetic on truth values")
    try:
        resolved = ufunc.resolve_dtypes((*kinds, None))
    except TypeError as error:
        raise Unsupported(str(error)) from None
    if ufunc in _LOGICAL:
        resolved = (np.dtype(bool),) * len(resolved)
    if any(d.kind not in _PLAIN for d in resolved):
        raise Unsupported(f"dtypes {resolved}")
    nodes = []
    for value, kind in zip(inputs, resolved, strict=False):
        node = _node(value, kind)
        if kind.kind == "b" and node.dtype.kind != "b":
            node = build.compare("ne", node, build.number(node, 0))
        nodes.append(build.cast(node, kind))
    return Symbol(build.mapped(UFUNCS[ufunc], *nodes, dtype=resolved[len(inputs)]))


def _reduced(ufunc: Any, x: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False, **kw: Any) -> Symbol:
    if ufunc not in _REDUCTIONS or out is not None or kw or x.dtype.kind not in "fb":
        raise Unsupported(f"{ufunc.__name__}.reduce")
    return Symbol(build.reduce(_REDUCTIONS[ufunc], x.node, axis, keepdims, dtype))


def _where(condition: Any, x: Any, y: Any) -> Symbol:
    kind = np.result_type(*[v if type(v) in (int, float) else v.dtype for v in (x, y)])
    test = _node(condition, bool)
    if test.dtype.kind != "b":
        test = build.compare("ne", test, build.number(test, 0))
    return Symbol(build.where(test, build.cast(_node(x, kind), kind), build.cast(_node(y, kind), kind)))


def _logaddexp(x: Any, y: Any) -> Any:
    """Equal arguments apart, infinite ones among them."""
    apart = np.maximum(x, y) + np.log1p(np.exp(-np.absolute(x - y)))
    return np.where(np.equal(x, y), x + np.log(2.0).astype(x.dtype), apart)


def _clip(x: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **kw: Any) -> Any:
    if kw:
        raise Unsupported("clip's keywords")
    result = x
    if a_min is not None:
        result = np.maximum(result, a_min)
    if a_max is not None:
        result = np.minimum(result, a_max)
    if out is not None:
        out.node = build.cast(result.node, out.dtype)
        return out
    return result


def _filled(value: float) -> Callable[..., Symbol]:
    return lambda x, dtype=None, **kw: Symbol(build.full(x.shape, value, dtype or x.dtype))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where, np.clip: _clip, np.zeros_like: _filled(0), np.ones_like: _filled(1), np.copy: lambda x: Symbol(x.node),
    np.full_like: lambda x, value, dtype=None, **kw: Symbol(build.full(x.shape, value, dtype or x.dtype)),
    np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim, np.broadcast_to: lambda x, shape: Symbol(build.expand(x.node, shape)),
    np.isneginf: lambda x: (x == -np.inf), np.isposinf: lambda x: (x == np.inf), np.real: lambda x: x,
}  # fmt: skip


def run(impl: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]) -> list[Node]:
    """The nodes of ``impl(*args, **kw)``, where arguments that are nodes stand for arrays.  Raises Unsupported."""
    given = [Symbol(a) if isinstance(a, Node) else a for a in args]
    try:
        result = impl(*given, **kw)
    except (TypeError, AttributeError, ValueError, IndexError, NotImplementedError) as error:
        raise Unsupported(str(error)) from error
    outs = result if isinstance(result, tuple) else (result,)
    return [o.node if isinstance(o, Symbol) else build.const(o) for o in outs]
