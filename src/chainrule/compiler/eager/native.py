"""Programs of single operations as machine code, whole or not at all: of a part, NumPy's own implementation is the better one."""

from __future__ import annotations

from typing import Any

from ..capture.symbolic import Unsupported
from ..native.engine import Native
from ..native.run import runner
from ..native.sharing import Call
from ..native.target import host
from ..program.ir import Program


def build(program: Program) -> Any:
    """The program as a function of (inputs, scalars).  Unsupported where some step would be NumPy's."""
    native = Native(program, host())
    if not all(isinstance(step, Call) for step in native.steps):
        raise Unsupported("a step without a kernel")
    return runner(native.link())
