"""Softmax and normalisation, as formulas over rows that fusion turns into few passes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...program.ir import Node
from .. import build
from ..symbolic import Unsupported
from .reduction import along, floats_only, in_float
from .structure import stepped
from .table import lowers

Ints = tuple[int, ...]


@lowers("softmax")
def softmax(x: Node, *, dim: int) -> Node:
    floats_only(x)

    def rows(v: Node) -> Node:
        e = build.mapped("exp", build.sub(v, build.reduce("max", v, dim, True)))
        share = build.mapped("reciprocal", build.sum_of(e, dim, False))  # of a sum that is at least 1: one division a row
        return build.mul(e, along(share, e, build.axes_of(v, dim)))

    return x if not x.size else in_float(x, rows)


@lowers("log_softmax")
def log_softmax(x: Node, *, dim: int) -> Node:
    floats_only(x)

    def rows(v: Node) -> Node:
        r = build.sub(v, build.reduce("max", v, dim, True))
        total = build.mapped("log", build.sum_of(build.mapped("exp", r), dim, False))
        return build.sub(r, along(total, r, build.axes_of(v, dim)))

    return x if not x.size else in_float(x, rows)


@lowers("logsumexp")
def logsumexp(x: Node, *, dim: Any, keepdim: bool) -> Node:
    floats_only(x)
    if not x.size:
        raise Unsupported("nothing to add")

    def rows(v: Node) -> Node:
        axes = build.axes_of(v, dim)
        top = build.reduce("max", v, dim, False)
        top = build.where(build.mapped("isfinite", top, dtype=bool), top, build.number(top, 0))
        r = build.add(build.mapped("log", build.sum_of(build.mapped("exp", build.sub(v, along(top, v, axes))), dim, False)), top)
        return build.reshape(r, [1 if d in axes else n for d, n in enumerate(v.shape)]) if keepdim else r

    return in_float(x, rows)


def _averages(x: Node, dims: Ints) -> Node:
    """The means over ``dims``, which are gone: what is computed of them further on belongs to the row, not to its elements."""
    count = prod([x.shape[d] for d in dims])
    return build.div(build.sum_of(x, dims, False), build.number(x, max(1, count)))


def _moments(x: Node, dims: Ints) -> tuple[Node, Node]:
    centred = build.sub(x, along(_averages(x, dims), x, dims))
    return centred, _averages(build.mul(centred, centred), dims)


def _wide(x: Node) -> Node:
    return build.cast(x, np.float32) if x.dtype.itemsize < 4 else x


@lowers("native_batch_norm", "native_group_norm", "native_layer_norm")
def normalise(x: Node, weight: Node | None, bias: Node | None, *, split: Ints, dims: Ints, affine: Ints, eps: float) -> Node:
    floats_only(x)
    if not x.size:
        raise Unsupported("nothing to normalise")
    r, _ = _standard(build.reshape(_wide(x), split), dims, eps)  # one division a row, as PyTorch's
    return build.cast(_affine(build.reshape(r, x.shape), weight, bias, affine), x.dtype)


def _affine(r: Node, weight: Node | None, bias: Node | None, affine: Ints) -> Node:
    if weight is not None:
        r = build.mul(r, build.reshape(build.cast(weight, r.dtype), affine))
    if bias is not None:
        r = build.add(r, build.reshape(build.cast(bias, r.dtype), affine))
    return r


@lowers("batch_norm_eval")
def batch_norm_eval(x: Node, weight: Node | None, bias: Node | None, mean: Node, variance: Node, *, affine: Ints, eps: float) -> Node:
    floats_only(x)
    v = _wide(x)
    spread = build.mapped("sqrt", build.add(build.cast(variance, v.dtype), build.number(v, eps)))
    r = build.div(build.sub(v, build.reshape(build.cast(mean, v.dtype), affine)), build.reshape(spread, affine))
    return build.cast(_affine(r, weight, bias, affine), x.dtype)


def _standard(x: Node, dims: Ints, eps: float) -> tuple[Node, Node]:
    normal, variance = _moments(x, dims)
    inverse = along(build.mapped("rsqrt", build.add(variance, build.number(variance, eps))), x, dims)
    return build.mul(normal, inverse), inverse


def _projected(t: Node, normal: Node, inverse: Node, dims: Ints) -> Node:
    r = build.sub(t, along(_averages(t, dims), t, dims))
    r = build.sub(r, build.mul(normal, along(_averages(build.mul(t, normal), dims), t, dims)))
    return build.mul(r, inverse)


@lowers("normalise_tangent")
def normalise_tangent(t: Node, x: Node, *, dims: Ints, eps: float) -> Node:
    floats_only(x)
    return _projected(t, *_standard(x, dims, eps), dims)


@lowers("normalise_backward")
def normalise_backward(g: Node, x: Node, weight: Node, *, split: Ints, dims: Ints, affine: Ints, eps: float) -> tuple[Node, Node]:
    floats_only(x)
    normal, inverse = _standard(build.reshape(x, split), dims, eps)
    scaled = build.reshape(build.mul(g, build.reshape(weight, affine)), split)
    dx = build.reshape(_projected(scaled, normal, inverse, dims), x.shape)
    spread = build.mul(g, build.reshape(normal, x.shape))
    summed = build.sum_of(spread, tuple([d for d, n in enumerate(affine) if n == 1]), True)
    return dx, build.reshape(summed, weight.shape)


@lowers("glu")
def glu(x: Node, *, dim: int) -> Node:
    half = x.shape[dim] // 2

    def gated(v: Node) -> Node:
        return build.mul(stepped(v, dim, 0, 1, half), build.mapped("sigmoid", stepped(v, dim, half, 1, half)))

    return in_float(x, gated)
