"""Compiled training steps: chainrule compiled and eager, PyTorch eager, and JAX where a row has it, in turns in one process.

    pip install ".[parity]" jax jaxlib
    python benchmarks/compiled.py

All may use two threads.  Ratios are over chainrule compiled; results are compared before anything is timed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
import timing

import chainrule

Task = Callable[[Any], tuple[Callable[..., Any], tuple[Any, ...]]]
TASKS: dict[str, tuple[Task, Callable[[], Callable[[], Any]] | None, float]] = {}


def task(name: str, target: float, jax: Callable[[], Callable[[], Any]] | None = None) -> Callable[[Task], Task]:
    """Register ``make(T)``, which gives a function and its arguments; ``jax()`` gives the same for JAX, ready to call."""

    def add(make: Task) -> Task:
        TASKS[name] = (make, jax, target)
        return make

    return add


def data(T: Any, *shape: int, seed: int = 0) -> Any:
    """The same float32 numbers for all."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return values if T is None else T.from_numpy(values)


def labels(T: Any, classes: int, *shape: int) -> Any:
    return T.from_numpy(np.random.default_rng(9).integers(0, classes, shape))


def training(T: Any, model: Any, optimizer: Any, loss_of: Callable[..., Any]) -> Callable[..., Any]:
    """One step: forward, backward, optimizer, gradients cleared."""

    def step(x: Any, y: Any) -> Any:
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step


# -- tasks -------------------------------------------------------------------------------------------------------------------


def _jax_sine() -> Callable[[], Any]:
    import jax

    f = jax.jit(jax.value_and_grad(lambda x: jax.numpy.sin(x * x)))
    x = jax.numpy.float32(1.3)
    return lambda: jax.block_until_ready(f(x))


@task("sin(x²), value and gradient", 30, _jax_sine)
def sine(T: Any) -> Any:
    return T.func.grad_and_value(lambda x: T.sin(x * x)), (T.tensor(1.3),)


def _jax_linear() -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    x, y = jnp.asarray(data(None, 10, 3)), jnp.asarray(data(None, 10, 2, seed=1))

    def step(p: Any) -> Any:
        loss, g = jax.value_and_grad(lambda q: ((x @ q[0].T + q[1] - y) ** 2).mean())(p)
        return [a - 1e-3 * b for a, b in zip(p, g, strict=True)], loss

    f = jax.jit(step)
    state = [[jnp.zeros((2, 3)), jnp.zeros(2)]]

    def run() -> Any:
        state[0], loss = f(state[0])
        return jax.block_until_ready(loss)

    return run


@task("Linear(3, 2) + MSE + SGD, 10 rows", 100, _jax_linear)
def linear(T: Any) -> Any:
    T.manual_seed(0)
    model = T.nn.Linear(3, 2)
    step = training(T, model, T.optim.SGD(model.parameters(), lr=1e-3), T.nn.functional.mse_loss)
    return step, (data(T, 10, 3), data(T, 10, 2, seed=1))


def perceptron(T: Any, sizes: tuple[int, ...], optimizer: Callable[[Any], Any], rows: int) -> Any:
    T.manual_seed(0)
    layers: list[Any] = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [T.nn.Linear(a, b), T.nn.ReLU()]
    model = T.nn.Sequential(*layers[:-1])
    return training(T, model, optimizer(model.parameters()), T.nn.functional.cross_entropy), (
        data(T, rows, sizes[0]), labels(T, sizes[-1], rows),
    )  # fmt: skip


@task("MLP 784-128-10, batch 64, Adam", 3)
def small_perceptron(T: Any) -> Any:
    return perceptron(T, (784, 128, 10), lambda p: T.optim.Adam(p, lr=1e-4), 64)


@task("MLP 784-1024-1024-10, batch 256, SGD momentum", 1.2)
def large_perceptron(T: Any) -> Any:
    return perceptron(T, (784, 1024, 1024, 10), lambda p: T.optim.SGD(p, lr=1e-3, momentum=0.9), 256)


@task("LeNet-style CNN, 28×28, batch 64, Adam", 1.5)
def lenet(T: Any) -> Any:
    T.manual_seed(0)
    nn = T.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    step = training(T, model, T.optim.Adam(model.parameters(), lr=1e-4), nn.functional.cross_entropy)
    return step, (data(T, 64, 1, 28, 28), labels(T, 10, 64))


@task("character GPT: 4 layers, 4 heads, 128 wide, block 64, batch 12, AdamW", 2)
def gpt(T: Any) -> Any:
    T.manual_seed(0)
    nn, F = T.nn, T.nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm(128), nn.LayerNorm(128)
            self.qkv, self.out = nn.Linear(128, 384), nn.Linear(128, 128)
            self.up, self.down = nn.Linear(128, 512), nn.Linear(512, 128)

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            q, k, v = [p.view(b, t, 4, 32).transpose(1, 2) for p in self.qkv(self.n1(x)).split(128, 2)]
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(a.transpose(1, 2).reshape(b, t, c))
            return x + self.down(F.gelu(self.up(self.n2(x))))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(65, 128), nn.Embedding(64, 128)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)])
            self.norm, self.head = nn.LayerNorm(128), nn.Linear(128, 65)

        def forward(self, i: Any) -> Any:
            return self.head(self.norm(self.blocks(self.token(i) + self.place.weight))).view(-1, 65)

    model = Model()
    step = training(T, model, T.optim.AdamW(model.parameters(), lr=1e-4), F.cross_entropy)
    return step, (labels(T, 65, 12, 64), labels(T, 65, 12 * 64))


@task("LSTM 128, 64 steps, batch 32", 3)
def lstm(T: Any) -> Any:
    T.manual_seed(0)
    model = T.nn.LSTM(64, 128, batch_first=True)
    step = training(T, lambda x: model(x)[0], T.optim.SGD(model.parameters(), lr=1e-3), T.nn.functional.mse_loss)
    return step, (data(T, 32, 64, 64), data(T, 32, 64, 128, seed=1))


def _jax_chain() -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    def chain(x: Any) -> Any:
        y = jnp.tanh(jnp.sin(x) * 2 + jnp.exp(-x * x)) * x
        return (jax.nn.sigmoid(y) + y * y).sum()

    f = jax.jit(jax.grad(chain))
    x = jnp.asarray(data(None, 4_000_000))
    return lambda: jax.block_until_ready(f(x))


@task("ten-operation elementwise chain on 4M elements, forward and backward", 2, _jax_chain)
def chain(T: Any) -> Any:
    def f(x: Any) -> Any:
        y = T.tanh(T.sin(x) * 2 + T.exp(-x * x)) * x
        return (T.sigmoid(y) + y * y).sum()

    return T.func.grad(f), (data(T, 4_000_000),)


def agree(name: str, first: Any, second: Any) -> None:
    """Two tasks that compute something else are not compared."""
    for a, b in zip(*[r if isinstance(r, tuple) else (r,) for r in (first, second)], strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-3, atol=1e-4, err_msg=name)


def main() -> None:
    options = timing.arguments(__doc__)
    import torch  # here, so that the tasks can be had without it

    torch.set_num_threads(2)
    rows = []
    for name, (make, jax, target) in TASKS.items():
        if options.only not in name:
            continue
        f, args = make(chainrule)
        g, given = make(chainrule)
        h, theirs = make(torch)
        compiled = chainrule.compile(f)
        agree(name, compiled(*args), h(*theirs))
        runs: dict[str, Callable[[], Any]] = {
            "compiled": lambda compiled=compiled, args=args: compiled(*args),  # type: ignore[misc]
            "eager": lambda g=g, given=given: g(*given),  # type: ignore[misc]
            "torch": lambda h=h, theirs=theirs: h(*theirs),  # type: ignore[misc]
        }
        if jax is not None:
            try:
                runs["jax.jit"] = jax()
            except ImportError:
                pass
        row = timing.alternate(name, runs, seconds=options.seconds, target=target)
        row.note = "" if compiled.programs() else str(compiled.reasons)
        for other in ("eager", "torch", "jax.jit"):
            row.seconds.setdefault(other, float("nan"))
            row.ratios.setdefault(other, float("nan"))
            row.spread.setdefault(other, (float("nan"), float("nan")))
        rows.append(row)
        print(f"{name}: {timing.readable(row.seconds['compiled'])}, torch {row.ratios['torch']:.2f}×", flush=True)
    timing.report(f"Compiled, two threads. {timing.versions('chainrule', 'torch', 'numpy')}", rows, options)


if __name__ == "__main__":
    main()
