"""Matrix products: ``C[b] = A[b] · B[b]`` or ``C[b] += A[b] · B[b]``, with elementwise code run on the way in and out.

    spec = Gemm("float", 64, 128, 784, a=Layout(784, 1), b=Layout(1, 784), c=Layout(128, 1))  # x @ w.T
    kernel = emit(module, spec, "linear")

The result is cut into tiles whose sums stay in registers while the depth is walked through (K. Goto and R. van de Geijn,
*Anatomy of High-Performance Matrix Multiplication*, 2008); large operands, and those whose lanes are not contiguous, are packed
into the workspace first.  Lanes run along whichever axis of the result is contiguous.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from .emitter import Emitter, Index, Module
from .gemm_dot import emit_dot, wants_dot
from .gemm_pack import PITCH, Source, pack_panel, pack_rows, pack_tile
from .gemm_plan import FEW_TERMS, Plan, lanes_for, plan
from .gemm_ranges import offset, repeat, span, split, up
from .gemm_tile import Result, Tile, finish, load_lanes, sum_of_products
from .kernel import Hook, Kernel, Place, open_kernel
from .target import SIZES

_AHEAD = 24  # steps from when a line is asked for until it is needed
_FAR = 32_000  # bytes of A from which that pays


@dataclass(frozen=True)
class Layout:
    """Where the elements of a batch of matrices lie: strides in elements, of any sign; 0 where the axis is broadcast."""

    rows: int
    columns: int
    batch: tuple[int, ...] = ()

    @property
    def transposed(self) -> Layout:
        return Layout(self.columns, self.rows, self.batch)


@dataclass(frozen=True)
class Gemm:
    """One product.

    A is m × k, B k × n, C m × n, each for every index of ``batch``; ``element`` is ``float`` or ``double``.  ``on_a`` and ``on_b``
    change operands' elements before they are used, ``on_c`` sums before they are stored (with ``accumulate``: after C was added);
    one whose code is long is better ``looped``, over tiles that have been stored.  ``operands`` are the numbers of A, B and C among
    the kernel's ``buffers`` pointers, the rest of which are the hooks'.  ``inplace`` says that C may share memory with what hooks read
    (elements of the same place only); it must never share any with A or B.
    """

    element: str
    m: int
    n: int
    k: int
    a: Layout
    b: Layout
    c: Layout
    batch: tuple[int, ...] = ()
    accumulate: bool = False
    inplace: bool = False
    looped: bool = False
    operands: tuple[int, int, int] = (0, 1, 2)
    buffers: int = 3
    on_a: Hook | None = None
    on_b: Hook | None = None
    on_c: Hook | None = None

    def __post_init__(self) -> None:
        for name, layout in (("a", self.a), ("b", self.b), ("c", self.c)):
            if len(layout.batch) != len(self.batch):
                raise ValueError(f"Gemm: {name} has {len(layout.batch)} batch strides for a batch of {len(self.batch)} axes")
        if self.element not in ("float", "double"):
            raise ValueError(f"Gemm: element is {self.element!r}, it has to be 'float' or 'double'")

    @property
    def matrices(self) -> int:
        return prod(self.batch)

    @property
    def hooks(self) -> bool:
        return (self.on_a or self.on_b or self.on_c) is not None

    def flipped(self) -> Gemm:
        """The same product as Cᵀ = Bᵀ · Aᵀ."""
        a, b, c = self.operands
        return replace(
            self, m=self.n, n=self.m, a=self.b.transposed, b=self.a.transposed, c=self.c.transposed, operands=(b, a, c),
            on_a=_turned(self.on_b), on_b=_turned(self.on_a), on_c=_turned(self.on_c),
        )  # fmt: skip


def _turned(hook: Hook | None) -> Hook | None:
    return None if hook is None else lambda f, place, value: hook(f, place.flipped(), value)


def oriented(spec: Gemm) -> Gemm:
    """The product or its transpose: lanes, along n, are to be contiguous in C, and more than one."""
    across, down = spec.c.columns == 1 or spec.n == 1, spec.c.rows == 1 or spec.m == 1
    flip = spec.n < spec.m if across == down else down
    return spec.flipped() if flip else spec


def emit(module: Module, spec: Gemm, name: str, cuts: Plan | None = None) -> Kernel:
    """Write the kernel; ``cuts`` instead of :func:`gemm_plan.plan`'s (of the product that :func:`oriented` gives)."""
    spec = oriented(spec)
    size = SIZES[spec.element]
    flops = 2 * spec.matrices * spec.m * spec.n * spec.k
    touched = size * sum(_extent(dims, layout, spec.batch) for dims, layout in (
        ((spec.m, spec.k), spec.a), ((spec.k, spec.n), spec.b), ((spec.m, spec.n), spec.c)))  # fmt: skip
    if spec.m == 0 or spec.n == 0 or spec.matrices == 0:
        open_kernel(module, name, spec.buffers)[0].ret()
        return Kernel(name, spec.buffers, 0)
    if cuts is None and wants_dot(module.target, spec):
        return emit_dot(module, spec, name, flops, touched)
    writer = _Writer(module, spec, cuts or plan(module.target, spec), name)
    writer.write()
    return Kernel(name, spec.buffers, writer.chunks, writer.workspace, flops, touched)


def _extent(dims: tuple[int, int], layout: Layout, batch: tuple[int, ...]) -> int:
    """Elements that differ: broadcast axes count once."""
    strides = (layout.rows, layout.columns, *layout.batch)
    return prod(d for d, s in zip((*dims, *batch), strides, strict=True) if s != 0)


class _Writer:
    """Writes one kernel's functions."""

    def __init__(self, module: Module, spec: Gemm, cuts: Plan, name: str) -> None:
        self.module, self.spec, self.cuts, self.name = module, spec, cuts, name
        self.element, self.size = spec.element, SIZES[spec.element]
        self.tile_rows = up(spec.m, cuts.rows)
        self.width = cuts.vectors * cuts.lanes
        self.panels = up(spec.n, self.width)
        self.grid = (up(spec.matrices, cuts.chunk_batches), up(self.tile_rows, cuts.chunk_tiles), up(self.panels, cuts.chunk_panels))
        self.chunks = prod(self.grid)
        self.blocks = up(spec.k, cuts.depth) if spec.k else 1
        self.tail = spec.k % cuts.depth if self.blocks > 1 else spec.k  # depth of the last block, modulo the vector length below
        rest = spec.n % self.width
        self.edge = (up(rest, cuts.lanes), (rest - 1) % cuts.lanes + 1) if rest else (0, 0)
        self.by_columns = spec.a.rows == 1 and spec.a.columns != 1  # A is packed as [k][rows]
        self.pitch = cuts.rows if self.by_columns else cuts.depth + PITCH
        panel_bytes = cuts.chunk_panels * self.width * cuts.depth * self.size if cuts.pack_b else 0
        self.b_bytes = up(panel_bytes, 64) * 64
        rows = cuts.block_tiles * cuts.rows
        self.a_bytes = up(rows * (cuts.depth if self.by_columns else self.pitch) * self.size, 64) * 64 if cuts.pack_a else 0
        small = self.tile_rows * self.panels * spec.matrices <= 2 and spec.m * up(spec.n, cuts.lanes) * spec.k <= 256
        self.inline = small
        self.fetches = not (small or cuts.pack_a) and spec.m * spec.k * spec.matrices * self.size >= _FAR
        self.made: dict[object, str] = {}

    @property
    def workspace(self) -> int:
        return self.a_bytes + self.b_bytes

    # -- the chunk -----------------------------------------------------------------------------------------------------

    def write(self) -> None:
        self.f, self.pointers = open_kernel(self.module, self.name, self.spec.buffers)
        f, (_, down, across) = self.f, self.grid
        chunk: Index = "%chunk" if self.chunks > 1 else 0
        column, chunk = f.rem(chunk, across), f.div(chunk, across)
        row, group = f.rem(chunk, down), f.div(chunk, down)
        first, count = span(f, group, self.cuts.chunk_batches, self.spec.matrices)
        self.tiles = span(f, row, self.cuts.chunk_tiles, self.tile_rows)
        self.strips = span(f, column, self.cuts.chunk_panels, self.panels)
        repeat(f, count, lambda b: self.matrix(f.add(first, b)))
        f.ret()

    def matrix(self, batch: Index) -> None:
        """This chunk's part of one product of the batch."""
        f, spec = self.f, self.spec
        self.batch = batch
        self.bases = [
            f.gep(self.pointers[o], offset(f, batch, spec.batch, layout.batch), self.element)
            for o, layout in zip(spec.operands, (spec.a, spec.b, spec.c), strict=True)
        ]
        repeat(f, self.blocks, self.block)

    def block(self, block: Index) -> None:
        """One block of the depth: pack, then all tiles."""
        f, cuts, spec = self.f, self.cuts, self.spec
        self.k0, self.kc = span(f, block, cuts.depth, spec.k) if spec.k else (0, 0)
        self.more, self.last = "true" if spec.accumulate else "false", "true"
        if self.blocks > 1:
            self.last = f.icmp("eq", "i64", str(block), str(self.blocks - 1))
            if not spec.accumulate:
                self.more = f.icmp("ne", "i64", str(block), "0")
        if cuts.pack_b:
            self.each_panel(lambda j, tile: self.call_pack_panel(j, tile))
        t0, count = self.tiles
        one = cuts.block_tiles >= cuts.chunk_tiles
        blocks = 1 if one else f.div(f.add(count, cuts.block_tiles - 1), cuts.block_tiles)
        repeat(f, blocks, lambda b: self.rows(*self.part(t0, count, b)))

    def part(self, t0: Index, count: Index, block: Index) -> tuple[Index, Index]:
        f, each = self.f, self.cuts.block_tiles
        if each >= self.cuts.chunk_tiles:
            return t0, count
        start = f.mul(block, each)
        return f.add(t0, start), f.least(each, f.sub(count, start))

    def rows(self, t0: Index, count: Index) -> None:
        """The tiles t0 … t0 + count of all of this chunk's panels."""
        f, cuts = self.f, self.cuts
        if cuts.pack_a:
            self.pack_left(t0, count)

        def tiles(body: Callable[[Index, int], None]) -> None:
            whole = self.spec.m // cuts.rows
            split(f, t0, count, whole, self.tile_rows, lambda i: body(i, cuts.rows), lambda i: body(i, self.spec.m % cuts.rows))

        if self.spec.k <= FEW_TERMS:  # writing is all the work: row after row
            tiles(lambda i, rows: self.each_panel(lambda j, tile: self.tile(i, f.add(t0, i), j, replace(tile, rows=rows))))
        else:
            self.each_panel(lambda j, tile: tiles(lambda i, rows: self.tile(i, f.add(t0, i), j, replace(tile, rows=rows))))

    def each_panel(self, body: Callable[[Index, Tile], None]) -> None:
        """``body(number within the chunk, tile)`` for this chunk's panels."""
        cuts = self.cuts
        p0, count = self.strips
        whole = Tile(self.element, cuts.lanes, cuts.rows, cuts.vectors, cuts.lanes)
        edge = replace(whole, vectors=self.edge[0], valid=self.edge[1])
        split(self.f, p0, count, self.spec.n // self.width, self.panels, lambda j: body(j, whole), lambda j: body(j, edge))

    # -- packing -------------------------------------------------------------------------------------------------------

    def source(self, which: int, row: Index, column: Index) -> Source:
        """The part of A (0) or B (1) from (row, column) on."""
        f, layout = self.f, (self.spec.a, self.spec.b)[which]
        at = f.gep(self.bases[which], f.add(f.mul(row, layout.rows), f.mul(column, layout.columns)), self.element)
        place = Place(self.element, row, column, self.batch, buffers=self.pointers)
        return Source(at, layout.rows, layout.columns, place, (self.spec.on_a, self.spec.on_b)[which])

    def call_pack_panel(self, j: Index, tile: Tile) -> None:
        f, cuts = self.f, self.cuts
        to = f.gep("%workspace", f.mul(j, self.width * cuts.depth * self.size))
        source = self.source(1, self.k0, f.mul(f.add(self.strips[0], j), self.width))
        tail = self.tail % tile.lanes

        kind = f"panel_{tile.vectors}x{tile.lanes}v{tile.valid}t{tail}"
        self.packing(kind, source, to, lambda g, s, to, depth: pack_panel(g, tile, s, to, depth, tail))

    def pack_left(self, t0: Index, count: Index) -> None:
        f, cuts, m = self.f, self.cuts, self.spec.m
        to = f.gep("%workspace", self.b_bytes)
        lanes = self.module.target.lanes(self.element)
        if not self.by_columns:
            start = f.mul(t0, cuts.rows)
            rows: Index = f.mul(count, cuts.rows)
            if m % cuts.rows:
                rows = f.least(rows, f.sub(m, start))
            source, tail = self.source(0, start, self.k0), self.tail % lanes

            def lines(g: Emitter, s: Source, to: str, depth: Index, rows: Index) -> None:
                pack_rows(g, self.element, lanes, s, to, rows, depth, tail, self.pitch)

            self.packing(f"rows_{lanes}t{tail}p{self.pitch}", source, to, lines, rows)
            return
        narrow = lanes_for(self.module.target, self.element, cuts.rows)

        def one(i: Index, rows: int) -> None:
            source = self.source(0, f.mul(f.add(t0, i), cuts.rows), self.k0)

            def turned(g: Emitter, s: Source, to: str, depth: Index) -> None:
                pack_tile(g, self.element, narrow, s, to, rows, depth, cuts.rows)

            self.packing(f"tile_{rows}p{cuts.rows}", source, f.gep(to, f.mul(i, cuts.rows * cuts.depth * self.size)), turned)

        split(f, t0, count, m // cuts.rows, self.tile_rows, lambda i: one(i, cuts.rows), lambda i: one(i, m % cuts.rows))

    def packing(self, kind: str, source: Source, to: str, body: Callable[..., None], *counts: Index) -> None:
        """Call a packing function; those without a hook are the whole module's."""
        f, depth = self.f, self.kc
        fixed = isinstance(depth, int)
        name = f"pack_{self.element}_{kind}_{source.rows}_{source.columns}_{depth if fixed else 'k'}"
        if source.hook is not None:
            name = f"{self.name}_{name}"
        place = source.place
        values: list[tuple[str, Index]] = [("ptr noalias readonly", source.pointer), ("ptr noalias", to), *(("i64", c) for c in counts)]
        if not fixed:
            values.append(("i64", depth))
        if source.hook is not None:
            values += [("i64", place.row), ("i64", place.column), ("i64", place.batch), ("ptr", "%buffers")]
        if not self.module.has(name):
            names = [f"%p{i}" for i in range(len(values))]
            g = self.module.function(name, ", ".join(f"{t} {n}" for (t, _), n in zip(values, names)), attributes="noinline nounwind")
            inner = replace(source, pointer="%p0")
            if source.hook is not None:
                row, column, batch, buffers = names[-4:]
                pointers = [g.op(f"load ptr, ptr {g.gep(buffers, i, 'ptr')}, align 8") for i in range(self.spec.buffers)]
                inner = replace(inner, place=Place(self.element, row, column, batch, buffers=pointers))
            body(g, inner, "%p1", depth if fixed else names[2 + len(counts)], *names[2 : 2 + len(counts)])
            g.ret()
        f.call(name, *(f"{t.split()[0]} {v}" for t, v in values))

    # -- tiles ---------------------------------------------------------------------------------------------------------

    def tile(self, i: Index, row_tile: Index, j: Index, tile: Tile) -> None:
        """The tile in the chunk's row block i, panel j."""
        f, cuts, spec = self.f, self.cuts, self.spec
        row, column = f.mul(row_tile, cuts.rows), f.mul(f.add(self.strips[0], j), self.width)
        if cuts.pack_a:
            step = cuts.rows * (cuts.depth if self.by_columns else self.pitch) * self.size
            a = f.gep("%workspace", f.add(self.b_bytes, f.mul(i, step)))
        else:
            a = f.gep(self.bases[0], f.add(f.mul(row, spec.a.rows), f.mul(self.k0, spec.a.columns)), self.element)
        if cuts.pack_b:
            b = f.gep("%workspace", f.mul(j, self.width * cuts.depth * self.size))
        else:
            b = f.gep(self.bases[1], f.add(f.mul(self.k0, spec.b.rows), f.mul(column, spec.b.columns)), self.element)
        c = f.gep(self.bases[2], f.add(f.mul(row, spec.c.rows), f.mul(column, spec.c.columns)), self.element)
        values: dict[str, tuple[str, Index]] = {"a": ("ptr", a), "b": ("ptr", b), "c": ("ptr", c), "k": ("i64", self.kc)}
        values |= {"more": ("i1", self.more), "last": ("i1", self.last)}
        if spec.hooks:
            values |= {"row": ("i64", row), "column": ("i64", column), "k0": ("i64", self.k0), "batch": ("i64", self.batch)}
            values["buffers"] = ("ptr", "%buffers")
        if self.inline:
            self.tile_body(f, tile, {n: v for n, (_, v) in values.items()})
            return
        passed = {n: v for n, v in values.items() if isinstance(v[1], str) and v[1] not in ("true", "false")}
        name = self.made.get(tile) or self.tile_function(tile, values, passed)
        f.call(name, *(f"{t} {v}" for t, v in passed.values()))

    def tile_function(self, tile: Tile, values: dict[str, tuple[str, Index]], passed: dict[str, tuple[str, Index]]) -> str:
        """The function that computes such a tile; without hooks it is the whole module's."""
        spec, kinds = self.spec, {"a": "ptr noalias readonly", "b": "ptr noalias readonly"}
        fixed = "_".join(f"{n}{v}" for n, (_, v) in values.items() if n not in passed)
        left, right = self.strides(tile)
        fixed += "f" * self.fetches + "p" * self.cuts.pack_b  # what is packed is aligned
        name = f"tile_{tile.name}_{left[0]}_{left[1]}_{right[0]}_{right[1]}_{spec.c.rows}_{spec.c.columns}_{fixed}".replace("-", "m")
        if spec.hooks:
            name = f"{self.name}_{tile.name}"
        self.made[tile] = name
        if not self.module.has(name):
            params = ", ".join(f"{kinds.get(n, t)} %{n}" for n, (t, _) in passed.items())
            g = self.module.function(name, params, attributes="noinline nounwind")
            self.tile_body(g, tile, {n: f"%{n}" if n in passed else v for n, (_, v) in values.items()})
            g.ret()
        return name

    def strides(self, tile: Tile) -> tuple[tuple[int, int], tuple[int, int]]:
        """Strides (rows, columns) of A and B as a tile reads them."""
        spec, cuts = self.spec, self.cuts
        left, right = (spec.a.rows, spec.a.columns), (spec.b.rows, spec.b.columns)
        if cuts.pack_a:
            left = (1, self.pitch) if self.by_columns else (self.pitch, 1)
        return left, (tile.vectors * tile.lanes, 1) if cuts.pack_b else right

    def tile_body(self, f: Emitter, tile: Tile, values: dict[str, Index]) -> None:
        """A tile's code with the given pointers, depth and place."""
        spec, cuts, element = self.spec, self.cuts, self.element
        (a_rows, a_step), (b_step, b_columns) = self.strides(tile)
        align = min(64, tile.lanes * self.size) if cuts.pack_b else None
        row, column, k0, batch = (values.get(n, 0) for n in ("row", "column", "k0", "batch"))
        on_a, on_b = None if cuts.pack_a else spec.on_a, None if cuts.pack_b else spec.on_b

        def pointers() -> list[str]:
            return [f.op(f"load ptr, ptr {f.gep('%buffers', i, 'ptr')}, align 8") for i in range(spec.buffers)]

        early = pointers() if on_a or on_b else []

        def left(i: int, k: Index) -> str:
            if i == 0:
                self.fetch(f, str(values["a"]), tile, k)
            at = f.gep(f.gep(str(values["a"]), f.mul(k, a_step), element), i * a_rows, element)
            value = f.load(element, at)
            return value if on_a is None else on_a(f, Place(element, f.add(row, i), f.add(k0, k), batch, 1, None, early), value)

        def right(k: Index) -> list[str]:
            line, out = f.gep(str(values["b"]), f.mul(k, b_step), element), []
            for j in range(tile.vectors):
                valid = None if cuts.pack_b else tile.lanes_of(j)
                value = load_lanes(f, tile.type, f.gep(line, j * tile.lanes * b_columns, element), b_columns, valid, align)
                if on_b is not None:
                    value = on_b(f, Place(tile.type, f.add(k0, k), f.add(column, j * tile.lanes), batch, 1, valid, early), value)
                out.append(value)
            return out

        unroll = 4 if tile.rows * tile.vectors <= 8 else 2
        sums = sum_of_products(f, tile, values["k"], left, right, unroll=unroll)
        place = Place(tile.type, row, column, batch, buffers=pointers() if spec.on_c else ())
        to = Result(str(values["c"]), spec.c.rows, spec.c.columns, place, spec.on_c, spec.looped)
        finish(f, tile, sums, to, str(values["more"]), str(values["last"]))

    def fetch(self, f: Emitter, a: str, tile: Tile, k: Index) -> None:
        """Step k brings near what is read of A some time later, where the processor does not foresee it."""
        layout = self.spec.a
        if not self.fetches:
            return
        if self.by_columns:  # lines of other pages, maybe all of one set of the first cache
            later = f.mul(f.add(k, _AHEAD), layout.columns)
            for i in dict.fromkeys((0, tile.rows - 1)):
                f.prefetch(a, f.add(later, i), self.element, 2)
        elif layout.columns == 1 and layout.rows == self.cuts.depth:  # the next tile, as much of it as of this one
            f.prefetch(a, f.mul(f.add(k, self.cuts.depth), tile.rows), self.element)
        elif layout.columns == 1 and layout.rows > 1:  # so many steps are a line of the next rows, each of which has its turn
            line = 64 // self.size
            turn = f.rem(k, line)
            f.prefetch(a, f.add(f.mul(f.add(turn, tile.rows), layout.rows), f.sub(k, turn)), self.element)
