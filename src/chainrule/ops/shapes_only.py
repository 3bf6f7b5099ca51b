"""What products and convolutions of meta tensors look like, without computing them on dummies."""

from __future__ import annotations

from typing import Any

from ..core.meta import Meta, like
from ..core.op import OPS
from ..core.size import broadcast_pair
from .convolution import convolve
from .matmul import _linear_impl
from .products import bmm, dot, matmul_op, mm, mv, row_mm

Shape = tuple[int, ...]


def _product_shape(x: Shape, y: Shape) -> Shape:
    """The shape of ``x @ y``."""
    if len(y) == 1:
        return x[:-1]
    if len(x) == 1:
        return (*y[:-2], y[-1])
    return (*broadcast_pair(x[:-2], y[:-2]), x[-2], y[-1])


def _product(x: Any, y: Any) -> Meta:
    return like(x, _product_shape(tuple(x.shape), tuple(y.shape)))


def _linear(b: Any, x: Any, w: Any) -> Meta:
    return like(x, (*x.shape[:-1], *w.shape[:-1]))


def _convolution(x: Any, w: Any, b: Any, *, stride: Shape, padding: Shape, dilation: Shape, groups: int) -> Meta:
    spatial = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    ]
    return like(x, (x.shape[0], w.shape[0], *spatial))


for _op in (mm, row_mm, bmm, mv, dot, matmul_op):
    _op.infer = _product
for _op in OPS.values():
    if _op.impl is _linear_impl:
        _op.infer = _linear
convolve.infer = _convolution

__all__: list[str] = []
