"""Elementwise work on what a product or a convolution reads, done while it reads it.

Kernels bring operands into the order in which they are used anyway (packing, padding).  What is computed by a few operations for one
of them alone, and is read nowhere else, is computed there, and never lies in memory: a scaled or masked weight, normalised images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..program.ir import Node, Program
from .epilogue import SHORT
from .group import Group, elementwise
from .reads import base_of, expanded

_MOST = 8  # nodes: packing may run them more than once for an element
_CHEAP = SHORT | {"div", "sqrt", "rsqrt", "reciprocal"}
_SIZE = 1 << 12  # elements from which a pass over memory counts
_IMAGE = 400_000  # bytes of one image that stays in the second cache
_FEW = 3  # rows or columns of products that read each element of the other operand once or a few times
_COLUMNS = 128  # of a product whose left operand is packed as fast as a pass of its own would write it
_NEAR = 1 << 20  # bytes of a right operand whose columns do not throw each other out of the cache, the more so two of them
IMAGES = {"conv": 0, "conv_input": 0, "conv_weight": 1}  # which operand of a convolution is images, gone through one by one


def with_prologues(program: Program, groups: Sequence[Group]) -> list[Group]:
    """The groups, with elementwise ones joined to the only product that reads what they give."""
    wanted = {id(base_of(n)) for n in program.roots()}
    cheap = [k for k, g in enumerate(groups) if len(g.outputs) == 1 and elementwise(g, _CHEAP, _MOST)]
    made = {id(groups[k].outputs[0]): k for k in cheap if id(groups[k].outputs[0]) not in wanted}
    found: list[Group | None] = list(groups)
    if not made:
        return list(groups)
    readers = Counter(id(n) for g in groups for n in {id(n): n for n in map(base_of, expanded(g)[1])}.values())
    for k, group in enumerate(groups):
        if group.kind not in ("matmul", "conv"):
            continue
        product, *rest = group.nodes
        for a in _operands(product):
            base = base_of(a)
            elsewhere = sum(base_of(x) is base for n in group.nodes for x in n.args) > 1
            if id(base) not in made or readers[id(base)] > 1 or elsewhere or base.size != a.size or a.size < _SIZE:
                continue
            source = made[id(base)]
            rest += groups[source].nodes
            found[source] = None
        found[k] = Group(group.kind, (product, *rest), group.outputs, group.shape)
    return [g for g in found if g is not None]


def _operands(product: Node) -> list[Node]:
    """The operands that a kernel had better compute on the way in."""
    if product.op == "matmul":
        left, right = product.args
        thin = min(product.shape[-2:]) <= _FEW
        wanted = [left] * (thin or product.shape[-1] <= _COLUMNS) + [right] * (thin or right.bytes <= _NEAR)
        return [a for a in wanted if min(a.shape[-2:]) > 1]
    images = product.args[IMAGES[product.op]]
    return [images] if images.bytes <= _IMAGE * images.shape[0] else []


__all__ = ["IMAGES", "with_prologues"]
