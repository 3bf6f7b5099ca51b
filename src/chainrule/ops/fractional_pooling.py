"""Fractional max pooling (B. Graham, "Fractional max-pooling", 2014): maxima over windows whose places are drawn at random."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..core.op import Op
from ..core.tensor import Tensor
from .matmul import check_tensors
from .pooling_maps import Ints, selecting
from .random import rand
from .windows import offsets


def _fractional(x: Any, samples: Any, *, kernel: Ints, cells: Ints) -> tuple[Any, Any]:
    """``samples``: uniform numbers that place the windows, (N, C, spatial dimensions)."""
    dims = len(kernel)
    size = x.shape[-dims:]
    lead = x.shape[: x.ndim - dims]
    base: Any = 0
    for d in range(dims):
        shape = [1] * dims
        shape[d] = cells[d]
        # PyTorch's samples are for width and height, but for depth, height and width.
        first = _starts(samples[..., d if dims == 3 else 1 - d], size[d], kernel[d], cells[d])
        base = base * size[d] + first.reshape(*first.shape[:-1], *shape)
    steps = [prod(size[d + 1 :]) for d in range(dims)]
    taps = np.array([sum(i * s for i, s in zip(position, steps)) for position in offsets(kernel)])
    places = np.broadcast_to(base[..., None] + taps, (*lead, *cells, taps.size))
    flat = np.broadcast_to(x.reshape(*lead, *(1,) * dims, prod(size)), (*lead, *cells, prod(size)))
    seen = np.take_along_axis(flat, places, -1)
    won = seen.argmax(-1)[..., None]
    return np.take_along_axis(seen, won, -1)[..., 0], np.take_along_axis(places, won, -1)[..., 0]


_OPS: dict[int, Op] = {
    2: selecting("fractional_max_pool2d", _fractional, "FractionalMaxPool2DBackward0", "samples"),
    3: selecting("fractional_max_pool3d", _fractional, "FractionalMaxPool3DBackward0", "samples"),
}


def _starts(samples: Any, n: int, k: int, out: int) -> Any:
    """Where the windows along a dimension begin, in a last dimension of their own."""
    if out == 1:
        return np.full((*samples.shape, 1), n - k)
    alpha = samples.dtype.type(n - k) / (out - 1)
    ends = ((np.arange(out, dtype=samples.dtype) + samples[..., None]) * alpha).astype(np.int64)
    found = ends - (samples * alpha).astype(np.int64)[..., None]
    found[..., -1] = n - k
    return found


def _pool(function: str, dims: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any) -> Any:
    check_tensors(function, ("input",), (input,))
    if output_size is None and output_ratio is None:
        raise ValueError(f"{function} requires specifying either an output_size or an output_ratio")
    spatial = tuple(input.shape[-dims:])
    if output_size is None:
        if len(output_ratio) > dims:
            raise ValueError(f"{function} requires output_ratio to either be a single Int or tuple of Ints.")
        output_size = [int(n * r) for n, r in zip(spatial, output_ratio)]
    out: Ints = (output_size,) * dims if isinstance(output_size, int) else tuple(output_size)
    kernel: Ints = (kernel_size,) * dims if isinstance(kernel_size, int) else tuple(kernel_size)
    if input.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(f"{function}(): Expected {dims + 1}D or {dims + 2}D tensor, but got: {list(input.shape)}")
    for name, n, k, o in zip(("time", "height", "width")[3 - dims :], spatial, kernel, out):
        if o + k - 1 > n - (dims == 3):
            where = function + "_out" if dims == 3 else function
            raise RuntimeError(f"{where}(): pool {name} {k} too large relative to input {name} {n}")
    n = 1 if input.ndim == dims + 1 else input.shape[0]
    if samples is None:
        samples = rand(n, input.shape[-dims - 1], dims, dtype=input.dtype, device=input.device)
    return _OPS[dims](input, samples[0] if input.ndim == dims + 1 else samples, kernel=kernel, cells=out)


def fractional_max_pool2d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Maxima over ``output_size`` windows (or that part of the input) at pseudo-random places of (N, C, H, W) or (C, H, W)."""
    pair = _pool("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, _random_samples)
    return pair if return_indices else pair[0]


def fractional_max_pool3d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Maxima over ``output_size`` windows at pseudo-random places of (N, C, D, H, W) or (C, D, H, W)."""
    pair = _pool("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, _random_samples)
    return pair if return_indices else pair[0]


def fractional_max_pool2d_with_indices(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """:func:`fractional_max_pool2d` and the places of the maxima."""
    return _pool("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """:func:`fractional_max_pool3d` and the places of the maxima."""
    return _pool("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, _random_samples)


__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]
