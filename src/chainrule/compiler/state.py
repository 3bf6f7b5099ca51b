"""What holds for all compiled functions: the stance, which functions there are, where their code came from."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

STANCES = ("default", "eager_then_compile", "aot_eager_then_compile", "fail_on_recompile", "force_eager", "eager_on_recompile")

STANCE: list[str] = ["default"]
LIVE: WeakSet[Any] = WeakSet()
LOADS = {"compiled": 0, "loaded": 0}  # how machine code came into this process: LLVM's work, or found on disk
