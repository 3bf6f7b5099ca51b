"""Losses of regression: squared, absolute, Huber's, and their relatives."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.floating_flags import IGNORE, enter, leave
from ..core.large import SMALL
from ..core.promotion import result_dtype
from ..core.tensor import Tensor
from .compare import where
from .exponential import exp, sigmoid
from .matmul import check_tensors
from .quick import recorder
from .reduction import checked, legacy, pointwise, reduced
from .structure import cast_to


def size_warning(input: Tensor, target: Tensor) -> None:
    """PyTorch's warning where a loss broadcasts its target."""
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely lead to"
            " incorrect results due to broadcasting. Please ensure they have the same size.",
            UserWarning,
            stacklevel=3,
        )


def alike(x: Tensor, y: Tensor, kernel: str) -> tuple[Tensor, Tensor]:
    """Both in one shape and one floating dtype."""
    if x.shape != y.shape:
        from ..core.size import broadcast_pair
        from .structure import expand_to

        shape = tuple(broadcast_pair(tuple(x.shape), tuple(y.shape)))
        x, y = expand_to(x, shape=shape), expand_to(y, shape=shape)
    kind = x.dtype
    if kind is not y.dtype:
        kind = result_dtype([(x.dtype, x.ndim == 0), (y.dtype, y.ndim == 0)])
    if kind.category != 2:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{kind.scalar_name}'")
    return cast_to(x, kind), cast_to(y, kind)


def _mse(x: Any, y: Any, param: Any) -> Any:
    d = x - y
    return d * d


def _quick_mse(x: Any, y: Any) -> Any:
    d = x - y
    if d.dtype not in FLOATS or not 0 < d.size <= 4096:
        return None
    d = d.ravel()
    return d.dot(d) / d.size


_mse_op = pointwise(
    "mse_loss", _mse, [lambda t, x, y, param: (t * 2) * (x - y), lambda t, x, y, param: (t * -2) * (x - y)], node="MseLossBackward0",
    quick=_quick_mse,
)  # fmt: skip
_record_mse = recorder(_mse_op)


def mse_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """The mean of ``(input - target)²``, or the sum, or every single one (``reduction='none'``).

    With ``weight`` the mean is the weighted one.  Raises ValueError for another reduction.

    >>> import chainrule as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    if weight is None and size_average is None and reduce is None and isinstance(input, Tensor) and isinstance(target, Tensor):
        x = input._value
        y = target._value
        d = x.dtype
        if d is y.dtype and d in FLOATS and 0 < x.size <= SMALL and x.shape == y.shape and (reduction == "mean" or reduction == "sum"):
            kw = {"reduction": reduction, "param": None}
            token = enter(IGNORE)
            try:
                r = _mse_op.impl(x, y, **kw)
            finally:
                leave(token)
            return _record_mse(r, (x, y), (input, target), kw)
    check_tensors("mse_loss", ("input", "target"), (input, target))
    size_warning(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    if weight is not None:
        x, y = alike(input, target, "mse_cpu")
        return _weighted((x - y) ** 2, weight, reduction, x)
    checked(reduction)
    x, y = alike(input, target, "mse_cpu")
    return _mse_op(x, y, reduction=reduction, param=None)  # type: ignore[no-any-return]


def _weighted(losses: Any, weight: Tensor, reduction: str, input: Tensor) -> Tensor:
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    losses = losses * weight
    if checked(reduction) == "mean":
        return losses.sum() / weight.sum()  # type: ignore[no-any-return]
    return reduced(losses, reduction)  # type: ignore[no-any-return]


def l1_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """The mean of ``|input - target|``, or the sum, or every single one; the derivative is 0 where both are equal."""
    check_tensors("l1_loss", ("input", "target"), (input, target))
    size_warning(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    losses = (input - target).abs()
    if weight is not None:
        return _weighted(losses, weight, reduction, input)
    checked(reduction)
    return reduced(losses, reduction)  # type: ignore[no-any-return]


def _smooth_l1(x: Any, y: Any, beta: Any) -> Any:
    d = np.abs(x - y)
    return np.where(d < beta, (0.5 / beta) * d * d, d - 0.5 * beta).astype(x.dtype, copy=False)


def _sign(t: Any, d: Any) -> Any:
    return where(d > 0, t, where(d < 0, -t, d * 0))


def _smooth_l1_rule(t: Any, x: Any, y: Any, beta: Any) -> Any:
    d = x - y
    return where(abs(d) < beta, t * d * (1 / beta), _sign(t, d))


_smooth_l1_op = pointwise(
    "smooth_l1_loss", _smooth_l1, [_smooth_l1_rule, lambda t, x, y, beta: _smooth_l1_rule(-t, x, y, beta)], node="SmoothL1LossBackward0"
)


def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """``d²/(2 beta)`` where ``d = |input - target| < beta``, else ``d - beta/2``; reduced.  ``beta=0`` is :func:`l1_loss`."""
    check_tensors("smooth_l1_loss", ("input", "target"), (input, target))
    size_warning(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    checked(reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return reduced((input - target).abs(), reduction)  # type: ignore[no-any-return]
    x, y = alike(input, target, "smooth_l1_cpu")
    return _smooth_l1_op(x, y, reduction=reduction, param=beta)  # type: ignore[no-any-return]


def _huber(x: Any, y: Any, delta: Any) -> Any:
    d = np.abs(x - y)
    return np.where(d < delta, 0.5 * d * d, delta * (d - 0.5 * delta)).astype(x.dtype, copy=False)


def _huber_rule(t: Any, x: Any, y: Any, delta: Any) -> Any:
    d = x - y
    return where(abs(d) < delta, t * d, _sign(t * delta, d))


_huber_op = pointwise("huber_loss", _huber, [_huber_rule, lambda t, x, y, delta: _huber_rule(-t, x, y, delta)], node="HuberLossBackward0")


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None) -> Tensor:
    """``d²/2`` where ``d = |input - target| < delta``, else ``delta (d - delta/2)``; reduced, weighted if asked."""
    check_tensors("huber_loss", ("input", "target"), (input, target))
    size_warning(input, target)
    checked(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    x, y = alike(input, target, "huber_cpu")
    if weight is None:
        return _huber_op(x, y, reduction=reduction, param=delta)  # type: ignore[no-any-return]
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    return reduced(_huber_op(x, y, reduction="none", param=delta) * weight, reduction)  # type: ignore[no-any-return]


def _soft_margin(x: Any, y: Any, param: Any) -> Any:
    return np.log1p(np.exp(-y * x))


_soft_margin_op = pointwise(
    "soft_margin_loss", _soft_margin, [lambda t, x, y, param: -t * y * sigmoid(-y * x), lambda t, x, y, param: -t * x * sigmoid(-y * x)],
    node="SoftMarginLossBackward0",
)  # fmt: skip


def soft_margin_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Tensor:
    """``log(1 + exp(-target * input))`` for targets 1 and -1; reduced."""
    check_tensors("soft_margin_loss", ("input", "target"), (input, target))
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    checked(reduction)
    x, y = alike(input, target, "soft_margin_loss")
    return _soft_margin_op(x, y, reduction=reduction, param=None)  # type: ignore[no-any-return]


def kl_div(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """The Kullback-Leibler divergence of ``target`` from ``exp(input)``: ``target * (log(target) - input)``, reduced.

    ``reduction='batchmean'`` divides the sum by the length of dimension 0, which is the definition; ``'mean'`` by the
    number of elements, with a warning.  ``log_target``: the target holds logarithms.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            UserWarning,
            stacklevel=2,
        )
    mean_of_batch = reduction == "batchmean"
    if mean_of_batch:
        reduction = "sum"
    checked(reduction)
    if log_target:
        losses = exp(target) * (target - input)
    else:
        losses = target.xlogy(target) - target * input
    result = reduced(losses, reduction)
    if mean_of_batch and input.ndim:
        result = result / input.shape[0]
    return result  # type: ignore[no-any-return]


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, size_average: Any = None, eps: float = 1e-8,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The negative logarithm of Poisson's likelihood of ``target``, whose rate (or its logarithm) is ``input``; reduced."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not a valid value for reduction")
    if log_input:
        losses = exp(input) - target * input
    else:
        losses = input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        losses = losses + where(target <= 1, 0.0, stirling)
    return reduced(losses, reduction)  # type: ignore[no-any-return]


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """``(log(var) + (input - target)²/var) / 2`` with ``var`` at least ``eps``; reduced.  ``full`` adds ``log(2 pi)/2``.

    No gradient flows through the bound on ``var``.  Raises ValueError for a negative or ill-shaped ``var``.
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.new_full(tuple(input.shape), var)
    elif (var < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or sum([v for n, v in zip(input.shape, var.shape, strict=True) if n != v]) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    bounded = var + (var.detach().clamp(min=eps) - var.detach())
    losses = 0.5 * (bounded.log() + (input - target) ** 2 / bounded)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)  # type: ignore[no-any-return]


__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]
