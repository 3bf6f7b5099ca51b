"""``torch.cpu``: the one device, whose work is done when the call returns."""

from __future__ import annotations

from typing import Any

__all__ = [
    "Event",
    "Stream",
    "StreamContext",
    "current_device",
    "current_stream",
    "device_count",
    "empty_cache",
    "is_available",
    "is_initialized",
    "set_device",
    "stream",
    "synchronize",
]


def is_available() -> bool:
    return True


def is_initialized() -> bool:
    return True


def device_count() -> int:
    return 1


def current_device() -> str:
    return "cpu"


def set_device(device: Any) -> None:
    """There is one device."""


def synchronize(device: Any = None) -> None:
    """Every operation has finished when it returns."""


def empty_cache() -> bool:
    """Return memory that freed tensors have left to the system; whether there was any (False where the C library is not glibc).

    Memory of large results is kept for the next ones; ``CHAINRULE_KEEP_MEMORY=0`` keeps none.  The memory that kernels of single
    operations work in goes too.
    """
    from chainrule.core.large import forget
    from chainrule.core.memory import give_back

    forget()
    return give_back()


class Stream:
    """The CPU's one queue."""

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: Any) -> None:
        """Nothing is pending."""

    def record_event(self) -> None:
        """Nothing is pending."""

    def wait_event(self, event: Any) -> None:
        """Nothing is pending."""


class Event:
    """A mark in the CPU's queue, always reached."""

    def query(self) -> bool:
        return True

    def record(self, stream: Any = None) -> None:
        """Nothing is pending."""

    def synchronize(self) -> None:
        """Nothing is pending."""

    def wait(self, stream: Any = None) -> None:
        """Nothing is pending."""


_stream = Stream()


def current_stream(device: Any = None) -> Stream:
    return _stream


class StreamContext:
    """Selects a stream for a block."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._previous = _stream

    def __enter__(self) -> None:
        global _stream
        if self.stream is not None:
            self._previous, _stream = _stream, self.stream

    def __exit__(self, *exc: object) -> None:
        global _stream
        if self.stream is not None:
            _stream = self._previous


def stream(stream: Stream | None) -> StreamContext:
    return StreamContext(stream)
