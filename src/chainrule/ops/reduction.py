"""How losses are reduced: ``'none'``, ``'sum'`` or ``'mean'``; and losses whose every element depends on one pair."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.batching import batch_size, bring
from ..core.op import Op
from ..core.tensor import Tensor
from .products import wide
from .structure import sum_dims
from .summation import total


def legacy(size_average: Any, reduce: Any) -> str:
    """The reduction that the two old arguments stand for, with PyTorch's warning."""
    if size_average is None:
        size_average = True
    if reduce is None:
        reduce = True
    reduction = "none" if not reduce else "mean" if size_average else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.", UserWarning, stacklevel=3
    )
    return reduction


def checked(reduction: Any) -> str:
    """``reduction`` if it is one; ValueError otherwise."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction  # type: ignore[no-any-return]


def reduce_array(x: Any, reduction: str) -> Any:
    """A raw array of losses, reduced; half precision is added up in float32."""
    if reduction == "none":
        return x
    if x.dtype in FLOATS:
        return total(x) / x.dtype.type(x.size) if reduction == "mean" else total(x)
    s = total(wide(x))
    return np.asarray(s / x.size if reduction == "mean" else s).astype(x.dtype)


def reduced(x: Any, reduction: str) -> Any:
    """A tensor of losses, reduced, with the nodes that PyTorch shows."""
    if reduction == "none":
        return x
    return x.mean() if checked(reduction) == "mean" else x.sum()


def share(g: Any, reduction: str, shape: Sequence[int]) -> Any:
    """The cotangent of every single loss, from that of the reduced one (not yet spread out)."""
    if reduction != "mean":
        return g
    n = prod(shape)
    r = g * (1.0 / n if n else float("nan"))
    return r if isinstance(r, Tensor) or r.dtype == g.dtype else np.asarray(r, g.dtype)


def reduce_dims(x: Any, reduction: str, first: int) -> Any:
    """Arrays or tensors reduced over every dimension from ``first`` on."""
    if reduction == "none":
        return x
    n = prod(x.shape[first:])
    s = sum_dims(x, dim=tuple(range(first, len(x.shape))), keepdim=False)
    return s if reduction == "sum" else share(s, reduction, (n,))


def pointwise(
    name: str, impl: Callable[..., Any], d: Sequence[Callable[..., Any]], *, node: str, quick: Callable[..., Any] | None = None
) -> Op:
    """A loss of ``x`` and ``y`` of one shape, element by element, then reduced: one operation, as PyTorch shows it.

    ``impl(x, y, param)`` gives the losses, ``d`` one rule an argument, ``rule(t, x, y, param)``, linear in ``t``.  The
    operation takes ``reduction`` and ``param``, whatever number the loss has.  ``quick(x, y)`` is a quicker mean, or None.
    """
    d_x, d_y = d

    def forward(x: Any, y: Any, *, reduction: str, param: Any) -> Any:
        if quick is not None and reduction == "mean":
            r = quick(x, y)
            if r is not None:
                return r
        return reduce_array(impl(x, y, param), reduction)

    def cotangent_x(g: Any, x: Any, y: Any, reduction: str, param: Any) -> Any:
        return d_x(share(g, reduction, x.shape), x, y, param)

    def cotangent_y(g: Any, x: Any, y: Any, reduction: str, param: Any) -> Any:
        return d_y(share(g, reduction, x.shape), x, y, param)

    def tangent(tangents: Sequence[Any], out: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
        x, y = args
        parts = [rule(t, x, y, kw["param"]) for rule, t in zip(d, tangents) if t is not None]
        return reduce_dims(parts[0] if len(parts) == 1 else parts[0] + parts[1], kw["reduction"], 0)

    def batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
        x, y = bring(args, mask, batch_size(args, mask))
        return reduce_dims(op(x, y, reduction="none", param=kw["param"]), kw["reduction"], 1)

    return Op(name, forward, kind="general", args="x y", vjp=[cotangent_x, cotangent_y], jvp=tangent, batch=batch, node=node)


__all__: list[str] = []
