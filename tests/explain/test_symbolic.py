"""The closed form that the rules give is SymPy's own derivative."""

from __future__ import annotations

import random

import pytest

import chainrule as torch

sp = pytest.importorskip("sympy")

# (arity, ours, SymPy's), all of them smooth where the random programs use them
UNARY = {
    "sin": sp.sin, "cos": sp.cos, "tanh": sp.tanh, "atan": sp.atan, "sigmoid": lambda v: 1 / (1 + sp.exp(-v)), "asinh": sp.asinh,
    "erf": sp.erf,
}  # fmt: skip
GUARDED = {
    "exp": (lambda t: torch.exp(torch.tanh(t)), lambda s: sp.exp(sp.tanh(s))),
    "log": (lambda t: torch.log(t * t + 1), lambda s: sp.log(s * s + 1)),
    "sqrt": (lambda t: torch.sqrt(t * t + 2), lambda s: sp.sqrt(s * s + 2)),
    "log1p": (lambda t: torch.log1p(t**2), lambda s: sp.log(1 + s**2)),
    "reciprocal": (lambda t: torch.reciprocal(t**2 + 3), lambda s: 1 / (s**2 + 3)),
    "number_pow": (lambda t: 2 ** torch.sin(t), lambda s: 2 ** sp.sin(s)),
    "softplus": (lambda t: torch.nn.functional.softplus(t), lambda s: sp.log(1 + sp.exp(s))),
}


def program(rng, t, s, depth):
    """A random program on tensors and the same in SymPy."""
    if depth == 0:
        k = rng.randrange(len(t) + 1)
        if k == len(t):
            number = rng.choice([0.5, 2, 3, -1.5])
            return t[0] * number, s[0] * sp.Rational(number)
        return t[k], s[k]
    kind = rng.random()
    if kind < 0.3:
        name = rng.choice(list(UNARY))
        a, b = program(rng, t, s, depth - 1)
        return getattr(torch, name)(a), UNARY[name](b)
    if kind < 0.5:
        ours, theirs = GUARDED[rng.choice(list(GUARDED))]
        a, b = program(rng, t, s, depth - 1)
        return ours(a), theirs(b)
    if kind < 0.6:
        n = rng.choice([2, 3])
        a, b = program(rng, t, s, depth - 1)
        return a**n, b**n
    a, b = program(rng, t, s, depth - 1)
    c, d = program(rng, t, s, depth - 1)
    if kind < 0.75:
        return a * c, b * d
    if kind < 0.85:
        return a - c, b - d
    if kind < 0.92:
        return a / (c * c + 1), b / (d * d + 1)
    return a + c, b + d


@pytest.mark.parametrize("seed", range(200))
def test_the_closed_form_is_sympys_derivative(seed):
    rng = random.Random(seed)
    x = torch.tensor(rng.uniform(-1.5, 1.5), dtype=torch.float64, requires_grad=True)
    w = torch.tensor(rng.uniform(-1.5, 1.5), dtype=torch.float64, requires_grad=True)
    symbols = sp.Symbol("x", real=True), sp.Symbol("w", real=True)
    y, want = program(rng, (x, w), symbols, 3)
    if not any(want.has(s) for s in symbols):
        y, want = y * x, want * symbols[0]
    found = torch.explain(y).symbolic(simplify=False)
    assert set(found.derivatives) <= {"x", "w"} and found.derivatives
    for name, derivative in found.derivatives.items():
        assert found.errors[name] < 1e-9
        difference = derivative - sp.diff(want, sp.Symbol(name, real=True))
        # At points other than the program's own: two different functions would not agree at both.
        for point in ({"x": 0.37, "w": -0.81}, {"x": -1.19, "w": 0.53}):
            at = {sp.Symbol(k, real=True): sp.Float(v, 40) for k, v in point.items()}
            assert abs(complex(difference.evalf(25, subs=at))) < 1e-12


def test_the_closed_form_reads_as_mathematics():
    x = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    found = torch.explain(torch.sin(x**2)).symbolic()
    s = sp.Symbol("x", real=True)
    assert found.derivative == 2 * s * sp.cos(s**2)
    assert str(found).startswith("d/dx = 2·x·cos(x²)")
    assert r"\cos" in found._repr_latex_()


def test_several_leaves_and_named_constants_stay_symbols():
    x = torch.tensor(2.0)
    w, b = (torch.tensor(v, requires_grad=True) for v in (0.5, -0.25))
    z = w * x + b
    found = torch.explain(torch.exp(z)).symbolic()
    W, X, B = (sp.Symbol(n, real=True) for n in "wxb")
    assert sp.simplify(found.derivatives["w"] - X * sp.exp(W * X + B)) == 0
    assert sp.simplify(found.derivatives["b"] - sp.exp(W * X + B)) == 0
    assert max(found.errors.values()) < 1e-6
    with pytest.raises(ValueError, match="derivatives by"):
        _ = found.derivative


def test_tensors_have_no_closed_form():
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(TypeError, match="programs of numbers"):
        torch.explain((x * x).sum()).symbolic()
