"""Discrete Fourier transforms: the three linear maps that all of ``torch.fft`` consists of, and their transposes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any

import numpy as np

from ..core.batching import along_dims
from ..core.dtype import get_default_dtype
from ..core.op import Op
from ..core.outputs import write_out
from ..core.size import normalize_dim
from ..core.tensor import Tensor
from .padding import pad
from .products import scale
from .reducing import checked
from .slicing import cat_op, slice_op
from .structure import cast


def _complex_of(kind: Any) -> Any:
    return np.result_type(kind, np.complex64)


def _c2c(x: Any, *, dims: tuple[int, ...], forward: bool, factor: float) -> Any:
    run = np.fft.fftn if forward else np.fft.ifftn
    y = run(x, axes=dims, norm="backward" if forward else "forward")
    return np.asarray(scale(y, factor), x.dtype)


c2c: Op = Op(
    "fft_c2c", _c2c, kind="linear", node="FftC2CBackward0", batch=along_dims("dims"),
    vjp=[lambda g, dims, forward, factor: c2c(g, dims=dims, forward=not forward, factor=factor)],
)  # fmt: skip


def _r2c(x: Any, *, dim: int, forward: bool, factor: float) -> Any:
    y = np.fft.rfft(x, axis=dim)
    return np.asarray(scale(y if forward else y.conj(), factor), _complex_of(x.dtype))


def _r2c_rule(g: Any, x_shape: Any, dim: int, forward: bool, factor: float) -> Any:
    """The half that was not given has no cotangent: fill it with zeros."""
    missing = x_shape[dim] - g.shape[dim]
    if missing:
        part = slice_op(g, dim=dim, start=0, end=missing, step=1)
        g = cat_op(g, part * 0, dim=dim)
    return c2c(g, dims=(dim,), forward=not forward, factor=factor).real


r2c: Op = Op("fft_r2c", _r2c, kind="linear", node="FftR2CBackward0", vjp=[_r2c_rule], batch=along_dims("dim"))


def _c2r(x: Any, *, dim: int, n: int, forward: bool, factor: float) -> Any:
    y = np.fft.irfft(x.conj() if forward else x, n, axis=dim, norm="forward")
    return np.asarray(scale(y, factor), x.real.dtype)


def _c2r_rule(g: Any, x_shape: Any, dim: int, n: int, forward: bool, factor: float) -> Any:
    """What has a mirror image in the other half counts twice."""
    r = r2c(g, dim=dim, forward=not forward, factor=factor)
    length, last = r.shape[dim], (n - 1) // 2
    parts = [slice_op(r, dim=dim, start=0, end=1, step=1), slice_op(r, dim=dim, start=1, end=last + 1, step=1) * 2]
    if last + 1 < length:
        parts.append(slice_op(r, dim=dim, start=last + 1, end=length, step=1))
    return cat_op(*parts, dim=dim)


c2r: Op = Op("fft_c2r", _c2r, kind="linear", node="FftC2RBackward0", vjp=[_c2r_rule], batch=along_dims("dim"))


# -- arguments -----------------------------------------------------------------------------------------------------------


def _floating(function: str, x: Any, real: bool) -> Any:
    """Whole numbers in the default dtype; for transforms of complex numbers, real ones as complex."""
    checked(function, x)
    if x.dtype.is_complex and real:
        raise RuntimeError(f"{function} expects a real input tensor, but got {x.dtype.scalar_name}")
    if x.dtype.category < 2:
        x = cast(x, dtype=get_default_dtype().np)
    if not x.dtype.is_complex and x.dtype.itemsize <= 2:
        raise RuntimeError(f"Unsupported dtype {x.dtype.scalar_name}")
    return x if real or x.dtype.is_complex else cast(x, dtype=_complex_of(x.dtype.np))


def _factor(norm: str | None, forward: bool, n: int) -> float:
    if norm not in (None, "backward", "ortho", "forward"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return 1.0 / sqrt(n)
    return 1.0 / n if forward == (norm == "forward") else 1.0


def _resized(x: Any, sizes: Sequence[int], dims: Sequence[int]) -> Any:
    for n, d in zip(sizes, dims, strict=True):
        have = x.shape[d]
        if n < have:
            x = slice_op(x, dim=d, start=0, end=n, step=1)
        elif n > have:
            x = pad(x, [0, 0] * (x.ndim - 1 - d) + [0, n - have])
    return x


def _axis(dim: int, ndim: int) -> int:
    if not ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return normalize_dim(dim, ndim)


def _points(n: int) -> int:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _shapes(x: Any, s: Any, dim: Any) -> tuple[list[int], list[int]]:
    """Sizes and dimensions of a transform in several dimensions."""
    if dim is None:
        dims = list(range(x.ndim)) if s is None else list(range(x.ndim - len(s), x.ndim))
        if s is not None and len(s) > x.ndim:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions.")
    else:
        dims = [_axis(d, x.ndim) for d in ((dim,) if isinstance(dim, int) else dim)]
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
    sizes = None if s is None else [s] if isinstance(s, int) else list(s)
    if sizes is not None and len(sizes) != len(dims):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    found = [x.shape[d] if sizes is None or sizes[k] == -1 else sizes[k] for k, d in enumerate(dims)]
    return [_points(n) for n in found], dims


def _done(result: Any, out: Any) -> Any:
    return result if out is None else write_out(out, result)


# -- transforms ----------------------------------------------------------------------------------------------------------


def transform(function: str, input: Any, s: Any, dim: Any, norm: str | None, forward: bool, out: Any) -> Any:
    """Complex to complex."""
    x = _floating(function, input, False)
    sizes, dims = _shapes(x, s, dim)
    x = _resized(x, sizes, dims)
    if not dims:
        return _done(x, out)
    return _done(c2c(x, dims=tuple(dims), forward=forward, factor=_factor(norm, forward, prod(sizes))), out)


def from_real(function: str, input: Any, s: Any, dim: Any, norm: str | None, forward: bool, out: Any) -> Any:
    """Real to half of a Hermitian spectrum: the last dimension first, then the others."""
    x = _floating(function, input, True)
    sizes, dims = _shapes(x, s, dim)
    if not dims:
        raise RuntimeError(f"{function} must transform at least one axis")
    x = _resized(x, sizes, dims)
    r = r2c(x, dim=dims[-1], forward=forward, factor=_factor(norm, forward, prod(sizes)))
    if len(dims) > 1:
        r = c2c(r, dims=tuple(dims[:-1]), forward=forward, factor=1.0)
    return _done(r, out)


def to_real(function: str, input: Any, s: Any, dim: Any, norm: str | None, forward: bool, out: Any) -> Any:
    """Half of a Hermitian spectrum to real: the last dimension last; it has ``2 (m - 1)`` points unless told otherwise."""
    x = _floating(function, input, False)
    given = None if s is None else [s] if isinstance(s, int) else list(s)
    if dim is None and given is None and x.ndim == 0 or dim is not None and not isinstance(dim, int) and not len(dim):
        raise RuntimeError(f"{function} must transform at least one axis")
    last = -1 if dim is None else dim if isinstance(dim, int) else dim[-1]
    points = given[-1] if given and given[-1] != -1 else 2 * (x.shape[_axis(last, x.ndim)] - 1)
    half = _points(points) // 2 + 1
    sizes, dims = _shapes(x, None if given is None else [*given[:-1], half], dim)
    sizes[-1] = half
    x = _resized(x, sizes, dims)
    factor = _factor(norm, forward, prod(sizes[:-1]) * points)
    if len(dims) > 1:
        x = c2c(x, dims=tuple(dims[:-1]), forward=forward, factor=1.0)
    return _done(c2r(x, dim=dims[-1], n=points, forward=forward, factor=factor), out)


def shifted(input: Tensor, dim: Any, back: bool) -> Tensor:
    """The zero frequency in the middle, or back at the start."""
    x: Any = input
    dims = list(range(x.ndim)) if dim is None else [_axis(d, x.ndim) for d in ((dim,) if isinstance(dim, int) else dim)]
    return x.roll([(x.shape[d] + 1) // 2 if back else x.shape[d] // 2 for d in dims], dims) if dims else x  # type: ignore[no-any-return]


def frequencies(k: Any, n: int, d: float, both: bool, out: Any) -> Tensor:
    """``k / (n d)``, where the second half of 0, 1, … n - 1 stands for negative ones with ``both``."""
    if both:
        k[(n + 1) // 2 :] -= n
    return _done(k * (1.0 / (n * d)), out)  # type: ignore[no-any-return]
