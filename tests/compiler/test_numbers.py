"""Python numbers that change from call to call: one program, and what an ordinary call gives."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.front import LIMIT, Compiled

S = torch.optim.lr_scheduler
SCHEDULERS = {
    "LambdaLR": lambda o: S.LambdaLR(o, lambda e: 0.95**e),
    "StepLR": lambda o: S.StepLR(o, 3),
    "MultiStepLR": lambda o: S.MultiStepLR(o, [4, 9]),
    "ExponentialLR": lambda o: S.ExponentialLR(o, 0.97),
    "CosineAnnealingLR": lambda o: S.CosineAnnealingLR(o, 50),
    "LinearLR": lambda o: S.LinearLR(o, total_iters=20),
    "PolynomialLR": lambda o: S.PolynomialLR(o, total_iters=60),
    "OneCycleLR": lambda o: S.OneCycleLR(o, max_lr=0.1, total_steps=60),
    "CosineAnnealingWarmRestarts": lambda o: S.CosineAnnealingWarmRestarts(o, 7),
    "CyclicLR": lambda o: S.CyclicLR(o, 0.01, 0.05, step_size_up=5, cycle_momentum=False),
}
OPTIMIZERS = {"SGD": {"momentum": 0.9}, "Adam": {}, "AdamW": {}}


def trained(wrap: Any, optimizer: str, scheduler: str | None) -> Any:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    rule = getattr(torch.optim, optimizer)(model.parameters(), lr=0.05, **OPTIMIZERS[optimizer])
    plan = None if scheduler is None else SCHEDULERS[scheduler](rule)

    def step(x: Any, y: Any) -> Any:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        rule.step()
        rule.zero_grad()
        return loss

    run = wrap(step)
    losses = []
    for _ in range(50):
        losses.append(run(torch.randn(16, 5), torch.randint(3, (16,))).item())
        if plan is not None:
            plan.step()
    return losses, run


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_learning_rates_that_change(optimizer: str, scheduler: str) -> None:
    plain, _ = trained(lambda f: f, optimizer, scheduler)
    losses, run = trained(Compiled, optimizer, scheduler)
    assert 2 <= len(run.programs()) <= 3, run.reasons
    np.testing.assert_allclose(losses, plain, rtol=2e-5, atol=2e-6)


def test_arguments() -> None:
    def function(x: Any, a: float, *, b: Any) -> Any:
        return x * a + b["b"] / (a + 1) - 2**a, (x + b["n"]) // 3

    run = Compiled(function)
    x = torch.randn(4, dtype=torch.float64)
    for k in range(12):
        given = {"b": 3.0 + k, "n": k}
        for got, expected in zip(run(x, k * 0.1, b=given), function(x, k * 0.1, b=given), strict=True):
            assert torch.equal(got, expected)
    assert len(run.programs()) == 2, run.reasons


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int32, torch.uint8])
def test_dtypes_are_those_of_an_ordinary_call(dtype: Any) -> None:
    def function(x: Any, a: float, n: int) -> Any:
        return x * a, a - x, x / n, x + n, x > a, torch.maximum(x, x) * (n * a)

    run = Compiled(function)
    x = torch.tensor([0, 1, 2, 3, 7]).to(dtype)
    for a, n in [(0.1, 3), (1 / 3, 200), (2.7, 5), (-0.7, 77), (1e-3, 9)]:
        for got, expected in zip(run(x, a, n), function(x, a, n), strict=True):
            assert got.dtype is expected.dtype
            assert torch.equal(got, expected), (a, n, got, expected)
    assert len(run.programs()) == 2 or dtype is torch.bfloat16, run.reasons  # whose operations are host calls


scale = 1.0


class Scaled(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = 1.0
        self.limits = (0.0, 1.0)

    def forward(self, x: Any) -> Any:
        low, high = self.limits
        return (x * self.factor + low) * high


def test_numbers_of_the_surroundings() -> None:
    global scale
    module, shift, options = Scaled(), 0.0, {"power": 1.0}

    def function(x: Any) -> Any:
        return (module(x) + shift) * scale + options["power"]

    run = Compiled(function)
    x = torch.randn(4, dtype=torch.float64)
    for k in range(8):
        module.factor, module.limits, shift, scale, options["power"] = 1.0 + k, (k / 7, k + 0.5), k * 0.3, 2.0 - k, 0.1 * k
        assert torch.equal(run(x), function(x))
    assert len(run.programs()) == 2, run.reasons
    assert (type(module.factor), type(module.limits[0]), type(shift), type(scale)) == (float, float, float, float)


def test_a_value_that_python_needs_is_a_constant() -> None:
    def function(x: Any, a: float, n: int) -> Any:
        for _ in range(n):
            x = x * 2
        return x * math.sqrt(a)

    run = Compiled(function)
    x = torch.ones(3)
    for a, n in [(4.0, 1), (9.0, 1), (9.0, 2), (4.0, 1), (9.0, 3)]:
        assert torch.equal(run(x, a, n), function(x, a, n))
    assert len(run.programs()) == 5
    with pytest.warns(UserWarning, match=f"compiled for {LIMIT} kinds"):
        for k in range(10):
            assert torch.equal(run(x, 1.0 + k, 1), function(x, 1.0 + k, 1))


def test_a_comparison_depends_on_its_outcome() -> None:
    def function(x: Any, a: float) -> Any:
        return x * a if a > 0.5 else x - a

    run = Compiled(function)
    x = torch.randn(3)
    for a in (0.6, 0.7, 0.8, 0.1, 0.2, 0.9, 0.3):
        assert torch.equal(run(x, a), function(x, a))
    assert len(run.programs()) == 3


def test_errors_are_those_of_python() -> None:
    def function(x: Any, a: float) -> Any:
        return x * (1 / a)

    run = Compiled(function)
    x = torch.ones(2)
    for a in (1.0, 2.0, 4.0):
        assert torch.equal(run(x, a), function(x, a))
    with pytest.raises(ZeroDivisionError):
        run(x, 0.0)
    assert torch.equal(run(x, 8.0), x / 8)


def test_numbers_are_plain_afterwards() -> None:
    seen = []

    def function(x: Any, a: float) -> Any:
        return x * a, a * 2

    run = Compiled(function)
    for k in range(4):
        seen.append(run(torch.ones(2), 1.0 + k)[1])
    assert seen == [2.0, 4.0, 6.0, 8.0]
    assert all(type(s) is float for s in seen)


def test_gradients_through_numbers() -> None:
    run = Compiled(lambda x, a: (x**2 * a).sum())
    for k in range(5):
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        run(x, 1.0 + k).backward()
        assert torch.equal(x.grad, torch.tensor([2.0, 4.0]) * (1.0 + k))
    assert len(run.programs()) == 2, run.reasons


def test_gradient_clipping_is_part_of_the_program() -> None:
    def after(wrap: Any) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 2)
        rule = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            rule.zero_grad()
            model(x).square().sum().backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            rule.step()
            return norm

        run = wrap(step)
        return [run(torch.randn(3, 4)).item() for _ in range(6)], run

    plain, _ = after(lambda f: f)
    norms, run = after(Compiled)
    assert len(run.programs()) == 2, run.reasons  # the first call finds no gradients
    np.testing.assert_allclose(norms, plain, rtol=1e-5)


def training(returned: Any) -> Any:
    """A training step that gives what ``returned`` makes of the loss; its results under ``wrap``, and the function."""

    def after(wrap: Any) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.2), torch.nn.Linear(3, 1))
        rule = torch.optim.Adam(model.parameters(), lr=0.05)

        def step(x: Any) -> Any:
            loss = model(x).square().mean()
            rule.zero_grad()
            loss.backward()
            rule.step()
            return returned(loss, x)

        run = wrap(step)
        return [run(torch.randn(6, 4)) for _ in range(6)], run

    return after


RETURNED = {
    "item": lambda loss, x: loss.item(),
    "sum of items": lambda loss, x: (loss.item() * 2 + x.sum().item(), -x.abs().max().item() / 3),
    "integer": lambda loss, x: {"count": (x > 0).sum().item(), "total": (x > 0).sum().item() * 3 - 1, "loss": loss},
    "of one element": lambda loss, x: x[:1, :1].item(),
    "into tensors": lambda loss, x: (x.detach() / x.norm().item() + (x > 0).sum().item(), x * (loss.item() + 1)),
}


@pytest.mark.parametrize("name", RETURNED)
def test_numbers_in_tensors_that_are_given_back(name: str) -> None:
    after = training(RETURNED[name])
    plain, _ = after(lambda f: f)
    found, run = after(Compiled)
    assert len(run.programs()) == 2, run.reasons  # the first call finds no gradients
    flat = torch.utils._pytree.tree_leaves
    for a, b in zip(flat(found), flat(plain), strict=True):
        assert type(a) is type(b)
        x, y = [v.detach().numpy() if isinstance(v, torch.Tensor) else v for v in (a, b)]
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * math.exp(x.max().item()),
        lambda x: (x * 1.5, f"{x.sum().item():.3f}"),
        lambda x: x / abs(x.min().item()) ** 0.5,
        lambda x: [x, {x.sum().item()}],
    ],
)
def test_values_that_python_needs(function: Any) -> None:
    run = Compiled(function)
    torch.manual_seed(0)
    for _ in range(5):
        x = torch.randn(4)
        got, expected = run(x), function(x)
        flat = torch.utils._pytree.tree_leaves
        for a, b in zip(flat(got), flat(expected), strict=True):
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
            assert type(a) is type(b)
            assert type(b) is not set or {type(v) for v in a} == {float}
    assert not run.programs()
    assert any("number in a tensor" in why for why, _ in run.reasons), run.reasons


def test_a_number_that_is_kept_elsewhere() -> None:
    kept: list[float] = []

    def function(x: Any) -> Any:
        kept.append(x.sum().item())
        return x * 2

    run = Compiled(function)
    for k in range(5):
        assert torch.equal(run(torch.full((2,), float(k))), torch.full((2,), 2.0 * k))
    assert kept == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert all(type(v) is float for v in kept)


def test_c_code_that_wants_a_float() -> None:
    for function in (lambda x: (x * 2, json.dumps(x.sum().item())), lambda x: (x * 2, str(timedelta(seconds=x.sum().item())))):
        run = Compiled(function)
        for k in range(5):
            x = torch.full((2,), float(k))
            got, expected = run(x), function(x)
            assert torch.equal(got[0], expected[0])
            assert got[1] == expected[1]
    with pytest.raises(TypeError, match="can only concatenate str"):
        Compiled(lambda x: "loss " + x.sum().item())(torch.ones(2))


def test_division_by_zero_is_pythons() -> None:
    run = Compiled(lambda x: x * (1 / x.sum().item()))
    for _ in range(4):
        assert torch.equal(run(torch.ones(2)), torch.ones(2) / 2)
    with pytest.raises(ZeroDivisionError):
        run(torch.zeros(2))


def test_what_a_scheduler_says_is_read_at_every_call() -> None:
    w = torch.nn.Parameter(torch.ones(2))
    rule = torch.optim.SGD([w], lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(rule, 2, 0.5)
    rate = Compiled(lambda x: x * scheduler.get_last_lr()[0])
    epoch = Compiled(lambda x: x * scheduler.last_epoch)
    for k in range(1, 12):
        rule.step()
        scheduler.step()
        assert rate(torch.ones(1)).item() == pytest.approx(0.1 * 0.5 ** (k // 2))
        assert epoch(torch.ones(1)).item() == k
    assert len(rate.programs()) == len(epoch.programs()) == 2


def test_numbers_that_change_are_results() -> None:
    w = torch.nn.Parameter(torch.ones(2))
    rule = torch.optim.SGD([w], lr=0.5)

    def step(x: Any, k: int) -> Any:
        rate = rule.param_groups[0]["lr"]
        loss = (w * x).sum()
        rule.zero_grad()
        loss.backward()
        rule.step()
        scaled = loss.item() * rate
        return {"lr": rate, "next": [k + 1, k / 4], "loss": loss.item(), "scaled": scaled, "twice": x * (scaled + k)}

    run = Compiled(step)
    for k in range(12):
        rate = rule.param_groups[0]["lr"] = 0.5 / (k + 1)
        x = torch.tensor([0.25, 0.5])
        found = run(x, k)
        value = float((w.detach() + rate * x) @ x)
        assert found["lr"] == rate
        assert type(found["next"][0]) is int
        assert found["next"] == [k + 1, k / 4]
        assert found["loss"] == pytest.approx(value)
        assert found["scaled"] == pytest.approx(value * rate)
        np.testing.assert_allclose(found["twice"].numpy(), x.numpy() * (value * rate + k), rtol=1e-5)
    assert len(run.programs()) <= 3, run.reasons


def test_a_number_that_is_computed_and_not_returned() -> None:
    run = Compiled(lambda x, k: (x * (x.sum().item() * k), x.sum().item()))
    for k in (1.0, 2.0, 3.0, 4.0):
        scaled, total = run(torch.ones(2), k)
        assert scaled.tolist() == [2 * k, 2 * k]
        assert total == 2.0
    assert len(run.programs()) == 2


def test_a_list_of_numbers_that_an_object_holds() -> None:
    class Held:
        def __init__(self) -> None:
            self.rates = [1.0, 2.0]

        def scaled(self, x: Any) -> Any:
            return x * self.rates[0] + sum(self.rates), self.rates[-1]

        def grown(self, x: Any) -> Any:
            self.rates.append(self.rates[-1] * 2)
            return x * len(self.rates)

    held = Held()
    run, grown = Compiled(held.scaled), Compiled(held.grown)
    for k in range(12):
        if k % 2:
            held.rates = [k + 1.0, k / 2]
        else:
            held.rates[1] = -float(k)
        found, last = run(torch.ones(2))
        assert found.tolist() == [held.rates[0] + sum(held.rates)] * 2
        assert last == held.rates[-1]
        assert type(last) is float
    assert len(run.programs()) == 2, run.reasons
    for _ in range(5):
        rates = held.rates
        before = [*rates]
        assert grown(torch.ones(1)).tolist() == [len(before) + 1.0]
        assert held.rates is rates
        assert rates == [*before, before[-1] * 2]
