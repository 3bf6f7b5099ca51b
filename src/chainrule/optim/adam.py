"""Adam (Kingma & Ba 2015), AMSGrad (Reddi et al. 2018) and decoupled weight decay, AdamW (Loshchilov & Hutter 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from .optimizer import Optimizer, number, sqrt, value_of, zeros_for

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """``p -= lr · m̂ / (√v̂ + eps)`` with bias-corrected moments of the gradient."""

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False, differentiable: bool = False,
        fused: bool | None = None, decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        if isinstance(lr, Tensor) and lr._value.size != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not number(lr) >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= number(beta) < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        if not state:
            state["step"] = wrap(np.float32(0.0))
            state["exp_avg"] = zeros_for(p)
            state["exp_avg_sq"] = zeros_for(p)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = zeros_for(p)
        lr = number(group["lr"])
        beta1, beta2 = group["betas"]
        beta1, beta2 = number(beta1), number(beta2)
        counter = state["step"]
        counter._value = counter._value + np.float32(1)
        step = float(counter._value)
        if group["weight_decay"]:
            if group["decoupled_weight_decay"]:
                p *= 1 - lr * group["weight_decay"]
            else:
                g = g + p * group["weight_decay"]
        m = value_of(state["exp_avg"], p)
        v = value_of(state["exp_avg_sq"], p)
        m += (g - m) * (1 - beta1)
        v *= beta2
        v += g * g * (1 - beta2) if not _is_complex(g) else (g * g.conj()) * (1 - beta2)
        if group["amsgrad"]:
            v = _largest(value_of(state["max_exp_avg_sq"], p), v)
        denominator = sqrt(v)
        denominator /= (1 - beta2**step) ** 0.5
        denominator += group["eps"]
        p -= m / denominator * (lr / (1 - beta1**step))
        return p


def _is_complex(g: Any) -> bool:
    return bool(g.dtype.is_complex) if isinstance(g, Tensor) else g.dtype.kind == "c"


def _largest(kept: Any, v: Any) -> Any:
    """AMSGrad: the largest second moment so far."""
    from ..ops.compare import maximum

    largest = maximum(kept, v)
    if isinstance(kept, Tensor):
        kept.copy_(largest)  # type: ignore[attr-defined]
    else:
        kept[...] = largest
    return kept


class AdamW(Adam):
    """Adam with weight decay applied to the parameters themselves."""

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *,
        maximize: bool = False, foreach: bool | None = None, capturable: bool = False, differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip
