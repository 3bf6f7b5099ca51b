"""A backward pass that is watched: every cotangent that arrives and every product that leaves, and nothing else happens.

No gradient is accumulated, nothing is freed, no ``retain_grad`` is served; the user's hooks run, since they change what flows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.backward import Walk
from ..core.floating_flags import IGNORE, enter, leave
from ..core.modes import MODES
from ..core.node import FREED, LEAF
from ..core.tensor import Tensor, wrap
from .explorer_graph import Graph
from .explorer_numbers import raw

FREED_NOTICE = (
    "backward() has freed the values that the gradients are made of, so only the structure is shown. Call explore before"
    " backward, or backward(retain_graph=True)."
)


class Watched:
    """What a watched pass found, as rows of the table of numbers: by vertex, and by link."""

    def __init__(self, graph: Graph) -> None:
        self.cotangents = [-1] * len(graph.vertices)
        self.products = [-1] * len(graph.links)
        self.running = [-1] * len(graph.links)  # what had arrived at the link's start when this product had been added
        self.local = [-1] * len(graph.links)
        self.order: list[int] = []
        self.notice = ""


class _WatchedWalk(Walk):
    """A walk that tells what it does."""

    def __init__(self, graph: Graph, found: Watched, summary: Callable[[Any], int], with_local: bool) -> None:
        super().__init__(keep=True, create_graph=False, accumulate=False)
        self.graph, self.found, self.summary, self.with_local = graph, found, summary, with_local
        self.ahead: list[int] = []
        self.rows: dict[int, int] = {}  # what has arrived at a vertex, as far as its summary is known

    def pull(self, node: Any, g: Any) -> Any:
        at = self.graph.index[id(node)]
        first = next((s for s in g if s is not None), None) if type(g) is list else g
        row = self.rows.pop(at, None)
        self.found.cotangents[at] = self.summary(first) if row is None or node.hooks is not None else row
        self.found.order.append(at)
        self.ahead = [i for i in self.graph.vertices[at].links if self.graph.links[i].flows]
        if self.with_local:
            self.local(node, first)
        return super().pull(node, g)

    def local(self, node: Any, g: Any) -> None:
        """The local derivative: of elementwise operations, and of those with one number as output, what a cotangent of 1 gives."""
        op = node.op
        value = raw(g)
        if op is None or op.joint or not node.raw or node.n_outputs != 1 or value is None or value.dtype.kind == "c":
            return
        if op.kind != "elementwise" and value.size != 1:
            return
        one = np.ones(value.shape, value.dtype)[()]
        for i in self.ahead:
            arg = self.graph.links[i].arg
            saved = dict(node.rule_saved()).get(arg)
            if saved is not None:
                self.found.local[i] = self.summary(node.rules[arg](one, *saved))

    def before(self, node: Any, g: Any) -> Any:
        hooks = node.hooks
        if hooks is None or not hooks.retain:
            return super().before(node, g)
        kept, hooks.retain = hooks.retain, {}
        try:
            return super().before(node, g)
        finally:
            hooks.retain = kept

    def deliver(self, edge: Any, ct: Any) -> None:
        super().deliver(edge, ct)
        start = self.graph.index[id(edge.node if edge.is_slot else edge)]
        while self.ahead:
            i = self.ahead.pop(0)
            if self.graph.links[i].start == start:
                sent = self.found.products[i] = self.summary(ct)
                arrived = self.arrived(edge)
                self.rows[start] = self.found.running[i] = sent if arrived is ct else self.summary(arrived)
                return

    def arrived(self, edge: Any) -> Any:
        """What has arrived at an edge so far."""
        if edge.is_leaf_edge:
            return self.leaves.get(edge)
        return self.pending[edge.node][edge.index] if edge.is_slot else self.pending.get(edge)


def watch(
    graph: Graph, outputs: tuple[Tensor, ...], cotangents: tuple[Any, ...], summary: Callable[[Any], int], with_local: bool
) -> Watched:
    """Run backward from the outputs and note what flows; where it cannot run, say why in ``notice``."""
    found = Watched(graph)
    if graph.freed:
        found.notice = FREED_NOTICE
        return found
    walk = _WatchedWalk(graph, found, summary, with_local)
    before = MODES.grad, MODES.anomaly
    token = enter(IGNORE)
    MODES.grad = MODES.anomaly = False
    try:
        for y, ct in zip(outputs, cotangents):
            edge = y if y._gn is LEAF else y._gn
            plain = isinstance(ct._value, (np.ndarray, np.generic))
            if not plain and not walk.tensors:
                walk.to_tensors()
            walk.deliver(edge, ct if walk.tensors else ct._value)
        walk.run()
    except RuntimeError as error:
        found.notice = f"The backward pass stopped: {FREED if str(error) == FREED else error}"
    finally:
        MODES.grad, MODES.anomaly = before
        leave(token)
    for leaf, ct in walk.leaves.items():
        at = graph.index[id(leaf)]
        row = walk.rows.get(at)
        found.cotangents[at] = summary(ct) if row is None or leaf._hooks else row
    return found


def ones_for(y: Tensor) -> Tensor:
    """The cotangent that backward starts with: ones."""
    return wrap(np.ones(tuple(y.shape), y.dtype.np)[()]) if raw(y) is not None else y.detach().ones_like()
