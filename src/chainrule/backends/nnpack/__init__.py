"""``torch.backends.nnpack``: there is no NNPACK here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from chainrule.backends._switches import during, swap

enabled = True


def is_available() -> bool:
    return False


def set_flags(_enabled: bool) -> tuple[Any, ...]:
    """Set the switch; returns what it was."""
    return swap(__name__, {"enabled": _enabled})


def flags(enabled: bool = False) -> AbstractContextManager[None]:
    """The switch for a block."""
    return during(__name__, {"enabled": enabled})
