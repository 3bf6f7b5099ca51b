"""Products of few rows or columns whose operands are both contiguous along the depth: lanes run along it, each result is a reduction.

Packing such an operand would cost as much as the product itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .emitter import Emitter, Index, Module, vec
from .gemm_plan import registers
from .gemm_ranges import offset, steps_of, up
from .kernel import Kernel, Place, open_kernel
from .target import Target

if TYPE_CHECKING:
    from .gemm import Gemm

_FEW = 3  # rows or columns up to which packing the other operand does not pay
_CHUNK_BYTES = 200_000  # of operands that a chunk reads


def wants_dot(target: Target, spec: Gemm) -> bool:
    """Whether this is the better way."""
    contiguous = (spec.a.columns == 1) and (spec.b.rows == 1)
    return contiguous and min(spec.m, spec.n) <= _FEW and spec.k >= target.lanes(spec.element)


def emit_dot(module: Module, spec: Gemm, name: str, flops: int, touched: int) -> Kernel:
    """Write the kernel, of a product with both depth strides 1."""
    f, pointers = open_kernel(module, name, spec.buffers)
    high = min(spec.m, 4)
    wide = min(spec.n, max(1, min(8, (registers(module.target) - 1 - high) // (high + 1))))
    rows_each, columns_each = spec.m, spec.n
    share = max(1, min(32, touched // _CHUNK_BYTES))
    if share > 1 and spec.matrices < share:
        if spec.n >= spec.m:
            columns_each = up(up(spec.n, share), wide) * wide
        else:
            rows_each = up(up(spec.m, share), high) * high
    down, across = up(spec.m, rows_each), up(spec.n, columns_each)
    each = up(spec.matrices, max(1, share // (down * across)))
    groups = up(spec.matrices, each)
    chunks = groups * down * across
    chunk: Index = "%chunk" if chunks > 1 else 0
    column, chunk = f.mul(f.rem(chunk, across), columns_each), f.div(chunk, across)
    row, chunk = f.mul(f.rem(chunk, down), rows_each), f.div(chunk, down)
    first = f.mul(chunk, each)

    def matrix(batch: Index) -> None:
        bases = [
            f.gep(pointers[o], offset(f, batch, spec.batch, layout.batch), spec.element)
            for o, layout in zip(spec.operands, (spec.a, spec.b, spec.c), strict=True)
        ]
        bottom, right = f.least(spec.m, f.add(row, rows_each)), f.least(spec.n, f.add(column, columns_each))

        def line(i: Index, rows: int) -> None:
            steps_of(f, column, right, wide, spec.n, lambda j, columns: _block(f, spec, bases, pointers, batch, i, j, rows, columns))

        steps_of(f, row, bottom, high, spec.m, line)

    if spec.matrices == 1:
        matrix(0)
    else:
        f.loop(first, f.least(spec.matrices, f.add(first, each)), 1, lambda b, _: matrix(b))
    f.ret()
    return Kernel(name, spec.buffers, chunks, 0, flops, touched)


def _block(
    f: Emitter, spec: Gemm, bases: list[str], pointers: list[str], batch: Index, i: Index, j: Index, rows: int, columns: int
) -> None:
    """``rows`` × ``columns`` results."""
    element = spec.element
    lanes = f.target.lanes(element)
    kind = vec(element, lanes)
    unroll = 4 if rows * columns <= 2 else 2 if rows * columns <= 4 else 1  # independent sums: a product's latency is four cycles
    lines = [[f.gep(base, f.mul(f.add(at, q), stride), element) for q in range(count)]
             for base, at, stride, count in ((bases[0], i, spec.a.rows, rows), (bases[1], j, spec.b.columns, columns))]  # fmt: skip

    def read(side: int, q: int, k: Index, valid: int | None) -> str:
        value, hook = f.load(kind, f.gep(lines[side][q], k, element), valid=valid), (spec.on_a, spec.on_b)[side]
        if hook is None:
            return value
        row, column = (k, f.add(j, q)) if side else (f.add(i, q), k)
        return hook(f, Place(kind, row, column, batch, 1 - side, valid, pointers), value)

    def step(k: Index, sums: list[str], valid: int | None = None) -> list[str]:
        a, b = ([read(side, q, k, valid) for q in range(len(lines[side]))] for side in (0, 1))
        return [f.fma(kind, x, y, sums[q * columns + r]) for q, x in enumerate(a) for r, y in enumerate(b)]

    def steps(k: Index, sums: list[str]) -> list[str]:
        n = rows * columns
        return [s for u in range(unroll) for s in step(f.add(k, u * lanes), sums[u * n : (u + 1) * n])]

    n = rows * columns
    whole = spec.k - spec.k % (unroll * lanes)
    sums = f.loop(0, whole, unroll * lanes, steps, [(kind, "zeroinitializer" if lanes > 1 else "0.0")] * (n * unroll))
    parts = [sums[u * n : (u + 1) * n] for u in range(unroll)]
    for u, k in enumerate(range(whole, spec.k, lanes)):
        parts[u % unroll] = step(k, parts[u % unroll], spec.k - k if spec.k - k < lanes else None)
    while len(parts) > 1:
        parts = [[f.binary("fadd", kind, x, y) for x, y in zip(p, q)] for p, q in zip(parts[::2], parts[1::2])]
    for q in range(rows):
        for r in range(columns):
            _store(f, spec, bases[2], pointers, batch, f.add(i, q), f.add(j, r), parts[0][q * columns + r])


def _store(f: Emitter, spec: Gemm, base: str, pointers: list[str], batch: Index, row: Index, column: Index, value: str) -> None:
    element = spec.element
    lanes = f.target.lanes(element)
    kind = vec(element, lanes)
    while lanes > 1:  # halves, then halves of these: the order is the same everywhere
        lanes //= 2
        half = vec(element, lanes)
        low, high = (
            f.op(f"shufflevector {kind} {value}, {kind} poison, <{lanes} x i32> <{', '.join(f'i32 {s + x}' for x in range(lanes))}>")
            if lanes > 1 else f.op(f"extractelement {kind} {value}, i64 {s}") for s in (0, lanes)
        )  # fmt: skip
        value, kind = f.binary("fadd", half, low, high), half
    at = f.gep(base, f.add(f.mul(row, spec.c.rows), f.mul(column, spec.c.columns)), element)
    if spec.accumulate:
        value = f.binary("fadd", element, f.load(element, at), value)
    if spec.on_c is not None:
        value = spec.on_c(f, Place(element, row, column, batch, 1, None, pointers), value)
    f.store(element, value, at)
