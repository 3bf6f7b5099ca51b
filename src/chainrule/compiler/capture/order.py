"""In which order of its dimensions the memory of an uncaptured result would lie.

Programs are row-major throughout.  Uncaptured, what is computed from a transposed array lies as that array does (NumPy's ``order="K"``),
and random numbers are drawn in the order of memory: so whoever draws for such a result has to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..program.ir import Node, row_major

Order = tuple[int, ...]  # the dimensions, the one whose elements lie farthest apart first
Strides = tuple[int, ...]  # in elements


def memory_order(node: Node, known: Mapping[int, Order]) -> Order:
    """The order of a node's dimensions; ``known`` has that of some nodes, by identity."""
    found: dict[int, Strides] = {}
    stack = [(node, False)]
    while stack:
        n, ready = stack.pop()
        if id(n) in found:
            continue
        inner = list(n.args[:1]) if n.op == "view" else [a for a in n.args if a.shape == n.shape] if n.op == "map" else []
        if id(n) in known:
            found[id(n)] = strides_of(n.shape, known[id(n)])
        elif not inner:
            found[id(n)] = row_major(n.shape)
        elif ready:
            given = [found[id(a)] for a in inner]
            found[id(n)] = _viewed(n, given[0]) if n.op == "view" else strides_of(n.shape, _iterated(n.shape, given))
        else:
            stack.append((n, True))
            stack.extend([(a, False) for a in inner])
    return _iterated(node.shape, [found[id(node)]])


def _viewed(view: Node, lying: Strides) -> Strides:
    """The strides of a view of memory that lies with these; as if that were row-major, where a dimension is none of the base's."""
    base, strides = view.args[0], tuple(view.attrs["strides"])
    moved = {0: 0} | {step: found for step, found, n in zip(row_major(base.shape), lying, base.shape, strict=True) if n > 1}
    steps = [s if n > 1 else 0 for s, n in zip(strides, view.shape, strict=True)]
    return tuple([moved[s] for s in steps]) if all(s in moved for s in steps) else strides


def _iterated(shape: tuple[int, ...], operands: Sequence[Strides]) -> Order:
    """The order in which NumPy walks through operands (``npyiter_find_best_axis_ordering``), which is that of a new result's memory.

    A dimension moves outwards over those whose steps are smaller; steps of 0 say nothing, and where operands differ row-major wins.
    """
    inner = list(range(len(shape)))[::-1]
    for k in range(1, len(inner)):
        place = k
        for other in range(k - 1, -1, -1):
            pairs = [(abs(s[inner[k]]), abs(s[inner[other]])) for s in operands if shape[inner[k]] > 1 and shape[inner[other]] > 1]
            swaps = [near > mine for mine, near in pairs if mine and near]
            if swaps and not all(swaps):
                break
            if swaps:
                place = other
        inner.insert(place, inner.pop(k))
    return tuple(inner[::-1])


def strides_of(shape: tuple[int, ...], order: Order) -> Strides:
    """Strides in elements of dense memory in an order."""
    steps = row_major([shape[d] for d in order])
    return tuple([steps[order.index(d)] for d in range(len(shape))])


def template(shape: tuple[int, ...], order: Order) -> Any:
    """An array of a shape whose memory lies in an order; nobody reads its elements."""
    return np.empty([shape[d] for d in order], np.uint8).transpose([order.index(d) for d in range(len(shape))])
