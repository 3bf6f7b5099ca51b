"""The tape as a graph of steps and variables, with the cotangents of one walk over it.

A *step* is a recorded operation; a *variable* is what a step made, a leaf, or a constant argument.  Whoever wants to show
a tape starts here: :func:`trace_back` walks it once without changing it (nothing is accumulated, freed, or hooked).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop
from typing import Any

import numpy as np

from ..core.backward import Walk, check_saved, reachable
from ..core.floating_flags import IGNORE, enter, leave
from ..core.grad import start
from ..core.modes import MODES
from ..core.mutation import LAST
from ..core.node import FREED, LEAF, Node
from ..core.nodes import OpNode
from ..core.tensor import Tensor, wrap
from ..core.value import Value

KEEP = (
    "\nexplain() reads what the tape has saved, and backward() has freed it. Call explain() before backward(), or keep the tape with"
    " backward(retain_graph=True)."
)


def raw(value: Any) -> Any:
    """A cotangent or saved value as NumPy has it; interpreters' values have none."""
    if isinstance(value, Tensor):
        value = value._value
        if isinstance(value, Value):
            return None
    return value


class Variable:
    """Something with a value: the output of a step, a leaf, or a constant argument."""

    __slots__ = ("consumers", "cotangent", "dtype", "index", "leaf", "name", "named", "producer", "shape", "text", "value")

    def __init__(self, producer: Step | None = None, index: int = 0, leaf: Tensor | None = None) -> None:
        self.producer = producer
        self.index = index  # which output of its producer
        self.leaf = leaf
        self.name = ""
        self.named = False  # the name is the user's
        self.text: Any = None  # an expression that stands for the name
        self.value: Any = None if leaf is None else raw(leaf)
        self.shape: tuple[int, ...] | None = None if leaf is None else tuple(leaf.shape)
        self.dtype: Any = None if leaf is None else leaf.dtype.np
        self.cotangent: Any = None
        self.consumers: list[tuple[Step, int]] = []

    @property
    def is_constant(self) -> bool:
        """Neither computed on this tape nor a leaf of it, nor what is differentiated by."""
        return self.producer is None and self.leaf is None and self.cotangent is None

    @property
    def is_scalar(self) -> bool:
        """One element, whatever the number of dimensions."""
        return self.shape is not None and all(n == 1 for n in self.shape)

    def __repr__(self) -> str:
        return f"<Variable {self.name or '?'} {self.shape}>"


class Step:
    """One recorded operation, with what arrived at it and what left it on the walk."""

    __slots__ = ("arrived", "inputs", "known", "left", "node", "number", "op", "outputs", "scope")

    def __init__(self, node: Node, arrived: Any, left: Sequence[Any]) -> None:
        self.node = node
        self.op = node.op if isinstance(node, OpNode) else None  # None where the tape has no rule of an operation
        self.arrived = arrived  # the cotangent, or a tuple of them
        self.left = [raw(ct) for ct in left]  # one for each input; None where nobody waits for it
        self.inputs: list[Variable | None] = []
        self.outputs: list[Variable] = []
        self.known: dict[str, Any] = {}  # keywords and shapes that the rules saved
        self.number = 0  # its place in the order of the program
        self.scope = ""

    @property
    def opname(self) -> str:
        """The operation's name; of a user's function, that of its node."""
        return self.node.name().removesuffix("Backward") if self.op is None else self.op.name

    def __repr__(self) -> str:
        return f"<Step {self.number} {self.opname}>"


class Graph:
    """``steps`` in the order of the program, and the variables between them."""

    def __init__(self, output: Variable, steps: list[Step], variables: dict[Any, Variable], wanted: list[Variable]) -> None:
        self.output = output
        self.steps = steps
        self.variables = variables  # by leaf, or by (node, output number)
        self.wanted = wanted

    def of(self, tensor: Tensor) -> Variable | None:
        """The variable that ``tensor`` is."""
        key = key_of(tensor)
        return None if key is None else self.variables.get(key)

    def constants(self) -> Iterator[Variable]:
        """Arguments that are on no tape."""
        for step in self.steps:
            for v in step.inputs:
                if v is not None and v.is_constant:
                    yield v


def key_of(tensor: Tensor) -> Any:
    """What identifies a tensor's place on the tape; None for one that has none."""
    gn = tensor._gn
    if gn is None:
        return None
    return tensor if gn is LEAF else (gn.node, gn.index) if gn.is_slot else (gn, 0)


def edge_key(edge: Any) -> Any:
    """The same of an edge."""
    return edge if edge.is_leaf_edge else (edge.node, edge.index) if edge.is_slot else (edge, 0)


@contextmanager
def unpacked_values(node: Node) -> Iterator[Any]:
    """What the node saved, as its rules take it, in its place while this lasts.  RuntimeError where it was freed."""
    saved = node.saved
    if saved is None:
        raise RuntimeError(FREED + KEEP)
    if node.hooks is not None and node.hooks.packed:
        from ..core.saved_hooks import unpacked

        node.saved = unpacked(node)
    try:
        yield node.saved
    finally:
        node.saved = saved


class _Look(Walk):
    """A walk that remembers every visit and leaves the tape as it was."""

    __slots__ = ("visits",)

    def __init__(self, needed: set[Any] | None, visit: set[Any] | None) -> None:
        super().__init__(keep=True, create_graph=False, accumulate=False)
        self.visits: list[tuple[Node, Any, Sequence[Any]]] = []
        self.visit = visit
        self.captures = None if needed is None else {}
        self.needed = needed or set()

    def visit_nodes(self) -> None:
        while self.heap:
            node = heappop(self.heap)[1]
            g = self.pending.pop(node)
            if self.captures is not None and node not in self.needed:
                self.visits.append((node, self.gather(node, g) if type(g) is list else g, ()))
                continue
            if LAST.order < node.order and node.saved is not None:
                check_saved(node)
            with unpacked_values(node):
                if type(g) is list:
                    g = self.gather(node, g)
                cts = self.pull(node, g)
            self.visits.append((node, g, cts))
            for edge, ct in zip(node.edges, cts, strict=True):
                if edge is not None and ct is not None:
                    self.deliver(edge, ct)


def trace_back(y: Tensor, wrt: Sequence[Tensor] | None = None, cotangent: Tensor | None = None) -> Graph:
    """Walk from ``y`` back to the tensors ``wrt`` (None: all leaves).

    Raises RuntimeError for an output without history, one with several elements and no ``cotangent``, a freed tape, and
    a saved value that was overwritten since.
    """
    roots = start((y,), (cotangent,), False)
    needed = visit = None
    if wrt is not None:
        targets = {t if t._gn is LEAF else t._gn.node if t._gn.is_slot else t._gn for t in wrt}
        needed = reachable([edge for edge, _ in roots], targets)
        visit = needed | targets
    look = _Look(needed, visit)
    before = MODES.grad
    MODES.grad = False
    token = enter(IGNORE)
    try:
        for edge, ct in roots:
            if isinstance(ct, Tensor) and not isinstance(ct._value, Value):
                ct = ct._value
            if isinstance(ct, Tensor):
                look.to_tensors()
            look.deliver(edge, ct)
        look.visit_nodes()
    finally:
        leave(token)
        MODES.grad = before
    return _assembled(y, look, wrt)


def structure(y: Tensor) -> Graph:
    """The graph behind ``y`` without any cotangent; a tape that backward has freed has this left.

    Raises RuntimeError for an output without history.
    """
    look = _Look(None, None)
    seen: set[int] = set()
    stack = [edge for edge, _ in start((y,), (y,), False)]
    while stack:
        node = stack.pop()
        node = node.node if node.is_slot else node
        if not node.is_leaf_edge and id(node) not in seen:
            seen.add(id(node))
            look.visits.append((node, None, (None,) * len(node.edges)))
            stack += [e for e in node.edges if e is not None]
    look.visits.sort(key=lambda visit: visit[0].order)
    return _assembled(y, look, None)


def _assembled(y: Tensor, look: _Look, wrt: Sequence[Tensor] | None) -> Graph:
    variables: dict[Any, Variable] = {}
    steps: list[Step] = []
    for node, g, cts in reversed(look.visits):
        step = Step(node, g, cts)
        expanded = bool(cts) or not node.edges
        sent = g if isinstance(g, (tuple, list)) else [g]
        for k in range(max(len(sent), 1)):
            v = Variable(step if expanded else None, k)
            v.cotangent = raw(sent[k]) if k < len(sent) else None
            if v.cotangent is not None:
                v.shape, v.dtype = tuple(v.cotangent.shape), v.cotangent.dtype
            step.outputs.append(v)
            variables[node, k] = v
        if not isinstance(g, tuple) and step.op is not None and step.op.outputs != 1:
            _place_lone_output(step, node, variables)
        if expanded:
            step.number = len(steps)
            steps.append(step)
            _connect(step, variables)
    for leaf, ct in look.leaves.items():
        v = variables.setdefault(leaf, Variable(leaf=leaf))
        v.cotangent = raw(ct)
    if wrt is not None:  # what leaves for a variable that is not on a way to them arrives nowhere
        for step in steps:
            step.left = [None if v is None or v.cotangent is None else ct for v, ct in zip(step.inputs, step.left, strict=True)]
    output = variables.get(key_of(y))
    if output is None:
        output = variables[y] = Variable(leaf=y)
    if output.value is None:
        output.value = raw(y)
        output.shape, output.dtype = tuple(y.shape), y.dtype.np
    leaves = [v for k, v in variables.items() if v.leaf is not None and v.cotangent is not None]
    wanted = leaves if wrt is None else [variables[k] for k in map(key_of, wrt) if k in variables]
    return Graph(output, steps, variables, wanted)


def _place_lone_output(step: Step, node: Node, variables: dict[Any, Variable]) -> None:
    """Of several outputs only one takes a cotangent: put it under its own number."""
    assert step.op is not None
    k = min(step.op.differentiable)
    lone = step.outputs[0]
    if k:
        del variables[node, 0]
        lone.index = k
        variables[node, k] = lone


def _connect(step: Step, variables: dict[Any, Variable]) -> None:
    for i, edge in enumerate(step.node.edges):
        if edge is None:
            step.inputs.append(Variable())
            continue
        key = edge_key(edge)
        v = variables.get(key)
        if v is None:
            v = variables[key] = Variable(leaf=edge if edge.is_leaf_edge else None)
        v.consumers.append((step, i))
        step.inputs.append(v)
    ct_shapes = [None if ct is None else ct.shape for ct in step.left]
    for v, shape in zip(step.inputs, ct_shapes, strict=True):
        if v is not None and v.shape is None and shape is not None:
            v.shape = tuple(shape)


def pull_from(step: Step, g: Any) -> Sequence[Any]:
    """What the step's rules make of another cotangent ``g``: one raw value for each input, None where nobody waits."""
    node = step.node
    before = MODES.grad
    MODES.grad = False
    token = enter(IGNORE)
    try:
        with unpacked_values(node):
            if node.raw:
                return [raw(ct) for ct in node.pull(g)]
            lifted = tuple([wrap(one) for one in g]) if isinstance(g, tuple) else wrap(g)
            return [raw(ct) for ct in node.pull_tensors(lifted, False)]
    finally:
        leave(token)
        MODES.grad = before


def ones_like(value: Any) -> Any:
    """A unit cotangent."""
    return np.ones(value.shape, value.dtype)[()]
