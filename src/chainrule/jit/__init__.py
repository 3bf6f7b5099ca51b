"""``torch.jit``: scripting and tracing give back what they are given, which runs as Python.

The names that compile warn, as PyTorch's do, that they are deprecated.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

from chainrule.alias import missing_name

__all__ = [
    "Attribute",
    "Error",
    "Final",
    "Future",
    "annotate",
    "enable_onednn_fusion",
    "export",
    "fork",
    "freeze",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "onednn_fusion_enabled",
    "optimize_for_inference",
    "script",
    "script_if_tracing",
    "script_method",
    "set_fusion_strategy",
    "strict_fusion",
    "trace",
    "trace_module",
    "unused",
    "wait",
]

Error = RuntimeError


class Attribute(NamedTuple):
    """A value with the type that a script would give it."""

    value: Any
    type: Any


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(f"`torch.jit.{name}` is deprecated. Please {instead}.", DeprecationWarning, stacklevel=3)


def is_scripting() -> bool:
    return False


def is_tracing() -> bool:
    return False


# ---- what would compile -------------------------------------------------------------------------------------------------


def script(obj: Any, optimize: None = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """The function, module or class itself."""
    _deprecated("script", "switch to `torch.compile` or `torch.export`")
    return obj


def script_method(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The method itself."""
    _deprecated("script_method", "switch to `torch.compile` or `torch.export`")
    return fn


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The function or module itself; it is not run."""
    _deprecated("trace", "switch to `torch.compile` or `torch.export`")
    return func


def trace_module(mod: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """The module itself; it is not run."""
    _deprecated("trace_method", "switch to `torch.compile` or `torch.export`")
    return mod


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Any:
    """The module itself; RuntimeError when it is in training mode."""
    _deprecated("freeze", "use `torch.compile` instead")
    if getattr(mod, "training", False):
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before freezing."
        )
    return mod


def optimize_for_inference(mod: Any, other_methods: list[str] | None = None) -> Any:
    """The module itself."""
    _deprecated("optimize_for_inference", "use `torch.compile` instead")
    return mod


def script_if_tracing(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: compile when traced; gives the function itself."""
    return fn


# ---- remarks for the compiler -------------------------------------------------------------------------------------------


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Like the builtin, and it looks into ``list[int]``, ``dict[str, T]``, ``tuple[...]`` and unions."""
    from chainrule.jit._types import matches

    return matches(obj, target_type)


def export(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: compile this method too."""
    return fn


def unused(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: do not compile this method."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Decorator, with or without arguments: leave this method to Python."""
    return drop if callable(drop) else lambda fn: fn


def interface(obj: type) -> type:
    """Decorator: a class of which only the signatures matter."""
    _deprecated("interface", "use `torch.compile` instead")
    return obj


class strict_fusion:
    """A block whose operations a compiled program must fuse."""

    def __init__(self) -> None:
        warnings.warn("Only works in script mode", stacklevel=2)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


_fusion_strategy = [("STATIC", 2), ("DYNAMIC", 10)]


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Kept; gives what it was."""
    global _fusion_strategy
    _deprecated("set_fusion_strategy", "use `torch.compile` instead")
    old, _fusion_strategy = _fusion_strategy, strategy
    return old


_onednn_fusion = False


def onednn_fusion_enabled() -> bool:
    return _onednn_fusion


def enable_onednn_fusion(enabled: bool) -> None:
    global _onednn_fusion
    _onednn_fusion = enabled


# ---- tasks -------------------------------------------------------------------------------------------------------------


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    """The call as a task; it runs at once, and `wait` gives its result or raises its error."""
    _deprecated("fork", "use `torch.compile` instead")
    task: Future[Any] = Future()
    try:
        task.set_result(func(*args, **kwargs))
    except Exception as e:
        task.set_exception(e)
    return task


def wait(future: Future[Any]) -> Any:
    """The result of a task."""
    _deprecated("wait", "use `torch.compile` instead")
    return future.result()


def __getattr__(name: str) -> Any:
    if name in ("ScriptModule", "RecursiveScriptModule"):
        from chainrule.nn import Module

        return Module
    if name == "ScriptFunction":
        import types

        return types.FunctionType
    raise missing_name(__name__, name)
