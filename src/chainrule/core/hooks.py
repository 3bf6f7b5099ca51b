"""Registering hooks: a dictionary of callables and a handle that takes one out again."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

_ids = itertools.count().__next__


class HookTable(dict[int, Callable[..., Any]]):
    """Hooks by number; unlike a plain dictionary it can be referred to weakly."""

    __slots__ = ("__weakref__",)


class Handle:
    """Takes a hook out again: ``handle.remove()``, or at the end of a ``with`` block."""

    def __init__(self, table: HookTable) -> None:
        self.id = _ids()
        self._table = weakref.ref(table)

    def remove(self) -> None:
        """Take the hook out; a second call does nothing."""
        table = self._table()
        if table is not None:
            table.pop(self.id, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register(table: HookTable, fn: Callable[..., Any]) -> Handle:
    """Add ``fn`` to ``table``."""
    handle = Handle(table)
    table[handle.id] = fn
    return handle
