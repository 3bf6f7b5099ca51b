"""What kernels find wrong, as three int64: a code, which is 0 where all is well, the index that is out of bounds, and the size."""

from __future__ import annotations

from typing import Any

from ...ops.bounds import SAID, beyond

_DIMS = 128  # more than an array can have
_TEXTS = tuple(SAID)


def code(said: str, dim: int) -> int:
    """What a kernel writes for an index along ``dim`` of which :data:`~chainrule.ops.bounds.SAID` has ``said``."""
    return 1 + _TEXTS.index(said) * _DIMS + dim


ELEMENTS = code("elements", 0)


def raise_found(status: Any) -> None:
    """Raise what a kernel has found, and forget it."""
    found, index, size = status.tolist()
    if found:
        status[:] = 0
        raise beyond(_TEXTS[(found - 1) // _DIMS], index, size, (found - 1) % _DIMS)


__all__ = ["ELEMENTS", "code", "raise_found"]
