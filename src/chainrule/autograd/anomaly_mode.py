"""Switching anomaly detection on: tracebacks of the forward call with every error in backward, and a stop at NaN."""

from __future__ import annotations

import warnings

from ..core.modes import MODES

_WARNING = "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging."


def is_anomaly_enabled() -> bool:
    """True while anomaly mode is on in this thread."""
    return MODES.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """True when anomaly mode also looks for NaN."""
    return MODES.anomaly_check_nan


class set_detect_anomaly:
    """Set anomaly mode at once; as a context manager, put it back at the end.

    >>> import chainrule as torch
    >>> with torch.autograd.set_detect_anomaly(False):
    ...     pass
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (MODES.anomaly, MODES.anomaly_check_nan)
        MODES.anomaly, MODES.anomaly_check_nan = mode, check_nan

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        MODES.anomaly, MODES.anomaly_check_nan = self._before


class detect_anomaly:
    """Anomaly mode for the length of a ``with`` block; it warns that it slows the program down."""

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan
        warnings.warn(_WARNING, UserWarning, stacklevel=2)

    def __enter__(self) -> None:
        self._before = (MODES.anomaly, MODES.anomaly_check_nan)
        MODES.anomaly, MODES.anomaly_check_nan = True, self._check_nan

    def __exit__(self, *exc: object) -> None:
        MODES.anomaly, MODES.anomaly_check_nan = self._before
