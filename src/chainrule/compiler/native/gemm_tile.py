"""The innermost part of a contraction: a tile of the result in registers, and square blocks transposed in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .emitter import Emitter, Index, parts, vec
from .kernel import Hook, Place
from .target import SIZES


@dataclass(frozen=True)
class Tile:
    """``rows`` × ``vectors`` accumulators of ``lanes`` elements; ``valid`` lanes of the last vector of a row count."""

    element: str
    lanes: int
    rows: int
    vectors: int
    valid: int

    @property
    def type(self) -> str:
        return vec(self.element, self.lanes)

    @property
    def columns(self) -> int:
        """Columns that count."""
        return (self.vectors - 1) * self.lanes + self.valid

    def lanes_of(self, j: int) -> int | None:
        """How many lanes of a row's vector j count; None if all do."""
        return self.valid if j == self.vectors - 1 and self.valid < self.lanes else None

    @property
    def name(self) -> str:
        return f"{'s' if self.element == 'float' else 'd'}{self.rows}x{self.vectors}x{self.lanes}v{self.valid}"


def sum_of_products(
    f: Emitter,
    tile: Tile,
    depth: Index,
    left: Callable[[int, Index], str],
    right: Callable[[Index], Sequence[str]],
    *,
    unroll: int,
    straight: int = 8,
) -> list[str]:
    """Σₖ left(row, k) · right(k): the accumulators, row after row.

    ``left`` gives a scalar, ``right`` a row's vectors.  Up to ``straight`` steps of a known depth come without a loop; a depth
    that is known at run time only must not be 0 and is stepped through one by one.
    """
    kind = tile.type

    def step(k: Index, sums: Sequence[str]) -> list[str]:
        across = right(k)
        out = []
        for i in range(tile.rows):
            scalar = f.splat(left(i, k), kind)
            out += [f.fma(kind, scalar, across[j], sums[i * tile.vectors + j]) for j in range(tile.vectors)]
        return out

    def steps(k: Index, sums: Sequence[str]) -> list[str]:
        for u in range(unroll):
            sums = step(f.add(k, u), sums)
        return list(sums)

    sums = ["zeroinitializer" if tile.lanes > 1 else "0.0"] * (tile.rows * tile.vectors)
    if not isinstance(depth, int):
        return f.loop(0, depth, 1, step, [(kind, s) for s in sums], entered=True)
    looped = 0 if depth <= straight else depth - depth % unroll
    sums = f.loop(0, looped, unroll, steps, [(kind, s) for s in sums])
    for k in range(looped, depth):
        sums = step(k, sums)
    return sums


@dataclass(frozen=True)
class Result:
    """Where a tile's results go: its first element, strides in elements, what is done to them on the way.

    With ``looped`` the hook's code is written for one row, and runs over the rows of the tile when they have been stored.
    """

    pointer: str
    rows: Index
    columns: int
    place: Place  # of the tile's first vector
    hook: Hook | None = None
    looped: bool = False


def finish(f: Emitter, tile: Tile, sums: Sequence[str], to: Result, more: str, last: str) -> None:
    """Store a tile; ``more`` (an i1) says that memory holds a part of the sum already, ``last`` that nothing follows."""
    kind = tile.type
    pointers = [_vector_at(f, tile, to, i, j) for i in range(tile.rows) for j in range(tile.vectors)]
    valid = [tile.lanes_of(j) for _ in range(tile.rows) for j in range(tile.vectors)]

    def added() -> list[str]:
        return [f.binary("fadd", kind, load_lanes(f, kind, p, to.columns, v), s) for p, v, s in zip(pointers, valid, sums, strict=True)]

    def hooked() -> list[str]:
        return [_hooked(f, tile, to, i, j, sums[i * tile.vectors + j]) for i in range(tile.rows) for j in range(tile.vectors)]

    sums = _if(f, more, added, kind, sums)
    if to.hook is not None and not to.looped:
        sums = _if(f, last, hooked, kind, sums)
    for pointer, lanes, value in zip(pointers, valid, sums, strict=True):
        store_lanes(f, kind, value, pointer, to.columns, lanes)
    if to.hook is not None and to.looped:
        _if(f, last, lambda: f.loop(0, tile.rows, 1, lambda i, _: _again(f, tile, to, i)), kind, [])


def _vector_at(f: Emitter, tile: Tile, to: Result, i: Index, j: int) -> str:
    """The address of vector j of the tile's row i."""
    return f.gep(f.gep(to.pointer, f.mul(to.rows, i), tile.element), j * tile.lanes * to.columns, tile.element)


def _hooked(f: Emitter, tile: Tile, to: Result, i: Index, j: int, value: str) -> str:
    assert to.hook is not None
    at = to.place
    here = Place(tile.type, f.add(at.row, i), f.add(at.column, j * tile.lanes), at.batch, 1, tile.lanes_of(j), at.buffers)
    return to.hook(f, here, value)


def _again(f: Emitter, tile: Tile, to: Result, i: Index) -> None:
    """The hook on row i, which has been stored."""
    for j in range(tile.vectors):
        pointer, valid = _vector_at(f, tile, to, i, j), tile.lanes_of(j)
        value = load_lanes(f, tile.type, pointer, to.columns, valid)
        store_lanes(f, tile.type, _hooked(f, tile, to, i, j, value), pointer, to.columns, valid)


def _if(f: Emitter, condition: str, body: Callable[[], list[str]], kind: str, otherwise: Sequence[str]) -> list[str]:
    if condition == "true":
        return body()
    if condition == "false":
        return list(otherwise)
    return f.when(condition, body, [(kind, v) for v in otherwise])


def load_lanes(f: Emitter, kind: str, pointer: str, stride: Index, valid: int | None, align: int | None = None) -> str:
    """A vector whose lanes lie ``stride`` elements apart; lanes that do not count are zero."""
    element, lanes = parts(kind)
    if stride == 1 or lanes == 1:
        return f.load(kind, pointer, align, valid)
    value = "zeroinitializer"
    for lane in range(lanes if valid is None else valid):
        scalar = f.load(element, f.gep(pointer, f.mul(stride, lane), element))
        value = f.op(f"insertelement {kind} {value}, {element} {scalar}, i64 {lane}")
    return value


def store_lanes(f: Emitter, kind: str, value: str, pointer: str, stride: Index, valid: int | None) -> None:
    """The counterpart of :func:`load_lanes`."""
    element, lanes = parts(kind)
    if stride == 1 or lanes == 1:
        f.store(kind, value, pointer, valid=valid)
        return
    for lane in range(lanes if valid is None else valid):
        scalar = f.op(f"extractelement {kind} {value}, i64 {lane}")
        f.store(element, scalar, f.gep(pointer, f.mul(stride, lane), element))


def transposed(f: Emitter, element: str, rows: Sequence[str]) -> list[str]:
    """The columns of a square block, one vector a row.

    In blocks of 128 bits with interleaving shuffles first, then whole blocks change places: each shuffle is one instruction on x86.
    """
    lanes = len(rows)
    kind = vec(element, lanes)
    each = 16 // SIZES[element]  # elements in 128 bits
    if lanes < each:
        each = lanes
    groups = lanes // each

    made: dict[tuple[object, ...], str] = {}

    def shuffle(a: str, b: str, picks: Sequence[int]) -> str:
        key = (a, b, *picks)
        if key not in made:
            order = ", ".join(f"i32 {p}" for p in picks)
            made[key] = f.op(f"shufflevector {kind} {a}, {kind} {b}, <{lanes} x i32> <{order}>")
        return made[key]

    def interleaved(a: str, b: str, width: int, high: int) -> str:
        """Within each block: the low or high half of both, ``width`` elements in turn."""
        picks: list[int] = []
        for g in range(groups):
            for w in range(each // (2 * width)):
                first = g * each + high * each // 2 + w * width
                picks += [*range(first, first + width), *range(lanes + first, lanes + first + width)]
        return shuffle(a, b, picks)

    now = list(rows)
    for g in range(0, lanes, each):
        block = now[g : g + each]
        if each == 4:
            low, high = [[interleaved(block[i], block[i + 1], 1, h) for i in (0, 2)] for h in (0, 1)]
            block = [interleaved(half[0], half[1], 2, h) for half in (low, high) for h in (0, 1)]
        elif each == 2:
            block = [interleaved(block[0], block[1], 1, h) for h in (0, 1)]
        now[g : g + each] = block
    out = []
    for block_at in range(groups):
        out += [_gathered(shuffle, [now[g * each + q] for g in range(groups)], block_at, each, lanes) for q in range(each)]
    return out


def _gathered(shuffle: Callable[[str, str, Sequence[int]], str], vectors: list[str], block: int, each: int, lanes: int) -> str:
    """Block ``block`` of each of the vectors, side by side: one shuffle for two, two steps of even or odd blocks for four."""

    def blocks(a: str, b: str, of_a: Sequence[int], of_b: Sequence[int]) -> str:
        return shuffle(a, b, [p for s, of in ((0, of_a), (lanes, of_b)) for g in of for p in range(s + g * each, s + (g + 1) * each)])

    if len(vectors) == 1:
        return vectors[0]
    if len(vectors) == 2:
        return blocks(vectors[0], vectors[1], [block], [block])
    odd, upper = block % 2, block // 2
    halves = [blocks(vectors[i], vectors[i + 1], [odd, 2 + odd], [odd, 2 + odd]) for i in (0, 2)]
    return blocks(halves[0], halves[1], [upper, 2 + upper], [upper, 2 + upper])
