"""RAdam, Adam with a rectified adaptive rate (Liu et al. 2020)."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.compare import where
from ..ops.exponential import sqrt
from .optimizer import (
    Optimizer,
    check_betas,
    check_option,
    check_rate,
    counter_at_zero,
    decayed,
    full_for,
    number,
    step_count,
    value_of,
)

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """Momentum alone while the second moment rests on too few gradients, then Adam with its variance rectified."""

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        decoupled_weight_decay: bool = False, *, foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_rate(lr)
        check_option("epsilon", eps, eps >= 0.0)
        check_betas(betas)
        check_option("weight_decay", weight_decay, weight_decay >= 0.0)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        state["step"] = counter_at_zero()
        state["exp_avg"] = full_for(param)
        state["exp_avg_sq"] = full_for(param)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        if not state:
            self._begin(param, group, state)
        lr = number(group["lr"])
        beta1, beta2 = group["betas"]
        step = step_count(state)
        p, g = decayed(p, g, group, lr)
        m = value_of(state, "exp_avg", p)
        v = value_of(state, "exp_avg_sq", p)
        m += (g - m) * (1 - beta1)
        v *= beta2
        v += g * g * (1 - beta2)
        correction = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction
        direction = m / (1 - beta1**step)
        long = length > 5.0
        if isinstance(long, Tensor) or long:
            rectified = ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5
            scaled = direction / (sqrt(v) + group["eps"]) * (rectified * correction**0.5)
            direction = where(long, scaled, direction) if isinstance(long, Tensor) else scaled
        p -= direction * lr
        return p
