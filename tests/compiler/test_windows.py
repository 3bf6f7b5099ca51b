"""Arguments that are views: the same program for every part of an array, and one that knows of shared memory where something is written."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled


def test_every_row_of_an_array_is_its_own_argument() -> None:
    base = torch.arange(20.0).reshape(4, 5)
    run = Compiled(lambda x: x * 2 + 1)
    for i in range(4):
        assert torch.equal(run(base[i]), base[i] * 2 + 1)
    for i in range(5):
        assert torch.equal(run(base[:, i]), base[:, i] * 2 + 1)
    for i in range(4):
        assert torch.equal(run(base.t()[i : i + 2]), base.t()[i : i + 2] * 2 + 1)
    assert len(run.programs()) == 3  # [5], [4] with stride 5, [2, 4] with strides 1 and 5


def test_minibatches_of_one_array_train_with_one_program() -> None:
    def trained(wrap: Any) -> Any:
        torch.manual_seed(0)
        x, y = torch.randn(64, 3), torch.randn(64, 2)
        model = torch.nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(a: Any, b: Any) -> Any:
            loss = torch.nn.functional.mse_loss(model(a), b)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        step = wrap(step)
        losses = [step(x[i : i + 16], y[i : i + 16]) for _ in range(4) for i in range(0, 64, 16)]
        return step, losses, list(model.parameters())

    compiled, losses, parameters = trained(Compiled)
    _, expected, theirs = trained(lambda f: f)
    for a, b in zip([*losses, *parameters], [*expected, *theirs], strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert len(compiled.programs()) == 1


def test_a_contiguous_argument_after_a_transposed_one() -> None:
    run = Compiled(lambda x: x * 2 + 1)
    a = torch.arange(15.0).reshape(3, 5)
    b = torch.arange(15.0).reshape(5, 3)
    for x in (a.t(), b, a.t(), b):
        assert torch.equal(run(x), x * 2 + 1)


def test_a_row_is_written_in_its_place() -> None:
    base, expected = torch.arange(20.0).reshape(4, 5), torch.arange(20.0).reshape(4, 5)
    run = Compiled(lambda x: (x.mul_(2), x.sum())[-1])
    for i in (0, 2, 1, 2, 3):
        expected[i] *= 2
        assert run(base[i]) == expected[i].sum()
        assert torch.equal(base, expected)
    for i in (0, 2, 1, 2, 3):
        expected[:, i] *= 2
        assert run(base[:, i]) == expected[:, i].sum()
        assert torch.equal(base, expected)


@pytest.mark.parametrize("order", ["write first", "read first"])
def test_views_of_one_array_see_each_others_writes(order: str) -> None:
    def f(x: Any, y: Any) -> Any:
        before = y * 1 if order == "read first" else 0
        x.add_(1)
        z = y * 10 + before
        y.sub_(x.sum())
        return z + x.sum() + y

    run = Compiled(f)
    places = [
        (slice(0, 3), slice(1, 4)),
        (slice(0, 3), slice(1, 4)),
        (slice(2, 5), slice(0, 3)),
        (slice(0, 3), slice(5, 8)),
        (slice(1, 4), slice(1, 4)),
    ]
    for a, b in places * 2:
        base, expected = torch.arange(8.0), torch.arange(8.0)
        assert torch.equal(run(base[a], base[b]), f(expected[a], expected[b]))
        assert torch.equal(base, expected)
    separate = torch.arange(3.0), torch.ones(3)
    copies = [t.clone() for t in separate]
    assert torch.equal(run(*separate), f(*copies))
    assert all(torch.equal(a, b) for a, b in zip(separate, copies, strict=True))


def test_an_argument_that_becomes_an_alias_of_what_is_written() -> None:
    weight = torch.ones(3)

    def f(x: Any) -> Any:
        weight.add_(1)
        return x * 2

    run = Compiled(f)
    for _ in range(3):
        assert run(torch.ones(3)).tolist() == [2.0] * 3
    assert weight.tolist() == [4.0] * 3
    for k in range(3):
        assert run(weight).tolist() == [2.0 * (5 + k)] * 3
        assert run(weight.view(3, 1)[:, 0]).tolist() == [2.0 * (5 + k) + 2] * 3
        weight.sub_(1)
    assert run(torch.ones(3)).tolist() == [2.0] * 3


def test_parameters_that_get_other_memory() -> None:
    model = torch.nn.Linear(3, 2)
    run = Compiled(lambda x: model(x).sum())
    x = torch.ones(4, 3)
    for _ in range(3):
        run(x)
    model.weight.data = torch.ones(3, 2).t()
    assert torch.allclose(run(x), model(x).sum())
    with torch.no_grad():
        model.weight.data = torch.ones(5, 3)
        model.bias.data = torch.zeros(5)
        assert run(x) == 60


def test_numbers_that_two_tensors_hold_are_written_apart() -> None:
    a = torch.tensor(1.0)
    b = a.clone()
    run = Compiled(lambda: (a.add_(1), b * 1)[-1])
    for k in range(4):
        assert run() == 1
        assert a == 2 + k


@pytest.mark.parametrize("which", ["not aligned", "not contiguous", "of the memory that is written"])
def test_a_call_that_machine_code_does_not_take_draws_its_random_numbers_once(which: str) -> None:
    """The numbers of the next call told: an argument was looked at after they had been drawn."""

    def trained(wrap: Any) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 4)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = torch.nn.functional.dropout(model(x), 0.5).square().sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = wrap(step)
        odd = torch.frombuffer(bytearray(1) + bytearray(torch.ones(4, 4).numpy().tobytes()), dtype=torch.float32, offset=1).reshape(4, 4)
        other = {"not aligned": odd, "not contiguous": torch.ones(4, 4).t(), "of the memory that is written": model.weight.detach()}[which]
        return [step(x) for x in (*[torch.ones(4, 4)] * 4, *[other] * 3, *[torch.ones(4, 4)] * 3)], torch.get_rng_state()

    (eager, state), (compiled, after) = trained(lambda f: f), trained(torch.compile)
    assert torch.equal(state, after)
    assert torch.allclose(torch.stack(eager), torch.stack(compiled))


def test_memory_that_is_seen_in_other_strides() -> None:
    big = torch.arange(24.0).reshape(4, 6)
    seen: list[Any] = [
        (lambda a: a.as_strided((2, 2), (1, 1)) * 1, [big.t(), big.t()[1:3, 1:4], big[:, 1], big[1:3, 2:5], big[0], big]),
        (lambda a: a.as_strided((2, 2), (6, 1)) * 1, [big[0:1], big[1:2, :2], big]),
        (lambda a: a.as_strided((3,), (2,), 1) * 1, [big[2], big[1:, 1:], big]),
        (lambda a: (a * 2).as_strided((2, 2), (1, 2), 1) * 1, [big.t(), big[1:3], big]),
        (lambda a: (a * 2)[1:].as_strided((2, 2), (1, 2)) * 1, [big.t(), big[1:3], big]),
    ]
    for function, arguments in seen:
        run = Compiled(function)
        for a in arguments * 3:
            assert torch.equal(run(a), function(a))
