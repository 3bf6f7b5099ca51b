"""Contractions of operands that lie in no order a kernel can read."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.passes.operands import laid_out
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program
from chainrule.compiler.program.spec import verify


def viewed_twice() -> Program:
    """x (4, 6), transposed and shown as (4, 6) again, is the left operand of two products."""
    x = Node("input", (), (4, 6), np.float32, {"index": 0})
    across = Node("view", (x,), (6, 4), np.float32, {"strides": (1, 6), "offset": 0})
    again = Node("view", (across,), (4, 6), np.float32, {"strides": (6, 1), "offset": 0})
    right = Node("view", (x,), (6, 4), np.float32, {"strides": (1, 6), "offset": 0})
    outputs = [Node("matmul", (again, right), (4, 4), np.float32), Node("matmul", (again, across), (4, 4), np.float32)]
    return Program([x], outputs, [])


def test_a_view_of_a_view_is_copied_once() -> None:
    program = viewed_twice()
    changed = laid_out(program)
    verify(changed)
    copies = [n for n in changed.nodes() if n.op == "map"]
    assert len(copies) == 1 and [o.args[0] for o in changed.outputs] == copies * 2
    assert all(o.args[1].op == "view" for o in changed.outputs)
    x = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    for a, b in zip(execute(program, [x]), execute(changed, [x]), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(execute(changed, [x])[0], x.T.reshape(4, 6) @ x.T, rtol=1e-5)


def test_nothing_is_copied_without_need() -> None:
    x = Node("input", (), (4, 6), np.float32, {"index": 0})
    across = Node("view", (x,), (6, 4), np.float32, {"strides": (1, 6), "offset": 0})
    program = Program([x], [Node("matmul", (x, across), (4, 4), np.float32)], [])
    assert laid_out(program).outputs[0] is program.outputs[0]


def recurrent(steps: int, rows: int) -> Program:
    """A state that is multiplied by a transposed matrix at each step."""
    given = [Node("input", (), shape, np.float32, {"index": k}) for k, shape in enumerate([(rows, 8), (8, 8)])]
    state, matrix = given
    across = Node("view", (matrix,), (8, 8), np.float32, {"strides": (1, 8), "offset": 0})
    for _ in range(steps):
        state = Node("matmul", (state, across), (rows, 8), np.float32)
    return Program(given, [state], [])


@pytest.mark.parametrize(("steps", "rows", "copies"), [(3, 16, 0), (4, 16, 1), (9, 4, 1), (9, 3, 0), (9, 64, 1), (9, 65, 0)])
def test_a_transposed_matrix_that_many_thin_products_share_is_transposed_once(steps: int, rows: int, copies: int) -> None:
    program = recurrent(steps, rows)
    changed = verify(laid_out(program))
    assert sum(n.op == "map" for n in changed.nodes()) == copies
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(n.shape).astype(np.float32) for n in program.inputs]
    for a, b in zip(execute(program, given), execute(changed, given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(find_spec("llvmlite") is None, reason="machine code")
@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, w: x.transpose(1, 2).reshape(6, 4) @ w, [(2, 4, 3), (4, 4)]),
        (lambda x, w: torch.nn.functional.conv1d(x.transpose(0, 2), w.transpose(1, 2)), [(2, 4, 3), (2, 2, 4)]),
    ],
    ids=["matmul", "conv"],
)
def test_no_operand_sends_a_product_to_numpy(function: Any, shapes: Any) -> None:
    given = [torch.randn(shape) for shape in shapes]
    report = torch.explain_compile(function, *given)
    assert {part.kind for part in report.kernels} & {"matmul", "conv"} and all(part.native for part in report.kernels), str(report)
    assert torch.allclose(torch.compile(function)(*given), function(*given), atol=1e-5)
