"""Matrix products, contractions, distances."""

from __future__ import annotations

from typing import Any

from .row import Row, array, cplx, ints, real

INF = float("inf")
SHAPES = {1: (3,), 2: (3, 3), 3: (2, 3, 3), 4: (2, 2, 3, 3)}
MATMUL_OPS = {
    (1, 1): "dot", (1, 2): "row_mm", (2, 1): "mv", (2, 2): "mm",
    **dict.fromkeys([(3, 1), (4, 1), (1, 3), (1, 4)], ("matmul", "unsafe_view")),
}  # fmt: skip


def matmul(a: int, b: int) -> Row:
    return Row(f"matmul {a}d {b}d", lambda T, x, y: T.matmul(x, y), (real(*SHAPES[a]), real(*SHAPES[b])),
        op=MATMUL_OPS.get((a, b), "matmul"))


def linear(name: str, *shape: int, op: Any = "linear") -> Row:
    return Row(f"linear {name}", lambda T, x, w, b: T.nn.functional.linear(x, w, b), (real(*shape, 3), real(2, 3), real(2)), op=op)


def bare(name: str, *shape: int, op: Any = "linear_mm") -> Row:
    return Row(f"linear without bias {name}", lambda T, x, w: T.nn.functional.linear(x, w), (real(*shape, 3), real(2, 3)), op=op)


def einsum(equation: str, *shapes: tuple[int, ...]) -> Row:
    return Row(f"einsum {equation}", lambda T, *x: T.einsum(equation, *x), tuple(real(*s) for s in shapes))


def cdist(p: float) -> Row:
    # PyTorch has no second derivative of cdist.
    return Row(f"cdist {p}", lambda T, x, y: T.cdist(x, y, p), (real(3, 4), real(2, 4)), op="cdist", second=False)


ROWS = [
    *[matmul(a, b) for a in SHAPES for b in SHAPES],
    Row("matmul broadcast", lambda T, x, y: x @ y, (real(2, 1, 2, 3), real(4, 3, 2))),
    Row("matmul complex", lambda T, x, y: x @ y, (cplx(2, 2, 3), cplx(2, 3, 2))),
    Row("matmul int", lambda T, x, y: x @ y, (ints(2, 3), ints(3, 2)), op="mm", differentiable=False),
    Row("matmul transposed", lambda T, x, y: x.mT @ y.mT, (real(3, 2), real(4, 3)), op="mm"),
    Row("mm", lambda T, x, y: T.mm(x, y), (real(2, 3), real(3, 4)),
        special=((array([[float("nan"), 1.0]]), array([[INF], [0.0]])), (array([[], []]), real(0, 2)))),
    Row("mm complex", lambda T, x, y: T.mm(x, y), (cplx(2, 3), cplx(3, 2))),
    Row("bmm", lambda T, x, y: T.bmm(x, y), (real(2, 2, 3), real(2, 3, 2))),
    Row("bmm complex", lambda T, x, y: T.bmm(x, y), (cplx(2, 2, 3), cplx(2, 3, 2))),
    Row("mv", lambda T, x, y: T.mv(x, y), (real(2, 3), real(3))),
    Row("mv complex", lambda T, x, y: T.mv(x, y), (cplx(2, 3), cplx(3))),
    Row("dot", lambda T, x, y: T.dot(x, y), (real(4), real(4)), special=((real(0), real(0)),)),
    Row("dot complex", lambda T, x, y: T.dot(x, y), (cplx(4), cplx(4))),
    Row("vdot", lambda T, x, y: T.vdot(x, y), (real(4), real(4))),
    Row("vdot complex", lambda T, x, y: T.vdot(x, y), (cplx(4), cplx(4))),
    Row("inner", lambda T, x, y: T.inner(x, y), (real(2, 3), real(4, 3))),
    Row("inner 0d", lambda T, x, y: T.inner(x, y), (real(), real(3)), op="mul"),
    Row("outer", lambda T, x, y: T.outer(x, y), (real(2), real(3))),
    Row("ger", lambda T, x, y: T.ger(x, y), (real(2), real(3))),
    linear("1d", op="linear_view"),
    linear("2d", 4),
    linear("3d", 2, 4, op="linear_view"),
    bare("1d", op="linear_row"),
    bare("2d", 4),
    bare("3d", 2, 4, op="linear_stack"),
    Row("linear broadcast bias", lambda T, x, w, b: T.nn.functional.linear(x, w, b), (real(4, 3), real(2, 3), real(4, 1)), op="linear_mm"),
    Row("linear column_sums", lambda T, x, w, b: T.nn.functional.linear(x, w, b).sin(), (real(700, 1), real(2, 1), real(2)),
        op="column_sums", second=False, vmap=False),
    Row("addmm", lambda T, x, a, b: T.addmm(x, a, b, beta=0.5, alpha=2), (real(2, 4), real(2, 3), real(3, 4))),
    Row("addmm broadcast", lambda T, x, a, b: x.addmm(a, b), (real(4), real(2, 3), real(3, 4)), op="addmm"),
    Row("addmm beta 0", lambda T, x, a, b: T.addmm(x, a, b, beta=0), (array([[float("nan")]], grad=False), real(2, 3), real(3, 4)),
        op="addmm"),
    Row("addmv", lambda T, x, a, b: T.addmv(x, a, b, beta=0.5, alpha=2), (real(2), real(2, 3), real(3))),
    Row("addmv 0d", lambda T, x, a, b: T.addmv(x, a, b), (real(), real(2, 3), real(3)), op="addmv"),
    Row("addr", lambda T, x, a, b: T.addr(x, a, b, beta=0.5, alpha=2), (real(3), real(2), real(3))),
    Row("addr bool", lambda T, x, a, b: T.addr(x > 0, a > 0, b > 0), (real(3), real(2), real(3)), op="logical_and", differentiable=False),
    Row("addbmm", lambda T, x, a, b: T.addbmm(x, a, b, beta=0.5, alpha=2), (real(2, 4), real(3, 2, 3), real(3, 3, 4))),
    Row("baddbmm", lambda T, x, a, b: T.baddbmm(x, a, b, beta=0.5, alpha=2), (real(4), real(3, 2, 3), real(3, 3, 4))),
    Row("tensordot", lambda T, x, y: T.tensordot(x, y), (real(2, 3, 2), real(3, 2, 4))),
    Row("tensordot dims", lambda T, x, y: T.tensordot(x, y, dims=([0, 2], [1, 0])), (real(2, 3, 4), real(4, 2, 3))),
    Row("tensordot none", lambda T, x, y: T.tensordot(x, y, dims=0), (real(2, 3), real(2))),
    Row("kron", lambda T, x, y: T.kron(x, y), (real(2, 3), real(2, 2))),
    Row("kron ranks", lambda T, x, y: T.kron(x, y), (real(2), real(2, 2))),
    Row("cross", lambda T, x, y: T.cross(x, y, dim=1), (real(2, 3), real(2, 3)), op="linalg_cross"),
    Row("cross complex", lambda T, x, y: T.linalg.cross(x, y), (cplx(2, 3), cplx(1, 3)), op="linalg_cross"),
    Row("multi_dot", lambda T, *x: T.linalg.multi_dot(x), (real(3), real(3, 4), real(4, 2), real(2))),
    Row("multi_dot matrices", lambda T, *x: T.linalg.multi_dot(x), (real(5, 2), real(2, 4), real(4, 3)), op="mm"),
    Row("bilinear", lambda T, x, y, w, b: T.nn.functional.bilinear(x, y, w, b), (real(2, 3), real(2, 2), real(4, 3, 2), real(4))),
    einsum("ij,jk->ik", (2, 3), (3, 4)),
    einsum("ij,jk", (2, 3), (3, 4)),
    einsum("ii->i", (3, 3)),
    einsum("ii", (3, 3)),
    einsum("iij->j", (2, 2, 3)),
    einsum("iijj->ij", (2, 2, 3, 3)),
    einsum("ij->ji", (2, 3)),
    einsum("ij->", (2, 3)),
    einsum("i,j->ij", (2,), (3,)),
    einsum("i,i->", (3,), (3,)),
    einsum("ij,ij->i", (2, 3), (1, 3)),
    einsum("ij,ij->ij", (2, 3), (1, 3)),
    einsum("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    einsum("bhid,bhjd->bhij", (2, 2, 3, 2), (2, 2, 1, 2)),
    einsum("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    einsum("...i,...i", (2, 3), (2, 3)),
    einsum("i...->i", (2, 2, 2)),
    einsum("zB,Bc", (2, 3), (3, 2)),
    einsum("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    einsum("ijk,ilm,njm,nlk,abc->", (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2)),
    Row("einsum lists", lambda T, x, y: T.einsum(x, [0, ..., 1], y, [1, 2], [..., 2, 0]), (real(2, 2, 3), real(3, 2))),
    Row("einsum complex", lambda T, x, y: T.einsum("ij,jk->ki", x, y), (cplx(2, 3), cplx(3, 2))),
    cdist(0), cdist(1), cdist(1.5), cdist(2), cdist(3), cdist(INF),
    Row("cdist equal rows", lambda T, x, y: T.cdist(x, y), (real(2, 3), real(2, 3)), op="cdist", second=False,
        special=((array([[1.0, 2.0]]), array([[1.0, 2.0], [4.0, 6.0]])),)),
    Row("cdist by product", lambda T, x, y: T.cdist(x, y, compute_mode="use_mm_for_euclid_dist"), (real(3, 4), real(2, 4)),
        op="euclidean_dist", second=False, rtol=1e-4),
    Row("pdist", lambda T, x: T.nn.functional.pdist(x), (real(4, 3),), second=False),
    Row("pairwise_distance", lambda T, x, y: T.nn.functional.pairwise_distance(x, y), (real(2, 3), real(2, 3))),
    Row("pairwise_distance 3", lambda T, x, y: T.nn.functional.pairwise_distance(x, y, 3, keepdim=True), (real(2, 3), real(3))),
    Row("cosine_similarity", lambda T, x, y: T.cosine_similarity(x, y), (real(2, 3), real(2, 3))),
    Row("cosine_similarity dim", lambda T, x, y: T.cosine_similarity(x, y, dim=0), (real(2, 3), real(2, 1))),
]  # fmt: skip
