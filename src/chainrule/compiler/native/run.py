"""How a planned program runs: outputs made, machine code called, and what only NumPy computes in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.floating_flags import IGNORE, enter, leave
from ..program.ir import Node, Program
from ..program.kinds import compute
from .call import DONE
from .section import Host, Section


class TooLong(Exception):
    """A program with more groups than is worth compiling."""


class Plan(NamedTuple):
    """A program as steps.  Every output is a node of its own that a step writes; what is stored is written to the inputs' memory.

    ``memory`` has the arrays that stay, by node, and ``direct`` the nodes that are written to the memory of an input.
    """

    program: Program
    segments: list[Section | Host]
    memory: dict[int, Any]
    direct: dict[int, int]

    def straight(self) -> bool:
        """Whether it is one native call and nothing else."""
        return len(self.segments) == 1 and isinstance(self.segments[0], Section)

    def places(self) -> list[tuple[str, int]]:
        """Of a plan that is one call: whether it takes an "input" or an "output", and which, for each argument."""
        (segment,) = self.segments
        assert isinstance(segment, Section)
        where: dict[int, tuple[str, int]] = {id(n): ("input", k) for k, n in enumerate(self.program.inputs)}
        where |= {node: ("input", k) for node, k in self.direct.items()}
        where |= {id(n): ("output", k) for k, n in enumerate(self.program.outputs)}
        return [where[id(n)] for n in segment.changing]


Runner = Callable[..., list[Any]]


def runner(plan: Plan) -> Runner:
    """The program as a function of its inputs."""
    return _straight(plan) if plan.straight() else Steps(plan).run


def maker(node: Node) -> Callable[[], Any]:
    """What makes memory for an output: a number where tensors hold one, for the program to fill in."""
    kind = node.dtype.type
    if node.shape == () and node.dtype.kind in "iufc" and kind() is not kind():
        return kind
    shape, dtype = node.shape, np.dtype(kind)
    return lambda: np.empty(shape, dtype)


def _straight(plan: Plan) -> Runner:
    segment = plan.segments[0]
    assert isinstance(segment, Section)
    makers = [maker(n) for n in plan.program.outputs]
    where = [k if kind == "output" else len(makers) + k for kind, k in plan.places()]
    enter, again, errors = segment.enter, segment.run, segment.errors

    def run(inputs: Sequence[Any]) -> list[Any]:
        outputs = [make() for make in makers]
        given = [*outputs, *inputs]
        arrays = [given[k] for k in where]
        if errors or enter(*arrays) != DONE:
            again(*arrays)
        return outputs

    run.plan = plan  # type: ignore[attr-defined]
    return run


class Steps:
    """A plan of several steps."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lock = threading.Lock()  # the memory between steps is one
        self.makers = [(id(n), maker(n)) for n in plan.program.outputs if n.op != "call"]
        self.hosts = {id(s): [(n, compute(n)) for n in s.nodes] for s in plan.segments if isinstance(s, Host)}

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        with self.lock:
            values = self.values(inputs)
            for segment in self.plan.segments:
                self.step(segment, values)
            return [values[id(n)] for n in self.plan.program.outputs]

    def values(self, inputs: Sequence[Any]) -> dict[int, Any]:
        """What is there before the first step, by node."""
        values: dict[int, Any] = {id(n): a for n, a in zip(self.plan.program.inputs, inputs, strict=True)}
        for node, make in self.makers:
            values[node] = make()
        for node, index in self.plan.direct.items():
            values[node] = inputs[index]
        return values

    def step(self, segment: Section | Host, values: dict[int, Any]) -> None:
        """Take one step, from and into ``values``."""
        if isinstance(segment, Host):
            self._on_host(segment, values)
        else:
            segment.run(*[values[id(n)] for n in segment.changing])

    def _array(self, node: Node, *values: dict[int, Any]) -> Any:
        """A node's value as an array; views of what lies in memory are taken by NumPy."""
        key = id(node)
        for known in (*values, self.plan.memory):
            if key in known:
                return known[key]
        return np.asarray(compute(node)(*[self._array(a, *values) for a in node.args]))

    def _on_host(self, step: Host, values: dict[int, Any]) -> None:
        local: dict[int, Any] = {}
        token = enter(IGNORE)
        try:
            for node, run in self.hosts[id(step)]:
                local[id(node)] = run(*[self._array(a, local, values) for a in node.args])
        finally:
            leave(token)
        for node in step.outputs:
            value = local[id(node)]
            held = self.plan.memory.get(id(node), values.get(id(node)))
            if node.op == "call" or held is None or isinstance(held, np.generic):
                values[id(node)] = value if node.op == "call" else np.asarray(value)
            else:
                held[...] = value
