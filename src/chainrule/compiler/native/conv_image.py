"""Forward convolution and data gradient: for each image, sums over channels and taps.

Lanes are output channels (the weights packed, results turned in registers) or pixels of a row (for few channels), whichever takes
fewer cycles.  Weights and planes lie in the workspace; a table says where each term of the sum is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import lcm, prod

from .conv import Conv
from .conv_plane import Planes, Sweep, call_copy, computed, data, forward, run_hook
from .emitter import Emitter, Index, Module, vec
from .gemm_plan import cycles, lanes_for, registers
from .gemm_ranges import repeat, span, split, up
from .gemm_tile import Tile, sum_of_products, transposed
from .kernel import Kernel, Place, open_kernel
from .target import SIZES, Target

_CHUNK_FLOPS = 1_500_000
_CHUNKS = 32


@dataclass(frozen=True)
class Shape:
    """Forward and data gradient alike: ``outputs`` channels of a group from ``inputs`` of it, results of ``size``.

    The weight of (output m, input c, tap t) is element m · ``by_output`` + c · ``by_input`` + t.
    """

    outputs: int
    inputs: int
    size: tuple[int, int]
    by_output: int
    by_input: int
    planes: Planes
    sweeps: tuple[Sweep, ...]


def shape(spec: Conv) -> Shape:
    """What a forward convolution or a data gradient is."""
    taps = spec.taps
    if spec.kind == "forward":
        planes, sweeps = forward(spec)
        return Shape(spec.group_out, spec.group_in, spec.out, spec.group_in * taps, taps, planes, tuple(sweeps))
    planes, sweeps = data(spec)
    return Shape(spec.group_in, spec.group_out, spec.size, taps, spec.group_in * taps, planes, tuple(sweeps))


@dataclass(frozen=True)
class Cuts:
    """Tiles of a sweep.

    ``channels``: lanes are channels; a tile has ``vectors`` of them and ``lines`` rows of ``across`` pixels.
    Otherwise lanes are pixels; a tile has ``rows`` channels and ``lines`` rows of ``across`` vectors.
    """

    channels: bool
    lanes: int
    rows: int
    vectors: int
    lines: int
    across: int
    cost: float


def by_channels(target: Target, element: str, work: Shape, sweep: Sweep) -> Cuts:
    """Cuts with lanes along channels."""
    lanes = lanes_for(target, element, work.outputs)
    vectors = up(work.outputs, lanes)
    depth, (lines, columns) = work.inputs * len(sweep.taps), sweep.count
    best = Cuts(True, lanes, 1, 1, 1, 1, float("inf"))
    for wide in range(1, min(3, vectors) + 1):
        wide = up(vectors, up(vectors, wide))
        most = min(14 if wide > 1 else 24, (registers(target) - 2 - wide) // wide)
        across = up(columns, up(columns, most))
        high = min(lines, most // across) if across == columns else 1
        pixels = across * high
        tiles = up(lines, high) * up(columns, across) * up(vectors, wide)
        turning = wide * up(pixels, lanes) * (lanes * 5 if lanes > 1 else 1)
        cost = tiles * (depth * cycles(pixels, wide) + turning + 10)
        best = min(best, Cuts(True, lanes, pixels, wide, high, across, cost), key=lambda c: c.cost)
    return best


def by_pixels(target: Target, element: str, work: Shape, sweep: Sweep) -> Cuts:
    """Cuts with lanes along a row's pixels."""
    lines, columns = sweep.count
    lanes = lanes_for(target, element, columns)
    each = up(columns, lanes)
    depth = work.inputs * len(sweep.taps)
    best = Cuts(False, lanes, 1, 1, 1, 1, float("inf"))
    for wide in range(1, 5):
        high, across = (max(1, min(lines, wide // each)), each) if each <= wide else (1, up(each, up(each, wide)))
        vectors = high * across
        most = min(14, (registers(target) - 1 - vectors) // vectors)
        rows = up(work.outputs, up(work.outputs, most))
        tiles = up(work.outputs, rows) * up(lines, high) * up(each, across)
        crossing = 1 + 0.25 * vectors / (rows * vectors)  # loads that are not aligned
        cost = tiles * (depth * cycles(rows, vectors) * crossing + 2 * rows * vectors + 10)
        best = min(best, Cuts(False, lanes, rows, vectors, high, across, cost), key=lambda c: c.cost)
    return best


def emit_image(module: Module, spec: Conv, name: str) -> Kernel:
    """Write the kernel."""
    work = shape(spec)
    if spec.batch == 0 or work.outputs == 0 or 0 in work.size:
        open_kernel(module, name, spec.buffers)[0].ret()
        return Kernel(name, spec.buffers, 0)
    writer = _Writer(module, spec, work, name)
    writer.write()
    return Kernel(name, spec.buffers, writer.chunks, writer.workspace, spec.flops, SIZES[spec.element] * spec.elements)


class _Writer:
    """Writes one kernel's functions."""

    def __init__(self, module: Module, spec: Conv, work: Shape, name: str) -> None:
        self.module, self.spec, self.work, self.name = module, spec, work, name
        self.element, self.size = spec.element, SIZES[spec.element]
        target = module.target
        self.cuts = [
            min((cut(target, self.element, work, s) for cut in (by_channels, by_pixels)), key=lambda c: c.cost) for s in work.sweeps
        ]
        # A hook sees contiguous pixels: results with gaps get it in a pass of their own.
        self.late = spec.on_result is not None and (spec.looped or any(s.step != (1, 1) for s in work.sweeps))
        self.share()
        padded = [c.lanes * up(self.each, c.lanes) if c.channels else 0 for c in self.cuts]
        packed = [work.inputs * len(s.taps) * p * self.size for s, p in zip(work.sweeps, padded, strict=True)]
        self.packed = [sum(up(p, 64) * 64 for p in packed[:i]) for i in range(len(packed) + 1)]
        planes = 0 if work.planes.direct else (work.inputs * work.planes.elements + 64) * self.size
        stepped = max((s.count[0] * s.count[1] for s in work.sweeps if s.step != (1, 1)), default=0)
        self.scratch = self.packed[-1] + up(planes, 64) * 64
        self.computed = self.scratch + up(self.each * stepped * self.size, 64) * 64
        self.workspace = self.computed + (0 if spec.on_image is None else up(work.inputs * prod(work.planes.size) * self.size, 64) * 64)

    def share(self) -> None:
        """What a chunk does: so many images of one group, so many of its output channels."""
        spec, work = self.spec, self.work
        wanted = max(1, min(_CHUNKS, spec.flops // _CHUNK_FLOPS))
        self.each = work.outputs
        weights = work.outputs * work.inputs * spec.taps * self.size
        blocks = 1
        unit = lcm(*(c.vectors * c.lanes if c.channels else c.rows for c in self.cuts))
        if (wanted > spec.batch * spec.groups or weights > 400_000) and work.outputs > unit:
            blocks = min(up(work.outputs, unit), wanted)
            if weights <= 400_000:
                blocks = min(blocks, up(wanted, spec.batch * spec.groups))
            self.each = up(up(work.outputs, blocks), unit) * unit
            blocks = up(work.outputs, self.each)
        self.blocks = blocks
        self.images = up(spec.batch, max(1, wanted // (blocks * spec.groups)))
        self.chunks = up(spec.batch, self.images) * spec.groups * blocks

    def write(self) -> None:
        self.f, self.pointers = open_kernel(self.module, self.name, self.spec.buffers)
        f, work, spec = self.f, self.work, self.spec
        chunk: Index = "%chunk" if self.chunks > 1 else 0
        block, chunk = f.rem(chunk, self.blocks), f.div(chunk, self.blocks)
        self.group, chunk = f.rem(chunk, spec.groups), f.div(chunk, spec.groups)
        first, count = span(f, chunk, self.images, spec.batch)
        self.first_output, self.outputs = span(f, block, self.each, work.outputs)
        self.weights = f.gep(self.pointers[1], self.weight_offset(), self.element)
        for sweep, cuts, at in zip(work.sweeps, self.cuts, self.packed):
            if cuts.channels and sweep.taps:
                self.pack(sweep, cuts, f.gep("%workspace", at))
        repeat(f, count, lambda n: self.image(f.add(first, n)))
        f.ret()

    def weight_offset(self) -> Index:
        """Of this chunk's first output channel."""
        f, spec, work = self.f, self.spec, self.work
        per_group = spec.group_out * spec.group_in * spec.taps
        return f.add(f.mul(self.group, per_group), f.mul(self.first_output, work.by_output))

    def terms(self, sweep: Sweep) -> tuple[str, str]:
        """Tables of a sweep's terms: offsets into planes, into weights."""
        work = self.work
        planes = [c * work.planes.elements + at for c in range(work.inputs) for at, _ in sweep.taps]
        weights = [c * work.by_input + w for c in range(work.inputs) for _, w in sweep.taps]
        return self.module.table("i64", planes), self.module.table("i64", weights)

    def pack(self, sweep: Sweep, cuts: Cuts, to: str) -> None:
        """This chunk's weights of a sweep as panels ``[term][channels]``."""
        f, work, element = self.f, self.work, self.element
        _, table = self.terms(sweep)
        depth, width = work.inputs * len(sweep.taps), cuts.vectors * cuts.lanes

        def panel(p: Index, vectors: int, valid: int) -> None:
            base = f.gep(self.weights, f.mul(p, width * work.by_output), element)
            target = f.gep(to, f.mul(p, width * depth), element)

            def term(k: Index, _: object) -> None:
                line = f.gep(base, f.op(f"load i64, ptr {f.gep(table, k, 'i64')}, align 8"), element)
                for j in range(vectors):
                    kind = vec(element, cuts.lanes)
                    value = "zeroinitializer"
                    for lane in range(cuts.lanes if j < vectors - 1 else valid):
                        scalar = f.load(element, f.gep(line, (j * cuts.lanes + lane) * work.by_output, element))
                        value = f.op(f"insertelement {kind} {value}, {element} {scalar}, i64 {lane}") if cuts.lanes > 1 else scalar
                    put = f.gep(target, f.add(f.mul(k, vectors * cuts.lanes), j * cuts.lanes), element)
                    f.store(kind, value, put, min(64, cuts.lanes * self.size))

            f.loop(0, depth, 1, term)

        self.panels(cuts, panel)

    def panels(self, cuts: Cuts, body: Callable[[Index, int, int], None]) -> None:
        """``body(panel of this chunk, vectors, lanes of the last)`` for lanes along channels."""
        f, width = self.f, cuts.vectors * cuts.lanes
        total, rest = self.work.outputs, self.work.outputs % width
        per = up(self.each, width)
        first: Index = 0 if self.blocks == 1 else f.div(self.first_output, width)
        count: Index = up(total, width) if self.blocks == 1 else f.least(per, f.sub(up(total, width), first))
        split(
            f, first, count, total // width, up(total, width),
            lambda p: body(p, cuts.vectors, cuts.lanes), lambda p: body(p, up(rest, cuts.lanes), (rest - 1) % cuts.lanes + 1),
        )  # fmt: skip

    def image(self, n: Index) -> None:
        """One image of this chunk."""
        f, work, spec = self.f, self.work, self.spec
        source_elements = prod(work.planes.size)
        if spec.on_image is None:
            number = f.mul(f.add(f.mul(n, spec.groups), self.group), work.inputs * source_elements)
            source = f.gep(self.pointers[0], number, self.element)
        else:
            source = f.gep("%workspace", self.computed)
            place = Place(self.element, f.mul(self.group, work.inputs), 0, n, buffers=self.pointers)
            computed(f, spec.on_image, source, work.inputs, source_elements, place)
        if work.planes.direct:
            self.base = source
        else:
            self.base = f.gep("%workspace", self.packed[-1])
            call_copy(f, self.element, work.planes, source, self.base, work.inputs)
        channel = f.add(f.mul(self.group, work.outputs), self.first_output)
        pixels = work.size[0] * work.size[1]
        self.result = f.gep(self.pointers[2], f.mul(f.add(f.mul(n, spec.groups * work.outputs), channel), pixels), self.element)
        self.channel, self.n = channel, n
        for sweep, cuts, at in zip(work.sweeps, self.cuts, self.packed):
            self.sweep(sweep, cuts, f.gep("%workspace", at))
            if sweep.step != (1, 1):
                self.spread(sweep)
        if self.late:
            pixels = work.size[0] * work.size[1]
            place = Place(self.element, self.channel, 0, n, buffers=self.pointers)
            run_hook(f, self.spec.on_result, self.result, (self.outputs, pixels), pixels, place)

    def spread(self, sweep: Sweep) -> None:
        """Bring a sweep's results from the scratch to where they belong, ``sweep.step`` apart."""
        f, element, (_, columns), (h, w) = self.f, self.element, sweep.count, self.work.size
        scratch = f.gep("%workspace", self.scratch)

        def channel(m: Index, _: object) -> None:
            def row(r: Index, _: object) -> None:
                line = f.gep(scratch, f.mul(f.add(f.mul(m, sweep.count[0]), r), columns), element)
                start = f.add(f.mul(m, h * w), f.add(f.mul(f.add(f.mul(r, sweep.step[0]), sweep.first[0]), w), sweep.first[1]))
                target = f.gep(self.result, start, element)

                def one(c: Index, _: object) -> None:
                    f.store(element, f.load(element, f.gep(line, c, element)), f.gep(target, f.mul(c, sweep.step[1]), element))

                f.loop(0, columns, 1, one)

            f.loop(0, sweep.count[0], 1, row)

        f.loop(0, self.outputs, 1, channel)

    def written(self, sweep: Sweep) -> tuple[int, int]:
        """Rows and columns of the planes that a sweep's tiles write to: the result's, or the scratch's."""
        return self.work.size if sweep.step == (1, 1) else sweep.count

    # -- tiles ---------------------------------------------------------------------------------------------------------

    def sweep(self, sweep: Sweep, cuts: Cuts, packed: str) -> None:
        """All tiles of a sweep on one image."""
        f = self.f
        depth = self.work.inputs * len(sweep.taps)
        if cuts.channels:
            width = cuts.vectors * cuts.lanes

            def panel(p: Index, vectors: int, valid: int) -> None:
                weights = f.gep(packed, f.mul(p, width * depth), self.element)
                tile = Tile(self.element, cuts.lanes, cuts.rows, vectors, valid)
                self.pixels(sweep, cuts, sweep.count[1], lambda r, c, lines, across: self.call(
                    sweep, cuts, replace(tile, rows=lines * across), lines, weights, f.mul(p, width), r, c))  # fmt: skip

            self.panels(cuts, panel)
            return
        each = up(sweep.count[1], cuts.lanes)
        rest = sweep.count[1] - (each - 1) * cuts.lanes

        def rows(i: Index, high: int) -> None:
            weights = f.gep(self.weights, f.mul(i, cuts.rows * self.work.by_output), self.element)

            def one(r: Index, c: Index, lines: int, across: int, ends: bool) -> None:
                tile = Tile(self.element, cuts.lanes, high, lines * across, rest if ends else cuts.lanes)
                self.call(sweep, cuts, tile, lines, weights, f.mul(i, cuts.rows), r, f.mul(c, cuts.lanes))

            self.pixels(sweep, cuts, each, one)

        total = self.work.outputs
        first: Index = 0 if self.blocks == 1 else f.div(self.first_output, cuts.rows)
        tiles = up(total, cuts.rows)
        count: Index = tiles if self.blocks == 1 else f.least(self.each // cuts.rows, f.sub(tiles, first))
        split(f, first, count, total // cuts.rows, tiles, lambda i: rows(i, cuts.rows), lambda i: rows(i, total % cuts.rows))

    def pixels(self, sweep: Sweep, cuts: Cuts, columns: int, body: Callable[..., None]) -> None:
        """``body(row, column, rows, columns)`` for a sweep's tiles; for lanes of pixels also whether a tile ends its row."""
        f, (lines, _) = self.f, sweep.count
        steps, rest = columns // cuts.across, columns % cuts.across

        def line(r: Index, high: int) -> None:
            if cuts.channels:
                repeat(f, steps, lambda c: body(r, f.mul(c, cuts.across), high, cuts.across))
                if rest:
                    body(r, steps * cuts.across, high, rest)
                return
            whole = steps - (0 if rest else 1)
            repeat(f, whole, lambda c: body(r, f.mul(c, cuts.across), high, cuts.across, False))
            body(r, whole * cuts.across, high, rest or cuts.across, True)

        repeat(f, lines // cuts.lines, lambda r: line(f.mul(r, cuts.lines), cuts.lines))
        if lines % cuts.lines:
            line(lines - lines % cuts.lines, lines % cuts.lines)

    def call(self, sweep: Sweep, cuts: Cuts, tile: Tile, lines: int, weights: str, m: Index, r: Index, c: Index) -> None:
        """Compute the tile at output channel m of this chunk, row r and column c of the sweep."""
        f, work = self.f, self.work
        read = f.gep(self.base, f.add(f.mul(r, work.planes.extent[1]), c), self.element)
        rows, columns = self.written(sweep)
        pixel = f.add(f.mul(r, columns), c)
        base = self.result if sweep.step == (1, 1) else f.gep("%workspace", self.scratch)
        write = f.gep(base, f.add(f.mul(m, rows * columns), pixel), self.element)
        hooked = self.spec.on_result is not None and not self.late
        name = f"{self.name}_{work.sweeps.index(sweep)}_{tile.name}_{lines}"
        if not self.module.has(name):
            params = "ptr noalias readonly %w, ptr noalias readonly %x, ptr %y"
            if hooked:
                params += ", i64 %channel, i64 %pixel, i64 %n, ptr %buffers"
            g = self.module.function(name, params, attributes="noinline nounwind")
            (self.tile_of_channels if cuts.channels else self.tile_of_pixels)(g, sweep, tile, lines, hooked)
            g.ret()
        extra = [f"i64 {f.add(self.channel, m)}", f"i64 {pixel}", f"i64 {self.n}", "ptr %buffers"] if hooked else []
        f.call(name, f"ptr {weights}", f"ptr {read}", f"ptr {write}", *extra)

    def loaded(self, f: Emitter, hooked: bool) -> list[str]:
        return [f.op(f"load ptr, ptr {f.gep('%buffers', i, 'ptr')}, align 8") for i in range(self.spec.buffers)] if hooked else []

    def tile_of_channels(self, f: Emitter, sweep: Sweep, tile: Tile, lines: int, hooked: bool) -> None:
        """Accumulators [pixel][channels]; turned before they are stored."""
        work, element, across = self.work, self.element, tile.rows // lines
        table, _ = self.terms(sweep)
        bases: dict[Index, str] = {}

        def left(i: int, k: Index) -> str:
            if i == 0:
                bases[k] = f.gep("%x", f.op(f"load i64, ptr {f.gep(table, k, 'i64')}, align 8"), element)
            return f.load(element, f.gep(bases[k], (i // across) * work.planes.extent[1] + i % across, element))

        def right(k: Index) -> list[str]:
            line = f.gep("%w", f.mul(k, tile.vectors * tile.lanes), element)
            return [f.load(tile.type, f.gep(line, j * tile.lanes, element), min(64, tile.lanes * self.size)) for j in range(tile.vectors)]

        sums = sum_of_products(f, tile, work.inputs * len(sweep.taps), left, right, unroll=1, straight=4)
        pointers, zero = self.loaded(f, hooked), "zeroinitializer" if tile.lanes > 1 else "0.0"
        pixels = prod(self.written(sweep))
        for j in range(tile.vectors):
            column = sums[j :: tile.vectors]
            for b in range(0, tile.rows, tile.lanes):
                block = column[b : b + tile.lanes]
                turned = transposed(f, element, block + [zero] * (tile.lanes - len(block)))
                valid = len(block) if len(block) < tile.lanes else None
                for r in range(tile.lanes_of(j) or tile.lanes):
                    m, value = j * tile.lanes + r, turned[r]
                    if hooked and self.spec.on_result is not None:
                        place = Place(tile.type, f.add("%channel", m), f.add("%pixel", b), "%n", 1, valid, pointers)
                        value = self.spec.on_result(f, place, value)
                    f.store(tile.type, value, f.gep("%y", m * pixels + b, element), valid=valid)

    def tile_of_pixels(self, f: Emitter, sweep: Sweep, tile: Tile, lines: int, hooked: bool) -> None:
        """Accumulators [channel][pixels], stored as they are."""
        work, element, across = self.work, self.element, tile.vectors // lines
        planes, weights = self.terms(sweep)
        lines_of: dict[Index, str] = {}
        each = [tile.valid if j % across == across - 1 and tile.valid < tile.lanes else None for j in range(tile.vectors)]
        shifts = [((j // across), (j % across) * tile.lanes) for j in range(tile.vectors)]

        def left(i: int, k: Index) -> str:
            if i == 0:
                lines_of[k] = f.gep("%w", f.op(f"load i64, ptr {f.gep(weights, k, 'i64')}, align 8"), element)
            return f.load(element, f.gep(lines_of[k], i * work.by_output, element))

        def right(k: Index) -> list[str]:
            line = f.gep("%x", f.op(f"load i64, ptr {f.gep(planes, k, 'i64')}, align 8"), element)
            reads = [f.gep(line, y * work.planes.extent[1] + x, element) for y, x in shifts]
            return [f.load(tile.type, at, valid=v) for at, v in zip(reads, each, strict=True)]

        unroll = 1 if tile.rows * tile.vectors > 8 else 2
        sums = sum_of_products(f, tile, work.inputs * len(sweep.taps), left, right, unroll=unroll, straight=4)
        pointers, (high, pitch) = self.loaded(f, hooked), self.written(sweep)
        for i in range(tile.rows):
            for j, ((y, x), valid) in enumerate(zip(shifts, each, strict=True)):
                value = sums[i * tile.vectors + j]
                offset = y * pitch + x
                if hooked and self.spec.on_result is not None:
                    place = Place(tile.type, f.add("%channel", i), f.add("%pixel", offset), "%n", 1, valid, pointers)
                    value = self.spec.on_result(f, place, value)
                f.store(tile.type, value, f.gep("%y", i * high * pitch + offset, element), valid=valid)
