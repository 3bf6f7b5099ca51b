"""Functions of matrices: solutions, factorisations, eigenvalues, exponentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .row import Input, Row, array, cplx, real

SINGULAR = array([[1.0, 2.0], [2.0, 4.0]])


def positive(T: Any, x: Any) -> Any:
    """A Hermitian positive-definite matrix of any one."""
    return x @ x.mH + T.eye(x.shape[-1], dtype=x.dtype) * 0.5


def regular(T: Any, x: Any) -> Any:
    """A matrix far from singular ones."""
    return x + 5 * T.eye(x.shape[-1], dtype=x.dtype)


def of(name: str, op: Any, fn: Callable[..., Any], *inputs: Input, **kw: Any) -> Row:
    return Row(name, fn, inputs, op=op, **kw)


def every(name: str, op: Any, fn: Callable[..., Any], square: bool = True, **kw: Any) -> list[Row]:
    """Of one matrix, of a stack and of complex ones."""
    return [
        of(f"{name}{suffix}", op, fn, matrix, **kw)
        for suffix, matrix in (("", real(3, 3)), (" stack", real(2, 3, 3)), (" complex", cplx(3, 3)))
    ]


ROWS = [
    *every("inv", "linalg_inv", lambda T, x: T.linalg.inv(regular(T, x))),
    *every("det", ("linalg_det", "cofactors"), lambda T, x: T.linalg.det(x)),
    of("det singular", "linalg_det", lambda T, x: T.linalg.det(x), SINGULAR, differentiable=False),
    *every("slogdet", "linalg_slogdet", lambda T, x: T.linalg.slogdet(regular(T, x))),
    *every("logdet", "linalg_slogdet", lambda T, x: T.logdet(regular(T, x))),
    of("solve", "linalg_solve", lambda T, a, b: T.linalg.solve(regular(T, a), b), real(3, 3), real(3, 2)),
    of("solve broadcast", "linalg_solve", lambda T, a, b: T.linalg.solve(regular(T, a), b), real(2, 1, 3, 3), real(2, 3, 2)),
    of("solve vector", "linalg_solve", lambda T, a, b: T.linalg.solve(regular(T, a), b), real(3, 3), real(3)),
    of("solve right complex", "linalg_solve", lambda T, a, b: T.linalg.solve(regular(T, a), b, left=False), cplx(3, 3), cplx(2, 3)),
    *[
        of(
            f"solve_triangular {'upper' if upper else 'lower'}{' unit' if unit else ''}{'' if left else ' right'}",
            "linalg_solve_triangular",
            lambda T, a, b, kw={"upper": upper, "left": left, "unitriangular": unit}: T.linalg.solve_triangular(regular(T, a), b, **kw),
            real(3, 3), real(3, 2) if left else real(2, 3),
        )
        for upper, left, unit in ((True, True, False), (False, True, True), (True, False, False), (False, False, False))
    ],
    of(
        "solve_triangular complex stack", "linalg_solve_triangular",
        lambda T, a, b: T.linalg.solve_triangular(regular(T, a), b, upper=False), cplx(2, 2, 2), cplx(2, 1),
    ),
    *every("cholesky", "linalg_cholesky", lambda T, x: T.linalg.cholesky(positive(T, x))),
    of("cholesky upper", "linalg_cholesky", lambda T, x: T.linalg.cholesky(positive(T, x), upper=True), real(2, 2)),
    of("cholesky_solve", "linalg_solve_triangular", lambda T, x, b: T.cholesky_solve(b, regular(T, x).tril()), real(2, 2), real(2, 1)),
    of("cholesky_inverse", "linalg_solve_triangular", lambda T, x: T.cholesky_inverse(regular(T, x).tril()), real(2, 2)),
    *[
        of(
            f"lu {m} by {n}{' complex' * (make is cplx)}", ("lu_factor", "lu_permutation", "identity_matrices"),
            lambda T, x: T.linalg.lu(x), make(m, n),
        )
        for m, n, make in ((3, 3, real), (2, 3, real), (3, 2, real), (3, 3, cplx))
    ],
    of("lu_factor stack", "lu_factor", lambda T, x: T.linalg.lu_factor(x)[0], real(2, 3, 3)),
    of(
        "lu_solve", "lu_factor", lambda T, x, b: T.linalg.lu_solve(*T.linalg.lu_factor(regular(T, x)), b), real(3, 3), real(3, 2),
    ),
    of(
        "lu_solve adjoint right", "lu_factor",
        lambda T, x, b: T.linalg.lu_solve(*T.linalg.lu_factor(regular(T, x)), b, adjoint=True, left=False), cplx(3, 3), cplx(2, 3),
    ),
    *[
        of(f"qr {m} by {n}{' complex' * (make is cplx)}", "linalg_qr", lambda T, x: T.linalg.qr(x), make(m, n))
        for m, n, make in ((3, 3, real), (3, 2, real), (2, 3, real), (3, 2, cplx))
    ],
    of("qr complete", "linalg_qr_complete", lambda T, x: T.linalg.qr(x, "complete"), real(3, 2), differentiable=False),
    of("eigh", "linalg_eigh", lambda T, x: _vectors(T.linalg.eigh(x + x.mH)), real(3, 3)),
    of("eigh complex stack", "linalg_eigh", lambda T, x: _vectors(T.linalg.eigh(x + x.mH)), cplx(2, 2, 2)),
    of("eigvalsh", "linalg_eigh", lambda T, x: T.linalg.eigvalsh(x + x.mH), real(3, 3)),
    of("eig", "linalg_eig", lambda T, x: _vectors(T.linalg.eig(_apart(T, x))), real(3, 3)),
    of("eig complex", "linalg_eig", lambda T, x: _vectors(T.linalg.eig(_apart(T, x))), cplx(3, 3)),
    of("eigvals", "linalg_eig", lambda T, x: T.linalg.eigvals(_apart(T, x)), real(3, 3)),
    of("svd full", "linalg_svd_full", lambda T, x: _singular(T.linalg.svd(x)), real(2, 3)),
    of("pinv", "linalg_pinv", lambda T, x: T.linalg.pinv(x), real(3, 2)),
    of("pinv complex stack", "linalg_pinv", lambda T, x: T.linalg.pinv(x), cplx(2, 2, 3)),
    of("pinv hermitian", "linalg_pinv", lambda T, x: T.linalg.pinv(x + x.mH, hermitian=True), real(2, 2)),
    *every("matrix_exp", "linalg_matrix_exp", lambda T, x: T.linalg.matrix_exp(x)),
    of("matrix_exp large", "linalg_matrix_exp", lambda T, x: T.linalg.matrix_exp(x * 4), real(2, 2)),
    of("matrix_power", "mm", lambda T, x: T.linalg.matrix_power(x, 5), real(2, 2)),
    of("matrix_power negative", "linalg_inv", lambda T, x: T.linalg.matrix_power(regular(T, x), -2), real(2, 2)),
    of("householder_product", "matmul", lambda T, a, t: T.linalg.householder_product(a, t), real(4, 3), real(2)),
    of("cond", "linalg_svdvals", lambda T, x: T.linalg.cond(x), real(3, 2)),
    of("tensorinv", "linalg_inv", lambda T, x: T.linalg.tensorinv(regular(T, x).reshape(2, 2, 4), ind=2), real(4, 4)),
    of("tensorsolve", "linalg_solve", lambda T, a, b: T.linalg.tensorsolve(regular(T, a).reshape(2, 2, 4), b), real(4, 4), real(2, 2)),
    of("lstsq", "linalg_pinv", lambda T, a, b: T.linalg.lstsq(a, b)[0], real(4, 2), real(4, 2)),
    of("geqrf", "geqrf", lambda T, x: T.geqrf(x), real(4, 3), differentiable=False),
    of("norm_except_dim", "linalg_vector_norm", lambda T, x: T.norm_except_dim(x, 2, 1), real(3, 2)),
    of("linalg vander", "cumprod", lambda T, x: T.linalg.vander(x, N=4), real(2, 3)),
]  # fmt: skip


def _apart(T: Any, x: Any) -> Any:
    """A matrix whose eigenvalues are far from each other."""
    return x * 0.3 + T.diag(T.tensor([-3.0, 0.5, 4.0], dtype=x.dtype))


def _vectors(found: Any) -> Any:
    """The values, and of the vectors what does not depend on their phases."""
    values, vectors = found
    return values, vectors.abs()


def _singular(found: Any) -> Any:
    u, s, vh = found
    return u.abs(), s, vh[..., : s.shape[-1], :].abs()
