"""Random functions whose Python branches go by what they compute: every call compiled agrees with the same call uncompiled.

A function is lines of source: operations, writes to memory that outlives the call, random numbers, gradients, and ``if`` and ``while``
around them that go by values.  Its numbers are halves of small integers, so that no rounding decides.  ``CHAINRULE_BRANCHES=700:720`` runs
a part of them, ``all`` a thousand.
"""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled

CALLS = 20
WANTED = os.environ.get("CHAINRULE_BRANCHES")
FOUND = [283, 362, 888]  # errors
SEEDS = [*range(40), *FOUND] if WANTED is None else range(1000) if WANTED == "all" else range(*map(int, WANTED.split(":")))


class Writer:
    """Writes one function."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.lines: list[str] = []
        self.names = ["x", "y"]
        self.depth = 0
        self.branches = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * (self.depth + 1) + text)

    def name(self) -> str:
        return self.choose.choice(self.names)

    def number(self) -> str:
        return self.choose.choice(["1", "2", "-3", "rate"])

    def value(self) -> str:
        a, b = self.name(), self.name()
        return self.choose.choice(
            [
                f"({a} * {b}.detach().round()).clamp(-64, 64)", f"{a} + {self.number()}", f"{a} - ({b} * {self.number()}).clamp(-32, 32)",
                f"({a} * 2).clamp(-4, 4)", f"{a}.abs()", f"torch.where({a} > {b}, {a}, ({b} * 2).clamp(-64, 64))", f"{a}.relu()", f"-{a}",
                f"({a} * w).clamp(-64, 64)", f"{a} - {a}.sum().clamp(-8, 8)", f"{a} + (torch.rand(3) * 4).floor()", f"{a} + held",
            ]
        )  # fmt: skip

    def condition(self) -> str:
        a, b = self.name(), self.name()
        limit = self.choose.choice(["0", "1.5", "4", "9.0"])
        return self.choose.choice(
            [
                f"{a}.sum() > {limit}", f"{a}.abs().max() > {limit}", f"{a}.sum().item() < {limit}", f"({a} > {b}).any()",
                f"({a} > {b}).all()", f"int(({a} > {limit}).sum()) == 2", f"{a}.sum() > {b}.sum()", f"rate * {a}.sum().item() > {limit}",
                "held.sum() > 3", f"not ({a} > 0).any() or {b}.max() > {limit}",
            ]
        )  # fmt: skip

    def statement(self) -> None:
        kind = self.choose.random()
        if kind < 0.45 or self.depth > 2:
            made = f"v{len(self.lines)}"
            self.line(f"{made} = {self.value()}")
            self.names.append(made)
        elif kind < 0.55:
            self.line(f"held.mul_(0.5).floor_().add_({self.name()}.detach().clamp(-8, 8))")
        elif kind < 0.62:
            self.line("w.grad = None")
            self.line(f"({self.name()} * w).sum().backward(retain_graph=True)")
        elif kind < 0.68:
            self.line(f"{self.name()} = {self.value()}")
        elif kind < 0.74 and self.depth:
            self.line(f"return {self.name()}, {self.name()}.sum()")
        elif self.branches < 6:
            self.branches += 1
            self.block()
        else:
            self.line(f"y = {self.value()}")

    def block(self) -> None:
        known = [*self.names]
        kind = self.choose.random()
        if kind < 0.75:
            self.line(f"if {self.condition()}:")
            self.inside(known)
            if kind < 0.45:
                self.line("else:")
                self.inside(known)
        else:
            turns = f"turns{len(self.lines)}"
            self.line(f"{turns} = 0")
            self.line(f"while {turns} < {self.choose.randint(2, 4)} and ({self.condition()}):")
            self.inside(known, f"{turns} += 1")

    def inside(self, known: list[str], last: str = "") -> None:
        self.depth += 1
        for _ in range(self.choose.randint(1, 3)):
            self.statement()
        self.line(last or f"x = {self.value()}")
        self.depth -= 1
        self.names[:] = known

    def source(self) -> str:
        self.line("rate = rates[0]")
        for _ in range(self.choose.randint(5, 9)):
            self.statement()
        self.line(f"return {self.name()}, {self.name()} * 2")
        return "def function(x, y):\n" + "\n".join(self.lines)


def after(source: str, seed: int, wrap: Any) -> tuple[Any, Any]:
    """All that can be seen of a number of calls, and what was called."""
    torch.manual_seed(seed)
    w = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    space = {"torch": torch, "w": w, "held": torch.zeros(3), "rates": [1.0]}
    exec(source, space)
    run = wrap(space["function"])
    seen: list[Any] = []
    for k in range(CALLS):
        draw = np.random.default_rng([seed, k % 5])
        space["rates"][0] = 1.0 + k // 6
        x, y = [torch.tensor((draw.integers(-6, 7, size=3) / 2).astype(np.float32)) for _ in range(2)]
        if k % 7 == 3:
            w.grad = None
        found = run(x, y)
        seen += [r.detach().numpy().copy() for r in found]
        if found[0].requires_grad and k % 2:
            w.grad = None
            found[0].sum().backward()
        seen += [space["held"].numpy().copy(), np.zeros(0) if w.grad is None else w.grad.numpy().copy(), torch.rand(1).numpy()]
    return seen, run


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.filterwarnings("ignore:function was compiled for")
def test_random_branches(seed: int) -> None:
    source = Writer(seed).source()
    try:
        expected, _ = after(source, seed, lambda f: f)
    except RuntimeError as error:
        pytest.skip(f"raises: {error}")
    found, _ = after(source, seed, Compiled)
    for k, (a, b) in enumerate(zip(expected, found, strict=True)):
        np.testing.assert_array_equal(b, a, err_msg=f"{k % 5} of call {k // 5} of\n{source}")


def test_most_of_them_are_programs() -> None:
    programs = [len(after(Writer(seed).source(), seed, Compiled)[1].programs()) for seed in (2, 5, 7, 11)]
    assert sum(n > 1 for n in programs) >= 2, programs
