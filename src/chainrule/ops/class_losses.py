"""Losses of classification: the negative log likelihood and cross entropy of class indices and of class probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.batching import batch_size, bring
from ..core.dtype import int64, uint8
from ..core.floating_flags import IGNORE, enter, leave
from ..core.op import Op
from ..core.size import text
from ..core.tensor import Tensor
from .bounds import beyond
from .compare import where
from .matmul import check_tensors, same_scalar_type
from .products import wide
from .quick import recorder
from .reduction import checked, legacy
from .softmax import log_softmax
from .structure import expand_to, sum_dims, view
from .summation import total

_RANGES: dict[int, Any] = {}


def _range(n: int) -> Any:
    found = _RANGES.get(n)
    if found is None:
        found = np.arange(n)
        if n <= 4096:
            _RANGES[n] = found
    return found


def _at_class(target: Any) -> tuple[Any, ...]:
    """The index that picks each sample's class from (N, C, d1, …)."""
    if target.ndim == 1:
        return (_range(target.shape[0]), target)
    axes = np.ix_(*[_range(n) for n in target.shape])
    return (axes[0], target, *axes[1:])


def _samples(x: Any, target: Any) -> tuple[Any, Any]:
    """One sample without a batch dimension as a batch of one."""
    if x.ndim == 1:
        return x.reshape(1, -1), np.reshape(target, (1,))
    return x, target


def _inside(target: Any, classes: int) -> bool:
    """True where every target is a class."""
    return bool(target.size == 0 or (target.item(target.argmin()) >= 0 and target.item(target.argmax()) < classes))


def _kept(target: Any, classes: int, weight: Any, ignore_index: int, kind: Any) -> tuple[Any, Any]:
    """(targets with the ignored ones as class 0, the weight of every sample or None where all are 1).

    IndexError for what is no class.
    """
    target = target.astype(np.int64, copy=False)
    keep = None
    if not _inside(target, classes) or 0 <= ignore_index < classes:
        keep = target != ignore_index
        if keep.all():
            keep = None
        else:
            target = np.where(keep, target, 0)
        if not _inside(target, classes):
            worst = target[(target < 0) | (target >= classes)].flat[0]
            raise beyond("target", worst, classes)
    if weight is None:
        return target, None if keep is None else keep.astype(kind)
    w = weight[target]
    return target, w if keep is None else np.where(keep, w, 0).astype(kind, copy=False)


def _plain(x_shape: tuple[int, ...], target: Any, weight: Any, ignore_index: int) -> bool:
    """True for (N, C) and (N,) where every sample counts alike: no masks are needed."""
    if weight is not None or ignore_index >= 0 or len(x_shape) != 2 or target.ndim != 1 or not target.size:
        return False
    return target.item(target.argmin()) >= 0 and target.item(target.argmax()) < x_shape[1]  # type: ignore[no-any-return]


def _nll(x: Any, target: Any, weight: Any, *, reduction: str, ignore_index: int) -> Any:
    if x.dtype in FLOATS and reduction == "mean" and _plain(x.shape, target, weight, ignore_index):
        n = target.shape[0]
        return -total(x[_range(n), target]) / n
    single = x.ndim == 1
    kind = x.dtype
    x, target = _samples(x, target)
    target, w = _kept(target, x.shape[1], weight, ignore_index, kind)
    picked = x[_at_class(target)]
    if w is not None:
        # An ignored sample counts for nothing, whatever its log-probability is.
        picked = np.where(w == 0, w, picked * w).astype(kind, copy=False)
    if reduction == "none":
        return -picked.reshape(()) if single else -picked
    s = -total(wide(picked))
    if reduction == "mean":
        s = s / (picked.size if w is None else total(wide(w)))
    return np.asarray(s, kind)[()] if kind in FLOATS else np.asarray(s).astype(kind)


def _nll_back(g: Any, target: Any, weight: Any, *, reduction: str, ignore_index: int, shape: tuple[int, ...]) -> Any:
    r = np.zeros(shape, g.dtype)
    if reduction == "mean" and _plain(shape, target, weight, ignore_index):
        n = target.shape[0]
        r[_range(n), target] = -g / n
        return r
    x, target = _samples(r, target)
    target, w = _kept(target, x.shape[1], weight, ignore_index, g.dtype)
    t = -g
    if reduction == "mean":
        n = target.size if w is None else total(wide(w))
        t = (t / n if n else t * np.nan).astype(g.dtype, copy=False)
    elif reduction == "none":
        t = np.reshape(t, target.shape)
    x[_at_class(target)] = t if w is None else np.where(w == 0, w, t * w)
    return r


def _flat(x: Any) -> Any:
    return view(x, shape=(x.shape[0] * x.shape[1], *x.shape[2:]))


def _nll_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    x, target = bring(args[:2], mask[:2], batch_size(args, mask))
    n = x.shape[0]
    weights = _weight_of_each(op, x, target, args[2], mask[2], kw["ignore_index"])
    found = _unreduced(op, x, target, None, kw["ignore_index"])
    if weights is not None:
        found = where(weights == 0, 0.0, found * weights)
    if kw["reduction"] == "none":
        return found
    dims = tuple(range(1, len(found.shape)))
    s = sum_dims(found, dim=dims, keepdim=False) if dims else found
    if kw["reduction"] == "mean":
        s = s / (sum_dims(weights, dim=dims, keepdim=False) if dims else weights)
    return view(s, shape=(n,))


def _unreduced(op: Op, x: Any, target: Any, weight: Any, ignore_index: int) -> Any:
    """The losses of all samples of a batch of batches, each by itself."""
    each = {"reduction": "none", "ignore_index": ignore_index}
    if len(x.shape) == 2:
        return op(x, target, weight, **each)
    return view(op(_flat(x), _flat(target), weight, **each), shape=tuple(target.shape))


def _weight_of_each(op: Op, x: Any, target: Any, weight: Any, batched: bool, ignore_index: int) -> Any:
    """What every sample counts: the weight of its class, or 1, and 0 where it is ignored."""
    minus = x.new_full(tuple(x.shape), -1)
    if not batched:
        return _unreduced(op, minus, target, weight, ignore_index)
    lead = (weight.shape[0],) + (1,) * (1 if len(x.shape) > 2 else 0)
    spread = view(weight, shape=(*lead, weight.shape[1]) + (1,) * (len(x.shape) - len(lead) - 1))
    return _unreduced(op, minus * spread, target, None, ignore_index)


def _nll_back_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    g, target = bring(args[:2], mask[:2], batch_size(args, mask))
    n, shape = g.shape[0], kw["shape"]
    single = len(shape) == 1
    weights = _weight_of_each(nll_op, g.new_empty((n, *shape)), target, args[2], mask[2], kw["ignore_index"])
    if kw["reduction"] != "none":
        if kw["reduction"] == "mean":
            dims = tuple(range(1, len(weights.shape)))
            g = g / (sum_dims(weights, dim=dims, keepdim=False) if dims else weights)
        g = expand_to(view(g, shape=(n,) + (1,) * (len(target.shape) - 1)), shape=tuple(target.shape))
    g = where(weights == 0, 0.0, g * weights)
    classes = (n, *shape) if single else (n * shape[0], *shape[1:])
    each = {"reduction": "none", "ignore_index": kw["ignore_index"]}
    r = op(g if single else _flat(g), target if single else _flat(target), None, shape=classes, **each)
    return view(r, shape=(n, *shape))


def _nll_op(name: str, node: str) -> Op:
    return Op(
        name, _nll, kind="multilinear", args="x target weight", node=node, batch=_nll_batch,
        vjp=[
            lambda g, target, weight, x_shape, reduction, ignore_index: nll_back(
                g, target, weight, reduction=reduction, ignore_index=ignore_index, shape=tuple(x_shape)
            ),
            None,
            None,
        ],
    )  # fmt: skip


# One operation under the names that PyTorch's graph shows, by rank and reduction.
nll_op = _nll_op("nll_loss", "NllLossBackward0")
_nll_2d = _nll_op("nll_loss2d", "NllLoss2DBackward0")
_nll_view = _nll_op("nll_loss_nd", "ViewBackward0")
nll_back = Op(
    "nll_loss_backward", _nll_back, kind="multilinear", args="g target weight", batch=_nll_back_batch,
    vjp=[
        lambda g, target, weight, reduction, ignore_index: nll_op(g, target, weight, reduction=reduction, ignore_index=ignore_index),
        None,
        None,
    ],
)  # fmt: skip
_record_nll = recorder(nll_op)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``-input[target]``: the negative log likelihood of class indices under log-probabilities (N, C, d1, …) or (C); reduced.

    ``weight`` (C) weighs the classes, also in the mean; targets equal to ``ignore_index`` do not count.

    Raises IndexError for a target that is no class, ValueError for batch sizes that differ.

    >>> import chainrule as torch
    >>> torch.nn.functional.nll_loss(torch.tensor([[-1.0, -2.0]]), torch.tensor([1]))
    tensor(2.)
    """
    check_tensors("nll_loss", ("input", "target"), (input, target))
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    return _nll_loss(input, target, weight, reduction, ignore_index)


def _nll_loss(input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, ignore_index: int) -> Tensor:
    checked(reduction)
    x, t = input._value, target._value
    kw: dict[str, Any] = {"reduction": reduction, "ignore_index": ignore_index}
    if weight is None and x.dtype in FLOATS and x.ndim == 2 and isinstance(t, np.ndarray) and t.ndim == 1 and t.dtype == np.int64:
        if x.shape[0] == t.shape[0] and x.size:
            token = enter(IGNORE)
            try:
                r = _nll(x, t, None, **kw)
            finally:
                leave(token)
            return _record_nll(r, (x, t, None), (input, target, None), kw)
    _check_nll(input, target, weight)
    rank = input.ndim
    op = nll_op if rank <= 2 else _nll_view if rank != 4 and reduction == "none" else _nll_2d
    if rank == 1 and target.ndim == 1:
        target = view(target, shape=())
        result = op(input, target, weight, **kw)
        return view(result, shape=(1,)) if reduction == "none" else result  # type: ignore[no-any-return]
    return op(input, target, weight, **kw)  # type: ignore[no-any-return]


def _check_nll(x: Tensor, target: Tensor, weight: Tensor | None) -> None:
    rank = x.ndim
    if rank < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {rank})")
    if rank != 1 and (target.ndim == 0 or x.shape[0] != target.shape[0]):
        got = target.shape[0] if target.ndim else 0
        raise ValueError(f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({got}).")
    if rank == 2 and target.ndim != 1 or rank == 1 and target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if rank == 1 and target.ndim == 1 and target.shape[0] != 1:
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}")
    if rank > 2:
        want = [x.shape[0], *x.shape[2:]]
        if rank == 4:
            if target.ndim != 3:
                raise RuntimeError(f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {target.ndim}")
            if list(target.shape) != want:
                raise RuntimeError(f"size mismatch (got input: {text(x.shape)} , target: {text(target.shape)}")
        elif list(target.shape) != want:
            raise RuntimeError(f"Expected target size {want}, got {list(target.shape)}")
    if target.dtype is not int64 and target.dtype is not uint8:
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {target.dtype.scalar_name}")
    classes = x.shape[0 if rank == 1 else 1]
    if weight is not None:
        if weight.requires_grad:
            raise RuntimeError(
                "The function 'nll_loss_forward' is not differentiable with respect to argument 'weight'. This input cannot have"
                " requires_grad True."
            )
        if tuple(weight.shape) != (classes,):
            raise RuntimeError(
                f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape:"
                f" {text(weight.shape)}"
            )
        same_scalar_type(x, weight)


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """The cross entropy of logits (N, C, d1, …) or (C) against class indices, or class probabilities of the same shape; reduced.

    ``label_smoothing`` mixes the target with the uniform distribution.  ``weight`` and ``ignore_index`` as in
    :func:`nll_loss`.

    >>> import chainrule as torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """
    check_tensors("cross_entropy", ("input", "target"), (input, target))
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    if label_smoothing == 0.0 and weight is None and input.ndim > 1 and target.ndim < input.ndim:
        return _nll_loss(log_softmax(input, 1), target, None, reduction, ignore_index)
    checked(reduction)
    if input.ndim == 0 or target.shape == input.shape:
        return _probabilities(input, target, weight, reduction, label_smoothing, ignore_index)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if weight is not None and not (weight.ndim == 1 and weight.shape[0] == input.shape[min(1, input.ndim - 1)]):
        classes = input.shape[min(1, input.ndim - 1)]
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape:"
            f" {text(weight.shape)}"
        )
    logs = log_softmax(input, 1 if input.ndim > 1 else 0)
    if label_smoothing == 0.0:
        return _nll_loss(logs, target, weight, reduction, ignore_index)
    return _smoothed(logs, target, weight, reduction, ignore_index, label_smoothing)


def _along_classes(weight: Tensor, rank: int) -> Any:
    return view(weight, shape=(weight.shape[0],) if rank == 1 else (1, weight.shape[0]) + (1,) * (rank - 2))


def _smoothed(logs: Any, target: Tensor, weight: Tensor | None, reduction: str, ignore_index: int, smoothing: float) -> Tensor:
    nll = _nll_loss(logs, target, weight, reduction, ignore_index)
    axis = 1 if logs.ndim > 1 else 0
    classes = logs.shape[axis]
    smooth = -(logs if weight is None else logs * _along_classes(weight, logs.ndim)).sum(axis)
    ignored = target == ignore_index
    smooth = where(ignored, 0.0, smooth)
    if reduction == "sum":
        smooth = smooth.sum()
    elif reduction == "mean":
        if weight is None:
            smooth = smooth.sum() / (ignored.logical_not().sum())
        else:
            kept = where(ignored, 0, target).long()
            weights = where(ignored, 0.0, weight[kept])
            smooth = smooth.sum() / weights.sum()
    total: Tensor = nll * (1 - smoothing) + smooth * (smoothing / classes)
    return total


def _probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float, ignore_index: int
) -> Tensor:
    if not target.dtype.is_floating_point:
        raise RuntimeError(f"Expected floating point type for target with class probabilities, got {target.dtype.scalar_name}")
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    if not 0 <= smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {smoothing}")
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of"
            f" shape: {text(weight.shape)}"
        )
    logs = log_softmax(input, axis)
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    losses: Any = logs * target
    if weight is not None:
        losses = losses * _along_classes(weight, input.ndim)
    total: Tensor = -losses.sum(axis) if reduction == "none" else -losses.sum()
    return total / (prod(input.shape) // classes if classes else 0) if reduction == "mean" else total


__all__ = ["cross_entropy", "nll_loss"]
