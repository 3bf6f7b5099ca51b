"""``check()``: the derivation against central differences of the program, run again in double precision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .graph import Graph, Step, Variable, raw, unpacked_values
from .values import rerun

MOST_ELEMENTS = 24  # of a leaf that are tried; of larger ones some, spread evenly


@dataclass
class Check:
    """How far the gradients are from finite differences: the greatest error of each, relative to its greatest element."""

    errors: dict[str, float]
    tolerance: float
    frozen: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Every error is within the tolerance."""
        return all(e <= self.tolerance for e in self.errors.values())

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [
            f"{name}: error {error:.1e}, {'agrees with' if error <= self.tolerance else 'DIFFERS from'} finite differences"
            for name, error in self.errors.items()
        ]
        if self.frozen:
            lines.append(f"not run again, but taken as linear: {', '.join(self.frozen)}")
        return "\n".join(lines)


class Replay:
    """The program of a graph, run again for other values of its leaves."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.frozen: set[str] = set()
        self.made_up: set[Variable] = set()  # variables whose value the tape does not tell
        self.base = {v: _wide(v.value) for v in graph.variables.values() if v.value is not None}
        self.base = self._all({})

    def __call__(self, changed: dict[Variable, Any]) -> Any:
        """The output for these values of some variables."""
        return self._all(changed)[self.graph.output]

    def _all(self, changed: dict[Variable, Any]) -> dict[Variable, Any]:
        values = {v: x for v, x in self.base.items() if v.producer is None} | changed
        for step in self.graph.steps:
            if any(out in changed for out in step.outputs):
                continue
            result = self._run(step, values)
            for out, one in zip(step.outputs, result, strict=True):
                values[out] = one
        return values

    def _run(self, step: Step, values: dict[Variable, Any]) -> list[Any]:
        given = [None if v is None else values.get(v, _wide(v.value)) for v in step.inputs]
        runs = _is_known(step, given) and not any(v in self.made_up for v in step.inputs)
        result = rerun(step, given) if runs else None
        if result is None:
            return [self._linear(step, out, values) for out in step.outputs]
        return [result[out.index] if isinstance(result, tuple) else result for out in step.outputs]

    def _linear(self, step: Step, out: Variable, values: dict[Variable, Any]) -> Any:
        """Where the step cannot be run (it holds a constant that nothing tells, or is a user's function): its tangent."""
        self.frozen.add(step.opname)
        base = self.base.get(out)
        if base is None:
            base = np.zeros(out.shape or ())
            self.made_up.add(out)
        moved = [(i, values[v] - self.base[v]) for i, v in enumerate(step.inputs) if v in values and v in self.base and v is not None]
        moved = [(i, d) for i, d in moved if np.any(d)]
        return base if not moved else base + push(step, moved)[step.outputs.index(out)]


def push(step: Step, moved: list[tuple[int, Any]]) -> list[Any]:
    """J d for the directions d of some inputs, one for each output of the step, by the transpose of its rules."""
    from ..core.grad import grad
    from ..core.modes import MODES
    from ..core.tensor import wrap

    sent = step.arrived if isinstance(step.arrived, tuple) else (step.arrived,)
    before = MODES.grad
    MODES.grad = True
    try:
        dummies = [wrap(np.zeros(raw(g).shape, raw(g).dtype)).requires_grad_() for g in sent]
        with unpacked_values(step.node):
            cts = step.node.pull_tensors(tuple(dummies) if isinstance(step.arrived, tuple) else dummies[0], True)
        total: Any = None
        for i, d in moved:
            ct = cts[i]
            if ct is not None and ct._gn is not None:
                part = (ct * wrap(np.asarray(d, ct.dtype.np))).sum()
                total = part if total is None else total + part
        if total is None:
            return [np.zeros(raw(g).shape) for g in sent]
        return [t._value.astype(np.float64) for t in grad(total, dummies, materialize_grads=True)]
    finally:
        MODES.grad = before


def _is_known(step: Step, given: list[Any]) -> bool:
    return all(x is not None or v is None for x, v in zip(given, step.inputs, strict=True))


def _wide(value: Any) -> Any:
    """In double precision."""
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fV" and value.dtype != np.float64:
        return value.astype(np.float64)
    return value


def check(graph: Graph, tolerance: float) -> Check:
    """Central differences in the direction of every element (of large leaves, of some), against the cotangents."""
    replay = Replay(graph)
    errors: dict[str, float] = {}
    with np.errstate(all="ignore"):
        for v in graph.wanted:
            if v.value is not None:
                errors[v.name] = _error(replay, v)
    return Check(errors, tolerance, sorted(replay.frozen))


def _error(replay: Replay, v: Variable) -> float:
    x = np.asarray(replay.base[v], np.float64)
    weights = np.asarray(replay.graph.output.cotangent, np.float64)
    want = np.asarray(v.cotangent, np.float64).reshape(-1)
    if not x.size:
        return 0.0
    # Of a gradient that is 0 no error is relative to anything but the output, whose differences are rounded.
    size = float(np.abs(np.asarray(replay.base[replay.graph.output])).max())
    scale = max(float(np.abs(want).max()), 1e-4 * max(1.0, size))
    worst = 0.0
    for k in np.unique(np.linspace(0, x.size - 1, min(x.size, MOST_ELEMENTS)).astype(int)):
        # Where a step computes in single precision, the smaller difference drowns in its rounding.
        slopes = [_slope(replay, v, x, int(k), weights, h) for h in (1e-5, 1e-3)]
        worst = max(worst, min([abs(slope - float(want[k])) for slope in slopes]) / scale)
    return worst


def _slope(replay: Replay, v: Variable, x: Any, k: int, weights: Any, size: float) -> float:
    h = size * max(1.0, abs(float(x.reshape(-1)[k])))
    ends = []
    for sign in (1, -1):
        moved = x.copy()
        moved.reshape(-1)[k] += sign * h
        ends.append(np.asarray(replay({v: moved[()]}), np.float64))
    return float(((ends[0] - ends[1]) * weights).sum() / (2 * h))
