"""One capture: tensors' values are exchanged for captured ones, the function runs, and what it did becomes a program.

Every tensor that is alive takes part, whoever holds it, so nothing that the function reads from its surroundings is taken for a
constant.  A value that Python needs (``.item()``, ``if``, printing) is computed then and there from what has been recorded so
far, and the function goes on with arrays: so a capture never fails, it only ends early.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import Any, NamedTuple

import numpy as np

from ...core.generator import default_generator
from ...core.inference import mark
from ...core.modes import MODES
from ...core.mutation import root, written
from ...core.node import HOOKED, next_order
from ...core.op import Op
from ...core.source import place_of, user_frame
from ...core.tensor import Tensor
from ..program.execute import execute
from ..program.ir import Node, Program, Source, row_major
from . import build, window
from .census import Census
from .earlier import Earlier, Saved
from .lower import lowered
from .lower.draws import drawn_in, inside
from .number import plain
from .order import Order, memory_order
from .ready import Engine, Ready
from .staged import Decision
from .symbolic import Unsupported
from .trace import Trace
from .value import Captured, Cell
from .window import memory_of


class Given(NamedTuple):
    """Where an input's memory is found at a call: of a tensor that takes part, or drawn from a generator."""

    tensor: Any  # the tensor, or None
    kind: str | Saved  # what of its memory: see ``window``; or what a node of its graph saved
    draw: Callable[..., Any] | None
    shape: tuple[int, ...]
    dtype: Any


class Placed(NamedTuple):
    """Where a tensor lies in the array that owns its memory, which is input ``given`` of the program."""

    tensor: Tensor
    given: int
    start: int
    strides: tuple[int, ...]  # in bytes
    shape: tuple[int, ...]  # the owner's
    dtype: Any


def user_line() -> str:
    """``file:line`` of what the user is running, or nothing."""
    frame = user_frame()
    return "" if frame is None else place_of(frame)


class Recorder:
    """The state of one capture; used by :func:`chainrule.compiler.capture.capture.capture`."""

    def __init__(self) -> None:
        self.thread = get_ident()
        self.census = Census()
        self.closed = False
        self.program = Program()
        self.given: list[Given] = []
        self.cells: weakref.WeakSet[Cell] = weakref.WeakSet()
        self.arguments: set[int] = set()
        self.earlier = Earlier(self, (), ())
        self.begun = next_order()  # of the tape: what is younger belongs to the call
        self.swapped: list[tuple[Tensor, Any, Captured]] = []
        self.histories: list[Any] = []  # the places on the tape of those
        self.roots: dict[int, list[tuple[Tensor, Any]]] = {}
        self.windows: dict[int, list[window.Window]] = {}  # by owner
        self.merged: dict[int, Cell] = {}
        self.chosen: list[tuple[Cell, weakref.ref[Cell]]] = []  # memory, and what was read of it: a view, uncaptured
        self.orders: dict[int, tuple[Node, Order]] = {}  # of memory, where it is not row-major
        self.hooked = set(HOOKED)  # nodes, by weak references
        self.breaks: list[tuple[str, str]] = []  # (why, the user's line)
        self.arrays: dict[int, Any] = {}  # what cells became, by identity
        self.wanted: list[Cell] | None = None  # what a record gives, in its order
        self.turn: Captured | None = None  # what the next draw inside of the program has to wait for
        self.draws: set[int] = set()  # the calls that draw, by identity
        self._keep: list[Cell] = []
        self.trace = Trace(self)
        self.splitting = True  # whether Python may branch and the capture go on
        self.pulling = False  # whether a backward pass is recorded whose cotangents have no values yet
        self.decisions: list[Decision] = []
        self.splits: list[tuple[str, str]] = []  # (why Python needed a value, the user's line)

    # -- before and after ----------------------------------------------------------------------------------------------

    def open(self, tensors: Sequence[Tensor]) -> None:
        """Exchange the values of all tensors."""
        for tensor in tensors:
            value = tensor.__dict__.get("_value")
            if type(value) is np.ndarray or isinstance(value, np.generic):
                mine = Captured(self, None, value.shape, (), 0, value.dtype, value)
                self.swapped.append((tensor, value, mine))
                self.histories.append(tensor._gn)
                self.roots.setdefault(id(root(value)), []).append((tensor, value))
                tensor._value = mine
        MODES.recorder = self

    def place(self, captured: Captured) -> None:
        """Find the memory of a tensor that was there before."""
        value = captured.raw
        if isinstance(value, np.generic):
            tensor = next(t for t, _, mine in self.swapped if mine is captured)
            captured._cell = self._input(tensor, window.VALUE, value)
            return
        owner = root(value)
        captured.strides = window.strides_of(value)
        merged = self.merged.get(id(owner))
        start = window.start_of(value)
        if merged is not None and start >= 0:
            captured._cell, captured.offset = merged, start
            return
        if merged is not None:
            self.flush(_LAYOUT)
        windows = self.windows.setdefault(id(owner), [])
        for w in windows:
            if (w.start, w.strides, w.shape) == (start, captured.strides, value.shape) and start >= 0:
                captured._cell = w.cell
                return
        captured._cell = self._input(self._holder(owner, value), window.kind_of(value), value)
        captured._cell.owner = owner
        windows.append(window.Window(captured._cell, start, captured.strides, value.shape))
        if any(w.cell.written for w in windows):
            self.merge(owner)

    def _holder(self, owner: Any, value: Any) -> Tensor:
        """A tensor with this value, an argument if there is one: it is found at every call."""
        return min([t for t, v in self.roots[id(owner)] if v is value], key=self._surrounds)

    def _surrounds(self, tensor: Tensor) -> bool:
        """Whether it is no argument."""
        return id(tensor) not in self.arguments

    def about_to_write(self, cell: Cell) -> None:
        """Let all that see the memory of a cell see what is written to it; RuntimeError, which ends the capture, where that cannot be."""
        if any(cell in (base, chosen()) and chosen() is not None for base, chosen in self.chosen):
            raise RuntimeError("memory is written that is seen through a view which a program does not follow")
        if cell.owner is not None and len(self.windows[id(cell.owner)]) > 1:
            self.merge(cell.owner)

    def merge(self, owner: Any) -> None:
        """From now on all tensors in this memory are views of one input."""
        windows = self.windows.pop(id(owner))
        if not window.can_merge(owner, windows):
            self.flush(_LAYOUT)
            return
        cell = self._input(min([t for t, _ in self.roots[id(owner)]], key=self._surrounds), window.ROOT, owner)
        window.merge(cell, windows)
        window.without(self.program, self.given, self._keep, {id(w.cell.first) for w in windows})
        self.merged[id(owner)] = cell

    def places(self) -> list[Placed]:
        """The tensors that have to lie where they lay: in what of their memory the program has whole, or what is an input for several."""
        sharers = Counter(id(mine._cell) for _, raw, mine in self.swapped if mine._cell is not None)
        merged = {id(c) for c in self.merged.values()}
        return [
            Placed(t, mine._cell.first.attrs["index"], window.start_of(raw), raw.strides, root(raw).shape, raw.dtype)
            for t, raw, mine in self.swapped
            if mine._cell is not None and (id(mine._cell) in merged or sharers[id(mine._cell)] > 1)
        ]

    def saved(self, argument: Tensor, kind: Saved, value: Any) -> Node:
        """An input for what a node of an argument's graph saved."""
        for given, node in zip(self.given, self.program.inputs, strict=True):
            if given.tensor is argument and given.kind == kind:
                return node
        return self._input(argument, kind, value).node

    def goes_back(self, edges: Sequence[Any], needed: set[Any] | None, keep: bool) -> None:
        """The function differentiates; through nodes from before the call only where a program can do it."""
        if self.closed or get_ident() != self.thread:
            return
        visited = _nodes_of(edges) if needed is None else needed
        old = sorted([n for n in visited if n.order > self.begun], key=lambda n: n.order)
        for node in visited:
            if any(_overwritten(v) for _, v in node.saved_values()):
                raise RuntimeError("a value that was saved for the backward pass is overwritten")  # and uncaptured it says so
        why = self.earlier.walk(old, keep) if old else ""
        if why:
            self.flush(why)

    def _input(self, tensor: Tensor | None, kind: str | Saved, value: Any, draw: Any = None) -> Cell:
        array = value if isinstance(kind, Saved) else window.memory_for(kind, value)
        node = Node("input", (), array.shape, array.dtype, {"index": len(self.given)})
        self.program.inputs.append(node)
        self.given.append(Given(tensor, kind, draw, tuple(array.shape), array.dtype))
        cell = Cell(node, array)
        self.cells.add(cell)
        self._keep.append(cell)
        return cell

    def note(self, why: str) -> None:
        """Remember why the function cannot be one program."""
        self.breaks.append((why, user_line()))

    # -- recording -----------------------------------------------------------------------------------------------------

    def apply(self, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        """The captured result of an operation."""
        token = build.SOURCE.set(Source(op.name, user_line()))
        before, MODES.recorder = MODES.recorder, self
        try:
            if op.name == "strided_gather":
                self._within(self.value_of(args[0]), **kw)
            made = lowered(self, op, *_plain(op, args, kw))
            if self.closed:
                return op.apply(*args, **kw)
            return made if not MODES.inference else _marked(made)
        except Unsupported as why:
            self.flush(f"{op.name}: {why}")
            return op.apply(*args, **kw)
        finally:
            MODES.recorder = None if self.closed else before
            build.SOURCE.reset(token)

    def _within(self, value: Captured, *, size: Any, stride: Any, start: int | None, geometry: Any) -> None:
        """RuntimeError, which ends the capture, where ``as_strided`` sees other memory than the value's own elements, row by row."""
        last = sum([(n - 1) * s for n, s in zip(size, stride, strict=True)], start or 0)
        raw, whole = value.raw, value.cell.shape == value.shape
        own = value.contiguous() if raw is None else isinstance(raw, np.generic) or raw.flags.c_contiguous
        if not own or last >= max(value.size, 1) or (start is not None and not (whole and (raw is None or root(raw) is raw))):
            raise RuntimeError("as_strided sees memory that is not its argument's own")

    def value_of(self, tensor: Any) -> Captured:
        """The captured value of any tensor, one that was made of numbers since included."""
        value = tensor._value
        return value if isinstance(value, Captured) else Captured.of(self, build.const(value))

    def order_of(self, value: Captured) -> Order:
        """The order of the dimensions in which the value's memory would lie, had it not been captured."""
        return memory_order(value.node, {k: order for k, (_, order) in self.orders.items()})

    def ordered(self, value: Captured, like: Captured | Order) -> Captured:
        """Remember that a value's memory would lie as another's does, or in an order."""
        order = self.order_of(like) if isinstance(like, Captured) else like
        if order != self.order_of(value):
            self.orders[id(value.cell.node)] = (value.cell.node, order)
        return value

    def drawn(self, shape: tuple[int, ...], draw: Callable[..., Any]) -> Any:
        """What a generator gives: drawn now, and again at every call of the program."""
        recording, MODES.recorder = MODES.recorder, None  # which the user's code would tell of the generator's state
        try:
            before = default_generator._get_state_array()
            array = np.asarray(draw(shape), order="C")
            mine = array.size == 0 or default_generator._get_state_array().tobytes() != before.tobytes()
            if mine and self.turn is not None:
                default_generator._set_state_array(before)
        finally:
            MODES.recorder = recording
        if not mine:
            self.splitting = False  # another generator's numbers: drawing them cannot be undone
        elif self.turn is not None:
            return inside(self, lambda: draw(shape), [], array.shape, array.dtype)
        cell = self._input(None, window.VALUE, array, lambda: np.asarray(draw(shape), order="C"))
        cell.drawn = True
        return Captured(self, cell, array.shape, row_major(array.shape), 0, array.dtype)

    def draw_all(self, why: str) -> None:
        """Nothing may be left for the program to draw: the generator's state is asked for."""
        if self.turn is not None:
            self.flush(why)

    def number(self, value: Any, current: Callable[[], Any]) -> Node:
        """An input of shape () for a number of Python's; ``current`` gives it at every call."""
        cell = self._input(None, window.NUMBER, np.asarray(value), current)
        cell.drawn = True
        return cell.node

    def adopt(self, tensor: Tensor) -> Captured:
        """Raw memory that was made since becomes a cell, for the tensor, its base and the base's views."""
        base = tensor._base if tensor._base is not None else tensor
        family = [base, *[v for v in (r() for r in base._views or ()) if v is not None]]
        if tensor not in family:
            family.append(tensor)
        owner = root(base._value)
        if isinstance(owner, np.generic) or not owner.flags.c_contiguous:
            owner = base._value
        cell = Cell(build.const(owner))
        self.cells.add(cell)
        size = owner.dtype.itemsize
        start = 0 if isinstance(owner, np.generic) else owner.__array_interface__["data"][0]
        for member in family:
            value = member._value
            if not isinstance(value, (np.ndarray, np.generic)):
                continue
            offset = 0 if isinstance(value, np.generic) or not value.size else (value.__array_interface__["data"][0] - start) // size
            member._value = Captured(self, cell, value.shape, tuple([s // size for s in value.strides]), offset, value.dtype)
        found: Captured = tensor._value
        return found

    # -- values for Python -----------------------------------------------------------------------------------------------

    def concrete(self, captured: Captured, what: str) -> Any:
        """The array behind a captured value; another thread sees the one from before the capture."""
        elsewhere = get_ident() != self.thread
        if captured.raw is not None and (elsewhere or (self.closed and captured._cell is None)):
            return captured.raw
        if not self.closed:
            if elsewhere:
                raise RuntimeError(f"{what} of a tensor that another thread is capturing")
            if captured.size == 1 and captured.numpy_dtype.kind in _BRANCHING.get(what, ""):
                return self._branched(captured, what)
            self.flush(_REASONS.get(what, f"Python asks for {what} of a tensor"))
        cell = captured.cell
        array = self.arrays.get(id(cell))
        if array is None:
            array = cell.array
        return captured.array_of(array)

    def written_elsewhere(self, captured: Captured) -> Any:
        """The memory of a tensor that another thread than the capture's writes to."""
        raw = captured.raw
        if raw is None:
            raise RuntimeError("a write to a tensor that another thread is capturing")
        if isinstance(raw, np.generic):
            captured.raw = raw = np.array(raw)
            self.swapped[:] = [(t, raw if m is captured else v, m) for t, v, m in self.swapped]
        return raw

    def decided(self, node: Node, why: str) -> Any:
        """What Python goes by: the number in a node of shape ()."""
        if self.splitting and not self.pulling and len(self.decisions) < _DECISIONS and not drawn_in(self, node):
            outcome = execute(Program(self.program.inputs, [node], []), [memory_of(c.array) for c in self._keep])[0].item()
            self.decisions.append(Decision(node, outcome, sum(given.draw is not None for given in self.given)))
            self.splits.append((why, user_line()))
            return outcome
        asked = Captured.of(self, node)
        self.flush(why)
        return self.known(asked).item()

    def known(self, captured: Captured) -> Any:
        """The array of a value whose number Python has taken."""
        return np.asarray(self.concrete(captured, "item"))

    def _branched(self, captured: Captured, what: str) -> Any:
        """The array of a value of one element that Python goes by: its truth, or an integer."""
        node = build.reshape(captured.node, ())
        if what == "bool" and node.dtype != bool:
            node = build.compare("ne", node, build.number(node, 0))
        return np.full(captured.shape, self.decided(node, _REASONS[what]), node.dtype)

    def flush(self, why: str) -> None:
        """Compute what was recorded, and let the rest of the function run on arrays; RuntimeError where nothing can be computed yet."""
        if self.pulling:
            raise RuntimeError(why)
        if not self.closed:
            self.note(why)
            self.finish()

    def discard(self) -> None:
        """Forget what was recorded: every tensor has the array that it had."""
        self.closed = True
        MODES.recorder = None
        for tensor, raw, mine in self.swapped:
            if tensor._value is mine:  # and no other thread has given it a value meanwhile
                tensor._value = raw
        self.earlier.restore()

    def finish(self, record: Any = None, engine: Engine | None = None) -> Ready | None:
        """Compute every cell that is alive (of a record: what it gives) and give all tensors arrays again.

        With an ``engine`` the record's program is made ready and computes it.
        """
        self.closed = True
        MODES.recorder = None
        made = [c for c in self.cells if c.array is None or c.replaced] if record is None else list(self.wanted or ())
        self.program.outputs = [c.node for c in made]
        kept = self._keep
        stores = [(k, c) for k, c in enumerate(kept) if c.written and not c.replaced]
        self.program.stores = [(k, c.node) for k, c in stores]
        inputs = [memory_of(c.array) for c in kept]
        ready = None
        try:
            ready = None if engine is None else Ready(self.program, engine)
            outputs = execute(self.program, inputs) if ready is None else ready.run(inputs)
        except BaseException:
            self.discard()
            raise
        for cell, array in zip(made, outputs, strict=True):
            self.arrays[id(cell)] = array
        self._alive = made
        for k, cell in stores:
            if inputs[k] is not cell.array:
                np.copyto(cell.array, inputs[k])
        self._restore()
        return ready

    def _restore(self) -> None:
        given = {id(mine): raw for _, raw, mine in self.swapped}
        rewritten = {id(c) for c in self._keep if c.written}
        mine = [(t, v) for t in self.census.now() if type(v := t.__dict__.get("_value")) is Captured and v.recorder is self]
        values = {id(v): v for _, v in mine}
        sharers = Counter(id(v._cell) for v in values.values())
        for tensor, value in mine:
            if tensor._value is not value:  # another thread has given it one meanwhile
                continue
            raw = given.get(id(value))
            shared = value._cell is not None and sharers[id(value._cell)] > 1  # a number would have no memory in common with its views
            if raw is None or (isinstance(raw, np.generic) and (shared or id(value._cell) in rewritten)):
                cell = value.cell
                if id(cell) not in self.arrays:
                    self.arrays[id(cell)] = np.asarray(cell.array)
                seen = value.array_of(np.asarray(self.arrays[id(cell)]))
                tensor._value = seen if shared else settled(seen)
            else:
                tensor._value = raw
                if value._cell is not None and id(value._cell) in rewritten:
                    written(raw, "a compiled program")


def _overwritten(saved: Any) -> bool:
    """Whether something that a node has saved was written since."""
    if type(saved) in (tuple, list):
        return any(map(_overwritten, saved))
    value = saved._value if isinstance(saved, Tensor) else saved
    return type(value) is Captured and value.stale()


def _nodes_of(edges: Sequence[Any]) -> set[Any]:
    """All nodes of a graph."""
    found: set[Any] = set()
    stack = list(edges)
    while stack:
        edge = stack.pop()
        if edge is None or edge.is_leaf_edge:
            continue
        node = edge.node if edge.is_slot else edge
        if node not in found:
            found.add(node)
            stack.extend(node.edges)
    return found


def _plain(op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments without the numbers that are followed, but for the operands of elementwise operations."""
    if op.kind != "elementwise":
        args = tuple([plain(a) for a in args])
    return args, {k: plain(v) for k, v in kw.items()}


def _marked(made: Any) -> Any:
    for tensor in made if isinstance(made, (tuple, list)) else (made,):
        if isinstance(tensor, Tensor):
            mark(tensor)
    return made


_BRANCHING = {"bool": "biuf", "item": "biu"}  # the dtypes in which what Python asks for can be a way to go
_DECISIONS = 16  # of one program
_LAYOUT = "memory that is written is seen in another layout or dtype too"
_REASONS = {
    "item": "Python asks for the number in a tensor (.item(), float(), int())",
    "bool": "Python branches on a tensor",
    "numpy": "a tensor becomes a NumPy array",
    "tolist": "a tensor becomes a list",
    "repr": "a tensor is printed",
}


def settled(array: Any) -> Any:
    """A raw value as tensors hold it: a NumPy scalar for 0-d."""
    return array[()] if array.ndim == 0 and array.dtype.kind in "biufc" else array


__all__: Sequence[str] = ["Given", "Recorder", "settled"]
