"""Why ``x.grad`` (or a loss) is NaN or infinite: the first step at which it became so, with the operands there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import edge_of
from ..core.telling import reaches
from ..core.tensor import Tensor
from .graph import Graph, Step, Variable
from .why_graph import Telling, arrays, below, family, graph_of, number, unknown
from .why_live import name_of
from .why_none import AGAIN, Asked
from .why_report import Finding
from .why_watch import Birth, finite

_SAFE = "keep the argument away from it: {} (and torch.where before the operation, not after it)"
_REMEDIES = {
    "sqrt": "add a small number below the root, sqrt(x + eps), or take the root of torch.where(x > 0, x, 1)",
    "rsqrt": "add a small number: rsqrt(x + eps)",
    "norm": "use the squared norm, or (x.square().sum() + eps).sqrt()",
    "log": "log(x.clamp_min(eps)), or compute from the logits: log_softmax, logsigmoid, binary_cross_entropy_with_logits",
    "div": "divide by something that is never 0: x / (y + eps), or x / torch.where(y == 0, 1, y)",
    "exp": "subtract the largest argument first (softmax and logsumexp do), or clamp the argument",
    "pow": "keep the base away from 0 where the exponent is below 1 (x + eps)",
    "acos": _SAFE.format("x.clamp(-1 + eps, 1 - eps)"),
    "tan": _SAFE.format("away from π/2"),
    "where": "choose the argument before the operation: f(torch.where(mask, x, 1)) instead of torch.where(mask, f(x), 0)",
    "sum": "a smaller learning rate or normalised inputs: the numbers leave the range of the dtype",
}
_FAMILIES = {
    "dist": "norm", "cdist": "norm", "euclidean_dist": "norm", "log2": "log", "log10": "log",
    "log1p": "log", "xlogy": "log", "logit": "log",
    "reciprocal": "div", "exp2": "exp", "expm1": "exp", "sinh": "exp", "cosh": "exp", "asin": "acos", "acosh": "acos", "atanh": "acos",
    "erfinv": "acos", "std": "sqrt", "binary_cross_entropy": "log",
}  # fmt: skip


def remedy_of(operation: str) -> str:
    """What to do about an operation that gave a value that is not finite."""
    name = family(operation)
    name = "norm" if "norm" in name else _FAMILIES.get(name, name)
    return _REMEDIES.get(name, _REMEDIES["sum"])


def kind_of(operation: str, a: Any) -> str:
    """``nan`` or ``inf``, whichever is there."""
    return "NaN" if np.isnan(a).any() else "inf"


def why_nan(asked: Asked) -> list[Finding]:
    """The first step, forward or backward, at which something was not finite."""
    graph = graph_of(asked)
    if graph is None:
        born = _seen_births(asked, None)
        return born or unknown(asked, f"The gradient of {asked.name} is not finite")
    telling = Telling(asked, graph)
    found: list[Finding] = []
    if not finite(graph.output.value):
        found = _seen_births(asked, graph) or _forward(telling)
    if not found:
        variable = graph.of(asked.x)
        found = _backward(telling, below(variable) if variable is not None else _all(graph))
    return (
        found
        or _forward(telling)
        or [
            Finding(
                "accumulated",
                f"No step of this loss makes the gradient of {asked.name} infinite or NaN: an earlier backward added it.",
                "optimizer.zero_grad() before backward(); parameters that are NaN already have to be made anew",
            )
        ]
    )


def of_value(asked: Asked) -> list[Finding]:
    """The first step at which the value of ``x`` itself became NaN or infinite."""
    born = _seen_births(asked, None)
    if born:
        return born
    asked.loss = asked.x if asked.x.numel() == 1 else asked.x.sum()
    graph = graph_of(asked)
    if graph is None:
        return [Finding("value", f"{asked.name} holds values that are not finite.", AGAIN)]
    return _forward(Telling(asked, graph))


def _all(graph: Graph) -> list[tuple[Step, int]]:
    return [(s, i) for s in reversed(graph.steps) for i in range(len(s.inputs))]


def _seen_births(asked: Asked, graph: Graph | None) -> list[Finding]:
    """The first birth that was seen on the way; without a graph, that of what ``x`` was computed from or led to."""
    seen = asked.seen
    for birth in seen.births if seen is not None else ():
        if graph is None:
            related = birth.node is not None and (_connected(birth.node, asked.x))
        elif birth.node is None:
            related = any(b.graph is graph for b in seen.backwards)  # type: ignore[union-attr]
        else:
            related = any(step.node is birth.node for step in graph.steps)
        if related:
            return [_of_birth(asked, birth)]
    return []


def _connected(node: Any, x: Tensor) -> bool:
    edge = edge_of(x)
    mine = edge.node if edge.is_slot else edge
    return reaches(node, mine) or reaches(mine, node)


def _of_birth(asked: Asked, birth: Birth) -> Finding:
    value = birth.result._value
    index = _first_bad(value)
    at = [f"{name_of(o, asked.names, 'its operand')} = {_element(o._value, index, value)}" for o in birth.operands]
    text = f"{birth.operation} gave {_element(value, index, value)} first: {', '.join(at)}{_position(index)}."
    return Finding(f"forward-{birth.operation}", text, remedy_of(birth.operation), birth.place)


def _first_bad(a: Any) -> tuple[int, ...]:
    a = np.asarray(a)
    return tuple(int(k) for k in np.argwhere(~np.isfinite(a))[0]) if a.ndim else ()


def _element(a: Any, index: tuple[int, ...], of: Any) -> str:
    """The element of ``a`` that goes with an element of ``of``, by broadcasting; else the range."""
    a = np.asarray(a)
    if a.ndim == 0 or a.size == 1:
        return number(a.reshape(-1)[0])
    try:
        return number(np.broadcast_to(a, np.shape(of))[index])
    except ValueError:
        return f"{a.size} values from {number(a.min())} to {number(a.max())}"


def _position(index: tuple[int, ...]) -> str:
    return f" at index {index if len(index) > 1 else index[0]}" if index else ""


def _forward(telling: Telling) -> list[Finding]:
    """The first step of the program of which the output is not finite, and the inputs are."""
    for v in telling.graph.variables.values():
        if v.leaf is not None and v.value is not None and not finite(v.value):
            text = f"{telling.name(v)} itself holds {kind_of('', v.value)}{_position(_first_bad(v.value))}."
            return [Finding("leaf", text, "look at the data, or at the step of the optimizer that wrote it (too large a learning rate)")]
    for step in telling.graph.steps:
        for out in step.outputs:
            if out.value is None or finite(out.value) or not arrays(out.value):
                continue
            known = [v for v in step.inputs if v is not None and v.value is not None]
            bad = [v for v in known if not finite(v.value)]
            if bad and bad[0].is_constant:
                text = f"{telling.name(bad[0])}, an argument of {step.opname}, holds {kind_of('', bad[0].value)}."
                return [Finding("data", text, "look at the data", telling.line(step))]
            if not bad:
                return [_of_step(telling, step, out)]
    return []


def _of_step(telling: Telling, step: Step, out: Variable) -> Finding:
    index = _first_bad(out.value)
    text = (
        f"{step.opname} gave {_element(out.value, index, out.value)} first: {_operands(telling, step, index, out.value)}{_position(index)}."
    )
    return Finding(f"forward-{step.opname}", text, remedy_of(step.opname), telling.line(step))


def _operands(telling: Telling, step: Step, index: tuple[int, ...], of: Any) -> str:
    told = [f"{telling.name(v)} = {_element(v.value, index, of)}" for v in step.inputs if v is not None and v.value is not None]
    return ", ".join(told) or "its operands were not kept"


def _backward(telling: Telling, ways: list[tuple[Step, int]]) -> list[Finding]:
    """The first step of the backward pass that made a cotangent NaN or infinite out of a finite one."""
    for step, i in ways:
        ct = step.left[i]
        if ct is None or finite(ct) or not all(finite(a) for a in arrays(step.arrived)):
            continue
        return [_of_slope(telling, step, i, ct)]
    return []


def _of_slope(telling: Telling, step: Step, i: int, ct: Any) -> Finding:
    index = _first_bad(ct)
    g = arrays(step.arrived)[0]
    x = step.inputs[i]
    at = f"{telling.name(x)} = {_element(x.value, index, ct)}" if x is not None and x.value is not None else "its operand"
    arrived = _element(g, index, ct) if np.shape(g) in ((), np.shape(ct)) else number(np.abs(g).max())
    told = f"the derivative of {step.opname} at {at}{_position(index)} is not finite"
    if arrived in ("0", "-0"):
        chooser = _chooser(step)
        why = (
            f"{chooser.opname} did not choose it, so its cotangent is 0, and 0 · inf = NaN"
            if chooser
            else "its cotangent is 0, and 0 · inf = NaN"
        )
        text = f"The gradient became NaN in {step.opname}: {told}; {why}."
        return Finding("where" if chooser else f"backward-{step.opname}", text,
                       remedy_of("where" if chooser else step.opname), telling.line(step))  # fmt: skip
    text = f"The gradient became {kind_of('', ct)} in {step.opname}: {told}."
    return Finding(f"backward-{step.opname}", text, remedy_of(step.opname), telling.line(step))


def _chooser(step: Step) -> Step | None:
    """The ``where`` (or mask) below, which left the step's result out."""
    stack = [step]
    for _ in range(20):
        if not stack:
            return None
        one = stack.pop(0)
        for out in one.outputs:
            for consumer, _i in out.consumers:
                if consumer.opname in ("where", "masked_fill", "maximum", "minimum", "clamp", "clamp_min", "clamp_max"):
                    return consumer
                stack.append(consumer)
    return None
