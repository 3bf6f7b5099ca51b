"""Devices, memory formats and layouts: the names of where and how a tensor is stored. Only cpu and meta hold tensors."""

from __future__ import annotations

import re
import threading
from types import TracebackType
from typing import Any, ClassVar, NoReturn, Self, final

from .naming import TorchNamed, argument_error, closed, immutable, type_name

_TYPES = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy", "vulkan", "mps",
    "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip
_DEVICE_STRING = re.compile(r"([a-zA-Z_]+)(?::(0|[1-9][0-9]*))?")


@final
class device(metaclass=TorchNamed):
    """Where a tensor lives: `device("cpu")`, `device("cuda:1")`, `device("cuda", 1)`. As a context it is the default.

    Only cpu and meta (shapes without data) can hold tensors; the others are names that programs compare and print.

    >>> import chainrule as torch
    >>> torch.device("cuda:1").index
    1
    >>> with torch.device("meta"):
    ...     torch.get_default_device()
    device(type='meta')
    """

    __slots__ = ("__weakref__", "index", "type")
    __module__ = "chainrule"

    type: str
    index: int | None
    _made: ClassVar[dict[tuple[str, int | None], device]] = {}

    def __new__(cls, *args: Any, **kwargs: Any) -> device:
        if len(args) == 1 and not kwargs:
            kind = args[0]
            if isinstance(kind, device):
                return kind
            if isinstance(kind, (str, bytes)):
                return _named(*_parse(kind if isinstance(kind, str) else kind.decode()))
            if isinstance(kind, int) and not isinstance(kind, bool):
                return _accelerator(kind)
        return _from_arguments(args, kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise closed("device")

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        if name in ("type", "index"):
            raise immutable("device", name)
        raise AttributeError(f"'torch.device' object has no attribute '{name}'")

    def __repr__(self) -> str:
        return f"device(type='{self.type}')" if self.index is None else f"device(type='{self.type}', index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, device) and self.type == other.type and self.index == other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __lt__(self, other: object) -> NoReturn:
        raise TypeError("comparison not implemented")

    __le__ = __gt__ = __ge__ = __lt__

    def __reduce__(self) -> tuple[Any, ...]:
        return (device, (self.type,) if self.index is None else (self.type, self.index))

    def __copy__(self) -> device:
        return self

    def __deepcopy__(self, memo: Any) -> device:
        return self

    def __enter__(self) -> device:
        _scope.entered = (*_scope.entered, self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if not _scope.entered:
            raise RuntimeError("trying to pop from empty mode stack")
        _scope.entered = _scope.entered[:-1]


def _named(kind: str, index: int | None) -> device:
    """The one object of this type and index."""
    found = device._made.get((kind, index))
    if found is None:
        found = object.__new__(device)
        object.__setattr__(found, "type", kind)
        object.__setattr__(found, "index", index)
        device._made[kind, index] = found
    return found


def _parse(text: str) -> tuple[str, int | None]:
    if not text:
        raise RuntimeError("Device string must not be empty")
    match = _DEVICE_STRING.fullmatch(text)
    if match is None:
        raise RuntimeError(f"Invalid device string: '{text}'")
    kind, digits = match.groups()
    if kind not in _TYPES:
        raise RuntimeError(f"Expected one of {', '.join(_TYPES)} device type at start of device string: {text}")
    if digits is None:
        return kind, None
    index = int(digits)
    if index >= 2**31:
        raise RuntimeError(f"Could not parse device index '{digits}' in device string '{text}'")
    return kind, index


def _accelerator(index: int) -> NoReturn:
    """A bare number names the current accelerator's device, and there is none."""
    if index < 0:
        raise RuntimeError("Device index must not be negative")
    raise RuntimeError("Cannot access accelerator device when none is available.")


def _from_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> device:
    """The general constructor: `device(device)`, `device(type, index)`, each by position or by name."""
    given = dict(zip(("type", "index"), args, strict=False)) | kwargs
    if set(kwargs) == {"device"} and not args and isinstance(kwargs["device"], (str, device)):
        return device(kwargs["device"])
    if len(args) > 2 or "type" not in given or (len(given) == 1 and not isinstance(given["type"], str)):
        raise _bad_arguments(args, kwargs)
    for name in given:
        if name not in ("type", "index"):
            raise TypeError(f"device() got an unexpected keyword argument '{name}'")
    kind, index = given["type"], given.get("index")
    if not isinstance(kind, str):
        raise argument_error("device", "type", "str", kind, 1)
    if index is not None and (not isinstance(index, int) or isinstance(index, bool)):
        raise argument_error("device", "index", "int", index, 2)
    name, inner = _parse(kind)
    if inner is not None:
        raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {kind}")
    if index is not None and index < 0:
        raise RuntimeError("Device index must not be negative")
    return _named(name, index)


def _bad_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
    got = ", ".join([type_name(a) for a in args] + [f"{k}={type_name(v)}" for k, v in kwargs.items()])
    lines = [f"device() received an invalid combination of arguments - got ({got}), but expected one of:", " * (torch.device device)"]
    if len(args) == 1 and not kwargs:
        lines.append(f"      didn't match because some of the arguments have invalid types: (!{got}!)")
    return TypeError("\n".join([*lines, " * (str type, int index = -1)", ""]))


cpu = device("cpu")
meta = device("meta")


class _Scope(threading.local):
    """Per thread: the device set as the default, and those entered as contexts, the innermost last."""

    default: device | None = None
    entered: tuple[device, ...] = ()


_scope = _Scope()


def as_device(value: Any, function: str = "tensor") -> device:
    """`value` (a device, a string, an accelerator's number; None for the default) as a device, usable or not."""
    if value is None:
        return get_default_device()
    if type(value) is device:
        return value
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return device(value)
    raise argument_error(function, "device", "torch.device", value)


_NOT_COMPILED = {
    "cuda": "Torch not compiled with CUDA enabled",
    "xpu": "Torch not compiled with XPU enabled",
    "mtia": "Torch not compiled with MTIA enabled. Ensure you have `import mtia.host_runtime.torch_mtia.dynamic_library` in your"
    " python src file and include `//mtia/host_runtime/torch_mtia:torch_mtia` as your target dependency!",
}  # fmt: skip


def require_usable(where: device) -> device:
    """The cpu or meta device that `where` means for a tensor (without an index); what a CPU build of PyTorch raises otherwise."""
    if where.type == "cpu":
        return cpu
    if where.type == "meta":
        return meta
    if where.type in _NOT_COMPILED:
        raise AssertionError(_NOT_COMPILED[where.type])
    raise RuntimeError(f"PyTorch is not linked with support for {where.type} devices")


def tensor_device(value: Any, function: str = "tensor") -> device:
    """The device of a new tensor for the argument `device=value`: cpu or meta, or the error."""
    if value is None and not _scope.entered and _scope.default is None:
        return cpu
    return require_usable(as_device(value, function))


def get_default_device() -> device:
    """The device of new tensors that are given none: the innermost `with device`, the default that was set, or cpu.

    >>> import chainrule as torch
    >>> torch.get_default_device()
    device(type='cpu')
    """
    where = _scope.entered[-1] if _scope.entered else _scope.default
    if where is None:
        return cpu
    require_usable(where)
    return where


def set_default_device(device: Any) -> None:
    """Make `device` this thread's default for new tensors; None restores cpu."""
    _scope.default = None if device is None else _device(device)


_device = device


class _Constant:
    """A named singleton of a closed class; its repr is its name."""

    __slots__ = ("_name",)
    _name: str

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        raise TypeError(f"cannot create 'torch.{cls.__name__}' instances")

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class memory_format(_Constant, metaclass=TorchNamed):
    """The order of a tensor's elements in memory."""

    __slots__ = ()
    __module__ = "chainrule"


class layout(_Constant, metaclass=TorchNamed):
    """How a tensor is stored: `strided`, or one of the sparse forms."""

    __slots__ = ()
    __module__ = "chainrule"


def _format(name: str) -> memory_format:
    made: memory_format = object.__new__(memory_format)
    made._name = name
    return made


def _layout(name: str) -> layout:
    made: layout = object.__new__(layout)
    made._name = name
    return made


contiguous_format = _format("contiguous_format")
preserve_format = _format("preserve_format")
channels_last = _format("channels_last")
channels_last_3d = _format("channels_last_3d")

strided = _layout("strided")
sparse_coo = _layout("sparse_coo")
sparse_csr = _layout("sparse_csr")
sparse_csc = _layout("sparse_csc")
sparse_bsr = _layout("sparse_bsr")
sparse_bsc = _layout("sparse_bsc")
jagged = _layout("jagged")
_mkldnn = _layout("_mkldnn")

__all__ = [
    "channels_last", "channels_last_3d", "contiguous_format", "device", "get_default_device", "jagged", "layout", "memory_format",
    "preserve_format", "set_default_device", "sparse_bsc", "sparse_bsr", "sparse_coo", "sparse_csc", "sparse_csr", "strided",
]  # fmt: skip
