"""Products of matrices and convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...program.ir import Node
from .. import build
from ..symbolic import Unsupported
from .structure import padded
from .table import lowers


def _computed(x: Node, y: Node, product: Any) -> Node:
    """In float32 for half precision; integers multiply on the host."""
    if x.dtype.kind not in "fV" or y.dtype.kind not in "fV":
        raise Unsupported("products of integers")
    if x.dtype.itemsize >= 4:
        return product(x, y)  # type: ignore[no-any-return]
    return build.cast(product(build.cast(x, np.float32), build.cast(y, np.float32)), x.dtype)


def matrix(x: Node, y: Node) -> Node:
    """NumPy's matmul: vectors count as a row on the left, as a column on the right."""
    row, column = len(x.shape) == 1, len(y.shape) == 1
    if row:
        x = build.unsqueeze(x, 0)
    if column:
        y = build.unsqueeze(y, 1)
    if len(x.shape) > 2 and len(y.shape) == 2:
        lead = x.shape[:-1]
        flat = build.reshape(x, (int(np.prod(lead, dtype=np.int64)), x.shape[-1]))
        r = build.reshape(build.matmul(flat, y), (*lead, y.shape[-1]))
    else:
        r = build.matmul(x, y)
    shape = r.shape
    if row:
        shape = (*shape[:-2], shape[-1])
    if column:
        shape = shape[:-1]
    return build.reshape(r, shape)


@lowers("mm", "row_mm", "mv", "dot", "vdot", "bmm", "matmul")
def product(x: Node, y: Node) -> Node:
    return _computed(x, y, matrix)


@lowers("linear", "linear_mm", "linear_row", "linear_stack", "linear_view")
def linear(b: Node | None, x: Node, w: Node) -> Node:
    def layer(p: Node, q: Node) -> Node:
        r = matrix(p, build.permute(q, (1, 0)) if len(q.shape) == 2 else q)
        return r if b is None else build.add(r, build.cast(b, r.dtype))

    return _computed(x, w, layer)


def _window(stride: Any, padding: Any, dilation: Any, groups: int) -> dict[str, Any]:
    return {"stride": tuple(stride), "padding": tuple((p, p) for p in padding), "dilation": tuple(dilation), "groups": groups}


def _biased(r: Node, b: Node | None) -> Node:
    return r if b is None else build.add(r, build.reshape(b, (1, b.shape[0]) + (1,) * (len(r.shape) - 2)))


def _floating(*nodes: Node | None) -> None:
    for n in nodes:
        if n is not None and (n.dtype.kind != "f" or n.dtype.itemsize < 4):
            raise Unsupported("convolutions of half precision or integers")


def _reached(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> list[int]:
    """What a convolution makes of images of this size."""
    axes = zip(size, kernel, stride, padding, dilation, strict=True)
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes]


def _reaching(g: Node, size: Any, kernel: Any, *at: Any) -> Node:
    """What a convolution's results are for images of this size, zero behind ``g``: ``output_padding`` may be whole strides."""
    more = [m - n for n, m in zip(g.shape[2:], _reached(size, kernel, *at), strict=True)]
    return padded(g, (0,) * len(g.shape), (0, 0, *more), 0.0)


@lowers("convolution")
def convolution(x: Node, w: Node, b: Node | None = None, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Node:
    _floating(x, w, b)
    out = _reached(x.shape[2:], w.shape[2:], stride, padding, dilation)
    r = build.make("conv", (x, w), (x.shape[0], w.shape[0], *out), x.dtype, **_window(stride, padding, dilation, groups))
    return _biased(r, b)


@lowers("convolution_transpose")
def transposed(
    x: Node, w: Node, b: Node | None = None, *, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Node:
    _floating(x, w, b)
    shape = (x.shape[0], w.shape[1] * groups, *size)
    x = _reaching(x, size, w.shape[2:], stride, padding, dilation)
    return _biased(build.make("conv_input", (x, w), shape, x.dtype, **_window(stride, padding, dilation, groups)), b)


@lowers("convolution_weight")
def weight_gradient(x: Node, g: Node, *, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Node:
    _floating(x, g)
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    g = _reaching(g, x.shape[2:], kernel, stride, padding, dilation)
    return build.make("conv_weight", (g, x), shape, x.dtype, **_window(stride, padding, dilation, groups))
