"""What ``print(program)`` shows: a line a node, with names that are handed out in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from .ir import Node, Program


def text(program: Program) -> str:
    """The program as assignments."""
    names: dict[int, str] = {}
    lines = []
    for node in program.nodes():
        names[id(node)] = _name(node, len(names))
        lines.append(_line(node, names))
    stores = [f"input{index} <- {names[id(node)]}" for index, node in program.stores]
    return "\n".join([*lines, *stores, "return " + ", ".join(names[id(n)] for n in program.outputs)])


def _name(node: Node, count: int) -> str:
    return f"{node.op}{node.attrs['index']}" if node.op == "input" else f"v{count}"


def _line(node: Node, names: dict[int, str]) -> str:
    what = node.attrs["fn"] if node.op == "map" else node.op
    given = [names[id(a)] for a in node.args]
    given += [f"{k}={_shown(v)}" for k, v in node.attrs.items() if k not in ("index",) and not (node.op == "map" and k == "fn")]
    kind = f"{node.dtype}{list(node.shape)}"
    where = " · ".join(part for part in (node.source.operation, node.source.line) if part)
    line = f"{names[id(node)]}: {kind} = {what}({', '.join(given)})"
    return f"{line:<72}  # {where}" if where else line


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value:.6g}" if value.ndim == 0 and value.dtype.kind == "f" else str(value) if value.size <= 4 else "…"
    return getattr(value, "__name__", str(value))
