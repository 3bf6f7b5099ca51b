"""Whether variables of a function can be given by a program: each of them with what it holds, apart from the others."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

from ...core.tensor import Tensor
from ...utils import _pytree as pytree
from .number import Number
from .value import Captured

_VALUES = (int, float, complex, str, bytes, type(None), type(Ellipsis), slice)


def distinct(result: Any, known: Container[int], arguments: Container[int], containers: Iterable[int]) -> bool:
    """``known`` and ``arguments`` are identities of objects that a call finds again; ``containers`` those of lists that it is given."""
    seen = set(containers)
    stack = [result]
    tensors: list[Tensor] = []
    while stack:
        value = stack.pop()
        if isinstance(value, Tensor):
            tensors.append(value)
        elif type(value) in (list, tuple, dict):
            if type(value) is not tuple and (id(value) in seen or id(value) in known):
                return False
            seen.add(id(value))
            stack += value.values() if isinstance(value, dict) else value
        elif (
            type(value) is not Number
            and not isinstance(value, _VALUES)
            and (id(value) not in known or not pytree.tree_structure(value).is_leaf())
        ):
            return False
    made = [t for t in tensors if id(t) not in arguments]
    if len({*map(id, made)}) < len(made):
        return False
    cells: dict[int, Tensor] = {}
    for tensor in tensors:
        value = tensor._value
        if type(value) is Captured and value._cell is not None:
            other = cells.setdefault(id(value._cell), tensor)
            if other is not tensor and (tensor._gn is not None or other._gn is not None):
                return False  # a write to one of them would have to change the history of the other
    return True
