"""Binary cross entropy, of probabilities and of logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import apply
from ..core.apply import FLOATS
from ..core.batching import batch_size, bring
from ..core.floating_flags import IGNORE, enter, leave
from ..core.large import SMALL
from ..core.op import Op
from ..core.size import broadcast_shapes
from ..core.tensor import Tensor
from ..core.value import Value
from .compare import clamp_min
from .exponential import log, log1p, sigmoid
from .matmul import check_tensors
from .products import wide
from .quick import recorder
from .reduction import checked, legacy, reduce_array, reduce_dims, share
from .structure import expand_to

_SMALL = 256


def _softplus(x: Any) -> Any:
    if x.size <= _SMALL:
        return np.logaddexp(x, x.dtype.type(0))
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))  # quicker for many elements


log1p_exp: Any = apply.unary(Op("log1p_exp", _softplus, kind="elementwise", d=[lambda t, x: t * sigmoid(x)], node="SoftplusBackward0"))


def _weighted(name: str, impl: Callable[..., Any], d: Sequence[Callable[..., Any]], node: str) -> Op:
    """A loss of ``x`` and ``y`` with constant weights, element by element, then reduced; ``d``: ``rule(t, x, y, pos_weight)``."""
    d_x, d_y = d

    def forward(x: Any, y: Any, weight: Any, pos_weight: Any, *, reduction: str) -> Any:
        r = impl(x, y, pos_weight)
        return reduce_array(r if weight is None else r * weight, reduction)

    def cotangent_x(g: Any, x: Any, y: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
        t = share(g, reduction, x.shape)
        return d_x(t if weight is None else t * weight, x, y, pos_weight)

    def cotangent_y(g: Any, x: Any, y: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
        t = share(g, reduction, x.shape)
        return d_y(t if weight is None else t * weight, x, y, pos_weight)

    def tangent(tangents: Sequence[Any], out: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
        x, y, weight, pos_weight = args
        parts = [rule(t, x, y, pos_weight) for rule, t in zip(d, tangents) if t is not None]
        total = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return reduce_dims(total if weight is None else total * weight, kw["reduction"], 0)

    def batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
        rank = max(len(a.shape) - m for a, m in zip(args, mask) if a is not None)
        wide = [a.reshape((a.shape[0],) + (1,) * (rank + 1 - a.ndim) + tuple(a.shape[1:])) if m else a for a, m in zip(args, mask)]
        x, y = bring(wide[:2], mask[:2], batch_size(args, mask))
        if x is wide[0] and not mask[0]:
            x = x.expand((batch_size(args, mask), *x.shape))
        return reduce_dims(op(x, y, *wide[2:], reduction="none"), kw["reduction"], 1)

    return Op(
        name, forward, kind="general", args="x y weight pos_weight", vjp=[cotangent_x, cotangent_y, None, None], jvp=tangent, batch=batch,
        node=node,
    )  # fmt: skip


def _bounded(log_x: Any) -> Any:
    """Logarithms, at least -100."""
    if log_x.ndim and log_x.size and log_x.item(log_x.argmin()) >= -100:
        return log_x  # finding the least one is quicker than a maximum that changes nothing
    return np.maximum(log_x, -100)


def _bce(x: Any, y: Any, pos_weight: Any) -> Any:
    r = (y - 1) * _bounded(np.log1p(-x)) - y * _bounded(np.log(x))
    return r if r.dtype == x.dtype else np.asarray(r, x.dtype)


_bce_op = _weighted(
    "binary_cross_entropy", _bce,
    [
        # The bound keeps the quotient finite at 0 and 1.
        lambda t, x, y, pos_weight: t * (x - y) / clamp_min(x * (1 - x), 1e-12),
        lambda t, x, y, pos_weight: t * (clamp_min(log1p(-x), -100) - clamp_min(log(x), -100)),
    ],
    "BinaryCrossEntropyBackward0",
)  # fmt: skip


def _bce_logits(x: Any, y: Any, pos_weight: Any) -> Any:
    if pos_weight is None:
        return (1 - y) * x + _softplus(-x)
    return (1 - y) * x + ((pos_weight - 1) * y + 1) * _softplus(-x)


def _logits_x(t: Any, x: Any, y: Any, pos_weight: Any) -> Any:
    if pos_weight is None:
        return t * (sigmoid(x) - y)
    s = sigmoid(x)
    return t * ((1 - y) * s - pos_weight * y * (1 - s))


def _logits_y(t: Any, x: Any, y: Any, pos_weight: Any) -> Any:
    if pos_weight is None:
        return -t * x
    return t * ((pos_weight - 1) * log1p_exp(-x) - x)


_logits_op = _weighted("binary_cross_entropy_with_logits", _bce_logits, [_logits_x, _logits_y], "BinaryCrossEntropyWithLogitsBackward0")
_record_bce = recorder(_bce_op)
_record_logits = recorder(_logits_op)


def _refuse_weight(function: str, name: str, weight: Tensor | None) -> None:
    if weight is not None and weight.requires_grad:
        raise RuntimeError(
            f"The function '{function}' is not differentiable with respect to argument '{name}'. This input cannot have requires_grad True."
        )


def _probable(v: Any) -> bool:
    """True where every element is in [0, 1]; not so for NaN."""
    return v.item(v.argmin()) >= 0 and v.item(v.argmax()) <= 1  # type: ignore[no-any-return]


def _within(x: Tensor, name: str) -> None:
    v = x._value
    if not isinstance(v, Value) and v.size and not _probable(wide(v)):
        raise RuntimeError(f"all elements of {name} should be between 0 and 1")


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """``-(target log(input) + (1 - target) log(1 - input))`` of probabilities; reduced.

    A logarithm is taken to be at least -100, so the loss is finite at 0 and 1, and its derivative with respect to
    ``target`` is that of the bounded logarithms (PyTorch gives infinity there).  Raises ValueError where the sizes
    differ, RuntimeError for probabilities outside [0, 1].

    >>> import chainrule as torch
    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    check_tensors("binary_cross_entropy", ("input", "target"), (input, target))
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    checked(reduction)
    x, y = input._value, target._value
    d = x.dtype
    if weight is None and d is y.dtype and d in FLOATS and x.shape == y.shape and 0 < x.size <= SMALL:
        if _probable(x) and _probable(y):
            kw = {"reduction": reduction}
            token = enter(IGNORE)
            try:
                r = _bce_op.impl(x, y, None, None, **kw)
            finally:
                leave(token)
            return _record_bce(r, (x, y, None, None), (input, target, None, None), kw)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. Please ensure"
            " they have the same size."
        )
    if weight is not None:
        weight = expand_to(weight, shape=tuple(broadcast_shapes(target.shape, weight.shape)))
        _refuse_weight("binary_cross_entropy", "weight", weight)
    for other in (target, weight):
        if other is not None and other.dtype is not input.dtype:
            raise RuntimeError(f"Found dtype {other.dtype.scalar_name} but expected {input.dtype.scalar_name}")
    _within(input, "input")
    _within(target, "target")
    return _bce_op(input, target, weight, None, reduction=reduction)  # type: ignore[no-any-return]


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The binary cross entropy of ``sigmoid(input)``, without its overflow and cancellation; reduced.

    ``weight`` scales every loss, ``pos_weight`` the part of the positive targets; both broadcast.  Raises ValueError
    where the sizes of input and target differ.

    >>> import chainrule as torch
    >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    check_tensors("binary_cross_entropy_with_logits", ("input", "target"), (input, target))
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    checked(reduction)
    x, y = input._value, target._value
    d = x.dtype
    if weight is None and pos_weight is None and d is y.dtype and d in FLOATS and x.shape == y.shape and x.size <= SMALL:
        kw = {"reduction": reduction}
        token = enter(IGNORE)
        try:
            r = _logits_op.impl(x, y, None, None, **kw)
        finally:
            leave(token)
        return _record_logits(r, (x, y, None, None), (input, target, None, None), kw)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    for name, w in (("weight", weight), ("pos_weight", pos_weight)):
        _refuse_weight("binary_cross_entropy_with_logits", name, w)
        if w is not None:
            broadcast_shapes(tuple(input.shape), tuple(w.shape))
    if target.dtype.category < 2:
        raise RuntimeError(f"result type {input.dtype.scalar_name} can't be cast to the desired output type {target.dtype.scalar_name}")
    if target.dtype is not input.dtype:
        target = target.to(input.dtype)
    return _logits_op(input, target, weight, pos_weight, reduction=reduction)  # type: ignore[no-any-return]


__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits"]
