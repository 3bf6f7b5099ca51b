"""Matrix products in all rank combinations, and the linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.dtype import bool_, dtype
from ..core.naming import argument_error
from ..core.op import Op
from ..core.outputs import write_out
from ..core.size import broadcast_pair, expand_shape, text
from ..core.tensor import Tensor
from . import declare
from .products import bmm as bmm_op
from .products import column_sums, column_times_row, conj, matmul_op, mT, row_mm, wide
from .products import dot as dot_op
from .products import mm as mm_op
from .products import mv as mv_op
from .quick import recorder
from .structure import expand_to, view

_record_mm = recorder(mm_op)
_record_mv = recorder(mv_op)


# Checks


def check_tensors(function: str, names: Sequence[str], values: Sequence[Any]) -> None:
    """TypeError for the first of ``values`` that is not a tensor."""
    for position, (name, value) in enumerate(zip(names, values), 1):
        if not isinstance(value, Tensor):
            raise argument_error(function, name, "Tensor", value, position)


def check_mm(x: Tensor, y: Tensor, first: str = "self", second: str = "mat2") -> None:
    """RuntimeError unless two matrices can be multiplied."""
    if x.ndim != 2:
        raise RuntimeError(f"{first} must be a matrix")
    if y.ndim != 2:
        raise RuntimeError(f"{second} must be a matrix")
    _check_inner(tuple(x.shape), tuple(y.shape))
    if x.dtype is not y.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {x.dtype.cpp_name} != {y.dtype.cpp_name}")
    refuse_bool(x.dtype, "addmm_impl_cpu_")


def _check_inner(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    if a[-1] != b[-2]:
        raise RuntimeError(mm_text(a, b))


def mm_text(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    """PyTorch's words for matrices that cannot be multiplied."""
    return f"mat1 and mat2 shapes cannot be multiplied ({prod(a[:-1])}x{a[-1]} and {b[-2]}x{b[-1]})"


def refuse_bool(kind: dtype, kernel: str) -> None:
    """NotImplementedError for bool, in PyTorch's words."""
    if kind is bool_:
        raise NotImplementedError(f'"{kernel}" not implemented for \'Bool\'')


def check_mv(x: Tensor, y: Tensor, given: Tensor | None = None) -> None:
    """RuntimeError unless the matrix ``x`` can multiply the vector ``y`` (and ``given`` be added)."""
    first = y if given is None else given
    if x.ndim != 2 or y.ndim != 1 or first.ndim > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {max(first.ndim, 1) if given is not None else 1}, {x.ndim}, {y.ndim}")
    n, m = x.shape
    if m != y.shape[0] or (given is not None and given.ndim and given.shape[0] not in (1, n)):
        size = n if given is None else (given.shape[0] if given.ndim else 1)
        raise RuntimeError(f"size mismatch, got input ({size}), mat ({n}x{m}), vec ({y.shape[0]})")
    if x.dtype is not y.dtype or first.dtype is not x.dtype:
        names = f"{first.dtype.scalar_name}, {x.dtype.scalar_name}, and {y.dtype.scalar_name}"
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {names}")
    refuse_bool(x.dtype, "addmv_impl_cpu")


def check_dot(x: Tensor, y: Tensor, kernel: str = "dot") -> None:
    """RuntimeError unless two vectors have a scalar product."""
    if x.ndim != 1 or y.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {x.ndim}D and {y.ndim}D tensors")
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {x.dtype.scalar_name} and {y.dtype.scalar_name}"
        )
    n, m = x.shape[0], y.shape[0]
    if n != m:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same number of elements, but got {n}"
            f" and {m} elements respectively"
        )
    refuse_bool(x.dtype, kernel)


def check_bmm(x: Tensor, y: Tensor) -> None:
    """RuntimeError unless two stacks of matrices can be multiplied."""
    for name, t in (("batch1", x), ("batch2", y)):
        if t.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    want, got = [x.shape[0], x.shape[2]], [y.shape[0], y.shape[1]]
    if want != got:
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: {want} but got: {got}.")
    same_scalar_type(x, y)
    refuse_bool(x.dtype, "bmm")


def same_scalar_type(x: Tensor, y: Tensor) -> None:
    """RuntimeError unless both have one dtype."""
    if x.dtype is not y.dtype:
        raise RuntimeError(f"expected scalar type {x.dtype.scalar_name} but found {y.dtype.scalar_name}")


def done(result: Any, out: Any) -> Tensor:
    """``result``, or ``out`` with it written in."""
    given: Tensor = result if out is None else write_out(out, result)
    return given


# Products


@declare.method
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product of ``input`` and ``other``; leading dimensions are stacks and broadcast.

    Vectors count as a row on the left, as a column on the right.  Raises RuntimeError where shapes do not fit, the
    dtypes differ or an operand has no dimension.

    >>> import chainrule as torch
    >>> torch.matmul(torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    if isinstance(input, Tensor) and isinstance(other, Tensor) and out is None:
        x = input._value
        y = other._value
        d = x.dtype
        if d is y.dtype and d in FLOATS and x.ndim == 2:
            n = y.ndim
            if n == 2 and x.shape[1] == y.shape[0]:
                return _record_mm(x.dot(y), (x, y), (input, other))
            if n == 1 and x.shape[1] == y.shape[0]:
                return _record_mv(x.dot(y), (x, y), (input, other))
    check_tensors("matmul", ("input", "other"), (input, other))
    return done(_general(input, other), out)


def _general(x: Tensor, y: Tensor) -> Any:
    a, b = x.ndim, y.ndim
    if a == 0 or b == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    if a == 1 and b == 1:
        check_dot(x, y)
        return dot_op(x, y)
    if a == 2 and b == 1:
        check_mv(x, y)
        return mv_op(x, y)
    if a == 1 and b == 2:
        _check_inner((1, x.shape[0]), tuple(y.shape))
        if x.dtype is not y.dtype:
            raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {x.dtype.cpp_name} != {y.dtype.cpp_name}")
        refuse_bool(x.dtype, "addmm_impl_cpu_")
        return row_mm(x, y)
    if a == 2 and b == 2:
        check_mm(x, y)
        return mm_op(x, y)
    return _stacks(x, y)


def _stacks(x: Tensor, y: Tensor) -> Any:
    """One operand has three dimensions or more."""
    a, b = x.ndim, y.ndim
    if b == 1:
        if x.shape[-1] != y.shape[0]:
            rows = prod(x.shape[:-1])
            raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{x.shape[-1]}), vec ({y.shape[0]})")
        product = _stacks_of(x, view(y, shape=(y.shape[0], 1)), "addmv_impl_cpu")
        return _named_view(product, tuple(x.shape[:-1]))
    if a == 1:
        product = _stacks_of(view(x, shape=(1, x.shape[0])), y, "bmm")
        return _named_view(product, (*y.shape[:-2], y.shape[-1]))
    return _stacks_of(x, y, "bmm")


def _stacks_of(x: Tensor, y: Tensor, kernel: str) -> Any:
    xs, ys = tuple(x.shape), tuple(y.shape)
    if y.ndim == 2 and kernel == "bmm":
        _check_inner(xs, ys)
        if x.dtype is not y.dtype:
            raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {x.dtype.cpp_name} != {y.dtype.cpp_name}")
        kernel = "addmm_impl_cpu_"
    lead = broadcast_pair(xs[:-2], ys[:-2])
    if xs[-1] != ys[-2]:
        n = prod(lead)
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: [{n}, {xs[-1]}] but got: [{n}, {ys[-2]}].")
    same_scalar_type(x, y)
    refuse_bool(x.dtype, kernel)
    return matmul_op(x, y)


# The product of a stack with a vector ends in a node of PyTorch's name; it is no view that a user could write through.
_unsafe_view = Op(
    "unsafe_view", lambda x, *, shape: x.reshape(shape), kind="linear",
    vjp=[lambda g, x_shape: view(g, shape=tuple(x_shape))],
    batch=lambda op, args, mask, kw: op(args[0], shape=(args[0].shape[0], *kw["shape"])),
)  # fmt: skip


def _named_view(x: Any, shape: tuple[int, ...]) -> Any:
    return _unsafe_view(x, shape=shape)


def _matmul_operator(self: Tensor, other: Any) -> Any:
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


def _rmatmul_operator(self: Tensor, other: Any) -> Any:
    return matmul(other, self) if isinstance(other, Tensor) else NotImplemented


declare.attach(_matmul_operator, "__matmul__")
declare.attach(_rmatmul_operator, "__rmatmul__")


@declare.method
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices.  Raises RuntimeError for other ranks, shapes that do not fit, different dtypes."""
    check_tensors("mm", ("input", "mat2"), (input, mat2))
    check_mm(input, mat2)
    return done(mm_op(input, mat2), out)


@declare.method
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of two stacks of matrices: (b, n, m) by (b, m, p) gives (b, n, p)."""
    check_tensors("bmm", ("input", "mat2"), (input, mat2))
    check_bmm(input, mat2)
    return done(bmm_op(input, mat2), out)


@declare.method
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of the matrix ``input`` and the vector ``vec``."""
    check_tensors("mv", ("input", "vec"), (input, vec))
    check_mv(input, vec)
    return done(mv_op(input, vec), out)


@declare.method
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The scalar product of two vectors (without conjugation)."""
    check_tensors("dot", ("input", "tensor"), (input, tensor))
    check_dot(input, tensor)
    return done(dot_op(input, tensor), out)


_vdot: Op = Op(
    "vdot", lambda x, y: dot_op.impl(conj(x), y), kind="general", args="x y",
    vjp=[lambda g, y: conj(g) * y, lambda g, x: g * x],
    jvp=lambda tangents, out, args, kw: _bilinear_jvp(_vdot, tangents, args),
    batch=lambda op, args, mask, kw: dot_op.batch_rule(dot_op, (conj(args[0]), args[1]), mask, kw),  # type: ignore[misc]
)  # fmt: skip


def _bilinear_jvp(op: Op, tangents: Sequence[Any], args: Sequence[Any]) -> Any:
    """The tangent of an operation that is real-linear in each of its two arguments."""
    parts = []
    for i, t in enumerate(tangents):
        if t is not None:
            given = list(args)
            given[i] = t
            parts.append(op(*given))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@declare.method
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The scalar product of two vectors, the first one conjugated."""
    check_tensors("vdot", ("input", "other"), (input, other))
    check_dot(input, other, "vdot" if input.dtype.is_complex else "dot")
    return done(_vdot(input, other), out)


@declare.method(aliases=("ger",))
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The outer product of two vectors: ``input[i] * vec2[j]``.  The dtypes are promoted."""
    check_tensors("outer", ("input", "vec2"), (input, vec2))
    for name, t in (("self", input), ("vec2", vec2)):
        if t.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {t.ndim}-D")
    return done(column_times_row(input, vec2), out)


ger = outer


@declare.method
def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sums of products over the last dimensions of both; a 0-d operand just multiplies.

    >>> import chainrule as torch
    >>> torch.inner(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    check_tensors("inner", ("input", "other"), (input, other))
    if input.ndim == 0 or other.ndim == 0:
        return done(input * other, out)
    xs, ys = tuple(input.shape), tuple(other.shape)
    if xs[-1] != ys[-1]:
        raise RuntimeError(f"inner() the last dimension must match on both input tensors but got shapes {text(xs)} and {text(ys)}")
    if input.dtype is not other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    if input.ndim == 1 and other.ndim == 1:
        product = dot_op(input, other)
    else:
        n, m = prod(xs[:-1]), prod(ys[:-1])
        product = mm_op(view(input, shape=(n, xs[-1])), mT(view(other, shape=(m, ys[-1]))))
    return done(view(product, shape=xs[:-1] + ys[:-1]), out)


# The linear layer: x wᵀ + b


def _linear_impl(b: Any, x: Any, w: Any) -> Any:
    if x.dtype not in FLOATS:
        r = np.matmul(wide(x), wide(w).T)
        return (r if b is None else r + b).astype(x.dtype)
    r = x.dot(w.T)
    return r if b is None else r + b


def _rows(x: Any) -> Any:
    shape = x.shape
    return x if len(shape) == 2 else view(x, shape=(prod(shape[:-1]), shape[-1]))


def _linear_w(g: Any, x: Any) -> Any:
    if len(g.shape) == 1:
        return column_times_row(g, conj(x))
    return mm_op(mT(_rows(g)), conj(_rows(x)))


def _linear_x(g: Any, w: Any) -> Any:
    n = len(g.shape)
    w = conj(w)
    return mm_op(g, w) if n == 2 else row_mm(g, w) if n == 1 else matmul_op(g, w)


def _linear_b(g: Any, b_shape: tuple[int, ...]) -> Any:
    return g if len(g.shape) == 1 else column_sums(g)


def _linear_jvp(tangents: Sequence[Any], out: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    tb, tx, tw = tangents
    _, x, w = args
    total = None
    for part in (None if tx is None else linear_raw(None, tx, w), None if tw is None else linear_raw(None, x, tw), tb):
        if part is not None:
            total = part if total is None else total + part
    return expand_to(total, shape=tuple(out.shape))


def _linear_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    b, x, w = args
    if not mask[0] and not mask[2]:
        return linear_raw(b, x, w)
    if mask[2]:
        row = len(x.shape) - mask[1] == 1
        if row:
            x = view(x, shape=(*x.shape[:-1], 1, x.shape[-1]))
        r = matmul_op.batch_rule(matmul_op, (x, mT(w)), mask[1:], {})  # type: ignore[misc]
        if row:
            r = view(r, shape=(r.shape[0], r.shape[2]))
    else:
        r = linear_raw(None, x, w)
        if not mask[1]:
            r = view(r, shape=(1, *r.shape))
    if b is None:
        return r
    if mask[0]:
        b = view(b, shape=(b.shape[0],) + (1,) * (len(r.shape) - 2) + (b.shape[1],))
    return r + b


def _linear_op(name: str, node: str) -> Op:
    return Op(
        name, _linear_impl, kind="general", args="b x w", node=node,
        vjp=[_linear_b, _linear_x, _linear_w], jvp=_linear_jvp, batch=_linear_batch,
    )  # fmt: skip


# One operation under the names that PyTorch's graph shows, by rank and bias.
_LINEAR = {
    (1, False): _linear_op("linear_row", "SqueezeBackward4"),
    (2, False): _linear_op("linear_mm", "MmBackward0"),
    (3, False): _linear_op("linear_stack", "UnsafeViewBackward0"),
    (1, True): _linear_op("linear_view", "ViewBackward0"),
    (2, True): _linear_op("linear", "AddmmBackward0"),
}
_LINEAR[3, True] = _LINEAR[1, True]
_record_linear = recorder(_LINEAR[2, True])
_record_linear_mm = recorder(_LINEAR[2, False])


def linear_raw(b: Any, x: Any, w: Any) -> Any:
    """``x wᵀ + b`` on arrays or tensors of any rank."""
    return _LINEAR[min(len(x.shape), 3), b is not None](b, x, w)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``: input (..., in), weight (out, in) or (in), bias (out).

    Raises RuntimeError where shapes or dtypes differ.

    >>> import chainrule as torch
    >>> torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2), torch.zeros(3))
    tensor([[2., 2., 2.]])
    """
    if isinstance(input, Tensor) and isinstance(weight, Tensor):
        x = input._value
        w = weight._value
        d = x.dtype
        if d is w.dtype and d in FLOATS and x.ndim == 2 and w.ndim == 2 and x.shape[1] == w.shape[1]:
            if bias is None:
                return _record_linear_mm(x.dot(w.T), (None, x, w), (None, input, weight))
            if isinstance(bias, Tensor):
                b = bias._value
                if b.dtype is d and b.shape == w.shape[:1]:
                    r = x.dot(w.T)
                    r += b
                    return _record_linear(r, (b, x, w), (bias, input, weight))
    check_tensors("linear", ("input", "weight"), (input, weight))
    if bias is not None and not isinstance(bias, Tensor):
        raise argument_error("linear", "bias", "Tensor", bias, 3)
    return _linear_general(input, weight, bias)


def _linear_general(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    if w.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {w.ndim}D")
    if w.ndim < 2 or x.ndim == 0:
        if b is not None:
            raise RuntimeError(f"mat2 must be a matrix, got {w.ndim}-D tensor")
        return matmul(x, w)
    if b is not None:
        for first, second, p, q in (("self", "mat2", b, w), ("mat1", "mat2", x, w)):
            if p.dtype is not q.dtype:
                names = f"{p.dtype.scalar_name} and {q.dtype.scalar_name}"
                raise RuntimeError(f"{first} and {second} must have the same dtype, but got {names}")
    rows, inner_size, out_size = prod(x.shape[:-1]), x.shape[-1], w.shape[0]
    if inner_size != w.shape[1]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{inner_size} and {w.shape[1]}x{out_size})")
    if x.dtype is not w.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {x.dtype.cpp_name} != {w.dtype.cpp_name}")
    refuse_bool(x.dtype, "addmm_impl_cpu_")
    if b is not None and tuple(b.shape) != (out_size,):
        _check_bias(b, (rows, out_size) if x.ndim < 3 else (*x.shape[:-1], out_size))
        return linear_raw(None, x, w) + b  # type: ignore[no-any-return]
    return linear_raw(b, x, w)  # type: ignore[no-any-return]


def _check_bias(b: Tensor, target: tuple[int, ...]) -> None:
    have = tuple(b.shape)
    expand_shape(have, target)


__all__ = ["bmm", "dot", "ger", "inner", "linear", "matmul", "mm", "mv", "outer", "vdot"]
