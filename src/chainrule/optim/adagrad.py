"""Adagrad (Duchi, Hazan & Singer 2011)."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.exponential import sqrt
from .optimizer import Optimizer, check_option, check_rate, counter_at_zero, decayed, full_for, number, step_count, value_of

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """``p -= lr · g / (√s + eps)``, where ``s`` is the sum of ``g²`` so far."""

    def __init__(
        self, params: Any, lr: Any = 1e-2, lr_decay: float = 0, weight_decay: float = 0, initial_accumulator_value: float = 0,
        eps: float = 1e-10, foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        check_rate(lr)
        check_option("lr_decay", lr_decay, lr_decay >= 0.0)
        check_option("weight_decay", weight_decay, weight_decay >= 0.0)
        check_option("initial_accumulator_value", initial_accumulator_value, initial_accumulator_value >= 0.0)
        check_option("epsilon", eps, eps >= 0.0)
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {"step": counter_at_zero(), "sum": full_for(p, group["initial_accumulator_value"])}

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        lr = number(group["lr"])
        step = step_count(state)
        p, g = decayed(p, g, group, lr)
        total = value_of(state, "sum", p)
        total += g * g
        p -= g / (sqrt(total) + group["eps"]) * (lr / (1 + (step - 1) * group["lr_decay"]))
        return p

    def share_memory(self) -> None:
        """Move the sums to memory that processes share."""
        for state in self.state.values():
            state["sum"].share_memory_()
