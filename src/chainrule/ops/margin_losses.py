"""Losses with margins, between rows, and for several labels: mostly compositions, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ..core.dtype import int64
from ..core.op import Op
from ..core.size import text
from ..core.tensor import Tensor
from .activation import logsigmoid
from .compare import where
from .distances import pairwise_distance
from .inside import inside
from .matmul import check_tensors
from .reduction import checked, legacy, reduced, share
from .structure import sum_dims, view


def _reduction(size_average: Any, reduce: Any, reduction: str) -> str:
    return legacy(size_average, reduce) if size_average is not None or reduce is not None else reduction


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """``input`` where the target is 1, ``max(0, margin - input)`` where it is -1; reduced."""
    reduction = checked(_reduction(size_average, reduce, reduction))
    far: Any = where(target != 1, (margin - input).clamp_min(0), 0.0)
    near: Any = where(target != -1, input, 0.0)
    return reduced(far + near, reduction)  # type: ignore[no-any-return]


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``1 - cos(input1, input2)`` where the target is 1, ``max(0, cos - margin)`` where it is -1; reduced over rows."""
    reduction = checked(_reduction(size_average, reduce, reduction))
    if target.ndim not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.ndim == 0:
        if input1.ndim != 1 or input2.ndim != 1:
            raise RuntimeError(
                f"0D target tensor expects 1D input tensors, but found inputs with sizes: {text(input1.shape)} and {text(input2.shape)}."
            )
    elif input1.ndim != 2 or input2.ndim != 2:
        raise RuntimeError(
            f"1D target tensor expects 2D input tensors, but found inputs with sizes: {text(input1.shape)} and {text(input2.shape)}."
        )
    dim = target.ndim
    eps = 1e-12
    products: Any = (input1 * input2).sum(dim)
    first: Any = (input1 * input1).sum(dim) + eps
    second: Any = (input2 * input2).sum(dim) + eps
    cos = products / (first * second).sqrt()
    near: Any = where(target == 1, 1 - cos, 0.0)
    far: Any = where(target == -1, (cos - margin).clamp_min(0), 0.0)
    return reduced(near + far, reduction)  # type: ignore[no-any-return]


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``max(0, -target * (input1 - input2) + margin)``: target 1 ranks the first higher, -1 the second; reduced."""
    reduction = checked(_reduction(size_average, reduce, reduction))
    if input1.ndim != input2.ndim or input1.ndim != target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)  # type: ignore[no-any-return]


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """The mean over classes of the binary cross entropy of logits (N, C) with targets 0 and 1; reduced over samples."""
    reduction = _reduction(size_average, reduce, reduction)
    losses: Any = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    losses = losses.sum(-1) / input.shape[-1]
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    return reduced(losses, reduction)  # type: ignore[no-any-return]


def _check_margin(margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")


def _check_ranks(*tensors: Tensor) -> None:
    a, p, n = [t.ndim for t in tensors]
    if a != p or a != n:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor"
            f" {a}D, positive {p}D, and negative {n}D inputs"
        )


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-6, swap: bool = False,
    size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``max(0, margin + |anchor - positive| - |anchor - negative|)`` with ``p``-norms over the last dimension; reduced.

    ``swap`` takes the distance of positive and negative where it is the smaller one.
    """
    reduction = checked(_reduction(size_average, reduce, reduction))
    _check_margin(margin)
    _check_ranks(anchor, positive, negative)
    near: Any = pairwise_distance(anchor, positive, p, eps)
    far: Any = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    return reduced((margin + near - far).clamp_min(0), reduction)  # type: ignore[no-any-return]


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0, swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """:func:`triplet_margin_loss` with any distance, :func:`pairwise_distance` unless given."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    _check_margin(margin)
    distance: Any = pairwise_distance if distance_function is None else distance_function
    _check_ranks(anchor, positive, negative)
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((margin + near - far).clamp_min(0), reduction)  # type: ignore[no-any-return]


# -- several classes -----------------------------------------------------------------------------------------------------


def _multi_parts(x: Any, mask: Any, weight: Any, p: int, margin: float) -> tuple[Any, Any]:
    """(how far every wrong class reaches into the margin, the factor of its derivative)."""
    right = sum_dims(x * mask, dim=(1,), keepdim=True)
    reach = (x - right + margin) * (1 - mask)
    reach = where(reach > 0, reach, 0.0)
    factor = 1 / x.shape[1]
    return reach, factor if weight is None else sum_dims(mask * weight, dim=(1,), keepdim=True) * factor


def _multi_impl(x: Any, mask: Any, weight: Any, *, p: int, margin: float, reduction: str) -> Any:
    reach, factor = _multi_parts(x, mask, weight, p, margin)
    losses = sum_dims((reach if p == 1 else reach * reach) * factor, dim=(1,), keepdim=False)
    return _reduce_rows(losses, reduction)


def _reduce_rows(losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    s = sum_dims(losses, dim=(0,), keepdim=False)
    return share(s, reduction, losses.shape)


def _rows(g: Any, reduction: str, n: int) -> Any:
    """The cotangent of every row, as a column."""
    g = share(g, reduction, (n,))
    return view(g, shape=(n, 1)) if reduction == "none" else g


def _multi_rule(g: Any, x: Any, mask: Any, weight: Any, p: int, margin: float, reduction: str) -> Any:
    reach, factor = _multi_parts(x, mask, weight, p, margin)
    d = where(reach > 0, reach * 0 + 1, 0.0) if p == 1 else reach * 2
    d = d * factor
    return _rows(g, reduction, x.shape[0]) * (d - mask * sum_dims(d, dim=(1,), keepdim=True))


_multi_op = Op(
    "multi_margin_loss", _multi_impl, kind="general", args="x mask weight", node="MultiMarginLossBackward0", vjp=[_multi_rule, None, None]
)


def _single(input: Tensor, target: Tensor, reduction: str, make: Callable[[Any, Any], Any], rows: bool = False) -> Any:
    """A loss of rows on one row without a batch dimension; ``rows``: the target is a row too."""
    if input.ndim > 1:
        return make(input, target)
    loss = make(input.reshape(1, -1), target.reshape((1, -1) if rows else (1,)))
    return loss.reshape(()) if reduction == "none" else loss


def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The mean over the wrong classes i of ``max(0, margin - x[y] + x[i]) ** p``, times ``weight[y]``; reduced over samples."""
    check_tensors("multi_margin_loss", ("input", "target"), (input, target))
    reduction = checked(_reduction(size_average, reduce, reduction))
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    _check_rows(input)
    classes = input.shape[-1] if input.ndim else 1
    n = input.shape[0] if input.ndim == 2 else 1
    if target.ndim > 1 or prod(target.shape) != n:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). Expected target"
            f" size [{n}], but got {text(target.shape)}. Input has shape {text(input.shape)}."
        )
    if weight is not None:
        if weight.ndim != 1:
            raise ValueError("weight must be one-dimensional")
        if weight.shape[0] != classes:
            raise RuntimeError(f"inconsistent weight size, expected {classes} but got {text(weight.shape)}")
    if target.dtype is not int64:
        raise RuntimeError(f"expected scalar type Long but found {target.dtype.scalar_name}")

    def loss(x: Any, t: Any) -> Any:
        t = inside(t, size=classes, said="margin_target")
        mask = (t.unsqueeze(-1) == t.new_tensor(list(range(classes)))).to(x.dtype)
        return _multi_op(x, mask, weight, p=p, margin=margin, reduction=reduction)

    flat = target.reshape(()) if input.ndim < 2 else target
    return _single(input, flat, reduction, loss)  # type: ignore[no-any-return]


def _check_rows(input: Tensor) -> None:
    if input.ndim > 2 or 0 in input.shape[-1:]:
        raise RuntimeError(f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {text(input.shape)}")


def _multilabel_parts(x: Any, counts: Any) -> tuple[Any, Any]:
    """(1 - x[j] + x[i] where it counts, how often it does) for every label j and every class i that is none: (N, j, i)."""
    n, c = x.shape
    reach = 1 - view(x, shape=(n, c, 1)) + view(x, shape=(n, 1, c))
    times = view(counts, shape=(n, c, 1)) * (view(counts, shape=(n, 1, c)) == 0)
    return where(reach > 0, reach, 0.0), times * (1 / c)


def _multilabel_impl(x: Any, counts: Any, *, reduction: str) -> Any:
    reach, times = _multilabel_parts(x, counts)
    return _reduce_rows(sum_dims(reach * times, dim=(1, 2), keepdim=False), reduction)


def _multilabel_rule(g: Any, x: Any, counts: Any, reduction: str) -> Any:
    reach, times = _multilabel_parts(x, counts)
    d = where(reach > 0, times, 0.0)
    return _rows(g, reduction, x.shape[0]) * (sum_dims(d, dim=(1,), keepdim=False) - sum_dims(d, dim=(2,), keepdim=False))


_multilabel_op = Op(
    "multilabel_margin_loss", _multilabel_impl, kind="general", args="x counts", node="MultilabelMarginLossBackward0",
    vjp=[_multilabel_rule, None],
)  # fmt: skip


def multilabel_margin_loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Tensor:
    """The sum of ``max(0, 1 - x[j] + x[i]) / C`` over every label j and every class i that is none; reduced over samples.

    Each row of the target lists labels up to its first -1.
    """
    check_tensors("multilabel_margin_loss", ("input", "target"), (input, target))
    reduction = checked(_reduction(size_average, reduce, reduction))
    _check_rows(input)
    if target.shape != input.shape:
        raise RuntimeError(f"inconsistent target size: {text(target.shape)} for input of size: {text(input.shape)}")
    classes = input.shape[-1] if input.ndim else 1

    def loss(x: Any, t: Any) -> Any:
        t = inside(t + 1, size=classes + 1, said="margin_target") - 1
        listed = ((t < 0).cumsum(1) == 0).unsqueeze(-1)
        hits = (t.unsqueeze(-1) == t.new_tensor(list(range(classes)))) & listed
        return _multilabel_op(x, hits.sum(1).to(x.dtype), reduction=reduction)

    return _single(input, target, reduction, loss, rows=True)  # type: ignore[no-any-return]


__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]
