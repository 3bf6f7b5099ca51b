"""Arguments that are neither tensors nor numbers: what they hold is looked at as what a function closes over is."""

from __future__ import annotations

import json
from collections import deque
from functools import partial
from typing import Any

import numpy as np
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


# -- tensors that are part of a graph --------------------------------------------------------------------------------------------


def test_a_graph_that_was_made_uncompiled_is_another_at_every_call() -> None:
    w = torch.ones(3, requires_grad=True)
    run = Compiled(lambda loss: loss.backward())
    for k in range(4):
        w.grad = None
        run((w * w * (k + 1)).sum())
        equal(w.grad, torch.full((3,), 2.0 * (k + 1)))


def test_what_an_argument_was_computed_from_is_not_differentiated_twice() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    run = Compiled(lambda h: (h * w).sum())
    for k in range(1, 5):
        w.grad = None
        run(w * k).backward()
        equal(w.grad, 2.0 * k * w.detach())
    assert run.programs(), run.reasons


def parts(wrap: Any, model: Any, rule: Any) -> Any:
    """A training step in two compiled functions: the second one goes back through the graph of the first."""

    def forward(x: Any, y: Any) -> Any:
        hidden = model(x)
        return (hidden - y).square().mean(), hidden

    def update(loss: Any) -> Any:
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss * 2

    return wrap(forward), wrap(update)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_backward_in_a_function_of_its_own(optimizer: str) -> None:
    def after(wrap: Any) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 2))
        rule = getattr(torch.optim, optimizer)(model.parameters(), lr=0.05)
        forward, update = parts(wrap, model, rule)
        seen = []
        for _ in range(8):
            loss, _ = forward(torch.randn(6, 4), torch.randn(6, 2))
            seen += [loss.item(), update(loss).item()]
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            update(loss)
        return seen, [p.detach().numpy() for p in model.parameters()], (forward, update)

    plain, found = after(lambda f: f), after(Compiled)
    assert np.allclose(plain[0], found[0], rtol=1e-4)
    for a, b in zip(plain[1], found[1], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)
    for run in found[2]:
        assert 1 <= len(run.programs()) <= 2, run.reasons


def test_a_chain_of_functions_is_gone_back_through() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    first, second = Compiled(lambda x: (x * w).sin()), Compiled(lambda h: (h * h * w, h.cos()))
    back = Compiled(lambda a, b: (a.sum() + b.sum()).backward(retain_graph=True))
    for k in range(5):
        grads = []
        for one, two, three in ((first, second, back), (first.function, second.function, back.function)):
            w.grad = None
            a, b = two(one(torch.full((2,), k + 0.5)))
            three(a, b)
            three(a, b)
            grads.append(w.grad)
        assert torch.allclose(*grads)
    assert back.programs(), back.reasons


def test_what_a_graph_has_saved_is_overwritten_between_the_functions() -> None:
    w, v = torch.ones(2, requires_grad=True), torch.full((2,), 3.0)
    forward, update = Compiled(lambda x: (w * v * x).sum()), Compiled(lambda loss: loss.backward())
    for _ in range(4):
        update(forward(torch.ones(2)))
    assert update.programs(), update.reasons
    loss = forward(torch.ones(2))
    v.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        update(loss)
    w.grad = None
    update(forward(torch.ones(2)))
    equal(w.grad, v)


def test_gradients_of_tensors_that_are_not_given() -> None:
    forward, update = Compiled(lambda x: (x * x).sum()), Compiled(lambda loss: loss.backward())
    for k in range(5):
        x = torch.full((2,), k + 1.0, requires_grad=True)
        update(forward(x))
        equal(x.grad, torch.full((2,), 2.0 * (k + 1)))


# -- what else a function may read, or change ----------------------------------------------------------------------------------


class Slotted:
    __slots__ = ("count", "scale")

    def __init__(self) -> None:
        self.count, self.scale = 0, 2.0


class Settings:
    scale = 2.0


def test_attributes_without_a_dictionary() -> None:
    held, recent = Slotted(), deque(maxlen=3)

    def function(x: Any) -> Any:
        held.count += 1
        recent.append(held.count)
        return x * held.scale

    run = Compiled(function)
    for k in range(6):
        held.scale = float(k // 2)
        equal(run(torch.ones(2)), torch.full((2,), float(k // 2)))
        assert held.count == recent[-1] == k + 1


def test_attributes_of_a_class() -> None:
    run = Compiled(lambda x: x * Settings.scale)
    for scale in (2.0, 2.0, 3.0, 2.0):
        Settings.scale = scale
        equal(run(torch.ones(2)), torch.full((2,), scale))
    assert run.programs(), run.reasons


def test_effects_before_what_only_an_array_has_happen_once() -> None:
    kept: list[Any] = []
    table: dict[str, int] = {}
    held = Counting()

    def function(x: Any, mine: list[int]) -> Any:
        kept.append(len(kept))
        table[str(len(table))] = 1
        mine.append(1)
        held.calls += 1
        return json.dumps(x.sum().item())

    run = Compiled(function)
    for k in range(6):
        mine: list[int] = []
        assert run(torch.full((2,), float(k)), mine) == str(2.0 * k)
        assert len(kept) == len(table) == held.calls == k + 1
        assert mine == [1]


def test_which_output_of_an_earlier_call_it_is_counts() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    both = torch.compile(lambda x: ((w * x).sum(), (w * x * 10).sum()))

    def back(*losses: Any) -> Any:
        w.grad = None
        sum(losses).backward(retain_graph=True)
        return w.grad * 1

    run = torch.compile(back)
    for k in range(1, 5):
        x = torch.full((2,), float(k))
        (a, b), (c, d) = both(x), both(x * 2)
        for losses in ((a,), (b,), (a, b), (b, a), (a, d), (c, b), (c, d), (a, c), (b, d)):
            assert run(*losses).tolist() == back(*losses).tolist()
