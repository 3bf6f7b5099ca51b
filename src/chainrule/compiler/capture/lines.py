"""The user's line that is being run."""

from __future__ import annotations

import sys
from typing import Any

from ...core.mutation import PACKAGE


def user_line() -> str:
    """``file:line`` of the innermost frame that is not ours."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
