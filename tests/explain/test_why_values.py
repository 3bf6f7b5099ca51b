"""Why a gradient is zero, NaN or infinite, vanishes or explodes: the program, and what must be said of it."""

import pytest

import chainrule as torch

nn = torch.nn


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def answer(program, watched):
    """What is said of the first of the tensors that a program gives, the second being its loss; and the program's lines."""
    if watched:
        with torch.why.watch():
            x, loss = program()
            loss.backward()
        return torch.why(x)
    x, loss = program()
    loss.backward(retain_graph=True)
    return torch.why(x, loss)


def check(program, offset, kind, text, remedy):
    """Both ways say it; the watched one names the line, counted from the program's ``def``."""
    code = program.__code__
    for watched in (False, True):
        said = answer(program, watched)
        found = [f for f in said if f.kind == kind]
        assert found, said
        assert text in found[0].text and remedy in found[0].remedy, said
        if watched:
            assert found[0].line == f"{code.co_filename}:{code.co_firstlineno + offset}", said


# -- zero ------------------------------------------------------------------------------------------------------------


def dead():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        model[0].bias.fill_(-100.0)
    return model[0].weight, model(torch.randn(5, 3)).sum()


def mostly_dead():
    w = leaf(-1.0, -2.0, -3.0, 0.5)
    return w, (torch.relu(w).square() * torch.tensor([1.0, 1.0, 1.0, 0.0])).sum()


def saturated_sigmoid():
    w = leaf(200.0, 150.0)
    return w, torch.sigmoid(w).sum()


def saturated_tanh():
    w = leaf(-30.0, 50.0)
    return w, torch.tanh(w).sum()


def clamped():
    w = leaf(20.0, 15.0)
    return w, torch.clamp(w, 0, 1).sum()


def never_the_maximum():
    w, v = leaf(0.0, 1.0), leaf(5.0, 5.0)
    return w, torch.maximum(w * 2, v).sum()


def never_the_largest():
    w = leaf(0.0, 1.0)
    return w, torch.stack([w.sum(), torch.tensor(9.0)]).max()


def never_chosen():
    w = leaf(0.0, 1.0)
    return w, torch.where(w > 100, w * 3, 0.0).sum()


def times_zero():
    w, mask = leaf(0.0, 1.0), torch.zeros(2)
    return w, (w * mask).sum()


def zero_weights():
    w, v = leaf(1.0, 2.0), torch.zeros(2, 3)
    return w, (w @ v).sum()


def rounded():
    w = leaf(0.3, 1.2)
    return w, (w * 3).round().sum()


def underflow():
    w = leaf(1e-30, 1e-30)
    return w, ((w * 1e-30) * 1e-30).sum()


def cancelling():
    w = leaf(1.0, 2.0)
    return w, (w - w).sum()


def flat():
    w = leaf(0.0, 0.0)
    return w, (w**2).sum()


ZERO = [
    (dead, 5, "dead-relu", "All ReLUs", "leaky_relu"),
    (mostly_dead, 2, "dead-relu", "75% of the ReLUs are dead", "smaller learning rate"),
    (saturated_sigmoid, 2, "saturated", "sigmoid is saturated (input [200., 150.]): its slope is 0 in float32", "scale the input down"),
    (saturated_tanh, 2, "saturated", "tanh is saturated (input [-30.,  50.])", "scale the input down"),
    (clamped, 2, "clamped", "w = [20., 15.] is outside of its bounds (0, 1)", "widen the bounds"),
    (never_the_maximum, 2, "never-chosen", "maximum never chose the result of mul", "smooth choice"),
    (never_the_largest, 2, "never-chosen", "never chose", "smooth choice"),
    (never_chosen, 2, "never-chosen", "where never chose the result of mul", "look at the condition"),
    (times_zero, 2, "times-zero", "is multiplied by zero:", "where the zeros come from"),
    (zero_weights, 2, "times-zero", "is multiplied by zero:", "where the zeros come from"),
    (rounded, 2, "rounding", "round rounds: it is constant between its steps", "(x.round() - x).detach()"),
    (underflow, 2, "underflow", "A cotangent of 1e-30 times a derivative of 1e-30 in mul rounds to 0 in float32", "float64"),
    (cancelling, 2, "cancel", "cancel each other", "x - x does not"),
    (flat, 2, "flat", "The derivative of pow", "another point"),
]


@pytest.mark.parametrize("program, offset, kind, text, remedy", ZERO, ids=[z[0].__name__ for z in ZERO])
def test_zero(program, offset, kind, text, remedy):
    check(program, offset, kind, text.replace("w = ", ""), remedy) if "w = " in text else check(program, offset, kind, text, remedy)


def test_zero_names_variables():
    w = leaf(20.0, 15.0)
    mask = torch.zeros(2)
    loss = (torch.clamp(w, 0, 1) * 2).sum()
    loss.backward(retain_graph=True)
    said = torch.why(w)
    assert said.title == "w.grad is zero."
    assert "clamp cuts the gradient: w = [20., 15.] is outside of its bounds (0, 1)" in str(said)
    v = leaf(1.0, 2.0)
    other = (v * mask).sum()
    other.backward(retain_graph=True)
    assert "v is multiplied by zero: mask = [0., 0.] in mul." in str(torch.why(v))


def test_zero_names_the_layer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        model[0].bias.fill_(-100.0)
    loss = model(torch.randn(5, 3)).sum()
    loss.backward(retain_graph=True)
    assert "All ReLUs after model.0 are dead" in str(torch.why(model[0].weight, loss))
    with torch.why.watch():
        model.zero_grad()
        model(torch.randn(5, 3)).sum().backward()
    assert "All ReLUs in Sequential.1 are dead" in str(torch.why(model[0].weight))


def test_zero_after_the_tape_was_freed():
    w = leaf(200.0, 150.0)
    torch.sigmoid(w).sum().backward()
    said = torch.why(w)
    assert said.kinds == ["freed"] and "why.watch()" in said[0].remedy and "chainrule.why(x, loss)" in said[0].remedy


# -- NaN and inf -----------------------------------------------------------------------------------------------------


def sqrt_at_zero():
    x = leaf(0.0, 1.0)
    return x, x.sqrt().sum()


def root_of_norm():
    x = leaf(0.0, 0.0)
    return x, x.square().sum().sqrt()


def log_of_zero():
    p = leaf(0.5, 0.0)
    return p, (p * 2).log().sum()


def zero_by_zero():
    p, q = leaf(0.0, 1.0), torch.tensor([0.0, 1.0])
    return p, (p / q).sum()


def overflow():
    p = leaf(100.0, 1.0)
    e = p.exp()
    return p, (e / e.sum()).sum()


def where_over_nan():
    x = leaf(0.0, 1.0)
    return x, torch.where(x > 0, x.sqrt(), 0.0).sum()


def pow_at_zero():
    x = leaf(1.0, 0.0)
    return x, (x**0.5).sum()


def acos_at_one():
    x = leaf(1.0, 0.0)
    return x, x.acos().sum()


NAN = [
    (sqrt_at_zero, 2, "backward-sqrt", "The gradient became inf in sqrt: the derivative of sqrt at", "sqrt(x + eps)"),
    (root_of_norm, 2, "backward-sqrt", "the derivative of sqrt at", "sqrt(x + eps)"),
    (log_of_zero, 2, "forward-log", "log gave -inf first:", "clamp_min(eps)"),
    (zero_by_zero, 2, "forward-div", "div gave nan first:", "x / (y + eps)"),
    (overflow, 2, "forward-exp", "exp gave inf first:", "subtract the largest argument first"),
    (where_over_nan, 2, "where", "where did not choose it, so its cotangent is 0, and 0 · inf = NaN", "f(torch.where(mask, x, 1))"),
    (pow_at_zero, 2, None, "the derivative of pow", "exponent is below 1"),
    (acos_at_one, 2, "backward-acos", "the derivative of acos at", "clamp(-1 + eps, 1 - eps)"),
]


@pytest.mark.parametrize("program, offset, kind, text, remedy", NAN, ids=[n[0].__name__ for n in NAN])
def test_not_finite(program, offset, kind, text, remedy):
    if kind is None:
        kind = answer(program, False)[0].kind
    check(program, offset, kind, text, remedy)


def test_operand_values_and_index_are_named():
    x = leaf(4.0, 0.0)
    loss = x.sqrt().sum()
    loss.backward(retain_graph=True)
    assert "at x = 0 at index 1 is not finite" in str(torch.why(x))
    p = leaf(0.5, 0.0)
    total = p.log().sum()
    total.backward(retain_graph=True)
    assert "log gave -inf first: p = 0 at index 1." in str(torch.why(p))


def test_a_loss_that_is_nan():
    p = leaf(0.5, -1.0)
    loss = p.log().sum()
    said = torch.why(loss)
    assert said.title == "loss is not finite." and "log gave nan first: p = -1 at index 1" in str(said)


def test_a_parameter_that_holds_nan():
    w = leaf(float("nan"), 1.0)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    assert "w itself holds NaN at index 0" in str(torch.why(w))


# -- vanishing and exploding -----------------------------------------------------------------------------------------


def deep(activation, depth, width=8, gain=1.0):
    torch.manual_seed(0)
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), activation()]
    model = nn.Sequential(*layers)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(gain)
    return model


def test_vanishing_by_layer():
    model = deep(nn.Sigmoid, 12)
    with torch.why.watch():
        model(torch.randn(5, 8)).sum().backward()
    said = torch.why(model)
    assert said.kinds[:2] == ["vanishing", "vanishing-at"]
    assert "On the way from the loss to model.0.weight the gradient loses a factor of" in said[0].text
    assert "at model.22.bias" in said[0].text or "at model.22.weight" in said[0].text
    assert "kaiming" in said[0].remedy and "residual" in said[0].remedy
    assert any(f.kind == "vanishing-at" and f.text.startswith("sigmoid") for f in said)
    assert "  0.weight: " in said.title and "  22.bias: " in said.title


def test_exploding_recurrence():
    torch.manual_seed(0)
    w = (3 * torch.randn(8, 8)).requires_grad_()
    with torch.why.watch():
        h = torch.randn(8, 8)
        for _ in range(20):
            h = h @ w
        h.sum().backward()
    said = torch.why(w)
    assert said.kinds[:2] == ["exploding", "exploding-at"]
    assert said[1].text.startswith("mm: 19 times, together × ") and "test_why_values.py" in said[1].line
    assert "clip_grad_norm_" in said[0].remedy


def test_a_sound_model_is_left_alone():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    loss = model(torch.randn(5, 8)).square().mean()
    loss.backward(retain_graph=True)
    said = torch.why(model, loss)
    assert not said and "2.weight" in said.title
    assert not torch.why(model[0].weight, loss)
