"""What a group reads from memory, and which of its nodes are expanded inside of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..program.ir import Node
from .group import TRANSPARENT, Group


class Sides(NamedTuple):
    """A group of a product: the product, the operands that are computed in the group (by number, with the nodes that compute them), and
    what is computed of the product."""

    product: Node
    before: dict[int, tuple[Node, ...]]
    after: tuple[Node, ...]


def base_of(node: Node) -> Node:
    """What a view, or a view of a view, looks at."""
    while node.op == "view":
        node = node.args[0]
    return node


def expanded(group: Group) -> tuple[list[Node], list[Node]]:
    """(the group's nodes with the views and iotas between them, arguments first; the nodes outside that they read)."""
    mine = {id(n) for n in group.nodes}
    inside: list[Node] = []
    reads: dict[int, Node] = {}
    for node in _closure(group.outputs, mine):
        if id(node) in mine or node.op in TRANSPARENT:
            inside.append(node)
        elif node.op != "const" or node.size != 1:
            reads[id(node)] = node
    return inside, list(reads.values())


def _closure(outputs: Sequence[Node], mine: set[int]) -> list[Node]:
    """Everything behind the outputs, down to what lies in memory, arguments first."""
    out: list[Node] = []
    done: set[int] = set()
    stack: list[tuple[Node, bool]] = [(n, False) for n in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready or not (id(node) in mine or node.op in TRANSPARENT):
            done.add(id(node))
            out.append(node)
            continue
        stack.append((node, True))
        stack.extend([(a, False) for a in reversed(node.args) if id(a) not in done])
    return out


def sides(group: Group) -> Sides:
    """The parts of a group of kind ``matmul`` or ``conv``."""
    product = next(n for n in group.nodes if n.op != "map")
    rest = [n for n in group.nodes if n is not product]
    mine = {id(n) for n in rest}
    before: dict[int, tuple[Node, ...]] = {}
    taken: set[int] = set()
    for k, a in enumerate(product.args):
        needed = {id(n) for n in _closure([a], mine)} & mine
        if needed:
            before[k] = tuple([n for n in rest if id(n) in needed])
            taken |= needed
    return Sides(product, before, tuple([n for n in rest if id(n) not in taken]))
