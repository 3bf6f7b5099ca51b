"""The graph with values and cotangents that a question about a gradient is answered from, and how its steps are told."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.floating_flags import quiet
from ..core.tensor import Tensor
from .graph import Graph, Step, Variable, ones_like, pull_from, trace_back
from .values import fill
from .why_none import AGAIN, Asked
from .why_report import Finding

KEEP = f"ask before backward() (chainrule.why(x, loss)), or keep the tape with backward(retain_graph=True); or {AGAIN}"


def graph_of(asked: Asked) -> Graph | None:
    """The graph of the loss that reaches ``x``: the one given, one that was watched, or one that is still alive and kept."""
    if asked.loss is not None:
        found = _graph(asked.loss)
        if found is not None:
            return found
    if asked.seen is not None:
        for backward in reversed(asked.seen.backwards):
            if backward.graph is not None and backward.graph.of(asked.x) is not None:
                return backward.graph  # type: ignore[no-any-return]
    for t in asked.live.results_of(asked.x)[:20]:
        found = _graph(t)
        if found is not None and found.of(asked.x) is not None:
            return found
    return None


def _graph(y: Tensor) -> Graph | None:
    try:
        return look(y, None if y.numel() == 1 else y.detach().ones_like())
    except (RuntimeError, TypeError):  # freed, overwritten, or without history
        return None


def look(y: Tensor, cotangent: Tensor | None = None) -> Graph:
    """The graph of ``y`` with values and cotangents; RuntimeError where the tape does not hold it."""
    with quiet():
        graph = trace_back(y, None, cotangent)
        fill(graph)
    _SAVED[graph] = [step.node.saved for step in graph.steps]
    return graph


# What the nodes of a graph had saved: a question may come after backward has freed it.
_SAVED: weakref.WeakKeyDictionary[Graph, list[Any]] = weakref.WeakKeyDictionary()


def slopes(graph: Graph, step: Step) -> Sequence[Any]:
    """What the step makes of a cotangent of ones, also after the tape was freed."""
    node = step.node
    before = node.saved
    node.saved = _SAVED[graph][step.number]
    try:
        with quiet():
            return pull_from(step, ones_like(arrays(step.arrived)[0]))
    finally:
        node.saved = before


def unknown(asked: Asked, what: str) -> list[Finding]:
    """The answer where the values are gone."""
    return [Finding("freed", f"{what}, but the values on the way were freed by backward().", KEEP)]


def below(v: Variable) -> list[tuple[Step, int]]:
    """Every (step, input number) on a way from ``v`` to the loss, the latest of the program first."""
    found: list[tuple[Step, int]] = []
    seen: set[int] = set()
    stack = [v]
    while stack:
        one = stack.pop()
        for step, i in one.consumers:
            found.append((step, i))
            if id(step) not in seen:
                seen.add(id(step))
                stack += step.outputs
    return sorted(found, key=lambda pair: -pair[0].number)


def arrays(g: Any) -> list[Any]:
    """The arrays of a cotangent, of one or of several outputs."""
    return [a for a in (g if isinstance(g, (tuple, list)) else [g]) if isinstance(a, (np.ndarray, np.generic))]


class Telling:
    """Names, lines and layers of the steps of one graph."""

    def __init__(self, asked: Asked, graph: Graph) -> None:
        self.asked = asked
        self.graph = graph

    def line(self, step: Step) -> str:
        """Where the step was recorded; where it was not seen, the one line of the asking file that calls such an operation."""
        return self.asked.line(step.node) or self._only_call(step.opname)

    def _only_call(self, name: str) -> str:
        import linecache
        import re

        frame = self.asked.frame
        if frame is None:
            return ""
        pattern = re.compile(rf"\b{re.escape(name)}_?\(")
        texts = enumerate(linecache.getlines(frame.f_code.co_filename), 1)
        lines = [n for n, text in texts if pattern.search(text) and not text.lstrip().startswith(("def ", "#"))]
        return f"{frame.f_code.co_filename}:{lines[0]}" if len(lines) == 1 else ""

    def name(self, v: Variable | None) -> str:
        """What the user calls a variable, or how it was made."""
        if v is None:
            return "a constant"
        names = self.asked.names
        if v.leaf is not None:
            return self.asked.name_of(v.leaf)
        if v.producer is not None:
            known = names.nodes.get((id(v.producer.node), v.index))
            return known[0] if known else f"the result of {v.producer.opname}"
        return names.data.get(id(v.value), "a constant")

    def layer(self, step: Step) -> str:
        """``in Net.0`` or ``after model.0``: which part of the model the step belongs to."""
        seen = self.asked.seen
        path = seen.module(step.node) if seen is not None else ""
        if path:
            return f" in {path}"
        stack, passed = [step], set()
        while stack:
            one = stack.pop(0)
            for v in one.inputs:
                if v is None:
                    continue
                if v.leaf is not None and id(v.leaf) in self.asked.names.scopes:
                    return f" after {self.asked.names.scopes[id(v.leaf)]}"
                if v.producer is not None and id(v.producer) not in passed:
                    passed.add(id(v.producer))
                    stack.append(v.producer)
        return ""


def family(operation: str) -> str:
    """The operation's name without what tells its variants apart (``max_all``, ``clamp_min_tensor``, ``pow_number``)."""
    for suffix in ("_all", "_tensor", "_number"):
        operation = operation.removesuffix(suffix)
    return operation


def number(value: Any) -> str:
    """A number in few digits."""
    return f"{float(value):.4g}" if np.isrealobj(value) else f"{complex(value):.4g}"


def shown(value: Any) -> str:
    """A small value whole, a large one by its range."""
    if value is None:
        return "unknown"
    a = np.asarray(value)
    if a.size <= 6:
        return np.array2string(a.astype(np.float64) if a.dtype.kind == "f" else a, precision=4, separator=", ")
    return f"{a.size} values from {number(a.min())} to {number(a.max())}"
