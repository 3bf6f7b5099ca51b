"""Which calls run at the same time: those that follow each other and touch nothing of each other's.

Calls of a *region* are shared out to the pool's threads together, so that a thread which is through with one kernel's chunks goes on
with the next kernel's instead of waiting, and small kernels, which have one chunk, run beside each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .sharing import Call

MOST = 16  # calls of a region: who has claimed a chunk looks for the call that it belongs to


class Regions:
    """Gives calls, as they come in the program's order, the numbers of their regions."""

    def __init__(self) -> None:
        self.number = -1
        self._open()

    def _open(self) -> None:
        self.number += 1
        self.count = 0
        self.reads: set[int] = set()
        self.writes: set[int] = set()

    def alone(self) -> int:
        """The number of a step that nothing runs beside."""
        if self.count:
            self._open()
        self._open()
        return self.number - 1

    def add(self, used: Iterable[int], made: Iterable[int]) -> int:
        """The number of a call: ``used`` is the memory that it is given, ``made`` what it may write to."""
        writes = set(made)
        reads = set(used) - writes
        if self.count >= MOST or reads & self.writes or writes & self.reads or writes & self.writes:
            self._open()
        self.count += 1
        self.reads |= reads
        self.writes |= writes
        return self.number


def gathered(calls: Sequence[Call], numbers: Sequence[int]) -> list[list[Call]]:
    """The calls by region."""
    out: dict[int, list[Call]] = {}
    for call, number in zip(calls, numbers, strict=True):
        out.setdefault(number, []).append(call)
    return list(out.values())


__all__ = ["Regions", "gathered"]
