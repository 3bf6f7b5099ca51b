"""``torch.autograd.Function`` inside of a compiled function: its forward and its backward are part of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled

FACTOR = 2.0


class Squared(torch.autograd.Function):
    """Its backward is not the derivative, so that one sees whose it is."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.power = 2
        return x * x * FACTOR

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return ctx.power * g * x.clamp(min=0)


class Several(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, y: Any, n: float) -> Any:
        ctx.save_for_backward(x, y)
        ctx.n = n
        positive = x > 0
        ctx.mark_non_differentiable(positive)
        return x * y * n, x + y, positive

    @staticmethod
    def backward(ctx: Any, a: Any, b: Any, _: Any) -> Any:
        x, y = ctx.saved_tensors
        return a * y * ctx.n + b, a * x * ctx.n + b, None


class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(x: Any) -> Any:
        return x.round()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 2


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "one": lambda w, x: Squared.apply(x * w).sum(),
    "several": lambda w, x: sum(t.float().sum() for t in Several.apply(x * w, w.expand(3, 4), 3.0)),
    "straight through": lambda w, x: (Rounded.apply(x * w) * x).sum(),
    "in place": lambda w, x: Doubled.apply((x * w).clone()).sum(),
    "twice": lambda w, x: torch.autograd.grad(Squared.apply(w).sum(), w, create_graph=True)[0].square().sum(),
}


def trained(f: Callable[[Any, Any], Any], compile: Callable[[Any], Any]) -> tuple[Any, list[Any]]:
    torch.manual_seed(0)
    w = torch.nn.Parameter(torch.randn(4))
    optimizer = torch.optim.SGD([w], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = f(w, x)
        loss.backward()
        optimizer.step()
        return loss

    run = compile(step)
    x = torch.arange(12.0).view(3, 4) / 10 - 0.5
    return run, [run(x).detach() for _ in range(5)] + [w.detach()]


@pytest.mark.parametrize("name", LOSSES)
def test_a_training_step_with_a_function_of_ones_own(name: str) -> None:
    run, found = trained(LOSSES[name], Compiled)
    _, expected = trained(LOSSES[name], lambda f: f)
    assert run.programs() and not run.reasons
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-5)


def test_what_its_methods_read_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Compiled(lambda x: Squared.apply(x) + 1)
    x = torch.ones(3)
    for _ in range(3):
        assert torch.equal(run(x), torch.full((3,), 3.0))
    monkeypatch.setitem(globals(), "FACTOR", 5.0)
    for _ in range(3):
        assert torch.equal(run(x), torch.full((3,), 6.0))
    assert not run.reasons


def test_what_a_function_saved_is_an_array_after_a_capture_that_ended_early() -> None:
    class Again(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.detach().square()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            leaf = x.detach().requires_grad_()
            with torch.enable_grad():
                leaf.square().backward(g)
            return leaf.grad

    def step(x: Any) -> Any:
        y = Again.apply(x * 2)
        seen.append(y.tolist())  # the capture ends here
        y.sum().backward()
        return y

    seen: list[Any] = []
    compiled = torch.compile(step)
    for k in range(4):
        a, b = [torch.full((3,), k + 1.0, requires_grad=True) for _ in range(2)]
        assert torch.equal(compiled(a), step(b)) and torch.equal(a.grad, b.grad)
