"""What a program's steps are when it runs: native functions of several kernels, and what NumPy computes between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..program.ir import Node
from .call import DONE, Argument, Entry
from .findings import raise_found
from .jit import Library
from .table import Table

ALIGN = 64


class Host(NamedTuple):
    """Nodes that NumPy computes, one after the other; the values of ``outputs`` are put into memory."""

    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]


class Section:
    """The function ``name`` of a library, which walks a table of calls.

    ``changing`` are the nodes whose arrays :attr:`enter` takes, as ``arguments`` says; ``fixed`` those whose memory stays: arrays of
    ``memory``, constants, and what stands for errors.  Both are the slots of ``table``, in this order.  ``workspace`` is the bytes that
    the calling thread needs, ``pooled`` those that each thread of the pool does (None where no call goes to the pool), and ``release``
    says whether other Python threads run meanwhile.
    """

    name: str
    memory: Mapping[int, Any]
    changing: Sequence[Node]
    fixed: Sequence[Node]
    arguments: Sequence[Argument]
    table: Table
    workspace: int
    release: bool
    pooled: int | None = None

    @property
    def errors(self) -> bool:
        """Whether a kernel may find an index out of bounds."""
        return any(n.op == "errors" for n in self.fixed)

    def load(self, library: Library) -> None:
        """Make it callable: :attr:`enter` gives the status of :class:`~chainrule.compiler.native.call.Entry`."""
        self.entry = Entry(library, self.name, self.arguments, 1, release=self.release)
        self.enter: Callable[..., int] = self.entry.enter
        self.status = np.zeros(3, np.int64)
        space = aligned(max(ALIGN, self.workspace))
        fixed = [self._lasting(node) for node in self.fixed]
        table, *held = self.table.bound(
            library.address, len(self.changing), [a.ctypes.data for a in fixed], space.ctypes.data, self._pool()
        )
        self.entry.bind(0, table)
        self._held = [*fixed, space, *held]

    def _lasting(self, node: Node) -> Any:
        if node.op == "errors":
            return self.status
        return np.array(node.attrs["value"], order="C") if node.op == "const" else self.memory[id(node)]

    def _pool(self) -> int:
        if self.pooled is None:
            return 0
        from . import pool

        pool.reserve(self.pooled)
        return pool.address()

    def run(self, *arrays: Any) -> None:
        """Call it, whatever it takes."""
        if self.enter(*arrays) != DONE:
            self.entry(*arrays)
        self.check()

    def check(self) -> None:
        """Raise what a kernel has found."""
        if self.status[0]:
            raise_found(self.status)


def aligned(size: int) -> Any:
    """Bytes that begin at a multiple of 64."""
    whole = np.empty(size + ALIGN, np.uint8)
    start = -whole.ctypes.data % ALIGN
    return whole[start : start + size]


def span(array: Any) -> tuple[int, int]:
    """The address and the size of what :func:`aligned` gave, of which an array is a part."""
    whole = array.base
    address = int(whole.ctypes.data)
    return address + -address % ALIGN, whole.nbytes - ALIGN
