"""Handles of registered hooks (``torch.utils.hooks``)."""

from __future__ import annotations

from ..core.hooks import RemovableHandle, unserializable_hook, warn_if_has_hooks

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]
