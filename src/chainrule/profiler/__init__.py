"""``torch.profiler`` over wall time: it adds up the ranges that a program names with `record_function`.

Single operations are not recorded, and neither are shapes, stacks or memory: what asks for them is accepted and adds
nothing to the table.
"""

from __future__ import annotations

import enum
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from chainrule.profiler._events import EventList, event_list
from chainrule.profiler._ranges import Recorder, record_function

__all__ = [
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]


class ProfilerActivity(enum.Enum):
    """What may be watched; there is only the CPU here."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(enum.Enum):
    """What a profile does during a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    return False


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """A function from step numbers to actions: cycles of `wait`, `warmup` and `active` steps, `repeat` times or for ever.

    `skip_first` steps come before the cycles; with `skip_first_wait` the first cycle has no waiting steps.

    >>> plan = schedule(wait=1, warmup=1, active=2, repeat=1)
    >>> [plan(i).name for i in range(5)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )
    if warmup == 0:
        warnings.warn("Profiler won't be using warmup, this can skew profiler results", stacklevel=2)

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        step -= skip_first
        if step >= 0 and skip_first_wait:
            step += wait
        cycle, place = divmod(step, wait + warmup + active)
        if step < 0 or (repeat and cycle >= repeat) or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        last = place == wait + warmup + active - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class profile:
    """Collects the ranges that run inside the ``with`` block, or between `start` and `stop`.

    With a `schedule`, call `step` after every step of the program; `on_trace_ready` is then called with the profile at
    the end of every cycle, otherwise once at the end.

    >>> with profile() as p, record_function("work"):
    ...     total = sum(range(10))
    >>> [(event.key, event.count) for event in p.key_averages()]
    [('work', 1)]
    """

    def __init__(
        self,
        *,
        activities: Iterable[Any] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        self.activities = supported_activities() if activities is None else set(activities)
        self.schedule = _always if schedule is None else schedule
        self._scheduled = schedule is not None
        self.on_trace_ready = on_trace_ready
        self.acc_events = acc_events
        self.step_num = 0
        self.current_action = self.schedule(0)
        self._recorder: Recorder | None = None
        self._origin = 0
        self._step_range: record_function | None = None

    # ---- the block ----------------------------------------------------------------------------------------------------

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        if self.current_action in _RECORDING:
            self._start_recording()
        self._open_step()

    def stop(self) -> None:
        self._close_step()
        if self.current_action in _RECORDING:
            self._finish()

    def step(self) -> None:
        """The program's next step begins."""
        self._close_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE or (before in _RECORDING and self.current_action not in _RECORDING):
            self._finish()
            before = ProfilerAction.NONE
        if self.current_action in _RECORDING and before not in _RECORDING:
            self._start_recording()
        self._open_step()

    def _open_step(self) -> None:
        if self._scheduled:
            self._step_range = record_function(f"ProfilerStep#{self.step_num}")
            self._step_range.__enter__()

    def _close_step(self) -> None:
        if self._step_range is not None:
            self._step_range.__exit__(None, None, None)
            self._step_range = None

    def _start_recording(self) -> None:
        if self._recorder is None or not self.acc_events:
            self._recorder = Recorder()
            self._origin = time.perf_counter_ns()
        self._recorder.start()

    def _finish(self) -> None:
        if self._recorder is not None:
            self._recorder.stop()
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    # ---- what it saw --------------------------------------------------------------------------------------------------

    def events(self) -> EventList:
        """Every range, by start; AssertionError before `start`."""
        if self._recorder is None:
            raise AssertionError("Profiler must be initialized before getting events")
        return event_list(self._recorder.ranges, self._origin)

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        """The ranges of each name added up; the steps of a schedule count as one name."""
        if self._recorder is None:
            raise AssertionError("Profiler must be initialized before getting key averages")
        events = self.events()
        for event in events:
            if event.key.startswith("ProfilerStep#"):
                event.key = "ProfilerStep*"
        return events.key_averages()

    def export_chrome_trace(self, path: str) -> None:
        """Write what was recorded as JSON that chrome://tracing and Perfetto read."""
        self.events().export_chrome_trace(path)


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """For `on_trace_ready`: writes each trace to a file of its own in `dir_name`."""

    def handler(prof: profile) -> None:
        import os
        import socket

        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        path = os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json")
        prof.export_chrome_trace(path)
        if use_gzip:
            import gzip

            with open(path, "rb") as plain, gzip.open(path + ".gz", "wb") as packed:
                packed.write(plain.read())
            os.remove(path)

    return handler
