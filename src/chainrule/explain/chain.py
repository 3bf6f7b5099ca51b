"""The chain rule in one line, and path by path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np

from .graph import Graph, Step, Variable, ones_like, pull_from, raw
from .local import Local
from .notation import factor, latex_name, latex_number, latex_value, number, text, value_text

SHOWN_PATHS = 8
LONGEST_CHAIN = 8


@dataclass
class Path:
    """One way from the output to a variable.

    ``names`` starts with the output's name; ``formulas`` and ``factors`` have one entry a step (a factor is None where
    the step's derivative is no number); ``contribution`` is what comes along this path alone.
    """

    names: list[str]
    formulas: list[str]
    factors: list[Any]
    contribution: Any

    def __str__(self) -> str:
        links = " · ".join([f"∂{a}/∂{b}" for a, b in zip(self.names, self.names[1:])])
        if all(np.size(f) == 1 and f is not None for f in self.factors):
            return f"{links} = {' · '.join([factor(np.reshape(f, ())[()]) for f in self.factors])} = {value_text(self.contribution)}"
        return f"{links} = {value_text(self.contribution)}"


def partials(start: Variable, stops: set[Variable]) -> dict[Variable, Any]:
    """The derivative of ``start`` (of the sum of its elements) by every variable of ``stops`` that it is directly made from."""
    pending: dict[Variable, Any] = {}
    heap: list[tuple[int, int]] = []
    steps: dict[int, Step] = {}
    reached: dict[Variable, Any] = {}

    def send(v: Variable, ct: Any) -> None:
        table = reached if v in stops and v is not start else pending
        have = table.get(v)
        table[v] = ct if have is None else have + ct
        if table is pending and v.producer is not None and v.producer.number not in steps:
            steps[v.producer.number] = v.producer
            heappush(heap, (-v.producer.number, v.producer.number))

    send(start, ones_like(start.cotangent))
    while heap:
        step = steps[heappop(heap)[1]]
        for v, ct in zip(step.inputs, pull_from(step, _arrived(step, pending)), strict=True):
            if v is not None and ct is not None and v.cotangent is not None:
                send(v, ct)
    return reached


def _arrived(step: Step, pending: dict[Variable, Any]) -> Any:
    if not isinstance(step.arrived, tuple):
        return pending[step.outputs[0]]
    return tuple([pending.get(v, np.zeros_like(raw(a))) for v, a in zip(step.outputs, step.arrived, strict=True)])


class Chains:
    """The derivatives between the named variables of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.output = graph.output
        self.named = {v for v in graph.variables.values() if v.cotangent is not None and (v.named or v.leaf is not None)}
        self.named |= {*graph.wanted, graph.output}
        self.all = {v for v in graph.variables.values() if v.cotangent is not None}
        self._between = any(v.producer is not None and v is not graph.output for v in self.named)
        self._partials: dict[tuple[Variable, bool], dict[Variable, Any]] = {}

    def links(self, v: Variable, every: bool) -> dict[Variable, Any]:
        """The variables that ``v`` is made from next, and the derivatives by them."""
        if v.producer is None:
            return {}
        found = self._partials.get((v, every))
        if found is None:
            found = self._partials[v, every] = partials(v, self.all if every else self.named)
        return found

    def routes(self, x: Variable, every: bool) -> tuple[int, list[list[Variable]]]:
        """How many ways there are to ``x`` over the stops, and the first few of them."""
        counts = self._counts(x, every)
        found: list[list[Variable]] = []
        stack = [[self.output]]
        while stack and len(found) < SHOWN_PATHS:
            way = stack.pop()
            if way[-1] is x:
                found.append(way)
                continue
            stack += [[*way, v] for v in reversed(list(self.links(way[-1], every))) if counts.get(v)]
        return counts[self.output], found

    def _counts(self, x: Variable, every: bool) -> dict[Variable, int]:
        counts: dict[Variable, int] = {x: 1}
        stack = [self.output]
        while stack:
            v = stack[-1]
            if v in counts:
                stack.pop()
                continue
            waiting = [w for w in self.links(v, every) if w not in counts]
            if waiting:
                stack += waiting
            else:
                counts[v] = sum([counts[w] for w in self.links(v, every)])
                stack.pop()
        return counts

    def chosen(self, x: Variable) -> tuple[int, list[list[Variable]], bool]:
        """The ways to show: over the user's names, or over every step where there is no name on the way and few steps."""
        if len(self.graph.steps) > LONGEST_CHAIN and not self._between:
            return 1, [[self.output, x]], False  # no name on any way: the one factor is the gradient itself
        count, ways = self.routes(x, False)
        if len(self.graph.steps) <= LONGEST_CHAIN and all(len(way) == 2 for way in ways):
            more, finer = self.routes(x, True)
            if more <= SHOWN_PATHS:
                return more, finer, True
        return count, ways, False

    def line(self, x: Variable, digits: int = 4) -> str:
        """``∂L/∂w = ∂L/∂p · ∂p/∂z · ∂z/∂w = 813.4 · 0.001228 · 6.7 = 6.692``."""
        head = f"∂{self.output.name}/∂{x.name}"
        total = value_text(x.cotangent, digits)
        if x is self.output:
            return f"{head} = {total}"
        count, ways, every = self.chosen(x)
        direct = count > 1
        sums = [" · ".join([_link(a, b, direct and len(way) == 2) for a, b in zip(way, way[1:])]) for way in ways]
        dots = [] if count == len(ways) else [f"({count - len(ways)} more paths)"]
        parts = [head]
        if sums != [head]:
            parts.append(" + ".join([*sums, *dots]))
        elif (formula := self._formula(x)) is not None:
            parts.append(formula)
        scalar = all(v.is_scalar for way in ways for v in way) and self._unseeded()
        if scalar and not dots and (count > 1 or len(ways[0]) > 2):
            parts.append(" + ".join([self._product(way, every, digits) for way in ways]))
        return " = ".join([*parts, total])

    def _unseeded(self) -> bool:
        return bool(np.all(self.output.cotangent == 1))

    def _product(self, way: list[Variable], every: bool, digits: int) -> str:
        return " · ".join([factor(self._number(a, b, every), digits) for a, b in zip(way, way[1:])])

    def _number(self, a: Variable, b: Variable, every: bool) -> Any:
        return np.reshape(self.links(a, every)[b], ())[()]

    def _formula(self, x: Variable) -> str | None:
        """The one local derivative between the output and ``x``."""
        step = self.output.producer
        if step is None or [v for v in step.inputs if v is not None and v.cotangent is not None] != [x]:
            return None
        local = Local(step, step.inputs.index(x), x)
        return None if local.formula is None or not local.factor else text(local.formula)

    def latex_line(self, x: Variable, digits: int = 4) -> str:
        """The same as LaTeX."""
        y = self.output
        head = _latex_link(y, x)
        total = latex_value(x.cotangent, digits)
        if x is y:
            return f"{head} = {total}"
        count, ways, every = self.chosen(x)
        sums = [r" \cdot ".join([_latex_link(a, b) for a, b in zip(way, way[1:])]) for way in ways]
        if count > len(ways):
            sums.append(r"\cdots")
        parts = [head] if sums == [head] else [head, " + ".join(sums)]
        if count == len(ways) and self._unseeded() and all(v.is_scalar for way in ways for v in way) and (count > 1 or len(ways[0]) > 2):
            products = [[_latex_factor(self._number(a, b, every), digits) for a, b in zip(way, way[1:])] for way in ways]
            parts.append(" + ".join([r" \cdot ".join(p) for p in products]))
        return " = ".join([*parts, total])

    def paths(self, x: Variable, limit: int) -> Iterator[Path]:
        """Every way over single steps, one at a time."""
        leads = self._leading(x)
        stack: list[tuple[Variable, tuple[Any, ...], Any]] = [(self.output, (), self.output.cotangent)]
        while stack and limit:
            v, way, ct = stack.pop()
            if v is x and way:
                limit -= 1
                yield _path(self.output, way, ct)
                continue
            step = v.producer
            if step is None:
                continue
            cts = pull_from(step, _only(step, v, ct))
            for i in range(len(cts) - 1, -1, -1):
                w = step.inputs[i]
                if w is not None and cts[i] is not None and w in leads:
                    stack.append((w, (*way, (step, i, w)), cts[i]))

    def _leading(self, x: Variable) -> set[Variable]:
        """The variables that are made from ``x``."""
        found = {x}
        for step in self.graph.steps:
            if any(v in found for v in step.inputs):
                found.update(step.outputs)
        return found


def _only(step: Step, v: Variable, ct: Any) -> Any:
    if not isinstance(step.arrived, tuple):
        return ct
    return tuple([ct if out is v else np.zeros_like(raw(a)) for out, a in zip(step.outputs, step.arrived, strict=True)])


def _path(output: Variable, way: tuple[Any, ...], ct: Any) -> Path:
    found = [Local(step, i, w) for step, i, w in way]
    return Path(
        [output.name, *[w.name for _, _, w in way]],
        ["" if l.formula is None else text(l.formula) for l in found],
        [l.number() if l.factor else None for l in found],
        ct,
    )


def _link(a: Variable, b: Variable, direct: bool) -> str:
    return f"∂{a.name}/∂{b.name}" + ("|direct" if direct else "")


def _latex_link(a: Variable, b: Variable) -> str:
    return rf"\frac{{\partial {latex_name(a.name)}}}{{\partial {latex_name(b.name)}}}"


def _latex_factor(x: Any, digits: int) -> str:
    s = latex_number(x, digits)
    return rf"\left({s}\right)" if s.startswith("-") else s


__all__ = ["Chains", "Path", "number", "partials"]
