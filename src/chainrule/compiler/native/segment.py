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
from .table import SERIAL, Record, Run, Table, emit_calls

PARALLEL = 60_000  # operations and words from which the pool pays
_RELEASE = 30_000  # operations and words from which other Python threads may run meanwhile


class Segment(Section):
    """Kernels that run as one native call: one region after the other, see :mod:`.regions`.

    ``memory`` has the arrays that stay, by node; ``written`` says of the other nodes whose arrays are written (True: made for the call).
    ``changing`` are those other nodes, in the order in which :attr:`enter` takes their arrays.
    """

    def __init__(
        self, module: Module, regions: Sequence[Sequence[Call]], number: int, memory: Mapping[int, Any], written: Mapping[int, bool]
    ) -> None:
        self.name = f"segment{number}"
        self.memory = memory
        calls = [c for region in regions for c in region]
        nodes = {id(b.node): b.node for c in calls for b in c.buffers}
        self.fixed = [n for n in nodes.values() if id(n) in memory or n.op == "const" or n is loops.ERRORS]
        held = {id(n) for n in self.fixed}
        self.changing = [n for n in nodes.values() if id(n) not in held]
        self.arguments = [Argument(n.shape, n.dtype, id(n) in written, written.get(id(n), False)) for n in self.changing]
        self.workspace = max([c.kernel.workspace for c in calls], default=0)
        self.release = sum(work(c.kernel) for c in calls) >= _RELEASE
        slots = {id(n): k for k, n in enumerate([*self.changing, *self.fixed])}
        records = [r for region in regions for r in _records(region, slots)]
        self.pooled = max([r.workspace for r in records if r.workspace != SERIAL], default=None)
        self.table = Table.of(records)
        emit_calls(module, self.name, records, len(self.changing))


def work(kernel: Kernel) -> int:
    """Operations and words of all of a kernel's chunks."""
    return kernel.flops + kernel.bytes // 4


def parallel(kernel: Kernel) -> bool:
    """Whether a kernel's chunks go to the pool."""
    return kernel.chunks > 1 and work(kernel) >= PARALLEL


def _records(region: Sequence[Call], slots: Mapping[int, int]) -> list[Record]:
    """One for the whole region where that is worth the pool's while, else one for each call."""
    kernels = [c.kernel for c in region]
    if len(region) == 1 or sum(map(work, kernels)) < PARALLEL:
        return [_alone(c, slots) for c in region]
    # The pool's threads begin at both ends: each has its half of every kernel, and small chunks, to even out, where they meet.
    order = sorted(region, key=lambda c: work(c.kernel) / c.kernel.chunks, reverse=True)
    front = [_run(c, slots, 0, -(-c.kernel.chunks // 2)) for c in order]
    back = [_run(c, slots, -(-c.kernel.chunks // 2), c.kernel.chunks) for c in order if c.kernel.chunks > 1]
    return [Record([*front, *reversed(back)], max(k.workspace for k in kernels))]


def _alone(call: Call, slots: Mapping[int, int]) -> Record:
    kernel = call.kernel
    return Record([_run(call, slots, 0, kernel.chunks)], kernel.workspace if parallel(kernel) else SERIAL)


def _run(call: Call, slots: Mapping[int, int], first: int, end: int) -> Run:
    return Run(call.kernel.name, first, end - first, [(slots[id(b.node)], b.offset) for b in call.buffers])
