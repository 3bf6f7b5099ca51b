"""A scalar function, and a chain of elementwise operations on an array that is larger than the caches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import Step, Work, function, normal


def sine(T: Any) -> Work:
    return function(T.func.grad_and_value(lambda x: T.sin(x * x)), T.tensor(1.3))


def sine_in_jax(_: Any) -> Callable[[], Any]:
    import jax

    f = jax.jit(jax.value_and_grad(lambda x: jax.numpy.sin(x * x)))
    x = jax.numpy.asarray(np.float32(1.3))
    return lambda: f(x)[::-1]


def chain(T: Any) -> Work:
    def f(x: Any) -> Any:
        y = T.tanh(T.sin(x) * 2 + T.exp(-x * x)) * x
        return (T.sigmoid(y) + y * y).sum()

    return function(T.func.grad(f), T.from_numpy(normal(4_000_000)))


def chain_in_jax(_: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    def f(x: Any) -> Any:
        y = jnp.tanh(jnp.sin(x) * 2 + jnp.exp(-x * x)) * x
        return (jax.nn.sigmoid(y) + y * y).sum()

    gradient = jax.jit(jax.grad(f))
    x = jnp.asarray(normal(4_000_000))
    return lambda: gradient(x)


STEPS = [
    Step("sin(x²), value and gradient", sine, sine_in_jax, {"torch": 30, "jax.jit": 5}),
    Step("ten-operation elementwise chain on 4M elements, forward and backward", chain, chain_in_jax, {"torch": 2, "jax.jit": 1}),
]
