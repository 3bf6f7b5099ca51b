"""The seldom used half of pytrees: dataclasses and constants as containers, and specs as JSON."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import json
from typing import Any

from ._pytree_registry import (
    CONSTANT_NODES,
    NO_SERIALIZED_TYPE_NAME_FOUND,
    SERIALIZED_TYPE_TO_PYTHON_TYPE,
    SUPPORTED_SERIALIZED_TYPES,
    GetAttrKey,
    _private_register_pytree_node,
)
from ._pytree_spec import TreeSpec, treespec_leaf

PROTOCOL = 1


def _checked_fields(cls: Any, field_names: list[str] | None, drop_field_names: list[str] | None) -> list[str]:
    if not dataclasses.is_dataclass(cls):
        if field_names is None:
            raise ValueError(f"field_names must be specified with a list of all fields used to initialize {cls}, as it is not a dataclass.")
        return list(field_names)
    names = [f.name for f in dataclasses.fields(cls) if f.init]
    kept = set(names) if field_names is None else set(field_names)
    dropped = set(drop_field_names or ())
    missing, unexpected = set(names) - kept - dropped, kept - set(names)
    if missing or unexpected:
        lines = ["field_names does not include all dataclass fields."]
        if missing:
            lines.append(
                f"Missing fields in `field_names`: {missing}. If you want to include these fields in the pytree, "
                "please add them to `field_names`, otherwise please add them to `drop_field_names`."
            )
        if unexpected:
            lines.append(
                f"Unexpected fields in `field_names`: {unexpected}. Please remove these fields, or add them to `drop_field_names`."
            )
        raise ValueError("\n".join(lines) + "\n")
    return names if field_names is None else list(field_names)


def register_dataclass(
    cls: Any, *, field_names: list[str] | None, drop_field_names: list[str] | None, serialized_type_name: str | None
) -> None:
    names = _checked_fields(cls, field_names, drop_field_names)

    # A field that holds None belongs to the shape, so that functions of arrays are not called on it.
    def split(obj: Any) -> tuple[list[str], list[Any], Any]:
        values = {n: getattr(obj, n) for n in names}
        filled = [n for n in names if values[n] is not None]
        return filled, [values[n] for n in filled], [filled, [n for n in names if values[n] is None]]

    def flatten(obj: Any) -> tuple[list[Any], Any]:
        _, children, context = split(obj)
        return children, context

    def flatten_with_keys(obj: Any) -> tuple[list[tuple[Any, Any]], Any]:
        filled, children, context = split(obj)
        return [(GetAttrKey(n), c) for n, c in zip(filled, children)], context

    def unflatten(values: Any, context: Any) -> Any:
        filled, empty = context
        return cls(**dict(zip(filled, values)), **dict.fromkeys(empty))

    _private_register_pytree_node(
        cls, flatten, unflatten, serialized_type_name=serialized_type_name, flatten_with_keys_fn=flatten_with_keys
    )


@dataclasses.dataclass(frozen=True)
class ConstantNode:
    """The context of a constant: the constant itself."""

    value: Any


def register_constant(cls: Any) -> None:
    for method in ("__eq__", "__hash__"):
        if getattr(cls, method) in (getattr(object, method), None):
            raise TypeError(f"register_constant(cls) expects `cls` to have a non-default `{method}` implementation.")
    _private_register_pytree_node(
        cls,
        lambda x: ([], ConstantNode(x)),
        lambda _, context: context.value,
        flatten_with_keys_fn=lambda x: ([], ConstantNode(x)),
    )
    CONSTANT_NODES.add(cls)


def _enum_default(obj: Any) -> Any:
    if isinstance(obj, enum.Enum):
        cls = type(obj)
        return {"__enum__": True, "fqn": f"{cls.__module__}:{cls.__qualname__}", "name": obj.name}
    raise TypeError(f"Object of type {type(obj).__name__} is not JSON serializable")


def enum_object_hook(obj: dict[str, Any]) -> Any:
    if "__enum__" not in obj:
        return obj
    module, _, qualname = obj["fqn"].partition(":")
    cls: Any = importlib.import_module(module)
    for part in qualname.split("."):
        cls = getattr(cls, part)
    return cls[obj["name"]]


def _to_json(spec: TreeSpec) -> dict[str, Any]:
    if spec.is_leaf():
        return {"type": None, "context": None, "children_spec": []}
    node = SUPPORTED_SERIALIZED_TYPES.get(spec.type)
    if node is None:
        raise NotImplementedError(f"Serializing {spec.type} in pytree is not registered.")
    if node.serialized_type_name == NO_SERIALIZED_TYPE_NAME_FOUND:
        raise NotImplementedError(
            f"No registered serialization name for {spec.type} found. "
            "Please update your _register_pytree_node call with a `serialized_type_name` kwarg."
        )
    if node.to_dumpable_context is not None:
        context = node.to_dumpable_context(spec.context)
    else:
        try:
            context = json.dumps(spec.context, default=_enum_default)
        except TypeError as e:
            raise TypeError(
                "Unable to serialize context. Please make the context json dump-able, "
                "or register a custom serializer using _register_pytree_node."
            ) from e
    return {"type": node.serialized_type_name, "context": context, "children_spec": [_to_json(c) for c in spec.children()]}


def _from_json(data: Any) -> TreeSpec:
    name = data["type"]
    if name is None:
        return treespec_leaf()
    if name not in SERIALIZED_TYPE_TO_PYTHON_TYPE:
        raise NotImplementedError(f"Deserializing {name} in pytree is not registered.")
    cls = SERIALIZED_TYPE_TO_PYTHON_TYPE[name]
    from_dumpable = SUPPORTED_SERIALIZED_TYPES[cls].from_dumpable_context
    context = data["context"]
    context = json.loads(context, object_hook=enum_object_hook) if from_dumpable is None else from_dumpable(context)
    return TreeSpec(cls, context, [_from_json(c) for c in data["children_spec"]])


def _check_protocol(protocol: Any) -> None:
    if protocol != PROTOCOL:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [{PROTOCOL}]")


def treespec_dumps(treespec: TreeSpec, protocol: int | None) -> str:
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"Expected `treespec` to be an instance of PyTreeSpec but got item of type {type(treespec)}.")
    _check_protocol(PROTOCOL if protocol is None else protocol)
    return json.dumps([PROTOCOL, _to_json(treespec)], default=_enum_default)


def treespec_loads(serialized: str) -> TreeSpec:
    protocol, data = json.loads(serialized)
    _check_protocol(protocol)
    return _from_json(data)
