"""Contractions read memory, or one view of it; what is a view of a view is copied before, which costs a pass over it and no more.

A transposed right operand is read where it is, but each product packs it anew.  One that many thin products share, such as a
recurrence's matrix, is transposed once before them.
"""

from __future__ import annotations

from collections import Counter

from ..program.ir import Node, Program, rewrite

_CONTRACTIONS = frozenset({"matmul", "conv", "conv_input", "conv_weight"})
_THIN = range(4, 65)  # rows of a product that packing takes a noticeable part of; with fewer it is a sum along the operand as it lies
_PRODUCTS = 4  # from so many on, one more pass pays


def laid_out(program: Program) -> Program:
    """The program with copies of operands that no contraction's kernel can read where they are: each of them once."""
    copies: dict[int, Node] = {}
    uses = Counter(id(n.args[1]) for n in program.nodes() if _packs(n))
    shared = {k for k, count in uses.items() if count >= _PRODUCTS}

    def copied(node: Node, x: Node) -> Node:
        if not (_hidden(node, x) or (id(x) in shared and _packs(node))):
            return x
        if id(x) not in copies:
            copies[id(x)] = Node("map", (x,), x.shape, x.dtype, {"fn": "cast"}, node.source)
        return copies[id(x)]

    def change(node: Node) -> Node:
        return node.with_args([copied(node, a) for a in node.args]) if node.op in _CONTRACTIONS else node

    return rewrite(program, change)


def _packs(node: Node) -> bool:
    """Whether a product is thin, and its right operand lies transposed."""
    if node.op != "matmul" or node.shape[-2] not in _THIN or node.args[1].op != "view":
        return False
    return bool(node.shape[-1] > 1 and node.args[1].attrs["strides"][-1] != 1)


def _hidden(node: Node, x: Node) -> bool:
    return x.op == "view" and (node.op != "matmul" or x.args[0].op == "view")
