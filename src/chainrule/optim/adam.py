"""Adam (Kingma & Ba 2015), AMSGrad (Reddi et al. 2018) and decoupled weight decay, AdamW (Loshchilov & Hutter 2019)."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.compare import maximum
from ..ops.exponential import sqrt
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

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """``p -= lr · m̂ / (√v̂ + eps)`` with bias-corrected moments of the gradient."""

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False, differentiable: bool = False,
        fused: bool | None = None, decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        check_rate(lr)
        check_option("epsilon", eps, eps >= 0.0)
        check_betas(betas)
        if isinstance(betas[0], Tensor) is not isinstance(betas[1], Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            if isinstance(beta, Tensor) and foreach and not capturable:
                raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_option("weight_decay", weight_decay, weight_decay >= 0.0)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        state["step"] = counter_at_zero()
        state["exp_avg"] = full_for(param)
        state["exp_avg_sq"] = full_for(param)
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = full_for(param)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        if not state:
            self._begin(param, group, state)
        lr = number(group["lr"])
        beta1, beta2 = group["betas"]
        beta1, beta2 = number(beta1), number(beta2)
        step = step_count(state)
        p, g = decayed(p, g, group, lr)
        m = value_of(state, "exp_avg", p)
        v = value_of(state, "exp_avg_sq", p)
        m += (g - m) * (1 - beta1)
        v *= beta2
        v += g * g * (1 - beta2)
        if group["amsgrad"]:
            v = keep(state, "max_exp_avg_sq", maximum(value_of(state, "max_exp_avg_sq", p), v))
        denominator = sqrt(v) / (1 - beta2**step) ** 0.5 + group["eps"]
        p -= m / denominator * (lr / (1 - beta1**step))
        return p


class AdamW(Adam):
    """Adam with weight decay applied to the parameters themselves."""

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False,
        *, maximize: bool = False, foreach: bool | None = None, capturable: bool = False, differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip
