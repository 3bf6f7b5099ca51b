"""One function for a compiled form: looks at what the program depends on, finds the arrays, enters the machine code, wraps what it gave.

It is written out as Python text for each form, since asking in general what a tensor is takes longer than a small program runs.
Whatever it does not expect makes it give :data:`MISS` before anything has happened; then the call goes the long way.
A small program's is written as a method too, which Python calls without another function in between.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..core.backward import check_saved
from ..core.epoch import HOOKINGS
from ..core.inference import INFERENCE
from ..core.modes import MODES, NESTED, UNUSUAL
from ..core.mutation import LAST, ProgramWrites, root, written_by_step
from ..core.node import HOOKED, HOOKS, LEAF, Slot
from ..core.tensor import Tensor, new
from ..utils import _pytree as pytree
from .capture.capture import Element, Marked, Place
from .capture.earlier import Passed, Path, Saved, same_memory, watched
from .capture.joint import CompiledBackward, node_of
from .capture.reads import Surroundings
from .capture.staged import Ways
from .capture.trace import CALL
from .capture.variant import Finder, Found, Variant
from .capture.window import NUMBER, SPAN, VALUE, layout, memory_for
from .native.run import maker

MISS: Any = object()

Fast = Callable[[tuple[Any, ...], dict[str, Any]], Any]


class Forms(NamedTuple):
    """A function of (args, kwargs) that gives its result or :data:`MISS`, and a compiled function's ``__call__`` that begins with it."""

    attempt: Fast
    call: Callable[..., Any] | None = None


PLAIN = (int, float, complex, str, bytes, type(None))  # arguments that are told apart by value


LOST = (LookupError, ValueError, AttributeError, RuntimeError, NameError)  # what looking at what has changed may raise


class Unfit(Exception):
    """A form that has to go the long way."""


def fast(form: Variant | Ways, surroundings: Surroundings, args: tuple[Any, ...], kwargs: dict[str, Any], owner: Any, again: bool) -> Any:
    """The :class:`Forms` for calls like this one (``owner`` is the compiled function); None where there are none.

    The first takes gradients that are added to for the tensors that they are now; ``again``, when that did not last, any that are there.
    """
    text: type[Text] = Text
    if isinstance(form, Ways):
        from .fast_ways import WaysText as text
    try:
        made = text(form, surroundings, args, kwargs, owner, again).made()
        return made or text(form, surroundings, args, kwargs, owner, again, by_name=False).made()
    except Unfit:
        return None


class Text:
    """The text of one function, and the objects that it names."""

    def __init__(
        self, form: Any, surroundings: Surroundings, args: Any, kwargs: Any, owner: Any, again: bool, by_name: bool = True
    ) -> None:  # fmt: skip
        self.form = form
        self.called = owner.called
        self.again = again
        self.space: dict[str, Any] = dict(surroundings.space)
        self.space |= {"UNUSUAL": UNUSUAL, "NESTED": NESTED, "MISS": MISS, "new": new, "Tensor": Tensor, "type": type, "LOST": LOST}
        self.names: dict[int, str] = {}  # of objects
        self.guards: list[str] = []
        self.indent = ""  # of the guards that are written
        self.said: set[str] = set()  # conditions and look-ups that need not be written again
        self.found: dict[Any, str] = {}  # the names of arrays, by how they are found
        self.entered: list[Any] = []  # what is called
        self.before: list[str] = []  # what comes before the guards
        self.effects: list[str] = []  # from the call on
        self.missed: list[str] = []  # what is done where a guard says no
        self.tensors: list[str] = []  # the names of the tensors among the arguments
        self.given: list[Tensor] = []
        self.varying: set[int] = owner.varying
        self.counted = 0  # numbers among the arguments
        self.numbers: list[str] = []  # the names of those that vary
        self.small = True  # whether a call in between would be a part of its time
        self.around, names = surroundings.globals if by_name else ({}, [])
        self.foreign = {name for name, _, _ in names}
        self._modes()
        self._arguments(args, kwargs)
        for name, value, mark in names:
            self._miss(f"{name} is not {value} and _mark({name}) != {mark}")
        self.cells: dict[str, types.CellType] = {}  # what the function shares with those that the user's is inside of
        for check in surroundings.conditions:
            if check in surroundings.cells:
                self._cell(*surroundings.cells[check])
            elif not by_name or check not in surroundings.named_globally:
                self._miss(check)
        self._program(owner)

    def named(self, value: Any) -> str:
        if id(value) not in self.names:
            self.names[id(value)] = self._new(value)
        return self.names[id(value)]

    def _new(self, value: Any) -> str:
        name = f"k{len(self.space)}"
        self.space[name] = value
        return name

    def _look(self, line: str) -> None:
        self.guards.append("    " + self.indent + line)

    def _once(self, line: str) -> None:
        """A line that changes nothing, so that it need not be written where it has been."""
        if line not in self.said:
            self.said.add(line)
            self._look(line)

    def _miss(self, condition: str) -> None:
        self._once(f"if {condition}: break")

    def _then(self, *lines: str) -> None:
        self.effects += ["  " + line for line in lines]

    def made(self) -> Forms | None:
        """The function's forms; None where it has a name of its own that its surroundings have too."""
        attempt = self._function("args, kwargs", "MISS")
        call = self._function("self, /, *args, **kwargs", "self._call(args, kwargs)") if self.small else None
        return Forms(attempt, call) if attempt and (call or not self.small) else None

    def _function(self, parameters: str, otherwise: str) -> Any:
        """What takes these, and gives ``otherwise`` where something is not as it was; None as of :meth:`made`."""
        looks = ["while True:", "  try:", *["  " + line for line in self.guards], "  except LOST:", "    break"]
        lines = [*self.before, *looks, *self.effects, *self.missed, f"return {otherwise}"]
        body = [f"def fast({parameters}):", *["  " + line for line in lines]]
        text = "\n".join([f"def make({', '.join(self.space)}):", *["  " + line for line in body], "  return fast"])
        made: dict[str, Any] = {}
        code = compile(text, f"{__file__}:{self.called}", "exec")  # a file of ours: no line of the user's
        exec(code, self.around, made)  # what the function's module names is a look-up that Python knows how to keep
        own = made["make"](*self.space.values())
        code = own.__code__
        if not self.foreign.isdisjoint([*code.co_varnames, *code.co_freevars, *code.co_cellvars]):
            return None
        closure = tuple([self.cells.get(name, cell) for name, cell in zip(code.co_freevars, own.__closure__, strict=True)])
        function = types.FunctionType(code, own.__globals__, own.__name__, None, closure)
        function.__dict__["entered"] = self.entered  # of a tree's stages the program may be another one before the function is
        return function

    def _cell(self, cell: types.CellType, value: str, mark: str) -> None:
        """A variable of an enclosing function: a variable of this one's too, read as Python reads its own."""
        name = self._new(None)
        self.cells[name] = cell
        self._miss(f"{name} is not {value} and _mark({name}) != {mark}")

    # -- what is looked at -------------------------------------------------------------------------------------------------

    def _modes(self) -> None:
        if MODES.grad and not MODES.inference:
            self._miss("UNUSUAL or NESTED")
        else:
            self.space["modes"] = _modes(MODES.grad, MODES.inference)
            self._miss("NESTED or not modes()")

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        names = [f"a{k}" for k in range(len(args))]
        self._look(f"{', '.join(names)}{',' if names else '()'} = args")
        if kwargs:
            self._miss(f"[*kwargs] != {self.named([*kwargs])}")
            names += [f"b{k}" for k in range(len(kwargs))]
            self._look(f"{', '.join(names[len(args) :])}, = kwargs.values()")
        else:
            self._miss("kwargs")
        for name, a in zip(names, [*args, *kwargs.values()], strict=True):
            self._argument(name, a)
        if self.numbers:
            self._look(f"{self.named(CALL)}.arguments = ({', '.join(self.numbers)},)")
        order = [id(a) for a in pytree.tree_leaves((args, kwargs)) if isinstance(a, Tensor)]
        if len(set(order)) != len(order) or order != [id(a) for a in self.given]:
            raise Unfit

    def _argument(self, name: str, a: Any) -> None:
        kind = self.named(type(a))
        if isinstance(a, Tensor):
            self.tensors.append(name)
            self.given.append(a)
            self._miss(f"type({name}) is not {kind} or {name}._gn is {'not ' if a._gn is None else ''}None")
        elif isinstance(a, PLAIN):
            number = type(a) is float or type(a) is int
            self.counted += number
            if number and self.counted - 1 in self.varying:
                self.numbers.append(name)
                self._miss(f"type({name}) is not {kind}")
            else:
                self._miss(f"type({name}) is not {kind} or {name} != {self.named(a)}")
        elif type(a) in (list, tuple, dict):
            inner = [f"{name}_{k}" for k in range(len(a))]
            same = f"len({name}) != {len(a)}" if type(a) is not dict else f"[*{name}] != {self.named([*a])}"
            self._miss(f"type({name}) is not {kind} or {same}")
            if inner:
                self._look(f"{', '.join(inner)}, = {name}{'.values()' if type(a) is dict else ''}")
            for part, value in zip(inner, a.values() if isinstance(a, dict) else a, strict=True):
                self._argument(part, value)
        elif isinstance(a, (list, tuple, dict, set)):
            raise Unfit
        else:
            self._miss(f"{name} is not {self.named(a)}")

    # -- what is done ------------------------------------------------------------------------------------------------------

    def _program(self, owner: Any) -> None:
        self.variant = variant = self.form
        plan = self._plan(variant, variant.run)
        if plan is None:
            self._long_way()
            return
        compared = [variant.finders[k] for kind, k in plan.places() if kind == "input"]  # by the machine code
        looked_at = {find.position for find in compared if find.kind != SPAN}
        for condition in self._conditions(looked_at):
            self._miss(condition)
        self._enter(plan)
        self._effects(owner)
        self._result()

    def _plan(self, variant: Variant, run: Any) -> Any:
        """The plan by which a program runs, where that is one native call whose arguments and results can be written out."""
        plan = getattr(run, "plan", None)
        record = variant.record
        simple = not record.places and all(g.kind in (VALUE, SPAN, NUMBER) or isinstance(g.kind, Saved) for g in record.given)
        return None if plan is None or not simple or not plan.straight() or _unusual_leaves(variant) else plan

    def _conditions(self, looked_at: Container[Any]) -> Iterator[str]:
        """Each is true where the form is not the one for a call; shapes of the arguments ``looked_at`` are compared anyway."""
        variant = self.variant
        self.space |= {"HOOKINGS": HOOKINGS, "HOOKED": HOOKED, "watched": watched}
        if variant.recorded or variant.passed:
            yield f"HOOKINGS[0] != {self.named(variant.hookings)}[0] and {self.named(variant)}.hooked(())"
        for name, a in zip(self.tensors, self.given, strict=True):
            if a._gn is not None:
                yield f"(HOOKINGS[0] or HOOKED) and watched({name})"
        yield from self._distinct()
        for k, tensor in variant.shared:
            yield f"{self.tensors[k]} is not {self.named(tensor)}"
        yield from self._shapes([k for k in range(len(self.tensors)) if k not in looked_at])
        for tensor, requires in variant.recorded:
            yield f"{self.named(tensor)}._gn is {'' if requires else 'not '}None"
        for passed, find in variant.passed:
            yield from self._passed(passed, find)
        for find, grad in variant.gradients:
            yield f"{self._tensor(find)}._grad is not {self.named(grad)}"
        for find in variant.added:
            grad = f"{self._tensor(find)}._grad"
            yield f"{grad} is None or {grad}._gn is not None" if self.again else f"{grad} is not {self.named(find(self.given)._grad)}"

    def _passed(self, passed: Passed, find: Any) -> Iterator[str]:
        """As :meth:`.capture.earlier.Passed.same` and ``enter``: a node from before the call that the function goes back through."""
        source = self.variant.source
        node, saved = self._node(find, passed.path)
        self.space |= {"CompiledBackward": CompiledBackward, "HOOKS": HOOKS, "LAST": LAST, "check_saved": check_saved}
        joint = self.named(passed.joint)
        yield f"type({node} := {self._node_of(find, passed.path)}) is not CompiledBackward or {node}.joint is not {joint}"
        yield f"({saved} := {node}.saved) is None or HOOKED and {node} in HOOKS"
        for argument, index in passed.outputs:
            name = self._tensor(source(argument))
            yield f"{name}._gn.index != {index} or {name}._gn.node is not {node}"
        always = [was if isinstance(was, Tensor) and source(was).position is None else None for was in passed.edges]
        for k, was in enumerate(passed.edges):
            edge = f"{node}.edges[{k}]"
            if isinstance(was, Tensor) and always[k] is None:
                yield f"{edge} is not {self._tensor(source(was))}"
            elif isinstance(was, tuple):
                yield f"{edge}.node is not {self._node_of(find, was[0])} or {edge}.index != {was[1]}"
        if any(a is not None for a in always):
            edges = f"{node}.edges" if len(always) == sum(a is not None for a in always) else self._picked(node, always)
            yield f"not all(map(_is, {edges}, {self.named([a for a in always if a is not None])}))"
        for k, tensor in passed.shared:
            self.space["same_memory"] = same_memory
            value = f"{self._tensor(source(tensor))}._value"
            yield f"{saved}[{k}] is not {value} and not same_memory({saved}[{k}], {value})"
        yield f"LAST.order < {node}.order and check_saved({node})"

    def _picked(self, node: str, always: Sequence[Any]) -> str:
        return f"[{', '.join([f'{node}.edges[{k}]' for k, a in enumerate(always) if a is not None])}]"

    def _node(self, find: Any, path: Path) -> tuple[str, str]:
        """The names of a node of a tensor's graph, and of what it saved."""
        key = (find.position, id(find.tensor) if find.position is None else 0, path)
        name = self.found.setdefault(key, f"n{len(self.found)}")
        return name, f"{name}_saved"

    def _node_of(self, find: Any, path: Path) -> str:
        """An expression for it."""
        return ".".join([f"{self._tensor(find)}._gn.node", *[f"edges[{k}].node" for k in path]])

    def _distinct(self) -> Iterator[str]:
        """Two arguments that are one tensor are another case where something happens to tensors."""
        variant = self.variant
        found = [
            *[source for source, _, _ in variant.rebound],
            *[source for source, _ in variant.gradients],
            *variant.added,
            *variant.cleared,
        ]
        positions = [variant.finders[k].position for k in variant.stored] + [source.position for source in found]
        if any(position is not None for position in positions):
            for k, name in enumerate(self.tensors):
                for other in self.tensors[:k]:
                    yield f"{name} is {other}"

    def _shapes(self, positions: Iterable[int]) -> Iterator[str]:
        self.space["layout"] = layout
        for k in positions:
            value = self.given[k]._value
            same = [f"(v := {self.tensors[k]}._value).shape != {value.shape}", f"v.dtype != {self.named(value.dtype)}"]
            yield " or ".join([*same, f"layout(v) != {layout(value)}"])

    def _long_way(self) -> None:
        variant = self.variant
        self.small = False
        for condition in [*self._distinct(), *[f"{self.tensors[k]} is not {self.named(tensor)}" for k, tensor in variant.shared]]:
            self._miss(condition)
        for condition in self._shapes(range(len(self.tensors))):
            self._miss(condition)
        self.space["variant"] = variant
        self._look(f"given = [{', '.join(self.tensors)}]")
        self._miss("not variant.fits(given)")
        self._then("return variant(given)")

    def _tensor(self, find: Any) -> str:
        """The name of a tensor that a finder finds."""
        if self.again and isinstance(find, Finder) and find.added_to is not None:
            return f"{self._tensor(find.added_to)}._grad"
        return self.tensors[find.position] if find.position is not None else self.named(self._object(find))

    def _object(self, find: Any) -> Any:
        """The tensor that a finder finds now."""
        return find.found(self.given) if isinstance(find, Finder) else find.tensor

    def _enter(self, plan: Any, drawn: Mapping[int, str] = MappingProxyType({}), taken: Sequence[str] = ()) -> None:
        """Find arrays and call; ``drawn`` has the names of inputs that are there, ``taken`` those of more inputs behind the record's."""
        variant = self.variant
        self.stays: dict[int, Any] = {}  # by input
        self.values: dict[int, str] = {}
        self.apart: list[Any] = []  # what no argument may have memory in common with
        mine = [k for k, find in enumerate(variant.finders) if find.draw is not None and k not in drawn]
        drawing = any(variant.finders[k].kind != NUMBER for k in mine)
        for k, (given, find) in enumerate(zip(variant.record.given, variant.finders, strict=True)):
            if find.draw is not None:
                self.values[k] = drawn.get(k, f"d{k}")
                continue
            self.values[k], array = self._input(find)
            if array is not None:
                self.stays[k] = array
            elif drawing:  # a call that misses, or that machine code does not take as it is, must not have drawn
                name = self.values[k]
                self._miss(f"{name}.shape != {self.named(given.shape)} or {name}.dtype is not {self.named(np.dtype(given.dtype))}")
                self._miss(f"not ((s := {name}.flags).c_contiguous and s.aligned)")
        self._apart(drawing)
        for k in mine:
            self._look(f"d{k} = {self.named(variant.finders[k].draw)}()")
        inputs = [(name, self.stays.get(k)) for k, name in self.values.items()]
        if self._call(plan, [*inputs, *[(name, None) for name in taken]], [f"r{k}" for k in range(len(plan.program.outputs))]):
            self._then(f"{self.named(plan.segments[0])}.check()")

    def _call(self, plan: Any, inputs: Sequence[tuple[str, Any]], outputs: Sequence[str]) -> bool:
        """Call machine code; what is always the same array is not passed.  Whether it may have found an index out of bounds."""
        (segment,) = plan.segments
        preset: dict[int, Any] = {}
        passed: list[str] = []
        for place, (kind, k) in enumerate(plan.places()):
            if kind == "output":
                passed.append(outputs[k])
            elif inputs[k][1] is not None:
                preset[place] = inputs[k][1]
            else:
                passed.append(inputs[k][0])
        for name, node in zip(outputs, plan.program.outputs, strict=True):
            self._look(f"{name} = {self.named(maker(node))}()")
        self._look(f"if {self.named(segment.entry.preset(preset, self.apart))}({', '.join(passed)}): break")
        self.entered.append(segment)
        self.small &= not segment.release
        return bool(segment.errors)

    def _input(self, find: Finder) -> tuple[str, Any]:
        """(the name of an input's array, the array where it is always the same one, which is looked at)."""
        if isinstance(find.kind, Saved):
            return f"{self._node(find, find.kind.path)[1]}[{find.kind.number}]", None
        name = self.found.setdefault((find.position, id(find.tensor)), f"v{len(self.found)}")
        other = find.position is not None or (self.again and find.added_to is not None)
        value = None if other else self._object(find)._value
        if find.kind == SPAN:
            if value is None:
                self.space["memory_for"] = memory_for
                self._once(f"{name} = memory_for({SPAN!r}, {self._tensor(find)}._value)")
                return name, None
            self._miss(f"{self._tensor(find)}._value is not {self.named(value)}")
            return name, memory_for(SPAN, value)
        if type(value) is np.ndarray and value.flags.c_contiguous and value.flags.aligned and value.dtype is np.dtype(value.dtype.type):
            self._miss(f"{self._tensor(find)}._value is not {self.named(value)}")
            return name, value
        self._once(f"{name} = {self._tensor(find)}._value")
        return name, None

    def _apart(self, drawing: bool) -> None:
        """Nothing else that is read lies in memory that is written: machine code looks at that, but too late if numbers have been drawn."""
        variant = self.variant
        if not variant.stored:
            return
        if any(k not in self.stays for k in variant.stored):
            self._look(f"given = [{', '.join(self.tensors)}]")
            self._miss(f"not {self.named(variant.apart)}(given)")
            return
        roots = {id(root(self.stays[k])) for k in variant.stored}
        others = [id(root(v)) for k, v in self.stays.items() if k not in variant.stored]
        if len(roots) != len(variant.stored) or not roots.isdisjoint(others):
            raise Unfit
        self.apart = [self.stays[k] for k in variant.stored]
        if drawing:
            self.space["root"] = root
            written = self.named(frozenset(roots))
            for k, find in enumerate(variant.finders):
                if k not in self.stays and find.draw is None:
                    self._miss(f"id(root({self.values[k]})) in {written}")

    def _effects(self, owner: Any) -> None:
        variant = self.variant
        stored = [self.stays.get(k) for k in variant.stored]
        code = getattr(owner.function, "__code__", None)
        if stored and all(s is not None for s in stored):
            self._then(*ProgramWrites(stored, "a compiled program", None if code is None else (code, 0)).noting(self.named))
        elif stored:
            self.space["written_by_step"] = written_by_step
            values = [self.values[k] if s is None else self.named(s) for k, s in zip(variant.stored, stored, strict=True)]
            self._then(f"written_by_step([{', '.join(values)}], 'a compiled program')")
        for passed, find in variant.passed:
            if passed.freed:
                self._then(f"{self._node(find, passed.path)[0]}.saved = None")
        for find in variant.cleared:
            self._then(f"{self._tensor(find)}._grad = None")
        for find, gradient, place in variant.rebound:
            value = self._settled(place.output)
            if gradient:
                self._then("g = new(Tensor)", f"g._value = {value}", f"{self._tensor(find)}._grad = g")
            else:
                self._then(f"{self._tensor(find)}._value = {value}")

    def _settled(self, output: int | None) -> str:
        """The expression of an output as a tensor holds it."""
        assert output is not None
        node = self.variant.record.program.outputs[output]
        number = maker(node) is node.dtype.type
        return f"r{output}[()]" if node.shape == () and node.dtype.kind in "biufc" and not number else f"r{output}"

    def _result(self) -> None:
        names = [self._leaf(f"t{k}", leaf) for k, leaf in enumerate(self.variant.leaves)]
        self._history(names)
        structure = self.variant.record.structure
        if self.variant.single:
            self._then(f"return {names[0]}")
        elif structure == pytree.tree_structure(tuple(names)):
            self._then(f"return ({', '.join(names)},)" if names else "return ()")
        elif structure == pytree.tree_structure(names):
            self._then(f"return [{', '.join(names)}]")
        else:
            self.space["unflatten"] = pytree.tree_unflatten
            self._then(f"return unflatten([{', '.join(names)}], {self.named(structure)})")

    def _history(self, names: list[str]) -> None:
        """Put the results on the tape, where they have a history."""
        variant, joint = self.variant, self.variant.record.joint
        if joint is None:
            return
        outputs = variant.record.program.outputs
        inputs = [self.named(self.stays[k]) if k in self.stays else self.values[k] for k in joint.given]
        saved = ", ".join([*[f"r{k}" for k in range(variant.count, len(outputs))], *inputs])
        places = [variant.leaves[k] for k in joint.results]
        shapes = [(outputs[p.output].shape, outputs[p.output].dtype) for p in places if isinstance(p, Place) and p.output is not None]
        edges = ", ".join([f"{self._tensor(s)} if {self._tensor(s)}._gn is LEAF else {self._tensor(s)}._gn" for s in variant.sources])
        self.space |= {"node_of": node_of, "Slot": Slot, "LEAF": LEAF}
        self._then(f"node = node_of({self.named(joint)}, {self.named(variant.backward)}, [{saved}], [{edges}], {self.named(shapes)})")
        for index, k in enumerate(joint.results):
            self._then(f"{names[k]}._gn = Slot(node, {index})")

    def _leaf(self, name: str, leaf: Any) -> str:
        if type(leaf) is Found:
            return self._tensor(leaf.find)
        if type(leaf) is Element:
            arrays = ", ".join([f"r{p.output}" for p in leaf.places])
            self._then(f"{name} = {self.named(leaf.compute)}([{arrays}])")
            return name
        if type(leaf) not in (Place, Marked):
            return self.named(leaf)
        place = leaf.place if type(leaf) is Marked else leaf
        self._then(f"{name} = new(Tensor)", f"{name}._value = {self._settled(place.output)}")
        if MODES.inference:
            self._then(f"{name}._flags = {INFERENCE}")
        if type(leaf) is Marked:
            self._then(f"{name}._gn = {self.named(leaf.node)}")
        return name


def _unusual_leaves(variant: Variant) -> bool:
    places = [leaf.place if isinstance(leaf, Marked) else leaf for leaf in variant.leaves if isinstance(leaf, (Place, Marked))]
    places += [place for _, _, place in variant.rebound]
    places += [place for leaf in variant.leaves if isinstance(leaf, Element) for place in leaf.places]
    return any(p.output is None or not p.whole for p in places)


def _modes(grad: bool, inference: bool) -> Callable[[], bool]:
    def same() -> bool:
        plain = not (MODES.saved_hooks or MODES.anomaly)
        return plain and MODES.grad is grad and MODES.inference is inference

    return same
