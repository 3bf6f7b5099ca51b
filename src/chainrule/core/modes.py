"""The thread's modes: is gradient recorded, is inference mode on, which transform levels are open."""

from __future__ import annotations

import threading
from typing import Any


class _Modes(threading.local):
    """One object a thread; class attributes are every new thread's defaults, as PyTorch has them."""

    grad: bool = True
    inference: bool = False
    depth: int = 0
    anomaly: bool = False
    anomaly_check_nan: bool = True
    saved_hooks: tuple[Any, ...] = ()
    vmaps: tuple[tuple[int, int, str], ...] = ()
    multithreading: bool = True


MODES = _Modes()


def is_grad_enabled() -> bool:
    """True when operations on tensors that require gradient are recorded in this thread."""
    return MODES.grad


def is_inference_mode_enabled() -> bool:
    """True inside ``inference_mode()``."""
    return MODES.inference
