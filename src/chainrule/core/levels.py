"""Opening a level: every transform in progress has a number of its own."""

from __future__ import annotations

from .modes import MODES


class new_level:
    """``with new_level() as level:`` — a number greater than that of every level that is open in this thread."""

    __slots__ = ("_grad",)

    def __enter__(self) -> int:
        MODES.depth += 1
        self._grad = MODES.grad
        return MODES.depth

    def __exit__(self, *exc: object) -> None:
        MODES.depth -= 1
        MODES.grad = self._grad
