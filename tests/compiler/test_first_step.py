"""The first step of an optimizer is compiled like the later ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled
from chainrule.compiler.program.execute import prepare

RULES = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adadelta"]
OPTIONS: dict[str, dict[str, Any]] = {"Adam": {"amsgrad": True}, "RMSprop": {"momentum": 0.5, "centered": True}}


def task(rule: str, **options: Any) -> tuple[Any, torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(3)
    model = torch.nn.Linear(3, 2)
    model.idle = torch.nn.Parameter(torch.ones(2))
    optimizer = getattr(torch.optim, rule)(model.parameters(), lr=0.1, **options)

    def step(x: torch.Tensor) -> torch.Tensor:
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step, model, optimizer


@pytest.mark.parametrize("rule", RULES)
def test_one_call_is_enough(rule: str) -> None:
    x = torch.arange(6.0).reshape(2, 3)
    options = OPTIONS.get(rule, {})
    step, model, optimizer = task(rule, **options)
    other, twin, theirs = task(rule, **options)
    del model.idle, twin.idle
    for o in (optimizer, theirs):
        o.param_groups[0]["params"].pop()
    compiled = Compiled(step, engine=prepare)
    for k in range(4):
        assert compiled(x).item() == pytest.approx(other(x).item(), rel=1e-5)
        assert len(compiled.programs()) == 1, (k, compiled.reasons)
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4)
    for a, b in zip(optimizer.state.values(), theirs.state.values(), strict=True):
        assert list(a) == list(b) and a["step"].item() == 4


def test_what_gets_no_gradient_gets_no_state() -> None:
    step, model, optimizer = task("Adam")
    compiled = Compiled(step, engine=prepare)
    for _ in range(3):
        compiled(torch.ones(2, 3))
    assert set(optimizer.state) == {model.weight, model.bias}
    assert len(compiled.programs()) == 1


def test_without_a_step_nothing_is_begun() -> None:
    step, model, optimizer = task("Adam")

    def look(x: torch.Tensor) -> torch.Tensor:
        return model(x) * len(optimizer.param_groups)

    Compiled(look, engine=prepare)(torch.ones(2, 3))
    assert not optimizer.state

    def broken(x: torch.Tensor) -> None:
        model(x)
        raise ValueError("broken", optimizer)

    with pytest.raises(ValueError, match="broken"):
        Compiled(broken, engine=prepare)(torch.ones(2, 3))
    assert not optimizer.state


def test_state_that_is_there_stays() -> None:
    step, model, optimizer = task("Adam")
    step(torch.ones(2, 3))
    before = optimizer.state[model.weight]["exp_avg"]
    Compiled(step, engine=prepare)(torch.ones(2, 3))
    assert optimizer.state[model.weight]["exp_avg"] is before and optimizer.state[model.weight]["step"].item() == 2


def test_a_rule_whose_first_step_is_another_is_compiled_at_the_second() -> None:
    step, _, _ = task("SGD", momentum=0.9)
    other, _, _ = task("SGD", momentum=0.9)
    compiled = Compiled(step, engine=prepare)
    for k in range(3):
        assert compiled(torch.ones(2, 3)).item() == pytest.approx(other(torch.ones(2, 3)).item(), rel=1e-5)
        assert len(compiled.programs()) == (k > 0)


class Counting(torch.optim.Adam):
    def update(self, param: Any, p: Any, g: Any, group: Any, state: Any) -> Any:
        if not state:
            state["mine"] = torch.zeros(())
            state["step"] = torch.zeros(())
        state["mine"] += 1
        state["step"] += 1
        p -= g * 0.5
        return p


class Stepping(torch.optim.Adam):
    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            if not state:
                state["mine"] = torch.zeros(())
            state["mine"] += 1
            p -= p.grad * 0.5


@pytest.mark.parametrize("rule", [Counting, Stepping])
def test_rules_with_state_of_their_own_begin_it_themselves(rule: Any) -> None:
    w = torch.nn.Parameter(torch.ones(2))
    optimizer = rule([w])

    def step(x: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    compiled = Compiled(step, engine=prepare)
    for k in range(4):
        assert compiled(torch.ones(2)).item() == 2 - k
    assert optimizer.state[w]["mine"].item() == 4
