"""Sliding blocks of images as columns, and back: ``nn.functional.unfold`` and ``fold``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import same
from ..core.op import Op
from ..core.size import text
from ..core.tensor import Tensor
from .dims import index_of, sizes, value_of

Pair = tuple[int, int]


def _pair(function: str, argument: str, value: Any) -> Pair:
    if isinstance(value, (tuple, list)):
        given = sizes(function, argument, (value,))
        return (given[0], given[-1])
    n = index_of(function, argument, value, 2)
    return (n, n)


def _counts(size: Pair, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Pair:
    rows, columns = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    ]
    return rows, columns


def _places(i: int, j: int, counts: Pair, dilation: Pair, stride: Pair) -> tuple[Any, ...]:
    """Where the element (i, j) of every block lies in the padded image."""
    a, b = i * dilation[0], j * dilation[1]
    return (..., slice(a, a + stride[0] * (counts[0] - 1) + 1, stride[0]), slice(b, b + stride[1] * (counts[1] - 1) + 1, stride[1]))


def _im2col(x: Any, *, size: Pair, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Any:
    *lead, c = x.shape[:-2]
    if any(padding):
        x = np.pad(x, (*((0, 0),) * (x.ndim - 2), (padding[0],) * 2, (padding[1],) * 2))
    counts = _counts(size, kernel, dilation, padding, stride)
    out = np.empty((*lead, c, *kernel, *counts), x.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            out[..., i, j, :, :] = x[_places(i, j, counts, dilation, stride)]
    return out.reshape(*lead, c * kernel[0] * kernel[1], counts[0] * counts[1])


def _col2im(x: Any, *, size: Pair, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Any:
    counts = _counts(size, kernel, dilation, padding, stride)
    lead, c = x.shape[:-2], x.shape[-2] // (kernel[0] * kernel[1])
    blocks = x.reshape(*lead, c, *kernel, *counts)
    out = np.zeros((*lead, c, size[0] + 2 * padding[0], size[1] + 2 * padding[1]), x.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            out[_places(i, j, counts, dilation, stride)] += blocks[..., i, j, :, :]
    inner = out[..., padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
    return np.ascontiguousarray(inner)


im2col_op = Op(
    "im2col", _im2col, kind="linear", node="Im2ColBackward0", batch=same,
    vjp=[
        lambda g, size, kernel, dilation, padding, stride: col2im_op(
            g, size=size, kernel=kernel, dilation=dilation, padding=padding, stride=stride
        )
    ],
)  # fmt: skip
col2im_op: Op = Op(
    "col2im", _col2im, kind="linear", node="Col2ImBackward0", batch=same,
    vjp=[
        lambda g, size, kernel, dilation, padding, stride: im2col_op(
            g, size=size, kernel=kernel, dilation=dilation, padding=padding, stride=stride
        )
    ],
)  # fmt: skip


def _geometry(function: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> dict[str, Pair]:
    kw = {
        "kernel": _pair(function, "kernel_size", kernel_size), "dilation": _pair(function, "dilation", dilation),
        "padding": _pair(function, "padding", padding), "stride": _pair(function, "stride", stride),
    }  # fmt: skip
    for name, word in (("kernel", "kernel size"), ("dilation", "dilation"), ("stride", "stride")):
        h, w = kw[name]
        if h <= 0 or w <= 0:
            raise RuntimeError(f"{word} should be greater than zero, but got {name}_height: {h} {name}_width: {w}")
    h, w = kw["padding"]
    if h < 0 or w < 0:
        raise RuntimeError(f"padding should be non-negative, but got pad_height: {h} pad_width: {w}")
    return kw


def _no_integers(name: str, input: Tensor) -> None:
    if input.dtype.category == 1:
        raise NotImplementedError(f"\"{name}_out_cpu\" not implemented for '{input.dtype.scalar_name}'")


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The sliding blocks of images (N, C, H, W) as columns: (N, C * kernel, number of blocks). Without N as well.

    >>> import chainrule as torch
    >>> torch.nn.functional.unfold(torch.arange(4.0).reshape(1, 1, 2, 2), 2)
    tensor([[[0.],
             [1.],
             [2.],
             [3.]]])
    """
    shape = tuple(value_of("unfold", input).shape)
    kw = _geometry("unfold", kernel_size, dilation, padding, stride)
    _no_integers("im2col", input)
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got:"
            f" {text(shape)}"
        )
    size = (shape[-2], shape[-1])
    counts = _counts(size, **kw)
    if min(counts) < 1:
        raise RuntimeError(
            f"Given input with spatial size {size}, kernel_size={kw['kernel']}, dilation={kw['dilation']}, padding={kw['padding']},"
            f" calculated shape of the array of sliding blocks as {counts}, but its components must be at least one."
        )
    return im2col_op(input, size=size, **kw)  # type: ignore[no-any-return]


def fold(input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Columns (N, C * kernel, number of blocks) added up where the blocks lie in images (N, C, *output_size).

    The transpose of :func:`unfold`, not its inverse: overlapping blocks add up.
    """
    shape = tuple(value_of("fold", input).shape)
    kw = _geometry("fold", kernel_size, dilation, padding, stride)
    size = _pair("fold", "output_size", output_size)
    _no_integers("col2im", input)
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got:"
            f" {text(shape)}"
        )
    kernel = kw["kernel"]
    if shape[-2] % (kernel[0] * kernel[1]):
        raise RuntimeError(
            f"Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)={shape[-2]} and"
            f" kernel_size={kernel}."
        )
    counts = _counts(size, **kw)
    if counts[0] * counts[1] != shape[-1]:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={kw['dilation']}, padding={kw['padding']}, stride={kw['stride']},"
            f" expected size of input's dimension 2 to match the calculated number of sliding blocks {counts[0]} * {counts[1]} ="
            f" {counts[0] * counts[1]}, but got input.size(2)={shape[-1]}."
        )
    return col2im_op(input, size=size, **kw)  # type: ignore[no-any-return]


__all__ = ["fold", "unfold"]
