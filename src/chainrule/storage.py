"""The memory behind tensors (``torch.storage``)."""

from __future__ import annotations

from .ops.storage import TypedStorage, UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
