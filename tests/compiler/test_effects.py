"""What a compiled call does to tensors that were there before it: arguments given back, written, aliased, put on the tape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.capture.order import memory_order, template
from chainrule.compiler.front import Compiled
from chainrule.compiler.program import make
from chainrule.compiler.program.execute import prepare
from chainrule.compiler.program.ir import Node

from .test_capture import equal

F = torch.nn.functional


def compiled(function: Any) -> Compiled:
    return Compiled(function, engine=prepare)


def test_an_argument_that_is_a_result_is_the_one_of_the_call() -> None:
    run = compiled(lambda x, y: (y.add_(1), x)[::-1])
    for k in range(4):
        x, y = torch.full((2,), float(k)), torch.full((3,), float(k))
        a, b = run(x, y)
        assert a is x and b is y
        equal(y, torch.full((3,), k + 1.0))
    assert run.programs(), run.reasons


def test_a_number_that_is_written_is_the_one_of_the_call() -> None:
    run = compiled(lambda x: x.mul_(2).sum())
    for k in range(4):
        x = torch.tensor(float(k))
        equal(run(x), torch.tensor(2.0 * k))
        equal(x, torch.tensor(2.0 * k))
    assert run.programs(), run.reasons


def test_gradients_of_arguments_belong_to_the_arguments_of_the_call() -> None:
    run = compiled(lambda x: (x * x).sum().backward())
    for k in range(4):
        x = torch.full((3,), float(k), requires_grad=True)
        run(x)
        equal(x.grad, torch.full((3,), 2.0 * k))
    assert run.programs(), run.reasons


def test_leaves_as_results() -> None:
    w = torch.ones(3, requires_grad=True)
    run = compiled(lambda x: (w, x, x * w, (x * 2).detach().requires_grad_()))
    for k in range(4):
        w.grad = None
        x = torch.full((3,), float(k), requires_grad=True)
        same, mine, product, leaf = run(x)
        assert same is w and mine is x and x.is_leaf and leaf.is_leaf and leaf.requires_grad
        (product.sum() + (leaf * leaf).sum()).backward()
        equal(w.grad, x.detach())
        equal(x.grad, torch.ones(3))
        equal(leaf.grad, torch.full((3,), 4.0 * k))
    assert run.programs(), run.reasons


def test_what_becomes_part_of_a_graph_is_no_program() -> None:
    w = torch.ones(3)
    p = torch.full((3,), 2.0, requires_grad=True)
    run = compiled(lambda: w.mul_(p).sum().detach())
    for k in range(1, 4):
        equal(run(), torch.tensor(3.0 * 2**k))
    w.sum().backward()
    equal(p.grad, torch.full((3,), 3 * 4.0))
    assert not run.programs() and "place on the tape" in run.reasons[0][0]


def test_a_number_and_its_views_are_one_memory_after_a_capture_that_ended() -> None:
    def f(x: Any) -> Any:
        v = x * 2
        v[v > 0] = 0.5
        return v

    run = compiled(f)
    for k in (1, -1, 2):
        equal(run(torch.tensor(float(k))), torch.tensor(0.5 if k > 0 else 2.0 * k))


def test_backward_may_need_what_only_a_host_call_gives_besides() -> None:
    run = compiled(lambda x: x.sort(-1)[0])
    for k in range(3):
        x = torch.tensor([2.0, 1.0 + k, 3.0], requires_grad=True)
        (run(x) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
        equal(x.grad, torch.tensor([2.0, 1.0, 3.0] if k == 0 else [1.0, 2.0, 3.0]))
    assert run.programs(), run.reasons


def test_gradients_of_numbers_are_numbers() -> None:
    w = torch.tensor(2.0, requires_grad=True)
    run = compiled(lambda: w * 3)
    for k in range(1, 4):
        run().backward()
        equal(w.grad, torch.tensor(3.0 * k))
    assert run.programs(), run.reasons


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: F.dropout(x.t() * 2), lambda x: torch.rand_like(x.t()), lambda x: torch.empty_like(x.t()).uniform_(),
        lambda x: F.dropout((x.t() + 1).contiguous()), lambda x: torch.randn_like(x.t() * x[0, 0]),
        lambda x: F.dropout(x.t() + x.t()[:1]), lambda x: torch.rand_like(torch.rand_like(x.t())),
        lambda x: F.dropout(x.reshape(7, 5).t() + x), lambda x: F.dropout(x.t().reshape(5, 7)),
        lambda x: F.dropout(x.view(5, 7, 1).permute(1, 2, 0).sin()), lambda x: torch.zeros_like(x.t()).normal_(),
        lambda x: F.dropout(x.t() @ x), lambda x: torch.rand_like(x.long()[None].expand(3, 5, 7) * 0.5),
        lambda x: torch.rand_like(x.t().long()[..., None].expand(7, 5, 3) * 0.5), lambda x: torch.rand_like(x[:1].expand(5, 7).t() + 1),
        lambda x: torch.randn_like(x[:, :4]), lambda x: torch.randn_like(x.t()[:4]), lambda x: torch.randn_like(x.clone()[::2]),
        lambda x: x.clone()[:, :4].normal_(), lambda x: x.clone().t().normal_(), lambda x: x.clone()[1:4].normal_(),
    ],
)  # fmt: skip
def test_random_numbers_are_drawn_in_the_order_of_memory(draw: Any) -> None:
    run = compiled(draw)
    x = torch.arange(35.0).reshape(5, 7)
    for seed in range(3):
        torch.manual_seed(seed)
        want = draw(x)
        torch.manual_seed(seed)
        equal(run(x), want)
    assert run.programs(), run.reasons


@pytest.mark.parametrize("swap", [False, True])
def test_an_argument_that_is_a_view_of_another(swap: bool) -> None:
    run = compiled(lambda x, y: (x * 2).sum() + (y * 3).sum())
    for k in range(3):
        a = torch.arange(9.0).reshape(3, 3) + k
        x, y = (a[1:], a) if swap else (a, a[1:])
        equal(run(x, y), (x * 2).sum() + (y * 3).sum())
    assert run.programs(), run.reasons


def test_backward_of_the_capturing_call_goes_through_writes_to_views() -> None:
    run = compiled(lambda x: x.clone()[0].relu_())
    for _ in range(3):
        x = torch.tensor([[-1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        run(x).sum().backward()
        equal(x.grad, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    assert run.programs(), run.reasons


def test_the_order_of_memory_is_numpy_s() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        shape = tuple(rng.choice([1, 2, 3, 4], rng.integers(1, 5)).tolist())
        nodes, arrays = [], []
        for index in range(rng.integers(1, 4)):
            small = [n if rng.random() < 0.75 else 1 for n in shape]
            order = rng.permutation(len(shape)).tolist()
            array = np.zeros([small[d] for d in order])
            arrays.append(np.broadcast_to(array.transpose(np.argsort(order)), shape))
            x = Node("input", (), array.shape, np.float64, {"index": index})
            nodes.append(make.expand(make.permute(x, np.argsort(order).tolist()), shape))
        result = nodes[0] if len(nodes) == 1 else make.apply("add", nodes[0], nodes[1])
        want = np.positive(arrays[0]) if len(nodes) == 1 else np.add(arrays[0], arrays[1])
        found = template(shape, memory_order(make.apply("neg", result), {}))
        assert all(a == b // 8 for n, a, b in zip(shape, found.strides, want.strides, strict=True) if n > 1)


@pytest.mark.parametrize(
    "write", [lambda x, v: v.add_(1), lambda x, v: x.mul_(2), lambda x, v: v[0].fill_(9), lambda x, v: x[0].zero_()], ids=range(4)
)
def test_a_view_at_a_place_that_a_tensor_chooses(write: Any) -> None:
    def f(x: Any) -> Any:
        v = x[x[:, 0].argmax()]
        write(x, v)
        return v * 1

    run = compiled(f)
    for k in range(4):
        given = [torch.tensor([[1.0, 2.0], [3.0 - k, 4.0]]) for _ in range(2)]
        equal(run(given[0]), f(given[1]))
        equal(given[0], given[1])
    reading = compiled(lambda x: x[x[:, 0].argmax()] * 2)
    for k in range(3):
        equal(reading(torch.tensor([[1.0, 2.0], [3.0 - k, 4.0]])), torch.tensor([[6.0, 8.0], [4.0, 8.0], [2.0, 4.0]])[k])
    assert reading.programs(), reading.reasons


def test_a_hook_on_somebody_else_s_graph_is_no_reason() -> None:
    y = torch.ones(2, requires_grad=True) * 2
    y.grad_fn.register_hook(lambda *grads: None)
    run = compiled(lambda x: x.sin())
    for _ in range(3):
        equal(run(torch.zeros(2)), torch.zeros(2))
    assert run.programs(), run.reasons


def test_a_saved_value_that_is_overwritten_inside_is_an_error() -> None:
    w = torch.ones(3, requires_grad=True)

    def overwriting(x: Any) -> None:
        h = (x * w).exp()
        y = (h * h).sum()
        h.add_(1)
        y.backward()

    run = compiled(overwriting)
    for _ in range(4):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            run(torch.ones(3))
    assert w.grad is None and not run.programs()


SEEN = {
    "an element": lambda y: y[0, 0].fill_(9),
    "a column": lambda y: y[:, 1].mul_(2),
    "a transposed view": lambda y: y.t()[0].add_(1),
    "the diagonal": lambda y: y.fill_diagonal_(5),
    "strides": lambda y: y.as_strided((2,), (2,)).zero_(),
    "another shape": lambda y: y.view(-1)[1:3].copy_(y[0, :2].clone()),
    "real and imaginary parts": lambda y: torch.view_as_real(y)[..., 0].neg_(),
}


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("engine", [None, prepare], ids=["native", "numpy"])
def test_writes_through_views_reach_the_memory_that_they_are_of(seen: str, dtype: Any, grad: bool, engine: Any) -> None:
    """Of a value that the function makes, real and complex."""
    if seen == "real and imaginary parts" and not dtype.is_complex:
        pytest.skip("real numbers have one part")

    def f(x: Any) -> Any:
        y = torch.sin(x) * 2
        SEEN[seen](y)
        return y, y * 3

    run = Compiled(f, engine=engine)
    for k in range(3):
        torch.manual_seed(k)
        x = torch.randn(3, 3, dtype=dtype, requires_grad=grad)
        want, got = f(x), run(x)
        for a, b in zip(want, got, strict=True):
            np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-6)
            if grad:
                gradients = [torch.autograd.grad(t.abs().sum(), x, retain_graph=True)[0].numpy() for t in (a, b)]
                np.testing.assert_allclose(*gradients, rtol=1e-5)


def test_a_part_that_is_copied_and_written_leaves_what_it_was_of_alone() -> None:
    def f(x: Any) -> Any:
        return torch.as_strided_scatter(x, torch.ones(2), (2,), (3,)), x.diagonal(1).clone().fill_(2), x

    x = torch.arange(9.0).reshape(3, 3)
    run = Compiled(f)
    for a, b in zip(f(x), run(x), strict=True):
        assert a.tolist() == b.tolist()


def test_code_that_is_exchanged_is_noticed() -> None:
    """As what reloads modules into a running notebook does: it gives old functions and classes the new code."""

    class Base:
        def double(self, x: Any) -> Any:
            return x * 2

    class Scale(Base):
        def double(self, x: Any) -> Any:
            return super().double(x) + 1

    def shifted(x: Any, by: float = 1.0) -> Any:
        return x + by

    def other(x: Any, by: float = 1.0) -> Any:
        return x - by

    scale = Scale()
    run, x = torch.compile(lambda x: scale.double(shifted(x))), torch.ones(3)

    def calls(expected: float) -> None:
        for _ in range(4):
            assert run(x).tolist() == [expected] * 3

    calls(5)
    shifted.__defaults__ = (2.0,)
    calls(7)
    shifted.__code__ = other.__code__
    calls(-1)
    Base.double = lambda self, x: x * 10  # type: ignore[method-assign]
    calls(-9)
    Scale.double = lambda self, x: x  # type: ignore[method-assign]
    calls(-1)


class Branching(torch.autograd.Function):
    """A rule that goes by the numbers of its cotangent."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 10 if g.sum() > 0 else g


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rule_that_branches_on_its_cotangent_is_no_program(sign: float) -> None:
    run = compiled(lambda x: Branching.apply(x).sin())
    for k in range(3):
        x = torch.randn(3, requires_grad=True)
        given = torch.full((3,), sign * (-1) ** k)
        want = torch.autograd.grad(Branching.apply(x).sin(), x, given)[0]
        assert torch.equal(torch.autograd.grad(run(x), x, given)[0], want)
    assert not run.programs()
    assert "Python branches on a tensor" in str(run.reasons)


def test_a_backward_pass_whose_shapes_depend_on_values() -> None:
    """What depends on cotangents is not computed when the pass turns out to be no part of a program."""

    def f(a: Any, b: Any) -> Any:
        return torch.maximum(b.flatten()[:24].view(6, 4), a.masked_scatter(a > 0, a.flip(0))[None, ..., None])

    run = compiled(f)
    for k in range(3):
        torch.manual_seed(k)
        a, b = torch.randn(2, 1, requires_grad=True), torch.randn(3, 3, 5, dtype=torch.float64)
        want, got = f(a, b), run(a, b)
        assert torch.equal(want, got)
        assert torch.equal(torch.autograd.grad(want.sum(), a)[0], torch.autograd.grad(got.sum(), a)[0])


def test_cotangents_that_something_still_holds_are_not_computed() -> None:
    def f(a: Any) -> Any:
        return torch.zeros_like(a).scatter_add(0, (a > 0).long() * 0, a), torch.complex(a, a * 0.5)

    run = compiled(f)
    for _ in range(3):
        x = torch.randn(3, requires_grad=True)
        for want, got in zip(f(x), run(x), strict=True):
            assert torch.equal(want.abs(), got.abs())
            assert torch.allclose(*[torch.autograd.grad(t.abs().sum(), x, retain_graph=True)[0] for t in (want, got)])
    assert run.programs()


@pytest.mark.parametrize("constant", [False, True])
def test_hooks_on_what_is_saved(constant: bool) -> None:
    """What a function packs and unpacks is part of its gradient."""
    weight = torch.linspace(-1, 1, 12).reshape(3, 4)
    steps = torch.autograd.graph.saved_tensors_hooks

    def step(x: Any) -> Any:
        w = weight.clone().requires_grad_()
        with steps(lambda t: (t * 4).round(), lambda t: t / 4):
            y = (x @ w.T).tanh().square()
            loss = (y * torch.tensor([0.3, 0.6, 0.9]) if constant else y * 0.3).sum()
        loss.backward()
        return loss.detach(), w.grad

    compiled = Compiled(step)
    for k in range(4):
        x = torch.linspace(-1, 1, 8).reshape(2, 4) * (k + 1)
        for got, want in zip(compiled(x), step(x), strict=True):
            assert torch.allclose(got, want), k


@pytest.mark.parametrize("buffers", [False, True])
@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_computes_again_what_it_computes_uncompiled(reentrant: bool, buffers: bool) -> None:
    from chainrule.utils.checkpoint import checkpoint

    def trained(wrap: Any) -> Any:
        torch.manual_seed(0)
        middle = torch.nn.BatchNorm1d(4) if buffers else torch.nn.LayerNorm(4)
        model = torch.nn.Sequential(torch.nn.Linear(4, 4), middle, torch.nn.Dropout(0.4), torch.nn.RReLU())
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def step(x: Any) -> Any:
            loss = checkpoint(model, x, use_reentrant=reentrant).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = wrap(step)
        losses = {f"loss {k}": run(torch.randn(5, 4, requires_grad=True)) for k in range(5)}
        return losses | dict(model.state_dict()) | {"state": torch.get_rng_state()}

    made: list[Any] = []
    want, got = trained(lambda f: f), trained(lambda f: made.append(Compiled(f)) or made[0])
    for name, w in want.items():
        assert torch.allclose(got[name], w, atol=1e-6), name
    assert buffers or (made[0].programs() and not made[0].reasons), made[0].reasons


NORMS: list[Any] = []


class Noting(torch.autograd.Function):
    """A rule that keeps a number of its cotangent."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        NORMS.append(g.sum().item())
        return g * 2


def test_a_rule_that_takes_numbers_of_its_cotangent_runs_once_in_every_pass() -> None:
    run = compiled(lambda x: Noting.apply(x).sin())
    for k in range(3):
        NORMS.clear()
        x = torch.zeros(3, requires_grad=True)
        run(x).sum().backward()
        assert NORMS == [3.0], k
        assert torch.equal(x.grad, torch.full((3,), 2.0))
