"""A Python number that a capture follows: it changes from call to call, or is a tensor's element.

It passes for the float or int that it stands for, as far as Python goes, and what is computed from it is followed too
(:class:`chainrule.compiler.capture.trace.Trace` keeps the lines).  Tensor operations take it as a scalar operand.  Whoever needs
its value gets it; the program then holds for that value alone.  A comparison only makes the program depend on its outcome.

It is no subclass of float: C code would read the value of one without asking (``math.sqrt``).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .trace import Trace

ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
COMPARISONS: dict[str, Callable[..., Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Number:
    """``_name`` is what the trace's lines call it.

    ``_parts`` is None where the value is known before the program runs, else how it comes about: ("item", captured value), or an
    operation's symbol and its operands.
    """

    __slots__ = ("__weakref__", "_kind", "_name", "_parts", "_trace", "_value")

    def __init__(self, trace: Trace, name: str, kind: type, value: Any, parts: tuple[Any, ...] | None = None) -> None:
        self._trace = trace
        self._name = name
        self._kind = kind
        self._value = value
        self._parts = parts

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trace.pinned(self), name)

    def __hash__(self) -> int:
        return hash(self._trace.pinned(self))

    def __bool__(self) -> bool:
        return bool(self._trace.compared("!=", self, 0))

    def __reduce__(self) -> Any:
        return (self._kind, (self._trace.pinned(self),))

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __dir__(self) -> list[str]:
        return dir(self._kind)

    # -- arithmetic that is followed ---------------------------------------------------------------------------------------

    def __neg__(self) -> Any:
        return self._trace.computed("-", self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self._trace.computed("abs", self)

    # -- NumPy -------------------------------------------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._trace.pinned(self), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        return getattr(ufunc, method)(*[plain(i) for i in inputs], **kw)


def plain(value: Any) -> Any:
    """The plain number of one that is followed (the program then holds for it alone); anything else as it is."""
    return value._trace.pinned(value) if type(value) is Number else value


def _followed(symbol: str, reverse: bool) -> Callable[[Number, Any], Any]:
    def method(self: Number, other: Any) -> Any:
        kind = type(other)
        if kind is Number or kind is float or kind is int or kind is bool:
            return self._trace.computed(symbol, other, self) if reverse else self._trace.computed(symbol, self, other)
        if not isinstance(other, (float, int, complex)):
            return NotImplemented
        value = self._trace.pinned(self)
        return ARITHMETIC[symbol](other, value) if reverse else ARITHMETIC[symbol](value, other)

    return method


def _comparison(symbol: str) -> Callable[[Number, Any], Any]:
    def method(self: Number, other: Any) -> Any:
        kind = type(other)
        if kind is Number or kind is float or kind is int or kind is bool:
            return self._trace.compared(symbol, self, other)
        return NotImplemented if not isinstance(other, (float, int)) else COMPARISONS[symbol](self._trace.pinned(self), other)

    return method


def _asked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Number, *args: Any) -> Any:
        return function(self._trace.pinned(self), *[plain(a) for a in args])

    method.__name__ = name
    return method


_NAMES = {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow"}
_ASKED: dict[str, Callable[..., Any]] = {
    "__float__": float,
    "__int__": int,
    "__index__": operator.index,
    "__complex__": complex,
    "__round__": round,
    "__trunc__": math.trunc,
    "__floor__": math.floor,
    "__ceil__": math.ceil,
    "__divmod__": divmod,
    "__rdivmod__": lambda x, y: divmod(y, x),
    "__repr__": repr,
    "__str__": str,
    "__format__": format,
    "__lshift__": operator.lshift,
    "__rlshift__": lambda x, y: y << x,
    "__rshift__": operator.rshift,
    "__rrshift__": lambda x, y: y >> x,
    "__and__": operator.and_,
    "__rand__": operator.and_,
    "__or__": operator.or_,
    "__ror__": operator.or_,
    "__xor__": operator.xor,
    "__rxor__": operator.xor,
    "__invert__": operator.invert,
}
for _symbol, _name in _NAMES.items():
    setattr(Number, f"__{_name}__", _followed(_symbol, False))
    setattr(Number, f"__r{_name}__", _followed(_symbol, True))
for _symbol, _function in COMPARISONS.items():
    setattr(Number, f"__{_function.__name__}__", _comparison(_symbol))
for _name, _function in _ASKED.items():
    setattr(Number, _name, _asked(_name, _function))
