"""Hooks that are registered, or taken out, after a function was compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chainrule as torch
from chainrule.nn.modules import module as modules
from chainrule.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

F = torch.nn.functional
Hook = Callable[..., Any]


def halved(*given: Any) -> Any:
    """Half of the last argument, or of the first of it."""
    last = given[-1]
    return (last[0] * 0.5,) if isinstance(last, tuple) else last * 0.5


def scaled(optimizer: Any, *given: Any) -> None:
    """What a step's hook may do: another weight."""
    with torch.no_grad():
        optimizer.param_groups[0]["params"][0].mul_(0.75)


REGISTER: dict[str, Callable[[Any, Any], Any]] = {
    "forward": lambda model, optimizer: model[0].register_forward_hook(halved),
    "forward, first": lambda model, optimizer: model[1].register_forward_pre_hook(halved),
    "backward": lambda model, optimizer: model[1].register_full_backward_hook(lambda m, i, o: (i[0] * 3,)),
    "backward, first": lambda model, optimizer: model[2].register_full_backward_pre_hook(lambda m, o: (o[0] * 3,)),
    "forward of all": lambda model, optimizer: modules.register_module_forward_hook(halved),
    "forward of all, first": lambda model, optimizer: modules.register_module_forward_pre_hook(halved),
    "step, first": lambda model, optimizer: optimizer.register_step_pre_hook(scaled),
    "step": lambda model, optimizer: optimizer.register_step_post_hook(scaled),
    "step of all, first": lambda model, optimizer: register_optimizer_step_pre_hook(scaled),
    "step of all": lambda model, optimizer: register_optimizer_step_post_hook(scaled),
}


def trained(wrap: Callable[[Hook], Hook], register: Callable[[Any, Any], Any], whole: bool) -> list[Any]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    forward = model if whole else wrap(model)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(forward(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    call = wrap(step) if whole else step
    given = [(torch.randn(5, 3), torch.randn(5, 2)) for _ in range(12)]
    out = [call(*g) for g in given[:4]]
    handle = register(model, optimizer)
    try:
        out += [call(*g) for g in given[4:8]]
    finally:
        handle.remove()
    return [*out, *[call(*g) for g in given[8:]], *[p.detach().sum() for p in model.parameters()]]


WAYS = [(name, whole) for name in REGISTER for whole in (True, False) if whole or "of all" not in name]  # a compiled model is one of all


@pytest.mark.parametrize(("name", "whole"), WAYS)
def test_a_hook_is_called_from_when_it_is_registered_until_it_is_removed(name: str, whole: bool) -> None:
    expected, found = [trained(wrap, REGISTER[name], whole) for wrap in (lambda f: f, torch.compile)]
    assert torch.allclose(torch.stack(expected), torch.stack(found), rtol=1e-4, atol=1e-6)
    plain = trained(lambda f: f, lambda model, optimizer: model[0].register_forward_hook(lambda *given: None), whole)
    assert not torch.allclose(torch.stack(expected), torch.stack(plain), rtol=1e-4, atol=1e-6)


def test_what_a_hook_notes_down() -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps: list[int] = []
    shapes: list[Any] = []

    @torch.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    for k in range(12):
        if k == 4:
            optimizer.register_step_post_hook(lambda optimizer, args, kwargs: steps.append(len(steps)))
            model.register_forward_hook(lambda m, args, output: shapes.append(output.shape))
        step(torch.ones(4, 3))
    assert steps == list(range(8))
    assert shapes == [torch.Size([4, 2])] * 8
