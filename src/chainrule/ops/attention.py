"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

from ..core.dtype import bool_
from ..core.op import Op
from ..core.size import text
from ..core.tensor import Tensor
from ..core.value import Value
from .compare import where
from .dropout import dropout
from .matmul import check_tensors
from .products import matmul_op, mT, scale
from .softmax import softmax_op
from .structure import sum_dims, sum_to


def _weights(q: Any, k: Any, mask: Any, factor: float, seen: bool) -> Any:
    """The rows of attention; a row in which everything is masked is 0.  ``seen`` says that the mask leaves something of every row."""
    scores = scale(matmul_op(q, mT(k)), factor)
    dim = len(scores.shape) - 1
    if mask is not None:
        scores = scores + mask
    if seen:
        return softmax_op(scores, dim=dim)
    alive = sum_dims(where(scores == -math.inf, 0.0, scores * 0 + 1), dim=(dim,), keepdim=True) > 0
    return where(alive, softmax_op(where(alive, scores, 0.0), dim=dim), 0.0)


def _attend(q: Any, k: Any, v: Any, mask: Any, *, factor: float, seen: bool) -> Any:
    return matmul_op(_weights(q, k, mask, factor, seen), v)


def _rule(g: Any, q: Any, k: Any, v: Any, mask: Any, needs: Any, factor: float, seen: bool) -> tuple[Any, ...]:
    # The weights are computed again: they are what attention would need most memory to keep.
    rows = _weights(q, k, mask, factor, seen)
    dq = dk = dmask = None
    dv = sum_to(matmul_op(mT(rows), g), shape=tuple(v.shape)) if needs[2] else None
    if needs[0] or needs[1] or needs[3]:
        dscores = rows * matmul_op(g, mT(v))
        dscores = dscores - rows * sum_dims(dscores, dim=(len(dscores.shape) - 1,), keepdim=True)
        if needs[3]:
            dmask = sum_to(dscores, shape=tuple(mask.shape))
        dscores = scale(dscores, factor)
        dq = sum_to(matmul_op(dscores, k), shape=tuple(q.shape)) if needs[0] else None
        dk = sum_to(matmul_op(mT(dscores), q), shape=tuple(k.shape)) if needs[1] else None
    return dq, dk, dv, dmask


_fused = Op(
    "scaled_dot_product_attention", _attend, kind="general", args="q k v mask", vjp=_rule,
    node="ScaledDotProductFlashAttentionForCpuBackward0",
)  # fmt: skip


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    check_tensors("scaled_dot_product_attention", ("query", "key", "value"), (query, key, value))
    kinds = query.dtype, key.dtype, value.dtype
    if kinds[0] is not kinds[1] or kinds[0] is not kinds[2]:
        raise RuntimeError(
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {kinds[0].cpp_name} key.dtype:"
            f" {kinds[1].cpp_name} and value.dtype: {kinds[2].cpp_name} instead."
        )
    ranks = query.ndim, key.ndim, value.ndim
    if min(ranks) < 2:
        raise RuntimeError(
            f"Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {ranks[0]} key.dim: {ranks[1]} and"
            f" value.dim: {ranks[2]} instead."
        )
    if mask is not None and mask.dtype is not bool_ and mask.dtype.name != "float32" and mask.dtype is not query.dtype:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype:"
            f" {mask.dtype.cpp_name} and  query.dtype: {query.dtype.cpp_name} instead."
        )
    if query.shape[-1] != key.shape[-1]:
        n = math.prod(query.shape[:-2])
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {text((n, query.shape[-1]))} but got:"
            f" {text((n, key.shape[-1]))}."
        )


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """``softmax(query keyᵀ * scale + mask) value``: query (…, L, E), key (…, S, E), value (…, S, V), result (…, L, V).

    A boolean mask is True where attention goes; ``is_causal`` masks what comes later.  ``scale`` is ``1 / sqrt(E)``
    unless given.  Rows in which everything is masked are 0.  ``enable_gqa`` repeats the heads of key and value.
    """
    _check(query, key, value, attn_mask)
    q: Any = query
    k: Any = key
    v: Any = value
    if enable_gqa:
        k = k.repeat_interleave(q.shape[-3] // k.shape[-3], -3)
        v = v.repeat_interleave(q.shape[-3] // v.shape[-3], -3)
    factor = 1.0 / math.sqrt(q.shape[-1]) if scale is None else scale
    mask: Any = attn_mask
    if mask is not None and mask.dtype is bool_:
        mask = where(mask, q.new_zeros(()), -math.inf)
    elif mask is not None and mask.dtype is not q.dtype:
        mask = mask.to(q.dtype)
    seen = mask is None  # nothing is masked, or what comes later alone
    if is_causal:
        later = q.new_full((q.shape[-2], k.shape[-2]), -math.inf).triu(1)
        mask = later if mask is None else mask + later
    plain = not any(isinstance(t._value, Value) for t in (q, k, v, mask) if t is not None)
    if dropout_p == 0.0 and plain and q.ndim == 4 and q.shape[-1] == v.shape[-1]:
        return _fused(q, k, v, mask, factor=factor, seen=seen)  # type: ignore[no-any-return]
    root = math.sqrt(factor) if factor > 0 else None
    if root is None:
        rows = _weights(q, k, mask, factor, seen)
    else:
        rows = _weights(q * root, k * root, mask, 1, seen)
    return matmul_op(dropout(rows, dropout_p), v)  # type: ignore[no-any-return]


__all__ = ["scaled_dot_product_attention"]
