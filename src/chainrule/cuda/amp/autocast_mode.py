"""``torch.cuda.amp.autocast_mode``."""

from __future__ import annotations

import warnings
from typing import Any

from chainrule.amp import autocast_mode

__all__ = ["autocast", "custom_bwd", "custom_fwd"]


def _renamed(name: str, instead: str) -> None:
    warnings.warn(f"`torch.cuda.amp.{name}(args...)` is deprecated. Please use `{instead}` instead.", FutureWarning, stacklevel=3)


class autocast(autocast_mode.autocast):
    """The old name of ``torch.amp.autocast("cuda", ...)``."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        _renamed("autocast", "torch.amp.autocast('cuda', args...)")
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


def custom_fwd(fwd: Any = None, **kwargs: Any) -> Any:
    _renamed("custom_fwd", "torch.amp.custom_fwd(args..., device_type='cuda')")
    return autocast_mode.custom_fwd(fwd, device_type="cuda", **kwargs)


def custom_bwd(bwd: Any = None) -> Any:
    _renamed("custom_bwd", "torch.amp.custom_bwd(args..., device_type='cuda')")
    return autocast_mode.custom_bwd(bwd, device_type="cuda")
