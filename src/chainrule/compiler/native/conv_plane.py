"""Where a convolution reads: planes of an image, padded and cut into phases, and the taps that are offsets into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from .conv import Conv, Pair
from .emitter import Emitter, Index, vec
from .gemm_ranges import repeat, up
from .gemm_tile import load_lanes
from .kernel import Hook, Place

Tap = tuple[int, int]  # (offset into a channel's planes, offset into the weights of one pair of channels)


@dataclass(frozen=True)
class Planes:
    """The planes of one channel: for each of ``step`` phases down and across, ``extent`` elements; ``before`` of them are padding.

    Row r, column c of phase (a, b) is element (r·step + a - before, c·step + b - before) of the image, 0 outside of it.
    """

    size: Pair  # of the image
    step: Pair
    before: Pair
    extent: Pair

    @property
    def direct(self) -> bool:
        """Whether they are the image itself."""
        return self.step == (1, 1) and self.before == (0, 0) and self.extent[1] == self.size[1] and self.extent[0] <= self.size[0]

    @property
    def elements(self) -> int:
        """Of one channel."""
        if self.direct:
            return self.size[0] * self.size[1]
        return self.step[0] * self.step[1] * self.extent[0] * self.extent[1]

    def at(self, row: int, column: int) -> int:
        """The offset of the padded image's element (row, column)."""
        (r, a), (c, b) = divmod(row, self.step[0]), divmod(column, self.step[1])
        return ((a * self.step[1] + b) * self.extent[0] + r) * self.extent[1] + c


@dataclass(frozen=True)
class Sweep:
    """A part of the result that one set of taps computes: ``count`` rows and columns from ``first`` on, ``step`` apart."""

    taps: tuple[Tap, ...]
    count: Pair
    first: Pair = (0, 0)
    step: Pair = (1, 1)


def call_copy(f: Emitter, element: str, planes: Planes, source: str, to: str, channels: Index) -> None:
    """Fill planes by a function that all kernels of the module share."""
    kind = f"{element}_{planes.size}_{planes.step}_{planes.before}_{planes.extent}"
    name = "planes_" + "".join(c if c.isalnum() else "_" for c in kind)
    if not f.module.has(name):
        g = f.module.function(name, "ptr noalias readonly %x, ptr noalias %to, i64 %channels", attributes="noinline nounwind")
        copy_planes(g, element, planes, "%x", "%to", "%channels")
        g.ret()
    f.call(name, f"ptr {source}", f"ptr {to}", f"i64 {channels}")


def forward(spec: Conv) -> tuple[Planes, list[Sweep]]:
    """Planes of an image, and the one sweep of the forward convolution."""
    (h, w), (kh, kw), out, d, s = spec.size, spec.kernel, spec.out, spec.dilation, spec.stride
    reach = (d[0] * (kh - 1) + 1 + (out[0] - 1) * s[0], d[1] * (kw - 1) + 1 + (out[1] - 1) * s[1])
    unpadded = spec.padding == (0, 0) and s == (1, 1)
    extent = (h, w) if unpadded else (up(reach[0], s[0]), up(reach[1], s[1]))
    planes = Planes((h, w), s, spec.padding, extent)
    taps = tuple((planes.at(y * d[0], x * d[1]), y * kw + x) for y in range(kh) for x in range(kw))
    return planes, [Sweep(taps, out)]


def data(spec: Conv) -> tuple[Planes, list[Sweep]]:
    """Planes of the results' gradient, and a sweep for each phase of the images' gradient.

    Element i of the images gets weight k times element (i + padding - k · dilation) / stride, where that is whole.
    """
    axes = [list(_phases(*axis)) for axis in zip(spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation, strict=True)]
    shifts = [[q for phase in axis for _, q in phase.taps] for axis in axes]
    before = tuple(max([0, *(-q for q in axis)]) for axis in shifts)
    after = tuple(max([0, *(p.count + q for p in axis for _, q in p.taps)]) for axis in axes)
    extent = tuple(b + max(e, n) for b, e, n in zip(before, after, spec.out, strict=True))
    planes = Planes(spec.out, (1, 1), (before[0], before[1]), (extent[0], extent[1]))
    sweeps = []
    for down in axes[0]:
        for across in axes[1]:
            taps = tuple((planes.at(before[0] + y, before[1] + x), i * spec.kernel[1] + j) for i, y in down.taps for j, x in across.taps)
            sweeps.append(Sweep(taps, (down.count, across.count), (down.first, across.first), spec.stride))
    return planes, sweeps


@dataclass(frozen=True)
class _Phase:
    """Elements first, first + stride, … of an axis of the images; taps are (k, shift): element t reads t + shift."""

    first: int
    count: int
    taps: tuple[tuple[int, int], ...]


def _phases(n: int, kernel: int, stride: int, padding: int, dilation: int) -> Iterator[_Phase]:
    for first in range(min(stride, n)):
        taps = [(k, (first + padding - k * dilation) // stride) for k in range(kernel) if (first + padding - k * dilation) % stride == 0]
        yield _Phase(first, up(n - first, stride), tuple(taps))


def run_hook(f: Emitter, hook: Hook | None, base: str, count: tuple[Index, Index], pitch: int, first: Place) -> None:
    """The hook on ``count`` rows and columns of results that are complete, rows ``pitch`` elements apart, from ``first`` on."""
    if hook is None:
        return
    element = first.type
    lanes, columns = f.target.lanes(element), count[1]
    kind = vec(element, lanes)

    def some(r: Index, c: Index, kind: str, valid: int | None) -> None:
        at = f.gep(base, f.add(f.mul(r, pitch), c), element)
        place = replace(first, type=kind, row=f.add(first.row, r), column=f.add(first.column, c), valid=valid)
        f.store(kind, hook(f, place, f.load(kind, at, valid=valid)), at, valid=valid)

    def line(r: Index) -> None:
        if isinstance(columns, int):
            whole: Index = columns - columns % lanes
            f.loop(0, whole, lanes, lambda c, _: some(r, c, kind, None))
            if whole != columns:
                some(r, whole, kind, columns % lanes)
            return
        whole = f.op(f"and i64 {columns}, {-lanes}")
        f.loop(0, whole, lanes, lambda c, _: some(r, c, kind, None))
        f.loop(whole, columns, 1, lambda c, _: some(r, c, element, None))

    repeat(f, count[0], line)


def computed(f: Emitter, hook: Hook, to: str, channels: Index, pixels: int, first: Place) -> None:
    """What the hook computes, of ``channels`` channels of an image from ``first`` on, one after the other."""
    element = first.type
    lanes = f.target.lanes(element)
    kind, whole = vec(element, lanes), pixels - pixels % lanes

    def channel(r: Index, _: object) -> None:
        line = f.gep(to, f.mul(r, pixels), element)

        def some(c: Index, valid: int | None) -> None:
            place = replace(first, type=kind, row=f.add(first.row, r), column=c, valid=valid)
            f.store(kind, hook(f, place, "poison"), f.gep(line, c, element), valid=valid)

        f.loop(0, whole, lanes, lambda c, _: some(c, None))
        if whole < pixels:
            some(whole, pixels - whole)

    f.loop(0, channels, 1, channel)


def copy_planes(f: Emitter, element: str, planes: Planes, source: str, to: str, channels: Index) -> None:
    """Fill the planes of ``channels`` channels from an image's."""
    lanes = f.target.lanes(element)
    (h, w), (sh, sw), (rows, columns) = planes.size, planes.step, planes.extent

    def window(at: str, target: str, c: Index, low: int, high: int, first: int, valid: int | None) -> None:
        """The vector from column c on: lanes low … high are elements, the others zeros."""
        kind = vec(element, lanes)
        put = f.gep(target, c, element)
        if low >= high:
            f.store(kind, "zeroinitializer" if lanes > 1 else "0.0", put, valid=valid)
            return
        inside = None if high - low == lanes else high - low
        value = load_lanes(f, kind, f.gep(at, f.mul(f.add(c, low - first), sw), element), sw, inside)
        if low:
            order = ", ".join(f"i32 {lanes if i < low else i - low}" for i in range(lanes))
            value = f.op(f"shufflevector {kind} {value}, {kind} zeroinitializer, <{lanes} x i32> <{order}>")
        f.store(kind, value, put, valid=valid)

    def line(at: str, target: str, first: int, count: int) -> None:
        """One row: ``count`` elements from column ``first`` on, zeros around them."""
        kinds = [
            (max(first - c, 0), min(first + count - c, width), width if width < lanes else None)
            for c in range(0, columns, lanes)
            if (width := min(lanes, columns - c))
        ]
        kinds = [(0, 0, valid) if low >= high else (low, high, valid) for low, high, valid in kinds]
        start = 0
        for (low, high, valid), same in groupby(kinds):
            many = len(list(same))
            if many <= 8:
                for k in range(start, start + many):
                    window(at, target, k * lanes, low, high, first, valid)
            else:
                body = partial(window, at, target, low=low, high=high, first=first, valid=valid)
                f.loop(start * lanes, (start + many) * lanes, lanes, partial(_ignoring, body))
            start += many

    def phase(channel: Index, a: int, b: int) -> None:
        before = [p - q for p, q in zip(planes.before, (a, b), strict=True)]
        first = [max(0, up(p, s)) for p, s in zip(before, (sh, sw), strict=True)]
        ends = [min(e, max(0, up(n + p, s))) for e, n, p, s in zip((rows, columns), (h, w), before, (sh, sw), strict=True)]
        target = f.gep(to, f.add(f.mul(channel, planes.elements), (a * sw + b) * rows * columns), element)
        image = f.gep(source, f.mul(channel, h * w), element)
        top, count = min(first[0], rows), max(0, ends[0] - first[0])
        wide = max(0, ends[1] - first[1])
        start = (first[0] * sh + a - planes.before[0]) * w + first[1] * sw + b - planes.before[1]
        repeat(f, top, lambda r: line(image, f.gep(target, f.mul(r, columns), element), 0, 0))
        repeat(f, count, lambda r: line(
            f.gep(image, f.add(f.mul(r, sh * w), start), element),
            f.gep(target, f.mul(f.add(r, top), columns), element), first[1], wide))  # fmt: skip
        repeat(f, rows - top - count, lambda r: line(image, f.gep(target, f.mul(f.add(r, top + count), columns), element), 0, 0))

    def channel(c: Index) -> None:
        for a in range(sh):
            for b in range(sw):
                phase(c, a, b)

    repeat(f, channels, channel)


def _ignoring(body: Callable[[Index], None], i: Index, _: object) -> None:
    body(i)
