"""What is alive in the program: its tensors, tape nodes, modules and optimizers.  The tape points backwards only; this looks forwards."""

from __future__ import annotations

import gc
import sys
from typing import Any

from ..core.node import LEAF, Node
from ..core.telling import reaches
from ..core.tensor import Tensor
from .explorer_names import Names


class Live:
    """One look at all objects that the garbage collector knows."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.nodes: list[Node] = []
        self.modules: list[Any] = []
        self.optimizers: list[Any] = []
        module = getattr(sys.modules.get("chainrule.nn"), "Module", ())
        optimizer = getattr(sys.modules.get("chainrule.optim"), "Optimizer", ())
        for thing in gc.get_objects():
            kind = type(thing)
            if kind in _PLAIN:
                continue
            if issubclass(kind, Node):
                self.nodes.append(thing)
            elif issubclass(kind, Tensor):
                self.tensors.append(thing)
            elif module and issubclass(kind, module):
                self.modules.append(thing)
            elif optimizer and issubclass(kind, optimizer):
                self.optimizers.append(thing)

    def consumers(self, x: Tensor) -> list[Node]:
        """The recorded operations that took ``x``."""
        gn = x._gn
        edge = x if gn is LEAF else gn
        return [n for n in self.nodes if getattr(n, "edges", None) and any(e is edge or (e.is_slot and e == edge) for e in _own(n))]

    def results_of(self, x: Tensor) -> list[Tensor]:
        """The tensors whose history holds ``x``, other than itself; those that nothing was computed from come first."""
        target = x if x._gn is LEAF else _node(x)
        found = [t for t in self.tensors if t is not x and t._gn is not None and t._gn is not LEAF and reaches(_node(t), target)]
        used = {id(e.node if e.is_slot else e) for n in self.nodes for e in _own(n)}
        return sorted(found, key=lambda t: (id(_node(t)) in used, _node(t).order))

    def owner(self, x: Tensor) -> tuple[Any, str] | None:
        """(module, name) of the module that has ``x`` as its own parameter."""
        for module in self.modules:
            for name, p in module.__dict__.get("_parameters", {}).items():
                if p is x:
                    return module, name
        return None

    def optimizers_of(self, x: Tensor) -> list[Any]:
        """The optimizers that would update ``x``."""
        return [o for o in self.optimizers if any(p is x for p in held_by(o))]

    def sharing(self, x: Tensor) -> list[Tensor]:
        """Tensors with a history that have the same memory as ``x``."""
        value = x._value
        base = getattr(value, "base", None)
        keys = {id(value), id(base)} if base is not None else {id(value)}
        return [t for t in self.tensors if t is not x and t._gn is not None and keys & {id(t._value), id(getattr(t._value, "base", t))}]


_PLAIN = frozenset({dict, list, tuple, set, frozenset, type, type(lambda: 0), type(Live.consumers), property, staticmethod})


def _own(node: Node) -> list[Any]:
    try:
        return [e for e in node.edges if e is not None]
    except AttributeError:  # one that is just being made
        return []


def _node(t: Tensor) -> Any:
    return t._gn.node if t._gn.is_slot else t._gn


def held_by(optimizer: Any) -> list[Tensor]:
    """All parameters of an optimizer."""
    return [p for group in getattr(optimizer, "param_groups", ()) for p in group["params"]]


def name_of(x: Tensor, names: Names, otherwise: str = "") -> str:
    """What the user calls a tensor; else its shape."""
    gn = x._gn
    if gn is LEAF:
        name = names.leaves.get(id(x))
    elif gn is None:
        name = names.data.get(id(x._value))
    else:
        name = (names.nodes.get((id(gn.node), gn.index) if gn.is_slot else (id(gn), 0)) or (None,))[0]
    return name or otherwise or f"a tensor of shape {tuple(x.shape)}"
