"""The value of a tensor while a function is captured: a view of a cell, and a cell holds a node.

A cell stands for memory.  Tensors that share memory share a cell, each with its own strides into it; a write gives the cell a
new node, which all of them see.  What a backward rule saves is frozen: a cell of its own.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.op import Op
from ...core.size import is_contiguous
from ...core.tensor import Tensor, wrap
from ...core.value import Value
from ..program.ir import Node, Shape, row_major
from . import build

if TYPE_CHECKING:
    from .recorder import Recorder


class Cell:
    """Memory: the node that is its content now, the array that it is outside of the program (None for what the program makes)."""

    __slots__ = ("__weakref__", "array", "drawn", "first", "node", "owner", "shape")

    def __init__(self, node: Node, array: Any = None) -> None:
        self.node = node
        self.first = node
        self.shape = node.shape
        self.array = array
        self.owner: Any = None  # the array that its memory belongs to, where others may see it
        self.drawn = False

    @property
    def written(self) -> bool:
        return self.node is not self.first

    @property
    def replaced(self) -> bool:
        """Whether it is a number that tensors get another one for: numbers are not written to."""
        return self.written and isinstance(self.array, np.generic)


class Captured(Value):
    """``shape`` and ``strides`` (in elements) into the row-major elements of a cell, from ``offset`` on."""

    __slots__ = ("_cell", "_dtype", "_shape", "frozen_from", "offset", "raw", "recorder", "strides")

    level = 0
    memory = True

    def __init__(
        self, recorder: Recorder, cell: Cell | None, shape: Shape, strides: Shape, offset: int, dtype: Any, raw: Any = None
    ) -> None:
        self.recorder = recorder
        self._cell = cell
        self._shape = shape
        self.strides = strides
        self.offset = offset
        self._dtype = dtype
        self.raw = raw
        self.frozen_from: tuple[Cell, Node] | None = None  # memory, and what it held

    @classmethod
    def of(cls, recorder: Recorder, node: Node) -> Captured:
        """Fresh memory that holds ``node``."""
        cell = Cell(node)
        recorder.cells.add(cell)
        return cls(recorder, cell, node.shape, row_major(node.shape), 0, node.dtype)

    @property
    def shape(self) -> Shape:
        return self._shape

    @property
    def numpy_dtype(self) -> Any:
        return self._dtype

    @property
    def kind(self) -> str:
        """The dtype's, for whoever asks a raw value's ``dtype.kind`` (an interpreter's value is its own ``dtype``)."""
        return str(self._dtype.kind)

    @property
    def itemsize(self) -> int:
        return int(self._dtype.itemsize)

    @property
    def size(self) -> int:
        """The number of elements."""
        n = 1
        for length in self._shape:
            n *= length
        return n

    @property
    def cell(self) -> Cell:
        """The memory; made at the first use of a tensor that was there before the capture."""
        if self._cell is None:
            self.recorder.place(self)
            assert self._cell is not None
        return self._cell

    @property
    def node(self) -> Node:
        """The present content."""
        cell = self.cell
        node = cell.node
        if self.offset == 0 and self._shape == cell.shape and self.strides == row_major(cell.shape):
            return node
        return build.view(node, self._shape, self.strides, self.offset)

    def interpret(self, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        recorder = self.recorder
        if recorder.closed or recorder.thread != get_ident():
            return op.apply(*[resolved(a) for a in args], **kw)
        return recorder.apply(op, args, kw)

    # -- memory ----------------------------------------------------------------------------------------------------------

    def row_major(self) -> bool:
        return self.recorder.order_of(self) == tuple(range(len(self._shape)))

    def contiguous(self) -> bool:
        return self.row_major() and is_contiguous(self.shape, self.strides)

    def laid_out(self, strides: Any) -> Captured:
        order = tuple(sorted(range(len(strides)), key=lambda d: -strides[d]))
        if self._dtype.kind == "c" or self.recorder.order_of(self) == order:
            return self
        node = self.node
        copy = build.make("map", (node,), node.shape, node.dtype, fn="cast")  # a node of its own, which has another order
        return self.recorder.ordered(Captured.of(self.recorder, copy), order)

    def frozen(self) -> Captured:
        """The present content, which no later write changes."""
        made = Captured.of(self.recorder, self.node)
        made.frozen_from = (self.cell, self.cell.node)
        return made

    def stale(self) -> bool:
        """Whether the memory that this is the content of was written since."""
        return self.frozen_from is not None and self.frozen_from[0].node is not self.frozen_from[1]

    def under(self, tensor: Tensor) -> Tensor:
        return wrap(self.present() if self.recorder.closed else self.frozen())

    def present(self) -> Any:
        return self.concrete("use after the capture") if self.recorder.closed else self

    def lift(self, tensor: Tensor) -> Tensor:
        return tensor

    def store(self, value: Any) -> None:
        """Write a captured or raw value of this shape and dtype."""
        if self.recorder.thread != get_ident():
            self.recorder.written_elsewhere(self)[...] = self.recorder.concrete(value, "a write") if isinstance(value, Captured) else value
            return
        self.recorder.about_to_write(self.cell)
        if self.recorder.closed:
            self.array_of(self.cell.array)[...] = self.recorder.concrete(value, "a write") if isinstance(value, Captured) else value
            return
        cell = self.cell
        node = value.node if isinstance(value, Captured) else build.const(value)
        if self._shape == cell.shape and self.strides == row_major(cell.shape) and self.offset == 0:
            cell.node = node
        else:
            cell.node = build.put(cell.node, node, self.strides, self.offset)

    def adopt(self, target: Tensor) -> Value:
        return self.recorder.adopt(target)

    def shares_memory(self, other: Any) -> bool:
        return isinstance(other, Captured) and other.cell is self.cell

    def probe(self) -> tuple[Any, Any]:
        """(an array of one-byte elements in this view's place, the whole cell's); nobody reads or writes them."""
        whole = np.empty(self.cell.node.size, np.uint8)
        return np.ndarray(self._shape, np.uint8, whole, self.offset if self.size else 0, self.strides), whole

    def taken(self, shown: Any, whole: Any) -> Captured:
        """The view that an operation took of a probe."""
        offset = 0
        if shown.size:
            offset = int(shown.__array_interface__["data"][0] - whole.__array_interface__["data"][0])
        return Captured(self.recorder, self.cell, shown.shape, shown.strides, offset, self._dtype)

    def array_of(self, array: Any) -> Any:
        """This view of the array that the cell has become."""
        if self._shape == array.shape and self.offset == 0 and self.strides == row_major(self._shape):
            return array
        size = self._dtype.itemsize
        flat = array.reshape(-1)
        return np.ndarray(self._shape, self._dtype, flat, self.offset * size if self.size else 0, tuple([s * size for s in self.strides]))

    # -- what Python asks for ------------------------------------------------------------------------------------------

    def number(self) -> Any:
        """A number that is followed, where the capture goes on; the element itself otherwise."""
        recorder = self.recorder
        if recorder.closed or recorder.pulling or recorder.thread != get_ident() or self.size != 1 or self._dtype.kind not in "fiu":
            return self.concrete("item").item()
        return recorder.trace.item(self)

    def concrete(self, what: str) -> Any:
        return self.recorder.concrete(self, what)

    def text(self, tensor: Tensor) -> str:
        self.recorder.concrete(self, "repr")
        return repr(tensor)


def resolved(a: Any) -> Any:
    """An argument with the array that its captured value has become."""
    if isinstance(a, Tensor) and type(a._value) is Captured:
        return wrap(a._value.concrete("use after the capture"))
    return a
