"""A linear regression, and perceptrons of two sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from . import Step, Work, labels, normal, training

SMALL = ((784, 128, 10), 64)
LARGE = ((784, 1024, 1024, 10), 256)


def regression(T: Any) -> Work:
    T.manual_seed(0)
    model = T.nn.Linear(3, 2)
    optimizer = T.optim.SGD(model.parameters(), lr=1e-3)
    return training(T, model, optimizer, T.nn.functional.mse_loss, T.from_numpy(normal(10, 3)), T.from_numpy(normal(10, 2, seed=1)))


def regression_in_jax(weights: Any) -> Callable[[], Any]:
    from .in_jax import sgd, trained

    def loss(p: Any, x: Any, y: Any) -> Any:
        return ((x @ p["weight"].T + p["bias"] - y) ** 2).mean()

    return trained(loss, sgd(1e-3), weights, normal(10, 3), normal(10, 2, seed=1))


def perceptron(T: Any, sizes: tuple[int, ...], rows: int, optimizer: Callable[[Any, Any], Any]) -> Work:
    T.manual_seed(0)
    layers: list[Any] = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [T.nn.Linear(a, b), T.nn.ReLU()]
    model = T.nn.Sequential(*layers[:-1])
    x, y = T.from_numpy(normal(rows, sizes[0])), T.from_numpy(labels(sizes[-1], rows))
    return training(T, model, optimizer(T, model.parameters()), T.nn.functional.cross_entropy, x, y)


def perceptron_in_jax(weights: Any, sizes: tuple[int, ...], rows: int, kind: str, options: tuple[float, ...]) -> Callable[[], Any]:
    import jax

    from . import in_jax

    names = [str(2 * k) for k in range(len(sizes) - 1)]

    def loss(p: Any, x: Any, y: Any) -> Any:
        for name in names[:-1]:
            x = jax.nn.relu(in_jax.linear(p, name, x))
        return in_jax.cross_entropy(in_jax.linear(p, names[-1], x), y)

    return in_jax.trained(loss, getattr(in_jax, kind)(*options), weights, normal(rows, sizes[0]), labels(sizes[-1], rows))


def _adam(T: Any, parameters: Any) -> Any:
    return T.optim.Adam(parameters, lr=1e-4)


def _momentum(T: Any, parameters: Any) -> Any:
    return T.optim.SGD(parameters, lr=1e-3, momentum=0.9)


STEPS = [
    Step("Linear(3, 2) + MSE + SGD, 10 rows", regression, regression_in_jax, {"torch": 100, "jax.jit": 10}),
    Step(
        "MLP 784-128-10, batch 64, Adam",
        lambda T: perceptron(T, *SMALL, _adam),
        partial(perceptron_in_jax, sizes=SMALL[0], rows=SMALL[1], kind="adam", options=(1e-4,)),
        {"torch": 3, "jax.jit": 2},
    ),
    Step(
        "MLP 784-1024-1024-10, batch 256, SGD momentum",
        lambda T: perceptron(T, *LARGE, _momentum),
        partial(perceptron_in_jax, sizes=LARGE[0], rows=LARGE[1], kind="sgd", options=(1e-3, 0.9)),
        {"torch": 1.2, "jax.jit": 1.2},
    ),
]
