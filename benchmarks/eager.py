"""Eager mode: forward and backward of small programs, chainrule against PyTorch with one thread.

    python benchmarks/eager.py [--seconds 3] [--only TEXT] [--json FILE] [--check]

Every task is one function of a torch-like module.  Before a task is timed, both must give the same numbers.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import timing  # noqa: E402
import torch  # noqa: E402

import chainrule  # noqa: E402

Task = Callable[[Any], Callable[[], Any]]
TASKS: dict[str, tuple[Task, float | None]] = {}


def task(name: str, target: float | None = None) -> Callable[[Task], Task]:
    """Register ``make(T)``, which prepares the task and returns the function to time."""

    def add(make: Task) -> Task:
        TASKS[name] = (make, target)
        return make

    return add


def data(T: Any, *shape: int, seed: int = 0, grad: bool = False) -> Any:
    """The same float32 numbers for both."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return T.tensor(values).requires_grad_(grad)


@task("sin(x²), forward and backward", 4)
def sine_of_square(T: Any) -> Callable[[], Any]:
    x = T.tensor(1.3, requires_grad=True)

    def run() -> Any:
        x.grad = None
        y = T.sin(x**2)
        y.backward()
        return x.grad

    return run


@task("a neuron with hand-written BCE, forward and backward", 4)
def neuron(T: Any) -> Callable[[], Any]:
    x, y = T.tensor(6.7), T.tensor(0.0)
    w, b = T.tensor(1.0, requires_grad=True), T.tensor(0.0, requires_grad=True)

    def binary_cross_entropy(prediction: Any, target: Any) -> Any:
        epsilon = 1e-8
        prediction = T.clamp(prediction, epsilon, 1 - epsilon)
        return -(target * T.log(prediction) + (1 - target) * T.log(1 - prediction))

    def run() -> Any:
        w.grad = b.grad = None
        z = w * x + b
        loss = binary_cross_entropy(T.sigmoid(z), y)
        loss.backward()
        return loss, w.grad, b.grad

    return run


def training(T: Any, model: Any, optimizer: Any, loss_of: Callable[..., Any], x: Any, y: Any) -> Callable[[], Any]:
    """One training step."""

    def run() -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return run


@task("Linear(3, 2) + MSE + SGD step on 10 rows", 3)
def linear_regression(T: Any) -> Callable[[], Any]:
    T.manual_seed(0)
    model = T.nn.Linear(3, 2)
    sgd = T.optim.SGD(model.parameters(), lr=1e-3)
    return training(T, model, sgd, T.nn.functional.mse_loss, data(T, 10, 3), data(T, 10, 2, seed=1))


@task("1,000-step scalar recurrence, forward and backward", 3)
def recurrence(T: Any) -> Callable[[], Any]:
    start = T.tensor(0.7, requires_grad=True)

    def run() -> Any:
        start.grad = None
        x = start
        for _ in range(1000):
            x = x * 0.999 + T.sin(x) * 0.001
        x.backward()
        return start.grad

    return run


@task("a polynomial of one number, forward and backward")
def polynomial(T: Any) -> Callable[[], Any]:
    x = T.tensor(2.0, requires_grad=True)

    def run() -> Any:
        x.grad = None
        y = x**4 + 2 * x**3 + 3 * x**2 + 4 * x + 5
        y.backward()
        return x.grad

    return run


@task("add two numbers without recording")
def add_numbers(T: Any) -> Callable[[], Any]:
    a, b = T.tensor(1.5), T.tensor(2.5)
    return lambda: a + b


def chain(n: int) -> Task:
    def make(T: Any) -> Callable[[], Any]:
        x = data(T, n, grad=True)

        def run() -> Any:
            x.grad = None
            y = (T.tanh(x * 2 + 1) * T.exp(-x * x)).sum()
            y.backward()
            return x.grad

        return run

    return make


for _n in (10, 1_000, 100_000):
    task(f"tanh(2x + 1) · exp(−x²), summed, {_n:,} elements")(chain(_n))


def perceptron(rows: int, width: int, adam: bool) -> Task:
    def make(T: Any) -> Callable[[], Any]:
        T.manual_seed(0)
        model = T.nn.Sequential(
            T.nn.Linear(64, width), T.nn.ReLU(), T.nn.Linear(width, width), T.nn.ReLU(), T.nn.Linear(width, 10)
        )
        params = model.parameters()
        optimizer = T.optim.Adam(params, lr=1e-4) if adam else T.optim.SGD(params, lr=1e-4, momentum=0.9)
        labels = T.tensor(np.random.default_rng(1).integers(0, 10, rows))
        return training(T, model, optimizer, T.nn.functional.cross_entropy, data(T, rows, 64), labels)

    return make


task("MLP 64-32-32-10 + cross entropy + SGD step on 32 rows")(perceptron(32, 32, False))
task("MLP 64-256-256-10 + cross entropy + Adam step on 128 rows")(perceptron(128, 256, True))


def products(n: int) -> Task:
    def make(T: Any) -> Callable[[], Any]:
        a, b = data(T, n, n, grad=True), data(T, n, n, seed=1, grad=True)

        def run() -> Any:
            a.grad = b.grad = None
            (a @ b).sum().backward()
            return a.grad, b.grad

        return run

    return make


for _n in (8, 256):
    task(f"matrix product {_n}×{_n}, forward and backward")(products(_n))


@task("element by element: fill and sum 50 entries by index")
def indexing(T: Any) -> Callable[[], Any]:
    def run() -> Any:
        x = T.zeros(50)
        for k in range(50):
            x[k] = k * 0.5
        total = 0.0
        for k in range(50):
            total = total + x[k]
        return total

    return run


def numbers(result: Any) -> list[np.ndarray]:
    """What a task returned, as arrays."""
    return [np.array(t.detach().numpy()) for t in (result if isinstance(result, tuple) else (result,))]


def agree(name: str, first: Any, second: Any) -> None:
    """Two tasks that compute something else are not compared."""
    for a, b in zip(numbers(first), numbers(second)):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5, err_msg=name)


def main() -> None:
    options = timing.arguments(__doc__)
    torch.set_num_threads(1)
    rows = timing.against_torch(TASKS, chainrule, torch, agree, options)
    timing.report(f"Eager mode, one thread. {timing.versions('chainrule', 'torch', 'numpy')}", rows, options)


if __name__ == "__main__":
    main()
