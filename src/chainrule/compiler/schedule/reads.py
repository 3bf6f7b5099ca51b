"""What a group reads from memory, and which of its nodes are expanded inside of it."""

from __future__ import annotations

from collections.abc import Sequence

from ..program.ir import Node
from .group import TRANSPARENT, Group


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
