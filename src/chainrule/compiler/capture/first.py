"""Optimizers before their first step.

A first step makes the optimizer's state, so a program of it would be one for that step alone.  Where the rule says what the state begins
with, it is made beforehand; then the first step is like all others, and is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class FirstStep:
    """Optimizers whose state has been begun; true if there are any."""

    def __init__(self, optimizers: Iterable[Any]) -> None:
        begun = [(o, o._begin_all()) for o in optimizers if hasattr(o, "_begin_all")]
        self._begun = [(o, params) for o, params in begun if params]

    def __bool__(self) -> bool:
        return bool(self._begun)

    def end(self) -> None:
        """Take back what the call has made no use of."""
        for optimizer, params in self._begun:
            optimizer._unbegin(params)
