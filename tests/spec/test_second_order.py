"""Second derivatives of every spec row: the four nestings of forward and reverse agree with what PyTorch gave.

Each computes the Hessian H of the row's scalar times a tangent t (forward over forward: the number sᵀ H t).
"""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as T

from .harness import check, directions, dot, numpy_of, record_of, scalar, second, selected, tensors

ROWS = selected(lambda row: row.differentiable and row.second and bool(row.wrt(row.arrays(row.dtypes[0]))))


class Problem:
    """One row's scalar, point, tangent and recorded Hessian-vector product."""

    def __init__(self, family, row, dtype):
        self.row, self.dtype = row, dtype
        self.arrays = row.arrays(dtype)
        self.where = row.wrt(self.arrays)
        self.want = record_of(family).get(row, dtype, "", "second", self.arrays)
        if self.want is None:
            pytest.skip("PyTorch has no gradient here either")
        self.along = directions(row, self.arrays, self.where)
        self.f = scalar(row, T, self.arrays, self.where)
        self.x = tuple(tensors(T, [self.arrays[i] for i in self.where]))
        self.t = tuple(tensors(T, self.along))
        self.argnums = tuple(range(len(self.x)))

    def check(self, got):
        for i, g, w in zip(self.where, got, self.want, strict=True):
            check(g, w, self.row, self.dtype, 2, f"{self.row.name}: second derivative of input {i}")


@pytest.fixture
def problem(request):
    return Problem(*request.param)


def every(function):
    """Run on every row."""
    return pytest.mark.parametrize("problem", [pytest.param(p.values, id=p.id) for p in ROWS], indirect=True)(function)


@every
def test_reverse_over_reverse_on_one_tape(problem):
    p = problem
    found = second(p.row, T, p.arrays, p.where, p.along)
    p.check([np.zeros_like(t) for t in p.along] if found is None else found)


@every
def test_reverse_over_reverse_in_levels(problem):
    p = problem

    def inner(*xs):
        gs = T.func.grad(p.f, argnums=p.argnums)(*xs)
        return sum((g * t.conj()).real.sum() if t.dtype.is_complex else (g * t).sum() for g, t in zip(gs, p.t))

    p.check(T.func.grad(inner, argnums=p.argnums)(*p.x))


@every
def test_forward_over_reverse(problem):
    p = problem
    p.check(T.func.jvp(T.func.grad(p.f, argnums=p.argnums), p.x, p.t)[1])


@every
def test_reverse_over_forward(problem):
    p = problem
    p.check(T.func.grad(lambda *xs: T.func.jvp(p.f, xs, p.t)[1], argnums=p.argnums)(*p.x))


@every
def test_forward_over_forward(problem):
    p = problem
    others = directions(p.row, p.arrays, p.where, "second tangent")
    s = tuple(tensors(T, others))
    got = T.func.jvp(lambda *xs: T.func.jvp(p.f, xs, s)[1], p.x, p.t)[1]
    want = np.asarray(dot(others, p.want), p.dtype)
    check(np.asarray(numpy_of(got)), want, p.row, p.dtype, 2, f"{p.row.name}: sᵀ H t")
