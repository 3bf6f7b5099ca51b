"""What a derivation says of small programs, and that its numbers are backward's."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import chainrule as torch
from chainrule.core.op import OPS


def leaf(value, dtype=torch.float64):
    return torch.tensor(value, dtype=dtype, requires_grad=True)


def test_the_chain_of_the_issue_in_one_line():
    x, w, b = torch.tensor(6.7), leaf(1.0, torch.float32), leaf(0.0, torch.float32)
    z = w * x + b
    p = torch.sigmoid(z)
    L = -torch.log(1 - torch.clamp(p, 1e-8, 1 - 1e-8))
    d = torch.explain(L)
    assert d.chain(w) == "∂L/∂w = ∂L/∂p · ∂p/∂z · ∂z/∂w = 813.4 · 0.001228 · 6.7 = 6.692"
    assert d.chain("b") == "∂L/∂b = ∂L/∂p · ∂p/∂z · ∂z/∂b = 813.4 · 0.001228 · 1 = 0.9988"
    assert d.text().splitlines()[-2:] == [d.chain(w), d.chain(b)]


def test_a_step_has_formula_number_arrival_and_product():
    x = leaf(3.0)
    y = torch.sin(x**2)
    lines = torch.explain(y).text().splitlines()
    assert lines[:6] == [
        "y = sin(v1) = 0.4121",
        "│ arrives  ∂y/∂y = 1",
        "│ ∂y/∂v1 = cos(v1) = -0.9111   → 1 · (-0.9111) = -0.9111",
        "v1 = x² = 9",
        "│ arrives  ∂y/∂v1 = -0.9111",
        "│ ∂v1/∂x = 2·x = 6   → (-0.9111) · 6 = -5.467",
    ]


def test_the_formula_is_the_rules_own_text(monkeypatch):
    """Another rule, another formula and another gradient: there is no second table."""
    from chainrule.explain import local

    x = leaf(2.0)
    y = torch.cos(x)
    rules = (lambda t, x: t * 7 * x,)
    monkeypatch.setattr(type(y.grad_fn), "rules", rules)
    monkeypatch.setattr(local, "_TEMPLATES", {})
    step = torch.explain(y).steps[0]
    assert step.inputs[0].text == "7·x"
    assert step.inputs[0].leaves == 14.0
    assert OPS["cos"].rules[0] is not rules[0]


def test_sums_over_several_paths_are_shown_as_sums():
    x = leaf(3.0)
    y = x * torch.sin(x)
    d = torch.explain(y)
    assert "x = 3   ∂y/∂x = (-2.97) + 0.1411 = -2.829" in d.text()
    assert d.chain(x) == "∂y/∂x = ∂y/∂x|direct + ∂y/∂v1 · ∂v1/∂x = 0.1411 + 3 · (-0.99) = -2.829"
    paths = d.paths(x)
    assert [p.names for p in paths] == [["y", "x"], ["y", "v1", "x"]]
    y.backward()
    assert sum(p.contribution for p in paths) == pytest.approx(x.grad.item())


def test_gradients_are_backwards_and_nothing_is_changed():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    calls = []
    model[0].weight.register_hook(lambda g: calls.append(g))
    loss = (model(torch.randn(5, 3)) ** 2).mean()
    d = torch.explain(loss)
    assert calls == [] and all(p.grad is None for p in model.parameters())
    loss.backward()
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(d.gradients[f"model.{name}"], p.grad.numpy())


def test_after_backward_it_says_what_to_do():
    x = leaf(2.0)
    y = torch.sin(x)
    y.backward(retain_graph=True)
    torch.explain(y)
    y.backward()
    with pytest.raises(RuntimeError, match=r"(?s)second time.*Call explain\(\) before backward\(\).*retain_graph=True"):
        torch.explain(y)


def test_what_cannot_be_explained():
    x, other = leaf([1.0, 2.0]), leaf(1.0)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        torch.explain(x * 2)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.explain(torch.tensor(1.0))
    with pytest.raises(RuntimeError, match="does not depend on element 0 of wrt"):
        torch.explain((x * 2).sum(), wrt=[other])
    with pytest.raises(TypeError, match="must be Tensor, not float"):
        torch.explain(1.0)
    with pytest.raises(RuntimeError, match="inside a transform"):
        torch.func.grad(lambda v: torch.explain(v * v))(torch.tensor(1.0))


def test_wrt_limits_the_derivation():
    a, b = leaf(2.0), leaf(3.0)
    c = torch.exp(a)
    y = c * torch.log(b)
    d = torch.explain(y, wrt=[b])
    assert list(d.gradients) == ["b"]
    assert "exp" not in d.text()
    inner = torch.explain(y, wrt=c)
    assert inner.gradients["c"] == pytest.approx(np.log(3.0))
    z = a * b
    assert "∂z/∂b" not in torch.explain(z, wrt=[a]).text()


def test_tensors_have_shapes_and_jacobian_notation():
    x, W, b = torch.ones(3), leaf(np.arange(6.0).reshape(2, 3)), leaf([0.5, -0.5])
    z = W @ x.double() + b
    loss = (z * z).sum()
    text = torch.explain(loss).text()
    assert "∂v1/∂W: g c1ᵀ" in text
    assert "(2×3)" in text
    w = leaf(np.ones((30, 20)))
    assert "(30×20) ‖·‖ = 24.49, mean 1, from 1 to 1" in torch.explain(w.sum()).text()


def test_broadcasting_is_shown_as_the_sum_it_becomes():
    b = leaf([1.0, 2.0])
    big = torch.ones(100, 2, dtype=torch.float64)
    text = torch.explain((big * b).sum()).text()
    assert "summed over dimension 0, for it was broadcast: [100, 100] (2)" in text
    (step,) = [s for s in torch.explain((big * b).sum()).steps if s.operation == "mul"]
    assert step.inputs[0].summed == (0,)


def test_modules_fold_and_open():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    loss = model(torch.randn(2, 3)).sum()
    d = torch.explain(loss)
    assert "▸ model(" in d.text() and "relu" not in d.text()
    opened = d.open("model").text()
    assert "▸" not in opened and "relu" in opened
    assert d.open().text() == opened


def test_a_module_in_a_loop_folds_by_its_repeats():
    torch.manual_seed(0)
    cell = torch.nn.RNNCell(3, 4)
    h = torch.zeros(2, 4)
    for x in torch.randn(20, 2, 3):
        h = cell(x, h)
    text = torch.explain(h.sum()).text()
    assert re.search(r"▸ ×(19|20)   \d steps each", text) and len(text.splitlines()) < 60


def test_the_attributes_of_the_callers_object_have_names():
    class Trainer:
        def __init__(self):
            self.model = torch.nn.Linear(2, 1)

        def explained(self):
            return torch.explain(self.model(torch.ones(1, 2)).sum())

    assert set(Trainer().explained().gradients) == {"self.model.weight", "self.model.bias"}


def test_loops_fold_with_their_count():
    x = leaf(0.7)
    y = x
    for _ in range(1000):
        y = torch.sin(y) * 0.5 + x
    d = torch.explain(y)
    text = d.text()
    assert "▸ ×1000   3 steps each" in text and len(text.splitlines()) < 15
    assert len(d.steps) == 3000
    assert len(d.open().text().splitlines()) > 3000
    y.backward()
    assert d.gradients["x"] == x.grad.item()


def test_ten_thousand_steps_are_folded_into_few_lines():
    x = leaf(1.1)
    y = x
    for _ in range(2500):
        y = torch.sin(y) * 0.5 + x * 1.5
    d = torch.explain(y)
    assert len(d.graph.steps) == 10_000
    assert len(d.text().splitlines()) < 20


def test_higher_derivatives():
    x = leaf(3.0)
    (slope,) = torch.autograd.grad(torch.sin(x**2), x, create_graph=True)
    d = torch.explain(slope)
    assert d.gradients["x"] == pytest.approx(2 * np.cos(9) - 36 * np.sin(9))
    assert d.check()


def test_forward_mode_agrees_with_jvp():
    f = lambda x, w: torch.sin(x * w) + w
    x, w = leaf(0.3), leaf(1.7)
    d = torch.explain(f(x, w))
    forward = d.forward({"x": 2.0, "w": -1.0})
    want = torch.func.jvp(f, (x.detach(), w.detach()), (torch.tensor(2.0).double(), torch.tensor(-1.0).double()))[1]
    assert forward.tangent == pytest.approx(want.item())
    assert "ẋ = 2" in str(forward)
    with pytest.raises(KeyError, match="q is none of"):
        d.forward({"q": 1.0})


def test_forward_mode_of_tensors():
    W, v = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([1.0, -1.0])
    d = torch.explain(torch.tanh(W @ v).sum())
    t = np.array([[0.1, 0.2], [0.3, 0.4]])
    want = torch.func.jvp(lambda m: torch.tanh(m @ v.detach()).sum(), (W.detach(),), (torch.tensor(t),))[1]
    assert d.forward({"W": t}).tangent == pytest.approx(want.item())


def test_check_says_the_error_and_notices_a_wrong_rule(monkeypatch):
    x = leaf(0.4)
    y = torch.exp(x) * x
    good = torch.explain(y).check()
    assert good and good.errors["x"] < 1e-6 and "agrees with finite differences" in str(good)
    node = y.grad_fn.next_functions[0][0]
    monkeypatch.setattr(type(node), "rules", (lambda t, out: t * 2,))
    bad = torch.explain(y).check()
    assert not bad and "DIFFERS" in str(bad)


def test_renderings():
    w, b = leaf([1.0, 2.0]), leaf(0.5)
    loss = (torch.sigmoid(w * 3.0) * b).sum()
    d = torch.explain(loss)
    latex = d.latex()
    assert latex.startswith("\\begin{align*}") and r"\frac{\partial \mathrm{loss}}{\partial w}" in latex
    assert latex.count("{") == latex.count("}")
    assert d.markdown().splitlines()[0].startswith("| step |")
    assert "<details" in d._repr_html_() and "$" in d._repr_html_()
    data = json.loads(json.dumps(d.to_dict()))
    assert data["output"]["name"] == "loss" and data["gradients"]["b"] == pytest.approx(d.gradients["b"])
    assert d.html().startswith("<!doctype html>") and "http" not in d.html()


def test_plain_text_where_there_is_no_terminal(capsys):
    x = leaf(2.0)
    print(torch.explain(x * x))
    assert "\x1b" not in capsys.readouterr().out


def test_colours_where_the_terminal_has_them(monkeypatch):
    pytest.importorskip("rich")
    import sys

    class Terminal:
        encoding = "utf-8"

        def isatty(self):
            return True

        def write(self, text):
            return len(text)

        def flush(self):
            pass

    x = leaf(2.0)
    d = torch.explain(x * x)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with monkeypatch.context() as m:
        m.setattr(sys, "stdout", Terminal())
        coloured = str(d)
        m.setenv("NO_COLOR", "1")
        plain = str(d)
    assert "\x1b[" in coloured and plain == d.text()


def test_infinite_slopes_and_conjugates():
    w = leaf(0.0)
    assert torch.explain(torch.sqrt(w)).gradients["w"] == np.inf
    z = torch.tensor(1 + 2j, requires_grad=True)
    d = torch.explain((z * z.conj()).real)
    assert "= conj(z) = (1-2j)" in d.text()
    assert d.gradients["z"] == 2 + 4j


@pytest.mark.parametrize("program", ["view", "inplace", "multi", "function", "complex"])
def test_programs_of_every_kind_of_node(program):
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    if program == "view":
        y = x.T.reshape(4)[1:].prod()
    elif program == "inplace":
        c = x.clone()
        c[0] = x[1] * 2
        y = (c**2).sum()
    elif program == "multi":
        values, _ = x.sort(dim=1)
        a, b = values.unbind(0)
        y = (a * b).sum()
    elif program == "complex":
        y = torch.complex(x, x * 2).abs().sum()
    else:

        class Cube(torch.autograd.Function):
            @staticmethod
            def forward(ctx, v):
                ctx.save_for_backward(v)
                return v**3

            @staticmethod
            def backward(ctx, g):
                (v,) = ctx.saved_tensors
                return 3 * v**2 * g

        y = Cube.apply(x).sum()
    d = torch.explain(y)
    assert "∂y/∂x" in d.text()
    json.dumps(d.to_dict())
    d.latex()
    y.backward()
    np.testing.assert_allclose(d.gradients["x"], x.grad.numpy())
