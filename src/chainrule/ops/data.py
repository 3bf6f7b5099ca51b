"""From Python data to a tensor's value: numbers, nested sequences, arrays, tensors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.dtype import BOOL, COMPLEX, FLOAT, FROM_NUMPY, INT, bool_, defaults, dtype, float32, int64, own
from ..core.floating_flags import IGNORE, enter, leave, quiet
from ..core.info import finfo
from ..core.promotion import PROMOTE
from ..core.tensor import Tensor
from ..core.value import Value
from .structure import cast_array, copy_array

_PYTHON: dict[type, int] = {bool: BOOL, int: INT, float: FLOAT, complex: COMPLEX}
NATIVE = frozenset("biufc")
_ONLY_FLOAT = {float}
_F4 = np.dtype("f4")
_SEQUENCES = (list, tuple)


def scalar_of(x: Any, kind: dtype) -> Any:
    """The Python number ``x`` as a 0-d value of ``kind``.

    Raises RuntimeError for a number that an integer dtype cannot hold, TypeError for a complex number where a real one
    is wanted.
    """
    if kind is float32 and type(x) is float and -3.4e38 < x < 3.4e38:
        return np.float32(x)
    t = kind.np
    if kind.category == FLOAT:
        if isinstance(x, complex):
            raise TypeError("must be real number, not complex")
        if t.kind != "f" or t.itemsize < 4:
            with quiet():
                return np.asarray(float(x)).astype(t)
        if t.itemsize == 4 and not -3.4e38 < x < 3.4e38:
            with quiet():
                return t.type(x)
        return t.type(x)
    if kind.category == INT:
        return t.type(checked_int(x, kind))
    if kind.category == BOOL:
        return np.True_ if x else np.False_
    with quiet():
        return t.type(x)


def checked_int(x: Any, kind: dtype) -> int:
    """``x`` truncated to an integer of ``kind``; negative numbers wrap around in unsigned types."""
    if isinstance(x, complex):
        raise TypeError("must be real number, not complex")
    info = np.iinfo(kind.np)
    high = int(info.max)
    low = int(info.min) if kind.is_signed else -high
    n = int(x) if x == x and x not in (float("inf"), float("-inf")) else high + 1
    if not -(2**63) <= n < 2**64 or (n >= 2**63 and isinstance(x, int) and kind.itemsize == 8 and kind.is_signed):
        raise ValueError("Overflow when unpacking long long") if isinstance(x, int) else _overflow(kind)
    if not low <= n <= high:
        raise _overflow(kind)
    return n if kind.is_signed or n >= 0 else n + high + 1


def _overflow(kind: dtype) -> RuntimeError:
    return RuntimeError(f"value cannot be converted to type {kind.name} without overflow")


_C_NAMES = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t"}


def checked_scalar(x: Any, kind: dtype) -> Any:
    """``x`` as the element that ``fill_`` and ``full`` write; unlike data, it must be within the range of ``kind``.

    Raises RuntimeError where it is not.
    """
    if kind.category == BOOL:
        return bool(x)
    if kind.category == COMPLEX:
        return x
    name = _C_NAMES.get(kind.name, kind.cpp_name)
    if isinstance(x, complex):
        if x.imag:
            raise RuntimeError(f"value cannot be converted to type {name} without overflow")
        x = x.real
    if kind.category == FLOAT:
        if abs(x) > _largest(kind) and x - x == 0:
            raise RuntimeError(f"value cannot be converted to type {name} without overflow")
        return x
    try:
        return checked_int(x, kind)
    except RuntimeError:
        raise RuntimeError(f"value cannot be converted to type {name} without overflow") from None


def _largest(kind: dtype) -> float:
    found = _LARGEST.get(kind)
    if found is None:
        found = _LARGEST[kind] = finfo(kind).max
    return found


_LARGEST: dict[dtype, float] = {}


def leaf_types(data: Any, found: set[type]) -> set[type]:
    """The types of everything in nested lists and tuples that is not one itself; an empty one stands for a float."""
    types = set(map(type, data)) or {float}
    if list in types or tuple in types:
        for row in data:
            if isinstance(row, _SEQUENCES):
                leaf_types(row, found)
            else:
                found.add(type(row))
    else:
        found |= types
    return found


def value_of(data: Any, kind: dtype | None) -> Any:
    """A value of its own memory holding ``data``, in the dtype ``kind`` or the one that PyTorch infers.

    Raises ValueError for ragged sequences, RuntimeError or TypeError for what is no number.
    """
    category = _PYTHON.get(type(data))
    if category is not None:
        return scalar_of(data, kind or python_dtype(category, data))
    if isinstance(data, _SEQUENCES):
        return _from_sequence(data, kind)
    if isinstance(data, Tensor):
        return _from_tensor(data, kind)
    if isinstance(data, np.ndarray):
        return _from_array(data, kind)
    if isinstance(data, np.generic):
        return np.asarray(data).astype((kind or FROM_NUMPY[data.dtype]).np)[()]
    return _from_other(data, kind)


def python_dtype(category: int, data: Any = None) -> dtype:
    """The dtype that a Python number of this category becomes."""
    if category == FLOAT:
        return defaults.floating
    if category == INT:
        if data is not None and not -(2**63) <= data < 2**63:
            raise ValueError("Overflow when unpacking long long")
        return int64
    return bool_ if category == BOOL else defaults.complex


def _from_sequence(data: Any, kind: dtype | None) -> Any:
    types = set(map(type, data))
    if types == _ONLY_FLOAT and (kind is None or kind is float32) and defaults.floating is float32:
        token = enter(IGNORE)
        try:
            return np.array(data, _F4)
        finally:
            leave(token)
    if list in types or tuple in types:
        types = leaf_types(data, set())
    if types <= _PYTHON.keys():
        if kind is None:
            kind = python_dtype(max([_PYTHON[t] for t in types])) if types else defaults.floating
        top = max([_PYTHON[t] for t in types], default=BOOL)
        if top == FLOAT and kind.category >= FLOAT and kind.np.kind in "fc":
            try:
                with quiet():
                    return np.array(data, kind.np)
            except ValueError:
                return _uneven(data, kind)
        return _from_numbers(data, kind, top)
    return _from_mixed(data, kind)


def _from_numbers(data: Any, kind: dtype, top: int) -> Any:
    """Sequences of Python numbers of which the widest is of category ``top``."""
    try:
        have = np.array(data)
    except ValueError:
        return _uneven(data, kind)
    if top == COMPLEX and kind.category < COMPLEX and have.size:
        raise TypeError("must be real number, not complex")
    if kind.category == INT and have.size:
        if have.dtype == np.int64 and kind is int64:
            return have
        if have.dtype.kind == "O" or have.dtype.kind == "u" or not _fits(have, kind):
            flat = [checked_int(x, kind) for x in np.array(data, object).reshape(-1).tolist()]
            return np.array(flat, kind.np).reshape(have.shape)
    with quiet():
        return have.astype(kind.np)


def _fits(have: Any, kind: dtype) -> bool:
    info = np.iinfo(kind.np)
    return bool((have >= info.min).all() and (have <= info.max).all())


def _uneven(data: Any, kind: dtype) -> Any:
    """Sequences of unequal lengths: PyTorch looks at the first element of each level for the shape, then refuses the others.

    With a length of 0 among them there is nothing left to look at.
    """
    shape = []
    level = data
    while isinstance(level, _SEQUENCES):
        shape.append(len(level))
        if not level:
            break
        level = level[0]
    if 0 in shape:
        return np.empty(shape, kind.np)

    def look(seq: Any, dim: int) -> Exception | None:
        if len(seq) != shape[dim]:
            return ValueError(f"expected sequence of length {shape[dim]} at dim {dim} (got {len(seq)})")
        for item in seq:
            if dim + 1 < len(shape):
                if not isinstance(item, _SEQUENCES):
                    return TypeError("not a sequence")
                error = look(item, dim + 1)
                if error is not None:
                    return error
            elif isinstance(item, _SEQUENCES):
                return TypeError(f"'{type(item).__name__}' object cannot be interpreted as an integer")
        return None

    raise look(data, 0) or ValueError("sequences of unequal lengths")


def _item_dtype(item: Any) -> dtype:
    """The dtype of one element of a sequence that holds more than Python numbers."""
    if isinstance(item, Tensor):
        return item.dtype
    if isinstance(item, (np.ndarray, np.generic)):
        return FROM_NUMPY[item.dtype]
    category = _PYTHON.get(type(item))
    if category is not None:
        return python_dtype(category, item)
    if isinstance(item, str):
        raise ValueError("too many dimensions 'str'")
    for base, category in _PYTHON.items():
        if isinstance(item, base):
            return python_dtype(category, item)
    raise RuntimeError(f"Could not infer dtype of {type(item).__name__}")


def _from_mixed(data: Any, kind: dtype | None) -> Any:
    """Sequences that hold tensors, arrays or NumPy scalars; tensors must have one element, arrays may have more."""
    found: list[dtype] = []
    arrays = False

    def plain(item: Any) -> Any:
        nonlocal arrays
        if isinstance(item, _SEQUENCES) or _is_sequence(item):
            return [plain(i) for i in item]
        if found and isinstance(item, str):
            raise TypeError(f"new(): invalid data type '{type(item).__name__}'")
        found.append(_item_dtype(item))
        if isinstance(item, Tensor):
            if item.numel() != 1:
                raise ValueError("only one element tensors can be converted to Python scalars")
            return item.item()
        if isinstance(item, np.ndarray):
            arrays = True
            return item.tolist()
        return item.item() if isinstance(item, np.generic) else item

    rows = [plain(item) for item in data]
    if arrays:
        warnings.warn(
            "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list to a single"
            " numpy.ndarray with numpy.array() before converting to a tensor.",
            UserWarning,
            stacklevel=5,
        )
    if kind is None:
        kind = found[0]
        for other in found[1:]:
            kind = kind if kind is other else PROMOTE[kind, other]
    return _from_sequence(rows, kind)


def _is_sequence(item: Any) -> bool:
    return not isinstance(item, (str, bytes, dict, set, Tensor, np.ndarray, np.generic)) and (
        hasattr(item, "__len__") and hasattr(item, "__getitem__")
    )


def _from_tensor(data: Tensor, kind: dtype | None) -> Any:
    warnings.warn(
        "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or"
        " sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
        UserWarning,
        stacklevel=4,
    )
    value = data._value
    if isinstance(value, Value):
        return data.detach().clone().to(kind or data.dtype)._value
    return copy_array(value) if kind is None or kind is data.dtype else cast_value(value, kind.np)


def cast_value(value: Any, target: Any) -> Any:
    """A copy of a raw value in the NumPy dtype ``target``, warning of imaginary parts that get lost as PyTorch does."""
    if value.dtype.kind == "c" and target.kind not in "cb":
        warn_of_imaginary(5)
    with quiet():
        return cast_array(value, dtype=target)


def warn_of_imaginary(level: int) -> None:
    """What PyTorch says when complex numbers become real ones."""
    warnings.warn("Casting complex values to real discards the imaginary part", UserWarning, stacklevel=level)


def _from_array(data: Any, kind: dtype | None) -> Any:
    have = FROM_NUMPY[data.dtype]
    return own(np.array(data, order="C")) if kind is None or kind is have else cast_value(data, kind.np)


def _from_other(data: Any, kind: dtype | None) -> Any:
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    for attribute in ("__array__", "__array_interface__", "__dlpack__"):
        if hasattr(data, attribute):
            return _from_array(np.asarray(data) if attribute != "__dlpack__" else np.from_dlpack(data), kind)
    for base, category in _PYTHON.items():
        if isinstance(data, base):
            return scalar_of(data, kind or python_dtype(category, data))
    if _is_sequence(data):
        return _from_sequence([data[i] for i in range(len(data))], kind)
    if hasattr(data, "__index__"):
        return scalar_of(data.__index__(), kind or int64)
    raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")


__all__ = ["NATIVE", "cast_value", "checked_scalar", "checked_int", "python_dtype", "scalar_of", "value_of"]
