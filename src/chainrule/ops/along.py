"""Picking and placing values along one dimension by an index tensor of the same rank: what selecting reductions,
sorting and cumulative extrema differentiate with.

``take_along`` and ``put_along`` are each other's transposes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import batch_size, bring
from ..core.op import Op
from .gather import grid


def _take(x: Any, index: Any, *, dim: int) -> Any:
    return x[grid(index, dim)]


def _put(g: Any, index: Any, *, dim: int, size: int, unique: bool) -> Any:
    shape = list(g.shape)
    shape[dim] = size
    out = np.zeros(shape, g.dtype)
    at = grid(index, dim)
    if unique:
        out[at] = g
    elif g.dtype.itemsize <= 2 and g.dtype.kind not in "biu":
        wide = np.zeros(shape, np.float32)
        np.add.at(wide, at, g.astype(np.float32))
        return wide.astype(g.dtype)
    else:
        np.add.at(out, at, g)
    return out


def _both(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    args = bring(args, mask, batch_size(args, mask))
    return op(*args, **{**kw, "dim": kw["dim"] + 1})


take_along: Op = Op(
    "take_along", _take, kind="linear", args="x index",
    vjp=[lambda g, x_shape, index, dim: put_along(g, index, dim=dim, size=x_shape[dim], unique=False), None],
    batch=_both, node="GatherBackward0",
)  # fmt: skip
put_along: Op = Op(
    "put_along", _put, kind="linear", args="g index",
    vjp=[lambda g, index, dim: take_along(g, index, dim=dim), None],
    batch=_both, node="ValueSelectingReductionBackward0",
)  # fmt: skip
