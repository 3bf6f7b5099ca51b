"""Views: tensors that share memory with a base, and what an in-place write does to their histories.

A view knows its base and how it was taken (``_replay``: the view operations from the base on).  An in-place write gives
the base a new history; every live view's history is then replayed from it.  A write through a view first turns into a
``CopySlices`` of the base.  On interpreters' values, which have no shared memory, the same replay also renews the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from .modes import MODES
from .node import LEAF, Node, next_order
from .op import Op, edge_of, record
from .tensor import Tensor, new, wrap, wrap_with

MADE_WITHOUT_GRAD = 1
MULTI_OUTPUT = 2
UNTRACKED = 4


def as_view(op: Op, x: Tensor, r: Any, kw: dict[str, Any]) -> Tensor:
    """The tensor around ``r``, which is the view ``op(x, **kw)`` of the memory of ``x``; recorded if asked.

    What every view operation ends with.
    """
    out = new(Tensor)
    out._value = r
    base = x._base
    if base is None:
        out._base = base = x
        out._replay = ((op, kw, None),)
    else:
        out._base = base
        out._replay = (*x._replay, (op, kw, None))
    _register(out, x)
    gn = x._gn
    if gn is not None and MODES.grad and op.rules is not None:
        if MODES.saved_hooks or MODES.anomaly:
            record(op, out, r, (x._value,), (x,), kw)
            return out
        node = new(op.node_class())
        node.edges = (x if gn is LEAF else gn,)
        node.saved = op.pickers()[0](r, (x._value,), kw, None)
        node.fit = None
        node.order = next_order()
        out._gn = node
    return out


def chain_view(x: Tensor, value: Any, steps: Sequence[tuple[Op, dict[str, Any]]]) -> Tensor:
    """The view that several operations take one after the other, without a tensor for each of them."""
    tracked = x._gn is not None and MODES.grad
    if tracked and (MODES.saved_hooks or MODES.anomaly):
        for op, kw in steps:
            x = op(x, **kw)
        return x
    edge = edge_of(x) if tracked else None
    for op, kw in steps:
        before, value = value, op.impl(value, **kw)
        if tracked:
            node = new(op.node_class())
            node.edges = (edge,)
            node.saved = op.pickers()[0](value, (before,), kw, None)
            node.fit = None
            node.order = next_order()
            edge = node
    out = wrap(value)
    base = x._base
    out._base = x if base is None else base
    out._replay = (*x._replay, *[(op, kw, None) for op, kw in steps])
    _register(out, x)
    if tracked:
        out._gn = edge
    return out


def as_views(op: Op, x: Tensor, parts: Sequence[Any], kw: dict[str, Any]) -> tuple[Tensor, ...]:
    """:func:`as_view` for an operation with several outputs; none of them may be written in place later."""
    outs = tuple([wrap(r) for r in parts])
    for k, out in enumerate(outs):
        link(out, x, op, kw, k)
    if x._gn is not None and MODES.grad:
        record(op, outs, parts, (x._value,), (x,), kw)
    return outs


def _register(out: Tensor, x: Tensor) -> None:
    """Tell the base of its new view, which inherits the marks of what it was taken from."""
    if x._flags or not MODES.grad:
        out._flags = x._flags | (0 if MODES.grad else MADE_WITHOUT_GRAD)
    base = out._base
    views = base._views
    if views is None:
        base._views = [ref(out)]
        return
    if len(views) > 7 and len(views) & (len(views) - 1) == 0:
        views[:] = [v for v in views if v() is not None]
    views.append(ref(out))


def link(out: Tensor, x: Tensor, op: Op, kw: dict[str, Any], index: int | None = None) -> None:
    """``out`` is the view ``op(x, **kw)``, or output ``index`` of it."""
    base = x._base
    if base is None:
        base = x
    out._base = base
    out._replay = (*x._replay, (op, kw, index))
    _register(out, x)
    if index is not None:
        out._flags |= MULTI_OUTPUT


def replay(base: Any, steps: Sequence[tuple[Op, dict[str, Any], int | None]]) -> Any:
    """Take the view again from ``base`` (an array or a tensor)."""
    for op, kw, index in steps:
        base = op(base, **kw) if index is None else op(base, **kw)[index]
    return base


class CopySlices(Node):
    """The base of a view after a write through the view: the base's old history, and that of what was written."""

    __slots__ = ("__dict__",)
    raw = True
    plain = True
    frees = False

    def name(self) -> str:
        return "torch::autograd::CopySlices"

    @classmethod
    def record(cls, base_edge: Any, written_edge: Any, steps: Any) -> CopySlices:
        """A node with the two edges (either may be None)."""
        node = new(cls)
        node.edges = (base_edge, written_edge)
        node.saved = ()
        node.fit = None
        node.order = next_order()
        node.__dict__["steps"] = steps
        return node

    def pull(self, g: Any) -> Sequence[Any]:
        rest = None
        region = np.array(replay(np.asarray(g), self.steps))
        if self.edges[0] is not None:
            rest = np.array(g)
            replay(rest, self.steps)[...] = 0
        return (rest, region if self.edges[1] is not None else None)

    def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
        region = replay(g, self.steps).clone()
        rest = None
        if self.edges[0] is not None:
            rest = g.clone()
            replay(rest, self.steps).zero_()
        return (rest, region if self.edges[1] is not None else None)


def rebase(x: Tensor, written: Tensor, level_value: Any = None) -> None:
    """Give ``x``, just written in place, the history of ``written``; its base and all views follow."""
    base = x._base
    if base is None:
        if x._gn is not written._gn:
            x._gn = written._gn
        if level_value is not None:
            x._value = level_value
    else:
        if level_value is not None:
            base._value = scatter(base, written, x._replay)._value
        old = base._gn
        if old is not None or written._gn is not None:
            node = CopySlices.record(
                None if old is None else edge_of(base), None if written._gn is None else edge_of(written), x._replay
            )
            if level_value is not None:
                node.__dict__["raw_values"] = False
            base._gn = node
    refresh(base if base is not None else x, level_value is not None)


def scatter(base: Tensor, written: Tensor, steps: Any) -> Tensor:
    """A copy of ``base`` in which the view holds ``written``, for values without memory."""
    fresh = wrap(base._value)
    index = wrap(np.arange(int(np.prod(base.shape, dtype=np.int64))).reshape(tuple(base.shape)))
    where = replay(index, steps).reshape(-1)
    flat = fresh.reshape(-1).index_put((where,), wrap(written._value).reshape(-1))  # type: ignore[attr-defined]
    return flat.reshape(tuple(base.shape))  # type: ignore[no-any-return]


def refresh(base: Tensor, values: bool) -> None:
    """Replay every live view of ``base`` whose history (or value) depends on it."""
    if not base._views or (base._gn is None and not values):
        return
    for held in base._views:
        view = held()
        if view is None:
            continue
        if not values and view._flags & UNTRACKED:
            continue
        again = _replayed(base, view)
        if again._gn is not None:
            view._gn = again._gn
        if values:
            view._value = again._value


def _replayed(base: Tensor, view: Tensor) -> Tensor:
    """The view taken again, without becoming a registered view itself."""
    source = wrap(base._value) if base._gn is None else wrap_with(base._value, base._gn if isinstance(base._gn, Node) else base._gn)
    before = MODES.grad
    MODES.grad = True
    try:
        return replay(source, view._replay)  # type: ignore[no-any-return]
    finally:
        MODES.grad = before
