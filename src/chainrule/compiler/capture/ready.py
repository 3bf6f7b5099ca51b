"""A captured program with what runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from time import perf_counter
from typing import Any

from ..passes.improve import improved
from ..program.ir import Program
from ..state import LOADS

Run = Callable[[Sequence[Any]], list[Any]]
Engine = Callable[[Program], Run]


class Ready:
    """What an engine made of a program.

    An engine is a function of the simplified program.  One that finds programs again before they are simplified has ``unless_known``, a
    function of the captured program and of what simplifies it.
    """

    def __init__(self, captured: Program, engine: Engine) -> None:
        self.captured = Program(captured.inputs, list(captured.outputs), list(captured.stores))
        begun, before = perf_counter(), dict(LOADS)
        self._simplifying = 0.0
        find = getattr(engine, "unless_known", None)
        self.run: Run = engine(self.program) if find is None else find(self.captured, lambda: self.program)
        #: how long making it took, by stage; and whether its machine code came from disk (None: there is none)
        self.seconds = {"simplify": self._simplifying, "machine code": perf_counter() - begun - self._simplifying}
        self.loaded = None if before == LOADS else before["compiled"] == LOADS["compiled"]

    @cached_property
    def program(self) -> Program:
        """The program without what it need not compute."""
        begun = perf_counter()
        simple = improved(self.captured)
        self._simplifying = perf_counter() - begun
        return simple


__all__ = ["Engine", "Ready", "Run"]
