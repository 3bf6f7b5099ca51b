"""Python branches on values: a program for each way it goes, and the effects of one way only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.capture.staged import WAYS, Fork
from chainrule.compiler.front import Compiled, Split


def both(function: Any, inputs: Any, programs: int) -> Any:
    """The function compiled, compared with itself at every input."""
    run = Compiled(function)
    for x in inputs:
        got, expected = run(x), function(x)
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-6)
    assert len(run.programs()) == programs, run.reasons
    return run


def halved(x: Any) -> Any:
    y = x * 3
    if y.sum() > 0:
        return y / 2
    return y - 1


SIGNS = [torch.tensor([s * 1.0, s * 2.0]) for s in (1, -1, 1, 1, -1, -1, 1)]


def test_both_ways() -> None:
    run = both(halved, SIGNS, 2)
    ((why, line),) = run.splits
    assert why == "Python branches on a tensor"
    assert __file__ in line


def test_a_number_is_compared() -> None:
    both(lambda x: x * 2 if x.sum().item() > 0 else x.abs() + x.max().item(), SIGNS, 2)


def test_nested_branches_and_loops() -> None:
    def nested(x: Any) -> Any:
        if x.sum() > 0:
            return x * 2 if x.max().item() > 1.5 else x * 3
        while x.sum() < 0:
            x = x + 1
        return x

    both(nested, [*SIGNS, torch.tensor([0.5, 0.1]), torch.tensor([-0.5, 0.1]), *SIGNS], 4)


def test_a_number_of_elements() -> None:
    xs = [torch.tensor([1.0, -1.0, 2.0]), torch.tensor([1.0, -1.0, -2.0]), torch.tensor([3.0, -1.0, 2.0])]
    both(lambda x: x[: (x > 0).sum().item()] * 2, xs, 2)
    both(lambda x: x * int((x > 0).sum()), xs, 2)
    both(lambda x: x[(x > 0).sum() - 1] + len(range((x > 0).sum())), xs, 2)
    both(lambda x: x if (x > 1).any().item() else -x, xs, 2)


def test_too_many_ways() -> None:
    run = Compiled(lambda x: x[: x.sum().int().item()] + 1)
    xs = [torch.tensor([1.0] * k + [0.0] * (24 - k)) for k in range(1, WAYS + 4)]
    with pytest.warns(UserWarning, match=f"compiled for {WAYS} ways of its branches"):
        for x in [*xs, *xs]:
            assert torch.equal(run(x), x[: int(x.sum())] + 1)


def trained(wrap: Any, loss_of: Any) -> Any:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))
    rule = torch.optim.Adam(model.parameters(), lr=0.05)
    run = wrap(loss_of(model, rule))
    losses = [run(torch.randn(6, 4)) for _ in range(14)]
    return [float(v) for v in losses], [p.detach().numpy() for p in model.parameters()], torch.randn(3).numpy(), run


def skipping(model: Any, rule: Any) -> Any:
    def step(x: Any) -> Any:
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        rule.zero_grad()
        if loss > 3:  # a step that is left out, and noise in its place
            x.add_(torch.rand(6, 4))
            return loss.detach() + torch.randn(())
        loss.backward()
        rule.step()
        return loss.detach()

    return step


def test_effects_and_random_numbers_are_those_of_the_way_taken() -> None:
    plain, found = trained(lambda f: f, skipping), trained(Compiled, skipping)
    assert len(found[3].programs()) >= 2, found[3].reasons
    assert len({v > 3 for v in plain[0]}) == 2
    np.testing.assert_allclose(found[0], plain[0], rtol=2e-4)
    for a, b in zip(found[1], plain[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    assert np.array_equal(found[2], plain[2])


def test_another_generator_is_not_drawn_from_in_vain() -> None:
    def after(wrap: Any) -> Any:
        g = torch.Generator().manual_seed(3)

        def noisy(x: Any) -> Any:
            noise = torch.rand(2, generator=g)
            return x + noise if (x + noise).sum() > 0 else x * noise

        run = wrap(noisy)
        return [run(x) for x in SIGNS]

    for a, b in zip(after(Compiled), after(lambda f: f), strict=True):
        assert torch.equal(a, b)


def test_gradients_through_branches() -> None:
    run = Compiled(halved)
    for x in SIGNS:
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        (run(a) ** 2).sum().backward()
        (halved(b) ** 2).sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-6)
    assert len(run.programs()) == 2, run.reasons


def test_one_program_is_asked_for() -> None:
    run = Compiled(halved, fullgraph=True)
    with pytest.raises(Split, match="Python branches on a tensor, at .*test_branches.py"):
        for x in SIGNS:
            run(x)


def stages(run: Compiled) -> tuple[int, int]:
    """How many forks the trees of a function have, and how many trees."""
    roots = [k.form.root for among in run.kept.values() for k in among]
    forks = list(roots)
    for fork in forks:
        forks += [child for child in fork.children.values() if isinstance(child, Fork)]
    return len(forks), len(roots)


def test_ways_share_what_they_begin_with() -> None:
    assert stages(both(halved, SIGNS, 2)) == (1, 1)

    def counted(x: Any) -> Any:
        n = 0
        while x.abs().max() > 1:
            x = x / 2
            n += 1
        return x + n

    xs = [torch.tensor([1.5, -0.5]) * k for k in (4, 0.1, 1, 9, 30, 2, 17)]
    run = both(counted, [*xs, *xs], 7)
    assert stages(run) == (7, 1)  # one for each further round
    deep = [torch.tensor([1.5, -0.5]) * k for k in (30, 17, 9, 4, 2, 1, 0.1)]  # each leaves in the middle of what is there
    assert stages(both(counted, [*deep, *deep], 7)) == (7, 1)


def test_a_second_branch_in_each_way() -> None:
    def sorted_out(x: Any) -> Any:
        y = x * 3
        if y.sum() > 0:
            z = y.exp()
            return z / 2 if z.max() > 10 else z - y
        z = y.cos()
        return z + y if z.max() > 0.5 else z * y

    xs = [torch.tensor([s, 0.6 * s]) for s in (1.0, 0.1, -0.1, -1.0, -0.2, 0.3, -1.0)]
    assert stages(both(sorted_out, [*xs, *xs], 4)) == (3, 1)


def test_loops_beyond_all_bounds_are_cut() -> None:
    def counted(x: Any) -> Any:
        while x.abs().max() > 1:
            x = x - 1
        return x * 2

    run = Compiled(counted)
    for _ in range(3):
        for k in (1, 40, 3, 2, 25, *range(2, 60, 3)):
            x = torch.tensor([0.25, 0.5]) + k
            assert torch.equal(run(x), counted(x))
    assert run.parts is not None
    assert len(run.programs()) > 2


def test_a_function_of_too_many_ways_is_cut() -> None:
    def taken(x: Any) -> Any:
        y = x * 2
        n = len(range(int(y.sum())))
        return (x + n).cos() * 2

    run = Compiled(taken)
    for _ in range(2):
        for k in range(WAYS + 6):
            x = torch.tensor([0.5, 0.5 * k])
            np.testing.assert_allclose(run(x).numpy(), taken(x).numpy(), rtol=1e-5)
    assert run.parts is not None


def test_a_branch_on_a_number_that_changes_and_one_on_a_value() -> None:
    def scaled(x: Any, k: float) -> Any:
        y = x * k
        if y.sum() > 1:
            return y / k if k > 2 else y - 1
        return y + k

    run = Compiled(scaled)
    for k in [0.5, 1.5, 2.5, 3.5, 0.25, 2.75, 1.25] * 2:
        for x in SIGNS[:2]:
            np.testing.assert_allclose(run(x, k).numpy(), scaled(x, k).numpy(), rtol=1e-6)
    assert len(run.programs()) <= 6


def test_gradients_that_come_and_go_between_calls() -> None:
    def after(wrap: Any) -> Any:
        w = torch.tensor([1.0, 2.0], requires_grad=True)

        def step(x: Any) -> Any:
            loss = (w * x).square().sum()
            if loss > 4:
                loss.backward()
            return loss.detach()

        run = wrap(step)
        found = []
        for k in range(16):
            if k % 3 == 0:
                w.grad = None
            found.append((run(torch.tensor([0.5, 0.25 * (k % 5)])).item(), None if w.grad is None else w.grad.tolist()))
        return found

    assert after(Compiled) == after(lambda f: f)
