"""What the tape can say about itself: derivations step by step.

``chainrule.explain(y)`` is this package, called.  It loads at first use, and so does each of its names.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

# Names of this page and the modules (of this package) that hold them.
_HOMES = {
    "Derivation": "derivation",
    "explain": "derivation",
    "draw": "draw",
    "explore": "explorer",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


class _Package(ModuleType):
    """A package that can be called: ``import chainrule.explain`` binds the name of the function to the package."""

    def __call__(self, *args: Any, **kw: Any) -> Any:
        from .derivation import explain

        return explain(*args, **kw)


sys.modules[__name__].__class__ = _Package
