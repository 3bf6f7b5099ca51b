"""A convolutional network for images of 28×28."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import Step, Work, labels, normal, training

ROWS = 64


def lenet(T: Any) -> Work:
    T.manual_seed(0)
    nn = T.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    optimizer = T.optim.Adam(model.parameters(), lr=1e-4)
    x, y = T.from_numpy(normal(ROWS, 1, 28, 28)), T.from_numpy(labels(10, ROWS))
    return training(T, model, optimizer, nn.functional.cross_entropy, x, y)


def lenet_in_jax(weights: Any) -> Callable[[], Any]:
    """Channels last, as XLA's convolutions on CPUs like it; the weights are brought into that order once, before all steps."""
    import jax

    from .in_jax import adam, cross_entropy, linear, trained

    weights = dict(weights)
    for name in ("0.weight", "3.weight"):
        weights[name] = weights[name].transpose(2, 3, 1, 0)
    weights["7.weight"] = weights["7.weight"].reshape(120, 16, 5, 5).transpose(0, 2, 3, 1).reshape(120, 400)

    def layer(p: Any, name: str, x: Any, padding: str) -> Any:
        x = jax.lax.conv_general_dilated(x, p[name + ".weight"], (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        n, h, w, c = x.shape
        # The maximum of four slices has a gradient that XLA fuses; that of reduce_window is a scatter, several times slower.
        return jax.nn.relu(x + p[name + ".bias"]).reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))

    def loss(p: Any, x: Any, y: Any) -> Any:
        x = layer(p, "3", layer(p, "0", x, "SAME"), "VALID").reshape(ROWS, -1)
        for name in ("7", "9"):
            x = jax.nn.relu(linear(p, name, x))
        return cross_entropy(linear(p, "11", x), y)

    return trained(loss, adam(1e-4), weights, normal(ROWS, 1, 28, 28).transpose(0, 2, 3, 1), labels(10, ROWS))


STEPS = [Step("LeNet-style CNN, 28×28, batch 64, Adam", lenet, lenet_in_jax, {"torch": 1.5, "jax.jit": 1.5})]
