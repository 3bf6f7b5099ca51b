"""Strides, counted in elements: what is contiguous, and when a view of another shape exists."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .size import Shape, text

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
        step *= max(shape[dim], 1)
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
    if shape == new_shape:
        return strides
    if not shape or 0 in shape:
        return contiguous_strides(new_shape)
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


def numel(shape: Shape) -> int:
    """How many elements a tensor of this shape has."""
    return prod(shape)
