"""``torch.cuda`` where there is no CUDA: it says so, counts nothing, and refuses what needs a device."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any, NoReturn

from chainrule._quiet import AcceleratorError, OutOfMemoryError
from chainrule.alias import missing_name

__all__ = [
    "AcceleratorError",
    "CUDAGraph",
    "CudaError",
    "Event",
    "ExternalStream",
    "OutOfMemoryError",
    "Stream",
    "StreamContext",
    "can_device_access_peer",
    "clock_rate",
    "cudart",
    "current_blas_handle",
    "current_device",
    "current_stream",
    "default_generators",
    "default_stream",
    "device",
    "device_count",
    "device_memory_used",
    "device_of",
    "empty_cache",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_gencode_flags",
    "get_per_process_memory_fraction",
    "get_rng_state",
    "get_rng_state_all",
    "get_sync_debug_mode",
    "graph_pool_handle",
    "has_half",
    "has_magma",
    "init",
    "initial_seed",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_current_stream_capturing",
    "is_initialized",
    "is_tf32_supported",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_cached",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_cached",
    "memory_reserved",
    "memory_snapshot",
    "memory_stats",
    "memory_summary",
    "memory_usage",
    "power_draw",
    "reset_accumulated_memory_stats",
    "reset_max_memory_allocated",
    "reset_max_memory_cached",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "set_rng_state_all",
    "set_stream",
    "set_sync_debug_mode",
    "stream",
    "synchronize",
    "temperature",
    "utilization",
]

has_half = True
has_magma = False
default_generators: tuple[Any, ...] = ()


class CudaError(RuntimeError):
    """What a failed call into CUDA raises."""


def _lazy_init() -> NoReturn:
    raise AssertionError("Torch not compiled with CUDA enabled")


def _is_compiled() -> bool:
    return False


# ---- which devices there are: none -------------------------------------------------------------------------------------


def is_available() -> bool:
    return False


def is_initialized() -> bool:
    return False


def device_count() -> int:
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    return False


def is_tf32_supported() -> bool:
    return False


def get_arch_list() -> list[str]:
    return []


def get_gencode_flags() -> str:
    return ""


def init() -> None:
    _lazy_init()


def current_device() -> int:
    _lazy_init()


def set_device(device: Any) -> None:
    if isinstance(device, int) and device < 0:
        return
    _lazy_init()


def get_device_name(device: Any = None) -> str:
    _lazy_init()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    _lazy_init()


def get_device_properties(device: Any = None) -> Any:
    _lazy_init()


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    _lazy_init()


def current_blas_handle() -> int:
    _lazy_init()


def synchronize(device: Any = None) -> None:
    _lazy_init()


def ipc_collect() -> None:
    _lazy_init()


def cudart() -> Any:
    _lazy_init()


def get_sync_debug_mode() -> int:
    _lazy_init()


def set_sync_debug_mode(debug_mode: int | str) -> None:
    _lazy_init()


# ---- what the driver measures ------------------------------------------------------------------------------------------


def _driver() -> NoReturn:
    raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed or it can't be imported.")


def utilization(device: Any = None) -> int:
    _driver()


def memory_usage(device: Any = None) -> int:
    _driver()


def device_memory_used(device: Any = None) -> int:
    _driver()


def temperature(device: Any = None) -> int:
    _driver()


def power_draw(device: Any = None) -> int:
    _driver()


def clock_rate(device: Any = None) -> int:
    _driver()


class device:
    """Selects a device for a block; only "no device" (None or a negative index) can be selected here."""

    def __init__(self, device: Any) -> None:
        if device is None or isinstance(device, int):
            self.idx = -1 if device is None else device
        else:
            self.idx = getattr(device, "index", None) or 0

    def __enter__(self) -> None:
        if self.idx >= 0:
            raise RuntimeError("PyTorch was compiled without CUDA support")

    def __exit__(self, *exc: object) -> None:
        return None


class device_of(device):
    """Selects the device of a tensor; every tensor here is on the CPU, so nothing changes."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if getattr(obj, "is_cuda", False) else -1)


# ---- memory: none ------------------------------------------------------------------------------------------------------


def memory_allocated(device: Any = None) -> int:
    return 0


def max_memory_allocated(device: Any = None) -> int:
    return 0


def memory_reserved(device: Any = None) -> int:
    return 0


def max_memory_reserved(device: Any = None) -> int:
    return 0


def memory_cached(device: Any = None) -> int:
    warnings.warn("`torch.cuda.memory_cached` has been renamed to `torch.cuda.memory_reserved`", FutureWarning, stacklevel=2)
    return 0


def max_memory_cached(device: Any = None) -> int:
    warnings.warn("`torch.cuda.max_memory_cached` has been renamed to `torch.cuda.max_memory_reserved`", FutureWarning, stacklevel=2)
    return 0


def memory_stats(device: Any = None) -> OrderedDict[str, Any]:
    return OrderedDict()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    _lazy_init()


def memory_snapshot() -> list[Any]:
    _lazy_init()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    _lazy_init()


def empty_cache() -> None:
    """Nothing is cached."""


def reset_peak_memory_stats(device: Any = None) -> None:
    _lazy_init()


def reset_accumulated_memory_stats(device: Any = None) -> None:
    _lazy_init()


def _reset_renamed(name: str) -> NoReturn:
    warnings.warn(
        f"torch.cuda.{name} now calls torch.cuda.reset_peak_memory_stats, which resets /all/ peak memory stats.",
        FutureWarning,
        stacklevel=3,
    )
    _lazy_init()


def reset_max_memory_allocated(device: Any = None) -> None:
    _reset_renamed("reset_max_memory_allocated")


def reset_max_memory_cached(device: Any = None) -> None:
    _reset_renamed("reset_max_memory_cached")


def get_per_process_memory_fraction(device: Any = None) -> float:
    _lazy_init()


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    _lazy_init()


# ---- random numbers: seeding is accepted, for devices that may come later ----------------------------------------------


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


def get_rng_state(device: Any = "cuda") -> Any:
    _lazy_init()


def get_rng_state_all() -> list[Any]:
    return []


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """There is no device whose state could be set."""


def set_rng_state_all(new_states: Any) -> None:
    for state in new_states:
        set_rng_state(state)


# ---- streams, events, graphs -------------------------------------------------------------------------------------------


class Stream:
    """A queue of a device's work; needs a device."""

    def __init__(self, device: Any = None, priority: int = 0, **kwargs: Any) -> None:
        raise RuntimeError("torch.cuda.Stream requires CUDA support")


class ExternalStream(Stream):
    """A stream made elsewhere; needs a device."""


class Event:
    """A mark in a stream; needs a device."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, external: bool = False) -> None:
        raise RuntimeError("Tried to instantiate dummy base class Event")


class CUDAGraph:
    """A recorded sequence of kernels; needs a device."""

    def __init__(self, keep_graph: bool = False) -> None:
        raise RuntimeError("Tried to instantiate dummy base class CUDAGraph")


def is_current_stream_capturing() -> bool:
    raise RuntimeError("Tried to instantiate dummy base class _cuda_isCurrentStreamCapturing")


def graph_pool_handle() -> Any:
    raise RuntimeError("Tried to instantiate dummy base class _graph_pool_handle")


class StreamContext:
    """Selects a stream for a block; None selects nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


def stream(stream: Stream | None) -> StreamContext:
    return StreamContext(stream)


def set_stream(stream: Stream | None) -> None:
    if stream is not None:
        _lazy_init()


def current_stream(device: Any = None) -> Stream:
    _lazy_init()


def default_stream(device: Any = None) -> Stream:
    _lazy_init()


# ---- tensor types ------------------------------------------------------------------------------------------------------


class _TensorType(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled.")


_TENSOR_TYPES = tuple(
    f"{kind}Tensor" for kind in ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")
)


def __getattr__(name: str) -> Any:
    if name in _TENSOR_TYPES:
        return globals().setdefault(name, _TensorType(name, (), {"__module__": "torch.cuda"}))
    if name in ("amp", "memory", "nvtx", "random"):
        import importlib

        return importlib.import_module(f"chainrule.cuda.{name}")
    raise missing_name(__name__, name)
