"""Kernels that put values to places, against the same nodes on NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native.emitter import Module
from chainrule.compiler.native.jit import compile_text
from chainrule.compiler.native.loops import ERRORS
from chainrule.compiler.native.loops_moves import emit_move
from chainrule.compiler.native.target import host
from chainrule.compiler.program.ir import Node
from chainrule.compiler.program.make import apply, concat, const, pad, permute, put, scan, scatter
from tests.compiler.groups import expected, inputs, run_call


def moved(arrays: Any, given: Any, node: Node, rest: Any = ()) -> Any:
    module = Module(host())
    calls = emit_move(module, "move", [*rest, node], node)
    library = compile_text(module.text(), module.target)
    memory = {id(n): np.array(a, order="C") for n, a in zip(given, arrays)}
    memory |= {id(node): np.full(node.shape, 77, node.dtype), id(ERRORS): np.zeros(3, np.int64)}
    for call in calls:
        run_call(library, call, memory)
    return memory[id(node)], memory[id(ERRORS)]


def check(arrays: Any, given: Any, node: Node, rest: Any = (), rtol: float = 1e-6) -> None:
    found, errors = moved(arrays, given, node, rest)
    assert not errors.any()
    np.testing.assert_allclose(found, expected(arrays, given, [node])[0], rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concat(axis: int) -> None:
    g = np.random.default_rng(0)
    shapes = [[4, 5, 6] for _ in range(3)]
    for k, s in enumerate(shapes):
        s[axis] = 3 * k + 1
    arrays = [g.normal(size=s).astype(np.float32) for s in shapes]
    given = inputs(*arrays)
    doubled = apply("add", given[1], given[1])
    check(arrays, given, concat([given[0], doubled, given[2]], axis), [doubled])


def test_pad_and_put() -> None:
    g = np.random.default_rng(0)
    x, base = g.normal(size=(3, 20)).astype(np.float32), g.normal(size=(7, 50)).astype(np.float32)
    given = inputs(x, base)
    check([x, base], given, pad(given[0], const(-1.5, np.float32), (2, 11), (7, 50)))
    turned = permute(given[0], (1, 0))
    check([x, base], given, put(given[1], turned, (2, 50), 3), [turned])


@pytest.mark.parametrize("fn", ["set", "add", "mul", "max", "min"])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_scatter(fn: str, dtype: Any) -> None:
    g = np.random.default_rng(1)
    base, index = g.integers(-9, 9, (6, 7)).astype(dtype), g.integers(0, 42, (5, 30))
    value = g.integers(-3, 4, (5, 30)).astype(dtype)
    given = inputs(base, index, value)
    check([base, index, value], given, scatter(fn, *given))
    index[3, 3] = 42
    _, errors = moved([base, index, value], given, scatter(fn, *given))
    assert errors.tolist() == [1, 42, 42]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("fn", ["cumsum", "cumprod"])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.float16])
def test_scan(fn: str, axis: int, dtype: Any) -> None:
    x = (1 + np.random.default_rng(2).integers(0, 2, (4, 5, 6)) / (8 if np.dtype(dtype).kind == "f" else 1)).astype(dtype)
    given = inputs(x)
    check([x], given, scan(fn, given[0], axis), rtol=2e-3 if dtype is np.float16 else 1e-5)
