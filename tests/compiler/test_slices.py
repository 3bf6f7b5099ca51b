"""Sums of slices as concatenations: the same bits, and no sum left where the slices do not overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.passes.slices import beside
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program, row_major
from chainrule.compiler.program.spec import verify

SHAPE = (6, 4)


def kinds(program: Program) -> set[str]:
    return {n.attrs["fn"] if n.op == "map" else n.op for n in program.nodes()}


def summed(places: list[tuple[int, int, int]], others: int = 0, base: float = 0.0, dtype: Any = np.float32) -> Program:
    """A sum of values put into arrays of ``base``, at (axis, start, stop), and of some more inputs."""
    inputs: list[Node] = []

    def given(shape: tuple[int, ...]) -> Node:
        inputs.append(Node("input", (), shape, dtype, {"index": len(inputs)}))
        return inputs[-1]

    number = Node("const", (), (), dtype, {"value": np.array(base, dtype)})
    zeros = Node("view", (number,), SHAPE, dtype, {"strides": (0, 0), "offset": 0})
    terms = [given(SHAPE) for _ in range(others)]
    strides = row_major(SHAPE)
    for axis, start, stop in places:
        value = given(tuple(stop - start if k == axis else n for k, n in enumerate(SHAPE)))
        terms.append(Node("put", (zeros, value), SHAPE, dtype, {"strides": strides, "offset": start * strides[axis]}))
    total = terms[0]
    for term in terms[1:]:
        total = Node("map", (total, term), SHAPE, dtype, {"fn": "add"})
    return Program(inputs, [total, Node("map", (total, total), SHAPE, dtype, {"fn": "mul"})], [])


def same(a: Program, b: Program) -> None:
    rng = np.random.default_rng(0)
    given = [np.asarray(rng.integers(-2, 3, n.shape), n.dtype) for n in a.inputs]
    for x in given:
        if x.dtype.kind == "f":
            x[x == 0] = -0.0
    for x, y in zip(execute(a, given), execute(b, given), strict=True):
        assert x.tobytes() == y.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize(
    "places",
    [
        [(0, 0, 2), (0, 2, 5), (0, 5, 6)],
        [(0, 5, 6), (0, 0, 2), (0, 2, 5)],
        [(1, 0, 1), (1, 1, 4)],
        [(0, 1, 2), (0, 4, 5)],
    ],
    ids=["whole", "in another order", "columns", "with gaps"],
)
def test_slices_that_do_not_overlap(places: Any, others: int, dtype: Any) -> None:
    program = summed(places, others, dtype=dtype)
    changed = beside(program)
    verify(changed)
    assert "concat" in kinds(changed) and "put" not in kinds(changed)
    same(program, changed)


@pytest.mark.parametrize(
    ("places", "others", "base"),
    [
        ([(0, 0, 3), (0, 2, 6)], 0, 0.0),
        ([(0, 0, 3), (1, 0, 2)], 0, 0.0),
        ([(0, 0, 3), (0, 3, 6)], 2, 0.0),
        ([(0, 0, 3), (0, 3, 6)], 0, 1.0),
        ([(0, 0, 3), (0, 3, 6)], 0, -0.0),
        ([(0, 0, 3)], 1, 0.0),
    ],
    ids=["overlap", "two axes", "two other terms", "into ones", "into negative zeros", "one slice"],
)
def test_what_stays_a_sum(places: Any, others: int, base: float) -> None:
    program = summed(places, others, base)
    changed = beside(program)
    assert "concat" not in kinds(changed)
    same(program, changed)


def test_a_sum_whose_part_is_used_elsewhere() -> None:
    program = summed([(0, 0, 2), (0, 2, 4), (0, 4, 6)])
    total = program.outputs[0]
    program.outputs.append(total.args[0])
    changed = beside(program)
    verify(changed)
    same(program, changed)


def test_zero_is_not_added_twice() -> None:
    """What has no -0 goes to its place as it is, and so do integers."""
    program = summed([(0, 0, 2), (0, 2, 6)])
    zero = Node("const", (), (), np.float32, {"value": np.zeros((), np.float32)})
    for put in [n for n in program.nodes() if n.op == "put"]:
        base, value = put.args
        clean = Node("map", (value, zero), value.shape, np.float32, {"fn": "add"})
        half = Node("concat", (clean, clean), (2 * value.shape[0], 4), np.float32, {"axis": 0})
        put.args = (base, Node("view", (half,), value.shape, np.float32, {"strides": (4, 1), "offset": 0}))
    changed = verify(beside(program))
    (whole,) = [n for n in changed.nodes() if n.op == "concat" and n.shape == SHAPE]
    assert all(a.op == "view" for a in whole.args)
    same(program, changed)
    (whole,) = [n for n in beside(summed([(0, 0, 2), (0, 2, 6)], dtype=np.int64)).nodes() if n.op == "concat"]
    assert all(a.op == "input" for a in whole.args)


def test_sums_of_slices_of_sums_of_slices() -> None:
    """The inner ones add zero to their slices; their concatenations go to their places as they are."""
    program = summed([(0, 0, 3), (0, 3, 6)])
    inner = program.outputs[0]
    zeros = Node(
        "view",
        (Node("const", (), (), np.float32, {"value": np.zeros((), np.float32)}),),
        (12, 4),
        np.float32,
        {"strides": (0, 0), "offset": 0},
    )
    puts = [
        Node("put", (zeros, x), (12, 4), np.float32, {"strides": (4, 1), "offset": k * 24})
        for k, x in enumerate((inner, program.outputs[1]))
    ]
    outer = Node("map", puts, (12, 4), np.float32, {"fn": "add"})
    changed = verify(beside(Program(program.inputs, [outer, inner])))
    whole, part = changed.outputs
    assert whole.op == part.op == "concat" and whole.args[0] is part and whole.args[1].op == "map"
    same(Program(program.inputs, [outer, inner]), changed)


@pytest.mark.parametrize("base", [-0.0, 1.0])
def test_what_adds_no_zero_may_have_one(base: float) -> None:
    program = summed([(0, 0, 2), (0, 2, 6)])
    number = Node("const", (), (), np.float32, {"value": np.array(base, np.float32)})
    for put in [n for n in program.nodes() if n.op == "put"]:
        put.args = (put.args[0], Node("map", (put.args[1], number), put.args[1].shape, np.float32, {"fn": "add"}))
    changed = verify(beside(program))
    (whole,) = [n for n in changed.nodes() if n.op == "concat"]
    assert all(a.op == "map" and a.args[0].op == "map" for a in whole.args)
    same(program, changed)


def test_the_gradient_of_a_recurrence() -> None:
    w = torch.nn.Parameter(torch.randn(3, 3))

    def step(x: Any) -> Any:
        gates = (x.reshape(-1, 3) @ w).reshape(5, 2, 3)
        h = torch.zeros(2, 3)
        for t in range(5):
            h = (gates[t] + h).tanh()
        h.sum().backward()
        gradient = w.grad
        w.grad = None
        return gradient

    x = torch.randn(5, 2, 3)
    run = torch.compile(step)
    program = run.program(x)
    assert "concat" in kinds(program) and "put" not in kinds(program)
    assert torch.allclose(run(x), step(x), atol=1e-6)
