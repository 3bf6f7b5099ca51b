"""A recurrent layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import Step, Work, normal, training

ROWS, TIMES, FEATURES, WIDTH = 32, 64, 64, 128


def lstm(T: Any) -> Work:
    T.manual_seed(0)
    model = T.nn.LSTM(FEATURES, WIDTH, batch_first=True)
    optimizer = T.optim.SGD(model.parameters(), lr=0.5)
    x, y = T.from_numpy(normal(ROWS, TIMES, FEATURES)), T.from_numpy(normal(ROWS, TIMES, WIDTH, seed=1))
    return training(T, model, optimizer, lambda out, y: T.nn.functional.mse_loss(out[0], y), x, y)


def lstm_in_jax(weights: Any) -> Callable[[], Any]:
    """The inputs' share of the gates is one matrix product for all times; what remains is scanned."""
    import jax
    import jax.numpy as jnp

    from .in_jax import sgd, trained

    def loss(p: Any, x: Any, y: Any) -> Any:
        given = jnp.swapaxes(x @ p["weight_ih_l0"].T + (p["bias_ih_l0"] + p["bias_hh_l0"]), 0, 1)
        matrix = p["weight_hh_l0"].T

        def cell(state: Any, inputs: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(inputs + h @ matrix, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((ROWS, WIDTH))
        _, out = jax.lax.scan(cell, (zeros, zeros), given)
        return ((jnp.swapaxes(out, 0, 1) - y) ** 2).mean()

    return trained(loss, sgd(0.5), weights, normal(ROWS, TIMES, FEATURES), normal(ROWS, TIMES, WIDTH, seed=1))


STEPS = [Step("LSTM 128, 64 steps, batch 32", lstm, lstm_in_jax, {"torch": 3, "jax.jit": 2})]
