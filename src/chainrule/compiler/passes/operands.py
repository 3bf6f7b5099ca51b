"""Contractions read memory, or one view of it; what is a view of a view is copied before, which costs a pass over it and no more."""

from __future__ import annotations

from ..program.ir import Node, Program, rewrite

_CONTRACTIONS = frozenset({"matmul", "conv", "conv_input", "conv_weight"})


def laid_out(program: Program) -> Program:
    """The program with copies of operands that no contraction's kernel can read where they are: each of them once."""
    copies: dict[int, Node] = {}

    def change(node: Node) -> Node:
        if node.op not in _CONTRACTIONS or not any(_hidden(node, a) for a in node.args):
            return node
        for a in node.args:
            if _hidden(node, a) and id(a) not in copies:
                copies[id(a)] = Node("map", (a,), a.shape, a.dtype, {"fn": "cast"}, node.source)
        return node.with_args([copies[id(a)] if _hidden(node, a) else a for a in node.args])

    return rewrite(program, change)


def _hidden(node: Node, x: Node) -> bool:
    return x.op == "view" and (node.op != "matmul" or x.args[0].op == "view")
