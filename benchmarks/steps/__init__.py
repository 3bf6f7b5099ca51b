"""The workloads of ``compiled.py``: the same computation for chainrule, PyTorch and JAX, from the same numbers.

A workload's ``make(T)`` prepares it for a module ``T`` with PyTorch's names; ``jax(weights, *arrays)`` is what a user of JAX would write
for it.  Neither PyTorch nor JAX is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

MODULES = ("elementwise", "perceptron", "lenet", "gpt", "lstm", "gravity")


@dataclass
class Work:
    """A function and its arguments; a training step also has its parts, and the weights that it began with."""

    call: Callable[..., Any]
    args: tuple[Any, ...]
    weights: dict[str, Any]
    forward: Callable[..., Any] | None = None
    optimizer: Any = None


@dataclass(frozen=True)
class Step:
    """A row of the table; targets are how many times longer a peer has to take."""

    name: str
    make: Callable[[Any], Work]
    jax: Callable[..., Callable[[], Any]]
    targets: dict[str, float]


def function(call: Callable[..., Any], *args: Any) -> Work:
    return Work(call, args, {})


def training(T: Any, model: Any, optimizer: Any, loss_of: Callable[[Any, Any], Any], *args: Any) -> Work:
    """One step: forward, backward, optimizer, gradients cleared; gives the loss."""

    def forward(x: Any, y: Any) -> Any:
        return loss_of(model(x), y)

    def step(x: Any, y: Any) -> Any:
        loss = forward(x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    weights = {name: np.array(p.detach().numpy()) for name, p in model.named_parameters()}
    return Work(step, args, weights, forward, optimizer)


def normal(*shape: int, seed: int = 0) -> Any:
    """The same float32 numbers for all."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def labels(classes: int, *shape: int, seed: int = 9) -> Any:
    return np.random.default_rng(seed).integers(0, classes, shape)


def all_steps(text: str = "") -> list[Step]:
    """The workloads whose names hold ``text``."""
    found = [step for name in MODULES for step in import_module(f"steps.{name}").STEPS]
    return [step for step in found if text in step.name]
