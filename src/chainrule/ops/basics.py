"""What a tensor is, without mathematics: its value in Python and NumPy, its text, its place in memory."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core import device as _device
from ..core.apply import operand_dtypes
from ..core.dtype import FROM_NUMPY, defaults, dtype
from ..core.inference import INFERENCE
from ..core.meta import Meta
from ..core.mutation import version
from ..core.naming import argument_error
from ..core.node import LEAF
from ..core.printing import item_format, shows_dtype, tensor_repr
from ..core.size import (
    Size,
    contiguous_strides,
    is_channels_last,
    is_channels_last_3d,
    is_contiguous,
    normalize_dim,
)
from ..core.tensor import Tensor, materialise
from ..core.value import Value
from .declare import attach, method

# -- values ----------------------------------------------------------------------------------------------------------

# What the value of a 0-d tensor usually is; one look-up instead of several questions.
_SCALARS = frozenset({np.float32, np.float64, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_, np.complex64, np.complex128})


@method
def item(self: Tensor) -> Any:
    """The one element as a Python number.

    Raises RuntimeError for any other number of elements.

    >>> import chainrule as torch
    >>> torch.tensor([2.5]).item()
    2.5
    """
    v = self._value
    if type(v) in _SCALARS:
        return v.item()
    if not isinstance(v, Value):
        if v.size == 1:
            return v.item()
    else:
        n = numel(self)
        if n == 1 or not isinstance(v, Meta):
            return v.number()
        raise RuntimeError(f"a Tensor with {n} elements cannot be converted to Scalar")
    raise RuntimeError(f"a Tensor with {v.size} elements cannot be converted to Scalar")


def _concrete(tensor: Tensor, what: str) -> Any:
    """The raw value behind; raises what the interpreter says where there is none."""
    v = tensor._value
    return v.concrete(what) if isinstance(v, Value) else v


@method
def tolist(self: Tensor) -> Any:
    """The elements as nested lists of Python numbers; a number for a 0-d tensor.

    >>> import chainrule as torch
    >>> torch.tensor([[1, 2], [3, 4]]).tolist()
    [[1, 2], [3, 4]]
    """
    return _concrete(self, "tolist").tolist()


@method
def numpy(self: Tensor, *, force: bool = False) -> Any:
    """The elements as a NumPy array that shares the tensor's memory.

    ``force`` detaches first.  Raises RuntimeError for a tensor that requires gradient, TypeError for element types that
    NumPy lacks.

    >>> import chainrule as torch
    >>> torch.ones(2).numpy()
    array([1., 1.], dtype=float32)
    """
    if self._gn is not None and not force:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    v = self._value
    if isinstance(v, Value):
        if v.requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        v = v.concrete("numpy")
        v = np.array(v)
    elif not isinstance(v, np.ndarray):
        v = materialise(self)
    if v.dtype.kind not in "biufc":
        raise TypeError(f"Got unsupported ScalarType {FROM_NUMPY[v.dtype].scalar_name}")
    return v.view()  # an array object of its own: its shape and flags may be set


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    a = numpy(self)
    if dtype is not None and np.dtype(dtype) != a.dtype:
        if copy is False:
            raise ValueError("a copy is needed to convert the tensor to another dtype, and copy=False forbids it")
        return a.astype(dtype)
    return a.copy() if copy else a


def _array_wrap(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
    from .creation import from_numpy

    if array.dtype == bool and array.ndim:
        array = array.astype("uint8")  # NumPy's comparisons give what PyTorch's once gave
    return from_numpy(np.asarray(array))


def _len(self: Tensor) -> int:
    shape = self._value.shape
    if not shape:
        raise TypeError("len() of a 0-d tensor")
    return int(shape[0])


def _bool(self: Tensor) -> builtins.bool:
    v = self._value
    if type(v) in _SCALARS:
        return builtins.bool(v)
    if isinstance(v, Value):
        v = v.concrete("bool")
    n = v.size
    if n == 1:
        return builtins.bool(v.item())
    if n == 0:
        raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
    raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")


def _number(self: Tensor, depth: builtins.int) -> Any:
    """The one element, for ``float(t)`` and ``int(t)``; ``depth`` frames up is who asked."""
    v = self._value
    if isinstance(v, Value):
        v = v.concrete("item")
    if v.size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    if self._gn is not None:
        warnings.warn(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
            "Consider using tensor.detach() first.",
            UserWarning,
            stacklevel=depth,
        )
    return v.item()


def _real(self: Tensor, c_type: str) -> Any:
    number = _number(self, 4)
    if isinstance(number, builtins.complex):
        if number.imag:
            raise RuntimeError(f"value cannot be converted to type {c_type} without overflow")
        return number.real
    return number


def _float(self: Tensor) -> builtins.float:
    if self._gn is None and type(self._value) is np.float32:
        return self._value.item()
    return builtins.float(_real(self, "double"))


def _int(self: Tensor) -> builtins.int:
    return builtins.int(_real(self, "int64_t"))


def _complex(self: Tensor) -> builtins.complex:
    return builtins.complex(_number(self, 3))


def _index(self: Tensor) -> builtins.int:
    v = self._value
    if self.dtype.category > 1 or v.ndim and v.shape != (1,) * v.ndim:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return builtins.int(_concrete(self, "item").item())


def _contains(self: Tensor, element: Any) -> builtins.bool:
    if isinstance(element, (Tensor, builtins.int, builtins.float, builtins.complex, np.generic)):
        return builtins.bool((self == element).any().item())
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")


def _iter(self: Tensor) -> Iterator[Tensor]:
    if not self._value.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def _reversed(self: Tensor) -> Iterator[Tensor]:
    return iter(self) if not self._value.ndim else iter(self.flip(0))


def _format(self: Tensor, spec: str) -> str:
    if not self._value.ndim and type(self) is Tensor and not isinstance(self._value, Value):
        return item_format(self._value, spec)
    return object.__format__(self, spec)


for _name, _function in (
    ("__array__", _array), ("__array_wrap__", _array_wrap), ("__len__", _len), ("__bool__", _bool), ("__float__", _float),
    ("__int__", _int), ("__complex__", _complex), ("__index__", _index), ("__contains__", _contains), ("__iter__", _iter),
    ("__format__", _format), ("__reversed__", _reversed),
):  # fmt: skip
    _function.__name__ = _function.__qualname__ = _name
    attach(_function, _name)


# -- text ------------------------------------------------------------------------------------------------------------


def _repr(self: Tensor, *, tensor_contents: Any = None) -> str:
    value = self._value
    if isinstance(value, Value) and not isinstance(value, Meta):
        from ..core.dual import Dual

        if not isinstance(value, Dual):
            return str(value.text(self))
    shown, name, suffixes = _parts(self)
    cls = type(self)
    prefix = "tensor(" if cls is Tensor or cls.__module__.startswith("chainrule.") else f"{cls.__name__}("
    meta = shown if isinstance(shown, Meta) else None
    return tensor_repr(
        None if meta else shown, dtype_name=name, suffixes=suffixes, prefix=prefix, is_meta=meta is not None,
        size=meta.shape if meta else None,
    )  # fmt: skip


def _parts(self: Tensor) -> tuple[Any, str | None, list[str]]:
    """What a repr shows: the value, the dtype's name if needed, and what follows."""
    value = self._value
    suffixes: list[str] = []
    if isinstance(value, Value) and not isinstance(value, Meta):
        if not hasattr(value, "tangent"):
            return value.concrete("repr"), None, []
        shown, name, suffixes = _parts(value.primal)  # type: ignore[attr-defined]
        return shown, name, [*suffixes, f"tangent={value.tangent}"]
    gn = self._gn
    if gn is LEAF:
        suffixes.append("requires_grad=True")
    elif gn is not None or self.requires_grad:
        try:
            node = self.grad_fn
            suffixes.append("requires_grad=True" if node is None else f"grad_fn=<{node.name().rpartition('::')[2]}>")
        except RuntimeError:  # a view taken without gradient, written since
            suffixes.append("grad_fn=<Invalid>")
    kind = self.dtype
    named = shows_dtype(kind, defaults.floating, no_values=not value.size)
    return value, str(kind) if named else None, suffixes


attach(_repr, "__repr__", aliases=("__str__",))


# -- sizes and memory ------------------------------------------------------------------------------------------------


@method
def size(self: Tensor, dim: builtins.int | None = None) -> Any:
    """The shape, or the length of one dimension.

    >>> import chainrule as torch
    >>> torch.ones(2, 3).size(), torch.ones(2, 3).size(-1)
    (torch.Size([2, 3]), 3)
    """
    shape = self._value.shape
    if dim is None:
        return Size(shape)
    if not isinstance(dim, (builtins.int, np.integer)):
        raise argument_error("size", "dim", "int", dim, 1)
    return shape[normalize_dim(dim, len(shape), wrap_scalar=False)]


@method(aliases=("nelement",))
def numel(input: Tensor) -> builtins.int:
    """The number of elements.

    >>> import chainrule as torch
    >>> torch.ones(2, 3).numel()
    6
    """
    n = 1
    for length in input._value.shape:
        n *= length
    return n


def _ndimension(self: Tensor) -> builtins.int:
    """The number of dimensions."""
    return builtins.int(self._value.ndim)


attach(_ndimension, "ndimension", aliases=("dense_dim",))


@method
def sparse_dim(self: Tensor) -> builtins.int:
    """0: every dimension is dense."""
    return 0


@method
def dim_order(self: Tensor) -> tuple[builtins.int, ...]:
    """The dimensions from the slowest to the fastest in memory."""
    strides = _strides(self)
    return tuple(sorted(range(len(strides)), key=lambda d: -strides[d]))


@method
def element_size(self: Tensor) -> builtins.int:
    """The number of bytes of one element."""
    return self.dtype.itemsize


def strides_of(value: Any) -> tuple[builtins.int, ...]:
    """A raw value's strides counted in elements, as PyTorch counts them where a length is 0."""
    each = value.dtype.itemsize
    if 0 in value.shape:
        return contiguous_strides(value.shape)
    return tuple([s // each for s in value.strides])


def _strides(self: Tensor) -> tuple[builtins.int, ...]:
    value = self._value
    if isinstance(value, Meta):
        each = value.numpy_dtype.itemsize
        return tuple([s // each for s in value.strides])
    if isinstance(value, Value):
        return contiguous_strides(value.shape)
    return strides_of(value)


@method
def stride(self: Tensor, dim: builtins.int | None = None) -> Any:
    """How many elements lie between neighbours of each dimension (or of ``dim``).

    >>> import chainrule as torch
    >>> torch.ones(2, 3).stride()
    (3, 1)
    """
    found = _strides(self)
    return found if dim is None else found[normalize_dim(dim, len(found), wrap_scalar=False)]


@method(name="is_contiguous")
def _is_contiguous(self: Tensor, memory_format: Any = _device.contiguous_format) -> builtins.bool:
    """True when the elements lie in memory in the order of ``memory_format`` (row-major by default)."""
    value = self._value
    if memory_format is _device.contiguous_format and isinstance(value, (np.ndarray, np.generic)):
        return builtins.bool(value.flags.c_contiguous)
    shape = tuple(value.shape)
    test = {_device.channels_last: is_channels_last, _device.channels_last_3d: is_channels_last_3d}.get(memory_format, is_contiguous)
    return test(shape, _strides(self))


def _version(self: Tensor) -> builtins.int:
    if self._flags & INFERENCE:
        raise RuntimeError("Inference tensors do not track version counter.")
    return 0 if isinstance(self._value, Value) else version(self._value)


@method
def is_inference(self: Tensor) -> builtins.bool:
    """True for a tensor that was made in inference mode."""
    return builtins.bool(self._flags & INFERENCE)


def _prop(name: str, get: Any, set: Any = None) -> None:
    attach(property(get, set), name)


_prop("_version", _version)


@method
def _is_view(self: Tensor) -> builtins.bool:
    """True for a view that a differentiable operation took."""
    return self._base is not None


def is_tensor(obj: Any) -> builtins.bool:
    """True for tensors.

    >>> import chainrule as torch
    >>> torch.is_tensor(torch.ones(2)), torch.is_tensor([1.0])
    (True, False)
    """
    return isinstance(obj, Tensor)


@method
def is_nonzero(input: Tensor) -> builtins.bool:
    """True when the one element is not zero; RuntimeError for any other number of elements."""
    return _bool(input)


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype in which an operation on two tensors or numbers computes.

    >>> import chainrule as torch
    >>> torch.result_type(torch.tensor([1, 2]), 1.0)
    torch.float32
    """
    return operand_dtypes((tensor1, tensor2), None)


def typename(obj: Any) -> str:
    """The name of an object's type with its module; of a tensor, that of its legacy type.

    >>> import chainrule as torch
    >>> torch.typename(torch.ones(2))
    'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return obj.type()  # type: ignore[no-any-return]
    cls = obj if isinstance(obj, type) and hasattr(obj, "__qualname__") else type(obj)
    module = "" if cls.__module__ in ("builtins", "__builtin__") else cls.__module__ + "."
    return f"{module}{cls.__qualname__}"


def _dlpack(self: Tensor, **options: Any) -> Any:
    if self._gn is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return numpy(self).__dlpack__(**options)


def _dlpack_device(self: Tensor) -> tuple[builtins.int, builtins.int]:
    return (1, 0)


attach(_dlpack, "__dlpack__")
attach(_dlpack_device, "__dlpack_device__")
_prop("itemsize", element_size)
_prop("nbytes", lambda self: numel(self) * self.dtype.itemsize)
_prop("device", lambda self: _device.meta if isinstance(self._value, Meta) else _device.cpu)
_prop("layout", lambda self: _device.strided)
_prop("is_meta", lambda self: isinstance(self._value, Meta))
for _name in ("cuda", "xpu", "mps", "mtia", "sparse", "sparse_csr", "quantized", "mkldnn", "vulkan", "nested", "xla", "ipu", "maia"):
    _prop("is_" + _name, lambda self: False)
_prop("is_cpu", lambda self: not isinstance(self._value, Meta))


@method
def get_device(self: Tensor) -> builtins.int:
    """-1: the CPU has no number."""
    return -1


@method
def is_distributed(self: Tensor) -> builtins.bool:
    """False."""
    return False


@method
def is_floating_point(input: Tensor) -> builtins.bool:
    """True for float and bfloat16 dtypes, not for complex ones."""
    return input.dtype.is_floating_point


@method
def is_complex(input: Tensor) -> builtins.bool:
    """True for complex dtypes."""
    return input.dtype.is_complex


@method
def is_signed(self: Tensor) -> builtins.bool:
    """True for dtypes with negative numbers."""
    return self.dtype.is_signed


__all__ = ["is_complex", "is_floating_point", "is_inference", "is_nonzero", "is_tensor", "numel", "result_type", "typename"]
