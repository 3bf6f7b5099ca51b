"""``squeeze_``, ``unsqueeze_``, ``transpose_``, ``t_`` …: another look at the same memory under the same name."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.inplace import check_writable
from ..core.modes import MODES
from ..core.mutation import written
from ..core.op import Op
from ..core.tensor import UNTRACKED, Tensor, materialise
from ..core.views import changed_shape, records
from .declare import attach
from .dims import many_dims, one_dim
from .shape import squeeze_dims, t_op, transpose_op, unsqueeze_op
from .slicing import as_strided_op, strided_arguments
from .structure import view as view_op


def _again(op: Op, name: str, node: str) -> Op:
    """The view operation under the name that its in-place form has on the tape."""
    return Op(name, op.impl, kind="view", vjp=op.rules, batch=op.batch_rule, node=node)


_squeeze_all = _again(squeeze_dims, "squeeze_", "SqueezeBackward3")
_squeeze_dim = _again(squeeze_dims, "squeeze_dim_", "SqueezeBackward4")
_squeeze_dims = _again(squeeze_dims, "squeeze_dims_", "SqueezeBackward5")
_unsqueeze = _again(unsqueeze_op, "unsqueeze_", "UnsqueezeBackward1")
_transpose = _again(transpose_op, "transpose_", "TransposeBackward1")
_t = _again(t_op, "t_", "TBackward1")
_as_strided = _again(as_strided_op, "as_strided_", "AsStridedBackward1")


def _become(self: Tensor, op: Op, kw: dict[str, Any], back: tuple[Op, dict[str, Any]]) -> Tensor:
    if MODES.grad and records(self):
        check_writable(self)
    changed_shape(self, op, kw, back)
    value = self._value
    if isinstance(value, np.ndarray) and not self._flags & UNTRACKED:
        written(value, op.name)
    return self


def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """Drop the dimensions of length 1 (only those among ``dim``) from this tensor itself."""
    shape = tuple(self._value.shape)
    dims = tuple([d for d in many_dims("squeeze_", dim, len(shape)) if shape and shape[d] == 1])
    op = _squeeze_all if dim is None else _squeeze_dims if isinstance(dim, (tuple, list)) else _squeeze_dim
    return _become(self, op, {"dim": dims}, (view_op, {"shape": shape}))


def unsqueeze_(self: Tensor, dim: Any) -> Tensor:
    """Give this tensor itself a new dimension of length 1 at ``dim``."""
    shape = tuple(self._value.shape)
    dim = one_dim("unsqueeze_", dim, len(shape) + 1)
    return _become(self, _unsqueeze, {"dim": dim}, (view_op, {"shape": shape}))


def transpose_(self: Tensor, dim0: Any, dim1: Any) -> Tensor:
    """Exchange two dimensions of this tensor itself."""
    ndim = self._value.ndim
    kw = {"dim0": one_dim("transpose_", dim0, ndim, "dim0"), "dim1": one_dim("transpose_", dim1, ndim, "dim1", 3)}
    return _become(self, _transpose, kw, (transpose_op, kw))


def t_(self: Tensor) -> Tensor:
    """Transpose this matrix itself. RuntimeError beyond two dimensions."""
    ndim = self._value.ndim
    if ndim > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return _become(self, _t, {}, (t_op, {}))


def as_strided_(self: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
    """Give this tensor itself another shape, strides and offset in its storage."""
    value = materialise(self)
    before = strided_arguments(value, tuple(value.shape), None, None)
    return _become(self, _as_strided, strided_arguments(value, size, stride, storage_offset), (as_strided_op, before))


for _method in (squeeze_, unsqueeze_, t_, as_strided_):
    attach(_method, _method.__name__)
attach(transpose_, "transpose_", aliases=("swapaxes_", "swapdims_"))

__all__: list[str] = []
