"""Convolutions of generated code, against NumPy in float64."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native.conv import Conv, emit
from chainrule.compiler.native.emitter import Emitter, Module, constant
from chainrule.compiler.native.jit import compile_text
from chainrule.compiler.native.kernel import Kernel, Place
from chainrule.compiler.native.target import Target, host, restricted

TYPES = {"float": np.float32, "double": np.float64}


class Built:
    """A kernel that can be called."""

    def __init__(self, spec: Conv, target: Target | None = None) -> None:
        target = target or host()
        module = Module(target)
        self.kernel: Kernel = emit(module, spec, "kernel")
        f = module.function("entry", "ptr %buffers, i64 %chunk, ptr %workspace", linkage="")
        f.call("kernel", "ptr %buffers", "i64 %chunk", "ptr %workspace")
        f.ret()
        self.library = compile_text(module.text(), target, verify=True)
        self.entry = self.library.function("entry", ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)

    def __call__(self, *arrays: np.ndarray, order: Sequence[int] | None = None) -> None:
        assert len(arrays) == self.kernel.buffers
        pointers = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
        memory = np.empty(self.kernel.workspace + 64, np.uint8)
        for chunk in range(self.kernel.chunks) if order is None else order:
            memory[:] = 255  # NaN: nothing may rely on what it holds
            self.entry(pointers, chunk, memory.ctypes.data + -memory.ctypes.data % 64)


def windows(spec: Conv, x: np.ndarray) -> np.ndarray:
    """(batch, groups, channels, rows, columns, kernel rows, kernel columns): what each result sees."""
    (sh, sw), (dh, dw), (oh, ow) = spec.stride, spec.dilation, spec.out
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), *((p, p) for p in spec.padding)))
    seen = np.empty((*x.shape[:2], oh, ow, *spec.kernel))
    for i in range(spec.kernel[0]):
        for j in range(spec.kernel[1]):
            part = padded[:, :, i * dh :: sh, j * dw :: sw]
            seen[..., i, j] = part[:, :, :oh, :ow]
    return seen.reshape(x.shape[0], spec.groups, spec.group_in, oh, ow, *spec.kernel)


def expected(spec: Conv, x: np.ndarray, w: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What the kernel should compute."""
    grouped = w.astype(float).reshape(spec.groups, spec.group_out, spec.group_in, *spec.kernel)
    gradient = y.astype(float).reshape(spec.batch, spec.groups, spec.group_out, *spec.out)
    if spec.kind == "forward":
        return np.einsum("ngcyxij,gocij->ngoyx", windows(spec, x), grouped, optimize=True).reshape(y.shape)
    if spec.kind == "weight":
        return np.einsum("ngcyxij,ngoyx->gocij", windows(spec, x), gradient, optimize=True).reshape(w.shape)
    (h, wide), (ph, pw), (sh, sw), (dh, dw), (oh, ow) = spec.size, spec.padding, spec.stride, spec.dilation, spec.out
    back = np.zeros((spec.batch, spec.in_channels, h + 2 * ph, wide + 2 * pw))
    for i in range(spec.kernel[0]):
        for j in range(spec.kernel[1]):
            part = np.einsum("ngoyx,goc->ngcyx", gradient, grouped[..., i, j]).reshape(spec.batch, spec.in_channels, oh, ow)
            back[:, :, i * dh : i * dh + sh * (oh - 1) + 1 : sh, j * dw : j * dw + sw * (ow - 1) + 1 : sw] += part
    return back[:, :, ph : ph + h, pw : pw + wide]


def operands(spec: Conv, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, weights and results' gradient."""
    rng = np.random.default_rng(seed)
    shapes = (
        (spec.batch, spec.in_channels, *spec.size),
        (spec.out_channels, spec.group_in, *spec.kernel),
        (spec.batch, spec.out_channels, *spec.out),
    )
    x, w, y = (rng.standard_normal(s).astype(TYPES[spec.element]) for s in shapes)
    return x, w, y


def run(spec: Conv, target: Target | None, x: np.ndarray, w: np.ndarray, y: np.ndarray, *more: np.ndarray, **options: Any) -> np.ndarray:
    given = {"forward": (x, w, y), "data": (y, w, x), "weight": (x, y, w)}[spec.kind]
    result = np.full(given[2].shape, np.nan, given[2].dtype)
    Built(spec, target)(given[0], given[1], result, *more, **options)
    return result


def close(result: np.ndarray, right: np.ndarray) -> None:
    tolerance = 2e-5 if result.dtype == np.float32 else 1e-13
    assert np.abs(result - right).max(initial=0) <= tolerance * max(1.0, np.abs(right).max(initial=0))


def widths() -> list[int]:
    return [bits for bits in (512, 256, 128) if bits <= host().bits]


CASES = [
    Conv("float", 3, 1, 6, (28, 28), (5, 5)),
    Conv("float", 2, 6, 16, (14, 14), (5, 5), padding=(2, 2)),
    Conv("float", 2, 16, 32, (28, 28), (3, 3), padding=(1, 1)),
    Conv("float", 2, 20, 70, (7, 7), (3, 3), padding=(1, 1)),
    Conv("double", 2, 3, 5, (9, 13), (3, 2), (2, 3), (1, 2), (2, 1)),
    Conv("float", 2, 4, 6, (15, 11), (3, 3), (2, 2), (1, 1), groups=2),
    Conv("float", 1, 6, 6, (8, 33), (3, 3), (1, 1), (1, 1), groups=6),
    Conv("double", 4, 3, 8, (1, 300), (1, 7), (1, 2), (0, 3)),  # one spatial axis
    Conv("float", 2, 5, 18, (6, 6), (1, 1), (2, 2)),
    Conv("float", 3, 7, 3, (5, 5), (5, 5)),
    Conv("float", 1, 2, 3, (4, 4), (2, 2), (3, 3)),
]


@pytest.mark.parametrize("bits", widths())
@pytest.mark.parametrize("kind", ["forward", "data", "weight"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_numpy(case: Conv, kind: Any, bits: int) -> None:
    spec = replace(case, kind=kind)
    x, w, y = operands(spec)
    close(run(spec, restricted(bits), x, w, y), expected(spec, x, w, y))


def drawn(rng: np.random.Generator, kind: Any) -> Conv | None:
    """A convolution at random; None if its kernel does not fit."""

    def pick(*choices: int) -> int:
        return int(rng.choice(choices))

    groups = pick(1, 1, 2, 3)
    channels = groups * pick(1, 2, 5), groups * pick(1, 3, 9, 17)
    size, kernel = (pick(1, 5, 8, 17), pick(4, 9, 18, 40)), (pick(1, 2, 3, 5), pick(1, 2, 3, 4))
    stride, padding, dilation = (pick(1, 2, 3), pick(1, 2, 3)), (pick(0, 1, 3), pick(0, 1, 2)), (pick(1, 2), pick(1, 2))
    try:
        return Conv("double", pick(1, 2, 5), *channels, size, kernel, stride, padding, dilation, groups, kind)
    except ValueError:
        return None


@pytest.mark.parametrize("kind", ["forward", "data", "weight"])
def test_random_shapes(kind: Any) -> None:
    rng = np.random.default_rng(3)
    specs = [spec for _ in range(40) if (spec := drawn(rng, kind)) is not None and 0 not in spec.out]
    assert len(specs) > 20
    for seed, spec in enumerate(specs):
        x, w, y = operands(spec, seed)
        close(run(spec, None, x, w, y), expected(spec, x, w, y))


@pytest.mark.parametrize("kind", ["forward", "data", "weight"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_bias_and_activation(kind: Any, stride: tuple[int, int]) -> None:
    def hook(f: Emitter, place: Place, value: str) -> str:
        element = "float"
        assert place.along == 1
        bias = f.splat(f.load(element, f.gep(place.buffers[3], place.row, element)), place.type)
        value = f.binary("fadd", place.type, value, bias)
        positive = f.fcmp("ogt", place.type, value, constant(place.type, 0.0))
        value = f.select(place.type, positive, value, constant(place.type, 0.0))
        at = f.add(f.add(f.mul(f.add(f.mul(place.batch, extents[0]), place.row), extents[1]), place.column), 0)
        return f.binary("fadd", place.type, value, f.load(place.type, f.gep(place.buffers[4], at, element), valid=place.valid))

    spec = Conv("float", 3, 6, 20, (14, 15), (3, 3), stride, (1, 1), kind=kind, buffers=5, on_result=hook)
    x, w, y = operands(spec)
    right = expected(spec, x, w, y)
    if kind == "weight":
        extents = (0, spec.group_in * 9)
        rows = right.reshape(spec.out_channels, -1)
    else:
        extents = (right.shape[1], right.shape[2] * right.shape[3])
        rows = right.reshape(right.shape[0], right.shape[1], -1)
    rng = np.random.default_rng(1)
    bias = rng.standard_normal(rows.shape[-2]).astype(np.float32)
    residual = rng.standard_normal(rows.shape).astype(np.float32)
    close(run(spec, None, x, w, y, bias, residual).reshape(rows.shape), np.maximum(rows + bias[:, None], 0) + residual)


@pytest.mark.parametrize("kind", ["forward", "data", "weight"])
def test_chunks_in_any_order_give_the_same_bits(kind: Any) -> None:
    spec = Conv("float", 16, 16, 32, (20, 20), (3, 3), padding=(1, 1), kind=kind)
    x, w, y = operands(spec)
    chunks = Built(spec).kernel.chunks
    assert chunks >= 4
    order = np.random.default_rng(2).permutation(chunks).tolist()
    assert np.array_equal(run(spec, None, x, w, y), run(spec, None, x, w, y, order=order))


@pytest.mark.parametrize("kind", ["forward", "data", "weight"])
@pytest.mark.parametrize("channels", [3, 32])
def test_nan_and_infinity_reach_what_they_touch_and_nothing_else(kind: Any, channels: int) -> None:
    spec = Conv("float", 2, 4, channels, (9, 19), (3, 3), padding=(1, 1), kind=kind)
    x, w, y = operands(spec)
    x[0, 1, 4, 18] = y[1, 2, 0, 5] = np.inf
    if kind == "forward":  # padding is 0, and 0 times what is missing is missing
        w[1, 2, 0, 0] = np.nan
    else:
        x[1, 0, 0, 0] = y[0, 0, 3, 3] = np.nan
    with np.errstate(invalid="ignore"):
        right, result = expected(spec, x, w, y), run(spec, None, x, w, y)
    assert np.array_equal(np.isinf(result), np.isinf(right)) and np.array_equal(np.isnan(result), np.isnan(right))


def test_no_images() -> None:
    spec = Conv("float", 0, 2, 3, (5, 5), (3, 3))
    assert Built(spec).kernel.chunks == 0
    spec = Conv("float", 0, 2, 3, (5, 5), (3, 3), kind="weight")
    x, w, y = operands(spec)
    assert not run(spec, None, x, w, y).any()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Conv("float", 1, 1, 1, (2, 2), (5, 5))
    with pytest.raises(ValueError, match="groups"):
        Conv("float", 1, 3, 4, (5, 5), (3, 3), groups=2)


@pytest.mark.parametrize("native", [False, True])
def test_output_padding_of_whole_strides(native: bool) -> None:
    import chainrule as torch
    from chainrule.compiler.front import Compiled, default_engine
    from chainrule.compiler.program.execute import prepare

    def gradients(x: Any, w: Any) -> Any:
        x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
        made = torch.nn.functional.conv_transpose2d(x, w, dilation=(3, 2), output_padding=(2, 1), groups=2)
        return made.detach(), *torch.autograd.grad(made.cos().sum(), [x, w])

    torch.manual_seed(0)
    given = torch.randn(2, 4, 3, 3), torch.randn(4, 2, 2, 2)
    compiled = Compiled(gradients, engine=default_engine() if native else prepare)
    for _ in range(3):
        for got, want in zip(compiled(*given), gradients(*given), strict=True):
            assert torch.allclose(got, want, atol=1e-5)
    assert compiled.programs(), compiled.reasons
