"""Results that ``backward`` goes on from: the backward pass is recorded together with the forward one, then cut off.

What the forward program computes and the backward one needs is kept between them, as what an operation saves is (the joint graph and
its partition of PyTorch's AOTAutograd).  A compiled call is then one node of the tape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...core.grad import grad
from ...core.modes import MODES
from ...core.node import LEAF, Node, next_order
from ...core.op import edge_of
from ...core.tensor import Tensor, new, wrap
from ..program.ir import Node as Value
from ..program.ir import Program, ordered
from .value import Captured

if TYPE_CHECKING:
    from .recorder import Recorder

DOUBLE = (
    "torch.compile with aot_autograd does not currently support double backward: a compiled function's gradient cannot be"
    " differentiated again. Compile the function that takes the second derivative, or call this one uncompiled."
)


class Joint(NamedTuple):
    """The backward program of a record.

    Its inputs are what the forward program keeps (``kept`` outputs of it, then ``given`` inputs of it), then one cotangent a
    differentiable result.  ``sources`` are the tensors whose gradients come out.
    """

    program: Program
    kept: list[Value]
    given: list[int]
    results: list[int]  # which leaves of the result have a history
    sources: list[Tensor]
    always: list[bool]  # which of them are the same at every call


def joint(recorder: Recorder, leaves: Sequence[Any], arguments: Sequence[Tensor], originals: set[int]) -> Joint | None:
    """Record the backward pass of the results with a history; None (and a note) where that is not possible.

    ``originals`` are the tensors that were there before: only their gradients can be seen, and those of leaves that are results too.
    """
    results = [k for k, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf._gn is not None and leaf._gn is not LEAF]
    outs = [leaves[k] for k in results]
    reached = _sources(outs, arguments)
    if not {id(s) for s in reached}.isdisjoint([id(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf._gn is LEAF]):
        recorder.note("a result's graph goes back to another result, a leaf that the call makes")
        return None
    sources = [s for s in reached if id(s) in originals]
    forward = ordered([leaf._value.node for leaf in leaves if isinstance(leaf, Tensor) and isinstance(leaf._value, Captured)])
    inside = {id(n) for n in forward} | {id(n) for n in recorder.program.inputs}
    cells = set(recorder.cells)
    cotangents = [Value("input", (), tuple(o.shape), o._value.numpy_dtype, {"index": -1 - k}) for k, o in enumerate(outs)]
    given = [wrap(Captured.of(recorder, c)) for c in cotangents]
    before = [(node, node.edges) for a in arguments for node in _histories(a)]
    recorder.pulling = True
    try:
        for node, _ in before:
            node.edges = ()  # what the arguments were computed from is none of the call's business
        found = grad(outs, sources, given, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        recorder.note(f"the backward pass cannot be recorded ({error})")
        return None
    finally:
        recorder.pulling = False
        for node, edges in before:
            node.edges = edges
        for cell in [c for c in recorder.cells if c not in cells]:  # what depends on cotangents has no value, whoever still holds it
            recorder.cells.discard(cell)
    if recorder.closed:
        return None
    wanted = [(s, g._value.node) for s, g in zip(sources, found, strict=True) if g is not None and isinstance(g._value, Captured)]
    nodes = [n for _, n in wanted]
    program, kept, inputs = _cut(nodes, inside, cotangents)
    sources = [s for s, _ in wanted]
    return Joint(program, kept, inputs, results, sources, [id(s) not in recorder.arguments for s in sources])


def _sources(outs: Sequence[Tensor], arguments: Sequence[Tensor]) -> list[Tensor]:
    """The arguments and leaves that the results depend on."""
    stops = {id(a._gn) for a in arguments if a._gn is not None and a._gn is not LEAF}
    found: dict[int, Tensor] = {}
    seen: set[int] = set()
    stack = [edge_of(o) for o in outs]
    while stack:
        edge = stack.pop()
        if edge is None or id(edge) in seen:
            continue
        seen.add(id(edge))
        if edge.is_leaf_edge:
            found[id(edge)] = edge
        elif id(edge) not in stops:
            stack.extend((edge.node if edge.is_slot else edge).edges)
    return [*[a for a in arguments if id(a._gn) in stops], *found.values()]


def _histories(argument: Tensor) -> list[Any]:
    edge = argument._gn
    return [] if edge is None or edge is LEAF else [edge.node if edge.is_slot else edge]


def _cut(nodes: list[Value], inside: set[int], cotangents: list[Value]) -> tuple[Program, list[Value], list[int]]:
    """The backward part as a program of its own."""
    program = Program()
    kept: list[Value] = []
    inputs: list[int] = []
    made: dict[int, Value] = {}
    crossing: list[Value] = []
    for node in ordered(nodes):
        if node.op in ("const", "iota"):
            made[id(node)] = node
        elif id(node) in inside or (node.op == "item" and id(node.args[0]) in inside):  # of a call, other results may be needed
            made[id(node)] = Value("input", (), node.shape, node.dtype, {"index": 0})
            crossing.append(node)
        elif any(node is c for c in cotangents):
            made[id(node)] = Value("input", (), node.shape, node.dtype, {"index": 0})
        else:
            made[id(node)] = node.with_args([made[id(a)] for a in node.args])
    used = _needed([made[id(n)] for n in nodes])
    crossing = [n for n in crossing if id(made[id(n)]) in used]
    order = [n for n in crossing if n.op != "input"] + [n for n in crossing if n.op == "input"]
    for node in order:
        if node.op == "input":
            inputs.append(node.attrs["index"])
        else:
            kept.append(node)
    for node in [*order, *cotangents]:
        stand_in = made.get(id(node)) or Value("input", (), node.shape, node.dtype, {"index": 0})
        stand_in.attrs["index"] = len(program.inputs)
        program.inputs.append(stand_in)
    program.outputs = [made[id(n)] for n in nodes]
    return program, kept, inputs


def _needed(roots: list[Value]) -> set[int]:
    return {id(n) for n in ordered(roots)}


class CompiledBackward(Node):
    """The node of a compiled call: what it saved are the arrays that the backward program needs."""

    __slots__ = ("__dict__",)
    raw = True
    frees = True
    run: Callable[..., list[Any]]
    shapes: list[tuple[tuple[int, ...], Any]]
    joint: Joint

    def name(self) -> str:
        return "CompiledFunctionBackward"

    def saved_values(self) -> list[tuple[str, Any]]:
        return [] if self.saved is None else [(f"saved{k}", v) for k, v in enumerate(self.saved)]

    def pull(self, g: Any) -> Sequence[Any]:
        sent = [np.zeros(s, d) if c is None else np.asarray(c, order="C") for c, (s, d) in zip(g, self.shapes, strict=True)]
        return [r[()] if r.ndim == 0 else r for r in self.run([*map(np.asarray, self.saved), *sent])]

    def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
        if create_graph:
            raise RuntimeError(DOUBLE)
        if any(c is not None and isinstance(c._value, Captured) for c in g) and MODES.recorder is not None:
            pulled: list[Tensor] = MODES.recorder.earlier.pulled(self, g)
            return pulled
        return [wrap(r) for r in self.pull([None if c is None else c._value for c in g])]


def node_of(joint: Joint, run: Any, saved: list[Any], edges: list[Any], shapes: Any) -> CompiledBackward:
    """The tape's node for one compiled call."""
    node = new(CompiledBackward)
    node.edges = edges
    node.saved = saved
    node.fit = None
    node.order = next_order()
    node.n_outputs = len(joint.results)
    node.joint = joint
    node.run = run
    node.shapes = shapes
    return node
