"""Averaged stochastic gradient descent (Polyak & Juditsky 1992)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..ops.compare import where
from .optimizer import (
    Optimizer,
    check_option,
    check_rate,
    counter_at_zero,
    decayed,
    full_for,
    keep,
    keep_number,
    number,
    state_number,
    step_count,
    value_of,
)

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Gradient descent with a falling rate ``eta``; ``state["ax"]`` averages the parameters from step ``t0`` on."""

    def __init__(
        self, params: Any, lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6, weight_decay: float = 0,
        foreach: bool | None = None, maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        check_rate(lr)
        check_option("weight_decay", weight_decay, weight_decay >= 0.0)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        lr, lambd = number(group["lr"]), group["lambd"]
        if not state:
            state["step"] = counter_at_zero()
            state["eta"] = wrap(np.float32(number(group["lr"])))
            state["mu"] = wrap(np.float32(1.0))
            state["ax"] = full_for(param)
        step = step_count(state)
        eta, mu = state_number(state, "eta"), state_number(state, "mu")
        p, g = decayed(p, g, group, lr)
        p *= 1 - lambd * eta
        p -= g * eta
        average = value_of(state, "ax", p)
        moved = average + (p - average) * mu
        keep(state, "ax", where(mu == 1, p, moved) if isinstance(mu, Tensor) else p if mu == 1 else moved)
        keep_number(state, "eta", lr / (1 + lambd * lr * step) ** group["alpha"])
        since = step - group["t0"]
        keep_number(state, "mu", 1 / (since.clamp(min=1) if isinstance(since, Tensor) else max(1, since)))
        return p
