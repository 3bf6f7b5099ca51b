"""Products, norms and other functions of matrices (``torch.linalg``)."""

from __future__ import annotations

from typing import Any

from ..ops.contraction import linalg_cross as cross
from ..ops.contraction import linalg_vecdot as vecdot
from ..ops.contraction import multi_dot
from ..ops.linalg import (
    LinAlgError,
    cholesky,
    cholesky_ex,
    cond,
    det,
    diagonal,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    householder_product,
    inv,
    inv_ex,
    lstsq,
    lu,
    lu_factor,
    lu_factor_ex,
    lu_solve,
    matrix_exp,
    matrix_power,
    matrix_rank,
    pinv,
    qr,
    slogdet,
    solve,
    solve_ex,
    solve_triangular,
    svd,
    tensorinv,
    tensorsolve,
)  # fmt: skip
from ..ops.matmul import matmul
from ..ops.norm import linalg_norm as norm
from ..ops.norm import matrix_norm, vector_norm
from ..ops.patterns import linalg_vander as vander
from ..ops.singular import svdvals

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm",
    "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals",
    "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    from ..alias import missing_name

    raise missing_name(__name__, name)
