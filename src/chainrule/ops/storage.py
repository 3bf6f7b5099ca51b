"""The memory that tensors share: storages, offsets, and tensors that change which memory they look at."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core import device as _device
from ..core.dtype import dtype
from ..core.meta import Meta
from ..core.mutation import root
from ..core.size import contiguous_strides
from ..core.tensor import Tensor, materialise
from ..core.value import Value
from .declare import method
from .factories import sizes_of
from .strides import offset, restride
from .strides import storage as memory_of


class UntypedStorage:
    """The bytes that a tensor and its views lie in."""

    __module__ = "chainrule.storage"

    def __init__(self, memory: Any = 0) -> None:
        if not isinstance(memory, np.ndarray):
            memory = np.empty(int(memory), np.uint8)
        self._memory = memory.reshape(-1).view(np.uint8)

    device = _device.cpu
    is_cuda = False
    is_sparse = False

    def nbytes(self) -> int:
        """The number of bytes."""
        return int(self._memory.nbytes)

    def size(self) -> int:
        """The number of bytes."""
        return int(self._memory.nbytes)

    __len__ = size

    def element_size(self) -> int:
        """1."""
        return 1

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return int(self._memory.__array_interface__["data"][0])

    def __getitem__(self, index: Any) -> Any:
        found = self._memory[index]
        return UntypedStorage(found) if isinstance(index, slice) else int(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._memory[index] = value

    def tolist(self) -> list[int]:
        """The bytes as integers."""
        return self._memory.tolist()  # type: ignore[no-any-return]

    def copy_(self, source: Any, non_blocking: bool = False) -> UntypedStorage:
        """Write the bytes of another storage over these."""
        self._memory[...] = source._memory
        return self

    def fill_(self, value: int) -> UntypedStorage:
        """Write one byte everywhere."""
        self._memory.fill(value)
        return self

    def clone(self) -> UntypedStorage:
        """A copy."""
        return UntypedStorage(self._memory.copy())

    def untyped(self) -> UntypedStorage:
        """Itself."""
        return self

    def cpu(self) -> UntypedStorage:
        """Itself."""
        return self

    def is_shared(self) -> bool:
        """True for memory that forked processes share."""
        return _is_shared(self._memory)

    def __repr__(self) -> str:
        lines = "\n".join(f" {b}" for b in self._memory.tolist())
        return f"{lines}\n[torch.storage.UntypedStorage(device=cpu) of size {self.nbytes()}]"


class TypedStorage:
    """A storage counted in elements of one dtype; deprecated in favour of :class:`UntypedStorage`."""

    __module__ = "chainrule.storage"

    def __init__(self, untyped: UntypedStorage, kind: dtype) -> None:
        self._untyped = untyped
        self._memory = untyped._memory
        self.dtype = kind

    device = _device.cpu

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._untyped.nbytes()

    def size(self) -> int:
        """The number of elements."""
        return self.nbytes() // self.dtype.itemsize

    __len__ = size

    def element_size(self) -> int:
        """The number of bytes of an element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._untyped.data_ptr()

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return self._memory.view(self.dtype.np).tolist()  # type: ignore[no-any-return]

    def __getitem__(self, index: int) -> Any:
        return self._memory.view(self.dtype.np)[index].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._memory.view(self.dtype.np)[index] = value

    def is_shared(self) -> bool:
        """True for memory that forked processes share."""
        return self._untyped.is_shared()

    def __repr__(self) -> str:
        lines = "\n".join(f" {x}" for x in self.tolist())
        return f"{lines}\n[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {self.size()}]"


def is_storage(obj: Any) -> bool:
    """True for storages.

    >>> import chainrule as torch
    >>> torch.is_storage(torch.ones(2).untyped_storage())
    True
    """
    return isinstance(obj, (UntypedStorage, TypedStorage))


def raw_of(tensor: Tensor) -> Any:
    """The tensor's array; NotImplementedError where the tensor has no memory."""
    value = tensor._value
    if isinstance(value, Value):
        raise NotImplementedError("Cannot access storage of a tensor that has no memory of its own")
    return materialise(tensor)


@method
def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes that this tensor and all its views lie in."""
    return UntypedStorage(memory_of(raw_of(self)))


@method
def _typed_storage(self: Tensor) -> TypedStorage:
    """The same, counted in elements."""
    return TypedStorage(untyped_storage(self), self.dtype)


@method
def storage(self: Tensor) -> TypedStorage:
    """The same, counted in elements; deprecated."""
    warnings.warn(
        "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only storage class. This should"
        " only matter to you if you are using storages directly.  To access UntypedStorage directly, use tensor.untyped_storage()"
        " instead of tensor.storage()",
        UserWarning,
        stacklevel=2,
    )
    return _typed_storage(self)


@method
def storage_offset(self: Tensor) -> int:
    """How many elements after the beginning of its storage this tensor starts."""
    value = self._value
    if not isinstance(value, np.ndarray) or value.base is None:
        return 0
    return offset(value) // value.itemsize


@method(aliases=("const_data_ptr",))
def data_ptr(self: Tensor) -> int:
    """The address of the first element; 0 where there is none."""
    if isinstance(self._value, Meta):
        return 0
    value = raw_of(self)
    return int(value.__array_interface__["data"][0]) if value.size else 0


# -- looking elsewhere -----------------------------------------------------------------------------------------------


@method
def set_(self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
    """Look at the memory of ``source``, a tensor or a storage, from now on."""
    each = self.dtype.itemsize
    if source is None:
        self._value = np.empty(0, self.dtype.np)
        return self
    if isinstance(source, Tensor):
        if source.dtype is not self.dtype:
            raise RuntimeError(f"Could not set tensor of type {source.dtype.cpp_name} to a tensor of type {self.dtype.cpp_name}")
        value = raw_of(source)
        if size is None:
            self._value = value
            return self
        memory = memory_of(value)
    else:
        memory = source._memory[: source.nbytes() // each * each].view(self.dtype.np)
    shape = sizes_of((size,), "set_") if size is not None else (memory.nbytes // each - storage_offset,)
    steps = contiguous_strides(shape) if stride is None else tuple(stride)
    self._value = restride(memory, shape, tuple([s * each for s in steps]), storage_offset * each)
    return self


@method
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Take another shape in place; elements keep their place in memory, new ones have arbitrary values.

    Raises RuntimeError for a tensor that requires gradient.
    """
    if self._gn is not None:
        raise RuntimeError("cannot resize variables that require grad")
    shape = sizes_of(sizes, "resize_")
    if isinstance(self._value, Meta):
        self._value = Meta(shape, self._value.numpy_dtype)
        return self
    value = raw_of(self)
    if tuple(value.shape) == shape:
        return self
    strides = tuple([s * value.itemsize for s in contiguous_strides(shape)])
    start = offset(value)
    memory = memory_of(value)
    count = int(np.prod(shape, dtype=np.int64))
    if start + count * value.itemsize > memory.nbytes:
        bigger = np.empty(start // value.itemsize + count, value.dtype)
        flat = memory.reshape(-1).view(value.dtype)
        bigger[: flat.size] = flat
        memory = bigger
    self._value = np.ndarray(shape, value.dtype, memory, start, strides)
    return self


@method
def resize_as_(self: Tensor, the_template: Tensor, memory_format: Any = None) -> Tensor:
    """Take the shape of another tensor in place."""
    return resize_(self, tuple(the_template.shape))


def _out_of_place(self: Tensor, name: str, shape: tuple[int, ...]) -> Any:
    warnings.warn(f"non-inplace {name} is deprecated", UserWarning, stacklevel=3)
    return self.reshape(shape)


@method
def resize(self: Tensor, *sizes: Any) -> Any:
    """The elements in another shape; deprecated, see ``reshape``."""
    return _out_of_place(self, "resize", sizes_of(sizes, "resize"))


@method
def resize_as(self: Tensor, tensor: Tensor) -> Any:
    """The elements in the shape of another tensor; deprecated, see ``reshape``."""
    return _out_of_place(self, "resize_as", tuple(tensor.shape))


@method
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """True when both look at the same memory in the same way."""
    a, b = raw_of(self), raw_of(tensor)
    return bool(a.shape == b.shape and a.strides == b.strides and a.__array_interface__["data"][0] == b.__array_interface__["data"][0])


@method
def is_same_size(self: Tensor, other: Tensor) -> bool:
    """True when the shapes are equal."""
    return bool(self._value.shape == other._value.shape)


# -- memory that processes share -------------------------------------------------------------------------------------


def _is_shared(value: Any) -> bool:
    import mmap

    owner = root(value)
    base = getattr(owner, "base", None)
    return isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap)


@method
def share_memory_(self: Tensor) -> Tensor:
    """Move the elements to memory that processes forked from this one share."""
    value = raw_of(self)
    if _is_shared(value) or not value.size:
        return self
    import mmap

    fresh = np.ndarray(value.shape, value.dtype, np.frombuffer(mmap.mmap(-1, value.nbytes), np.uint8))
    fresh[...] = value
    self._value = fresh
    return self


@method
def is_shared(self: Tensor) -> bool:
    """True after ``share_memory_``."""
    return isinstance(self._value, np.ndarray) and _is_shared(self._value)


@method
def is_pinned(self: Tensor, device: Any = None) -> bool:
    """False: only accelerators pin memory."""
    return False


@method
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """Raises RuntimeError as PyTorch does without an accelerator."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


# -- element by element ----------------------------------------------------------------------------------------------


@method
def apply_(self: Tensor, callable: Any) -> Tensor:
    """Replace every element by ``callable(element)``; slow."""
    if self._gn is not None:
        raise RuntimeError("Can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead.")
    return _each(self, "apply_", callable, ())


@method
def map_(self: Tensor, tensor: Tensor, callable: Any) -> Tensor:
    """Replace every element by ``callable(element, element of tensor)``; slow."""
    if self._gn is not None or tensor._gn is not None:
        raise RuntimeError("Can't call map_() on Variable that requires grad. Use var.detach().map_() instead.")
    return _each(self, "map_", callable, (tensor,))


@method
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Any) -> Tensor:
    """Replace every element by ``callable(element, element of x, element of y)``; slow."""
    if self._gn is not None or x._gn is not None or y._gn is not None:
        raise RuntimeError("Can't call map2_() on Variable that requires grad. Use var.detach().map2_() instead.")
    return _each(self, "map2_", callable, (x, y))


def _each(self: Tensor, name: str, function: Any, others: tuple[Tensor, ...]) -> Tensor:
    from ..core.inplace import store

    value = raw_of(self)
    columns = [value.reshape(-1).tolist()] + [np.broadcast_to(raw_of(o), value.shape).reshape(-1).tolist() for o in others]
    result = np.array([function(*row) for row in zip(*columns, strict=True)]).reshape(value.shape)
    store(name, self, result.astype(value.dtype))
    return self


__all__ = ["is_storage"]
