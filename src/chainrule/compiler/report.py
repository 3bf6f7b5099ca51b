"""What became of a function: its program, or why it has none; how much each of the user's lines computes and moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from .front import Compiled
from .program.ir import Node, Program
from .program.kinds import compute

_FREE = frozenset({"input", "scalar", "const", "view", "item"})  # nothing is computed, nothing moved


@dataclass
class Line:
    """One of the user's lines: how many nodes came of it, arithmetic operations, bytes read and written, seconds (profiled)."""

    where: str
    nodes: int = 0
    operations: int = 0
    bytes: int = 0
    seconds: float = 0.0
    names: list[str] = field(default_factory=list)


@dataclass
class Report:
    """``str()`` reads as a table; ``program`` is None where there is none, and ``reasons`` has (why, the user's line)."""

    program: Program | None
    reasons: list[tuple[str, str]]
    lines: list[Line]
    inputs: int = 0
    stores: int = 0
    profiled: bool = False

    def __str__(self) -> str:
        if self.program is None:
            told = [f"  {why}" + (f"\n    at {line}" if line else "") for why, line in self.reasons]
            return "\n".join(["not one program; the function runs as it is written, because", *told])
        head = f"one program: {sum(n.nodes for n in self.lines)} operations, {self.inputs} arrays in, {self.stores} written back"
        rows = [("operations", "arithmetic", "bytes", "time", "line")]
        for line in self.lines:
            took = f"{line.seconds * 1e6:.1f} µs" if self.profiled else ""
            rows.append((str(line.nodes), _short(line.operations), _short(line.bytes), took, line.where or "(elsewhere)"))
        widths = [max(len(r[k]) for r in rows) for k in range(4)]
        table = ["  ".join([*[c.rjust(w) for c, w in zip(row, widths, strict=False)], row[4]]).rstrip() for row in rows]
        return "\n".join([head, *table])

    __repr__ = __str__


def explain_compile(function: Any, *args: Any, profile: bool = False, **kwargs: Any) -> Report:
    """What :func:`chainrule.compile` makes of ``function`` for these arguments; the function is called, three times at most.

    ``profile`` measures each operation on the arrays that the program is given now.

    >>> import chainrule as torch
    >>> report = torch.explain_compile(lambda x: torch.sin(x) * 2, torch.ones(3))
    >>> print(str(report).splitlines()[0])
    one program: 2 operations, 1 arrays in, 0 written back
    """
    made = function if isinstance(function, Compiled) else getattr(function, "_compiled", None) or Compiled(function)
    try:
        variant = made.variant(*args, **kwargs)
    except ValueError:
        return Report(None, made.reasons, [])
    program = variant.program
    seconds = _profile(program, variant.inputs(args, kwargs)) if profile else {}
    lines: dict[str, Line] = {}
    for node in program.nodes():
        if node.op in _FREE:
            continue
        line = lines.setdefault(node.source.line, Line(node.source.line))
        line.nodes += 1
        line.operations += operations(node)
        line.bytes += node.bytes + sum(a.bytes for a in node.args)
        line.seconds += seconds.get(id(node), 0.0)
        if node.source.operation not in line.names:
            line.names.append(node.source.operation)
    return Report(program, made.reasons, list(lines.values()), len(program.inputs), len(program.stores), profile)


def operations(node: Node) -> int:
    """Additions, multiplications and calls of mathematical functions."""
    if node.op in ("map", "scan", "scatter"):
        return node.size
    if node.op == "reduce":
        return node.args[0].size
    if node.op == "matmul":
        return 2 * node.size * node.args[0].shape[-1]
    if node.op == "conv":
        return 2 * node.size * prod(node.args[1].shape[1:])
    if node.op == "conv_input":
        return 2 * node.args[0].size * prod(node.args[1].shape[1:])
    if node.op == "conv_weight":
        return 2 * node.args[0].size * prod(node.shape[1:])
    return 0


def _profile(program: Program, inputs: Sequence[Any]) -> dict[int, float]:
    """Seconds by node, the least of three runs, on NumPy; nothing is written back."""
    values: dict[int, Any] = {}
    found: dict[int, float] = {}
    for node in program.nodes():
        if node.op == "input":
            values[id(node)] = np.array(inputs[node.attrs["index"]])
            continue
        run: Callable[..., Any] = compute(node)
        given = [values[id(a)] for a in node.args]
        best = float("inf")
        for _ in range(1 if node.op == "call" else 3):
            begun = time.perf_counter()
            with np.errstate(all="ignore"):
                values[id(node)] = run(*given)
            best = min(best, time.perf_counter() - begun)
        found[id(node)] = best
    return found


def _short(number: int) -> str:
    for unit in ("", "k", "M", "G"):
        if number < 10_000 or unit == "G":
            return f"{number}{unit}"
        number //= 1000
    return str(number)
