"""New tensors that take shape, dtype or device from another: ``zeros_like``, ``new_zeros`` and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.device import as_device, preserve_format, require_usable
from ..core.device import cpu as _cpu
from ..core.dtype import as_dtype, dtype
from ..core.inference import ACTIVE, mark
from ..core.meta import Meta
from ..core.naming import argument_error
from ..core.tensor import Tensor, new, wrap
from ..core.value import Value
from . import creation
from .creation import require
from .data import checked_scalar
from .declare import method
from .factories import filled, finish, number_of, sizes_of
from .writes import full_array, full_like_op, in_format


def like(name: str, input: Any, fill: Any, dtype: Any, device: Any, memory_format: Any) -> Tensor:
    """A tensor that looks like ``input``, every element ``fill``."""
    if not isinstance(input, Tensor):
        raise argument_error(name, "input", "Tensor", input, 1)
    kind = input.dtype if dtype is None else as_dtype(dtype, name)
    value = input._value
    if fill != 0 and fill != 1:
        fill = checked_scalar(fill, kind)
    where = None if device is None else require_usable(as_device(device))
    if where is not None and where is not input.device:
        out = wrap(filled(tuple(input.shape), fill, kind, where))
    elif isinstance(value, Value):
        out = full_like_op(input.detach(), fill=fill, dtype=kind.np)
    else:
        out = new(Tensor)
        out._value = full_array(value, fill=fill, dtype=kind.np)
    if memory_format is not None and memory_format is not preserve_format:
        out._value = in_format(out._value, memory_format)
    return mark(out) if ACTIVE.threads else out


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
    out = like("zeros_like", input, 0, dtype, device, memory_format)
    return require(out) if requires_grad else out


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
    out = like("ones_like", input, 1, dtype, device, memory_format)
    return require(out) if requires_grad else out


@method
def empty_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Arbitrary values in the shape, dtype and device of ``input``."""
    out = like("empty_like", input, 0, dtype, device, memory_format)
    return require(out) if requires_grad else out


@method
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """``fill_value`` in the shape, dtype and device of ``input``.

    >>> import chainrule as torch
    >>> torch.full_like(torch.ones(2), 7)
    tensor([7., 7.])
    """
    out = like("full_like", input, number_of(fill_value, "full_like", "fill_value", 2), dtype, device, memory_format)
    return require(out) if requires_grad else out


# -- methods that take dtype and device ------------------------------------------------------------------------------


def _options(self: Tensor, dtype_: Any, device: Any, function: str) -> tuple[dtype, Any]:
    where = self.device if device is None else require_usable(as_device(device))
    return (self.dtype if dtype_ is None else as_dtype(dtype_, function)), where


@method
def new_zeros(
    self: Tensor, *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of these sizes with the dtype and device of this tensor."""
    kind, where = _options(self, dtype, device, "new_zeros")
    return finish(filled(sizes_of(sizes, "new_zeros", size), 0, kind, where), None, requires_grad, layout, pin_memory)


@method
def new_ones(
    self: Tensor, *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones of these sizes with the dtype and device of this tensor."""
    kind, where = _options(self, dtype, device, "new_ones")
    return finish(filled(sizes_of(sizes, "new_ones", size), 1, kind, where), None, requires_grad, layout, pin_memory)


@method
def new_empty(
    self: Tensor, *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Arbitrary values of these sizes with the dtype and device of this tensor."""
    kind, where = _options(self, dtype, device, "new_empty")
    shape = sizes_of(sizes, "new_empty", size)
    value = np.empty(shape, kind.np) if where is _cpu else Meta(shape, kind.np)
    return finish(value, None, requires_grad, layout, pin_memory)


@method
def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``fill_value`` in this size with the dtype and device of this tensor."""
    kind, where = _options(self, dtype, device, "new_full")
    number = checked_scalar(number_of(fill_value, "new_full", "fill_value", 2), kind)
    return finish(filled(sizes_of((size,), "new_full"), number, kind, where), None, requires_grad, layout, pin_memory)


@method
def new_empty_strided(
    self: Tensor, size: Any, stride: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Arbitrary values of this size and stride with the dtype and device of this tensor."""
    from .factories import empty_strided

    kind, where = _options(self, dtype, device, "new_empty_strided")
    return empty_strided(size, stride, dtype=kind, device=where, requires_grad=requires_grad, pin_memory=pin_memory)


@method
def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``tensor(data)`` with the dtype and device of this tensor."""
    kind, where = _options(self, dtype, device, "new_tensor")
    return creation.tensor(data, dtype=kind, device=where, requires_grad=requires_grad)


__all__ = ["empty_like", "full_like", "ones_like", "zeros_like"]
