"""``torch.backends.miopen`` where there is none; the switch is kept."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from chainrule.backends._switches import during, swap

immediate = False


def set_flags(_immediate: bool | None = None) -> tuple[Any, ...]:
    """Set the switch; returns what it was."""
    return swap(__name__, {"immediate": _immediate})


def flags(immediate: bool = False) -> AbstractContextManager[None]:
    """The switch for a block."""
    return during(__name__, {"immediate": immediate})
