"""The arguments that reductions and scans share: dimensions, dtypes, NumPy's names for them, 0-d inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..core.dtype import FROM_NUMPY, as_dtype, dtype, int64
from ..core.floating_flags import IGNORE, enter, leave
from ..core.inference import ACTIVE, mark
from ..core.large import SMALL
from ..core.naming import argument_error
from ..core.op import Op
from ..core.size import normalize_dim, normalize_dims
from ..core.tensor import Tensor, new
from .declare import F
from .quick import recorder
from .structure import cast, view

_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input"}


def numpy_names(function: F) -> F:
    """Decorator: ``axis`` and ``keepdims`` mean ``dim`` and ``keepdim``, as PyTorch's argument parser has it."""

    @wraps(function)
    def parse(*args: Any, **kw: Any) -> Any:
        if kw:
            kw = {_NUMPY_NAMES.get(k, k): v for k, v in kw.items()}
        return function(*args, **kw)

    return parse  # type: ignore[return-value]


def prompt(op: Op) -> Callable[..., Any]:
    """An operation of one tensor and one output, applied without the general path's bookkeeping (1 µs)."""
    impl = op.impl
    finish = recorder(op)
    constant = op.rules is None

    def run(input: Any, **kw: Any) -> Any:
        v = input._value
        if (v.size > SMALL) if type(v) is np.ndarray else not isinstance(v, np.generic):
            return op.apply(input, **kw)
        token = enter(IGNORE)
        try:
            r = impl(v, **kw)
        finally:
            leave(token)
        if constant or input._gn is None:
            out = new(Tensor)
            out._value = r
            return mark(out) if ACTIVE.threads else out
        return finish(r, (v,), (input,), kw)

    return run


def checked(function: str, input: Any) -> Any:
    """The raw or interpreter's value of a tensor; TypeError in PyTorch's words for anything else."""
    if isinstance(input, Tensor):
        return input._value
    raise argument_error(function, "input", "Tensor", input, 1)


def one_dim(dim: int, ndim: int) -> int:
    """``dim`` counted from the front; a 0-d tensor has dimension 0."""
    if 0 <= dim < ndim:
        return dim
    return normalize_dim(dim, ndim)


def many_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """Reduced dimensions counted from the front, in rising order; None and () are all of them.

    A 0-d tensor accepts 0 and -1, and reduces nothing.
    """
    if type(dim) is int:
        if 0 <= dim < ndim:
            return (dim,)
        dim = normalize_dim(dim, ndim)
        return (dim,) if ndim else ()
    if isinstance(dim, np.integer):
        return many_dims(int(dim), ndim)
    if dim is None or len(dim) == 0:
        return tuple(range(ndim))
    found = normalize_dims(tuple(dim), ndim)
    return tuple(sorted(found)) if ndim else ()


def count(shape: Any, dim: tuple[int, ...]) -> int:
    """How many elements each result of a reduction comes from."""
    n = 1
    for i in dim:
        n *= shape[i]
    return n


def kind_of(x: Any) -> dtype:
    """The dtype of an array or a tensor."""
    have = x.dtype
    return have if isinstance(have, dtype) else FROM_NUMPY[have]


def to_kind(x: Any, kind: Any) -> Any:
    """``x`` in the dtype ``kind``; ``x`` itself where it is already, or where ``kind`` is None."""
    if kind is None:
        return x
    kind = as_dtype(kind)
    return x if kind_of(x) is kind else cast(x, dtype=kind.np)


def integers_to_int64(x: Any, kind: Any) -> Any:
    """What sums and products compute in: the dtype asked for, else int64 for integers and truth values."""
    if kind is None and kind_of(x).category < 2:
        kind = int64
    return to_kind(x, kind)


def along(op: Callable[..., Any], x: Any, dim: int, **kw: Any) -> Any:
    """An operation along one dimension that keeps the shape, on a 0-d tensor too (which is one element there)."""
    if x.ndim:
        return op(x, dim=dim, **kw)
    r = op(view(x, shape=(1,)), dim=0, **kw)
    return tuple([view(v, shape=()) for v in r]) if isinstance(r, tuple) else view(r, shape=())


def check_out(input: Any, *outs: Any) -> None:
    """Refuse an ``out=`` of another dtype, for operations that do not convert."""
    for out in outs:
        if out.dtype is not input.dtype:
            raise RuntimeError(f"Expected out tensor to have dtype {input.dtype.cpp_name}, but got {out.dtype.cpp_name} instead")
