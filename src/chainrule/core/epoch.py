"""A count of what compiled programs cannot see in values: a module's attribute was set, an optimizer's state was replaced."""

from __future__ import annotations

EPOCH: list[int] = [0]


def turned() -> None:
    """Something has changed that a compiled program may have taken for granted."""
    EPOCH[0] += 1
