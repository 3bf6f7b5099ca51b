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


class _HostStep(NamedTuple):
    """A node that NumPy computes: where its arguments are found, and what becomes of the value."""

    node: int
    run: Callable[..., Any]
    args: tuple[int, ...]
    into: str  # "" for what only the next nodes read, "call", "memory" that a kernel reads, "own" memory


class Steps:
    """A plan of several steps."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lock = threading.Lock()  # the memory between steps is one
        self.known: dict[int, Any] = {}  # what hosts read that is the same array at every call
        hosts = [s for s in plan.segments if isinstance(s, Host)]
        made = {id(n) for s in hosts for n in s.outputs} - plan.direct.keys()
        self.makers = [(id(n), maker(n)) for n in plan.program.outputs if id(n) not in made]
        self.hosts = {id(s): self._host_steps(s) for s in hosts}
        self.joined: list[Section | list[_HostStep]] = []
        for segment in plan.segments:
            if isinstance(segment, Section):
                self.joined.append(segment)
            elif self.joined and isinstance(last := self.joined[-1], list):
                last += self.hosts[id(segment)]
            else:
                self.joined.append([*self.hosts[id(segment)]])

    def _host_steps(self, step: Host) -> list[_HostStep]:
        out: list[_HostStep] = []
        inside = {id(n) for n in step.nodes}
        outputs = {id(n) for n in step.outputs}

        def reach(node: Node) -> None:
            """Views of what lies in memory are taken by NumPy."""
            if id(node) in self.plan.memory:
                self.known[id(node)] = self.plan.memory[id(node)]
            elif node.op == "const":
                self.known[id(node)] = np.asarray(compute(node)())
            elif node.op == "view" and id(node) not in inside:
                reach(node.args[0])
                out.append(_HostStep(id(node), compute(node), (id(node.args[0]),), ""))

        for node in step.nodes:
            for a in node.args:
                reach(a)
            into = "" if id(node) not in outputs else "call" if node.op == "call" else "own"
            if into == "own" and (id(node) in self.plan.memory or id(node) in self.plan.direct):
                into = "memory"
                if id(node) in self.plan.memory:
                    self.known[id(node)] = self.plan.memory[id(node)]
            out.append(_HostStep(id(node), compute(node), tuple([id(a) for a in node.args]), into))
        return out

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        with self.lock:
            values = self.values(inputs)
            for segment in self.joined:
                if isinstance(segment, list):
                    _on_host(segment, values)
                else:
                    segment.run(*[values[id(n)] for n in segment.changing])
            return [values[id(n)] for n in self.plan.program.outputs]

    def values(self, inputs: Sequence[Any]) -> dict[int, Any]:
        """What is there before the first step, by node."""
        values: dict[int, Any] = self.known | {id(n): a for n, a in zip(self.plan.program.inputs, inputs, strict=True)}
        for node, make in self.makers:
            values[node] = make()
        for node, index in self.plan.direct.items():
            values[node] = inputs[index]
        return values

    def step(self, segment: Section | Host, values: dict[int, Any]) -> None:
        """Take one step, from and into ``values``."""
        if isinstance(segment, Host):
            _on_host(self.hosts[id(segment)], values)
        else:
            segment.run(*[values[id(n)] for n in segment.changing])


def _on_host(steps: Sequence[_HostStep], values: dict[int, Any]) -> None:
    token = enter(IGNORE)
    try:
        for node, run, args, into in steps:
            value = run(*[values[a] for a in args])
            if into == "memory":
                values[node][...] = value
            else:
                values[node] = _own(value) if into == "own" else value
    finally:
        leave(token)


def _own(value: Any) -> Any:
    """The array itself where nobody else can have it."""
    array = np.asarray(value)
    flags = array.flags
    return array if array.base is None and flags.c_contiguous and flags.writeable else np.array(array, order="C")
