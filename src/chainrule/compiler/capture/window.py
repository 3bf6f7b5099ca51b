"""Where the tensors that a captured function reads lie in memory.

Each is a *window*: a program's input that is the tensor's own elements, so that ``x[i:i + 64]`` is the same to a program for every ``i``,
whoever else sees the rest of ``x``.  Windows into one array go their own ways until one of them is written.  Then they are merged: the
input is the whole array, and each of them a view of it at a place that is part of what the program was compiled for.
"""

from __future__ import annotations

import gc
from typing import Any, NamedTuple

import numpy as np

from ...core.mutation import root
from ..program.ir import Node, Program, row_major
from . import build
from .value import Captured, Cell

VALUE, SPAN, ROOT = "value", "span", "root"  # an input is the tensor's array; all from its first to its last element; what owns its memory
NUMBER = "number"  # it is a number of Python's


class Window(NamedTuple):
    cell: Cell
    start: int  # in elements of the owner; -1 where the owner has another dtype or is not contiguous
    strides: tuple[int, ...]
    shape: tuple[int, ...]


def layout(value: Any) -> Any:
    """An array's strides, where it is not contiguous."""
    return None if isinstance(value, np.generic) or value.flags.c_contiguous else value.strides


def kind_of(value: Any) -> str:
    """How a program takes an array."""
    return VALUE if layout(value) is None else SPAN


def strides_of(value: Any) -> tuple[int, ...]:
    """Strides in elements."""
    return row_major(value.shape) if value.flags.c_contiguous else tuple([s // value.dtype.itemsize for s in value.strides])


def start_of(value: Any) -> int:
    """Where a value begins in the array that owns it, in elements; -1 where that is not to be said."""
    owner = root(value)
    if owner is value:
        return 0
    if owner.dtype != value.dtype or not owner.flags.c_contiguous:
        return -1
    distance = value.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return int(distance // value.dtype.itemsize) if value.size else 0


def memory_for(kind: str, value: Any) -> Any:
    """What stands for a tensor's value at a call, as far as it is the same memory: contiguous, unless the value is not what it was."""
    if kind in (VALUE, NUMBER):
        return value
    if kind == ROOT:
        return root(value)
    owner, start = root(value), start_of(value)
    length = 1 + sum((n - 1) * s for n, s in zip(value.shape, strides_of(value), strict=True)) if value.size else 0
    if start >= 0:
        return owner.reshape(-1)[start : start + length]
    return np.lib.stride_tricks.as_strided(value, (length,), (value.dtype.itemsize,))


def memory_of(array: Any) -> Any:
    """What a program gets for an input: contiguous and aligned, an array also where the tensor holds a number."""
    if isinstance(array, np.ndarray) and (flags := array.flags).c_contiguous and flags.aligned:
        return array
    return np.array(array, order="C")


def can_merge(owner: Any, windows: list[Window]) -> bool:
    """Whether the windows can be views of one input."""
    return isinstance(owner, np.ndarray) and owner.flags.c_contiguous and all(w.start >= 0 for w in windows)


def merge(cell: Cell, windows: list[Window]) -> None:
    """Let the windows' tensors be views of ``cell``, the whole of their memory; one of them may have been written."""
    content = cell.first
    starts = {}
    for w in windows:
        if w.cell.written:
            content = build.put(content, w.cell.node, row_major(w.cell.shape), w.start)
        starts[id(w.cell)] = w.start
    for w in windows:  # what has been read of it keeps its name, and becomes a view: the program is not to have it as an input besides
        first = w.cell.first
        first.op, first.args = "view", (cell.first,)
        first.attrs = {"strides": row_major(first.shape), "offset": w.start}
    cell.node = content
    for value in gc.get_objects():
        if type(value) is Captured and value._cell is not None and id(value._cell) in starts:
            value.offset += starts[id(value._cell)]
            value._cell = cell


def without(program: Program, given: list[Any], cells: list[Cell], gone: set[int]) -> None:
    """Take inputs that have become views out of a program; the others are numbered anew."""
    left = [k for k, n in enumerate(program.inputs) if id(n) not in gone]
    nodes: list[Node] = [program.inputs[k] for k in left]
    given[:] = [given[k] for k in left]
    cells[:] = [cells[k] for k in left]
    program.inputs = nodes
    for k, node in enumerate(nodes):
        node.attrs["index"] = k
