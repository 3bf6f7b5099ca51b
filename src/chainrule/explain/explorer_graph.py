"""The tape as a graph: its operations, the leaves they came from, and what is known about each.

Vertices are numbered in the order in which the program made them, so every link goes from a smaller number to a greater
one, and backward visits the operations by falling number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.grad import NO_GRAD_FN
from ..core.node import LEAF
from ..core.rules import source
from ..core.tensor import Tensor
from .explorer_names import Names
from .explorer_numbers import number

OPERATION, LEAF_VERTEX, DATA = 0, 1, 2


@dataclass(slots=True)
class Vertex:
    """An operation, a leaf, or a value that nobody differentiates."""

    kind: int
    origin: Any
    title: str
    name: str = ""
    scope: str = ""
    value: Any = None
    links: list[int] = field(default_factory=list)  # of its inputs
    literals: list[tuple[str, str]] = field(default_factory=list)
    line: Any = None
    made: tuple[Any, ...] = ()


@dataclass(slots=True)
class Link:
    """Output number ``out`` of ``start`` is argument number ``arg`` of ``end``; ``flows`` says that a cotangent goes back along it."""

    start: int
    end: int
    arg: int
    out: int
    flows: bool = True


class Graph:
    """Vertices and links, by number."""

    def __init__(self) -> None:
        self.vertices: list[Vertex] = []
        self.links: list[Link] = []
        self.index: dict[int, int] = {}  # id of a node or leaf -> number
        self.roots: list[int] = []
        self.freed = False
        self.modules: dict[str, str] = {}

    def consumers(self) -> list[list[int]]:
        """For each vertex the links that start there."""
        found: list[list[int]] = [[] for _ in self.vertices]
        for i, link in enumerate(self.links):
            found[link.start].append(i)
        return found


def graph_of(outputs: tuple[Tensor, ...], names: Names) -> Graph:
    """The graph behind the outputs.

    Raises RuntimeError, with PyTorch's words, for an output without history.
    """
    graph = Graph()
    graph.modules = names.modules
    starts = []
    for i, y in enumerate(outputs):
        gn = y._gn
        if gn is None:
            raise RuntimeError(NO_GRAD_FN.format(i))
        starts.append(y if gn is LEAF else gn.node if gn.is_slot else gn)
    nodes, lone = _nodes(starts)
    for leaf in lone:
        _leaf(graph, leaf, names)
    for node in nodes:
        _operation(graph, node, names)
    graph.roots = [graph.index[id(s)] for s in starts]
    for y, root in zip(outputs, graph.roots):
        if graph.vertices[root].kind == OPERATION and not (y._gn.is_slot and y._gn.index):
            graph.vertices[root].value = y._value
    _values(graph)
    return graph


def _nodes(starts: list[Any]) -> tuple[list[Any], list[Any]]:
    """The nodes that are reached, oldest first, and the outputs that are leaves themselves."""
    seen: set[int] = set()
    nodes, lone, stack = [], [], list(starts)
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.is_leaf_edge:
            lone.append(node)
            continue
        nodes.append(node)
        for e in node.edges:
            if e is not None and not e.is_leaf_edge:
                stack.append(e.node if e.is_slot else e)
    nodes.sort(key=lambda n: -n.order)
    return nodes, lone


def _leaf(graph: Graph, leaf: Any, names: Names) -> int:
    at = graph.index.get(id(leaf))
    if at is None:
        at = graph.index[id(leaf)] = len(graph.vertices)
        name = names.leaves.get(id(leaf)) or leaf._name or ""
        parameter = type(leaf).__name__ == "Parameter"
        graph.vertices.append(
            Vertex(LEAF_VERTEX, leaf, "parameter" if parameter else "leaf", name, names.scopes.get(id(leaf), ""), leaf._value)
        )
    return at


def _data(graph: Graph, value: Any, name: str) -> int:
    at = graph.index.get(id(value))
    if at is None:
        at = graph.index[id(value)] = len(graph.vertices)
        graph.vertices.append(Vertex(DATA, value, "data", name, "", value))
    return at


def operation_name(node: Any) -> str:
    """What the operation is called where it was declared, or the node's own name without its ending."""
    return node.op.name if node.op is not None else node.name().removesuffix("Backward").split("Backward0")[0]


def _operation(graph: Graph, node: Any, names: Names) -> None:
    starts = []
    for arg, e in enumerate(node.edges):
        if e is None:
            continue
        if e.is_leaf_edge:
            starts.append((_leaf(graph, e, names), arg, 0, True))
        else:
            starts.append((graph.index[id(e.node if e.is_slot else e)], arg, e.index if e.is_slot else 0, True))
    vertex = Vertex(OPERATION, node, operation_name(node))
    if node.saved is None:
        graph.freed = True
    known = names.nodes.get((id(node), 0))
    if known is not None:
        vertex.name, vertex.value = known[0], known[1]._value
    for arg, (label, value) in _constants(node).items():
        name = names.data.get(id(value))
        if name is not None:
            starts.append((_data(graph, value, name), arg, 0, False))
        else:
            vertex.literals.append((label, literal(value)))
    at = graph.index[id(node)] = len(graph.vertices)
    graph.vertices.append(vertex)
    for start, arg, out, flows in sorted(starts, key=lambda s: s[1]):
        vertex.links.append(len(graph.links))
        graph.links.append(Link(start, at, arg, out, flows))
    if node.op is not None and node.edges:
        vertex.scope = _scope(graph, vertex)


def _scope(graph: Graph, vertex: Vertex) -> str:
    """The module whose parameters the operation takes; what it made of a parameter's view counts too."""
    for i in vertex.links:
        start = graph.vertices[graph.links[i].start]
        if start.scope and (start.kind == LEAF_VERTEX or (len(start.links) == 1 and start.value is None)):
            return start.scope
    return ""


def _constants(node: Any) -> dict[int, tuple[str, Any]]:
    """What the node saved of arguments that have no gradient, and the settings that its rules name."""
    found: dict[int, tuple[str, Any]] = {}
    op = node.op
    if op is None or not node.saved or not hasattr(node, "rule_saved"):
        return found
    for rule, saved in node.rule_saved():
        for name, value in zip(op.rule_names(rule), saved):
            kind, k = source(name, op.argnames)
            if kind == "arg" and k < len(node.edges) and node.edges[k] is None and value is not None:
                found[k] = (name, value)
            elif kind == "static" and not name.endswith(("_shape", "_dtype")) and name != "needs":
                found.setdefault(100 + len(found), (name, value))
    return found


def literal(value: Any) -> str:
    """A constant in a few characters."""
    if isinstance(value, Tensor):
        value = value._value
    if isinstance(value, np.ndarray) and value.size != 1:
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.item()
    if isinstance(value, (bool, int, float, complex)):
        return str(number(value))
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _values(graph: Graph) -> None:
    """Find the operations' values: kept by themselves or by a consumer, else computed again where nothing is missing."""
    for vertex in graph.vertices:
        if vertex.kind != OPERATION:
            continue
        node = vertex.origin
        op = node.op
        if op is None or not node.saved or not hasattr(node, "rule_saved"):
            continue
        for rule, saved in node.rule_saved():
            for name, value in zip(op.rule_names(rule), saved):
                kind, k = source(name, op.argnames)
                if kind == "out" and k == 0 and vertex.value is None:
                    vertex.value = value
                elif kind == "arg" and k < len(node.edges) and node.edges[k] is not None:
                    edge = node.edges[k]
                    if not edge.is_leaf_edge and not (edge.is_slot and edge.index):
                        start = graph.vertices[graph.index[id(edge.node if edge.is_slot else edge)]]
                        if start.value is None:
                            start.value = value
    for vertex in graph.vertices:
        if vertex.kind == OPERATION and vertex.value is None:
            vertex.value = _again(graph, vertex)


def _again(graph: Graph, vertex: Vertex) -> Any:
    """The value of an elementwise operation without settings, from those of its arguments."""
    op = vertex.origin.op
    if op is None or op.quick is None or len(vertex.links) != len(op.argnames) or vertex.literals or vertex.origin.level:
        return None
    values = [graph.vertices[graph.links[i].start].value for i in vertex.links]
    if not all(isinstance(v, (np.ndarray, np.generic)) for v in values):
        return None
    if any(graph.links[i].out for i in vertex.links):
        return None
    with np.errstate(all="ignore"):
        return op.impl(*values)
