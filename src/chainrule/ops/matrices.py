"""Functions of matrices under the names that they had before ``torch.linalg``, and as methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import return_types
from ..core.batching import same
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare, linalg
from .linear_systems import identity_of, triangular
from .products import matmul_op, mH, mT
from .reducing import checked

det, matrix_exp, matrix_power = linalg.det, linalg.matrix_exp, linalg.matrix_power


@declare.method
def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """:func:`linalg.inv`."""
    return linalg.inv(input, out=out)


@declare.method
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """:func:`linalg.pinv`."""
    return linalg.pinv(input, rcond)


@declare.method
def slogdet(input: Tensor, *, out: Any = None) -> Any:
    """:func:`linalg.slogdet`."""
    return return_types.slogdet(linalg.slogdet(input, out=out))


@declare.method
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant: NaN where that is negative, minus infinity where it is 0."""
    sign, log = linalg.slogdet(input)
    if sign.dtype.is_complex:
        return sign.log() + log  # type: ignore[no-any-return]
    return log.where(sign != -1, float("nan"))  # type: ignore[no-any-return]


@declare.method
def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """:func:`linalg.cholesky`."""
    return linalg.cholesky(input, upper=upper, out=out)


def _factor_check(function: str, x: Any) -> None:
    checked(function, x)
    if x.ndim < 2:
        raise RuntimeError(f"{function}: The input tensor A must have at least 2 dimensions.")
    if x.shape[-1] != x.shape[-2]:
        raise RuntimeError(f"{function}: A must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} matrices")


@declare.method
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """X with A X = B, where L is the Cholesky factor of A."""
    _factor_check("cholesky_solve", L)
    factor = mH(L) if upper else L
    half = triangular(factor, B, upper=False, unit=False)
    return linalg.done(triangular(mH(factor), half, upper=True, unit=False), out)  # type: ignore[no-any-return]


@declare.method
def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of the matrix whose Cholesky factor L is."""
    _factor_check("cholesky_inverse", L)
    factor = mH(L) if upper else L
    half = triangular(factor, identity_of(L), upper=False, unit=False)
    return linalg.done(matmul_op(mH(half), half), out)  # type: ignore[no-any-return]


@declare.method
def qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """:func:`linalg.qr`; a square Q unless ``some``."""
    return return_types.qr(linalg.qr(input, "reduced" if some else "complete", out=out))


@declare.method
def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """The named tuple (U, S, V) with input = U diag(S) Vᴴ; square U and V unless ``some``, zeros unless ``compute_uv``."""
    u, s, vh = linalg.svd(input, full_matrices=not some)
    if not compute_uv:
        m, n = input.shape[-2:]
        u, vh = s.new_zeros((*s.shape[:-1], m, m)), s.new_zeros((*s.shape[:-1], n, n))
    return linalg.done(return_types.svd((u, s, mH(vh))), out)


@declare.method
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *, out: Any = None
) -> Any:
    """The named tuple (X, A) with A X = b for triangular A, or Aᵀ X = b with ``transpose``."""
    _factor_check("triangular_solve", A)
    a, side = (mT(A), not upper) if transpose else (A, upper)
    x = triangular(a, b, upper=side, unit=unitriangular)
    return linalg.done(return_types.triangular_solve((x, A.clone())), out)


@declare.method
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None) -> Tensor:
    """:func:`linalg.lu_solve`."""
    return linalg.lu_solve(LU_data, LU_pivots, b, out=out)


def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True, *, out: Any = None) -> Any:
    """The named tuple (P, L, U) of what :func:`linalg.lu_factor` gives; empty tensors for what is not unpacked."""
    p, lower, upper = linalg.lu_parts(LU_data, LU_pivots)
    nothing: Any = LU_data.new_empty(0)
    parts = (p if unpack_pivots else nothing, lower if unpack_data else nothing, upper if unpack_data else nothing)
    return linalg.done(return_types.lu_unpack(parts), out)


@declare.method
def orgqr(input: Tensor, input2: Tensor) -> Tensor:
    """:func:`linalg.householder_product`."""
    return linalg.householder_product(input, input2)


def _geqrf(x: Any) -> tuple[Any, Any]:
    h, tau = np.linalg.qr(x, mode="raw")
    return np.ascontiguousarray(mT(h)), tau


geqrf_op = Op("geqrf", _geqrf, kind="general", outputs=2, batch=same)


@declare.method
def geqrf(input: Tensor, *, out: Any = None) -> Any:
    """The named tuple (a, tau) of the QR factorisation as LAPACK keeps it: see :func:`linalg.householder_product`."""
    checked("geqrf", input)
    return linalg.done(return_types.geqrf(geqrf_op(input)), out)


__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "det", "geqrf", "inverse", "logdet", "lu_solve", "lu_unpack", "matrix_exp",
    "matrix_power", "orgqr", "pinverse", "qr", "slogdet", "svd", "triangular_solve",
]  # fmt: skip
