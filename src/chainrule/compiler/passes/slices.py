"""Sums of slices put beside each other.

The gradient of an array that was read slice by slice (the inputs of a recurrence, the gates of a cell) is the sum of as many arrays
of its size, each zero outside of one slice.  Where the slices do not overlap it is their concatenation, in one pass.

Each element gets one slice's value and zeros, so the change is exact; ``-0 + 0`` is 0, which is why zero is added to slices that may
have a -0 too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..program.ir import Node, Program, row_major


class _Slice(NamedTuple):
    start: int
    stop: int
    value: Node


def beside(program: Program) -> Program:
    """The program with concatenations in place of such sums."""
    nodes = program.nodes()
    if sum(n.op == "put" for n in nodes) < 2:
        return program
    inner = inner_sums(nodes, uses_of(program, nodes))
    zeros: dict[np.dtype[Any], Node] = {}
    sums = [n for n in nodes if is_sum(n) and id(n) not in inner]
    found: dict[int, Node] = {}
    for node in sums:
        made = _beside(node, inner, zeros, found)
        if made is not None:
            found[id(node)] = made
    return replaced(program, found) if found else program


def uses_of(program: Program, nodes: Sequence[Node]) -> Counter[int]:
    """How often each node is an argument or wanted by the caller."""
    uses = Counter(id(a) for n in nodes for a in n.args)
    uses.update(id(n) for n in program.roots())
    return uses


def inner_sums(nodes: Sequence[Node], uses: Counter[int]) -> set[int]:
    """Sums that only another sum reads."""
    readers = {id(a): n for n in nodes for a in n.args}
    return {id(n) for n in nodes if is_sum(n) and uses[id(n)] == 1 and id(n) in readers and is_sum(readers[id(n)])}


def is_sum(node: Node) -> bool:
    return node.op == "map" and node.attrs["fn"] == "add" and node.dtype.kind in "fiu" and all(a.shape == node.shape for a in node.args)


def terms(root: Node, inner: set[int]) -> list[Node]:
    """What a sum adds up, through the sums that only it reads."""
    found: list[Node] = []
    stack = [root]
    while stack:
        node = stack.pop()
        if node is root or id(node) in inner:
            stack += reversed(node.args)
        else:
            found.append(node)
    return found


def _beside(root: Node, inner: set[int], zeros: dict[np.dtype[Any], Node], found: dict[int, Node]) -> Node | None:
    """What computes the sum; None where it is no sum of slices of one axis, and of at most one other term."""
    everything = terms(root, inner)
    puts = [t for t in everything if t.op == "put" and _is_zero(t.args[0])]
    rest = [t for t in everything if not (t.op == "put" and _is_zero(t.args[0]))]
    if len(puts) < 2 or len(rest) > 1:
        return None
    zero = zeros.setdefault(root.dtype, Node("const", (), (), root.dtype, {"value": np.zeros((), root.dtype)}, root.source))
    for axis in range(len(root.shape)):
        slices = [_slice(p, axis) for p in puts]
        if all(s is not None for s in slices):
            whole = _concatenated(root, axis, sorted([s for s in slices if s is not None], key=lambda s: s.start), zero, found)
            if whole is None:
                return None
            return root.with_args([rest[0], whole]) if rest else whole
    return None


def _slice(put: Node, axis: int) -> _Slice | None:
    """Where along the axis the value lies, if it is whole along all others."""
    value = put.args[1]
    steps = {step: n for n, step in zip(value.shape, put.attrs["strides"], strict=True) if n > 1}
    strides = row_major(put.shape)
    shape = tuple([steps.pop(step, 1) if n > 1 else 1 for n, step in zip(put.shape, strides, strict=True)])
    whole = all(m == n for k, (m, n) in enumerate(zip(shape, put.shape, strict=True)) if k != axis)
    if steps or not whole or not value.size:
        return None
    start, more = divmod(put.attrs["offset"], strides[axis])
    if more or start + shape[axis] > put.shape[axis]:
        return None
    if shape != value.shape:
        value = Node("view", (value,), shape, value.dtype, {"strides": row_major(shape), "offset": 0}, value.source)
    return _Slice(start, start + shape[axis], value)


def _concatenated(root: Node, axis: int, slices: list[_Slice], zero: Node, found: dict[int, Node]) -> Node | None:
    parts: list[Node] = []
    at = 0
    for start, stop, value in [*slices, _Slice(root.shape[axis], root.shape[axis], zero)]:
        if start < at:
            return None  # they overlap
        if start > at:
            shape = tuple([start - at if k == axis else n for k, n in enumerate(root.shape)])
            parts.append(Node("view", (zero,), shape, root.dtype, {"strides": (0,) * len(shape), "offset": 0}, root.source))
        if stop > start:
            plus = Node("map", (value, zero), value.shape, root.dtype, {"fn": "add"}, value.source)
            parts.append(value if _never_minus_zero(value, found) else plus)
        at = stop
    return Node("concat", parts, root.shape, root.dtype, {"axis": axis}, root.source)


def _is_zero(node: Node) -> bool:
    """Whether a node is +0 everywhere."""
    while node.op == "view":
        node = node.args[0]
    return node.op == "const" and not node.attrs["value"].any() and not np.signbit(node.attrs["value"]).any()


def _never_minus_zero(node: Node, found: dict[int, Node]) -> bool:
    """Whether zero has been added to all that a node is made of, or there is no -0."""
    stack = [node]
    while stack:
        node = stack.pop()
        node = found.get(id(node), node)
        if node.op in ("view", "concat"):
            stack += node.args
        elif node.dtype.kind == "f" and not (node.op == "map" and node.attrs["fn"] == "add" and any(map(_is_zero, node.args))):
            return False
    return True


def replaced(program: Program, found: dict[int, Node]) -> Program:
    """The program with other nodes in the places of those of ``found``; what those are made of is changed too."""
    outputs = [found.get(id(n), n) for n in program.outputs]
    stores = [(i, found.get(id(n), n)) for i, n in program.stores]
    made: dict[int, Node] = {}
    stack = [(n, False) for n in [*outputs, *[n for _, n in stores]]]
    while stack:
        node, ready = stack.pop()
        if id(node) in made:
            continue
        args = [found.get(id(a), a) for a in node.args]
        if ready:
            made[id(node)] = node.with_args([made[id(a)] for a in args])
        else:
            stack.append((node, True))
            stack += [(a, False) for a in args if id(a) not in made]
    return Program(program.inputs, [made[id(n)] for n in outputs], [(i, made[id(n)]) for i, n in stores])
