"""The functions of ``torch.linalg`` over the operations of :mod:`linear_systems` and :mod:`factorisations`."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import return_types
from ..core.outputs import write_out
from ..core.tensor import Tensor, wrap
from ..core.value import Value
from . import declare
from .factorisations import complete_qr, eig_op, eigh_op, full_svd_op, matrix_exp_op, pinv_op, qr_op
from .linear_systems import (
    LinAlgError,
    cholesky_op,
    column,
    determinant,
    identity_of,
    inverse,
    leading_minor,
    lu_arrays,
    lu_op,
    numpy_dtype,
    permutation_matrix,
    slogdet_op,
    solution,
    triangular,
)  # fmt: skip
from .norm import linalg_norm
from .products import matmul_op, mH, mT
from .reducing import checked
from .singular import svd_op, svdvals
from .structure import view
from .triangle import tril_op, triu_op


def _check(function: str, A: Any, square: bool = True, name: str = "A") -> Any:
    """Refuse what is no stack of (square) matrices of floating-point or complex numbers, in PyTorch's words."""
    v = checked(function.replace(".", "_"), A)
    if v.ndim < 2:
        raise RuntimeError(f"{function}: The input tensor {name} must have at least 2 dimensions.")
    m, n = v.shape[-2:]
    if square and m != n:
        raise RuntimeError(f"{function}: {name} must be batches of square matrices, but they are {m} by {n} matrices")
    if A.dtype.category < 2:
        raise RuntimeError(f"{function}: Expected a floating point or complex tensor as input. Got {A.dtype.scalar_name}")
    if A.dtype.itemsize <= 2:
        raise RuntimeError(f"{function}: Low precision dtypes not supported. Got {A.dtype.scalar_name}")
    return A


def done(result: Any, out: Any) -> Any:
    """``result``, or ``out`` with it written in."""
    if out is None:
        return result
    if isinstance(result, tuple):
        return type(result)([write_out(o, r) for o, r in zip(out, result, strict=True)])
    return write_out(out, result)


# -- inverse, solutions, determinants ------------------------------------------------------------------------------------


def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of square matrices (…, n, n).  Raises LinAlgError for a singular one.

    >>> import chainrule as torch
    >>> torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return done(inverse(_check("linalg.inv", A)), out)  # type: ignore[no-any-return]


def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """The named tuple (inverse, info): ``info`` is 0, or the first zero pivot of a singular matrix, whose inverse is not finite."""
    _check("linalg.inv", A)
    info = wrap(np.asarray(lu_arrays(_raw(A))[2]))
    if check_errors or not bool((info != 0).any()):
        return done(return_types.linalg_inv_ex((inverse(A), info)), out)
    broken: Any = column(info != 0)
    found: Any = inverse(A.where(~broken, identity_of(A)))
    return done(return_types.linalg_inv_ex((found.masked_fill(broken, float("inf")), info)), out)


def _raw(A: Any) -> Any:
    return A.detach().numpy() if isinstance(A, Tensor) else A


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """X with A X = B, or X A = B unless ``left``: A (…, n, n), B (…, n, k), or (…, n) where its shape says so.

    >>> import chainrule as torch
    >>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    _check("linalg.solve", A)
    checked("linalg_solve", B)
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {A.dtype.scalar_name} and B of type"
            f" {B.dtype.scalar_name} instead"
        )
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False")
    b: Any = B.unsqueeze(-1) if vector else B
    _compatible("linalg.solve", A, b, left)
    r = solution(A, b) if left else mT(solution(mT(A), mT(b)))
    return done(r.squeeze(-1) if vector else r, out)  # type: ignore[no-any-return]


def _compatible(function: str, A: Any, B: Any, left: bool) -> None:
    if B.ndim < 2:
        raise RuntimeError(f"{function}: The input tensor B must have at least 2 dimensions.")
    n, m = A.shape[-2], B.shape[-2 if left else -1]
    if n != m:
        form = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{function}: Incompatible shapes of A and B for the equation {form} ({A.shape[-2]}x{A.shape[-1]} and"
            f" {B.shape[-2]}x{B.shape[-1]})"
        )


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """The named tuple (result, info) of :func:`solve`; ``info`` as that of :func:`inv_ex`."""
    _check("linalg.solve", A)
    info = wrap(np.asarray(lu_arrays(_raw(A))[2]))
    return done(return_types.linalg_solve_ex((solve(A, B, left=left), info)), out)


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Tensor | None = None
) -> Tensor:
    """X with A X = B (X A = B unless ``left``) for triangular A, of which the other side is not looked at."""
    _check("linalg.solve_triangular", A)
    checked("linalg_solve_triangular", B)
    _compatible("linalg.solve_triangular", A, B, left)
    if left:
        return done(triangular(A, B, upper=upper, unit=unitriangular), out)  # type: ignore[no-any-return]
    return done(mT(triangular(mT(A), mT(B), upper=not upper, unit=unitriangular)), out)  # type: ignore[no-any-return]


@declare.method
def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinant of square matrices.

    >>> import chainrule as torch
    >>> torch.linalg.det(torch.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(8.)
    """
    return done(determinant(_check("linalg.det", A)), out)  # type: ignore[no-any-return]


def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """The named tuple (sign, logabsdet): the determinant is their product ``sign * exp(logabsdet)``."""
    return done(return_types.linalg_slogdet(slogdet_op(_check("linalg.slogdet", A))), out)


# -- factorisations ------------------------------------------------------------------------------------------------------


def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The triangle L with L Lᴴ = A (or U with Uᴴ U = A) of Hermitian positive-definite matrices.

    Raises LinAlgError for a matrix that is not positive definite.
    """
    _check("linalg.cholesky", A)
    r = cholesky_op(A, upper=upper)
    return done(mH(r) if upper else r, out)  # type: ignore[no-any-return]


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """The named tuple (L, info): ``info`` is 0, or the order of the first leading minor that is not positive definite."""
    _check("linalg.cholesky", A)
    v = _raw(mH(A) if upper else A)
    minors = np.array([leading_minor(one) for one in v.reshape(prod(v.shape[:-2]), *v.shape[-2:])], np.int32)
    info = wrap(np.asarray(minors.reshape(v.shape[:-2])))
    if check_errors or not minors.any():
        return done(return_types.linalg_cholesky_ex((cholesky(A, upper=upper), info)), out)
    good: Any = column(info == 0)
    return done(return_types.linalg_cholesky_ex((cholesky(A.where(good, identity_of(A)), upper=upper), info)), out)


def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """The named tuple (Q, R) with A = Q R; ``mode``: 'reduced', 'complete' (Q square) or 'r' (Q empty)."""
    _check("linalg.qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    if mode == "complete" and A.shape[-2] > A.shape[-1]:
        q, r = complete_qr(A)
    else:
        q, r = qr_op(A)
    if mode == "r":
        q = r.new_empty(0)
    return done(return_types.linalg_qr((q, r)), out)


def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """The named tuple (eigenvalues, eigenvectors) of Hermitian matrices, in rising order; ``UPLO``: the triangle to look at."""
    _check("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return done(return_types.linalg_eigh(eigh_op(A, lower=UPLO.upper() == "L")), out)


def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of Hermitian matrices, in rising order."""
    return done(eigh(A, UPLO)[0], out)  # type: ignore[no-any-return]


def eig(A: Tensor, *, out: Any = None) -> Any:
    """The named tuple (eigenvalues, eigenvectors) of square matrices, both complex; the vectors have norm 1."""
    return done(return_types.linalg_eig(eig_op(_check("linalg.eig", A))), out)


def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of square matrices, complex."""
    return done(eig_op(_check("linalg.eigvals", A))[0], out)  # type: ignore[no-any-return]


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """The named tuple (U, S, Vh) with A = U diag(S) Vh, the singular values falling; square U and Vh unless told otherwise."""
    _check("linalg.svd", A, square=False)
    op = full_svd_op if full_matrices and A.shape[-2] != A.shape[-1] else svd_op
    return done(return_types.linalg_svd(op(A)), out)


def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """The named tuple (LU, pivots): both triangles in one matrix, and the rows exchanged, counted from 1."""
    _check("linalg.lu_factor", A, square=False)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    return done(return_types.linalg_lu_factor(lu_op(A)), out)


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """The named tuple (LU, pivots, info): ``info`` is the first zero pivot, or 0."""
    factors, pivots = lu_factor(A, pivot=pivot)
    info = wrap(np.asarray(lu_arrays(_raw(A))[2]))
    return done(return_types.linalg_lu_factor_ex((factors, pivots, info)), out)


def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """The named tuple (P, L, U) with A = P L U: a permutation, a lower triangle with ones, an upper triangle."""
    _check("linalg.lu", A, square=False)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    return done(return_types.linalg_lu(lu_parts(*lu_op(A))), out)


def lu_parts(factors: Any, pivots: Any) -> tuple[Any, Any, Any]:
    """P, L and U from what :func:`lu_factor` gives."""
    m, n = factors.shape[-2:]
    k = min(m, n)
    lower = tril_op(factors[..., :, :k], diagonal=-1)
    ones = factors.new_zeros((m, k)).fill_diagonal_(1)
    return permutation_matrix(pivots, rows=m, dtype=numpy_dtype(factors)), lower + ones, triu_op(factors[..., :k, :], diagonal=0)


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False, out: Tensor | None = None) -> Tensor:
    """X with A X = B (Aᴴ X = B with ``adjoint``, X A = B unless ``left``) from the factors of A."""
    _check("torch.linalg.lu_solve", LU, name="LU")
    b: Any = B if left else mH(B)
    p = permutation_matrix(pivots, rows=LU.shape[-1], dtype=numpy_dtype(LU))
    if adjoint != (not left):  # Aᴴ = Uᴴ Lᴴ Pᵀ
        half = triangular(mH(LU), b, upper=False, unit=False)
        r = matmul_op(p, triangular(mH(LU), half, upper=True, unit=True))
    else:
        r = triangular(LU, triangular(LU, matmul_op(mT(p), b), upper=False, unit=True), upper=True, unit=False)
    return done(r if left else mH(r), out)  # type: ignore[no-any-return]


# -- functions of matrices -----------------------------------------------------------------------------------------------


@declare.method
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices.

    >>> import chainrule as torch
    >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return matrix_exp_op(_check("linalg.matrix_exp", A))  # type: ignore[no-any-return]


@declare.method
def matrix_power(A: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The product of ``n`` times the matrix, by squaring; of its inverse for negative ``n``."""
    v = checked("linalg_matrix_power", A)
    if v.ndim < 2 or v.shape[-1] != v.shape[-2]:
        _check("linalg.matrix_power", A)
    if n < 0:
        A, n = inv(A), -n
    if n == 0:
        return done(A.clone().copy_(identity_of(A)), out)  # type: ignore[no-any-return]
    r: Any = None
    square: Any = A
    while n:
        if n & 1:
            r = square if r is None else r @ square
        n >>= 1
        if n:
            square = square @ square
    return done(r.clone() if r is A else r, out)  # type: ignore[no-any-return]


def _tolerances(A: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """The tolerances, with PyTorch's default for the relative one: max(m, n) eps, unless the absolute one is positive."""
    if rtol is None:
        rtol = 0.0 if atol is not None and bool(np.all(np.asarray(_raw(atol)) > 0)) else max(A.shape[-2:]) * _epsilon(A)
    return (0.0 if atol is None else atol), rtol


def _epsilon(A: Any) -> float:
    return float(np.finfo(numpy_dtype(A)).eps)


def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Tensor | None = None) -> Tensor:
    """The pseudo-inverse: singular values up to ``max(atol, rtol * largest)`` count as 0.

    ``hermitian``: look at the lower triangle only, and differentiate as if both were given.  Its derivative is that of matrices of
    constant rank.
    """
    _check("linalg.pinv", A, square=hermitian)
    low, relative = _tolerances(A, atol, rcond if rtol is None else rtol)
    numbers = [np.asarray(_raw(t))[..., None] if isinstance(t, Tensor) and t.ndim else float(t) for t in (low, relative)]
    return done(pinv_op(A, atol=numbers[0], rtol=numbers[1], hermitian=hermitian), out)  # type: ignore[no-any-return]


def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Tensor | None = None
) -> Tensor:
    """How many singular values are larger than ``max(atol, rtol * largest)``."""
    _check("linalg.matrix_rank", A, square=hermitian)
    A = A.detach()
    low, relative = (tol, 0.0) if tol is not None else _tolerances(A, atol, rtol)
    if 0 in A.shape[-2:]:
        return done(wrap(np.zeros(tuple(A.shape[:-2]), np.int64)), out)  # type: ignore[no-any-return]
    s: Any = eigvalsh(A).abs() if hermitian else svdvals(A)
    bound = np.maximum(np.asarray(_raw(low)), np.asarray(_raw(relative)) * s.numpy().max(-1))
    return done(wrap(np.asarray((s.numpy() > bound[..., None]).sum(-1))), out)  # type: ignore[no-any-return]


def cond(A: Tensor, p: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The condition number in the norm ``p``: the ratio of the extreme singular values for None, 2 and -2."""
    _check("linalg.cond", A, square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        s: Any = svdvals(A)
        r = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        r = linalg_norm(A, p, dim=(-2, -1)) * linalg_norm(inv_ex(A)[0], p, dim=(-2, -1))
    return done(r, out)  # type: ignore[no-any-return]


def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None) -> Any:
    """The named tuple (solution, residuals, rank, singular_values) of the least-squares problem min ‖A X - B‖.

    ``driver``: 'gels' for matrices of full rank, 'gelsy', 'gelsd' or 'gelss' for any.  Residuals are given for full rank and more
    rows than columns, but not by 'gelsy', singular values by the last two drivers; else they are empty.
    """
    for least, name, given in ((2, "input", A), (1, "other", B)):
        if given.ndim < least:
            raise RuntimeError(f"torch.linalg.lstsq: {name} must have at least {least} dimension{'s' * (least > 1)}.")
    _check("torch.linalg.lstsq", A, square=False, name="input")
    name = driver or "gelsy"
    if name not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError("torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    m, n = A.shape[-2:]
    vector = A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1])
    b: Any = B.unsqueeze(-1) if vector else B
    relative = max(m, n) * _epsilon(A) if rcond is None else float(rcond)
    x: Any = matmul_op(pinv_op(A, atol=0.0, rtol=0.0 if name == "gels" else relative, hermitian=False), b)
    singular: Any = svdvals(A.detach())
    ranks: Any = (singular > relative * singular[..., :1]).sum(-1)
    residuals: Any = x.abs().reshape(-1)[:0]
    unknown = isinstance(ranks._value, Value)  # a batch of vmap: then its matrices count as of full rank
    if m > n and name != "gelsy" and (unknown or bool((ranks == n).all())):
        residuals = (A @ x - b).abs().square().sum(-2)
    rank = wrap(np.empty(0, np.int64)) if name == "gels" else ranks
    values = singular if name in ("gelsd", "gelss") else singular.new_empty(0)
    return return_types.linalg_lstsq((x.squeeze(-1) if vector else x, residuals, rank, values))


def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of A as a map from its last dimensions to its first ``ind``."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    first, second = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if prod(first) != prod(second):
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got {prod(second)} !="
            f" {prod(first)}"
        )
    return done(view(inv(A.reshape(prod(first), prod(second))), shape=second + first), out)  # type: ignore[no-any-return]


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Tensor | None = None) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) = B``; ``dims`` of A are moved to its end first."""
    a: Any = A
    if dims is not None:
        a = a.movedim(tuple(dims), tuple(range(-len(dims), 0)))
    shape = tuple(a.shape[B.ndim :])
    if prod(a.shape) != prod(shape) ** 2:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got"
            f" {prod(shape)} != {prod(a.shape[: B.ndim])}"
        )
    return done(view(solve(a.reshape(-1, prod(shape)), B.reshape(-1)), shape=shape), out)  # type: ignore[no-any-return]


def householder_product(A: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first columns of the product of reflections ``1 - tau[i] v vᴴ``; v is 1 at i and below it column i of A."""
    _check("torch.linalg.householder_product", A, square=False, name="input")
    m, n = A.shape[-2:]
    if m < n:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]")
    k = tau.shape[-1]
    if k > n:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    reflectors = tril_op(A, diagonal=-1) + A.new_zeros((m, n)).fill_diagonal_(1)
    q: Any = (A * 0).nan_to_num() + A.new_zeros((m, n)).fill_diagonal_(1)
    for i in range(k - 1, -1, -1):
        v = reflectors[..., i : i + 1]
        q = q - tau[..., i, None, None] * matmul_op(v, matmul_op(mH(v), q))
    return done(q, out)  # type: ignore[no-any-return]


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonal of matrices, a view."""
    return A.diagonal(offset, dim1, dim2)


__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "householder_product",
    "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matrix_exp", "matrix_power", "matrix_rank",
    "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "tensorinv", "tensorsolve",
]  # fmt: skip
