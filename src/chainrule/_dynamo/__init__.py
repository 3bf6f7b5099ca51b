"""``torch._dynamo``: what programs ask of the tracer by name."""

from __future__ import annotations

from typing import Any

from chainrule._dynamo import config, exc
from chainrule.compiler import allow_in_graph, assume_constant_result, disable, is_compiling, list_backends, reset

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "config",
    "disable",
    "exc",
    "graph_break",
    "is_compiling",
    "list_backends",
    "mark_dynamic",
    "mark_static",
    "maybe_mark_dynamic",
    "reset",
]


def graph_break(msg: str = "") -> None:
    """There is no graph to break."""


def mark_dynamic(t: Any, index: Any, *, min: int | None = None, max: int | None = None) -> None:
    """Sizes are dynamic anyway."""


def maybe_mark_dynamic(t: Any, index: Any) -> None:
    """Sizes are dynamic anyway."""


def mark_static(t: Any, index: Any = None) -> None:
    """Sizes are dynamic anyway."""
