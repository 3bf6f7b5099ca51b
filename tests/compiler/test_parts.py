"""Functions with effects in Python: every effect once and in its place, and the work between them compiled."""

from __future__ import annotations

import copy
import logging
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled

F = torch.nn.functional
CALLS = 9
counter = 0
HISTORY: dict[int, float] = {}


class World:
    """A model, an optimizer, and what a step leaves in Python."""

    def __init__(self, **options: Any) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.2), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.02)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 2, 0.5)
        self.average = copy.deepcopy(self.model)
        self.log: list[Any] = []
        self.total = 0.0
        self.count = 0
        self.best = float("inf")

    def batch(self) -> tuple[Any, Any]:
        return torch.randn(6, 4), torch.randint(3, (6,))


def loss_in_a_list(w: World) -> Any:
    def step(x, y):
        loss = F.cross_entropy(w.model(x), y)
        w.optimizer.zero_grad()
        loss.backward()
        w.optimizer.step()
        w.log.append(loss.item())
        return loss

    return step


def printed_between(w: World) -> Any:
    def step(x, y):
        loss = F.cross_entropy(w.model(x), y)
        print(f"loss {loss.item():.4f}")
        loss.backward()
        w.optimizer.step()
        print("norm", round(sum(p.grad.norm().item() for p in w.model.parameters()), 3))
        w.optimizer.zero_grad()
        return loss.detach()

    return step


def running_accuracy(w: World) -> Any:
    def step(x, y):
        out = w.model(x)
        loss = F.cross_entropy(out, y)
        w.total += (out.argmax(1) == y).sum().item()
        w.count += y.shape[0]
        loss.backward()
        w.optimizer.step()
        w.optimizer.zero_grad()
        return w.total / w.count

    return step


def printed_sometimes(w: World) -> Any:
    def step(x, y):
        loss = F.cross_entropy(w.model(x), y)
        loss.backward()
        w.optimizer.step()
        w.optimizer.zero_grad()
        if w.count % 3 == 0:
            print(w.count, float(loss.detach()))
        w.count += 1
        return loss.item()

    return step


def accumulated(w: World) -> Any:
    def step(x, y):
        loss = F.cross_entropy(w.model(x), y) / 4
        loss.backward()
        w.count += 1
        if w.count % 4 == 0:
            w.optimizer.step()
            w.optimizer.zero_grad()
        return loss.detach()

    return step


def stopped_early(w: World) -> Any:
    def step(x, y):
        loss = F.cross_entropy(w.model(x), y)
        if loss.item() < w.best:
            w.best = loss.item()
            w.count = 0
        else:
            w.count += 1
        if w.count >= 2:
            w.log.append("stop")
            return None
        w.optimizer.zero_grad()
        loss.backward()
        w.optimizer.step()
        return loss.detach()

    return step


def tensors_kept(w: World) -> Any:
    def step(x, y):
        out = w.model(x)
        loss = F.cross_entropy(out, y)
        w.optimizer.zero_grad()
        loss.backward()
        w.optimizer.step()
        w.log.append(loss.detach())
        w.last = out.detach().mean(0)
        return loss.detach()

    return step


def averaged(w: World) -> Any:
    def step(x, y):
        loss = F.cross_entropy(w.model(x), y)
        w.optimizer.zero_grad()
        loss.backward()
        w.optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(w.average.parameters(), w.model.parameters()):
                mine.mul_(0.9).add_(theirs, alpha=0.1)
        w.count += 1
        return loss.detach()

    return step


def norms_logged(w: World) -> Any:
    logger = logging.getLogger("steps")

    def step(x, y):
        loss = F.cross_entropy(w.model(x), y)
        w.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(w.model.parameters(), 1.0)
        logger.info("norm %.4f", norm.item())
        w.optimizer.step()
        return loss.detach()

    return step


def epoch(w: World) -> Any:
    def step(x, y):
        total, seen = 0.0, 0
        for a, b in zip(x.split(2), y.split(2)):
            loss = F.cross_entropy(w.model(a), b)
            w.optimizer.zero_grad()
            loss.backward()
            w.optimizer.step()
            total += loss.item() * len(b)
            seen += len(b)
            print("batch", seen, loss.item())
        return total / seen

    return step


def guarded(w: World) -> Any:
    def step(x, y):
        out = w.model(x)
        try:
            loss = F.cross_entropy(out, y)
            if w.count == 5:
                raise RuntimeError("no")
            loss.backward()
        except RuntimeError as error:
            w.log.append(str(error))
            w.optimizer.zero_grad()
            return -1.0
        finally:
            w.count += 1
        w.optimizer.step()
        w.optimizer.zero_grad()
        return loss.item()

    return step


def scheduled(w: World) -> Any:
    def step(x, y):
        loss = F.cross_entropy(w.model(x), y)
        w.optimizer.zero_grad()
        loss.backward()
        w.optimizer.step()
        w.scheduler.step()
        return loss.detach(), w.scheduler.get_last_lr()[0]

    return step


def seeded(w: World) -> Any:
    def step(x, y):
        torch.manual_seed(w.count)
        w.count += 1
        loss = F.cross_entropy(w.model(x) + torch.rand(6, 3), y)
        loss.backward()
        w.optimizer.step()
        w.optimizer.zero_grad()
        return loss.detach()

    return step


def closures(w: World) -> Any:
    rule = torch.optim.LBFGS(w.model.parameters(), lr=0.1, max_iter=3)
    w.model.eval()

    def step(x, y):
        def closure():
            rule.zero_grad()
            loss = F.cross_entropy(w.model(x), y)
            loss.backward()
            return loss

        loss = rule.step(closure)
        w.log.append(loss.item())
        return loss.detach()

    return step


def lists_and_arrays(w: World) -> Any:
    def step(x, y):
        out = w.model(x).softmax(1)
        order = out.argmax(1).tolist()
        w.log.append(order)
        top = out.detach().max(1)[0].numpy()
        w.total += float(top.sum())
        loss = F.nll_loss(out.log(), y)
        loss.backward()
        w.optimizer.step()
        w.optimizer.zero_grad()
        return float(loss.detach()) + int(y.sum()) + bool(loss > 100)

    return step


def globals_written(w: World) -> Any:
    def step(x, y):
        global counter
        loss = F.cross_entropy(w.model(x), y)
        loss.backward()
        w.optimizer.step()
        w.optimizer.zero_grad()
        HISTORY[counter] = loss.item()
        counter += 1
        return loss.detach() * counter

    return step


def work_in_the_effect(w: World) -> Any:
    def step(x, y):
        w.log.append(F.cross_entropy(w.model(x), y).item())
        w.total += (w.model(x).argmax(1) == y).float().mean().item()
        return w.total

    return step


def nonlocal_written(w: World) -> Any:
    seen = 0

    def step(x, y):
        nonlocal seen
        loss = F.cross_entropy(w.model(x), y)
        loss.backward()
        w.optimizer.step()
        w.optimizer.zero_grad()
        seen += len(y)
        w.log.append((seen, loss.item()))
        return loss.detach()

    return step


def leaving_loops(w: World) -> Any:
    def step(x, y):
        found = None
        for k in range(5):
            out = w.model(x * (k + 1))
            if out.abs().max() > 1.5:
                print("large", k)
                break
            if out.mean() > 0.3:
                continue
            found = out.detach().sum()
            w.log.append(k)
        w.count += 1
        return found

    return step


STEPS = [
    loss_in_a_list, printed_between, running_accuracy, printed_sometimes, accumulated, stopped_early, tensors_kept, averaged, norms_logged,
    epoch, guarded, scheduled, seeded, closures, lists_and_arrays, globals_written, work_in_the_effect, nonlocal_written, leaving_loops,
]  # fmt: skip


def plain(value: Any) -> Any:
    """Without tensors."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy().tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def after(make: Any, wrap: Any, capsys: Any, caplog: Any) -> Any:
    global counter
    counter = 0
    HISTORY.clear()
    caplog.clear()
    w = World()
    run = wrap(make(w))
    given = [run(*w.batch()) for _ in range(CALLS)]
    left = {name: value for name, value in vars(w).items() if name in ("log", "total", "count", "best", "last")}
    parameters = [p for m in (w.model, w.average) for p in m.parameters()]
    gradients = [None if p.grad is None else p.grad for p in parameters]
    said = [r.getMessage() for r in caplog.records]
    text = capsys.readouterr().out.split()
    return plain([given, left, parameters, gradients, HISTORY.copy(), counter, text, said, torch.rand(2)]), run


def agree(a: Any, b: Any) -> None:
    """Equal but for rounding, number for number."""
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            agree(x, y)
    elif isinstance(a, dict):
        assert [*a] == [*b]
        agree([*a.values()], [*b.values()])
    elif isinstance(a, float):
        assert type(b) is float
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=2e-6)
    else:
        try:
            x, y = float(a), float(b)
        except (TypeError, ValueError):
            assert (type(a), a) == (type(b), b)
        else:
            assert type(a) is type(b)
            assert x == pytest.approx(y, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("make", STEPS, ids=lambda f: f.__name__)
def test_typical_steps(make: Any, capsys: Any, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    expected, _ = after(make, lambda f: f, capsys, caplog)
    found, run = after(make, Compiled, capsys, caplog)
    agree(expected, found)
    assert run.programs(), run.reasons


def test_the_report_tells_parts_and_what_is_between(capsys: Any) -> None:
    w = World()
    report = torch.explain_compile(printed_between(w), *w.batch())
    text = str(report)
    assert report.cut and report.graph_count >= 2
    assert [why.partition("(")[0] for why, _ in report.splits].count("Python runs print") == 2, report.splits
    assert "split where Python runs print(f'loss {loss.item():.4f}'), at " in text
    assert "it is cut into parts because" in text and "it calls print()" in text
    assert any("cross_entropy" in part.operations or "nll_loss" in part.operations for part in report.kernels)
    capsys.readouterr()
