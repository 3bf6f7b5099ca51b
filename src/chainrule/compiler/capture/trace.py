"""What Python computes with the numbers that a capture follows: lines of Python, run at every call, exactly as the user's were.

Some are known before the program runs (a learning rate): they become its inputs, and what the function asked of them becomes a
condition of the program.  The others are elements of what it computes (``loss.item()``): their lines run after it, and where they flow
back into tensors they are nodes.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from ..program.ir import Node
from . import build
from .number import ARITHMETIC, COMPARISONS, Number
from .spots import Spot

if TYPE_CHECKING:
    from .recorder import Recorder
    from .value import Captured

_WIDTH = 1 << 62  # integers beyond may leave 64 bits
_LATE = {"+": "add", "-": "sub", "*": "mul", "/": "div", "abs": "abs", "neg": "neg"}  # what late numbers are followed through
_CHECKED = frozenset({"**", "//", "%"})  # the type of the result depends on the values


class Call(threading.local):
    """The numbers of the call that is being looked at: its arguments that vary, and what a form made of them."""

    arguments: Sequence[Any] = ()
    values: Sequence[Any] = ()
    told: Sequence[Any] = ()  # of these those that a result is computed from


CALL = Call()


class Trace:
    """The numbers of one capture."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.thread = get_ident()
        self.before: list[str] = []  # lines
        self.after: list[str] = []
        self.space: dict[str, Any] = {"copysign": math.copysign, "CALL": CALL}
        self.fed: dict[str, Node] = {}  # the program's inputs, by name
        self.told: list[str] = []  # what results need that is known before the program runs
        self.items: list[Captured] = []
        self.made: list[weakref.ref[Number]] = []
        self._names: dict[str, tuple[str, type]] = {}  # by what they are computed from
        self._said: set[str] = set()  # conditions that stand in ``before``

    @property
    def ended(self) -> bool:
        return self.recorder.closed or self.thread != get_ident()

    # -- numbers that come in ----------------------------------------------------------------------------------------------

    def place(self, spot: Spot, value: Any) -> Any:
        """The number, or tuple or list of numbers, that stands at a place, which is looked up at each call."""
        text = spot.text(self.space)
        kind = type(value)
        if kind not in (tuple, list):
            return self._given(text, value)
        whole = self._named(text, kind, self.before)
        self._condition(f"type({whole}) is not {kind.__name__} or len({whole}) != {len(value)}")
        return kind([self._given(f"{whole}[{k}]", v) for k, v in enumerate(value)])

    def _given(self, text: str, value: Any) -> Number:
        name = self._named(text, type(value), self.before)
        self._condition(f"type({name}) is not {type(value).__name__}")
        return self._number(name, type(value), value)

    def item(self, captured: Captured) -> Number:
        """The element of a tensor."""
        frozen = type(captured).of(self.recorder, build.reshape(captured.node, ()))
        kind = float if captured.numpy_dtype.kind == "f" else int
        self.items.append(frozen)
        name = self._named(f"items[{len(self.items) - 1}].item()", kind, self.after)
        return self._number(name, kind, None, ("item", frozen))

    def _number(self, name: str, kind: type, value: Any, parts: tuple[Any, ...] | None = None) -> Number:
        made = Number(self, name, kind, value, parts)
        self.made.append(weakref.ref(made))
        return made

    def _named(self, text: str, kind: type, lines: list[str]) -> str:
        found = self._names.get(text)
        if found is None:
            found = self._names[text] = (f"n{len(self._names)}", kind)
            lines.append(f"{found[0]} = {text}")
        return found[0]

    def _condition(self, text: str) -> None:
        """The program does not hold if ``text`` is true."""
        if text not in self._said:
            self._said.add(text)
            self.before.append(f"if {text}: return False")

    # -- what Python does with them ----------------------------------------------------------------------------------------

    def computed(self, symbol: str, a: Any, b: Any = None) -> Any:
        """An operation with one or two operands."""
        if self.ended:
            return _operated(symbol, self.value(a), self.value(b))
        late = _late(a) or _late(b)
        if late and not _followed(symbol, a, b):
            return _operated(symbol, self.pinned(a), self.pinned(b))
        kind = float if symbol == "/" or float in (_kind(a), _kind(b)) else int
        value = None
        if not late:
            value = _operated(symbol, self.value(a), self.value(b))
            if type(value) is not kind:
                return _operated(symbol, self.pinned(a), self.pinned(b))
        if late:
            self._tell(a)
            self._tell(b)
        left, right = self._text(a), self._text(b)
        text = f"{left} {symbol} {right}" if b is not None else f"abs({left})" if symbol == "abs" else f"-{left}"
        name = self._named(text, kind, self.after if late else self.before)
        if symbol in _CHECKED and not late:
            self._condition(f"type({name}) is not {kind.__name__}")
        return self._number(name, kind, value, (symbol, a, b) if late else None)

    def compared(self, symbol: str, a: Any, b: Any) -> bool:
        """The outcome of a comparison; the program holds for it alone."""
        if self.ended:
            return bool(COMPARISONS[symbol](self.value(a), self.value(b)))
        if _late(a) or _late(b):
            a, b = _matched(a, b), _matched(b, a)
            if _kind(a) is not _kind(b):
                return bool(COMPARISONS[symbol](self.pinned(a), self.pinned(b)))
            kind = _dtype(_kind(a))
            node = build.compare(COMPARISONS[symbol].__name__, self.node(a, kind), self.node(b, kind))
            return bool(self.recorder.decided(node, "Python compares the number in a tensor"))
        outcome = bool(COMPARISONS[symbol](self.value(a), self.value(b)))
        text = f"{self._text(a)} {symbol} {self._text(b)}"
        self._condition(f"not ({text})" if outcome else text)
        return outcome

    def pinned(self, a: Any) -> Any:
        """The plain number; the program holds for it alone."""
        if type(a) is not Number or self.ended:
            return self.value(a)
        if a._parts is not None:
            if a._kind is int:
                return int(self.recorder.decided(self.node(a, np.dtype(np.int64)), "Python asks for the number in a tensor"))
            self.recorder.flush("Python asks for the number in a tensor")
            return self.value(a)
        value, name = a._value, a._name
        if value != value:
            self._condition(f"{name} == {name}")
        else:
            self._condition(f"{name} != {self._text(value)}")
            if value == 0 and a._kind is float:
                self._condition(f"copysign(1, {name}) != {math.copysign(1, value)}")
        return value

    def value(self, a: Any) -> Any:
        """The plain number as it is now."""
        if type(a) is not Number:
            return a
        if a._value is None:
            symbol, *operands = a._parts  # type: ignore[misc]
            if symbol == "item":
                a._value = a._kind(self.recorder.known(operands[0]).item())
            else:
                a._value = _operated(symbol, *[self.value(x) for x in operands])
        return a._value

    def node(self, a: Any, dtype: Any) -> Node:
        """A number as a node of shape (); ``dtype`` is float64 or int64."""
        if type(a) is not Number:
            return build.const(a, dtype)
        own = _dtype(a._kind)
        if a._parts is None:
            return build.cast(self._scalar(a, own), dtype)
        symbol, x, *rest = a._parts
        if symbol == "item":
            return build.cast(build.cast(x.node, own), dtype)
        operands = [self.node(v, own) for v in (x, *rest) if v is not None]
        return build.cast(build.mapped(_LATE["neg" if symbol == "-" and len(operands) == 1 else symbol], *operands), dtype)

    def _scalar(self, a: Number, dtype: Any) -> Node:
        node = self.fed.get(a._name)
        if node is None:
            k, kind = len(self.fed), dtype.type
            node = self.fed[a._name] = self.recorder.number(kind(a._value), lambda: kind(CALL.values[k]))
            if a._kind is int:
                self._condition(f"not -{_WIDTH} < {a._name} < {_WIDTH}")
        return node

    def fits(self, a: Number) -> bool:
        """Whether the program can have the number: integers of 64 bits."""
        return a._parts is not None or a._kind is float or -_WIDTH < a._value < _WIDTH

    def _tell(self, a: Any) -> None:
        """Let what is computed after the program have a number that is known before it."""
        if type(a) is Number and a._parts is None and a._name not in self.told:
            self.told.append(a._name)

    def _text(self, a: Any) -> str:
        if type(a) is Number:
            return a._name
        if type(a) is float and not math.isfinite(a):
            name = f"c{len(self.space)}"
            self.space[name] = a
            return name
        return f"({a!r})"

    # -- afterwards --------------------------------------------------------------------------------------------------------

    def holds(self) -> Callable[[], bool]:
        """Whether the program holds for the numbers as they are; then :data:`CALL` has those that it takes."""
        lists = [f"CALL.{name} = ({''.join([n + ', ' for n in held])})" for name, held in (("values", self.fed), ("told", self.told))]
        body = "".join([f"    {line}\n" for line in [*self.before, *lists]])
        wrong = "(ArithmeticError, LookupError, ValueError, AttributeError, TypeError)"
        space = dict(self.space)
        exec(f"def holds():\n  try:\n{body}    return True\n  except {wrong}:\n    return False\n", space)
        found: Callable[[], bool] = space["holds"]
        return found

    def result(self, a: Number) -> Callable[[Sequence[Any]], Any]:
        """A number that a call gives, as a function of the arrays that :attr:`items` have become; :meth:`holds` has been asked before."""
        self._tell(a)
        space = dict(self.space)
        lines = "".join([f"  {line}\n" for line in [f"[{', '.join(self.told)}] = CALL.told[:{len(self.told)}]", *self.after]])
        exec(f"def after(items):\n{lines}  return {a._name}\n", space)
        found: Callable[[Sequence[Any]], Any] = space["after"]
        return found


def _kind(a: Any) -> type:
    return a._kind if type(a) is Number else int if type(a) is bool else type(a)


def _matched(a: Any, other: Any) -> Any:
    """An integer constant as a float, where that is what it is compared with and is the same."""
    return float(a) if type(a) is int and abs(a) <= 1 << 53 and _kind(other) is float else a


def _late(a: Any) -> bool:
    return type(a) is Number and a._parts is not None


def _dtype(kind: type) -> Any:
    return np.dtype(np.float64 if kind is float else np.int64)


def _operated(symbol: str, a: Any, b: Any = None) -> Any:
    if b is None:
        return abs(a) if symbol == "abs" else -a
    return ARITHMETIC[symbol](a, b)


def _followed(symbol: str, a: Any, b: Any) -> bool:
    """Whether an operation on late numbers raises for no values, and is one of the program's."""
    if any(type(x) is int and abs(x) >= _WIDTH for x in (a, b)):
        return False
    return symbol in _LATE and (symbol != "/" or (type(b) is not Number and b != 0))
