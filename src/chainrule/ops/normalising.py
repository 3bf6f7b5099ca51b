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
from .summation import add_over, ones

Ints = tuple[int, ...]


def _count(split: Ints, dims: Ints) -> int:
    return prod([split[d] for d in dims])


def _averages(x: Any, dims: Ints) -> Any:
    """The means over ``dims`` of a raw array, kept as dimensions of length 1."""
    shape = x.shape
    rank = len(shape)
    n = _count(shape, dims)
    if 0 < n <= 4096 and x.flags.c_contiguous:
        if dims[0] == rank - len(dims):  # the last dimensions: rows
            return (x.reshape(-1, n).dot(ones(x.dtype, n)) / n).reshape(shape[: dims[0]] + (1,) * len(dims))
        if dims == (0,):
            return (ones(x.dtype, n).dot(x.reshape(n, -1)) / n).reshape(1, *shape[1:])
    return add_over(x, dim=dims, keepdim=True) / max(1, n)


def moments(x: Any, dims: Ints) -> tuple[Any, Any]:
    """(x minus its mean, its variance) over ``dims`` of a raw array; the variance divides by the count."""
    centred = x - _averages(x, dims)
    return centred, _averages(centred * centred, dims)


def _normalise(x: Any, weight: Any, bias: Any, *, split: Ints, dims: Ints, affine: Ints, eps: float) -> Any:
    kind = x.dtype
    centred, variance = moments(wide(x).reshape(split), dims)
    variance += eps
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


def _projected(t: Any, normal: Any, inverse: Any, dims: Ints) -> Any:
    r = t - _averages(t, dims)
    r -= normal * _averages(t * normal, dims)
    r *= inverse
    return r


def _standard_array(x: Any, dims: Ints, eps: float) -> tuple[Any, Any]:
    normal, variance = moments(x, dims)
    inverse = 1 / np.sqrt(variance + eps)
    normal *= inverse
    return normal, inverse


def _project_impl(t: Any, x: Any, *, dims: Ints, eps: float) -> Any:
    return _projected(t, *_standard_array(x, dims, eps), dims)


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


def _back_impl(g: Any, x: Any, weight: Any, *, split: Ints, dims: Ints, affine: Ints, eps: float) -> tuple[Any, Any]:
    normal, inverse = _standard_array(x.reshape(split), dims, eps)
    dx = _projected((g * weight.reshape(affine)).reshape(split), normal, inverse, dims).reshape(x.shape)
    return dx, _summed_to(g * normal.reshape(x.shape), affine).reshape(weight.shape)


def _summed_to(x: Any, affine: Ints) -> Any:
    return add_over(x, dim=tuple([d for d, n in enumerate(affine) if n == 1]), keepdim=True)


def _back_rule(
    cts: tuple[Any, Any], g: Any, x: Any, weight: Any, needs: Sequence[bool], split: Ints, dims: Ints, affine: Ints, eps: float
) -> tuple[Any, Any, Any]:
    # With <a, dx> + <b, dw>: both are linear in g, and dx is P(g w), dw is the sum of g y, where y's derivative is P as well.
    a, b = cts
    shape = tuple(g.shape)
    spread_w, spread_b = view(weight, shape=affine), view(b, shape=affine)
    pushed = _moved(a, x, split, dims, eps, shape)
    dg = dx = dw = None
    if needs[0]:
        normal = layer_norm_op(x, None, None, split=split, dims=dims, affine=affine, eps=eps)
        dg = pushed * spread_w + normal * spread_b
    if needs[1]:
        t = view(g * spread_w, shape=split)
        first = view(_project_x(view(a, shape=split), t, view(x, shape=split), dims, eps), shape=shape)
        dx = first + _moved(g * spread_b, x, split, dims, eps, shape)
    if needs[2]:
        dw = view(sum_to(g * pushed, shape=affine), shape=tuple(weight.shape))
    return dg, dx, dw


def _back_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    n = batch_size(args, mask)
    return op(
        *bring(args, mask, n), split=(n, *kw["split"]), dims=tuple([d + 1 for d in kw["dims"]]), affine=(n, *kw["affine"]), eps=kw["eps"]
    )


norm_back = Op(
    "normalise_backward", _back_impl, kind="general", args="g x weight", outputs=2, differentiable=(0, 1), vjp=_back_rule, batch=_back_batch
)


def _rule(
    g: Any, x: Any, weight: Any, bias: Any, needs: Sequence[bool], split: Ints, dims: Ints, affine: Ints, eps: float
) -> tuple[Any, Any, Any]:
    dx = dw = db = None
    shape = tuple(g.shape)
    g = _whole(g)
    if weight is not None and (needs[0] or needs[1]):
        dx, dw = norm_back(g, _whole(x), _whole(weight), split=split, dims=dims, affine=affine, eps=eps)
        dx, dw = _as(dx, x), _as(dw, weight)
    elif needs[0]:
        dx = _as(_moved(g, x, split, dims, eps, shape), x)
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
