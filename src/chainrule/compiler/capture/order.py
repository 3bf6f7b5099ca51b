"""In which order of its dimensions the memory of an uncaptured result would lie.

Programs are row-major throughout.  Uncaptured, what is computed from a transposed array lies as that array does (NumPy's ``order="K"``),
and random numbers are drawn in the order of memory: so whoever draws for such a result has to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..program.ir import Node, row_major

Order = tuple[int, ...]  # the dimensions, the one whose elements lie farthest apart first


def memory_order(node: Node, known: Mapping[int, Order]) -> Order:
    """The order of a node's dimensions; ``known`` has that of some nodes, by identity."""
    found: dict[int, Order | None] = dict(known)
    stack = [(node, False)]
    while stack:
        n, ready = stack.pop()
        if id(n) in found:
            continue
        inner = [a for a in n.args if a.shape == n.shape] if n.op == "map" else list(n.args[:1]) if n.op == "view" else []
        if ready or not inner:
            found[id(n)] = _order(n, [found[id(a)] for a in inner])
        else:
            stack.append((n, True))
            stack.extend([(a, False) for a in inner])
    return found[id(node)] or tuple(range(len(node.shape)))


def _order(node: Node, inner: list[Order | None]) -> Order | None:
    """The same; None for what is repeated along a dimension and has no say."""
    plain = tuple(range(len(node.shape)))
    if node.op == "view":
        strides = _through(node, inner[0] or tuple(range(len(node.args[0].shape))))
        repeated = any(s == 0 and n > 1 for s, n in zip(strides, node.shape, strict=True))
        return None if repeated else tuple(sorted(plain, key=lambda d: -abs(strides[d])))
    orders = {order for order in inner if order is not None}
    return orders.pop() if len(orders) == 1 else plain  # where operands differ, row-major wins


def _through(view: Node, order: Order) -> tuple[int, ...]:
    """The strides of a view, were its base to lie in ``order``: those of a base that is row-major where that cannot be said."""
    base, strides = view.args[0], tuple(view.attrs["strides"])
    if order == tuple(range(len(order))):
        return strides
    steps = dict(zip(row_major(base.shape), range(len(base.shape))))
    lying = strides_of(base.shape, order)
    moved = [lying[steps[s]] if s in steps else None for s in strides]
    return strides if None in moved else tuple([m for m in moved if m is not None])


def strides_of(shape: tuple[int, ...], order: Order) -> tuple[int, ...]:
    """Strides in elements of dense memory in an order."""
    steps = row_major([shape[d] for d in order])
    return tuple([steps[order.index(d)] for d in range(len(shape))])


def template(shape: tuple[int, ...], order: Order) -> Any:
    """An array of a shape whose memory lies in an order; nobody reads its elements."""
    return np.empty([shape[d] for d in order], np.uint8).transpose([order.index(d) for d in range(len(shape))])
