"""Views of views as one view of what lies in memory, where one is enough."""

from __future__ import annotations

from ..program.ir import Node, row_major


def composed(node: Node) -> Node | None:
    """A view of ``node.args[0].args[0]`` that shows what the view of a view ``node`` shows; None where no strides do.

    Each step along an axis of the outer view has to be steps along one axis of the inner one, never from its end to its
    beginning; neighbouring axes of the inner view that are one stretch of memory count as one axis.
    """
    inner = node.args[0]
    if not node.size:
        return None
    extents, steps = _merged(inner)
    strides = row_major(extents)
    index = [node.attrs["offset"] // s % n for n, s in zip(extents, strides, strict=True)]
    least, most = list(index), list(index)
    found = []
    for n, step in zip(node.shape, node.attrs["strides"], strict=True):
        if n == 1 or step == 0:
            found.append(0)
            continue
        axis = next((k for k, s in enumerate(strides) if abs(step) >= s and step % s == 0), None)
        if axis is None:
            return None
        jump = step // strides[axis]
        (least if jump < 0 else most)[axis] += jump * (n - 1)
        found.append(jump * steps[axis])
    if any(low < 0 or high >= n for low, high, n in zip(least, most, extents, strict=True)):
        return None
    offset = inner.attrs["offset"] + sum(i * s for i, s in zip(index, steps, strict=True))
    return Node("view", inner.args, node.shape, node.dtype, {"strides": tuple(found), "offset": offset}, node.source)


def _merged(view: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Extents and strides with as few axes as there can be, for the same elements in the same order."""
    extents: list[int] = []
    steps: list[int] = []
    for n, step in zip(view.shape, view.attrs["strides"], strict=True):
        if n == 1:
            continue
        if extents and steps[-1] == n * step:
            extents[-1] *= n
            steps[-1] = step
        else:
            extents.append(n)
            steps.append(step)
    return tuple(extents), tuple(steps)
