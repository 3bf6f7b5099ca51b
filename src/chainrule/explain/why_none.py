"""Why ``x.grad`` is None."""

from __future__ import annotations

import re
from types import FrameType
from typing import Any

from ..core.mutation import line_of
from ..core.node import LEAF
from ..core.source import cuts_after, name_in, place_of
from ..core.telling import CUT_BY, REMEDIES, reaches
from ..core.tensor import MADE_WITHOUT_GRAD, UNTRACKED, Tensor
from ..core.walks import WALKS
from .explorer_names import Names
from .why_live import Live, held_by, name_of
from .why_report import Finding
from .why_watch import Record

AGAIN = "run it once more inside `with chainrule.why.watch():` and ask again; that names the line"


class Asked:
    """A question about the gradient of ``x``: all that the answers need to look at."""

    def __init__(self, x: Tensor, loss: Tensor | None, frame: FrameType | None, names: Names, seen: Record | None) -> None:
        self.x = x
        self.loss = loss
        self.frame = frame
        self.names = names
        self.seen = seen
        self.live = Live()
        self.name = self.name_of(x, "x")

    def name_of(self, t: Tensor, otherwise: str = "") -> str:
        """The user's name of a tensor; a module's own name for a parameter that no variable leads to."""
        owner = self.live.owner(t) if t._gn is LEAF and id(t) not in self.names.leaves else None
        if owner is not None:
            return f"{type(owner[0]).__name__}.{owner[1]}"
        return self._plain(t, name_of(t, self.names, otherwise))

    def _plain(self, t: Tensor, name: str) -> str:
        """A variable of its own rather than its place in a list, where there is one."""
        frame = self.frame
        for _ in range(3):
            if frame is None or "[" not in name:
                break
            name = name_in(frame, t) or name
            frame = frame.f_back
        return name

    def line(self, node: Any) -> str:
        """Where a node was recorded, as far as that was seen."""
        if self.seen is not None and self.seen.line(node):
            return self.seen.line(node)
        lines = node.metadata.get("traceback_") if hasattr(node, "metadata") else None
        return _from_traceback(lines[-1]) if lines else ""


def _from_traceback(entry: str) -> str:
    """``file:line`` of one entry of a formatted stack, as anomaly mode keeps it."""
    first = entry.strip().splitlines()[0]
    parts = first.split('"')
    number = first.partition(", line ")[2].partition(",")[0]
    return f"{parts[1]}:{number}" if len(parts) > 2 else ""


def why_none(asked: Asked) -> list[Finding]:
    """The causes, the most certain first."""
    x = asked.x
    if not x.requires_grad:
        return _not_asked_for(asked)
    if not x.is_leaf:
        return _not_a_leaf(asked)
    return _leaf(asked)


def _not_asked_for(asked: Asked) -> list[Finding]:
    x, name, seen = asked.x, asked.name, asked.seen
    if x.dtype.category < 2:
        return [
            Finding("integer", f"{name} is {x.dtype}: only floating point and complex tensors have gradients.", f"make it {name}.float()")
        ]
    cuts = [seen.cuts[i] for i in sorted(seen.lost_by(x))] if seen is not None else []
    if cuts:
        return [Finding(c.kind, f"{name} left the tape by {CUT_BY[c.kind]}.", REMEDIES[c.kind], c.place) for c in cuts[:3]]
    owner = asked.live.owner(x)
    place = seen.frozen_at(x) if seen is not None else ""
    if owner is not None or place:
        where = f"{type(owner[0]).__name__}.{owner[1]}" if owner is not None else name
        return [Finding("frozen", f"{name} is frozen: requires_grad_(False) was called on {where}.", f"{name}.requires_grad_()", place)]
    if x.is_inference():
        return [Finding("no_grad", f"{name} was made in inference_mode, and nothing is ever recorded of it.", REMEDIES["no_grad"])]
    sharing = asked.live.sharing(x)
    if sharing:
        kind = "data" if x._flags & UNTRACKED else "detach"
        source = asked.name_of(sharing[0], "another tensor")
        found = Finding(kind, f"{name} shares the memory of {source}, and was cut from its history by {CUT_BY[kind]}.", REMEDIES[kind])
        return [_located(asked, found)]
    if x._flags & MADE_WITHOUT_GRAD:
        return [_located(asked, Finding("no_grad", f"{name} is a view that was taken inside no_grad().", REMEDIES["no_grad"]))]
    static = _static_cuts(asked, before=True)
    if static:
        return static
    return [
        Finding(
            "not-asked", f"{name} does not require grad, so nothing that is computed from it is recorded for it.",
            f"make it with requires_grad=True, or call {name}.requires_grad_() before it is used",
        )
    ]  # fmt: skip


def _located(asked: Asked, found: Finding) -> Finding:
    """The finding with the line, where the source has one cut of that kind on the way to ``x``."""
    lines = [f for f in _static_cuts(asked, before=True) if f.kind == found.kind]
    return Finding(found.kind, found.text, found.remedy, lines[0].line) if lines else found


def _static_cuts(asked: Asked, before: bool) -> list[Finding]:
    """What the source of the asking function says: cuts on the way to ``x``, or of what was computed from it."""
    from ..core.source import cuts_before

    name = asked.name.partition(".")[0].partition("[")[0]
    if asked.frame is None or not name.isidentifier():
        return []
    cuts = (cuts_before if before else cuts_after)(asked.frame, name)
    if before and cuts and cuts[0].kind == "no_grad" and re.match(rf"{name}\s*=[^=].*\b{name}\b", cuts[0].text):
        text = f"{name} was rebound inside no_grad() to a new tensor, which does not require grad."
        return [Finding("rebound", text, f"update the tensor in place: {name} -= …, or {name}.sub_(…)", cuts[0].place)]
    text = "{} left the tape by {}." if before else "What was computed from {} left the tape by {}."
    return [Finding(c.kind, text.format(asked.name, CUT_BY[c.kind]), REMEDIES[c.kind], c.place) for c in cuts[:4]]


def _not_a_leaf(asked: Asked) -> list[Finding]:
    x, name = asked.x, asked.name
    node = x.grad_fn
    remedy = f"call {name}.retain_grad() before backward to see it"
    text = f"{name} is not a leaf: it is the result of {node.name()}, and backward fills .grad of leaves only."
    if not asked.live.consumers(x):
        remedy = (
            f"to update a parameter, write in place: with torch.no_grad(): {name} -= …; if {name} is meant to be trained, make the leaf"
            f" from the finished value: {name} = (…).detach().requires_grad_(); to look at an intermediate gradient, {name}.retain_grad()"
            " before backward"
        )
    found = [Finding("not-a-leaf", text, remedy, asked.line(node))]
    if x.retains_grad:
        found += _unreached(asked)
    return found


def _leaf(asked: Asked) -> list[Finding]:
    name = asked.name
    found: list[Finding] = []
    if asked.loss is not None:
        found += _of_loss(asked, asked.loss)
    if not found:
        place = _cleared(asked)
        if place is not None:
            found.append(Finding("cleared", f"The gradient of {name} was computed, and cleared after that.", "look at it before it is"
                                 " cleared (zero_grad() belongs before backward())", place))  # fmt: skip
    if not found:
        found += _unused_result(asked) or _unreached(asked)
    found += _optimizer(asked)
    return found


def _unused_result(asked: Asked) -> list[Finding]:
    """Something was computed from ``x``, and backward was not called on it; unless it was cut and something else was."""
    x = asked.x
    results = [t for t in asked.live.results_of(x) if not _walked(t)]
    if not results or _reached(x):
        return []
    later = any(order <= n.order for _place, _root, order, _keep in WALKS for n in asked.live.consumers(x))
    cuts = _cuts(asked) if later else []
    if cuts:
        return cuts
    loss = asked.name_of(results[0], "the result")
    text = f"{asked.name} was used, and {loss} depends on it, but backward() was not called on {loss}."
    return [Finding("no-backward", text, f"call {loss}.backward()", asked.line(results[0].grad_fn))]


def _walked(t: Tensor) -> bool:
    """Whether a backward was called on ``t`` itself."""
    node = t._gn.node if t._gn.is_slot else t._gn
    return any(held() is node for _place, held, _order, _keep in WALKS)


def _reached(x: Tensor) -> bool:
    """Whether some backward of which the root is still alive went through ``x``."""
    return any(root is not None and reaches(root, x) for root in [held() for _p, held, _o, _k in list(WALKS)])


def _cleared(asked: Asked) -> str | None:
    """Where the gradient was cleared after a backward that reached ``x``; None if that is not what happened."""
    x, seen = asked.x, asked.seen
    if not _reached(x):
        return None
    if seen is not None and seen.cleared_after(x):
        return seen.cleared_after(x)
    return ""


def _of_loss(asked: Asked, loss: Tensor) -> list[Finding]:
    name = asked.name_of(loss, "the loss")
    if loss._gn is None:
        cut = asked.seen is not None and [asked.seen.cuts[i] for i in sorted(asked.seen.lost_by(loss))]
        if cut:
            return [Finding(c.kind, f"{name} left the tape by {CUT_BY[c.kind]}.", REMEDIES[c.kind], c.place) for c in cut]
        return [Finding("no-history", f"{name} has no history at all.", f"ask chainrule.why({name})")]
    root = loss if loss._gn is LEAF else loss._gn.node if loss._gn.is_slot else loss._gn
    if not reaches(root, asked.x):
        return _unreached(asked)
    return []


def _cuts(asked: Asked) -> list[Finding]:
    """The cuts that were seen; else those that the source shows."""
    seen = asked.seen
    if seen is not None:
        cuts = seen.cuts_of(asked.x)
        used = set().union(*[b.lost for b in seen.backwards]) if seen.backwards else set()
        chosen = [c for c in cuts if any(seen.cuts[i] is c for i in used)] or cuts
        if chosen:
            what = f"What was computed from {asked.name} left the tape by "
            return [Finding(c.kind, what + CUT_BY[c.kind] + ".", REMEDIES[c.kind], c.place) for c in chosen[:3]]
    return _static_cuts(asked, before=False)


def _unreached(asked: Asked) -> list[Finding]:
    name = asked.name
    cuts = _cuts(asked)
    if cuts:
        return cuts
    if not WALKS:
        return [Finding("no-backward", f"backward() was not called, and no recorded operation uses {name}.", "call loss.backward()")]
    used = asked.live.results_of(asked.x)
    text = f"{name} was never reached by the loss: no recorded operation " + ("on the way to it uses it." if used else f"uses {name}.")
    last = next((line_of(p) for p, *_rest in reversed(WALKS) if p is not None), "")
    known = asked.seen is not None and bool(asked.seen.backwards)
    remedy = f"compute the loss with {name}" + ("" if known else f"; if the program does, {AGAIN}")
    return [Finding("unused", text, remedy, last)]


def _optimizer(asked: Asked) -> list[Finding]:
    """The optimizer and the model hold different tensors."""
    x, live = asked.x, asked.live
    holders = live.optimizers_of(x)
    owner = live.owner(x)
    if holders and owner is None:
        shape = tuple(x.shape)
        others = [p for m in live.modules for p in m.__dict__.get("_parameters", {}).values() if p is not None and tuple(p.shape) == shape]
        held = {id(p) for o in holders for p in held_by(o)}
        if others and not any(id(p) in held for p in others):
            return [_other_tensor(asked, f"{asked.name} belongs to the optimizer, and to no module: the model has another tensor")]
    if not holders and owner is not None and live.optimizers:
        module = owner[0]
        mine = {id(p) for p in module.parameters()}
        if not any(id(p) in mine for o in live.optimizers for p in held_by(o)):
            return [_other_tensor(asked, f"No optimizer holds {asked.name}: those there are hold other tensors")]
    return []


def _other_tensor(asked: Asked, text: str) -> Finding:
    return Finding("optimizer", f"{text}.", "make the optimizer after the model is complete, from model.parameters()",
                   place_of(asked.frame) if asked.frame is not None and asked.seen is None else "")  # fmt: skip
