"""What a user of ``torch.compile`` would write: forward compiled, backward by AOTAutograd, the optimizer compiled where that is quicker."""

from __future__ import annotations

import logging
import os
import signal
import timeit
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from . import Work


class Late(BaseException):
    """Compiling took longer than allowed; nothing on the way catches it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Late in this block after so long, where the system has alarms."""

    def late(*_: Any) -> None:
        raise Late(f"not compiled after {seconds:g} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def compiled(work: Work, seconds: float) -> Callable[[], Any]:
    """The work as a function that has been compiled (and called twice); Late, or what the compiler raises."""
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no processes that go on beside the measurements
    logging.getLogger("torch").setLevel(logging.ERROR)
    run = _step(work) if work.forward is not None else _function(work)
    with warnings.catch_warnings(), limited(seconds):
        warnings.simplefilter("ignore")
        run()
        run()
    return run


def _function(work: Work) -> Callable[[], Any]:
    f, args = torch.compile(work.call), work.args
    return lambda: f(*args)


def _step(work: Work) -> Callable[[], Any]:
    forward, optimizer, (x, y) = torch.compile(work.forward), work.optimizer, work.args

    def step(update: Callable[[], Any]) -> Any:
        loss = forward(x, y)
        loss.backward()
        update()
        optimizer.zero_grad()
        return loss

    def seconds(update: Callable[[], Any]) -> float:
        step(update), step(update)
        return min(timeit.repeat(lambda: step(update), number=1, repeat=10))

    update = min(torch.compile(optimizer.step), optimizer.step, key=seconds)
    return lambda: step(update)
