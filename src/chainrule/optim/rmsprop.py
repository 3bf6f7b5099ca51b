"""RMSprop (Hinton 2012), centred as in Graves (2013)."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.exponential import sqrt
from .optimizer import Optimizer, check_option, check_rate, counter_at_zero, decayed, full_for, number, step_count, value_of

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """``p -= lr · g / (√v + eps)``, where ``v`` is a running mean of ``g²`` (``centered``: its variance)."""

    def __init__(
        self, params: Any, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0, momentum: float = 0,
        centered: bool = False, capturable: bool = False, foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_rate(lr)
        check_option("epsilon", eps, eps >= 0.0)
        check_option("momentum", momentum, momentum >= 0.0)
        check_option("weight_decay", weight_decay, weight_decay >= 0.0)
        check_option("alpha", alpha, alpha >= 0.0)
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered, "weight_decay": weight_decay,
            "capturable": capturable, "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        state["step"] = counter_at_zero()
        state["square_avg"] = full_for(param)
        if group["momentum"] > 0:
            state["momentum_buffer"] = full_for(param)
        if group["centered"]:
            state["grad_avg"] = full_for(param)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        if not state:
            self._begin(param, group, state)
        lr, alpha = number(group["lr"]), group["alpha"]
        step_count(state)
        p, g = decayed(p, g, group, lr)
        v = value_of(state, "square_avg", p)
        v *= alpha
        v += g * g * (1 - alpha)
        spread = v
        if group["centered"]:
            mean = value_of(state, "grad_avg", p)
            mean += (g - mean) * (1 - alpha)
            spread = v - mean * mean
        direction = g / (sqrt(spread) + group["eps"])
        if group["momentum"] > 0:
            buffer = value_of(state, "momentum_buffer", p)
            buffer *= group["momentum"]
            buffer += direction
            direction = buffer
        p -= direction * lr
        return p
