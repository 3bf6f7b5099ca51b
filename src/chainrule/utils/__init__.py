"""Data loading, checkpointing, hooks and trees (``torch.utils``); each part is loaded when it is first used."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["checkpoint", "data", "dlpack", "hooks"]


def __getattr__(name: str) -> Any:
    if name in __all__ or name.startswith("_pytree"):
        return importlib.import_module(f"{__name__}.{name}")
    from ..alias import missing_name

    raise missing_name(__name__, name)
