"""Optimizers and schedules against recorded values of PyTorch's, and what needs no values to compare with."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import chainrule as torch
from chainrule import nn, optim

from . import programs

EXPECTED = json.loads(Path(__file__).with_name("steps.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("key", programs.OPTIMIZERS)
def test_steps(key: str) -> None:
    assert programs.steps(torch, *programs.OPTIMIZERS[key]) == pytest.approx(EXPECTED["steps"][key], rel=1e-8, abs=1e-12)


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("key", programs.SCHEDULES)
def test_rates(key: str) -> None:
    for epoch, (got, want) in enumerate(zip(programs.rates(torch, programs.SCHEDULES[key]), EXPECTED["rates"][key], strict=True)):
        assert got == pytest.approx(want, rel=1e-12, abs=1e-15), epoch


def unrolled(name: str, w: Any, kwargs: dict[str, Any]) -> Any:
    """Three recorded steps from ``w``."""
    p = w.clone()
    optimizer = getattr(optim, name)([p], differentiable=True, **kwargs)
    for _ in range(3):
        p.grad = torch.autograd.grad((p.clone() ** 3).sum(), p, create_graph=True)[0]
        optimizer.step()
    return p.sum()


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("SGD", {"lr": 0.02}), ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.1, "eps": 1.0}),
        ("AdamW", {"lr": 0.1, "eps": 1.0, "amsgrad": True}), ("RMSprop", {"lr": 0.1, "eps": 1.0, "momentum": 0.5}),
        ("Adagrad", {"lr": 0.1, "eps": 1.0}), ("Adadelta", {"lr": 1.0, "eps": 0.1}), ("Adamax", {"lr": 0.1, "eps": 1.0}),
        ("NAdam", {"lr": 0.1, "eps": 1.0}), ("RAdam", {"lr": 0.1, "eps": 1.0}), ("ASGD", {"lr": 0.02}),
    ],
)  # fmt: skip
def test_a_step_is_differentiable(name: str, kwargs: dict[str, Any]) -> None:
    w = torch.tensor([0.7, 1.2], dtype=torch.float64, requires_grad=True)
    unrolled(name, w, kwargs).backward()
    h = 1e-6
    for i in range(2):
        e = torch.zeros(2, dtype=torch.float64)
        e[i] = h
        up, down = (unrolled(name, (w + d).detach().requires_grad_(), kwargs).item() for d in (e, -e))
        assert w.grad[i].item() == pytest.approx((up - down) / (2 * h), rel=1e-5)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"])
def test_state_continues_where_it_was(name: str) -> None:
    def start() -> tuple[Any, Any]:
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)
        return layer, getattr(optim, name)(layer.parameters(), lr=0.02)

    def run(layer: Any, optimizer: Any, n: int) -> None:
        for _ in range(n):
            optimizer.zero_grad()
            (layer(torch.ones(2, 3)) ** 2).sum().backward()
            optimizer.step()

    layer, optimizer = start()
    run(layer, optimizer, 4)
    saved, weights = pickle.loads(pickle.dumps(optimizer.state_dict())), copy.deepcopy(layer.state_dict())
    run(layer, optimizer, 4)
    other, second = start()
    other.load_state_dict(weights)
    second.load_state_dict(saved)
    run(other, second, 4)
    assert torch.equal(layer.weight, other.weight)


def test_repr() -> None:
    text = repr(optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1))
    assert text == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n    lr: 0.1\n"
        "    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "optimizer got an empty parameter list"),
        (
            torch.ones(1), TypeError,
            "params argument given to the optimizer should be an iterable of Tensors or dicts, but got torch.FloatTensor",
        ),
        ([3], TypeError, "optimizer can only optimize Tensors, but one of the params is int"),
        ([torch.ones(1, requires_grad=True) * 2], ValueError, "can't optimize a non-leaf Tensor"),
        (
            [("a", torch.ones(1)), torch.ones(1)], ValueError,
            "all optimizer params should be with/without names. Some param names are missing",
        ),
    ],
)  # fmt: skip
def test_refused_parameters(params: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as found:
        optim.SGD(params, lr=0.1)
    assert str(found.value) == message


def test_hooks_around_an_own_step() -> None:
    class Plain(optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"lr": 0.5})

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad, alpha=-group["lr"])

    p = nn.Parameter(torch.ones(1))
    optimizer = Plain([p])
    seen: list[str] = []
    optimizer.register_step_pre_hook(lambda *a: seen.append("before"))
    optimizer.register_step_post_hook(lambda *a: seen.append("after"))
    p.grad = torch.ones(1)
    optimizer.step()
    assert seen == ["before", "after"]
    assert p.item() == 0.5


def test_a_step_makes_saved_values_stale() -> None:
    p = nn.Parameter(torch.ones(2))
    loss = (p * p).sum()
    p.grad = torch.ones(2)
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*overwritten by SGD.step"):
        loss.backward()


def test_plateau() -> None:
    optimizer = optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.2)
    rates = []
    for metric in [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0]:
        schedule.step(metric)
        rates.append(schedule.get_last_lr()[0])
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]


def test_order_of_steps_is_watched() -> None:
    schedule = optim.lr_scheduler.StepLR(optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0), 2)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        schedule.step()


def test_schedule_state_continues() -> None:
    def start() -> tuple[Any, Any]:
        optimizer = optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
        return optimizer, optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    optimizer, schedule = start()
    for _ in range(3):
        optimizer.step()
        schedule.step()
    second_optimizer, second = start()
    second_optimizer.load_state_dict(optimizer.state_dict())
    second.load_state_dict(schedule.state_dict())
    second_optimizer.step()
    second.step()
    assert second.get_last_lr() == [0.0625]
