"""Reading a file that ``torch.save`` wrote, here or in PyTorch; by default nothing but tensors and plain containers."""

from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.device import as_device
from ..core.dtype import DTYPES, dtype, own, uint8
from ..core.size import Size
from ..core.tensor import wrap
from .names import DTYPE_OF

_SAFE: dict[str, Any] = {}


def _rebuild_tensor(storage: Any, offset: int, size: Any, stride: Any) -> Any:
    item = storage.itemsize
    shape = tuple(size)
    if 0 in shape:
        return wrap(np.empty(shape, storage.dtype))
    return wrap(np.ndarray(shape, storage.dtype, storage, offset * item, tuple([s * item for s in stride])))


def _rebuild_tensor_v2(storage: Any, offset: int, size: Any, stride: Any, requires_grad: bool, _hooks: Any, _metadata: Any = None) -> Any:
    t = _rebuild_tensor(storage, offset, size, stride)
    return t.requires_grad_() if requires_grad else t


def _rebuild_tensor_v3(
    storage: Any, offset: int, size: Any, stride: Any, requires_grad: bool, _hooks: Any, kind: dtype, _metadata: Any = None
) -> Any:
    return _rebuild_tensor_v2(storage.view(kind.np), offset, size, stride, requires_grad, _hooks)


def _rebuild_parameter(data: Any, requires_grad: bool, _hooks: Any) -> Any:
    from ..nn.parameter import Parameter

    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data: Any, requires_grad: bool, _hooks: Any, state: Any) -> Any:
    p = _rebuild_parameter(data, requires_grad, _hooks)
    p.__dict__.update(state if isinstance(state, dict) else {})
    return p


def _known_globals() -> dict[str, Any]:
    """What every file may name."""
    known: dict[str, Any] = {
        "torch._utils._rebuild_tensor": _rebuild_tensor,
        "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
        "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
        "torch._utils._rebuild_parameter": _rebuild_parameter,
        "torch._utils._rebuild_parameter_with_state": _rebuild_parameter_with_state,
        "torch.Size": Size,
        "torch.device": as_device,
        "torch.UntypedStorage": uint8,
        "torch.storage.UntypedStorage": uint8,
        "collections.OrderedDict": collections.OrderedDict,
        "collections.Counter": collections.Counter,
        "builtins.set": set,
        "builtins.bytearray": bytearray,
        "builtins.complex": complex,
        "_codecs.encode": _encode,
    }
    known.update({f"torch.{name}": kind for name, kind in DTYPE_OF.items()})
    known.update({f"torch.{d.name}": d for d in DTYPES})
    return known


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, storages: Callable[[Any], Any], weights_only: bool, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self._storages = storages
        self._weights_only = weights_only
        self._known = _known_globals()

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module.replace('__builtin__', 'builtins')}.{name}"
        if full in self._known:
            return self._known[full]
        if full in _SAFE:
            return _SAFE[full]
        if self._weights_only:
            raise pickle.UnpicklingError(
                f"Weights only load failed. Unsupported global: GLOBAL {full} was not an allowed global by default. Please use"
                f" `torch.serialization.add_safe_globals([{name}])` or the `torch.serialization.safe_globals([{name}])` context manager to"
                " allowlist this global if you trust this class/function, or set `weights_only=False` if you trust the source of the file:"
                " loading then runs code that the file holds."
            )
        if module == "torch" or module.startswith("torch."):
            module = "chainrule" + module[len("torch") :]
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] != "storage":
            raise RuntimeError(f"Unknown typename for persistent_load, expected 'storage' but got '{pid[0]}'")
        return self._storages(pid)


def load(
    f: Any, map_location: Any = None, pickle_module: Any = None, *, weights_only: bool | None = None, mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:  # fmt: skip
    """What :func:`~chainrule.serialization.writing.save` (or ``torch.save``) wrote to the path or file ``f``.

    ``weights_only`` (the default) reads tensors, numbers, strings and plain containers, and refuses anything that would
    run code, with UnpicklingError.  ``map_location`` may name the CPU, where everything is; ``mmap`` is accepted.
    Raises FileNotFoundError, and RuntimeError for a file in another format.
    """
    weights_only = True if weights_only is None else weights_only
    if map_location is not None and not callable(map_location) and not isinstance(map_location, dict):
        as_device(map_location)
    if isinstance(f, (str, os.PathLike)):
        with open(os.fspath(f), "rb") as opened:
            return _load_open(opened, weights_only, pickle_load_args)
    if not hasattr(f, "read"):
        raise AttributeError(f"expected 'f' to be string, path, or a file-like object with a 'read' attribute, got {type(f)}")
    return _load_open(f if hasattr(f, "seek") else io.BytesIO(f.read()), weights_only, pickle_load_args)


def _load_open(f: Any, weights_only: bool, options: dict[str, Any]) -> Any:
    start = f.tell()
    if not zipfile.is_zipfile(f):
        f.seek(start)
        if not f.read(1):
            raise EOFError("Ran out of input")
        raise RuntimeError(
            "this file is not in the zip format that torch.save has written since PyTorch 1.6: load it in PyTorch and save it again"
        )
    f.seek(start)
    with zipfile.ZipFile(f) as archive:
        names = archive.namelist()
        pickled = next((n for n in names if n.endswith("/data.pkl")), None)
        if pickled is None:
            raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
        prefix = pickled[: -len("data.pkl")]
        big = prefix + "byteorder" in names and archive.read(prefix + "byteorder") == b"big"
        read: dict[str, Any] = {}

        def storage(pid: Any) -> Any:
            _tag, kind, key, _location, _numel = pid
            if key not in read:
                order = kind.np.newbyteorder(">" if big else "<")
                read[key] = own(np.frombuffer(bytearray(archive.read(f"{prefix}data/{key}")), order).astype(kind.np, copy=False))
            return read[key]

        unpickler = _Unpickler(io.BytesIO(archive.read(pickled)), storage, weights_only, options.get("encoding", "utf-8"))
        return unpickler.load()


# -- allowing more -------------------------------------------------------------------------------------------------------


def _named(items: list[Any]) -> dict[str, Any]:
    found = {}
    for item in items:
        obj, name = item if isinstance(item, tuple) else (item, f"{item.__module__}.{item.__qualname__}")
        found[name] = obj
    return found


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let ``load(weights_only=True)`` use these classes and functions (or ``(object, "full.name")`` pairs)."""
    _SAFE.update(_named(safe_globals))


def get_safe_globals() -> list[Any]:
    """What has been allowed."""
    return list(_SAFE.values())


def clear_safe_globals() -> None:
    """Allow nothing but the defaults again."""
    _SAFE.clear()


@contextlib.contextmanager
def safe_globals(safe_globals: list[Any]) -> Iterator[None]:
    """:func:`add_safe_globals` for the length of a block."""
    before = dict(_SAFE)
    _SAFE.update(_named(safe_globals))
    try:
        yield
    finally:
        _SAFE.clear()
        _SAFE.update(before)
