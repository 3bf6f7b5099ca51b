"""Hooks that are put on leaves when a function has been compiled: they are called, as long as they are there."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled


def doubled(g: Any) -> Any:
    return g * 2


def on_the_node(w: Any) -> Any:
    return w.view_as(w).grad_fn.next_functions[0][0].register_prehook(lambda g: (g[0] * 2,))


def hooks(w: Any) -> list[Any]:
    return [
        lambda: w.register_hook(doubled),
        lambda: w.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(2)),
        lambda: on_the_node(w),
    ]


@pytest.mark.parametrize("kind", range(3))
def test_a_hook_on_a_parameter(kind: int) -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

    def step(x: Any) -> Any:
        w.grad = None
        (w * x).sum().backward()
        return w.grad * 1

    run = Compiled(step)
    for _ in range(4):
        assert run(torch.ones(2)).tolist() == [1.0, 1.0]
    handle = hooks(w)[kind]()
    for _ in range(4):
        assert run(torch.ones(2)).tolist() == [2.0, 2.0]
    handle.remove()
    for _ in range(4):
        assert run(torch.ones(2)).tolist() == [1.0, 1.0]
    torch.ones(2, requires_grad=True).register_hook(doubled)  # on another tensor
    for _ in range(4):
        assert run(torch.ones(2)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", range(3))
def test_a_hook_on_an_argument(kind: int) -> None:
    def step(x: Any) -> Any:
        (x * 3).sum().backward()
        return x.grad * 1

    run = Compiled(step)
    for k in range(12):
        x = torch.ones(2, requires_grad=True)
        if k % 3 == 2:
            hooks(x)[kind]()
        assert run(x).tolist() == ([6.0, 6.0] if k % 3 == 2 else [3.0, 3.0])


def test_a_hook_and_a_branch() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

    def step(x: Any) -> Any:
        w.grad = None
        loss = (w * x).sum()
        if loss > 0:
            loss.backward()
            return w.grad * 1
        return loss.detach()

    run = Compiled(step)
    xs = [torch.ones(2), -torch.ones(2)]
    for x in xs * 3:
        run(x)
    w.register_hook(doubled)
    for _ in range(3):
        assert [run(x).tolist() for x in xs] == [[2.0, 2.0], -3.0]


def test_a_hook_on_what_made_an_argument() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

    def slope(h: Any) -> Any:
        return torch.autograd.grad((h * h).sum(), h)[0]

    run = Compiled(slope)
    for k in range(9):
        h = w * 1
        if k in (4, 6):
            h.register_hook(lambda g: g * 10)
        assert run(h).tolist() == slope(h).tolist()
