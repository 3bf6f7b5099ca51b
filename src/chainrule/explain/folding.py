"""Folding a long program: modules into one line each, repeated steps into one line with their count.

A :class:`Unit` is what is shown as one: a step, or several that were folded.  Modules are told by their parameters: what
lies between the first and the last operation that takes a parameter of a module belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .graph import Graph, Step, Variable

LONGEST_BODY = 256  # steps of a loop's body that are looked for
LEAST_REPEATS, LEAST_SAVED = 3, 6


class Unit:
    """Steps shown as one."""

    __slots__ = ("count", "kind", "parts", "title")

    def __init__(self, kind: str, parts: Sequence[Any], title: str = "", count: int = 1) -> None:
        self.kind = kind  # "step", "module" or "loop"
        self.parts = parts  # the step, or the units inside
        self.title = title
        self.count = count

    @property
    def step(self) -> Step:
        """The step of a unit that is one."""
        found: Step = self.parts[0]
        return found

    def steps(self) -> Iterator[Step]:
        """All steps, in the program's order."""
        stack = [iter((self,))]
        while stack:
            unit = next(stack[-1], None)
            if unit is None:
                stack.pop()
            elif unit.kind == "step":
                yield unit.parts[0]
            else:
                stack.append(iter(unit.parts))

    def signature(self) -> Any:
        """Equal for units that could be iterations of one loop."""
        if self.kind == "step":
            step = self.step
            return (step.opname, tuple([_distance(step, v) for v in step.inputs]))
        return (self.kind, self.title, self.count, len(self.parts))

    def name(self) -> str:
        """What the unit is, without where its inputs come from."""
        return self.step.opname if self.kind == "step" else f"{self.kind} {self.title}"

    def entering(self) -> dict[Variable, Any]:
        """The variables from outside that a cotangent goes to, with its sum."""
        mine = set(self.steps())
        found: dict[Variable, Any] = {}
        for step in self.steps():
            for v, ct in zip(step.inputs, step.left, strict=True):
                if v is not None and ct is not None and v.producer not in mine:
                    have = found.get(v)
                    found[v] = ct if have is None else have + ct
        return found

    def leaving(self, output: Variable) -> list[Variable]:
        """The variables made here that are used outside, or are the program's output."""
        mine = set(self.steps())
        return [
            v for step in self.steps() for v in step.outputs
            if v.cotangent is not None and (v is output or any(user not in mine for user, _ in v.consumers))
        ]  # fmt: skip


def _distance(step: Step, v: Variable | None) -> Any:
    if v is None or v.is_constant:
        return "constant"
    if v.producer is None:
        return id(v)
    return step.number - v.producer.number


def units_of(graph: Graph, scopes: Mapping[int, str], opened: frozenset[str], fold: bool) -> list[Unit]:
    """The program as units; ``scopes`` has the module's path for every parameter's id, ``opened`` the folds to leave open."""
    units = [Unit("step", [step]) for step in graph.steps]
    if not fold:
        return units
    for unit in units:
        for v in unit.step.inputs:
            if v is not None and v.leaf is not None and id(v.leaf) in scopes:
                unit.step.scope = scopes[id(v.leaf)]
    return _loops(_modules(units, opened), opened)


# -- modules -------------------------------------------------------------------------------------------------------------------


def _modules(units: list[Unit], opened: frozenset[str]) -> list[Unit]:
    members: dict[str, list[int]] = {}
    for i, unit in enumerate(units):
        title = _outermost(unit.step.scope, opened)
        if title:
            members.setdefault(title, []).append(i)
    taken: dict[int, str] = {}
    for title, own in members.items():
        if _calls(units, own) >= LEAST_REPEATS:  # in a loop, which folds by its repeats
            continue
        between = _between(units, own)
        if len(between) > 1 and not any(i in taken for i in between):
            taken.update(dict.fromkeys(between, title))
    last = {title: i for i, title in sorted(taken.items())}
    folded: list[Unit] = []
    for i, unit in enumerate(units):
        inside = taken.get(i)
        if inside is None:
            folded.append(unit)
        elif i == last[inside]:
            folded.append(Unit("module", [units[j] for j in sorted(taken) if taken[j] == inside], inside))
    return folded


def _calls(units: list[Unit], own: list[int]) -> int:
    """How often the module was called: how many of its operations take the same parameter."""
    counts: dict[Variable, int] = {}
    for i in own:
        for v in units[i].step.inputs:
            if v is not None and v.leaf is not None:
                counts[v] = counts.get(v, 0) + 1
    return max(counts.values(), default=0)


def _outermost(scope: str, opened: frozenset[str]) -> str:
    """The outermost module around that is not opened."""
    parts = scope.split(".")
    for n in range(1, len(parts) + 1):
        title = ".".join(parts[:n])
        if title not in opened:
            return title
    return ""


def _between(units: list[Unit], own: list[int]) -> list[int]:
    """The members, and what lies on a way from one of them to another."""
    first, last = own[0], own[-1]
    after, before = {units[own[0]].step}, {units[own[-1]].step}
    members = set(own)
    for i in range(first, last + 1):
        step = units[i].step
        if i in members or any(v is not None and v.producer in after for v in step.inputs):
            after.add(step)
    for i in range(last, first - 1, -1):
        step = units[i].step
        if i in members or any(user in before for out in step.outputs for user, _ in out.consumers):
            before.add(step)
    return [i for i in range(first, last + 1) if units[i].step in after and units[i].step in before]


# -- loops ---------------------------------------------------------------------------------------------------------------------


def _loops(units: list[Unit], opened: frozenset[str]) -> list[Unit]:
    """Fold repeats; again, while there are repeats of folded ones."""
    for _ in range(4):
        folded = _fold_once(units, opened)
        if len(folded) == len(units):
            break
        units = folded
    return units


def _fold_once(units: list[Unit], opened: frozenset[str]) -> list[Unit]:
    numbers: dict[Any, int] = {}
    signs = np.array([numbers.setdefault(u.signature(), len(numbers)) for u in units], dtype=np.int64)
    free = np.ones(len(units), bool)
    found: list[tuple[int, int, int]] = []  # start, length of the body, repeats
    for p in range(1, min(LONGEST_BODY, len(units) // LEAST_REPEATS) + 1):
        same = (signs[p:] == signs[:-p]) & free[p:] & free[:-p]
        for start, length in _runs(same):
            first = _earlier(units, start, p, free) if length >= p else start
            repeats = (start + length + p - first) // p
            if repeats >= LEAST_REPEATS and (repeats - 1) * p >= LEAST_SAVED:
                found.append((first, p, repeats))
                free[first : first + p * repeats] = False
    return _assembled(units, sorted(found), opened)


def _earlier(units: list[Unit], start: int, p: int, free: Any) -> int:
    """Where the loop starts, whose first iteration takes its inputs from elsewhere and so looks different."""
    first = start
    while first > max(0, start - p) and free[first - 1] and units[first - 1].name() == units[first - 1 + p].name():
        first -= 1
    return first


def _runs(flags: Any) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist()):
        yield start, stop - start


def _assembled(units: list[Unit], found: list[tuple[int, int, int]], opened: frozenset[str]) -> list[Unit]:
    folded: list[Unit] = []
    at = 0
    for start, p, repeats in found:
        stop = start + p * repeats
        title = f"loop{units[start].steps().__next__().number}"
        if title in opened:
            continue
        folded += units[at:start]
        folded.append(Unit("loop", units[start:stop], title, repeats))
        at = stop
    return folded + units[at:]
