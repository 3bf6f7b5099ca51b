"""Multi-head attention as one function."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..core.dtype import bool_
from ..core.tensor import Tensor
from .attention import scaled_dot_product_attention
from .compare import where
from .dropout import dropout
from .joining import cat
from .matmul import linear
from .padding import pad
from .softmax import softmax


def _rank_check(query: Tensor, key: Tensor, value: Tensor, padding_mask: Tensor | None, mask: Tensor | None, heads: int) -> bool:
    """True for inputs with a batch dimension; AssertionError where the ranks do not fit."""
    if query.ndim not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor")
    batched = query.ndim == 3
    word, rank = ("batched", 3) if batched else ("unbatched", 2)
    if key.ndim != rank or value.ndim != rank:
        raise AssertionError(
            f"For {word} ({rank}-D) `query`, expected `key` and `value` to be {rank}-D but found {key.ndim}-D and {value.ndim}-D tensors"
            " respectively"
        )
    if padding_mask is not None and padding_mask.ndim != rank - 1:
        raise AssertionError(
            f"For {word} ({rank}-D) `query`, expected `key_padding_mask` to be `None` or {rank - 1}-D but found {padding_mask.ndim}-D"
            " tensor instead"
        )
    if mask is not None:
        if mask.ndim not in (2, 3):
            raise AssertionError(
                f"For {word} ({rank}-D) `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {mask.ndim}-D tensor instead"
            )
        if not batched and mask.ndim == 3:
            expected = (heads, query.shape[0], key.shape[0])
            if tuple(mask.shape) != expected:
                raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {tuple(mask.shape)}")
    return batched


def canonical_mask(mask: Any, like: Any, name: str, other: Any = None, other_name: str = "") -> Any:
    """A mask that is added, in the dtype of ``like``: minus infinity where a boolean one is True.

    Raises AssertionError for another dtype; warns where ``other``, a mask it will be added to, has another one.
    """
    if mask is None:
        return None
    if mask.dtype is not bool_ and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other is not None and mask.dtype is not other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.", UserWarning, stacklevel=3
        )
    return where(mask, -math.inf, like.new_zeros(())) if mask.dtype is bool_ else mask


def _projected(q: Any, k: Any, v: Any, packed: Any, separate: tuple[Any, Any, Any], bias: Any, width: int) -> tuple[Any, ...]:
    biases = (None, None, None) if bias is None else bias.chunk(3)
    if packed is None:
        return tuple([linear(x, w, b) for x, w, b in zip((q, k, v), separate, biases)])
    if q is k and k is v:
        return linear(q, packed, bias).chunk(3, -1)
    return tuple([linear(x, w, b) for x, w, b in zip((q, k, v), packed.chunk(3), biases)])


def _heads(x: Any, n: int, heads: int) -> Any:
    """(length, batch, width) as (batch * heads, length, width of a head)."""
    return x.reshape(x.shape[0], n * heads, x.shape[-1] // heads).transpose(0, 1)


def _one_for_each(mask: Any, n: int, length: int, source: int) -> Any:
    """A mask of (length, source) or (n, length, source) with three dimensions."""
    if mask is None:
        return None
    want = (length, source) if mask.ndim == 2 else (n, length, source)
    if tuple(mask.shape) != want:
        raise RuntimeError(f"The shape of the {len(want)}D attn_mask is {mask.shape}, but should be {want}.")
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _attention(q: Any, k: Any, v: Any, mask: Any, p: float) -> tuple[Any, Any]:
    """What attention takes of the values, and its weights."""
    scores = (q * math.sqrt(1.0 / q.shape[-1])) @ k.transpose(-2, -1)
    weights = softmax(scores if mask is None else scores + mask, -1)
    if p > 0.0:
        weights = dropout(weights, p)
    return weights @ v, weights


def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int, in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None, bias_k: Tensor | None, bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float,
    out_proj_weight: Tensor, out_proj_bias: Tensor | None, training: bool = True, key_padding_mask: Tensor | None = None,
    need_weights: bool = True, attn_mask: Tensor | None = None, use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None, k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None, static_v: Tensor | None = None, average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Attention in ``num_heads`` heads between projections of query (L, N, E), key and value (S, N, E), N optional.

    Returns the output (L, N, E) and, with ``need_weights``, the weights (N, L, S), averaged over heads or (N, heads, L, S).
    ``key_padding_mask`` (N, S) and a boolean ``attn_mask`` are True where attention does *not* go.
    """
    batched = _rank_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    q: Any = query
    k: Any = key
    v: Any = value
    padding: Any = key_padding_mask
    if not batched:
        same_k, same_v = key is query, value is key
        q = q.unsqueeze(1)
        k = q if same_k else k.unsqueeze(1)
        v = k if same_v else v.unsqueeze(1)
        padding = None if padding is None else padding.unsqueeze(0)
    length, n, width = q.shape
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    head = width // num_heads
    if head * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    padding = canonical_mask(padding, q, "key_padding_mask", attn_mask, "attn_mask")
    mask: Any = canonical_mask(attn_mask, q, "attn_mask")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    q, k, v = _projected(q, k, v, None if use_separate_proj_weight else in_proj_weight, separate, in_proj_bias, width)
    mask = _one_for_each(mask, n * num_heads, length, k.shape[0])
    extra = 0
    if bias_k is not None and bias_v is not None:
        k, v = cat([k, bias_k.repeat(1, n, 1)]), cat([v, bias_v.repeat(1, n, 1)])
        extra += 1
    q = _heads(q, n, num_heads)
    k = _heads(k, n, num_heads) if static_k is None else static_k
    v = _heads(v, n, num_heads) if static_v is None else static_v
    if add_zero_attn:
        k, v = (cat([x, x.new_zeros((n * num_heads, 1, head))], dim=1) for x in (k, v))
        extra += 1
    if extra:
        mask = None if mask is None else pad(mask, (0, extra))
        padding = None if padding is None else pad(padding, (0, extra))
    source = k.shape[1]
    if padding is not None:
        if tuple(padding.shape) != (n, source):
            raise AssertionError(f"expecting key_padding_mask shape of {(n, source)}, but got {padding.shape}")
        rows = padding.reshape(n, 1, 1, source).expand(n, num_heads, 1, source).reshape(n * num_heads, 1, source)
        mask = rows if mask is None else mask + rows
    p = dropout_p if training else 0.0
    if need_weights:
        r, weights = _attention(q, k, v, mask, p)
        r = r.transpose(0, 1).reshape(length * n, width)
        r = linear(r, out_proj_weight, out_proj_bias).reshape(length, n, width)
        weights = weights.reshape(n, num_heads, length, source)
        if average_attn_weights:
            weights = weights.mean(dim=1)
        return (r, weights) if batched else (r.squeeze(1), weights.squeeze(0))
    if mask is not None:
        mask = mask.unsqueeze(0) if mask.shape[0] == 1 and mask.ndim == 3 else mask.reshape(n, num_heads, -1, source)
    q, k, v = (x.reshape(n, num_heads, -1, head) for x in (q, k, v))
    r = scaled_dot_product_attention(q, k, v, mask, p).permute(2, 0, 1, 3).reshape(n * length, width)
    r = linear(r, out_proj_weight, out_proj_bias).reshape(length, n, width)
    return (r if batched else r.squeeze(1)), None


__all__ = ["multi_head_attention_forward"]
