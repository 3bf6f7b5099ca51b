"""Which name every variable of a graph goes by: the user's own where there is one, else v1, v2 … in the program's order."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from ..core.tensor import Tensor
from .explorer_names import Names
from .graph import Graph, Variable, key_of
from .notation import value_text


def give_names(graph: Graph, names: Names, chosen: Mapping[str, Tensor] | None = None) -> None:
    """Name all variables; ``chosen`` goes before what the frame says."""
    own = {key_of(t): n for n, t in (chosen or {}).items() if isinstance(t, Tensor) and key_of(t) is not None}
    data = {id(t._value): n for n, t in (chosen or {}).items() if isinstance(t, Tensor) and key_of(t) is None}
    data = {**names.data, **data}
    for key, v in graph.variables.items():
        if v.leaf is not None:
            name = own.get(key) or names.leaves.get(id(v.leaf)) or getattr(v.leaf, "_name", None)
        else:
            node, k = key
            known = names.nodes.get((id(node), k))
            name = own.get(key) or (known[0] if known else None)
        if name:
            v.name, v.named = _readable(name), True
    taken = {v.name for v in graph.variables.values()}
    _name_output(graph.output, taken)
    leaves = [v for v in graph.variables.values() if v.leaf is not None and not v.name]
    for i, v in enumerate(leaves):
        v.name = _free("leaf" if len(leaves) == 1 else f"leaf{i + 1}", taken)
    count = 0
    for step in graph.steps:
        for out in step.outputs:
            if not out.name:
                count += 1
                while f"v{count}" in taken:
                    count += 1
                out.name = f"v{count}"
    _name_constants(graph, data, taken)
    for i, v in enumerate([v for v in graph.variables.values() if not v.name]):
        v.name = _free(f"u{i + 1}", taken)


def _readable(name: str) -> str:
    """``params['w']`` stays, ``ws[0]`` too: formulas can bear them."""
    return re.sub(r"\s+", "", name)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "′"
    taken.add(name)
    return name


def _name_output(v: Variable, taken: set[str]) -> None:
    if not v.name:
        v.name = next((n for n in ("y", "out", "result") if n not in taken), "y′")
        taken.add(v.name)


def _name_constants(graph: Graph, data: dict[int, str], taken: set[str]) -> None:
    by_value: dict[int, str] = {}
    count = 0
    for v in graph.constants():
        if v.named:  # on a tape, but not on a way to what is differentiated by
            continue
        name = data.get(id(v.value)) if v.value is not None else None
        if name is not None:
            v.name, v.named = _readable(name), True
        elif v.value is not None and np.size(v.value) == 1:
            v.name = value_text(v.value, 10)
        elif v.value is not None and id(v.value) in by_value:
            v.name = by_value[id(v.value)]
        else:
            count += 1
            v.name = _free(f"c{count}", taken)
            if v.value is not None:
                by_value[id(v.value)] = v.name
