"""Programs of single operations as machine code, whole or not at all: of a part, NumPy's own implementation is the better one."""

from __future__ import annotations

from typing import Any

from ..capture.symbolic import Unsupported
from ..native import cache
from ..native.run import runner
from ..native.stored import key_of, restored
from ..native.target import host
from ..program.ir import Program


def build(program: Program) -> Any:
    """The program as a function of its inputs, from the cache or newly compiled.  Unsupported where some step would be NumPy's."""
    target = host()
    known = key_of(program, target)
    key = None if known is None else cache.key("eager", known)  # a compiled function may have stored the same one with such a step
    found = None if key is None else restored(program, key, target)
    if found is not None:
        return found
    from ..native.engine import Native
    from ..native.sharing import Call

    native = Native(program, target)
    if not all(isinstance(step, Call) for step in native.steps):
        raise Unsupported("a step without a kernel")
    return runner(native.link(key=key))
