"""Where the elements of a value lie, as a loop nest sees it.

A loop nest runs over a *domain*, a list of extents.  A position in a value's row-major order is an :class:`Affine` function of the
domain's coordinates.  Views make other affine functions of it, as long as no axis of the nest runs over a carry between two axes of
the viewed value; where one does, :class:`Split` asks for the axis to be cut in two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..program.ir import Shape, row_major


@dataclass(frozen=True)
class Affine:
    """``offset + Σ coordinate·stride``, over the axes of a domain."""

    strides: tuple[int, ...]
    offset: int = 0

    def along(self, axes: Sequence[int]) -> bool:
        """Whether it depends on one of the axes."""
        return any(self.strides[a] for a in axes)


class NotAffine(Exception):
    """A value's position is no affine function of the domain's coordinates."""


class Split(Exception):
    """Axis ``axis`` has to become two: the inner one of extent ``inner``."""

    def __init__(self, axis: int, inner: int) -> None:
        super().__init__(axis, inner)
        self.axis = axis
        self.inner = inner


def coordinates(at: Affine, domain: Sequence[int], shape: Shape) -> list[Affine]:
    """The coordinates in ``shape`` of a row-major position, each an affine function; :class:`Split` or :class:`NotAffine` if not."""
    steps = row_major(shape)
    strides = [[0] * len(domain) for _ in shape]
    offsets = []
    rest = at.offset
    for step, n in zip(steps, shape):
        offsets.append(rest // step % n if n > 1 else 0)
        rest -= offsets[-1] * step
    for axis, (stride, extent) in enumerate(zip(at.strides, domain)):
        if stride == 0 or extent == 1:
            continue
        k, times = _axis_of(abs(stride), steps, shape)
        if times * (extent - 1) >= shape[k]:
            inner = shape[k] // times
            if shape[k] % times or extent % inner or inner in (1, extent):
                raise NotAffine
            raise Split(axis, inner)
        strides[k][axis] = times if stride > 0 else -times
    found = [Affine(tuple(s), o) for s, o in zip(strides, offsets)]
    for c, n in zip(found, shape):
        spans = [(extent - 1) * s for s, extent in zip(c.strides, domain)]
        low, high = c.offset + sum(s for s in spans if s < 0), c.offset + sum(s for s in spans if s > 0)
        if low < 0 or high >= max(1, n):
            raise NotAffine
    return found


def _axis_of(stride: int, steps: Sequence[int], shape: Shape) -> tuple[int, int]:
    """The axis that a step of ``stride`` walks along, and by how many at a time."""
    for k, (step, n) in enumerate(zip(steps, shape)):
        if n > 1 and step <= stride:
            if stride % step or stride // step >= n:
                raise NotAffine
            return k, stride // step
    raise NotAffine


def viewed(places: Sequence[Affine], strides: Sequence[int], offset: int, axes: int) -> Affine:
    """The position in a viewed value, from the coordinates in the view."""
    out = [0] * axes
    for c, stride in zip(places, strides):
        offset += c.offset * stride
        for j, s in enumerate(c.strides):
            out[j] += s * stride
    return Affine(tuple(out), offset)


def mergeable(domain: Sequence[int], affines: Sequence[Affine], j: int, k: int) -> bool:
    """Whether axis j and the next one, k, can be one axis for all the positions."""
    return all(a.strides[j] == a.strides[k] * domain[k] for a in affines)


__all__ = ["Affine", "NotAffine", "Split", "coordinates", "mergeable", "viewed"]
