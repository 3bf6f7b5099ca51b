"""Sums over the rows of what another group computes row by row, in that group's pass over memory.

The backward of a layer norm reduces along rows for the gradient of its argument, and over all rows for those of its parameters.  These
are two groups, since their reductions run over different axes; the second reads again what the first has read, and what the first has
written for it.  A group whose results are nothing but such sums joins the first: the kernel adds up columns block by block of rows, and a
small one adds up the blocks (``native/loops_columns.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..program.ir import Node, Program
from .group import Group
from .reads import base_of, expanded

_ROWS = 32  # of fewer there are no blocks
_COLUMNS = 1 << 13  # of more the sums do not stay in the innermost cache
_SUMS = 4
_SIZE = 1 << 15  # elements from which another pass counts


def with_columns(program: Program, groups: Sequence[Group]) -> list[Group]:
    """The groups, with those of sums over rows joined to what computes the rows."""
    found: list[Group | None] = list(groups)
    sums = [k for k, g in enumerate(groups) if _sums_rows(g)]
    if not sums:
        return list(groups)
    reads = [{id(base_of(n)) for n in expanded(g)[1]} for g in groups]
    wanted = {id(base_of(n)) for n in program.roots()}
    made = {id(n): k for k, g in enumerate(groups) for n in g.outputs}
    for k in sums:
        sources = [made[n] for n in reads[k] if n in made]
        for j in range(k):
            rows = found[j]
            if rows is None or not _computes_rows(rows, groups[k]) or any(s > j for s in sources):
                continue
            if not all(_in_place(a, rows) for n in groups[k].nodes for a in n.args):
                continue
            others = wanted.union(*[reads[i] for i in range(len(groups)) if i != k])
            kept = [n for n in rows.outputs if id(n) in others]
            found[j] = Group("loops", (*rows.nodes, *groups[k].nodes), (*kept, *groups[k].outputs), rows.shape, rows.axes)
            found[k] = None
            reads[j] |= reads[k]
            made |= {id(n): j for n in groups[k].outputs}
            break
    return [g for g in found if g is not None]


def _sums_rows(group: Group) -> bool:
    """Whether nothing comes of the group but a few sums over leading axes."""
    if group.kind != "loops" or not group.axes or group.axes != tuple(range(len(group.axes))) or prod(group.shape) < _SIZE:
        return False
    reductions = [n for n in group.nodes if n.op == "reduce"]
    rows, columns = prod(group.shape[: len(group.axes)]), prod(group.shape[len(group.axes) :])
    return (
        rows >= _ROWS
        and 1 < columns <= _COLUMNS
        and len(reductions) <= _SUMS
        and all(n.attrs["fn"] == "sum" and n.dtype.kind == "f" and n.dtype.itemsize >= 4 for n in reductions)
        and all(n.op in ("map", "reduce") for n in group.nodes)
        and all(n.op == "reduce" for n in group.outputs)
    )


def _computes_rows(rows: Group, sums: Group) -> bool:
    """Whether a group reduces along the axes that the sums keep."""
    lead = len(sums.axes)
    return rows.kind == "loops" and rows.shape == sums.shape and rows.axes == tuple(range(lead, len(rows.shape)))


def _in_place(arg: Node, rows: Group) -> bool:
    """Whether an argument is read from memory that others have written, or is the row group's value at the same point."""
    return base_of(arg) not in rows.nodes or (arg in rows.nodes and arg.shape == rows.shape)
