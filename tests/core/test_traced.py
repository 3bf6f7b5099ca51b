"""One rule text, read by the tracer: the program of a derivative, run on arrays, is the derivative."""

import numpy as np
import pytest

import chainrule as torch
from chainrule.core.op import OPS
from chainrule.core.traced import trace
from chainrule.func import grad, jvp, vmap


def loss(x, w):
    return torch.logsumexp(torch.tanh(x @ w) * torch.exp(torch.sin(x @ w)) / 2, 0).sum()


X, W = torch.linspace(-1, 1, 6).double().reshape(2, 3), torch.linspace(0, 1, 12).double().reshape(3, 4)


@pytest.mark.parametrize(
    "function",
    [
        loss,
        grad(loss),
        grad(loss, argnums=(0, 1)),
        lambda x, w: jvp(lambda z: loss(z, w), (x,), (torch.ones_like(X),))[1],
        lambda x, w: grad(lambda z: (grad(loss)(z, w) ** 2).sum())(x),
        lambda x, w: vmap(grad(lambda r: loss(r.unsqueeze(0), w)))(x),
    ],
    ids=["value", "gradient", "two gradients", "jvp", "second derivative", "per-sample gradient"],
)
def test_a_trace_computes_what_was_traced(function):
    wanted = function(X, W)
    got = trace(function, X, W)(X.numpy(), W.numpy())
    for g, w in zip(got, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        np.testing.assert_allclose(g, w.numpy(), rtol=1e-12)


def test_a_rule_reads_as_the_formula():
    rule = OPS["div"].rules[1]
    text = str(trace(lambda t, out, y: rule(t, out, y), *[torch.tensor(2.0)] * 3))
    assert [line.split(" = ")[1] for line in text.splitlines()[1:-1]] == ["neg(a)", "mul(v1, b)", "div(v2, c)"]


def test_numbers_are_refused_with_the_name():
    with pytest.raises(RuntimeError, match=r"traced value has a name \(v1\)"):
        trace(lambda x: x * 2 if (x * 2).item() > 0 else x, torch.tensor(1.0))
