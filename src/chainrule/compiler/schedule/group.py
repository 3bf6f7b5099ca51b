"""A group of nodes that one kernel computes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from ..program.ir import Node, Shape

Kind = Literal["loops", "matmul", "conv", "host"]

TRANSPARENT = frozenset({"view", "iota"})  # computed wherever they are looked at, never for themselves


@dataclass(frozen=True, eq=False)
class Group:
    """``nodes`` are computed here, arguments first; ``outputs`` are those (or views) that memory is given to.

    ``loops``: map, gather, reduce and concat nodes over one domain.  ``shape`` is the domain; ``axes`` are the axes over which its
    reductions run, all of which reduce values of that shape (empty: there are none).  Every node has as many elements as the domain, or as
    the domain without ``axes``, but for concatenations of values of the domain, which nothing in the group reads.  Views and iotas are
    expanded wherever they are met; what is neither in ``nodes`` nor one of them lies in memory.

    ``matmul``: a product, the first node, maps that an operand of it is computed by, and maps that read its elements in their places; the
    product is an output if others read it.  ``conv``: a convolution or one of its gradients, likewise.  ``host``: one node, computed by
    NumPy.
    """

    kind: Kind
    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]
    shape: Shape = ()
    axes: tuple[int, ...] = ()


def elementwise(group: Group, functions: Collection[str], most: int) -> bool:
    """Whether a group is at most so many maps of these functions, each over the whole domain."""
    return (
        group.kind == "loops"
        and not group.axes
        and len(group.nodes) <= most
        and all(n.op == "map" and n.attrs["fn"] in functions and n.shape == group.shape for n in group.nodes)
    )
