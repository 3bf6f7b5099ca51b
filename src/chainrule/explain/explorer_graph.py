"""The tape as a picture needs it: numbered vertices and links.

Vertices are numbered in the order in which the program made them, so every link goes from a smaller number to a greater
one, and backward visits the operations by falling number.  What they compute, their values and cotangents come from
:mod:`~chainrule.explain.graph` and :mod:`~chainrule.explain.values`.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.node import FREED
from ..core.source import text_of
from ..core.tensor import Tensor, wrap
from .explorer_names import Names
from .explorer_numbers import number
from .graph import Graph, Step, Variable, ones_like, structure, trace_back
from .local import expression, locals_of
from .naming import give_names
from .notation import text
from .values import fill

OPERATION, LEAF_VERTEX, DATA = 0, 1, 2

# Of an operation for certain arguments: users know the one name.
_VARIANT = re.compile(r"^torch::autograd::|(_from)?_(number|all|tensor|dims?|complex)$")

FREED_NOTICE = (
    "backward() has freed the values that gradients are made of, so only the structure is shown. Call explore before backward, or"
    " backward(retain_graph=True)."
)


@dataclass(slots=True)
class Vertex:
    """An operation, a leaf, or a value that nobody differentiates."""

    kind: int
    title: str
    variable: Variable
    step: Step | None = None
    scope: str = ""
    place: str = ""  # file:line
    links: list[int] = field(default_factory=list)  # of its inputs
    literals: list[tuple[str, str]] = field(default_factory=list)  # constant arguments without a name of their own
    settings: list[tuple[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The user's name for it; empty if there is none."""
        return self.variable.name if self.variable.named else ""

    @property
    def value(self) -> Any:
        """A NumPy value, or None."""
        return self.variable.value

    @property
    def cotangent(self) -> Any:
        """The first cotangent that arrived at one of its outputs, or None."""
        outputs = [self.variable] if self.step is None else self.step.outputs
        return next((v.cotangent for v in outputs if v.cotangent is not None), None)


@dataclass(slots=True)
class Link:
    """Output number ``out`` of ``start`` is argument number ``arg`` of ``end``; ``product`` is what goes back along it, if anything."""

    start: int
    end: int
    arg: int
    out: int
    product: Any = None


class Drawn:
    """A graph as a picture needs it."""

    def __init__(self, traced: Graph, notice: str) -> None:
        self.vertices: list[Vertex] = []
        self.links: list[Link] = []
        self.notice = notice
        self.modules: dict[str, str] = {}
        self._index: dict[int, int] = {}
        for step in traced.steps:
            self._add_step(step)
        output = traced.output
        self.root = self._of(output) if output.producer is None else self._index[id(output.producer)]

    def _add_step(self, step: Step) -> None:
        starts = []
        literals = []
        for arg, v in enumerate(step.inputs):
            if v is None:
                continue
            if v.is_constant and not v.named:
                if v.value is not None:
                    literals.append((_argument(step, arg), literal(v.value)))
                continue
            start = self._of(v) if v.producer is None else self._index[id(v.producer)]
            starts.append((start, arg, v.index, step.left[arg]))
        settings = [(k, literal(v)) for k, v in step.known.items() if not k.endswith(("_shape", "_dtype")) and k != "needs"]
        at = self._index[id(step)] = len(self.vertices)
        first = next((o for o in step.outputs if o.value is not None), step.outputs[0])
        vertex = Vertex(OPERATION, _VARIANT.sub("", step.opname), first, step, literals=literals, settings=settings)
        self.vertices.append(vertex)
        for start, arg, out, product in starts:
            vertex.links.append(len(self.links))
            self.links.append(Link(start, at, arg, out, product))

    def _of(self, v: Variable) -> int:
        """The vertex of a leaf or constant."""
        at = self._index.get(id(v if v.leaf is not None else v.value))
        if at is None:
            at = self._index[id(v if v.leaf is not None else v.value)] = len(self.vertices)
            kind = DATA if v.leaf is None else LEAF_VERTEX
            title = "data" if v.leaf is None else "parameter" if type(v.leaf).__name__ == "Parameter" else "leaf"
            self.vertices.append(Vertex(kind, title, v))
        return at

    def consumers(self) -> list[list[int]]:
        """For each vertex the links that start there, in the order in which backward sends their products."""
        found: list[list[int]] = [[] for _ in self.vertices]
        for i, link in enumerate(self.links):
            found[link.start].append(i)
        for links in found:
            links.sort(key=lambda i: (-self.links[i].end, i))
        return found


def drawn(y: Tensor, names: Names, gradient: Tensor | None = None) -> Drawn:
    """The graph that ``y`` was computed by; without gradients, and with a notice, where backward has freed the tape.

    Raises RuntimeError, with PyTorch's words, for an output without history, for a gradient of another shape, and for a saved
    value that was overwritten.
    """
    notice = ""
    if gradient is None and y._gn is not None:
        gradient = ones(y)
    try:
        with np.errstate(all="ignore"):  # an infinite slope is what one may want to see
            traced = trace_back(y, None, gradient)
            fill(traced)
    except RuntimeError as error:
        if not str(error).startswith(FREED):
            raise
        traced, notice = structure(y), FREED_NOTICE
    give_names(traced, names)
    graph = Drawn(traced, notice)
    graph.modules = names.modules
    _scopes(graph, names)
    _places(graph, names)
    return graph


def ones(y: Tensor) -> Tensor:
    """The cotangent that backward starts with."""
    value = y._value
    return wrap(ones_like(value)) if isinstance(value, (np.ndarray, np.generic)) else y.detach().ones_like()


def _argument(step: Step, arg: int) -> str:
    names = step.op.argnames if step.op is not None else ()
    return names[arg] if arg < len(names) else f"argument {arg}"


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
    told = str(value)
    return told if len(told) <= 60 else told[:59] + "…"


def _scopes(graph: Drawn, names: Names) -> None:
    """Which module an operation belongs to, by the parameters that it takes, directly or through views of them."""
    for vertex in graph.vertices:
        if vertex.kind == LEAF_VERTEX:
            vertex.scope = names.scopes.get(id(vertex.variable.leaf), "")
        for i in vertex.links:
            start = graph.vertices[graph.links[i].start]
            view = start.step is not None and start.step.op is not None and start.step.op.kind == "view"
            if start.scope and (start.kind == LEAF_VERTEX or view):
                vertex.scope = start.scope
                break


def _places(graph: Drawn, names: Names) -> None:
    """Source lines and modules, where ``why.watch()`` has seen the program run."""
    watching = sys.modules.get(f"{__package__}.why_watch")
    record = None if watching is None else watching.watch.last
    if record is None:
        return
    outermost = {kind: path for path, kind in reversed(names.modules.items()) if "." not in path}
    for vertex in graph.vertices:
        if vertex.step is not None:
            vertex.place = record.line(vertex.step.node)
            head, dot, rest = record.module(vertex.step.node).partition(".")
            if head:
                vertex.scope = outermost.get(head, head) + dot + rest


def source_line(vertex: Vertex) -> tuple[str, str, str]:
    """(file, line, text); empty where the program was not watched."""
    file, _, line = vertex.place.rpartition(":")
    here = os.getcwd() + os.sep
    return file.removeprefix(here), line, text_of(vertex.place) if vertex.place else ""


def symbol(vertex: Vertex) -> str:
    """What formulas call it."""
    return vertex.variable.name


def equation(vertex: Vertex) -> str:
    """``z = w·x + b``; empty for what was not computed."""
    return "" if vertex.step is None else f"{symbol(vertex)} = {text(expression(vertex.step))}"


def formulas(vertex: Vertex) -> list[str]:
    """The local derivatives: ``∂p/∂z = p·(1 − p)``, or the product for an operation that is not elementwise, in the cotangent g."""
    step = vertex.step
    if step is None:
        return []
    out = symbol(vertex)
    found = []
    for local in locals_of(step):
        name = local.variable.name
        if local.formula is None:
            found.append(f"{name}: the rule of {step.opname}")
        elif local.factor:
            found.append(f"∂{out}/∂{name} = {text(local.formula)}")
        else:
            found.append(f"{name}: g ↦ {text(local.formula)}")
    return found
