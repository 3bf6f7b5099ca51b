"""A compiled function gives what the function gives: results, gradients, effects, random numbers, exceptions."""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.front import LIMIT, Compiled, Split

F = torch.nn.functional


def equal(a: Any, b: Any) -> None:
    """Equal trees of tensors and numbers."""
    if isinstance(a, (tuple, list)):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            equal(x, y)
    elif isinstance(a, torch.Tensor):
        assert a.dtype is b.dtype and a.shape == b.shape
        x, y = [t.detach().double().numpy() if t.dtype is torch.bfloat16 else t.detach().numpy() for t in (a, b)]
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=5e-6)
    else:
        assert a == b


def program_of(function: Any, *args: Any) -> Any:
    """The function compiled, called until it has a program, and compared with itself at every call."""
    made = Compiled(function)
    for _ in range(3):
        equal(made(*args), function(*args))
    assert made.programs(), made.reasons
    return made


FUNCTIONS = [
    lambda x, y: torch.sin(x * x) + y,
    lambda x, y: (x @ y.T).softmax(-1),
    lambda x, y: x[1:, ::2] * y[:-1, ::2],
    lambda x, y: torch.cat([x, y.flip(0)], 1).sum(0),
    lambda x, y: torch.stack([x, y]).permute(1, 0, 2).reshape(4, -1),
    lambda x, y: x.clone().add_(1).mul_(y).t(),
    lambda x, y: torch.where(x > 0, x, y).clamp(-0.5, 0.5),
    lambda x, y: (x.max(1), x.argmin(0), y.amax((0, 1))),
    lambda x, y: F.layer_norm(x, (6,)) + F.gelu(y) + F.silu(x) + F.softplus(y),
    lambda x, y: torch.logsumexp(x, 1) + y.var(1) + y.std(1) + y.norm(dim=1),
    lambda x, y: torch.gather(x, 1, torch.tensor([[0, 1], [2, 3], [1, 1], [5, 0]])) + x.index_select(1, torch.tensor([1, 4])),
    lambda x, y: torch.einsum("ij,kj->ik", x, y).tril() + x.unsqueeze(1).expand(4, 4, 6).mean(2),
    lambda x, y: x.view(2, 2, 6).sum((0, 2)).cumsum(0),
    lambda x, y: (x.double() * 2).float() + (y > 0) + x.int() // 2,
    lambda x, y: torch.func.grad(lambda v: (v.tanh() * y).sum())(x),
    lambda x, y: torch.func.vmap(lambda a, b: a.dot(b))(x, y),
    lambda x, y: torch.func.hessian(lambda v: (v**3).sum())(x[0]),
    lambda x, y: torch.func.jacrev(lambda v: torch.sin(v) * y)(x),
    lambda x, y: torch.func.jvp(lambda v: v.exp() / y, (x,), (y,)),
    lambda x, y: F.max_pool2d(x.view(1, 1, 4, 6), 2) + F.avg_pool2d(y.view(1, 1, 4, 6), 2),
    lambda x, y: F.conv2d(x.view(1, 1, 4, 6), y[:, :4].reshape(4, 1, 2, 2), padding=1),
    lambda x, y: F.pad(x, (1, 2), value=3.0) if hasattr(F, "pad") else x,
    lambda x, y: torch.linalg.svdvals(x),
    lambda x, y: torch.sort(x, 1)[0] + torch.complex(x, y).abs(),
    lambda x, y: {"a": x + 1, "b": (y, 3, "text", None)}["b"],
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=range(len(FUNCTIONS)))
def test_functions(function: Any) -> None:
    torch.manual_seed(0)
    program_of(function, torch.randn(4, 6), torch.randn(4, 6))


@pytest.mark.parametrize("dtype", [torch.float64, torch.int32, torch.bool, torch.bfloat16])
def test_other_dtypes(dtype: Any) -> None:
    torch.manual_seed(0)
    x = (torch.randn(3, 4) * 3).to(dtype)
    program_of(lambda v: (v + v, v * 2, v.sum(), v == v.T.T), x)


def net() -> Any:
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Linear(5, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


OPTIMIZERS = {
    "SGD": {"lr": 0.1}, "momentum": {"lr": 0.1, "momentum": 0.9, "nesterov": True}, "Adam": {"lr": 0.01}, "AdamW": {"lr": 0.01},
    "amsgrad": {"lr": 0.01, "amsgrad": True}, "RMSprop": {"lr": 0.01, "momentum": 0.5}, "Adagrad": {"lr": 0.1}, "NAdam": {"lr": 0.01},
    "RAdam": {"lr": 0.01}, "Adadelta": {}, "Adamax": {}, "ASGD": {}, "Rprop": {},
}  # fmt: skip


@pytest.mark.parametrize("order", ["zero first", "zero last"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_steps(name: str, order: str) -> None:
    def trained(wrap: Any) -> Any:
        model = net()
        make = getattr(torch.optim, {"momentum": "SGD", "amsgrad": "Adam"}.get(name, name))
        optimizer = make(model.parameters(), **OPTIMIZERS[name])

        def step(x: Any, y: Any) -> Any:
            if order == "zero first":
                optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            if order == "zero last":
                optimizer.zero_grad()
            return loss

        run = wrap(step)
        torch.manual_seed(3)
        losses = [run(torch.randn(16, 5), torch.randint(3, (16,))) for _ in range(6)]
        state = [v for s in optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
        grads = [p.grad for p in model.parameters()]
        return losses, list(model.state_dict().values()), state, grads, run

    plain = trained(lambda f: f)
    made = trained(Compiled)
    assert made[4].programs(), made[4].reasons
    equal(made[0], plain[0])
    equal(made[1], plain[1])
    equal(made[2], plain[2])
    equal(made[3], plain[3])
    assert made[0][-1].grad_fn.name() == plain[0][-1].grad_fn.name()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        made[0][-1].backward()


def test_gradients_accumulate() -> None:
    def after(wrap: Any) -> Any:
        model = net()
        run = wrap(lambda x: model(x).sum().backward())
        torch.manual_seed(0)
        for _ in range(4):
            run(torch.randn(16, 5))
        return [p.grad for p in model.parameters()]

    equal(after(Compiled), after(lambda f: f))


def test_writes_reach_views_and_aliases() -> None:
    base = torch.zeros(4, 3)
    row, alias, column = base[1], base.detach(), base.t()[2]
    run = Compiled(lambda v: (row.add_(v), column.mul_(2), alias[0].fill_(7), base.sum())[-1])
    expected = torch.zeros(4, 3)
    for _ in range(4):
        expected[1] += 1
        expected.t()[2].mul_(2)
        expected[0].fill_(7)
        equal(run(torch.ones(3)), expected.sum())
        equal(base, expected)
    assert run.programs(), run.reasons


def test_a_result_may_be_a_view_of_what_was_there() -> None:
    base = torch.zeros(3)
    run = Compiled(lambda: base[1:])
    for _ in range(3):
        part = run()
    part += 1
    equal(base, torch.tensor([0.0, 1.0, 1.0]))


def test_an_effect_of_one_branch() -> None:
    seen: list[float] = []

    def step(x: Any) -> Any:
        y = x * 2
        if y.sum() > 0:
            return y + 1
        seen.append(y.sum().item())
        return y - 1

    run = Compiled(step)
    for sign in (1.0, -1.0, 1.0, -1.0, -1.0):
        x = torch.full((3,), sign)
        equal(run(x), x * 2 + (1 if sign > 0 else -1))
    assert seen == [-6.0] * 3
    assert "branches on a tensor" in run.splits[0][0] and "test_capture.py" in run.splits[0][1]
    with pytest.raises(Split, match="branches on a tensor"):
        whole = Compiled(step, fullgraph=True)
        for _ in range(4):
            whole(torch.ones(3))


def test_effects_in_python_are_not_lost() -> None:
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x + len(calls)

    run = Compiled(f)
    for k in range(5):
        equal(run(torch.zeros(2)), torch.full((2,), k + 1.0))
    assert len(calls) == 5


def test_surroundings_are_looked_at() -> None:
    scale = 2.0
    model = net()
    run = Compiled(lambda x: model(x).detach() * scale)
    x = torch.randn(16, 5)
    model.eval()
    for scale in (2.0, 2.0, 3.0, 3.0):
        equal(run(x), model(x).detach() * scale)
    model[4] = torch.nn.Linear(8, 3)
    for _ in range(3):
        equal(run(x), model(x).detach() * scale)
    assert run.programs()


def test_a_learning_rate_that_changes() -> None:
    def trained(wrap: Any) -> Any:
        p = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.SGD([p], lr=0.1)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

        def step() -> None:
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()

        run = wrap(step)
        for _ in range(5):
            run()
            schedule.step()
        return p

    equal(trained(Compiled), trained(lambda f: f))


def test_random_numbers_come_from_the_stream() -> None:
    def f(x: Any) -> Any:
        return F.dropout(x, 0.5) + torch.rand(3) + torch.randn_like(x), torch.randint(5, (2,)), torch.empty(2).uniform_()

    run = Compiled(f)
    for seed in (0, 1, 2, 3):
        torch.manual_seed(seed)
        a = [run(torch.ones(3)) for _ in range(2)]
        torch.manual_seed(seed)
        equal(a, [f(torch.ones(3)) for _ in range(2)])
    assert run.programs(), run.reasons


def test_shapes_have_their_own_programs_up_to_a_limit() -> None:
    run = Compiled(lambda x: x * 2)
    with pytest.warns(UserWarning, match=f"compiled for {LIMIT} kinds"):
        for n in range(1, LIMIT + 4):
            equal(run(torch.ones(n)), torch.full((n,), 2.0))
    assert len(run.programs()) == LIMIT


def test_an_exception_leaves_everything_as_an_ordinary_call_would() -> None:
    p = torch.ones(3)

    def f(x: Any) -> Any:
        p.add_(1)
        raise ValueError("mine")

    run = Compiled(f)
    for k in range(3):
        with pytest.raises(ValueError, match="mine"):
            run(torch.ones(3))
        equal(p, torch.full((3,), k + 2.0))
    with pytest.raises(RuntimeError, match="must match the size"):
        Compiled(lambda x: x + torch.ones(4))(torch.ones(3))


def test_other_threads_see_numbers_during_a_capture() -> None:
    w = torch.ones(3)
    found: list[Any] = []

    def f(x: Any) -> Any:
        other = threading.Thread(target=lambda: found.append((w * 2).tolist()))
        other.start()
        other.join()
        return x * w

    equal(Compiled(f)(torch.ones(3)), torch.ones(3))
    assert found == [[2.0, 2.0, 2.0]]


def test_named_results_are_trees() -> None:
    import chainrule.utils._pytree as pytree

    leaves, structure = pytree.tree_flatten(torch.max(torch.ones(2, 2), 1))
    assert len(leaves) == 2
    assert type(pytree.tree_unflatten(leaves, structure)) is torch.return_types.max


def test_methods_and_copies() -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(3))

        def forward(self, x: Any) -> Any:
            return (x * self.w).detach()

    first, second = Model(), Model()
    second.w.data.mul_(3)
    run = [Compiled(m.forward) for m in (first, second)]
    for _ in range(3):
        equal(run[0](torch.ones(3)), torch.ones(3))
        equal(run[1](torch.ones(3)), torch.full((3,), 3.0))
    equal(copy.deepcopy(first)(torch.ones(3)), torch.ones(3))


def test_what_only_arrays_have_is_no_error() -> None:
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([p], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()
        return np.float32(x._value.flags.c_contiguous) + torch.rand(1)

    run = Compiled(step)
    torch.manual_seed(0)
    for _ in range(3):
        run(torch.ones(3))
    assert run.reasons[0][0].startswith("something that only an array has")
    np.testing.assert_allclose(p.detach().numpy(), 0.7, rtol=1e-5)
    assert float(optimizer.state[p]["step"]) == 3
    after = torch.rand(1)
    torch.manual_seed(0)
    equal(after, torch.rand(4)[3:])


def test_hooks_and_seeds_are_run_every_time() -> None:
    seen: list[int] = []
    p = torch.nn.Parameter(torch.ones(3))
    p.register_hook(lambda g: seen.append(1))

    def step() -> None:
        (p * 2).sum().backward()

    run = Compiled(step)
    for _ in range(4):
        run()
    assert len(seen) == 4

    def seeded() -> Any:
        torch.manual_seed(5)
        return torch.rand(2)

    run = Compiled(seeded)
    equal([run() for _ in range(3)], [seeded() for _ in range(3)])


def test_public_names() -> None:
    @torch.compile
    def twice(x: Any) -> Any:
        return x * 2

    equal(twice(torch.ones(2)), torch.full((2,), 2.0))
    model = torch.compile(torch.nn.Linear(2, 3))
    assert list(model.state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"]
    assert model.in_features == 2 and repr(model).startswith("OptimizedModule(")
    x = torch.ones(4, 2)
    equal(model(x).detach(), model._orig_mod(x).detach())
    model(x).sum().backward()
    assert model.weight.grad is not None
    assert torch.compile(twice.function, backend="eager") is twice.function


def test_backward_goes_on_from_compiled_results() -> None:
    def trained(wrap: Any) -> Any:
        model = net()
        first = torch.nn.Linear(5, 5)
        run = wrap(model)
        optimizer = torch.optim.Adam([*model.parameters(), *first.parameters()], lr=0.01)
        torch.manual_seed(2)
        losses = []
        for _ in range(5):
            x, y = torch.randn(16, 5, requires_grad=True), torch.randint(3, (16,))
            loss = F.cross_entropy(run(torch.tanh(first(x))), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append((loss.detach(), x.grad))
        return losses, list(model.state_dict().values()), list(first.parameters()), run

    plain, made = trained(lambda f: f), trained(torch.compile)
    equal(made[0], plain[0])
    equal(made[1], plain[1])
    equal([p.detach() for p in made[2]], [p.detach() for p in plain[2]])
    assert made[3]._compiled.programs(), made[3]._compiled.reasons


def test_the_tape_of_a_compiled_call() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    run = Compiled(lambda x: ((w * w * x).sin(), w.sum(), x * 2))
    x = torch.ones(2)
    for _ in range(3):
        a, b, c = run(x)
    assert a.grad_fn.name() == "CompiledFunctionBackward" and b.requires_grad and not c.requires_grad
    (g,) = torch.autograd.grad(a.sum(), w)
    equal(g, 2 * w.detach() * torch.cos(w.detach() ** 2))
    with pytest.raises(RuntimeError, match="second time"):
        b.backward()
    a, b, c = run(x)
    with pytest.raises(RuntimeError, match="double backward"):
        torch.autograd.grad(a.sum(), w, create_graph=True)
    with torch.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        a.sum().backward()


def test_stances_and_reset() -> None:
    run = Compiled(lambda x: x + 1)
    for _ in range(2):
        run(torch.ones(2))
    with torch.compiler.set_stance("fail_on_recompile"):
        equal(run(torch.ones(2)), torch.full((2,), 2.0))
        with pytest.raises(RuntimeError, match="fail_on_recompile"):
            run(torch.ones(3))
    with torch.compiler.set_stance("eager_on_recompile"):
        run(torch.ones(3))
    assert len(run.programs()) == 1
    torch.compiler.reset()
    assert run.programs() == []

    @torch.compiler.set_stance("force_eager")
    def all_eager() -> Any:
        return run(torch.ones(2))

    all_eager()
    assert run.programs() == []


def test_what_is_kept_from_the_compiler_ends_the_capture() -> None:
    seen: list[bool] = []

    @torch.compiler.disable(reason="it looks")
    def looks(x: Any) -> Any:
        seen.append(torch.compiler.is_compiling())
        return x * 3

    run = Compiled(lambda x: (looks(x + 1), torch.compiler.is_compiling())[0])
    for _ in range(4):
        equal(run(torch.ones(2)), torch.full((2,), 6.0))
    assert seen == [False] * 4 and "looks is kept from the compiler: it looks" in run.reasons[0][0]


def test_elements_rolled_over_all_axes() -> None:
    program_of(lambda x: torch.roll(x * 2, 2) + torch.roll(x, (1, -1), (0, 1)), torch.randn(3, 4))


def test_an_argument_that_shares_memory_with_another_tensor() -> None:
    memory = np.ones(3, np.float32)
    other = torch.from_numpy(memory)
    run = Compiled(lambda x: x * 2)
    equal(run(torch.from_numpy(memory)), torch.full((3,), 2.0))
    equal(run(torch.full((3,), 5.0)), torch.full((3,), 10.0))
    equal(other, torch.ones(3))


def test_results_that_are_views_of_what_is_computed_on_the_way() -> None:
    def f(x: Any, y: Any) -> Any:
        a, b = (x * y).sum(1), (x + y).sum(0)
        return a.view(3, 1), (b * 2).exp(), b.view(1, 4), a[1:]

    program_of(f, torch.randn(3, 1), torch.randn(1, 4))


def test_a_step_whose_graph_has_operations_with_several_results() -> None:
    layer = torch.nn.Linear(4, 6)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        a, b = layer(x).split(3, 1)
        loss = (a.max(1)[0] * b.sort(1)[0].sum(1)).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    run = Compiled(step)
    for _ in range(3):
        loss = run(torch.ones(2, 4))
    assert run.programs(), run.reasons
    assert loss.grad_fn.name() == "SumBackward0"


def test_a_graph_that_goes_back_to_a_leaf_of_the_call_keeps_it() -> None:
    def f(a: Any) -> Any:
        leaf = a.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad((leaf * leaf).sum(), leaf, create_graph=True)
        return leaf, slope

    run = Compiled(f)
    for _ in range(4):
        leaf, slope = run(torch.ones(3))
        (second,) = torch.autograd.grad(slope.sum(), leaf)
        assert torch.equal(second, torch.full((3,), 2.0))


@pytest.mark.parametrize("step", [lambda x, o: torch.sin(x + o), lambda x, o: torch.sin(x + o.sum())])
def test_long_chains(step: Any) -> None:
    def f(x: Any) -> Any:
        out = x
        for _ in range(1200):
            out = step(x, out)
        return out

    run = Compiled(f)
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    for _ in range(2):
        assert torch.allclose(run(x), f(x))
    assert run.programs()


def test_a_name_of_the_module_is_none_of_attributes_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Holder:
        weight = torch.ones(3)

    holder = Holder()
    run = Compiled(lambda x: x * holder.weight)
    for k in range(4):
        monkeypatch.setitem(globals(), "weight", torch.full((3,), float(k)))
        assert torch.equal(run(torch.ones(3)), torch.ones(3))
    assert len(run.programs()) == 1

    def reads(x: Any) -> Any:
        return x * weight  # type: ignore[name-defined]  # noqa: F821

    run = Compiled(reads)
    for k in range(4):
        monkeypatch.setitem(globals(), "weight", torch.full((3,), float(k)))
        assert torch.equal(run(torch.ones(3)), torch.full((3,), float(k)))
