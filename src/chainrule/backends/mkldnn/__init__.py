"""``torch.backends.mkldnn``: there is no oneDNN here; the switches are kept."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from chainrule.backends._switches import Precision, during, swap

VERBOSE_OFF = 0
VERBOSE_ON = 1
VERBOSE_ON_CREATION = 2

enabled = True
deterministic = False
allow_tf32: bool | None = None
fp32_precision = "none"
matmul = Precision("none")
conv = Precision("none")
rnn = Precision("none")


def is_available() -> bool:
    return False


def set_flags(
    _enabled: bool | None = None, _deterministic: bool | None = None, _allow_tf32: bool | None = None, _fp32_precision: str = "none"
) -> tuple[Any, ...]:
    """Set the switches that are given; returns what they all were."""
    values = {"enabled": _enabled, "deterministic": _deterministic, "allow_tf32": _allow_tf32, "fp32_precision": _fp32_precision}
    return swap(__name__, values)


def flags(
    enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True, fp32_precision: str = "none"
) -> AbstractContextManager[None]:
    """The switches for a block."""
    values = {"enabled": enabled, "deterministic": deterministic, "allow_tf32": allow_tf32, "fp32_precision": fp32_precision}
    return during(__name__, values)


class verbose:
    """Asks oneDNN to print what it runs; there is nothing to print."""

    def __init__(self, level: int) -> None:
        self.level = level

    def __enter__(self) -> verbose:
        return self

    def __exit__(self, *exc: object) -> None:
        return None
