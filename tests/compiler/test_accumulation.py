"""Gradients that a program adds to: whichever tensor a parameter has as its ``.grad`` at the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled


def accumulated(compile: Callable[[Any], Any], zero: Callable[[Any], None], steps: int = 24) -> tuple[Any, list[Any]]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def forward_and_backward(x: Any) -> Any:
        loss = model(x).square().mean()
        loss.backward()
        return loss

    run = compile(forward_and_backward)
    seen = []
    for k in range(1, steps + 1):
        x = torch.randn(5, 3)
        before = model[0].weight.grad
        seen.append(run(x).detach())
        assert before is None or model[0].weight.grad is before
        seen += [p.grad.clone() for p in model.parameters()]
        if k % 4 == 0:
            optimizer.step()
            zero(optimizer)
    return run, seen


def exchanged(optimizer: Any) -> None:
    """Other tensors, of which one is no row-major one."""
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.ones(p.shape[::-1]).t() if p.dim() == 2 else torch.zeros(p.shape)


def one_for_two(optimizer: Any) -> None:
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.zeros_like(p)
    optimizer.param_groups[0]["params"][0].grad = torch.zeros(12)[:12].view(4, 3)


@pytest.mark.parametrize(
    "zero",
    [lambda o: o.zero_grad(), lambda o: o.zero_grad(set_to_none=False), exchanged, one_for_two],
    ids=["none", "zero", "others", "view"],
)
def test_a_gradient_that_is_added_to_may_be_another_tensor(zero: Callable[[Any], None]) -> None:
    run, found = accumulated(Compiled, zero)
    _, expected = accumulated(lambda f: f, zero)
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)
    assert not run.reasons
    if zero is not one_for_two:
        assert len(run.programs()) == 2


def test_a_gradient_of_two_parameters_is_added_to_twice() -> None:
    a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)

    def step(x: Any) -> Any:
        loss = (a * x).sum() + (b * x * 2).sum()
        loss.backward()
        return loss

    run = Compiled(step)
    x = torch.arange(3.0)
    for _ in range(3):
        run(x)
    for _ in range(3):
        a.grad = b.grad = torch.zeros(3)
        run(x)
        assert torch.equal(a.grad, 3 * x) and a.grad is b.grad
    a.grad, b.grad = torch.zeros(3), torch.zeros(3)
    run(x)
    assert torch.equal(a.grad, x) and torch.equal(b.grad, 2 * x)


def test_third_derivatives_of_a_square_are_zeros() -> None:
    def third(x: Any) -> Any:
        g = x**2
        for _ in range(3):
            (g,) = torch.autograd.grad(g.sum(), x, create_graph=True)
        return g

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    run = torch.compile(third)
    for _ in range(3):
        assert run(x).tolist() == third(x).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("activation", ["ReLU", "LeakyReLU", "Hardtanh", "Hardshrink", "PReLU"])
def test_second_derivatives_of_piecewise_linear_functions_are_zeros(activation: str) -> None:
    """And no missing gradients, which optimizers pass over: a gradient penalty trains the bias before a rectifier as eager code does."""

    def gradients(wrap: Any) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), getattr(torch.nn, activation)(), torch.nn.Linear(8, 1))

        def penalty(x: Any) -> Any:
            model.zero_grad()
            x = x.detach().requires_grad_()
            (g,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
            ((g.norm(dim=1) - 1) ** 2).mean().backward()
            return [p.grad for p in model.parameters()]

        call = wrap(penalty)
        return [call(torch.randn(5, 4)) for _ in range(3)][-1]

    eager, compiled = gradients(lambda f: f), gradients(torch.compile)
    assert [g is None for g in compiled] == [g is None for g in eager]
    assert eager[1] is not None and not eager[1].any()
    for a, b in zip(eager, compiled, strict=True):
        assert a is None or torch.allclose(a, b, rtol=1e-4, atol=1e-6)
