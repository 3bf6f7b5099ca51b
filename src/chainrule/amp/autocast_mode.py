"""``torch.amp.autocast``: where a program asks for narrower arithmetic.

The state is PyTorch's: on or off for each kind of device, with a dtype, nested, one per thread.  Operations are
computed in the dtype of their arguments all the same: on the CPU a narrower one would be slower and less precise.  A
region that is really on says so once.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

from chainrule.core.device import device as Device
from chainrule.core.dtype import bfloat16, float16, float64
from chainrule.core.tensor import Tensor

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]

# What a region computes in when it does not say, for every kind of device that may have regions.
_DEFAULT_DTYPES = {
    "cpu": bfloat16,
    "cuda": float16,
    "hpu": bfloat16,
    "ipu": float16,
    "maia": float16,
    "mps": float16,
    "mtia": float16,
    "privateuseone": float16,
    "xla": bfloat16,
    "xpu": float16,
}
_CPU_DTYPES = (bfloat16, float16)


class _State(threading.local):
    def __init__(self) -> None:
        self.enabled = dict.fromkeys(_DEFAULT_DTYPES, False)
        self.dtype: dict[str, Any] = dict(_DEFAULT_DTYPES)
        self.cache_enabled = True


_state = _State()
_said_so = False


def _kind(device_type: str) -> str:
    return Device(device_type).type


def is_autocast_available(device_type: str) -> bool:
    """Whether regions can be asked for on this kind of device; RuntimeError when there is no such kind."""
    return _kind(device_type) in _DEFAULT_DTYPES


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    kind = _kind(device_type)
    if kind not in _DEFAULT_DTYPES:
        raise RuntimeError("unknown device type for autocast in get_autocast_dispatch_key_from_device_type")
    return _state.enabled[kind]


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """`set_autocast_enabled("cpu", True)`; with one argument it is about CUDA."""
    kind, on = ("cuda", device_type) if isinstance(device_type, bool) else (device_type, bool(enabled))
    is_autocast_enabled(kind)
    _state.enabled[_kind(kind)] = on


def get_autocast_dtype(device_type: str) -> Any:
    kind = _kind(device_type)
    if kind not in _DEFAULT_DTYPES:
        raise RuntimeError("unsupported scalarType")
    return _state.dtype[kind]


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    get_autocast_dtype(device_type)
    _state.dtype[_kind(device_type)] = dtype


def is_autocast_cache_enabled() -> bool:
    return _state.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    _state.cache_enabled = enabled


def clear_autocast_cache() -> None:
    """Nothing is cached."""


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"torch.{old} is deprecated. Please use torch.{new} instead.", DeprecationWarning, stacklevel=3)


def is_autocast_cpu_enabled() -> bool:
    _deprecated("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    _deprecated("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> Any:
    _deprecated("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype() -> Any:
    _deprecated("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


class autocast:
    """A region, as a context manager or a decorator, in which a program asks for arithmetic in `dtype`.

    `dtype` is bfloat16 on the CPU when not given.  On a device that is not there the region stays off, with a warning;
    RuntimeError when there is no such kind of device.

    >>> import chainrule as torch
    >>> with torch.autocast("cpu", enabled=False):
    ...     torch.is_autocast_enabled("cpu")
    False
    """

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self.device = _kind(device_type)
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        if enabled and self.device == "cuda":
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        if enabled and self.device == "cpu" and self.fast_dtype not in _CPU_DTYPES:
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._previous: list[tuple[bool, Any, bool]] = []

    def __enter__(self) -> autocast:
        global _said_so
        if self._enabled and self.device == "cpu" and not _said_so:
            _said_so = True
            warnings.warn("chainrule computes CPU autocast regions in the dtypes of their tensors, not in a narrower one", stacklevel=2)
        kind = self.device
        self._previous.append((_state.enabled[kind], _state.dtype[kind], _state.cache_enabled))
        _state.enabled[kind], _state.dtype[kind], _state.cache_enabled = self._enabled, self.fast_dtype, self._cache_enabled
        return self

    def __exit__(self, *exc: object) -> None:
        kind = self.device
        _state.enabled[kind], _state.dtype[kind], _state.cache_enabled = self._previous.pop()

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return autocast_decorator(self, func)


def autocast_decorator(autocast_instance: autocast, func: Callable[..., Any]) -> Callable[..., Any]:
    """`func`, run inside the region."""

    @functools.wraps(func)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with autocast_instance:
            return func(*args, **kwargs)

    return decorated


def _cast_tensor(x: Any, device_type: str, dtype: Any) -> Any:
    return x.to(dtype) if x.is_floating_point() and x.device.type == device_type and x.dtype != float64 else x


def _cast(value: Any, device_type: str, dtype: Any) -> Any:
    """`value` with the floating-point tensors of that kind of device inside it in `dtype`."""
    if isinstance(value, Tensor):
        return _cast_tensor(value, device_type, dtype)
    if isinstance(value, dict):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_cast(v, device_type, dtype) for v in value])
    return value


def custom_fwd(fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """Decorates the ``forward`` of an ``autograd.Function`` to remember, or to leave, the region it is called in.

    With `cast_inputs` the floating-point inputs are brought to that dtype and the region is off inside.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        inside = is_autocast_enabled(device_type)
        args[0]._dtype = get_autocast_dtype(device_type)
        args[0]._fwd_used_autocast = inside and cast_inputs is None
        if not inside or cast_inputs is None:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return decorated


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorates the matching ``backward``: it runs in the region that ``forward`` ran in."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return decorated
