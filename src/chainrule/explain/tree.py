"""The expression tree: units from the output back to the leaves, each once.

Where a unit has one input to go on with, the tree goes straight down; it branches for the others, the smaller ones first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .folding import Unit
from .graph import Graph, Variable
from .told import Line, Writer, tell


def tree_lines(graph: Graph, units: list[Unit], writer: Writer) -> list[Line]:
    """The whole tree as lines."""
    maker: dict[Variable, Unit] = {}
    for unit in units:
        maker.update(dict.fromkeys(unit.leaving(graph.output) if unit.kind != "step" else unit.step.outputs, unit))
    weights = _weights(units, maker)
    lines: list[Line] = []
    shown: set[Any] = set()
    # (variable, prefix of its first line, prefix of the lines below)
    stack: list[tuple[Variable, str, str]] = [(graph.output, "", "")]
    while stack:
        v, first, below = stack.pop()
        made_by = maker.get(v)
        if made_by is None:
            lines.append([("tree", first), *_leaf(v, writer)])
            continue
        unit = made_by
        if unit in shown:
            lines.append([("tree", first), ("name", v.name), ("hint", "   as above")])
            continue
        shown.add(unit)
        nexts = _nexts(unit, maker, weights)
        _say(lines, unit, v, writer, first, below, bool(nexts))
        if nexts:
            *branches, main = nexts
            stack.append((main, below, below))
            for w in reversed(branches):
                stack.append((w, below + "├─ ", below + "│  "))
    return lines


def _leaf(v: Variable, writer: Writer) -> Line:
    line: Line = [("leaf", v.name), ("", " = "), ("value", writer.shown(v.value)), ("", "   ")]
    return [*line, *writer.arrival(v)]


def _weights(units: list[Unit], maker: dict[Variable, Unit]) -> dict[Unit, int]:
    """How deep the tree is below each unit."""
    found: dict[Unit, int] = {}
    for unit in units:
        inputs = _inputs(unit)
        found[unit] = 1 + max([found.get(maker[v], 0) for v in inputs if v in maker], default=0)
    return found


def _inputs(unit: Unit) -> list[Variable]:
    if unit.kind != "step":
        return list(unit.entering())
    step = unit.step
    return list(dict.fromkeys([v for v, ct in zip(step.inputs, step.left, strict=True) if v is not None and ct is not None]))


def _nexts(unit: Unit, maker: dict[Variable, Unit], weights: dict[Unit, int]) -> list[Variable]:
    depth: Callable[[Variable], int] = lambda v: weights[maker[v]] if v in maker else 0
    return sorted(_inputs(unit), key=depth)


def _say(lines: list[Line], unit: Unit, v: Variable, writer: Writer, first: str, below: str, more: bool) -> None:
    bar = below + ("│ " if more else "  ")
    if unit.kind == "step":
        told = tell(unit.step)
        lines.append([("tree", first), *writer.head(told)])
        lines.append([("tree", bar), ("", "arrives  "), *writer.arrival(v)])
        lines.extend([("tree", bar), *writer.local(told, given)] for given in told.inputs)
        return
    lines.append([("tree", first), *writer.fold_head(unit)])
    lines.append([("tree", bar), ("", "arrives  "), *writer.arrival(v)])
    lines.extend([("tree", bar), *line] for line in writer.fold_lines(unit))
