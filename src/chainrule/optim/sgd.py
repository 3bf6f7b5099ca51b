"""Stochastic gradient descent with momentum (Sutskever et al. 2013)."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor, wrap
from .optimizer import Optimizer, check_option, check_rate, keep, number

__all__ = ["SGD"]


class SGD(Optimizer):
    """``p -= lr · d``, where ``d`` is the gradient with weight decay and momentum.

    With ``differentiable=True`` the first momentum buffer is part of the graph too (PyTorch detaches it).

    >>> import chainrule as torch
    >>> p = torch.nn.Parameter(torch.tensor(1.0))
    >>> opt = torch.optim.SGD([p], lr=0.5)
    >>> (p * p).backward()
    >>> opt.step()
    >>> p.item()
    0.0
    """

    complex_as_real = False  # the rule is linear
    stateful = False

    def __init__(
        self, params: Any, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0, nesterov: bool = False, *,
        maximize: bool = False, foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        check_rate(lr)
        check_option("momentum", momentum, momentum >= 0.0)
        check_option("weight_decay", weight_decay, weight_decay >= 0.0)
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        lr = group["lr"]
        if type(lr) is not float:
            lr = number(lr)
        momentum = group["momentum"]
        if group["weight_decay"]:
            g = g + p * group["weight_decay"]
        if momentum:
            g = self._with_momentum(g, group, state, momentum)
        p -= g * lr
        return p

    @staticmethod
    def _with_momentum(g: Any, group: dict[str, Any], state: dict[str, Any], momentum: float) -> Any:
        raw = not isinstance(g, Tensor)
        kept = state.get("momentum_buffer")
        if kept is None:
            buffer = g.copy() if raw else g.clone()
            state["momentum_buffer"] = wrap(buffer) if raw else buffer
        else:
            buffer = (kept._value if raw else kept) * momentum + g * (1 - group["dampening"])
            if raw:
                kept._value = buffer
            else:
                buffer = keep(state, "momentum_buffer", buffer)
        return g + buffer * momentum if group["nesterov"] else buffer
