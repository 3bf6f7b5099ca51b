"""Machine code against the executor, on random programs."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from chainrule.compiler.passes.simplify import simplify
from chainrule.compiler.program import make
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program
from chainrule.compiler.program.spec import verify

from .programs import ALL, agree, seeded

pytest.importorskip("llvmlite")


def check(program: Program, inputs: list[np.ndarray], least: float = 0.0, bits: int | None = None) -> None:
    expected_inputs = [a.copy() for a in inputs]
    expected = execute(verify(program), expected_inputs)
    from chainrule.compiler.native.engine import build
    from chainrule.compiler.native.target import host, restricted

    try:
        target = host() if bits is None else restricted(bits)
    except ValueError:
        pytest.skip("this processor has narrower vectors")

    run = build(verify(simplify(program)), target)
    for _ in range(2):
        given = [a.copy() for a in inputs]
        agree(run(given), expected, 4, least)
        agree(given, expected_inputs, 4, least)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed: int, dtype: str) -> None:
    case = seeded(seed, 12, ALL, (dtype,))
    check(case.program, case.inputs)


def test_memory_seen_through_an_output_s_view_is_not_used_again() -> None:
    x = Node("input", (), (5, 17), np.float32, {"index": 0})
    program = Program([x], [make.permute(make.apply("erf", x), (1, 0))], [(0, make.scan("cumsum", x, 0))])
    check(program, [np.random.default_rng(0).standard_normal((5, 17)).astype(np.float32)])


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16, np.uint8, np.int16])
@pytest.mark.parametrize("columns", [1, 3, 9, 17, 33])
def test_the_last_lane_of_a_row_writes_nothing_behind_it(dtype, columns: int) -> None:
    x, y = [Node("input", (), (5, columns), np.float32, {"index": k}) for k in (0, 1)]
    narrow = make.cast(make.apply("abs", x), dtype)
    program = Program([x, y], [narrow, make.reduce("sum", y, (0,))])
    rng = np.random.default_rng(0)
    check(program, [rng.standard_normal((5, columns)).astype(np.float32) * 9 for _ in range(2)])


@pytest.mark.parametrize("seed", range(100, 140))
def test_random_programs_of_every_dtype(seed: int) -> None:
    case = seeded(seed, 20, ALL, ("float32", "float64", "float16", ml_dtypes.bfloat16, "int64", "int32", "uint8"))
    check(case.program, case.inputs, 4e-2)


@pytest.mark.parametrize("bits", [512, 256, 128])
@pytest.mark.parametrize("seed", range(200, 215))
def test_vectors_of_every_width(seed: int, bits: int) -> None:
    case = seeded(seed, 16, ALL, ("float32", "float64", "int64", ml_dtypes.bfloat16))
    check(case.program, case.inputs, 4e-2, bits)
