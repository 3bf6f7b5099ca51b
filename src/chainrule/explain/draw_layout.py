"""A layered layout: what depends on nothing above, every link downwards, few crossings, little slant.

The steps of K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system structures" (1981):
layers by longest paths, orders within them by barycentres, places by least squares under the order (an isotonic regression,
solved by pooling neighbours).  Linear in nodes and links but for the sorting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Point = tuple[float, float]

ORDER_ROUNDS, PLACE_ROUNDS = 8, 10


@dataclass
class Layout:
    """Centres of nodes, lines of links, and the size of it all."""

    centres: list[Point]
    lines: list[list[Point]]
    width: float
    height: float


@dataclass
class _Cells:
    """The nodes, and a cell for each layer that a link passes."""

    layers: list[list[int]]
    up: list[list[int]]
    down: list[list[int]]
    width: list[float]
    layer: list[int]
    chains: list[list[int]]


def layered(sizes: Sequence[Point], links: Sequence[tuple[int, int]], *, gap: float = 26, layer_gap: float = 44) -> Layout:
    """Lay out nodes of the given (width, height), linked from first to second without cycles.

    >>> layered([(10, 10), (10, 10)], [(0, 1)]).centres
    [(5.0, 5.0), (5.0, 59.0)]
    """
    cells = _cells(sizes, links, assigned_layers(len(sizes), links))
    _order(cells)
    x = _places(cells, gap)
    heights = [max([0.0, *(sizes[c][1] for c in layer if c < len(sizes))]) for layer in cells.layers]
    y, top = [], 0.0
    for h in heights:
        y.append(top + h / 2)
        top += h + layer_gap
    left = min((x[c] - cells.width[c] / 2 for c in range(len(x))), default=0.0)
    right = max((x[c] + cells.width[c] / 2 for c in range(len(x))), default=0.0)

    def at(cell: int) -> Point:
        return (x[cell] - left, y[cells.layer[cell]])

    lines = []
    for (a, b), chain in zip(links, cells.chains):
        line = [at(c) for c in chain]
        line[0] = (line[0][0], line[0][1] + sizes[a][1] / 2)
        line[-1] = (line[-1][0], line[-1][1] - sizes[b][1] / 2)
        lines.append(line)
    return Layout([at(i) for i in range(len(sizes))], lines, right - left, max(0.0, top - layer_gap))


def assigned_layers(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of every node: below all that it depends on; what depends on nothing stands right above its first consumer."""
    down: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for a, b in links:
        down[a].append(b)
        waiting[b] += 1
    starts = [not w for w in waiting]
    order = [i for i in range(count) if not waiting[i]]
    layer = [0] * count
    for i in order:  # grows while it is read
        for j in down[i]:
            layer[j] = max(layer[j], layer[i] + 1)
            waiting[j] -= 1
            if not waiting[j]:
                order.append(j)
    for i in range(count):
        if starts[i] and down[i]:
            layer[i] = min(layer[j] for j in down[i]) - 1
    return layer


def _cells(sizes: Sequence[Point], links: Sequence[tuple[int, int]], layer: list[int]) -> _Cells:
    width = [s[0] for s in sizes]
    up: list[list[int]] = [[] for _ in sizes]
    down: list[list[int]] = [[] for _ in sizes]
    chains = []
    for a, b in links:
        chain = [a]
        for between in range(layer[a] + 1, layer[b]):
            layer.append(between)
            width.append(8.0)
            up.append([])
            down.append([])
            chain.append(len(layer) - 1)
        chain.append(b)
        for first, second in zip(chain, chain[1:]):
            down[first].append(second)
            up[second].append(first)
        chains.append(chain)
    layers: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for cell, at in enumerate(layer):
        layers[at].append(cell)
    return _Cells(layers, up, down, width, layer, chains)


def _order(cells: _Cells) -> None:
    rank = [0.0] * len(cells.layer)

    def renumber(layer: list[int]) -> None:
        for i, cell in enumerate(layer):
            rank[cell] = i

    for layer in cells.layers:
        renumber(layer)
    for k in range(ORDER_ROUNDS):
        near = cells.down if k % 2 else cells.up
        for layer in reversed(cells.layers) if k % 2 else cells.layers:
            wish = {c: _mean(rank, near[c], rank[c]) for c in layer}
            layer.sort(key=lambda c: (wish[c], rank[c]))
            renumber(layer)


def _mean(x: list[float], cells: list[int], otherwise: float) -> float:
    return sum(x[c] for c in cells) / len(cells) if cells else otherwise


def _places(cells: _Cells, gap: float) -> list[float]:
    x = [0.0] * len(cells.layer)

    def apart(a: int, b: int) -> float:
        return (cells.width[a] + cells.width[b]) / 2 + gap

    for layer in cells.layers:
        at = 0.0
        for i, c in enumerate(layer):
            at += apart(layer[i - 1], c) if i else 0.0
            x[c] = at
        for c in layer:
            x[c] -= at / 2
    for k in range(PLACE_ROUNDS):
        near = cells.down if k % 2 else cells.up
        for layer in reversed(cells.layers) if k % 2 else cells.layers:
            spread(layer, [_mean(x, near[c], x[c]) for c in layer], apart, x)
    return x


def spread(layer: Sequence[int], wishes: Sequence[float], apart: Callable[[int, int], float], x: list[float]) -> None:
    """Put the cells of a layer as near to their wishes as their order and ``apart`` allow: neighbours that would overlap pool."""
    offsets = [0.0]
    for a, b in zip(layer, layer[1:]):
        offsets.append(offsets[-1] + apart(a, b))
    blocks: list[tuple[float, int]] = []  # sum of wishes without offsets, number of cells
    for wish, offset in zip(wishes, offsets):
        block = (wish - offset, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] > block[0] / block[1]:
            total, n = blocks.pop()
            block = (total + block[0], n + block[1])
        blocks.append(block)
    i = 0
    for total, n in blocks:
        for _ in range(n):
            x[layer[i]] = total / n + offsets[i]
            i += 1
