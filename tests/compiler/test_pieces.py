"""Elementwise work on slices and concatenations is done piece by piece: the same numbers, and one kernel for a cell's gates."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.compiler.passes.improve import improved
from chainrule.compiler.passes.pieces import apart, cell
from chainrule.compiler.program import make
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program, row_major
from chainrule.compiler.program.spec import verify
from chainrule.compiler.schedule.fuse import fuse

from .programs import ALL, seeded


def given(*shapes: tuple[int, ...]) -> list[Node]:
    return [Node("input", (), shape, np.float32, {"index": k}) for k, shape in enumerate(shapes)]


def numbers(program: Program) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(n.shape).astype(n.dtype) for n in program.inputs]


def shown(x: Node, axis: int, start: int, stop: int) -> Node:
    strides = row_major(x.shape)
    return make.view(x, [stop - start if k == axis else n for k, n in enumerate(x.shape)], strides, start * strides[axis])


def same(program: Program) -> Program:
    """What the pass makes of a program, which computes the same bits."""
    new = verify(apart(verify(program)))
    for a, b in zip(execute(new, numbers(program)), execute(program, numbers(program)), strict=True):
        np.testing.assert_array_equal(a, b)
    return new


def slope(x: Node) -> Node:
    return make.apply("mul", x, make.apply("sub", make.const(1, np.float32), x))


def cells(steps: int, rows: int = 3, width: int = 8) -> Program:
    """A recurrence of two gates and a candidate, and back through it: the gates' cotangents are put together for one product."""
    h, w, g = given((rows, width), (width, 3 * width), (rows, width))
    inputs, kept = [h, w, g], []
    for _ in range(steps):
        z = make.matmul(h, w)
        gates, new = make.apply("sigmoid", shown(z, 1, 0, 2 * width)), make.apply("tanh", shown(z, 1, 2 * width, 3 * width))
        a, b = shown(gates, 1, 0, width), shown(gates, 1, width, 2 * width)
        kept.append((gates, a, b, new, h))
        h = make.apply("add", make.apply("mul", a, h), make.apply("mul", b, new))
    for gates, a, b, new, before in reversed(kept):
        both = make.concat([make.apply("mul", g, before), make.apply("mul", g, new)], 1)
        one = make.apply("sub", make.const(1, np.float32), make.apply("mul", new, new))
        dz = make.concat([make.apply("mul", both, slope(gates)), make.apply("mul", make.apply("mul", g, b), one)], 1)
        g = make.apply("add", make.apply("mul", g, a), make.matmul(dz, make.permute(w, (1, 0))))
    return Program(inputs, [h, g])


def test_a_cell_is_a_product_and_a_loop_nest() -> None:
    groups = fuse(same(cells(4)))
    assert sum(g.kind == "matmul" for g in groups) == 8
    assert all(g.kind in ("loops", "matmul") for g in groups)
    assert len(groups) == 8 + 7  # the forward's last loop nest begins the backward, whose last product ends it


def test_kernels_compute_the_same() -> None:
    pytest.importorskip("llvmlite")
    from chainrule.compiler.native.engine import build

    program = improved(cells(3, 5, 37))
    for a, b in zip(build(program)(numbers(program)), execute(program, numbers(program)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_concatenations_of_equal_pieces_are_one_kernel(axis: int, count: int) -> None:
    pytest.importorskip("llvmlite")
    from chainrule.compiler.native.engine import Native, build
    from chainrule.compiler.native.target import host

    inputs = given(*[(4, 6, 10)] * count)
    parts = [make.apply("exp", make.permute(make.permute(x, (0, 2, 1)), (0, 2, 1))) for x in inputs]
    program = verify(Program(inputs, [make.concat(parts, axis), parts[-1]]))
    assert len(Native(program, host()).steps) == 1
    for a, b in zip(build(program)(numbers(program)), execute(program, numbers(program)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_concatenations_of_concatenations_are_one() -> None:
    a, b, c = given((4, 3), (4, 3), (4, 6))
    inner = make.concat([a, b], 1)
    new = same(Program([a, b, c], [make.concat([inner, c], 1)]))
    assert new.outputs[0].args == (a, b, c)
    kept = same(Program([a, b, c], [make.concat([inner, c], 1), inner]))
    assert kept.outputs[0].args == (kept.outputs[1], c)  # it has memory anyway
    across = same(Program([a, b, c], [make.concat([inner, c], 0)]))
    assert [n.op for n in across.outputs[0].args] == ["concat", "input"]


@pytest.mark.parametrize(
    "read",
    [
        lambda y: [shown(y, 1, 0, 4), shown(y, 1, 2, 6)],  # they overlap
        lambda y: [shown(y, 1, 0, 3), y],  # read as a whole too
        lambda y: [shown(y, 1, 0, 3), shown(y, 0, 0, 2)],  # along two axes
        lambda y: [shown(y, 1, 1, 4)],  # begins within a piece
        lambda y: [shown(y, 1, 0, 5)],  # no equal pieces
        lambda y: [make.view(y, (4, 3), (6, 2), 0)],  # every second column
        lambda y: [make.permute(y, (1, 0))],
    ],
)
def test_other_slices_leave_a_map_as_it_is(read) -> None:
    (x,) = given((4, 6))
    y = make.apply("exp", x)
    new = same(Program([x], [make.apply("neg", part) for part in read(y)]))
    assert [n.shape for n in new.nodes() if n.op == "map" and n.attrs["fn"] == "exp"] == [(4, 6)]


def test_what_nobody_looks_at_is_not_computed() -> None:
    x, y = given((4, 6), (6,))
    z = make.apply("exp", make.apply("mul", x, make.expand(y, (4, 6))))
    new = same(Program([x, y], [make.apply("neg", shown(z, 1, 2, 4))]))
    assert {n.shape for n in new.nodes() if n.op == "map"} == {(4, 2)}


def test_what_a_product_gives_is_not_taken_apart() -> None:
    """Bias and activation are computed while the product is in registers."""
    x, w, b = given((8, 8), (8, 12), (12,))
    y = make.apply("add", make.matmul(x, w), make.expand(b, (8, 12)))
    new = same(Program([x, w, b], [make.apply("exp", shown(y, 1, k, k + 4)) for k in (0, 4, 8)]))
    assert [g.kind for g in fuse(new)] == ["matmul", "loops"]


def test_a_long_chain_is_taken_apart_without_recursion() -> None:
    (x,) = given((2, 4))
    y = x
    for _ in range(5000):
        y = make.apply("neg", make.apply("exp", y))
    new = same(Program([x], [shown(y, 1, 0, 2)]))
    assert {n.shape for n in new.nodes() if n.op == "map"} == {(2, 2)}


def test_cells() -> None:
    (x,) = given((4, 6))
    assert cell(shown(x, 1, 2, 4)) == (1, 3)
    assert cell(shown(x, 0, 2, 4)) == (0, 2)
    assert cell(x) is None
    assert cell(make.view(x, (4, 3), (6, -1), 5)) is None


@pytest.mark.parametrize("seed", range(150))
def test_random_programs_compute_the_same_bits(seed: int) -> None:
    program, inputs = seeded(seed, 16, ALL, ("float32", "float64"))
    new = verify(apart(verify(program)))
    ours, theirs = [x.copy() for x in inputs], [x.copy() for x in inputs]
    for a, b in zip(execute(new, ours), execute(program, theirs), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
