"""What ``lint`` says of a training step with a mistake, and that it says nothing of a sound one."""

import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as torch

nn, F = torch.nn, torch.nn.functional
ROOT = Path(__file__).parents[2]


def line(function, offset):
    """``file:line`` of a line of the function, counted from its ``def``."""
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno + offset}"


def one(found, kind, text, remedy, place=None):
    """There is exactly this finding."""
    assert found.kinds == [kind], found
    assert text in found[0].text and remedy in found[0].remedy, found
    if place is not None:
        assert found[0].line == place, found
    assert bool(found) and text in str(found) and "1 mistake." in found.title


def regression():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    return model, torch.optim.SGD(model.parameters(), lr=0.01), torch.randn(8, 3), torch.randn(8, 1)


def trainer(model, optimizer, loss_of, clear=True):
    """A plain training step."""

    def step(x, y):
        if clear:
            optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


# -- mistakes --------------------------------------------------------------------------------------------------------


def test_forgotten_zero_grad():
    model, sgd, x, y = regression()
    step = trainer(model, sgd, F.mse_loss, clear=False)
    one(
        torch.lint(step, x, y),
        "zero-grad",
        "(model.0.weight, model.0.bias, model.2.weight, model.2.bias)",
        "optimizer.zero_grad()",
        line(step, 4),
    )


def test_forgotten_clearing_by_hand():
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def step():
        loss = (w * w).sum()
        loss.backward()
        with torch.no_grad():
            w.sub_(0.1 * w.grad)

    one(torch.lint(step), "zero-grad", "(w)", "w.grad = None", line(step, 2))


def test_broadcast_loss():
    model, sgd, x, y = regression()
    step = trainer(model, sgd, F.mse_loss)
    said = torch.lint(step, x, y.squeeze(1))
    one(said, "broadcast", "mse_loss of shapes (8, 1) and (8,) is broadcast to (8, 8)", "squeeze(-1)", line(step, 3))


def test_broadcast_by_hand():
    model, sgd, x, y = regression()
    loss_of = lambda p, t: ((p - t) ** 2).mean()
    said = torch.lint(trainer(model, sgd, loss_of), x, y.squeeze(1))
    one(said, "broadcast", "the difference of shapes (8, 1) and (8,) is broadcast to (8, 8)", "squeeze(-1)", line(loss_of, 0))


def classification(last):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), last)
    return model, torch.optim.SGD(model.parameters(), lr=0.01), torch.randn(8, 3), torch.randint(0, 4, (8,))


def test_softmax_before_cross_entropy():
    model, sgd, x, y = classification(nn.Softmax(dim=1))
    step = trainer(model, sgd, nn.CrossEntropyLoss())
    said = torch.lint(step, x, y)
    one(said, "softmax", "The input of cross_entropy is the result of softmax", "pass the logits", line(step, 3))


def test_softmax_before_nll():
    model, sgd, x, y = classification(nn.Softmax(dim=1))
    one(torch.lint(trainer(model, sgd, F.nll_loss), x, y), "softmax", "nll_loss takes logarithms", "log_softmax")


def test_sigmoid_before_logits():
    model, sgd, x, _ = classification(nn.Sigmoid())
    said = torch.lint(trainer(model, sgd, nn.BCEWithLogitsLoss()), x, torch.ones(8, 4))
    one(said, "sigmoid", "applies the sigmoid itself", "leave the sigmoid out")


def test_eval_left_on():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1)).eval()
    step = trainer(model, torch.optim.SGD(model.parameters(), lr=0.01), F.mse_loss)
    said = torch.lint(step, torch.ones(8, 3), torch.ones(8, 1))
    one(said, "eval-left-on", "Sequential is trained in evaluation mode: its Dropout do not act", "model.train()", line(step, 3))


def test_eval_forgotten():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    sgd = torch.optim.SGD(model.parameters(), lr=0.01)

    def step(x, y):
        sgd.zero_grad()
        F.mse_loss(model(x), y).backward()
        sgd.step()
        with torch.no_grad():
            return F.mse_loss(model(x), y)

    said = torch.lint(step, torch.ones(8, 3), torch.ones(8, 1))
    one(
        said,
        "eval-forgotten",
        "Sequential is evaluated (nothing is recorded) in training mode: its BatchNorm1d",
        "model.eval()",
        line(step, 5),
    )


def test_parameters_not_in_the_optimizer():
    model, whole, x, y = regression()
    del whole
    step = trainer(model, torch.optim.SGD(model[0].parameters(), lr=0.01), F.mse_loss)
    said = torch.lint(step, x, y)
    one(said, "not-in-optimizer", "model.2.weight, model.2.bias: a gradient is computed, but no optimizer", "whole model", line(step, 5))


def test_an_optimizer_of_another_model():
    model, _, x, y = regression()
    other = nn.Linear(3, 1)
    said = torch.lint(trainer(model, torch.optim.SGD(other.parameters(), lr=0.01), F.mse_loss), x, y)
    assert said.kinds[0] == "not-in-optimizer", said


class Hiding(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.layers = [nn.Linear(4, 4), nn.Linear(4, 1)]

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = layer(torch.tanh(x))
        return x


def test_a_list_that_hides_parameters():
    torch.manual_seed(0)
    model = Hiding()
    said = torch.lint(trainer(model, torch.optim.SGD(model.parameters(), lr=0.01), F.mse_loss), torch.ones(8, 3), torch.ones(8, 1))
    one(
        said,
        "hidden-modules",
        "Hiding.layers is a list: parameters() does not find",
        "self.layers = nn.ModuleList(…)",
        line(Hiding.__init__, 3),
    )


def test_a_target_with_gradient():
    model, sgd, x, _ = regression()

    def step():
        sgd.zero_grad()
        loss = F.mse_loss(model(x), 0.9 * model(x + 1))
        loss.backward()
        sgd.step()

    one(torch.lint(step), "target", "The target of mse_loss requires grad", "target.detach()", line(step, 2))


def test_a_learning_rate_that_overflows():
    model = nn.Linear(3, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=1e9)
    step = trainer(model, sgd, F.mse_loss)
    said = torch.lint(step, torch.ones(8, 3), torch.zeros(8, 1), runs=4)
    one(said, "learning-rate", "The training diverges with lr=1000000000.0: the loss goes ", "ten times smaller", line(step, 5))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 4, 4)])
def test_batch_norm_on_a_batch_of_one(shape):
    """Two dimensions raise what PyTorch raises, four compute."""
    norm = nn.BatchNorm1d(3) if len(shape) == 2 else nn.BatchNorm2d(3)
    sgd = torch.optim.SGD(norm.parameters(), lr=0.01)

    def step(x):
        sgd.zero_grad()
        norm(x).square().sum().backward()
        sgd.step()

    one(torch.lint(step, torch.randn(shape)), "batch-of-one", f"on a batch of one (input of shape {shape})", "GroupNorm", line(step, 2))


# -- what lint leaves alone ------------------------------------------------------------------------------------------


def test_the_state_is_restored():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    step = trainer(model, adam, F.mse_loss)
    x, y = torch.randn(8, 3), torch.randn(8, 1)
    step(x, y)

    def state():
        moments = [v.tolist() if isinstance(v, torch.Tensor) else v for s in adam.state_dict()["state"].values() for v in s.values()]
        values = {k: v.tolist() for k, v in model.state_dict().items()}
        return values, moments, [p.grad.tolist() for p in model.parameters()], [m.training for m in model.modules()]

    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    before = state()
    draws = (torch.rand(2).tolist(), random.random(), np.random.rand())
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    assert not torch.lint(step, x, y)
    assert state() == before
    assert (torch.rand(2).tolist(), random.random(), np.random.rand()) == draws


def test_errors_are_raised_and_the_state_restored():
    w = torch.tensor([1.0], requires_grad=True)

    def step():
        with torch.no_grad():
            w.add_(1)
        raise ValueError("mine")

    profiler = sys.getprofile()
    with pytest.raises(ValueError, match="mine"):
        torch.lint(step)
    assert w.tolist() == [1.0] and sys.getprofile() is profiler


def test_what_is_no_step():
    with pytest.raises(TypeError, match=r"lint\(\): argument 'step' \(position 1\) must be callable, not int"):
        torch.lint(3)


# -- sound programs --------------------------------------------------------------------------------------------------


def sound(found):
    assert not found, found
    assert found.title.endswith("no mistake found.")


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop])
def test_a_plain_step(make):
    model, _, x, y = regression()
    sound(torch.lint(trainer(model, make(model.parameters(), lr=0.01), F.mse_loss), x, y))


def test_accumulated_gradients():
    model, sgd, x, y = regression()

    def step():
        sgd.zero_grad()
        for a, b in zip(x.split(2), y.split(2)):
            (F.mse_loss(model(a), b) / 4).backward()
        sgd.step()

    sound(torch.lint(step))


def test_training_by_hand():
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def step():
        (w * w).sum().backward()
        with torch.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad.zero_()

    sound(torch.lint(step))


def test_training_and_evaluation():
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 4))
    adam = torch.optim.Adam(model.parameters())
    x, y = torch.randn(16, 3), torch.randint(0, 4, (16,))

    def step():
        model.train()
        adam.zero_grad()
        F.cross_entropy(model(x), y).backward()
        adam.step()
        model.eval()
        with torch.no_grad():
            return (model(x).argmax(1) == y).float().mean().item()

    sound(torch.lint(step))


def test_two_networks_with_optimizers_of_their_own():
    torch.manual_seed(0)
    G, D = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    for_g, for_d = torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters())
    real = torch.randn(16, 3)

    def step():
        fake = G(torch.randn(16, 2))
        for_d.zero_grad()
        bce = F.binary_cross_entropy_with_logits
        (bce(D(real), torch.ones(16, 1)) + bce(D(fake.detach()), torch.zeros(16, 1))).backward()
        for_d.step()
        for_g.zero_grad()
        bce(D(fake), torch.ones(16, 1)).backward()
        for_g.step()

    sound(torch.lint(step))


def test_fine_tuning_with_a_frozen_part():
    body, head = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU()), nn.Linear(8, 1)
    body.eval().requires_grad_(False)
    sgd = torch.optim.SGD(head.parameters(), lr=0.01)

    def step(x, y):
        sgd.zero_grad()
        F.mse_loss(head(body(x)), y).backward()
        sgd.step()

    sound(torch.lint(step, torch.randn(8, 3), torch.randn(8, 1)))


def test_pairwise_differences():
    model, sgd, x, _ = regression()

    def step():
        sgd.zero_grad()
        p = model(x).squeeze(1)
        (p.unsqueeze(1) - p).square().mean().backward()
        sgd.step()

    sound(torch.lint(step))


@pytest.fixture
def digits(monkeypatch):
    """examples/digits.py as a module, its ``import torch`` being chainrule."""
    pytest.importorskip("sklearn")
    pytest.importorskip("tqdm")
    for name, module in {"torch": torch, "torch.nn": nn, "torch.nn.functional": F}.items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("digits_example", ROOT / "examples" / "digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("build", ["perceptron", "convolutional"])
def test_the_digits_example(digits, build):
    torch.manual_seed(0)
    images, labels, held, held_labels = digits.load(0)
    data = (images[:128], labels[:128], held, held_labels)
    model = getattr(digits, build)()

    def step():
        digits.train(build, model, data, epochs=1)
        return digits.accuracy(model, *data[2:])

    sound(torch.lint(step, runs=2))


NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


WHOLE = """
import json, sys
import chainrule
chainrule.as_torch()
import torch
cells = ["".join(c["source"]) for c in json.load(open(sys.argv[1]))["cells"] if c["cell_type"] == "code"]
code = compile("\\n".join(c for c in cells if not c.startswith("%")), sys.argv[1], "exec")
found = chainrule.lint(lambda: exec(code, {"__name__": "notebook"}), runs=2)
print(found, file=sys.stderr)
sys.exit(bool(found))
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebooks(path, tmp_path):
    """A whole notebook as one step."""
    source = str(Path(torch.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": source, "MPLBACKEND": "agg"}
    done = subprocess.run([sys.executable, "-c", WHOLE, str(path)], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0 and "no mistake found" in done.stderr, done.stderr
