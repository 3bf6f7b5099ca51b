"""Weight gradient of a convolution: for each output channel and each term, a sum over all pixels of all images.

Lanes are pixels of a row; a tile is some output channels by some terms, each sum a vector that is reduced at the end.  Chunks own
their part of the result and go through all images, so nothing is added across chunks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from .conv import Conv
from .conv_plane import call_copy, computed, forward, run_hook
from .emitter import Emitter, Index, Module, vec
from .gemm_plan import lanes_for, registers
from .gemm_ranges import repeat, span, split, up
from .gemm_tile import transposed
from .kernel import Kernel, Place, open_kernel
from .target import SIZES

_CHUNK_FLOPS = 1_500_000
_CHUNKS = 32
_STEPS = 64  # vectors of pixels over which a reduction is spread
_PLANES = 300_000  # bytes of planes at a time


def emit_weight(module: Module, spec: Conv, name: str) -> Kernel:
    """Write the kernel."""
    if spec.out_channels == 0 or spec.group_in * spec.taps == 0:
        open_kernel(module, name, spec.buffers)[0].ret()
        return Kernel(name, spec.buffers, 0)
    writer = _Writer(module, spec, name)
    writer.write()
    return Kernel(name, spec.buffers, writer.chunks, writer.workspace, spec.flops, SIZES[spec.element] * spec.elements)


@dataclass(frozen=True)
class _Tile:
    channels: int
    terms: int


class _Writer:
    """Writes one kernel's functions."""

    def __init__(self, module: Module, spec: Conv, name: str) -> None:
        self.module, self.spec, self.name = module, spec, name
        self.element, self.size = spec.element, SIZES[spec.element]
        self.lanes = lanes_for(module.target, self.element, max(1, spec.out[1]))
        self.planes, (sweep,) = forward(spec)
        self.taps = [at for at, _ in sweep.taps]
        self.terms = spec.group_in * spec.taps
        most = (6, 4) if registers(module.target) == 32 else (3, 3)
        self.high = up(spec.group_out, up(spec.group_out, most[0]))
        self.wide = up(self.terms, up(self.terms, most[1]))
        self.share()
        steps = max(1, spec.out[0] * up(spec.out[1], self.lanes))
        self.images = max(1, min(spec.batch, up(_STEPS, steps)))
        held = self.channels_held * self.planes.elements * self.size
        if not self.planes.direct or spec.on_image is not None:
            self.images = max(1, min(self.images, _PLANES // max(1, held)))
        self.computed = 0 if self.planes.direct and spec.on_image is None else up(self.images * held, 64) * 64
        again = 0 if self.planes.direct or spec.on_image is None else self.channels_held * prod(self.planes.size) * self.size
        self.workspace = self.computed + up(again, 64) * 64

    def share(self) -> None:
        """What a chunk does: so many tiles of channels, so many of terms."""
        spec = self.spec
        self.down, self.across = up(spec.group_out, self.high), up(self.terms, self.wide)
        wanted = up(max(1, min(_CHUNKS, spec.flops // _CHUNK_FLOPS)), spec.groups)
        by_terms = min(self.across, wanted)
        self.chunk_terms = up(self.across, by_terms)
        by_terms = up(self.across, self.chunk_terms)
        self.chunk_channels = up(self.down, min(self.down, max(1, wanted // by_terms)))
        self.grid = (up(self.down, self.chunk_channels), by_terms)
        self.chunks = spec.groups * self.grid[0] * by_terms
        length = min(self.chunk_terms * self.wide, self.terms)
        self.channels_held = min(spec.group_in, up(length, spec.taps) + (1 if by_terms > 1 else 0))

    def write(self) -> None:
        self.f, self.pointers = open_kernel(self.module, self.name, self.spec.buffers)
        f, spec = self.f, self.spec
        chunk: Index = "%chunk" if self.chunks > 1 else 0
        across, chunk = f.rem(chunk, self.grid[1]), f.div(chunk, self.grid[1])
        down, self.group = f.rem(chunk, self.grid[0]), f.div(chunk, self.grid[0])
        self.tile_rows = span(f, down, self.chunk_channels, self.down)
        self.tile_columns = span(f, across, self.chunk_terms, self.across)
        first_term = f.mul(self.tile_columns[0], self.wide)
        end_term = f.least(self.terms, f.mul(f.add(self.tile_columns[0], self.tile_columns[1]), self.wide))
        self.first_channel = f.div(first_term, spec.taps)
        self.channels = f.sub(f.div(f.add(end_term, spec.taps - 1), spec.taps), self.first_channel)
        self.table = self.module.table("i64", [c * self.planes.elements + at for c in range(spec.group_in) for at in self.taps])
        output = f.mul(self.group, spec.group_out)
        self.result = f.gep(self.pointers[2], f.mul(output, self.terms), self.element)
        if 0 in (spec.batch, *spec.out):
            self.tiles_at(0, 0)
        else:
            repeat(f, up(spec.batch, self.images), self.some_images)
        if spec.on_result is not None:
            first_row = f.mul(self.tile_rows[0], self.high)
            rows = f.sub(f.least(spec.group_out, f.mul(f.add(self.tile_rows[0], self.tile_rows[1]), self.high)), first_row)
            base = f.gep(self.result, f.add(f.mul(first_row, self.terms), first_term), self.element)
            place = Place(self.element, f.add(output, first_row), first_term, 0, buffers=self.pointers)
            run_hook(f, spec.on_result, base, (rows, f.sub(end_term, first_term)), self.terms, place)
        f.ret()

    def some_images(self, index: Index) -> None:
        """All tiles of the chunk on a few images."""
        f, spec, planes = self.f, self.spec, self.planes
        first, count = span(f, index, self.images, spec.batch)
        pixels = prod(planes.size)
        one = spec.group_in * pixels
        copied = self.channels_held * planes.elements  # of an image, in the workspace

        def source(n: Index) -> str:
            return f.gep(self.pointers[0], f.mul(f.add(f.mul(f.add(first, n), spec.groups), self.group), one), self.element)

        def copy(n: Index) -> None:
            """The channels that count, computed or copied."""
            target = f.gep("%workspace", f.mul(n, copied * self.size))
            if spec.on_image is None:
                given = f.gep(source(n), f.mul(self.first_channel, pixels), self.element)
            else:
                given = target if planes.direct else f.gep("%workspace", self.computed)
                row = f.add(f.mul(self.group, spec.group_in), self.first_channel)
                place = Place(self.element, row, 0, f.add(first, n), buffers=self.pointers)
                computed(f, spec.on_image, given, self.channels, pixels, place)
            if not planes.direct:
                call_copy(f, self.element, planes, given, target, self.channels)

        if planes.direct and spec.on_image is None:
            self.base, self.image_step = source(0), spec.groups * one
        else:
            self.image_step = copied
            repeat(f, count, copy)
            # Terms count from the group's first channel: this base lies before the workspace, what is read from it does not.
            skipped = f.mul(self.first_channel, planes.elements)
            self.base = f.op(f"getelementptr {self.element}, ptr %workspace, i64 {f.sub(0, skipped)}")
        channel = f.add(f.mul(first, spec.out_channels), f.mul(self.group, spec.group_out))
        self.gradient = f.gep(self.pointers[1], f.mul(channel, prod(spec.out)), self.element)
        self.tiles_at(index, count)

    def tiles_at(self, index: Index, count: Index) -> None:
        f, spec = self.f, self.spec
        rest = (spec.group_out % self.high, self.terms % self.wide)

        def row(i: Index, high: int) -> None:
            def columns(terms: int) -> Callable[[Index], None]:
                return lambda j: self.call(_Tile(high, terms), i, j, index, count)

            split(f, *self.tile_columns, self.terms // self.wide, self.across, columns(self.wide), columns(rest[1]))

        split(f, *self.tile_rows, spec.group_out // self.high, self.down, lambda i: row(i, self.high), lambda i: row(i, rest[0]))

    def call(self, tile: _Tile, i: Index, j: Index, index: Index, count: Index) -> None:
        """Add the sums of a tile, of ``count`` images, to the result, or store them if the images are the first."""
        f, pixels = self.f, prod(self.spec.out)
        channel, term = f.mul(f.add(self.tile_rows[0], i), self.high), f.mul(f.add(self.tile_columns[0], j), self.wide)
        to = f.gep(self.result, f.add(f.mul(channel, self.terms), term), self.element)
        if count == 0:
            self.store(f, tile, to, ["zeroinitializer" if self.lanes > 1 else "0.0"] * (tile.channels * tile.terms), "false")
            return
        name = f"{self.name}_{tile.channels}x{tile.terms}"
        if not self.module.has(name):
            params = "ptr noalias readonly %dy, ptr noalias readonly %x, ptr %terms, ptr noalias %dw, i64 %images, i1 %more"
            g = self.module.function(name, params, attributes="noinline nounwind")
            self.tile(g, tile)
            g.ret()
        gradient = f.gep(self.gradient, f.mul(channel, pixels), self.element)
        more = "false" if index == 0 and isinstance(index, int) else f.icmp("ne", "i64", str(index), "0")
        f.call(
            name, f"ptr {gradient}", f"ptr {self.base}", f"ptr {f.gep(self.table, term, 'i64')}", f"ptr {to}", f"i64 {count}", f"i1 {more}"
        )

    def tile(self, f: Emitter, tile: _Tile) -> None:
        spec, element, lanes = self.spec, self.element, self.lanes
        kind, (lines, columns), pitch = vec(element, lanes), spec.out, self.planes.extent[1]
        offsets = [f.op(f"load i64, ptr {f.gep('%terms', j, 'i64')}, align 8") for j in range(tile.terms)]
        reads = [f.gep("%x", o, element) for o in offsets]

        def step(at_gradient: Index, at_plane: Index, sums: list[str], valid: int | None) -> list[str]:
            right = [f.load(kind, f.gep(p, at_plane, element), valid=valid) for p in reads]
            out = []
            for i in range(tile.channels):
                left = f.load(kind, f.gep(f.gep("%dy", at_gradient, element), i * lines * columns, element), valid=valid)
                out += [f.fma(kind, left, right[j], sums[i * tile.terms + j]) for j in range(tile.terms)]
            return out

        def image(n: Index, sums: list[str]) -> list[str]:
            gradient, plane = f.mul(n, spec.out_channels * lines * columns), f.mul(n, self.image_step)

            def line(r: Index, sums: list[str]) -> list[str]:
                g, p = f.add(gradient, f.mul(r, columns)), f.add(plane, f.mul(r, pitch))
                whole = columns - columns % lanes
                if whole == lanes:
                    sums = step(g, p, sums, None)
                else:
                    sums = f.loop(0, whole, lanes, lambda c, s: step(f.add(g, c), f.add(p, c), s, None), [(kind, s) for s in sums])
                return step(f.add(g, whole), f.add(p, whole), sums, columns - whole) if whole < columns else sums

            return f.loop(0, lines, 1, line, [(kind, s) for s in sums])

        zero = "zeroinitializer" if lanes > 1 else "0.0"
        sums = f.loop(0, "%images", 1, image, [(kind, zero)] * (tile.channels * tile.terms), entered=True)
        self.store(f, tile, "%dw", sums, "%more")

    def store(self, f: Emitter, tile: _Tile, to: str, sums: list[str], more: str) -> None:
        """Reduce the sums, as many together as a vector has lanes, and store them; added to what is there if ``more``."""
        element, lanes = self.element, self.lanes
        kind, zero = vec(element, lanes), "zeroinitializer" if lanes > 1 else "0.0"
        for start in range(0, len(sums), lanes):
            block = sums[start : start + lanes]
            parts = transposed(f, element, block + [zero] * (lanes - len(block)))
            while len(parts) > 1:
                parts = [f.binary("fadd", kind, a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
            for lane in range(len(block)):
                i, j = divmod(start + lane, tile.terms)
                at = f.gep(to, i * self.terms + j, element)
                value = f.op(f"extractelement {kind} {parts[0]}, i64 {lane}") if lanes > 1 else parts[0]
                if more != "false":
                    before = f.select(element, more, f.load(element, at), "0.0")  # memory may hold anything at first
                    value = f.binary("fadd", element, before, value)
                f.store(element, value, at)
