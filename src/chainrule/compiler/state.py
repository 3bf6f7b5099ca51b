"""What holds for all compiled functions: the stance, and which functions there are."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

STANCES = ("default", "eager_then_compile", "aot_eager_then_compile", "fail_on_recompile", "force_eager", "eager_on_recompile")

STANCE: list[str] = ["default"]
LIVE: WeakSet[Any] = WeakSet()
