"""Long reductions with few results in two steps, so that there are chunks for several threads: parts, then what joins the parts.

How many parts there are depends on the shape alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ..program.ir import Node, row_major
from .loops_expr import Axis, Lowered, Lowering, Store, axes_of
from .numbers import narrow

_PARTS = 64
_WHOLE = 64  # parts of the last axis consist of whole vectors


@dataclass(frozen=True)
class Plan:
    """The axis that is cut, the elements of a part along it, the parts; reductions and the values of their parts."""

    axis: int
    length: int
    parts: int
    partial: dict[int, Node]


def plan(nodes: Sequence[Node], low: Lowered, work: int) -> Plan | None:
    """How to cut the group's reductions; None where that is not worth it, or not possible."""
    reductions = [n for n in nodes if n.op == "reduce"]
    if (
        not reductions
        or any(r.level > 1 for r in low.reductions)
        or any(n.attrs["fn"].startswith("arg") or narrow(n.dtype) for n in reductions)
    ):
        return None
    if any(s.value.level and s.at.along(sorted(low.reduced)) for s in low.stores):
        return None
    shape, axes = reductions[0].args[0].shape, reductions[0].attrs["axes"]
    row = prod([shape[a] for a in axes])
    if prod(shape) < 4 * work or prod(shape) // row >= 4 * work // 64 or not axes:
        return None
    axis = max(axes, key=lambda a: shape[a])
    count = min(_PARTS, prod(shape) // work, shape[axis])
    length = -(-shape[axis] // count)
    if axis == len(shape) - 1:
        length = -(-length // _WHOLE) * _WHOLE
    parts = -(-shape[axis] // length)
    if parts < 2:
        return None
    kept = tuple([parts if a == axis else n for a, n in enumerate(shape) if a == axis or a not in axes])
    return Plan(axis, length, parts, {id(n): Node("temp", (), kept, n.dtype) for n in reductions})


def parts(nodes: Sequence[Node], outputs: Sequence[Node], cut: Plan) -> list[Lowered]:
    """The loop nests of the first step: the parts of full length, and a shorter last one."""
    reductions = [n for n in nodes if n.op == "reduce"]
    shape, axes = reductions[0].args[0].shape, reductions[0].attrs["axes"]
    steps = row_major([cut.parts if a == cut.axis else 1 if a in axes else n for a, n in enumerate(shape)])
    whole = shape[cut.axis] // cut.length
    left = shape[cut.axis] - whole * cut.length
    inside = {id(n) for n in nodes}
    full = [n for n in outputs if n.shape == shape]

    def wanted(low: Lowering) -> list[Store]:
        stores = [Store(low.value(n, low.everywhere()), n, low.everywhere()) for n in full]
        return stores + [Store(low.value(n, low.kept()), cut.partial[id(n)], low.kept()) for n in reductions]

    out = []
    for count, length, first in ((whole, cut.length, 0), (1, left, whole)):
        if not count or not length:
            continue
        grid: list[Axis] = []
        for a, axis in enumerate(axes_of(shape, axes)):
            if a == cut.axis:
                grid += [Axis(count, axis.step * cut.length, steps[a]), Axis(length, axis.step, 0, True)]
            else:
                grid.append(Axis(axis.extent, axis.step, 0 if axis.reduced else steps[a], axis.reduced))
        start = (first * cut.length * row_major(shape)[cut.axis], first * steps[cut.axis])
        out.append(Lowering(inside, shape, axes, grid, start).lower(wanted))
    return out


def joined(nodes: Sequence[Node], outputs: Sequence[Node], cut: Plan) -> Lowered:
    """The loop nest of the second step: over the parts, and what the group does with the results."""
    reductions = [n for n in nodes if n.op == "reduce"]
    shape, axes = reductions[0].args[0].shape, reductions[0].attrs["axes"]
    at = sum(1 for a in range(cut.axis) if a not in axes)
    made: dict[int, Node] = {}
    for n in nodes:
        if n.op == "reduce":
            made[id(n)] = Node("reduce", (cut.partial[id(n)],), n.shape, n.dtype, {"fn": n.attrs["fn"], "axes": (at,)})
        else:
            made[id(n)] = n.with_args([made.get(id(a), a) for a in n.args])
    inside = {id(n) for n in made.values()}
    rest = [n for n in outputs if n.shape != shape]

    def wanted(low: Lowering) -> list[Store]:
        return [Store(low.value(made[id(n)], low.natural(n)), n, low.natural(n)) for n in rest]

    return Lowering(inside, cut.partial[id(reductions[0])].shape, (at,)).lower(wanted)


__all__ = ["Plan", "joined", "parts", "plan"]
