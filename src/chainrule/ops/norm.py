"""Vector and matrix norms, and distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.dtype import as_dtype
from ..core.op import Op
from ..core.outputs import write_out
from ..core.promotion import PROMOTE
from ..core.size import text
from ..core.tensor import Tensor
from . import declare
from .compare import where
from .complex_parts import abs as absolute
from .complex_parts import sgn
from .extremum import amax, amin
from .reduce import sum as sum_of
from .reducing import checked, kind_of, many_dims, numpy_names, one_dim, prompt, to_kind
from .singular import svdvals
from .structure import cast, kept, sum_dims, sum_to, view
from .summation import add_over

INF = float("inf")
_maximum: Any = np.maximum
_minimum: Any = np.minimum

# -- the primitive -------------------------------------------------------------------------------------------------------


def _norm(x: Any, *, ord: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    if x.dtype.kind != "c" and x.dtype.itemsize <= 2:
        return np.asarray(_norm(x.astype(np.float32), ord=ord, dim=dim, keepdim=keepdim)).astype(x.dtype)
    if ord == 2:
        if x.dtype.kind != "c" and len(dim) == x.ndim and not keepdim and x.ndim and x.flags.c_contiguous:
            flat = x.ravel()
            return np.sqrt(flat.dot(flat))
        squares = x * x if x.dtype.kind != "c" else x.real * x.real + x.imag * x.imag
        return np.sqrt(add_over(squares, dim=dim, keepdim=keepdim))
    if ord == 0:
        return add_over((x != 0).astype(x.real.dtype), dim=dim, keepdim=keepdim)
    size = np.abs(x)
    if ord == INF:
        return _maximum.reduce(size, axis=dim, keepdims=keepdim, initial=0)
    if ord == -INF:
        return _minimum.reduce(size, axis=dim, keepdims=keepdim, initial=INF)
    if ord == 1:
        return add_over(size, dim=dim, keepdim=keepdim)
    r = add_over(size ** size.dtype.type(ord), dim=dim, keepdim=keepdim)
    return r ** r.dtype.type(1 / ord)


def _norm_rule(g: Any, x: Any, out: Any, ord: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    if not keepdim:
        shape = kept(x.shape, dim)
        g, out = view(g, shape=shape), view(out, shape=shape)
    if ord == 0:
        return x * 0 * g
    if ord == 1:
        return g * sgn(x)
    if ord == 2:
        zero = out == 0
        return where(zero, 0.0, g / where(zero, 1.0, out)) * x
    size = absolute(x)
    if ord in (INF, -INF):
        chosen = (size == out) | ((size != size) & (out != out))
        share = g / cast(sum_dims(chosen, dim=dim, keepdim=True), dtype=kind_of(g).np)
        return where(chosen, share, 0.0) * sgn(x)
    # |x|^(p-1) / out^(p-1): 0 at 0, where for p < 1 the derivative has no value.
    off = (size == 0) | (out == 0)
    ratio = where(off, 1.0, size) / where(out == 0, 1.0, out)
    return where(off, 0.0, ratio ** (ord - 1) * g) * sgn(x)


def _norm_batch(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    return op(args[0], **{**kw, "dim": tuple([d + 1 for d in kw["dim"]])})


norm_op = Op("linalg_vector_norm", _norm, kind="general", vjp=[_norm_rule], batch=_norm_batch)
_norm_of = prompt(norm_op)

# -- vectors -------------------------------------------------------------------------------------------------------------


def _check_norm_dtype(function: str, x: Tensor, dtype: Any) -> Any:
    kind = x.dtype
    if kind.category < 2:
        raise RuntimeError(f"{function}: Expected a floating point or complex tensor as input. Got {kind.scalar_name}")
    if dtype is None:
        return x
    wanted = as_dtype(dtype, function)
    if wanted.category < 2:
        raise RuntimeError(f"{function}: dtype should be floating point or complex, but got {wanted.scalar_name}")
    if wanted.is_complex != kind.is_complex:
        word = "complex" if kind.is_complex else "real"
        raise RuntimeError(f"{function}: dtype should be {word} for {word} inputs, but got {wanted.scalar_name}")
    if wanted.itemsize < kind.itemsize:
        raise RuntimeError(
            f"{function}: the dtype of the input ({kind.scalar_name}) should be convertible without narrowing to the specified dtype"
            f" ({wanted.scalar_name})"
        )
    return to_kind(x, wanted)


def _check_not_empty(x: Tensor, ord: float, dims: tuple[int, ...], given: Any) -> None:
    """Infinite and negative norms of nothing have no value."""
    if ord != INF and ord >= 0:
        return
    name = f"{ord:g}"
    if given is None or (not isinstance(given, int) and len(given) == 0):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {name} norm on an empty tensor because the operation does not have an identity"
        )
    for d in dims:
        if x.shape[d] == 0:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {name} norm on the dimension {d}because this dimension is empty and the"
                " operation does not have an identity"
            )


def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The vector norm of order ``ord`` (any number, ``inf`` and ``-inf`` too) over ``dim``, or of all elements.

    Its gradient is 0 where the norm is not differentiable: at 0.

    >>> import chainrule as torch
    >>> torch.linalg.vector_norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    v = checked("linalg_vector_norm", x)
    if out is not None:
        return write_out(out, vector_norm(x, ord, dim, keepdim, dtype=dtype))
    ord = float(ord)
    if dtype is not None or v.dtype not in FLOATS:
        x = _check_norm_dtype("linalg.vector_norm", x, dtype)
    dims = many_dims(dim, v.ndim)
    if 0 in v.shape:
        _check_not_empty(x, ord, dims, dim)
    return _norm_of(x, ord=ord, dim=dims, keepdim=keepdim)


# -- matrices ------------------------------------------------------------------------------------------------------------


def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The matrix norm over two dimensions: ``'fro'``, ``'nuc'``, ``inf``, ``-inf``, 1, -1, 2 or -2.

    >>> import chainrule as torch
    >>> torch.linalg.matrix_norm(torch.tensor([[3.0, 0.0], [4.0, 0.0]]))
    tensor(5.)
    """
    checked("linalg_matrix_norm", A)
    if out is not None:
        return write_out(out, matrix_norm(A, ord, dim, keepdim, dtype=dtype))
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    if isinstance(dim, int) or len(dim) != 2:
        given = (dim,) if isinstance(dim, int) else tuple(dim)
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {text(given)}")
    rows, columns = (one_dim(d, A.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    A = _check_norm_dtype("linalg.matrix_norm", A, dtype)
    if ord == "fro":
        return norm_op(A, ord=2.0, dim=tuple(sorted((rows, columns))), keepdim=keepdim)
    if ord in ("nuc", 2, -2):
        return _spectral(A, ord, rows, columns, keepdim)
    if isinstance(ord, str) or abs(ord) not in (1, INF):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    add, pick = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = norm_op(A, ord=1.0, dim=(add,), keepdim=keepdim)
    if not keepdim and add < pick:
        pick -= 1
    if ord > 0 and sums.shape[pick] == 0:
        return sum_of(sums, pick, keepdim)  # the norm of an empty matrix is 0
    return (amax if ord > 0 else amin)(sums, pick, keepdim)


def _spectral(A: Any, ord: Any, rows: int, columns: int, keepdim: bool) -> Any:
    """The norms that are made of the singular values."""
    rest = [i for i in range(A.ndim) if i not in (rows, columns)]
    values = svdvals(A.permute(*rest, rows, columns))
    add = ord == "nuc" or (ord > 0 and values.shape[-1] == 0)
    r = sum_of(values, -1) if add else (amax if ord > 0 else amin)(values, -1)
    return view(r, shape=tuple([1 if i in (rows, columns) else n for i, n in enumerate(A.shape)])) if keepdim else r


def linalg_norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The vector norm of all elements, or over one dimension; the matrix norm where ``ord`` or two dimensions ask for it.

    >>> import chainrule as torch
    >>> torch.linalg.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    checked("linalg_norm", A)
    if out is not None:
        return write_out(out, linalg_norm(A, ord, dim, keepdim, dtype=dtype))
    if dim is not None and not isinstance(dim, int) and len(dim) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {text(dim)}")
    if ord is not None and dim is None and A.ndim not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D.")
    pair = A.ndim == 2 if dim is None else not isinstance(dim, int) and len(dim) == 2
    if ord is not None and pair:
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: Order {ord} not supported.")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


# -- torch.norm, torch.dist ----------------------------------------------------------------------------------------------


@declare.method
@numpy_names
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:
    """The vector norm of order ``p`` over ``dim``; ``'fro'`` is order 2, ``'nuc'`` the sum of singular values.

    The gradient is 0 at 0.

    >>> import chainrule as torch
    >>> torch.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    checked("norm", input)
    if p == "nuc":
        dims = dim if dim is not None else (-2, -1) if input.ndim == 2 else tuple(range(input.ndim))
        return matrix_norm(input, "nuc", dims, keepdim, dtype=dtype, out=out)
    if isinstance(p, str):
        if p != "fro":
            raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
        p = 2
    return vector_norm(input, 2 if p is None else p, dim, keepdim, dtype=dtype, out=out)


@declare.method(inplace=True)
def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """``input`` with every slice along ``dim`` whose norm of order ``p`` exceeds ``maxnorm`` scaled down to it.

    >>> import chainrule as torch
    >>> torch.renorm(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    v = checked("renorm", input)
    if p <= 0:
        raise RuntimeError("renorm: non-positive norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if v.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {v.ndim} dimensions")
    dim = one_dim(dim, v.ndim)
    size = vector_norm(input, p, tuple([i for i in range(v.ndim) if i != dim]), True)
    return input * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


def frobenius_norm(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The root of the sum of squares over ``dim``."""
    return vector_norm(input, 2, dim, keepdim)


def _distance_rule(g: Any, x: Any, y: Any, out: Any, p: float) -> Any:
    difference = x - y
    r = _norm_rule(g, difference, out, p, tuple(range(len(difference.shape))), False)
    return sum_to(r, shape=tuple(x.shape))


dist_op = Op(
    "dist", lambda x, y, *, p: _norm(x - y, ord=p, dim=tuple(range(np.broadcast(x, y).ndim)), keepdim=False), kind="general", args="x y",
    vjp=[_distance_rule, lambda g, x, y, out, p: _distance_rule(g, y, x, out, p)],
    batch=lambda op, args, mask, kw: _rows_apart(args, mask, kw["p"]),
)  # fmt: skip


def _rows_apart(args: Any, mask: Any, p: float) -> Any:
    ranks = [a.ndim - m for a, m in zip(args, mask, strict=True)]
    rank = max(ranks)
    x, y = (
        view(a, shape=(a.shape[0],) + (1,) * (rank - r) + tuple(a.shape[1:])) if m else a for a, m, r in zip(args, mask, ranks, strict=True)
    )
    return norm_op(x - y, ord=p, dim=tuple(range(1, rank + 1)), keepdim=False)


@declare.method
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The norm of order ``p`` of ``input - other``.

    >>> import chainrule as torch
    >>> torch.dist(torch.tensor([1.0, 1.0]), torch.tensor([4.0, 5.0]))
    tensor(5.)
    """
    checked("dist", input)
    kind = PROMOTE[input.dtype, other.dtype]
    if kind.category < 2:
        raise RuntimeError(f"norm(): input dtype should be either floating point or complex. Got {kind.scalar_name} instead.")
    return dist_op(to_kind(input, kind), to_kind(other, kind), p=float(p))


__all__ = ["dist", "frobenius_norm", "norm", "renorm"]
