"""`Size`, and the arithmetic of shapes and strides on plain tuples, with PyTorch's errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, NoReturn, SupportsIndex, cast, final, overload

import numpy as np

from .naming import TorchNamed, closed, type_name

Shape = tuple[int, ...]


@final
class Size(tuple[int, ...], metaclass=TorchNamed):
    """The shape of a tensor: a tuple of integers. Slices, sums and multiples of it are sizes too.

    >>> import chainrule as torch
    >>> torch.Size([2, 3]) + (4,)
    torch.Size([2, 3, 4])
    """

    __slots__ = ()
    __module__ = "chainrule"

    def __new__(cls, *args: Any, **kwargs: Any) -> Size:
        items = tuple(*args, **kwargs)
        for item in items:
            if type(item) is not int or not -(2**63) <= item < 2**63:
                return tuple.__new__(Size, _checked(items))
        return tuple.__new__(Size, items)

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise closed("Size")

    def numel(self) -> int:
        """How many elements a tensor of this shape has."""
        return prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join([str(int(n)) for n in self])}])"

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> Size: ...
    def __getitem__(self, key: SupportsIndex | slice) -> int | Size:
        found = tuple.__getitem__(self, key)
        return tuple.__new__(Size, cast(Shape, found)) if type(key) is slice else cast(int, found)

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type_name(other)}) to torch.Size")
        return Size(tuple(self) + other)

    def __radd__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(other + tuple(self))

    def __mul__(self, count: SupportsIndex) -> Size:
        if not hasattr(count, "__index__"):
            raise TypeError(f"can't multiply sequence by non-int of type '{type_name(count)}'")
        return tuple.__new__(Size, tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple[type[Size], tuple[Shape]]:
        return (Size, (tuple(self),))


def size_of(shape: Shape) -> Size:
    """`shape` as a Size, unchecked: for tuples that are known to hold integers."""
    return tuple.__new__(Size, shape)


def _checked(items: tuple[Any, ...]) -> Shape:
    """Integers as they are, one-element integer tensors as their value, TypeError for the first item that is neither."""
    checked = []
    for position, item in enumerate(items):
        if hasattr(item, "requires_grad"):
            try:
                item = item.__index__()
            except (TypeError, ValueError):
                raise _not_an_int(position, item) from None
        elif not isinstance(item, (int, np.integer)):
            raise _not_an_int(position, item)
        if not -(2**63) <= item < 2**63:
            raise ValueError("Overflow when unpacking long long")
        checked.append(item)
    return tuple(checked)


def _not_an_int(position: int, item: Any) -> TypeError:
    return TypeError(f"torch.Size() takes an iterable of 'int' (item {position} is '{type_name(item)}')")


def text(shape: Iterable[int]) -> str:
    """A shape as PyTorch's messages print it: `[2, 3]`."""
    return f"[{', '.join([str(n) for n in shape])}]"


# Broadcasting


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that all of `shapes` (tuples, lists or integers) broadcast to.

    RuntimeError where two lengths differ and neither is 1, ValueError for a negative length.

    >>> import chainrule as torch
    >>> torch.broadcast_shapes((2, 1), (3,), 1)
    torch.Size([2, 3])
    """
    listed: list[Any] = []
    for shape in shapes:
        if isinstance(shape, int):
            shape = (shape,)
        elif not isinstance(shape, (tuple, list)):
            raise RuntimeError(f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {shape}")
        listed.append(shape)
    result = [1] * max((len(shape) for shape in listed), default=0)
    for position, shape in enumerate(listed):
        for dim in range(-1, -1 - len(shape), -1):
            length = shape[dim]
            if length < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
            if length == 1 or length == result[dim]:
                continue
            if result[dim] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {length} at {dim}! Mismatching argument at index {position}"
                    f" had {shape}; but expected shape should be broadcastable to {result}"
                )
            result[dim] = length
    return Size(result)


def broadcast_pair(a: Shape, b: Shape) -> Shape:
    """The shape of an operator's result on operands of shapes `a` and `b`; RuntimeError in the operators' words."""
    if a == b:
        return a
    if len(a) < len(b):
        longer, shorter = b, a
    else:
        longer, shorter = a, b
    lead = len(longer) - len(shorter)
    result = list(longer)
    for dim, length in enumerate(shorter, lead):
        other = result[dim]
        if other != length and length != 1:
            if other != 1:
                raise broadcast_pair_error(a, b)
            result[dim] = length
    return tuple(result)


def broadcast_pair_error(a: Shape, b: Shape) -> RuntimeError:
    """The error of an operator whose operands' shapes do not broadcast: it names the last dimension that differs."""
    ndim = max(len(a), len(b))
    for back in range(1, min(len(a), len(b)) + 1):
        if a[-back] != b[-back] and a[-back] != 1 and b[-back] != 1:
            return RuntimeError(
                f"The size of tensor a ({a[-back]}) must match the size of tensor b ({b[-back]}) at non-singleton dimension {ndim - back}"
            )
    raise ValueError(f"shapes {text(a)} and {text(b)} broadcast")


def check_inplace_shape(target: Shape, *operands: Shape) -> None:
    """RuntimeError unless an in-place operation on a tensor of shape `target` keeps that shape."""
    shape = target
    for operand in operands:
        shape = broadcast_pair(shape, operand)
    if shape != target:
        raise RuntimeError(f"output with shape {text(target)} doesn't match the broadcast shape {text(shape)}")


def expand_shape(shape: Shape, sizes: Sequence[int], tensor_type: str = "torch.FloatTensor") -> Shape:
    """The shape that `expand(sizes)` gives a tensor of `shape`: -1 keeps a length. RuntimeError where it cannot."""
    lead = len(sizes) - len(shape)
    if lead < 0:
        raise RuntimeError(
            f"expand({tensor_type}{{{text(shape)}}}, size={text(sizes)}): the number of sizes provided ({len(sizes)})"
            f" must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    result = list(sizes)
    for dim in range(len(sizes) - 1, -1, -1):
        size = sizes[dim]
        if dim < lead:
            if size < 0:
                raise RuntimeError(f"The expanded size of the tensor ({size}) isn't allowed in a leading, non-existing dimension {dim}")
        else:
            length = shape[dim - lead]
            if size == -1:
                result[dim] = length
            elif size < 0:
                raise RuntimeError(f"The expanded size of the tensor ({size}) isn't allowed in dimension {dim}")
            elif size != length and length != 1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({size}) must match the existing size ({length}) at non-singleton dimension {dim}."
                    f"  Target sizes: {text(sizes)}.  Tensor sizes: {text(shape)}"
                )
    return tuple(result)


# Dimensions


def normalize_dim(dim: int, ndim: int, wrap_scalar: bool = True) -> int:
    """`dim` counted from the front. A 0-d tensor accepts 0 and -1, unless `wrap_scalar` is false. IndexError otherwise."""
    if 0 <= dim < ndim:
        return dim
    if -ndim <= dim < 0:
        return dim + ndim
    if ndim == 0:
        if not wrap_scalar:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        if dim == 0 or dim == -1:
            return 0
        ndim = 1
    raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})")


def normalize_dims(dims: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Distinct dimensions counted from the front, in the order given; None means all of them.

    IndexError for one out of range, RuntimeError for one that appears twice. A 0-d tensor has dimension 0 here.
    """
    if dims is None:
        return tuple(range(ndim))
    if isinstance(dims, int):
        return (normalize_dim(dims, ndim),)
    result: list[int] = []
    for dim in dims:
        found = normalize_dim(dim, ndim)
        if found in result:
            raise RuntimeError(f"dim {found} appears multiple times in the list of dims")
        result.append(found)
    return tuple(result)


def check_sizes(shape: Sequence[int]) -> None:
    """RuntimeError if a new tensor's shape has a negative length."""
    for length in shape:
        if length < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {length}: {text(shape)}")


# Strides, counted in elements

# The dimensions from the fastest to the slowest of NHWC and NDHWC memory.
_CHANNELS_LAST = (1, 3, 2, 0)
_CHANNELS_LAST_3D = (1, 4, 3, 2, 0)


def contiguous_strides(shape: Shape) -> Shape:
    """The strides of a row-major tensor; a length of 0 counts as 1.

    >>> contiguous_strides((2, 0, 3))
    (3, 3, 1)
    """
    strides = [1] * len(shape)
    step = 1
    for dim in range(len(shape) - 1, -1, -1):
        strides[dim] = step
        if shape[dim] > 1:
            step *= shape[dim]
    return tuple(strides)


def _ordered_strides(shape: Shape, order: tuple[int, ...], name: str) -> Shape:
    if len(shape) != len(order):
        raise RuntimeError(f"required rank {len(order)} tensor to use {name} format")
    strides = [0] * len(order)
    step = 1
    for dim in order:
        strides[dim] = step
        step *= shape[dim]
    return tuple(strides)


def channels_last_strides(shape: Shape) -> Shape:
    """The strides of a (N, C, H, W) shape stored as NHWC; RuntimeError unless it has 4 dimensions."""
    return _ordered_strides(shape, _CHANNELS_LAST, "channels_last")


def channels_last_3d_strides(shape: Shape) -> Shape:
    """The strides of a (N, C, D, H, W) shape stored as NDHWC; RuntimeError unless it has 5 dimensions."""
    return _ordered_strides(shape, _CHANNELS_LAST_3D, "channels_last_3d")


def _follows(shape: Shape, strides: Shape, order: Sequence[int]) -> bool:
    """Whether the dimensions, from fastest to slowest, lie densely in `order`; those of length 1 may have any stride."""
    step = 1
    for dim in order:
        length = shape[dim]
        if length != 1:
            if strides[dim] != step:
                return False
            step *= length
    return True


def is_contiguous(shape: Shape, strides: Shape) -> bool:
    """Whether the elements lie in row-major order without gaps; a tensor without elements always does."""
    return 0 in shape or _follows(shape, strides, range(len(shape) - 1, -1, -1))


def is_channels_last(shape: Shape, strides: Shape) -> bool:
    """Whether a 4-d tensor lies densely as NHWC."""
    return len(shape) == 4 and _follows(shape, strides, _CHANNELS_LAST)


def is_channels_last_3d(shape: Shape, strides: Shape) -> bool:
    """Whether a 5-d tensor lies densely as NDHWC."""
    return len(shape) == 5 and _follows(shape, strides, _CHANNELS_LAST_3D)


def infer_view_size(shape: Sequence[int], numel: int) -> Shape:
    """`shape` with its one -1 replaced by what `numel` elements leave; RuntimeError in PyTorch's words where none fits.

    >>> infer_view_size((2, -1), 6)
    (2, 3)
    """
    known = 1
    inferred = -1
    for position, length in enumerate(shape):
        if length >= 0:
            known *= length
        elif length == -1:
            if inferred >= 0:
                raise RuntimeError("only one dimension can be inferred")
            inferred = position
        else:
            raise RuntimeError(f"invalid shape dimension {length} at index {position} of shape {text(shape)}")
    if inferred < 0:
        if known == numel:
            return tuple(shape)
    elif known > 0:
        if numel % known == 0:
            return (*shape[:inferred], numel // known, *shape[inferred + 1 :])
    elif numel == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {text(shape)} because the unspecified dimension size -1"
            " can be any value and is ambiguous"
        )
    raise RuntimeError(f"shape '{text(shape)}' is invalid for input of size {numel}")


def compute_view_strides(shape: Shape, strides: Shape, new_shape: Shape) -> Shape | None:
    """The strides with which `new_shape` views the same memory, or None if only a copy can have that shape.

    Both shapes must have the same number of elements. The old dimensions fall into blocks within which elements are
    evenly spaced; a view exists when every new dimension lies within one block.
    """
    if not shape or 0 in shape:
        return strides if shape == new_shape else contiguous_strides(new_shape)
    result = [0] * len(new_shape)
    target = len(new_shape) - 1
    step = strides[-1]
    size = 1
    for dim in range(len(shape) - 1, -1, -1):
        size *= shape[dim]
        if dim and (shape[dim - 1] == 1 or strides[dim - 1] == size * step):
            continue
        covered = 1
        while target >= 0 and (covered < size or new_shape[target] == 1):
            result[target] = covered * step
            covered *= new_shape[target]
            target -= 1
        if covered != size:
            return None
        if dim:
            step = strides[dim - 1]
            size = 1
    return tuple(result) if target < 0 else None


def view_error() -> RuntimeError:
    """The error of `view` where `compute_view_strides` finds no strides."""
    return RuntimeError(
        "view size is not compatible with input tensor's size and stride (at least one dimension spans across two"
        " contiguous subspaces). Use .reshape(...) instead."
    )
