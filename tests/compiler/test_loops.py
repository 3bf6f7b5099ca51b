"""Kernels of fused groups against the same nodes run one by one on NumPy."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native.emitter import Module
from chainrule.compiler.native.loops import emit, fits
from chainrule.compiler.native.target import host, restricted
from chainrule.compiler.program.ir import Node
from chainrule.compiler.program.make import apply, cast, const, expand, gather, iota, permute, reduce, reshape, view
from chainrule.compiler.program.spec import FUNCTIONS, category
from tests.compiler.groups import expected, inputs, run_group

TARGETS = [host()] + [restricted(b) for b in (256, 128) if b < host().bits and host().x86]
DTYPES = [np.bool_, np.int8, np.uint8, np.int16, np.int32, np.int64, np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
LENGTHS = (1, 3, 16, 37, 1000)


def numbers(g: Any, dtype: Any, shape: Any) -> Any:
    dtype = np.dtype(dtype)
    if category(dtype) == "b":
        return g.integers(0, 2, shape).astype(bool)
    if category(dtype) == "i":
        return g.integers(0 if dtype.kind == "u" else -9, 10, shape).astype(dtype)
    return g.normal(size=shape).astype(np.float32).astype(dtype)


def close(found: Any, want: Any, units: float = 4.0) -> None:
    assert found.shape == want.shape and found.dtype == want.dtype
    if category(want.dtype) != "f":
        np.testing.assert_array_equal(found, want)
        return
    eps = {2: 2.0**-7 if want.dtype.kind == "V" else 2.0**-10, 4: 2.0**-23, 8: 2.0**-52}[want.dtype.itemsize]
    wide = np.float64
    np.testing.assert_allclose(found.astype(wide), want.astype(wide), rtol=units * eps, atol=units * eps)


def check(arrays: Any, given: Any, outputs: Any, units: float = 4.0, target: Any = None) -> None:
    found, errors = run_group(arrays, given, outputs, target)
    assert not errors.any()
    with np.errstate(all="ignore"):
        want = expected(arrays, given, outputs)
    for f, w in zip(found, want, strict=True):
        close(f, w, units)
    again, _ = run_group(arrays, given, outputs, target, backwards=True)
    assert all(a.tobytes() == f.tobytes() for a, f in zip(again, found, strict=True))


def functions() -> list[Any]:
    plain = {name: f for name, f in FUNCTIONS.items() if name not in ("cast", "inside")}
    return [(name, d) for name, f in plain.items() for d in DTYPES if category(np.dtype(d)) in f.categories]


@pytest.mark.parametrize("target", TARGETS, ids=[str(t.bits) for t in TARGETS])
@pytest.mark.parametrize(("name", "dtype"), functions(), ids=[f"{n}-{np.dtype(d)}" for n, d in functions()])
def test_elementwise(target: Any, name: str, dtype: Any) -> None:
    g = np.random.default_rng(len(name))
    arity = FUNCTIONS[name].arity
    arrays = [numbers(g, np.bool_ if name == "where" and k == 0 else dtype, (37,)) for k in range(arity)]
    if name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "pow", "acosh", "lgamma") and category(np.dtype(dtype)) == "f":
        arrays[0] = (np.abs(arrays[0].astype(np.float32)) + 1).astype(dtype)
    if name in ("asin", "acos", "atanh"):
        arrays[0] = np.tanh(arrays[0].astype(np.float32)).astype(dtype)
    given = inputs(*arrays)
    check(arrays, given, [apply(name, *given)], 8.0, target)


@pytest.mark.parametrize(("dtype", "to"), [(a, b) for a in DTYPES for b in DTYPES if a is not b], ids=str)
def test_cast(dtype: Any, to: Any) -> None:
    g = np.random.default_rng(1)
    x = numbers(g, dtype, (53,))
    if category(np.dtype(dtype)) == "f" and np.dtype(to).kind == "u":
        x = np.abs(x)
    given = inputs(x)
    check([x], given, [cast(given[0], to)], 1.0)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8], ids=str)
def test_integer_edges(dtype: Any) -> None:
    """Division by zero, the least number over -1, shifts by too much: what NumPy gives, and nothing traps."""
    info = np.iinfo(dtype)
    values = np.array([info.min, info.min + 1, 0, 1, 2, 3, info.max - 1, info.max, *([-1, -2] if info.min else [])], dtype)
    x, y = [np.ascontiguousarray(v.ravel()) for v in np.meshgrid(values, values)]
    given = inputs(x, y)
    check([x, y], given, [apply(n, *given) for n in ("floor_div", "fmod", "remainder", "shl", "shr", "mul", "pow")])


@pytest.mark.parametrize("n", LENGTHS)
def test_broadcast_and_views(n: int) -> None:
    g = np.random.default_rng(n)
    arrays = [numbers(g, np.float32, s) for s in ((7, n), (n,), (7, 1), (n, 7))]
    a, row, column, other = given = inputs(*arrays)
    y = apply("add", apply("mul", a, expand(row, (7, n))), expand(column, (7, n)))
    z = apply("sub", y, permute(other, (1, 0)))
    flipped = view(z, (7, n), (n, -1), n - 1)
    check(arrays, given, [apply("maximum", flipped, z), y])


def test_scalars_and_coordinates() -> None:
    g = np.random.default_rng(0)
    x, s = numbers(g, np.float32, (5, 33)), np.array(0.3, np.float32)
    given = inputs(x, s)
    where = apply("lt", iota((5, 33), 1), iota((5, 33), 0))
    y = apply("where", where, apply("mul", given[0], given[1]), const(2.0, np.float32))
    check([x, s], given, [y])


def test_reshape_of_what_is_computed() -> None:
    x = numbers(np.random.default_rng(0), np.float32, (6, 4))
    given = inputs(x)
    check([x], given, [permute_of_parts(apply("exp", given[0]))])


def permute_of_parts(x: Node) -> Node:
    return apply("neg", permute(reshape(x, (2, 3, 4)), (1, 0, 2)))


@pytest.mark.parametrize("target", TARGETS, ids=[str(t.bits) for t in TARGETS])
@pytest.mark.parametrize(
    ("fn", "axes"),
    [(f, a) for f in ("sum", "prod", "max", "min") for a in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))]
    + [(f, a) for f in ("argmax", "argmin") for a in ((0,), (1,), (2,), (0, 1, 2))],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, ml_dtypes.bfloat16], ids=str)
def test_reductions(target: Any, axes: Any, fn: str, dtype: Any) -> None:
    g = np.random.default_rng(3)
    shape = (5, 3, 37)
    x = numbers(g, dtype, shape)
    if fn == "prod":
        x = (1 + x.astype(np.float32) / 50).astype(dtype) if category(np.dtype(dtype)) == "f" else np.ones_like(x)
    given = inputs(x)
    scale = 64.0 if fn in ("sum", "prod") else 1.0
    check([x], given, [reduce(fn, given[0], axes)], scale, target)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)], ids=str)
def test_any_all(axes: Any) -> None:
    x = np.random.default_rng(0).integers(0, 8, (19, 45)) > 0
    given = inputs(x)
    check([x], given, [reduce(fn, given[0], axes) for fn in ("any", "all")])


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("axis", [0, 1])
def test_nan_and_infinities(n: int, axis: int) -> None:
    g = np.random.default_rng(n)
    x = numbers(g, np.float32, (n, 9) if axis == 0 else (9, n))
    rows = x if axis == 1 else x.T
    rows[0, -1] = math.nan
    rows[1, n // 2] = math.inf
    rows[2, :] = -math.inf
    rows[3, 0], rows[3, -1] = math.inf, -math.inf
    given = inputs(x)
    check([x], given, [reduce(fn, given[0], (axis,)) for fn in ("sum", "max", "min", "argmax", "argmin")], 64.0)


@pytest.mark.parametrize("n", LENGTHS)
def test_softmax_and_cross_entropy(n: int) -> None:
    g = np.random.default_rng(n)
    x = numbers(g, np.float32, (11, n)) * np.float32(5)
    target = g.integers(0, n, (11,))
    a, t = given = inputs(x, target)

    def along(r: Node) -> Node:
        return view(r, (11, n), (1, 0))

    e = apply("exp", apply("sub", a, along(reduce("max", a, (1,)))))
    s = reduce("sum", e, (1,))
    hit = apply("eq", iota((11, n), 1), along(t))
    picked = reduce("sum", apply("where", hit, apply("log", apply("div", e, along(s))), const(0.0, np.float32)), (1,))
    check([x, target], given, [apply("div", e, along(s)), apply("neg", picked)], 32.0)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("n", LENGTHS)
def test_normalisation(n: int, axis: int) -> None:
    x = numbers(np.random.default_rng(n), np.float32, (n, 40) if axis == 0 else (40, n))
    (a,) = given = inputs(x)

    def along(r: Node) -> Node:
        return view(r, x.shape, (0, 1) if axis == 0 else (1, 0))

    count = const(float(n), np.float32)
    mean = apply("div", reduce("sum", a, (axis,)), count)
    centred = apply("sub", a, along(mean))
    var = apply("div", reduce("sum", apply("square", centred), (axis,)), count)
    scale = apply("rsqrt", apply("add", var, const(1e-5, np.float32)))
    check([x], given, [apply("mul", centred, along(scale)), mean, var], 512.0)


@pytest.mark.parametrize("shape", [(1 << 20,), (3, 300_000), (300_000, 3)], ids=str)
def test_long_sums_are_exact_to_rounding(shape: Any) -> None:
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    axis = int(np.argmax(shape))
    given = inputs(x)
    (found,), _ = run_group([x], given, [reduce("sum", given[0], (axis,))])
    exact = np.sum(x, axis=axis, dtype=np.float64)
    assert np.max(np.abs(found - exact) / exact) < 4 * 2.0**-24


@pytest.mark.parametrize("shape", [(200_003,), (3, 70_001), (70_001, 3), (2, 90_001, 3)], ids=str)
def test_long_reductions_in_parts(shape: Any) -> None:
    """Several chunks, a last part that is shorter, an elementwise output beside, and arithmetic on the results."""
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    axis = int(np.argmax(shape))
    (a,) = given = inputs(x)
    squares = apply("square", a)
    total = reduce("sum", squares, (axis,))
    root, top = apply("sqrt", total), reduce("max", squares, (axis,))
    check([x], given, [root, top, squares], 512.0)
    module = Module(host())
    calls = emit(module, "group", [squares, total, root, top], [root, top, squares])
    assert max(c.kernel.chunks for c in calls) >= 4


def test_gather() -> None:
    g = np.random.default_rng(0)
    x, index = numbers(g, np.float32, (50,)), g.integers(0, 50, (3, 19))
    given = inputs(x, index)
    check([x, index], given, [apply("exp", gather(*given))])
    index[2, 5] = 50
    _, errors = run_group([x, index], given, [gather(*given)])
    assert errors.tolist() == [1, 50, 50]
    index[2, 5] = -1
    _, errors = run_group([x, index], given, [gather(*given)])
    assert errors.tolist() == [1, -1, 50]


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)], ids=str)
def test_nothing(shape: Any) -> None:
    x = np.zeros(shape, np.float32)
    given = inputs(x)
    check([x], given, [apply("exp", given[0])])


def test_what_does_not_fit() -> None:
    a, b = inputs(np.zeros((4, 6), np.float32), np.zeros((6, 4), np.float32))
    rows, columns = reduce("sum", a, (1,)), reduce("sum", b, (1,))
    assert fits([rows], [rows])
    assert not fits([rows, columns], [rows, columns])
