"""Sums of many thin products as one product.

The gradient of a recurrence's matrix is a sum over time of products as thin as a batch, ``Σ aₜ bₜ``: as many passes over the matrix.  It
is ``[a₁ a₂ …] [b₁; b₂; …]``, which costs two concatenations.  Terms are added up in the order in which a product of that length
adds them, so the last digits may differ from the sum's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from ..program.ir import Node, Program, row_major
from .slices import inner_sums, is_sum, replaced, terms, uses_of

_LEAST = 4  # products


def joined(program: Program) -> Program:
    """The program with one product in place of such sums."""
    nodes = program.nodes()
    if sum(n.op == "matmul" for n in nodes) < _LEAST:
        return program
    uses = uses_of(program, nodes)
    inner = inner_sums(nodes, uses)
    sums = [n for n in nodes if is_sum(n) and id(n) not in inner]
    rows = {frozenset(map(id, n.args)): n for n in nodes if n.op == "concat" and n.attrs["axis"] == 0}
    found = {id(n): made for n in sums if (made := _joined(n, inner, uses, rows)) is not None}
    return replaced(program, found) if found else program


def _joined(root: Node, inner: set[int], uses: Counter[int], rows: Mapping[frozenset[int], Node]) -> Node | None:
    if root.dtype.kind != "f" or len(root.shape) != 2:
        return None
    everything = terms(root, inner)
    products = [t for t in everything if t.op == "matmul" and uses[id(t)] == 1]
    m, n = root.shape
    depth = sum(p.args[0].shape[1] for p in products)
    if len(products) < _LEAST or 2 * depth * (m + n) > 3 * m * n * len(products):
        return None  # copying the operands would move more than the sums do
    rights = {id(p.args[1]): p for p in products}
    there = rows.get(frozenset(rights))
    if there is not None and len(there.args) == len(products):  # the program has these operands put together anyway
        products, right = [rights[id(x)] for x in there.args], there
    else:
        right = _beside([p.args[1] for p in products], 0)
    left = _beside([p.args[0] for p in products], 1)
    total = Node("matmul", (left, right), root.shape, root.dtype, {}, products[0].source)
    for t in everything:
        if t not in products:
            total = root.with_args([t, total])
    return total


def _beside(parts: list[Node], axis: int) -> Node:
    """The matrices one after the other; transposed ones as they lie in memory, and the whole transposed."""
    if all(_transposed(p) or p.op == "const" for p in parts) and any(p.op == "view" for p in parts):
        whole = _beside([_turned(p) if p.op == "const" else p.args[0] for p in parts], 1 - axis)
        shape = whole.shape[::-1]
        return Node("view", (whole,), shape, whole.dtype, {"strides": row_major(whole.shape)[::-1], "offset": 0}, parts[0].source)
    shape = tuple([sum(p.shape[axis] for p in parts) if k == axis else parts[0].shape[k] for k in range(2)])
    return Node("concat", parts, shape, parts[0].dtype, {"axis": axis}, parts[0].source)


def _transposed(node: Node) -> bool:
    if node.op != "view" or node.args[0].shape != node.shape[::-1] or node.args[0].op == "view":
        return False
    return bool(node.attrs["offset"] == 0 and node.attrs["strides"] == row_major(node.args[0].shape)[::-1])


def _turned(node: Node) -> Node:
    return Node("const", (), node.shape[::-1], node.dtype, {"value": np.ascontiguousarray(node.attrs["value"].T)}, node.source)
