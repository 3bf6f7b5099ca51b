"""Matrix products added to a tensor: addmm, addmv, addr, addbmm, baddbmm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.batching import batch_size, bring
from ..core.dtype import bool_
from ..core.op import Op
from ..core.size import expand_shape
from ..core.tensor import Tensor
from . import declare
from .matmul import check_bmm, check_mv, check_tensors, done, mm_text, refuse_bool
from .products import bmm, column_times_row, conj, matmul_op, mH, mm, mT, mv, scale
from .structure import expand_to, sum_dims, sum_to, view


def _number(c: Any) -> Any:
    return c.item() if isinstance(c, Tensor) else c


def _added(product: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def run(x: Any, a: Any, b: Any, *, beta: Any, alpha: Any) -> Any:
        r = scale(product(a, b), alpha)
        if beta == 0:  # what is ignored may be NaN
            return r
        r = scale(x, beta) + r
        return r if r.dtype == x.dtype else np.asarray(r, x.dtype)

    return run


def _op(name: str, product: Any, left: Callable[..., Any], right: Callable[..., Any], node: str) -> Op:
    """``beta x + alpha a b``; ``left(g, b)`` and ``right(g, a)`` are the cotangents of the bilinear product."""

    def tangent(tangents: Sequence[Any], out: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
        x, a, b = tangents
        _, p, q = args
        parts = []
        if x is not None:
            parts.append(expand_to(scale(x, kw["beta"]), shape=tuple(out.shape)))
        if a is not None:
            parts.append(scale(product(a, q), kw["alpha"]))
        if b is not None:
            parts.append(scale(product(p, b), kw["alpha"]))
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
        x, a, b = args
        r = product(a, b) if not (mask[1] or mask[2]) else _batched_product(product, (a, b), mask[1:])
        if not (mask[1] or mask[2]):
            r = view(r, shape=(1, *r.shape))
        r = scale(r, kw["alpha"])
        if kw["beta"] == 0:
            return r if mask[1] or mask[2] else expand_to(r, shape=(x.shape[0], *r.shape[1:]))
        if mask[0] and len(x.shape) < len(r.shape):
            x = view(x, shape=(x.shape[0],) + (1,) * (len(r.shape) - len(x.shape)) + tuple(x.shape[1:]))
        return scale(x, kw["beta"]) + r

    return Op(
        name, _added(product), kind="general", args="input mat1 mat2", node=node, jvp=tangent, batch=batch,
        vjp=[
            lambda g, beta, input_shape: sum_to(scale(g, beta.conjugate()), shape=tuple(input_shape)),
            lambda g, mat2, alpha, mat1_shape: left(scale(g, alpha.conjugate()), mat2, mat1_shape),
            lambda g, mat1, alpha, mat2_shape: right(scale(g, alpha.conjugate()), mat1, mat2_shape),
        ],
    )  # fmt: skip


def _batched_product(product: Any, args: Sequence[Any], mask: Sequence[bool]) -> Any:
    """The product of batches, by its own batch rule."""
    if isinstance(product, Op):
        return product.batch_rule(product, args, mask, {})  # type: ignore[misc]
    return product(*bring(args, mask, batch_size(args, mask)), first=1)


def _outer(a: Any, b: Any, first: int = 0) -> Any:
    if not first:
        return column_times_row(a, b)
    return view(a, shape=(*a.shape, 1)) * view(b, shape=(b.shape[0], 1, b.shape[1]))


def _sum_of_products(a: Any, b: Any, first: int = 0) -> Any:
    if first:  # (B, b, n, m) and (B, b, m, p)
        return sum_dims(matmul_op(a, b), dim=(1,), keepdim=False)
    return sum_dims(bmm(a, b), dim=(0,), keepdim=False)


def _over_stack(g: Any, n: int) -> Any:
    return expand_to(view(g, shape=(1, *g.shape)), shape=(n, *g.shape))


_addmm_op = _op("addmm", mm, lambda g, b, s: mm(g, mH(b)), lambda g, a, s: mm(mH(a), g), "AddmmBackward0")
_addmv_op = _op("addmv", mv, lambda g, b, s: column_times_row(g, conj(b)), lambda g, a, s: mv(mH(a), g), "AddmvBackward0")
_addr_op = _op("addr", _outer, lambda g, b, s: mv(g, conj(b)), lambda g, a, s: mv(mT(g), conj(a)), "AddrBackward0")
_baddbmm_op = _op("baddbmm", bmm, lambda g, b, s: bmm(g, mH(b)), lambda g, a, s: bmm(mH(a), g), "BaddbmmBackward0")
_addbmm_op = _op(
    "addbmm", _sum_of_products, lambda g, b, s: bmm(_over_stack(g, s[0]), mH(b)), lambda g, a, s: bmm(mH(a), _over_stack(g, s[0])),
    "AddbmmBackward0",
)  # fmt: skip


def _scalars(x: Tensor, beta: Any, alpha: Any) -> dict[str, Any]:
    beta, alpha = _number(beta), _number(alpha)
    if x.dtype.category < 2:
        beta, alpha = int(beta), int(alpha)
    return {"beta": beta, "alpha": alpha}


@declare.method(inplace=True)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``; ``input`` broadcasts, and is ignored where ``beta`` is 0."""
    check_tensors("addmm", ("input", "mat1", "mat2"), (input, mat1, mat2))
    for name, m in (("mat1", mat1), ("mat2", mat2)):
        if m.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {m.ndim}-D tensor")
    if mat1.shape[1] != mat2.shape[0]:
        raise RuntimeError(mm_text(tuple(mat1.shape), tuple(mat2.shape)))
    for first, second, p, q in (("self", "mat2", input, mat2), ("mat1", "mat2", mat1, mat2)):
        if p.dtype is not q.dtype:
            raise RuntimeError(f"{first} and {second} must have the same dtype, but got {p.dtype.scalar_name} and {q.dtype.scalar_name}")
    expand_shape(tuple(input.shape), (mat1.shape[0], mat2.shape[1]))
    refuse_bool(mat1.dtype, "addmm_impl_cpu_")
    return done(_addmm_op(input, mat1, mat2, **_scalars(input, beta, alpha)), out)


@declare.method(inplace=True)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``; ``input`` broadcasts, and is ignored where ``beta`` is 0."""
    check_tensors("addmv", ("input", "mat", "vec"), (input, mat, vec))
    check_mv(mat, vec, input)
    return done(_addmv_op(input, mat, vec, **_scalars(input, beta, alpha)), out)


@declare.method(inplace=True)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``; ``input`` broadcasts, and is ignored where ``beta`` is 0."""
    check_tensors("addr", ("input", "vec1", "vec2"), (input, vec1, vec2))
    for name, v in (("vec1", vec1), ("vec2", vec2)):
        if v.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {v.ndim}-D")
    expand_shape(tuple(input.shape), (vec1.shape[0], vec2.shape[0]))
    kind = max((t.dtype for t in (input, vec1, vec2)), key=lambda d: (d.category, d.itemsize))
    if kind.category < 2:
        for name, c in (("beta", beta), ("alpha", alpha)):
            if isinstance(c, float):
                raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    if kind is bool_:
        r = (vec1.unsqueeze(1) & vec2) if alpha else (vec1.unsqueeze(1) & ~vec1.unsqueeze(1) & vec2)
        return done((r | input) if beta else r, out)
    parts = [t if t.dtype is kind else t.to(kind) for t in (input, vec1, vec2)]
    return done(_addr_op(*parts, **_scalars(parts[0], beta, alpha)), out)


def _batches(a: Tensor, b: Tensor, input: Tensor, lead: int) -> None:
    if a.ndim > 1 and b.ndim == 3:
        expand_shape(tuple(input.shape), (*a.shape[:lead], a.shape[1], b.shape[2]))
    check_bmm(a, b)
    if input.dtype is not a.dtype:
        names = f"input {input.dtype.cpp_name}, batch1: {a.dtype.cpp_name}, batch2: {b.dtype.cpp_name}"
        raise RuntimeError(f"Input dtypes must be the same, got: {names}")


@declare.method(inplace=True)
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``beta * input + alpha * sum(batch1[i] @ batch2[i])``; ``input`` broadcasts, and is ignored where ``beta`` is 0."""
    check_tensors("addbmm", ("input", "batch1", "batch2"), (input, batch1, batch2))
    _batches(batch1, batch2, input, 0)
    return done(_addbmm_op(input, batch1, batch2, **_scalars(input, beta, alpha)), out)


@declare.method(inplace=True)
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``beta * input + alpha * (batch1 @ batch2)`` of stacks of matrices; ``input`` is ignored where ``beta`` is 0."""
    check_tensors("baddbmm", ("input", "batch1", "batch2"), (input, batch1, batch2))
    _batches(batch1, batch2, input, 1)
    return done(_baddbmm_op(input, batch1, batch2, **_scalars(input, beta, alpha)), out)


__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm"]
