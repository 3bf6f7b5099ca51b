"""Constants folded, what changes nothing left out, what is computed twice computed once, slices not added up but put beside each other.

Every change is exact: the same bits, for NaN, infinities and −0 too.  So ``x + 0`` stays (−0 + 0 is 0), and ``x * 0`` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..program.execute import execute
from ..program.ir import Node, Program, ordered, row_major
from .slices import beside
from .views import composed

_SMALL = 16  # elements of a constant that is computed beforehand


def simplify(program: Program) -> Program:
    """The program without what it need not compute."""
    made: dict[int, Node] = {}
    known: dict[Any, Node] = {}
    for node in ordered(program.roots()):
        new = _changed(node.with_args([made[id(a)] for a in node.args]))
        made[id(node)] = known.setdefault(_key(new), new)
    return beside(Program(program.inputs, [made[id(n)] for n in program.outputs], [(i, made[id(n)]) for i, n in program.stores]))


def _key(node: Node) -> Any:
    """What tells a value from another; host calls may have effects and stay apart."""
    if node.op == "call":
        return id(node)
    attrs = []
    for name, value in node.attrs.items():
        if isinstance(value, np.ndarray):
            value = (value.shape, value.tobytes()) if value.size <= _SMALL else id(value)
        attrs.append((name, value))
    return (node.op, tuple([id(a) for a in node.args]), node.shape, node.dtype.str, node.dtype.name, tuple(attrs))


def _changed(node: Node) -> Node:
    copies = node.op == "view" and node.args[0].shape == ()
    small = node.size <= _SMALL and node.op in ("map", "view", "reduce") and not copies
    if small and all(a.op == "const" for a in node.args):
        return _folded(node)
    if node.op == "map":
        return _map(node)
    if node.op == "view":
        return _view(node)
    return node


def _folded(node: Node) -> Node:
    """A constant; of one number everywhere, a view of that number."""
    value = execute(Program(outputs=[node]), [])[0]
    return Node("const", (), node.shape, node.dtype, {"value": np.asarray(value)}, node.source)


def _number(node: Node) -> Any:
    """The number that a node is everywhere, or None."""
    while node.op == "view" and all(s == 0 for s in node.attrs["strides"]):
        node = node.args[0]
    return node.attrs["value"].reshape(-1)[0] if node.op == "const" and node.attrs["value"].size == 1 else None


def _map(node: Node) -> Node:
    fn = node.attrs["fn"]
    args = node.args
    if fn in ("mul", "div") and args[0].shape == node.shape and _is_one(args[1]):
        return args[0]
    if fn == "mul" and args[1].shape == node.shape and _is_one(args[0]):
        return args[1]
    if fn == "neg" and args[0].op == "map" and args[0].attrs["fn"] == "neg":
        return args[0].args[0] if args[0].args[0].shape == node.shape else node
    if fn == "where" and (test := _number(args[0])) is not None:
        chosen = args[1] if test else args[2]
        return chosen if chosen.shape == node.shape else node
    small = [_shrunk(a) for a in args]
    if any(a is not b for a, b in zip(small, args, strict=True)):
        if all(a.shape == () for a in small) and node.shape != ():
            inner = _changed(Node("map", small, (), node.dtype, node.attrs, node.source))
            return Node("view", (inner,), node.shape, node.dtype, {"strides": (0,) * len(node.shape), "offset": 0}, node.source)
        return Node("map", small, node.shape, node.dtype, node.attrs, node.source)
    return node


def _shrunk(node: Node) -> Node:
    """One number in place of the same number everywhere."""
    if node.shape != () and node.op == "view" and node.args[0].shape == () and node.size:
        return node.args[0]
    return node


def _is_one(node: Node) -> bool:
    number = _number(node)
    return number is not None and number.dtype.kind in "fiu" and bool(number == 1)


def _view(node: Node) -> Node:
    """A view of a number's copies is copies of the number, a view of a view one view, and one that shows everything is what it shows."""
    x = node.args[0]
    if x.op == "view" and x.args[0].shape == () and node.size:
        return Node("view", x.args, node.shape, node.dtype, {"strides": (0,) * len(node.shape), "offset": 0}, node.source)
    if x.op == "view" and (found := composed(node)) is not None:
        return _view(found)
    same = node.shape == x.shape and node.attrs["offset"] == 0 and node.attrs["strides"] == row_major(node.shape)
    return x if same else node
