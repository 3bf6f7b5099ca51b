"""Resilient backpropagation (Riedmiller & Braun 1993)."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.compare import maximum, minimum, where
from ..ops.rounding import sign
from .optimizer import Optimizer, check_rate, counter_at_zero, full_for, keep, number, step_count, value_of

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Each element moves by a step size of its own, which grows while the gradient keeps its sign."""

    def __init__(
        self, params: Any, lr: Any = 1e-2, etas: Any = (0.5, 1.2), step_sizes: Any = (1e-6, 50), *, capturable: bool = False,
        foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        if not state:
            state["step"] = counter_at_zero()
            state["prev"] = full_for(param)
            state["step_size"] = full_for(param, float(number(group["lr"])))
        step_count(state)
        shrink, grow = group["etas"]
        before = value_of(state, "prev", p)
        sizes = value_of(state, "step_size", p)
        same = g * before
        smallest, largest = group["step_sizes"]
        wanted = where(same > 0, sizes * grow, where(same < 0, sizes * shrink, sizes))
        sizes = keep(state, "step_size", minimum(maximum(wanted, wanted * 0 + smallest), wanted * 0 + largest))
        g = where(same < 0, g * 0, g)
        p -= sign(g) * sizes
        keep(state, "prev", g)
        return p
