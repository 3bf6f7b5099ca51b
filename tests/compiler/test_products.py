"""Sums of thin products as one product, against the sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.passes.products import joined
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program
from chainrule.compiler.program.spec import verify


def summed(count: int, m: int, k: int, n: int, *, transposed: bool = False, others: int = 0, dtype: Any = np.float64) -> Program:
    inputs: list[Node] = []

    def given(*shape: int) -> Node:
        inputs.append(Node("input", (), shape, dtype, {"index": len(inputs)}))
        return inputs[-1]

    terms = [given(m, n) for _ in range(others)]
    for _ in range(count):
        left = Node("view", (given(k, m),), (m, k), dtype, {"strides": (1, m), "offset": 0}) if transposed else given(m, k)
        terms.append(Node("matmul", (left, given(k, n)), (m, n), dtype))
    total = terms[0]
    for term in terms[1:]:
        total = Node("map", (total, term), (m, n), dtype, {"fn": "add"})
    return Program(inputs, [Node("map", (total,), (m, n), dtype, {"fn": "neg"})], [])


def products(program: Program) -> list[Node]:
    return [node for node in program.nodes() if node.op == "matmul"]


def same(a: Program, b: Program) -> None:
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(n.shape).astype(n.dtype) for n in a.inputs]
    for x, y in zip(execute(a, given), execute(b, given), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("others", [0, 1, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_thin_products(transposed: bool, others: int) -> None:
    program = summed(6, 20, 3, 30, transposed=transposed, others=others)
    changed = joined(program)
    verify(changed)
    (product,) = products(changed)
    assert product.args[0].shape == (20, 18) and product.args[1].shape == (18, 30)
    assert (product.args[0].op == "view") == transposed  # what lies transposed in memory is copied as it lies
    same(program, changed)


@pytest.mark.parametrize(
    "program",
    [summed(3, 20, 3, 30), summed(6, 20, 40, 30), summed(6, 20, 3, 30, dtype=np.int64)],
    ids=["three", "not thin", "integers"],
)
def test_what_stays(program: Program) -> None:
    assert joined(program) is program


def test_operands_that_are_put_together_anyway() -> None:
    """The order of the terms is the other concatenation's: one copy of the operands, and their sum in another order."""
    program = summed(6, 20, 3, 30)
    rights = [p.args[1] for p in products(program)]
    rows = Node("concat", rights[::-1], (18, 30), np.float64, {"axis": 0})
    program.outputs.append(rows)
    changed = verify(joined(program))
    (product,) = products(changed)
    assert product.args[1] is changed.outputs[1] is rows
    same(program, changed)
    program.outputs[1] = Node("concat", rights[:5], (15, 30), np.float64, {"axis": 0})  # not all of them
    assert products(joined(program))[0].args[1] is not program.outputs[1]
    same(program, joined(program))


def test_a_constant_among_transposed_operands() -> None:
    """The first state of a recurrence, zeros, does not keep the other states from being copied as they lie."""
    program = summed(6, 20, 3, 30, transposed=True)
    first = products(program)[0]
    value = np.arange(60.0).reshape(20, 3)
    first.args = (Node("const", (), (20, 3), np.float64, {"value": value}), first.args[1])
    changed = verify(joined(program))
    (product,) = products(changed)
    assert product.args[0].op == "view" and product.args[0].args[0].attrs["axis"] == 0
    same(program, changed)


def test_a_product_that_is_used_elsewhere() -> None:
    program = summed(6, 20, 3, 30)
    one = products(program)[2]
    program.outputs.append(one)
    changed = joined(program)
    verify(changed)
    assert len(products(changed)) == 2 and any(o is n for o in changed.outputs for n in products(changed))
    same(program, changed)


def test_the_gradient_of_a_recurrence() -> None:
    w = torch.nn.Parameter(torch.randn(32, 32) / 6)

    def step(x: Any) -> Any:
        h = torch.zeros(4, 32)
        for part in x:
            h = (h @ w + part).tanh()
        h.sum().backward()
        gradient = w.grad
        w.grad = None
        return gradient

    x = torch.randn(9, 4, 32)
    run = torch.compile(step)
    assert len([n for n in products(run.program(x)) if n.shape == (32, 32)]) == 1
    assert torch.allclose(run(x), step(x), rtol=1e-4, atol=1e-5)
