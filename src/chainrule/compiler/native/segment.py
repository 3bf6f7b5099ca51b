"""What a plan consists of: kernels with their memory, what NumPy computes, and runs of kernels that are one native function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..program.ir import Node
from . import loops, pool
from .call import DONE, Argument, Entry
from .emitter import Module
from .kernel import Kernel
from .sharing import Call

PARALLEL = 60_000  # operations and words from which the pool pays
_RELEASE = 30_000  # operations and words from which other Python threads may run meanwhile
ALIGN = 64


class Host(NamedTuple):
    """Nodes that NumPy computes, one after the other; the values of ``outputs`` are put into memory."""

    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]


class Segment:
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
        self.errors = id(loops.ERRORS) in nodes
        self.fixed = [n for n in nodes.values() if id(n) in memory or n.op == "const" or n is loops.ERRORS]
        held = {id(n) for n in self.fixed}
        self.changing = [n for n in nodes.values() if id(n) not in held]
        self.arguments = [Argument(n.shape, n.dtype, id(n) in written, written.get(id(n), False)) for n in self.changing]
        self.workspace = max([c.kernel.workspace for c in calls], default=0)
        self.work = sum(c.kernel.flops + c.kernel.bytes // 4 for c in calls)

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

    def load(self, library: Any) -> None:
        """Make it callable: :attr:`enter` gives the status of :class:`~chainrule.compiler.native.call.Entry`."""
        self.entry = Entry(library, self.name, self.arguments, len(self.fixed) + 1, release=self.work >= _RELEASE)
        self.enter: Callable[..., int] = self.entry.enter
        self.status = np.zeros(3, np.int64)
        for k, node in enumerate(self.fixed):
            if node is loops.ERRORS:
                array = self.status
            elif node.op == "const":
                array = np.array(node.attrs["value"], order="C")
            else:
                array = self.memory[id(node)]
            self.entry.bind(k, array)
        if self.workspace:
            pool.reserve(self.workspace)
        self.entry.bind(len(self.fixed), aligned(max(ALIGN, self.workspace)))

    def run(self, *arrays: Any) -> None:
        """Call it, whatever it takes."""
        if self.enter(*arrays) != DONE:
            self.entry(*arrays)
        if self.errors:
            self.check()

    def check(self) -> None:
        """Raise what a kernel has found."""
        if self.status[0]:
            index, size = int(self.status[1]), int(self.status[2])
            self.status[:] = 0
            raise IndexError(f"index {index} is out of bounds for {size} elements")


def _run(f: Any, kernel: Kernel, pointers: str, space: str) -> None:
    if kernel.chunks > 1 and kernel.flops + kernel.bytes // 4 >= PARALLEL:
        pool.run_chunks(f, kernel.name, pointers, kernel.chunks, kernel.workspace)
    elif kernel.chunks == 1:
        f.call(kernel.name, f"ptr {pointers}", "i64 0", f"ptr {space}")
    else:
        f.loop(0, kernel.chunks, 1, lambda i, _: [f.call(kernel.name, f"ptr {pointers}", f"i64 {i}", f"ptr {space}")] and None)


def aligned(size: int) -> Any:
    """Bytes that begin at a multiple of 64."""
    whole = np.empty(size + ALIGN, np.uint8)
    start = -whole.ctypes.data % ALIGN
    return whole[start : start + size]
