"""Eager mode on large arrays: single operations and their backward, chainrule against PyTorch with two threads each.

    python benchmarks/eager_large.py [--seconds 3] [--only TEXT] [--json FILE] [--check]

Every operation runs on 100,000 and on 4 million float32 elements.  A backward row runs the operation forward too, and sends a
cotangent of its own through it, so it is what a training step does; the rows without gradient show the operation alone.  Between
turns both sides' threads are given time to fall asleep, so a row takes five seconds at least.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "2")

from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import timing  # noqa: E402
import torch  # noqa: E402

import chainrule  # noqa: E402

Task = Callable[[Any], Callable[[], Any]]
TASKS: dict[str, tuple[Task, float | None]] = {}
SIZES = {"100k": (100, 1000), "4M": (4000, 1000)}


def data(T: Any, *shape: int, seed: int = 0, positive: bool = False) -> Any:
    """The same float32 numbers for both."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return T.from_numpy(np.abs(values) + np.float32(0.1) if positive else values)


def _layer_norm(T: Any, x: Any, weight: Any, bias: Any) -> Any:
    return T.nn.functional.layer_norm(x, (1000,), weight, bias)


# The operation, and the shapes of what else it takes (None: the shape of its first argument).
OPERATIONS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...] | None, ...]]] = {
    "exp": (lambda T, x: T.exp(x), ()),
    "log": (lambda T, x: T.log(x), ()),
    "tanh": (lambda T, x: T.tanh(x), ()),
    "sigmoid": (lambda T, x: T.sigmoid(x), ()),
    "sin": (lambda T, x: T.sin(x), ()),
    "gelu": (lambda T, x: T.nn.functional.gelu(x), ()),
    "softmax": (lambda T, x: T.softmax(x, -1), ()),
    "layer_norm": (_layer_norm, ((1000,), (1000,))),
    "sum": (lambda T, x: T.sum(x), ()),
    "add": (lambda T, x, y: x + y, (None,)),
}


def forward(name: str, shape: tuple[int, ...]) -> Task:
    """The operation without gradient."""
    function, more = OPERATIONS[name]

    def make(T: Any) -> Callable[[], Any]:
        args = [data(T, *(s or shape), seed=k, positive=name == "log") for k, s in enumerate((shape, *more))]
        return lambda: function(T, *args)

    return make


def backward(name: str, shape: tuple[int, ...]) -> Task:
    """The operation, and its backward pass from a given cotangent."""
    function, more = OPERATIONS[name]

    def make(T: Any) -> Callable[[], Any]:
        args = [data(T, *(s or shape), seed=k, positive=name == "log").requires_grad_() for k, s in enumerate((shape, *more))]
        cotangent = T.tensor(1.5) if name == "sum" else data(T, *shape, seed=9)

        def run() -> Any:
            for a in args:
                a.grad = None
            function(T, *args).backward(cotangent)
            return tuple(a.grad for a in args)

        return run

    return make


for _size, _shape in SIZES.items():
    for _operation in OPERATIONS:
        TASKS[f"{_operation}, {_size}"] = (forward(_operation, _shape), 1)
        TASKS[f"{_operation} backward, {_size}"] = (backward(_operation, _shape), 1)


def task(name: str) -> Callable[[Task], Task]:
    """Register ``make(T)``, which prepares the task and returns the function to time."""

    def add(make: Task) -> Task:
        TASKS[name] = (make, 1)
        return make

    return add


@task("cross entropy, 4096 × 1000 classes, forward and backward")
def cross_entropy(T: Any) -> Callable[[], Any]:
    x = data(T, 4096, 1000).requires_grad_()
    labels = T.from_numpy(np.random.default_rng(1).integers(0, 1000, 4096))

    def run() -> Any:
        x.grad = None
        loss = T.nn.functional.cross_entropy(x, labels)
        loss.backward()
        return loss, x.grad

    return run


def adam(count: int, width: int) -> Task:
    def make(T: Any) -> Callable[[], Any]:
        weights = [data(T, width, width, seed=k).requires_grad_() for k in range(count)]
        for k, w in enumerate(weights):
            w.grad = data(T, width, width, seed=50 + k)
        optimizer = T.optim.Adam(weights, lr=1e-6)

        def run() -> Any:
            optimizer.step()
            return weights[0].detach()

        return run

    return make


TASKS["an Adam step, 4 × 256 × 256"] = (adam(4, 256), 1)
TASKS["an Adam step, 4 × 1024 × 1024"] = (adam(4, 1024), 1)


@task("conv2d 3 × 3, 32 × 16 × 28 × 28 to 32 channels, forward and backward")
def conv2d(T: Any) -> Callable[[], Any]:
    x = data(T, 32, 16, 28, 28).requires_grad_()
    weight, bias = data(T, 32, 16, 3, 3, seed=1).requires_grad_(), data(T, 32, seed=2).requires_grad_()
    cotangent = data(T, 32, 32, 28, 28, seed=3)

    def run() -> Any:
        x.grad = weight.grad = bias.grad = None
        T.nn.functional.conv2d(x, weight, bias, padding=1).backward(cotangent)
        return x.grad, weight.grad, bias.grad

    return run


def agree(name: str, first: Any, second: Any) -> None:
    """Two tasks that compute something else are not compared."""
    for a, b in zip(*[[t.detach().numpy() for t in (r if isinstance(r, tuple) else (r,))] for r in (first, second)]):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4 * max(1.0, float(np.abs(b).max()) / 100), err_msg=name)


def main() -> None:
    options = timing.arguments(__doc__)
    torch.set_num_threads(2)
    chainrule.set_num_threads(2)
    rows = timing.against_torch(TASKS, chainrule, torch, agree, options, timing.SETTLE)
    title = f"Eager mode on large arrays, two threads. {timing.versions('chainrule', 'torch', 'numpy')}"
    timing.report(title, rows, options)


if __name__ == "__main__":
    main()
