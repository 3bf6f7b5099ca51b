"""Graphs that were there before the call, where the function goes back through them: ``loss.backward()`` of a loss that it is given.

What such a graph has saved is another array at every call, so it is no constant.  Nodes of compiled calls can be gone through: their
backward programs become part of the one that is captured, what they saved its inputs, found at each call from an argument's
place on the tape.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...core.backward import check_saved
from ...core.epoch import hooked
from ...core.mutation import LAST, root
from ...core.node import HOOKED, HOOKS, LEAF
from ...core.tensor import Tensor, wrap
from ..program.ir import Node
from . import build
from .joint import CompiledBackward, Joint
from .value import Captured

if TYPE_CHECKING:
    from .recorder import Recorder

UNCOMPILED = "the function goes back through a graph that was made before the call, uncompiled"

Path = tuple[int, ...]  # edge numbers, from an argument's node on


class Saved(NamedTuple):
    """The kind of an input: what a node saved; the argument is the tensor that the input is found by."""

    path: Path
    number: int


class Passed(NamedTuple):
    """A node that the function goes back through; what has to be so for the program to be right."""

    argument: Tensor
    path: Path
    outputs: list[tuple[Tensor, int]]  # the arguments that are outputs of it, and which
    joint: Joint
    edges: list[Any]  # a leaf, the (path, output number) of another node of the argument's graph, or None
    shared: list[tuple[int, Tensor]]  # what it saved is this tensor's memory, which the program has already
    freed: bool

    def node(self, argument: Tensor) -> Any:
        return node_at(argument, self.path)

    def same(self, argument: Tensor, find: Any) -> bool:
        """Whether there is such a node at a call; ``find`` gives the call's tensors for those of the capture."""
        node = node_at(argument, self.path)
        if type(node) is not CompiledBackward or node.joint is not self.joint or node.saved is None or node in HOOKS:
            return False
        if any(_split(find(a)._gn) != (node, index) for a, index in self.outputs):
            return False
        for edge, was in zip(node.edges, self.edges, strict=True):
            if isinstance(was, Tensor):
                if edge is not find(was) or hooked(edge):
                    return False
            elif was is None:
                if edge is not None:
                    return False
            elif edge is None or edge.is_leaf_edge or _split(edge) != (node_at(argument, was[0]), was[1]):
                return False
        return all(same_memory(node.saved[k], find(tensor)._value) for k, tensor in self.shared)

    def enter(self, argument: Tensor) -> None:
        """RuntimeError where something that it saved was overwritten since."""
        node = node_at(argument, self.path)
        if LAST.order < node.order:
            check_saved(node)

    def leave(self, argument: Tensor) -> None:
        """The walk has been there."""
        if self.freed:
            node_at(argument, self.path).saved = None


def watched(tensor: Tensor) -> bool:
    """Whether there are hooks on a tensor, or on the node that made it."""
    place = tensor._gn
    return hooked(tensor) if place is LEAF else bool(HOOKED) and place is not None and _split(place)[0] in HOOKS


def _split(edge: Any) -> tuple[Any, int]:
    return (edge.node, edge.index) if edge.is_slot else (edge, 0)


def node_at(argument: Tensor, path: Path) -> Any:
    """A node of the argument's graph."""
    node = _split(argument._gn)[0]
    for k in path:
        node = _split(node.edges[k])[0]
    return node


def saved_at(argument: Tensor, kind: Saved) -> Any:
    """The array that a node of the argument's graph saved."""
    return node_at(argument, kind.path).saved[kind.number]


def same_memory(a: Any, b: Any) -> bool:
    """Whether two arrays are the same elements in memory."""
    if a is b:
        return True
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or a.shape != b.shape or a.strides != b.strides or a.dtype != b.dtype:
        return False
    return bool(a.__array_interface__["data"][0] == b.__array_interface__["data"][0])


class Earlier:
    """The graphs from before one capture.  ``reached`` are identities of tensors that every call finds again."""

    def __init__(self, recorder: Recorder, arguments: Sequence[Tensor], reached: Container[int]) -> None:
        self.recorder = recorder
        self.reached = reached
        self.passed: list[tuple[Any, Any, Passed]] = []  # (node, what it had saved, …)
        self.paths = _paths(arguments)
        self.places = [(a, *_split(a._gn)) for a in arguments if a._gn is not None and a._gn is not LEAF]

    def walk(self, nodes: Sequence[Any], keep: bool) -> str:
        """The function goes back through these nodes; why that cannot be recorded, or nothing."""
        if not all(type(n) is CompiledBackward and n.saved is not None and n not in HOOKS for n in nodes):
            return UNCOMPILED
        for node in nodes:
            if id(node) not in self.paths:
                return "the function goes back through a graph that it is not given"
            argument, path = self.paths[id(node)]
            shared = [(k, t) for k, v in enumerate(node.saved) if (t := self._holder(v)) is not None]
            if any(t._value.cell.written for _, t in shared):
                return "a value that the graph of an argument has saved is overwritten"
            edges: list[Any] = []
            for k, edge in enumerate(node.edges):
                if edge is not None and edge.is_leaf_edge and not (node.joint.always[k] or self._known(edge)):
                    return "the gradient of a tensor that is not given"
                leaf = edge is None or edge.is_leaf_edge
                edges.append(edge if leaf else ((*path, k), _split(edge)[1]))
            outputs = [(a, index) for a, made_by, index in self.places if made_by is node]
            self.passed.append((node, node.saved, Passed(argument, path, outputs, node.joint, edges, shared, not keep)))
        return ""

    def restore(self) -> None:
        """As if nobody had gone through."""
        for node, saved, _ in self.passed:
            node.saved = saved

    def _known(self, tensor: Tensor) -> bool:
        return id(tensor) in self.reached or id(tensor) in self.recorder.arguments

    def _holder(self, value: Any) -> Tensor | None:
        """The tensor in whose memory a saved array lies, if every call finds it."""
        for tensor, raw in self.recorder.roots.get(id(root(value)), ()):
            if self._known(tensor) and same_memory(raw, value) and type(tensor._value) is Captured:
                return tensor
        return None

    def pulled(self, node: Any, cotangents: Sequence[Any]) -> list[Tensor]:
        """What a compiled node gives for captured cotangents: its program's operations."""
        (passed,) = [p for n, _, p in self.passed if n is node][-1:]
        shared = dict(passed.shared)
        given = [
            shared[k]._value.node if k in shared else self.recorder.saved(passed.argument, Saved(passed.path, k), value)
            for k, value in enumerate(node.saved)
        ]
        for cotangent, (shape, dtype) in zip(cotangents, node.shapes, strict=True):
            given.append(build.full(shape, 0, dtype) if cotangent is None else self.recorder.value_of(cotangent).node)
        made: dict[int, Node] = {}
        for inner in node.joint.program.nodes():
            made[id(inner)] = given[inner.attrs["index"]] if inner.op == "input" else inner.with_args([made[id(a)] for a in inner.args])
        return [wrap(Captured.of(self.recorder, made[id(n)])) for n in node.joint.program.outputs]


def _paths(arguments: Sequence[Tensor]) -> dict[int, tuple[Tensor, Path]]:
    """How the nodes of the arguments' graphs are found."""
    found: dict[int, tuple[Tensor, Path]] = {}
    waiting: list[tuple[Tensor, Path, Any]] = [(a, (), _split(a._gn)[0]) for a in arguments if a._gn is not None and a._gn is not LEAF]
    for argument, path, node in waiting:
        if id(node) not in found:
            found[id(node)] = (argument, path)
            if type(node) is CompiledBackward:
                steps = [(argument, (*path, k), e) for k, e in enumerate(node.edges) if e is not None and not e.is_leaf_edge]
                waiting += [(a, p, _split(e)[0]) for a, p, e in steps]
    return found


__all__ = ["Earlier", "Passed", "Path", "Saved", "same_memory", "saved_at", "watched"]
