"""Elementwise work on products and convolutions, done before they are written: which groups become one, and what their kernels compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.program import make
from chainrule.compiler.program.ir import Node
from chainrule.compiler.schedule.epilogue import parted
from chainrule.compiler.schedule.fuse import fuse

from .products import WINDOWS, Made, by_channel, check, kinds


def activated(m: Made, rows: int, columns: int, depth: int) -> list[Node]:
    """relu(x w + b), and where it is not 0."""
    z = make.matmul(m.input(rows, depth), m.input(depth, columns))
    z = make.apply("add", z, make.expand(m.input(columns), z.shape))
    return [make.apply("maximum", z, make.expand(m.number(0), z.shape)), make.apply("gt", z, m.number(0))]


@pytest.mark.parametrize("bits", [None, 256, 128])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes", [(24, 16, 8), (13, 5, 7), (33, 37, 8), (2, 64, 300), (1, 40, 9), (70, 100, 900), (96, 2, 3), (40, 130, 2)]
)
def test_bias_activation_and_mask(sizes: tuple[int, int, int], dtype: Any, bits: int | None) -> None:
    m = Made(dtype)
    program = m.program(activated(m, *sizes))
    assert kinds(program) == [("matmul", 4)] or sizes[0] == 1
    check(program, bits)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_what_differs_from_row_to_row_and_from_matrix_to_matrix(batch: tuple[int, ...], transposed: bool) -> None:
    m = Made()
    a, b = m.input(*batch, 20, 6), m.input(*batch, 18, 6) if transposed else m.input(*batch, 6, 18)
    if transposed:
        b = make.permute(b, (*range(len(batch)), len(batch) + 1, len(batch)))
    z = make.matmul(a, b)
    by_row = make.expand(m.input(20, 1), z.shape)
    by_matrix = make.expand(m.input(*batch, 1, 1), z.shape)
    residual = m.input(*z.shape)
    r = make.apply("add", make.apply("sub", make.apply("mul", z, by_row), by_matrix), residual)
    program = m.program([r])
    assert kinds(program) == [("matmul", 4)]
    check(program)


def test_the_product_of_rows_of_sequences() -> None:
    """(b, t, c) is one matrix of b·t rows for the product, and has its axes for what comes after; the bias may differ along t."""
    m = Made()
    z = make.reshape(make.matmul(make.reshape(m.input(3, 7, 5), (21, 5)), m.input(5, 24)), (3, 7, 24))
    r = make.apply("add", make.apply("add", z, make.expand(m.input(24), z.shape)), make.expand(m.input(7, 1), z.shape))
    program = m.program([r])
    assert kinds(program) == [("matmul", 3)]
    check(program)


def test_a_product_that_others_read_too_is_written_as_well() -> None:
    m = Made()
    z = make.matmul(m.input(30, 8), m.input(8, 20))
    r = make.apply("neg", z)
    program = m.program([r, make.reduce("sum", make.apply("exp", make.permute(make.apply("mul", z, m.number(0)), (1, 0))), (0,)), z])
    first = fuse(program)[0]
    assert first.kind == "matmul" and first.nodes[0] is z and z in first.outputs
    check(program)


@pytest.mark.parametrize(
    "after",
    [
        lambda m, z: make.apply("add", m.input(20, 20), make.permute(z, (1, 0))),  # elsewhere
        lambda m, z: make.apply("add", z, make.view(z, z.shape, (20, -1), 19)),  # and elsewhere
        lambda m, z: make.apply("lgamma", z),  # dearer than a pass over memory
        lambda m, z: make.apply("gt", z, m.number(1)),  # nothing that fits the product's memory
        lambda m, z: make.reduce("sum", make.apply("neg", z), (0,)),
    ],
)
def test_what_stays_apart(after: Callable[[Made, Node], Node]) -> None:
    m = Made()
    z = make.matmul(m.input(20, 8), m.input(8, 20))
    program = m.program([after(m, z)])
    assert kinds(program)[0] == ("matmul", 1)
    if "lgamma" not in str(program):
        check(program)


def test_what_is_stored_is_written_in_its_place_by_a_loop() -> None:
    """A product's kernel writes memory of its own, from where an update would have to be copied to the parameter."""
    m = Made()
    p = m.input(16, 24)
    program = m.program([], [(0, make.apply("sub", p, make.matmul(m.input(16, 8), m.input(8, 24))))])
    assert kinds(program) == [("matmul", 1), ("loops", 1)]
    check(program)


def test_two_products_of_one_sum() -> None:
    """The later product's kernel adds the earlier one, as the gates of a recurrence do."""
    m = Made()
    x, h = make.matmul(m.input(32, 8), m.input(8, 48)), make.matmul(m.input(32, 12), m.input(12, 48))
    program = m.program([make.apply("add", x, make.apply("add", h, make.expand(m.input(48), h.shape)))])
    assert sorted(kinds(program)) == [("matmul", 1), ("matmul", 3)]
    check(program)


def test_rows_that_are_cut_are_left_to_a_loop() -> None:
    """A bias of 4 for rows of 8 that are shown as rows of 4: vectors along the product's rows do not find it."""
    m = Made()
    z = make.reshape(make.matmul(m.input(6, 5), m.input(5, 8)), (12, 4))
    program = m.program([make.apply("add", z, make.expand(m.input(4), z.shape))])
    (group,) = fuse(program)
    product, loop = parted(group)
    assert product.nodes == product.outputs == group.nodes[:1] and loop.nodes == loop.outputs == group.nodes[1:]
    check(program)


def gelu(m: Made, z: Node) -> list[Node]:
    """Of z / 8, with its slope, as training needs them both."""
    z = make.apply("mul", z, m.number(0.125))
    both = make.apply("add", m.number(1), make.apply("erf", make.apply("mul", z, m.number(0.5**0.5))))
    density = make.apply("exp", make.apply("mul", make.apply("mul", z, z), m.number(-0.5)))
    slope = make.apply(
        "add", make.apply("mul", m.number(0.5), both), make.apply("mul", make.apply("mul", z, density), m.number(0.3989422804))
    )
    return [make.apply("mul", make.apply("mul", m.number(0.5), z), both), slope]


@pytest.mark.parametrize("bits", [None, 256, 128])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(24, 16, 8), (13, 5, 7), (33, 37, 8), (4, 64, 300), (70, 100, 900), (96, 4, 3), (9, 40, 2)])
def test_an_activation_and_its_slope(sizes: tuple[int, int, int], dtype: Any, bits: int | None) -> None:
    m = Made(dtype)
    z = make.matmul(m.input(sizes[0], sizes[2]), m.input(sizes[2], sizes[1]))
    program = m.program(gelu(m, make.apply("add", z, make.expand(m.input(sizes[1]), z.shape))))
    assert kinds(program) == [("matmul", 15)]
    check(program, bits, exact=False)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_a_gate_of_a_transposed_product(batch: tuple[int, ...]) -> None:
    """tanh(Bᵀ Aᵀ)ᵀ: what runs over tiles that are finished finds them where they lie."""
    m = Made()
    z = make.matmul(m.input(*batch, 20, 6), make.permute(m.input(*batch, 18, 6), (*range(len(batch)), len(batch) + 1, len(batch))))
    program = m.program([make.apply("div", make.apply("tanh", z), make.expand(make.apply("add", m.number(9), m.input(20, 1)), z.shape))])
    assert kinds(program)[-1] == ("matmul", 3)
    check(program, exact=False)


@pytest.mark.parametrize("rows, columns", [(1, 40), (3, 40), (40, 2)])
def test_results_that_are_computed_one_by_one_leave_long_code_to_a_loop(rows: int, columns: int) -> None:
    m = Made()
    program = m.program([make.apply("tanh", make.matmul(m.input(rows, 30), m.input(30, columns)))])
    assert kinds(program) == [("matmul", 1), ("loops", 1)]


@pytest.mark.parametrize("bits", [None, 256, 128])
def test_long_code_is_written_once_for_a_row_of_a_tile(bits: int | None) -> None:
    pytest.importorskip("llvmlite")
    from chainrule.compiler.native.engine import Native
    from chainrule.compiler.native.target import host, restricted

    if bits is not None and bits > host().bits:
        pytest.skip("this processor has narrower vectors")
    target = host() if bits is None else restricted(bits)
    m = Made()
    texts = [
        Native(m.program([make.apply(fn, make.matmul(m.input(96, 16), m.input(16, 64)))]), target).module.text() for fn in ("neg", "exp")
    ]
    assert texts[1].count("\n") < texts[0].count("\n") + 500


@pytest.mark.parametrize("bits", [None, 256, 128])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", WINDOWS)
def test_bias_activation_and_mask_of_a_convolution(name: str, dtype: Any, bits: int | None) -> None:
    images, weights, at = WINDOWS[name]
    m = Made(dtype)
    z = make.conv(m.input(*images), m.input(*weights), at)
    z = make.apply("add", z, by_channel(m, z.shape))
    program = m.program([make.apply("maximum", z, make.expand(m.number(0), z.shape)), make.apply("gt", z, m.number(0))])
    assert kinds(program) == [("conv", 4)]
    check(program, bits)


@pytest.mark.parametrize("bits", [None, 256, 128])
@pytest.mark.parametrize("name", WINDOWS)
def test_an_activation_and_its_slope_of_a_convolution(name: str, bits: int | None) -> None:
    images, weights, at = WINDOWS[name]
    m = Made()
    z = make.conv(m.input(*images), m.input(*weights), at)
    program = m.program(gelu(m, make.apply("add", z, by_channel(m, z.shape))))
    assert kinds(program) == [("conv", 15)]
    check(program, bits, exact=False)


@pytest.mark.parametrize("name", WINDOWS)
def test_batch_norm_with_known_statistics_and_a_residual(name: str) -> None:
    images, weights, at = WINDOWS[name]
    m = Made()
    z = make.conv(m.input(*images), m.input(*weights), at)
    r = make.apply("add", make.apply("mul", make.apply("sub", z, by_channel(m, z.shape)), by_channel(m, z.shape)), m.input(*z.shape))
    program = m.program([r])
    assert kinds(program) == [("conv", 4)]
    check(program)


@pytest.mark.parametrize("bits", [None, 256, 128])
@pytest.mark.parametrize("name", WINDOWS)
def test_masked_gradients_of_images(name: str, bits: int | None) -> None:
    images, weights, at = WINDOWS[name]
    m = Made()
    results = make.conv(m.input(*images), m.input(*weights), at).shape
    z = make.conv_input(m.input(*results), m.input(*weights), images, at)
    mask = make.apply("le", m.input(*images), m.number(0))
    r = make.apply("where", mask, make.expand(m.number(0), z.shape), z)
    program = m.program([r])
    assert kinds(program) == [("conv", 3)]
    check(program, bits)


@pytest.mark.parametrize("bits", [None, 256, 128])
@pytest.mark.parametrize("name", WINDOWS)
def test_scaled_gradients_of_weights(name: str, bits: int | None) -> None:
    images, weights, at = WINDOWS[name]
    m = Made()
    results = make.conv(m.input(*images), m.input(*weights), at).shape
    z = make.conv_weight(m.input(*results), m.input(*images), weights, at)
    program = m.program([make.apply("add", make.apply("mul", z, by_channel(m, z.shape, 0)), m.input(*weights)), z])
    assert kinds(program) == [("conv", 3)]
    check(program, bits)


def test_what_differs_within_a_row_of_an_image_is_left_to_a_loop() -> None:
    m = Made()
    z = make.conv(m.input(2, 3, 6, 6), m.input(4, 3, 3, 3), WINDOWS["channels in lanes"][2])
    program = m.program([make.apply("add", z, make.expand(m.input(6), z.shape))])
    (group,) = fuse(program)
    assert [g.kind for g in parted(group)] == ["conv", "loops"]
    check(program)


@pytest.mark.parametrize("seed", range(40))
def test_random_epilogues(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = Made()
    rows, columns, depth = (int(n) for n in rng.integers(1, 40, 3))
    z = make.matmul(m.input(rows, depth), m.input(depth, columns))
    values = [z]
    for _ in range(int(rng.integers(1, 8))):
        fn = str(rng.choice(["add", "sub", "maximum", "minimum", "where"]))
        shape = [(rows, columns), (1, columns), (rows, 1), (1, 1)][rng.integers(4)]
        a, b = values[-1 - int(rng.integers(len(values)))], make.expand(m.input(*shape), (rows, columns))
        if rng.integers(2):
            a, b = b, a
        values.append(make.apply("where", make.apply("lt", a, b), values[-1], b) if fn == "where" else make.apply(fn, a, b))
    outputs = list(dict.fromkeys([values[-1], values[int(rng.integers(len(values)))]]))
    check(m.program(outputs))


def test_a_convolution_of_one_element() -> None:
    """It is one lane of a vector, and what is done to it has no axis for lanes."""
    weight = torch.tensor([[[0.3, -0.2, 0.1]]])

    def f(x: Any) -> Any:
        return torch.erf(torch.nn.functional.conv1d(torch.erf(x), weight)).exp() * 2

    gradient = torch.compile(torch.func.grad(lambda x: f(x).sum()))
    run, x = torch.compile(f), torch.tensor([[[0.5, 1.0, -2.0]]])
    for _ in range(3):
        assert torch.allclose(run(x), f(x))
        assert torch.allclose(gradient(x), torch.func.grad(lambda x: f(x).sum())(x))
    one = torch.tensor([[0.3]])

    def transposed(w: Any) -> Any:
        return torch.nn.functional.conv_transpose1d(torch.erf(w)[None], torch.ones(1, 2, 3)).square().sum()

    slope = torch.compile(torch.func.grad(transposed))
    for _ in range(3):
        assert torch.allclose(slope(one), torch.func.grad(transposed)(one))
