"""Where a function is cut, Python's rules hold as if it were not: variables, loops, closures, exceptions."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled
from chainrule.compiler.parts.parts import Parts

from .test_parts import agree, plain

LOG: list[Any] = []


def shared_lists(x):
    outs = []
    again = outs
    outs.append(x * 2)
    print("one")
    again.append(x.sin() * 3)
    print(len(outs), outs is again)
    outs[0].add_(1)
    return again[0] + outs[1]


def views_of_results(x):
    w = torch.ones(3, requires_grad=True)
    h = (x * w).sin()
    v = h[0]
    print(v.shape)
    v.mul_(2)
    h.sum().backward()
    return h.detach(), w.grad


def one_tensor_twice(x):
    a = b = x * 2
    print(a is b)
    a.add_(1)
    return b + 1, a is b


def set_in_a_branch(x):
    if x.shape[0] == 2:
        y = x * 2
        k = 1
    print("between")
    if x.shape[0] == 2:
        y = y + k
        return y * 3
    print("after")
    return x


def never_set(x):
    if x.shape[0] > 100:
        y = x
    print("before")
    z = x * 2
    try:
        z = z + y
    except UnboundLocalError as error:
        LOG.append(type(error).__name__)
    return z


def functions_inside(x):
    scale = 2.0

    def scaled(v):
        return v * scale

    print("defined")
    y = scaled(x) + 1
    scale = 3.0
    z = scaled(x) + y
    print("used")
    return z, (lambda v: v + scale)(y)


def counted_inside(x):
    n = 0

    def count(v):
        nonlocal n
        n += 1
        return v * n

    a = count(x) + n
    print("once", n)
    b = count(a) + n
    return a, b, n


def deleted(x):
    y = x * 2
    print("there")
    z = y + 1
    del y
    print("gone")
    y = z * z
    return y


def caught(x):
    y = x * 2
    try:
        y = y + 1
        print("in")
        y = y @ torch.ones(7)
        y = y * 100
    except RuntimeError:
        y = y * 5
    finally:
        print("out")
    return y


def loops(x):
    total = x * 0
    for k in range(4):
        if k == 1:
            continue
        total = total + x * k
        print("k", k)
        if total.sum() > 20:
            print("enough")
            break
    else:
        print("all")
    while total.sum() < 30:
        total = total * 2
        LOG.append(round(total.sum().item(), 3))
    return total


def comprehensions(x):
    parts = [x * k for k in range(3)]
    print("made", len(parts))
    total = sum(p.sum() for p in parts)
    k = "mine"
    pairs = {k: v * 2 for k, v in enumerate(parts)}
    print(k, [*pairs])
    return total, pairs[1], (n := total * 2), n


def unpacked(x, *rest, scale=2.0, **named):
    print(len(rest), sorted(named))
    first, *others = x * scale, x + 1, x + 2
    print(len(others))
    return first + sum(others) + sum(rest) + named["a"]


def in_place(x):
    y = x.clone()
    view = y[:1]
    print("view")
    view.add_(5)
    print(y.sum().item())
    y[0] = 7
    return view, y * 1


def histories(x):
    w = torch.ones(3, requires_grad=True)
    a = (w * x).sum()
    print(a.requires_grad, type(a.grad_fn).__name__ != "NoneType")
    b = (a * w).sum()
    print(b.item())
    (a + b).backward()
    return w.grad


def bound_before_a_jump(x):
    last, total = x * 0, 0.0
    for k in range(4):
        last = x * x + k
        total = total + float(last.mean())
        if k > 1:
            continue
        if total > 1e6:
            break
        total += 1
    return last, total


CASES = [
    bound_before_a_jump,
    shared_lists, views_of_results, one_tensor_twice, set_in_a_branch, never_set, functions_inside, counted_inside, deleted, caught, loops,
    comprehensions, in_place, histories,
]  # fmt: skip


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_python_s_rules_hold(function: Any, capsys: Any) -> None:
    run = Compiled(function)
    for k in range(8):
        for length in (2, 3) if function is set_in_a_branch else (3,):
            x = torch.arange(1.0, length + 1) + k % 3
            seen = []
            for f in (function, run):
                LOG.clear()
                given = x.clone()
                seen.append((plain(f(given)), LOG.copy(), plain(given), capsys.readouterr().out))
            agree(*seen)
    assert isinstance(run.parts, Parts), run.reasons


def test_all_kinds_of_parameters(capsys: Any) -> None:
    run = Compiled(unpacked)
    for k in range(5):
        x = torch.ones(2) * k
        agree(plain(unpacked(x, x, x, a=1.0)), plain(run(x, x, x, a=1.0)))
        agree(plain(unpacked(x, scale=1.0 + k, a=x)), plain(run(x, scale=1.0 + k, a=x)))
    with pytest.raises(TypeError, match="unpacked"):
        run()


class Base(torch.nn.Module):
    def forward(self, x):
        return x * 2


class Printing(Base):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(3, 3)
        self.calls = 0
        self.kept = []

    def forward(self, x):
        y = super().forward(x)
        self.calls += 1
        y = self.inner(y).tanh()
        self.kept.append(y.detach().mean().item())
        return y * self.calls


def test_methods_and_modules() -> None:
    torch.manual_seed(0)
    module = Printing()
    fast = torch.compile(module)
    method = Compiled(module.forward)
    for k in range(1, 7):
        x = torch.full((2, 3), float(k))
        expected = (module.inner(x * 2).tanh()).detach()
        agree(plain(expected * (2 * k - 1)), plain(fast(x)))
        agree(plain(expected * (2 * k)), plain(method(x)))
        assert module.calls == len(module.kept) == 2 * k
    assert method.programs(), method.reasons
    assert fast._compiled.programs(), fast._compiled.reasons


def test_errors_come_from_the_lines_that_raise() -> None:
    def function(x):
        print("first")
        y = x * 2
        return y @ torch.ones(7)

    run = Compiled(function)
    for _ in range(5):
        with pytest.raises(RuntimeError, match="size") as caught:
            run(torch.ones(3))
    lines, first = inspect.getsourcelines(function)
    assert any(str(e.path) == __file__ and e.lineno == first + 2 for e in caught.traceback)  # counted from 0


def test_what_a_function_looks_at_of_itself_keeps_it_whole() -> None:
    def function(x):
        print("first")
        y = x * 2
        return sorted(locals()), y

    def generated(x):
        print("first")
        yield x * 2

    run, each = Compiled(function), Compiled(generated)
    for _ in range(4):
        assert run(torch.ones(2))[0] == ["x", "y"]
        assert [v.tolist() for v in each(torch.ones(2))] == [[2, 2]]
    assert run.parts is None
