"""Tensors that were made in inference mode: they are never recorded, nor written in place outside of it."""

from __future__ import annotations

from _thread import allocate_lock
from typing import Any

from .modes import MODES

INFERENCE = 8  # among a tensor's flags, which are declared in views.py

_SEE = (
    "You can make a clone to get a normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
)


class _Active:
    """How many threads are in inference mode: what an operation asks first, for a fifth of what asking ``MODES`` costs."""

    __slots__ = ("_lock", "threads")

    def __init__(self) -> None:
        self.threads = 0
        self._lock = allocate_lock()

    def change(self, by: int) -> None:
        """A scope begins (1) or ends (-1)."""
        with self._lock:
            self.threads += by


ACTIVE = _Active()


def mark(result: Any) -> Any:
    """Flag ``result``, just made, if this thread is in inference mode; returns it."""
    if MODES.inference:
        result._flags |= INFERENCE
    return result


def refuse_write(tensor: Any) -> None:
    """RuntimeError for a write to an inference tensor outside of the mode."""
    if tensor._flags & INFERENCE and not MODES.inference:
        raise RuntimeError(f"Inplace update to inference tensor outside InferenceMode is not allowed.{_SEE}")


def refuse_requires_grad(tensor: Any) -> None:
    """RuntimeError for ``requires_grad_()`` of an inference tensor outside of the mode."""
    if tensor._flags & INFERENCE and not MODES.inference:
        raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
