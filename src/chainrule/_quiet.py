"""Single functions of PyTorch's that tune or describe its machinery: they answer as on a build without accelerators.

Settings are kept and given back.  Where chainrule has nothing to tune (TF32 products, inter-op threads) they change no
result: every product is computed at the full precision of its dtype.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any


class OutOfMemoryError(RuntimeError):
    """What an allocation on an accelerator raises (``torch.OutOfMemoryError``)."""


class AcceleratorError(RuntimeError):
    """What an operation on an accelerator raises (``torch.AcceleratorError``)."""


# ---- threads ----------------------------------------------------------------------------------------------------------

_interop_threads: int | None = None


def _positive(n: Any, function: str) -> int:
    if type(n) is not int:
        raise RuntimeError(f"{function} expects an int, but got {type(n).__name__}")
    if n <= 0:
        raise RuntimeError(f"{function} expects a positive integer")
    return n


def get_num_threads() -> int:
    """The number of threads that matrix products run on."""
    from chainrule import _blas

    return _blas.get_num_threads()


def set_num_threads(n: int) -> None:
    """Run matrix products and compiled programs on `n` threads; RuntimeError unless `n` is a positive int."""
    from chainrule import _blas

    _blas.set_num_threads(_positive(n, "set_num_threads"))
    pool = sys.modules.get("chainrule.compiler.native.pool")
    if pool is not None:
        pool.set_num_threads(n)


def get_num_interop_threads() -> int:
    """What `set_num_interop_threads` was told, else the number of cores; operations run one after the other."""
    import os

    return _interop_threads or os.cpu_count() or 1


def set_num_interop_threads(n: int) -> None:
    """Kept for `get_num_interop_threads`; RuntimeError unless `n` is a positive int."""
    global _interop_threads
    _interop_threads = _positive(n, "set_num_interop_threads")


# ---- determinism ------------------------------------------------------------------------------------------------------

_deterministic = False
_deterministic_warn_only = False
_DEBUG_MODES = {"default": 0, "warn": 1, "error": 2}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for deterministic algorithms.  Every algorithm of chainrule's is: nothing is slower and nothing raises."""
    global _deterministic, _deterministic_warn_only
    for position, (name, value) in enumerate((("mode", mode), ("warn_only", warn_only)), 1):
        if not isinstance(value, bool):
            raise TypeError(
                f"_set_deterministic_algorithms(): argument '{name}' (position {position}) must be bool, not {type(value).__name__}"
            )
    _deterministic, _deterministic_warn_only = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    return _deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    return _deterministic_warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by number or name: 0 ``default``, 1 ``warn``, 2 ``error``."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in _DEBUG_MODES:
            raise RuntimeError(f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}")
        debug_mode = _DEBUG_MODES[debug_mode]
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode() -> int:
    return 0 if not _deterministic else 1 if _deterministic_warn_only else 2


# ---- precision and warnings -------------------------------------------------------------------------------------------

_matmul_precision = "highest"
_warn_always = False


def get_float32_matmul_precision() -> str:
    """``highest``, ``high`` or ``medium``, as set."""
    return _matmul_precision


def set_float32_matmul_precision(precision: str) -> None:
    """Allow float32 products to be computed in a narrower format; chainrule computes them in float32 all the same."""
    global _matmul_precision
    if not isinstance(precision, str):
        raise RuntimeError(f"set_float32_matmul_precision expects a str, but got {type(precision).__name__}")
    if precision not in ("highest", "high", "medium"):
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the currentsetFloat32MatmulPrecision call has no effect.",
            stacklevel=2,
        )
        return
    _matmul_precision = precision


def set_flush_denormal(mode: bool) -> bool:
    """Whether flushing denormal numbers to zero could be switched: False, NumPy has no such switch."""
    return False


def set_warn_always(b: bool, /) -> None:
    global _warn_always
    _warn_always = b


def is_warn_always_enabled() -> bool:
    return _warn_always


# ---- what this build has ----------------------------------------------------------------------------------------------


def is_vulkan_available() -> bool:
    return False


def compiled_with_cxx11_abi() -> bool:
    return True


def get_device_module(device: Any = None) -> ModuleType:
    """The module that controls a kind of device: ``torch.cpu`` for ``"cpu"`` or None, ``torch.cuda`` for ``"cuda"``, ..."""
    import importlib

    from chainrule.core.device import device as Device

    kind = "cpu" if device is None else Device(device).type
    try:
        return importlib.import_module(f"chainrule.{kind}")
    except ModuleNotFoundError:
        raise RuntimeError(f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'.") from None


# ---- compile ----------------------------------------------------------------------------------------------------------

COMPILE_MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
COMPILE_BACKENDS = ("cudagraphs", "inductor", "openxla", "tvm", "eager", "aot_eager", "aot_ts", "ts", "onnxrt", "ipex")


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """The function or module, captured as a program at its first calls; also as a decorator, with or without keywords.

    A program stands for the function as long as shapes, dtypes and everything else that the function reads are the same.  What
    cannot be one program (a branch on a tensor's value, an effect in Python) runs as it is written; with ``fullgraph=True`` it
    raises RuntimeError, which says what and where.  The back ends ``"eager"`` and callables leave the function as it is.

    RuntimeError for an unknown `mode`, a `mode` together with `options`, or an unknown `backend`.

    >>> import chainrule as torch
    >>> @compile(fullgraph=True)
    ... def double(x):
    ...     return 2 * x
    >>> double(torch.tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if mode is not None and mode not in COMPILE_MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(COMPILE_MODES)}")
    if isinstance(backend, str) and backend not in COMPILE_BACKENDS:
        from chainrule._dynamo.exc import InvalidBackend

        raise InvalidBackend(backend)
    if model is None:
        return lambda fn: compile(fn, fullgraph=fullgraph, backend=backend, disable=disable)
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if disable or backend == "eager" or (callable(backend) and not isinstance(backend, str)):
        return model
    from chainrule.compiler.front import compiled

    return compiled(model, fullgraph=fullgraph)
