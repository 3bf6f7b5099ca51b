"""Saved values in the user's hands: ``saved_tensors_hooks`` packs them when a node is made and unpacks them in backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .node import Node
from .rules import source
from .tensor import Tensor, wrap

PackHooks = tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]


class Packed:
    """What ``pack`` gave for one saved value, with the ``unpack`` that belongs to it."""

    __slots__ = ("obj", "unpack")

    def __init__(self, obj: Any, unpack: Callable[[Any], Tensor]) -> None:
        self.obj = obj
        self.unpack = unpack


def pack(node: Node, hooks: PackHooks | str) -> None:
    """Replace the saved values of a node that was just made by what the hooks make of them."""
    if isinstance(hooks, str):
        raise RuntimeError(hooks)

    def one(value: Any) -> Any:
        if isinstance(value, (np.ndarray, np.generic)):
            return Packed(hooks[0](wrap(value)), hooks[1])
        if isinstance(value, tuple):
            return tuple([one(v) for v in value])
        return value

    changed = _map_values(node, one)
    if changed is not None:
        node._hooks().packed = True
        node.saved = changed


def unpacked(node: Node) -> Any:
    """``node.saved`` with the hooks' ``unpack`` applied."""

    def one(value: Any) -> Any:
        if isinstance(value, Packed):
            tensor = value.unpack(value.obj)
            if not isinstance(tensor, Tensor):
                kind = type(tensor).__name__
                raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {kind}")
            return tensor._value
        if isinstance(value, tuple):
            return tuple([one(v) for v in value])
        return value

    return _map_values(node, one)


def _map_values(node: Node, one: Callable[[Any], Any]) -> Any:
    """``node.saved`` with ``one`` applied to what came from tensors; None where nothing did."""
    op = node.op
    if op is None or not node.frees:
        return None

    def rule(index: int, saved: Any) -> Any:
        names = op.rule_names(index)
        return tuple([v if source(n, op.argnames)[0] == "static" else one(v) for n, v in zip(names, saved, strict=True)])

    if op.joint or (len(op.argnames) == 1 and not op.variadic):
        return rule(0, node.saved)
    return [None if s is None else rule(i, s) for i, s in enumerate(node.saved)]
