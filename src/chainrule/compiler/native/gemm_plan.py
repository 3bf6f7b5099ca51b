"""How a matrix product is cut up: tiles, depth blocks, what is packed, chunks.  From shapes, layouts and the target alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .gemm_ranges import up
from .target import SIZES, Target

if TYPE_CHECKING:
    from .gemm import Gemm

FEW_TERMS = 4  # up to so many, a product takes as long as writing it
_PACK_FROM = 450_000  # bytes of both operands from which packing pays
_CHUNK_FLOPS = 1_500_000  # some 10 µs: a thread claims a chunk in 0.05 µs
_CHUNK_BYTES = 200_000  # of results, where there is little to compute
_CHUNKS = 16
_L2 = 400_000  # bytes of the blocks that are to stay in the second cache


@dataclass(frozen=True)
class Plan:
    """The cuts: tiles of ``rows`` × ``vectors`` · ``lanes``, sums of ``depth`` terms, a chunk's share of tiles, panels, matrices."""

    lanes: int
    rows: int
    vectors: int
    depth: int
    pack_a: bool
    pack_b: bool
    chunk_tiles: int
    chunk_panels: int
    chunk_batches: int
    block_tiles: int  # tiles whose rows are packed at a time


def registers(target: Target) -> int:
    """Vector registers that the target has."""
    return 32 if target.avx512 or not target.x86 else 16


def lanes_for(target: Target, element: str, n: int) -> int:
    """Lanes of a vector along an axis of n: fewer than the register's where half of them would do."""
    lanes = target.lanes(element)
    while lanes > 1 and lanes // 2 >= n:
        lanes //= 2
    return lanes


def cycles(rows: int, vectors: int) -> float:
    """Of one step of a tile: two products or two loads a cycle, four cycles from a sum to the next on it."""
    return max(rows * vectors / 2, (rows + vectors) / 2, 4.0) + 0.5


def shape_of_tiles(target: Target, m: int, vectors: int, k: int, highest: int = 14) -> tuple[int, int]:
    """(rows, vectors) of the tiles for m rows of so many vectors each."""
    best = (float("inf"), 1, 1)
    for wide in range(1, min(4, vectors) + 1):
        panels = up(vectors, wide)
        wide = up(vectors, panels)
        most = min(highest, (registers(target) - 1 - wide) // wide)
        for rows in range(1, min(most, m) + 1):
            total = 0.0
            kinds = [
                (count, r, v)
                for r, down in ((rows, m // rows), (m % rows, 1))
                if r
                for v, across in ((wide, vectors // wide), (vectors % wide, 1))
                if v and (count := down * across)
            ]
            for count, r, v in kinds:
                total += count * (max(k, 1) * cycles(r, v) + 6 + 1.5 * r * v)
            best = min(best, (total * (1 + 0.02 * len(kinds)), rows, wide))
    return best[1], best[2]


def plan(target: Target, spec: Gemm) -> Plan:
    """The cuts for a product whose result has its lanes along n."""
    size, m, n, k = SIZES[spec.element], max(spec.m, 1), max(spec.n, 1), spec.k
    lanes = lanes_for(target, spec.element, n)
    # Scalars come as cheaply from rows as from a packed tile, which would be written again for every chunk of columns; not so what a
    # hook makes of them, for which packing has whole vectors.
    pack_a = k > 0 and spec.on_a is not None and (k * n > 64 or m > 64)
    # More rows than a cache set has ways, all on one set, would throw each other out.
    aliased = k > 64 and spec.a.rows * size % 1024 == 0 and spec.a.columns == 1 and not pack_a
    rows, vectors = shape_of_tiles(target, m, up(n, lanes), k, 4 if k <= FEW_TERMS < n else 8 if aliased else 14)
    tiles = up(m, rows)
    large = (m * k + k * n) * size > _PACK_FROM
    tiny = k * n <= 64 and tiles <= 4
    strided = n > 1 and spec.b.columns != 1
    page = 4096 // size
    pack_b = k > 0 and (
        (strided and not tiny)
        or (spec.on_b is not None and tiles > 1)
        or (tiles > 3 and not strided and (large or (spec.b.rows % page == 0 and k > 64)))
    )
    depth = k
    if k > 512 and not spec.inplace and (pack_a or pack_b):
        blocks = up(k, 400)
        depth = up(up(k, blocks), 16) * 16
    chunk_tiles, chunk_panels, chunk_batches = grid(spec, rows, vectors * lanes, pack_a, pack_b)
    block_tiles = max(1, min(chunk_tiles, _L2 // max(1, rows * depth * size)))
    return Plan(lanes, rows, vectors, depth, pack_a, pack_b, chunk_tiles, chunk_panels, chunk_batches, block_tiles)


def grid(spec: Gemm, rows: int, columns: int, pack_a: bool, pack_b: bool) -> tuple[int, int, int]:
    """Tiles, panels and matrices of one chunk."""
    tiles, panels = up(max(spec.m, 1), rows), up(max(spec.n, 1), columns)
    each = 2 * spec.m * spec.n * max(spec.k, 1)
    matrices = max(1, spec.matrices)
    written = spec.m * spec.n * matrices * SIZES[spec.element]
    wanted = max(1, min(_CHUNKS, max(each * matrices // _CHUNK_FLOPS, written // _CHUNK_BYTES if spec.k <= FEW_TERMS else 0)))
    wanted = _even(wanted)
    if wanted <= matrices:
        return tiles, panels, up(matrices, wanted)
    wanted = up(wanted, matrices)
    best = (float("inf"), tiles, panels)
    for down in range(1, min(wanted, tiles) + 1):
        across = min(panels, wanted // down)
        t, p = up(tiles, down), up(panels, across)
        down, across = up(tiles, t), up(panels, p)
        # Work of the largest chunk over the average, operands packed again by other chunks, and fewer chunks than wanted.
        uneven = (t * p * _even(down * across)) / (tiles * panels)
        again = (down * pack_b * spec.k * spec.n + across * pack_a * spec.m * spec.k) * 40 / max(1, each)
        cost = uneven + again + 0.5 * (1 - down * across / wanted)
        best = min(best, (cost, t, p))
    return best[1], best[2], 1


def _even(chunks: int) -> int:
    """As many as keep an even number of threads busy to the end: two take as long for three chunks as for four."""
    return chunks if chunks == 1 else up(chunks, 2) * 2
