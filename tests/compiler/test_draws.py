"""Random numbers whose distribution, or whose number, a compiled function computes: those of the uncompiled one, in the same order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled
from chainrule.compiler.program.execute import prepare

F = torch.nn.functional
X = torch.linspace(-1, 1, 12).reshape(3, 4)


def rewarded(x: Any) -> Any:
    """A policy's gradient with the action that was drawn from it."""
    weight = (x * 0.5).detach().requires_grad_()
    scores = torch.log_softmax(x @ weight.T, -1)
    action = torch.multinomial(scores.exp(), 1)
    loss = -(scores.gather(1, action) * x.sum()).mean()
    loss.backward()
    return action, weight.grad


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "rrelu": lambda x: F.rrelu(x, training=True),
    "rrelu in place": lambda x: F.rrelu_(x.clone(), training=True),
    "rrelu between others": lambda x: (torch.rand(3), F.rrelu(x, training=True), torch.randn(2), F.dropout(x, 0.5), torch.randperm(5)),
    "two": lambda x: (F.rrelu(x, training=True), F.rrelu(-x, training=True)),
    "not used": lambda x: (F.rrelu(x, training=True), x + 1)[1],
    "transposed": lambda x: F.rrelu(x.T * 2, training=True),
    "bernoulli": lambda x: torch.bernoulli(x.sigmoid()),
    "bernoulli, transposed": lambda x: torch.bernoulli((x.T * 2).sigmoid()),
    "bernoulli of another dtype": lambda x: torch.zeros(3, 4, dtype=torch.int64).bernoulli_(x[0].sigmoid()),
    "multinomial": lambda x: torch.multinomial(x.exp(), 2),
    "multinomial of a row": lambda x: torch.multinomial(x[0].softmax(0), 5, replacement=True),
    "poisson": lambda x: torch.poisson(x.exp()),
    "normal of tensors": lambda x: torch.normal(x, x.exp()),
    "normal that broadcasts": lambda x: torch.normal(x[:, :1], x[0].exp()),
    "normal of a mean": lambda x: torch.normal(x * 2, 0.5),
    "normal of a deviation": lambda x: torch.normal(1.0, x.exp()),
    "binomial": lambda x: torch.binomial(torch.full((3, 4), 7.0), x.sigmoid()),
    "noise behind": lambda x: torch.randn_like(torch.bernoulli(x.sigmoid())) + torch.zeros(3, 4).uniform_(),
    "policy": rewarded,
    "gradient": lambda x: torch.func.grad(lambda v: F.rrelu(v, training=True).square().sum())(x),
    "vmap": lambda x: torch.func.vmap(lambda v: torch.bernoulli(v.sigmoid()), randomness="different")(x),
}


def agree(got: Any, want: Any) -> None:
    if isinstance(want, tuple):
        for g, w in zip(got, want, strict=True):
            agree(g, w)
        return
    assert got.dtype == want.dtype and torch.equal(got.isnan(), want.isnan())
    assert torch.allclose(got, want, rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_draws(name: str, native: bool) -> None:
    function = FUNCTIONS[name]
    compiled = Compiled(function, engine=None if native else prepare)
    for seed in range(4):
        x = X * (seed + 1)
        torch.manual_seed(seed)
        want, after = function(x), torch.rand(3)
        torch.manual_seed(seed)
        got = compiled(x)
        agree((got, torch.rand(3)), (want, after))
    assert len(compiled.programs()) == 1, compiled.reasons


def test_a_branch_on_what_was_drawn() -> None:
    def function(x: Any) -> Any:
        coin = torch.bernoulli(x.sigmoid())
        return torch.rand(5) + coin if coin.sum() > 2 else torch.rand(3)

    compiled = Compiled(function)
    for seed in range(12):
        x = torch.full((5,), 0.3)
        torch.manual_seed(seed)
        want, after = function(x), torch.rand(3)
        torch.manual_seed(seed)
        got = compiled(x)
        agree((got, torch.rand(3)), (want, after))


def test_a_branch_before_what_is_drawn() -> None:
    def function(x: Any) -> Any:
        y = torch.rand(2)
        return torch.bernoulli(x.sigmoid()) + y if x.sum() > 0 else torch.poisson(x.exp()) - y

    compiled = Compiled(function)
    for seed in range(12):
        x = torch.linspace(-1, 1, 2) + (seed % 3 - 1) * 0.3
        torch.manual_seed(seed)
        want, after = function(x), torch.rand(3)
        torch.manual_seed(seed)
        got = compiled(x)
        agree((got, torch.rand(3)), (want, after))
    assert compiled.programs()


def test_the_state_is_read_behind_what_the_program_draws() -> None:
    states: list[Any] = []

    def function(x: Any) -> Any:
        y = F.rrelu(x, training=True)
        states.append(torch.get_rng_state())
        return y + torch.rand(4)

    compiled = Compiled(function)
    for seed in range(4):
        torch.manual_seed(seed)
        want, after = function(X), torch.rand(3)
        torch.manual_seed(seed)
        agree((compiled(X), torch.rand(3)), (want, after))
        assert torch.equal(*states[-2:])


def test_a_generator_of_ones_own() -> None:
    mine = torch.Generator()
    function = lambda x: torch.rand(3, generator=mine) + torch.bernoulli(x.sigmoid(), generator=mine) + torch.rand(3, generator=mine)
    compiled = Compiled(function)
    for seed in range(4):
        mine.manual_seed(seed)
        want = function(X[0, :3])
        mine.manual_seed(seed)
        agree(compiled(X[0, :3]), want)


def test_what_is_no_distribution() -> None:
    compiled = Compiled(lambda x: torch.bernoulli(x * 2))
    for x in (torch.full((3,), 0.25), torch.ones(3), torch.full((3,), 0.4)):
        torch.manual_seed(0)
        if x[0] == 1:
            with pytest.raises(RuntimeError, match="p_in"):
                compiled(x)
        else:
            want = torch.bernoulli(x * 2)
            torch.manual_seed(0)
            agree(compiled(x), want)


def test_the_report_draws_nothing() -> None:
    noisy = torch.compile(lambda x: F.rrelu(x, training=True) + torch.rand(4))
    noisy(X)
    before = torch.get_rng_state()
    torch.explain_compile(noisy, X, profile=True)
    assert torch.equal(torch.get_rng_state(), before)
