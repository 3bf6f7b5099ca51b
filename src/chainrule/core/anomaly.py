"""Anomaly mode: every node remembers where it was made, and backward stops at the first NaN."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .modes import MODES
from .node import Node
from .tensor import Tensor
from .value import Value


def note(node: Node) -> None:
    """Keep the stack of the forward call in the node's metadata, where PyTorch keeps it."""
    node.metadata["traceback_"] = traceback.format_stack()[:-2]


def guarded(walk: Any, node: Node, g: Any) -> Sequence[Any]:
    """Run the node; on an error or a NaN say which forward call it belongs to."""
    try:
        cts: Sequence[Any] = walk.pull(node, g)
        if MODES.anomaly_check_nan:
            for i, ct in enumerate(cts):
                if _has_nan(ct):
                    raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")
    except Exception:
        lines = node.metadata.get("traceback_")
        if lines is None:
            text = (
                f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly during forward pass"
                " for more information."
            )
        else:
            text = f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{''.join(lines)}"
        warnings.warn(text, UserWarning, stacklevel=6)
        raise
    return cts


def _has_nan(ct: Any) -> bool:
    value = ct._value if isinstance(ct, Tensor) else ct
    if value is None or isinstance(value, Value):
        return False
    return bool(np.isnan(value).any())
