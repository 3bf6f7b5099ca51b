"""Conversions: dtype, device, memory format, copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import device as _device
from ..core import dtype as _dtype
from ..core.dtype import as_dtype, dtype
from ..core.floating_flags import IGNORE, enter, leave
from ..core.inference import ACTIVE, mark
from ..core.large import SMALL, copied
from ..core.meta import Meta
from ..core.naming import type_name
from ..core.op import Op
from ..core.tensor import Tensor, wrap
from ..core.value import Value
from . import structure
from .data import warn_of_imaginary
from .declare import attach, method
from .writes import in_format


@method
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """This tensor in another dtype, on another device: ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other)``.

    Itself where nothing changes, unless ``copy=True``.

    >>> import chainrule as torch
    >>> torch.tensor([1.5]).to(torch.int64)
    tensor([1])
    """
    if not kwargs and len(args) == 1 and type(args[0]) is dtype:
        return converted(self, args[0])
    where, given, copy, memory_format = parse_to(args, kwargs)
    return moved(self, where, given or self.dtype, copy, memory_format)


def converted(self: Tensor, kind: dtype) -> Tensor:
    """``self`` in the dtype ``kind``; itself where it is already."""
    have = self.dtype
    if have is kind:
        return self
    if have.is_complex and kind.category in (_dtype.INT, _dtype.FLOAT):
        warn_of_imaginary(4)
    value = self._value
    if self._gn is None and isinstance(value, (np.ndarray, np.generic)):
        token = enter(IGNORE)
        try:
            out = wrap(structure.cast_array(value, dtype=kind.np))
            return mark(out) if ACTIVE.threads else out
        finally:
            leave(token)
    return structure.cast(self, dtype=kind.np)  # type: ignore[no-any-return]


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dtype | None, bool, Any]:
    """The arguments of ``to`` as (device, dtype, copy, memory format)."""
    where: Any = kwargs.get("device")
    given: Any = kwargs.get("dtype")
    names = ["non_blocking", "copy"]
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        other = rest.pop(0)
        where, given = other.device, other.dtype
    elif rest and (isinstance(rest[0], dtype) or isinstance(rest[0], type)):
        given = as_dtype(rest.pop(0), "to")
    elif rest:
        where = rest.pop(0)
        if rest and (rest[0] is None or isinstance(rest[0], (dtype, type))):
            given = rest.pop(0)
    if isinstance(kwargs.get("other"), Tensor):
        other = kwargs["other"]
        where, given = other.device, other.dtype
    options = dict(zip(names, rest, strict=False))
    for key in kwargs:
        if key not in ("device", "dtype", "non_blocking", "copy", "memory_format", "other"):
            got = ", ".join([type_name(a) for a in args] + [f"{k}={type_name(v)}" for k, v in kwargs.items()])
            raise TypeError(f"to() received an invalid combination of arguments - got ({got}, ), but '{key}' is none of its keywords")
    options |= {k: kwargs[k] for k in ("non_blocking", "copy") if k in kwargs}
    place = None if where is None else _device.require_usable(_device.as_device(where, "to"))
    return place, None if given is None else as_dtype(given, "to"), bool(options.get("copy", False)), kwargs.get("memory_format")


def moved(self: Tensor, where: Any, kind: dtype, copy: bool, memory_format: Any) -> Tensor:
    """``self`` on that device, in that dtype and memory format."""
    meta = isinstance(self._value, Meta)
    if where is not None and (where is _device.meta) != meta:
        if meta:
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        self = to_meta(self, dtype=kind.np)
        copy = False
    out = structure.clone(self) if copy and self.dtype is kind else converted(self, kind)
    if memory_format not in (None, _device.preserve_format):
        return contiguous(out, memory_format)
    return out


to_meta = Op(
    "to_meta", lambda x, *, dtype: Meta(x.shape, dtype), kind="linear",
    vjp=[lambda g, x_shape, x_dtype: structure.cast(g, dtype=x_dtype)], node="ToCopyBackward0",
)  # fmt: skip


@method
def clone(input: Tensor, *, memory_format: Any = _device.preserve_format) -> Tensor:
    """A copy that gradients flow through.

    >>> import chainrule as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> x.clone()
    tensor([1., 1.], grad_fn=<CloneBackward0>)
    """
    value = input._value
    if input._gn is None and isinstance(value, (np.ndarray, np.generic)):
        out = wrap(copied(value) if value.size > SMALL and value.flags.c_contiguous else structure.copy_array(value))
        if ACTIVE.threads:
            mark(out)
    else:
        out = structure.clone(input)
    if memory_format is not _device.preserve_format and memory_format is not None:
        out._value = in_format(out._value, memory_format)
    return out


@method
def contiguous(self: Tensor, memory_format: Any = _device.contiguous_format) -> Tensor:
    """Itself if its elements lie in memory in order, else a copy that does.

    >>> import chainrule as torch
    >>> torch.ones(2, 3).contiguous().is_contiguous()
    True
    """
    value = self._value
    if memory_format is _device.contiguous_format and isinstance(value, (np.ndarray, np.generic)) and value.flags.c_contiguous:
        return self
    if self.is_contiguous(memory_format=memory_format) and (not isinstance(value, Value) or value.row_major()):
        return self
    return clone(self, memory_format=memory_format)


@method
def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """Itself (in ``dtype``): every tensor here is dense."""
    return self if dtype is None else converted(self, as_dtype(dtype, "to_dense"))


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """``self`` in the dtype and on the device of ``other``."""
    return to(self, other)


def _converter(name: str, kind: dtype) -> None:
    def convert(self: Tensor, memory_format: Any = _device.preserve_format) -> Tensor:
        return converted(self, kind)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"``self.to({kind})``."
    attach(convert, name)


for _name in ("float", "double", "half", "bfloat16", "int", "long", "short", "bool", "cfloat", "cdouble", "chalf"):
    _converter(_name, getattr(_dtype, _name))
_converter("char", _dtype.int8)
_converter("byte", _dtype.uint8)


@method
def cpu(self: Tensor, memory_format: Any = _device.preserve_format) -> Tensor:
    """``self`` on the CPU, where it is already."""
    return moved(self, _device.cpu, self.dtype, False, memory_format)


def _accelerator(name: str) -> None:
    def there(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = _device.preserve_format) -> Tensor:
        _device.require_usable(_device.device(name))
        return self

    there.__name__ = there.__qualname__ = name
    there.__doc__ = f"Raises as PyTorch built without {name} does."
    attach(there, name)


for _name in ("cuda", "xpu", "mtia", "ipu", "hpu"):
    _accelerator(_name)


@method(name="type")
def tensor_type(self: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """The name of the legacy tensor type (``'torch.FloatTensor'``), or ``self`` in the dtype that is given so."""
    if dtype is None:
        return legacy_name(self)
    if isinstance(dtype, str):
        dtype = dtype_of_legacy(dtype)
    elif not isinstance(dtype, _dtype.dtype) and hasattr(dtype, "dtype"):
        dtype = dtype.dtype
    return to(self, as_dtype(dtype, "type"))


def legacy_name(tensor: Tensor) -> str:
    """``torch.FloatTensor`` and the like."""
    where = "torch.meta." if isinstance(tensor._value, Meta) else "torch."
    return f"{where}{tensor.dtype.scalar_name}Tensor"


def dtype_of_legacy(name: str) -> dtype:
    """The dtype of a legacy type's name; ValueError for a name that is none."""
    if name == "torch.Tensor":
        return _dtype.defaults.floating
    for kind in _dtype.DTYPES:
        if name == f"torch.{kind.scalar_name}Tensor":
            return kind
    if name.startswith("torch.cuda."):
        _device.require_usable(_device.device("cuda"))
    raise ValueError(f"invalid type: '{name}'")


__all__ = ["clone"]
