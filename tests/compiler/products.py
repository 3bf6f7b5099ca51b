"""Programs around products and convolutions, written node by node, and machine code against the executor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.compiler.program import make
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program
from chainrule.compiler.program.spec import Window, verify
from chainrule.compiler.schedule.fuse import fuse


class Made:
    """Inputs as they are asked for."""

    def __init__(self, dtype: Any = np.float32) -> None:
        self.dtype = np.dtype(dtype)
        self.inputs: list[Node] = []

    def input(self, *shape: int) -> Node:
        self.inputs.append(Node("input", (), shape, self.dtype, {"index": len(self.inputs)}))
        return self.inputs[-1]

    def number(self, value: float) -> Node:
        return make.const(value, self.dtype)

    def program(self, outputs: list[Node], stores: list[tuple[int, Node]] | None = None) -> Program:
        return verify(Program(self.inputs, outputs, stores or []))


def kinds(program: Program) -> list[tuple[str, int]]:
    return [(g.kind, len(g.nodes)) for g in fuse(program)]


def check(program: Program, bits: int | None = None, exact: bool = True) -> None:
    """Machine code against the executor; no comparison in the program may hang on the last digit."""
    pytest.importorskip("llvmlite")
    from chainrule.compiler.native.engine import Native
    from chainrule.compiler.native.run import runner
    from chainrule.compiler.native.section import Host
    from chainrule.compiler.native.target import host, restricted

    try:
        target = host() if bits is None else restricted(bits)
    except ValueError:
        pytest.skip("this processor has narrower vectors")
    rng = np.random.default_rng(0)
    given = [rng.integers(-3, 4, n.shape).astype(n.dtype) for n in program.inputs]  # sums are exact
    native = Native(program, target)
    assert not any(isinstance(s, Host) for s in native.steps)
    run = runner(native.link())
    ours, theirs = [a.copy() for a in given], [a.copy() for a in given]
    for a, b in zip(run(ours), execute(program, theirs), strict=True):
        if exact:
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=4 * np.finfo(b.dtype).eps, atol=4 * np.finfo(b.dtype).eps)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


WINDOWS = {
    "channels in lanes": ((3, 4, 9, 10), (20, 4, 3, 3), Window((1, 1), ((1, 1), (1, 1)), (1, 1), 1)),
    "pixels in lanes": ((2, 3, 12, 40), (2, 3, 5, 5), Window((1, 1), ((2, 2), (2, 2)), (1, 1), 1)),
    "stride": ((2, 4, 11, 13), (6, 4, 3, 3), Window((2, 3), ((1, 1), (0, 0)), (1, 1), 1)),
    "groups": ((2, 6, 8, 8), (4, 3, 3, 3), Window((1, 1), ((1, 1), (1, 1)), (2, 2), 2)),
    "one pixel": ((5, 4, 3, 3), (7, 4, 3, 3), Window((1, 1), ((0, 0), (0, 0)), (1, 1), 1)),
    "one axis": ((3, 2, 50), (4, 2, 5), Window((1,), ((2, 2),), (1,), 1)),
    "many chunks": ((16, 16, 20, 20), (32, 16, 3, 3), Window((1, 1), ((1, 1), (1, 1)), (1, 1), 1)),
}


def by_channel(m: Made, shape: tuple[int, ...], axis: int = 1) -> Node:
    return make.expand(m.input(*[n if k == axis else 1 for k, n in enumerate(shape)]), shape)
