"""``torch.xpu`` where there is no Intel GPU."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

__all__ = [
    "Event",
    "Stream",
    "current_device",
    "current_stream",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "get_rng_state_all",
    "init",
    "initial_seed",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "synchronize",
]


def _lazy_init() -> NoReturn:
    raise AssertionError("Torch not compiled with XPU enabled")


def _is_compiled() -> bool:
    return False


def is_available() -> bool:
    return False


def is_initialized() -> bool:
    return False


def device_count() -> int:
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    return False


def init() -> None:
    _lazy_init()


def current_device() -> int:
    _lazy_init()


def set_device(device: Any) -> None:
    _lazy_init()


def get_device_name(device: Any = None) -> str:
    _lazy_init()


def get_device_capability(device: Any = None) -> dict[str, Any]:
    _lazy_init()


def get_device_properties(device: Any = None) -> Any:
    _lazy_init()


def synchronize(device: Any = None) -> None:
    _lazy_init()


def empty_cache() -> None:
    """Nothing is cached."""


def memory_allocated(device: Any = None) -> int:
    return 0


def max_memory_allocated(device: Any = None) -> int:
    return 0


def memory_reserved(device: Any = None) -> int:
    return 0


def max_memory_reserved(device: Any = None) -> int:
    return 0


def memory_stats(device: Any = None) -> OrderedDict[str, Any]:
    return OrderedDict()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    _lazy_init()


def manual_seed(seed: int) -> None:
    int(seed)


def manual_seed_all(seed: int) -> None:
    int(seed)


def seed() -> None:
    """There is no device to seed."""


def seed_all() -> None:
    """There is no device to seed."""


def initial_seed() -> int:
    _lazy_init()


def get_rng_state(device: Any = "xpu") -> Any:
    _lazy_init()


def get_rng_state_all() -> list[Any]:
    return []


def current_stream(device: Any = None) -> Any:
    _lazy_init()


class Stream:
    """A queue of a device's work; needs a device."""

    def __init__(self, device: Any = None, priority: int = 0, **kwargs: Any) -> None:
        raise RuntimeError("Tried to instantiate dummy base class Stream")


class Event:
    """A mark in a stream; needs a device."""

    def __init__(self, enable_timing: bool = False) -> None:
        raise RuntimeError("Tried to instantiate dummy base class Event")


class device:
    """Selects a device for a block; only "no device" (None or a negative index) can be selected here."""

    def __init__(self, device: Any) -> None:
        if device is None or isinstance(device, int):
            self.idx = -1 if device is None else device
        else:
            self.idx = getattr(device, "index", None) or 0

    def __enter__(self) -> None:
        if self.idx >= 0:
            raise NotImplementedError("PyTorch was compiled without XPU support")

    def __exit__(self, *exc: object) -> None:
        return None
