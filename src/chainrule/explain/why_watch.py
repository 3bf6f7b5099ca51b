"""``why.watch()``: which of the user's lines made what, and where gradients were cut.

While it is on, Python's profiler shows every call that crosses from the user's code into the package; nothing of the engine
is changed, and a program that is not watched pays nothing.  Kept are: the line and module of every recorded node (as
intervals of the tape's clock), every result that left the tape, the first values that are not finite, and the graph of the
last backward.
"""

from __future__ import annotations

import sys
import weakref
from bisect import bisect_left
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import numpy as np

from ..core.modes import MODES
from ..core.mutation import PACKAGE
from ..core.node import Node, next_order
from ..core.op import Op, edge_of
from ..core.telling import CUT_BY, REMEDIES, WITNESSES, at, reaches
from ..core.tensor import Tensor

_NUMBERS = {
    "item": "item", "tolist": "tolist", "numpy": "numpy", "_array": "numpy", "__array__": "numpy", "__float__": "item", "__int__": "item",
    "__complex__": "item", "__index__": "item",
}  # fmt: skip
_NAMED = {"detach": "detach", "detach_": "detach", "_get_data": "data", "tensor": "tensor", "as_tensor": "tensor"}
_CASTS = frozenset({"to", "convert", "tensor_type", "type_as", "converted"})
_NO_VALUE = ("_get_grad", "_grad", "like", "new_", "zeros", "ones", "rand", "full", "empty")
_OURS, _ABOVE = 1, 2  # code of the package; of explain/, which is not watched
_KEPT = 100_000


@dataclass
class Cut:
    """A result that left the tape: how, at which line, and the places on the tape that it came from."""

    kind: str
    place: str
    sources: tuple[Any, ...]


@dataclass
class Birth:
    """The first result with NaN or inf of finite operands."""

    operation: str
    place: str
    operands: list[Tensor]
    result: Tensor
    node: Any  # None for a result that is not on the tape


@dataclass
class Backward:
    """One call of backward: its line, what its root had lost before, and its graph with values and cotangents."""

    place: str
    lost: frozenset[int]
    root: Any
    graph: Any


@dataclass
class _Call:
    frame: FrameType
    before: tuple[CodeType | None, int]
    name: str
    inputs: list[Any]
    receiver: Any


@dataclass
class Record:
    """What was seen."""

    cuts: list[Cut] = field(default_factory=list)
    births: list[Birth] = field(default_factory=list)
    backwards: list[Backward] = field(default_factory=list)
    cleared: list[tuple[str, Any]] = field(default_factory=list)
    frozen: list[tuple[str, Any]] = field(default_factory=list)
    leaves: dict[int, tuple[Any, str]] = field(default_factory=dict)
    clocks: list[int] = field(default_factory=list)  # falling orders, kept negated so that they rise
    contexts: list[tuple[CodeType | None, int, str]] = field(default_factory=list)
    lost: dict[int, tuple[Any, frozenset[int]]] = field(default_factory=dict)

    def _context(self, node: Node) -> tuple[CodeType | None, int, str]:
        i = bisect_left(self.clocks, -node.order)
        return self.contexts[i] if i < len(self.contexts) and self.clocks and -node.order >= self.clocks[0] else (None, 0, "")

    def line(self, node: Node) -> str:
        """``file:line`` where the node was recorded; empty if that was not seen."""
        code, number, _module = self._context(node)
        return f"{code.co_filename}:{number}" if code is not None else ""

    def module(self, node: Node) -> str:
        """The path of the module that recorded the node."""
        return self._context(node)[2]

    def lost_by(self, value: Any) -> frozenset[int]:
        """The cuts (by number) that the value was computed through."""
        found = self.lost.get(id(value))
        if found is None:
            return frozenset()
        held = found[0]() if isinstance(found[0], weakref.ref) else found[0]
        return found[1] if held is value else frozenset()

    def cuts_of(self, x: Tensor) -> list[Cut]:
        """The cuts of what was computed from ``x``, those that a backward's root went through first, numbers last."""
        edge: Any = edge_of(x) if x._gn is not None else x
        target = edge.node if edge.is_slot else edge
        mine = [(i, c) for i, c in enumerate(self.cuts) if any(reaches(s, target) for s in c.sources)]
        used: set[int] = set().union(*[b.lost for b in self.backwards]) if self.backwards else set()
        mine.sort(key=lambda pair: (pair[0] not in used, pair[1].kind in ("item", "tolist", "numpy", "comparison"), pair[0]))
        return [c for _i, c in mine]

    def cleared_after(self, x: Tensor) -> str:
        """The last line that cleared the gradient of ``x``, if there is one."""
        return next((place for place, held in reversed(self.cleared) if any(t is x for t in held)), "")

    def frozen_at(self, x: Tensor) -> str:
        """The last line that let ``x`` stop requiring a gradient."""
        return next((place for place, held in reversed(self.frozen) if any(t is x for t in held)), "")

    def answer(self, question: str, subject: Any) -> str | None:
        """What a core error may ask (see ``core/telling.py``)."""
        if question == "line":
            return self.line(subject) or None
        if question == "leaf":
            found = self.leaves.get(id(subject))
            return found[1] if found is not None and found[0]() is subject else None
        cuts = [self.cuts[i] for i in sorted(self.lost_by(subject))]
        if not cuts:
            return None
        told = "\n".join(f"This tensor has no history: the tape was left by {CUT_BY[c.kind]} at {at(c.place)}" for c in cuts[:3])
        return f"{told}\nRemedy: {REMEDIES[cuts[0].kind]}."


class watch:
    """Record lines, cuts and the first NaN, so that :class:`chainrule.why <chainrule.explain.why.Why>` can name the user's line.

    Use it around the part of the program in question; it slows that part down several times, and keeps its last graph.  It
    sees the thread that it is entered in.

    >>> import chainrule as torch
    >>> w = torch.tensor(2.0, requires_grad=True)
    >>> with torch.why.watch() as seen:
    ...     h = (w * 3).detach()
    >>> seen.cuts[0].kind
    'detach'
    """

    last: Record | None = None

    def __init__(self) -> None:
        self.record = Record()
        self._kinds: dict[CodeType, int] = {}
        self._stack: list[_Call] = []
        self._modules: list[tuple[FrameType, str, Any]] = []
        self._place: tuple[CodeType | None, int] = (None, 0)
        self._before: Any = None

    def __enter__(self) -> Record:
        if watch.last is not None:
            WITNESSES[:] = [w for w in WITNESSES if getattr(w, "__self__", None) is not watch.last]
        watch.last = self.record
        WITNESSES.append(self.record.answer)
        self._tick()
        self._before = sys.getprofile()
        sys.setprofile(self._see)
        return self.record

    def __exit__(self, *exc: object) -> None:
        sys.setprofile(self._before)
        self._stack.clear()
        self._modules.clear()

    # -- what the profiler shows -------------------------------------------------------------------------------------

    def _see(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            code = frame.f_code
            if self._kind(code) != _OURS:
                return
            if code.co_name == "__call__" and _is_module(frame.f_locals.get("self")):
                self._enter_module(frame)
            back = frame.f_back
            if back is not None and not self._kind(back.f_code):
                self._enter(frame, back)
        elif event == "return":
            if self._stack and self._stack[-1].frame is frame:
                self._leave(self._stack.pop(), arg)
            if self._modules and self._modules[-1][0] is frame:
                self._tick()
                self._modules.pop()

    def _kind(self, code: CodeType) -> int:
        found = self._kinds.get(code)
        if found is None:
            name = code.co_filename
            ours = name.startswith(PACKAGE)
            found = self._kinds[code] = (_ABOVE if name.startswith(f"{PACKAGE}/explain") else _OURS) if ours else 0
        return found

    def _tick(self) -> None:
        """What was recorded since the last tick belongs to the context that ends here."""
        record = self.record
        record.clocks.append(-next_order())
        record.contexts.append((*self._place, self._modules[-1][1] if self._modules else ""))
        if len(record.clocks) > _KEPT:
            del record.clocks[: _KEPT // 2], record.contexts[: _KEPT // 2]

    def _enter_module(self, frame: FrameType) -> None:
        self._tick()
        module = frame.f_locals["self"]
        path = type(module).__name__
        if self._modules:
            _frame, outer, parent = self._modules[-1]
            own = next((n for n, m in parent.named_modules() if m is module), path)
            path = f"{outer}.{own}"
        self._modules.append((frame, path, module))

    def _enter(self, frame: FrameType, back: FrameType) -> None:
        self._tick()
        space = frame.f_locals
        op = space.get("op")
        name = op.name if isinstance(op, Op) else frame.f_code.co_name
        inputs = [t for v in list(space.values()) for t in _values(v)]
        receiver: Any = space.get("self")
        if not MODES.grad and _is_module(receiver):
            inputs += [p for p in receiver.parameters() if p.requires_grad]
        call = _Call(frame, self._place, name, inputs, receiver)
        self._place = (back.f_code, back.f_lineno)
        self._stack.append(call)
        self._begun(call, space)

    def _here(self) -> str:
        code, number = self._place
        return f"{code.co_filename}:{number}" if code is not None else ""

    def _begun(self, call: _Call, space: dict[str, Any]) -> None:
        """Calls that matter by themselves."""
        name, record = call.name, self.record
        if name == "zero_grad":
            record.cleared.append((self._here(), _parameters(call.receiver)))
        elif name == "_set_grad" and space.get("grad") is None:
            record.cleared.append((self._here(), [call.receiver]))
        elif name in ("requires_grad_", "requires_grad") and space.get("requires_grad", space.get("flag")) is False:
            record.frozen.append((self._here(), _parameters(call.receiver)))
        elif name in ("tensor_backward", "backward", "grad") and call.inputs and call.frame.f_code.co_filename.endswith("grad.py"):
            self._backward(next((t for t in call.inputs if isinstance(t, Tensor)), None), space)

    def _backward(self, root: Any, space: dict[str, Any]) -> None:
        from .why_graph import look

        graph = None
        cotangent = next((space[k] for k in ("gradient", "grad_tensors", "grad_outputs") if isinstance(space.get(k), Tensor)), None)
        if isinstance(root, Tensor) and root._gn is not None:
            try:
                graph = look(root, cotangent)
            except (RuntimeError, TypeError):  # the program itself is about to be told
                graph = None
        for earlier in self.record.backwards[:-1]:
            earlier.graph = None
        self.record.backwards.append(Backward(self._here(), self.record.lost_by(root), weakref.ref(root), graph))

    def _leave(self, call: _Call, result: Any) -> None:
        self._tick()
        place = self._here()
        self._place = call.before
        results = [r for r in _values(result) if isinstance(r, Tensor)]
        kind = _NUMBERS.get(call.name)
        if kind is not None and not results and result is not None:
            self._note(call, place, kind, result)
            return
        for one in results:
            if any(one is i for i in call.inputs) and call.name != "detach_":
                continue
            if one.is_leaf and one.requires_grad:
                self.record.leaves[id(one)] = (weakref.ref(one), place)
            self._note(call, place, self._how(call, one) if one._gn is None else None, one)
        if results and len(self.record.births) < 20:
            self._finite(call, place, results)

    def _how(self, call: _Call, result: Tensor) -> str | None:
        """How this result left the tape."""
        name = call.name
        if name in _NAMED:
            return _NAMED[name]
        if any(part in name for part in _NO_VALUE):
            return None
        if not MODES.grad:
            return "no_grad"
        if result.dtype.category < 2:
            return "cast" if name in _CASTS else "comparison" if result.dtype.category == 0 else "argmax"
        return None

    def _note(self, call: _Call, place: str, kind: str | None, result: Any) -> None:
        """Remember a cut, and what ``result`` was computed through."""
        record = self.record
        lost = frozenset().union(*[record.lost_by(i) for i in call.inputs]) if record.lost and call.inputs else frozenset()
        if kind is not None:
            sources = tuple([edge_of(i) for i in call.inputs if isinstance(i, Tensor) and i._gn is not None])
            if sources:
                lost |= {len(record.cuts)}
                record.cuts.append(Cut(kind, place, tuple([s.node if s.is_slot else s for s in sources])))
        if lost:
            try:
                held: Any = weakref.ref(result)
            except TypeError:
                held = result
            record.lost[id(result)] = (held, lost)

    def _finite(self, call: _Call, place: str, results: list[Any]) -> None:
        bad = next((r for r in results if not finite(r)), None)
        if bad is None:
            return
        operands = [i for i in call.inputs if isinstance(i, Tensor)]
        if operands and all(finite(i) for i in operands if i is not bad):
            edge = None if bad._gn is None else edge_of(bad)
            node = edge.node if edge is not None and edge.is_slot else edge
            self.record.births.append(Birth(call.name, place, [i.detach() for i in operands[:3]], bad.detach(), node))


def finite(x: Any) -> bool:
    """Whether a tensor's values are neither NaN nor infinite, as far as it has any."""
    value = x._value if isinstance(x, Tensor) else x
    if not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind in "biu":
        return True
    return bool(np.isfinite(value).all())


def _is_module(thing: Any) -> bool:
    return hasattr(type(thing), "named_parameters") and hasattr(type(thing), "forward")


def _parameters(thing: Any) -> list[Any]:
    if isinstance(thing, Tensor):
        return [thing]
    if hasattr(thing, "param_groups"):
        from .why_live import held_by

        return held_by(thing)
    return list(thing.parameters()) if hasattr(thing, "parameters") else []


def _values(v: Any) -> list[Any]:
    """The tensors (and arrays and floats that may be tainted) in an argument or result."""
    if isinstance(v, Tensor) or type(v) in (np.ndarray, float):
        return [v]
    if type(v) in (list, tuple):
        return [t for one in v[:100] if isinstance(one, Tensor) or type(one) in (list, tuple, float, np.ndarray) for t in _values(one)]
    if type(v) is dict:
        return [t for one in list(v.values())[:100] if isinstance(one, Tensor) for t in _values(one)]
    return []
