"""Norms of vectors and matrices, distances, singular values."""

from __future__ import annotations

from .row import Row, array, cplx, positive, real

INF = float("inf")
ZERO = (array([0.0, 0.0, 0.0]),)
WITH_ZERO = (array([1.0, 0.0, -2.0, 2.0]),)

ROWS = [
    Row("norm", lambda T, x: T.norm(x), (real(2, 3),), op="linalg_vector_norm", special=(ZERO, (array(-1.5),), (array([]),))),
    Row("norm fro dims", lambda T, x: x.norm(dim=(0, 2), keepdim=True), (real(2, 3, 2),), op="linalg_vector_norm"),
    Row("norm p", lambda T, x: x.norm(3, 1), (real(2, 3),), op="linalg_vector_norm",
        special=((array([[1.0, 0.0, -2.0], [0.0, 0.0, 0.0]]),),)),
    Row("norm 1", lambda T, x: x.norm(1), (real(2, 3),), op="linalg_vector_norm", special=(ZERO, WITH_ZERO)),
    Row("norm 0", lambda T, x: x.norm(0), (real(4),), op="linalg_vector_norm", differentiable=False, special=(WITH_ZERO,)),
    Row("norm half", lambda T, x: x.norm(0.5), (positive(4),), op="linalg_vector_norm", special=(ZERO, WITH_ZERO)),
    Row("norm 1.5", lambda T, x: x.norm(1.5), (real(4),), op="linalg_vector_norm", special=(ZERO, WITH_ZERO)),
    Row("norm infinite", lambda T, x: x.norm(INF), (real(5),), op="linalg_vector_norm", special=(ZERO, WITH_ZERO)),
    Row("norm least", lambda T, x: x.norm(-INF, 0), (real(5, 2),), op="linalg_vector_norm", special=(ZERO, WITH_ZERO)),
    Row("vector_norm complex", lambda T, x: T.linalg.vector_norm(x, 2, 1), (cplx(2, 3),), op="linalg_vector_norm"),
    Row("vector_norm complex p", lambda T, x: T.linalg.vector_norm(x, 3), (cplx(4),), op="linalg_vector_norm"),
    Row("vector_norm dtype", lambda T, x: T.linalg.vector_norm(x, dtype=T.float64), (real(4),), op="linalg_vector_norm", second=False),
    Row("linalg.norm", lambda T, x: T.linalg.norm(x), (real(2, 3),), op="linalg_vector_norm"),
    Row("linalg.norm rows", lambda T, x: T.linalg.norm(x, INF), (real(3, 3),), op="linalg_vector_norm"),
    Row("matrix_norm", lambda T, x: T.linalg.matrix_norm(x), (real(2, 3, 4),), op="linalg_vector_norm"),
    Row("matrix_norm 1", lambda T, x: T.linalg.matrix_norm(x, 1, (0, 2), True), (real(3, 2, 3),), op="linalg_vector_norm"),
    Row("matrix_norm least", lambda T, x: T.linalg.matrix_norm(x, -1), (real(3, 3),), op="linalg_vector_norm"),
    Row("matrix_norm nuclear", lambda T, x: T.linalg.matrix_norm(x, "nuc"), (real(3, 4),),
        op=("linalg_svdvals", "linalg_svd", "identity_like")),
    Row("matrix_norm spectral", lambda T, x: (T.linalg.matrix_norm(x, 2), T.linalg.matrix_norm(x, -2)), (real(4, 3),),
        op=("linalg_svdvals", "linalg_svd", "identity_like")),
    Row("svdvals", lambda T, x: T.linalg.svdvals(x), (real(2, 3, 2),), op=("linalg_svdvals", "linalg_svd", "identity_like")),
    Row("svdvals complex", lambda T, x: T.linalg.svdvals(x), (cplx(3, 2),), op=("linalg_svdvals", "linalg_svd")),
    Row("dist", lambda T, x, y: T.dist(x, y), (real(2, 3), real(3)), op="dist"),
    Row("dist p", lambda T, x, y: T.dist(x, y, 3), (real(4), real(4)), op="dist"),
    Row("dist equal", lambda T, x, y: T.dist(x, y), (real(3), real(3)), op="dist", special=((array([1.0, 2.0]), array([1.0, 2.0])),)),
]  # fmt: skip
