"""What the scheduler hands to code generation: descriptions of kernels, and which memory each run of one is given.

A description (:class:`Loop`, :class:`Product`, :class:`Convolution`) is hashable and knows nothing of nodes or addresses, so equal
descriptions are one kernel, however often a program runs it.  A :class:`Group` is one run: a description, and its :class:`Buffer`\\ s.

A loop
------

A :class:`Loop` walks ``axes`` (extents; outermost first, row-major).  ``reduced[k]`` says whether the reductions run over axis k; the
others are *kept*.  Every op of ``body`` gives a value that later ops name by its number:

* ops are evaluated at each point of ``axes``; an op whose arguments and strides do not depend on a reduced axis has one value for each
  point of the kept axes (:func:`levels` says which do), and a ``Reduce`` is such an op;
* *positions* are affine: element Σₖ strides[k]·iₖ + offset of a buffer.  Strides may be 0 or negative;
* a value that depends on reduced axes and on a ``Reduce`` (softmax: exp(x - max)) needs another pass over the reduced axes of the
  same kept point; what is cheap to compute again is, the rest may be kept in the workspace;
* kept points are independent of one another: chunks are made of them, and axes may be walked in any order (a ``Scatter`` is the
  exception: the results are those of row-major order; and a ``Scan`` runs along the reduced axes in row-major order);
* a ``Store`` writes each element once.  A stored buffer may be the same memory as a loaded one if both have the same strides and
  offset (in-place), so at each point loads come before stores.  If a loop has such a pair, the store is of the last pass that the
  loop has; code generation must not move it before a load of a later pass.  Otherwise no two buffers overlap;
* dtypes are NumPy's; bool is a byte of 0 or 1 in memory.  Half precision is loaded, computed in float32 and rounded after each op;
  sums and products of it are kept in float32 and rounded once.

``dynamic`` loops have one kept axis, whose extent is not in the description (``axes == (0,)``): every access has stride 1 or 0.  The kernel
has one pointer more, the last, to an int64 that holds the extent; its chunks are of a fixed number of elements, ``DYNAMIC``.

A ``Gather`` or ``Scatter`` whose index is outside writes (1, the index, the size) into the three int64 of the buffer ``status`` and goes on with
index 0 (or leaves the element out): it never touches memory outside.

A product
---------

:class:`Product` is ``c[b] = a[b] · b[b]`` by strides.  ``epilogue`` is a loop over (batch, rows, columns), where batch is the flat index of ``batch``: its
first op is ``Result``, the sum; it has no reductions.  If there is one, nothing but its stores is written.  Its buffers are the last
ones of the kernel's, ``Access.buffer`` counts all of them: 0 is a, 1 is b.  Without one, 2 is c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from ..program.ir import NOWHERE, DType, Shape, Source
from ..program.spec import Window

DYNAMIC = 8192  # elements in a chunk of a dynamic loop


@dataclass(frozen=True, slots=True)
class Access:
    """Positions in a buffer: Σ strides·index + offset, in elements."""

    buffer: int
    strides: Shape
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """The condition 0 ≤ Σ strides·index + offset < size on a point of the axes."""

    strides: Shape
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Load:
    """The element at ``access``; outside of the ``bounds`` nothing is read and the value is ``fill`` (an op's number)."""

    access: Access
    dtype: DType
    bounds: tuple[Bound, ...] = ()
    fill: int | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A constant, as Python has it (for float16 and bfloat16 exactly representable)."""

    value: float | int | bool
    dtype: DType


@dataclass(frozen=True, slots=True)
class Index:
    """Σ strides·index + offset, int64."""

    strides: Shape
    offset: int = 0
    dtype: DType = field(default=np.dtype(np.int64))


@dataclass(frozen=True, slots=True)
class Map:
    """An elementwise function (``spec.FUNCTIONS``) of earlier ops."""

    fn: str
    args: tuple[int, ...]
    dtype: DType


@dataclass(frozen=True, slots=True)
class Select:
    """``inside`` where all ``bounds`` hold, else ``outside``: a pad or put that is computed instead of stored."""

    bounds: tuple[Bound, ...]
    inside: int
    outside: int
    dtype: DType


@dataclass(frozen=True, slots=True)
class Reduce:
    """``sum prod max min any all argmax argmin`` over all reduced axes; arg- ones give the flat row-major index over them, the first."""

    fn: str
    arg: int
    dtype: DType


@dataclass(frozen=True, slots=True)
class Scan:
    """``cumsum cumprod`` along the reduced axes (row-major): a value at each point."""

    fn: str
    arg: int
    dtype: DType


@dataclass(frozen=True, slots=True)
class Gather:
    """Element ``index`` (an op, int64) of a buffer of ``size`` elements."""

    buffer: int
    index: int
    size: int
    status: int
    dtype: DType


@dataclass(frozen=True, slots=True)
class Result:
    """What a product or convolution computed at this point; in an epilogue only, its first op."""

    dtype: DType


@dataclass(frozen=True, slots=True)
class Store:
    """Write an op's value; one that does not depend on the reduced axes is written once for each kept point (its strides there are 0)."""

    access: Access
    arg: int


@dataclass(frozen=True, slots=True)
class Scatter:
    """``buffer[index] fn= value`` for ``set add mul max min``, in row-major order of the axes."""

    fn: str
    buffer: int
    index: int
    value: int
    size: int
    status: int
    dtype: DType


Op = Load | Number | Index | Map | Select | Reduce | Scan | Gather | Result | Store | Scatter


@dataclass(frozen=True)
class Slot:
    """What a description says of a buffer: its elements' dtype, and whether it is written (``Scatter`` reads it too)."""

    dtype: DType
    written: bool = False


@dataclass(frozen=True)
class Loop:
    """A fused loop nest; see above.  ``inplace`` says that some stored buffer may be the memory of a loaded one."""

    axes: Shape
    reduced: tuple[bool, ...]
    body: tuple[Op, ...]
    buffers: tuple[Slot, ...]
    dynamic: bool = False
    inplace: bool = False

    @property
    def kept_size(self) -> int:
        return prod([n for n, r in zip(self.axes, self.reduced) if not r])

    @property
    def reduced_size(self) -> int:
        return prod([n for n, r in zip(self.axes, self.reduced) if r])


def arguments(op: Op) -> tuple[int, ...]:
    """The numbers of the ops that an op names."""
    match op:
        case Map(args=args):
            return args
        case Select(inside=a, outside=b):
            return (a, b)
        case Reduce(arg=a) | Scan(arg=a) | Store(arg=a):
            return (a,)
        case Gather(index=a):
            return (a,)
        case Scatter(index=a, value=b):
            return (a, b)
        case Load(fill=a) if a is not None:
            return (a,)
    return ()


def levels(loop: Loop) -> list[bool]:
    """For each op whether its value depends on the reduced axes."""

    def moves(strides: Sequence[int]) -> bool:
        return any(s != 0 and r and n != 1 for s, r, n in zip(strides, loop.reduced, loop.axes))

    out: list[bool] = []
    for op in loop.body:
        full = any([out[a] for a in arguments(op)])
        match op:
            case Load(access=at, bounds=bounds):
                full = full or moves(at.strides) or any([moves(b.strides) for b in bounds])
            case Select(bounds=bounds):
                full = full or any([moves(b.strides) for b in bounds])
            case Index(strides=strides):
                full = moves(strides)
            case Reduce():
                full = False
            case Scan():
                full = True
            case Store(access=at):
                full = full or moves(at.strides)
        out.append(full)
    return out


@dataclass(frozen=True)
class Product:
    """A (batched) matrix product, (m, k) times (k, n).  Strides are (…batch, rows, columns) in elements."""

    dtype: DType
    batch: Shape
    m: int
    n: int
    k: int
    a: Shape
    b: Shape
    c: Shape
    epilogue: Loop | None = None


@dataclass(frozen=True)
class Convolution:
    """``conv``, ``conv_input`` or ``conv_weight`` of contiguous buffers 0 and 1 (the node's arguments) into contiguous buffer 2.

    ``x``, ``w`` and ``y`` are the shapes of the convolution's input, weight and result, whichever of them ``kind`` computes.  An epilogue is a loop over
    (N, channels, the spatial positions flat); its accesses count buffers as those of a :class:`Product` do.
    """

    kind: str
    dtype: DType
    x: Shape
    w: Shape
    y: Shape
    window: Window
    epilogue: Loop | None = None


@dataclass(frozen=True)
class Host:
    """A node that runs on NumPy between two pieces of machine code: ``function(*arrays)`` gives a tuple of arrays, one for each result.

    The first buffers are the arguments (of ``shapes``), contiguous, the rest the results.  Not shared: compared by identity.
    """

    function: Any = field(hash=False, compare=False)
    arguments: tuple[tuple[Shape, DType], ...]
    results: tuple[tuple[Shape, DType], ...]


Description = Loop | Product | Convolution | Host


@dataclass(eq=False, slots=True)
class Buffer:
    """A piece of memory that groups read and write: ``size`` elements.

    ``place`` is ("input", k), ("output", k), ("scalar", k), ("const", k), ("status", k) or ("arena", byte offset): inputs, constants and scalars are known from
    the beginning, the others when memory has been planned.
    """

    dtype: DType
    size: int
    place: tuple[str, int] | None = None

    @property
    def bytes(self) -> int:
        return self.size * self.dtype.itemsize


@dataclass(eq=False, slots=True)
class Group:
    """One run of a kernel: what it is, the memory it is given (one for each of its slots), and which nodes it came from."""

    what: Description
    buffers: tuple[Buffer, ...]
    sources: tuple[Source, ...] = (NOWHERE,)
    length: int | None = None  # the extent of a dynamic loop


__all__ = [
    "DYNAMIC", "Access", "Bound", "Buffer", "Convolution", "Description", "Gather", "Group", "Host", "Index", "Load", "Loop", "Map", "Number", "Op",
    "Product", "Reduce", "Result", "Scan", "Scatter", "Select", "Slot", "Store", "arguments", "levels",
]  # fmt: skip
