"""Operations of every family: they are explained, in every form, and what is said agrees with finite differences."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule as torch

F = torch.nn.functional
TARGETS = torch.tensor([0, 1, 2, 1])


# What the rule of the last operation but the square and the sum says; None where its formula is long.
PROGRAMS = {
    "softmax": (lambda x, w: x.softmax(1), "g·v1 − v1·Σ₁(g·v1)"),
    "log_softmax": (lambda x, w: x.log_softmax(1), "g − exp(v1)·Σ₁(g)"),
    "cross_entropy": (lambda x, w: F.cross_entropy(x, TARGETS), None),
    "layer_norm": (lambda x, w: F.layer_norm(x, (5,), w[0], w[1]), None),
    "gelu": (lambda x, w: F.gelu(x), "gelu_slope(x, approximate=none)"),
    "erf": (lambda x, w: x.erf(), "1.12838·exp(−x²)"),
    "lgamma": (lambda x, w: x.lgamma(), "digamma(x)"),
    "sinc": (lambda x, w: x.sinc(), "sinc′(x)"),
    "reciprocal": (lambda x, w: 1 / x, "−v1²"),
    "division": (lambda x, w: x / w[:1], None),
    "logsumexp": (lambda x, w: x.logsumexp(1), None),
    "norm": (lambda x, w: x.norm(), None),
    "std": (lambda x, w: x.std(1), None),
    "cumsum": (lambda x, w: x.cumsum(0), "cumsum(g, dim=0, reverse=True)"),
    "embedding": (lambda x, w: F.embedding(TARGETS, x), None),
    "einsum": (lambda x, w: torch.einsum("ij,kj->ik", x, w), None),
    "cat": (lambda x, w: torch.cat([x, w]), None),
    "max": (lambda x, w: x.max(1)[0], None),
    "prod": (lambda x, w: x.prod(1), None),
    "index": (lambda x, w: x[TARGETS], None),
    "mask": (lambda x, w: x[x > 0.5], None),
    "where": (lambda x, w: torch.where(x > 0.5, x, x * 2), None),
    "mse_loss": (lambda x, w: F.mse_loss(x, torch.zeros(4, 5).double()), "0.1·g·(x − c1)"),
    "atan2": (lambda x, w: torch.atan2(x, x + 1), None),
    "pow": (lambda x, w: x**x, None),
    "det": (lambda x, w: torch.linalg.det(x[:4, :4]), None),
    "inverse": (lambda x, w: torch.linalg.inv(x[:4, :4] + 2 * torch.eye(4).double()), "−v3ᵀ g v3ᵀ"),
    "matrix product": (lambda x, w: x @ w.T, None),
    "unbind": (lambda x, w: x.unbind(0)[1] * x.unbind(0)[0], None),
    "pad": (lambda x, w: F.pad(x, (1, 1)), None),
    "conv": (lambda x, w: F.conv1d(x[None], w[None, :, :2].expand(2, 3, 2)[:, :1].expand(2, 4, 2)), None),
    "pool": (lambda x, w: F.max_pool1d(x[None], 2), None),
    "hidden constant": (lambda x, w: torch.relu(torch.tanh(x + 0.125) - 0.5), None),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_operation(name):
    program, formula = PROGRAMS[name]
    torch.manual_seed(0)
    x = torch.rand(4, 5, dtype=torch.float64, requires_grad=True)
    w = torch.rand(3, 5, dtype=torch.float64, requires_grad=True)
    y = (program(x, w) ** 2).sum()
    d = torch.explain(y)
    checked = d.check()
    assert checked, str(checked)
    json.dumps(d.to_dict())
    assert r"{\partial x}" in d.markdown() and d.latex().count("{") == d.latex().count("}")
    assert all(given.formula is not None for step in d.steps for given in step.inputs)
    if formula is not None:
        assert formula in [given.text for step in d.steps for given in step.inputs]
    y.backward()
    for leaf, key in ((x, "x"), (w, "w")):
        if leaf.grad is not None:
            np.testing.assert_array_equal(d.gradients[key], leaf.grad.numpy())


def test_a_constant_that_no_rule_needs_is_found():
    x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    for y, shown in ((torch.sqrt(x * x + 2.0), "+ 2 = 2.09"), (torch.exp(x - 0.1), "x − 0.1 = 0.2"), (torch.log(3 - x), "3 − x = 2.7")):
        assert shown in torch.explain(y).text()
