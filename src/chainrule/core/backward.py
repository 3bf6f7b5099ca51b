"""The walk from outputs to leaves.

Nodes are visited by falling age (see ``node.py``), so each node is run once, after all of its consumers, with the sum
of the cotangents that they sent.  Two ways of running a node: on NumPy values (first order), and on tensors (create_graph,
interpreters' values, transforms); a walk starts on NumPy values where it can and changes over when it must.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any, NoReturn

import numpy as np

from .epoch import hooked
from .floating_flags import IGNORE, enter, leave
from .large import copied as copied_array
from .modes import MODES, UNUSUAL
from .mutation import LAST, stale, stale_error, written
from .node import HOOKED, LEAF, Node
from .nodes import fit_array
from .tensor import Tensor, new, wrap
from .ties import copied
from .value import Value
from .walks import walk_starts

_walks = itertools.count(1).__next__
_current = threading.local()


def current_walk() -> int:
    """The number of the backward pass that runs in this thread; 0 outside."""
    return getattr(_current, "number", 0)


class Walk:
    """One backward pass."""

    __slots__ = ("accumulate", "captured", "captures", "create_graph", "heap", "keep", "leaves", "needed", "pending", "tensors", "visit")

    def __init__(self, *, keep: bool, create_graph: bool, accumulate: bool) -> None:
        self.pending: dict[Any, Any] = {}
        self.heap: list[tuple[int, Node]] = []
        self.leaves: dict[Any, Any] = {}
        self.keep = keep
        self.create_graph = create_graph
        self.accumulate = accumulate
        self.tensors = create_graph
        self.captures: dict[Any, list[int]] | None = None
        self.captured: dict[int, Any] = {}
        self.needed: set[Any] = set()
        self.visit: set[Any] | None = None

    # -- cotangents on their way -------------------------------------------------------------------------------------

    def deliver(self, edge: Any, ct: Any) -> None:
        """Add ``ct`` to what flows along ``edge``, if the edge is to be visited."""
        if self.visit is None or (edge.node if edge.is_slot else edge) in self.visit:
            _send(edge, ct, self.leaves, self.pending, self.heap)

    def run(self) -> None:
        """Visit all nodes, then give the leaves what arrived."""
        before = current_walk()
        _current.number = _walks()
        try:
            self.visit_nodes()
            self.finish()
        finally:
            _current.number = before

    def visit_nodes(self) -> None:
        """Visit all nodes."""
        heap = self.heap
        pending = self.pending
        deliver = self.deliver
        while heap:
            node = heappop(heap)[1]
            g = pending.pop(node)
            hooks = node.hooks if HOOKED else None
            if hooks is not None or self.captures is not None:
                g = self.before(node, g)
                if self.captures is not None and node not in self.needed:
                    continue
            saved = node.saved
            if saved is None:
                _raise_freed(node)
            if LAST.order < node.order:
                check_saved(node)
            if hooks is not None and hooks.packed:
                from .saved_hooks import unpacked

                node.saved = unpacked(node)
            if MODES.anomaly:
                from .anomaly import guarded

                cts = guarded(self, node, g)
            else:
                cts = self.pull(node, g)
            node.saved = saved
            if hooks is not None and hooks.post:
                cts = run_post_hooks(node, cts, g)
            if node.frees and not self.keep:
                node.saved = None
            for edge, ct in zip(node.edges, cts, strict=True):
                if edge is not None and ct is not None:
                    deliver(edge, ct)

    def pull(self, node: Node, g: Any) -> Sequence[Any]:
        """The node's cotangents; None for what is not wanted."""
        if type(g) is list:
            g = self.gather(node, g)
        if not self.tensors:
            if node.raw:
                return node.pull(g)
            self.to_tensors()
            g = _tensor(g)
        return node.pull_tensors(g, self.create_graph)

    def gather(self, node: Node, sent: list[Any]) -> Any:
        """The cotangent argument of a node with several outputs: zeros where nothing arrived."""
        op = node.op
        if op is None:
            return sent
        values = node.__dict__.get("out_values")
        if values is None:
            return sent[min(op.differentiable)]
        filled = []
        for s, v in zip(sent, values, strict=True):
            if s is None:
                zero = np.zeros(v.shape, v.dtype) if not isinstance(v, Tensor) else v.detach().zeros_like()
                s = wrap(zero) if self.tensors and not isinstance(zero, Tensor) else zero
            filled.append(s)
        return tuple(filled)

    def to_tensors(self) -> None:
        """Go on with tensors: some node, hook or cotangent is not a plain array."""
        self.tensors = True
        for table in (self.pending, self.leaves):
            for key, ct in table.items():
                table[key] = _tensor(ct)
        self.captured = {k: _tensor(ct) for k, ct in self.captured.items()}

    # -- hooks and captures ------------------------------------------------------------------------------------------

    def before(self, node: Node, g: Any) -> Any:
        """Tensor hooks, retained gradients, captures and node pre-hooks, in that order."""
        hooks = node.hooks
        sent = g if type(g) is list else [g]
        if hooks is not None:
            for k, fns in hooks.tensor.items():
                if sent[k] is not None:
                    sent[k] = self.run_tensor_hooks(fns, sent[k])
            for k, keeper in hooks.retain.items():
                tensor = keeper()
                if tensor is not None and sent[k] is not None:
                    store_retained(tensor, sent[k])
        if self.captures is not None:
            for k, ct in enumerate(sent):
                for i in self.captures.get((node, k), ()):
                    self.captured[i] = ct
        if hooks is not None and hooks.pre:
            given = tuple([None if s is None else _tensor(s) for s in sent])
            for fn in list(hooks.pre.values()):
                answer = fn(given)
                if answer is not None:
                    given = checked_answers(fn, answer, given)
            sent = [self.untensor(t) for t in given]
        return sent if type(g) is list else sent[0]

    def run_tensor_hooks(self, fns: dict[int, Any], ct: Any) -> Any:
        """Call a tensor's hooks one after another; each may replace the cotangent."""
        t = _tensor(ct)
        for fn in list(fns.values()):
            answer = fn(t)
            if answer is not None:
                t = checked_answer(fn, answer, t)
        return self.untensor(t)

    def untensor(self, t: Any) -> Any:
        """Back to what this walk carries."""
        if t is None or self.tensors:
            return t
        if isinstance(t._value, Value):
            self.to_tensors()
            return t
        return t._value

    # -- leaves ------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Give the leaves what arrived."""
        for leaf in list(self.leaves):
            ct = self.leaves.pop(leaf)  # held by nobody else, it may become the gradient itself
            hooks = leaf._hooks
            if hooks:
                ct = self.run_tensor_hooks(hooks, ct)
            if self.captures is not None:
                for i in self.captures.get(leaf, ()):
                    self.captured[i] = ct
            if not self.accumulate:
                continue
            stand_in = leaf.__dict__.get("_accumulate_kept")
            if stand_in is not None:
                ct = self.before(stand_in, ct)
            accumulate(leaf, ct, self.create_graph, own=sys.getrefcount(ct) == _SOLE)
            if stand_in is not None and stand_in.hooks.post:
                run_post_hooks(stand_in, (), ct)
            if leaf._post_hooks:
                for fn in list(leaf._post_hooks.values()):
                    fn(leaf)


def _tensor(ct: Any) -> Any:
    if type(ct) is list:
        return [None if c is None else _tensor(c) for c in ct]
    if type(ct) is tuple:
        return tuple([_tensor(c) for c in ct])
    return ct if ct is None or isinstance(ct, Tensor) else wrap(ct)


def checked_answer(fn: Any, answer: Any, was: Any) -> Any:
    """What a hook returned in place of the cotangent ``was``: refused unless it is as that one."""
    if answer is None or was is None:
        if answer is not None:
            raise RuntimeError("can't replace a None gradient with a non-None value")
        return answer
    if not isinstance(answer, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(answer).__name__}'")
    name = getattr(fn, "__name__", fn)
    if answer.dtype is not was.dtype:
        kinds = f"(was torch.{was.dtype.scalar_name}Tensor got torch.{answer.dtype.scalar_name}Tensor)"
        raise RuntimeError(f"hook '{name}' has changed the type of value {kinds}")
    if answer.shape != was.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")
    return answer


def checked_answers(fn: Any, answers: Any, were: tuple[Any, ...]) -> tuple[Any, ...]:
    """:func:`checked_answer` for a tuple of them."""
    if not isinstance(answers, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(answers).__name__}'")
    if len(answers) != len(were):
        name = getattr(fn, "__name__", fn)
        raise RuntimeError(f"hook '{name}' has returned an incorrect number of values (got {len(answers)}, but expected {len(were)})")
    return tuple([checked_answer(fn, a, w) for a, w in zip(answers, were)])


def run_post_hooks(node: Node, cts: Sequence[Any], g: Any) -> Sequence[Any]:
    """Node hooks: ``fn(grad_inputs, grad_outputs)``."""
    raw = any(isinstance(c, (np.ndarray, np.generic)) for c in cts)
    given = tuple([_tensor(c) for c in cts])
    outs = tuple(_tensor(g)) if type(g) in (list, tuple) else (_tensor(g),)
    assert node.hooks is not None
    for fn in list(node.hooks.post.values()):
        answer = fn(given, outs)
        if answer is not None:
            given = checked_answers(fn, answer, given)
    return [t._value if raw and t is not None else t for t in given]


def store_retained(tensor: Tensor, ct: Any) -> None:
    """``retain_grad``: accumulate into a non-leaf's ``grad``."""
    t = ct if isinstance(ct, Tensor) else wrap(ct)
    tensor._grad = t if tensor._grad is None else tensor._grad + t


def check_saved(node: Node) -> None:
    """Raise when an array that the node saved has been written since."""
    for name, value in node.saved_values():
        for v in value if type(value) is tuple and name in ("args", "rest") else (value,):
            write = stale(v, node.order)
            if write is not None:
                origin = ""
                if name.startswith("out"):
                    origin = f", which is output {name[3:] or 0} of {_short(node.name())},"
                else:
                    names = () if node.op is None else node.op.argnames
                    edge = node.edges[names.index(name)] if name in names else None
                    if edge is not None and not edge.is_leaf_edge:
                        origin = f", which is output {edge.index if edge.is_slot else 0} of {_short(write.operation)},"
                raise stale_error(node, write, v, origin, write.count_at(node.order))


def _raise_freed(node: Node) -> NoReturn:
    from .telling import freed

    raise freed(node)


def _short(name: str) -> str:
    """``ExpBackward0`` and ``add_`` as PyTorch's message has them: ``Exp``, ``Add``."""
    return name.split("Backward")[0] if "Backward" in name else "".join(p.capitalize() for p in name.split("_"))


def accumulate(tensor: Tensor, ct: Any, create_graph: bool, *, own: bool = False) -> None:
    """``tensor.grad += ct``, for a cotangent that others may hold too (unless ``own``).

    An array is added in place; what is recorded (``create_graph``) or has no memory, out of place.
    """
    grad = tensor._grad
    if not isinstance(ct, Tensor):
        accumulate_array(tensor, ct, own=own)
    elif create_graph:
        tensor._grad = copied(ct) if grad is None else grad + ct
    elif isinstance(ct._value, Value):
        if grad is not None and ct._value.memory and isinstance(grad._value, Value):
            grad._value.store((grad + ct)._value)
        else:
            tensor._grad = ct.detach().clone() if grad is None else grad + ct.detach()
    else:
        accumulate_array(tensor, ct._value)


def accumulate_array(leaf: Tensor, ct: Any, *, own: bool = False) -> None:
    """``leaf.grad += ct`` on NumPy values; with ``own``, nobody else refers to ``ct`` and it may become the gradient."""
    grad = leaf._grad
    if ct.dtype != leaf._value.dtype:
        ct = ct.astype(leaf._value.dtype)
    if grad is None:
        if type(ct) is np.ndarray and (not own or ct.base is not None):
            ct = copied_array(ct)
        t = new(Tensor)
        t._value = ct
        leaf._grad = t
        return
    have = grad._value
    if isinstance(have, np.ndarray):
        np.add(have, ct, out=have)
        written(have, "accumulating a gradient")
    elif isinstance(have, Value):
        leaf._grad = grad + wrap(ct)
    else:
        grad._value = have + ct


def _give(leaves: dict[Any, Any]) -> None:
    """Empty the table into the leaves' gradients.  The last holder of an array gives it away, everybody else a copy."""
    while leaves:
        leaf, ct = leaves.popitem()
        own = sys.getrefcount(ct) == _SOLE
        accumulate_array(leaf, ct, own=own)


def _count_of_one() -> int:
    """What ``getrefcount`` says in :func:`_give` of an array that nobody else holds; versions of Python differ."""
    _leaf, ct = {None: np.empty(1)}.popitem()
    return sys.getrefcount(ct)


_SOLE = _count_of_one()


def reachable(edges: Sequence[Any], targets: set[Any]) -> set[Any]:
    """The nodes from which some target (a leaf or a node) is reached by one edge or more."""
    seen: set[Any] = set()
    stack = [e.node if e.is_slot else e for e in edges]
    nodes: list[Node] = []
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.is_leaf_edge:
            continue
        nodes.append(node)
        for e in node.edges:
            if e is not None:
                e = e.node if e.is_slot else e
                if e not in seen:
                    stack.append(e)
    needed: set[Any] = set()
    nodes.sort(key=lambda n: -n.order)
    for node in nodes:
        for e in node.edges:
            if e is not None:
                e = e.node if e.is_slot else e
                if e in needed or e in targets:
                    needed.add(node)
                    break
    return needed


def run_backward(
    roots: Sequence[tuple[Any, Any]],
    *,
    inputs: Sequence[Tensor] | None = None,
    keep: bool = False,
    create_graph: bool = False,
    accumulate: bool = True,
) -> Walk:
    """Send the cotangents ``roots`` = [(edge, cotangent), …] down the tape.

    With ``inputs``, only what leads to them is visited; their cotangents are in ``walk.captured`` by position.
    """
    walk = Walk(keep=keep, create_graph=create_graph, accumulate=accumulate)
    if inputs is not None:
        _prepare_captures(walk, [e for e, _ in roots], inputs)
    if MODES.recorder is not None:
        MODES.recorder.goes_back([e for e, _ in roots], None if inputs is None else walk.needed, keep)
    walk.tensors = create_graph or any(isinstance(ct, Tensor) for _edge, ct in roots)
    level = max((_edge_level(e) for e, _ in roots), default=0)
    before = MODES.grad
    if roots:
        walk_starts(roots[0][0], keep)
    token = enter(IGNORE)
    MODES.grad = create_graph or (level > 0 and before)
    try:
        for edge, ct in roots:
            walk.deliver(edge, _tensor(ct) if walk.tensors else ct)
        walk.run()
    finally:
        MODES.grad = before
        leave(token)
    return walk


def quick_backward(edge: Any, ct: Any, keep: bool) -> None:
    """:func:`run_backward` from one output on NumPy values: what a training step does.

    The same walk as :meth:`Walk.run` without what a plain graph does not need (half the time of a small one); at the
    first node that has hooks, several outputs or no rule on arrays, the general walk takes over.
    """
    leaves: dict[Any, Any] = {}
    pending: dict[Any, Any] = {}
    heap: list[tuple[int, Any]] = []
    node = edge
    last = LAST.order
    token = enter(IGNORE)
    try:
        unusual = bool(HOOKED) or bool(UNUSUAL and MODES.anomaly)
        while True:
            if unusual or not node.plain:
                _go_on(node, ct, keep, leaves, pending, heap)
                return
            if node.saved is None:
                _raise_freed(node)
            if last < node.order:
                check_saved(node)
            e = node.edges[0]
            arity = node.arity
            if arity == 1:
                ct = node.rules[0](ct, *node.saved)
                if node.fit is not None:
                    ct = fit_array(ct, *node.fit[0])
            elif arity == 2:
                e, ct = _send_older(node, ct, leaves, pending, heap)
            else:
                _send_all(node, ct, leaves, pending, heap)
                e = None
            if not keep and node.frees:
                node.saved = None
            if e is not None:
                # The youngest of all goes on at once; a chain never sees the heap.
                if not (e.is_leaf_edge or e.is_slot) and (not heap or e.order < heap[0][0]):
                    node = e
                    continue
                _send(e, ct, leaves, pending, heap)
            if not heap:
                break
            node = heappop(heap)[1]
            ct = pending.pop(node)
        ct = None  # held here, it would be nobody's to give away
        for leaf in leaves:
            if hooked(leaf):
                _go_on(None, None, keep, leaves, pending, heap)
                return
        _give(leaves)
    finally:
        leave(token)


def _send_all(node: Any, g: Any, leaves: dict[Any, Any], pending: dict[Any, Any], heap: list[tuple[int, Any]]) -> None:
    """Run a node of any number of arguments and send every cotangent on its way."""
    for edge, ct in zip(node.edges, node.pull(g)):
        if ct is not None:
            _send(edge, ct, leaves, pending, heap)


def _send_older(node: Any, g: Any, leaves: dict[Any, Any], pending: dict[Any, Any], heap: list[tuple[int, Any]]) -> tuple[Any, Any]:
    """Run a node of two arguments; send the cotangent along the older edge, give back the younger with its own."""
    e, f = node.edges
    rules, saved, fit = node.rules, node.saved, node.fit
    if e is not None:
        a = rules[0](g, *saved[0])
        if fit is not None:
            a = fit_array(a, *fit[0])
        if f is None:
            return e, a
    b = rules[1](g, *saved[1])
    if fit is not None:
        b = fit_array(b, *fit[1])
    if e is None:
        return f, b
    if e is f:
        return e, a + b
    if e.is_leaf_edge or e.is_slot or not (f.is_leaf_edge or f.is_slot or e.order < f.order):
        _send(e, a, leaves, pending, heap)
        return f, b
    _send(f, b, leaves, pending, heap)
    return e, a


def _send(edge: Any, ct: Any, leaves: dict[Any, Any], pending: dict[Any, Any], heap: list[tuple[int, Any]]) -> None:
    """Add ``ct`` to what flows along ``edge``."""
    if edge in pending:
        pending[edge] = pending[edge] + ct
    elif edge.is_leaf_edge:
        have = leaves.get(edge)
        leaves[edge] = ct if have is None else have + ct
    elif edge.is_slot:
        _deliver_slot(edge, ct, pending, heap)
    else:
        pending[edge] = ct
        heappush(heap, (edge.order, edge))


def _deliver_slot(edge: Any, ct: Any, pending: dict[Any, Any], heap: list[tuple[int, Any]]) -> None:
    node = edge.node
    sent = pending.get(node)
    if sent is None:
        sent = pending[node] = [None] * node.n_outputs
        heappush(heap, (node.order, node))
    have = sent[edge.index]
    sent[edge.index] = ct if have is None else have + ct


def _go_on(node: Any, ct: Any, keep: bool, leaves: dict[Any, Any], pending: dict[Any, Any], heap: list[tuple[int, Any]]) -> None:
    """Hand a quick walk over to the general one."""
    walk = Walk(keep=keep, create_graph=False, accumulate=True)
    walk.leaves, walk.pending, walk.heap = leaves, pending, heap
    if node is not None:
        pending[node] = ct
        heappush(heap, (node.order, node))
    before = MODES.grad
    MODES.grad = False
    try:
        walk.run()
    finally:
        MODES.grad = before


def _prepare_captures(walk: Walk, roots: list[Any], inputs: Sequence[Tensor]) -> None:
    captures: dict[Any, list[int]] = {}
    targets: set[Any] = set()
    for i, x in enumerate(inputs):
        gn = x._gn
        if gn is LEAF:
            key: Any = x
            targets.add(x)
        else:
            key = (gn.node, gn.index) if gn.is_slot else (gn, 0)
            targets.add(key[0])
        captures.setdefault(key, []).append(i)
    walk.captures = captures
    walk.needed = reachable(roots, targets)
    walk.visit = walk.needed | targets


def _edge_level(edge: Any) -> int:
    if edge.is_leaf_edge:
        v = edge._value
        return v.level if isinstance(v, Value) else 0
    node = edge.node if edge.is_slot else edge
    return int(node.level)
