"""The lowerings by operation: functions of nodes, numbers and None, with the operation's keywords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

LOWERINGS: dict[str, Callable[..., Any]] = {}


def lowers(*names: str) -> Callable[[F], F]:
    """Decorator: this is what the operations ``names`` become."""

    def note(function: F) -> F:
        for name in names:
            LOWERINGS[name] = function
        return function

    return note
