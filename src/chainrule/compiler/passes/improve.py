"""The passes that every program goes through before an engine gets it."""

from __future__ import annotations

from ..program.ir import Program
from .pieces import apart
from .products import joined
from .simplify import simplify


def improved(program: Program) -> Program:
    """The program as engines want it."""
    return joined(apart(simplify(program)))
