"""`TreeSpec`: the shape of a pytree without its leaves."""

from __future__ import annotations

import warnings
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ._pytree_registry import BUILTIN_TYPES, STANDARD_DICT_TYPES, SUPPORTED_NODES, _get_node_type


class TreeSpec:
    """The shape of a pytree: container types, their contexts (dict keys, deque lengths ...) and the leaves' places.

    Immutable and hashable as far as its contexts are; `num_leaves` and `num_nodes` are plain attributes.
    """

    __slots__ = ("_children", "_context", "_type", "num_leaves", "num_nodes")

    _children: list[TreeSpec]
    num_leaves: int
    num_nodes: int

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self._type = type
        self._context = context
        self._children = children_specs
        if type is None:
            assert context is None, "leaf node should not have a context"
            assert not children_specs, "leaf node should not have children"
            self.num_nodes = self.num_leaves = 1
            return
        nodes, leaves = 1, 0
        for c in children_specs:
            nodes += c.num_nodes
            leaves += c.num_leaves
        self.num_nodes = nodes
        self.num_leaves = leaves

    @property
    def type(self) -> Any:
        return self._type

    @property
    def context(self) -> Any:
        return self._context

    @property
    def num_children(self) -> int:
        return len(self._children)

    @property
    def children_specs(self) -> list[TreeSpec]:
        warnings.warn(
            "`treespec.children_specs` is deprecated. Use `treespec.child(index)` to access a single child, "
            "or `treespec.children()` to get all children.",
            FutureWarning,
            stacklevel=2,
        )
        return self._children

    def is_leaf(self) -> bool:
        return self._type is None

    def children(self) -> list[TreeSpec]:
        return self._children.copy()

    def child(self, index: int) -> TreeSpec:
        return self._children[index]

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this shape that holds `leaves`; ValueError when their number is not `num_leaves`."""
        if not isinstance(leaves, (list, tuple)):
            leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to a pytree "
                f"that holds {self.num_leaves} items ({self})."
            )
        return leaves[0] if self._type is None else _build(self, iter(leaves))

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The subtrees of `tree` where this shape has leaves; ValueError where the shapes part."""
        subtrees: list[Any] = []
        _flatten_up_to(self, tree, subtrees)
        return subtrees

    def _format(self, indent: int) -> str:
        if self._type is None:
            return "*"
        pad = ",\n" + " " * (indent + 2)
        children = pad.join([c._format(indent + 2) for c in self._children])
        return f"TreeSpec({self._type.__name__}, {self._context}, [{children}])"

    def __repr__(self) -> str:
        return self._format(0)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return bool(
            self._type is other._type
            and self.num_nodes == other.num_nodes
            and self._context == other._context
            and self._children == other._children
        )

    def __hash__(self) -> int:
        standard = self._type in STANDARD_DICT_TYPES or self._type in (None, deque)
        context = None if standard or not _hashable(self._context) else self._context
        return hash((self._type, context, tuple(self._children)))

    def __reduce__(self) -> tuple[Any, ...]:
        return TreeSpec, (self._type, self._context, self._children)


def _build(spec: TreeSpec, leaves: Iterator[Any]) -> Any:
    children = [next(leaves) if c._type is None else _build(c, leaves) for c in spec._children]
    cls = spec._type
    if cls is tuple:
        return tuple(children)
    if cls is list:
        return children
    if cls is dict:
        return dict(zip(spec._context, children))
    return SUPPORTED_NODES[cls].unflatten_fn(children, spec._context)


def _flatten_up_to(spec: TreeSpec, tree: Any, subtrees: list[Any]) -> None:
    expected = spec._type
    if expected is None:
        subtrees.append(tree)
        return
    got = _get_node_type(tree)
    both_dicts = expected in STANDARD_DICT_TYPES and got in STANDARD_DICT_TYPES
    if got is not expected and not both_dicts:
        prefix = "Node type" if expected in BUILTIN_TYPES else "Type"
        raise ValueError(f"{prefix} mismatch; expected {expected!r}, but got {got!r}.")
    children, context = SUPPORTED_NODES[got].flatten_fn(tree)
    if len(children) != len(spec._children):
        raise ValueError(f"Node arity mismatch; expected {len(spec._children)}, but got {len(children)}.")
    if both_dicts:
        keys = spec._context[1] if expected is defaultdict else spec._context
        missing, extra = {k for k in keys if k not in tree}, {k for k in tree if k not in keys}
        if missing or extra:
            parts = [f"; {what} key(s): {ks}" for what, ks in (("missing", missing), ("extra", extra)) if ks]
            raise ValueError(f"Node keys mismatch{''.join(parts)}.")
        children = [tree[k] for k in keys]
    elif got is not deque and context != spec._context:
        if expected in BUILTIN_TYPES:
            what = f"Node context mismatch for node type {expected!r}; expected {spec._context!r}, but got {context!r}."
            raise ValueError(what)
        raise ValueError(f"Node context mismatch for custom node type {expected!r}.")
    for child_spec, child in zip(spec._children, children):
        _flatten_up_to(child_spec, child, subtrees)


PyTreeSpec = TreeSpec
_LEAF_SPEC = TreeSpec(None, None, [])


def _hashable(context: Any) -> bool:
    try:
        hash(context)
    except TypeError:
        return False
    return True


class _LeafSpecMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, TreeSpec) and instance.is_leaf()

    def __call__(cls) -> TreeSpec:
        warnings.warn(
            "`isinstance(treespec, LeafSpec)` is deprecated, use `isinstance(treespec, TreeSpec) and treespec.is_leaf()` instead.",
            FutureWarning,
            stacklevel=2,
        )
        return _LEAF_SPEC


class LeafSpec(TreeSpec, metaclass=_LeafSpecMeta):
    """The old name of a leaf's spec."""


def treespec_leaf() -> TreeSpec:
    return _LEAF_SPEC


def treespec_tuple(iterable: Iterable[TreeSpec] = (), /) -> TreeSpec:
    """The spec of a tuple with these children."""
    children = list(iterable)
    if any(not isinstance(c, TreeSpec) for c in children):
        raise ValueError(f"Expected a tuple of TreeSpec values, got: {children}.")
    return TreeSpec(tuple, None, children)


def treespec_dict(mapping: Mapping[Any, TreeSpec] | Iterable[tuple[Any, TreeSpec]] = (), /, **kwargs: TreeSpec) -> TreeSpec:
    """The spec of a dict with these children."""
    children = dict(mapping, **kwargs)
    if any(not isinstance(c, TreeSpec) for c in children.values()):
        raise ValueError(f"Expected a dictionary of TreeSpec values, got: {children}.")
    return TreeSpec(dict, list(children), list(children.values()))


class _Asterisk:
    def __repr__(self) -> str:
        return "*"


def treespec_pprint(treespec: TreeSpec) -> str:
    """The shape as the tree's own repr, with stars for leaves.

    >>> from chainrule.utils._pytree import tree_structure
    >>> treespec_pprint(tree_structure({"w": [1, 2]}))
    "{'w': [*, *]}"
    """
    return repr(treespec.unflatten([_Asterisk()] * treespec.num_leaves))
