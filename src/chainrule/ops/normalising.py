"""Normalisation over some dimensions, scaled and shifted: one declaration behind layer, batch and group norm.

``x`` is viewed in the shape ``split``, brought to mean 0 and variance 1 over its dimensions ``dims``, viewed back, multiplied
by ``weight`` and shifted by ``bias`` (either may be None), both viewed in the shape ``affine``, which broadcasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.batching import batch_size, bring
from ..core.dtype import FROM_NUMPY, dtype, float32
from ..core.op import Op
from .exponential import rsqrt
from .products import scale, wide
from .structure import cast_to, expand_to, sum_dims, sum_to, view
from .summation import add_over

Ints = tuple[int, ...]


def _count(split: Ints, dims: Ints) -> int:
    return prod([split[d] for d in dims])


def moments(x: Any, dims: Ints) -> tuple[Any, Any]:
    """(x minus its mean, its variance) over ``dims`` of a raw array; the variance divides by the count."""
    n = x.dtype.type(max(1, _count(x.shape, dims)))
    centred = x - add_over(x, dim=dims, keepdim=True) / n
    return centred, add_over(centred * centred, dim=dims, keepdim=True) / n


def _normalise(x: Any, weight: Any, bias: Any, *, split: Ints, dims: Ints, affine: Ints, eps: float) -> Any:
    kind = x.dtype
    centred, variance = moments(wide(x).reshape(split), dims)
    variance += centred.dtype.type(eps)
    centred /= np.sqrt(variance)
    return affine_of(centred.reshape(x.shape), weight, bias, affine).astype(kind, copy=False)


def affine_of(r: Any, weight: Any, bias: Any, affine: Ints) -> Any:
    """A fresh raw array, scaled and shifted in place."""
    if weight is not None:
        r *= wide(weight).reshape(affine)
    if bias is not None:
        r += wide(bias).reshape(affine)
    return r


def _whole(x: Any) -> Any:
    """Half precision as float32, on arrays and tensors."""
    kind = x.dtype if isinstance(x.dtype, dtype) else FROM_NUMPY[x.dtype]
    return cast_to(x, float32) if kind.itemsize < 4 else x


def _as(r: Any, like: Any) -> Any:
    """``r`` in the dtype of ``like``, an array, a tensor or None."""
    if like is None or r.dtype == like.dtype:
        return r
    return cast_to(r, like.dtype if isinstance(like.dtype, dtype) else FROM_NUMPY[like.dtype])


def _mean(x: Any, dims: Ints) -> Any:
    return scale(sum_dims(x, dim=dims, keepdim=True), 1.0 / max(1, prod([x.shape[d] for d in dims])))


def _standard(x: Any, dims: Ints, eps: float) -> tuple[Any, Any]:
    """(x at mean 0 and variance 1, the reciprocal of its deviation)."""
    centred = x - _mean(x, dims)
    inverse = rsqrt(_mean(centred * centred, dims) + eps)
    return centred * inverse, inverse


# The derivative of the normalised values y along t is r (t - mean(t) - y mean(t y)), with r = 1 / deviation.  As a map of t
# it is its own transpose, so it serves both modes; by x it is differentiated once more in _project_x.


def _project_impl(t: Any, x: Any, *, dims: Ints, eps: float) -> Any:
    n = t.dtype.type(max(1, _count(x.shape, dims)))
    normal, variance = moments(x, dims)
    inverse = 1 / np.sqrt(variance + variance.dtype.type(eps))
    normal *= inverse
    r = t - add_over(t, dim=dims, keepdim=True) / n
    normal *= add_over(t * normal, dim=dims, keepdim=True) / n
    r -= normal
    r *= inverse
    return r


def _project_x(g: Any, t: Any, x: Any, dims: Ints, eps: float) -> Any:
    normal, inverse = _standard(x, dims, eps)
    gy, ty = _mean(g * normal, dims), _mean(t * normal, dims)
    spread = _mean(g * t, dims) - _mean(g, dims) * _mean(t, dims) - gy * ty
    return project(-inverse * (ty * g + gy * t), x, dims=dims, eps=eps) - inverse * inverse * normal * spread


project: Op = Op(
    "normalise_tangent", _project_impl, kind="general", args="t x",
    vjp=[lambda g, x, dims, eps: project(g, x, dims=dims, eps=eps), _project_x],
    batch=lambda op, args, mask, kw: op(
        *bring(args, mask, batch_size(args, mask)), dims=tuple([d + 1 for d in kw["dims"]]), eps=kw["eps"]
    ),
)  # fmt: skip


def _rule(
    g: Any, x: Any, weight: Any, bias: Any, needs: Sequence[bool], split: Ints, dims: Ints, affine: Ints, eps: float
) -> tuple[Any, Any, Any]:
    dx = dw = db = None
    shape = tuple(g.shape)
    g = _whole(g)
    if needs[1]:
        normal = layer_norm_op(_whole(x), None, None, split=split, dims=dims, affine=affine, eps=eps)
        dw = _as(view(sum_to(g * normal, shape=affine), shape=tuple(weight.shape)), weight)
    if needs[0]:
        scaled = g if weight is None else g * view(_whole(weight), shape=affine)
        dx = _as(_moved(scaled, x, split, dims, eps, shape), x)
    if needs[2]:
        db = _as(view(sum_to(g, shape=affine), shape=tuple(bias.shape)), bias)
    return dx, dw, db


def _moved(t: Any, x: Any, split: Ints, dims: Ints, eps: float, shape: Ints) -> Any:
    r = project(view(t, shape=split), view(_whole(x), shape=split), dims=dims, eps=eps)
    return view(r, shape=shape)


def _jvp(tangents: Sequence[Any], out: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    x, weight, _ = args
    tx, tw, tb = tangents
    split, dims, affine, shape = kw["split"], kw["dims"], kw["affine"], tuple(out.shape)
    total = None
    if tx is not None:
        total = _moved(_whole(tx), x, split, dims, kw["eps"], shape)
        if weight is not None:
            total = total * view(weight, shape=affine)
    if tw is not None:
        part = layer_norm_op(_whole(x), None, None, **kw) * view(tw, shape=affine)
        total = part if total is None else total + part
    if tb is not None:
        part = view(tb, shape=affine)
        total = expand_to(part, shape=shape) if total is None else total + part
    return _as(total, out)


def _batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    n = batch_size(args, mask)
    x, weight, bias = args
    if not mask[0]:
        x = bring((x,), (False,), n)[0]
    lead = 1
    if mask[1] or mask[2]:
        weight, bias = bring((weight, bias), mask[1:], n)
        lead = n
    dims = tuple([d + 1 for d in kw["dims"]])
    return op(x, weight, bias, split=(n, *kw["split"]), dims=dims, affine=(lead, *kw["affine"]), eps=kw["eps"])


def _norm_op(name: str, node: str) -> Op:
    return Op(name, _normalise, kind="general", args="x weight bias", vjp=_rule, jvp=_jvp, batch=_batch, node=node)


layer_norm_op = _norm_op("native_layer_norm", "NativeLayerNormBackward0")
batch_norm_op = _norm_op("native_batch_norm", "NativeBatchNormBackward0")
group_norm_op = _norm_op("native_group_norm", "NativeGroupNormBackward0")


# -- by statistics that are given ----------------------------------------------------------------------------------------


def _by_statistics(x: Any, weight: Any, bias: Any, mean: Any, variance: Any, *, affine: Ints, eps: float) -> Any:
    kind = x.dtype
    inverse = 1 / np.sqrt(wide(variance) + eps).astype(np.float64 if kind == np.float64 else np.float32, copy=False)
    r = wide(x) - wide(mean).reshape(affine)
    r *= inverse.reshape(affine)
    return affine_of(r, weight, bias, affine).astype(kind, copy=False)


def _inverse(variance: Any, affine: Ints, eps: float) -> Any:
    return view(rsqrt(_whole(variance) + eps), shape=affine)


def _statistics_rule(
    g: Any, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, needs: Sequence[bool], affine: Ints, eps: float
) -> tuple[Any, ...]:
    g = _whole(g)
    inverse = _inverse(variance, affine, eps)
    dx = dw = db = None
    if needs[0]:
        scaled = g * inverse
        dx = _as(scaled if weight is None else scaled * view(_whole(weight), shape=affine), x)
    if needs[1]:
        normal = (_whole(x) - view(_whole(mean), shape=affine)) * inverse
        dw = _as(view(sum_to(g * normal, shape=affine), shape=tuple(weight.shape)), weight)
    if needs[2]:
        db = _as(view(sum_to(g, shape=affine), shape=tuple(bias.shape)), bias)
    return dx, dw, db, None, None


def _statistics_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    n = batch_size(args, mask)
    x = bring(args[:1], mask[:1], n)[0]
    lead = 1
    rest: Sequence[Any] = args[1:]
    if any(mask[1:]):
        rest, lead = bring(args[1:], mask[1:], n), n
    return op(x, *rest, affine=(lead, *kw["affine"]), eps=kw["eps"])


batch_norm_eval = Op(
    "batch_norm_eval", _by_statistics, kind="general", args="x weight bias mean variance", vjp=_statistics_rule, batch=_statistics_batch,
    node="NativeBatchNormBackward0",
)  # fmt: skip

__all__: list[str] = []
