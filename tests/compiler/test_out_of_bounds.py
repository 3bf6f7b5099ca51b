"""An index out of bounds raises in a compiled function what it raises in the function itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.checked import checking
from chainrule.compiler.front import Compiled
from chainrule.compiler.native.findings import code, raise_found
from chainrule.compiler.program.execute import prepare
from chainrule.ops.bounds import SAID, beyond

F = torch.nn.functional
X = torch.arange(15.0).reshape(5, 3)

CASES: dict[str, tuple[Callable[..., Any], Any]] = {
    "gather": (lambda x, i: x.gather(1, i), [[0, 1], [2, 7]]),
    "gather, negative": (lambda x, i: x.gather(1, i), [[0, 1], [2, -1]]),
    "gather, another row": (lambda x, i: x.gather(1, i), [[0, 3], [2, 0]]),
    "gather, gradient": (lambda x, i: torch.func.grad(lambda v: v.gather(1, i).square().sum())(x), [[0, 1], [2, 7]]),
    "take_along_dim": (lambda x, i: torch.take_along_dim(x[:2], i, 1), [[0, 1], [2, 7]]),
    "index_select": (lambda x, i: x.index_select(1, i), [0, 4]),
    "index_select, first dimension": (lambda x, i: x.index_select(0, i), [0, 7]),
    "embedding": (lambda x, i: F.embedding(i, x), [[0, 7]]),
    "embedding, negative": (lambda x, i: F.embedding(i, x), [[0, -1]]),
    "embedding, int32": (lambda x, i: F.embedding(i.int(), x), [[0, 7]]),
    "take": (lambda x, i: x.take(i), [0, 17]),
    "take, negative": (lambda x, i: x.take(i), [0, -16]),
    "index": (lambda x, i: x[:, i], [0, 5]),
    "index, the flat place is inside": (lambda x, i: x[i, i], [0, 3]),
    "index, negative": (lambda x, i: x[i], [0, -7]),
    "index_put": (lambda x, i: x.index_put((i, i), torch.tensor(2.0)), [0, 4]),
    "put": (lambda x, i: x.put(i, torch.tensor([2.0, 3.0])), [0, 17]),
    "scatter": (lambda x, i: x.scatter(1, i, 1.0), [[0, 1], [2, 7]]),
    "index_add": (lambda x, i: x.index_add(1, i, x[:, :2]), [0, 4]),
    "index_copy": (lambda x, i: x.index_copy(1, i, x[:, :2]), [0, 4]),
    "index_fill": (lambda x, i: x.index_fill(1, i, 2.0), [0, 4]),
    "cross_entropy": (lambda x, i: F.cross_entropy(x, i), [0, 1, 2, 1, 7]),
    "cross_entropy, probabilities of one row": (lambda x, i: F.cross_entropy(x[0], i[0]), [-3]),
    "nll_loss": (lambda x, i: F.nll_loss(x, i, ignore_index=-5), [-5, 1, 2, 1, -1]),
    "nll_loss, gradient": (lambda x, i: torch.func.grad(lambda v: F.nll_loss(v, i))(x), [0, 1, 2, 1, 3]),
    "one_hot": (lambda x, i: F.one_hot(i, 3), [0, 1, 3]),
    "one_hot, negative": (lambda x, i: F.one_hot(i, 3), [[0, -1]]),
    "multi_margin_loss": (lambda x, i: F.multi_margin_loss(x, i), [0, 1, 2, 1, 3]),
    "multi_margin_loss, gradient": (lambda x, i: torch.func.grad(lambda v: F.multi_margin_loss(v, i))(x), [0, 1, 2, 1, -1]),
    "multilabel_margin_loss": (lambda x, i: F.multilabel_margin_loss(x[:2], i), [[0, -1, 2], [1, 3, -1]]),
    "many": (lambda x, i: x.flatten()[i].sin(), [*range(14), 15, *range(14), 17, 3]),
}


def raised(function: Callable[..., Any], *given: Any) -> Exception:
    with pytest.raises((IndexError, RuntimeError)) as caught:
        function(*given)
    return caught.value


@pytest.mark.parametrize("engine", ["native", "numpy", "checked"])
@pytest.mark.parametrize("name", CASES)
def test_the_message_is_that_of_the_function(name: str, engine: str) -> None:
    if engine != "numpy":
        pytest.importorskip("llvmlite")
    engines = {"native": None, "numpy": prepare, "checked": lambda program: checking(program, frozenset({"bounds"}), True)}
    function, numbers = CASES[name]
    bad = torch.tensor(numbers)
    good = bad.clamp(0, 2)
    compiled = Compiled(function, engine=engines[engine])
    want = function(X, good)
    for _ in range(3):
        assert torch.equal(compiled(X, good), want)
    assert len(compiled.programs()) == 1, compiled.reasons
    expected = raised(function, X, bad)
    for _ in range(2):
        found = raised(compiled, X, bad)
        assert (type(found), str(found)) == (type(expected), str(expected))
    assert torch.equal(compiled(X, good), want)


def test_indices_from_the_end() -> None:
    function = lambda x, i: (x[i], x.take(i), x[i, i], x[:, i])
    compiled = torch.compile(function)
    for numbers in ([0, -1], [-3, 2], [-3, -2]):
        given = (X, torch.tensor(numbers))
        assert all(torch.equal(a, b) for a, b in zip(compiled(*given), function(*given), strict=True))


def test_an_ignored_target_is_no_class() -> None:
    function = lambda x, i: F.cross_entropy(x, i, weight=torch.tensor([1.0, 2.0, 4.0]))
    compiled = torch.compile(function)
    for target in ([0, 1, 2, 1, -100], [-100, 2, 2, 0, 0]):
        for _ in range(2):
            assert torch.allclose(compiled(X, torch.tensor(target)), function(X, torch.tensor(target)))


def test_what_a_kernel_writes_is_read_again() -> None:
    for said in SAID:
        status = np.array([code(said, 3), -7, 5])
        with pytest.raises(SAID[said][0]) as caught:
            raise_found(status)
        assert str(caught.value) == str(beyond(said, -7, 5, 3))
        assert not status[0]
        raise_found(status)
