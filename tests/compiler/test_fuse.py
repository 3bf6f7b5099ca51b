"""Which nodes are computed together: what a group reads is there when it runs, and nothing is written that need not be."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.compiler.passes.improve import improved
from chainrule.compiler.program import make
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program
from chainrule.compiler.program.spec import verify
from chainrule.compiler.schedule.fuse import LEAVES, fuse
from chainrule.compiler.schedule.group import TRANSPARENT, Group
from chainrule.compiler.schedule.reads import base_of, expanded

from .programs import ALL, seeded


def given(*shapes: tuple[int, ...]) -> list[Node]:
    return [Node("input", (), shape, np.float32, {"index": k}) for k, shape in enumerate(shapes)]


def numbers(program: Program) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(n.shape).astype(n.dtype) for n in program.inputs]


def number(value: float) -> Node:
    return make.const(value, np.float32)


def total(terms: list[Node]) -> Node:
    result = terms[0]
    for term in terms[1:]:
        result = make.apply("add", result, term)
    return result


def streams(group: Group) -> int:
    return len({id(base_of(n)) for n in expanded(group)[1] if n.size > 1})


@pytest.mark.parametrize("seed", range(80))
def test_what_a_group_reads_is_there(seed: int) -> None:
    program = verify(improved(seeded(seed, 16, ALL, ("float32", "float64")).program))
    there = {id(n) for n in program.nodes() if n.op in LEAVES}
    computed: list[int] = []
    for group in fuse(program):
        assert all(id(n) in there for n in expanded(group)[1])
        mine = {id(n) for n in group.nodes}
        assert all(id(n) in mine for n in group.outputs)
        computed += [id(n) for n in group.nodes]
        there |= {id(n) for n in group.outputs}
    assert len(computed) == len(set(computed))
    wanted = [base_of(n) for n in program.roots()]
    assert all(id(n) in there or n.op in TRANSPARENT for n in wanted)


def stepped(count: int) -> Program:
    """Momentum for ``count`` matrices of one shape, each with a gradient that is a product."""
    shapes = [((40, 30), (40, 30), (40, 50), (50, 30)) for _ in range(count)]
    inputs = given(*[s for four in shapes for s in four])
    stores = []
    for k in range(count):
        p, held, a, b = inputs[4 * k : 4 * k + 4]
        moved = make.apply("add", make.apply("mul", held, number(0.9)), make.matmul(a, b))
        stores += [(4 * k, make.apply("sub", p, make.apply("mul", moved, number(0.1)))), (4 * k + 1, moved)]
    return verify(Program(inputs, [], stores))


@pytest.mark.parametrize("count", [1, 3])
def test_what_depends_on_inputs_alone_is_computed_where_it_is_read(count: int) -> None:
    program = stepped(count)
    groups = fuse(program)
    results = {id(n) for _, n in program.stores}
    loops = [g for g in groups if g.kind == "loops"]
    assert {id(n) for g in loops for n in g.outputs} == results
    assert sum(g.kind == "matmul" for g in groups) == count


def recurrence(steps: int, shape: tuple[int, int] = (12, 20)) -> Program:
    """Forward ``s = sigmoid(s @ w)`` and backward through it, whose slope ``s * (1 - s)`` is written down next to ``s``."""
    s, w, g = given(shape, (shape[1], shape[1]), shape)
    inputs, slopes = [s, w, g], []
    for _ in range(steps):
        s = make.apply("sigmoid", make.matmul(s, w))
        slopes.append(make.apply("mul", s, make.apply("sub", number(1), s)))
    for slope in reversed(slopes):
        g = make.matmul(make.apply("mul", g, slope), make.permute(w, (1, 0)))
    return verify(Program(inputs, [s, g]))


def test_a_slope_that_backward_reads_is_computed_there() -> None:
    """Between the two directions nothing is kept but the values that the slopes are of."""
    kept = [n.attrs["fn"] for g in fuse(recurrence(4)) for n in g.outputs if n.op == "map"]
    assert sorted(kept) == ["mul"] * 4 + ["sigmoid"] * 4  # g times slope, for the products


def test_what_waits_for_a_larger_value_is_computed_beside_it() -> None:
    """A mask is an eighth of the numbers that it is of: where a later kernel reads it, it is kept in their place."""
    x, w = given((24, 24), (24, 24))
    y = make.apply("exp", make.cast(make.matmul(x, w), np.float64))
    mask = make.apply("gt", y, make.const(1.0, np.float64))
    g = make.matmul(x, make.matmul(w, make.matmul(x, w)))
    out = make.apply("where", mask, g, number(0))
    groups = fuse(verify(Program([x, w], [out, make.reduce("sum", y, (0, 1))])))
    kept = [n for g in groups for n in g.outputs if n.op == "map"]
    assert {id(n) for n in kept} == {id(mask), id(out)}


def test_what_waits_is_computed_once() -> None:
    """One that the caller wants, that two nodes read, or that is read in another shape does not wait: it has memory."""
    x, y = given((40, 30), (30, 40))
    shared = make.apply("exp", x)
    seen = make.apply("exp", y)
    program = verify(Program([x, y], [make.apply("sin", shared), make.apply("add", shared, make.permute(seen, (1, 0))), shared]))
    nodes = [id(n) for g in fuse(program) for n in g.nodes]
    assert sorted(nodes) == sorted({id(n) for n in program.nodes() if n.op == "map"})


@pytest.mark.parametrize("count", [2, 12, 13, 40])
def test_a_kernel_reads_no_more_large_arrays_than_are_fetched_ahead(count: int) -> None:
    program = verify(Program(inputs := given(*[(96, 128)] * count), [total(inputs)]))
    groups = fuse(program)
    assert all(streams(g) <= 12 for g in groups)
    assert len(groups) == -(-(count - 1) // 11)


def test_small_arrays_are_added_up_at_once() -> None:
    program = verify(Program(inputs := given(*[(30,)] * 40), [total(inputs)]))
    assert len(fuse(program)) == 1


@pytest.mark.parametrize(
    "make_program", [lambda: stepped(2), lambda: recurrence(3), lambda: Program(x := given(*[(96, 128)] * 30), [total(x)])]
)
def test_kernels_of_such_groups_compute_the_same(make_program) -> None:
    pytest.importorskip("llvmlite")
    from chainrule.compiler.native.engine import build

    program = make_program()
    ours, theirs = numbers(program), numbers(program)
    for a, b in zip(build(program)(ours), execute(program, theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
