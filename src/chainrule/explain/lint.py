"""``lint(step)``: the silent mistakes of a training step."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..core.source import user_frame
from .explorer_names import names_in
from .lint_checks import CHECKS, Seen, single_batch
from .lint_state import State, used_by
from .lint_watch import Listener
from .why_live import Live
from .why_report import Findings

__all__ = ["lint"]


def lint(step: Callable[..., Any], *args: Any, runs: int = 4, **kwargs: Any) -> Findings:
    """Run ``step(*args, **kwargs)`` a few times and report the mistakes that raise no error.

    Found are: a forgotten ``zero_grad``; a loss of shapes (N,) and (N, 1); softmax before ``cross_entropy`` (sigmoid before
    ``…_with_logits``, softmax before ``nll_loss``); ``model.eval()`` left on or forgotten; parameters that no optimizer
    holds; modules hidden in a plain list; a target with gradient; a learning rate that overflows; batch norm on a batch of
    one.  The answer is a list of findings (``text``, ``line``, ``remedy``) that prints, and is false when there is none.

    Parameters, buffers, gradients, optimizers' states, training modes and the states of the random generators (``random``
    and NumPy's too) are as before afterwards.  What else the step changes stays changed: names that it rebinds, iterators that
    it takes from, schedulers that it steps, what it prints and writes.  An error of the step is raised.

    >>> import chainrule as torch
    >>> model = torch.nn.Linear(2, 1)
    >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> def step(x, y):
    ...     loss = torch.nn.functional.mse_loss(model(x), y)
    ...     loss.backward()
    ...     sgd.step()
    >>> torch.lint(step, torch.ones(3, 2), torch.ones(3, 1)).kinds
    ['zero-grad']
    """
    if not callable(step):
        raise TypeError(f"lint(): argument 'step' (position 1) must be callable, not {type(step).__name__}")
    names = names_in(user_frame())
    state = State()
    used = list(used_by(step, args + tuple(kwargs.values())))
    for thing in used:
        state.keep(thing)
    listener = Listener(state)
    events = listener.events
    error = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for events.run in range(runs):
                with listener:
                    step(*args, **kwargs)
        listener.finish()
        seen = Seen(events, names, Live())
        found = [f for check in CHECKS for f in check(seen)]
    except ValueError as raised:
        error = raised
        found = single_batch(Seen(events, names, Live()))
    finally:
        state.restore()
    if error is not None and not found:
        raise error
    found = list({(f.kind, f.text, f.line): f for f in found}.values())
    name = getattr(step, "__name__", type(step).__name__)
    many = f"{len(found)} mistake{'s' if len(found) > 1 else ''}" if found else "no mistake found"
    return Findings(f"{name}, run {events.run + 1} times: {many}.", found)
