"""The silent mistakes, one function each: from what was seen to findings."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

from ..core.tensor import Tensor
from .explorer_names import Names
from .lint_watch import Events, spreads
from .why_live import Live, held_by, name_of
from .why_report import Finding

_SYMMETRIC = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
_SENSITIVE = ("Dropout", "BatchNorm")


class Seen:
    """What the checks look at."""

    def __init__(self, events: Events, names: Names, live: Live) -> None:
        self.events = events
        self.names = names
        self.live = live
        self.roots = list({id(c.module): c.module for c in events.calls}.values())
        self.optimizers = [o for o, _place in events.stepped.values()]
        self.own = {id(p): f"{type(m).__name__}: {n}" for m in self.roots for n, p in m.named_parameters()}

    def name(self, t: Tensor) -> str:
        """The user's name of a parameter."""
        return self.names.leaves.get(id(t)) or self.own.get(id(t)) or name_of(t, self.names)


def _listed(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    return ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")


def forgotten_zero_grad(seen: Seen) -> list[Finding]:
    """A gradient was used for an update, and the next backward added to it."""
    stale = seen.events.stale
    if not stale:
        return []
    order = {key: i for i, key in enumerate(seen.own)}
    names = _listed(seen.name(t) for _place, t in sorted(stale, key=lambda pair: order.get(id(pair[1]), 0)))
    text = f"backward() adds to gradients that an update has used already ({names}): they are never cleared."
    call = "optimizer.zero_grad()" if seen.optimizers else "w.grad = None (or w.grad.zero_())"
    return [Finding("zero-grad", text, f"call {call} before backward() in every step", stale[0][0])]


def broadcast_loss(seen: Seen) -> list[Finding]:
    """(N,) against (N, 1)."""
    found = [
        (loss.place, loss.name, tuple(loss.input.shape), tuple(loss.target.shape))
        for loss in seen.events.losses
        if loss.name in _SYMMETRIC and spreads(tuple(loss.input.shape), tuple(loss.target.shape))
    ]
    found += [(place, "the difference", a, b) for place, a, b in seen.events.differences]
    result = []
    for place, what, a, b in found:
        n = max(a + b)
        text = f"{what} of shapes {a} and {b} is broadcast to ({n}, {n}): every prediction is compared with every target."
        result.append(Finding("broadcast", text, "give both one shape: prediction.squeeze(-1), or target.unsqueeze(-1)", place))
    return result


def wrong_link(seen: Seen) -> list[Finding]:
    """Softmax before cross entropy, and its relatives."""
    told = {
        ("cross_entropy", "softmax"): ("cross_entropy applies log_softmax itself", "pass the logits: leave the softmax out"),
        ("binary_cross_entropy_with_logits", "sigmoid"): ("it applies the sigmoid itself", "pass the logits: leave the sigmoid out"),
        ("nll_loss", "softmax"): ("nll_loss takes logarithms of probabilities", "use log_softmax, or cross_entropy of the logits"),
    }
    found = []
    for loss in seen.events.losses:
        known = told.get((loss.name, loss.made_by))
        if known is not None:
            text = f"The input of {loss.name} is the result of {loss.made_by}, but {known[0]}."
            found.append(Finding(loss.made_by, text, known[1], loss.place))
    return found


def target_with_gradient(seen: Seen) -> list[Finding]:
    """A target that gradients flow into."""
    return [
        Finding(
            "target",
            f"The target of {loss.name} requires grad: the loss also moves the target towards the prediction.",
            "target.detach(), or compute it inside no_grad()",
            loss.place,
        )
        for loss in seen.events.losses
        if loss.target._gn is not None and loss.input._gn is not None
    ]


def _sensitive(module: Any) -> str:
    """The layers of a module that compute differently in training."""
    kinds = [type(m).__name__ for m in module.modules() if any(s in type(m).__name__ for s in _SENSITIVE) and getattr(m, "p", True)]
    return _listed(kinds)


def mode(seen: Seen) -> list[Finding]:
    """``eval()`` left on in training, or forgotten in evaluation."""
    found = []
    for call in seen.events.calls:
        layers = _sensitive(call.module)
        if not layers:
            continue
        name = type(call.module).__name__
        trained = any(id(p) in seen.events.reached for p in call.module.parameters())
        if call.recorded and trained and not call.training and seen.events.stepped:
            text = f"{name} is trained in evaluation mode: its {layers} do not act."
            found.append(Finding("eval-left-on", text, "model.train() before the training loop, and after every evaluation", call.place))
        if not call.recorded and call.training:
            text = f"{name} is evaluated (nothing is recorded) in training mode: its {layers} act at random or by the batch."
            found.append(Finding("eval-forgotten", text, "model.eval() before the evaluation, model.train() after it", call.place))
    return found


def not_in_the_optimizer(seen: Seen) -> list[Finding]:
    """Parameters with a gradient that nobody updates."""
    if not seen.optimizers:
        return []
    held = {id(p) for o in (*seen.optimizers, *seen.live.optimizers) for p in held_by(o)}
    missing = [p for m in seen.roots for p in m.parameters() if p.requires_grad and id(p) in seen.events.reached and id(p) not in held]
    place = next(iter(seen.events.stepped.values()))[1]
    remedy = "make the optimizer from the parameters of the whole model, after the model is complete"
    if missing:
        text = f"{_listed(seen.name(p) for p in missing)}: a gradient is computed, but no optimizer holds the parameter."
        return [Finding("not-in-optimizer", text, remedy, place)]
    idle = [o for o in seen.optimizers if not any(id(p) in seen.events.reached for p in held_by(o))]
    if idle and seen.events.reached:
        return [Finding("not-in-optimizer", f"No parameter of {type(idle[0]).__name__} is reached by the loss.", remedy, place)]
    return []


def hidden_modules(seen: Seen) -> list[Finding]:
    """Modules and parameters in a plain list, which ``parameters()`` does not find."""
    found = []
    for root in seen.roots:
        known = {id(p) for p in root.parameters()}
        for module in root.modules():
            for name, value in vars(module).items():
                if name.startswith("_") or not isinstance(value, (list, tuple, dict)):
                    continue
                parts = list(value.values()) if isinstance(value, dict) else list(value)
                hidden = [p for p in parts if _hides(p, known)]
                if hidden:
                    kind = type(value).__name__
                    box = "ParameterList" if isinstance(hidden[0], Tensor) else "ModuleDict" if kind == "dict" else "ModuleList"
                    text = (
                        f"{type(module).__name__}.{name} is a {kind}: parameters() does not find what is in it, and no optimizer trains it."
                    )
                    found.append(Finding("hidden-modules", text, f"self.{name} = nn.{box}(…)", _assigned(type(module), name)))
    return found


def _hides(part: Any, known: set[int]) -> bool:
    if isinstance(part, Tensor):
        return type(part).__name__ == "Parameter" and id(part) not in known
    return hasattr(type(part), "named_parameters") and any(id(p) not in known for p in part.parameters())


def _assigned(cls: type, name: str) -> str:
    """The line of the class that assigns ``self.name``."""
    try:
        lines, first = inspect.getsourcelines(cls)
        file = inspect.getsourcefile(cls)
        tree = ast.parse(inspect.cleandoc("\n" + "".join(lines)) if not lines[0][:1].isspace() else _dedented(lines))
    except (OSError, TypeError, SyntaxError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Store):
            return f"{file}:{first + node.lineno - 1}"
    return ""


def _dedented(lines: list[str]) -> str:
    import textwrap

    return textwrap.dedent("".join(lines))


def overflowing_rate(seen: Seen) -> list[Finding]:
    """The loss, or a parameter, leaves the range of its dtype within the runs."""
    values = [v for _run, _place, v in seen.events.roots]
    if len(values) < 2 or not math.isfinite(values[0]) or not seen.events.stepped and not seen.events.broken:
        return []
    grows = all(abs(b) > 2 * abs(a) for a, b in zip(values, values[1:])) and abs(values[-1]) > 1e3 * max(abs(values[0]), 1e-30)
    if all(math.isfinite(v) for v in values) and not seen.events.broken and not grows:
        return []
    optimizer, place = next(iter(seen.events.stepped.values()), (None, seen.events.roots[-1][1]))
    rate = f" with lr={optimizer.param_groups[0].get('lr')}" if optimizer is not None else ""
    text = f"The training diverges{rate}: the loss goes {' → '.join(f'{v:.4g}' for v in values[:6])}."
    return [Finding("learning-rate", text, "a learning rate ten times smaller, normalised inputs, or clip_grad_norm_", place)]


def single_batch(seen: Seen) -> list[Finding]:
    """Batch norm in training on a batch of one."""
    return [
        Finding(
            "batch-of-one",
            f"Batch norm in training mode on a batch of one (input of shape {shape}): its statistics are those of the one sample.",
            "larger batches (DataLoader(…, drop_last=True)), GroupNorm or LayerNorm, or model.eval()",
            place,
        )
        for place, shape in seen.events.single
    ]


CHECKS: list[Callable[[Seen], list[Finding]]] = [
    forgotten_zero_grad, broadcast_loss, wrong_link, mode, not_in_the_optimizer, hidden_modules, target_with_gradient,
    overflowing_rate, single_batch,
]  # fmt: skip
