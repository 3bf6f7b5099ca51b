"""Distances and similarities between rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.batching import batch_size, bring
from ..core.op import Op
from ..core.promotion import result_dtype
from ..core.size import broadcast_pair
from ..core.tensor import Tensor, wrap
from .compare import where
from .matmul import check_tensors, same_scalar_type
from .products import matmul_op, mT, wide
from .structure import cast_to, expand_to, sum_dims, view

_MANY = 25  # rows from which PyTorch's default computes Euclidean distances by a matrix product


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The ``p``-norm of ``x1 - x2 + eps`` over the last dimension."""
    check_tensors("pairwise_distance", ("x1", "x2"), (x1, x2))
    return (x1 - x2 + eps).norm(p, -1, keepdim)  # type: ignore[no-any-return]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between ``x1`` and ``x2`` along ``dim``; norms count as at least ``eps``.

    >>> import chainrule as torch
    >>> torch.cosine_similarity(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0]), dim=0)
    tensor(0.7071)
    """
    check_tensors("cosine_similarity", ("x1", "x2"), (x1, x2))
    kind = result_dtype([(x1.dtype, x1.ndim == 0), (x2.dtype, x2.ndim == 0)])
    if kind.category < 2:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {kind.scalar_name}")
    shape = tuple(broadcast_pair(tuple(x1.shape), tuple(x2.shape)))
    x: Any = expand_to(cast_to(x1, kind), shape=shape)
    y: Any = expand_to(cast_to(x2, kind), shape=shape)
    x = x / x.norm(2, dim, True).clamp_min(eps)
    y = y / y.norm(2, dim, True).clamp_min(eps)
    return (x * y).sum(dim)  # type: ignore[no-any-return]


# -- all pairs -----------------------------------------------------------------------------------------------------------


def _apart(x: Any, y: Any) -> Any:
    """The differences of every row of ``x`` (…, n, k) and every row of ``y`` (…, m, k): (…, n, m, k)."""
    a, b = tuple(x.shape), tuple(y.shape)
    return view(x, shape=(*a[:-1], 1, a[-1])) - view(y, shape=(*b[:-2], 1, *b[-2:]))


def _cdist(x: Any, y: Any, *, p: float, by_product: bool) -> Any:
    kind = x.dtype
    x, y = wide(x), wide(y)
    if p == 2 and by_product:
        squares = np.add.reduce(x * x, -1, keepdims=True) + np.add.reduce(y * y, -1, keepdims=True).swapaxes(-1, -2)
        return np.sqrt(np.maximum(squares - 2 * np.matmul(x, y.swapaxes(-1, -2)), 0)).astype(kind, copy=False)
    d = np.abs(_apart(x, y))
    if p == 0:
        r = np.count_nonzero(d, axis=-1)
    elif p == 1:
        r = np.add.reduce(d, -1)
    elif p == 2:
        r = np.sqrt(np.add.reduce(d * d, -1))
    elif math.isinf(p):
        r = np.maximum.reduce(d, -1, initial=0)
    else:
        r = np.add.reduce(d**p, -1) ** (1 / p)
    return r.astype(kind, copy=False)


def _shares(g: Any, x: Any, y: Any, out: Any, p: float) -> Any:
    """The cotangent of every difference of two rows; 0 where the rows are equal, as PyTorch has it."""
    d = _apart(x, y)
    shape = (*out.shape, 1)
    g, out = view(g, shape=shape), view(out, shape=shape)
    sign = where(d > 0, 1.0, where(d < 0, -1.0, d * 0))
    if p == 0:
        return d * 0
    if p == 1:
        return g * sign
    if math.isinf(p):
        return where(abs(d) == out, g * sign, d * 0)
    safe = where(out == 0, out * 0 + 1, out)
    size = where(d == 0, d * 0 + 1, abs(d)) / safe
    return where((d == 0) | (out == 0), d * 0, g * sign * size ** (p - 1))


def _cdist_x(g: Any, x: Any, y: Any, out: Any, p: float) -> Any:
    if p == 2:
        w = where(out == 0, g * 0, g / where(out == 0, out * 0 + 1, out))
        return sum_dims(w, dim=(len(w.shape) - 1,), keepdim=True) * x - matmul_op(w, y)
    d = _shares(g, x, y, out, p)
    return sum_dims(d, dim=(len(d.shape) - 2,), keepdim=False)


def _cdist_y(g: Any, x: Any, y: Any, out: Any, p: float) -> Any:
    return _cdist_x(mT(g), y, x, mT(out), p)


def _cdist_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    return op(*bring(args, mask, batch_size(args, mask)), **kw)


def _cdist_op(name: str, node: str) -> Op:
    return Op(name, _cdist, kind="general", args="x y", vjp=[_cdist_x, _cdist_y], batch=_cdist_batch, node=node)


_direct = _cdist_op("cdist", "CdistBackward0")
_product = _cdist_op("euclidean_dist", "ViewBackward0")

_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """The ``p``-norm distances of every row of ``x1`` (…, n, k) and every row of ``x2`` (…, m, k): (…, n, m).

    The gradient of the distance of equal rows is 0.

    >>> import chainrule as torch
    >>> torch.cdist(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    check_tensors("cdist", ("x1", "x2"), (x1, x2))
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.dtype.is_floating_point:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype.scalar_name}")
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    same_scalar_type(x1, x2)
    lead = tuple(broadcast_pair(tuple(x1.shape[:-2]), tuple(x2.shape[:-2])))
    x, y = (t if tuple(t.shape[:-2]) == lead else expand_to(t, shape=lead + tuple(t.shape[-2:])) for t in (x1, x2))
    many = x.shape[-2] > _MANY or y.shape[-2] > _MANY
    by_product = p == 2 and (compute_mode == _MODES[1] or (compute_mode == _MODES[0] and many))
    return (_product if by_product else _direct)(x, y, p=float(p), by_product=by_product)  # type: ignore[no-any-return]


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The ``p``-norm distances of every two rows of a matrix, in the order (0, 1), (0, 2), …, (1, 2), …"""
    check_tensors("pdist", ("input",), (input,))
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    n = input.shape[0]
    first, second = np.triu_indices(n, 1)
    every = cdist(input, input, p, _MODES[2])
    return every.reshape(n * n)[wrap(first * n + second)]  # type: ignore[no-any-return]


__all__ = ["cdist", "cosine_similarity", "pairwise_distance", "pdist"]
