"""``torch.accelerator`` where there is none."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

__all__ = [
    "current_accelerator",
    "current_device_idx",
    "current_device_index",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "get_device_capability",
    "get_memory_info",
    "is_available",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_device_idx",
    "set_device_index",
    "set_stream",
    "synchronize",
]


def _absent() -> NoReturn:
    raise RuntimeError("Cannot access accelerator device when none is available.")


def is_available() -> bool:
    return False


def device_count() -> int:
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """The accelerator's device: None."""


def current_device_index() -> int:
    _absent()


def current_device_idx() -> int:
    warnings.warn("Use `current_device_index` instead.", FutureWarning, stacklevel=2)
    _absent()


def set_device_index(device: Any, /) -> None:
    _absent()


def set_device_idx(device: Any, /) -> None:
    warnings.warn("Use `set_device_index` instead.", FutureWarning, stacklevel=2)
    _absent()


def get_device_capability(device: Any = None, /) -> dict[str, Any]:
    _absent()


def current_stream(device: Any = None, /) -> Any:
    _absent()


def set_stream(stream: Any) -> None:
    _absent()


def synchronize(device: Any = None, /) -> None:
    _absent()


def empty_cache() -> None:
    _absent()


def memory_stats(device_index: Any = None, /) -> dict[str, Any]:
    _absent()


def memory_allocated(device_index: Any = None, /) -> int:
    _absent()


def max_memory_allocated(device_index: Any = None, /) -> int:
    _absent()


def memory_reserved(device_index: Any = None, /) -> int:
    _absent()


def max_memory_reserved(device_index: Any = None, /) -> int:
    _absent()


def reset_accumulated_memory_stats(device_index: Any = None, /) -> None:
    _absent()


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    _absent()


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    _absent()


class device_index:
    """Selects a device for a block; None selects nothing."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            _absent()

    def __exit__(self, *exc: object) -> None:
        return None
