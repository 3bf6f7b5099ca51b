"""Parts of a function that are other programs at every call are soon Python's, and stay so."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler import front

F = torch.nn.functional


class Keeper:
    """Keeps a new tensor every second call."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(5, 2)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.1)
        self.calls = 0

    def step(self, x: Any, y: Any) -> Any:
        loss = F.mse_loss(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.calls % 2:
            self.last = loss.detach()
        self.calls += 1
        return loss


def test_a_tensor_kept_every_second_call(monkeypatch: pytest.MonkeyPatch) -> None:
    captures: list[int] = []
    own = front.capture

    def counting(*args: Any, **kwargs: Any) -> Any:
        captures.append(call)
        return own(*args, **kwargs)

    monkeypatch.setattr(front, "capture", counting)
    mine, plain = Keeper(), Keeper()
    compiled = torch.compile(mine.step)
    for call in range(60):
        x, y = torch.full((4, 5), call / 60), torch.ones(4, 2)
        got, want = compiled(x, y), plain.step(x, y)
        assert torch.allclose(got, want)
    assert torch.allclose(mine.last, plain.last) and mine.calls == 60
    assert torch.allclose(mine.model.weight, plain.model.weight)
    assert len(captures) <= front.LIMIT + 3 and captures[-1] < 25, captures


def test_shapes_beyond_the_limit_leave_the_others_compiled() -> None:
    seen: list[float] = []

    def function(x: Any) -> Any:
        y = (x * 2).sin().sum()
        seen.append(float(y))
        return y

    compiled = torch.compile(function)
    for _ in range(2):
        for n in range(1, front.LIMIT + 4):
            x = torch.arange(float(n))
            assert torch.allclose(compiled(x), (x * 2).sin().sum())
    assert len(compiled.programs()) >= front.LIMIT
