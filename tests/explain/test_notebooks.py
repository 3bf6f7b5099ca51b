"""The derivatives that five notebooks on autograd work out by hand, each printed by ``explain`` with the same number.

The programs are those of the notebooks, in short; ``HAND`` computes what their authors computed with pencil and ``math``.
"""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import chainrule as torch

NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"


def leaf(value):
    return torch.tensor(value, requires_grad=True)


def printed(text, head):
    """The number that the line ends with on which ``head`` is derived."""
    line = next(line for line in text.splitlines() if line.startswith(head + " ="))
    found = re.search(rf"= ({NUMBER})$", line)
    assert found, line
    return float(found[1])


def local(text, head):
    """The number of a local derivative ``head = formula = number → …``, or that of a factor that is one."""
    line = next(line for line in text.splitlines() if re.search(rf"(^|│ ){re.escape(head)} =", line))
    return float(re.search(rf"({NUMBER})(?:   →.*)?$", line.split("   →")[0])[1])


def cross_entropy(prediction, target):
    epsilon = 1e-8
    prediction = torch.clamp(prediction, epsilon, 1 - epsilon)
    return -(target * torch.log(prediction) + (1 - target) * torch.log(1 - prediction))


def same(a, b):
    """Within the four digits that are printed, and single precision."""
    return a == pytest.approx(b, rel=6e-4, abs=1e-12)


@pytest.mark.parametrize(("notebook", "at"), [(0, 3.0), (1, 3.0), (2, 3.0), (3, 3.0), (1, 2.0), (2, 2.0)])
def test_the_square(notebook, at):
    x = leaf(at)
    y = x**2
    text = str(torch.explain(y))
    assert same(printed(text, "∂y/∂x"), 2 * at)
    assert f"∂y/∂x = 2·x = {2 * at:g}" in text


@pytest.mark.parametrize(("notebook", "at"), [(0, 3.0), (1, 4.0), (2, 4.0), (2, 2.0), (3, 3.0)])
def test_the_sine_of_the_square(notebook, at):
    x = leaf(at)
    y = x**2
    z = torch.sin(y)
    text = str(torch.explain(z))
    assert same(printed(text, "∂z/∂x"), 2 * at * math.cos(at**2))
    assert same(local(text, "∂z/∂y"), math.cos(at**2))
    assert same(local(text, "∂y/∂x"), 2 * at)
    assert "∂z/∂x = ∂z/∂y · ∂y/∂x = " in text


@pytest.mark.parametrize(("notebook", "bias"), [(0, 0.0), (1, 0.0), (2, 0.0), (3, 1.0)])
def test_the_neuron_with_its_loss(notebook, bias):
    """dL/dw = dL/dy_pred · dy_pred/dz · dz/dw, and so for b; the third notebook differentiates by x and w."""
    y = torch.tensor(0.0)
    w = leaf(1.0)
    x = leaf(6.7) if notebook == 3 else torch.tensor(6.7)
    b = torch.tensor(bias) if notebook == 3 else leaf(bias)
    z = w * x + b
    y_pred = torch.sigmoid(z)
    loss = cross_entropy(y_pred, y)
    text = str(torch.explain(loss))

    p = y_pred.item()
    by_hand = {"loss/y_pred": (p - 0.0) / (p * (1 - p)), "y_pred/z": p * (1 - p), "z/w": 6.7, "z/b": 1.0, "z/x": 1.0}
    for last in ("w", "x") if notebook == 3 else ("w", "b"):
        factors = [by_hand["loss/y_pred"], by_hand["y_pred/z"], by_hand[f"z/{last}"]]
        line = next(line for line in text.splitlines() if line.startswith(f"∂loss/∂{last} = ∂loss/∂y_pred · ∂y_pred/∂z · ∂z/∂{last} = "))
        shown = [float(n) for n in line.split(" = ")[2].split(" · ")]
        assert all(same(a, b) for a, b in zip(shown, factors, strict=True)), line
        assert same(printed(text, f"∂loss/∂{last}"), math.prod(factors))
    assert same(local(text, "∂y_pred/∂z"), by_hand["y_pred/z"])
    assert "∂y_pred/∂z = y_pred·(1 − y_pred)" in text


def test_the_third_notebooks_hand_work_at_bias_zero():
    """It works dL/dw and dL/db out with plain numbers w = 1 and b = 0, and the input as the leaf."""
    x = leaf(6.7)
    z = 1 * x + 0
    y_pred = torch.sigmoid(z)
    loss = cross_entropy(y_pred, torch.tensor(0.0))
    text = str(torch.explain(loss))
    p = y_pred.item()
    shown = [float(n) for n in text.splitlines()[-1].split(" = ")[2].split(" · ")]
    assert same(shown[0], p / (p * (1 - p))) and same(shown[1], p * (1 - p)) and shown[2] == 1
    assert same(printed(text, "∂loss/∂x"), p)


@pytest.mark.parametrize("notebook", [0, 1, 2, 3])
def test_the_mean_of_squares(notebook):
    x = leaf([1.0, 2.0, 3.0])
    y = (x**2).mean()
    text = str(torch.explain(y))
    by_hand = [2 * v / 3 for v in (1.0, 2.0, 3.0)]
    assert text.splitlines()[-1].endswith("= [" + ", ".join([f"{v:.4g}" for v in by_hand]) + "]")
    assert "2·x = [2, 4, 6]" in text


def test_fifth_the_polynomial_of_a_number():
    x = leaf(7.0)
    f = (x**2) + 3
    text = str(torch.explain(f))
    assert printed(text, "∂f/∂x") == 14.0
    assert "2·x = 14" in text


def test_fifth_the_polynomial_of_a_matrix():
    def f(x):
        return (x**3) + 7 * (x**2) + 5 * x + 10

    x = leaf(np.arange(1.0, 10.0, dtype=np.float32).reshape(3, 3))
    z = f(x).sum()
    last = str(torch.explain(z)).splitlines()[-1]
    v = np.arange(1.0, 10.0).reshape(3, 3)
    by_hand = 3 * v**2 + 14 * v + 5
    assert last.endswith("= [" + ", ".join(["[" + ", ".join([f"{a:g}" for a in row]) + "]" for row in by_hand]) + "]")


def test_fifth_the_line():
    x, w, b = leaf(5.0), leaf(2.0), leaf(3.0)
    y = w * x + b
    text = str(torch.explain(y))
    assert [printed(text, f"∂y/∂{n}") for n in "xwb"] == [2.0, 5.0, 1.0]


def test_fifth_the_logits():
    torch.manual_seed(0)
    x, y = torch.ones(5), torch.zeros(3)
    w, b = torch.randn(5, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    z = torch.matmul(x, w) + b
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
    text = str(torch.explain(loss))
    by_hand = (1 / (1 + np.exp(-z.detach().numpy()))) / 3
    row = "[" + ", ".join([f"{v:.4g}" for v in by_hand]) + "]"
    assert text.splitlines()[-1] == f"∂loss/∂b = ∂loss/∂z · ∂z/∂b = {row}"
    assert text.splitlines()[-2] == "∂loss/∂w = ∂loss/∂z · ∂z/∂w = [" + ", ".join([row] * 5) + "]"


def test_fifth_the_linear_layer():
    torch.manual_seed(0)
    x, y = torch.randn(10, 3), torch.randn(10, 2)
    linear = torch.nn.Linear(3, 2)
    pred = linear(x)
    loss = torch.nn.MSELoss()(pred, y)
    d = torch.explain(loss)
    g = 2 * (pred - y).detach().numpy() / 20
    np.testing.assert_allclose(d.gradients["linear.weight"], g.T @ x.numpy(), rtol=1e-5, atol=1e-7)
    row = "[" + ", ".join([f"{v:.4g}" for v in d.gradients["linear.bias"]]) + "]"
    assert f"∂loss/∂linear.bias = ∂loss/∂pred · ∂pred/∂linear.bias = {row}" in str(d)
    np.testing.assert_allclose(d.gradients["linear.bias"], g.sum(0), rtol=1e-5, atol=1e-7)
    assert "∂pred/∂linear.weight: gᵀ x" in str(d) and "g·(pred − y)" in str(d)
