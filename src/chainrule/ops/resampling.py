"""Images and sequences in another size: interpolation, pixel shuffle, sampling on a grid.

Interpolation is linear and separable, so each dimension has a matrix (or for the nearest element an index), computed once
for a pair of sizes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..core.op import Op
from ..core.size import text
from ..core.tensor import Tensor
from .matmul import check_tensors
from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .pooling_maps import along_axes

Ints = tuple[int, ...]
Plan = tuple[str, int, int, float | None, bool, bool]  # mode, length before and after, scale or None, align_corners, antialias

EXACT = ("nearest", "nearest-exact")


# -- one dimension -------------------------------------------------------------------------------------------------------


def _scale(plan: Plan) -> float:
    """How far apart two neighbouring outputs are, in inputs."""
    mode, n, m, factor, align, _ = plan
    if align and mode not in EXACT:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return 1.0 / factor if factor is not None and factor > 0 else n / m


@lru_cache(128)
def nearest(plan: Plan) -> Any:
    mode, n, m, _, _, _ = plan
    if mode == "nearest" and n == m:
        index = np.arange(m)
    else:
        step = np.float32(_scale(plan))
        at = np.arange(m, dtype=np.float32)
        index = np.floor((at + np.float32(0.5)) * step if mode == "nearest-exact" else at * step).astype(np.int64)
    index = np.minimum(index, n - 1)
    index.flags.writeable = False
    return index


def _cubic(x: float, a: float) -> float:
    x = abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    if x < 2:
        return (((x - 5) * x + 8) * x - 4) * a
    return 0.0


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _lanczos(x: float) -> float:
    return float(np.sinc(x) * np.sinc(x / 3)) if abs(x) < 3 else 0.0


_FILTERS: dict[str, tuple[Callable[[float], float], int]] = {
    "linear": (_triangle, 2), "cubic": (lambda x: _cubic(x, -0.5), 4), "lanczos": (_lanczos, 6),
}  # fmt: skip


@lru_cache(128)
def weights(plan: Plan) -> Any:
    """(after, before): every output as a weighted sum of inputs."""
    mode, n, m, _, align, antialias = plan
    step = _scale(plan)
    r = np.zeros((m, n))
    for i in range(m):
        if antialias:
            _blur(r[i], i, step, *_FILTERS[mode])
            continue
        at = step * i if align else step * (i + 0.5) - 0.5
        if mode == "linear":
            at = max(at, 0.0)
            first = min(int(at), n - 1)
            t = min(max(at - first, 0.0), 1.0)
            r[i, first] += 1 - t
            r[i, min(first + 1, n - 1)] += t
        else:
            first = math.floor(at)
            for k in range(-1, 3):
                r[i, min(max(first + k, 0), n - 1)] += _cubic(at - first - k, -0.75)
    r.flags.writeable = False
    return r


def _blur(row: Any, i: int, step: float, kernel: Callable[[float], float], width: int) -> None:
    """A filter as wide as the outputs are apart, so that no input is skipped."""
    reach = width / 2 * max(step, 1.0)
    centre = step * (i + 0.5)
    low, high = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), len(row))
    shrink = 1.0 / max(step, 1.0)
    weights = np.array([kernel((j - centre + 0.5) * shrink) for j in range(low, high)])
    row[low:high] = weights / weights.sum()


# -- operations ----------------------------------------------------------------------------------------------------------


def _resample(x: Any, *, plans: tuple[Plan, ...]) -> Any:
    if plans[0][0] in EXACT:
        for axis, plan in enumerate(plans, x.ndim - len(plans)):
            x = x.take(nearest(plan), axis)
        return x
    if x.dtype == np.uint8:
        return np.clip(np.rint(along_axes(x.astype(np.float64), [weights(p) for p in plans])), 0, 255).astype(np.uint8)
    return along_axes(x, [weights(p) for p in plans])


def _resample_back(g: Any, *, plans: tuple[Plan, ...]) -> Any:
    if plans[0][0] not in EXACT:
        return along_axes(g, [weights(p).T for p in plans])
    for axis, plan in enumerate(plans, g.ndim - len(plans)):
        index = nearest(plan)
        first = np.flatnonzero(np.diff(index, prepend=-1))
        r = np.zeros((*g.shape[:axis], plan[1], *g.shape[axis + 1 :]), g.dtype)
        r[(*[slice(None)] * axis, index[first])] = np.add.reduceat(g, first, axis)
        g = r
    return g


def _same_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    return op(*args, **kw)


def _resampling(node: str) -> Op:
    return Op(
        "upsample_" + node.lower(), _resample, kind="linear", batch=_same_batch, node=f"Upsample{node}Backward0",
        vjp=[lambda g, plans: _back(g, plans=plans)],
    )  # fmt: skip


_OPS = {
    node: _resampling(node)
    for node in (
        "Nearest1D", "Nearest2D", "Nearest3D", "NearestExact1D", "NearestExact2D", "NearestExact3D", "Linear1D", "Bilinear2D",
        "Trilinear3D", "Bicubic2D", "Bilinear2DAa", "Bicubic2DAa", "Lanczos2DAa",
    )
}  # fmt: skip
_back = Op(
    "upsample_backward", _resample_back, kind="linear", batch=_same_batch, vjp=[lambda g, plans: _OPS["Bilinear2D"](g, plans=plans)]
)

_MODES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"
_RANK = {"linear": 3, "bilinear": 4, "bicubic": 4, "lanczos": 4, "trilinear": 5}
_KIND = {
    "nearest": "nearest", "nearest-exact": "nearest-exact", "linear": "linear", "bilinear": "linear", "trilinear": "linear",
    "bicubic": "cubic", "lanczos": "lanczos",
}  # fmt: skip


def _sizes(
    input: Tensor, size: Any, factor: Any, recompute: bool | None
) -> tuple[Ints, list[float | None]]:
    """The output size, and the factors that the coordinates are computed with (None: from the sizes)."""
    dims = input.ndim - 2
    spatial = tuple(input.shape[2:])
    layout = "(N, C, d1, d2, ...,dK)"
    if size is not None and factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        given = tuple(size) if isinstance(size, (list, tuple)) else (size,) * dims
        if len(given) != dims:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of"
                f" {list(spatial)} and output size of {size}. Please provide input tensor in {layout} format and output size in"
                " (o1, o2, ...,oK) format."
            )
        return tuple([int(n) for n in given]), [None] * dims
    if factor is None:
        raise ValueError("either size or scale_factor should be defined")
    factors = list(factor) if isinstance(factor, (list, tuple)) else [factor] * dims
    if len(factors) != dims:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial dimensions of"
            f" {list(spatial)} and scale_factor of shape {factor}. Please provide input tensor in {layout} format and scale_factor in"
            " (s1, s2, ...,sK) format."
        )
    out = tuple([math.floor(n * f) for n, f in zip(spatial, factors)])
    return out, [None] * dims if recompute else [float(f) for f in factors]


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    simple = mode in ("nearest", "area", "nearest-exact")
    if simple and align_corners is not None:
        raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError("Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input")
    rank = input.ndim
    if rank not in (3, 4, 5) or not (simple or mode in _RANK) or (mode in ("bicubic", "lanczos") and rank != 4):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank}D) for the modes: {_MODES} (got {mode})"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if not simple and _RANK[mode] != rank:
        raise NotImplementedError(f"Got {rank}D input, but {mode} mode needs {_RANK[mode]}D input")


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Tensor:  # fmt: skip
    """(N, C, L), (N, C, H, W) or (N, C, D, H, W) in another size, given or as a multiple of the present one.

    ``mode``: ``'nearest'``, ``'nearest-exact'``, ``'linear'``, ``'bilinear'``, ``'trilinear'``, ``'bicubic'``, ``'lanczos'`` or
    ``'area'``.  ``align_corners`` puts the corner elements of both sizes at the same place; ``antialias`` widens the filter
    when images shrink.

    >>> import chainrule as torch
    >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    check_tensors("interpolate", ("input",), (input,))
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        _check_mode(input, mode, align_corners, False)
    out, factors = _sizes(input, size, scale_factor, recompute_scale_factor)
    _check_mode(input, mode, align_corners, antialias)
    dims = len(out)
    spatial = tuple(input.shape[2:])
    if mode == "area":
        pool: Any = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}[dims]
        return pool(input, out)  # type: ignore[no-any-return]
    if min(*out, *spatial, 1) <= 0:
        shown = [", ".join(f"{a}: {n}" for a, n in zip("DHW"[3 - dims :], s)) for s in (spatial, out)]
        raise RuntimeError(f"Input and output sizes should be greater than 0, but got input ({shown[0]}) output ({shown[1]})")
    kind = input.dtype
    if not kind.is_floating_point and kind.name != "uint8":
        raise NotImplementedError(f"\"upsample_{mode}{dims}d\" not implemented for '{kind.scalar_name}'")
    name = {"nearest": "Nearest", "nearest-exact": "NearestExact"}.get(mode, mode.capitalize())
    op = _OPS[f"{name}{dims}D{'Aa' if antialias else ''}"]
    plans = tuple([(_KIND[mode], n, m, f, bool(align_corners), antialias) for n, m, f in zip(spatial, out, factors)])
    return op(input, plans=plans)  # type: ignore[no-any-return]


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """:func:`interpolate` under its former name, with PyTorch's warning."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """:func:`interpolate` with ``mode='nearest'``, with PyTorch's warning."""
    warnings.warn("`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """:func:`interpolate` with ``mode='bilinear'`` and aligned corners, with PyTorch's warning."""
    warnings.warn("`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# -- channels and pixels -------------------------------------------------------------------------------------------------


def _to_pixels(x: Any, *, factor: int) -> Any:
    *lead, c, h, w = x.shape
    r = x.reshape(prod(lead), c // factor**2, factor, factor, h, w).transpose(0, 1, 4, 2, 5, 3)
    return r.reshape(*lead, c // factor**2, h * factor, w * factor)


def _to_channels(x: Any, *, factor: int) -> Any:
    *lead, c, h, w = x.shape
    r = x.reshape(prod(lead), c, h // factor, factor, w // factor, factor).transpose(0, 1, 3, 5, 2, 4)
    return r.reshape(*lead, c * factor**2, h // factor, w // factor)


_shuffle_op = Op(
    "pixel_shuffle", _to_pixels, kind="linear", batch=_same_batch, vjp=[lambda g, factor: _unshuffle_op(g, factor=factor)]
)
_unshuffle_op: Op = Op(
    "pixel_unshuffle", _to_channels, kind="linear", batch=_same_batch, vjp=[lambda g, factor: _shuffle_op(g, factor=factor)]
)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(…, C r², H, W) as (…, C, H r, W r): every r² channels become a block of r by r pixels."""
    _check_pixels("pixel_shuffle", input, "upscale_factor", upscale_factor)
    c = input.shape[-3]
    if c % upscale_factor**2:
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but"
            f" input.size(-3)={c} is not divisible by {upscale_factor**2}"
        )
    return _shuffle_op(input, factor=upscale_factor)  # type: ignore[no-any-return]


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(…, C, H r, W r) as (…, C r², H, W): the inverse of :func:`pixel_shuffle`."""
    _check_pixels("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    for d, name in ((-2, "height"), (-1, "width")):
        if input.shape[d] % downscale_factor:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({d})={input.shape[d]} is not"
                f" divisible by {downscale_factor}"
            )
    return _unshuffle_op(input, factor=downscale_factor)  # type: ignore[no-any-return]


def _check_pixels(function: str, input: Any, name: str, factor: int) -> None:
    check_tensors(function, ("input",), (input,))
    if input.ndim < 3:
        raise RuntimeError(f"{function} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)")
    if factor <= 0:
        raise RuntimeError(f"{function} expects a positive {name}, but got {factor}")


def _shuffled(x: Any, *, groups: int) -> Any:
    n, c = x.shape[:2]
    return x.reshape(n, groups, c // groups, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)


_channel_shuffle_op: Op = Op(
    "channel_shuffle", _shuffled, kind="linear",
    vjp=[lambda g, groups: _channel_shuffle_op(g, groups=g.shape[1] // groups)],
    batch=lambda op, args, mask, kw: op(args[0].flatten(0, 1), **kw).reshape(tuple(args[0].shape)),
)  # fmt: skip


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of (N, C, …) dealt out anew: the first of every group, then the second of every group, …"""
    check_tensors("channel_shuffle", ("input",), (input,))
    if input.ndim <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {text(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    c = input.shape[1]
    if c % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.")
    return _channel_shuffle_op(input, groups=groups)  # type: ignore[no-any-return]


# -- grids ---------------------------------------------------------------------------------------------------------------

_CORNERS = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify align_corners=True if"
    " the old behavior is desired. See the documentation of grid_sample for details."
)


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The sampling positions of an affine map: theta (N, 2, 3) or (N, 3, 4), size (N, C, H, W) or (N, C, D, H, W).

    The result, (N, H, W, 2) or (N, D, H, W, 3), is what :func:`grid_sample` takes.
    """
    if align_corners is None:
        warnings.warn(_CORNERS, stacklevel=2)
        align_corners = False
    size = tuple(size)
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size"
            f" {size}."
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (dims, dims + 1) or theta.shape[0] != size[0]:
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size {size}. Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError("Expected non-zero, positive output size. Got " + str(size))
    axes = []
    for n in size[2:]:
        line = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
        axes.append(line if align_corners else line * (n - 1) / n)
    mesh = np.meshgrid(*axes, indexing="ij")[::-1]
    points = np.stack([*mesh, np.ones_like(mesh[0])], -1).reshape(-1, dims + 1)
    base: Any = theta.new_tensor(points)
    return (base @ theta.mT).reshape(size[0], *size[2:], dims)  # type: ignore[no-any-return]


def _unnormalised(at: Any, n: int, align: bool) -> Any:
    return (at + 1) * ((n - 1) / 2) if align else (at + 1) * (n / 2) - 0.5


def _reflected(at: Any, n: int, align: bool) -> Any:
    """Positions mirrored at the borders until they are inside."""
    low, span = (0.0, float(n - 1)) if align else (-0.5, float(n))
    if span == 0:
        return at * 0
    away = (at - low).abs()
    turns = (away.detach() / span).floor()
    rest = away - turns * span
    even = turns % 2 == 0
    mirrored: Any = rest.where(even, span - rest) + low
    return mirrored.clamp(0, n - 1)


def _placed(at: Any, n: int, padding: str, align: bool) -> Any:
    if padding == "border":
        return at.clamp(0, n - 1)
    return _reflected(at, n, align) if padding == "reflection" else at


def _gathered(x: Any, index: Sequence[Any], sizes: Ints, zeros: bool) -> Any:
    """The elements of ``x`` (N, C, …) at integer positions (N, …), 0 outside (or at the border)."""
    n, c = x.shape[:2]
    flat: Any = None
    inside: Any = None
    for i, size in zip(index, sizes):
        if zeros:
            ok = (i >= 0) & (i < size)
            inside = ok if inside is None else inside & ok
        i = i.clamp(0, size - 1)
        flat = i if flat is None else flat * size + i
    shape = tuple(flat.shape)
    places = flat.reshape(n, 1, -1).expand(n, c, prod(shape[1:]))
    r = x.reshape(n, c, -1).gather(2, places).reshape(n, c, *shape[1:])
    return r if inside is None else r * inside.unsqueeze(1).to(r.dtype)


def _blend(x: Any, ats: Sequence[Any], sizes: Ints, zeros: bool) -> Any:
    """The weighted sum over the corners of the cell around every position."""
    floors = [at.detach().floor() for at in ats]
    total: Any = None
    for corner in np.ndindex(*(2,) * len(ats)):
        weight: Any = None
        index = []
        for at, low, up in zip(ats, floors, corner):
            w = at - low if up else low + 1 - at
            weight = w if weight is None else weight * w
            index.append((low + up).nan_to_num().clamp(-2.0**31, 2.0**31).long())
        part = _gathered(x, index, sizes, zeros) * weight.unsqueeze(1)
        total = part if total is None else total + part
    return total


def _cubic_weights(t: Any) -> list[Any]:
    a = -0.75

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return (((x - 5) * x + 8) * x - 4) * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _blend_cubic(x: Any, ats: Sequence[Any], sizes: Ints, padding: str, align: bool) -> Any:
    floors = [at.detach().floor() for at in ats]
    weights = [_cubic_weights(at - low) for at, low in zip(ats, floors)]
    total: Any = None
    for i in range(4):
        for j in range(4):
            places = [
                _placed(low + (k - 1), n, padding, align).nan_to_num().long() for low, k, n in zip(floors, (i, j), sizes)
            ]
            w = (weights[0][i] * weights[1][j]).unsqueeze(1)
            part = _gathered(x, places, sizes, padding == "zeros") * w
            total = part if total is None else total + part
    return total


def _check_grid(input: Tensor, grid: Tensor, mode: str, padding: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'")
    if padding not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '{padding}'"
        )
    sizes = f"input with sizes {text(input.shape)} and grid with sizes {text(grid.shape)}"
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, but got {sizes}")
    if grid.shape[-1] != input.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but got grid with sizes {text(grid.shape)}"
        )
    if input.ndim not in (4, 5) or input.ndim != grid.ndim:
        raise RuntimeError(f"grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got {sizes}")
    if mode == "bicubic" and input.ndim != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """``input`` (N, C, H, W) or (N, C, D, H, W) at the positions ``grid`` (N, …, 2 or 3), where -1 and 1 are the borders.

    The last dimension of the grid is (x, y) or (x, y, z).  Outside is 0, the nearest border element or mirrored.
    """
    check_tensors("grid_sample", ("input", "grid"), (input, grid))
    if mode in ("bilinear", "nearest", "bicubic") and padding_mode in ("zeros", "border", "reflection") and align_corners is None:
        warnings.warn(_CORNERS, stacklevel=2)
        align_corners = False
    _check_grid(input, grid, mode, padding_mode)
    align = bool(align_corners)
    sizes = tuple(input.shape[2:])
    ats = [_unnormalised(grid[..., k], n, align) for k, n in zip(range(len(sizes) - 1, -1, -1), sizes)]
    if mode == "bicubic":
        return _blend_cubic(input, ats, sizes, padding_mode, align)  # type: ignore[no-any-return]
    ats = [_placed(at, n, padding_mode, align) for at, n in zip(ats, sizes)]
    if mode == "nearest":
        places = [at.detach().round().nan_to_num().clamp(-2.0**31, 2.0**31).long() for at in ats]
        return _gathered(input, places, sizes, padding_mode == "zeros")  # type: ignore[no-any-return]
    return _blend(input, ats, sizes, padding_mode == "zeros")  # type: ignore[no-any-return]


__all__ = [
    "affine_grid",
    "channel_shuffle",
    "grid_sample",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]
