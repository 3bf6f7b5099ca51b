"""Nodes as plain Python values: numbers, strings, bytes and tuples, which say the same in every process.

What has no such form, a function above all, raises :class:`Bound`: it belongs to the process that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .ir import Node, Program, ordered

_PLAIN = frozenset({int, float, bool, str, bytes, type(None), complex})


class Bound(TypeError):
    """A value that only this process knows."""


def portable(value: Any) -> Any:
    """The value of an attribute in a form for :func:`revived`."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple:
        return ("tuple", *[v if type(v) in _PLAIN else portable(v) for v in value])
    if kind is list:
        return ("list", *[portable(v) for v in value])
    if isinstance(value, np.dtype):
        return ("dtype", name_of(value))
    if kind is np.ndarray:
        return ("array", name_of(value.dtype), value.shape, value.tobytes())
    if isinstance(value, np.generic):
        return ("number", name_of(value.dtype), value.tobytes())
    raise Bound(f"{kind.__name__} objects belong to a process")


def revived(value: Any) -> Any:
    """The inverse of :func:`portable`."""
    if type(value) is not tuple:
        return value
    kind, *rest = value
    if kind == "tuple":
        return tuple([revived(v) for v in rest])
    if kind == "list":
        return [revived(v) for v in rest]
    if kind == "dtype":
        return np.dtype(rest[0])
    if kind == "array":
        return np.frombuffer(rest[2], np.dtype(rest[0])).reshape(rest[1])
    return np.frombuffer(rest[1], np.dtype(rest[0]))[0]


@lru_cache(maxsize=256)
def name_of(dtype: np.dtype[Any]) -> str:
    """By which ``np.dtype`` finds it: NumPy's own may differ in byte order, other packages' have names only."""
    return dtype.str if np.dtype(dtype.str) == dtype else dtype.name


def node_form(node: Node, number: Callable[[Node], Any]) -> tuple[Any, ...]:
    """A node whose arguments are numbered by ``number``."""
    return (node.op, tuple([number(a) for a in node.args]), node.shape, name_of(node.dtype), _attributes(node))


def _attributes(node: Node) -> tuple[Any, ...]:
    return tuple([(k, v if type(v) in _PLAIN else portable(v)) for k, v in node.attrs.items()])


def node_of(form: Sequence[Any], argument: Callable[[Any], Node]) -> Node:
    """The inverse of :func:`node_form`."""
    op, args, shape, dtype, attrs = form
    return Node(op, [argument(a) for a in args], shape, dtype, {k: revived(v) for k, v in attrs})


def program_form(program: Program) -> tuple[Any, ...]:
    """All that a program computes: equal for programs that do the same in the same way.  Lines of source are left out."""
    nodes = ordered([*program.inputs, *program.roots()])
    numbers = {id(n): k for k, n in enumerate(nodes)}
    forms = tuple([(n.op, tuple([numbers[id(a)] for a in n.args]), n.shape, name_of(n.dtype), _attributes(n)) for n in nodes])
    given = [tuple([numbers[id(n)] for n in part]) for part in (program.inputs, program.outputs)]
    return (forms, *given, tuple([(i, numbers[id(n)]) for i, n in program.stores]))


__all__ = ["Bound", "name_of", "node_form", "node_of", "portable", "program_form", "revived"]
