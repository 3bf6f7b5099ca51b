"""Adadelta (Zeiler 2012)."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.exponential import sqrt
from .optimizer import Optimizer, check_option, check_rate, counter_at_zero, decayed, full_for, number, step_count, value_of

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """``p -= lr · d`` with ``d = g · √(E[d²] + eps) / √(E[g²] + eps)``, the means running."""

    def __init__(
        self, params: Any, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0, foreach: bool | None = None, *,
        capturable: bool = False, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_rate(lr)
        check_option("rho", rho, 0.0 <= rho <= 1.0)
        check_option("epsilon", eps, eps >= 0.0)
        check_option("weight_decay", weight_decay, weight_decay >= 0.0)
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "capturable": capturable,
            "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        state["step"] = counter_at_zero()
        state["square_avg"] = full_for(param)
        state["acc_delta"] = full_for(param)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        if not state:
            self._begin(param, group, state)
        lr, rho, eps = number(group["lr"]), group["rho"], group["eps"]
        step_count(state)
        p, g = decayed(p, g, group, lr)
        v = value_of(state, "square_avg", p)
        v *= rho
        v += g * g * (1 - rho)
        moved = value_of(state, "acc_delta", p)
        delta = sqrt(moved + eps) / sqrt(v + eps) * g
        moved *= rho
        moved += delta * delta * (1 - rho)
        p -= delta * lr
        return p
