"""Adamax, Adam with the infinity norm (Kingma & Ba 2015, section 7)."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.compare import maximum
from .optimizer import (
    Optimizer,
    check_betas,
    check_option,
    check_rate,
    counter_at_zero,
    decayed,
    full_for,
    keep,
    number,
    step_count,
    value_of,
)  # fmt: skip

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """``p -= lr · m̂ / u``, where ``u`` is a decaying maximum of ``|g|``."""

    def __init__(
        self, params: Any, lr: Any = 2e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        check_rate(lr)
        check_option("epsilon", eps, eps >= 0.0)
        check_betas(betas)
        check_option("weight_decay", weight_decay, weight_decay >= 0.0)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        state["step"] = counter_at_zero()
        state["exp_avg"] = full_for(param)
        state["exp_inf"] = full_for(param)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        if not state:
            self._begin(param, group, state)
        lr = number(group["lr"])
        beta1, beta2 = group["betas"]
        step = step_count(state)
        p, g = decayed(p, g, group, lr)
        m = value_of(state, "exp_avg", p)
        m += (g - m) * (1 - beta1)
        u = keep(state, "exp_inf", maximum(value_of(state, "exp_inf", p) * beta2, abs(g) + group["eps"]))
        p -= m / u * (lr / (1 - beta1**step))
        return p
