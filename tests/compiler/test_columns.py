"""Sums over all rows that are added up while the rows are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as T
from chainrule.compiler.program import make
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program
from chainrule.compiler.program.spec import verify
from chainrule.compiler.schedule.fuse import fuse

F = T.nn.functional


def backward(shape: tuple[int, ...], lead: int = 1, dtype: Any = np.float32) -> Program:
    """A row's share of its sum, and sums over all rows of what was computed on the way and of an input."""
    x, g = [Node("input", (), shape, np.dtype(dtype), {"index": k}) for k in range(2)]
    axes = tuple(range(lead, len(shape)))
    total = make.reduce("sum", x, axes)
    share = make.apply("mul", x, make.expand(make.reshape(total, (*shape[:lead], *[1] * len(axes))), shape))
    sums = [make.reduce("sum", v, tuple(range(lead))) for v in (make.apply("mul", g, share), g)]
    return verify(Program([x, g], [make.apply("exp", share), *sums]))


def arrays(program: Program, seed: int = 0) -> list[np.ndarray]:
    g = np.random.default_rng(seed)
    return [g.uniform(-0.01, 0.01, n.shape).astype(n.dtype) for n in program.inputs]


@pytest.mark.parametrize("shape", [(4000, 40), (33, 4001), (32, 8192), (257, 512)])
def test_one_group_has_both(shape: tuple[int, int]) -> None:
    groups = fuse(backward(shape))
    assert len(groups) == 1
    assert [n.shape for n in groups[0].outputs] == [shape, shape[1:], shape[1:]]


@pytest.mark.parametrize("shape", [(200, 20), (20, 10_000), (40, 9000)])
def test_groups_stay_apart(shape: tuple[int, int]) -> None:
    """Where little is read twice, there are few rows, or the sums leave the cache."""
    assert len(fuse(backward(shape))) == 2


@pytest.mark.parametrize(
    ("shape", "lead"),
    [
        ((4000, 40), 1),
        ((100, 1000), 1),
        ((33, 4001), 1),
        ((32, 8192), 1),
        ((257, 512), 1),
        ((64, 65, 33), 2),
        ((9, 8, 6, 7, 50), 3),
        ((70, 30, 70), 1),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(shape: tuple[int, ...], lead: int, dtype: Any) -> None:
    """Whole blocks and a shorter last one, lanes that are left over, several axes on both sides."""
    pytest.importorskip("llvmlite")
    from chainrule.compiler.native.engine import build

    program = backward(shape, lead, dtype)
    given = arrays(program)
    runner, slack = build(program), 64 * np.finfo(dtype).eps
    for _ in range(2):  # sums begin with 0 at every call
        for a, b in zip(runner(given), execute(program, given), strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=slack, atol=slack * np.abs(b).max())


def test_a_sum_that_was_not_in_place() -> None:
    """Sums of a transposed value of the rows need it in memory."""
    x = Node("input", (), (400, 400), np.dtype(np.float32), {"index": 0})
    share = make.apply("mul", x, make.expand(make.reshape(make.reduce("sum", x, (1,)), (400, 1)), (400, 400)))
    program = verify(Program([x], [make.reduce("sum", make.apply("exp", make.permute(share, (1, 0))), (0,))]))
    pytest.importorskip("llvmlite")
    from chainrule.compiler.native.engine import build

    given = arrays(program)
    np.testing.assert_allclose(build(program)(given)[0], execute(program, given)[0], rtol=1e-5)


def test_infinities_and_nan_stay_in_their_columns() -> None:
    pytest.importorskip("llvmlite")
    from chainrule.compiler.native.engine import build

    program = backward((1000, 200))
    x, g = arrays(program)
    g[7, 3], g[900, 5] = np.inf, np.nan
    _, mixed, sums = build(program)([x, g])
    assert np.isinf(sums[3]) and np.isnan(sums[5]) and np.isfinite(np.delete(sums, [3, 5])).all()
    assert np.isfinite(np.delete(mixed, [3, 5])).all()


def test_threads_do_not_change_bits() -> None:
    pytest.importorskip("llvmlite")
    from chainrule.compiler.native.engine import build

    program = backward((1111, 300))
    given, runner = arrays(program), build(program)
    before = T.get_num_threads()
    try:
        found = []
        for n in (1, 2, 3):
            T.set_num_threads(n)
            found.append([a.tobytes() for a in runner(given)])
    finally:
        T.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def groups_of(function: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """The groups of a function's gradients, compiled."""
    given = [T.randn(*s) for s in shapes]
    step = T.compile(lambda *a: T.func.grad(function, argnums=tuple(range(len(a))))(*a))
    step(*given)
    return fuse(step.program(*given))


def test_a_layer_norm_and_its_backward_are_one_pass_each() -> None:
    def loss(x: Any, w: Any, b: Any) -> Any:
        return (F.layer_norm(x, (512,), w, b) ** 2).sum()

    assert len(groups_of(loss, (512, 512), (512,), (512,))) == 1


def test_a_log_softmax_and_its_backward_are_one_pass() -> None:
    """What has waited for the node that reads it is computed where that node's other values are."""
    assert len(groups_of(lambda x: (F.log_softmax(x, -1) ** 2).sum(), (512, 512))) == 1
