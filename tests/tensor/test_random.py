"""The public face of the generator; the numbers themselves are held to PyTorch's in test_generator.py."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_numbers_of_pytorch_for_the_same_seed():
    assert repr(torch.rand(2)) == "tensor([0.4963, 0.7682])"
    torch.manual_seed(0)
    assert repr(torch.randn(2)) == "tensor([ 1.5410, -0.2934])"
    torch.manual_seed(0)
    assert torch.randint(10, (5,)).tolist() == [4, 9, 3, 0, 3]
    torch.manual_seed(0)
    assert torch.randperm(4).tolist() == [0, 1, 3, 2]


def test_state_and_generators():
    state = torch.get_rng_state()
    assert state.dtype is torch.uint8 and state.shape == (5056,)
    first = torch.rand(3)
    torch.set_rng_state(state)
    assert torch.equal(first, torch.rand(3))
    g = torch.Generator().manual_seed(0)
    assert torch.equal(torch.rand(3, generator=g), first)
    kept = g.get_state()
    a = torch.randn(5, generator=g)
    g.set_state(kept)
    assert torch.equal(a, torch.randn(5, generator=g))
    assert torch.initial_seed() == 0 and g.initial_seed() == 0
    assert torch.seed() == torch.initial_seed()


def test_fork_rng_leaves_the_generator_alone():
    before = torch.get_rng_state()
    with torch.random.fork_rng():
        torch.rand(5)
    assert torch.equal(before, torch.get_rng_state())


MAKERS = {
    "rand": lambda: torch.rand(2, 3),
    "randn": lambda: torch.randn(size=(2, 3)),
    "randint": lambda: torch.randint(0, 5, (2, 3)),
    "normal": lambda: torch.normal(0.0, 1.0, (2, 3)),
    "normal of tensors": lambda: torch.normal(torch.zeros(2, 3), 1.0),
    "rand_like": lambda: torch.rand_like(torch.empty(2, 3)),
    "randn_like": lambda: torch.randn_like(torch.empty(2, 3)),
    "randint_like": lambda: torch.randint_like(torch.empty(2, 3), 5),
    "bernoulli": lambda: torch.bernoulli(torch.full((2, 3), 0.5)),
    "poisson": lambda: torch.poisson(torch.ones(2, 3)),
    "uniform_": lambda: torch.empty(2, 3).uniform_(),
    "normal_": lambda: torch.empty(2, 3).normal_(),
    "exponential_": lambda: torch.empty(2, 3).exponential_(),
    "random_": lambda: torch.empty(2, 3).random_(9),
    "bernoulli_": lambda: torch.empty(2, 3).bernoulli_(0.3),
    "bernoulli_ of tensors": lambda: torch.empty(2, 3).bernoulli_(torch.full((3,), 0.4)),
    "geometric_": lambda: torch.empty(2, 3).geometric_(0.3),
    "cauchy_": lambda: torch.empty(2, 3).cauchy_(),
    "log_normal_": lambda: torch.empty(2, 3).log_normal_(),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_seed_decides_everything(make):
    torch.manual_seed(7)
    a = make()
    b = make()
    torch.manual_seed(7)
    assert a.shape == (2, 3) and torch.equal(a, make())
    assert not torch.equal(a, b) or a.dtype is torch.int64


def test_moments():
    x = torch.empty(20000).uniform_(-1, 3)
    assert abs(x.mean().item() - 1) < 0.05 and x.min() >= -1 and x.max() < 3
    assert abs(torch.empty(20000).normal_(2, 3).std().item() - 3) < 0.1
    counts = np.bincount(torch.multinomial(torch.tensor([1.0, 3.0]), 4000, replacement=True).numpy())
    assert abs(counts[1] / 4000 - 0.75) < 0.04


def test_strided_tensors_are_filled_in_the_order_of_memory():
    x = torch.empty(3, 4).t().uniform_()
    torch.manual_seed(0)
    assert torch.equal(x.t(), torch.rand(3, 4))


def test_requires_grad_and_errors():
    assert torch.rand(2, requires_grad=True).requires_grad
    with pytest.raises(RuntimeError, match="random_ expects 'from' to be less than 'to', but got from=5 >= to=2"):
        torch.randint(5, 2, (3,))
    with pytest.raises(RuntimeError, match="cannot sample n_sample > prob_dist.size"):
        torch.multinomial(torch.ones(3), 5)
    with pytest.raises(NotImplementedError):
        torch.rand(3, dtype=torch.int64)
    with pytest.raises(TypeError, match="randint"):
        torch.randint(3)


def test_randomness_of_vmap():
    x = torch.zeros(4)
    same = torch.func.vmap(lambda t: t + torch.rand(2), randomness="same")(x)
    assert torch.equal(same[0], same[1])
    programs = (
        lambda t: t + torch.rand(2),
        lambda t: torch.randn_like(t),
        lambda t: torch.bernoulli(t + 0.5),
        lambda t: torch.zeros_like(t).uniform_(),
    )
    for f in programs:
        torch.manual_seed(0)
        different = torch.func.vmap(f, randomness="different")(x)
        assert different.shape[0] == 4 and not torch.equal(different[0], different[1])
        with pytest.raises(RuntimeError, match="called random operation while in randomness error mode"):
            torch.func.vmap(f)(x)
    with pytest.raises(RuntimeError, match="Cannot ask for different inplace randomness on an unbatched tensor"):
        torch.func.vmap(lambda t: torch.empty(3).uniform_() + t, randomness="different")(x)


def test_normal_numbers_like_a_part_of_a_tensor_are_those_of_a_contiguous_one():
    x = torch.arange(96.0).view(6, 16)
    torch.manual_seed(2)
    expected = torch.randn(6, 4)
    torch.manual_seed(2)
    assert torch.equal(torch.randn_like(x[:, :4]), expected)
    torch.manual_seed(2)
    assert not torch.equal(x[:, :4].normal_(), expected)  # PyTorch fills what has gaps number by number
