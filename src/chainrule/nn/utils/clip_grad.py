"""Clipping gradients by norm or by value."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...core.dtype import float64
from ...core.inplace import store
from ...core.tensor import Tensor, wrap
from ...core.value import Value


def _listed(tensors: Any) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None) -> Tensor:
    """The norm of all tensors together, as if they were one vector."""
    found = _listed(tensors)
    p = float(norm_type)
    if not found:
        return wrap(np.float32(0.0))
    if any(isinstance(t._value, Value) or t._gn is not None for t in found):
        from ...linalg import vector_norm
        from ...ops.joining import stack

        total: Tensor = vector_norm(stack([vector_norm(t, p) for t in found]), p)
    else:
        norms = np.array([_norm(t._value, p) for t in found], found[0]._value.dtype)
        total = wrap(np.asarray(_norm(norms, p), found[0]._value.dtype)[()])
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {p} for gradients from `parameters` is non-finite, so it cannot be clipped. To disable this error and"
            " scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def _norm(a: Any, p: float) -> Any:
    flat = np.abs(np.asarray(a)).reshape(-1)
    if flat.size == 0:
        return flat.dtype.type(0)
    if p == 2:
        return np.sqrt(np.dot(flat, flat))
    if p == math.inf:
        return flat.max()
    if p == -math.inf:
        return flat.min()
    if p == 0:
        return flat.dtype.type(np.count_nonzero(flat))
    return np.power(np.power(flat, p).sum(), 1 / p)


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None) -> None:
    """Scale the gradients so that a total norm of ``total_norm`` becomes ``max_norm`` at most."""
    if isinstance(total_norm._value, Value):
        scale = (float(max_norm) / (total_norm.detach().to(float64) + 1e-6)).clamp(max=1.0)
        for p in _listed(parameters):
            if p._grad is not None:
                p._grad.detach().mul_(scale.to(p._grad.dtype))
        return
    factor = float(max_norm) / (float(total_norm._value) + 1e-6)
    factor = factor if factor < 1 or math.isnan(factor) else 1.0
    for p in _listed(parameters):
        g = p._grad
        if g is not None:
            store("clip_grad_norm_", g, g._value * g._value.dtype.type(factor))


def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """Scale all gradients in place so that their total norm is ``max_norm`` at most; gives the norm before.

    Raises RuntimeError for a norm that is not finite, with ``error_if_nonfinite``.
    """
    params = _listed(parameters)
    grads = [p._grad for p in params if p._grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(params, max_norm, total, foreach)
    return total


def clip_grad_norm(*args: Any, **kwargs: Any) -> Tensor:
    """The old name of :func:`clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.", FutureWarning, stacklevel=2
    )
    return clip_grad_norm_(*args, **kwargs)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every gradient in place to ±``clip_value``."""
    bound = float(clip_value)
    for p in _listed(parameters):
        g = p._grad
        if g is not None and isinstance(g._value, Value):
            g.detach().clamp_(-bound, bound)
        elif g is not None:
            store("clip_grad_value_", g, np.clip(g._value, -bound, bound).astype(g._value.dtype))
