"""``torch.backends.cuda`` where there is no CUDA."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chainrule import _quiet
from chainrule.cuda import _lazy_init


def is_built() -> bool:
    return False


class _MatmulSwitches:
    """How CUDA's matrix products may round."""

    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False
    fp32_precision = "none"

    @property
    def allow_tf32(self) -> bool:
        return _quiet.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allow: bool) -> None:
        _quiet.set_float32_matmul_precision("high" if allow else "highest")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError("Unknown attribute " + name)


matmul = _MatmulSwitches()


class _NoPlans:
    """The cache of Fourier transform plans, which needs a device."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _lazy_init()


cufft_plan_cache = _NoPlans()


class _LinalgBackend(enum.Enum):
    Default = 0
    Cusolver = 1
    Magma = 2


class _BlasBackend(enum.Enum):
    Default = 0
    Cublas = 1
    Cublaslt = 2
    Ck = 3


_linalg = _LinalgBackend.Default
_blas = _BlasBackend.Cublas


def _chosen(backend: Any, kinds: type[enum.Enum], function: str) -> Any:
    if isinstance(backend, kinds):
        return backend
    if not isinstance(backend, str):
        raise RuntimeError(f"{function} expects a str or an enum member, but got {type(backend).__name__}")
    try:
        return kinds[backend.capitalize()]
    except KeyError:
        choices = ", ".join(repr(k.name.lower()) for k in kinds)
        raise RuntimeError(f"Unknown input value {backend!r} for {function}; choose from {choices}") from None


def preferred_linalg_library(backend: Any = None) -> Any:
    """The library preferred for linear algebra on CUDA; kept."""
    global _linalg
    if backend is not None:
        _linalg = _chosen(backend, _LinalgBackend, "preferred_linalg_library")
    return _linalg


def preferred_blas_library(backend: Any = None) -> Any:
    """The library preferred for products on CUDA; kept."""
    global _blas
    if backend is not None:
        _blas = _chosen(backend, _BlasBackend, "preferred_blas_library")
    return _blas


# ---- which kernels of scaled dot product attention may be used ---------------------------------------------------------

_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}
_reduced_math_sdp = False


def flash_sdp_enabled() -> bool:
    return _sdp["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    _sdp["flash"] = enabled


def mem_efficient_sdp_enabled() -> bool:
    return _sdp["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    _sdp["mem_efficient"] = enabled


def math_sdp_enabled() -> bool:
    return _sdp["math"]


def enable_math_sdp(enabled: bool) -> None:
    _sdp["math"] = enabled


def cudnn_sdp_enabled() -> bool:
    return _sdp["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    _sdp["cudnn"] = enabled


def is_flash_attention_available() -> bool:
    return False


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    return _reduced_math_sdp


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    global _reduced_math_sdp
    _reduced_math_sdp = enabled


def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Any:
    """The old name of ``torch.nn.attention.sdpa_kernel``."""
    warnings.warn(
        "`torch.backends.cuda.sdp_kernel()` is deprecated. In the future, this context manager will be removed. "
        "Please see `torch.nn.attention.sdpa_kernel()` for the new context manager, with updated signature.",
        FutureWarning,
        stacklevel=2,
    )
    return _kernels({"flash": enable_flash, "math": enable_math, "mem_efficient": enable_mem_efficient, "cudnn": enable_cudnn})


@contextmanager
def _kernels(wanted: dict[str, bool]) -> Iterator[dict[str, Any]]:
    old = dict(_sdp)
    _sdp.update(wanted)
    try:
        yield {}
    finally:
        _sdp.update(old)
