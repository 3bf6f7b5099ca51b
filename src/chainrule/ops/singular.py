"""Singular values and vectors.

The rule is that of J. Townsend, "Differentiating the singular value decomposition" (2016), extended to complex matrices:
there the vectors are determined only up to a common phase, and the cotangent of the phase is taken out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import same
from ..core.op import Op
from ..core.outputs import write_out
from .compare import where
from .products import matmul_op, mH
from .reducing import checked, kind_of
from .structure import expand_to, view


def _svd(x: Any) -> tuple[Any, Any, Any]:
    try:
        u, s, vh = np.linalg.svd(x, full_matrices=False)
    except np.linalg.LinAlgError:
        raise not_converged() from None
    return u, s, vh


def _svdvals(x: Any) -> Any:
    try:
        return np.linalg.svd(x, compute_uv=False)
    except np.linalg.LinAlgError:
        raise not_converged() from None


def not_converged() -> RuntimeError:
    return RuntimeError(
        "linalg.svd: The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated singular values."
    )


def _column(s: Any) -> Any:
    return view(s, shape=(*s.shape, 1))


def _row(s: Any) -> Any:
    return view(s, shape=(*s.shape[:-1], 1, s.shape[-1]))


def _within(g: Any, vectors: Any, gaps: Any) -> Any:
    """The rotation among the singular vectors themselves."""
    m = matmul_op(mH(vectors), g)
    return (m - mH(m)) / gaps


def svd_rule(g: Any, x_shape: Any, out0: Any, out1: Any, out2: Any) -> Any:
    u, s, v = out0, out1, mH(out2)
    g_u, g_s, g_v = g[0], g[1], mH(g[2])
    rows, columns = x_shape[-2:]
    k = s.shape[-1]
    diagonal = identity(s, k=k)
    gaps = where(diagonal == 1, 1.0, (_row(s) - _column(s)) * (_row(s) + _column(s)))
    core = _within(g_u, u, gaps) * _row(s) + _column(s) * _within(g_v, v, gaps)
    core = where(diagonal == 1, 0.0, core) + _column(g_s) * diagonal
    if kind_of(u).is_complex:
        turn = matmul_op(mH(u), g_u)
        core = core + diagonal * (turn - mH(turn)) * 0.5 / _column(s)
    r = matmul_op(matmul_op(u, core), mH(v))
    if rows > k:
        r = r + matmul_op((g_u - matmul_op(u, matmul_op(mH(u), g_u))) / _row(s), mH(v))
    if columns > k:
        r = r + matmul_op(u / _row(s), mH(g_v - matmul_op(v, matmul_op(mH(v), g_v))))
    return (r,)


# The identity of size k in the dtype of s: an array, or a tensor where s is one; it fits any batch of s.
identity = Op(
    "identity_like", lambda s, *, k: np.eye(k, dtype=s.dtype), kind="general", args="s",
    batch=lambda op, args, mask, kw: expand_to(
        view(op(args[0], **kw), shape=(1,) * (args[0].ndim - 1) + (kw["k"], kw["k"])), shape=(*args[0].shape[:-1], kw["k"], kw["k"])),
)  # fmt: skip


svd_op = Op(
    "linalg_svd", _svd, kind="general", outputs=3, differentiable=(0, 1, 2), vjp=svd_rule, batch=same, node="LinalgSvdBackward0"
)


def _values_rule(g: Any, x: Any) -> Any:
    u, _, vh = svd_op(x)
    return matmul_op(u * _row(g), vh)


svdvals_op = Op("linalg_svdvals", _svdvals, kind="general", vjp=[_values_rule], batch=same, node="LinalgSvdBackward0")

def svdvals(A: Any, *, driver: str | None = None, out: Any = None) -> Any:
    """The singular values of the matrices in the last two dimensions, in falling order.

    >>> import chainrule as torch
    >>> torch.linalg.svdvals(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    v = checked("linalg_svdvals", A)
    if v.ndim < 2:
        raise RuntimeError("linalg.svd: The input tensor A must have at least 2 dimensions.")
    kind = A.dtype
    if kind.category < 2:
        raise RuntimeError(f"linalg.svd: Expected a floating point or complex tensor as input. Got {kind.scalar_name}")
    if kind.itemsize <= 2:
        raise NotImplementedError(f"\"linalg_svd_cpu\" not implemented for '{kind.scalar_name}'")
    r = svdvals_op(A)
    return r if out is None else write_out(out, r)
