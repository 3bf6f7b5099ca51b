"""From kernels with their memory to the sections that run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import loops
from .call import Argument
from .emitter import Module
from .kernel import Kernel
from .section import Section
from .sharing import Call
from .table import SERIAL, Record, Table, emit_calls

PARALLEL = 60_000  # operations and words from which the pool pays
_RELEASE = 30_000  # operations and words from which other Python threads may run meanwhile


class Segment(Section):
    """Kernels that run one after the other as one native call.

    ``memory`` has the arrays that stay, by node; ``written`` says of the other nodes whose arrays are written (True: made for the call).
    ``changing`` are those other nodes, in the order in which :attr:`enter` takes their arrays.
    """

    def __init__(self, module: Module, calls: Sequence[Call], number: int, memory: Mapping[int, Any], written: Mapping[int, bool]) -> None:
        self.name = f"segment{number}"
        self.memory = memory
        nodes = {id(b.node): b.node for c in calls for b in c.buffers}
        self.fixed = [n for n in nodes.values() if id(n) in memory or n.op == "const" or n is loops.ERRORS]
        held = {id(n) for n in self.fixed}
        self.changing = [n for n in nodes.values() if id(n) not in held]
        self.arguments = [Argument(n.shape, n.dtype, id(n) in written, written.get(id(n), False)) for n in self.changing]
        self.workspace = max([c.kernel.workspace for c in calls], default=0)
        self.pooled = max([c.kernel.workspace for c in calls if parallel(c.kernel)], default=None)
        self.release = sum(work(c.kernel) for c in calls) >= _RELEASE
        slots = {id(n): k for k, n in enumerate([*self.changing, *self.fixed])}
        records = [_record(c, slots) for c in calls]
        self.table = Table.of(records)
        emit_calls(module, self.name, records, len(self.changing))


def work(kernel: Kernel) -> int:
    """Operations and words of all of a kernel's chunks."""
    return kernel.flops + kernel.bytes // 4


def parallel(kernel: Kernel) -> bool:
    """Whether a kernel's chunks go to the pool."""
    return kernel.chunks > 1 and work(kernel) >= PARALLEL


def _record(call: Call, slots: Mapping[int, int]) -> Record:
    kernel = call.kernel
    pointers = [(slots[id(b.node)], b.offset) for b in call.buffers]
    return Record(kernel.name, kernel.chunks, kernel.workspace if parallel(kernel) else SERIAL, pointers)
