"""Why ``x.grad`` is zero: where on the way from the loss the cotangent dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .graph import Graph, Step
from .why_graph import Telling, arrays, below, family, graph_of, number, shown, slopes, unknown
from .why_none import Asked
from .why_report import Finding

_RELUS = frozenset("relu threshold relu6 hardshrink softshrink hardswish".split())
_SATURATING = frozenset("sigmoid tanh hardtanh hardsigmoid erf softmax log_softmax log_sigmoid exp".split())
_CLAMPS = frozenset("clamp clamp_min clamp_max hardtanh".split())
_CHOOSERS = frozenset(
    """where maximum minimum fmax fmin amax amin max min masked_fill max_pool2d max_pool3d gather index_select index take select slice
    median kthvalue topk masked_select embedding""".split()
)
_ROUNDING = frozenset("round floor ceil trunc sign heaviside floor_divide sgn div_floor div_trunc round_decimals".split())
_JOINING = frozenset("stack cat put_view copy_slices expand view".split())
_PRODUCTS = frozenset("mul matmul mm bmm mv dot addmm baddbmm linear linear_mm linear_row row_mm convolution addmv".split())


def why_zero(asked: Asked) -> list[Finding]:
    """The steps at which the whole rest of the cotangent on the way to ``x`` becomes zero."""
    graph = graph_of(asked)
    if graph is None:
        return unknown(asked, f"The gradient of {asked.name} is zero everywhere")
    variable = graph.of(asked.x)
    if variable is None:
        return []
    telling = Telling(asked, graph)
    found = []
    ways = below(variable)
    for step, i in ways:
        ct = step.left[i]
        if ct is not None and _some(step.arrived) and not np.any(ct):
            found.append(cause(telling, step, i))
    if not found and ways and variable.cotangent is not None and not np.any(variable.cotangent):
        if any(_some(s.arrived) for s, _i in ways):
            text = f"The contributions to the gradient of {asked.name} from its uses cancel each other."
            found.append(Finding("cancel", text, "look whether the loss really depends on it (x - x does not)", telling.line(ways[-1][0])))
        else:
            found.append(Finding("zero-cotangent", "Backward was started with a cotangent of zeros.", "pass gradient=ones, or none"))
    return _merged(found) + _partly(telling, ways)


def _some(g: Any) -> bool:
    return any(bool(np.any(a)) for a in arrays(g))


def _merged(found: list[Finding]) -> list[Finding]:
    """Each sentence once."""
    return list({(f.text, f.line): f for f in found}.values())


def _partly(telling: Telling, ways: list[tuple[Step, int]]) -> list[Finding]:
    """The ReLUs on the way that are mostly dead, though not altogether."""
    found: list[Finding] = []
    for step, _i in ways:
        if step.opname in _RELUS and len(found) < 3:
            share = dead_share(step)
            if share is not None and 0.5 <= share < 1:
                found.append(_relu(telling, step, share))
    return _merged(found)


def cause(telling: Telling, step: Step, i: int) -> Finding:
    """What made the cotangent of input ``i`` zero at this step."""
    name = family(step.opname)
    if name in _JOINING:
        chosen = _narrowed(step)
        if chosen is not None:
            return cause(telling, *chosen)
    x = step.inputs[i]
    value = None if x is None else x.value
    for names, tell in _TELLERS:
        if name in names:
            answer = tell(telling, step, i, value)
            if answer is not None:
                return answer
    return _underflow(telling, step, i) or Finding(
        "flat", f"The derivative of {name} is zero at its argument, {shown(value)}{telling.layer(step)}.",
        "start from another point, or use a function that is not flat there", telling.line(step),
    )  # fmt: skip


def _narrowed(step: Step) -> tuple[Step, int] | None:
    """The nearest step towards the loss that let only a part of its cotangent through: a joining step just passes that on."""
    stack, passed = [step], {id(step)}
    while stack:
        for out in stack.pop(0).outputs:
            for consumer, i in out.consumers:
                ct, g = consumer.left[i], arrays(consumer.arrived)
                if ct is not None and g and np.mean(np.asarray(ct) != 0) < np.mean(np.asarray(g[0]) != 0):
                    return (consumer, i) if family(consumer.opname) not in _JOINING else None
                if id(consumer) not in passed:
                    passed.add(id(consumer))
                    stack.append(consumer)
    return None


def dead_share(step: Step) -> float | None:
    """Which share of a ReLU's units gives zero for every row; None where its input is not known."""
    out = step.outputs[0].value if step.outputs else None
    x = step.inputs[0].value if step.inputs and step.inputs[0] is not None else None
    if x is None and out is None:
        return None
    dead = np.asarray(x) <= 0 if x is not None else np.asarray(out) == 0
    if dead.ndim > 1:
        dead = dead.all(axis=0)
    return float(dead.mean()) if dead.size else None


def _relu(telling: Telling, step: Step, share: float | None = None) -> Finding:
    share = dead_share(step) if share is None else share
    part = "All" if share is None or share == 1 else f"{share:.0%} of the"
    text = f"{part} ReLUs{telling.layer(step)} are dead: their input is negative for every row, where the derivative is 0."
    return Finding("dead-relu", text, "a smaller learning rate, a smaller or positive bias, nn.init.kaiming_*, or leaky_relu, gelu",
                   telling.line(step))  # fmt: skip


def _on_relu(telling: Telling, step: Step, i: int, value: Any) -> Finding | None:
    return _relu(telling, step)


def _on_saturation(telling: Telling, step: Step, i: int, value: Any) -> Finding | None:
    if value is None and step.outputs[0].value is None:
        return None
    what = f"input {shown(value)}" if value is not None else f"output {shown(step.outputs[0].value)}"
    text = f"{step.opname}{telling.layer(step)} is saturated ({what}): its slope is 0 in {_dtype(step)}."
    return Finding("saturated", text, "scale the input down (normalise it, smaller initial weights), or compute the loss from the logits",
                   telling.line(step))  # fmt: skip


def _dtype(step: Step) -> str:
    found = arrays(step.arrived)
    return str(found[0].dtype) if found else "its dtype"


def _on_clamp(telling: Telling, step: Step, i: int, value: Any) -> Finding | None:
    if i:
        return None
    bounds = [v.value for v in step.inputs[1:] if v is not None and v.value is not None]
    bounds += [step.known[k] for k in ("min", "max", "min_val", "max_val") if step.known.get(k) is not None]
    told = f" ({', '.join(shown(b) for b in bounds)})" if bounds else ""
    text = f"{step.opname} cuts the gradient: {telling.name(step.inputs[0])} = {shown(value)} is outside of its bounds{told}."
    remedy = "widen the bounds, start inside of them, or use a smooth bound such as sigmoid or softplus"
    return Finding("clamped", text, remedy, telling.line(step))


def _on_choice(telling: Telling, step: Step, i: int, value: Any) -> Finding | None:
    text = f"{step.opname} never chose {telling.name(step.inputs[i])}: what is not chosen gets a gradient of 0."
    return Finding("never-chosen", text, "use a smooth choice (softmax, logsumexp), or look at the condition", telling.line(step))


def _on_product(telling: Telling, step: Step, i: int, value: Any) -> Finding | None:
    for k, v in enumerate(step.inputs):
        if k != i and v is not None and v.value is not None and not np.any(v.value):
            text = f"{telling.name(step.inputs[i])} is multiplied by zero: {telling.name(v)} = {shown(v.value)} in {step.opname}."
            return Finding("times-zero", text, "look where the zeros come from (a weight that starts at 0, an empty mask, dead units)",
                           telling.line(step))  # fmt: skip
    return None


def _on_rounding(telling: Telling, step: Step, i: int, value: Any) -> Finding | None:
    text = f"{step.opname} rounds: it is constant between its steps, so its derivative is 0."
    remedy = "leave it out of the loss, or let the gradient pass: y = x + (x.round() - x).detach()"
    return Finding("rounding", text, remedy, telling.line(step))


def _underflow(telling: Telling, step: Step, i: int) -> Finding | None:
    """The product is too small for the dtype, though neither factor is zero."""
    try:
        slope = slopes(telling.graph, step)[i]
    except (RuntimeError, IndexError, AttributeError):
        return None
    if slope is None or not np.any(slope):
        return None
    g = np.abs(arrays(step.arrived)[0])
    factors = f"A cotangent of {number(g.max())} times a derivative of {number(np.abs(slope).max())} in {step.opname}"
    text = f"{factors} rounds to 0 in {_dtype(step)}."
    return Finding("underflow", text, "scale the loss or the inputs, or compute in float64", telling.line(step))


_Teller = Callable[[Telling, Step, int, Any], Finding | None]
_TELLERS: list[tuple[frozenset[str], _Teller]] = [
    (_RELUS, _on_relu),
    (_CLAMPS, _on_clamp),
    (_SATURATING, _on_saturation),
    (_CHOOSERS, _on_choice),
    (_PRODUCTS, _on_product),
    (_ROUNDING, _on_rounding),
]


def dead_relus(asked: Asked, graph: Graph) -> list[Finding]:
    """Every ReLU of the graph of which half or more is dead."""
    telling = Telling(asked, graph)
    shares = [(step, dead_share(step)) for step in graph.steps if step.opname in _RELUS]
    return _merged([_relu(telling, step, share) for step, share in shares if share is not None and share >= 0.5])
