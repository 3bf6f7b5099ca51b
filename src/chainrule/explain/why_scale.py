"""Vanishing and exploding gradients: norms by layer, and where the factor is lost or gained."""

from __future__ import annotations

import math
from collections import defaultdict
from types import FrameType
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .explorer_names import Names
from .graph import Graph, Step
from .why_graph import Telling, arrays, below, graph_of, number
from .why_none import AGAIN, Asked
from .why_report import Finding, Findings
from .why_watch import watch

FACTOR = 1e3  # between the layers, from which on a gradient vanishes or explodes

_REMEDIES = {
    "vanishing": "ReLU-like activations, nn.init.kaiming_* or xavier_*, normalisation, residual connections (x + f(x)),"
    " shorter recurrences or an LSTM",
    "exploding": "smaller initial weights (nn.init.orthogonal_, xavier_*), normalisation, a smaller learning rate,"
    " nn.utils.clip_grad_norm_ before optimizer.step()",
}  # fmt: skip


def norm(a: Any) -> float:
    """The Euclidean norm, safe from overflow."""
    a = np.abs(np.asarray(a, dtype=np.complex128 if np.iscomplexobj(a) else np.float64))
    top = float(a.max()) if a.size else 0.0
    return top * float(np.sqrt(np.sum((a / top) ** 2))) if 0 < top < math.inf else top


def rms(a: Any) -> float:
    """The norm per element: comparable between tensors of different sizes."""
    return norm(a) / math.sqrt(max(1, np.size(a)))


def why_scale(asked: Asked, value: Any) -> Findings:
    """What there is to say of a gradient that is there, finite and not zero."""
    title = f"{asked.name}.grad has norm {number(norm(value))}."
    graph = graph_of(asked)
    if graph is None:
        return Findings(title, _among_others(asked, value))
    from .why_zero import dead_relus

    return Findings(title, _verdict(Telling(asked, graph), [asked.x]) + dead_relus(asked, graph))


def _among_others(asked: Asked, value: Any) -> list[Finding]:
    """Compared with the other parameters of the same module tree, where the graph is gone."""
    others = [
        (p, rms(p._grad._value))
        for o in asked.live.modules for p in o.__dict__.get("_parameters", {}).values()
        if p is not None and p is not asked.x and p._grad is not None and isinstance(p._grad._value, (np.ndarray, np.generic))
    ]  # fmt: skip
    if not others or asked.live.owner(asked.x) is None:
        return []
    largest, mine = max(others, key=lambda pair: pair[1]), rms(value)
    if mine * FACTOR < largest[1]:
        times = number(largest[1] / mine)
        text = f"It is {times} times smaller, per element, than that of {asked.name_of(largest[0])}: it vanishes on the way."
        return [Finding("vanishing", text, f"{_REMEDIES['vanishing']}; to see where, {AGAIN}")]
    return []


def of_module(module: Any, loss: Tensor | None, frame: FrameType | None, names: Names) -> Findings:
    """All parameters of a module: which have no gradient, and how the norms go from layer to layer."""
    from .why_nan import why_nan
    from .why_none import why_none
    from .why_zero import dead_relus, why_zero

    found: list[Finding] = []
    names.add("", module)
    rows = []
    asked = None
    for name, p in module.named_parameters():
        asked = Asked(p, loss, frame, names, watch.last)
        grad = p._grad
        if grad is None:
            rows.append(f"  {name}: None")
            found += why_none(asked)
            continue
        value = grad._value
        rows.append(f"  {name}: {number(norm(value))}")
        if not np.isfinite(value).all():
            found += why_nan(asked)
        elif not np.any(value):
            found += why_zero(asked)
    title = "\n".join([f"Norms of the gradients of {type(module).__name__}:", *rows])
    if asked is not None and not found:
        graph = graph_of(asked)
        if graph is not None:
            found += _verdict(Telling(asked, graph), list(module.parameters())) + dead_relus(asked, graph)
    return Findings(title, {(f.text, f.line): f for f in found}.values())


def _verdict(telling: Telling, params: list[Tensor]) -> list[Finding]:
    """Whether the cotangent vanishes or explodes between the loss and the first layer, and the steps that do most of it."""
    graph = telling.graph
    first = _first(graph, params)
    if first is None:
        return []
    ways = below(first)
    start, end = _sizes(graph, ways)
    if not start or not end:
        return []
    factor = end / start
    if 1 / FACTOR < factor < FACTOR:
        return []
    kind = "vanishing" if factor < 1 else "exploding"
    verb = "loses" if factor < 1 else "gains"
    text = (
        f"On the way from the loss to {telling.name(first)} the gradient {verb} a factor of {number(max(factor, 1 / factor))} per element."
    )
    found = [Finding(kind, text + _by_layer(telling, ways), _REMEDIES[kind])]
    for (op, line, layer), (total, count) in _worst(telling, ways, factor < 1)[:3]:
        times = f"{count} times, together" if count > 1 else "once,"
        what = f"{op}{layer}: {times} × {number(10**total)}."
        found.append(Finding(f"{kind}-at", what, "", line))
    return found


def _first(graph: Graph, params: list[Tensor]) -> Any:
    """The parameter that is farthest from the loss."""
    known = [v for v in map(graph.of, params) if v is not None and v.consumers]
    return min(known, key=lambda v: min(s.number for s, _i in v.consumers)) if known else None


def _sizes(graph: Graph, ways: list[tuple[Step, int]]) -> tuple[float, float]:
    """RMS of the cotangent where the last layer gets it and where the first use of the parameter does."""
    if not ways:
        return 0.0, 0.0
    last = _layers(graph)
    top = last[-1] if last else ways[0][0]
    at_top = arrays(top.arrived)
    bottom = min((s for s, _i in ways), key=lambda s: s.number)
    at_bottom = arrays(bottom.arrived)
    return (rms(at_top[0]) if at_top else 0.0), (rms(at_bottom[0]) if at_bottom else 0.0)


def _layers(graph: Graph) -> list[Step]:
    """The steps that take a leaf, in the order of the program."""
    return [s for s in graph.steps if any(v is not None and v.leaf is not None for v in s.inputs)]


def _by_layer(telling: Telling, ways: list[tuple[Step, int]]) -> str:
    on_way = {id(s) for s, _i in ways}
    rows = []
    for step in reversed(_layers(telling.graph)):
        if id(step) not in on_way or not arrays(step.arrived):
            continue
        leaf = next(v for v in step.inputs if v is not None and v.leaf is not None)
        rows.append(f"    at {telling.name(leaf)}: {number(rms(arrays(step.arrived)[0]))}")
    if len(rows) > 12:
        rows = [*rows[:6], f"    … {len(rows) - 12} more …", *rows[-6:]]
    return "\n  The cotangent per element, from the loss down:\n" + "\n".join(rows) if len(rows) > 1 else ""


def _worst(telling: Telling, ways: list[tuple[Step, int]], lost: bool) -> list[tuple[tuple[str, str, str], tuple[float, int]]]:
    """Steps of one operation, line and layer together, by the factor (as a power of ten) that they lose or gain."""
    sums: dict[tuple[str, str, str], tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for step, i in ways:
        ct, g = step.left[i], arrays(step.arrived)
        if ct is None or not g:
            continue
        v = step.inputs[i]
        if v is not None and v.leaf is not None:
            continue
        before, after = rms(g[0]), rms(ct)
        if before and after and math.isfinite(before) and math.isfinite(after):
            key = (step.opname, telling.line(step), telling.layer(step))
            total, count = sums[key]
            sums[key] = (total + math.log10(after / before), count + 1)
    return sorted(
        [(k, s) for k, s in sums.items() if (s[0] < -0.3 if lost else s[0] > 0.3)], key=lambda item: item[1][0] if lost else -item[1][0]
    )
