"""The fast function of a tree of ways: the stages one after the other, and in each branch what the way there looks at and does.

What all ways look at comes before the first stage; a way's effects come last, when nothing can be a miss any more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .capture.staged import Fork, Missed, Way, rewind, twin
from .capture.variant import Variant, always
from .capture.window import NUMBER, SPAN
from .fast import Text


class WaysText(Text):
    """As :class:`Text`; the form is a tree."""

    def _program(self, owner: Any) -> None:
        ways = self.form
        self.owner = owner
        self.plans: dict[int, Any] = {id(fork): getattr(fork.ready.run, "plan", None) for fork in _forks(ways.root)}
        self.ended: list[tuple[Variant, list[str]]] = []  # forms, and the lines of their effects
        self.stage_names: dict[int, str] = {}  # of what stages give
        self.count = itertools.count()
        ends = [child for fork in _forks(ways.root) for child in fork.children.values() if not isinstance(child, Fork)]
        fitting = [(id(end), [v for v in end if v.fits(self.given)]) for end in ends]
        self.latest = {end: variants[-1] for end, variants in fitting if variants}  # the form that is for such calls now, by the leaf
        leaves = [*self.latest.values()]
        self.plans |= {id(v): self._plan(v, v.ready.rest.run) for v in leaves if isinstance(v.ready, Way)}
        if not all(plan is not None and plan.straight() for plan in self.plans.values()):
            self._whole()
            return
        self.several = len(leaves) > 1
        self.conditions: dict[int, list[str]] = {}
        for self.variant in leaves:
            self.conditions[id(self.variant)] = [*self._conditions(self._looked_at(self.variant))]
        first, *others = self.conditions.values()
        for condition in first:
            if all(condition in other for other in others):
                self._miss(condition)
        self._fork(ways.root)
        for k, (_, effects) in enumerate(self.ended):
            self.effects += [f"  if way == {k}:", *["  " + line for line in effects]] if self.several else effects

    def _whole(self) -> None:
        """The tree as it is called otherwise."""
        self.small = False
        self.space |= {"ways": self.form, "Missed": Missed}
        for condition in self._shapes(range(len(self.tensors))):
            self._miss(condition)
        self._then("try:", f"  return ways([{', '.join(self.tensors)}])", "except Missed:", "  break")

    def _looked_at(self, variant: Variant) -> set[int | None]:
        """The arguments that machine code compares on a form's way."""
        assert isinstance(variant.ready, Way)
        found = [variant.finders[k] for k in _read(self.plans[id(variant)]) if k < len(variant.finders)]
        for fork in variant.ready.fork.line():
            finders = [self.form.finders[id(n)] for n in fork.inputs]
            found += [finders[k] for k in _read(self.plans[id(fork)]) if k < len(finders)]
        return {find.position for find in found if find.kind != SPAN}

    def _numbers(self, fork: Fork) -> None:
        """Look up the numbers that change, for a way behind this fork whose conditions on them hold."""
        leaves = {id(v) for v in fork.leaves()}
        holds = [self.named(v.holds) for v in self.latest.values() if id(v) in leaves and v.holds is not always]
        if holds:
            self._miss(f"not ({' or '.join([f'{name}()' for name in holds])})")

    def _fork(self, fork: Fork) -> None:
        ways, plan = self.form, self.plans[id(fork)]
        if fork.above is None or any(find.kind == NUMBER for find in fork.draws.values()):
            self._numbers(fork)
        for number, find in fork.draws.items():
            if find.kind != NUMBER and not self.before:
                self.space |= {"twin": twin, "rewind": rewind}
                self.before.append("before = None")
                self.missed.append("if before is not None: rewind(before)")
            if find.kind != NUMBER:
                self._once("before = twin()")
            self._look(f"w{number} = {self.named(find.draw)}()")
        inputs: list[tuple[str, Any]] = []
        for node in fork.inputs:
            number = ways.numbers.get(id(node))
            inputs.append(self._input(ways.finders[id(node)]) if number is None else (f"w{number}", None))
        inputs += [(self.stage_names[id(n)], None) for n in fork.takes]
        self.apart = []
        given = [f"s{next(self.count)}" for _ in fork.gives]  # a fork beside this one may give the same
        self.stage_names |= zip(map(id, fork.gives), given, strict=True)
        asked = [f"q{k}" for k in range(len(fork.decisions))]
        if self._call(plan, inputs, [*asked, *given]):
            self._look(f"{self.named(plan.segments[0])}.check()")
        for name, node, outcome in zip(asked, fork.decisions, fork.outcomes, strict=False):
            self._look(f"if not ({_is(name, node, outcome)}): break")
        self._children(fork, asked[-1])

    def _children(self, fork: Fork, asked: str) -> None:
        said, indent = self.said, self.indent
        word = "if"
        for outcome, child in fork.children.items():
            self.said = said.copy()
            self._look(f"{word} {_is(asked, fork.decisions[-1], outcome)}:")
            word = "elif"
            self.indent += "  "
            if isinstance(child, Fork):
                self._fork(child)
            elif id(child) in self.latest:
                self._end(self.latest[id(child)])
            else:
                self._look("break")
            self.indent = indent
        self._look("else: break")
        self.said = said

    def _end(self, variant: Variant) -> None:
        self.variant = variant
        way = variant.ready
        assert isinstance(way, Way)
        for condition in self.conditions[id(variant)]:
            self._miss(condition)
        if variant.holds is not always and self.several:
            self._miss(f"not {self.named(variant.holds)}()")
        self.effects = []
        self._enter(self.plans[id(variant)], {k: f"w{n}" for k, n in way.drawn.items()}, [self.stage_names[id(n)] for n in way.takes])
        if self.several:
            self._look(f"way = {len(self.ended)}")
        self._effects(self.owner)
        self._result()
        self.ended.append((variant, self.effects))
        self.effects = []


def _is(name: str, node: Any, outcome: Any) -> str:
    """The condition that a decision's value is that outcome."""
    if node.dtype.kind == "b":
        return name if outcome else f"not {name}"
    return f"{name} == {outcome!r}"


def _forks(fork: Fork) -> Iterator[Fork]:
    yield fork
    for child in fork.children.values():
        if isinstance(child, Fork):
            yield from _forks(child)


def _read(plan: Any) -> list[int]:
    """The inputs that machine code is given."""
    return [k for kind, k in plan.places() if kind == "input"]
