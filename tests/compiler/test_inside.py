"""Pieces of a concatenation that are computed in its memory: the same numbers, no copies, and nothing overwritten that is still read."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.compiler.program import make
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program, row_major
from chainrule.compiler.program.spec import verify
from chainrule.compiler.schedule.inside import pieces_inside

pytest.importorskip("llvmlite")

from chainrule.compiler.native import cache
from chainrule.compiler.native.engine import Native, build
from chainrule.compiler.native.stored import key_of, restored
from chainrule.compiler.native.target import host

STEPS = 12  # more pieces than one loop nest writes


def given(*shapes: tuple[int, ...]) -> list[Node]:
    return [Node("input", (), shape, np.float32, {"index": k}) for k, shape in enumerate(shapes)]


def numbers(program: Program) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(0.25 * rng.standard_normal(n.shape)).astype(n.dtype) for n in program.inputs]


def states(rows: int = 5, width: int = 16, axis: int = 0) -> tuple[list[Node], list[Node], Node]:
    """Inputs, the states of a recurrence, and all of them together."""
    h, w = given((rows, width), (width, width))
    inputs, found = [h, w], [h]
    for _ in range(STEPS):
        found.append(make.apply("tanh", make.matmul(found[-1], w)))
    return inputs, found, make.concat(found, axis)


def agrees(program: Program) -> Native:
    verify(program)
    for a, b in zip(build(program)(numbers(program)), execute(program, numbers(program)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    return Native(program, host())


def test_states_are_written_where_they_are_read_together() -> None:
    inputs, found, together = states()
    native = agrees(Program(inputs, [make.reduce("sum", make.apply("exp", together), (0,))]))
    assert len(native.inside) == STEPS
    (whole,) = {id(w): w for w, _ in native.inside.values()}.values()
    start = native.memory[id(whole)].ctypes.data
    assert sorted(native.memory[n].ctypes.data - start for n in native.inside) == [k * 5 * 16 * 4 for k in range(1, STEPS + 1)]
    kinds = [part.group.nodes[-1].op for part in native.parts for _ in part.steps]
    assert kinds.count("concat") == 1  # the first one is an input


def test_a_piece_lies_in_one_place() -> None:
    inputs, found, together = states()
    program = Program(inputs, [make.apply("exp", n) for n in (together, make.concat(found[::-1], 0))])
    assert len(agrees(program).inside) == STEPS


def test_pieces_are_read_after_the_whole_has_been() -> None:
    """The memory is used again when neither of them is read any more."""
    inputs, found, together = states(16, 16)
    total = make.matmul(make.reshape(make.reduce("sum", together, (0,)), (1, 16)), inputs[1])
    for k in range(STEPS):
        total = make.matmul(make.apply("add", total, make.reshape(make.reduce("max", found[k + 1], (0,)), (1, 16))), inputs[1])
    big = [make.apply("exp", make.matmul(together, inputs[1]))]
    for _ in range(3):
        big.append(make.apply("sin", make.matmul(big[-1], inputs[1])))
    last = make.apply("mul", found[1], found[2])
    agrees(Program(inputs, [total, make.reduce("sum", big[-1], (0, 1)), make.reduce("sum", last, (0,))]))


@pytest.mark.parametrize("axis", [0, 1])
def test_what_the_caller_gets_has_memory_of_its_own(axis: int) -> None:
    inputs, found, together = states(axis=axis)
    native = agrees(Program(inputs, [together, found[3]]))
    assert not native.inside
    native = agrees(Program(inputs, [make.apply("exp", together), found[3]], [(0, found[4])]))
    assert len(native.inside) == (STEPS - 2 if axis == 0 else 0)


def test_reshaped_pieces_and_views_of_pieces() -> None:
    """A piece under another shape is that piece; a turned one is a copy."""
    x, w = given((4, 4), (4, 4))
    parts, made = [], x
    for k in range(STEPS):
        made = make.apply("tanh", make.matmul(made, w))
        parts.append(make.reshape(made, (1, 16)) if k % 2 else make.reshape(make.permute(made, (1, 0)), (1, 16)))
    native = agrees(Program([x, w], [make.apply("exp", make.concat(parts, 0))]))
    assert len(native.inside) == STEPS // 2
    shifted = [make.view(make.reshape(p, (16,)), (15,), (1,), 1) for p in parts]
    assert not pieces_inside(Program([x, w], [make.apply("exp", make.concat(shifted, 0))]))[1]


def test_found_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """A stored plan has the pieces in the same places."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    inputs, _, together = states()
    program = Program(inputs, [make.matmul(together, inputs[1])])
    key = key_of(program, host())
    assert cache.default() is not None and key is not None
    first = build(program, key=key)(numbers(program))
    again = restored(program, key, host())
    assert again is not None
    np.testing.assert_array_equal(again(numbers(program))[0], first[0])
    np.testing.assert_allclose(first[0], execute(program, numbers(program))[0], rtol=1e-5, atol=1e-5)


def test_empty_and_constant_pieces() -> None:
    x, w = given((4, 4), (4, 4))
    parts = [make.const(np.ones((3, 4), np.float32)), make.view(x, (0, 4), row_major((4, 4)))]
    for k in range(STEPS):
        parts.append(make.apply("exp", make.matmul(x, make.apply("mul", w, make.const(k, np.float32)))))
    assert len(agrees(Program([x, w], [make.apply("neg", make.concat(parts, 0))])).inside) == STEPS
