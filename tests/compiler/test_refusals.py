"""A mistake in what writes machine code is found, though a program would run without the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.compiler.native.engine import build
from chainrule.compiler.program import make
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program

from .conftest import Mistake

pytest.importorskip("llvmlite")


def _given(shape: tuple[int, ...], index: int, dtype: Any = np.float32) -> Node:
    return Node("input", (), shape, dtype, {"index": index})


@pytest.mark.parametrize("error", [KeyError("sin"), TypeError("an argument"), NotImplementedError(), ValueError("of somebody else's")])
def test_mistakes_are_found(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def wrong(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("chainrule.compiler.native.loops_value.apply", wrong)
    x = _given((5,), 0)
    with pytest.raises(Mistake, match="has no kernel"):
        build(Program([x], [make.apply("sin", x)]))


def test_what_is_refused_runs_on_numpy() -> None:
    x, y = _given((3, 4), 0, np.int64), _given((4, 2), 1, np.int64)
    program = Program([x, y], [make.matmul(x, y)])
    arrays = [np.arange(12).reshape(3, 4), np.arange(8).reshape(4, 2)]
    np.testing.assert_array_equal(build(program)(arrays)[0], execute(program, arrays)[0])
