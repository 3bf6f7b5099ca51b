"""New tensors from sizes and ranges."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..core.device import cpu as _cpu
from ..core.device import device, strided, tensor_device
from ..core.dtype import BOOL, COMPLEX, FLOAT, INT, as_dtype, bool_, defaults, dtype, int64
from ..core.floating_flags import quiet
from ..core.inference import ACTIVE, mark
from ..core.meta import Meta
from ..core.naming import argument_error, type_name
from ..core.size import check_sizes
from ..core.tensor import Tensor, wrap
from .creation import require
from .data import NATIVE, checked_scalar

# -- arguments -------------------------------------------------------------------------------------------------------


def sizes_of(given: tuple[Any, ...], function: str, size: Any = None) -> tuple[int, ...]:
    """``f(2, 3)``, ``f((2, 3))``, ``f(Size)`` and ``f(size=(2, 3))`` as one tuple of integers."""
    if size is not None:
        given = (size,)
    elif not given:
        raise TypeError(f'{function}() missing 1 required positional arguments: "size"')
    several = len(given) > 1
    if not several and type(given[0]) is not int:
        first = given[0]
        if isinstance(first, (tuple, list)):
            given = tuple(first)
            several = True
        elif isinstance(first, bool) or not hasattr(first, "__index__"):
            raise argument_error(function, "size", "tuple of ints", first, 1)
    out = []
    for position, n in enumerate(given):
        if type(n) is not int:
            n = _index(n, position, function)
        out.append(n)
    for n in out:
        if n < 0:
            if function == "zeros":
                raise RuntimeError("zeros: Dimension size must be non-negative.")
            check_sizes(out)
    return tuple(out)


def _index(n: Any, position: int, function: str) -> int:
    if not isinstance(n, bool):
        try:
            return int(n.__index__())
        except (AttributeError, TypeError):
            pass
    if position:
        raise TypeError(
            f"{function}(): argument 'size' failed to unpack the object at pos {position + 1} with error \"type must be tuple of ints,but"
            f' got {type_name(n)}"'
        )
    raise TypeError(
        f"{function}(): argument 'size' (position 1) must be tuple of ints, but found element of type {type_name(n)} at pos {position}"
    )


def finish(value: Any, out: Any, requires_grad: bool, layout: Any = strided, pin_memory: bool = False) -> Tensor:
    """A new tensor around ``value``, or ``out`` holding it."""
    if layout is not strided and layout is not None:
        raise NotImplementedError(f"tensors here are strided in memory; {layout} is a layout of PyTorch's sparse tensors")
    if pin_memory:
        raise RuntimeError(
            "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory allocator is available on this system."
        )
    if out is not None:
        from ..core.outputs import write_out

        return write_out(out, wrap(value))  # type: ignore[no-any-return]
    result = wrap(value)
    if ACTIVE.threads:
        mark(result)
    return require(result) if requires_grad else result


def kind_of(given: Any, out: Any, function: str) -> dtype:
    """The dtype argument; the default floating dtype, or that of ``out``, where there is none."""
    if given is None:
        return defaults.floating if out is None else out.dtype
    return as_dtype(given, function)


def filled(shape: tuple[int, ...], fill: Any, kind: dtype, where: device) -> Any:
    """A value of this shape with every element ``fill``, a number that ``kind`` holds."""
    target = kind.np
    if where is not _cpu:
        return Meta(shape, target)
    if not shape and target.kind in NATIVE:
        return target.type(fill)
    if type(fill) is int and fill == 0:
        return np.zeros(shape, target)
    value = np.empty(shape, target)
    value.fill(fill)
    return value


# -- constant --------------------------------------------------------------------------------------------------------


def zeros(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of zeros; the sizes are integers or one sequence of them.

    >>> import chainrule as torch
    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    kind = kind_of(dtype, out, "zeros")
    return finish(filled(sizes_of(sizes, "zeros", size), 0, kind, tensor_device(device)), out, requires_grad, layout, pin_memory)


def ones(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of ones; the sizes are integers or one sequence of them.

    >>> import chainrule as torch
    >>> torch.ones(2, dtype=torch.int64)
    tensor([1, 1])
    """
    kind = kind_of(dtype, out, "ones")
    return finish(filled(sizes_of(sizes, "ones", size), 1, kind, tensor_device(device)), out, requires_grad, layout, pin_memory)


def empty(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor whose elements have arbitrary values.

    >>> import chainrule as torch
    >>> torch.empty(2, 3).shape
    torch.Size([2, 3])
    """
    kind = kind_of(dtype, out, "empty")
    shape = sizes_of(sizes, "empty", size)
    value = np.empty(shape, kind.np) if tensor_device(device) is _cpu else Meta(shape, kind.np)
    if memory_format is not None:
        from .writes import in_format

        value = in_format(value, memory_format)
    return finish(value, out, requires_grad, layout, pin_memory)


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = strided, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of arbitrary values with these strides, counted in elements.

    >>> import chainrule as torch
    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    kind = kind_of(dtype, None, "empty_strided")
    shape = sizes_of((size,), "empty_strided")
    steps = tuple(int(s) for s in stride)
    if len(steps) != len(shape):
        raise RuntimeError(f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(steps)})")
    if any(s < 0 for s in steps):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)} and strides={list(steps)}")
    each = kind.itemsize
    in_bytes = tuple([s * each for s in steps])
    if tensor_device(device) is not _cpu:
        return finish(Meta(shape, kind.np, in_bytes), None, requires_grad, layout, pin_memory)
    count = 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    value = np.ndarray(shape, kind.np, np.empty(count, kind.np), 0, in_bytes)
    return finish(value, None, requires_grad, layout, pin_memory)


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = strided, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of arbitrary values whose dimensions lie in memory in the order ``physical_layout``, the slowest first.

    >>> import chainrule as torch
    >>> torch.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    shape = sizes_of((size,), "empty_permuted")
    order = [int(d) for d in physical_layout]
    if len(order) != len(shape):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) ="
            f" {len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    for k, d in enumerate(order):
        if not 0 <= d < len(shape):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {d} at index {k}).  NB: negative dims"
                " not currently supported; file an issue if you want it."
            )
    if len({*order}) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    steps = [0] * len(shape)
    step = 1
    for d in reversed(order):
        steps[d] = step
        step *= shape[d]
    return empty_strided(shape, steps, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad, pin_memory=pin_memory)


def number_of(value: Any, function: str, argument: str, position: int) -> Any:
    """A Python number from a number or a 0-d tensor; TypeError for anything else."""
    if type(value) in (int, float, bool, complex):
        return value
    if isinstance(value, np.generic) or (isinstance(value, Tensor) and value.ndim == 0):
        return value.item()
    if isinstance(value, (int, float, complex)):
        return value
    raise argument_error(function, argument, "Number", value, position)


def number_dtype(number: Any) -> dtype:
    """The dtype that a Python number gives a new tensor."""
    if isinstance(number, bool):
        return bool_
    if isinstance(number, int):
        return int64
    return defaults.complex if isinstance(number, complex) else defaults.floating


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of this ``size`` with every element ``fill_value``; its dtype is that of the number unless given.

    Raises RuntimeError for a number that the dtype cannot hold.

    >>> import chainrule as torch
    >>> torch.full((2,), 3.5)
    tensor([3.5000, 3.5000])
    """
    if not isinstance(size, (tuple, list)):
        raise argument_error("full", "size", "tuple of ints", size, 1)
    number = number_of(fill_value, "full", "fill_value", 2)
    if dtype is None and out is None:
        kind = fill_value.dtype if isinstance(fill_value, Tensor) else number_dtype(number)
    else:
        kind = kind_of(dtype, out, "full")
    value = filled(sizes_of((size,), "full"), checked_scalar(number, kind), kind, tensor_device(device))
    return finish(value, out, requires_grad, layout, pin_memory)


def scalar_tensor(
    s: Any, *, dtype: Any = None, layout: Any = strided, device: Any = None, pin_memory: bool = False, requires_grad: bool = False
) -> Tensor:
    """A 0-d tensor of the number ``s``, in the default dtype unless another is given.

    >>> import chainrule as torch
    >>> torch.scalar_tensor(3)
    tensor(3.)
    """
    kind = kind_of(dtype, None, "scalar_tensor")
    value = filled((), checked_scalar(number_of(s, "scalar_tensor", "s", 1), kind), kind, tensor_device(device))
    return finish(value, None, requires_grad, layout, pin_memory)


def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """An ``n`` by ``m`` matrix with ones on its diagonal, zeros elsewhere.

    >>> import chainrule as torch
    >>> torch.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    rows = _int(n, "eye", "n", 1)
    columns = rows if m is None else _int(m, "eye", "m", 2)
    for name, length in (("n", rows), ("m", columns)):
        if length < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {length}")
    kind = kind_of(dtype, out, "eye")
    value = np.eye(rows, columns, dtype=kind.np) if tensor_device(device) is _cpu else Meta((rows, columns), kind.np)
    return finish(value, out, requires_grad, layout, pin_memory)


def _int(n: Any, function: str, argument: str, position: int) -> int:
    if not isinstance(n, bool) and hasattr(n, "__index__"):
        return int(n.__index__())
    raise argument_error(function, argument, "int", n, position)


# -- ranges ----------------------------------------------------------------------------------------------------------


def arange(
    start: Any = None, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = strided,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The numbers from ``start`` (0) up to but not including ``end``, ``step`` apart: ``arange(end)``, ``arange(start, end)``.

    int64 for integers, the default floating dtype otherwise.  Raises RuntimeError for a step of 0 or of the wrong sign.

    >>> import chainrule as torch
    >>> torch.arange(1, 4)
    tensor([1, 2, 3])
    """
    if end is None:
        start, end = 0, start
    elif start is None:
        start = 0
    if end is None:
        raise TypeError("arange() received an invalid combination of arguments - got (), but expected a Number end")
    if type(start) is not int or type(end) is not int or type(step) is not int:
        # PyTorch's error calls a lone argument 'end' at position 1.
        end = number_of(end, "arange", "end", 1 if type(start) is int and start == 0 else 2)
        start, step = number_of(start, "arange", "start", 1), number_of(step, "arange", "step", 3)
        for x in (start, end, step):
            if isinstance(x, complex):
                raise RuntimeError("value cannot be converted to type double without overflow")
    if type(start) is int and type(end) is int and step == 1 and dtype is None and out is None and end >= start:
        where = tensor_device(device)
        value = np.arange(start, end) if where is _cpu else Meta((end - start,), int64.np)
        return finish(value, None, requires_grad, layout, pin_memory)
    whole = not (isinstance(start, float) or isinstance(end, float) or isinstance(step, float))
    kind = as_dtype(dtype, "arange") if dtype is not None else out.dtype if out is not None else int64 if whole else defaults.floating
    count = _range_count(start, end, step)
    if kind.category == INT and not whole:
        start, end, step = int(start), int(end), int(step)
        if kind is int64:  # PyTorch counts with whole numbers here, and in the narrower types with the given ones
            if not step:
                raise ValueError("step must be nonzero")
            count = max(-((start - end) // step), 0)
    if kind.category == BOOL or kind.category == COMPLEX:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{kind.scalar_name}'")
    if tensor_device(device) is not _cpu:
        return finish(Meta((count,), kind.np), out, requires_grad, layout, pin_memory)
    if kind.category == INT:
        value = (np.arange(count, dtype=np.int64) * int(step) + int(start)).astype(kind.np, copy=False)
    else:
        value = (start + step * np.arange(count, dtype=np.float64)).astype(kind.np)
    return finish(value, out, requires_grad, layout, pin_memory)


def _range_count(start: Any, end: Any, step: Any) -> int:
    if not step:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if isinstance(start, int) and isinstance(end, int) and isinstance(step, int):
        return -((start - end) // step)
    count: int = math.ceil((end - start) / step)
    return count


def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = strided,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """As ``arange``, but with ``end`` and in the default floating dtype; deprecated."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with Python's range"
        " builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    start, end, step = (number_of(x, "range", n, i) for i, (x, n) in enumerate(((start, "start"), (end, "end"), (step, "step")), 1))
    kind = kind_of(dtype, out, "range")
    _range_count(start, end, step)
    count = int((end - start) / step) + 1
    value = (start + step * np.arange(count, dtype=np.float64)).astype(kind.np)
    return finish(value, out, requires_grad, layout, pin_memory)


def linspace(
    start: Any, end: Any, steps: Any, *, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` numbers from ``start`` to ``end``, both included, evenly spaced.

    >>> import chainrule as torch
    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    kind, a, b, count = _spaced_arguments("linspace", start, end, steps, out, dtype)
    value = _spaced(a, b, count, kind) if tensor_device(device) is _cpu else Meta((count,), kind.np)
    return finish(value, out, requires_grad, layout, pin_memory)


def logspace(
    start: Any, end: Any, steps: Any, base: float = 10.0, *, out: Any = None, dtype: Any = None, layout: Any = strided,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to the powers ``linspace(start, end, steps)``.

    >>> import chainrule as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    kind, a, b, count = _spaced_arguments("logspace", start, end, steps, out, dtype)
    if tensor_device(device) is not _cpu:
        return finish(Meta((count,), kind.np), out, requires_grad, layout, pin_memory)
    with quiet():
        if kind.category == INT:
            exponents = np.asarray(_spaced(int(a), int(b), count, defaults.floating), np.float32)
            value = np.power(np.float64(base), exponents.astype(np.float64)).astype(kind.np)
        else:
            exponents = _spaced(a, b, count, kind)
            value = np.power(kind.np.type(base), exponents).astype(kind.np)
    return finish(value, out, requires_grad, layout, pin_memory)


def _spaced_arguments(function: str, start: Any, end: Any, steps: Any, out: Any, given: Any) -> tuple[dtype, Any, Any, int]:
    wrong = [f"{name} with {x.ndim} dimension(s)" for name, x in (("start", start), ("end", end)) if isinstance(x, Tensor) and x.ndim]
    if wrong:
        raise RuntimeError(f"{function} only supports 0-dimensional start and end tensors, but got {' and '.join(wrong)}.")
    a, b = number_of(start, function, "start", 1), number_of(end, function, "end", 2)
    count = _int(steps, function, "steps", 3)
    if count < 0:
        raise RuntimeError("number of steps must be non-negative")
    if given is None and out is None:
        kind = defaults.complex if isinstance(a, complex) or isinstance(b, complex) else defaults.floating
    else:
        kind = kind_of(given, out, function)
    if kind.category == BOOL:
        raise NotImplementedError(f"\"{function}_cpu\" not implemented for '{kind.scalar_name}'")
    return kind, a, b, count


def _spaced(start: Any, end: Any, count: int, kind: dtype) -> Any:
    """From both ends towards the middle, as PyTorch computes it, so that the last number is ``end`` exactly."""
    if count == 0:
        return np.empty(0, kind.np)
    if count == 1:
        return np.array([start]).astype(kind.np)
    if kind.category == INT:
        working: Any = np.float64 if kind.itemsize > 4 else np.float32
        a, b = int(start), int(end)
    elif kind.category == FLOAT and (kind.itemsize == 4 or kind.itemsize < 4):
        working = np.float32
        a, b = start, end
    else:
        working = kind.np.type
        a, b = start, end
    first, last = working(a), working(b)
    step = (last - first) / working(count - 1)
    i = np.arange(count)
    half = count // 2
    value = np.empty(count, working)
    value[:half] = first + step * i[:half].astype(working)
    value[half:] = last - step * (count - 1 - i[half:]).astype(working)
    return value.astype(kind.np)


__all__ = [
    "arange",
    "empty",
    "empty_permuted",
    "empty_strided",
    "eye",
    "full",
    "linspace",
    "logspace",
    "ones",
    "range",
    "scalar_tensor",
    "zeros",
]
