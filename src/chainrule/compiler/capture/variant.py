"""A record put to use: arrays found, the program run, results and effects put where the function would have put them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.epoch import HOOKINGS, hooked
from ...core.inference import mark
from ...core.mutation import root, written_by_step
from ...core.node import HOOKED, Slot
from ...core.op import edge_of
from ...core.tensor import Tensor, new, wrap
from ...utils import _pytree as pytree
from ..program.ir import Program
from .capture import Element, Marked, Place, Record, Same
from .earlier import Saved, saved_at, watched
from .joint import Joint, node_of
from .ready import Engine, Ready, Run
from .recorder import settled
from .staged import Way, Ways, joined
from .value import Captured
from .window import SPAN, VALUE, memory_for, memory_of, start_of


class Variant:
    """One compiled form of a function, for arguments like those it was captured with.

    ``reached`` are identities of tensors that the function finds without being given them: an argument that is one of them has to be it.
    With decisions it is one way of :attr:`ways`: one of the trees ``among``, or a new one.  ``holds`` says whether it is for the numbers
    that change, as they are.
    """

    def __init__(
        self, record: Record, arguments: list[Tensor], engine: Engine, reached: Container[int] = (), among: Sequence[Ways] = (),
        holds: Callable[[], bool] | None = None,
    ) -> None:  # fmt: skip
        self.record = record
        self.holds = holds or always
        position = {id(t): k for k, t in enumerate(arguments)}
        self.shared = [(k, t) for k, t in enumerate(arguments) if id(t) in reached]
        added_to = {grad: _source(t, position) for grad, t in _exchanged(record).items()}
        self.finders = [Finder(position.get(id(g.tensor)), g.tensor, g.kind, g.draw, added_to.get(id(g.tensor))) for g in record.given]
        self.ways: Ways | None = None
        ready: Ready | Way
        if record.decisions:
            self.ways, ready = joined(record, self.finders, among, engine)
        else:
            ready = record.ready or Ready(record.program, engine)
        self.ready = ready
        self.run = ready.run
        stored = {i for i, _ in record.program.stores}
        self.stored = sorted(stored)
        outside = [k for k, g in enumerate(record.given) if g.draw is None]
        self.remembered = [self.finders[k] for k in outside]
        self.stored_at = {outside.index(k) for k in self.stored}
        self.around = [
            (self.finders[k], record.given[k].shape, record.given[k].dtype) for k in outside if id(record.given[k].tensor) not in position
        ]
        self.strided = [(f.tensor, f.tensor._value.strides) for f in self.finders if f.kind == SPAN and f.position is None]
        self.places = [(p, _source(p.tensor, position)) for p in record.places]
        self.leaves = [Found(_source(leaf.tensor, position)) if type(leaf) is Same else leaf for leaf in record.leaves]
        self.rebound = [(_source(t, position), gradient, place) for t, gradient, place in record.rebound]
        self.cleared = [_source(t, position) for t in record.cleared]
        #: the gradients that have to be there: this one, or (of :attr:`added`) whichever the tensor has
        self.gradients = [(_source(t, position), grad) for t, grad in record.gradients if id(grad) not in added_to]
        self.added = [*added_to.values()]
        self.passed = [(p, _source(p.argument, position)) for p in record.passed]
        self._position = position
        self.recorded = [(t, requires) for t, requires in record.recorded if id(t) not in position]
        self.hookings = HOOKINGS.copy()  # how many hooks have been seen to be elsewhere
        self.plain = not record.rebound and not record.cleared and not stored
        joint = record.joint
        back = None if joint is None else Ready(joint.program, engine)
        self.backward = None if back is None else back.run
        #: how long making it took, by stage; and whether its machine code came from disk (None: there is none)
        self.seconds = {k: s + (0.0 if back is None else back.seconds[k]) for k, s in ready.seconds.items()}
        self.loaded = ready.loaded
        self.sources = [] if joint is None else [_source(s, position) for s in joint.sources]
        self.count = 0 if joint is None else len(record.program.outputs) - len(joint.kept)
        self.single = len(self.leaves) == 1 and record.structure.is_leaf()

    @property
    def program(self) -> Program:
        """What it computes, without what it need not."""
        return self.ready.program

    def inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """What a call with these arguments gives the program."""
        arguments = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        return [memory_of(find(arguments)) for find in self.finders]

    def fits(self, arguments: Sequence[Tensor]) -> bool:
        """Whether the gradients are there that the program adds to, and memory lies, and is shared, as when it was captured."""
        if self.hooked(arguments) or not self._passes(arguments):
            return False
        if not all((tensor._gn is not None) is requires for tensor, requires in self.recorded):
            return False
        for find in self.added:
            grad = find(arguments)._grad
            if grad is None or grad._gn is not None:
                return False
        return all(find(arguments)._grad is grad for find, grad in self.gradients) and self._laid_out(arguments)

    def hooked(self, arguments: Sequence[Tensor]) -> bool:
        """Whether there is a hook where gradients may come by."""
        now = HOOKINGS[0]
        if (now or HOOKED) and any(map(watched, arguments)):
            return True
        if now != self.hookings[0]:
            edges = [edge for p, _ in self.passed for edge in p.edges if isinstance(edge, Tensor)]
            if any(map(hooked, [*[tensor for tensor, _ in self.recorded], *edges])):
                return True
            self.hookings[0] = now
        return False

    def _passes(self, arguments: Sequence[Tensor]) -> bool:
        """Whether the graphs are there that the program goes back through."""
        try:
            return all(p.same(find(arguments), lambda t: self.source(t)(arguments)) for p, find in self.passed)
        except (AttributeError, LookupError):  # another graph, which is shorter
            return False

    def source(self, tensor: Tensor) -> Source:
        """How a call finds a tensor."""
        return _source(tensor, self._position)

    def _laid_out(self, arguments: Sequence[Tensor]) -> bool:
        if any(arguments[k] is not tensor for k, tensor in self.shared):
            return False
        for find, shape, dtype in self.around:
            value = find(arguments)
            if value.shape != shape or value.dtype != dtype:
                return False
        if any(tensor._value.strides != strides for tensor, strides in self.strided):
            return False
        for placed, source in self.places:
            value = source(arguments)._value
            owner = root(value)
            if owner is not root(self.finders[placed.given](arguments)) or owner.shape != placed.shape or owner.dtype != placed.dtype:
                return False
            if value.strides != placed.strides or start_of(value) != placed.start:
                return False
        return not self.stored or self.apart(arguments)

    def apart(self, arguments: Sequence[Tensor]) -> bool:
        """Whether nothing else that the program reads lies in the memory that it writes."""
        roots = [id(root(find(arguments))) for find in self.remembered]
        written = {roots[k] for k in self.stored_at}
        return len(written) == len(self.stored_at) and not any(r in written for k, r in enumerate(roots) if k not in self.stored_at)

    def __call__(self, arguments: Sequence[Tensor]) -> Any:
        """The function's result for the tensors among the arguments."""
        for p, find in self.passed:
            p.enter(find(arguments))
        sources = [find(arguments) for find in self.finders]
        return self._ran(self.run, arguments, sources, [memory_of(s) for s in sources])

    def run_from(self, arguments: Sequence[Tensor], values: Mapping[Any, Any]) -> Any:
        """The same of a way, where the stages before it have run and given ``values``."""
        way = self.ready
        assert isinstance(way, Way)
        for p, find in self.passed:
            p.enter(find(arguments))
        drawn = {k: values["drawn", number] for k, number in way.drawn.items()}
        sources = [drawn[k] if k in drawn else find(arguments) for k, find in enumerate(self.finders)]
        taken = [values[id(n)] for n in way.takes]
        return self._ran(lambda inputs: way.rest.run([*inputs, *taken]), arguments, sources, [memory_of(s) for s in sources])

    def _ran(self, run: Run, arguments: Sequence[Tensor], sources: list[Any], inputs: list[Any]) -> Any:
        outputs = run(inputs)
        for p, find in self.passed[::-1]:  # a node is found through those before it
            p.leave(find(arguments))
        if not self.plain:
            self._effects(arguments, sources, inputs, outputs)
        made = [self._leaf(leaf, arguments, sources, outputs) for leaf in self.leaves]
        if self.record.joint is not None:
            self._recorded(self.record.joint, made, arguments, inputs, outputs)
        return made[0] if self.single else pytree.tree_unflatten(made, self.record.structure)

    def _effects(self, arguments: Sequence[Tensor], sources: list[Any], inputs: list[Any], outputs: list[Any]) -> None:
        for k in self.stored:
            if sources[k] is not inputs[k] and isinstance(sources[k], np.ndarray):
                np.copyto(sources[k], inputs[k])
        written_by_step([sources[k] for k in self.stored if isinstance(sources[k], np.ndarray)], "a compiled program")
        for find in self.cleared:
            find(arguments)._grad = None
        for find, gradient, place in self.rebound:
            value = settled(_seen(place, inputs, outputs))
            if gradient:
                find(arguments)._grad = wrap(value)
            else:
                find(arguments)._value = value

    def _recorded(self, joint: Joint, made: list[Any], arguments: Sequence[Tensor], inputs: list[Any], outputs: list[Any]) -> None:
        """Put the call on the tape."""
        saved = [*outputs[self.count :], *[inputs[k] for k in joint.given]]
        tensors = [source(arguments) for source in self.sources]
        results = [made[k] for k in joint.results]
        shapes = [(tuple(r.shape), r._value.dtype) for r in results]
        node = node_of(joint, self.backward, saved, [edge_of(t) for t in tensors], shapes)
        for k, result in enumerate(results):
            result._gn = Slot(node, k)

    def _leaf(self, leaf: Any, arguments: Sequence[Tensor], sources: list[Any], outputs: list[Any]) -> Any:
        if type(leaf) is Place:
            return mark(wrap(settled(_seen(leaf, sources, outputs))))
        if type(leaf) is Marked:
            out = new(Tensor)
            out._value = settled(_seen(leaf.place, sources, outputs))
            out._gn = leaf.node
            return out
        if type(leaf) is Element:
            return leaf.compute([_seen(place, sources, outputs) for place in leaf.places])
        return leaf.find(arguments) if type(leaf) is Found else leaf


class Found(NamedTuple):
    """A result that was there before, and how a call finds it."""

    find: Source


class Source(NamedTuple):
    """A tensor of a call: one of its arguments, or always the same one."""

    position: int | None
    tensor: Tensor

    def __call__(self, arguments: Sequence[Tensor]) -> Tensor:
        return self.tensor if self.position is None else arguments[self.position]


class Finder(NamedTuple):
    """The memory of an input at a call: of a tensor, or drawn."""

    position: int | None
    tensor: Any
    kind: str | Saved
    draw: Callable[..., Any] | None
    added_to: Source | None = None  # whose gradient it is

    def found(self, arguments: Sequence[Tensor]) -> Any:
        """The tensor."""
        if self.position is not None:
            return arguments[self.position]
        return self.tensor if self.added_to is None else self.added_to(arguments)._grad

    def __call__(self, arguments: Sequence[Tensor]) -> Any:
        if self.draw is not None:
            return self.draw()
        tensor = self.found(arguments)
        if isinstance(self.kind, Saved):
            return saved_at(tensor, self.kind)
        value = tensor._value
        if type(value) is Captured:  # another thread has just begun to capture
            value = value.concrete("a compiled call")
        return value if self.kind == VALUE else memory_for(self.kind, value)


def always() -> bool:
    """What a form holds for that depends on no numbers."""
    return True


def _exchanged(record: Record) -> dict[int, Tensor]:
    """The tensors whose gradients may be others at the next call, by the gradient that is there now and that nothing else sees."""
    seen = Counter([id(grad) for _, grad in record.gradients]) + Counter([id(p.tensor) for p in record.places])
    seen += Counter([id(leaf.tensor) for leaf in record.leaves if type(leaf) is Same])
    return {
        id(grad): tensor
        for tensor, grad in record.gradients
        if grad is not None and grad._gn is None and grad._base is None and seen[id(grad)] == 1
    }


def _source(tensor: Tensor, position: dict[int, int]) -> Source:
    return Source(position.get(id(tensor)), tensor)


def _seen(place: Place, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """A cell's array as the tensor sees it."""
    array = outputs[place.output] if place.output is not None else np.asarray(inputs[place.given])  # type: ignore[index]
    if place.whole:
        return array
    size = array.dtype.itemsize
    return np.ndarray(place.shape, array.dtype, array.reshape(-1), place.offset * size, tuple([s * size for s in place.strides]))
