"""Elementwise work on a product or a convolution, done while its results are in registers or in the first cache.

A bias, an activation and its slope, a residual: a group of elementwise nodes that reads a product where its own elements lie becomes
part of the product's group, which saves a pass over the result, and the product's memory too where nobody else reads it.  The group
runs in the elementwise one's place, so that all that it reads is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..program.ir import Node, Program
from ..program.make import plain
from .group import Group, elementwise
from .reads import base_of, expanded, sides

_MOST = 16  # nodes
_FEW = 3  # rows or columns of products that are sums along their operands, each result by itself
SHORT = frozenset(  # some instructions each, which are written for each vector of a tile; longer code runs over a tile that is finished
    {"add", "sub", "mul", "neg", "abs", "square", "maximum", "minimum", "fmax", "fmin", "where", "eq", "ne", "lt", "le", "gt", "ge"}
    | {"and", "or", "xor", "not", "cast"}
)
_LONG = frozenset({"exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sqrt", "rsqrt", "reciprocal", "div"})


def with_epilogues(program: Program, groups: Sequence[Group]) -> list[Group]:
    """The groups, with elementwise ones joined to the products that they read."""
    found: list[Group | None] = list(groups)
    made = {id(g.nodes[0]): k for k, g in enumerate(groups) if g.kind in ("matmul", "conv")}
    if not made:
        return list(groups)
    reads = [expanded(g)[1] for g in groups]
    readers: dict[int, list[int]] = {}
    for k, nodes in enumerate(reads):
        for node in nodes:
            readers.setdefault(id(node), []).append(k)
    wanted = {id(base_of(n)) for n in program.roots()}
    stored = {id(n) for _, n in program.stores}
    for k, group in enumerate(groups):
        if not elementwise(group, SHORT | _LONG, _MOST) or any(id(n) in stored for n in group.outputs):
            continue
        for product in reversed(reads[k]):
            kept = id(product) in wanted or len(readers[id(product)]) > 1
            if id(product) in made and readers[id(product)][0] == k and _fits(group, product, kept):
                outputs = (*group.outputs, product) if kept else group.outputs
                found[k] = Group(groups[made[id(product)]].kind, (product, *group.nodes), outputs, product.shape)
                found[made.pop(id(product))] = None
                break
    return [g for g in found if g is not None]


def parted(group: Group) -> list[Group]:
    """A product with a prologue and an epilogue as groups without the one or, where there is none, the other."""
    product, before, after = sides(group)
    if before:
        made = [Group("loops", nodes, (base := base_of(product.args[k]),), base.shape) for k, nodes in before.items()]
        return [*made, Group(group.kind, (product, *after), group.outputs, group.shape)]
    outputs = tuple([n for n in group.outputs if n is not product])
    shape = max((n.shape for n in outputs), key=prod)
    return [Group(group.kind, (product,), (product,), product.shape), Group("loops", after, outputs, shape)]


def _fits(group: Group, product: Node, kept: bool) -> bool:
    """Whether each element needs the product's element in the same place, and one result can take the product's memory."""
    if product.op == "matmul" and product.shape[-1] == 1:  # lanes run along the rows
        return False
    if product.op == "matmul" and min(product.shape[-2:]) <= _FEW and any(n.attrs["fn"] in _LONG for n in group.nodes):
        return False
    if prod(group.shape) != product.size or not (kept or any(n.dtype == product.dtype for n in group.outputs)):
        return False
    for x in [a for n in group.nodes for a in n.args if base_of(a) is product]:
        while x is not product:
            if x.size != product.size or x.attrs["offset"] or not plain(x.shape, x.attrs["strides"]):
                return False
            x = x.args[0]
    return True


__all__ = ["parted", "with_epilogues"]
