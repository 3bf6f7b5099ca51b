"""The function that tries a call first: it takes what it was made for, and nothing else."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import chainrule as torch
from chainrule.compiler.capture.variant import Variant
from chainrule.compiler.front import LIMIT, Compiled


class Counted(Compiled):
    """Counts the calls that went the long way."""

    long = 0

    def _call(self, args: Any, kwargs: Any) -> Any:
        self.long += 1
        return super()._call(args, kwargs)


def settled(run: Counted, *args: Any, **kwargs: Any) -> Counted:
    for _ in range(3):
        run(*args, **kwargs)
    run.long = 0
    run(*args, **kwargs)
    assert run.long == 0
    return run


def test_other_kinds_of_arguments_go_the_long_way() -> None:
    run = settled(Counted(lambda x: x * 2), torch.ones(3))
    others: list[Any] = [
        torch.ones(4), torch.ones(3, dtype=torch.float64), torch.ones(()), torch.ones(6)[::2], torch.ones(3, requires_grad=True), 2.0,
    ]  # fmt: skip
    for k, other in enumerate(others):
        out = run(other)
        assert run.long == k + 1
        assert torch.equal(out, other * 2) if isinstance(other, torch.Tensor) else out == 4.0
    with pytest.raises(TypeError):
        run(torch.ones(3), torch.ones(3))


def test_numbers_and_keywords() -> None:
    run = settled(Counted(lambda x, n, *, scale=None: x * n + (0 if scale is None else scale)), torch.ones(2), 3, scale=torch.ones(2))
    assert run(torch.ones(2), 3, scale=torch.zeros(2)).tolist() == [3.0, 3.0]
    assert run.long == 0
    assert run(torch.ones(2), 4, scale=torch.zeros(2)).tolist() == [4.0, 4.0]
    assert run(torch.ones(2), 3.0, scale=torch.zeros(2)).tolist() == [3.0, 3.0]
    assert run(torch.ones(2), 3).tolist() == [3.0, 3.0]
    assert run(torch.ones(2), n=3, scale=torch.ones(2)).tolist() == [4.0, 4.0]
    assert run.long == 4


def test_an_argument_whose_shape_alone_counts() -> None:
    run = settled(Counted(lambda x, like: x.expand(like.shape) + 1), torch.ones(1), torch.ones(3))
    assert run(torch.ones(1), torch.ones(5)).tolist() == [2.0] * 5


def test_an_argument_that_is_read_in_vain_counts_by_its_shape() -> None:
    def scaled(x: Any, y: Any) -> Any:
        y.sum()
        return x * y.shape[0]

    run = settled(Counted(scaled), torch.ones(3), torch.ones(2))
    assert run(torch.ones(3), torch.ones(5)).tolist() == [5.0, 5.0, 5.0]
    assert run.long == 1


def test_modes_count() -> None:
    w = torch.ones(3, requires_grad=True)
    run = settled(Counted(lambda x: x * w), torch.ones(3))
    with torch.no_grad():
        assert not run(torch.ones(3)).requires_grad
    assert run(torch.ones(3)).requires_grad
    quiet = Counted(lambda x: x * w)
    with torch.no_grad():
        settled(quiet, torch.ones(3))
    assert quiet(torch.ones(3)).requires_grad
    with torch.inference_mode():
        assert run(torch.ones(3)).is_inference()
    assert torch.func.vmap(run)(torch.ones(2, 3)).shape == (2, 3)
    torch.set_default_dtype(torch.float64)
    try:
        made = Counted(lambda x: x + torch.ones(3))
        settled(made, torch.ones(3))
        assert made(torch.ones(3)).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert made(torch.ones(3)).dtype == torch.float32


def test_a_step_of_training_takes_the_short_way() -> None:
    torch.manual_seed(0)
    model, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    other.load_state_dict(model.state_dict())

    def step_of(m: Any) -> Any:
        optimizer = torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.5)

        def step(x: Any, y: Any) -> Any:
            loss = torch.nn.functional.mse_loss(m(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        return step, optimizer

    (step, optimizer), (eager, theirs) = step_of(model), step_of(other)
    run = Counted(step)
    for k in range(12):
        x, y = torch.randn(5, 3), torch.randn(5, 2)
        if k == 5:
            run.long = 0
        if k == 8:
            optimizer.param_groups[0]["lr"] = theirs.param_groups[0]["lr"] = 0.05
        assert torch.allclose(run(x, y), eager(x, y), atol=1e-6)
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)
            assert a.grad is None
        if k == 7:
            assert run.long == 0
    model.weight.grad = torch.ones(2, 3)
    other.weight.grad = torch.ones(2, 3)
    run(x, y), eager(x, y)
    assert torch.allclose(model.weight, other.weight, atol=1e-6)


def test_memory_that_is_exchanged_is_noticed() -> None:
    w = torch.ones(3)
    run = settled(Counted(lambda x: w.add_(x).sum()), torch.ones(3))
    old = w.data
    w.data = torch.zeros(3)
    assert run(torch.ones(3)) == 3
    assert w.tolist() == [1.0] * 3
    assert old.tolist() == [5.0] * 3
    settled(run, torch.ones(3))
    before = w.sum().item()
    assert run(w) == 2 * before
    assert run(w[:]) == 4 * before
    assert run(torch.ones(3)) == 4 * before + 3


def test_writes_are_counted_and_stale_values_found() -> None:
    w = torch.ones(3, requires_grad=True)

    def bump(x: Any) -> Any:
        with torch.no_grad():
            w.add_(x)
        return x * 1

    run = settled(Counted(bump), torch.ones(3))
    version = w._version
    y = (w * w).sum()
    run(torch.ones(3))
    assert w._version == version + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_draws_happen_once_a_call() -> None:
    run = Counted(lambda x: torch.nn.functional.dropout(x, 0.5) + torch.rand(3))
    shapes = [(3,), (3,), (3,), (3,), (2, 3), (3,), (2, 3), (3,), (1, 3)]
    torch.manual_seed(3)
    compiled = [run(torch.ones(s)) for s in shapes]
    torch.manual_seed(3)
    eager = [torch.nn.functional.dropout(torch.ones(s), 0.5) + torch.rand(3) for s in shapes]
    assert all(torch.equal(a, b) for a, b in zip(compiled, eager, strict=True))
    assert run.long < len(shapes)


def test_results_of_every_kind() -> None:
    def f(x: Any) -> Any:
        return x.sum(), [x > 0, (x.max(), x.argmax())], {"x": x, "n": 3, "none": None, "twice": x * 2, "all": (x > 0).all()}

    run = settled(Counted(f), torch.ones(3))
    x = torch.tensor([1.0, -2.0, 5.0])
    got, expected = run(x), f(x)
    assert repr(got) == repr(expected)
    assert got[2]["x"] is x
    assert type(got[0]._value) is np.float32
    first, second = run(x), run(-x)
    assert first[0].item() == 4 and second[0].item() == -4
    assert run.long == 0


def test_stances_hold_for_the_short_way() -> None:
    calls = []
    run = settled(Counted(lambda x: (calls, x + 1)[-1]), torch.ones(3))
    with torch.compiler.set_stance("force_eager"):
        run(torch.ones(3))
    assert run.long == 1
    run(torch.ones(3))
    assert run.long == 1


def test_an_index_out_of_bounds_is_told() -> None:
    table = torch.arange(6.0).reshape(3, 2)
    run = settled(Counted(lambda i: table[i].sum()), torch.tensor([0, 2]))
    with pytest.raises(IndexError, match="is out of bounds"):
        run(torch.tensor([0, 3]))
    assert run(torch.tensor([0, 1])) == 6


def test_training_and_evaluation_by_turns_keep_their_programs() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 2))
    run = Counted(lambda x: model(x).detach())
    x = torch.ones(2, 3)
    for _ in range(12):
        model.train()
        run(x), run(x)
        model.eval()
        run(x)
        assert torch.allclose(run(x), model(x))
    assert len(run.programs()) == 2
    model[1].p = 1.0
    model.train()
    assert torch.allclose(run(x), model[2].bias.expand(2, 2))
    model[0] = torch.nn.Identity()
    model[1].p = 0.0
    model[2] = torch.nn.Linear(3, 2)
    assert torch.allclose(run(x), model(x))


def test_what_the_module_of_a_function_names_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    run = settled(Counted(_scaled), torch.ones(2))
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    assert run(torch.ones(2)).tolist() == [5.0, 5.0]
    monkeypatch.delitem(globals(), "SCALE")
    with pytest.raises(NameError):
        run(torch.ones(2))


SCALE = 3.0


def _scaled(x: Any) -> Any:
    return x * SCALE


def test_parameters_that_are_frozen_are_left_alone() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        loss = model(x).square().sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    run = settled(Counted(step), torch.ones(4, 3))
    model.weight.requires_grad_(False)
    before, bias = model.weight.clone(), model.bias.clone()
    for _ in range(3):
        run(torch.ones(4, 3))
    assert torch.equal(model.weight, before)
    assert not torch.equal(model.bias, bias)
    model.weight.requires_grad_(True)
    run(torch.ones(4, 3))
    assert not torch.equal(model.weight, before)


def test_results_with_a_history_take_the_short_way() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    run = settled(Counted(lambda x, y: (model(x), (x * y).sum(), x > 0)), torch.ones(5, 3), torch.ones(5, 3, requires_grad=True))
    for _ in range(3):
        x, y = torch.randn(5, 3), torch.randn(5, 3, requires_grad=True)
        z = y * 2
        got, expected = run(x, z), (model(x), (x * z).sum(), x > 0)
        assert got[0].grad_fn is not None and not got[2].requires_grad
        sources = [*model.parameters(), y]
        a = torch.autograd.grad(got[0].square().sum() + got[1], sources, retain_graph=True)
        b = torch.autograd.grad(expected[0].square().sum() + expected[1], sources)
        assert all(torch.allclose(p, q, atol=1e-5) for p, q in zip(a, b, strict=True))
    assert run.long == 0
    out = run(x, z)[0]
    with torch.no_grad():
        model[2].weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_arguments_in_lists_and_dicts_take_the_short_way() -> None:
    def f(batch: Any, more: Any = ()) -> Any:
        return batch["x"] * batch["scale"] + sum(m.sum() for m in more)

    batch = {"x": torch.ones(3), "scale": 2, "name": "first"}
    run = settled(Counted(f), batch, [torch.ones(2), torch.ones(1)])
    assert run({**batch, "x": torch.zeros(3)}, [torch.ones(2), torch.ones(1)]).tolist() == [3.0] * 3
    assert run.long == 0
    for others in ([torch.ones(2)], (torch.ones(2), torch.ones(1)), [torch.ones(2), torch.ones(4)]):
        assert torch.equal(run(batch, others), f(batch, others))
    assert run({"scale": 2, "x": torch.ones(3), "name": "first"}, [torch.ones(2), torch.ones(1)]).tolist() == [5.0] * 3
    assert run({**batch, "scale": 3}, [torch.ones(2), torch.ones(1)]).tolist() == [6.0] * 3


def test_names_that_the_text_uses_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    space = {"o2": torch.ones(2), "k40": 3.0, "v": 1.0, "args": 2.0, "type": 5.0, "_mark": 7.0}
    for name, value in space.items():
        monkeypatch.setitem(globals(), name, value)
    run = settled(Counted(eval("lambda x: x * o2 * k40 + v + args + type + _mark", globals())), torch.ones(2))
    assert run(torch.ones(2)).tolist() == [18.0, 18.0]
    monkeypatch.setitem(globals(), "v", 2.0)
    assert run(torch.ones(2)).tolist() == [19.0, 19.0]


def test_one_tensor_given_twice() -> None:
    pure = settled(Counted(lambda x, y: x * 2 + y), torch.ones(2), torch.ones(2))
    x = torch.ones(2)
    assert pure(x, x).tolist() == [3.0, 3.0]
    writing = settled(Counted(lambda x, y: (x.add_(1), x * y)[-1]), torch.ones(2), torch.ones(2))
    assert writing(x, x).tolist() == [4.0, 4.0]
    assert writing(x, torch.ones(2)).tolist() == [3.0, 3.0]
    assert x.tolist() == [3.0, 3.0]


def test_a_copy_of_a_compiled_module_has_the_copys_parameters() -> None:
    model = torch.compile(torch.nn.Linear(3, 2))
    x = torch.randn(4, 3)
    with torch.no_grad():
        for _ in range(4):
            before = model(x)
        other = copy.deepcopy(model)
        other.weight.zero_()
        other.bias.zero_()
        assert torch.equal(other(x), torch.zeros(4, 2))
        assert torch.equal(model(x), before)


@torch.compile
def doubled(x: Any) -> Any:
    return x * 2


def test_a_decorated_function_is_pickled_by_its_name() -> None:
    x = torch.arange(3.0)
    for _ in range(4):
        doubled(x)
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert copy.deepcopy(doubled) is doubled


def test_a_compiled_function_without_a_name_is_copied_to_be_compiled_anew() -> None:
    run = settled(Counted(lambda x: x * 2), torch.ones(3))
    other = copy.copy(run)
    assert other.programs() == []
    assert torch.equal(other(torch.ones(3)), run(torch.ones(3)))


def test_several_kinds_of_calls_have_a_fast_function_each() -> None:
    run = Counted(lambda x, by=2.0: x * by)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((torch.ones(3),), {}),
        ((torch.ones(4),), {}),
        ((torch.ones(3),), {"by": torch.ones(3)}),
    ]
    for args, kwargs in calls * 3:
        run(*args, **kwargs)
    run.long = 0
    for args, kwargs in calls:
        assert torch.equal(run(*args, **kwargs), run.function(*args, **kwargs))
    assert run.long == 0
    run.forget()
    run(torch.ones(3))
    assert run.long == 1


def test_what_an_enclosing_function_binds_anew_is_noticed() -> None:
    factor = torch.full((3,), 2.0)
    run = settled(Counted(lambda x: x * factor), torch.ones(3))
    factor = torch.full((3,), 5.0)
    assert torch.equal(run(torch.ones(3)), factor)
    del run.function.__closure__[0].cell_contents
    with pytest.raises(NameError, match="factor"):
        run(torch.ones(3))


def test_too_many_kinds_of_calls_are_told_once_at_the_users_line() -> None:
    model = torch.compile(torch.nn.Linear(3, 2))
    with warnings.catch_warnings(record=True) as told, torch.no_grad():
        warnings.simplefilter("always")
        for rows in range(1, 12):
            for _ in range(3):
                model(torch.ones(rows, 3))
    (warning,) = told
    assert warning.filename == __file__
    assert str(warning.message).startswith("Linear was compiled for 8 kinds of arguments")


def test_numbers_that_a_step_counts_are_replaced_by_the_fast_function(monkeypatch: pytest.MonkeyPatch) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (parameter * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = torch.arange(1.0, 4.0)
    run = settled(Counted(step), x)
    counted = optimizer.state[parameter]["step"]
    before = int(counted)

    def long(*_: Any) -> Any:
        raise AssertionError("the long way")

    monkeypatch.setattr(Variant, "__call__", long)
    run(x)
    run(x)
    assert int(counted) == before + 2
    assert optimizer.state[parameter]["step"] is counted


def test_attributes_that_are_set_to_what_they_are_change_nothing() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))
    model[0].factor = 2.0
    run = settled(Counted(lambda x: model(x) * model[0].factor), torch.ones(1, 2))
    for k in range(8):
        model.train(k % 2 == 0)
        run(torch.ones(1, 2))
    run.long = 0
    for k in range(4):
        model.train(k % 2 == 0)
        model[0].factor = float("2.0")  # equal, and another object
        run(torch.ones(1, 2))
    assert run.long == 0
    model.eval()
    plain = run(torch.ones(1, 2))
    model[0].factor = 3.0
    np.testing.assert_allclose(run(torch.ones(1, 2)).detach().numpy(), plain.detach().numpy() * 1.5, rtol=1e-6)
    model[0].renamed = model[0].__dict__.pop("factor")
    with pytest.raises(AttributeError, match="factor"):
        run(torch.ones(1, 2))


@pytest.mark.parametrize("option", ["lr", "weight_decay", "momentum"])
def test_options_of_an_optimizer_that_change_between_calls(option: str) -> None:
    def after(wrap: Any) -> Any:
        w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        rule = torch.optim.SGD([w], lr=0.1, momentum=0.5, weight_decay=0.1)

        def step(x: Any) -> Any:
            rule.zero_grad()
            (w * x).sum().backward()
            rule.step()
            return w * 1

        run, found = wrap(step), []
        for k in range(12):
            rule.param_groups[0][option] = 0.1 + 0.01 * (k // 2)
            found += run(torch.full((2,), k + 1.0)).tolist()
        return found

    np.testing.assert_allclose(after(Compiled), after(lambda f: f), rtol=1e-5)


def test_tensors_that_are_not_contiguous_take_the_short_way() -> None:
    w = torch.arange(9.0).reshape(3, 3).t()
    into = torch.zeros(3, 4)[:, ::2]

    def scaled(x: Any) -> Any:
        into.add_(x[:, :2])
        return w * x

    run = settled(Counted(scaled), torch.arange(12.0).reshape(3, 4)[:, 1:])
    for other in (torch.ones(3, 4)[:, 1:], torch.ones(3, 3), torch.ones(3, 5)[:, 2:], torch.arange(12.0).reshape(3, 4)[:, 1:]):
        before = into.clone()
        assert torch.equal(run(other), w * other)
        assert torch.equal(into, before + other[:, :2])
    assert run.long == 2
    w.data = torch.arange(9.0).reshape(3, 3)  # of as many elements in memory, in another order
    for _ in range(3):
        assert torch.equal(run(torch.ones(3, 4)[:, 1:]), w)


def test_gradients_that_are_others_after_each_step_take_the_short_way() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    run = Counted(lambda x: (w * x).sum().backward())
    for k in range(40):
        if k == 20:
            run.long = 0
        run(torch.full((2,), k + 1.0))
        if k % 4 == 3:
            assert w.grad.tolist() == [4.0 * k - 2] * 2
            w.grad = None
    assert run.long == 0


def test_an_optimizer_s_state_that_is_loaded_uses_up_no_programs() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    rule = torch.optim.Adam([w], lr=0.1)

    def step(x: Any) -> Any:
        rule.zero_grad()
        (w * x).square().sum().backward()
        rule.step()
        return w * 1

    run = Compiled(step)
    for _ in range(3 * LIMIT):
        run(torch.ones(2))
        rule.load_state_dict(copy.deepcopy(rule.state_dict()))
    assert 1 <= len(run.programs()) <= 2
    before = len(run.programs())
    run(torch.ones(2))
    run(torch.ones(2))
    assert len(run.programs()) == before
    assert rule.state[w]["step"].item() == 3 * LIMIT + 2


def test_memory_that_is_exchanged_now_and_then() -> None:
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    run = Counted(lambda x: (w * x).sum())
    for k in range(12):
        w.data = torch.tensor([1.0, 2.0]) * k
        for _ in range(40):
            assert run(torch.ones(2)).item() == 3 * k
    assert run.long < 12 * 20
