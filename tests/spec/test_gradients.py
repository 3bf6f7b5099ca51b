"""First derivatives of every spec row: recorded ones, reverse against forward, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as T

from .harness import (
    call,
    cases,
    check,
    cotangents,
    directions,
    dot,
    is_differentiable,
    numpy_of,
    record_of,
    reverse,
    selected,
    tensors,
)

DIFFERENTIABLE = selected(lambda row: row.differentiable and bool(row.wrt(row.arrays(row.dtypes[0]))))


def compare(family, row, dtype, create_graph):
    for case, inputs in cases(row):
        arrays = row.arrays(dtype, inputs, case)
        want = record_of(family).get(row, dtype, case, "first", arrays)
        if want is None:
            continue
        _, got = reverse(row, T, arrays, row.wrt(arrays, inputs), create_graph)
        assert got is not None, f"{row.name}: no gradient, where PyTorch has one"
        for i, g, w in zip(row.wrt(arrays, inputs), got, want, strict=True):
            check(g, w, row, dtype, 1, f"{row.name}{' case ' + case if case else ''}: gradient of input {i}")


@pytest.mark.parametrize(("family", "row", "dtype"), DIFFERENTIABLE)
def test_reverse(family, row, dtype):
    """The walk over arrays."""
    compare(family, row, dtype, create_graph=False)


@pytest.mark.parametrize(("family", "row", "dtype"), DIFFERENTIABLE)
def test_reverse_recorded(family, row, dtype):
    """The same rules on tensors, as create_graph=True runs them."""
    compare(family, row, dtype, create_graph=True)


def forward(row, arrays, where, tangents):
    """Values and tangents of the differentiable outputs by forward mode."""
    rest = tensors(T, arrays)

    def f(*xs):
        args = list(rest)
        for i, x in zip(where, xs):
            args[i] = x
        return tuple(o for o in call(row, T, args) if is_differentiable(o))

    return T.func.jvp(f, tuple(rest[i] for i in where), tuple(tensors(T, tangents)))


@pytest.mark.parametrize(("family", "row", "dtype"), DIFFERENTIABLE)
def test_forward_against_reverse(family, row, dtype):
    """⟨J t, g⟩ = ⟨t, Jᵀ g⟩."""
    arrays = row.arrays(dtype)
    where = row.wrt(arrays)
    outs, pulled = reverse(row, T, arrays, where)
    if pulled is None:
        pytest.skip("PyTorch has no gradient here either")
    tangents = directions(row, arrays, where)
    values, pushed = forward(row, arrays, where, tangents)
    differentiable = [o for o in outs if is_differentiable(o)]
    for k, (o, v, p) in enumerate(zip(differentiable, values, pushed, strict=True)):
        check(v, numpy_of(o), row, dtype, 0, f"{row.name}: value {k} in forward mode")
        assert (p.shape, p.dtype) == (o.shape, o.dtype)
    cts = [numpy_of(c) for c in cotangents(row, T, outs) if c is not None]
    left = dot([numpy_of(p) for p in pushed], cts)
    right = dot(tangents, [numpy_of(g) for g in pulled])
    check(np.asarray(left, dtype), np.asarray(right, dtype), row, dtype, 1, f"{row.name}: ⟨Jt, g⟩ and ⟨t, Jᵀg⟩")


NUMERIC = selected(lambda row: row.differentiable and row.numeric and bool(row.wrt(row.arrays(row.dtypes[0]))), ["float64"])


@pytest.mark.parametrize(("family", "row", "dtype"), NUMERIC)
def test_finite_differences(family, row, dtype):
    """(f(x + h t) − f(x − h t)) / 2h against J t, by Richardson's extrapolation."""
    arrays = row.arrays(dtype)
    where = row.wrt(arrays)
    if reverse(row, T, arrays, where)[1] is None:
        pytest.skip("PyTorch has no gradient here either")
    tangents = directions(row, arrays, where)
    _, pushed = forward(row, arrays, where, tangents)

    def at(h):
        moved = list(arrays)
        for i, t in zip(where, tangents):
            moved[i] = arrays[i] + h * t
        return [numpy_of(o) for o in call(row, T, tensors(T, moved)) if is_differentiable(o)]

    def slope(h):
        return [(a - b) / (2 * h) for a, b in zip(at(h), at(-h))]

    h = 1e-4
    for k, (p, coarse, fine) in enumerate(zip(pushed, slope(h), slope(h / 2), strict=True)):
        if numpy_of(p).dtype not in (np.float64, np.complex128):
            continue
        want = (4 * fine - coarse) / 3
        scale = max(1.0, float(np.abs(want).max(initial=0.0)))
        np.testing.assert_allclose(numpy_of(p), want, rtol=1e-6, atol=1e-7 * scale, err_msg=f"{row.name}: tangent of output {k}")
