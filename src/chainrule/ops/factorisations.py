"""Factorisations of matrices: QR, and eigenvalues and -vectors.

Rules: S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions …" (2010) for QR;
M. Giles, "Collected matrix derivative results …" (2008) for eigenvalues.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import same
from ..core.op import Op
from .linear_systems import LinAlgError, identity_of, solution, triangular
from .products import conj, matmul_op, mH
from .singular import not_converged, svd_rule
from .slicing import cat_op
from .structure import sum_dims, view
from .triangle import tril_op, triu_op


def _row(x: Any) -> Any:
    return view(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def _column(x: Any) -> Any:
    return view(x, shape=(*x.shape, 1))


# -- QR ------------------------------------------------------------------------------------------------------------------


def _tall_rule(g_q: Any, g_r: Any, q: Any, r: Any) -> Any:
    """(gQ + Q M) R⁻ᴴ, where M is the Hermitian matrix whose upper triangle is that of R gRᴴ - gQᴴ Q, conjugated."""
    inner = triu_op(matmul_op(g_r, mH(r)) - matmul_op(mH(q), g_q), diagonal=0)
    inner = inner - inner * identity_of(inner) * 0.5
    full = g_q + matmul_op(q, inner + mH(inner))
    return mH(triangular(r, mH(full), upper=True, unit=False))


def _qr_rule(g: Any, out0: Any, out1: Any) -> tuple[Any]:
    q, r = out0, out1
    g_q, g_r = g
    m, n = q.shape[-2], r.shape[-1]
    if m >= n:
        return (_tall_rule(g_q, g_r, q, r),)
    # Wide: R = (U, V), where the first m columns are Q U and the others Q V.
    g_u, g_v = g_r[..., :m], g_r[..., m:]
    first = _tall_rule(g_q + matmul_op(matmul_op(q, r[..., m:]), mH(g_v)), g_u, q, r[..., :m])
    return (cat_op(first, matmul_op(q, g_v), dim=len(r.shape) - 1),)


qr_op = Op(
    "linalg_qr", lambda x: tuple(np.linalg.qr(x)), kind="general", outputs=2, differentiable=(0, 1), vjp=_qr_rule, batch=same,
    node="LinalgQrBackward0",
)  # fmt: skip
complete_qr = Op("linalg_qr_complete", lambda x: tuple(np.linalg.qr(x, mode="complete")), kind="general", outputs=2, batch=same)


# -- Hermitian matrices --------------------------------------------------------------------------------------------------


def _not_converged(function: str) -> LinAlgError:
    return LinAlgError(
        f"{function}: The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues."
    )


def _eigh(x: Any, *, lower: bool) -> tuple[Any, Any]:
    try:
        values, vectors = np.linalg.eigh(x, "L" if lower else "U")
    except np.linalg.LinAlgError:
        raise _not_converged("linalg.eigh") from None
    return values, vectors


def _gaps(values: Any) -> Any:
    """value_j - value_i, and 1 on the diagonal."""
    apart = _row(values) - _column(values)
    return apart + identity_of(apart)


def _eigh_rule(g: Any, out0: Any, out1: Any) -> tuple[Any]:
    values, vectors = out0, out1
    g_values, g_vectors = g
    inner = matmul_op(mH(vectors), g_vectors) / _gaps(values)
    one = identity_of(inner)
    inner = inner - inner * one + _column(g_values) * one
    return (matmul_op(matmul_op(vectors, inner), mH(vectors)),)


eigh_op = Op(
    "linalg_eigh", _eigh, kind="general", outputs=2, differentiable=(0, 1), vjp=_eigh_rule, batch=same, node="LinalgEighBackward0"
)


# -- any square matrix ---------------------------------------------------------------------------------------------------


def _eig(x: Any) -> tuple[Any, Any]:
    if not np.isfinite(x).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    try:
        values, vectors = np.linalg.eig(x)
    except np.linalg.LinAlgError:
        raise _not_converged("linalg.eig") from None
    kind = np.result_type(x.dtype, np.complex64)
    return values.astype(kind), vectors.astype(kind)


def _eig_rule(g: Any, x_dtype: Any, out0: Any, out1: Any) -> tuple[Any]:
    """The vectors have norm 1, which takes a part of their cotangent away."""
    values, vectors = out0, out1
    g_values, g_vectors = g
    along = matmul_op(mH(vectors), g_vectors)
    one = identity_of(along)
    along = along - matmul_op(mH(vectors), vectors) * _row(sum_dims(along * one, dim=(len(along.shape) - 1,), keepdim=False).real)
    inner = along / conj(_gaps(values))
    inner = inner - inner * one + _column(g_values) * one
    r = solution(mH(vectors), matmul_op(inner, mH(vectors)))
    return (r if x_dtype.kind == "c" else r.real,)


eig_op = Op("linalg_eig", _eig, kind="general", outputs=2, differentiable=(0, 1), vjp=_eig_rule, batch=same, node="LinalgEigBackward0")


# -- singular values with all vectors ------------------------------------------------------------------------------------


def _full_svd_rule(g: Any, x_shape: Any, out0: Any, out1: Any, out2: Any) -> tuple[Any]:
    k = out1.shape[-1]
    parts = (g[0][..., :k], g[1], g[2][..., :k, :])
    return svd_rule(parts, x_shape, out0[..., :k], out1, out2[..., :k, :])  # type: ignore[no-any-return]


def _full_svd(x: Any) -> tuple[Any, ...]:
    try:
        return tuple(np.linalg.svd(x, full_matrices=True))
    except np.linalg.LinAlgError:
        raise not_converged() from None


full_svd_op = Op(
    "linalg_svd_full", _full_svd, kind="general", outputs=3, differentiable=(0, 1, 2), vjp=_full_svd_rule, batch=same,
    node="LinalgSvdBackward0",
)  # fmt: skip


# -- pseudo-inverse and exponential --------------------------------------------------------------------------------------


def _pinv(x: Any, *, atol: float, rtol: float, hermitian: bool) -> Any:
    if hermitian:
        x = np.tril(x) + mH(np.tril(x, -1))
    u, s, vh = np.linalg.svd(x, full_matrices=False) if x.size else (x[..., :0], np.zeros((*x.shape[:-2], 0), x.real.dtype), x[..., :0, :])
    largest = s.max(-1, keepdims=True, initial=0)
    keep = s > np.maximum(atol, rtol * largest)
    scaled = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)
    return np.matmul(mH(vh) * scaled[..., None, :], mH(u)).astype(x.dtype)


def _pinv_rule(g: Any, x: Any, out: Any, hermitian: bool) -> Any:
    """G. Golub and V. Pereyra, "The differentiation of pseudo-inverses …" (1973): for matrices of constant rank."""
    if hermitian:
        x = tril_op(x, diagonal=0) + mH(tril_op(x, diagonal=-1))
    p, q, t = out, mH(out), mH(g)
    left, right = matmul_op(x, p), matmul_op(p, x)
    r = -matmul_op(matmul_op(q, g), q)
    outer = matmul_op(matmul_op(t, p), q)
    r = r + outer - matmul_op(left, outer)
    outer = matmul_op(matmul_op(q, p), t)
    return r + outer - matmul_op(outer, right)


pinv_op = Op("linalg_pinv", _pinv, kind="general", vjp=[_pinv_rule], batch=same)

# N. Higham, "The scaling and squaring method for the matrix exponential revisited" (2005).
_PADE = tuple(
    float(c) for c in (
        64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800,
        33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
    )
)  # fmt: skip


def _exp_of(a: Any) -> Any:
    if not a.size:
        return a.copy()
    wide = a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)
    size = np.abs(wide).sum(-2).max(-1)
    if not np.isfinite(size).all():
        return np.full(a.shape, np.nan, a.dtype)
    times = np.maximum(0, np.ceil(np.log2(np.maximum(size, 1e-300) / 5.4))).astype(int)
    x = wide / (2.0**times)[..., None, None]
    b, one = _PADE, np.eye(a.shape[-1])
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x2 @ x4
    u = x @ (x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2) + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * one)
    v = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2) + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * one
    r = np.linalg.solve(v - u, v + u)
    for k in range(int(times.max(initial=0))):
        r = np.where((times > k)[..., None, None], r @ r, r)
    return r.astype(a.dtype)


def _along(a: Any, t: Any) -> Any:
    """The derivative of the exponential at ``a`` along ``t``: the corner of the exponential of (a, t; 0, a)."""
    n = a.shape[-1]
    last = len(a.shape) - 1
    top, bottom = cat_op(a, t, dim=last), cat_op(a * 0, a, dim=last)
    return matrix_exp_op(cat_op(top, bottom, dim=last - 1))[..., :n, n:]


matrix_exp_op: Op = Op(
    "linalg_matrix_exp", _exp_of, kind="general", vjp=[lambda g, x: _along(mH(x), g)],
    jvp=lambda tangents, out, args, kw: _along(args[0], tangents[0]), batch=same, node="LinalgMatrixExpBackward0",
)  # fmt: skip
