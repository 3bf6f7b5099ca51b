"""Sixteen bodies that attract each other, a thousand steps of the leapfrog, and the gradient of the energy at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import Step, Work, function, normal

BODIES, TIMES, DT, SOFTENING = 16, 1000, 1e-3, 0.1


def start() -> tuple[Any, Any, Any]:
    """Positions, velocities, masses."""
    return normal(BODIES, 3), normal(BODIES, 3, seed=1), np.random.default_rng(2).uniform(0.5, 1.5, BODIES).astype(np.float32)


def gravity(T: Any) -> Work:
    x, v, m = [T.from_numpy(a) for a in start()]

    def pull(x: Any) -> Any:
        d = x - x[:, None]
        inverse = ((d * d).sum(-1) + SOFTENING**2).rsqrt()
        return ((m * inverse**3)[:, :, None] * d).sum(1)

    def energy(x: Any, v: Any) -> Any:
        d = x - x[:, None]
        inverse = ((d * d).sum(-1) + SOFTENING**2).rsqrt()
        return (m[:, None] * v * v).sum() / 2 - (m * m[:, None] * inverse).sum() / 2

    def at_the_end(x: Any, v: Any) -> Any:
        a = pull(x)
        for _ in range(TIMES):
            v = v + DT / 2 * a
            x = x + DT * v
            a = pull(x)
            v = v + DT / 2 * a
        return energy(x, v)

    return function(T.func.grad(at_the_end, argnums=(0, 1)), x, v)


def gravity_in_jax(_: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    x, v, m = [jnp.asarray(a) for a in start()]

    def pull(x: Any) -> Any:
        d = x - x[:, None]
        inverse = jax.lax.rsqrt((d * d).sum(-1) + SOFTENING**2)
        return ((m * inverse**3)[:, :, None] * d).sum(1)

    def energy(x: Any, v: Any) -> Any:
        d = x - x[:, None]
        inverse = jax.lax.rsqrt((d * d).sum(-1) + SOFTENING**2)
        return (m[:, None] * v * v).sum() / 2 - (m * m[:, None] * inverse).sum() / 2

    def step(state: Any, _: Any) -> Any:
        x, v, a = state
        v = v + DT / 2 * a
        x = x + DT * v
        a = pull(x)
        return (x, v + DT / 2 * a, a), None

    def at_the_end(x: Any, v: Any) -> Any:
        (x, v, _), _ = jax.lax.scan(step, (x, v, pull(x)), None, length=TIMES)
        return energy(x, v)

    gradient = jax.jit(jax.grad(at_the_end, argnums=(0, 1)))
    return lambda: gradient(x, v)


NAME = f"{TIMES:,}-step ODE (leapfrog, {BODIES} bodies), gradient of the final energy"
STEPS = [Step(NAME, gravity, gravity_in_jax, {"torch": 20, "jax.jit": 1})]
