"""``torch.compiler``: the names by which a program speaks to the compiler."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from chainrule._quiet import compile as _compile
from chainrule.core.modes import MODES

from .state import LIVE, STANCE, STANCES, take

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
    """True while a function is captured."""
    return MODES.recorder is not None


def is_dynamo_compiling() -> bool:
    """True while a function is captured."""
    return MODES.recorder is not None


def is_exporting() -> bool:
    return False


def reset() -> None:
    """Forget every program that was compiled in this process."""
    for function in list(LIVE):
        function.forget()


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names of back ends that `compile` takes."""
    return ["cudagraphs", "inductor", "openxla", "tvm"]


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Decorator: keep a function out of the compiler's hands: a capture ends where it is called.

    >>> disable(abs)(-1), disable(recursive=False)(abs)(-1)
    (1, 1)
    """
    if fn is None:
        return lambda f: disable(f, recursive, reason=reason)
    function = fn

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if MODES.recorder is not None:
            MODES.recorder.flush(f"{getattr(function, '__name__', function)} is kept from the compiler" + (f": {reason}" if reason else ""))
        return function(*args, **kwargs)

    return run


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


class set_stance:
    """Say how eagerly to compile, from now on; as a context manager for a block, as a decorator for a function's calls.

    ``"force_eager"`` runs functions as they are written, ``"eager_on_recompile"`` what they were not compiled for yet, and
    ``"fail_on_recompile"`` raises RuntimeError there.  The other stances compile.
    """

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None) -> None:
        if stance not in STANCES:
            raise RuntimeError(f"invalid torch.compile stance {stance!r}, should be one of: {', '.join(STANCES)}")
        self.stance = stance
        self._before = STANCE[0]
        take(stance)

    def __enter__(self) -> None:
        take(self.stance)

    def __exit__(self, *exc: object) -> None:
        take(self._before)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        take(self._before)

        @wraps(fn)
        def run(*args: Any, **kwargs: Any) -> Any:
            before = STANCE[0]
            take(self.stance)
            try:
                return fn(*args, **kwargs)
            finally:
                take(before)

        return run
