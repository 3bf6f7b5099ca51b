"""What a program's steps are when it runs: native functions of several kernels, and what NumPy computes between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..program.ir import Node
from .call import DONE, Argument, Entry
from .findings import raise_found
from .jit import Library

ALIGN = 64


class Host(NamedTuple):
    """Nodes that NumPy computes, one after the other; the values of ``outputs`` are put into memory."""

    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]


class Section:
    """The function ``name`` of a library.

    ``changing`` are the nodes whose arrays :attr:`enter` takes, as ``arguments`` says; ``fixed`` those whose memory stays: arrays of
    ``memory``, constants, and what stands for errors.  ``workspace`` is the bytes that the calling thread needs, ``pooled`` those that each
    thread of the pool does, and ``release`` says whether other Python threads run meanwhile.
    """

    name: str
    memory: Mapping[int, Any]
    changing: Sequence[Node]
    fixed: Sequence[Node]
    arguments: Sequence[Argument]
    workspace: int
    release: bool
    pooled: int = 0

    @property
    def errors(self) -> bool:
        """Whether a kernel may find an index out of bounds."""
        return any(n.op == "errors" for n in self.fixed)

    def load(self, library: Library) -> None:
        """Make it callable: :attr:`enter` gives the status of :class:`~chainrule.compiler.native.call.Entry`."""
        self.entry = Entry(library, self.name, self.arguments, len(self.fixed) + 1, release=self.release)
        self.enter: Callable[..., int] = self.entry.enter
        self.status = np.zeros(3, np.int64)
        for k, node in enumerate(self.fixed):
            if node.op == "errors":
                array = self.status
            elif node.op == "const":
                array = np.array(node.attrs["value"], order="C")
            else:
                array = self.memory[id(node)]
            self.entry.bind(k, array)
        if self.pooled:
            from . import pool

            pool.reserve(self.pooled)
        self.entry.bind(len(self.fixed), aligned(max(ALIGN, self.workspace)))

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
