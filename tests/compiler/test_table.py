"""The table of a section's calls: every call in its turn, with pointers to where the arrays lie at this call."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native import engine, table
from chainrule.compiler.native.target import host
from chainrule.compiler.passes.simplify import simplify
from chainrule.compiler.program import make
from chainrule.compiler.program.ir import Node, Program

from .programs import ALL, seeded

KINDS = [kind for kind in ALL if kind != "scalar"]


def built(program: Program, few: int, monkeypatch: pytest.MonkeyPatch) -> engine.Runner:
    """The program with up to ``few`` calls written out."""
    with monkeypatch.context() as patch:
        patch.setattr(table, "FEW", few)
        return engine.build(program)


def chain(steps: int) -> Program:
    """As many products, each of the one before: calls of few kernels."""
    x = Node("input", (), (6, 6), np.float64, {"index": 0})
    out = x
    for _ in range(steps):
        out = make.apply("sin", make.matmul(out, x))
    return Program([x], [], [out])


@pytest.mark.parametrize("seed", range(60))
def test_calls_written_out_and_calls_in_a_table_give_the_same_bits(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = seeded(3000 + seed, 16, KINDS, ("float32", "int64"))
    program = simplify(case.program)
    runs = [built(program, few, monkeypatch) for few in (0, 1 << 30)]
    for _ in range(3):  # with arrays in other places each time, and the first ones kept
        given = [[a.copy() for a in case.inputs] for _ in runs]
        results = [run(arrays, ()) for run, arrays in zip(runs, given, strict=True)]
        for a, b in zip([*results[0], *given[0]], [*results[1], *given[1]], strict=True):
            assert (a.shape, a.dtype, np.asarray(a).tobytes()) == (b.shape, b.dtype, np.asarray(b).tobytes())


def test_text_does_not_grow_with_the_calls_of_a_kernel() -> None:
    sizes = {}
    for steps in (30, 300):
        native = engine.Native(chain(steps), host())
        native.link()
        assert len(native.steps) >= steps
        sizes[steps] = native.module.text().count("\n")
    assert sizes[300] == sizes[30]


def test_pointers_follow_arrays_that_lie_by_turns_in_two_places() -> None:
    run = engine.build(chain(40))
    rng = np.random.default_rng(0)
    places = [rng.standard_normal((6, 6)), rng.standard_normal((6, 6))]
    first = [run([a], ())[0] for a in places]
    assert not np.array_equal(*first)
    for k in (0, 1, 1, 0, 0, 1):
        np.testing.assert_array_equal(run([places[k]], ())[0], first[k])
    places[0][...] = places[1]
    np.testing.assert_array_equal(run([places[0]], ())[0], first[1])
