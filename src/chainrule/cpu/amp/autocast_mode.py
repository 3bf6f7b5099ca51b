"""``torch.cpu.amp.autocast_mode``."""

from __future__ import annotations

import warnings
from typing import Any

from chainrule.amp import autocast_mode

__all__ = ["autocast"]


class autocast(autocast_mode.autocast):
    """The old name of ``torch.amp.autocast("cpu", ...)``."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        warnings.warn(
            "`torch.cpu.amp.autocast(args...)` is deprecated. Please use `torch.amp.autocast('cpu', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cpu", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)
