"""Activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import declare
from .compare import where


def _relu(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return np.maximum(x, 0)
    return x if x > 0 or x != x else type(x)(0)


relu = declare.unary("relu", _relu, lambda t, out: where(out > 0, t, 0), result="same", doc="``max(0, input)``, elementwise; derivative 0 at 0.")

__all__ = ["relu"]
