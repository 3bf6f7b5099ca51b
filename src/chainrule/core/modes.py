"""The thread's modes: is gradient recorded, is inference mode on, which transform levels are open.

Reading a thread-local costs 60 ns, a tenth of a small operation.  So the three modes that every recording has to respect
(recording off, saved-tensor hooks, anomaly mode) are also counted over all threads: while no thread has any of them,
``UNUSUAL`` is empty and nothing else needs to be looked at.
"""

from __future__ import annotations

import threading
from typing import Any

# Something for each mode that differs from its default, over all threads.  A list, because appending and popping need no
# lock; a thread that ends with a mode set leaves it counted, which only costs time.
UNUSUAL: list[None] = []

# Something for each level of a transform and each capture that is open, over all threads: what a compiled call must not overlook.
NESTED: list[None] = []


def _count(change: int) -> None:
    if change > 0:
        UNUSUAL.append(None)
    elif change:
        UNUSUAL.pop()


def nest(change: int) -> None:
    """Count what compiled calls must not overlook."""
    for _ in range(change):
        NESTED.append(None)
    if change < 0:
        del NESTED[change:]


class _Modes(threading.local):
    """One object a thread; class attributes are every new thread's defaults, as PyTorch has them."""

    _grad: bool = True
    _anomaly: bool = False
    _saved_hooks: tuple[Any, ...] = ()
    _depth: int = 0
    _vmaps: tuple[tuple[int, int, str], ...] = ()
    _recorder: Any = None
    inference: bool = False
    anomaly_check_nan: bool = True
    multithreading: bool = True

    @property
    def grad(self) -> bool:
        """Operations on tensors that require gradient are recorded."""
        return self._grad

    @grad.setter
    def grad(self, on: bool) -> None:
        if on != self._grad:
            self._grad = on
            _count(-1 if on else 1)

    @property
    def anomaly(self) -> bool:
        """Nodes remember where they were made, and backward stops at NaN."""
        return self._anomaly

    @anomaly.setter
    def anomaly(self, on: bool) -> None:
        if on != self._anomaly:
            self._anomaly = on
            _count(1 if on else -1)

    @property
    def saved_hooks(self) -> tuple[Any, ...]:
        """The pairs of pack and unpack hooks, innermost last."""
        return self._saved_hooks

    @saved_hooks.setter
    def saved_hooks(self, hooks: tuple[Any, ...]) -> None:
        _count(bool(hooks) - bool(self._saved_hooks))
        self._saved_hooks = hooks

    @property
    def depth(self) -> int:
        """How many levels of transforms are open."""
        return self._depth

    @depth.setter
    def depth(self, depth: int) -> None:
        nest(depth - self._depth)
        self._depth = depth

    @property
    def vmaps(self) -> tuple[tuple[int, int, str], ...]:
        """The (level, size, randomness) of the vmaps that are open, innermost last."""
        return self._vmaps

    @vmaps.setter
    def vmaps(self, vmaps: tuple[tuple[int, int, str], ...]) -> None:
        nest(len(vmaps) - len(self._vmaps))
        self._vmaps = vmaps

    @property
    def recorder(self) -> Any:
        """That of the capture that is open: draws and what it must not miss are told to it."""
        return self._recorder

    @recorder.setter
    def recorder(self, recorder: Any) -> None:
        nest((recorder is not None) - (self._recorder is not None))
        self._recorder = recorder


MODES = _Modes()


def recording() -> bool:
    """:attr:`_Modes.grad` of this thread, in half the time where no thread has a mode set."""
    return not UNUSUAL or MODES.grad


def is_grad_enabled() -> bool:
    """True when operations on tensors that require gradient are recorded in this thread."""
    return MODES.grad


def is_inference_mode_enabled() -> bool:
    """True inside ``inference_mode()``."""
    return MODES.inference
