"""Compiled kernels for eager operations on large arrays; ``core/large.py`` asks for them.

A kernel is made at the first call that it fits, so a result has the same bits at every call.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .table import Eager


def kernels() -> Eager | None:
    """Kernels as the environment asks for them: None without llvmlite, and with ``CHAINRULE_ENGINE=numpy``."""
    if os.environ.get("CHAINRULE_ENGINE", "native") == "numpy" or find_spec("llvmlite") is None:
        return None
    from .native import build
    from .table import Eager

    return Eager(build)
