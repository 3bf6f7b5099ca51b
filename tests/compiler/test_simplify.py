"""Simplified programs give the same bits with fewer nodes."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.capture import build
from chainrule.compiler.capture.capture import capture
from chainrule.compiler.passes.simplify import simplify
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program
from chainrule.compiler.program.spec import verify

SPECIAL = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan], np.float32)


def given(*shape: int, dtype: str = "float32") -> Node:
    return Node("input", (), shape, dtype, {"index": 0})


def simplified(x: Node, y: Node, array: np.ndarray) -> int:
    """How many nodes remain; the value has to be the same."""
    program = Program(inputs=[x], outputs=[y])
    less = simplify(program)
    verify(less)
    a, b = execute(program, [array])[0], execute(less, [array])[0]
    np.testing.assert_array_equal(np.asarray(a).view(np.uint8), np.asarray(b).view(np.uint8))
    return len(less.nodes())


@pytest.mark.parametrize(
    ("function", "nodes"),
    [
        (lambda x: build.mul(x, build.const(1, "f4")), 1),
        (lambda x: build.div(x, build.full((7,), 1, "f4")), 1),
        (lambda x: build.mapped("neg", build.mapped("neg", x)), 1),
        (lambda x: build.mul(x, build.const(0, "f4")), 3),
        (lambda x: build.add(x, build.const(0, "f4")), 3),
        (lambda x: build.add(build.mapped("exp", x), build.mapped("exp", x)), 3),
        (lambda x: build.mul(x, build.mul(build.const(2, "f4"), build.const(3, "f4"))), 3),
        (lambda x: build.mul(x, build.full((7,), 5, "f4")), 3),
        (lambda x: build.where(build.const(True, bool), x, build.const(0, "f4")), 1),
    ],
)
def test_what_goes(function: object, nodes: int) -> None:
    x = given(7)
    assert simplified(x, function(x), SPECIAL) == nodes


def test_a_training_step_has_fewer_nodes_and_the_same_bits() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    x, y = torch.randn(10, 3), torch.randn(10, 2)

    def step() -> object:
        loss = torch.nn.functional.mse_loss(layer(x), y)
        return torch.autograd.grad(loss, list(layer.parameters()))

    record = capture(step, (), {}).record
    program = record.program
    less = simplify(program)
    verify(less)
    assert len(less.nodes()) <= len(program.nodes()) - 4
    inputs = [np.array(g.tensor._value) for g in record.given]
    for a, b in zip(execute(program, inputs), execute(less, inputs), strict=True):
        assert a.tobytes() == b.tobytes()
