"""Copies, conversions, writes and views that change nothing: what moves values about without mathematics."""

from __future__ import annotations

from .row import Row, array, cplx, ints, positive, real


def _written(T, x, y):
    z = x * 2 + y * 0  # vmap writes a batch only into what has a batch axis
    z.copy_(y)
    return z * x


def _written_part(T, x, y):
    z = x * 3 + y * 0
    z[1:].copy_(y)
    return z * x


def _filled(T, x, s):
    z = x * 2 + s * 0
    z.fill_(s)
    return z * x


def _filled_view(T, x, s):
    z = x * 2 + s * 0
    z[0].fill_(s)
    return z * x


def _zeroed(T, x):
    z = x * 2
    z[1].zero_()
    return z * x


ROWS = [
    Row("clone", lambda T, x: x.clone() * x, (real(2, 3),), op="clone"),
    Row("clone transposed", lambda T, x: x.t().clone() * 2, (real(2, 3),), op="clone"),
    Row("clone expanded", lambda T, x: x.expand(4, 3).clone() * 2, (real(3),), op="clone"),
    Row("contiguous", lambda T, x: x.t().contiguous() * 2, (real(2, 3),), op="clone"),
    Row("to float64", lambda T, x: (x.to(T.float64) * x).to(x.dtype), (real(2, 3),), op="cast", special=((real(),), (real(0, 2),))),
    Row("to float32", lambda T, x: (x * x).to(T.float32), (real(3),), op="cast", numeric=False, dtypes=("float32",)),
    Row("to complex", lambda T, x: T.view_as_real(x.to(T.complex128) * x).to(x.dtype), (real(3),), op="cast"),
    Row("to integer and back", lambda T, x: x.to(T.int64).to(x.dtype) * x, (real(3),), op="cast", numeric=False),
    Row("double", lambda T, x: (x.double() * x).to(x.dtype), (real(3),), op="cast"),
    Row("type_as", lambda T, x, y: x.type_as(y) * y, (real(3), real(3)), op="cast"),
    Row("bool", lambda T, x: x.bool(), (array([0.0, -0.0, 2.0, float("nan")]),), op="cast", differentiable=False),
    Row("detach", lambda T, x: x.detach() * x, (real(2, 3),), op="detach", numeric=False, special=((real(),),)),
    Row("data", lambda T, x: x.data * x, (real(2, 3),), op="detach", numeric=False, vmap=False),
    Row("zeros_like", lambda T, x: T.zeros_like(x) + x, (real(2, 3),), op="full_like"),
    Row("ones_like", lambda T, x: T.ones_like(x) * x, (real(2, 3),), op="full_like", special=((real(),), (real(0),), (cplx(2),))),
    Row("full_like", lambda T, x: T.full_like(x, 2.5) * x, (real(2, 3),), op="full_like"),
    Row("new_ones", lambda T, x: x.new_ones(3) * x, (real(3),), op="full_like"),
    Row("as_tensor", lambda T, x: (T.as_tensor(x, dtype=T.float64) * 2).to(x.dtype), (real(3),), op="cast"),
    Row("copy_", _written, (real(3), real(3)), op="write CopyBackwards"),
    Row("copy_ broadcast", _written, (real(2, 3), real(3)), op="write CopyBackwards"),
    Row("copy_ of a view", _written_part, (real(3, 2), real(2)), op="write CopyBackwards"),
    Row("fill_", _filled, (real(3), real()), op="write FillBackward3"),
    Row("fill_ of a view", _filled_view, (real(3, 2), real()), op="write FillBackward3"),
    Row("zero_ of a view", _zeroed, (real(3, 2),), op="write CopyBackwards"),
    Row("as_subclass", lambda T, x: x.as_subclass(T.Tensor) * x, (real(2, 3),), op="alias", vmap=False),
    Row("to meta", lambda T, x: T.ones(x.to("meta").shape), (real(2, 3),), op="to_meta", differentiable=False, vmap=False),
    Row("bernoulli", lambda T, x: T.bernoulli(x), (array([0.0, 1.0, 1.0]),), op="draw", differentiable=False, vmap=False),
    Row("multinomial", lambda T, x: T.multinomial(x, 1), (array([0.0, 1.0, 0.0]),), op="draw", differentiable=False, vmap=False),
    Row("rand_like", lambda T, x: T.rand_like(x) < 1, (real(2, 3),), op="sample_like", differentiable=False, vmap=False),
    Row("vander", lambda T, x: T.vander(x, 4), (positive(3),), op="vander", differentiable=False),
    Row("vander increasing", lambda T, x: T.vander(x, 3, increasing=True), (real(4),), op="vander", differentiable=False),
    Row("vander of integers", lambda T, x: T.vander(x), (ints(3),), op="vander", differentiable=False),
]  # fmt: skip
