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

from .batching import batch_size, bring
from .modes import MODES, UNUSUAL
from .node import LEAF, Node, Slot, next_order
from .op import OPS, Op, edge_of, record
from .tensor import MADE_WITHOUT_GRAD, MULTI_OUTPUT, UNTRACKED, Tensor, new, wrap, wrap_with
from .value import Value


class _Views(list[Any]):
    """Weak references to the views of a base; what has died is dropped when they are twice as many as lived."""

    __slots__ = ("limit",)

    def __init__(self, first: Any) -> None:
        self.append(first)
        self.limit = 16

    def sweep(self) -> None:
        self[:] = [v for v in self if v() is not None]
        self.limit = 2 * len(self) + 16


def _first(op: Op) -> tuple[Any, Any]:
    """The class of the operation's nodes, and what picks up what its rule names; both kept on the operation."""
    found = op.taped = (op.node_class(), op.pickers()[0] if op.rules else None)
    return found


def as_view(op: Op, x: Tensor, r: Any, kw: dict[str, Any]) -> Tensor:
    """The tensor around ``r``, which is the view ``op(x, **kw)`` of the memory of ``x``; recorded if asked.

    What every view operation ends with, hence :func:`link` and :func:`~chainrule.core.op.record` in one.
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
    views = base._views
    if views is None:
        base._views = _Views(ref(out))
    else:
        views.append(ref(out))
        if len(views) > views.limit:
            views.sweep()
    if x._flags or UNUSUAL:
        _inherit(out, x)
        if not MODES.grad:
            return out
        if x._gn is not None and (MODES.saved_hooks or MODES.anomaly):
            record(op, out, r, (x._value,), (x,), kw)
            return out
    gn = x._gn
    if gn is not None:
        cls, pick = op.taped or _first(op)
        if pick is not None:
            out._gn = node = new(cls)
            node.edges = (x if gn is LEAF else gn,)
            node.saved = pick(r, (x._value,), kw, None)
            node.fit = None
            node.order = next_order()
    return out


def chain_view(x: Tensor, value: Any, steps: Sequence[tuple[Op, dict[str, Any]]]) -> Tensor:
    """The view that several operations take one after the other, without a tensor for each of them."""
    edge = None
    if x._gn is not None:
        if not UNUSUAL:
            edge = edge_of(x)
        elif MODES.grad:
            if MODES.saved_hooks or MODES.anomaly:
                for op, kw in steps:
                    x = op(x, **kw)
                return x
            edge = edge_of(x)
    if edge is None:
        for op, kw in steps:
            value = op.impl(value, **kw)
    else:
        for op, kw in steps:
            before, value = value, op.impl(value, **kw)
            cls, pick = op.taped or _first(op)
            node = new(cls)
            node.edges = (edge,)
            node.saved = pick(value, (before,), kw, None)
            node.fit = None
            node.order = next_order()
            edge = node
    out = new(Tensor)
    out._value = value
    base = x._base
    out._base = x if base is None else base
    out._replay = (*x._replay, *[(op, kw, None) for op, kw in steps])
    _register(out, x)
    if edge is not None:
        out._gn = edge
    return out


def as_views(op: Op, x: Tensor, parts: Sequence[Any], kw: dict[str, Any]) -> tuple[Tensor, ...]:
    """:func:`as_view` for an operation with several outputs; none of them may be written in place later."""
    base = x._base
    steps: tuple[Any, ...] = ()
    if base is None:
        base = x
    else:
        steps = x._replay
    views = base._views
    outs = []
    for k, r in enumerate(parts):
        out = new(Tensor)
        out._value = r
        out._base = base
        out._replay = (*steps, (op, kw, k))
        out._flags = MULTI_OUTPUT
        if views is None:
            views = base._views = _Views(ref(out))
        else:
            views.append(ref(out))
        outs.append(out)
    if views is not None and len(views) > views.limit:
        views.sweep()
    if x._flags or UNUSUAL:
        for out in outs:
            out._flags = 0
            _inherit(out, x)
            if not out._flags & MADE_WITHOUT_GRAD:
                out._flags |= MULTI_OUTPUT
    found = tuple(outs)
    if x._gn is not None and (not UNUSUAL or MODES.grad):
        record(op, found, parts, (x._value,), (x,), kw)
    return found


def _inherit(out: Tensor, x: Tensor) -> None:
    """A view has the marks of what it was taken from, and that of being taken while nothing is recorded."""
    flags = x._flags
    if not MODES.grad:
        flags |= MADE_WITHOUT_GRAD
    if flags & MADE_WITHOUT_GRAD:
        out._made = next_order()
    out._flags = flags


def _register(out: Tensor, x: Tensor) -> None:
    """Tell the base of its new view."""
    if x._flags or UNUSUAL:
        _inherit(out, x)
    base = out._base
    views = base._views
    if views is None:
        base._views = _Views(ref(out))
        return
    views.append(ref(out))
    if len(views) > views.limit:
        views.sweep()


def link(out: Tensor, x: Tensor, op: Op, kw: dict[str, Any], index: int | None = None) -> None:
    """``out`` is the view ``op(x, **kw)``, or output ``index`` of it."""
    base = x._base
    if base is None:
        base = x
    out._base = base
    out._replay = (*x._replay, (op, kw, index))
    _register(out, x)
    if index is not None and not out._flags & MADE_WITHOUT_GRAD:
        out._flags |= MULTI_OUTPUT


def replay(base: Any, steps: Sequence[tuple[Op, dict[str, Any], int | None]]) -> Any:
    """Take the view again from ``base`` (an array or a tensor)."""
    for op, kw, index in steps:
        base = op(base, **kw) if index is None else op(base, **kw)[index]
    return base


# What flows through a view: its part of a tensor taken out, put into zeros, and cleared. The steps are those of a view's
# ``_replay``; ``layout`` says how the base lies in memory, so that the steps find on a copy what they found on the base.


def layout_of(value: Any) -> tuple[tuple[int, ...], Any, tuple[int, ...] | None]:
    """Shape, dtype and, unless row-major, the order of the dimensions in memory from slow to fast."""
    if isinstance(value, Value):
        return (tuple(value.shape), value.numpy_dtype, None)
    if not isinstance(value, np.ndarray) or value.flags.c_contiguous:
        return (value.shape, value.dtype, None)
    return (value.shape, value.dtype, tuple(sorted(range(value.ndim), key=lambda d: -value.strides[d])))


def _blank(layout: Any) -> Any:
    shape, dtype, order = layout
    if order is None:
        return np.zeros(shape, dtype)
    out = np.zeros([shape[d] for d in order], dtype)
    return out.transpose(sorted(range(len(order)), key=order.__getitem__))


def _copied(x: Any, layout: Any) -> Any:
    out = _blank(layout)
    out[...] = x
    return out


def _take(x: Any, *, steps: Any, layout: Any) -> Any:
    if layout[2] is not None or not x.flags.c_contiguous:
        x = _copied(x, layout)
    return np.array(replay(x, steps))


def _put(g: Any, *, steps: Any, layout: Any) -> Any:
    out = _blank(layout)
    at = replay(out, steps)
    if 0 not in at.strides and not any(op.name in ("unfold", "as_strided") for op, _, _ in steps):
        at[...] = g
        return out
    out = np.zeros(layout[0], layout[1])  # several elements of the view may be one place
    places = replay(_copied(np.arange(out.size).reshape(out.shape), (layout[0], np.int64, layout[2])), steps)
    np.add.at(out.reshape(-1), places, g)
    return out


def _clear(x: Any, *, steps: Any, layout: Any) -> Any:
    return _write(x, 0, steps=steps, layout=layout)


def _write(base: Any, src: Any, *, steps: Any, layout: Any) -> Any:
    out = _copied(base, layout)
    at = replay(out, steps)
    if not at.flags.writeable:  # expanded
        at.flags.writeable = True
    at[...] = src
    return out


def _places(layout: Any, steps: Any) -> Tensor:
    """Where the elements of the view lie in the flat base."""
    shape, _, order = layout
    numbers = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    return wrap(np.array(replay(_copied(numbers, (shape, np.int64, order)), steps)))


def _batched(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    """vmap: the steps are those of one sample, so every sample's base lies flat behind the batch axis and is indexed."""
    layout, steps = kw["layout"], kw["steps"]
    places = _places(layout, steps)
    size = batch_size(args, mask)
    flat = (size, int(np.prod(layout[0], dtype=np.int64)))
    whole = (size, *layout[0])
    view, how = OPS["view"], {"dims": (1,)}
    x, *src = bring(args[:1], mask[:1], size) + list(args[1:])
    if op is take_view:
        return OPS["index"](view(x, shape=flat), places, unique=False, **how)
    if op is put_view:
        return view(OPS["index_back"](x, places, shape=flat, unique=False, **how), shape=whole)
    if op is clear_view:
        return view(OPS["index_clear"](view(x, shape=flat), places, **how), shape=whole)
    if mask[1]:  # the axes of the view that the source does not have come after its batch axis
        missing = places.ndim + 1 - src[0].ndim
        src = [view(src[0], shape=(size, *(1,) * missing, *src[0].shape[1:]))]
    return view(OPS["index_put"](view(x, shape=flat), *src, places, accumulate=False, **how), shape=whole)


take_view = Op(
    "take_view", _take, kind="linear", vjp=[lambda g, steps, layout: put_view(g, steps=steps, layout=layout)], batch=_batched,
    node="AsStridedBackward0",
)  # fmt: skip
put_view: Op = Op(
    "put_view", _put, kind="linear", vjp=[lambda g, steps, layout: take_view(g, steps=steps, layout=layout)],
    batch=_batched, node="AsStridedBackwardBackward0",
)  # fmt: skip
clear_view: Op = Op(
    "clear_view", _clear, kind="linear", vjp=[lambda g, steps, layout: clear_view(g, steps=steps, layout=layout)], batch=_batched
)
copy_slices = Op(
    "copy_slices", _write, kind="linear", args="base src",
    vjp=[
        lambda g, steps, layout: clear_view(g, steps=steps, layout=layout),
        lambda g, steps, layout: take_view(g, steps=steps, layout=layout),
    ], batch=_batched, node="CopySlices",
)  # fmt: skip


class _Invalid(Node):
    """The history of a view taken without gradient whose base was then written with it: nobody can say what it is."""

    __slots__ = ()
    raw = True
    plain = True
    frees = False

    @classmethod
    def make(cls) -> _Invalid:
        node = new(cls)
        node.edges = ()
        node.saved = ()
        node.fit = None
        node.order = next_order()
        return node

    def told(self) -> Node:
        raise RuntimeError(WITHOUT_GRAD.format("its base or another view of its base has been"))

    def pull(self, g: Any) -> Sequence[Any]:
        return (self.told(),)

    def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
        return (self.told(),)


WITHOUT_GRAD = (
    "A view was created in no_grad mode and {} modified inplace with grad mode enabled. Given that this use case is ambiguous and"
    " error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the"
    " no_grad block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
)


class CopySlices(Node):
    """The base of a view after a recorded operation wrote through the view.

    It stands for the base's old history and for that operation, whose own node it holds: as in PyTorch its edges are the
    base's, then those of the operation's other arguments.
    """

    __slots__ = ("how", "inner")

    inner: Any
    how: dict[str, Any]

    @property
    def raw(self) -> bool:  # type: ignore[override]
        return self.inner.raw  # type: ignore[no-any-return]

    @property
    def plain(self) -> bool:  # type: ignore[override]
        return self.inner.raw  # type: ignore[no-any-return]

    def name(self) -> str:
        return "torch::autograd::CopySlices"

    @classmethod
    def make(cls, base: Any, inner: Any, how: dict[str, Any]) -> CopySlices:
        node = new(cls)
        node.inner = inner
        node.how = how
        node.edges = (base, *inner.edges[1:])
        node.fit = None
        node.order = inner.order  # as early as that: what it saved may be stale through this very write
        return node

    @property
    def op(self) -> Op | None:  # type: ignore[override]
        return self.inner.op  # type: ignore[no-any-return]

    @property
    def saved(self) -> Any:
        return self.inner.saved

    @saved.setter
    def saved(self, value: Any) -> None:
        self.inner.saved = value

    @property
    def frees(self) -> bool:  # type: ignore[override]
        return self.inner.frees  # type: ignore[no-any-return]

    def saved_values(self) -> list[tuple[str, Any]]:
        return [] if self.inner.saved is None else self.inner.saved_values()

    def pull(self, g: Any) -> Sequence[Any]:
        how = self.how
        first, *others = self.inner.pull(_take(g, **how))
        if self.edges[0] is None:
            return (None, *others)
        return (_write(g, 0 if first is None else first, **how), *others)

    def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
        how = self.how
        first, *others = self.inner.pull_tensors(take_view(g, **how), create_graph)
        if self.edges[0] is None:
            return (None, *others)
        return (clear_view(g, **how) if first is None else copy_slices(g, first, **how), *others)


def _rebased(base: Tensor, x: Tensor, written: Tensor) -> None:
    """Record on ``base`` that its view ``x`` was written."""
    value, inner = base._value, written._gn
    how = {"steps": x._replay, "layout": layout_of(value)}
    direct = type(inner) is not Slot and isinstance(inner, Node) and inner.op is not None and len(inner.edges) > 0
    if direct and inner.edges[0] is x._gn and not MODES.saved_hooks and not MODES.anomaly:
        base._gn = CopySlices.make(None if base._gn is None else edge_of(base), inner, how)
    else:
        record(copy_slices, base, value, (value, written._value), (base, written), how)


def records(x: Tensor) -> bool:
    """Whether a write to ``x`` is recorded, or refused, even where nothing that is written has a history."""
    return x._gn is not None or (x._flags & MADE_WITHOUT_GRAD != 0 and x._base is not None and x._base._gn is not None)


def rebase(x: Tensor, written: Tensor, level_value: Any = None) -> None:
    """Give ``x``, just written in place, the history of ``written``; its base and all views follow.

    ``level_value``: the new value, where it has no memory that the write could have reached.
    """
    base = x._base
    if base is None:
        base = x
        if x._gn is not written._gn:
            x._gn = written._gn
        if level_value is not None:
            x._value = level_value
    elif level_value is not None:
        fresh = copy_slices(base, written, steps=x._replay, layout=layout_of(base._value))
        base._value = fresh._value
        base._gn = fresh._gn
    elif base._gn is not None or written._gn is not None:
        _rebased(base, x, written)
    refresh(base, level_value is not None)


def wrote_part(x: Tensor, steps: Sequence[tuple[Op, dict[str, Any]]], src: Tensor | None) -> None:
    """Record that the view ``steps`` of ``x`` has just been overwritten with ``src`` (None: with numbers), broadcast and cast."""
    base = x._base
    if base is None:
        base = x
    value = base._value
    kw = {"steps": (*x._replay, *[(op, how, None) for op, how in steps]), "layout": layout_of(value)}
    have = None if src is None else src._value
    fit = None if have is None else ((value.shape, value.dtype), (have.shape, have.dtype))
    record(copy_slices, base, value, (value, have), (base, src), kw, "raw", fit)
    refresh(base, False)


def refresh(base: Tensor, values: bool) -> None:
    """Give every live view of ``base`` the history, and where there is no shared memory the value, that follows from it."""
    if not base._views or (base._gn is None and not values):
        return
    value = base._value
    layout = layout_of(value)
    before = MODES.grad
    MODES.grad = True
    try:
        for held in base._views:
            view = held()
            if view is None or (not values and view._flags & UNTRACKED):
                continue
            if view._flags & MADE_WITHOUT_GRAD:
                if values:
                    view._value = replay(wrap(value), view._replay)._value
                else:
                    view._gn = _Invalid.make()
            elif values:
                again = replay(wrap_with(value, base._gn) if base._gn is not None else wrap(value), view._replay)
                view._value = again._value
                if again._gn is not None:
                    view._gn = again._gn
            else:
                record(take_view, view, value, (value,), (base,), {"steps": view._replay, "layout": layout})
    finally:
        MODES.grad = before


def changed_shape(x: Tensor, op: Op, kw: dict[str, Any], back: tuple[Op, dict[str, Any]]) -> Tensor:
    """``x`` becomes ``op(x, **kw)`` in place (``squeeze_``, ``t_`` …); ``back`` is the view operation that undoes it."""
    result = op(wrap_with(x._value, x._gn) if x._gn is not None else wrap(x._value), **kw)
    x._value = result._value
    if result._gn is not None:
        x._gn = result._gn
    if x._base is not None:
        x._replay = (*x._replay, (op, kw, None))
        return x
    for held in x._views or ():
        view = held()
        if view is not None:
            view._replay = ((back[0], back[1], None), *view._replay)
    if not isinstance(x._value, Value):
        refresh(x, False)
    return x
