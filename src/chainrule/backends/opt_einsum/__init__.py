"""``torch.backends.opt_einsum``: einsum chooses its order of contraction without that package."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from chainrule.backends._switches import during, swap

enabled = False
strategy: str | None = None


def is_available() -> bool:
    return False


def get_opt_einsum() -> Any:
    return None


def _check(wanted: bool | None) -> None:
    if wanted:
        raise ValueError("opt_einsum is not available, so setting `enabled` to True will not reap the benefits of calculating the path.")


def set_flags(_enabled: bool | None = None, _strategy: str | None = None) -> tuple[Any, ...]:
    """Set the switches that are given; returns what they were."""
    _check(_enabled)
    return swap(__name__, {"enabled": _enabled, "strategy": _strategy})


def flags(enabled: bool | None = None, strategy: str | None = None) -> AbstractContextManager[None]:
    """The switches for a block."""
    _check(enabled)
    return during(__name__, {"enabled": enabled, "strategy": strategy})
