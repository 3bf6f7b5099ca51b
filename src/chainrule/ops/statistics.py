"""Variances and standard deviations, covariances and correlations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.dtype import get_default_dtype
from ..core.op import Op
from ..core.outputs import write_out
from ..core.tensor import Tensor
from ..core.value import Value
from . import declare
from .compare import clamp_min, where
from .products import conj
from .reducing import checked, count, kind_of, many_dims, numpy_names, prompt, to_kind
from .structure import kept, sum_dims, view
from .summation import add_over, total

# -- variance ------------------------------------------------------------------------------------------------------------


def _moments(x: Any, dim: tuple[int, ...], correction: float) -> tuple[Any, Any]:
    """Variance and mean, kept as dimensions of length 1 (or scalars); the two-pass formula with its rounding error taken out.

    T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance" (1983), equation 1.7.
    """
    n = count(x.shape, dim)
    if len(dim) == x.ndim and x.dtype in FLOATS and n:
        mean = total(x) / n
        d = (x - mean).ravel()
        rest = total(d)
        squares = d.dot(d) - rest * rest / n
        return (squares if squares > 0 or squares != squares else squares * 0) / max(0.0, n - correction), mean
    real = x.real.dtype.type
    mean = add_over(x, dim=dim, keepdim=True) / real(n)
    d = x - mean
    if x.dtype.kind == "c":
        squares = add_over(d.real * d.real + d.imag * d.imag, dim=dim, keepdim=True)
    else:
        rest = add_over(d, dim=dim, keepdim=True)
        squares = add_over(d * d, dim=dim, keepdim=True) - rest * rest / real(n)
    freedom = real(max(0.0, n - correction))
    variance = np.divide(np.maximum(squares, real(0)), freedom)
    return variance.astype(real, copy=False), mean


def _finish(r: Any, x: Any, dim: tuple[int, ...], keepdim: bool, kind: Any) -> Any:
    if keepdim:
        r = np.reshape(r, kept(x.shape, dim))
    elif r.ndim:
        r = r.reshape([n for i, n in enumerate(x.shape) if i not in dim])
    return r if r.dtype == kind else np.asarray(r).astype(kind)


def _wide(x: Any) -> Any:
    return x if x.dtype.kind == "c" or x.dtype.itemsize > 2 else x.astype(np.float32)


def _real_kind(kind: Any) -> Any:
    return np.dtype(f"f{kind.itemsize // 2}") if kind.kind == "c" else kind


def _var(x: Any, *, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return _finish(_moments(_wide(x), dim, correction)[0], x, dim, keepdim, _real_kind(x.dtype))


def _std(x: Any, *, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return _finish(np.sqrt(_moments(_wide(x), dim, correction)[0]), x, dim, keepdim, _real_kind(x.dtype))


def _with_mean(root: bool) -> Any:
    def impl(x: Any, *, dim: tuple[int, ...], correction: float, keepdim: bool) -> tuple[Any, Any]:
        variance, mean = _moments(_wide(x), dim, correction)
        spread = np.sqrt(variance) if root else variance
        return _finish(spread, x, dim, keepdim, _real_kind(x.dtype)), _finish(mean, x, dim, keepdim, x.dtype)

    return impl


def _centred(x: Any, dim: tuple[int, ...]) -> Any:
    total = sum_dims(x, dim=dim, keepdim=True)
    return x - _over(total, count(x.shape, dim))


def _over(x: Any, n: Any) -> Any:
    """``x / n`` in the dtype of ``x``."""
    r = x / n if n else x * float("nan")
    return r if r.dtype == x.dtype else np.asarray(r, x.dtype)


def _times(x: Any, n: float) -> Any:
    r = x * n
    return r if r.dtype == x.dtype else np.asarray(r, x.dtype)


def _slope(n: int, correction: float) -> float:
    """d var / d (sum of squares), doubled."""
    freedom = n - correction
    return 2.0 / freedom if freedom > 0 else float("inf") if freedom == 0 else -float("inf")


def _var_rule(g: Any, x: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    g = g if keepdim else view(g, shape=kept(x.shape, dim))
    return _times(g, _slope(count(x.shape, dim), correction)) * _centred(x, dim)


def _half_over(g: Any, out: Any) -> Any:
    """The cotangent of a square from that of its root; 0 where the root is 0."""
    flat = out == 0
    return where(flat, 0, g / (2 * where(flat, 1, out)))


def _std_rule(g: Any, x: Any, out: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return _var_rule(_half_over(g, out), x, dim, correction, keepdim)


def _spread_mean(g: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    g = g if keepdim else view(g, shape=kept(x.shape, dim))
    return _over(g, count(x.shape, dim))


def _var_mean_rule(g: Any, x: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return _var_rule(g[0], x, dim, correction, keepdim) + _spread_mean(g[1], x, dim, keepdim)


def _std_mean_rule(g: Any, x: Any, out0: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return _std_rule(g[0], x, out0, dim, correction, keepdim) + _spread_mean(g[1], x, dim, keepdim)


def _op(name: str, impl: Any, rule: Any, outputs: int = 1) -> Op:
    return Op(name, impl, kind="general", vjp=[rule], batch=sum_dims.batch_rule, outputs=outputs, differentiable=tuple(range(outputs)))


var_op = _op("var", _var, _var_rule)
std_op = _op("std", _std, _std_rule)
var_mean_op = _op("var_mean", _with_mean(False), _var_mean_rule, 2)
std_mean_op = _op("std_mean", _with_mean(True), _std_mean_rule, 2)
_RUN: dict[Op, Any] = {var_op: prompt(var_op), std_op: prompt(std_op), var_mean_op: var_mean_op, std_mean_op: std_mean_op}


def _spread(op: Op, input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> Any:
    """The four functions' arguments: ``(dim, unbiased, keepdim)``, ``(unbiased)`` or ``(dim, *, correction, keepdim)``."""
    v = checked(op.name, input)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if v.dtype not in FLOATS and kind_of(input).category < 2:
        raise RuntimeError(f"{'std and var' if op.outputs == 1 else op.name} only support floating point and complex dtypes")
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    dims = many_dims(dim, v.ndim)
    if count(v.shape, dims) <= correction:
        warnings.warn(
            f"{op.name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor"
            " (input numel divided by output numel).",
            UserWarning,
            stacklevel=4,
        )
    return _RUN[op](input, dim=dims, correction=float(correction), keepdim=keepdim)


@declare.method
@numpy_names
def var(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None, out: Any = None) -> Any:
    """The variance over ``dim``: the sum of squared differences from the mean over ``n - correction`` (1 by default).

    >>> import chainrule as torch
    >>> torch.var(torch.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    r = _spread(var_op, input, dim, unbiased, keepdim, correction)
    return r if out is None else write_out(out, r)


@declare.method
@numpy_names
def std(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None, out: Any = None) -> Any:
    """The standard deviation over ``dim``: the root of :func:`var`.  Where it is 0 its gradient is 0.

    >>> import chainrule as torch
    >>> torch.std(torch.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    r = _spread(std_op, input, dim, unbiased, keepdim, correction)
    return r if out is None else write_out(out, r)


@numpy_names
def var_mean(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
    """The pair of :func:`var` and mean over ``dim``.

    >>> import chainrule as torch
    >>> torch.var_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    return _spread(var_mean_op, input, dim, unbiased, keepdim, correction)


@numpy_names
def std_mean(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
    """The pair of :func:`std` and mean over ``dim``.

    >>> import chainrule as torch
    >>> torch.std_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    return _spread(std_mean_op, input, dim, unbiased, keepdim, correction)


# -- covariance ----------------------------------------------------------------------------------------------------------


@declare.method
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance matrix of the variables in the rows of ``input`` (observations in the columns).

    ``fweights`` says how often each observation counts (integers), ``aweights`` how much (floating point).

    >>> import chainrule as torch
    >>> torch.cov(torch.tensor([[0.0, 2.0], [2.0, 0.0]]))
    tensor([[ 2., -2.],
            [-2.,  2.]])
    """
    checked("cov", input)
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    if kind_of(input).category == 0:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    if kind_of(input).category < 2:
        input = to_kind(input, get_default_dtype())
    x = view(input, shape=(1, int(np.prod(input.shape)))) if input.ndim < 2 else input
    n = x.shape[1]
    w = _weights(x, fweights, aweights)
    norm: Any = n - correction
    if w is None:
        mean = x.mean(1, keepdim=True)
    else:
        total = w.sum()
        mean = (x * w).sum(1, keepdim=True) / total
        norm = total - correction * (total if aweights is None else (w * aweights).sum() / total)
        if aweights is None:
            norm = total - correction
    centred = x - mean
    weighted = centred if w is None else centred * w
    if isinstance(norm, Tensor):
        norm = clamp_min(norm, 0)
    else:
        if norm <= 0:
            warnings.warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
                          UserWarning, stacklevel=3)  # fmt: skip
        norm = max(0, norm)
    c = centred.matmul(conj(weighted).mT) / norm if n or w is not None else centred.matmul(conj(weighted).mT) * float("nan")
    return c.squeeze()


def _weights(x: Any, fweights: Any, aweights: Any) -> Any:
    """The product of both kinds of weights, or None."""
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if w.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.ndim} dimensions")
        whole = w.dtype.category == 1
        if whole != (name == "fweights"):
            wanted = "integral" if name == "fweights" else "floating point"
            raise RuntimeError(f"cov(): expected {name} to have {wanted} dtype but got {name} with {w.dtype.scalar_name} dtype")
        if w.numel() != x.shape[1]:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got {w.numel()} != {x.shape[1]}"
            )
        if not isinstance(w._value, Value) and (w._value < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None:
        return aweights
    return fweights if aweights is None else fweights * aweights


@declare.method
def corrcoef(input: Any) -> Any:
    """The matrix of Pearson's correlation coefficients of the variables in the rows of ``input``.

    >>> import chainrule as torch
    >>> torch.corrcoef(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    checked("corrcoef", input)
    if input.ndim > 2:
        raise RuntimeError(f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    c = cov(input)
    if c.ndim == 0:
        return c / c
    diagonal = c.diagonal()
    spread = (diagonal.real if c.dtype.is_complex else diagonal).sqrt()
    c = c / spread.unsqueeze(1) / spread.unsqueeze(0)
    if not c.dtype.is_complex:
        return c.clamp(-1, 1)
    from .complex_parts import complex as make

    return make(c.real.clamp(-1, 1), c.imag.clamp(-1, 1))


__all__ = ["corrcoef", "cov", "std", "std_mean", "var", "var_mean"]
