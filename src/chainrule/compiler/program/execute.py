"""Running a program on NumPy: where there is no llvmlite, and what the tests of the compiler compare with.

Every node becomes a function of its arguments' arrays once, in :func:`prepare`; a run only calls them in order, forgets what
nothing needs any more, and writes over large operands that end there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.floating_flags import IGNORE, enter, leave
from .elementwise import implementation
from .ir import Node, Program
from .kinds import compute

_LARGE = 2048  # elements from which writing over an operand pays
_OWNING = frozenset(
    {"map", "reduce", "scan", "order", "matmul", "conv", "conv_input", "conv_weight", "gather", "scatter", "pad", "put", "concat"}
)  # fmt: skip

Runner = Callable[[Sequence[Any]], list[Any]]
# The slot of the result, the function, the slots of its arguments, and which slots nothing needs afterwards.
_Step = tuple[int, Callable[..., Any], tuple[int, ...], tuple[int, ...]]


def execute(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a program; what it stores is written into ``inputs``.

    ``inputs`` are contiguous arrays.  IndexError for an index outside of what is gathered from.
    """
    return prepare(program)(inputs)


def prepare(program: Program) -> Runner:
    """The program as a function of its inputs that may be called any number of times."""
    nodes = program.nodes()
    slot = {id(node): k for k, node in enumerate(nodes)}
    last, aliased = _uses(nodes)
    kept = {id(node) for node in program.roots()}
    steps: list[_Step] = []
    first: list[Any] = [None] * len(nodes)
    given: list[tuple[int, int]] = []
    for k, node in enumerate(nodes):
        if node.op == "input":
            given.append((k, node.attrs["index"]))
        elif node.op in ("const", "iota"):
            first[k] = compute(node)()
        else:
            ended = [a for a in dict.fromkeys(node.args) if last[id(a)] == k and id(a) not in kept]
            mine = [a for a in ended if a.op in _OWNING and id(a) not in aliased and a.size >= _LARGE]
            function = _overwriting(node, mine) or (implementation(node) if node.op == "map" else compute(node))
            steps.append((k, function, tuple([slot[id(a)] for a in node.args]), tuple([slot[id(a)] for a in ended])))
    outputs = _results(program, slot, aliased)
    stores = [(index, slot[id(node)], node.op not in ("view", "input")) for index, node in program.stores]

    def run(inputs: Sequence[Any]) -> list[Any]:
        values = first.copy()
        for k, index in given:
            values[k] = inputs[index]
        token = enter(IGNORE)
        try:
            for k, function, args, ended in steps:
                values[k] = function(*[values[a] for a in args])
                for a in ended:
                    values[a] = None
        finally:
            leave(token)
        results = [_own(values[k], owned) for k, owned in outputs]
        # All are read before the first is written: a value may be a view of another input.
        for target, value in [(inputs[index], values[k] if owned else np.array(values[k])) for index, k, owned in stores]:
            target[...] = value
        return results

    return run


def _uses(nodes: Sequence[Node]) -> tuple[dict[int, int], set[int]]:
    """Where each node is used last, and which of them have memory in common with another."""
    last: dict[int, int] = {}
    aliased: set[int] = set()
    for k, node in enumerate(nodes):
        for a in node.args:
            last[id(a)] = k
        if node.op == "view":
            aliased.add(id(node.args[0]))
            aliased.add(id(node))
    return last, aliased


def _results(program: Program, slot: dict[int, int], aliased: set[int]) -> list[tuple[int, bool]]:
    """The slots of the outputs, and whether the caller may have the array itself."""
    seen: set[int] = set()
    out = []
    for node in program.outputs:
        out.append((slot[id(node)], node.op in _OWNING and id(node) not in aliased and id(node) not in seen))
        seen.add(id(node))
    return out


def _own(value: Any, owned: bool) -> Any:
    array = np.asarray(value)
    return array if owned and array.flags.c_contiguous else np.array(array, order="C")


def _overwriting(node: Node, mine: Sequence[Node]) -> Callable[..., Any] | None:
    """The node's function such that it writes over an operand that ends with it; None where there is none."""
    if node.op == "map" and node.attrs["fn"] != "cast":
        function = implementation(node)
        for i, a in enumerate(node.args):
            if isinstance(function, np.ufunc) and a in mine and a.shape == node.shape and a.dtype == node.dtype:
                return _into(function, i)
    if node.op in ("put", "scatter") and node.args[0] in mine and node.args[0] not in node.args[1:]:
        return compute(node, inplace=True)
    return None


def _into(function: Any, i: int) -> Callable[..., Any]:
    return lambda *args: function(*args, out=args[i])


__all__ = ["execute", "prepare"]
