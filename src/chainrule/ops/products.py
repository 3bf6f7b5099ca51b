"""Matrix products on arrays and tensors alike: the primitives that the public functions and the derivative rules use.

``mm``, ``mv``, ``dot``, ``bmm`` are bilinear in their two arguments; ``matmul_op`` is the product of stacks of matrices whose
leading dimensions broadcast.  Half precision is accumulated in float32, as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.op import Op
from ..core.tensor import Tensor
from .structure import expand_to, permute, sum_dims, sum_to, view
from .summation import add_over, ones

BLAS = frozenset({np.dtype(c) for c in ("f4", "f8", "c8", "c16")})
_ndarray = np.ndarray


def conj(x: Any) -> Any:
    """The complex conjugate; ``x`` itself where it is real."""
    if isinstance(x, Tensor):
        return x.conj() if x.dtype.is_complex else x
    return x.conj() if x.dtype.kind == "c" else x


def mT(x: Any) -> Any:
    """The last two dimensions exchanged."""
    if type(x) is _ndarray:
        return x.T if x.ndim == 2 else x.swapaxes(-1, -2)
    n = len(x.shape)
    return permute(x, dims=(*range(n - 2), n - 1, n - 2))


def mH(x: Any) -> Any:
    """The conjugate transpose: what the adjoint of a product multiplies with."""
    return mT(conj(x))


def scale(x: Any, c: Any) -> Any:
    """``x`` times the Python number ``c``, in the dtype of ``x``."""
    if c == 1:
        return x
    r = x * c
    if not isinstance(r, Tensor) and r.dtype != x.dtype:
        r = np.asarray(r, x.dtype)
    return r


def wide(x: Any) -> Any:
    """Half precision as float32."""
    return x.astype(np.float32) if x.dtype.itemsize <= 2 and x.dtype.kind in "fV" else x


_MANY = 1 << 16  # multiplications: from here on two conversions pay


def _doubles(x: Any, y: Any) -> tuple[Any, Any] | None:
    """Integer operands of a large product as float64, if every sum is exact there: BLAS is ten times as quick as NumPy's loop."""
    if x.dtype.kind not in "iu" or x.size * (y.shape[-1] if y.ndim > 1 else 1) < _MANY:
        return None
    a, b = [max(int(v.max()), -int(v.min())) for v in (x, y)]
    return (x.astype(np.float64), y.astype(np.float64)) if a * b * x.shape[-1] < 1 << 53 else None


def _dot(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu" and (pair := _doubles(x, y)) is not None:
        return _dot(*pair).astype(np.int64).astype(x.dtype)
    if x.dtype in BLAS or x.dtype.kind in "iu":
        if x.shape[-1] == 1 and x.ndim == y.ndim == 2:  # nothing to add: BLAS would start from 0, and 0 + -0 is not -0
            return x * y
        return x.dot(y)
    return np.asarray(np.dot(wide(x), wide(y))).astype(x.dtype)


def _matmul(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu" and (pair := _doubles(x, y)) is not None:
        return _matmul(*pair).astype(np.int64).astype(x.dtype)
    if x.dtype in BLAS or x.dtype.kind in "iu":
        if x.shape[-1] == 1 and x.ndim > 1 and y.ndim > 1:
            return np.multiply(x, y, order="C")
        if y.ndim == 2 and x.ndim > 2:  # one large product instead of many small ones
            return x.reshape(-1, x.shape[-1]).dot(y).reshape(*x.shape[:-1], y.shape[-1]) if x.size else np.matmul(x, y)
        return np.ascontiguousarray(np.matmul(x, y))  # the strides of the product may follow those of its operands
    return np.asarray(np.matmul(wide(x), wide(y))).astype(x.dtype, order="C")


def _lifted(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    """The batch axis goes in front of the leading dimensions of the operand that has the most."""
    x, y = args
    ranks = [len(a.shape) - m for a, m in zip(args, mask)]
    rank = max(*ranks, 2)
    x, y = [
        a if not m or r == rank else view(a, shape=(a.shape[0],) + (1,) * (rank - r) + tuple(a.shape[1:]))
        for a, m, r in zip(args, mask, ranks)
    ]
    return matmul_op(x, y)


def _mv_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    x, y = args
    if mask[1]:
        if not mask[0]:
            return mm(y, mT(x))
        n = y.shape[0]
        return view(matmul_op(x, view(y, shape=(n, y.shape[1], 1))), shape=(n, x.shape[1]))
    n, rows, columns = x.shape
    return view(mv(view(x, shape=(n * rows, columns)), y), shape=(n, rows))


def _dot_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    x, y = args
    if mask[0] and mask[1]:
        return sum_dims(x * y, dim=(1,), keepdim=False)
    return mv(x, y) if mask[0] else mv(y, x)


def _left(g: Any, y: Any, x_shape: tuple[int, ...]) -> Any:
    return sum_to(matmul_op(g, mH(y)), shape=tuple(x_shape))


def _right(g: Any, x: Any, y_shape: tuple[int, ...]) -> Any:
    if len(y_shape) == 2 and len(x.shape) > 2:
        columns = tuple(y_shape)[-1]
        rows = view(x, shape=(-1, x.shape[-1])) if 0 not in x.shape else view(x, shape=(int(np.prod(x.shape[:-1])), x.shape[-1]))
        return mm(mH(rows), view(g, shape=(rows.shape[0], columns)))
    return sum_to(matmul_op(mH(x), g), shape=tuple(y_shape))


def column_times_row(x: Any, y: Any) -> Any:
    """The outer product of two vectors."""
    return view(x, shape=(x.shape[0], 1)) * y


matmul_op = Op("matmul", _matmul, kind="multilinear", args="x y", node="UnsafeViewBackward0", vjp=[_left, _right], batch=_lifted)
mm: Op = Op(
    "mm", _dot, kind="multilinear", args="x y", batch=_lifted,
    vjp=[lambda g, y: mm(g, mH(y)), lambda g, x: mm(mH(x), g)],
)  # fmt: skip
row_mm = Op(
    "row_mm", _dot, kind="multilinear", args="x y", node="SqueezeBackward4",
    vjp=[lambda g, y: mv(conj(y), g), lambda g, x: column_times_row(conj(x), g)],
    batch=lambda op, args, mask, kw: _mv_batch(op, (mT(args[1]), args[0]), mask[::-1], kw),
)  # fmt: skip
bmm: Op = Op(
    "bmm", _matmul, kind="multilinear", args="x y", batch=_lifted,
    vjp=[lambda g, y: bmm(g, mH(y)), lambda g, x: bmm(mH(x), g)],
)  # fmt: skip
mv: Op = Op(
    "mv", _dot, kind="multilinear", args="x y", batch=_mv_batch,
    vjp=[lambda g, y: column_times_row(g, conj(y)), lambda g, x: mv(mH(x), g)],
)  # fmt: skip
dot = Op(
    "dot", _dot, kind="multilinear", args="x y", batch=_dot_batch,
    vjp=[lambda g, y: g * conj(y), lambda g, x: g * conj(x)],
)  # fmt: skip


def _column_sums(x: Any) -> Any:
    if x.dtype in FLOATS and x.ndim == 2 and x.shape[0] <= 512:
        return ones(x.dtype, x.shape[0]).dot(x)
    return add_over(x, dim=tuple(range(x.ndim - 1)), keepdim=False)


column_sums = Op(
    "column_sums", _column_sums, kind="linear", node="SumBackward1",
    vjp=[lambda g, x_shape: expand_to(g, shape=tuple(x_shape))],
    batch=lambda op, args, mask, kw: sum_dims(args[0], dim=tuple(range(1, len(args[0].shape) - 1)), keepdim=False),
)  # fmt: skip
