"""Writing a file: a zip archive with one pickle and the bytes of every storage."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.device import device
from ..core.dtype import dtype
from ..core.mutation import root
from ..core.size import Size
from ..core.tensor import Tensor
from ..core.value import Value
from ..nn.parameter import Parameter
from ..ops.strides import storage as memory_of
from .names import Global, storage_name

FORMAT_VERSION = "3\n"


def save(obj: Any, f: Any, pickle_module: Any = pickle, pickle_protocol: int = 2, _use_new_zipfile_serialization: bool = True) -> None:
    """Write ``obj`` to the path or binary file ``f`` in the format that ``torch.save`` writes and ``torch.load`` reads.

    Tensors that share memory share it after loading.  A path is written beside and renamed, so that a failure leaves
    the old file.  Raises RuntimeError for tensors inside a transform, and for what cannot be pickled.

    >>> import io
    >>> import chainrule as torch
    >>> buffer = io.BytesIO()
    >>> torch.save({"w": torch.ones(2)}, buffer)
    >>> _ = buffer.seek(0)
    >>> torch.load(buffer)
    {'w': tensor([1., 1.])}
    """
    if not (isinstance(f, (str, os.PathLike)) or hasattr(f, "write")):
        raise AttributeError(f"expected 'f' to be string, path, or a file-like object with a 'write' attribute, got {type(f)}")
    name = os.path.splitext(os.path.basename(os.fspath(f)))[0] if isinstance(f, (str, os.PathLike)) else "archive"
    body = io.BytesIO()
    pickler = _Pickler(body, protocol=2)
    pickler.dump(obj)
    with _target(f) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{name}/data.pkl", body.getvalue())
        archive.writestr(f"{name}/byteorder", "little")
        for key, storage in enumerate(pickler.storages):
            archive.writestr(f"{name}/data/{key}", storage.astype(storage.dtype.newbyteorder("<"), copy=False).tobytes())
        archive.writestr(f"{name}/version", FORMAT_VERSION)


@contextlib.contextmanager
def _target(f: Any) -> Iterator[Any]:
    if not isinstance(f, (str, os.PathLike)):
        yield f
        return
    path = os.fspath(f)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(path)} does not exist.")
    handle, beside = tempfile.mkstemp(dir=folder, prefix=".saving-")
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


_Base: Any = pickle._Pickler  # the one in Python, whose ``save`` can be taken over


class _Pickler(_Base):
    """Writes tensors by reference to storages, and PyTorch's names for what PyTorch has too."""

    def __init__(self, file: Any, protocol: int) -> None:
        super().__init__(file, protocol=protocol)
        self.storages: list[Any] = []
        self._keys: dict[int, int] = {}
        self._alive: list[Any] = []

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        if isinstance(obj, dtype):
            obj = Global("torch", obj.name)
        if type(obj) is Global:
            self.write(b"c" + obj.module.encode() + b"\n" + obj.name.encode() + b"\n")
            return None
        return super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> Any:
        return obj.id if type(obj) is _StorageRef else None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Parameter) and type(obj) is Parameter:
            return Global("torch._utils", "_rebuild_parameter"), (obj.detach(), obj.requires_grad, OrderedDict())
        if type(obj) is Tensor:
            return self._tensor(obj)
        if isinstance(obj, Size):
            return Global("torch", "Size"), (tuple(obj),)
        if isinstance(obj, device):
            return Global("torch", "device"), (str(obj),)
        return NotImplemented

    def _tensor(self, t: Tensor) -> Any:
        value = t._value
        if isinstance(value, Value):
            raise RuntimeError("cannot save a tensor that is inside a transform or on the meta device: it has no values")
        array = np.asarray(value)
        array, storage, offset = self._storage(array)
        strides = tuple([s // array.itemsize for s in array.strides])
        ref = _StorageRef(("storage", Global("torch", storage_name(t.dtype)), str(storage), "cpu", self.storages[storage].size))
        args: tuple[Any, ...] = (ref, offset, tuple(array.shape), strides, t.requires_grad, OrderedDict())
        return Global("torch._utils", "_rebuild_tensor_v2"), args

    def _storage(self, array: Any) -> tuple[Any, int, int]:
        """(array, number of its storage, offset in elements); the array is a copy where its owner is not plain memory."""
        owner = root(array)
        memory = memory_of(array) if isinstance(owner, np.ndarray) and owner.dtype == array.dtype else None
        if memory is None or not memory.flags.c_contiguous or any(s < 0 or s % array.itemsize for s in array.strides):
            owner = memory = array = array.copy(order="C")
        start = memory.__array_interface__["data"][0]
        offset = (array.__array_interface__["data"][0] - start) // array.itemsize if array.size else 0
        key = self._keys.get(id(owner))
        if key is None:
            key = self._keys[id(owner)] = len(self.storages)
            self._alive.append(owner)
            self.storages.append(memory.reshape(-1))
        return array, key, offset


class _StorageRef:
    """Stands for a storage in the pickle."""

    __slots__ = ("id",)

    def __init__(self, id: tuple[Any, ...]) -> None:
        self.id = id
