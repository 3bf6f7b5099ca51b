"""Systems of linear equations: inverse, solution, determinant, and the factorisations LU and Cholesky that give them.

The rules are those of M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); for Cholesky, I. Murray, "Differentiation of the Cholesky decomposition" (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.batching import same
from ..core.meta import like
from ..core.op import Op
from ..core.size import broadcast_pair
from .products import conj, matmul_op, mH, mT
from .slicing import cat_op
from .structure import sum_dims, sum_to, view
from .triangle import tril_op, triu_op


class LinAlgError(RuntimeError):
    """A matrix for which the function has no value: singular, not positive definite, or without convergence."""


def fail(function: str, batch: tuple[int, ...], where: int, text: str) -> LinAlgError:
    """The error of the matrix number ``where`` of a batch."""
    return LinAlgError(f"{function}: {f'(Batch element {where}): ' if batch else ''}{text}")


def _lifted(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    """Two stacks of matrices: the batch axis goes in front of the leading dimensions of the one that has the most."""
    rank = max(a.ndim - m for a, m in zip(args, mask, strict=True))
    lined = [
        view(a, shape=(a.shape[0],) + (1,) * (rank - a.ndim + 1) + tuple(a.shape[1:])) if m else a for a, m in zip(args, mask, strict=True)
    ]
    return op(*lined, **kw)


def column(x: Any) -> Any:
    """A vector of numbers, one a matrix: (…) as (…, 1, 1)."""
    return view(x, shape=(*x.shape, 1, 1))


# -- LU ------------------------------------------------------------------------------------------------------------------


def lu_arrays(a: Any) -> tuple[Any, Any, Any]:
    """Gauss' elimination with partial pivoting: L and U in one matrix, the pivots (from 1), and the first zero pivot or 0."""
    lu = np.array(a)
    m, n = lu.shape[-2:]
    count, k = prod(lu.shape[:-2]), min(m, n)
    flat = lu.reshape(count, m, n)
    pivots = np.empty((count, k), np.int32)
    info = np.zeros(count, np.int32)
    every = np.arange(count)
    for j in range(k):
        below = flat[:, j:, j]
        size = np.abs(below.real) + np.abs(below.imag) if lu.dtype.kind == "c" else np.abs(below)  # as LAPACK
        rows = size.argmax(1) + j if count else np.empty(0, np.int64)
        pivots[:, j] = rows + 1
        swapped = flat[every, rows].copy()
        flat[every, rows] = flat[:, j]
        flat[:, j] = swapped
        pivot = flat[:, j, j]
        zero = pivot == 0
        info[zero & (info == 0)] = j + 1
        flat[:, j + 1 :, j] /= np.where(zero, 1, pivot)[:, None]
        flat[:, j + 1 :, j + 1 :] -= flat[:, j + 1 :, j, None] * flat[:, j, None, j + 1 :]
    lead = lu.shape[:-2]
    return lu, pivots.reshape(*lead, k), info.reshape(lead)


def permutation(pivots: Any, rows: int) -> Any:
    """The order of the rows after the exchanges that ``pivots`` (from 1) tell of."""
    flat = np.asarray(pivots).reshape(prod(pivots.shape[:-1]), pivots.shape[-1])
    order = np.tile(np.arange(rows), (len(flat), 1))
    every = np.arange(len(flat))
    for j in range(flat.shape[1]):
        other = flat[:, j].astype(np.int64) - 1
        order[every, j], order[every, other] = order[every, other].copy(), order[every, j].copy()
    return order.reshape(*pivots.shape[:-1], rows)


def _permutation_matrix(pivots: Any, *, rows: int, dtype: Any) -> Any:
    return mT(np.eye(rows, dtype=dtype)[permutation(pivots, rows)])


# P, with P L U = A: an array of whole pivots to a matrix of zeros and ones.
permutation_matrix = Op("lu_permutation", _permutation_matrix, kind="general", args="pivots", batch=same)


def _lu(a: Any) -> tuple[Any, Any]:
    lu, pivots, _ = lu_arrays(a)
    return lu, pivots


def _unit_lower(lu: Any, k: int) -> Any:
    square = lu[..., :k, :k]
    return tril_op(square, diagonal=-1) + identity_of(square)


def _square_lu(g_lower: Any, g_upper: Any, lower: Any, upper: Any) -> Any:
    """The cotangent of B = L U from those of L (below the diagonal) and U."""
    inner = tril_op(matmul_op(mH(lower), g_lower), diagonal=-1) + triu_op(matmul_op(g_upper, mH(upper)), diagonal=0)
    left = triangular(mH(lower), inner, upper=True, unit=True)
    return mH(triangular(upper, mH(left), upper=True, unit=False))


def _lu_rule(g: Any, out0: Any, out1: Any) -> tuple[Any]:
    """A wide or tall matrix is a square one, and what the triangles make of the rest: U2 = L⁻¹ B2, or L2 = B2 U⁻¹."""
    lu = out0
    g = g[0] if isinstance(g, tuple) else g
    m, n = lu.shape[-2:]
    k = min(m, n)
    lower, upper = _unit_lower(lu, k), triu_op(lu[..., :k, :k], diagonal=0)
    g_lower, g_upper = tril_op(g[..., :k, :k], diagonal=-1), triu_op(g[..., :k, :k], diagonal=0)
    rest = None
    if n > k:
        rest = triangular(mH(lower), g[..., k:], upper=True, unit=True)
        g_lower = g_lower - matmul_op(rest, mH(lu[..., k:]))
    elif m > k:
        rest = mH(triangular(upper, mH(g[..., k:, :]), upper=True, unit=False))
        g_upper = g_upper - matmul_op(mH(lu[..., k:, :]), rest)
    r = _square_lu(g_lower, g_upper, lower, upper)
    if rest is not None:
        r = cat_op(r, rest, dim=len(r.shape) - (1 if n > k else 2))
    return (matmul_op(permutation_matrix(out1, rows=m, dtype=numpy_dtype(lu)), r),)


def numpy_dtype(x: Any) -> Any:
    """The NumPy dtype of an array or a tensor."""
    kind = x.dtype
    return kind.np if hasattr(kind, "np") else kind


lu_op = Op("lu_factor", _lu, kind="general", args="x", outputs=2, vjp=_lu_rule, batch=same, node="LinalgLuFactorExBackward0")


def identity_of(x: Any) -> Any:
    """The identity matrices of the size of the square ones ``x``."""
    return identity_matrix(x, n=x.shape[-1])


def _eye(x: Any, *, n: int) -> Any:
    return np.broadcast_to(np.eye(n, dtype=x.dtype), (*x.shape[:-2], n, n))


identity_matrix = Op("identity_matrices", _eye, kind="general", args="x", batch=same)


# -- solutions -----------------------------------------------------------------------------------------------------------


def _singular(function: str, a: Any, text: str) -> LinAlgError:
    info = lu_arrays(a)[2].reshape(-1)
    first = int(np.argmax(info > 0))
    return fail(function, a.shape[:-2], first, text.format(int(info[first])))


def _inverse(x: Any) -> Any:
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        text = "The diagonal element {} is zero, the inversion could not be completed because the input matrix is singular."
        raise _singular("linalg.inv", x, text) from None


inverse: Op = Op(
    "linalg_inv", _inverse, kind="general", batch=same, node="LinalgInvExBackward0", infer=like,
    vjp=[lambda g, out: -matmul_op(matmul_op(mH(out), g), mH(out))],
    jvp=lambda tangents, out, args, kw: -matmul_op(matmul_op(out, tangents[0]), out),
)  # fmt: skip


def _solve(a: Any, b: Any) -> Any:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise _singular("torch.linalg.solve", a, "The solver failed because the input matrix is singular.") from None


def _solve_rule(g: Any, a: Any, out: Any, b_shape: Any, needs: Any) -> tuple[Any, Any]:
    g_b = solution(mH(a), g)
    g_a = sum_to(-matmul_op(g_b, mH(out)), shape=tuple(a.shape)) if needs[0] else None
    return g_a, sum_to(g_b, shape=tuple(b_shape))


def _solve_tangent(tangents: Sequence[Any], out: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    t_a, t_b = tangents
    right = t_b if t_a is None else -matmul_op(t_a, out) if t_b is None else t_b - matmul_op(t_a, out)
    return solution(args[0], right)


# a⁻¹ b for stacks of matrices a (…, n, n) and b (…, n, k), which broadcast.
solution: Op = Op(
    "linalg_solve", _solve, kind="general", args="a b", vjp=_solve_rule, jvp=_solve_tangent, batch=_lifted,
    node="LinalgSolveExBackward0", infer=lambda a, b: like(b, (*broadcast_pair(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])),
)  # fmt: skip


def _triangle(a: Any, upper: bool, unit: bool) -> Any:
    t = (triu_op if upper else tril_op).impl(a, diagonal=0)
    if unit:
        n = t.shape[-1]
        t[..., np.arange(n), np.arange(n)] = 1
    return t


def _triangular(a: Any, b: Any, *, upper: bool, unit: bool) -> Any:
    t = _triangle(a, upper, unit)
    try:
        return np.linalg.solve(t, b)
    except np.linalg.LinAlgError:  # LAPACK divides by the zero, and so does substitution
        return _substituted(t, b, upper)


def _substituted(t: Any, b: Any, upper: bool) -> Any:
    n = t.shape[-1]
    lead = np.broadcast_shapes(t.shape[:-2], b.shape[:-2])
    x = np.array(np.broadcast_to(b, lead + b.shape[-2:]))
    for i in range(n - 1, -1, -1) if upper else range(n):
        x[..., i, :] = x[..., i, :] / t[..., i, i, None]
        rest = slice(0, i) if upper else slice(i + 1, n)
        x[..., rest, :] -= t[..., rest, i, None] * x[..., i, None, :]
    return x


def _triangular_rule(g: Any, a: Any, out: Any, b_shape: Any, needs: Any, upper: bool, unit: bool) -> tuple[Any, Any]:
    g_b = triangular(mH(a), g, upper=not upper, unit=unit)
    g_a = None
    if needs[0]:
        full = sum_to(-matmul_op(g_b, mH(out)), shape=tuple(a.shape))
        g_a = triu_op(full, diagonal=int(unit)) if upper else tril_op(full, diagonal=-int(unit))
    return g_a, sum_to(g_b, shape=tuple(b_shape))


# The solution for a triangular matrix; what is on its other side is not looked at.
triangular: Op = Op(
    "linalg_solve_triangular", _triangular, kind="general", args="a b", vjp=_triangular_rule, batch=_lifted,
    node="LinalgSolveTriangularBackward0",
)  # fmt: skip


# -- determinants --------------------------------------------------------------------------------------------------------


def _cofactors(x: Any) -> Any:
    """``det(x) x⁻ᵀ``, by singular values: it exists for singular matrices too."""
    u, s, vh = np.linalg.svd(x)
    n = s.shape[-1]
    turn = np.linalg.det(u) * np.linalg.det(vh)
    others = np.where(np.eye(n, dtype=bool), s.dtype.type(1), s[..., None, :]).prod(-1)
    return np.conj(turn.conj()[..., None, None] * np.matmul(u * others[..., None, :], vh)).astype(x.dtype)


def _cofactor_rule(g: Any, x: Any, out: Any) -> Any:
    g = conj(g)
    inverted = mT(inverse(x))
    total = sum_dims(g * out, dim=(len(x.shape) - 2, len(x.shape) - 1), keepdim=True)
    return conj(total * inverted - matmul_op(matmul_op(out, mT(g)), inverted))


cofactors: Op = Op("cofactors", _cofactors, kind="general", vjp=[_cofactor_rule], batch=same)
determinant = Op(
    "linalg_det", lambda x: np.linalg.det(x).astype(x.dtype), kind="general", batch=same, node="LinalgDetBackward0",
    vjp=[lambda g, x: column(g) * conj(cofactors(x))],
)  # fmt: skip


def _slogdet_rule(g: Any, x: Any, out0: Any) -> tuple[Any]:
    g_sign, g_log = g
    weight = g_log
    if numpy_dtype(out0).kind == "c":
        weight = g_log - 1j * (conj(g_sign) * out0).imag
    return (column(weight) * mH(inverse(x)),)


# The sign of the determinant (a number of modulus 1 for complex matrices), and the logarithm of its modulus.
slogdet_op = Op(
    "linalg_slogdet", lambda x: tuple(np.linalg.slogdet(x)), kind="general", outputs=2, differentiable=(0, 1), vjp=_slogdet_rule,
    batch=same, node="LinalgSlogdetBackward0",
)  # fmt: skip


# -- Cholesky ------------------------------------------------------------------------------------------------------------


def leading_minor(x: Any) -> int:
    """The order of the first leading minor of one matrix that is not positive definite; 0 for a positive definite matrix."""
    for k in range(1, len(x) + 1):
        try:
            np.linalg.cholesky(x[:k, :k])
        except np.linalg.LinAlgError:
            return k
    return 0


def _cholesky(x: Any, *, upper: bool) -> Any:
    if upper:
        x = mH(x)
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        orders = [leading_minor(one) for one in x.reshape(-1, *x.shape[-2:])]
        first = next(i for i, k in enumerate(orders) if k)
        raise fail(
            "linalg.cholesky", x.shape[:-2], first,
            "The factorization could not be completed because the input is not positive-definite (the leading minor of order"
            f" {orders[first]} is not positive-definite).",
        ) from None  # fmt: skip


def _cholesky_rule(g: Any, out: Any) -> Any:
    lower = tril_op(matmul_op(mH(out), g), diagonal=0)
    left = triangular(mH(out), lower + mH(tril_op(lower, diagonal=-1)), upper=True, unit=False)
    return mH(triangular(mH(out), mH(left), upper=True, unit=False)) * 0.5


# The lower triangle L, with L Lᴴ = x; of x one triangle is looked at, the upper one with ``upper``.
cholesky_op = Op(
    "linalg_cholesky", _cholesky, kind="general", vjp=[_cholesky_rule], batch=same, node="LinalgCholeskyExBackward0",
    infer=lambda x, upper: like(x),
)  # fmt: skip
