"""What the JAX versions of training steps have in common: the jitted step with donated state, optimizers, layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

Update = Callable[[Any, Any, Any], tuple[Any, Any]]  # (parameters, gradients, state) to (parameters, state)

Optimizer = tuple[Callable[[Any], Any], Update]  # what makes the state, and the update


def trained(loss: Callable[..., Any], optimizer: Optimizer, weights: Any, *arrays: Any) -> Callable[[], Any]:
    """A function that makes one step at every call, and gives its loss."""
    start, update = optimizer

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, *args: Any) -> Any:
        parameters, state = carry
        value, gradients = jax.value_and_grad(loss)(parameters, *args)
        return update(parameters, gradients, state), value

    parameters = jax.tree.map(jnp.array, weights)
    carry = (parameters, start(parameters))
    args = [jnp.asarray(a) for a in arrays]

    def run() -> Any:
        nonlocal carry
        carry, value = step(carry, *args)
        return value

    return run


def sgd(lr: float, momentum: float = 0.0) -> Optimizer:
    def plain(parameters: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
        return jax.tree.map(lambda p, g: p - lr * g, parameters, gradients), state

    def heavy(parameters: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
        state = jax.tree.map(lambda m, g: momentum * m + g, state, gradients)
        return jax.tree.map(lambda p, m: p - lr * m, parameters, state), state

    return (partial(jax.tree.map, jnp.zeros_like), heavy) if momentum else (lambda _: (), plain)


def adam(lr: float, decay: float = 0.0) -> Optimizer:
    """Adam, or with ``decay`` AdamW, with PyTorch's other defaults."""
    a, b, eps = 0.9, 0.999, 1e-8

    def start(parameters: Any) -> Any:
        zeros = partial(jax.tree.map, jnp.zeros_like)
        return jnp.zeros((), jnp.int32), zeros(parameters), zeros(parameters)

    def update(parameters: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
        count, first, second = state
        count = count + 1
        first = jax.tree.map(lambda m, g: a * m + (1 - a) * g, first, gradients)
        second = jax.tree.map(lambda v, g: b * v + (1 - b) * g * g, second, gradients)
        rate, scale = lr / (1 - a**count), jax.lax.rsqrt(1 - b**count)
        new = jax.tree.map(lambda p, m, v: p * (1 - lr * decay) - rate * m / (jnp.sqrt(v) * scale + eps), parameters, first, second)
        return new, (count, first, second)

    return start, update


def linear(parameters: Any, name: str, x: Any) -> Any:
    return x @ parameters[name + ".weight"].T + parameters[name + ".bias"]


def layer_norm(parameters: Any, name: str, x: Any) -> Any:
    x = x - x.mean(-1, keepdims=True)
    x = x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5)
    return x * parameters[name + ".weight"] + parameters[name + ".bias"]


def cross_entropy(logits: Any, labels: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()
