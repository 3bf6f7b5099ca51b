"""Batch rules that many operations share.

A batch rule is ``rule(op, args, mask, kw)``: ``args`` are tensors of the level below, those with ``mask[i]`` carry the
batch as their axis 0; the rule returns the result with the batch as axis 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .op import Op

BatchRule = Callable[["Op", Sequence[Any], Sequence[bool], dict[str, Any]], Any]


def along_dims(*names: str) -> BatchRule:
    """For operations of one array: every keyword of ``names`` holds non-negative dims, which move up by one."""

    def rule(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
        moved = dict(kw)
        for n in names:
            dims = kw[n]
            moved[n] = dims + 1 if isinstance(dims, int) else tuple([d + 1 for d in dims])
        return op(*args, **moved)

    return rule


def lead_reshape(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    """For ``view`` and ``expand``: the batch axis goes before ``shape``, with ones where dimensions were added."""
    x = args[0]
    n = x.shape[0]
    shape = tuple(kw["shape"])
    if op.name == "expand":
        missing = len(shape) - (x.ndim - 1)
        if missing:
            x = x.reshape((n,) + (1,) * missing + tuple(x.shape[1:]))
    return op(x, shape=(n, *shape))


def same(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    """For operations that do not look at the leading axes (matrix functions of the last two, say)."""
    return op(*args, **kw)


def aligned(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    """For operations that broadcast their arguments: the batch axes go to one place, in front of the longest shape."""
    rank = max(a.ndim - m for a, m in zip(args, mask, strict=True))
    lined = []
    for a, m in zip(args, mask, strict=True):
        missing = rank - (a.ndim - 1) if m else 0
        lined.append(a.reshape((a.shape[0],) + (1,) * missing + tuple(a.shape[1:])) if missing else a)
    return op(*lined, **kw)


def bring(args: Sequence[Any], mask: Sequence[bool], size: int) -> list[Any]:
    """All arguments with a batch axis: those without are expanded."""
    return [a if m or a is None else a.expand((size, *a.shape)) for a, m in zip(args, mask, strict=True)]


def batch_size(args: Sequence[Any], mask: Sequence[bool]) -> int:
    """The length of the batch axis."""
    return int(next(a.shape[0] for a, m in zip(args, mask, strict=True) if m))
