"""Running sums, products and extrema.

The algebra that differentiates them: ``shift`` moves along a dimension and fills with zeros; ``recurrence`` solves
``y[k] = b[k] + a[k] y[k-1]``.  With these two, running products differentiate as polynomials, hence rightly at zeros
and to any order, and running log-sum-exps without overflow.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from .. import return_types
from ..core.apply import FLOATS
from ..core.batching import batch_size, bring
from ..core.op import Op
from ..core.outputs import write_out
from . import declare
from .along import put_along, take_along
from .compare import where
from .exponential import exp
from .products import conj
from .reducing import along, checked, integers_to_int64, kind_of, numpy_names, one_dim, prompt


def _up(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    args = bring(args, mask, batch_size(args, mask))
    return op(*args, **{**kw, "dim": kw["dim"] + 1})


def _slices(ndim: int, dim: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * dim + (part,) + (slice(None),) * (ndim - dim - 1)


def _flip(x: Any, dim: int) -> Any:
    return x[_slices(x.ndim, dim, slice(None, None, -1))]


def _in_float32(impl: Any) -> Any:
    """Half precision computes in float32."""

    def run(x: Any, *others: Any, **kw: Any) -> Any:
        if x.dtype.kind in "cbiu" or x.dtype.itemsize > 2:
            return impl(x, *others, **kw)
        return impl(x.astype(np.float32), *[o.astype(np.float32) for o in others], **kw).astype(x.dtype)

    return run


# -- the algebra ---------------------------------------------------------------------------------------------------------


def _shift(x: Any, *, dim: int, by: int) -> Any:
    out = np.zeros_like(x)
    n = x.shape[dim]
    if abs(by) < n:
        target, origin = (slice(by, None), slice(None, n - by)) if by > 0 else (slice(None, n + by), slice(-by, None))
        out[_slices(x.ndim, dim, target)] = x[_slices(x.ndim, dim, origin)]
    return out


shift: Op = Op("shift", _shift, kind="linear", vjp=[lambda g, dim, by: shift(g, dim=dim, by=-by)], batch=_up)


def _in_blocks(a: Any, b: Any) -> Any:
    """A long forward recurrence: in blocks side by side, then from block to block."""
    n = len(b)
    size = int(n**0.5)
    blocks = -(-n // size)
    pad = (0, blocks * size - n)
    a, b = (np.pad(v, pad).reshape(blocks, size).T.copy() for v in (a, b))
    factor, y = np.empty_like(a), np.empty_like(b)
    factor[0], y[0] = a[0], b[0]
    for k in range(1, size):
        np.multiply(a[k], factor[k - 1], factor[k])
        np.multiply(a[k], y[k - 1], y[k])
        y[k] += b[k]
    carries = _recurrence(factor[-1], y[-1], dim=0, reverse=False)
    y[:, 1:] += factor[:, 1:] * carries[:-1]
    return y.T.reshape(-1)[:n]


def _recurrence(a: Any, b: Any, *, dim: int, reverse: bool) -> Any:
    if a.ndim == 1 and len(b) > 4096:
        y = _flip(_in_blocks(_flip(a, 0), _flip(b, 0)), 0) if reverse else _in_blocks(a, b)
        if np.isfinite(y).all():  # else a product of many factors overflowed, or there was an infinity to begin with
            return np.ascontiguousarray(y)
    if a.ndim == 1:
        pairs = zip(a.tolist(), b.tolist(), strict=True)
        steps = list(accumulate(reversed(list(pairs)) if reverse else pairs, lambda y, ab: (0.0, ab[1] + ab[0] * y[1]), initial=(0.0, 0.0)))
        values = [y for _, y in steps[1:]]
        return np.array(values[::-1] if reverse else values, b.dtype)
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    a, b, y = (np.moveaxis(v, dim, 0) for v in (a, b, out))
    n = len(b)
    order = range(n - 1, -1, -1) if reverse else range(n)
    last: Any = None
    for k in order:
        if last is None:
            y[k] = b[k]
        else:
            np.multiply(a[k], last, y[k])
            y[k] += b[k]
        last = y[k]
    return out


def _before(y: Any, dim: int, reverse: bool) -> Any:
    """The value that the recurrence had one step earlier."""
    return shift(y, dim=dim, by=-1 if reverse else 1)


def _adjoint(g: Any, a: Any, dim: int, reverse: bool) -> Any:
    """The transpose of a recurrence runs the other way, with the coefficients moved by one."""
    return recurrence(conj(shift(a, dim=dim, by=1 if reverse else -1)), g, dim=dim, reverse=not reverse)


def _recurrence_rule(g: Any, a: Any, out: Any, dim: int, reverse: bool) -> Any:
    g_b = _adjoint(g, a, dim, reverse)
    return (g_b * conj(_before(out, dim, reverse)), g_b)


# y[k] = b[k] + a[k] y[k-1], from the last to the first with ``reverse``.
recurrence: Op = Op(
    "recurrence", _in_float32(_recurrence), kind="general", args="a b", vjp=_recurrence_rule, batch=_up,
    jvp=lambda tangents, out, args, kw: recurrence(args[0], _plus(tangents, out, **kw), **kw),
)  # fmt: skip


def _plus(tangents: Any, out: Any, dim: int, reverse: bool) -> Any:
    t_a, t_b = tangents
    if t_a is None:
        return t_b
    moved = t_a * _before(out, dim, reverse)
    return moved if t_b is None else t_b + moved


# -- sums ----------------------------------------------------------------------------------------------------------------


def _cumsum(x: Any, *, dim: int, reverse: bool) -> Any:
    if reverse:
        return np.ascontiguousarray(_flip(np.add.accumulate(_flip(x, dim), axis=dim, dtype=x.dtype), dim))
    return np.add.accumulate(x, axis=dim, dtype=x.dtype)


cumsum_op: Op = Op(
    "cumsum", _in_float32(_cumsum), kind="linear",
    vjp=[lambda g, dim, reverse: cumsum_op(g, dim=dim, reverse=not reverse)], batch=_up,
)  # fmt: skip


_cumsum_of = prompt(cumsum_op)


@declare.method(inplace=True)
@numpy_names
def cumsum(input: Any, dim: int, *, dtype: Any = None, out: Any = None) -> Any:
    """The running sum along ``dim``; integers and truth values add up as int64.

    >>> import chainrule as torch
    >>> torch.cumsum(torch.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    v = checked("cumsum", input)
    if out is not None:
        return write_out(out, cumsum(input, dim, dtype=dtype))
    if dtype is None and v.dtype in FLOATS and v.ndim:
        return _cumsum_of(input, dim=one_dim(dim, v.ndim), reverse=False)
    return along(cumsum_op, integers_to_int64(input, dtype), one_dim(dim, v.ndim), reverse=False)


# -- products ------------------------------------------------------------------------------------------------------------


def _cumprod(x: Any, *, dim: int, exclusive: bool, reverse: bool) -> Any:
    if exclusive:
        n = x.shape[dim]
        out = np.ones_like(x)
        if n > 1:
            rest = slice(1, None), slice(None, -1)
            target, origin = rest[::-1] if reverse else rest
            out[_slices(x.ndim, dim, target)] = _cumprod(x[_slices(x.ndim, dim, origin)], dim=dim, exclusive=False, reverse=reverse)
        return out
    if reverse:
        return np.ascontiguousarray(_flip(np.multiply.accumulate(_flip(x, dim), axis=dim, dtype=x.dtype), dim))
    return np.multiply.accumulate(x, axis=dim, dtype=x.dtype)


def _cumprod_rule(g: Any, x: Any, dim: int, exclusive: bool, reverse: bool) -> Any:
    before = cumprod_along(x, dim=dim, exclusive=True, reverse=reverse)
    step = 1 if reverse else -1
    if exclusive:
        # Element j is in the products from j+1 on: S'[m] = g[m] + x[m] S'[m+1], taken at m = j+1.
        later = shift(recurrence(conj(x), g, dim=dim, reverse=not reverse), dim=dim, by=step)
    else:
        # S[j] = g[j] + x[j+1] S[j+1].
        later = recurrence(conj(shift(x, dim=dim, by=step)), g, dim=dim, reverse=not reverse)
    return conj(before) * later


def _cumprod_jvp(tangents: Any, out: Any, args: Any, kw: dict[str, Any]) -> Any:
    x, dim, reverse = args[0], kw["dim"], kw["reverse"]
    before = cumprod_along(x, dim=dim, exclusive=True, reverse=reverse)
    t = recurrence(x, tangents[0] * before, dim=dim, reverse=reverse)
    return _before(t, dim, reverse) if kw["exclusive"] else t


# ``exclusive``: the product of the elements before.  ``reverse``: from the end.
cumprod_along: Op = Op("cumprod", _in_float32(_cumprod), kind="general", vjp=[_cumprod_rule], jvp=_cumprod_jvp, batch=_up)


@declare.method(inplace=True)
@numpy_names
def cumprod(input: Any, dim: int, *, dtype: Any = None, out: Any = None) -> Any:
    """The running product along ``dim``; integers and truth values multiply as int64.

    Differentiable of any order where elements are zero.

    >>> import chainrule as torch
    >>> torch.cumprod(torch.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 2., 6.])
    """
    v = checked("cumprod", input)
    if out is not None:
        return write_out(out, cumprod(input, dim, dtype=dtype))
    return along(cumprod_along, integers_to_int64(input, dtype), one_dim(dim, v.ndim), exclusive=False, reverse=False)


# -- log of sums of exponentials -----------------------------------------------------------------------------------------


def _logcumsumexp(x: Any, *, dim: int) -> Any:
    if x.dtype.kind != "c":
        return np.logaddexp.accumulate(x, axis=dim)
    out = np.empty_like(x)
    source, target = np.moveaxis(x, dim, 0), np.moveaxis(out, dim, 0)
    for k in range(len(source)):
        target[k] = _log_add(target[k - 1], source[k]) if k else source[k]
    return out


def _log_add(x: Any, y: Any) -> Any:
    """``log(exp(x) + exp(y))`` of complex numbers: the logarithm's branch is that of the larger one."""
    larger = x.real >= y.real
    high, low = np.where(larger, x, y), np.where(larger, y, x)
    return np.where(low.real == -np.inf, high, high + np.log1p(np.exp(low - high)))


def _ratios(x: Any, out: Any, dim: int) -> tuple[Any, Any]:
    """``exp(out[k] - out[k+1])`` and ``exp(x[k] - out[k])``: both at most 1, and 0 where a running sum is still empty.

    The last ratio, which nothing uses, is kept from overflowing.
    """
    following = shift(out, dim=dim, by=-1)
    if kind_of(x).is_complex:
        return exp(out - following), exp(x - out)
    empty = out == -float("inf")
    safe = where(empty, 0.0, out)
    step = safe - where(following == -float("inf"), 0.0, following)
    return where(empty, 0.0, exp(where(step > 0, 0.0, step))), where(empty, 0.0, exp(x - safe))


def _logcumsumexp_rule(g: Any, x: Any, out: Any, dim: int) -> Any:
    # x[j] has the part exp(x[j] - out[k]) in out[k]; W[j] = sum over k >= j of g[k] exp(out[j] - out[k]) is a recurrence.
    ratio, part = _ratios(x, out, dim)
    return conj(part) * recurrence(conj(ratio), g, dim=dim, reverse=True)


logcumsumexp_op: Op = Op("logcumsumexp", _in_float32(_logcumsumexp), kind="general", vjp=[_logcumsumexp_rule], batch=_up)


@declare.method
@numpy_names
def logcumsumexp(input: Any, dim: int, *, out: Any = None) -> Any:
    """The logarithm of the running sum of exponentials along ``dim``, without overflow.

    >>> import chainrule as torch
    >>> torch.logcumsumexp(torch.tensor([0.0, 0.0, 1000.0]), 0)
    tensor([0.0000e+00, 6.9315e-01, 1.0000e+03])
    """
    v = checked("logcumsumexp", input)
    if out is not None:
        return write_out(out, logcumsumexp(input, dim))
    kind = kind_of(input)
    if kind.category < 2:
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{kind.scalar_name}'")
    return along(logcumsumexp_op, input, one_dim(dim, v.ndim))


# -- extrema -------------------------------------------------------------------------------------------------------------


def _running(reduce: Any, attains: Any) -> Any:
    def impl(x: Any, *, dim: int) -> tuple[Any, Any]:
        if not x.size:
            return x.copy(), np.zeros(x.shape, np.int64)
        values = reduce.accumulate(x, axis=dim)
        # The last position so far at which the running extremum was attained; from the first NaN on, the last NaN.
        hit = attains(x, values) | ((x != x) & (values != values))
        position = np.arange(x.shape[dim]).reshape([-1 if i == dim else 1 for i in range(x.ndim)])
        return values, np.maximum.accumulate(np.where(hit, position, 0), axis=dim)

    return impl


def _running_rule(g: Any, x_shape: Any, out1: Any, dim: int) -> Any:
    return put_along(g, out1, dim=dim, size=x_shape[dim], unique=False)


def _running_op(name: str, reduce: Any, attains: Any) -> Op:
    return Op(
        name, _running(reduce, attains), kind="general", outputs=2, vjp=[_running_rule],
        jvp=lambda tangents, out, args, kw: (take_along(tangents[0], out[1], dim=kw["dim"]), None), batch=_up,
    )  # fmt: skip


cummax_op = _running_op("cummax", np.maximum, np.greater_equal)
cummin_op = _running_op("cummin", np.minimum, np.less_equal)


def _running_extremum(op: Op, made: Any, input: Any, dim: int, out: Any) -> Any:
    v = checked(op.name, input)
    if out is not None:
        return write_out(out, _running_extremum(op, made, input, dim, None))
    kind = kind_of(input)
    if kind.is_complex:
        raise NotImplementedError(f"\"{op.name}_cpu\" not implemented for '{kind.scalar_name}'")
    return made(along(op, input, one_dim(dim, v.ndim)))


@declare.method
@numpy_names
def cummax(input: Any, dim: int, *, out: Any = None) -> Any:
    """The named tuple ``(values, indices)`` of the running maximum along ``dim``; of equal elements, the last counts.

    >>> import chainrule as torch
    >>> torch.cummax(torch.tensor([1.0, 3.0, 2.0, 3.0]), 0).indices
    tensor([0, 1, 1, 3])
    """
    return _running_extremum(cummax_op, return_types.cummax, input, dim, out)


@declare.method
@numpy_names
def cummin(input: Any, dim: int, *, out: Any = None) -> Any:
    """The named tuple ``(values, indices)`` of the running minimum along ``dim``; of equal elements, the last counts.

    >>> import chainrule as torch
    >>> torch.cummin(torch.tensor([3.0, 1.0, 2.0, 1.0]), 0).indices
    tensor([0, 1, 1, 3])
    """
    return _running_extremum(cummin_op, return_types.cummin, input, dim, out)


__all__ = ["cummax", "cummin", "cumprod", "cumsum", "logcumsumexp"]
