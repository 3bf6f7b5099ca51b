"""What holds for all compiled functions: the stance, which functions there are, where their code came from."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from ..core.modes import nest

STANCES = ("default", "eager_then_compile", "aot_eager_then_compile", "fail_on_recompile", "force_eager", "eager_on_recompile")

STANCE: list[str] = ["default"]
LIVE: WeakSet[Any] = WeakSet()
LOADS = {"compiled": 0, "loaded": 0}  # how machine code came into this process: LLVM's work, or found on disk


def take(stance: str) -> None:
    """Let this stance hold; calls look at it only where compiled functions are not to be used."""
    if (stance == "force_eager") != (STANCE[0] == "force_eager"):
        nest(1 if stance == "force_eager" else -1)
    STANCE[0] = stance
