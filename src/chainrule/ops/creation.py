"""New tensors from data, from sizes and from other tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import as_device, device, require_usable, strided, tensor_device
from ..core.device import cpu as _cpu
from ..core.dtype import FLOAT, FROM_NUMPY, as_dtype, bool_, defaults, dtype, int64
from ..core.meta import Meta
from ..core.naming import argument_error, type_name
from ..core.node import LEAF
from ..core.op import Op
from ..core.size import check_sizes
from ..core.tensor import Tensor, new, wrap
from ..core.value import Value
from .data import _NATIVE, scalar_of, value_of
from .declare import method


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
        _require(out)
    return out


def _require(out: Tensor) -> Tensor:
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
        return data if dtype is None and device is None else data.to(device=device, dtype=dtype)  # type: ignore[attr-defined, no-any-return]
    kind = None if dtype is None else as_dtype(dtype, "as_tensor")
    if isinstance(data, np.ndarray) and tensor_device(device) is _cpu and (kind is None or FROM_NUMPY[data.dtype] is kind):
        return from_numpy(data)
    return tensor(data, dtype=kind, device=device)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """``obj`` (tensor, array, DLPack or buffer, number, sequence) as a tensor, sharing memory where ``copy`` allows.

    Raises ValueError where ``copy=False`` and a copy is needed.

    >>> import chainrule as torch
    >>> torch.asarray([1, 2])
    tensor([1, 2])
    """
    kind = None if dtype is None else as_dtype(dtype, "asarray")
    where = None if device is None else require_usable(as_device(device))
    source: Tensor | None = None
    if isinstance(obj, Tensor):
        source = obj
    elif isinstance(obj, np.ndarray):
        source = from_numpy(obj)
    elif hasattr(obj, "__dlpack__"):
        source = from_dlpack(obj)
    elif not isinstance(obj, (list, tuple, np.generic)) and _has_buffer(obj):
        source = frombuffer(obj, dtype=kind or defaults.floating)
    if source is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return tensor(obj, dtype=kind, device=device, requires_grad=requires_grad)
    different = (kind is not None and kind is not source.dtype) or (where is not None and where != source.device)  # type: ignore[attr-defined]
    if different and copy is False:
        what = "dtype" if kind is not None and kind is not source.dtype else "device"
        raise ValueError(f"can't alias tensor with {what} '{source.dtype if what == 'dtype' else source.device}' into {what} '{kind if what == 'dtype' else where}'.")  # type: ignore[attr-defined]
    result: Any = source
    if different or copy:
        result = source.to(device=where, dtype=kind, copy=True)  # type: ignore[attr-defined]
    if requires_grad and not result.requires_grad:
        result.requires_grad_()
    elif not requires_grad and result.requires_grad:
        result = result.detach()
    return result  # type: ignore[no-any-return]


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
    FROM_NUMPY[ndarray.dtype]
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
        _warn_read_only()
    return wrap(ndarray if type(ndarray) is np.ndarray else np.asarray(ndarray))


def _warn_read_only() -> None:
    import warnings

    warnings.warn(
        "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means writing to this"
        " tensor will result in undefined behavior. You may want to copy the array to protect its data or make it writable before"
        " converting it to a tensor. This type of warning will be suppressed for the rest of this program.",
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
    size = memoryview(buffer).nbytes
    each = kind.itemsize
    if size <= 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) minus 1")
    if count < 0:
        if (size - offset) % each:
            raise ValueError(f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of element size ({each})")
        count = (size - offset) // each
    elif offset + count * each > size:
        raise ValueError(
            f"requested buffer length ({count} * {each} bytes) after offset ({offset} bytes) must not be greater than actual buffer"
            f" length ({size} bytes)"
        )
    out = wrap(np.frombuffer(buffer, kind.np, count, offset))
    return _require(out) if requires_grad else out


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of any object with ``__dlpack__``.

    >>> import chainrule as torch, numpy as np
    >>> torch.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    if isinstance(ext_tensor, Tensor):
        shared = ext_tensor.detach()  # type: ignore[attr-defined]
        return shared.clone() if copy else shared  # type: ignore[no-any-return]
    array = np.from_dlpack(ext_tensor, copy=copy)
    return wrap(array)


# -- from sizes ------------------------------------------------------------------------------------------------------


def sizes_of(size: tuple[Any, ...], function: str = "zeros") -> tuple[int, ...]:
    """``f(2, 3)``, ``f((2, 3))`` and ``f(Size)`` as one tuple of integers."""
    if len(size) == 1 and not isinstance(size[0], (int, np.integer)):
        first = size[0]
        if isinstance(first, (tuple, list)):
            size = tuple(first)
        elif not isinstance(first, Tensor):
            raise argument_error(function, "size", "tuple of ints", first, 1)
    out = []
    for position, n in enumerate(size):
        if type(n) is not int:
            n = _index(n, position, function)
        out.append(n)
    for n in out:
        if n < 0:
            check_sizes(out)
    return tuple(out)


def _index(n: Any, position: int, function: str) -> int:
    if not isinstance(n, bool) and not isinstance(n, float):
        try:
            return int(n.__index__())
        except (AttributeError, TypeError):
            pass
    raise TypeError(
        f"{function}(): argument 'size' must be tuple of ints, but found element of type {type_name(n)} at pos {position}"
    )


def filled(shape: tuple[int, ...], fill: Any, kind: dtype, where: device) -> Any:
    """A value of this shape with every element ``fill``, a Python number."""
    target = kind.np
    if where is not _cpu:
        return Meta(shape, target)
    if not shape and target.kind in _NATIVE:
        return scalar_of(fill, kind)
    if fill == 0:
        return np.zeros(shape, target)
    return np.full(shape, scalar_of(fill, kind), target)


def _made(value: Any, out: Any, requires_grad: bool) -> Tensor:
    if out is not None:
        from ..core.outputs import write_out

        return write_out(out, wrap(value))  # type: ignore[no-any-return]
    result = wrap(value)
    return _require(result) if requires_grad else result


def zeros(
    *size: Any, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, names: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of zeros; ``size`` is integers or one sequence of them.

    >>> import chainrule as torch
    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    kind = _kind(dtype, out)
    return _made(filled(_size(size, "zeros"), 0, kind, tensor_device(device)), out, requires_grad)


def ones(
    *size: Any, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, names: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of ones; ``size`` is integers or one sequence of them.

    >>> import chainrule as torch
    >>> torch.ones(2, dtype=torch.int64)
    tensor([1, 1])
    """
    kind = _kind(dtype, out)
    return _made(filled(_size(size, "ones"), 1, kind, tensor_device(device)), out, requires_grad)


def _size(size: tuple[Any, ...], function: str) -> tuple[int, ...]:
    return sizes_of(size, function)


def _kind(given: Any, out: Any) -> dtype:
    if given is None:
        return defaults.floating if out is None else out.dtype  # type: ignore[no-any-return]
    return as_dtype(given, "zeros")


def empty(
    *size: Any, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False, memory_format: Any = None, names: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor whose elements have arbitrary values.

    >>> import chainrule as torch
    >>> torch.empty(2, 3).shape
    torch.Size([2, 3])
    """
    kind = _kind(dtype, out)
    shape = _size(size, "empty")
    where = tensor_device(device)
    value = Meta(shape, kind.np) if where is not _cpu else np.empty(shape, kind.np)
    result = _made(value, out, requires_grad)
    if memory_format is not None:
        from .writes import in_format

        result._value = in_format(result._value, memory_format)
    return result


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, names: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of this ``size`` with every element ``fill_value``; its dtype is that of the number unless given.

    >>> import chainrule as torch
    >>> torch.full((2,), 3.5)
    tensor([3.5000, 3.5000])
    """
    number = fill_value.item() if isinstance(fill_value, (Tensor, np.generic)) else fill_value
    kind = out.dtype if dtype is None and out is not None else number_dtype(number) if dtype is None else as_dtype(dtype, "full")
    if isinstance(fill_value, Tensor) and dtype is None and out is None:
        kind = fill_value.dtype
    return _made(filled(sizes_of((size,), "full"), number, kind, tensor_device(device)), out, requires_grad)


def number_dtype(number: Any) -> dtype:
    """The dtype that a Python number gives a new tensor."""
    if isinstance(number, bool):
        return bool_
    if isinstance(number, int):
        return int64
    return defaults.complex if isinstance(number, complex) else defaults.floating


# -- like another tensor ---------------------------------------------------------------------------------------------


def _full_like_impl(x: Any, *, fill: Any, dtype: Any) -> Any:
    if not x.ndim and dtype.kind in _NATIVE:
        return dtype.type(fill)
    return np.full_like(x, fill, dtype)


# Interpreters' values (a batch, a tracked or a meta tensor) decide what "like" means for them.
full_like_op = Op("full_like", _full_like_impl, kind="general", batch=lambda op, args, mask, kw: op(args[0], **kw))


def like(input: Any, fill: Any, dtype: Any, device: Any, requires_grad: bool, memory_format: Any) -> Tensor:
    """A tensor that looks like ``input``, every element ``fill``."""
    if not isinstance(input, Tensor):
        raise argument_error("full_like", "input", "Tensor", input, 1)
    kind = input.dtype if dtype is None else as_dtype(dtype, "full_like")
    value = input._value
    if device is not None and require_usable(as_device(device)) is not input.device:  # type: ignore[attr-defined]
        out = wrap(filled(tuple(input.shape), fill, kind, require_usable(as_device(device))))
    elif isinstance(value, Value):
        out = full_like_op(input.detach(), fill=fill, dtype=kind.np)  # type: ignore[attr-defined]
    else:
        if not isinstance(fill, (int, float)) or kind.category < FLOAT:
            fill = scalar_of(fill, kind)
        out = new(Tensor)
        out._value = _full_like_impl(value, fill=fill, dtype=kind.np)
    if memory_format is not None:
        out = out.contiguous(memory_format=memory_format)  # type: ignore[attr-defined]
    return _require(out) if requires_grad else out


@method
def zeros_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Zeros of the shape, dtype and device of ``input``.

    >>> import chainrule as torch
    >>> torch.zeros_like(torch.tensor([1, 2]))
    tensor([0, 0])
    """
    return like(input, 0, dtype, device, requires_grad, memory_format)


@method
def ones_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Ones of the shape, dtype and device of ``input``.

    >>> import chainrule as torch
    >>> torch.ones_like(torch.tensor([1.5, 2]))
    tensor([1., 1.])
    """
    return like(input, 1, dtype, device, requires_grad, memory_format)


__all__ = ["as_tensor", "asarray", "empty", "from_dlpack", "from_numpy", "frombuffer", "full", "ones", "ones_like", "tensor", "zeros", "zeros_like"]
