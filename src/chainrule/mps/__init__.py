"""``torch.mps`` where there is no Metal device."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "Event",
    "current_allocated_memory",
    "device_count",
    "driver_allocated_memory",
    "empty_cache",
    "get_rng_state",
    "is_available",
    "manual_seed",
    "recommended_max_memory",
    "seed",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "synchronize",
]


def _absent(what: str) -> NoReturn:
    raise RuntimeError(f"Cannot execute {what}() without MPS backend.")


def is_available() -> bool:
    return False


def device_count() -> int:
    return 0


def manual_seed(seed: int) -> None:
    int(seed)


def seed() -> None:
    _absent("getDefaultGenerator")


def get_rng_state(device: Any = "mps") -> Any:
    _absent("getDefaultGenerator")


def set_rng_state(new_state: Any, device: Any = "mps") -> None:
    _absent("getDefaultGenerator")


def synchronize() -> None:
    _absent("deviceSynchronize")


def empty_cache() -> None:
    _absent("emptyCache")


def set_per_process_memory_fraction(fraction: float) -> None:
    _absent("setMemoryFraction")


def current_allocated_memory() -> int:
    _absent("getCurrentAllocatedMemory")


def driver_allocated_memory() -> int:
    _absent("getDriverAllocatedMemory")


def recommended_max_memory() -> int:
    _absent("getRecommendedMaxMemory")


class Event:
    """A mark in the device's queue; needs a device."""

    def __init__(self, enable_timing: bool = False) -> None:
        _absent("acquireEvent")
