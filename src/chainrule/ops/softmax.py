"""Normalised exponentials and their logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.dtype import as_dtype, get_default_dtype
from ..core.op import Op
from ..core.outputs import write_out
from . import declare
from .compare import where
from .exponential import exp
from .extremum import reduced
from .products import conj
from .reducing import along, checked, kind_of, many_dims, numpy_names, prompt, to_kind
from .structure import kept, sum_dims, view
from .summation import add_over, ones, total


def _in_float32(impl: Any) -> Any:
    """Half precision computes in float32."""

    def run(x: Any, **kw: Any) -> Any:
        if x.dtype in FLOATS or x.dtype.kind == "c":
            return impl(x, **kw)
        return np.asarray(impl(x.astype(np.float32), **kw)).astype(x.dtype)

    return run


def _softmax(x: Any, *, dim: int) -> Any:
    if x.ndim == 1 and x.size:
        e = np.exp(x - x[x.argmax()])
        e /= e.dot(ones(e.dtype, e.size))
        return e
    if not x.size:
        return x.copy()
    e = x - reduced(np.maximum.reduce, x, (dim,), True)
    np.exp(e, e)
    e /= add_over(e, dim=(dim,), keepdim=True)
    return e


def _log_softmax(x: Any, *, dim: int) -> Any:
    if x.ndim == 1 and x.size:
        r = x - x[x.argmax()]
        e = np.exp(r)
        r -= np.log(e.dot(ones(e.dtype, e.size)))
        return r
    if not x.size:
        return x.copy()
    r = x - reduced(np.maximum.reduce, x, (dim,), True)
    r -= np.log(add_over(np.exp(r), dim=(dim,), keepdim=True))
    return r


def _softmax_rule(g: Any, out: Any, dim: int) -> Any:
    weighted = g * out
    return weighted - out * sum_dims(weighted, dim=(dim,), keepdim=True)


def _log_softmax_rule(g: Any, out: Any, dim: int) -> Any:
    return g - exp(out) * sum_dims(g, dim=(dim,), keepdim=True)


def _log_softmax_jvp(tangents: Any, out: Any, args: Any, kw: Any) -> Any:
    t = tangents[0]
    return t - sum_dims(exp(out) * t, dim=(kw["dim"],), keepdim=True)


def _up(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    return op(args[0], dim=kw["dim"] + 1)


softmax_op = Op(
    "softmax", _in_float32(_softmax), kind="general", vjp=[_softmax_rule], batch=_up,
    jvp=lambda tangents, out, args, kw: _softmax_rule(tangents[0], out, kw["dim"]),
)  # fmt: skip
log_softmax_op = Op("log_softmax", _in_float32(_log_softmax), kind="general", vjp=[_log_softmax_rule], jvp=_log_softmax_jvp, batch=_up)
_prompt = {op: prompt(op) for op in (softmax_op, log_softmax_op)}


def _normalised(op: Op, input: Any, dim: Any, dtype: Any, out: Any) -> Any:
    v = checked(op.name, input)
    if v.dtype in FLOATS and dtype is None and out is None and -v.ndim <= dim < v.ndim:
        return _prompt[op](input, dim=dim if dim >= 0 else dim + v.ndim)
    if out is not None:
        return write_out(out, _normalised(op, input, dim, dtype, None))
    kind = kind_of(input) if dtype is None else as_dtype(dtype, op.name)
    if kind.category != 2:
        last = "_lastdim" if op is softmax_op and dim in (-1, v.ndim - 1) else ""
        raise NotImplementedError(f'"{op.name}{last}_kernel_impl" not implemented for \'{kind.scalar_name}\'')
    many_dims(dim, v.ndim)
    return along(op, to_kind(input, kind), dim % max(1, v.ndim))


@declare.method
def softmax(input: Any, dim: Any = None, dtype: Any = None, *, axis: Any = None, out: Any = None) -> Any:
    """``exp(input)`` along ``dim``, divided by its sum; computed in ``dtype`` if given.

    A row of nothing but ``-inf`` gives NaN.  Raises IndexError for a dimension out of range.

    >>> import chainrule as torch
    >>> torch.softmax(torch.tensor([1.0, 1.0, 1.0, 1.0]), 0)
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return _normalised(softmax_op, input, _one(dim, axis, "softmax"), dtype, out)


@declare.method
def log_softmax(input: Any, dim: Any = None, dtype: Any = None, *, axis: Any = None, out: Any = None) -> Any:
    """The logarithm of :func:`softmax`, without its rounding to 0; computed in ``dtype`` if given.

    >>> import chainrule as torch
    >>> torch.log_softmax(torch.tensor([0.0, 1000.0]), 0)
    tensor([-1000.,     0.])
    """
    return _normalised(log_softmax_op, input, _one(dim, axis, "log_softmax"), dtype, out)


def _one(dim: Any, axis: Any, name: str) -> Any:
    if dim is None:
        dim = axis
    if dim is None:
        raise TypeError(f'{name}() missing 1 required positional arguments: "dim"')
    return dim


# -- logsumexp -----------------------------------------------------------------------------------------------------------


def _logsumexp(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    if not x.size:
        return np.log(add_over(x, dim=dim, keepdim=keepdim))
    m = reduced(np.maximum.reduce, x.real if x.dtype.kind == "c" else x, dim, True)
    r = np.log(add_over(np.exp(x - m), dim=dim, keepdim=True)) + m
    check = total(r)
    if check != check:  # an infinite maximum is nothing to subtract
        m = np.where(np.isfinite(m), m, m.dtype.type(0))
        r = np.log(add_over(np.exp(x - m), dim=dim, keepdim=True)) + m
    return r if keepdim else r.reshape([n for i, n in enumerate(x.shape) if i not in dim])[()]


def _share_of(x: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Each element's part in the sum of exponentials; 0 where there is none (everything is ``-inf``)."""
    if not keepdim:
        out = view(out, shape=kept(x.shape, dim))
    if kind_of(x).is_complex:
        return exp(x - out)
    return exp(x - where(out == -float("inf"), 0.0, out))


def _logsumexp_rule(g: Any, x: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    g = g if keepdim else view(g, shape=kept(x.shape, dim))
    return g * conj(_share_of(x, out, dim, keepdim))


logsumexp_op = Op(
    "logsumexp", _in_float32(_logsumexp), kind="general", vjp=[_logsumexp_rule], batch=sum_dims.batch_rule,
    jvp=lambda tangents, out, args, kw: sum_dims(tangents[0] * _share_of(args[0], out, **kw), **kw),
)  # fmt: skip


_logsumexp_of = prompt(logsumexp_op)


@declare.method
@numpy_names
def logsumexp(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """``log(sum(exp(input)))`` over ``dim``, without overflow; integers become floating point.

    Where all elements are ``-inf`` the result is ``-inf`` and the gradient 0.

    >>> import chainrule as torch
    >>> torch.logsumexp(torch.tensor([-1000.0, 0.0, 0.0]), 0)
    tensor(0.6931)
    """
    v = checked("logsumexp", input)
    if out is not None:
        return write_out(out, logsumexp(input, dim, keepdim))
    x = input if v.dtype in FLOATS or kind_of(input).category >= 2 else to_kind(input, get_default_dtype())
    return _logsumexp_of(x, dim=many_dims(dim, v.ndim), keepdim=keepdim)


__all__ = ["log_softmax", "logsumexp", "softmax"]
