"""Captures, one at a time: each exchanges the values of all tensors of the process for as long as it runs."""

from __future__ import annotations

import os
import sys
from threading import RLock, get_ident

_PATIENCE = 10.0  # seconds


class Turn:
    """Whose turn it is to capture, or to look up what has been captured.

    Other threads wait until it is over, unless they were begun meanwhile: the captured function may itself wait for a thread that it has
    started.  One that waits for a thread which was there before makes that one's call wait in vain, but not for ever.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._owner: int | None = None
        self._depth = 0
        self._threads: set[int] = set()

    def take(self) -> bool:
        """Wait for the turn; False if another thread keeps it."""
        if not self._lock.acquire(timeout=_PATIENCE if get_ident() in self._threads else 0.0):
            return False
        self._depth += 1
        if self._depth == 1:
            self._threads = set(sys._current_frames())
            self._owner = get_ident()
        return True

    def leave(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
        self._lock.release()

    def _forked(self) -> None:
        """In a child process, where the thread is not that had the turn."""
        if self._owner not in (None, get_ident()):
            self.__dict__.update(Turn().__dict__)


TURN = Turn()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TURN._forked)

__all__ = ["TURN", "Turn"]
