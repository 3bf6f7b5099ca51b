"""``torch.autograd.profiler.profile``: the older form of a profile, with no schedule."""

from __future__ import annotations

import time
from typing import Any

from chainrule.profiler._events import EventList, FunctionEventAvg, event_list
from chainrule.profiler._ranges import Recorder


class profile:
    """Collects the ranges that run inside the ``with`` block; nothing when not `enabled`."""

    def __init__(self, enabled: bool = True, **options: Any) -> None:
        self.enabled = enabled
        self.function_events = EventList()
        self._recorder = Recorder()

    def __enter__(self) -> profile:
        if self.enabled:
            self._origin = time.perf_counter_ns()
            self._recorder.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.enabled:
            self._recorder.stop()
            self.function_events = event_list(self._recorder.ranges, self._origin)

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        return self.function_events.key_averages()

    def total_average(self) -> FunctionEventAvg:
        return self.function_events.total_average()

    def table(self, *args: Any, **kwargs: Any) -> str:
        return self.function_events.table(*args, **kwargs)

    def export_chrome_trace(self, path: str) -> None:
        self.function_events.export_chrome_trace(path)

    @property
    def self_cpu_time_total(self) -> float:
        return self.function_events.self_cpu_time_total

    def __str__(self) -> str:
        return self.table()
