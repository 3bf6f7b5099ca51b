"""Views that rearrange dimensions: view, reshape, permute, transpose, squeeze, expand and their relatives."""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

import numpy as np

from ..core.batching import along_dims, lead_reshape, same
from ..core.dtype import FROM_NUMPY, dtype
from ..core.op import Op
from ..core.size import (
    Shape,
    broadcast_pair,
    compute_view_strides,
    expand_shape,
    infer_view_size,
    normalize_dim,
    view_error,
)
from ..core.tensor import Tensor, materialise, wrap
from ..core.value import Value
from ..core.views import as_view
from . import declare
from .dims import keyword, many_dims, one_dim, sizes, value_of
from .strides import restride
from .structure import clone, expand_to
from .structure import permute as permute_op
from .structure import view as view_op

ndarray = np.ndarray


# Declarations


def _reshaped(name: str, node: str) -> Op:
    rule = [lambda g, x_shape: view_op(g, shape=tuple(x_shape))]
    return Op(name, view_op.impl, kind="view" if name != "unsafe_view" else "linear", vjp=rule, batch=lead_reshape, node=node)


reshape_alias = _reshaped("reshape_alias", "ReshapeAliasBackward0")
unsafe_view = _reshaped("unsafe_view", "UnsafeViewBackward0")
transpose_op: Op = Op(
    "transpose", lambda x, *, dim0, dim1: x.swapaxes(dim0, dim1) if x.ndim else x.view(), kind="view",
    vjp=[lambda g, dim0, dim1: transpose_op(g, dim0=dim0, dim1=dim1)], batch=along_dims("dim0", "dim1"),
)  # fmt: skip
t_op: Op = Op(
    "t", lambda x: x.transpose(), kind="view", vjp=[lambda g: t_op(g)],
    batch=lambda op, args, mask, kw: transpose_op(args[0], dim0=1, dim1=2) if args[0].ndim == 3 else args[0], node="TBackward0",
)  # fmt: skip


def _squeezed(name: str, node: str) -> Op:
    return Op(
        name, lambda x, *, dim: x.squeeze(dim), kind="view",
        vjp=[lambda g, x_shape: view_op(g, shape=tuple(x_shape))],
        batch=lambda op, args, mask, kw: squeeze_dims(args[0], dim=tuple([d + 1 for d in kw["dim"]])), node=node,
    )  # fmt: skip


squeeze_all = _squeezed("squeeze", "SqueezeBackward0")
squeeze_dim = _squeezed("squeeze_dim", "SqueezeBackward1")
squeeze_dims = _squeezed("squeeze_dims", "SqueezeBackward2")


def _unsqueeze(x: Any, *, dim: int) -> Any:
    shape = x.shape
    if x.flags.c_contiguous and 1 not in shape:
        return x.reshape((*shape[:dim], 1, *shape[dim:]))
    stride = shape[dim] * x.strides[dim] if dim < len(shape) else x.itemsize
    return restride(x, (*shape[:dim], 1, *shape[dim:]), (*x.strides[:dim], stride, *x.strides[dim:]))


unsqueeze_op = Op(
    "unsqueeze", lambda x, *, dim: _unsqueeze(np.asarray(x), dim=dim), kind="view",
    vjp=[lambda g, dim: squeeze_dims(g, dim=(dim,))], batch=along_dims("dim"),
)  # fmt: skip


# view and reshape


def _as_dtype(input: Tensor, kind: dtype) -> Tensor:
    """The same memory read as another dtype; not differentiable, so no view in the tape's eyes."""
    v = materialise(input)
    if isinstance(v, Value):
        raise RuntimeError("view(dtype) needs memory, which a transform's tensors do not have")
    have, want = v.dtype.itemsize, kind.np.itemsize
    names = f"{_scalar(FROM_NUMPY[v.dtype])} as {_scalar(kind)} (different element sizes)"
    if have != want:
        if v.ndim == 0:
            raise RuntimeError(f"self.dim() cannot be 0 to view {names}")
        if want > have and v.shape[-1] * have % want:
            raise RuntimeError(f"self.size(-1) must be divisible by {want // have} to view {names}, but got {v.shape[-1]}")
        if v.strides[-1] != have and v.shape[-1] != 1:
            raise RuntimeError(f"self.stride(-1) must be 1 to view {names}, but got {v.strides[-1] // have}")
        if want > have:
            for k, s in enumerate(v.strides[:-1]):
                if s % want:
                    raise RuntimeError(f"self.stride({k}) must be divisible by {want // have} to view {names}, but got {s // have}")
    return wrap(v.view(kind.np))


def _scalar(kind: dtype) -> str:
    return kind.scalar_name


alias_op = Op("alias", lambda x: x.view(), kind="view", vjp=[lambda g: g], batch=same)


def _view_shape(v: Any, shape: Shape) -> Any:
    """``v`` seen as ``shape``, or None where only a copy can have it."""
    shape = infer_view_size(shape, v.size)
    size = v.itemsize
    strides = compute_view_strides(v.shape, tuple([s // size for s in v.strides]), shape)
    return None if strides is None else restride(v, shape, tuple([s * size for s in strides]))


def _regular(v: Any) -> bool:
    """Whether the dimensions of length 1 have the strides too that a new row-major array would have."""
    step = v.itemsize
    for n, s in zip(reversed(v.shape), reversed(v.strides), strict=True):
        if s != step:
            return False
        step *= n or 1
    return True


@declare.method
def view(input: Tensor, *size: Any, dtype: Any = None, **kw: Any) -> Tensor:
    """The same memory under another shape (one length may be -1), or read as another dtype.

    RuntimeError where the shape does not fit the number of elements, or the strides allow no view.
    """
    v = input._value
    if len(size) == 1 and type(size[0]) is not int:
        if isinstance(size[0], (tuple, list)):
            size = tuple(size[0])
        elif type(size[0]) is _dtype_type:
            dtype, size = size[0], ()
    if kw:
        size = tuple(keyword("view", "size", kw))
    if dtype is not None:
        return _as_dtype(input, dtype)
    if type(v) is ndarray and v.flags.c_contiguous and (1 not in v.shape or _regular(v)):
        try:
            r = v.reshape(size)
            if not size or min(size) >= -1:
                return as_view(view_op, input, r, {"shape": r.shape})
        except (ValueError, TypeError):
            pass
    shape = sizes("view", "size", size, 1)
    if isinstance(v, ndarray) or isinstance(v, np.generic):
        v = materialise(input)
        r = _view_shape(v, shape)
        if r is None:
            raise view_error()
        return as_view(view_op, input, r, {"shape": r.shape})
    return view_op(input, shape=infer_view_size(shape, prod(v.shape)))  # type: ignore[no-any-return]


_dtype_type = dtype


@declare.method
def reshape(input: Tensor, *shape: Any, **kw: Any) -> Tensor:
    """``input`` in another shape: a view where the strides allow one, else a copy. One length may be -1."""
    try:
        v = input._value
    except AttributeError:
        v = value_of("reshape", input)
    if len(shape) == 1 and type(shape[0]) is not int and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    elif kw:
        shape = sizes("reshape", "shape", (keyword("reshape", "shape", kw),))
    elif not shape:
        raise TypeError('reshape() missing 1 required positional arguments: "shape"')
    if type(v) is ndarray and v.flags.c_contiguous and (1 not in v.shape or _regular(v)):
        try:
            r = v.reshape(shape)
            if not shape or min(shape) >= -1:
                return as_view(view_op, input, r, {"shape": r.shape})
        except (ValueError, TypeError):
            pass
    return _reshape(input, sizes("reshape", "shape", shape))


def _reshape(input: Tensor, shape: Shape) -> Tensor:
    v = input._value
    if not isinstance(v, (ndarray, np.generic)):
        return view_op(input, shape=infer_view_size(shape, prod(v.shape)))  # type: ignore[no-any-return]
    v = materialise(input)
    r = _view_shape(v, shape)
    if r is not None:
        return as_view(view_op if v.flags.c_contiguous else reshape_alias, input, r, {"shape": r.shape})
    copied: Tensor = unsafe_view(clone_contiguous(input), shape=infer_view_size(shape, v.size))
    return copied


def clone_contiguous(input: Tensor) -> Tensor:
    """A row-major copy."""
    result: Tensor = clone(input)
    v = result._value
    if isinstance(v, ndarray) and not v.flags.c_contiguous:
        result._value = np.ascontiguousarray(v)
    return result


@declare.method
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.view(other.shape)``."""
    return view(input, *value_of("view_as", other, "other").shape)


@declare.method
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.reshape(other.shape)``."""
    return reshape(input, tuple(value_of("reshape_as", other, "other").shape))


@declare.method
def flatten(input: Tensor, start_dim: Any = 0, end_dim: Any = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim`` as one; ``input`` itself where that is one already."""
    shape = value_of("flatten", input).shape
    ndim = len(shape)
    if start_dim == 0 and end_dim == -1 and ndim > 1:
        return reshape(input, -1)
    start = one_dim("flatten", start_dim, ndim, "start_dim")
    end = one_dim("flatten", end_dim, ndim, "end_dim", 3)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if ndim == 0:
        return reshape(input, 1)
    if start == end:
        return input
    return reshape(input, (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


@declare.method
def ravel(input: Tensor) -> Tensor:
    """``input`` as one row: a view of contiguous memory, else a copy."""
    return reshape(input, -1)


@declare.method
def unflatten(input: Tensor, dim: Any, sizes: Any) -> Tensor:
    """Dimension ``dim`` split into ``sizes`` (one may be -1)."""
    shape = value_of("unflatten", input).shape
    dim = one_dim("unflatten", dim, len(shape))
    parts = tuple([int(n) for n in sizes])
    if not parts:
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        parts = infer_view_size(parts, shape[dim])
    except RuntimeError as error:
        if "is invalid" in str(error):
            raise RuntimeError(
                f"unflatten: Provided sizes {list(parts)} don't multiply up to the size of dim {dim} ({shape[dim]}) in the input tensor"
            ) from None
        raise RuntimeError(f"unflatten got an unexpected error:\n{error}") from None
    return view(input, *shape[:dim], *parts, *shape[dim + 1 :])


# Order of the dimensions


@declare.method
def permute(input: Tensor, *dims: Any, **kw: Any) -> Tensor:
    """The dimensions in the order ``dims``. RuntimeError unless each is named once."""
    v = value_of("permute", input)
    if kw:
        dims = (keyword("permute", "dims", kw),)
    elif not dims:
        raise TypeError('permute() missing 1 required positional arguments: "dims"')
    order = sizes("permute", "dims", dims)
    ndim = v.ndim
    if type(v) is ndarray and len(order) == ndim:
        try:
            r = v.transpose(order)
        except (ValueError, IndexError):
            pass
        else:
            if not order or min(order) < 0:
                order = tuple([d % ndim for d in order])
            return as_view(permute_op, input, r, {"dims": order})
    if len(order) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of"
            f" dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(order)}"
        )
    order = tuple([d if 0 <= d < ndim else normalize_dim(d, ndim) for d in order])
    if len(set(order)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    if type(v) is ndarray:
        return as_view(permute_op, input, v.transpose(order), {"dims": order})
    return permute_op(input, dims=order)  # type: ignore[no-any-return]


def swapped(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """``transpose`` of dimensions that are known to be right."""
    v = input._value
    if type(v) is ndarray and v.ndim:
        return as_view(transpose_op, input, v.swapaxes(dim0, dim1), {"dim0": dim0, "dim1": dim1})
    return transpose_op(input, dim0=dim0, dim1=dim1)  # type: ignore[no-any-return]


@declare.method
def transpose(input: Tensor, dim0: Any, dim1: Any) -> Tensor:
    """``input`` with two dimensions exchanged, as a view."""
    ndim = value_of("transpose", input).ndim
    return swapped(input, one_dim("transpose", dim0, ndim, "dim0"), one_dim("transpose", dim1, ndim, "dim1", 3))


@declare.method
def swapaxes(input: Tensor, axis0: Any, axis1: Any) -> Tensor:
    """:func:`transpose`."""
    return transpose(input, axis0, axis1)


@declare.method
def swapdims(input: Tensor, dim0: Any, dim1: Any) -> Tensor:
    """:func:`transpose`."""
    return transpose(input, dim0, dim1)


@declare.method
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector or a number as it is. RuntimeError beyond two dimensions."""
    v = value_of("t", input)
    if v.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {v.ndim}D")
    if type(v) is ndarray:
        return as_view(t_op, input, v.transpose(), {})
    return t_op(input)  # type: ignore[no-any-return]


def _T(self: Tensor) -> Tensor:
    """The dimensions in reverse order."""
    v = self._value
    ndim = v.ndim
    if ndim != 2:
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an"
            " error in a future release. Consider `x.mT` to transpose batches of matrices or"
            " `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    elif type(v) is ndarray:
        return as_view(permute_op, self, v.transpose(), {"dims": (1, 0)})
    return permute_op(self, dims=tuple(range(ndim - 1, -1, -1)))  # type: ignore[no-any-return]


def _zero_d(name: str, instead: str) -> None:
    warnings.warn(f"{name} is deprecated on 0-D tensors. {instead}", UserWarning, stacklevel=3)


def _conj(input: Tensor) -> Tensor:
    return input.conj() if input.dtype.is_complex else input


def _mT(self: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    ndim = self._value.ndim
    if ndim < 2:
        if ndim == 0:
            _zero_d("Tensor.mT", "This function is the identity in these cases.")
            return self
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {ndim}-D tensor.")
    return swapped(self, ndim - 2, ndim - 1)


def _H(self: Tensor) -> Tensor:
    """The conjugate transpose of a matrix."""
    ndim = self._value.ndim
    if ndim == 0:
        _zero_d("Tensor.H", "Consider using x.conj().")
        return _conj(self)
    if ndim != 2:
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor."
            + (" For batches of matrices, consider using tensor.mH" if ndim > 2 else "")
        )
    return _conj(swapped(self, 0, 1))


def _mH(self: Tensor) -> Tensor:
    """The conjugate transpose of the last two dimensions."""
    return _adjoint("mH", self)


def _adjoint(name: str, input: Tensor) -> Tensor:
    ndim = input._value.ndim
    if ndim < 2:
        if ndim == 0:
            _zero_d(name if name == "adjoint()" else f"Tensor.{name}", "Consider using x.conj().")
            return _conj(input)
        raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got {ndim}-D tensor.")
    return _conj(swapped(input, ndim - 2, ndim - 1))


declare.attach(property(_T), "T")
declare.attach(property(_mT), "mT")
declare.attach(property(_H), "H")
declare.attach(property(_mH), "mH")


@declare.method
def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of the last two dimensions."""
    value_of("adjoint", input)
    return _adjoint("adjoint()", input)


@declare.method
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions ``source`` moved to the places ``destination``; the others keep their order."""
    ndim = value_of("movedim", input).ndim
    one = not isinstance(source, (tuple, list))
    given = [sizes("movedim", n, (d,)) for n, d in (("source", source), ("destination", destination))]
    if len(given[0]) != len(given[1]):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(given[0])} dims) should contain the same number of dims"
            f" as destination ({list(given[1])} dims)"
        )
    froms, tos = ([normalize_dim(d, ndim) for d in dims] for dims in given)
    for name, dims, raw in (("source", froms, given[0]), ("destination", tos, given[1])):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(raw)})")
    if ndim == 0 or (one and froms == tos):
        return alias_op(input)  # type: ignore[no-any-return]
    order = [-1] * ndim
    for a, b in zip(froms, tos, strict=True):
        order[b] = a
    rest = iter([d for d in range(ndim) if d not in froms])
    return permute(input, tuple([next(rest) if d < 0 else d for d in order]))


@declare.method
def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """:func:`movedim`."""
    return movedim(input, source, destination)


# Dimensions of length 1


@declare.method
def squeeze(input: Tensor, dim: Any = None, *, axis: Any = None) -> Tensor:
    """``input`` without its dimensions of length 1, or only those among ``dim``."""
    v = value_of("squeeze", input)
    shape = v.shape
    if axis is not None:
        dim = axis
    if dim is None:
        op, dims = squeeze_all, tuple([i for i, n in enumerate(shape) if n == 1])
    elif isinstance(dim, (tuple, list)):
        op, dims = squeeze_dims, tuple([d for d in many_dims("squeeze", dim, len(shape)) if shape and shape[d] == 1])
    else:
        d = one_dim("squeeze", dim, len(shape))
        op, dims = squeeze_dim, (d,) if shape and shape[d] == 1 else ()
    if type(v) is ndarray:
        return as_view(op, input, v.squeeze(dims), {"dim": dims})
    return op(input, dim=dims)  # type: ignore[no-any-return]


@declare.method
def unsqueeze(input: Tensor, dim: Any = None, *, axis: Any = None) -> Tensor:
    """``input`` with a new dimension of length 1 at ``dim``."""
    try:
        v = input._value
    except AttributeError:
        v = value_of("unsqueeze", input)
    if dim is None:
        if axis is None:
            raise TypeError('unsqueeze() missing 1 required positional arguments: "dim"')
        dim = axis
    if type(dim) is not int or not 0 <= dim <= v.ndim:
        dim = one_dim("unsqueeze", dim, v.ndim + 1)
    if type(v) is ndarray:
        return as_view(unsqueeze_op, input, _unsqueeze(v, dim=dim), {"dim": dim})
    return unsqueeze_op(input, dim=dim)  # type: ignore[no-any-return]


def _each(function: Any, tensors: tuple[Any, ...]) -> Any:
    """``f(x)`` gives a tensor, ``f(x, y)`` and ``f([x, y])`` a tuple."""
    if len(tensors) == 1:
        if isinstance(tensors[0], Tensor):
            return function(tensors[0])
        tensors = tuple(tensors[0])
    return tuple([function(x) for x in tensors])


def at_least(n: int, x: Tensor) -> Tensor:
    """``x`` with at least ``n`` dimensions, as ``atleast_1d``, ``atleast_2d`` and ``atleast_3d`` give them."""
    ndim = value_of(f"atleast_{n}d", x).ndim
    if n == 0:
        return x
    if ndim == 0:
        return reshape(x, (1,) * n)
    if ndim == 1 and n > 1:
        x = unsqueeze(x, 0)
    if n == 3 and ndim < 3:
        x = unsqueeze(x, -1)
    return x


def atleast_1d(*tensors: Any) -> Any:
    """A number becomes a vector of one; everything else stays. Of several tensors, or a sequence: a tuple."""
    return _each(lambda x: at_least(1, x), tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Numbers and vectors become matrices of one row. Of several tensors, or a sequence: a tuple."""
    return _each(lambda x: at_least(2, x), tensors)


def atleast_3d(*tensors: Any) -> Any:
    """What has fewer than three dimensions gets ones: (), (n,) and (m, n) become (1, 1, 1), (1, n, 1) and (m, n, 1)."""
    return _each(lambda x: at_least(3, x), tensors)


# Broadcasting


@declare.method
def expand(input: Tensor, *size: Any, implicit: bool = False, **kw: Any) -> Tensor:
    """``input`` repeated along dimensions of length 1 and new leading ones, without copying; -1 keeps a length.

    Several elements are one memory location then: clone before writing in place.
    """
    v = input._value
    if kw:
        size = (keyword("expand", "size", kw),)
    wanted = sizes("expand", "size", size, 1)
    shape = _expanded(v.shape, wanted, input)
    if type(v) is ndarray:
        return as_view(expand_to, input, expand_to.impl(v, shape=shape), {"shape": shape})
    return expand_to(input, shape=shape)  # type: ignore[no-any-return]


def _expanded(have: Shape, wanted: Shape, input: Tensor) -> Shape:
    lead = len(wanted) - len(have)
    if lead >= 0:
        for n, m in zip(have, wanted[lead:], strict=True):
            if n != m and n != 1:
                break
        else:
            if not wanted or min(wanted) >= 0:
                return wanted
    return expand_shape(have, wanted, _tensor_type(input))


def _tensor_type(input: Tensor) -> str:
    return f"torch.{_scalar(input.dtype)}Tensor"


@declare.method
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.expand(other.shape)``."""
    return expand(input, tuple(value_of("expand_as", other, "other").shape))


@declare.method
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """``input.expand(size)``."""
    value_of("broadcast_to", input)
    return expand(input, sizes("broadcast_to", "size", (size,)))


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to the one shape that all of them broadcast to."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    shape: Shape = ()
    for x in tensors:
        shape = broadcast_pair(shape, tuple(value_of("broadcast_tensors", x, "tensors").shape))
    return tuple([x if tuple(x._value.shape) == shape else expand(x, shape) for x in tensors])


__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_tensors", "broadcast_to", "flatten", "moveaxis", "movedim",
    "permute", "ravel", "reshape", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unflatten", "unsqueeze",
]  # fmt: skip
