"""Activation functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .row import Row, array, positive, real

NAN, INF = float("nan"), float("inf")
POINTS = array([-INF, -4.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 7.0, INF, NAN])
FINITE = array([-30.0, -3.0, -0.5, 0.0, 0.5, 3.0, 25.0, NAN])


def row(name: str, op: str | tuple[str, ...] = "", fn: Callable[..., Any] | None = None, points: Any = POINTS, **kw: Any) -> Row:
    def call(T: Any, x: Any) -> Any:
        return fn(T.nn.functional, x) if fn else getattr(T.nn.functional, name.split()[0])(x)

    return Row(name, call, (real(3, 4, lo=-4, hi=4),), op=op, special=((points,), (array(0.7),)), **kw)


def drawn_slopes(T: Any, x: Any) -> Any:
    T.manual_seed(7)
    return T.nn.functional.rrelu(x, training=True)


ROWS = [
    row("relu"),
    Row("relu torch", lambda T, x: (T.relu(x), x.relu()), (real(3),), op=("relu", "tie", "copy_gradient")),
    row("relu6", "hardtanh"),
    row("hardtanh"),
    row("hardtanh bounds", "hardtanh", lambda F, x: F.hardtanh(x, -0.5, 2.5)),
    row("leaky_relu"),
    row("leaky_relu slope", "leaky_relu", lambda F, x: F.leaky_relu(x, -0.3)),
    row("elu"),
    row("elu alpha", "elu", lambda F, x: F.elu(x, 0.7)),
    row("selu", "elu"),
    row("celu"),
    row("celu alpha", "celu", lambda F, x: F.celu(x, 2.5)),
    row("gelu", ("gelu", "gelu_slope"), points=FINITE),
    row("gelu tanh", "gelu", lambda F, x: F.gelu(x, approximate="tanh"), points=FINITE),
    row("silu", ("silu", "silu_slope"), points=FINITE),
    row("mish", points=FINITE),
    row("softplus"),
    row("softplus beta", "softplus", lambda F, x: F.softplus(x, 2.0, 5.0), points=FINITE),
    row("softsign", "div", points=FINITE),
    row("softshrink"),
    row("hardshrink", op="hardshrink"),
    row("hardshrink bound", "hardshrink", lambda F, x: F.hardshrink(x, 1.2345)),
    # PyTorch multiplies by a sixth in float32 in float64 too.
    row("hardsigmoid", rtol=1e-7, second=False),
    row("hardswish"),
    row("tanhshrink", "tanh"),
    row("threshold", fn=lambda F, x: F.threshold(x, 0.4, -7.0)),
    row("logsigmoid", "log_sigmoid"),
    row("rrelu", "rrelu", lambda F, x: F.rrelu(x)),
    Row("rrelu training", drawn_slopes, (real(3, 4), ), op=("rrelu_with_noise", "rrelu_slopes"), vmap=False, differentiable=False),
    Row("silu complex", lambda T, z: T.nn.functional.silu(z), (array([1 + 2j, -0.5j]),), op="silu", differentiable=False),
    Row("prelu", lambda T, x, w: T.nn.functional.prelu(x, w), (real(2, 3, 2), positive(3)),
        special=((array([[0.0], [-1.0]]), array([0.5])), (array(-2.0), array([0.5])))),
    Row("prelu one", lambda T, x, w: T.prelu(x, w), (real(2, 3), positive(1)), op="prelu"),
    Row("glu", lambda T, x: T.nn.functional.glu(x), (real(3, 4),), special=((real(2, 0),),)),
    Row("glu dim", lambda T, x: T.nn.functional.glu(x, 0), (real(4, 3),), op="glu"),
]  # fmt: skip
