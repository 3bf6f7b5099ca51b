"""Medians, modes, quantiles and histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import return_types
from ..core.dtype import FROM_NUMPY, int64
from ..core.op import Op
from ..core.outputs import write_out
from ..core.tensor import Tensor, wrap
from ..core.value import Value
from . import declare
from .along import take_along
from .compare import where
from .extremum import select, selecting, shared
from .order import order, ranked, sort_key
from .reducing import checked, kind_of, numpy_names, one_dim
from .structure import cast_to, permute, view

# -- median --------------------------------------------------------------------------------------------------------------


def _median_index(x: Any, dim: int, ignore_nan: bool) -> Any:
    """The index of the lower median; with NaN among the elements that of the first NaN, unless they are ignored."""
    key = sort_key(x)
    n = x.shape[dim]
    is_nan = key != key
    if not is_nan.any():
        return ranked(x, dim, (n - 1) // 2)
    missing = is_nan.sum(dim, keepdims=True)
    if ignore_nan:
        place = np.maximum(0, (n - missing - 1) // 2)
    else:
        place = np.where(missing > 0, n - missing, (n - 1) // 2)
    return np.take_along_axis(order(key, dim, False), place, dim).squeeze(dim)


def _median_of_all(ignore_nan: bool) -> Any:
    def impl(x: Any) -> Any:
        flat = np.reshape(x, -1)
        return flat[_median_index(flat, 0, ignore_nan)]

    return impl


def _whole(name: str, over: Op, ignore_nan: bool, node: str) -> Op:
    """The median of all elements; equal ones share its gradient."""
    return Op(
        name, _median_of_all(ignore_nan), kind="general", node=node,
        vjp=[lambda g, x, out: shared(g, x, out, tuple(range(x.ndim)), False)],
        batch=lambda op, args, mask, kw: over(
            view(args[0], shape=(args[0].shape[0], int(np.prod(args[0].shape[1:], dtype=np.int64)))), dim=1, keepdim=False)[0],
    )  # fmt: skip


median_dim = selecting("median", lambda x, dim: _median_index(x, dim, False), "MedianBackward1")
nanmedian_dim = selecting("nanmedian", lambda x, dim: _median_index(x, dim, True), "NanmedianBackward1")
median_all = _whole("median_all", median_dim, False, "MedianBackward0")
nanmedian_all = _whole("nanmedian_all", nanmedian_dim, True, "NanmedianBackward0")


def _median(name: str, whole: Op, over: Op, input: Any, dim: Any, keepdim: bool, out: Any) -> Any:
    v = checked(name, input)
    kind = kind_of(input)
    if kind.is_complex or kind.category == 0:
        raise NotImplementedError(f"\"median_cpu\" not implemented for '{kind.scalar_name}'")
    if out is not None:
        return write_out(out, _median(name, whole, over, input, dim, keepdim, None))
    if dim is not None:
        return select(over, getattr(return_types, name), input, dim, keepdim)
    if 0 in v.shape:
        if kind.category < 2:
            return wrap(np.asarray(np.iinfo(kind.np).min, kind.np))
        return wrap(np.asarray(np.nan).astype(kind.np))
    return whole(input)


@declare.method
@numpy_names
def median(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The lower median of all elements, or along ``dim`` the named tuple ``(values, indices)``; NaN if there is one.

    >>> import chainrule as torch
    >>> torch.median(torch.tensor([1.0, 4.0, 2.0, 3.0]))
    tensor(2.)
    """
    return _median("median", median_all, median_dim, input, dim, keepdim, out)


@declare.method
@numpy_names
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """:func:`median` of the elements that are not NaN.

    >>> import chainrule as torch
    >>> torch.nanmedian(torch.tensor([1.0, float("nan"), 3.0]))
    tensor(1.)
    """
    return _median("nanmedian", nanmedian_all, nanmedian_dim, input, dim, keepdim, out)


# -- mode ----------------------------------------------------------------------------------------------------------------


def _mode_index(x: Any, dim: int) -> Any:
    """The last index of the most frequent element, the smallest of several; every NaN counts for itself."""
    index = order(x, dim, False)
    moved = np.moveaxis(index, dim, -1)
    rows = moved.reshape(-1, moved.shape[-1])
    values = np.moveaxis(sort_key(x), dim, -1).reshape(rows.shape)
    values = np.take_along_axis(values, rows, 1)
    n = rows.shape[1]
    places = np.arange(n)
    starts = np.ones(values.shape, bool)
    starts[:, 1:] = values[:, 1:] != values[:, :-1]
    begin = np.maximum.accumulate(np.where(starts, places, 0), axis=1)
    last = (places - begin).argmax(1)
    return rows[np.arange(len(rows)), last].reshape(moved.shape[:-1])


mode_op = selecting("mode", _mode_index, "ModeBackward0")


@declare.method
@numpy_names
def mode(input: Any, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The named tuple ``(values, indices)`` of the most frequent elements along ``dim``; the smallest of several.

    >>> import chainrule as torch
    >>> torch.mode(torch.tensor([1, 3, 3, 1, 3])).values
    tensor(3)
    """
    checked("mode", input)
    kind = kind_of(input)
    if kind.is_complex:
        raise NotImplementedError(f"\"mode_cpu\" not implemented for '{kind.scalar_name}'")
    if out is not None:
        return write_out(out, mode(input, dim, keepdim))
    return select(mode_op, return_types.mode, input, dim, keepdim)


# -- quantiles -----------------------------------------------------------------------------------------------------------

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _check_quantile(name: str, x: Tensor, q: Any, interpolation: str) -> Any:
    if 0 in x.shape:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if x.dtype.name not in ("float32", "float64"):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {float(q):g}")
        q = wrap(np.asarray(q, x.dtype.np))
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not x.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if not isinstance(q._value, Value) and not np.all((q._value >= 0) & (q._value <= 1)):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    return q


def _ranks(rank: Any, interpolation: str) -> Any:
    """The places that a fractional place falls to or between: (below, above or None, weight of above)."""
    below = cast_to(rank, int64)
    if interpolation == "lower":
        return below, None, None
    fraction = rank - below
    above = below + cast_to(fraction > 0, int64)
    if interpolation == "higher":
        return above, None, None
    if interpolation == "nearest":
        # Halves go to the even neighbour.
        up = (fraction > 0.5) | ((fraction == 0.5) & (below % 2 == 1))
        return below + cast_to(up, int64), None, None
    return below, above, fraction if interpolation == "linear" else fraction * 0 + 0.5


def _quantile(name: str, x: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, ignore_nan: bool) -> Any:
    checked(name, x)
    q = _check_quantile(name, x, q, interpolation)
    shape = tuple(x.shape)
    ndim = len(shape)
    if dim is None:
        rows = view(x, shape=(int(np.prod(shape, dtype=np.int64)),)) if x.is_contiguous() else x.reshape(-1)
        kept_shape = (1,) * ndim if keepdim else ()
    else:
        d = one_dim(dim, ndim)
        kept_shape = tuple([1 if i == d else n for i, n in enumerate(shape)]) if keepdim else shape[:d] + shape[d + 1 :]
        rows = permute(x, dims=(*[i for i in range(ndim) if i != d], d)) if ndim else view(x, shape=(1,))
    n = rows.shape[-1]
    ordered = rows.sort(-1)[0]
    last = rows.ndim - 1
    quantiles = q if q.ndim else view(q, shape=(1,))
    is_nan = rows != rows
    if ignore_nan:
        rank = quantiles * (n - is_nan.sum(-1, keepdim=True) - 1).clamp(min=0)
    else:
        rank = (quantiles * (n - 1)).expand((*rows.shape[:-1], quantiles.shape[0]))
        # One NaN makes the result NaN; NaN are sorted last.
        rank = where(is_nan.any(-1, keepdim=True), float(n - 1), rank)
    below, above, weight = _ranks(rank, interpolation)
    r = take_along(ordered, below, dim=last)
    if above is not None:
        r = r + (take_along(ordered, above, dim=last) - r) * weight
    r = permute(r, dims=(last, *range(last)))
    return r.reshape((*q.shape, *kept_shape))


@declare.method
@numpy_names
def quantile(input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None) -> Any:
    """The ``q``-th quantiles (a number or a 1-d tensor in [0, 1]) of all elements or along ``dim``.

    ``interpolation`` between two elements is linear, lower, higher, midpoint or nearest.  NaN where an element is.

    >>> import chainrule as torch
    >>> torch.quantile(torch.tensor([0.0, 1.0, 2.0]), 0.25)
    tensor(0.5000)
    """
    r = _quantile("quantile", input, q, dim, keepdim, interpolation, False)
    return r if out is None else write_out(out, r)


@declare.method
@numpy_names
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None
) -> Any:
    """:func:`quantile` of the elements that are not NaN.

    >>> import chainrule as torch
    >>> torch.nanquantile(torch.tensor([0.0, float("nan"), 2.0]), 0.5)
    tensor(1.)
    """
    r = _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)
    return r if out is None else write_out(out, r)


# -- histograms ----------------------------------------------------------------------------------------------------------


def _array(function: str, input: Any) -> Any:
    v = checked(function, input)
    if isinstance(v, Value):
        raise RuntimeError(f"{function} is not supported inside a transform")
    return np.asarray(v)


def _bounds(function: str, x: Any, low: float, high: float, widen: float) -> tuple[float, float]:
    if low == high:
        low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"{function}: range of [{low:g}, {high:g}] is not finite")
    if low == high:
        low, high = low - widen, high + widen
    if low > high:
        raise RuntimeError(f"{function}: max must be larger than min")
    return low, high


@declare.method
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0, *, out: Any = None) -> Any:
    """How many elements fall into each of ``bins`` equal bins between ``min`` and ``max`` (the data's if both are 0).

    >>> import chainrule as torch
    >>> torch.histc(torch.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    x = _array("histc", input)
    if out is not None:
        return write_out(out, histc(input, bins, min, max))
    kind = FROM_NUMPY[x.dtype]
    if kind.is_complex:
        raise NotImplementedError(f"\"aminmax_cpu\" not implemented for '{kind.scalar_name}'")
    if kind.category != 2:
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{kind.scalar_name}'")
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    low, high = _bounds("torch.histc", sort_key(x), float(min), float(max), 1)
    flat = sort_key(x).reshape(-1)
    inside = flat[(flat >= low) & (flat <= high)]
    place = np.minimum(((inside - low) * (bins / (high - low))).astype(np.int64), bins - 1)
    return wrap(np.bincount(place, minlength=bins).astype(x.dtype))


def _ends(given: Any) -> tuple[float, float]:
    return (0.0, 0.0) if given is None else (float(given[0]), float(given[1]))


@declare.method
def histogram(
    input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False, out: Any = None
) -> Any:
    """The named tuple ``(hist, bin_edges)``: how many elements (or how much weight) fall between the edges.

    ``bins`` is their number or the tensor of their edges.  The last bin holds its right edge too.

    >>> import chainrule as torch
    >>> torch.histogram(torch.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
    tensor([0., 2., 1., 0.])
    """
    x = _array("histogram", input)
    if out is not None:
        return write_out(out, histogram(input, bins, range=range, weight=weight, density=density))
    kind = FROM_NUMPY[x.dtype]
    if kind.name in ("float16", "bfloat16") and (range is not None or isinstance(bins, Tensor)):
        wide = [b.float() if isinstance(b, Tensor) else b for b in (input, bins, weight)]
        return return_types.histogram([t.to(kind) for t in histogram(wide[0], wide[1], range=range, weight=wide[2], density=density)])
    if kind.name not in ("float32", "float64"):
        raise NotImplementedError(f"\"histogramdd\" not implemented for '{kind.scalar_name}'")
    if isinstance(bins, Tensor):
        edges = _array("histogram", bins)
    else:
        if bins <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
        low, high = _bounds("torch.histogram()", x, *_ends(range), 0.5)
        edges = np.linspace(low, high, bins + 1).astype(x.dtype)
    flat = x.reshape(-1)
    w = None if weight is None else _array("histogram", weight).reshape(-1)
    inside = (flat >= edges[0]) & (flat <= edges[-1])
    place = np.minimum(edges.searchsorted(flat[inside], "right") - 1, len(edges) - 2)
    hist = np.bincount(place, None if w is None else w[inside], len(edges) - 1).astype(x.dtype)
    if density:
        hist = (hist / hist.sum() / np.diff(edges)).astype(x.dtype)
    return return_types.histogram((wrap(hist), bins if isinstance(bins, Tensor) else wrap(edges)))


__all__ = ["histc", "histogram", "median", "mode", "nanmedian", "nanquantile", "quantile"]
