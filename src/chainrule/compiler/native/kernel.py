"""What a kernel is to the rest of the compiler: a function of one signature that does a numbered part of its work.

Every kernel, contraction or fused loop, is the LLVM function

    void name(ptr %buffers, i64 %chunk, ptr %workspace)

``%buffers`` is an array of :attr:`Kernel.buffers` pointers, operands and results in the order that the kernel's specification
gives; each points at its view's first element.  ``%chunk`` counts from 0 to :attr:`Kernel.chunks` - 1; the chunks may run in any
order, at the same time and on any thread.  ``%workspace`` is :attr:`Kernel.workspace` bytes that belong to the running thread,
aligned to 64; what they hold is undefined when a chunk begins.

How work is split depends on shapes and target alone, never on the number of threads, and no two chunks add to one element: results
are the same bits however many threads run.  A kernel's name says nothing of the values it is given, so a program that does the
same computation in twelve layers has one kernel and twelve arrays of pointers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .emitter import Emitter, Index, Module

SIGNATURE = "ptr noalias readonly %buffers, i64 %chunk, ptr noalias %workspace"


@dataclass(frozen=True)
class Kernel:
    """A kernel that has been emitted into a module."""

    name: str
    buffers: int  # pointers that %buffers has
    chunks: int  # may be 0: nothing to do
    workspace: int = 0  # bytes for each thread
    flops: int = 0  # of all chunks together: additions, multiplications, and calls of mathematical functions
    bytes: int = 0  # read and written by all chunks together, each buffer counted once


@dataclass(frozen=True)
class Place:
    """Where a vector of values lies in a matrix of a batch, for a :class:`Hook`.

    Lane i is element (row, column + i) if ``along`` is 1, (row + i, column) if it is 0.  Only the first ``valid`` lanes count
    (None: all of them): the others must not be loaded or stored.
    """

    type: str  # the vector's LLVM type; one lane is the element itself
    row: Index
    column: Index
    batch: Index = 0
    along: int = 1
    valid: int | None = None
    buffers: Sequence[str] = field(default=(), repr=False)  # the kernel's pointers, loaded

    def flipped(self) -> Place:
        """The same place in the transposed matrix."""
        return Place(self.type, self.column, self.row, self.batch, 1 - self.along, self.valid, self.buffers)


class Hook(Protocol):
    """Elementwise code that a kernel runs on values in registers: on operands before they are used, or on results before they are stored.

    It is called once for each vector that is emitted, gives the vector to go on with, and may load from ``place.buffers`` and, for
    results, store to them.  It sees each result once; operands it may see more than once.
    """

    def __call__(self, f: Emitter, place: Place, value: str, /) -> str: ...


def open_kernel(module: Module, name: str, buffers: int) -> tuple[Emitter, list[str]]:
    """Begin a kernel's function: its emitter, and its pointers loaded."""
    f = module.function(name, SIGNATURE, linkage="")
    return f, [f.op(f"load ptr, ptr {f.gep('%buffers', i, 'ptr')}, align 8") for i in range(buffers)]
