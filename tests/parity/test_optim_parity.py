"""PyTorch's own optimizer samples, run on both for 50 steps: same parameters, same state, same words when refusing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.testing._internal.common_optimizers import optim_db

import chainrule

from . import bridge

INFOS = [o for o in optim_db if hasattr(chainrule.optim, o.optim_cls.__name__)]
STEPS = 50


def problem(t: Any, dtype: str) -> tuple[list[Any], Any]:
    """Parameters of several shapes, one of them without gradient, and a closure's loss."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(dtype) for s in ((3, 2), (4,), (1,), (2,))]
    params = [t.nn.Parameter(t.from_numpy(a)) for a in arrays]

    def loss() -> Any:
        a, b, c, _unused = params
        return ((a - 1) ** 2).sum() + (b.exp() * 0.1).sum() + ((c + a.sum() + b.sum()) ** 2).sum() * 0.01 + (c * c).sum()

    return params, loss


def drive(t: Any, make: Any, dtype: str, kwargs: dict[str, Any], steps: int = STEPS) -> tuple[list[Any], Any, Any]:
    params, loss = problem(t, dtype)
    optimizer = make(params, **kwargs)

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for _ in range(steps):
        value = optimizer.step(closure)
    return params, optimizer, value


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("info", INFOS, ids=lambda o: o.optim_cls.__name__)
def test_fifty_steps(info: Any, dtype: str) -> None:
    name = info.optim_cls.__name__
    for sample in info.optim_inputs_func(device="cpu"):
        if sample.kwargs.get("capturable") or sample.kwargs.get("maximize"):  # the loss has no maximum
            continue
        kwargs = {**sample.kwargs, "foreach": False} if name != "LBFGS" else sample.kwargs
        steps = STEPS if name != "LBFGS" else 4
        params, optimizer, value = drive(torch, info.optim_cls, dtype, kwargs, steps)
        mine, ours, our_value = drive(chainrule, getattr(chainrule.optim, name), dtype, bridge.ours(kwargs), steps)
        loose = 100.0 if dtype == "float32" else 1000.0
        bridge.compare(our_value.detach(), value.detach(), f"{sample.desc}: loss", loose=loose)
        if name == "LBFGS" and dtype == "float64":  # it stops at a gradient of 1e-7: its rounding decides where in that range
            loose = 1e5
        for i, (m, t) in enumerate(zip(mine, params, strict=True)):
            bridge.compare(m.detach(), t.detach(), f"{sample.desc}: parameter {i}", loose=loose)
        got, want = ours.state_dict(), optimizer.state_dict()
        assert list(got["state"]) == list(want["state"])
        assert [list(g) for g in got["param_groups"]] == [list(g) for g in want["param_groups"]]
        for i, state in want["state"].items():
            assert set(got["state"][i]) == set(state), sample.desc
        assert repr(ours) == repr(optimizer)


@pytest.mark.parametrize("info", INFOS, ids=lambda o: o.optim_cls.__name__)
def test_state_of_pytorch_continues(info: Any) -> None:
    name = info.optim_cls.__name__
    if name == "LBFGS":
        pytest.skip("its state names no parameter")
    params, optimizer, _ = drive(torch, info.optim_cls, "float64", {"lr": 0.01}, 7)
    saved = optimizer.state_dict()
    mine, loss = problem(chainrule, "float64")
    for m, t in zip(mine, params, strict=True):
        m.data.copy_(chainrule.from_numpy(t.detach().numpy()))
    ours = getattr(chainrule.optim, name)(mine, lr=0.5)
    ours.load_state_dict(bridge.ours(saved))
    _theirs, their_loss = params, None
    a, b, c, _unused = params
    for _ in range(5):
        ours.zero_grad()
        loss().backward()
        ours.step()
        optimizer.zero_grad()
        their_loss = ((a - 1) ** 2).sum() + (b.exp() * 0.1).sum() + ((c + a.sum() + b.sum()) ** 2).sum() * 0.01 + (c * c).sum()
        their_loss.backward()
        optimizer.step()
    for m, t in zip(mine, params, strict=True):
        bridge.compare(m.detach(), t.detach(), name)


@pytest.mark.parametrize("info", INFOS, ids=lambda o: o.optim_cls.__name__)
def test_refusals(info: Any) -> None:
    make = getattr(chainrule.optim, info.optim_cls.__name__)
    for sample in info.optim_error_inputs_func(device="cpu", dtype=torch.float32):
        given = sample.optimizer_error_input
        _, error = bridge.outcome(info.optim_cls, given.params, **given.kwargs)
        _, ours = bridge.outcome(make, bridge.ours(given.params), **bridge.ours(given.kwargs))
        if error is None or "duplicate" in str(given.desc):  # copies of tensors are no duplicates
            continue
        assert type(ours).__name__ == type(error).__name__, f"{given.desc}: {ours!r}, PyTorch's {error!r}"
        assert str(ours) == str(error), given.desc


def test_complex_parameters() -> None:
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"):
        results = []
        for t in (torch, chainrule):
            p = t.nn.Parameter(t.tensor([1 + 2j, -0.5 + 0.1j], dtype=t.complex64))
            optimizer = getattr(t.optim, name)([p], lr=0.01)
            for _ in range(5):
                optimizer.zero_grad()
                (p * p.conj()).real.sum().backward()
                optimizer.step()
            results.append(p.detach())
        bridge.compare(results[1], results[0], name)
