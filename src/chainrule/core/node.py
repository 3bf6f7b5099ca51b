"""The tape's nodes: one a recorded operation.

A node holds the edges to the nodes (or leaves) that its inputs came from, what its derivative rules named, and an order
number.  Order numbers fall as the program goes on, so a smallest-first heap pops the latest node first: every consumer
of a value is younger than its producer, hence one pass visits each node after all of its consumers, without recursion.
"""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from .epoch import hooking
from .hooks import HookTable, register

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .op import Op

next_order = itertools.count(0, -1).__next__

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)


class Hooks:
    """Hooks of one node: on the node itself, and those of its output tensors by output number."""

    __slots__ = ("packed", "post", "pre", "retain", "tensor")

    def __init__(self) -> None:
        self.pre = HookTable()
        self.post = HookTable()
        self.tensor: dict[int, HookTable] = {}
        self.retain: dict[int, Any] = {}
        self.packed = False


class Node:
    """A recorded operation; what ``tensor.grad_fn`` gives.

    ``edges`` has, for each argument of the operation, ``None`` (no gradient), a :class:`Node`, a :class:`Slot`, or the
    leaf tensor itself.  ``saved`` has what the rules named.
    """

    __slots__ = ("__weakref__", "edges", "fit", "order", "saved")

    op: ClassVar[Op | None] = None
    rules: ClassVar[Sequence[Any]] = ()
    raw: ClassVar[bool] = False  # rules may run on NumPy values
    plain: ClassVar[bool] = False  # one output and rules on NumPy values: what the quick walk handles
    arity: ClassVar[int] = 0  # 1 or 2 for the two shapes of ``saved`` that the quick walk reads itself
    frees: bool = True  # holds values that are dropped when backward has passed
    n_outputs: int = 1
    level: int = 0
    is_leaf_edge: ClassVar[bool] = False
    is_slot: ClassVar[bool] = False

    edges: Sequence[Any]
    saved: Any
    fit: Any
    order: int

    def pull(self, g: Any) -> Sequence[Any]:
        """The cotangents of the inputs from that of the output, on NumPy values; one for each edge, or None."""
        raise TypeError(f"{self.name()} has no rule on raw arrays")

    def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
        """The same on tensors, recorded when ``create_graph``."""
        raise TypeError(f"{self.name()} has no rule on tensors")

    def saved_values(self) -> list[tuple[str, Any]]:
        """Every saved (name, value)."""
        return []

    def told(self) -> Node:
        """The node as a tensor's ``grad_fn`` gives it."""
        return self

    def name(self) -> str:
        """The node's name, such as ``'MulBackward0'``."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """``((node, output number), …)`` for the inputs that are tensors; leaves appear as ``AccumulateGrad``."""
        return edge_pairs(self.edges, self.op)

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary that belongs to the user."""
        return METADATA.setdefault(self, {})

    @property
    def hooks(self) -> Hooks | None:
        """The hooks that sit on this node."""
        return HOOKS.get(self)

    def _hooks(self) -> Hooks:
        found = HOOKS.get(self)
        if found is None:
            found = HOOKS[self] = Hooks()
        return found

    def register_hook(self, fn: Callable[..., Any]) -> Any:
        """Call ``fn(grad_inputs, grad_outputs)`` after the node has run; what it returns replaces ``grad_inputs``."""


        return register(self._hooks().post, fn)

    def register_prehook(self, fn: Callable[..., Any]) -> Any:
        """Call ``fn(grad_outputs)`` before the node runs; what it returns replaces ``grad_outputs``."""


        return register(self._hooks().pre, fn)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_saved_"):
            return self.saved_by_name(name[7:])
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def saved_by_name(self, name: str) -> Any:
        """What ``_saved_<name>`` gives: PyTorch calls the first two arguments ``self`` and ``other``, the output ``result``."""
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '_saved_{name}'")

    def _sequence_nr(self) -> int:
        return -self.order

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {hex(id(self))}>"


# Few nodes have either, and every recorded operation would pay for a field.
HOOKS: weakref.WeakKeyDictionary[Node, Hooks] = weakref.WeakKeyDictionary()
HOOKED: dict[Any, Hooks] = HOOKS.data  # type: ignore[attr-defined]  # whether there are any costs less to ask of this
METADATA: weakref.WeakKeyDictionary[Node, dict[Any, Any]] = weakref.WeakKeyDictionary()


class Slot:
    """Output number ``index`` of a node that has several."""

    __slots__ = ("index", "node")
    is_leaf_edge = False
    is_slot = True

    def __init__(self, node: Node, index: int) -> None:
        self.node = node
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slot) and other.node is self.node and other.index == self.index

    def __hash__(self) -> int:
        return hash((id(self.node), self.index))


class _Leaf:
    """The mark that a tensor without a node carries when it requires gradient."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "LEAF"


LEAF = _Leaf()


class AccumulateGrad(Node):
    """Stands for a leaf in ``next_functions``."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        self.variable = variable
        self.edges = ()
        self.saved = ()
        self.order = 0

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    @classmethod
    def of(cls, leaf: Any) -> AccumulateGrad:
        """The leaf's own; the same object as long as somebody holds it, or a hook sits on it."""


        known = leaf.__dict__.get("_accumulate")
        found = known() if known is not None else None
        if found is None:
            found = cls(leaf)
            leaf._accumulate = weakref.ref(found)
        return found

    def _hooks(self) -> Hooks:
        # A hook has to outlive this stand-in, so the leaf keeps it, and through it the stand-in.
        self.variable._accumulate_kept = self
        hooking()
        return super()._hooks()


def edge_pairs(edges: Sequence[Any], op: Op | None) -> tuple[tuple[Any, int], ...]:
    """The edges as ``next_functions`` shows them: index tensors and masks are arguments, but never functions' outputs."""
    rules = None if op is None else op.rules
    if type(rules) is list:
        return tuple([_edge_pair(e) for e, rule in zip(edges, rules, strict=False) if rule is not None])
    return tuple([_edge_pair(e) for e in edges])


def _edge_pair(edge: Any) -> tuple[Any, int]:
    if edge is None:
        return (None, 0)
    if edge.is_leaf_edge:
        return (AccumulateGrad.of(edge), 0)
    if edge.is_slot:
        return (edge.node, edge.index)
    return (edge, 0)
