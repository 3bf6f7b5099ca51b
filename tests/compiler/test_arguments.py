"""Arguments that are neither tensors nor numbers: what they hold is looked at as what a function closes over is."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled

from .test_capture import equal


def test_a_module_that_changes_its_mode() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5))
    x = torch.ones(2, 4)
    for run in (Compiled(lambda m, v: m(v)), Compiled(partial(lambda m, v: m(v), model))):
        given = (model, x) if not isinstance(run.function, partial) else (x,)
        model.train()
        for _ in range(3):
            run(*given)
        model.eval()
        equal(run(*given), model(x))
        assert len(run.programs()) == 2, run.reasons


def test_an_optimizer_whose_learning_rate_changes() -> None:
    def step(model: Any, rule: Any, x: Any) -> Any:
        loss = model(x).square().sum()
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss

    def after(wrap: Any) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 3)
        rule = torch.optim.Adam(model.parameters(), lr=0.1)
        run = wrap(step)
        for k in range(6):
            rule.param_groups[0]["lr"] = 0.1 / (k + 1)
            run(model, rule, torch.full((2, 4), k + 1.0))
        return model.weight.detach(), run

    (plain, _), (found, run) = after(lambda f: f), after(Compiled)
    assert torch.allclose(plain, found, atol=1e-6)
    assert run.programs(), run.reasons


class Counting:
    def __init__(self) -> None:
        self.scale = 2.0
        self.calls = 0

    def scaled(self, x: Any) -> Any:
        return x * self.scale

    def counted(self, x: Any) -> Any:
        self.calls += 1
        return x * self.scale


def test_an_object_s_attributes() -> None:
    held = Counting()
    run, x = Compiled(Counting.scaled), torch.ones(2)
    for scale in (2.0, 2.0, 3.0, 4.0, 5.0):
        held.scale = scale
        equal(run(held, x), x * scale)
    assert len(run.programs()) == 2, run.reasons


def test_an_object_that_counts() -> None:
    held = Counting()
    run, x = Compiled(Counting.counted), torch.ones(2)
    for k in range(6):
        held.scale = float(k)
        equal(run(held, x), x * k)
        assert held.calls == k + 1


@pytest.mark.parametrize("holder", [[], {}], ids=["list", "dictionary"])
def test_a_container_that_the_call_changes(holder: Any) -> None:
    def keep(x: Any, into: Any) -> Any:
        into.append(len(into)) if isinstance(into, list) else into.update({len(into): 1})
        return x * 2

    run = Compiled(keep)
    for k in range(5):
        equal(run(torch.ones(2), holder), torch.full((2,), 2.0))
        assert len(holder) == k + 1
