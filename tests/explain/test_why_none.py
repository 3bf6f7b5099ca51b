"""Why a gradient is None: the program, and what must be said of it."""

import sys

import pytest

import chainrule as torch


def here(offset=-1):
    """``file:line`` of the caller's line, or of one above."""
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno + offset}"


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


def says(answer, kind, text, remedy, line=None):
    """The first finding is of that kind, and says it."""
    first = answer[0]
    assert first.kind == kind, answer
    assert text in first.text and remedy in first.remedy, answer
    if line is not None:
        assert first.line == line, answer
    assert text in str(answer) and f"Remedy: {first.remedy}." in str(answer)


CUTS = {
    "detach": (lambda h, v: h.detach() * v, ".detach()"),
    "data": (lambda h, v: h.data * v, ".data"),
    "item": (lambda h, v: h.sum().item() * v, "a conversion to a Python number"),
    "numpy": (lambda h, v: torch.from_numpy(h.detach().numpy()) * v, ".detach()"),
    "tensor": (lambda h, v: torch.tensor(h.sum().item()) * v, "a conversion to a Python number"),
    "cast": (lambda h, v: h.long() * v, "a conversion to an integer dtype"),
    "to": (lambda h, v: h.to(torch.int32) * v, "a conversion to an integer dtype"),
    "argmax": (lambda h, v: h.argmax() * v, "an operation whose result is an index"),
    "comparison": (lambda h, v: (h > 4) * v, "a comparison"),
}
KINDS = {"numpy": "detach", "tensor": "item", "to": "cast"}


@pytest.mark.parametrize("how", CUTS)
def test_cut_and_watched(how):
    cut, by = CUTS[how]
    w, v = leaf(), leaf()
    with torch.why.watch():
        h = w * 3
        loss = cut(h, v).sum()
        loss.backward()
    assert w.grad is None and v.grad is not None
    answer = torch.why(w)
    says(answer, KINDS.get(how, how), f"What was computed from w left the tape by {by}", "")
    assert answer[0].line == f"{__file__}:{cut.__code__.co_firstlineno}"
    assert answer.title == "w.grad is None."


def test_no_grad_watched():
    w, v = leaf(), leaf()
    with torch.why.watch():
        with torch.no_grad():
            h = w * 3
            line = here()
        (h * v).sum().backward()
    says(torch.why(w), "no_grad", "What was computed from w left the tape by no_grad()", "outside of no_grad()", line)


def test_the_cut_that_the_loss_went_through_comes_first():
    w, v = leaf(), leaf()
    with torch.why.watch():
        h = w * 3
        print(h.sum().item())
        out = h.detach()
        line = here()
        (out * v).sum().backward()
    says(torch.why(w), "detach", "by .detach()", "leave .detach() out", line)


def test_a_module_under_no_grad():
    model, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    with torch.why.watch():
        with torch.no_grad():
            features = model(torch.ones(1, 2))
            line = here()
        head(features).sum().backward()
    says(torch.why(model.weight), "no_grad", "model.weight left the tape by no_grad()", "outside of no_grad()", line)


def test_cut_and_not_watched():
    """The source tells what the tape cannot."""
    w, v = leaf(), leaf()
    h = w * 3
    out = h.detach()
    line = here()
    loss = (out * v).sum()
    loss.backward()
    says(torch.why(w), "detach", "What was computed from w left the tape by .detach()", "leave .detach() out", line)
    says(torch.why(w, loss), "detach", "by .detach()", "leave .detach() out", line)


def test_the_cut_tensor_itself():
    w = leaf()
    h = (w * 3).detach()
    line = here()
    says(torch.why(h), "detach", "h left the tape by .detach()", "leave .detach() out", line)


def test_not_a_leaf():
    w = leaf() * 0.1
    (w * w).sum().backward()
    says(torch.why(w), "not-a-leaf", "w is not a leaf: it is the result of MulBackward0", "w.retain_grad()")
    with torch.why.watch():
        v = leaf() * 0.1
        line = here()
    says(torch.why(v), "not-a-leaf", "v is not a leaf", "v = (…).detach().requires_grad_()", line)


def test_rebound_by_an_update():
    w = leaf()
    (w * w).sum().backward()
    with torch.no_grad():
        w = w - 0.1 * w.grad
        line = here()
    says(torch.why(w), "rebound", "w was rebound inside no_grad() to a new tensor", "w -= …", line)


def test_backward_not_called():
    w = leaf()
    loss = (w * w).sum()
    says(torch.why(w), "no-backward", "loss depends on it, but backward() was not called on loss", "loss.backward()")
    with torch.why.watch():
        other = (w + 1).sum()  # noqa: F841
        line = here()
    del loss
    says(torch.why(w), "no-backward", "other depends on it", "other.backward()", line)


def test_never_reached():
    w, v = leaf(), leaf()
    loss = (v * v).sum()
    loss.backward()
    says(torch.why(w), "unused", "w was never reached by the loss: no recorded operation uses w", "compute the loss with w")
    says(torch.why(w, loss), "unused", "never reached", "why.watch()")


def test_cleared_after_backward():
    w = torch.nn.Parameter(torch.ones(2))
    sgd = torch.optim.SGD([w], lr=0.1)
    with torch.why.watch():
        loss = (w * w).sum()
        loss.backward()
        sgd.zero_grad()
        line = here()
    says(torch.why(w), "cleared", "was computed, and cleared after that", "zero_grad() belongs before backward()", line)


def test_the_optimizer_holds_another_tensor():
    model = torch.nn.Linear(2, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    model.weight = torch.nn.Parameter(torch.zeros(1, 2))
    old = sgd.param_groups[0]["params"][0]
    model(torch.ones(3, 2)).sum().backward()
    answer = torch.why(old)
    assert "unused" in answer.kinds
    assert any(f.kind == "optimizer" and "the model has another tensor" in f.text and "model.parameters()" in f.remedy for f in answer)


def test_frozen():
    model = torch.nn.Linear(2, 1)
    with torch.why.watch():
        model.weight.requires_grad_(False)
        line = here()
    model(torch.ones(3, 2)).sum().backward()
    says(torch.why(model.weight), "frozen", "model.weight is frozen: requires_grad_(False) was called", "requires_grad_()", line)


def test_frozen_module():
    model = torch.nn.Linear(2, 1).requires_grad_(False)
    says(torch.why(model.weight), "frozen", "requires_grad_(False) was called on Linear.weight", "model.weight.requires_grad_()")


def test_never_asked_for():
    w = torch.ones(2)
    says(torch.why(w), "not-asked", "w does not require grad", "requires_grad=True")


def test_a_variable_is_named_before_a_place_in_a_list():
    def ask(*parts):
        return torch.why(parts[0])

    w = leaf()
    assert ask(w).title == "w.grad is None."
    assert ask(leaf()).title == "parts[0].grad is None."


def test_integers():
    n = torch.tensor([1, 2])
    says(torch.why(n), "integer", "n is torch.int64", "n.float()")


def test_what_is_no_tensor():
    with pytest.raises(TypeError, match=r"why\(\): argument 'x' \(position 1\) must be Tensor or Module, not float"):
        torch.why(1.0)


def test_a_watched_error_names_the_line():
    w = leaf()
    with torch.why.watch():
        out = (w * 3).detach()
        line = here()
        with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad") as caught:
            (out * 2).sum().backward()
    assert f"left by .detach() at {line}" in "\n".join(caught.value.__notes__)


def test_watching_changes_nothing():
    def program():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        seen = []
        model[0].weight.register_hook(lambda g: seen.append(g.sum().item()))
        for _ in range(3):
            sgd.zero_grad()
            model(torch.ones(4, 2)).square().mean().backward()
            sgd.step()
        return seen, [p.tolist() for p in model.parameters()]

    plain = program()
    profiler = sys.getprofile()
    with torch.why.watch():
        watched = program()
    assert watched == plain and len(plain[0]) == 3
    assert sys.getprofile() is profiler
