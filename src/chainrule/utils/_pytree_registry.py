"""Which types are pytree containers, how each comes apart, and how a leaf's place in it is named."""

from __future__ import annotations

import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .. import return_types

PyTree = Any
Context = Any
FlattenFunc = Callable[[Any], tuple[list[Any], Any]]
UnflattenFunc = Callable[[Iterable[Any], Any], Any]
FlattenWithKeysFunc = Callable[[Any], tuple[list[tuple[Any, Any]], Any]]

NO_SERIALIZED_TYPE_NAME_FOUND = "NO_SERIALIZED_TYPE_NAME_FOUND"


class NodeDef(NamedTuple):
    """How one container type comes apart and together again."""

    type: Any
    flatten_fn: FlattenFunc
    unflatten_fn: UnflattenFunc
    flatten_with_keys_fn: FlattenWithKeysFunc | None


class _SerializeNodeDef(NamedTuple):
    typ: Any
    serialized_type_name: str
    to_dumpable_context: Callable[[Any], Any] | None
    from_dumpable_context: Callable[[Any], Any] | None


SUPPORTED_NODES: dict[Any, NodeDef] = {}
SUPPORTED_SERIALIZED_TYPES: dict[Any, _SerializeNodeDef] = {}
SERIALIZED_TYPE_TO_PYTHON_TYPE: dict[str, Any] = {}
CONSTANT_NODES: set[Any] = set()

STANDARD_DICT_TYPES: frozenset[Any] = frozenset({dict, OrderedDict, defaultdict})
BUILTIN_TYPES: frozenset[Any] = frozenset({tuple, list, dict, namedtuple, OrderedDict, defaultdict, deque})


# ---- where a leaf sits ------------------------------------------------------------------------------------------------


class _Key:
    """One step of a key path: hashable, comparable, immutable."""

    __slots__ = ("_value",)
    _field = ""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and bool(self._value == other._value) if isinstance(other, _Key) else NotImplemented

    def __hash__(self) -> int:
        return hash((self._value,))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._field}={self._value!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._value,)

    def get(self, container: Any) -> Any:
        """What this step leads to inside `container`."""
        return container[self._value]


class SequenceKey(_Key):
    """The position in a list, tuple or deque."""

    __slots__ = ()
    __match_args__ = ("idx",)
    _field = "idx"

    def __init__(self, idx: int) -> None:
        self._value = idx

    @property
    def idx(self) -> int:
        return self._value

    def __str__(self) -> str:
        return f"[{self._value!r}]"


class MappingKey(_Key):
    """The key in a mapping."""

    __slots__ = ()
    __match_args__ = ("key",)
    _field = "key"

    def __init__(self, key: Any) -> None:
        self._value = key

    @property
    def key(self) -> Any:
        return self._value

    def __str__(self) -> str:
        return f"[{self._value!r}]"


class GetAttrKey(_Key):
    """The attribute of a namedtuple or dataclass."""

    __slots__ = ()
    __match_args__ = ("name",)
    _field = "name"

    def __init__(self, name: str) -> None:
        self._value = name

    @property
    def name(self) -> str:
        return self._value

    def __str__(self) -> str:
        return f".{self._value}"

    def get(self, container: Any) -> Any:
        return getattr(container, self._value)


KeyEntry = _Key
KeyPath = tuple[_Key, ...]


def keystr(kp: KeyPath) -> str:
    """The path as Python would write it.

    >>> keystr((MappingKey("w"), SequenceKey(0)))
    "['w'][0]"
    """
    return "".join([str(k) for k in kp])


def key_get(obj: Any, kp: KeyPath) -> Any:
    """What `kp` leads to inside `obj`."""
    for k in kp:
        obj = k.get(obj)
    return obj


# ---- which types are containers ---------------------------------------------------------------------------------------


def is_namedtuple_class(cls: Any) -> bool:
    """Whether `cls` was made by `collections.namedtuple` or `typing.NamedTuple`, or inherits from such a class."""
    if not (isinstance(cls, type) and issubclass(cls, tuple)):
        return False
    fields = getattr(cls, "_fields", None)
    return (
        isinstance(fields, tuple)
        and all(type(f) is str for f in fields)
        and callable(getattr(cls, "_make", None))
        and callable(getattr(cls, "_asdict", None))
    )


def is_namedtuple_instance(obj: object) -> bool:
    return is_namedtuple_class(type(obj))


def is_namedtuple(obj: object) -> bool:
    """Whether `obj` is a namedtuple, or a namedtuple class."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_structseq_class(cls: Any) -> bool:
    """Whether `cls` is a struct sequence such as `time.struct_time`."""
    if not (isinstance(cls, type) and cls.__bases__ == (tuple,)):
        return False
    return all(isinstance(getattr(cls, n, None), int) for n in ("n_fields", "n_sequence_fields", "n_unnamed_fields"))


def is_structseq_instance(obj: object) -> bool:
    return is_structseq_class(type(obj))


def is_structseq(obj: object) -> bool:
    """Whether `obj` is a struct sequence, or a struct sequence class."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def _private_register_pytree_node(
    cls: Any,
    flatten_fn: FlattenFunc,
    unflatten_fn: UnflattenFunc,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable[[Any], Any] | None = None,
    from_dumpable_context: Callable[[Any], Any] | None = None,
    flatten_with_keys_fn: FlattenWithKeysFunc | None = None,
) -> None:
    if cls in SUPPORTED_NODES:
        warnings.warn(f"{cls} is already registered as pytree node. Overwriting the previous registration.", stacklevel=3)
    if (to_dumpable_context is None) != (from_dumpable_context is None):
        raise ValueError(f"Both to_dumpable_context and from_dumpable_context for {cls} must be None or registered.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)
    name = NO_SERIALIZED_TYPE_NAME_FOUND if serialized_type_name is None else serialized_type_name
    SUPPORTED_SERIALIZED_TYPES[cls] = _SerializeNodeDef(cls, name, to_dumpable_context, from_dumpable_context)
    SERIALIZED_TYPE_TO_PYTHON_TYPE[name] = cls


def register_pytree_node(
    cls: Any,
    flatten_fn: FlattenFunc,
    unflatten_fn: UnflattenFunc,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable[[Any], Any] | None = None,
    from_dumpable_context: Callable[[Any], Any] | None = None,
    flatten_with_keys_fn: FlattenWithKeysFunc | None = None,
) -> None:
    """Make instances of `cls` containers.

    `flatten_fn(x)` gives ``(children, context)`` and `unflatten_fn(children, context)` builds it again; contexts are
    compared with ``==``.  `flatten_with_keys_fn` gives ``([(key, child), ...], context)`` and is needed by the
    functions that report paths; the ``dumpable`` pair and the name by `treespec_dumps`.
    Raises ValueError when `cls` is registered already.

    >>> class Point:
    ...     def __init__(self, x, y):
    ...         self.x, self.y = x, y
    >>> register_pytree_node(Point, lambda p: ([p.x, p.y], None), lambda children, _: Point(*children))
    >>> from chainrule.utils._pytree import tree_leaves
    >>> tree_leaves([Point(1, 2), 3])
    [1, 2, 3]
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _private_register_pytree_node(
        cls,
        flatten_fn,
        unflatten_fn,
        serialized_type_name=serialized_type_name,
        to_dumpable_context=to_dumpable_context,
        from_dumpable_context=from_dumpable_context,
        flatten_with_keys_fn=flatten_with_keys_fn,
    )


def _register_pytree_node(
    cls: Any,
    flatten_fn: FlattenFunc,
    unflatten_fn: UnflattenFunc,
    to_str_fn: Any = None,
    maybe_from_str_fn: Any = None,
    **kwargs: Any,
) -> None:
    _deprecated("`torch.utils._pytree._register_pytree_node`", "Please use `torch.utils._pytree.register_pytree_node` instead.")
    if to_str_fn is not None or maybe_from_str_fn is not None:
        warnings.warn(
            "`to_str_fn` and `maybe_from_str_fn` is deprecated. Please use `to_dumpable_context` and `from_dumpable_context` instead.",
            FutureWarning,
            stacklevel=2,
        )
    _private_register_pytree_node(cls, flatten_fn, unflatten_fn, **kwargs)


def _deregister_pytree_node(cls: Any) -> None:
    """Make instances of `cls` leaves again; KeyError when they are."""
    del SUPPORTED_NODES[cls]
    name = SUPPORTED_SERIALIZED_TYPES.pop(cls).serialized_type_name
    SERIALIZED_TYPE_TO_PYTHON_TYPE.pop(name, None)
    CONSTANT_NODES.discard(cls)


def _register_namedtuple(cls: Any, *, serialized_type_name: str) -> None:
    """Name a namedtuple class, so that `treespec_dumps` can write specs that hold it."""
    builtin = SUPPORTED_SERIALIZED_TYPES[namedtuple]
    SUPPORTED_SERIALIZED_TYPES[cls] = builtin._replace(typ=cls, serialized_type_name=serialized_type_name)
    SERIALIZED_TYPE_TO_PYTHON_TYPE[serialized_type_name] = cls


def _deprecated(what: str, instead: str) -> None:
    warnings.warn(f"{what} is deprecated. {instead}", FutureWarning, stacklevel=3)


def _private(name: str, instead: str) -> None:
    where = "torch.utils._pytree"
    text = f"{where}.{name} is private and will be removed in a future release. Please use {where}.{instead} instead."
    warnings.warn(text, FutureWarning, stacklevel=3)


def _get_node_type(tree: Any) -> Any:
    cls = type(tree)
    return namedtuple if cls not in SUPPORTED_NODES and is_namedtuple_class(cls) else cls


# ---- the containers that everybody has --------------------------------------------------------------------------------


def _tuple_flatten(d: tuple[Any, ...]) -> tuple[list[Any], Any]:
    return list(d), None


def _tuple_flatten_with_keys(d: Any) -> tuple[list[tuple[Any, Any]], Any]:
    return [(SequenceKey(i), c) for i, c in enumerate(d)], None


def _tuple_unflatten(values: Iterable[Any], context: Any) -> tuple[Any, ...]:
    return tuple(values)


def _list_flatten(d: list[Any]) -> tuple[list[Any], Any]:
    return d, None


def _list_unflatten(values: Iterable[Any], context: Any) -> list[Any]:
    return list(values)


def _mapping_items(d: Any) -> list[tuple[Any, Any]]:
    return [(MappingKey(k), c) for k, c in d.items()]


def _dict_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d.values()), list(d)


def _dict_flatten_with_keys(d: Any) -> tuple[list[tuple[Any, Any]], Any]:
    return _mapping_items(d), list(d)


def _dict_unflatten(values: Iterable[Any], context: Any) -> dict[Any, Any]:
    return dict(zip(context, values))


def _ordereddict_unflatten(values: Iterable[Any], context: Any) -> OrderedDict[Any, Any]:
    return OrderedDict(zip(context, values))


def _defaultdict_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d.values()), [d.default_factory, list(d)]


def _defaultdict_flatten_with_keys(d: Any) -> tuple[list[tuple[Any, Any]], Any]:
    return _mapping_items(d), [d.default_factory, list(d)]


def _defaultdict_unflatten(values: Iterable[Any], context: Any) -> defaultdict[Any, Any]:
    factory, keys = context
    return defaultdict(factory, zip(keys, values))


def _defaultdict_serialize(context: Any) -> Any:
    factory, keys = context
    return {
        "default_factory_module": factory.__module__,
        "default_factory_name": factory.__qualname__,
        "dict_context": keys,
    }


def _defaultdict_deserialize(dumpable: Any) -> Any:
    import importlib

    module = importlib.import_module(dumpable["default_factory_module"])
    return [getattr(module, dumpable["default_factory_name"]), dumpable["dict_context"]]


def _deque_flatten(d: deque[Any]) -> tuple[list[Any], Any]:
    return list(d), d.maxlen


def _deque_flatten_with_keys(d: deque[Any]) -> tuple[list[tuple[Any, Any]], Any]:
    return _tuple_flatten_with_keys(d)[0], d.maxlen


def _deque_unflatten(values: Iterable[Any], context: Any) -> deque[Any]:
    return deque(values, maxlen=context)


def _namedtuple_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d), type(d)


def _namedtuple_flatten_with_keys(d: Any) -> tuple[list[tuple[Any, Any]], Any]:
    return [(GetAttrKey(f), c) for f, c in zip(d._fields, d)], type(d)


def _namedtuple_unflatten(values: Iterable[Any], context: Any) -> Any:
    return context(*values)


def _namedtuple_serialize(context: Any) -> str:
    if context not in SUPPORTED_SERIALIZED_TYPES:
        raise NotImplementedError(
            f"Can't serialize TreeSpec of namedtuple class {context} because we didn't register a "
            "serializated_type_name. Please register using `_register_namedtuple`."
        )
    return SUPPORTED_SERIALIZED_TYPES[context].serialized_type_name


def _namedtuple_deserialize(dumpable: Any) -> Any:
    if dumpable not in SERIALIZED_TYPE_TO_PYTHON_TYPE:
        raise NotImplementedError(
            f"Can't deserialize TreeSpec of namedtuple class {dumpable} because we couldn't find a serializated name."
        )
    return SERIALIZED_TYPE_TO_PYTHON_TYPE[dumpable]


def _register_builtins() -> None:
    dicts = _dict_flatten_with_keys
    sequences = _tuple_flatten_with_keys
    simple: list[tuple[Any, FlattenFunc, UnflattenFunc, FlattenWithKeysFunc]] = [
        (tuple, _tuple_flatten, _tuple_unflatten, sequences),
        (list, _list_flatten, _list_unflatten, sequences),
        (dict, _dict_flatten, _dict_unflatten, dicts),
        (OrderedDict, _dict_flatten, _ordereddict_unflatten, dicts),
        (deque, _deque_flatten, _deque_unflatten, _deque_flatten_with_keys),
    ]
    for cls, flatten, unflatten, with_keys in simple:
        name = f"{cls.__module__}.{cls.__name__}"
        register_pytree_node(cls, flatten, unflatten, serialized_type_name=name, flatten_with_keys_fn=with_keys)
    register_pytree_node(
        namedtuple,
        _namedtuple_flatten,
        _namedtuple_unflatten,
        serialized_type_name="collections.namedtuple",
        to_dumpable_context=_namedtuple_serialize,
        from_dumpable_context=_namedtuple_deserialize,
        flatten_with_keys_fn=_namedtuple_flatten_with_keys,
    )
    register_pytree_node(
        defaultdict,
        _defaultdict_flatten,
        _defaultdict_unflatten,
        serialized_type_name="collections.defaultdict",
        to_dumpable_context=_defaultdict_serialize,
        from_dumpable_context=_defaultdict_deserialize,
        flatten_with_keys_fn=_defaultdict_flatten_with_keys,
    )


def _register_results() -> None:
    """The named tuples of :mod:`chainrule.return_types`; what they are made of is a list, as PyTorch has it."""
    for name, kind in vars(return_types).items():
        if isinstance(kind, type) and not name.startswith("_") and kind.__module__ == return_types.__name__:
            _private_register_pytree_node(kind, lambda x: (list(x), None), lambda values, _context, kind=kind: kind(values))  # type: ignore[misc]


_register_builtins()
_register_results()
