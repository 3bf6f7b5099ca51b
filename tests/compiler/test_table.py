"""The table of a section's calls: every call in its turn or beside others, with pointers to where the arrays lie at this call."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native import engine, pool, segment, table
from chainrule.compiler.native.regions import Regions
from chainrule.compiler.native.target import host
from chainrule.compiler.passes.simplify import simplify
from chainrule.compiler.program import make
from chainrule.compiler.program.ir import Node, Program

from .programs import ALL, seeded


def built(program: Program, few: int, pays: int, monkeypatch: pytest.MonkeyPatch) -> engine.Runner:
    """The program with up to ``few`` calls written out, and regions on the pool from so much work on."""
    with monkeypatch.context() as patch:
        patch.setattr(table, "FEW", few)
        patch.setattr(segment, "PARALLEL", pays)
        return engine.build(program)


def chain(steps: int) -> Program:
    """As many products, each of the one before: calls of few kernels."""
    x = Node("input", (), (6, 6), np.float64, {"index": 0})
    out = x
    for _ in range(steps):
        out = make.apply("sin", make.matmul(out, x))
    return Program([x], [out])


@pytest.mark.parametrize("seed", range(60))
def test_however_calls_are_run_the_bits_are_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a table or written out, one after the other or all that can run together on two threads."""
    case = seeded(3000 + seed, 16, ALL, ("float32", "int64"))
    program = simplify(case.program)
    threads = pool.get_num_threads()
    monkeypatch.setattr(pool, "_asked", None)
    pool.set_num_threads(2)
    try:
        runs = [built(program, few, pays, monkeypatch) for few in (0, 1 << 30) for pays in (1, 1 << 60)]
        for _ in range(3):  # with arrays in other places each time
            given = [[a.copy() for a in case.inputs] for _ in runs]
            results = [run(arrays) for run, arrays in zip(runs, given, strict=True)]
            for values, arrays in zip(results, given, strict=True):
                for a, b in zip([*results[0], *given[0]], [*values, *arrays], strict=True):
                    assert (a.shape, a.dtype, np.asarray(a).tobytes()) == (b.shape, b.dtype, np.asarray(b).tobytes())
    finally:
        pool.set_num_threads(threads)


def test_calls_are_together_as_long_as_none_touches_what_another_writes() -> None:
    regions = Regions()
    assert regions.add([1, 2], [2]) == 0
    assert regions.add([1, 3], [3]) == 0  # both read the same
    assert regions.add([2, 4], [4]) == 1  # reads what the first one wrote
    assert regions.add([5, 1], [1]) == 1
    assert regions.add([5, 2], [2]) == 2  # writes what is read in this region
    assert regions.add([6, 2], [2]) == 3  # writes it too
    assert regions.alone() == 4
    assert regions.alone() == 5
    assert regions.add([7], []) == 6


def test_products_that_do_not_need_each_other_are_one_region() -> None:
    x, y = [Node("input", (), (96, 96), np.float32, {"index": k}) for k in (0, 1)]
    once = [make.matmul(x, y), make.matmul(y, x), make.matmul(x, x)]
    native = engine.Native(Program([x, y], [*once, make.matmul(once[0], once[1])]), host())
    assert native.regions == [0, 0, 0, 1]
    (section,) = native.link().segments
    assert "run_shared" in section.table.kernels


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
    first = [run([a])[0] for a in places]
    assert not np.array_equal(*first)
    for k in (0, 1, 1, 0, 0, 1):
        np.testing.assert_array_equal(run([places[k]])[0], first[k])
    places[0][...] = places[1]
    np.testing.assert_array_equal(run([places[0]])[0], first[1])
