"""Elementwise work on what products and convolutions read: which groups become one, and what their kernels compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.program import make
from chainrule.compiler.program.ir import Node
from chainrule.compiler.schedule import prologue
from chainrule.compiler.schedule.epilogue import parted
from chainrule.compiler.schedule.fuse import fuse

from .products import WINDOWS, Made, by_channel, check, kinds

BITS = pytest.mark.parametrize("bits", [None, 256, 128])
ORDERS = pytest.mark.parametrize("orders", ["nn", "nt", "tn", "tt"])
SIZES = [(24, 16, 8), (13, 5, 7), (33, 37, 40), (2, 64, 300), (1, 40, 90), (70, 100, 900), (96, 2, 30), (40, 130, 2), (300, 520, 130)]


@pytest.fixture(autouse=True)
def _small_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prologue, "_SIZE", 1)
    monkeypatch.setattr(prologue, "_COLUMNS", 1000)


def matrix(m: Made, rows: int, columns: int, order: str, *batch: int) -> Callable[[Callable[[Node], Node]], Node]:
    """A matrix that is computed by what it is called with, and lies transposed if the order is t."""
    x = m.input(*batch, columns, rows) if order == "t" else m.input(*batch, rows, columns)
    axes = (*range(len(batch)), len(batch) + 1, len(batch))
    return lambda made: make.permute(made(x), axes) if order == "t" else made(x)


def masked(m: Made, x: Node) -> Node:
    """Where the mask is positive, x, elsewhere its double less one of each column."""
    less = make.apply("sub", make.apply("mul", x, m.number(2)), make.expand(m.input(x.shape[-1]), x.shape))
    return make.apply("where", make.apply("gt", m.input(*x.shape), m.number(0)), x, less)


@BITS
@ORDERS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES)
def test_a_masked_left_operand(sizes: tuple[int, int, int], dtype: Any, orders: str, bits: int | None) -> None:
    rows, columns, depth = sizes
    m = Made(dtype)
    a, b = matrix(m, rows, depth, orders[0]), matrix(m, depth, columns, orders[1])
    program = m.program([make.matmul(a(lambda x: masked(m, x)), b(lambda x: x))])
    assert kinds(program) == [("matmul", 5)] or rows == 1
    check(program, bits)


@BITS
@ORDERS
@pytest.mark.parametrize("sizes", SIZES)
def test_a_masked_right_operand(sizes: tuple[int, int, int], orders: str, bits: int | None) -> None:
    rows, columns, depth = sizes
    m = Made()
    a, b = matrix(m, rows, depth, orders[0]), matrix(m, depth, columns, orders[1])
    program = m.program([make.matmul(a(lambda x: x), b(lambda x: masked(m, x)))])
    assert kinds(program) == [("matmul", 5)]
    check(program, bits)


@BITS
@ORDERS
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_both_operands_and_the_results(batch: tuple[int, ...], orders: str, bits: int | None) -> None:
    m = Made()
    a, b = matrix(m, 20, 30, orders[0], *batch), matrix(m, 30, 18, orders[1], *batch)
    z = make.matmul(a(lambda x: masked(m, x)), b(lambda x: make.apply("add", x, make.expand(m.input(*x.shape[:-1], 1), x.shape))))
    z = make.apply("maximum", make.apply("add", z, make.expand(m.input(18), z.shape)), make.expand(m.number(0), z.shape))
    program = m.program([z])
    assert kinds(program) == [("matmul", 8)]
    check(program, bits)


def test_rows_of_sequences_scaled_by_a_number() -> None:
    m = Made()
    x = m.input(4, 30, 24)
    scaled = make.apply("mul", x, make.expand(m.input(), x.shape))
    program = m.program([make.matmul(make.reshape(scaled, (120, 24)), m.input(24, 40))])
    assert kinds(program) == [("matmul", 2)]
    check(program)


def test_a_normalised_operand() -> None:
    """Row by row statistics that others have computed, and weights of the columns."""
    m = Made()
    x = m.input(50, 64)
    share = make.apply("mul", make.apply("sub", x, make.expand(m.input(50, 1), x.shape)), make.expand(m.input(50, 1), x.shape))
    program = m.program([make.matmul(make.apply("mul", share, make.expand(m.input(64), x.shape)), m.input(64, 70))])
    assert kinds(program) == [("matmul", 4)]
    check(program)


@BITS
@ORDERS
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("given", [np.uint8, np.int64, np.bool_, np.float64])
def test_numbers_of_another_dtype(given: Any, which: int, orders: str, bits: int | None) -> None:
    m = Made(given)
    x = matrix(m, 40, 50, orders[0]) if which == 0 else matrix(m, 50, 30, orders[1])
    m.dtype = np.dtype(np.float32)
    other = m.input(50, 30) if which == 0 else m.input(40, 50)
    scaled = x(lambda x: make.apply("mul", make.cast(x, np.dtype(np.float32)), m.number(0.25)))
    program = m.program([make.matmul(scaled, other) if which == 0 else make.matmul(other, scaled)])
    assert kinds(program) == [("matmul", 3)]
    check(program, bits)


def test_what_has_no_element_for_each_of_the_operands_is_left_to_a_loop() -> None:
    m = Made()
    x = make.apply("add", make.expand(m.input(40, 1), (40, 50)), make.expand(m.input(50), (40, 50)))
    program = m.program([make.matmul(x, m.input(50, 30))])
    (group,) = fuse(program)
    assert [g.kind for g in parted(group)] == ["loops", "matmul"]
    check(program)


@pytest.mark.parametrize("what", ["read twice", "given to the caller", "stored", "both operands", "read by what follows", "small", "wide"])
def test_what_stays_apart(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    m = Made()
    x = make.apply("mul", m.input(20, 20), m.number(2))
    z = make.matmul(x, x if what == "both operands" else m.input(20, 20))
    outputs, stores = [z], []
    if what == "read twice":
        outputs.append(make.matmul(m.input(20, 20), x))
    elif what == "given to the caller":
        outputs.append(x)
    elif what == "stored":
        stores.append((0, x))
    elif what == "read by what follows":
        outputs = [make.apply("add", z, x)]
    elif what == "small":
        monkeypatch.setattr(prologue, "_SIZE", 401)
    elif what == "wide":
        monkeypatch.setattr(prologue, "_COLUMNS", 19)
    program = m.program(outputs, stores)
    assert not any(g.kind == "matmul" and x in g.nodes for g in fuse(program))
    check(program)


@BITS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", WINDOWS)
def test_scaled_images(name: str, dtype: Any, bits: int | None) -> None:
    images, weights, at = WINDOWS[name]
    m = Made(dtype)
    x = masked(m, make.apply("mul", m.input(*images), by_channel(m, images)))
    program = m.program([make.conv(x, m.input(*weights), at)])
    assert kinds(program) == [("conv", 6)]
    check(program, bits)


@BITS
@pytest.mark.parametrize("name", WINDOWS)
def test_activated_images_and_results(name: str, bits: int | None) -> None:
    images, weights, at = WINDOWS[name]
    m = Made()
    x = make.apply("add", make.apply("mul", m.input(*images), by_channel(m, images)), by_channel(m, images))
    z = make.conv(make.apply("maximum", x, make.expand(m.number(0), x.shape)), m.input(*weights), at)
    program = m.program([make.apply("add", z, by_channel(m, z.shape)), z])
    assert kinds(program) == [("conv", 5)]
    check(program, bits)


@BITS
@pytest.mark.parametrize("name", WINDOWS)
def test_masked_cotangents_of_results(name: str, bits: int | None) -> None:
    images, weights, at = WINDOWS[name]
    m = Made()
    results = make.conv(m.input(*images), m.input(*weights), at).shape
    z = make.conv_input(masked(m, m.input(*results)), m.input(*weights), images, at)
    program = m.program([z])
    assert kinds(program) == [("conv", 5)]
    check(program, bits)


@BITS
@pytest.mark.parametrize("name", WINDOWS)
def test_images_scaled_for_the_gradient_of_weights(name: str, bits: int | None) -> None:
    images, weights, at = WINDOWS[name]
    m = Made()
    results = make.conv(m.input(*images), m.input(*weights), at).shape
    x = make.apply("mul", make.apply("sub", m.input(*images), by_channel(m, images)), by_channel(m, images))
    program = m.program([make.conv_weight(m.input(*results), x, weights, at)])
    assert kinds(program) == [("conv", 3)]
    check(program, bits)


@pytest.mark.parametrize("seed", range(60))
def test_random_prologues(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = Made(rng.choice([np.float32, np.float64]))
    rows, columns, depth = (int(n) for n in rng.integers(1, 60, 3))
    batch = tuple(int(n) for n in rng.integers(1, 4, rng.integers(3)))

    def computed(x: Node) -> Node:
        for _ in range(int(rng.integers(1, 5))):
            shape = [n if rng.integers(2) else 1 for n in x.shape]
            other = make.expand(m.input(*shape), x.shape)
            fn = str(rng.choice(["add", "sub", "maximum", "minimum", "where"]))
            x = make.apply("where", make.apply("lt", x, other), x, other) if fn == "where" else make.apply(fn, x, other)
        return x

    a, b = [matrix(m, *s, str(rng.choice(["n", "t"])), *batch) for s in ((rows, depth), (depth, columns))]
    which = int(rng.integers(3))
    z = make.matmul(a(computed if which != 1 else lambda x: x), b(computed if which else lambda x: x))
    if rng.integers(2):
        z = make.apply("add", z, make.expand(m.input(columns), z.shape))
    check(m.program([z]))


def test_a_pruned_layer_is_one_kernel() -> None:
    pytest.importorskip("llvmlite")
    torch.manual_seed(0)
    weight, mask, x = torch.randn(96, 80), (torch.rand(96, 80) > 0.5).float(), torch.randn(10, 80)

    def f(x: Any) -> Any:
        return torch.nn.functional.linear(x, weight * mask)

    run = torch.compile(f)
    for _ in range(3):
        np.testing.assert_allclose(run(x).numpy(), f(x).numpy(), rtol=1e-5, atol=1e-5)
    (part,) = torch.explain_compile(f, x).kernels
    assert part.kind == "matmul"
