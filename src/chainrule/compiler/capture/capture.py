"""Run a function once, recording; what it gave, and whether the record can stand for it from now on."""

from __future__ import annotations

import gc
import operator
from collections.abc import Callable, Container, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.epoch import hooked
from ...core.generator import default_generator
from ...core.mutation import PACKAGE
from ...core.node import HOOKED, HOOKS, LEAF, Node
from ...core.tensor import Tensor, new
from ...utils import _pytree as pytree
from ..program.ir import Program, row_major
from .distinct import distinct
from .earlier import Earlier, Passed
from .followed import Followed
from .joint import Joint, joint
from .number import Number
from .reads import CHANGES
from .reads import restore as put_back
from .ready import Engine, Ready
from .recorder import Given, Placed, Recorder
from .spots import Spot
from .staged import Decision
from .value import Captured, Cell

FIRST = "a tensor that the call made stays alive outside of its result (the first step of an optimizer makes its state)"


class Place(NamedTuple):
    """How a tensor sees a cell that the program computes (``output``) or that an input's memory is (``given``)."""

    output: int | None
    given: int | None
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    whole: bool  # the cell itself, as it is


class Marked(NamedTuple):
    """A result whose place on the tape is the same after every call: a leaf that the call makes, or one whose graph backward has freed."""

    place: Place
    node: Any


class Same(NamedTuple):
    """A result that is a tensor which was there before: an argument, or closed over."""

    tensor: Tensor


class Element(NamedTuple):
    """A result that is a Python number: computed from elements of what the program gives."""

    compute: Callable[[Sequence[Any]], Any]
    places: list[Place]


class Rebound(NamedTuple):
    """A tensor that gets a new value at every call: its own (``gradient`` False), or a fresh tensor as its ``grad``."""

    tensor: Tensor
    gradient: bool
    place: Place


class Record(NamedTuple):
    """A program that does what the function did."""

    program: Program
    given: list[Given]
    structure: Any  # of the result
    leaves: list[Any]  # of the result: a Place, a Marked, a Same, an Element, or a plain value
    rebound: list[Rebound]
    cleared: list[Tensor]  # tensors whose ``grad`` is None afterwards
    joint: Joint | None  # the backward pass of results that have a history
    gradients: list[tuple[Tensor, Any]]  # tensors and the ``grad`` that they must have for the program to be right
    recorded: list[tuple[Tensor, bool]]  # tensors that it read, and whether they had to require grad
    places: list[Placed]
    passed: Sequence[Passed] = ()  # nodes from before that it goes back through
    decisions: Sequence[Decision] = ()  # what the program holds for: the ways that Python's branches went
    ready: Ready | None = None  # the program with its engine, where it has run already


class Captive(NamedTuple):
    """What :func:`capture` found: the function's result, and the record, or why there is none."""

    result: Any
    record: Record | None
    why: list[tuple[str, str]]
    splits: Sequence[tuple[str, str]] = ()  # where Python needed a value: (why, the user's line)
    holds: Callable[[], bool] | None = None  # whether the record is that of the numbers that change, as they are


def capture(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], optimizers: Sequence[Any] = (),
    engine: Engine | None = None, changed: Callable[[], bool] = lambda: False, spots: Sequence[Spot] = (),
    split: bool = True, reached: Container[int] = (), known: Container[int] | None = None,
    restore: Callable[[], None] = lambda: None,
) -> Captive:  # fmt: skip
    """Call the function; its effects and result are those of an ordinary call.

    ``optimizers`` are those whose state goes back, and ``restore`` lets Python's objects hold what they held, should the function ask of
    a captured value what only an array has; it is then called again, uncaptured.  Nothing that ``changed`` looks at may differ
    afterwards.  Where the record will be used, ``engine`` computes the result too, NumPy otherwise.  ``spots`` are places whose numbers
    change from call to call: they are no constants of the program.  ``split``: Python may branch on values; the record then holds for
    the ways that it went.  ``reached`` are identities of tensors that every call finds again.  With ``known``, the result is the
    variables of a function: what is no tensor and no plain value has to be one of those objects, and no two of them may share what calls
    would not share.
    """
    collecting = gc.isenabled()
    gc.disable()
    recorder = Recorder()
    recorder.splitting = split
    among = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    recorder.arguments = {*map(id, among)}
    recorder.earlier = Earlier(recorder, among, reached)
    tensors = recorder.census.tensors
    before = {id(t): t._grad for t in tensors if t._grad is not None}
    undo = Undo(tensors, optimizers)
    numbers = Followed(recorder.trace, spots)
    given = pytree.tree_flatten((args, kwargs))
    containers = _containers((args, kwargs))
    try:
        recorder.open(tensors)
        try:
            result = numbers.run(function, args, kwargs)
        except Exception as error:
            followed = recorder.trace.made and isinstance(error, TypeError)  # C code may want a float, not what passes for one
            if recorder.closed or not (followed or _ours(error) or Captured.__name__ in str(error)):
                recorder.flush("an exception")
                raise
            recorder.note(f"something that only an array has ({error})")
            recorder.discard()
            undo.restore()
            restore()
            for holder, held in containers:
                put_back(holder, held)
            return Captive(function(*args, **kwargs), None, recorder.breaks)
        except BaseException:
            recorder.flush("an exception")
            raise
        gc.collect(0)
        if not recorder.closed:
            _effects(recorder, _holds(given, args, kwargs), changed)
        result = numbers.settle(result)
        if known is not None and not recorder.closed and not distinct(result, known, recorder.arguments, [id(c) for c, _ in containers]):
            recorder.note("variables that share what they hold, or hold an object made by the function")
        record = None if recorder.closed else _record(recorder, result, before, pytree.tree_leaves((args, kwargs)))
        if not recorder.closed:
            record = _computed(recorder, record, engine, undo)
        result = numbers.known(result)
        holds = recorder.trace.holds() if spots else None
        return Captive(result, record if not recorder.breaks else None, recorder.breaks, recorder.splits, holds)
    finally:
        if not recorder.closed:
            recorder.flush("an exception")
        if collecting:
            gc.enable()


def _computed(recorder: Recorder, record: Record | None, engine: Engine | None, undo: Undo) -> Record | None:
    """Let all tensors have their arrays; the record, with the program that gave them where an engine did."""
    plain = record is not None and record.joint is None and not recorder.breaks
    try:
        if record is not None and plain and engine is not None and not record.decisions:
            record = record._replace(ready=recorder.finish(record, engine))
        else:
            recorder.finish(record if plain else None)
    except BaseException:
        undo.restore()
        raise
    if record is not None and record.joint is not None:
        _join(record, recorder)
    return record


def _effects(recorder: Recorder, holds: bool, changed: Callable[[], bool]) -> None:
    """Note what the call has done in Python."""
    if not holds:
        recorder.note("the call changes a list or a dictionary among its arguments")
    if changed():
        recorder.note(CHANGES)


def _containers(value: Any) -> list[tuple[Any, Any]]:
    """The lists and dictionaries in a value, and what they hold."""
    if not isinstance(value, (list, tuple, dict)):
        return []
    own = [] if isinstance(value, tuple) else [(value, dict(value) if isinstance(value, dict) else list(value))]
    return [*own, *[c for v in (value.values() if isinstance(value, dict) else value) for c in _containers(v)]]


def _holds(given: tuple[list[Any], Any], args: Any, kwargs: Any) -> bool:
    """Whether the lists and dictionaries among the arguments hold what they held."""
    leaves, structure = pytree.tree_flatten((args, kwargs))
    return bool(structure == given[1]) and all(map(operator.is_, leaves, given[0]))


def _ours(error: Exception) -> bool:
    """Whether the exception was raised in this package, which may not have known what to do with a captured value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename.startswith(PACKAGE)


class Undo:
    """What a capture changes outside of tensors' memory: gradients, places on the tape, optimizers' state, the generator."""

    def __init__(self, tensors: Sequence[Tensor], optimizers: Sequence[Any]) -> None:
        self.tensors = [(t, t._grad, t._gn) for t in tensors]
        self.states = [(o, {p: dict(s) for p, s in o.state.items()}) for o in optimizers]
        self.generator = default_generator.clone_state()

    def restore(self) -> None:
        for tensor, grad, gn in self.tensors:
            for name, value in (("_grad", grad), ("_gn", gn)):
                if getattr(tensor, name) is not value:
                    setattr(tensor, name, value)
        for optimizer, states in self.states:
            for p in list(optimizer.state):
                if p in states:
                    optimizer.state[p].clear()
                    optimizer.state[p].update(states[p])
                else:
                    del optimizer.state[p]
        default_generator._set_state_array(self.generator._get_state_array())


def _join(record: Record, recorder: Recorder) -> None:
    """Let the forward program give what the record says, and what its backward program needs."""
    assert record.joint is not None
    record.program.outputs = [*[c.node for c in recorder.wanted or ()], *record.joint.kept]


def _record(recorder: Recorder, result: Any, before: dict[int, Any], arguments: list[Any]) -> Record | None:
    """What stays after the call; None (and the reason noted) where something stays that a later call could not renew."""
    used = [t for t, _, mine in recorder.swapped if mine._cell is not None]
    histories = [h for (_, _, mine), h in zip(recorder.swapped, recorder.histories, strict=True) if mine._cell is not None]
    before_it = [h.node if h.is_slot else h for h in histories if h is not None and h is not LEAF]  # others are looked at when gone through
    if HOOKED.keys() - recorder.hooked or (HOOKED and any(node in HOOKS for node in before_it)) or any(map(hooked, used)):
        recorder.note("a hook is called on the way")
        return None
    left = _Left(recorder)
    leaves, structure = pytree.tree_flatten(result)
    if not left.results(leaves):
        return None
    left.tensors(before)
    backward = None
    if any(type(place) is Place and leaf._gn is not None for leaf, place in zip(leaves, left.leaves, strict=True)):
        if any(r.gradient for r in left.rebound) or any(type(f) is Marked and f.node is not LEAF for f in left.leaves):
            recorder.note("the result is part of a graph, and gradients were set besides")
            return None
        made = [leaf if type(place) in (Place, Marked) else None for leaf, place in zip(leaves, left.leaves, strict=True)]
        backward = joint(recorder, made, [a for a in arguments if isinstance(a, Tensor)], left.originals)
        if backward is None:
            return None
    elif left.escaped():
        recorder.note(FIRST)
        return None
    recorder.wanted = left.cells if recorder.turn is None else [*left.cells, recorder.turn.cell]
    return Record(
        recorder.program, recorder.given, structure, left.leaves, left.rebound, left.cleared, backward, left.gradients,
        left.recorded, recorder.places(), [p for _, _, p in recorder.earlier.passed], recorder.decisions,
    )  # fmt: skip


class _Left:
    """What a call has left behind."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.originals = {id(t) for t, _, _ in recorder.swapped}
        self.outputs: dict[int, int] = {}
        self.cells: list[Cell] = []
        self.leaves: list[Any] = []
        self.rebound: list[Rebound] = []
        self.cleared: list[Tensor] = []
        self.gradients: list[tuple[Tensor, Any]] = []
        self.recorded: list[tuple[Tensor, bool]] = []
        self.known: set[int] = set()

    def place(self, value: Captured) -> Place:
        """Where a later call finds the value."""
        cell = value.cell
        whole = value.shape == cell.shape and value.offset == 0 and value.strides == row_major(cell.shape)
        if cell.array is not None and not cell.drawn and not cell.replaced:
            return Place(None, cell.first.attrs["index"], value.shape, value.strides, value.offset, whole)
        if id(cell) not in self.outputs:
            self.outputs[id(cell)] = len(self.cells)
            self.cells.append(cell)
        return Place(self.outputs[id(cell)], None, value.shape, value.strides, value.offset, whole)

    def results(self, leaves: list[Any]) -> bool:
        """Take up the function's result; False (and a note) where a later call could not give it."""
        for leaf in leaves:
            if type(leaf) is Number:
                self.leaves.append(Element(self.recorder.trace.result(leaf), [self.place(item) for item in self.recorder.trace.items]))
                continue
            if not isinstance(leaf, Tensor):
                self.leaves.append(leaf)
                continue
            if not isinstance(leaf._value, Captured):
                self.recorder.note("the result holds a constant tensor")
                return False
            self.known.update((id(leaf), id(leaf._base)))
            if id(leaf) in self.originals:
                self.leaves.append(Same(leaf))
            elif leaf._gn is LEAF:
                self.leaves.append(Marked(self.place(leaf._value), LEAF))
            elif leaf._gn is not None and _freed(leaf._gn):
                leaf._gn = ended(leaf._gn)  # what the graph still holds on to goes with it
                self.leaves.append(Marked(self.place(leaf._value), leaf._gn))
            elif leaf._gn is not None and leaf._value.cell.array is not None:
                self.recorder.note("the result is a view of what was there before, and part of a graph")
                return False
            else:
                self.leaves.append(self.place(leaf._value))
        return True

    def tensors(self, before: dict[int, Any]) -> None:
        """Take up what became of the tensors that were there, and of their gradients."""
        for (tensor, raw, mine), history in zip(self.recorder.swapped, self.recorder.histories, strict=True):
            if mine._cell is not None:
                self.recorded.append((tensor, history is not None))
            if tensor._gn is not history:
                self.recorder.note("a tensor that was there before gets another place on the tape")
            value = tensor._value
            if value is not mine and type(value) is not Captured:
                self.recorder.note("another thread gives a tensor that was there before a value")
            elif value is not mine:
                self.rebound.append(Rebound(tensor, False, self.place(value)))
            elif isinstance(raw, np.generic) and mine._cell is not None and mine._cell.written:
                self.rebound.append(Rebound(tensor, False, self.place(mine)))
            grad, had = tensor._grad, before.get(id(tensor))
            if had is not None and type(had._value) is Captured and (had._value._cell is not None or id(had) in self.known):
                self.gradients.append((tensor, had))
            elif had is None and (grad is not None or (history is LEAF and mine._cell is not None)):  # it may have come and gone
                self.gradients.append((tensor, None))
            if grad is had:
                continue
            if grad is None:
                self.cleared.append(tensor)
            elif isinstance(grad._value, Captured) and grad._gn is None:
                self.known.update((id(grad), id(grad._base)))
                self.rebound.append(Rebound(tensor, True, self.place(grad._value)))

    def escaped(self) -> bool:
        """Whether a tensor that the call made lives on unknown."""
        for tensor in self.recorder.census.now():
            value = tensor.__dict__.get("_value")
            mine = type(value) is Captured and value.recorder is self.recorder
            if mine and id(tensor) not in self.originals and id(tensor) not in self.known:
                return True
        return False


def _freed(edge: Any) -> bool:
    """Whether backward has been through the graph."""
    seen: set[int] = set()
    stack = [edge]
    while stack:
        node = stack.pop()
        if node is None or node.is_leaf_edge:
            continue
        node = node.node if node.is_slot else node
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.saved is None:
            return True
        stack.extend(node.edges)
    return False


def ended(edge: Any) -> Any:
    """A node that stands for a graph that backward has freed: its name, and the refusal to go through it again."""
    inner = edge.node if edge.is_slot else edge
    made: Node = new(type(inner))
    made.edges = ()
    made.saved = None
    made.fit = None
    made.order = inner.order
    return made
