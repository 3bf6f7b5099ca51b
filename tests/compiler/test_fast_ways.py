"""The fast function of a function whose branches go by values: every way of it, and nothing happens where it gives up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import chainrule as torch
from chainrule.compiler.front import Compiled
from tests.compiler.test_fast import Counted

F = torch.nn.functional


def agree(a: Any, b: Any) -> None:
    if isinstance(a, torch.Tensor):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-4, atol=1e-6)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            agree(x, y)
    else:
        assert b == pytest.approx(a, rel=1e-4)


def quick(run: Counted, inputs: list[tuple[Any, ...]]) -> None:
    """From the third time on no call goes the long way."""
    for x in inputs * 2:
        run(*x)
    run.long = 0
    for x in inputs:
        run(*x)
    assert run.long == 0


def clipping(model: Any, rule: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        loss = F.mse_loss(model(x), y)
        rule.zero_grad()
        loss.backward()
        norm = sum(p.grad.square().sum() for p in model.parameters()).sqrt()
        if norm > 1:
            for p in model.parameters():
                p.grad.mul_(1 / norm)
        if not norm.isfinite():
            return norm
        rule.step()
        return loss.detach()

    return step


def skipping(model: Any, rule: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        loss = F.mse_loss(F.dropout(model(x), 0.3), y)
        if loss < 1:
            x.add_(torch.rand(x.shape))
            return loss.detach() + torch.randn(())
        loss.backward()
        rule.step()
        rule.zero_grad()
        return loss.detach()

    return step


def converging(model: Any, rule: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        rounds = 0
        while (loss := F.mse_loss(model(x), y)) > 1.5 and rounds < 5:
            rule.zero_grad()
            loss.backward()
            rule.step()
            rounds += 1
        return loss.detach(), rounds

    return step


@pytest.mark.parametrize("make", [clipping, skipping, converging], ids=lambda f: f.__name__)
@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_steps_with_branches(make: Any, rule: str) -> None:
    def after(wrap: Any) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 2)
        run = wrap(make(model, getattr(torch.optim, rule)(model.parameters(), lr=0.05)))
        found = []
        for k in range(40):
            x, y = torch.randn(6, 4), torch.randn(6, 2) * (0.2 + k % 4)
            found.append((run(x, y), x))
        return [found, [*model.parameters()], torch.rand(2)], run

    (expected, _), (found, run) = after(lambda f: f), after(Counted)
    agree(expected, found)
    assert run.programs()
    assert run.long < 30


def test_all_ways_are_quick() -> None:
    def sorted_out(x: Any) -> Any:
        n = (x > 1).sum().item()
        if x.sum() > 3:
            return x[: n + 1] * 2
        return x - n if n else x.exp()

    xs = [(torch.tensor(v),) for v in ([0.0, 0.5], [2.0, 0.0], [2.0, 2.5], [-1.0, 3.0], [0.5, -3.0])]
    run = Counted(sorted_out)
    quick(run, xs)
    for (x,) in xs:
        agree(sorted_out(x), run(x))


def test_where_the_fast_function_gives_up_nothing_is_drawn() -> None:
    def noisy(x: Any) -> Any:
        noise = torch.rand(2)
        if (x + noise).sum() > 2:
            return x * noise
        return x[: (x > 0).sum()] + torch.randn(1)

    def after(wrap: Any) -> Any:
        torch.manual_seed(3)
        run = wrap(noisy)
        return [
            run(torch.tensor(v))
            for v in ([1.0, 2.0], [0.5, -1.0], [1.0, 2.0], [0.5, -1.0], [0.2, 0.1], [0.2, 0.1], [-1.0, -1.0], [0.2, 0.1])
        ]

    agree(after(lambda f: f), after(Compiled))


def test_an_index_that_only_another_way_would_take() -> None:
    table = torch.arange(4.0)

    def looked_up(x: Any, i: Any) -> Any:
        if i.max() < 4:
            return table[i] + x if table[i].sum() > 2 else x
        return x * 2

    run = Counted(looked_up)
    calls = [(torch.ones(2), torch.tensor(i)) for i in ([0, 3], [1, 0], [7, 1])]
    quick(run, calls)
    for x in calls:
        agree(looked_up(*x), run(*x))


def test_numbers_that_change_and_a_branch() -> None:
    w = torch.nn.Parameter(torch.ones(3))
    rule = torch.optim.SGD([w], lr=0.1)
    twin = torch.nn.Parameter(torch.ones(3))
    other = torch.optim.SGD([twin], lr=0.1)

    def step_of(w: Any, rule: Any) -> Any:
        def step(x: Any) -> Any:
            loss = (w * x).square().sum()
            rule.zero_grad()
            loss.backward()
            if loss > 2:
                rule.step()
            return loss.detach()

        return step

    run, plain = Counted(step_of(w, rule)), step_of(twin, other)
    for k in range(30):
        if k == 20:
            run.long = 0
        for group in (*rule.param_groups, *other.param_groups):
            group["lr"] = 0.1 / (k + 1)
        x = torch.full((3,), 0.5 + k % 3)
        agree(plain(x), run(x))
    assert run.long == 0
    agree(twin, w)


def test_results_with_a_history_through_branches() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))

    def value(x: Any) -> Any:
        y = (w * x).exp()
        return y.log() * y if y.sum() > 3 else y.square()

    run = Counted(value)
    xs = [(torch.tensor(v),) for v in ([1.0, 0.0], [0.1, 1.0], [2.0, -1.0])]
    quick(run, xs)
    for (x,) in xs:
        found = [torch.autograd.grad(f(x).sum(), w)[0] for f in (value, run)]
        agree(*found)


def test_memory_that_is_exchanged_and_gradients_that_are_gone() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

    def step(x: Any) -> Any:
        loss = (w * x).sum()
        if loss > 0:
            loss.backward()
            return w.grad * 1
        return w * 1

    run = Compiled(step)
    total = np.zeros(2, np.float32)
    for k in range(24):
        if k % 5 == 0:
            w.data = torch.tensor([1.0, 2.0]) * (k + 1)
        if k % 7 == 0:
            w.grad, total = None, np.zeros(2, np.float32)
        x = torch.tensor([1.0, 0.5]) * (-1) ** (k % 3)
        found = run(x)
        if k % 3 != 1:
            total += x.numpy()
            np.testing.assert_allclose(found.numpy(), total)
        else:
            np.testing.assert_allclose(found.detach().numpy(), w.detach().numpy())


# -- back through the graphs of other calls --------------------------------------------------------------------------------------


def in_two(model: Any, rule: Any) -> tuple[Any, Any]:
    def forward(x: Any, y: Any) -> Any:
        hidden = model(x)
        return F.mse_loss(hidden, y), hidden

    def update(loss: Any) -> Any:
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss.detach() * 2

    return forward, update


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_back_through_another_call_is_quick(optimizer: str) -> None:
    def after(wrap: Any) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
        rule = getattr(torch.optim, optimizer)(model.parameters(), lr=0.05)
        forward, update = map(wrap, in_two(model, rule))
        found = []
        for k in range(16):
            if k == 8 and wrap is Counted:
                forward.long = update.long = 0
            loss, hidden = forward(torch.randn(6, 4), torch.randn(6, 2))
            found += [hidden, update(loss)]
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            update(loss)
        return [found, [*model.parameters()]], (forward, update)

    (expected, _), (found, runs) = after(lambda f: f), after(Counted)
    agree(expected, found)
    assert [run.long for run in runs] == [0, 1]


def test_what_is_looked_at_in_another_call_s_graph() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    scale = torch.tensor([3.0, 4.0])
    forward, back = Counted(lambda x: (w * scale * x).sum()), Counted(lambda loss: loss.backward())

    def gradient(loss: Any) -> list[float]:
        w.grad = None
        back(loss)
        return w.grad.tolist()

    for _ in range(4):
        assert gradient(forward(torch.ones(2))) == [3.0, 4.0]
    back.long = 0
    assert gradient(forward(torch.full((2,), 2.0))) == [6.0, 8.0]
    assert back.long == 0
    loss = forward(torch.ones(2))
    scale.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        back(loss)
    assert gradient(forward(torch.ones(2))) == [4.0, 5.0]
    loss = forward(torch.ones(2))
    loss.grad_fn.register_prehook(lambda g: (g[0] * 10,))
    assert gradient(loss) == [40.0, 50.0]
    assert gradient((w * 7).sum()) == [7.0, 7.0]
    handle = w.register_hook(lambda g: g * 2)
    assert gradient(forward(torch.ones(2))) == [8.0, 10.0]
    handle.remove()
    assert gradient(forward(torch.ones(2))) == [4.0, 5.0]


def test_a_graph_and_a_branch() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    forward = Counted(lambda x: ((w * x).square().sum(), (w * x).sum()))

    def some(a: Any, b: Any) -> Any:
        w.grad = None
        if b > 1:
            a.backward()
            return w.grad * 1
        b.backward()
        return w.grad * 3

    run = Counted(some)
    xs = [torch.tensor(v) for v in ([1.0, 2.0], [0.1, 0.2], [-1.0, 0.5], [3.0, 0.0])]
    for _ in range(5):
        run.long = 0
        for x in xs:
            agree(some(*forward(x)), run(*forward(x)))
    assert run.long == 0


def test_ways_whose_results_have_different_histories() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))

    def some(x: Any) -> Any:
        y = w * x
        if y.sum() > 0:
            return y, x.sum()
        return y, y * 2

    run = Counted(some)
    xs = [(torch.tensor(v),) for v in ([1.0, 0.0, 1.0], [1.0, 2.0, 0.0])]
    quick(run, xs)
    for (x,) in xs * 2:
        agree(*[torch.autograd.grad(sum(r.sum() for r in f(x)), w)[0] for f in (some, run)])


def test_numbers_that_only_some_ways_use_before_they_branch() -> None:
    def some(x: Any, k: float) -> Any:
        if x.sum() > 0:
            return x + 1
        y = x * k
        if y.sum() > -4:
            return y * 2
        return y - k

    for wrap in (Counted, Compiled):
        run = wrap(some)
        for k in range(24):
            x = torch.tensor([1.0, -2.0]) * [0.5, 9, -1][k % 3]
            agree(some(x, k / 8), run(x, k / 8))
        if isinstance(run, Counted):
            run.long = 0
            agree(some(torch.tensor([1.0, -2.0]), 0.5), run(torch.tensor([1.0, -2.0]), 0.5))
            assert run.long == 0
        assert len(run.programs()) <= 5
