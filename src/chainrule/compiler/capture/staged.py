"""A program in two stages: what Python's branches go by, and everything else.

The first stage has no effects.  Only when every branch goes the way that the program is for, the second one runs, and goes on from what
the first has computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from ..passes.improve import improved
from ..program.ir import Node, Program, ordered
from .ready import Engine, Ready

_AGAIN = frozenset({"input", "const", "iota", "view", "call"})  # cheaper made again than kept (the items of a call are what is kept)


class Missed(Exception):
    """A branch goes another way than the program; nothing has happened."""


class Decision(NamedTuple):
    """What a branch went by: a node of shape (), bool or an integer, and what it was."""

    node: Node
    outcome: Any


class Staged:
    """What an engine made of a program with decisions; used as :class:`Ready` is."""

    def __init__(self, captured: Program, decisions: Sequence[Decision], engine: Engine) -> None:
        self.captured = captured
        self.outcomes = [d.outcome for d in decisions]
        first, second = parted(captured, [d.node for d in decisions])
        self.stages = Ready(first, engine), Ready(second, engine)
        self.seconds = {k: s + self.stages[1].seconds[k] for k, s in self.stages[0].seconds.items()}
        self.loaded = self.stages[0].loaded

    @cached_property
    def program(self) -> Program:
        """Both stages as one."""
        return improved(self.captured)

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """As an engine's function; raises Missed."""
        first, second = self.stages
        try:
            found = first.run(inputs)
        except (ArithmeticError, LookupError, ValueError) as error:  # what only another branch would compute may be at fault
            raise Missed from error
        for value, outcome in zip(found, self.outcomes, strict=False):
            if value.item() != outcome:
                raise Missed
        return second.run([*inputs, *found[len(self.outcomes) :]])


def parted(program: Program, decisions: Sequence[Node]) -> tuple[Program, Program]:
    """(the program of the decisions, which gives them and what the rest needs of it; the rest)."""
    inside = {id(n) for n in ordered(decisions)}
    made: dict[int, Node] = {}
    kept: dict[int, Node] = {}  # by what stands for it
    for node in program.nodes():
        if id(node) in inside and node.op not in _AGAIN:
            stand_in = made[id(node)] = Node("input", (), node.shape, node.dtype, {"index": 0})
            kept[id(stand_in)] = node
        else:
            made[id(node)] = node.with_args([made[id(a)] for a in node.args])
    outputs = [made[id(n)] for n in program.outputs]
    stores = [(k, made[id(n)]) for k, n in program.stores]
    second = Program(list(program.inputs), outputs, stores)
    crossing = [n for n in second.nodes() if id(n) in kept]
    for node in crossing:
        node.attrs["index"] = len(second.inputs)
        second.inputs.append(node)
    return Program(list(program.inputs), [*decisions, *[kept[id(n)] for n in crossing]], []), second
