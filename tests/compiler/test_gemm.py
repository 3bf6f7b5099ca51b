"""Matrix products of generated code, against NumPy in float64."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native.emitter import Emitter, Module, constant
from chainrule.compiler.native.gemm import Gemm, Layout, emit, oriented
from chainrule.compiler.native.gemm_plan import lanes_for, plan
from chainrule.compiler.native.jit import compile_text
from chainrule.compiler.native.kernel import Kernel, Place
from chainrule.compiler.native.target import Target, host, restricted

ELEMENTS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


def widths() -> list[int]:
    return [bits for bits in (512, 256, 128) if bits <= host().bits]


class Built:
    """A kernel that can be called."""

    def __init__(self, spec: Gemm, target: Target | None = None, **options: Any) -> None:
        self.target = target or host()
        module = Module(self.target)
        self.kernel: Kernel = emit(module, spec, "kernel", **options)
        f = module.function("entry", "ptr %buffers, i64 %chunk, ptr %workspace", linkage="")
        f.call("kernel", "ptr %buffers", "i64 %chunk", "ptr %workspace")
        f.ret()
        self.text = module.text()
        self.library = compile_text(self.text, self.target, verify=True)
        self.entry = self.library.function("entry", ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)

    def __call__(self, *arrays: np.ndarray, order: Sequence[int] | None = None) -> None:
        pointers = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
        assert len(arrays) == self.kernel.buffers
        memory = np.full(self.kernel.workspace + 64, 255, np.uint8)  # NaN: nothing may rely on what it holds
        for chunk in range(self.kernel.chunks) if order is None else order:
            memory[:] = 255
            self.entry(pointers, chunk, memory.ctypes.data + -memory.ctypes.data % 64)


def matrix(rng: np.random.Generator, dtype: Any, order: str, rows: int, columns: int, batch: tuple[int, ...] = ()) -> np.ndarray:
    """``n``: rows contiguous, ``t``: columns contiguous, ``s``: neither."""
    if order == "s":
        return rng.standard_normal((*batch, rows, 2, columns, 3)).astype(dtype)[..., :, 0, :, 1]
    if order == "t":
        return rng.standard_normal((*batch, columns, rows)).astype(dtype).swapaxes(-1, -2)
    return rng.standard_normal((*batch, rows, columns)).astype(dtype)


def layout(x: np.ndarray) -> Layout:
    strides = [s // x.itemsize for s in x.strides]
    return Layout(strides[-2], strides[-1], tuple(strides[:-2]))


def product(a: np.ndarray, b: np.ndarray, c: np.ndarray, **options: Any) -> Gemm:
    return Gemm(ELEMENTS[c.dtype], a.shape[-2], b.shape[-1], a.shape[-1], layout(a), layout(b), layout(c), c.shape[:-2], **options)


def close(result: np.ndarray, expected: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Within the bound of a sum of rounded products, k · eps · |A||B|."""
    bound = (a.shape[-1] + 2) * np.finfo(result.dtype).eps * (np.abs(a.astype(float)) @ np.abs(b.astype(float)) + np.abs(expected)) + 1e-300
    assert np.all(np.abs(result - expected) <= bound)


SHAPES = [
    (1, 1, 1), (10, 2, 3), (2, 3, 10), (1, 40, 33), (40, 1, 33), (3, 40, 70), (70, 2, 129), (17, 1, 5), (33, 47, 65), (64, 32, 64),
    (29, 50, 31), (12, 96, 1), (100, 100, 600), (130, 70, 530), (61, 10, 128), (5, 7, 0),
]  # fmt: skip


@pytest.mark.parametrize("bits", widths())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m, n, k", SHAPES)
def test_shapes_and_layouts(bits: int, dtype: Any, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(m * 10000 + n * 100 + k)
    for orders in ("nnn", "tnt", "ntn", "ttn", "nss", "sst"):
        a, b, c = (matrix(rng, dtype, o, *s) for o, s in zip(orders, ((m, k), (k, n), (m, n)), strict=True))
        c[...] = np.nan
        Built(product(a, b, c), restricted(bits))(a, b, c)
        close(c, a.astype(float) @ b.astype(float), a, b)


@pytest.mark.parametrize("bits", widths())
@pytest.mark.parametrize("orders", ["nn", "nt", "tn"])
def test_batches(bits: int, orders: str) -> None:
    rng = np.random.default_rng(1)
    a, b = matrix(rng, np.float32, orders[0], 33, 20, (3, 5)), matrix(rng, np.float32, orders[1], 20, 40, (3, 5))
    c = np.full((3, 5, 33, 40), np.nan, np.float32)
    Built(product(a, b, c), restricted(bits))(a, b, c)
    close(c, a.astype(float) @ b.astype(float), a, b)


def test_a_batch_may_be_broadcast_and_its_axes_in_any_order() -> None:
    rng = np.random.default_rng(2)
    a = np.broadcast_to(rng.standard_normal((1, 4, 9, 8)).astype(np.float32), (6, 4, 9, 8))
    b = rng.standard_normal((6, 8, 4, 11)).astype(np.float32).transpose(0, 2, 1, 3)
    c = np.empty((6, 9, 4, 11), np.float32).transpose(0, 2, 1, 3)
    Built(product(a, b, c))(a, b, c)
    close(c, a.astype(float) @ b.astype(float), a, b)


def test_many_small_matrices_are_split_over_chunks() -> None:
    rng = np.random.default_rng(3)
    a, b = matrix(rng, np.float32, "n", 64, 32, (48,)), matrix(rng, np.float32, "t", 32, 64, (48,))
    c = np.full((48, 64, 64), np.nan, np.float32)
    built = Built(product(a, b, c))
    assert 4 <= built.kernel.chunks <= 48
    built(a, b, c)
    close(c, a.astype(float) @ b.astype(float), a, b)


def test_nothing_outside_the_result_is_written() -> None:
    rng = np.random.default_rng(4)
    for m, n, k in [(13, 21, 9), (64, 33, 70), (3, 2, 50)]:
        a, b = matrix(rng, np.float32, "n", m, k), matrix(rng, np.float32, "n", k, n)
        for order in "nt":
            frame = np.full((m + 4, n + 4) if order == "n" else (n + 4, m + 4), 7, np.float32)
            inner = frame[2:-2, 2:-2] if order == "n" else frame[2:-2, 2:-2].T
            Built(product(a, b, inner))(a, b, inner)
            close(inner, a.astype(float) @ b.astype(float), a, b)
            inner[...] = 7
            assert np.all(frame == 7)


@pytest.mark.parametrize("m, n, k", [(33, 47, 65), (10, 2, 3), (1, 40, 33), (40, 3, 80), (300, 200, 700), (4, 4, 0)])
def test_adding_to_the_result(m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(5)
    a, b, c = matrix(rng, np.float64, "n", m, k), matrix(rng, np.float64, "t", k, n), matrix(rng, np.float64, "n", m, n)
    expected = c + a @ b
    Built(product(a, b, c, accumulate=True))(a, b, c)
    np.testing.assert_allclose(c, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (0, 0, 0)])
def test_empty_results_have_no_chunks(shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    a, b, c = np.empty((m, k)), np.empty((k, n)), np.empty((m, n))
    spec = Gemm("double", m, n, k, Layout(k, 1), Layout(n, 1), Layout(n, 1))
    assert Built(spec).kernel.chunks == 0
    del a, b, c


@pytest.mark.parametrize("m, n, k", [(20, 30, 40), (2, 3, 70), (300, 130, 600)])
@pytest.mark.parametrize("orders", ["nn", "nt"])
def test_nan_and_infinity_reach_what_they_touch_and_nothing_else(m: int, n: int, k: int, orders: str) -> None:
    rng = np.random.default_rng(6)
    a, b = matrix(rng, np.float32, orders[0], m, k), matrix(rng, np.float32, orders[1], k, n)
    a[1, k // 2], b[k - 1, 0], a[0, k - 1] = np.nan, np.inf, 0
    c = np.empty((m, n), np.float32)
    Built(product(a, b, c))(a, b, c)
    with np.errstate(invalid="ignore"):
        expected = a.astype(float) @ b.astype(float)
    assert np.array_equal(np.isnan(c), np.isnan(expected)) and np.array_equal(np.isinf(c), np.isinf(expected))


# -- hooks -------------------------------------------------------------------------------------------------------------


def loaded(f: Emitter, place: Place, buffer: int, rows: int, columns: int) -> str:
    """The values of another matrix with these strides at a place."""
    from chainrule.compiler.native.emitter import parts
    from chainrule.compiler.native.gemm_tile import load_lanes

    element, _ = parts(place.type)
    at = f.gep(place.buffers[buffer], f.add(f.mul(place.row, rows), f.mul(place.column, columns)), element)
    stride = columns if place.along else rows
    if stride == 0:
        return f.splat(f.load(element, at), place.type)
    return load_lanes(f, place.type, at, stride, place.valid)


@pytest.mark.parametrize("bits", widths())
@pytest.mark.parametrize("orders", ["nnn", "ntn", "tnt", "ttn"])
@pytest.mark.parametrize("m, n, k", [(10, 2, 3), (33, 47, 65), (130, 70, 900), (40, 1, 64), (1, 40, 64), (64, 128, 784)])
def test_bias_activation_and_residual(bits: int, orders: str, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(7)
    a, b, c = (matrix(rng, np.float32, o, *s) for o, s in zip(orders, ((m, k), (k, n), (m, n)), strict=True))
    bias, residual = rng.standard_normal(n).astype(np.float32), rng.standard_normal((m, n)).astype(np.float32)

    def hook(f: Emitter, place: Place, value: str) -> str:
        value = f.binary("fadd", place.type, value, loaded(f, place, 3, 0, 1))
        positive = f.fcmp("ogt", place.type, value, constant(place.type, 0.0))
        value = f.select(place.type, positive, value, constant(place.type, 0.0))
        return f.binary("fadd", place.type, value, loaded(f, place, 4, n, 1))

    built = Built(product(a, b, c, buffers=5, on_c=hook), restricted(bits))
    built(a, b, c, bias, residual)
    expected = np.maximum(a.astype(float) @ b.astype(float) + bias, 0) + residual
    np.testing.assert_allclose(c, expected, rtol=1e-4, atol=1e-5 * k**0.5 + 1e-6)


@pytest.mark.parametrize("orders", ["nn", "nt", "tn", "tt"])
@pytest.mark.parametrize("m, n, k", [(10, 2, 3), (33, 47, 65), (200, 300, 520), (2, 90, 64)])
def test_operands_masked_on_the_way_in(orders: str, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(8)
    a, b, c = matrix(rng, np.float64, orders[0], m, k), matrix(rng, np.float64, orders[1], k, n), np.full((m, n), np.nan)
    left, right = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    spec = product(
        a, b, c, buffers=5,
        on_a=lambda f, place, v: f.binary("fmul", place.type, v, loaded(f, place, 3, k, 1)),
        on_b=lambda f, place, v: f.binary("fadd", place.type, v, loaded(f, place, 4, n, 1)),
    )  # fmt: skip
    Built(spec)(a, b, c, left, right)
    np.testing.assert_allclose(c, (a * left) @ (b + right), rtol=1e-12, atol=1e-11)


def test_a_result_may_lie_where_its_residual_lies() -> None:
    rng = np.random.default_rng(9)
    m, n, k = 40, 50, 900
    a, b, c = matrix(rng, np.float32, "n", m, k), matrix(rng, np.float32, "t", k, n), matrix(rng, np.float32, "n", m, n)
    expected = a.astype(float) @ b.astype(float) + c
    spec = product(a, b, c, inplace=True, on_c=lambda f, place, v: f.binary("fadd", place.type, v, loaded(f, place, 2, n, 1)))
    Built(spec)(a, b, c)
    np.testing.assert_allclose(c, expected, rtol=1e-4, atol=1e-4)


def test_hooks_may_store_and_see_each_result_once() -> None:
    rng = np.random.default_rng(10)
    m, n, k, batch = 30, 40, 20, (3,)
    a, b = matrix(rng, np.float64, "n", m, k, batch), matrix(rng, np.float64, "n", k, n, batch)
    c, count = np.empty((3, m, n)), np.zeros((3, m, n))

    def hook(f: Emitter, place: Place, value: str) -> str:
        offset = f.add(f.add(f.mul(place.row, n), place.column), f.mul(place.batch, m * n))
        assert place.along == 1
        at = f.gep(place.buffers[3], offset, "double")
        f.store(
            place.type,
            f.binary("fadd", place.type, f.load(place.type, at, valid=place.valid), constant(place.type, 1.0)),
            at,
            valid=place.valid,
        )
        return value

    Built(product(a, b, c, buffers=4, on_c=hook))(a, b, c, count)
    assert np.all(count == 1)


# -- how the work is cut -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m, n, k, orders", [(64, 128, 784, "nt"), (256, 784, 256, "tn"), (768, 128, 128, "nt"), (1000, 1, 3000, "nn")])
def test_chunks_in_any_order_give_the_same_bits(m: int, n: int, k: int, orders: str) -> None:
    rng = np.random.default_rng(11)
    a, b = matrix(rng, np.float32, orders[0], m, k), matrix(rng, np.float32, orders[1], k, n)
    one, two = np.full((m, n), np.nan, np.float32), np.full((m, n), np.nan, np.float32)
    built = Built(product(a, b, one))
    assert built.kernel.chunks >= 4
    built(a, b, one)
    built(a, b, two, order=rng.permutation(built.kernel.chunks).tolist())
    assert np.array_equal(one, two)
    close(one, a.astype(float) @ b.astype(float), a, b)


def specs() -> Iterator[Gemm]:
    for m, n, k in [(64, 128, 784), (64, 10, 128), (1024, 784, 256), (8, 8, 8), (2048, 2048, 2048), (1, 1000, 1000)]:
        for a in (Layout(k, 1), Layout(1, m)):
            for b in (Layout(n, 1), Layout(1, k)):
                yield Gemm("float", m, n, k, a, b, Layout(n, 1))


@pytest.mark.parametrize("bits", widths())
def test_plans_fit_the_registers_and_the_cache(bits: int) -> None:
    target = restricted(bits)
    registers = 32 if target.avx512 or not target.x86 else 16
    for spec in specs():
        cuts = plan(target, oriented(spec))
        assert cuts.rows * cuts.vectors + cuts.vectors + 1 <= registers
        assert cuts.lanes == lanes_for(target, "float", oriented(spec).n)


@pytest.mark.parametrize("m, n, k", [(256, 10, 1024), (256, 1024, 10), (768, 384, 128), (1024, 784, 256), (64, 128, 784)])
def test_two_threads_have_equal_shares(m: int, n: int, k: int) -> None:
    assert Built(Gemm("float", m, n, k, Layout(k, 1), Layout(n, 1), Layout(n, 1))).kernel.chunks % 2 == 0


def test_small_products_are_straight_code() -> None:
    built = Built(Gemm("float", 10, 2, 3, Layout(3, 1), Layout(1, 3), Layout(2, 1)))
    assert built.kernel.chunks == 1 and built.kernel.workspace == 0
    assert " phi " not in built.text and "br i1" not in built.text and built.text.count("call") < 60


def test_a_kernel_counts_its_work() -> None:
    kernel = Built(Gemm("float", 10, 20, 30, Layout(30, 1, (0,)), Layout(20, 1, (600,)), Layout(20, 1, (200,)), (4,))).kernel
    assert kernel.flops == 2 * 4 * 10 * 20 * 30
    assert kernel.bytes == 4 * (300 + 4 * 600 + 4 * 200)


def test_products_of_the_same_layout_share_their_tiles() -> None:
    module = Module(host())
    spec = Gemm("float", 64, 128, 784, Layout(784, 1), Layout(128, 1), Layout(128, 1))
    emit(module, spec, "one")
    before = len(module.text())
    emit(module, spec, "two")
    assert len(module.text()) < 1.5 * before


def test_a_packed_operand_is_aligned_and_one_of_the_same_strides_need_not_be() -> None:
    """Both have lines of 32 elements: the panels of one product, and the whole operand of the other."""
    module = Module(host())
    emit(module, Gemm("float", 40, 32, 40, Layout(40, 1), Layout(1, 40), Layout(32, 1)), "packed")
    assert "align 64" in module.text()
    before = len(module.text())
    emit(module, Gemm("float", 40, 32, 40, Layout(40, 1), Layout(32, 1), Layout(32, 1)), "direct")
    assert "align 64" not in module.text()[before:]
    shared = set(re.findall(r"call void @(tile_\w+)", module.text()[:before])) & set(
        re.findall(r"call void @(tile_\w+)", module.text()[before:])
    )
    assert not shared


@pytest.mark.parametrize("a", [Layout(128, 1), Layout(1, 512)])
def test_large_operands_are_asked_for_ahead(a: Layout) -> None:
    """Rows: the next tile's; columns: rows that are some steps away.  What lies in the first cache anyway is not."""

    def text(m: int) -> str:
        module = Module(host())
        emit(module, Gemm("float", m, 64, 128, a, Layout(64, 1), Layout(64, 1)), "product")
        return module.text()

    assert "@llvm.prefetch" in text(512) and "@llvm.prefetch" not in text(16)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="batch strides"):
        Gemm("float", 2, 2, 2, Layout(2, 1), Layout(2, 1), Layout(2, 1), (3,))
    with pytest.raises(ValueError, match="'half'"):
        Gemm("half", 2, 2, 2, Layout(2, 1), Layout(2, 1), Layout(2, 1))
