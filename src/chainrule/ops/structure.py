"""The handful of structural operations that derivative rules are written with; each works on arrays and tensors alike.

The public functions (``reshape``, ``sum``, ``expand`` …) parse PyTorch's arguments and end here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import along_dims, lead_reshape
from ..core.dtype import FROM_NUMPY, dtype
from ..core.op import Op
from .summation import add_over


def _expand(x: Any, *, shape: tuple[int, ...]) -> Any:
    have = x.shape
    if have == shape:
        return x
    a = np.asarray(x)
    flags = a.flags
    if not flags.c_contiguous or not flags.writeable:
        return np.broadcast_to(a, shape)
    lead = len(shape) - len(have)
    strides = [0] * lead
    for n, m, s in zip(have, shape[lead:], a.strides):
        strides.append(0 if n == 1 and m != 1 else s)
    # ndarray() with strides is ten times as quick as broadcast_to, and the shapes have been checked by the caller.
    return np.ndarray(shape, a.dtype, a, 0, strides)


def cast_array(x: Any, *, dtype: Any) -> Any:
    """A copy of a raw value in a NumPy dtype; complex numbers lose their imaginary part without a word."""
    if x.dtype.kind == "c" and dtype.kind not in "cb":
        x = x.real
    if 0 in x.strides and x.size:
        out = dense_like(x, dtype)
        np.copyto(out, x, casting="unsafe")
        return out
    out = x.astype(dtype)
    return out if dtype.kind in "biufc" else np.asarray(out)


def copy_array(x: Any) -> Any:
    """A copy of a raw value with its order of dimensions; one that was expanded becomes row-major."""
    if not isinstance(x, np.ndarray):
        return x if isinstance(x, np.bool_) else +x  # a write finds a number by its identity
    if 0 in x.strides and x.size:
        out = dense_like(x, x.dtype)
        out[...] = x
        return out
    return x.copy() if x.flags.c_contiguous else x.copy("K")


def dense_like(x: Any, dtype: Any) -> Any:
    """An empty array with the shape of ``x``, the order of its dimensions in memory, and no gaps.

    Dimensions that were expanded (stride 0) may stand anywhere: they stay between the neighbours that they have.
    """
    shape, strides = x.shape, x.strides
    order: list[int] = []  # from the fastest dimension to the slowest
    for d in range(x.ndim - 1, -1, -1):
        place = at = len(order)
        while at and strides[d]:
            other = order[at - 1]
            if strides[other]:
                if (strides[other], shape[other]) <= (strides[d], shape[d]):
                    break
                place = at - 1
            at -= 1
        order.insert(place, d)
    steps = [0] * x.ndim
    step = dtype.itemsize
    for d in order:
        steps[d] = step
        step *= shape[d]
    return np.ndarray(shape, dtype, np.empty(x.size, dtype), 0, tuple(steps))


def _uncast(g: Any, x_dtype: Any) -> Any:
    return cast(g, dtype=x_dtype)


def kept(shape: tuple[int, ...], dim: tuple[int, ...]) -> tuple[int, ...]:
    """``shape`` with the reduced dimensions as 1."""
    return tuple([1 if i in dim else n for i, n in enumerate(shape)])


view: Op = Op(
    "view", lambda x, *, shape: x.reshape(shape), kind="view",
    vjp=[lambda g, x_shape: view(g, shape=tuple(x_shape))], batch=lead_reshape, node="ViewBackward0",
)  # fmt: skip
expand_to = Op(
    "expand", _expand, kind="view",
    vjp=[lambda g, x_shape: sum_to(g, shape=tuple(x_shape))], batch=lead_reshape,
)  # fmt: skip
sum_dims = Op(
    "sum", add_over, kind="linear",
    vjp=[lambda g, x_shape, dim, keepdim: expand_to(g if keepdim else view(g, shape=kept(x_shape, dim)), shape=tuple(x_shape))],
    batch=along_dims("dim"), node="SumBackward1",
)  # fmt: skip
permute: Op = Op(
    "permute", lambda x, *, dims: x.transpose(dims), kind="view",
    vjp=[lambda g, dims: permute(g, dims=tuple(int(i) for i in np.argsort(dims)))],
    batch=lambda op, args, mask, kw: op(args[0], dims=(0, *[d + 1 for d in kw["dims"]])),
)  # fmt: skip
cast = Op(
    "cast", cast_array, kind="linear", vjp=[_uncast], batch=lambda op, args, mask, kw: op(args[0], **kw), node="ToCopyBackward0",
)  # fmt: skip
clone = Op(
    "clone", copy_array, kind="linear", vjp=[lambda g: g],
    batch=lambda op, args, mask, kw: op(args[0]),
)  # fmt: skip


def sum_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Sum ``x`` down to ``shape``, to which it would broadcast: the transpose of :data:`expand_to`."""
    have = tuple(x.shape)
    if have == shape:
        return x
    lead = len(have) - len(shape)
    dims = tuple(range(lead)) + tuple([i + lead for i, n in enumerate(shape) if n == 1 and have[i + lead] != 1])
    return view(sum_dims(x, dim=dims, keepdim=False), shape=shape)


def cast_to(x: Any, kind: dtype) -> Any:
    """``x`` in the dtype ``kind``; ``x`` itself where it is already."""
    have = x.dtype if isinstance(x.dtype, dtype) else FROM_NUMPY[x.dtype]
    return x if have is kind else cast(x, dtype=kind.np)
