"""The ways that a function's branches go, as a tree: what is the same until a branch is computed once, whichever way is taken then.

A *fork* is a stage of a call.  It has no effects, and computes what Python's branches go by.  Where the last of them leads to is another
fork, or a leaf: a program that has the effects, and goes on from what the forks before it have computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from threading import RLock
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.generator import default_generator
from ..passes.improve import improved
from ..program.ir import Node, Program, ordered
from ..program.portable import Bound, portable
from .ready import Engine, Ready
from .window import NUMBER, memory_of

if TYPE_CHECKING:
    from .capture import Record
    from .variant import Finder, Variant

WAYS = 16  # of one tree
_AGAIN = frozenset({"input", "const", "iota", "view", "call"})  # cheaper made again than kept (the items of a call are what is kept)
_PLAIN = (int, float, complex, bool, str, bytes, type(None))
_FAULTS = (ArithmeticError, LookupError, ValueError)  # what computing may raise where another way would not have come


class Missed(Exception):
    """A branch goes where no program is for; nothing has happened."""


class Decision(NamedTuple):
    """What a branch went by: a node of shape (), bool or an integer, and what it was."""

    node: Node
    outcome: Any
    drawn: int  # how many inputs had been drawn by then


class Fork:
    """A stage.  All of its ``decisions`` but the last go as ``outcomes`` say; the last one's outcome tells which of ``children`` is next.

    Nodes are those of the tree, see :class:`Ways`.  ``gives`` are those that later stages need, ``takes`` those that it needs of the
    stages before it, and ``draws`` what is drawn for it, by its number among all that a call draws.
    """

    def __init__(self, decisions: list[Node], marks: list[Any], outcomes: list[Any], draws: dict[int, Finder], above: Fork | None) -> None:
        self.decisions = decisions
        self.marks = marks
        self.outcomes = outcomes
        self.draws = draws
        self.above = above
        self.children: dict[Any, Fork | list[Variant]] = {}
        self.gives: list[Node] = []
        self.inputs: list[Node] = []
        self.takes: list[Node] = []
        self.stale = True  # whether ``ready`` is to be made

    def line(self) -> list[Fork]:
        """The forks from the tree's root to this one."""
        return [*([] if self.above is None else self.above.line()), self]

    def computed(self) -> dict[int, Node]:
        """What there is after this stage, by identity."""
        return {id(n): n for n in ordered([d for fork in self.line() for d in fork.decisions])}

    def leaves(self) -> Iterator[Variant]:
        for child in self.children.values():
            yield from child.leaves() if isinstance(child, Fork) else child

    def split(self, k: int) -> None:
        """End with decision ``k``; what comes after it becomes a fork of its own."""
        drawn = len(self.marks[k][1])
        rest = Fork(
            self.decisions[k + 1 :], self.marks[k + 1 :], self.outcomes[k + 1 :], {n: f for n, f in self.draws.items() if n >= drawn}, self
        )
        rest.children = self.children
        for child in rest.children.values():
            if isinstance(child, Fork):
                child.above = rest
        self.children = {self.outcomes[k]: rest}
        self.decisions, self.marks, self.outcomes = self.decisions[: k + 1], self.marks[: k + 1], self.outcomes[:k]
        self.draws = {n: f for n, f in self.draws.items() if n < drawn}
        mine, gives = self.computed(), self.gives
        self.gives = [n for n in gives if id(n) in mine]
        rest.gives = [n for n in gives if id(n) not in mine]
        self.stale = True
        rest.prepare()

    def prepare(self) -> None:
        """Find out what it is computed from; :meth:`make` makes it."""
        there = {} if self.above is None else self.above.computed()
        outputs, _, taken = cut([*self.decisions, *self.gives], [], there)
        given = [n for n in ordered(outputs) if n.op == "input"]
        stand_ins = {id(n): Node("input", (), n.shape, n.dtype, {"index": 0}) for n in given}
        self.inputs = [n for n in given if id(n) not in taken]
        self.takes = [taken[id(n)] for n in given if id(n) in taken]
        order = [*self.inputs, *[n for n in given if id(n) in taken]]
        for k, node in enumerate(order):
            stand_ins[id(node)].attrs["index"] = k
        made: dict[int, Node] = dict(stand_ins)
        for node in ordered(outputs):
            if node.op != "input":
                made[id(node)] = node.with_args([made[id(a)] for a in node.args])
        self.program = Program([stand_ins[id(n)] for n in order], [made[id(n)] for n in outputs])
        self.stale = True
        if self.above is not None:
            self.above.demand(self.takes)

    def demand(self, nodes: Sequence[Node]) -> None:
        """Let the stages up to this one give these nodes."""
        before = {} if self.above is None else self.above.computed()
        mine = [n for n in nodes if id(n) not in before]
        if {id(n) for n in mine} - {id(n) for n in self.gives}:
            self.gives += [n for n in mine if not any(n is g for g in self.gives)]
            self.stale = True
        if self.above is not None:
            self.above.demand([n for n in nodes if id(n) in before])

    def make(self, engine: Engine) -> None:
        """Let the forks from here down run what they have to compute."""
        for child in self.children.values():
            if isinstance(child, Fork):
                child.make(engine)
        if self.stale:
            self.prepare()
            self.ready = Ready(self.program, engine)
            self.stale = False

    def run(self, inputs: Sequence[Any], values: dict[int, Any]) -> Any:
        """The last decision's outcome; ``values`` has what the stages before gave, and gets what this one does."""
        try:
            found = self.ready.run([*inputs, *[values[id(n)] for n in self.takes]])
        except _FAULTS as error:
            raise Missed from error
        for value, outcome in zip(found, self.outcomes, strict=False):
            if value.item() != outcome:
                raise Missed
        values |= zip(map(id, self.gives), found[len(self.decisions) :], strict=True)
        return found[len(self.decisions) - 1].item()


class Way:
    """What an engine made of a program with decisions: the last stage of one way; used as :class:`Ready` is.

    ``fork`` is the stage before it, ``leaf`` the forms that follow there, ``takes`` what the stages before give it, behind its inputs,
    and ``drawn`` which of its inputs have been drawn for them, with their numbers.
    """

    def __init__(self, record: Record, named: Mapping[int, Node], fork: Fork, leaf: list[Variant], engine: Engine) -> None:
        self.captured = captured = record.program
        self.fork = fork
        self.leaf = leaf
        self.outcomes = [d.outcome for d in record.decisions]
        self._index = {id(named[id(n)]): n.attrs["index"] for n in captured.inputs if id(n) in named}
        outputs, stores, taken = cut(captured.outputs, captured.stores, named)
        rest = Program(list(captured.inputs), outputs, stores)
        self.takes: list[Node] = []
        for node in rest.nodes():
            if id(node) in taken:
                node.attrs["index"] = len(rest.inputs)
                rest.inputs.append(node)
                self.takes.append(taken[id(node)])
        fork.demand(self.takes)
        drawing = [k for k, given in enumerate(record.given) if given.draw is not None]
        self.drawn = {k: n for n, k in enumerate(drawing[: record.decisions[-1].drawn])}
        self.rest = Ready(rest, engine)
        fork.line()[0].make(engine)
        ready = [f.ready for f in fork.line()]
        self.seconds = {k: s + sum(r.seconds[k] for r in ready) for k, s in self.rest.seconds.items()}
        self.loaded = self.rest.loaded

    @cached_property
    def program(self) -> Program:
        """All stages as one."""
        return improved(self.captured)

    def stages(self, inputs: Sequence[Any] | None = None) -> list[tuple[Ready, list[Any] | None]]:
        """The stages, each with what it is given where the program is given ``inputs``; raises Missed."""
        values: dict[int, Any] = {}
        found: list[tuple[Ready, list[Any] | None]] = []
        for fork in self.fork.line():
            given = None if inputs is None else [inputs[self._index[id(n)]] for n in fork.inputs]
            found.append((fork.ready, None if given is None else [*given, *[values[id(n)] for n in fork.takes]]))
            if given is not None:
                fork.run(given, values)
        return [*found, (self.rest, None if inputs is None else [*inputs, *[values[id(n)] for n in self.takes]])]

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """As an engine's function, for what goes this way; raises Missed."""
        given = self.stages(inputs)[-1][1]
        assert given is not None
        return self.rest.run(given)


class Ways:
    """The tree.  It names nodes and inputs as the first record did that had them, so that records of other ways are recognised."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.root: Fork | None = None
        self.variants: list[Variant] = []  # the latest is the first one
        self.finders: dict[int, Finder] = {}  # of inputs, by the node
        self.numbers: dict[int, int] = {}  # of inputs that are drawn
        self._table: dict[Any, Node] = {}
        self._hold: list[Any] = []  # identities stay taken
        self._lock = RLock()  # nobody runs stages while they change

    def joined(self, record: Record, finders: Sequence[Finder]) -> Way | None:
        """Take a record into the tree; None where it does not begin as the others do."""
        with self._lock:
            return self._joined(record, finders)

    def _joined(self, record: Record, finders: Sequence[Finder]) -> Way | None:
        named, marks = self._named(record, finders)
        outcomes = [d.outcome for d in record.decisions]
        fork, k = self.root, 0
        while fork is not None:
            k = _followed(fork, marks, outcomes, k)
            if not k:
                return None
            child = fork.children.get(outcomes[k - 1])
            if isinstance(child, Fork) is (k < len(marks)) and child is not None:
                if not isinstance(child, Fork):
                    return Way(record, named, fork, child, self.engine)
                fork = child
            elif child is None:
                break
            else:
                return None
        above = fork
        if k < len(marks):
            before = 0 if above is None else len(above.marks[-1][1])
            draws = [f for f in finders if f.draw is not None][before : record.decisions[-1].drawn]
            nodes = [named[id(d.node)] for d in record.decisions[k:]]
            fork = Fork(nodes, marks[k:], outcomes[k:-1], dict(enumerate(draws, before)), above)
            fork.prepare()
            if above is None:
                self.root = fork
            else:
                above.children[outcomes[k - 1]] = fork
        assert fork is not None
        leaf: list[Variant] = []
        fork.children[outcomes[-1]] = leaf
        return Way(record, named, fork, leaf, self.engine)

    def add(self, variant: Variant) -> None:
        """Use the form of a record that :meth:`joined` has taken in."""
        way = variant.ready
        assert isinstance(way, Way)
        way.leaf.append(variant)
        self.variants.insert(0, variant)

    def _named(self, record: Record, finders: Sequence[Finder]) -> tuple[dict[int, Node], list[Any]]:
        """(the tree's nodes for those that the decisions depend on, and for each decision its node and what is drawn until then)."""
        drawing = [k for k, find in enumerate(finders) if find.draw is not None]
        numbers = {k: n for n, k in enumerate(drawing)}
        draws = [(self._form(finders[k].draw), record.given[k].shape, record.given[k].dtype.str) for k in drawing]
        named: dict[int, Node] = {}
        for node in ordered([d.node for d in record.decisions]):
            args = [named[id(a)] for a in node.args]
            k = node.attrs["index"] if node.op == "input" else -1
            about = self._form(node.attrs) if k < 0 else draws[numbers[k]] + (numbers[k],) if k in numbers else _found(finders[k])
            form = (node.op, tuple(map(id, args)), node.shape, node.dtype.str, about)
            if form not in self._table:
                self._table[form] = there = node.with_args(args)
                if k >= 0:
                    self.finders[id(there)] = finders[k]
                if k in numbers:
                    self.numbers[id(there)] = numbers[k]
            named[id(node)] = self._table[form]
        return named, [(id(named[id(d.node)]), draws[: d.drawn]) for d in record.decisions]

    def _form(self, value: Any, inside: int = 0) -> Any:
        """What tells a value from others: functions are the same where code and closure are."""
        if type(value) in _PLAIN:
            return type(value), repr(value)
        if type(value) in (tuple, list):
            return type(value), tuple([self._form(v, inside + 1) for v in value])
        if type(value) is dict:
            return dict, tuple([(k, self._form(v, inside + 1)) for k, v in value.items()])
        if type(value) is MethodType:
            return MethodType, self._form(value.__func__, inside + 1), id(value.__self__)
        if type(value) is FunctionType and inside < 6:
            closed = [c.cell_contents for c in value.__closure__ or ()]
            parts = self._form([closed, value.__defaults__, value.__kwdefaults__], inside + 1)
            return FunctionType, value.__code__, id(value.__globals__), parts
        try:
            return portable(value)
        except Bound:
            self._hold.append(value)
            return object, id(value)

    # -- calls -------------------------------------------------------------------------------------------------------------

    def chosen(self, arguments: Sequence[Any]) -> tuple[Variant, dict[Any, Any]]:
        """(the form of the way that a call goes, what the stages before it gave and drew); raises Missed, and nothing has happened."""
        before = twin() if self.draws() else None
        try:
            with self._lock:
                return self._chosen(arguments)
        except Missed:
            if before is not None:
                rewind(before)
            raise

    def draws(self) -> bool:
        """Whether random numbers are drawn before it is known which way a call goes."""
        waiting = [self.root]
        for fork in waiting:
            assert fork is not None
            if any(find.kind != NUMBER for find in fork.draws.values()):
                return True
            waiting += [child for child in fork.children.values() if isinstance(child, Fork)]
        return False

    def _chosen(self, arguments: Sequence[Any]) -> tuple[Variant, dict[Any, Any]]:
        fitting = {id(v) for v in self.variants if v.fits(arguments)}
        known = None  # the last that has been asked whether it holds, and does: its numbers are those that are looked up
        fork: Fork | list[Variant] | None = self.root
        values: dict[Any, Any] = {}
        while isinstance(fork, Fork):
            ahead = [v for v in fork.leaves() if id(v) in fitting]
            if known not in ahead:
                known = next((v for v in ahead if v.holds()), None)
            if known is None:
                raise Missed
            values |= {("drawn", number): find(arguments) for number, find in fork.draws.items()}
            given = [self._given(n, arguments, values) for n in fork.inputs]
            fork = fork.children.get(fork.run(given, values))
        for variant in reversed(fork or ()):
            if id(variant) in fitting and (variant is known or variant.holds()):
                return variant, values
        raise Missed

    def _given(self, node: Node, arguments: Sequence[Any], values: Mapping[Any, Any]) -> Any:
        number = self.numbers.get(id(node))
        return memory_of(self.finders[id(node)](arguments) if number is None else values["drawn", number])

    def __call__(self, arguments: Sequence[Any]) -> Any:
        """The function's result for the tensors among the arguments; raises Missed, and nothing has happened."""
        variant, values = self.chosen(arguments)
        return variant.run_from(arguments, values)


def twin() -> Any:
    """A generator that goes on as the default one does now, for :func:`rewind`."""
    return default_generator.clone_state()


def rewind(before: Any) -> None:
    """Let the default generator's numbers since :func:`twin` not have been drawn."""
    default_generator._set_state_array(before._get_state_array())


def _followed(fork: Fork, marks: Sequence[Any], outcomes: Sequence[Any], k: int) -> int:
    """How many decisions are behind one that goes through a fork and had ``k`` before it; 0 where it does not come to this fork.

    Where it leaves in the fork's middle, the fork is split.
    """
    for i, mark in enumerate(fork.marks):
        if k == len(marks) or marks[k] != mark:
            return 0
        k += 1
        if i < len(fork.outcomes) and outcomes[k - 1] != fork.outcomes[i]:
            fork.split(i)
            break
    return k


def _found(find: Finder) -> Any:
    """What tells where an input is found."""
    source = find if find.added_to is None else find.added_to
    which = ("argument", source.position) if source.position is not None else ("tensor", id(source.tensor))
    return which, find.kind, find.added_to is not None


def cut(
    outputs: Sequence[Node], stores: Sequence[tuple[int, Node]], there: Mapping[int, Node]
) -> tuple[list[Node], list[tuple[int, Node]], dict[int, Node]]:
    """Outputs and stores of a program that begins where others end, and what its new inputs stand for.

    ``there`` has what others compute: by identity, the node that is known by.
    """
    made: dict[int, Node] = {}
    stand_ins: dict[int, Node] = {}
    taken: dict[int, Node] = {}
    for node in ordered([*outputs, *[n for _, n in stores]]):
        found = there.get(id(node))
        if found is None or node.op in _AGAIN:
            made[id(node)] = node.with_args([made[id(a)] for a in node.args])
            continue
        if id(found) not in stand_ins:
            stand_in = stand_ins[id(found)] = Node("input", (), node.shape, node.dtype, {"index": 0})
            taken[id(stand_in)] = found
        made[id(node)] = stand_ins[id(found)]
    return [made[id(n)] for n in outputs], [(k, made[id(n)]) for k, n in stores], taken


def joined(record: Record, finders: Sequence[Finder], among: Sequence[Ways], engine: Engine) -> tuple[Ways, Way]:
    """Take a record into one of these trees, or a new one."""
    for ways in among:
        way = ways.joined(record, finders)
        if way is not None:
            return ways, way
    ways = Ways(engine)
    way = ways.joined(record, finders)
    assert way is not None
    return ways, way


__all__ = ["WAYS", "Decision", "Fork", "Missed", "Way", "Ways", "joined"]
