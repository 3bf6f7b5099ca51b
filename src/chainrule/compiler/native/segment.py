"""What a plan consists of: kernels with their memory, what NumPy computes, and runs of kernels that are one native function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import loops, pool
from .call import Argument
from .emitter import Module
from .kernel import Kernel
from .section import Section
from .sharing import Call

PARALLEL = 60_000  # operations and words from which the pool pays
_RELEASE = 30_000  # operations and words from which other Python threads may run meanwhile


class Segment(Section):
    """Kernels that run one after the other as one native call.

    ``memory`` has the arrays that stay, by node; ``written`` says of the other nodes whose arrays are written (True: made for the call).
    ``changing`` are those other nodes, in the order in which :attr:`enter` takes their arrays.
    """

    def __init__(self, module: Module, calls: Sequence[Call], number: int, memory: Mapping[int, Any], written: Mapping[int, bool]) -> None:
        self.module = module
        self.calls = list(calls)
        self.name = f"segment{number}"
        self.memory = memory
        nodes = {id(b.node): b.node for c in calls for b in c.buffers}
        self.fixed = [n for n in nodes.values() if id(n) in memory or n.op == "const" or n is loops.ERRORS]
        held = {id(n) for n in self.fixed}
        self.changing = [n for n in nodes.values() if id(n) not in held]
        self.arguments = [Argument(n.shape, n.dtype, id(n) in written, written.get(id(n), False)) for n in self.changing]
        self.workspace = max([c.kernel.workspace for c in calls], default=0)
        self.pooled = max([c.kernel.workspace for c in calls if _parallel(c.kernel)], default=0)
        self.work = sum(c.kernel.flops + c.kernel.bytes // 4 for c in calls)
        self.release = self.work >= _RELEASE

    def emit(self) -> None:
        slots = {id(n): k for k, n in enumerate([*self.changing, *self.fixed])}
        f = self.module.function(self.name, "ptr %block", linkage="")
        space = f.load("ptr", f.gep("%block", len(slots), "ptr"))
        most = max([c.kernel.buffers for c in self.calls], default=1)
        pointers = f.op(f"alloca [{max(1, most)} x ptr], align 8")
        for call in self.calls:
            for k, buffer in enumerate(call.buffers):
                start = f.load("ptr", f.gep("%block", slots[id(buffer.node)], "ptr"))
                f.store("ptr", f.gep(start, buffer.offset), f.gep(pointers, k, "ptr"))
            _run(f, call.kernel, pointers, space)
        f.ret()


def _parallel(kernel: Kernel) -> bool:
    return kernel.chunks > 1 and kernel.flops + kernel.bytes // 4 >= PARALLEL


def _run(f: Any, kernel: Kernel, pointers: str, space: str) -> None:
    if _parallel(kernel):
        pool.run_chunks(f, kernel.name, pointers, kernel.chunks, kernel.workspace)
    elif kernel.chunks == 1:
        f.call(kernel.name, f"ptr {pointers}", "i64 0", f"ptr {space}")
    else:
        f.loop(0, kernel.chunks, 1, lambda i, _: [f.call(kernel.name, f"ptr {pointers}", f"i64 {i}", f"ptr {space}")] and None)
