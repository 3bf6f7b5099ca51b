"""Numbers of classes, looked at: an operation, so that open transforms and compiled programs look too."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import same
from ..core.op import Op
from .bounds import beyond


def _look(index: Any, *, size: int, said: str) -> Any:
    if index.size and (index.min() < 0 or index.max() >= size):
        raise beyond(said, np.extract((index < 0) | (index >= size), index).min(), size)
    return index


#: The index itself, int64; raises what :data:`~.bounds.SAID` has under ``said`` where an element is not in [0, size).
inside = Op("inside", _look, kind="general", args="index", infer=lambda index, size, said: index, batch=same)

__all__: list[str] = []
