"""Telling rounds in which other processes were at work: where threads wait for each other, those measure the system's scheduler."""

from __future__ import annotations

import os
import time
from pathlib import Path

WINDOW = 0.2  # seconds; the system counts in hundredths
SHARE = 0.1  # of one processor: what others may take

_STAT = Path("/proc/stat")


def _busy() -> float:
    """Seconds that the processors have worked since the system began, or were taken away by its host."""
    user, nice, system, _, _, irq, softirq, steal = map(int, _STAT.read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Watch:
    """Call :meth:`round` after every round; :attr:`quiet` says of those whose window has ended whether it was undisturbed."""

    def __init__(self) -> None:
        self.able = _STAT.exists()
        self.quiet: list[bool] = []
        self._pending = 0
        self._begin()

    def _begin(self) -> None:
        self._since = time.perf_counter()
        if self.able:
            self._others = _busy() - time.process_time()

    def round(self) -> None:
        self._pending += 1
        took = time.perf_counter() - self._since
        if took >= WINDOW:
            self.quiet += [not self.able or _busy() - time.process_time() - self._others < SHARE * took + 0.02] * self._pending
            self._pending = 0
            self._begin()
