"""Differences of neighbours and the trapezoidal rule."""

from __future__ import annotations

from typing import Any

from ..core.outputs import write_out
from ..core.tensor import Tensor
from . import declare
from .joining import cat
from .reducing import checked, numpy_names, one_dim


def _from(x: Any, dim: int, start: int, stop: int) -> Any:
    return x.narrow(dim, start, max(0, stop - start))


@declare.method
@numpy_names
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None, *, out: Any = None) -> Any:
    """The ``n``-th differences of neighbours along ``dim``, after joining ``prepend`` and ``append``; of truth values, xor.

    >>> import chainrule as torch
    >>> torch.diff(torch.tensor([1, 3, 2]))
    tensor([ 2, -1])
    """
    v = checked("diff", input)
    if out is not None:
        return write_out(out, diff(input, n, dim, prepend, append))
    if v.ndim < 1:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = one_dim(dim, v.ndim)
    if n == 0:
        return input.clone()
    parts = [p for p in (prepend, input, append) if p is not None]
    x = cat([_matching(p, input) for p in parts], dim) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        size = x.shape[dim]
        later, earlier = _from(x, dim, 1, size), _from(x, dim, 0, size - 1)
        x = later ^ earlier if x.dtype.category == 0 else later - earlier
    return x


def _matching(part: Any, input: Any) -> Any:
    if part.ndim != input.ndim:
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    return part


def _weighted(y: Any, x: Any, dx: Any, dim: int) -> Any:
    """The areas of the trapezoids, and the number to multiply them with at the end."""
    n = y.shape[dim]
    pairs = _from(y, dim, 1, n) + _from(y, dim, 0, n - 1)
    if x is None:
        return pairs, dx * 0.5
    if x.ndim == 1:
        if x.shape[0] != n:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        x = x.reshape([n if i == dim else 1 for i in range(y.ndim)])
    elif x.ndim < y.ndim:
        x = x.reshape((1,) * (y.ndim - x.ndim) + tuple(x.shape))
    size = x.shape[dim]
    steps = _from(x, dim, 1, size) - _from(x, dim, 0, size - 1)
    return pairs * steps, 0.5


def _check_trapezoid(name: str, y: Any, x: Any, dim: int) -> int:
    if y.dtype.category == 0 or (x is not None and x.dtype.category == 0):
        which = "y" if y.dtype.category == 0 else "x"
        raise RuntimeError(f"{name}: received a bool input for `{which}`, but bool is not supported")
    return one_dim(dim, y.ndim)


def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The trapezoidal rule along ``dim``: points ``x``, or a spacing ``dx`` (1 by default).

    >>> import chainrule as torch
    >>> torch.trapezoid(torch.tensor([1.0, 5.0, 10.0]))
    tensor(10.5000)
    """
    dim = _check_trapezoid("trapezoid", y, x, dim)
    if y.shape[dim] == 0:
        return y.new_zeros([n for i, n in enumerate(y.shape) if i != dim])
    areas, scale = _weighted(y, x if isinstance(x, Tensor) else None, 1 if dx is None else dx, dim)
    return areas.sum(dim) * scale


def trapz(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """:func:`trapezoid`."""
    return trapezoid(y, x, dx=dx, dim=dim)


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The running :func:`trapezoid` along ``dim``, one shorter than ``y``.

    >>> import chainrule as torch
    >>> torch.cumulative_trapezoid(torch.tensor([1.0, 5.0, 10.0]))
    tensor([ 3.0000, 10.5000])
    """
    dim = _check_trapezoid("cumulative_trapezoid", y, x, dim)
    areas, scale = _weighted(y, x if isinstance(x, Tensor) else None, 1 if dx is None else dx, dim)
    return (areas * scale).cumsum(dim)


__all__ = ["cumulative_trapezoid", "diff", "trapezoid", "trapz"]
