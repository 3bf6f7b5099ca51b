"""Modules whose calls are compiled."""

from __future__ import annotations

from typing import Any

from ..nn.modules.module import Module
from .front import Compiled


class OptimizedModule(Module):
    """A module whose calls are compiled; everything else is the module's, which is ``_orig_mod``."""

    def __init__(self, module: Module, fullgraph: bool) -> None:
        super().__init__()
        self._orig_mod = module
        object.__setattr__(self, "_compiled", Compiled(module.__call__, fullgraph=fullgraph))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "_orig_mod":
                raise
            return getattr(self._orig_mod, name)


def compiled_module(module: Module, fullgraph: bool) -> Module:
    """The module, compiled; one that is, stays."""
    return module if isinstance(module, OptimizedModule) else OptimizedModule(module, fullgraph)
