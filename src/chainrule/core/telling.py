"""What an error says beyond PyTorch's words: what happened first, where, and the remedy.

Programs match on PyTorch's words, so ``str(error)`` stays exactly these; what is added are the error's notes, which a
traceback shows below them.  ``WITNESSES`` are asked first: whoever watches a program (see ``explain/``) has seen the line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .modes import MODES
from .mutation import line_of
from .node import FREED, Node
from .source import cuts_of_call, name_in, place_of, text_of, user_frame
from .walks import WALKS

WITNESSES: list[Callable[[str, Any], str | None]] = []

CUT_BY = {
    "detach": ".detach()",
    "data": ".data",
    "item": "a conversion to a Python number",
    "tolist": ".tolist()",
    "numpy": ".numpy()",
    "tensor": "making a new tensor of its value",
    "cast": "a conversion to an integer dtype",
    "argmax": "an operation whose result is an index",
    "comparison": "a comparison",
    "no_grad": "no_grad()",
}

REMEDIES = {
    "detach": "leave .detach() out where the gradient has to pass",
    "data": "use the tensor itself instead of .data",
    "item": "compute with the tensor; take .item() only of what is printed",
    "tolist": "compute with the tensor; take .tolist() only of what is printed",
    "numpy": "compute with chainrule's operations; take .numpy() only of what is plotted or saved",
    "tensor": "pass the tensor on as it is (torch.stack and torch.cat join several)",
    "cast": "stay in a floating dtype until after the loss",
    "argmax": "an index has no derivative: use softmax, logsumexp or the maximum itself",
    "comparison": "a comparison has no derivative: use a smooth function such as sigmoid((x - y) / t), or torch.where on values",
    "no_grad": "compute the loss outside of no_grad()",
}


def note(error: RuntimeError, *sentences: str) -> RuntimeError:
    """The error, with the sentences as one note."""
    error.add_note("\n".join(sentences))
    return error


def at(place: str) -> str:
    """``file:line: source``, as far as there is any."""
    text = text_of(place)
    return f"{place}: {text}" if text else place


def witnessed(question: str, subject: Any) -> str | None:
    """The first answer that a witness has."""
    for witness in WITNESSES:
        answer = witness(question, subject)
        if answer:
            return answer
    return None


def reaches(root: Any, target: Any) -> bool:
    """Whether ``target`` (a node or a leaf) is ``root`` or below it."""
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if node is target:
            return True
        if id(node) in seen or node.is_leaf_edge:
            continue
        seen.add(id(node))
        stack += [e.node if e.is_slot else e for e in node.edges if e is not None]
    return False


def freed_by(node: Node, walking: bool) -> str | None:
    """Where the backward was called that dropped what ``node`` had saved; not the one that runs, if one is ``walking``."""
    possible = None
    for place, held, order, keep in list(WALKS)[: -1 if walking else None]:
        if keep or place is None or order > node.order:
            continue
        root = held()
        if root is not None and reaches(root, node):
            return line_of(place)
        if root is None and possible is None:
            possible = line_of(place)
    return possible


def freed(node: Node, walking: bool = True) -> RuntimeError:
    """The error for a graph that a backward has gone through already; ``walking``: another backward has found out."""
    first = freed_by(node, walking)
    told = f"The values that {node.name()} had saved were freed by the first backward"
    told += f", at {at(first)}" if first else ""
    made = witnessed("line", node)
    return note(
        RuntimeError(FREED),
        f"{told}." + (f" It was recorded at {at(made)}." if made else ""),
        "Remedy: add the losses and call backward once; or pass retain_graph=True to the first backward; or compute the shared part"
        " again, and .detach() what one step of a loop hands to the next.",
    )


def overwritten(error: RuntimeError, node: Node, where: str) -> RuntimeError:
    """What came first in the error for a saved value that was written over."""
    made = witnessed("line", node)
    first = f"{node.name()} saved the value for backward" + (f" at {at(made)}." if made else ".")
    then = f"It was overwritten after that at {at(where)}." if where else "It was overwritten after that."
    return note(error, first, then, "Remedy: write out of place (y = y * 2 instead of y *= 2), or let the operation have y.clone().")


def without_history(message: str, tensor: Any) -> RuntimeError:
    """The error for ``backward`` of what was never recorded."""
    error = RuntimeError(message)
    seen = witnessed("cut", tensor)
    if seen:
        return note(error, seen)
    frame = user_frame()
    name = None if frame is None else name_in(frame, tensor)
    what = f"`{name}`" if name else "This tensor"
    if frame is not None:
        cuts = cuts_of_call(frame)
        if cuts:
            first = cuts[0]
            told = [f"{what} has no history: the tape was left by {CUT_BY[first.kind]} at {first.place}: {first.text}"]
            told += [f"  and by {CUT_BY[c.kind]} at {c.place}: {c.text}" for c in cuts[1:4]]
            return note(error, *told, f"Remedy: {REMEDIES[first.kind]}.")
    if not MODES.grad:
        return note(error, f"{what} has no history: recording is off (no_grad).", f"Remedy: {REMEDIES['no_grad']}.")
    if tensor.dtype.category < 2:
        return note(error, f"{what} is {tensor.dtype}: integers and truth values have no gradient.", f"Remedy: {REMEDIES['cast']}.")
    return note(
        error,
        f"{what} has no history: nothing that it was computed from requires grad, or the tape was left on the way.",
        "Remedy: make the parameters with requires_grad=True; chainrule.why(tensor) and, around the computation,"
        " `with chainrule.why.watch():` say more.",
    )


def leaf_written(message: str, tensor: Any) -> RuntimeError:
    """The error for writing over a leaf that requires grad."""
    frame = user_frame()
    where = "" if frame is None else f" at {at(place_of(frame))}"
    made = witnessed("leaf", tensor)
    return note(
        RuntimeError(message),
        f"The write{where} would overwrite what the gradient is asked for."
        + (f" It was made to require grad at {at(made)}." if made else " It requires grad, and no operation made it (a leaf)."),
        "Remedy: to update it, write inside `with torch.no_grad():` (or let an optimizer do it); in a computation, write out of place"
        " (`x = x + 1`) or on a copy (`x.clone()`).",
    )
