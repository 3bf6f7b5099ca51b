"""A tensor's memory: its order, other names for it, and writing to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import device as _device
from ..core.batching import batch_size, bring
from ..core.dtype import FLOAT, INT
from ..core.inference import INFERENCE, refuse_write
from ..core.inplace import check_writable, overwrite, store
from ..core.meta import Meta
from ..core.modes import MODES
from ..core.mutation import written
from ..core.naming import argument_error
from ..core.op import Op
from ..core.size import channels_last_3d_strides, channels_last_strides, check_inplace_shape, contiguous_strides
from ..core.tensor import UNTRACKED, Tensor, materialise, new, wrap, wrap_with
from ..core.value import Value
from ..core.views import records
from .data import NATIVE, checked_scalar, value_of, warn_of_imaginary
from .declare import attach, method
from .structure import cast, dense_like, sum_to, view


def in_format(value: Any, memory_format: Any) -> Any:
    """A value laid out in ``memory_format``; the value itself where it is already."""
    if memory_format is _device.preserve_format or isinstance(value, np.generic):
        return value
    shape = tuple(value.shape)
    if memory_format is _device.channels_last:
        strides = channels_last_strides(shape)
    elif memory_format is _device.channels_last_3d:
        strides = channels_last_3d_strides(shape)
    else:
        strides = contiguous_strides(shape)
    if isinstance(value, Value):
        if isinstance(value, Meta):
            return Meta(shape, value.numpy_dtype, tuple([s * value.numpy_dtype.itemsize for s in strides]))
        return value.laid_out(strides)
    want = tuple([s * value.dtype.itemsize for s in strides])
    if value.strides == want:
        return value
    out: Any = np.ndarray(shape, value.dtype, np.empty(value.size, value.dtype), 0, want)
    out[...] = value
    return out


# -- other names for the same memory ---------------------------------------------------------------------------------


detach_op = Op("detach", lambda x: x, kind="general", batch=lambda op, args, mask, kw: op(args[0]))


def _shared(self: Tensor, flags: int) -> Tensor:
    value = self._value
    if isinstance(value, np.generic):
        value = materialise(self)
    out = new(Tensor)
    out._value = value
    if flags:
        out._flags = flags
    return out


@method
def detach(self: Tensor) -> Tensor:
    """The same memory without a history; writes to it are noticed by backward.

    >>> import chainrule as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> x.detach().requires_grad
    False
    """
    if isinstance(self._value, Value) and not self._value.memory:
        return detach_op(self)  # type: ignore[no-any-return]
    return _shared(self, self._flags & (UNTRACKED | INFERENCE))


def _get_data(self: Tensor) -> Tensor:
    if isinstance(self._value, Value) and not self._value.memory:
        return detach(self)
    return _shared(self, UNTRACKED)


def _set_data(self: Tensor, other: Any) -> None:
    if not isinstance(other, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
    if self._gn is not None and other.dtype.category < 2:
        raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
    value = other._value
    self._value = materialise(other) if isinstance(value, np.generic) else value


attach(property(_get_data, _set_data), "data")


# -- writing ---------------------------------------------------------------------------------------------------------


def _plain(self: Tensor) -> bool:
    """Whether a write needs nothing but the write: its own memory, no history."""
    value = self._value
    return type(value) is np.ndarray and self._gn is None and not self._flags and value.flags.c_contiguous and value.flags.writeable


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write ``value``, a number or a 0-d tensor, to every element.

    >>> import chainrule as torch
    >>> torch.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    if isinstance(value, Tensor):
        if value._value.ndim:
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value._value.ndim} dimensions.")
        return _fill(self, value, "FillBackward3")
    number = value.item() if isinstance(value, np.generic) else value
    if not isinstance(number, (int, float, complex)):
        raise argument_error("fill_", "value", "Number", value, 1)
    if _plain(self):
        self._value.fill(checked_scalar(number, self.dtype))
        written(self._value, "fill_")
        return self
    return _fill(self, wrap(np.asarray(checked_scalar(number, self.dtype), self.dtype.np)), "FillBackward2")


def _fill(self: Tensor, source: Tensor, node: str) -> Tensor:
    value = self._value
    if isinstance(value, np.ndarray) and 0 in value.strides and self._gn is None and source._gn is None:
        refuse_write(self)
        # One value for all: writing each place in memory once is as good as writing it for every element.
        places = value[tuple([slice(0, 1) if s == 0 else slice(None) for s in value.strides])]
        places.flags.writeable = True
        places[...] = source._value
        written(value, "fill_")
        return self
    return write("fill_", self, source, node)


def fill(input: Tensor, value: Any) -> Tensor:
    """A copy of ``input`` with every element ``value``.

    >>> import chainrule as torch
    >>> torch.fill(torch.ones(2), 3)
    tensor([3., 3.])
    """
    return fill_(input.clone(), value)


@method
def zero_(self: Tensor) -> Tensor:
    """Write 0 to every element."""
    if _plain(self):
        self._value.fill(0)
        written(self._value, "zero_")
        return self
    return write("zero_", self, wrap(np.zeros((), self.dtype.np)), "ZeroBackward0")


@method
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write ``fill_value`` to the main diagonal; with ``wrap``, to another one below each square of a tall matrix too.

    >>> import chainrule as torch
    >>> torch.zeros(2, 2).fill_diagonal_(5)
    tensor([[5., 0.],
            [0., 5.]])
    """
    shape = tuple(self.shape)
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    squares = range(0, shape[0], shape[1] + 1) if wrap and len(shape) == 2 and shape[1] else [0]
    for row in squares:
        part = self[row : row + shape[1]] if row or len(squares) > 1 else self
        while part.ndim > 1:
            part = part.diagonal()
        part.fill_(fill_value)
    return self


@method
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write ``src``, broadcast and cast, over this tensor.

    >>> import chainrule as torch
    >>> torch.zeros(2, dtype=torch.int64).copy_(torch.tensor([1.7, 2.2]))
    tensor([1, 2])
    """
    if not isinstance(src, Tensor):
        if not isinstance(src, (int, float, complex, np.generic)):
            raise argument_error("copy_", "other", "Tensor", src, 1)
        src = wrap(value_of(src, None))
    if src.dtype.is_complex and self.dtype.category in (INT, FLOAT):
        warn_of_imaginary(3)
    return write("copy_", self, src)


def full_array(x: Any, *, fill: Any, dtype: Any) -> Any:
    """A raw value that looks like ``x``, every element ``fill``."""
    if not x.ndim and dtype.kind in NATIVE:
        return dtype.type(fill)
    if 0 in x.strides and x.size:
        x = dense_like(x, dtype)
    if type(fill) is int and fill == 0:
        return np.zeros(x.shape, dtype) if x.flags.c_contiguous else np.zeros_like(x, dtype)
    out = np.empty(x.shape, dtype) if x.flags.c_contiguous else np.empty_like(x, dtype)
    out.fill(fill)
    return out


# Interpreters' values (a batch, a tracked or a meta tensor) decide what "like" means for them.
full_like_op = Op("full_like", full_array, kind="general", batch=lambda op, args, mask, kw: op(args[0], **kw))


def _spread(x: Any, src: Any) -> Any:
    """``src`` in the shape and dtype of ``x``."""
    out = np.empty_like(x)
    np.copyto(out, src.real if src.dtype.kind == "c" and out.dtype.kind not in "cb" else src, casting="unsafe")
    return out


def _nothing(g: Any) -> Any:
    """The cotangent of what was overwritten."""
    return full_like_op(g, fill=0, dtype=g.dtype if not isinstance(g, Tensor) else g.dtype.np)


def _spread_batch(op: Op, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    x, src = bring(args, (mask[0], True), batch_size(args, mask))
    missing = x.ndim - src.ndim if mask[1] else 0
    return op(x, view(src, shape=(src.shape[0], *(1,) * missing, *src.shape[1:])) if missing else src)


def _spread_op(node: str) -> Op:
    return Op(
        f"write {node}", _spread, kind="linear", args="x src", node=node, batch=_spread_batch,
        vjp=[_nothing, lambda g, src_shape, src_dtype: cast(sum_to(g, shape=tuple(src_shape)), dtype=src_dtype)],
    )  # fmt: skip


def _replace_op(node: str) -> Op:
    return Op(
        f"write {node}", lambda x, *, value: value, kind="general", node=node, vjp=[_nothing],
        jvp=lambda tangents, out, args, kw: None, batch=lambda op, args, mask, kw: op(args[0], **kw),
    )  # fmt: skip


_copy = _spread_op("CopyBackwards")
_fill_with = _spread_op("FillBackward3")
_replacing: dict[str, Op] = {}


def write(name: str, x: Tensor, source: Tensor, node: str = "CopyBackwards") -> Tensor:
    """Write ``source``, broadcast and cast, over ``x`` and give ``x`` its history.

    ``node`` names the recorded operation; one other than a copy or a fill takes no gradient to ``source``.
    """
    recording = MODES.grad and (records(x) or source._gn is not None)
    if recording:
        check_writable(x)
    have, value = x._value, source._value
    if value.shape != have.shape:
        check_inplace_shape(tuple(have.shape), tuple(value.shape))
    symbolic = isinstance(have, Value) or isinstance(value, Value)
    if not recording and not symbolic:
        if value.shape != have.shape:
            value = np.broadcast_to(value, have.shape)
        store(name, x, value.real if value.dtype.kind == "c" and have.dtype.kind not in "cb" else value)
        return x
    if isinstance(have, Meta):
        return x
    if isinstance(value, Meta):
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    before = wrap(have) if x._gn is None else wrap_with(have, x._gn)
    if node in ("CopyBackwards", "FillBackward3") or symbolic:
        result = (_fill_with if node == "FillBackward3" else _copy)(before, source)
    else:
        op = _replacing.get(node)
        if op is None:
            op = _replacing[node] = _replace_op(node)
        result = op(before, value=_spread(have, value))
    return overwrite(name, x, result, recording)


__all__ = ["fill"]
