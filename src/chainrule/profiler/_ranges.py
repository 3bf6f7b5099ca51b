"""Named stretches of wall time, recorded while a profile is open."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any


class Range:
    """One stretch: its times in nanoseconds, and the range it lies in."""

    __slots__ = ("end", "name", "parent", "start", "thread")

    def __init__(self, name: str, parent: Range | None) -> None:
        self.name = name
        self.parent = parent
        self.thread = threading.get_ident()
        self.start = time.perf_counter_ns()
        self.end = 0


class Recorder:
    """Collects ranges between `start` and `stop`; a range that was open before it started does not count."""

    def __init__(self) -> None:
        self.ranges: list[Range] = []

    def start(self) -> None:
        _open.append(self)

    def stop(self) -> None:
        if self in _open:
            _open.remove(self)


class _Innermost(threading.local):
    range: Range | None = None


_open: list[Recorder] = []
_innermost = _Innermost()


class record_function(contextlib.ContextDecorator):
    """Name a stretch of the program for the profiler, as a context manager or a decorator.

    >>> with record_function("forward"):
    ...     total = sum(range(10))
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args
        self._entered: list[tuple[Range, list[Recorder]]] = []

    def __enter__(self) -> record_function:
        entered = Range(self.name, _innermost.range)
        self._entered.append((entered, list(_open)))
        _innermost.range = entered
        return self

    def __exit__(self, *exc: Any) -> None:
        entered, recorders = self._entered.pop()
        entered.end = time.perf_counter_ns()
        _innermost.range = entered.parent
        for recorder in recorders:
            if recorder in _open:
                recorder.ranges.append(entered)
