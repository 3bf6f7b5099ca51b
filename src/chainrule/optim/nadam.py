"""NAdam, Adam with Nesterov's momentum (Dozat 2016)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtype import float32
from ..core.tensor import Tensor, wrap
from ..ops.exponential import sqrt
from .optimizer import (
    Optimizer,
    check_betas,
    check_option,
    check_rate,
    counter_at_zero,
    decayed,
    full_for,
    keep_number,
    number,
    state_number,
    step_count,
    value_of,
)

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam whose step looks ahead along the next momentum; the momentum warms up by ``momentum_decay``."""

    def __init__(
        self, params: Any, lr: Any = 2e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_rate(lr)
        check_option("epsilon", eps, eps >= 0.0)
        check_betas(betas)
        check_option("weight_decay", weight_decay, weight_decay >= 0.0)
        check_option("momentum_decay", momentum_decay, momentum_decay >= 0.0)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        state["step"] = counter_at_zero()
        state["mu_product"] = wrap(np.float32(1.0))
        state["exp_avg"] = full_for(param)
        state["exp_avg_sq"] = full_for(param)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        if not state:
            self._begin(param, group, state)
        lr = number(group["lr"])
        beta1, beta2 = group["betas"]
        step = step_count(state)
        decay = group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * decay))
        so_far = state["mu_product"]
        keep_number(state, "mu_product", so_far * mu.to(float32) if isinstance(mu, Tensor) else so_far._value * np.float32(mu))
        so_far = state_number(state, "mu_product")
        p, g = decayed(p, g, group, lr)
        m = value_of(state, "exp_avg", p)
        v = value_of(state, "exp_avg_sq", p)
        m += (g - m) * (1 - beta1)
        v *= beta2
        v += g * g * (1 - beta2)
        denominator = sqrt(v / (1 - beta2**step)) + group["eps"]
        p -= g / denominator * (lr * (1.0 - mu) / (1.0 - so_far))
        p -= m / denominator * (lr * mu_next / (1.0 - so_far * mu_next))
        return p
