"""Transforms: Hessian, Jacobian, per-sample gradients, side by side with torch.func and HIPS autograd.

    python benchmarks/transforms.py [--seconds 5] [--only TEXT] [--json FILE] [--check]

All in float64 (HIPS autograd's dtype) and one thread.  Each library computes as its documentation says.  Before a task is
timed, all must give the same numbers.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import autograd  # noqa: E402
import autograd.numpy as anp  # noqa: E402
import numpy as np  # noqa: E402
import timing  # noqa: E402
import torch  # noqa: E402

import chainrule  # noqa: E402

Runs = dict[str, Callable[[], Any]]
MODULES = {"chainrule": chainrule, "torch.func": torch}


def drawn(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape) * scale


def rosenbrock(x: Any) -> Any:
    """The banana valley: its Hessian is tridiagonal."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def hessian_of_rosenbrock(n: int) -> Runs:
    point = drawn(n)
    runs: Runs = {}
    for name, T in MODULES.items():
        x = T.tensor(point)
        runs[name] = lambda T=T, x=x: T.func.hessian(rosenbrock)(x)
    hips = autograd.hessian(lambda x: anp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))
    runs["HIPS autograd"] = lambda: hips(point)
    return runs


def layers(sizes: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(drawn(m, n, seed=k, scale=m**-0.5), drawn(n, seed=k + 50)) for k, (m, n) in enumerate(zip(sizes, sizes[1:]))]


def network(tanh: Callable[[Any], Any], x: Any, weights: list[tuple[Any, Any]]) -> Any:
    """Tanh between the layers, none after the last."""
    for k, (w, b) in enumerate(weights):
        x = x @ w + b
        if k < len(weights) - 1:
            x = tanh(x)
    return x


def jacobian_of_mlp(how: str) -> Runs:
    weights, point = layers((64, 64, 64, 64)), drawn(64, seed=9)
    runs: Runs = {}
    for name, T in MODULES.items():
        ws = [(T.tensor(w), T.tensor(b)) for w, b in weights]
        x = T.tensor(point)
        transform = getattr(T.func, how)(lambda x, T=T, ws=ws: network(T.tanh, x, ws))
        runs[name] = lambda transform=transform, x=x: transform(x)
    hips = autograd.jacobian(lambda x: network(anp.tanh, x, weights))
    runs["HIPS autograd"] = lambda: hips(point)
    return runs


def per_sample_gradients(batch: int) -> Runs:
    weights, x, y = layers((64, 32, 10)), drawn(batch, 64, seed=9), drawn(batch, 10, seed=10)
    runs: Runs = {}
    for name, T in MODULES.items():

        def loss(ws: Any, x: Any, y: Any, T: Any = T) -> Any:
            return ((network(T.tanh, x, ws) - y) ** 2).mean()

        ws = [(T.tensor(w), T.tensor(b)) for w, b in weights]
        transform = T.func.vmap(T.func.grad(loss), in_dims=(None, 0, 0))
        arguments = (ws, T.tensor(x), T.tensor(y))
        runs[name] = lambda transform=transform, arguments=arguments: transform(*arguments)

    # HIPS autograd has no vmap: a loop, then a stack.
    gradient = autograd.grad(lambda ws, x, y: anp.mean((network(anp.tanh, x, ws) - y) ** 2))

    def loop() -> Any:
        found = [gradient(weights, x[k], y[k]) for k in range(batch)]
        return [tuple(np.stack([f[i][j] for f in found]) for j in (0, 1)) for i in range(len(weights))]

    runs["HIPS autograd"] = loop
    return runs


TASKS: dict[str, tuple[Callable[[], Runs], float | None]] = {
    "Hessian of Rosenbrock's function, 64 dimensions": (lambda: hessian_of_rosenbrock(64), 1),
    "Jacobian of a 3-layer MLP, 64 → 64, jacrev": (lambda: jacobian_of_mlp("jacrev"), 1),
    "Jacobian of a 3-layer MLP, 64 → 64, jacfwd": (lambda: jacobian_of_mlp("jacfwd"), 1),
    "per-sample gradients of an MLP 64-32-10, batch 64": (lambda: per_sample_gradients(64), 1),
    "Hessian of Rosenbrock's function, 512 dimensions": (lambda: hessian_of_rosenbrock(512), None),
    "per-sample gradients of an MLP 64-32-10, batch 1,024": (lambda: per_sample_gradients(1024), None),
}


def flat(result: Any) -> list[np.ndarray]:
    """All arrays of a nested result."""
    if isinstance(result, (list, tuple)):
        return [a for r in result for a in flat(r)]
    return [np.asarray(result if isinstance(result, np.ndarray) else result.detach().numpy())]


def main() -> None:
    options = timing.arguments(__doc__)
    torch.set_num_threads(1)
    rows = []
    for name, (make, target) in TASKS.items():
        if options.only in name:
            runs = make()
            reference = flat(runs["HIPS autograd"]())
            for who, run in runs.items():
                for a, b in zip(flat(run()), reference, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8 * np.abs(b).max(), err_msg=f"{name}: {who}")
            rows.append(timing.alternate(name, runs, seconds=options.seconds, target=target))
            ratios = ", ".join(f"{who} {r:.2f}×" for who, r in rows[-1].ratios.items())
            print(f"{name}: {timing.readable(rows[-1].seconds['chainrule'])}; {ratios}", flush=True)
    timing.report(f"Transforms, float64, one thread. {timing.versions('chainrule', 'torch', 'autograd', 'numpy')}", rows, options)


if __name__ == "__main__":
    main()
