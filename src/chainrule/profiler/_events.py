"""What a profile has recorded, as lists, sums and a table."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from chainrule.profiler._ranges import Range


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


class _Event:
    """Times are in microseconds; those of devices are zero."""

    key: str
    count: int
    cpu_time_total: float
    self_cpu_time_total: float

    device_time_total = 0
    self_device_time_total = 0
    device_time = 0.0
    cuda_time = 0.0
    cpu_memory_usage = 0
    self_cpu_memory_usage = 0
    device_memory_usage = 0
    self_device_memory_usage = 0
    flops = 0
    input_shapes = ""
    node_id = -1
    is_async = False
    is_remote = False
    is_user_annotation = True

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        return _time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        return _time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        return _time(self.self_cpu_time_total)


class FunctionEvent(_Event):
    """One run of a named range."""

    count = 1

    def __init__(self, id: int, recorded: Range, origin: int) -> None:
        self.id = id
        self.name = self.key = recorded.name
        self.thread = recorded.thread
        self.start_us = (recorded.start - origin) / 1e3
        self.end_us = (recorded.end - origin) / 1e3
        self.cpu_time_total = self.end_us - self.start_us
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} start_us={self.start_us} "
            f"end_us={self.end_us} cpu_children={[child.id for child in self.cpu_children]} thread={self.thread}>"
        )


class FunctionEventAvg(_Event):
    """All runs of the ranges of one name."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.count = 0
        self.cpu_time_total = 0.0
        self.self_cpu_time_total = 0.0

    def add(self, other: _Event) -> FunctionEventAvg:
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        return self

    def __repr__(self) -> str:
        return f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} cpu_time={self.cpu_time_str}>"


class EventList(list[Any]):
    """Events, or their sums by name."""

    @property
    def self_cpu_time_total(self) -> float:
        return float(sum(event.self_cpu_time_total for event in self))

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        """The events of each name added up, in the order of their first appearance; grouping by shape or stack has no effect."""
        sums: dict[str, FunctionEventAvg] = {}
        for event in self:
            sums.setdefault(event.key, FunctionEventAvg(event.key)).add(event)
        return EventList(sums.values())

    def total_average(self) -> FunctionEventAvg:
        total = FunctionEventAvg("Total")
        for event in self:
            total.add(event)
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """A table with a row for each event, the largest `sort_by` first; AttributeError when there is no such figure."""
        if not self:
            return ""
        events = list(self)
        if sort_by is not None:
            events.sort(key=lambda event: getattr(event, sort_by), reverse=True)
        if top_level_events_only:
            events = [event for event in events if getattr(event, "cpu_parent", None) is None]
        total = self.self_cpu_time_total
        rows = [_row(event, total, max_name_column_width) for event in events[: row_limit if row_limit >= 0 else None]]
        titles = ("Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls")
        widths = [max(4, *(len(row[0]) for row in rows)), *[12] * 6]
        rule = "  ".join("-" * w for w in widths)
        lines = [rule, _aligned(titles, widths), rule, *[_aligned(row, widths) for row in rows], rule]
        if header is not None:
            lines.insert(0, header)
        return "\n".join(lines) + f"\nSelf CPU time total: {_time(total)}\n"

    def __str__(self) -> str:
        return self.table()

    def export_chrome_trace(self, path: str) -> None:
        """Write the events as JSON that chrome://tracing and Perfetto read."""
        events = [
            {
                "ph": "X",
                "cat": "user_annotation",
                "name": event.name,
                "pid": os.getpid(),
                "tid": event.thread,
                "ts": event.start_us,
                "dur": event.cpu_time_total,
            }
            for event in self
        ]
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"traceEvents": events, "displayTimeUnit": "ms"}, f)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole if whole else 0:.2f}%"


def _row(event: _Event, total: float, name_width: int) -> tuple[str, ...]:
    name = event.key if len(event.key) <= name_width else event.key[: name_width - 3] + "..."
    return (
        name,
        _percent(event.self_cpu_time_total, total),
        event.self_cpu_time_total_str,
        _percent(event.cpu_time_total, total),
        event.cpu_time_total_str,
        event.cpu_time_str,
        str(event.count),
    )


def _aligned(cells: Iterable[str], widths: list[int]) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths))


def event_list(ranges: list[Range], origin: int) -> EventList:
    """The events of recorded ranges, by start, each under the one it lies in."""
    ordered = sorted(ranges, key=lambda r: (r.start, -r.end))
    events = {id(r): FunctionEvent(i, r, origin) for i, r in enumerate(ordered)}
    for r in ordered:
        parent = r.parent
        while parent is not None and id(parent) not in events:
            parent = parent.parent
        if parent is not None:
            event = events[id(r)]
            event.cpu_parent = events[id(parent)]
            event.cpu_parent.cpu_children.append(event)
    return EventList(events.values())
