"""Groups that do the same share their kernels.

A group's *signature* is what its kernels depend on: operations, shapes, dtypes and how the nodes hang together.  What lies outside is
numbered in the order in which it is met, and the offset of a view into it is no part of the signature: ``x[:, 1]`` and ``x[:, 40]`` are
one kernel with two pointers.  Kernels are emitted from the signature alone, so nothing else can get into them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..program.ir import Node
from ..schedule.group import Group
from ..schedule.reads import expanded
from .kernel import Kernel
from .loops import ERRORS


class Buffer(NamedTuple):
    """A pointer of a kernel's: into the memory of a node, from a byte on."""

    node: Node
    offset: int


class Call(NamedTuple):
    """A kernel and what its pointers are to."""

    kernel: Kernel
    buffers: tuple[Buffer, ...]


class _Pointer(NamedTuple):
    """A pointer of a shared kernel's: into the ``place``-th thing that a group is given (outer memory, its outputs, temporary memory)."""

    place: int
    offset: int


_ERRORS = _Pointer(-1, 0)


class _Template(NamedTuple):
    """The calls of a signature; ``temporaries`` are nodes that stand for memory that only they use."""

    calls: tuple[tuple[Kernel, tuple[_Pointer, ...]], ...]
    temporaries: tuple[Node, ...]


Emit = Callable[[Group, list[Node]], list[Call]]


class Signature(NamedTuple):
    """``key`` is hashable; ``outer`` is the memory that a group reads, in the order in which the key numbers it."""

    key: Any
    outer: list[Buffer]


def signature(group: Group) -> Signature:
    """What the group's kernels depend on, and what they are to be given."""
    inside, _ = expanded(group)
    number = {id(n): k for k, n in enumerate(inside)}
    places: dict[tuple[int, int], int] = {}
    outer: list[Buffer] = []
    whole: dict[int, tuple[int, ...]] = {}

    def place(node: Node, offset: int) -> int:
        found = places.get((id(node), offset))
        if found is None:
            found = places[id(node), offset] = len(outer)
            outer.append(Buffer(node, offset))
        return found

    def inlined(node: Node, reader: Node) -> bool:
        """Whether a kernel has the number in its code; contractions read all that they are given from memory."""
        return node.op == "const" and node.size == 1 and (group.kind in ("loops", "host") or reader.op == "map")

    def reference(node: Node, reader: Node) -> Any:
        """An argument: a node inside (its number), a number, or memory outside (negative)."""
        k = number.get(id(node))
        if k is not None:
            return k
        if inlined(node, reader):
            return (node.shape, node.dtype, node.attrs["value"].tobytes())
        k = place(node, 0)
        whole[k] = node.shape
        return -1 - k

    mine = {id(n) for n in group.nodes}
    parts = []
    for node in inside:
        attrs = node.attrs
        if node.op == "view":
            x, offset = node.args[0], attrs["offset"]
            if id(x) not in number and not inlined(x, node):
                refs: tuple[Any, ...] = (-1 - place(x, offset * x.dtype.itemsize),)
                offset = 0
            else:
                refs = (reference(x, node),)
            items: tuple[Any, ...] = (("strides", tuple(attrs["strides"])), ("offset", offset))
        else:
            refs = tuple([reference(a, node) for a in node.args])
            items = tuple(attrs.items())
        parts.append((node.op, node.shape, node.dtype, items, refs, id(node) in mine))
    given = tuple([(b.node.dtype, whole.get(k)) for k, b in enumerate(outer)])
    outputs = tuple([number[id(n)] for n in group.outputs])
    return Signature((group.kind, group.shape, group.axes, tuple(parts), given, outputs), outer)


def _restored(key: Any) -> tuple[Group, list[Node], list[Node]]:
    """A group that has the signature, its nodes with views and iotas, and the nodes that stand for outer memory."""
    kind, shape, axes, parts, given, outputs = key
    spans = [1] * len(given)
    for op, viewed, _, items, refs, _ in parts:
        if op == "view" and isinstance(refs[0], int) and refs[0] < 0:
            span = 1 + sum((n - 1) * abs(s) for n, s in zip(viewed, items[0][1]))
            spans[-1 - refs[0]] = max(spans[-1 - refs[0]], span)
    outer = [Node("input", (), (n,) if s is None else s, d) for (d, s), n in zip(given, spans, strict=True)]
    inside: list[Node] = []
    numbers: dict[Any, Node] = {}

    def argument(ref: Any) -> Node:
        if isinstance(ref, int):
            return inside[ref] if ref >= 0 else outer[-1 - ref]
        if ref not in numbers:
            numbers[ref] = Node("const", (), ref[0], ref[1], {"value": np.frombuffer(ref[2], ref[1]).reshape(ref[0])})
        return numbers[ref]

    for op, node_shape, dtype, items, refs, _ in parts:
        inside.append(Node(op, [argument(r) for r in refs], node_shape, dtype, dict(items)))
    nodes = tuple([n for n, part in zip(inside, parts, strict=True) if part[5]])
    return Group(kind, nodes, tuple([inside[k] for k in outputs]), shape, axes), inside, outer


class Sharing:
    """The kernels of a program by their signatures; ``emit(group, its nodes with views)`` writes those of a new one."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._known: dict[Any, _Template] = {}

    def __len__(self) -> int:
        return len(self._known)

    def calls(self, group: Group) -> list[Call]:
        """The calls that compute a group; what ``emit`` raises for a group that has no kernel comes through."""
        key, outer = signature(group)
        template = self._known.get(key)
        if template is None:
            template = self._known[key] = self._template(key)
        given = [*outer, *[Buffer(n, 0) for n in group.outputs]]
        given += [Buffer(Node("temp", (), n.shape, n.dtype), 0) for n in template.temporaries]
        return [Call(kernel, tuple([_at(given, p) for p in pointers])) for kernel, pointers in template.calls]

    def _template(self, key: Any) -> _Template:
        group, inside, outer = _restored(key)
        index = {id(n): k for k, n in enumerate([*outer, *group.outputs])}
        temporaries: list[Node] = []

        def pointer(buffer: Buffer) -> _Pointer:
            node, offset = buffer
            if node is ERRORS:
                return _ERRORS
            if id(node) not in index:
                index[id(node)] = len(index)
                temporaries.append(node)
            return _Pointer(index[id(node)], offset)

        calls = [(c.kernel, tuple([pointer(b) for b in c.buffers])) for c in self._emit(group, inside)]
        return _Template(tuple(calls), tuple(temporaries))


def _at(given: Sequence[Buffer], pointer: _Pointer) -> Buffer:
    if pointer is _ERRORS:
        return Buffer(ERRORS, 0)
    node, offset = given[pointer.place]
    return Buffer(node, offset + pointer.offset)


__all__ = ["Buffer", "Call", "Sharing", "Signature", "signature"]
