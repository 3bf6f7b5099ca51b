"""``torch.compiler``: the names by which a program speaks to the compiler.  Functions run as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule._quiet import compile as _compile

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_stance",
    "substitute_in_graph",
]


def compile(*args: Any, **kwargs: Any) -> Any:
    """See ``torch.compile``."""
    return _compile(*args, **kwargs)


def is_compiling() -> bool:
    return False


def is_dynamo_compiling() -> bool:
    return False


def is_exporting() -> bool:
    return False


def reset() -> None:
    """Nothing is cached."""


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names of back ends that `compile` takes."""
    return ["cudagraphs", "inductor", "openxla", "tvm"]


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Decorator: keep a function out of the compiler's hands; gives the function itself.

    >>> disable(abs)(-1), disable(recursive=False)(abs)(-1)
    (1, 1)
    """
    return (lambda f: f) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """Decorator: take a function, or a list of them, as it is."""
    if not isinstance(fn, (list, tuple)) and not callable(fn):
        raise AssertionError("allow_in_graph expects a callable")
    return fn


def assume_constant_result(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the function always returns the same."""
    return fn


def substitute_in_graph(original_fn: Callable[..., Any], **kwargs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: compile this function in another's place; outside the compiler nothing is replaced."""
    return lambda replacement: replacement


def cudagraph_mark_step_begin() -> None:
    """There are no CUDA graphs."""


_STANCES = ("default", "eager_then_compile", "aot_eager_then_compile", "fail_on_recompile", "force_eager", "eager_on_recompile")


class set_stance:
    """Say how eagerly to compile, for good, for a block or for a function; every stance runs functions as they are."""

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None) -> None:
        if stance not in _STANCES:
            raise RuntimeError(f"invalid torch.compile stance {stance!r}, should be one of: {', '.join(_STANCES)}")
        self.stance = stance

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn
