"""New tensors from data: numbers, sequences, arrays, buffers, DLPack."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.device import as_device, require_usable, tensor_device
from ..core.device import cpu as _cpu
from ..core.dtype import FLOAT, FROM_NUMPY, as_dtype, defaults, own
from ..core.inference import ACTIVE, mark
from ..core.meta import Meta
from ..core.node import LEAF
from ..core.tensor import Tensor, new, wrap
from .data import value_of
from .strides import lent


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A new leaf tensor that holds a copy of ``data``: a number, nested sequences, an array or a tensor.

    Python floats become the default dtype, integers int64, unless ``dtype`` says otherwise.  Raises ValueError for
    ragged sequences, RuntimeError for what holds no numbers.

    >>> import chainrule as torch
    >>> torch.tensor([[1, 2], [3, 4.5]])
    tensor([[1.0000, 2.0000],
            [3.0000, 4.5000]])
    """
    value = value_of(data, None if dtype is None else as_dtype(dtype))
    where = tensor_device(device)
    if where is not _cpu:
        value = Meta(value.shape, value.dtype)
    out = new(Tensor)
    out._value = value
    if requires_grad:
        require(out)
    elif ACTIVE.threads:
        mark(out)
    return out


def require(out: Tensor) -> Tensor:
    """``requires_grad=True`` of a new tensor."""
    kind = out.dtype
    if kind.category < FLOAT:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    out._gn = LEAF
    return out


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` as a tensor: itself if it is one already, the same memory if it is a NumPy array, else a copy.

    >>> import chainrule as torch
    >>> x = torch.ones(2)
    >>> torch.as_tensor(x) is x
    True
    """
    if isinstance(data, Tensor):
        return data if dtype is None and device is None else data.to(device=device, dtype=dtype)
    kind = None if dtype is None else as_dtype(dtype, "as_tensor")
    if isinstance(data, np.ndarray) and tensor_device(device) is _cpu and (kind is None or FROM_NUMPY[data.dtype] is kind):
        return from_numpy(data)
    return tensor(data, dtype=kind, device=device)


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool | None = None) -> Tensor:
    """``obj`` (tensor, array, DLPack or buffer, number, sequence) as a tensor, sharing memory where ``copy`` allows.

    Raises ValueError where ``copy=False`` and a copy is needed.

    >>> import chainrule as torch
    >>> torch.asarray([1, 2])
    tensor([1, 2])
    """
    kind = None if dtype is None else as_dtype(dtype, "asarray")
    where = None if device is None else require_usable(as_device(device))
    source = _aliasing(obj, kind)
    if source is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return tensor(obj, dtype=kind, device=device, requires_grad=bool(requires_grad))
    other_dtype = kind is not None and kind is not source.dtype
    other_place = where is not None and where is not source.device
    if copy is False and kind is not None and other_dtype:
        raise ValueError(f"can't alias tensor with dtype '{source.dtype.scalar_name}' into dtype '{kind.scalar_name}'.")
    if copy is False and other_place:
        raise ValueError(f"can't alias tensor from device '{source.device}' to '{where}'.")
    result: Any = source.to(device=where, dtype=kind, copy=True) if copy or other_dtype or other_place else source
    if requires_grad is None or requires_grad == result.requires_grad:
        return result  # type: ignore[no-any-return]
    return require(result) if requires_grad else result.detach()


def _aliasing(obj: Any, kind: Any) -> Tensor | None:
    """``obj`` as a tensor over its own memory; None for what has no memory to share."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, np.ndarray):
        return from_numpy(obj)
    if isinstance(obj, (list, tuple, np.generic)):
        return None
    if hasattr(obj, "__dlpack__"):
        return from_dlpack(obj)
    return frombuffer(obj, dtype=kind or defaults.floating) if _has_buffer(obj) else None


def _has_buffer(obj: Any) -> bool:
    try:
        memoryview(obj)
    except TypeError:
        return False
    return True


def from_numpy(ndarray: Any, /) -> Tensor:
    """A tensor that shares its memory with a NumPy array.

    Raises TypeError for what is no array and for element types without a dtype, ValueError for negative strides and
    foreign byte order.

    >>> import chainrule as torch, numpy as np
    >>> a = np.zeros(2)
    >>> t = torch.from_numpy(a)
    >>> a[0] = 5
    >>> t
    tensor([5., 0.], dtype=torch.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    array = own(ndarray)
    for stride in ndarray.strides:
        if stride < 0:
            raise ValueError(
                "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently"
                " supported. (You can probably work around this by making a copy of your array  with array.copy().) "
            )
        if stride % ndarray.itemsize:
            raise ValueError(
                "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory."
            )
    if not ndarray.flags.writeable:
        _warn_read_only("NumPy array", "writing to this tensor will result in undefined behavior", "array")
    return wrap(array.view(np.ndarray) if ndarray.base is None else lent(array.view(np.ndarray)))


_warned: set[str] = set()


def _warn_read_only(what: str, consequence: str, short: str) -> None:
    if what in _warned:
        return
    _warned.add(what)
    warnings.warn(
        f"The given {what} is not writable, and PyTorch does not support non-writable tensors. This means {consequence}. You may"
        f" want to copy the {short} to protect its data or make it writable before converting it to a tensor. This type of warning"
        " will be suppressed for the rest of this program.",
        UserWarning,
        stacklevel=3,
    )


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-d tensor over the memory of an object that exports a buffer.

    Raises ValueError for an empty buffer, an offset or a count outside of it.

    >>> import chainrule as torch
    >>> torch.frombuffer(bytearray([1, 0, 2, 0]), dtype=torch.int16)
    tensor([1, 2], dtype=torch.int16)
    """
    kind = as_dtype(dtype, "frombuffer")
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    size, each = view.nbytes, kind.itemsize
    if size <= 0 or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) minus 1")
    rest = size - offset
    if count < 0 and rest % each:
        raise ValueError(f"buffer length ({rest} bytes) after offset ({offset} bytes) must be a multiple of element size ({each})")
    if count < 0:
        count = rest // each
    elif count * each > rest:
        raise ValueError(
            f"requested buffer length ({count} * {each} bytes) after offset ({offset} bytes) must not be greater than actual buffer"
            f" length ({size} bytes)"
        )
    if view.readonly:
        _warn_read_only("buffer", "you can write to the underlying (supposedly non-writable) buffer using the tensor", "buffer")
    out = wrap(np.frombuffer(buffer, kind.np, count, offset))
    return require(out) if requires_grad else out


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of any object with ``__dlpack__``.

    >>> import chainrule as torch, numpy as np
    >>> torch.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    if isinstance(ext_tensor, Tensor):
        shared = ext_tensor.detach()
        return shared.clone() if copy else shared
    array = np.from_dlpack(ext_tensor, copy=copy)
    return wrap(array)


__all__ = ["as_tensor", "asarray", "from_dlpack", "from_numpy", "frombuffer", "tensor"]
