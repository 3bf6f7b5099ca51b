"""Values that are computed where a concatenation wants them.

A concatenation along the first axis (the states of all times) is its pieces one after the other in memory.  A piece that a kernel
computes gets the concatenation's memory in its place instead of some of its own, and need not be copied: ``there``, an attribute of the
concatenations in what :func:`pieces_inside` gives, has the numbers of such pieces.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from ..program.ir import Node, Program
from ..program.make import plain
from .fuse import kind_of


class Inside(NamedTuple):
    """Where a value lies: in the memory of ``whole``, from an element on."""

    whole: Node
    start: int


def pieces_inside(program: Program) -> tuple[Program, dict[int, Inside]]:
    """The program, and by node which of its values lie inside of a concatenation."""
    nodes = program.nodes()
    taken = {id(n) for n in program.roots()}  # what the caller gets has other memory at each call
    there: dict[int, tuple[int, ...]] = {}
    for node in nodes:
        if node.op == "concat" and kind_of(node) == "host" and id(node) not in taken and prod(node.shape[: node.attrs["axis"]]) == 1:
            there[id(node)] = _computed(node, taken)
    if not any(there.values()):
        return program, {}
    made: dict[int, Node] = {}
    inside: dict[int, Inside] = {}
    for node in nodes:
        new = node.with_args([made[id(a)] for a in node.args])
        if numbers := there.get(id(node)):
            new = Node(new.op, new.args, new.shape, new.dtype, {**new.attrs, "there": numbers}, new.source)
            starts = _starts(new)
            inside |= {id(_solid(new.args[k])): Inside(new, starts[k]) for k in numbers}
        made[id(node)] = new
    stores = [(i, made[id(n)]) for i, n in program.stores]
    return Program(program.inputs, [made[id(n)] for n in program.outputs], stores), inside


def _computed(node: Node, taken: set[int]) -> tuple[int, ...]:
    """The pieces that a kernel computes and that lie nowhere else."""
    found = []
    for k, a in enumerate(node.args):
        x = _solid(a)
        if id(x) not in taken and a.size and kind_of(x) != "host":
            taken.add(id(x))
            found.append(k)
    return tuple(found)


def _solid(node: Node) -> Node:
    """What a view shows under another shape, if it shows all of it in its order."""
    while node.op == "view" and node.size == node.args[0].size and not node.attrs["offset"] and plain(node.shape, node.attrs["strides"]):
        node = node.args[0]
    return node


def _starts(node: Node) -> list[int]:
    starts = [0]
    for a in node.args:
        starts.append(starts[-1] + a.size)
    return starts
