"""Nested containers as flat lists of leaves and a description of their shape (``torch.utils._pytree``).

A *pytree* is a leaf, or a registered container of pytrees: list, tuple, dict, namedtuple, OrderedDict, defaultdict,
deque, and what `register_pytree_node` adds.  Everything else, ``None`` included, is a leaf.

>>> leaves, spec = tree_flatten({"w": [1, 2], "b": (3,)})
>>> leaves
[1, 2, 3]
>>> tree_unflatten([x * 10 for x in leaves], spec)
{'w': [10, 20], 'b': (30,)}
"""

from __future__ import annotations

import types
from collections import defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._pytree_registry import (
    BUILTIN_TYPES,
    CONSTANT_NODES,
    NO_SERIALIZED_TYPE_NAME_FOUND,
    SERIALIZED_TYPE_TO_PYTHON_TYPE,
    STANDARD_DICT_TYPES,
    SUPPORTED_NODES,
    SUPPORTED_SERIALIZED_TYPES,
    Context,
    FlattenFunc,
    FlattenWithKeysFunc,
    GetAttrKey,
    KeyEntry,
    KeyPath,
    MappingKey,
    NodeDef,
    PyTree,
    SequenceKey,
    UnflattenFunc,
    _deprecated,
    _deregister_pytree_node,
    _get_node_type,
    _private,
    _private_register_pytree_node,
    _register_namedtuple,
    _register_pytree_node,
    is_namedtuple,
    is_namedtuple_class,
    is_namedtuple_instance,
    is_structseq,
    is_structseq_class,
    is_structseq_instance,
    key_get,
    keystr,
    register_pytree_node,
)
from ._pytree_spec import (
    _LEAF_SPEC,
    LeafSpec,
    PyTreeSpec,
    TreeSpec,
    treespec_dict,
    treespec_leaf,
    treespec_pprint,
    treespec_tuple,
)

__all__ = [
    "BUILTIN_TYPES",
    "CONSTANT_NODES",
    "DEFAULT_TREESPEC_SERIALIZATION_PROTOCOL",
    "NO_SERIALIZED_TYPE_NAME_FOUND",
    "SERIALIZED_TYPE_TO_PYTHON_TYPE",
    "STANDARD_DICT_TYPES",
    "SUPPORTED_NODES",
    "SUPPORTED_SERIALIZED_TYPES",
    "Context",
    "FlattenFunc",
    "FlattenWithKeysFunc",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "LeafSpec",
    "MappingKey",
    "NodeDef",
    "PyTree",
    "PyTreeSpec",
    "SequenceKey",
    "TreeSpec",
    "UnflattenFunc",
    "_broadcast_to_and_flatten",
    "_deregister_pytree_node",
    "_get_node_type",
    "_private_register_pytree_node",
    "_register_namedtuple",
    "_register_pytree_node",
    "arg_tree_leaves",
    "is_constant_class",
    "is_namedtuple",
    "is_namedtuple_class",
    "is_namedtuple_instance",
    "is_structseq",
    "is_structseq_class",
    "is_structseq_instance",
    "key_get",
    "keystr",
    "map_only",
    "register_constant",
    "register_dataclass",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_only_",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
    "treespec_dict",
    "treespec_dumps",
    "treespec_leaf",
    "treespec_loads",
    "treespec_pprint",
    "treespec_tuple",
]

DEFAULT_TREESPEC_SERIALIZATION_PROTOCOL = 1
IsLeaf = Callable[[Any], bool] | None

# ---- apart and together -----------------------------------------------------------------------------------------------

# The specs of flat tuples and lists: most calls of a transform have one, and building it would double their cost.
_flat_specs: dict[tuple[Any, int], TreeSpec] = {}


def _flatten(tree: Any, leaves: list[Any]) -> TreeSpec:
    cls = type(tree)
    nodes = SUPPORTED_NODES
    if cls is tuple or cls is list:
        children, context = tree, None
    elif cls is dict:
        children, context = tree.values(), list(tree)
    elif cls in nodes:
        children, context = nodes[cls].flatten_fn(tree)
    elif isinstance(tree, tuple) and is_namedtuple_class(cls):
        children, context, cls = tree, cls, namedtuple  # type: ignore[assignment]
    else:
        leaves.append(tree)
        return _LEAF_SPEC
    specs = []
    flat = context is None
    for c in children:
        if type(c) in nodes or isinstance(c, tuple):
            specs.append(_flatten(c, leaves))
            flat = False
        else:
            leaves.append(c)
            specs.append(_LEAF_SPEC)
    if not flat:
        return TreeSpec(cls, context, specs)
    key = cls, len(specs)
    spec = _flat_specs.get(key)
    if spec is None:
        spec = TreeSpec(cls, context, specs)
        if len(_flat_specs) < 1024:
            _flat_specs[key] = spec
    return spec


def _flatten_until(tree: Any, leaves: list[Any], is_leaf: Callable[[Any], bool]) -> TreeSpec:
    node_type = _get_node_type(tree)
    if is_leaf(tree) or node_type not in SUPPORTED_NODES:
        leaves.append(tree)
        return _LEAF_SPEC
    children, context = SUPPORTED_NODES[node_type].flatten_fn(tree)
    return TreeSpec(node_type, context, [_flatten_until(c, leaves, is_leaf) for c in children])


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """``(leaves, spec)`` of a pytree; what `is_leaf` holds true of is not opened."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves) if is_leaf is None else _flatten_until(tree, leaves, is_leaf)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The inverse of `tree_flatten`; ValueError when the number of leaves is wrong."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"Expected `treespec` to be an instance of PyTreeSpec but got item of type {type(treespec)}.")
    return treespec.unflatten(leaves)


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    return tree_flatten(tree, is_leaf)[1]


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    return tree_flatten(tree, is_leaf)[0]


def tree_is_leaf(tree: Any, is_leaf: IsLeaf = None) -> bool:
    return (is_leaf is not None and is_leaf(tree)) or _get_node_type(tree) not in SUPPORTED_NODES


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterator[Any]:
    """The leaves one by one."""
    if tree_is_leaf(tree, is_leaf):
        yield tree
        return
    for child in SUPPORTED_NODES[_get_node_type(tree)].flatten_fn(tree)[0]:
        yield from tree_iter(child, is_leaf)


def arg_tree_leaves(*args: Any, **kwargs: Any) -> list[Any]:
    """The leaves of a call's arguments, keyword arguments last."""
    return tree_leaves((args, kwargs))


def _broadcast_to_and_flatten(tree: Any, treespec: TreeSpec, is_leaf: IsLeaf = None) -> list[Any] | None:
    """`tree`'s leaves, each repeated over the part of `treespec` that it stands for; None when it is no prefix of it."""
    if tree_is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves
    node_type = _get_node_type(tree)
    expected = treespec._type
    if node_type in STANDARD_DICT_TYPES and expected in STANDARD_DICT_TYPES:
        keys = treespec._context[1] if expected is defaultdict else treespec._context
        if tree.keys() != set(keys):
            return None
        children = [tree[k] for k in keys]
    elif node_type is not expected:
        return None
    else:
        children, context = SUPPORTED_NODES[node_type].flatten_fn(tree)
        if len(children) != len(treespec._children) or context != treespec._context:
            return None
    result: list[Any] = []
    for child, spec in zip(children, treespec._children):
        part = _broadcast_to_and_flatten(child, spec, is_leaf)
        if part is None:
            return None
        result += part
    return result


# ---- the same function everywhere -------------------------------------------------------------------------------------


def _map(func: Callable[..., Any], tree: Any) -> Any:
    cls = type(tree)
    nodes = SUPPORTED_NODES
    if cls is tuple:
        return tuple([_map(func, c) if type(c) in nodes or isinstance(c, tuple) else func(c) for c in tree])
    if cls is list:
        return [_map(func, c) if type(c) in nodes or isinstance(c, tuple) else func(c) for c in tree]
    if cls is dict:
        return {k: _map(func, c) for k, c in tree.items()}
    node_type = _get_node_type(tree)
    if node_type not in nodes:
        return func(tree)
    _, flatten_fn, unflatten_fn, _ = nodes[node_type]
    children, context = flatten_fn(tree)
    return unflatten_fn([_map(func, c) for c in children], context)


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """A tree of the same shape with ``func(leaf, *leaves of the rests)`` in the leaves' places.

    ValueError when a tree of `rests` does not begin with `tree`'s shape.

    >>> tree_map(lambda x, y: x + y, {"a": 1, "b": [2]}, {"a": 10, "b": [20]})
    {'a': 11, 'b': [22]}
    """
    if is_leaf is None and not rests:
        return _map(func, tree)
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *[spec.flatten_up_to(r) for r in rests]))


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """Call `func` on every leaf for its effect; gives `tree` back."""
    leaves, spec = tree_flatten(tree, is_leaf)
    deque(map(func, leaves, *[spec.flatten_up_to(r) for r in rests]), maxlen=0)
    return tree


def map_only(type_or_types_or_pred: Any, /) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Make a function the identity on everything but the given types (or what the predicate holds true of)."""
    if isinstance(type_or_types_or_pred, (type, tuple, types.UnionType)):
        kinds = type_or_types_or_pred

        def pred(x: Any) -> bool:
            return isinstance(x, kinds)

    elif callable(type_or_types_or_pred):
        pred = type_or_types_or_pred
    else:
        raise TypeError("Argument must be a type, a tuple of types, or a callable.")

    def wrapper(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: func(x) if pred(x) else x

    return wrapper


def tree_map_only(type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None) -> Any:
    """`tree_map` that leaves every leaf of another type as it is.

    >>> tree_map_only(int, lambda x: -x, [1, "a"])
    [-1, 'a']
    """
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None) -> Any:
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


# ---- with paths -------------------------------------------------------------------------------------------------------


def _key_paths(path: KeyPath, tree: Any, is_leaf: IsLeaf) -> Iterator[tuple[KeyPath, Any]]:
    if tree_is_leaf(tree, is_leaf):
        yield path, tree
        return
    flatten_with_keys = SUPPORTED_NODES[_get_node_type(tree)].flatten_with_keys_fn
    if flatten_with_keys is None:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {type(tree)}. "
            "Please pass a flatten_with_keys_fn argument to register_pytree_node."
        )
    for key, child in flatten_with_keys(tree)[0]:
        yield from _key_paths((*path, key), child, is_leaf)


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """``[(path, leaf), ...]``; ValueError at a registered type that cannot name its children."""
    return list(_key_paths((), tree, is_leaf))


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """`tree_map` whose function is given the path before the leaf.

    >>> tree_map_with_path(lambda path, x: keystr(path), [1, {"a": 2}])
    ['[0]', {'a': "[1]['a']"}]
    """
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    paths, leaves = [p for p, _ in pairs], [x for _, x in pairs]
    return spec.unflatten(map(func, paths, leaves, *[spec.flatten_up_to(r) for r in rests]))


# ---- classes as containers --------------------------------------------------------------------------------------------


def register_dataclass(
    cls: Any,
    *,
    field_names: list[str] | None = None,
    drop_field_names: list[str] | None = None,
    serialized_type_name: str | None = None,
) -> None:
    """Make a dataclass a container of its fields; those in `drop_field_names` fall back to their defaults.

    >>> import dataclasses
    >>> @dataclasses.dataclass
    ... class State:
    ...     x: int
    ...     v: int
    >>> register_dataclass(State)
    >>> tree_map(lambda a: a + 1, State(1, 2))
    State(x=2, v=3)
    """
    from chainrule.utils import _pytree_classes

    _pytree_classes.register_dataclass(
        cls, field_names=field_names, drop_field_names=drop_field_names, serialized_type_name=serialized_type_name
    )


def register_constant(cls: Any) -> None:
    """Make instances of `cls` part of the shape, not leaves; `cls` needs its own ``__eq__`` and ``__hash__``."""
    from chainrule.utils import _pytree_classes

    _pytree_classes.register_constant(cls)


def is_constant_class(cls: Any) -> bool:
    return isinstance(cls, type) and cls in CONSTANT_NODES


# ---- specs as text ----------------------------------------------------------------------------------------------------


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """A spec as JSON; NotImplementedError at a type registered without a `serialized_type_name`."""
    from chainrule.utils import _pytree_classes

    return _pytree_classes.treespec_dumps(treespec, protocol)


def treespec_loads(serialized: str) -> TreeSpec:
    """The spec that `treespec_dumps` wrote."""
    from chainrule.utils import _pytree_classes

    return _pytree_classes.treespec_loads(serialized)


def pytree_to_str(treespec: TreeSpec) -> str:
    _deprecated("`pytree_to_str`", "Please use `treespec_dumps` instead.")
    return treespec_dumps(treespec)


def str_to_pytree(json: str) -> TreeSpec:
    _deprecated("`str_to_pytree`", "Please use `treespec_loads` instead.")
    return treespec_loads(json)


def _is_leaf(tree: Any, is_leaf: IsLeaf = None) -> bool:
    _private("_is_leaf", "tree_is_leaf")
    return tree_is_leaf(tree, is_leaf)


def _is_namedtuple_instance(tree: Any) -> bool:
    _private("_is_namedtuple_instance", "is_namedtuple_instance")
    return is_namedtuple_instance(tree)
