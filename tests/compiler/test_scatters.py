"""Writing at positions that index tensors give is part of kernels, and so are its derivatives; matrices go through a host call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled

torch.manual_seed(0)
X = torch.randn(5, 4, 3)
ROWS = torch.tensor([0, 2, 2, 4])
SOURCE = torch.randn(4, 4, 3)
PLACES = torch.randint(0, 5, (3, 4, 2))
VALUES = torch.randn(3, 4, 2)

INTO: dict[str, Callable[[Any], Any]] = {
    "index_add": lambda x: x.index_add(0, ROWS, SOURCE, alpha=2),
    "index_add of int32": lambda x: x.index_add(0, ROWS.int(), SOURCE),
    "index_add_": lambda x: x.clone().index_add_(1, torch.tensor([3, 0]), torch.ones(5, 2, 3)),
    "index_add of vectors": lambda x: x[:, 0, 0].index_add(0, ROWS, SOURCE[:, 0, 0]),
    "index_copy": lambda x: x.index_copy(0, ROWS[:2], SOURCE[:2]),
    "index_fill": lambda x: x.index_fill(-1, torch.tensor([0, -1]), 2.5),
    "index_fill with a tensor": lambda x: x.index_fill(1, torch.tensor(2), x.sum()),
    "scatter": lambda x: x.scatter(0, PLACES[:1], VALUES[:1]),
    "scatter of a number": lambda x: x.scatter(0, PLACES, 7.0),
    "scatter_add": lambda x: x.scatter_add(0, PLACES, VALUES),
    "scatter_add in float64": lambda x: x.double().scatter_add(0, PLACES, VALUES.double()),
    "products": lambda x: x.scatter_reduce(0, PLACES, VALUES, reduce="prod"),
    "largest": lambda x: x.scatter_reduce(0, PLACES, VALUES, reduce="amax"),
    "only what is scattered": lambda x: x.scatter_reduce(0, PLACES, VALUES, reduce="amin", include_self=False),
    "means": lambda x: x.scatter_reduce(0, PLACES, VALUES, reduce="mean"),
}


def close(a: Any, b: Any) -> bool:
    return bool(torch.allclose(a, b, rtol=1e-4, atol=1e-5))


@pytest.mark.parametrize("name", INTO)
def test_writing_at_places(name: str) -> None:
    f = INTO[name]
    run = Compiled(f)
    for _ in range(3):
        assert close(run(X), f(X))
    (program,) = run.programs()
    assert not any(n.op == "call" for n in program.nodes())

    def loss(x: Any) -> Any:
        return f(x).square().sum()

    gradient = Compiled(torch.func.grad(loss))
    for _ in range(2):
        assert close(gradient(X), torch.func.grad(loss)(X))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.index_add(0, torch.tensor([7]), SOURCE[:1]), lambda x: x.scatter(0, PLACES + 4, VALUES),
        lambda x: x.index_copy(0, torch.tensor([-6]), SOURCE[:1]), lambda x: x.index_fill(0, torch.tensor([9]), 1.0),
    ],
)  # fmt: skip
def test_a_place_outside_raises_what_the_function_raises(f: Callable[[Any], Any]) -> None:
    with pytest.raises((RuntimeError, IndexError)) as expected:
        f(X)
    run = Compiled(f)
    for _ in range(3):
        with pytest.raises(type(expected.value)) as raised:
            run(X)
        assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("f", [torch.linalg.cholesky, torch.linalg.inv, lambda a: torch.linalg.solve(a, a[:, :1])])
def test_what_fails_for_some_matrices_is_a_host_call(f: Callable[[Any], Any]) -> None:
    a = torch.randn(3, 3, dtype=torch.float64)
    a = a @ a.T + torch.eye(3, dtype=torch.float64)
    run = Compiled(lambda a: f(a * 2) * 3)
    for _ in range(3):
        assert close(run(a), f(a * 2) * 3)
    assert len(run.programs()) == 1
    with pytest.raises(torch.linalg.LinAlgError, match="could not be completed|solver failed"):
        run(torch.zeros_like(a))
