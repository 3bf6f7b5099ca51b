"""``torch.Tensor(...)``, ``torch.FloatTensor(...)`` and the other constructors that name a type."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as _dtype
from ..core.batching import same
from ..core.device import cpu as _cpu
from ..core.device import tensor_device
from ..core.dtype import defaults, dtype
from ..core.meta import Meta
from ..core.naming import type_name
from ..core.op import Op
from ..core.size import Size
from ..core.tensor import Tensor, _TensorType, materialise, new
from .creation import require
from .data import value_of
from .declare import attach, method
from .factories import sizes_of
from .storage import TypedStorage, UntypedStorage


def construct(kind: dtype, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The value of ``Tensor(*args)``: sizes make an uninitialised tensor, a sequence its data, a tensor is shared."""
    unknown = [k for k in kwargs if k not in ("device", "data", "size", "other")]
    if unknown or len(kwargs) - ("device" in kwargs) + len(args) > 1 and not all(_is_size(a) for a in args):
        raise _no_combination(args, kwargs)
    where = tensor_device(kwargs.pop("device", None))
    if kwargs:
        args = (next(iter(kwargs.values())),)
    if not args:
        return _uninitialised((0,), kind, where)
    first = args[0]
    if isinstance(first, Size) or all(_is_size(a) for a in args):
        return _uninitialised(sizes_of(args, "new"), kind, where)
    if isinstance(first, Tensor):
        return materialise(first)
    if isinstance(first, (bool, int, float, complex)):
        raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")
    if isinstance(first, (UntypedStorage, TypedStorage)):
        return first._memory.view(kind.np)
    return value_of(first, kind)


def _is_size(a: Any) -> bool:
    return isinstance(a, (int, np.integer)) and not isinstance(a, bool)


def _uninitialised(shape: tuple[int, ...], kind: dtype, where: Any) -> Any:
    return np.empty(shape, kind.np) if where is _cpu else Meta(shape, kind.np)


def _no_combination(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
    got = ", ".join([type_name(a) for a in args] + [f"{k}={type_name(v)}" for k, v in kwargs.items()])
    return TypeError(
        f"new() received an invalid combination of arguments - got ({got}), but expected one of:\n * (*, torch.device device = None)\n"
        " * (torch.Storage storage)\n * (Tensor other)\n * (tuple of ints size, *, torch.device device = None)\n"
        " * (object data, *, torch.device device = None)\n"
    )


def _new(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """What ``Tensor(...)`` and ``super().__new__(cls, ...)`` of its subclasses make."""
    kind = args[0].dtype if len(args) == 1 and isinstance(args[0], Tensor) else defaults.floating
    out = new(cls)
    out._value = construct(kind, args, kwargs)
    return out


def _type_repr(cls: Any) -> str:
    module = cls.__module__
    if module == "chainrule" or module.startswith("chainrule."):
        module = "torch" + module[len("chainrule") :]
    return f"<class '{module}.{cls.__qualname__}'>"


Tensor.__new__ = _new  # type: ignore[method-assign]
_TensorType.legacy = staticmethod(lambda cls, args, kwargs: type.__call__(cls, *args, **kwargs))
_TensorType.__repr__ = _type_repr  # type: ignore[method-assign]
Tensor.__module__ = "chainrule"


@method(name="new")
def new_in(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``Tensor(...)`` in the dtype of this tensor."""
    out = new(Tensor)
    out._value = construct(self.dtype, args, kwargs)
    return out


class _LegacyType(type):
    """The type of ``FloatTensor``: called, it makes a Tensor; asked about an instance, it looks at the dtype."""

    dtype: dtype
    is_cuda = False

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Tensor) and args[0].dtype is not cls.dtype:
            raise TypeError(_mismatch(cls.dtype, args[0].dtype))
        out = new(Tensor)
        out._value = construct(cls.dtype, args, kwargs)
        return out

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _mismatch(want: dtype, got: dtype) -> str:
    options = "device=cpu, layout=Strided, requires_grad=false (default), pinned_memory=false (default), memory_format=(nullopt)"
    return f"expected TensorOptions(dtype={want.cpp_name}, {options}) (got TensorOptions(dtype={got.cpp_name}, {options}))"


def _legacy_type(kind: dtype) -> Any:
    made = _LegacyType(f"{kind.scalar_name}Tensor", (), {"dtype": kind, "__module__": "chainrule"})
    made.__doc__ = f"Tensors of {kind}, made from sizes or from data."
    return made


FloatTensor = _legacy_type(_dtype.float32)
DoubleTensor = _legacy_type(_dtype.float64)
HalfTensor = _legacy_type(_dtype.float16)
BFloat16Tensor = _legacy_type(_dtype.bfloat16)
ByteTensor = _legacy_type(_dtype.uint8)
CharTensor = _legacy_type(_dtype.int8)
ShortTensor = _legacy_type(_dtype.int16)
IntTensor = _legacy_type(_dtype.int32)
LongTensor = _legacy_type(_dtype.int64)
BoolTensor = _legacy_type(_dtype.bool_)


def set_default_tensor_type(t: Any, /) -> None:
    """Make the dtype of a legacy type (or its name, ``'torch.DoubleTensor'``) the default floating dtype."""
    from .convert import dtype_of_legacy

    kind = dtype_of_legacy(t) if isinstance(t, str) else getattr(t, "dtype", None)
    if not isinstance(kind, dtype):
        raise TypeError("invalid type object")
    if not kind.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _dtype.set_default_dtype(kind)


# -- subclasses ------------------------------------------------------------------------------------------------------


def _make_subclass(cls: Any, data: Tensor, require_grad: bool = False) -> Any:
    """An instance of ``cls`` over the memory of ``data``, a leaf."""
    out = new(cls)
    out._value = materialise(data)
    return require(out) if require_grad else out


attach(staticmethod(_make_subclass), "_make_subclass")


alias = Op("alias", lambda x: x[...], kind="view", vjp=[lambda g: g], batch=same)


@method
def as_subclass(self: Tensor, cls: Any) -> Any:
    """This tensor, its memory and its history, as an instance of the subclass ``cls``."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError("as_subclass(): argument 'cls' must be a subclass of Tensor")
    out = new(cls)
    out.__dict__.update(alias(self).__dict__)
    return out


__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor", "set_default_tensor_type",
]  # fmt: skip
