"""The same bits on one thread and on two, and from run to run."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.capture.turn import Turn
from chainrule.compiler.front import Compiled

from .differential import outcome
from .test_random_functions import picked
from .training import classifying

pytest.importorskip("llvmlite")
F = torch.nn.functional

THREADS = (1, 2, 2, 1, 3)


@pytest.fixture(autouse=True)
def number_of_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def bits(values: dict[str, Any]) -> dict[str, bytes]:
    return {n: np.ascontiguousarray(t.numpy() if t.dtype is not torch.bfloat16 else t.float().numpy()).tobytes() for n, t in values.items()}


@pytest.mark.parametrize("first", range(1000, 1060, 10))
def test_random_functions(first: int) -> None:
    for seed in range(first, first + 10):
        function = picked(seed)
        found = []
        for n in THREADS[:3]:
            torch.set_num_threads(n)
            plain, space = function.made()
            compiled = Compiled(plain)
            found.append([bits(outcome(compiled, function.given(call), space, call).values) for call in range(3)])
        assert found[0] == found[1] == found[2], function


LARGE: dict[str, Callable[..., Any]] = {
    "chain": lambda x, y: (x.sin() * y + x.exp()).tanh(),
    "sums": lambda x, y: (x.sum(), x.sum(0), x.mean(1), x.var(0), (x * y).sum(), y.norm()),
    "softmax": lambda x, y: (x.softmax(-1), x.softmax(0), torch.logsumexp(x, 1)),
    "normal": lambda x, y: F.layer_norm(x, x.shape[-1:]) + F.batch_norm(y, None, None, training=True),
    "product": lambda x, y: (x @ y.T, x.T @ y, x @ y[0]),
    "batched": lambda x, y: x.view(16, 48, -1) @ y.view(16, 48, -1).mT,
    "tall": lambda x, y: x.reshape(-1, 8).T @ y.reshape(-1, 8),
    "scan": lambda x, y: (x.cumsum(0), y.cumsum(1)),
    "extremes": lambda x, y: (*x.max(1), x.argmin(0), y.amax(), torch.any(x > 3, 0)),
    "places": lambda x, y: (x[y.argsort(0)[0] % 700], torch.cat([x, y]), F.pad(x, (3, 4)), x.flip(0)),
    "scatter": lambda x, y: torch.zeros(64, x.shape[1]).index_add(0, (x[:, 0] * 10).long() % 64, y),
    "convolution": lambda x, y: F.conv2d(x[:, :784].reshape(48, 16, 28, 28), y[:32, :144].reshape(32, 16, 3, 3), padding=1),
    "pool": lambda x, y: F.max_pool2d(x[:, :784].reshape(48, 16, 28, 28), 2) + F.avg_pool2d(y[:, :784].reshape(48, 16, 28, 28), 2),
    "attention": lambda x, y: F.scaled_dot_product_attention(*[t.view(4, 4, 48, -1) for t in (x, y, x)], is_causal=True),
    "gradient": lambda x, y: torch.func.grad(lambda v: F.cross_entropy(v, y.argmax(1)))(x),
    "through a convolution": lambda x, y: torch.func.grad(
        lambda w: F.conv2d(x[:, :784].reshape(48, 16, 28, 28), w, padding=1).square().mean()
    )(y[:32, :144].reshape(32, 16, 3, 3)),
}


@pytest.mark.parametrize("name", LARGE)
def test_large(name: str) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(768, 1024), torch.randn(768, 1024)
    function = LARGE[name]
    compiled = Compiled(function)
    found = []
    for n in THREADS:
        torch.set_num_threads(n)
        made = compiled(x, y)
        found.append([t.numpy().tobytes() for t in (made if isinstance(made, tuple) else (made,))])
    assert compiled.programs(), compiled.reasons
    assert all(f == found[0] for f in found)


STEPS = """
import chainrule as torch
F = torch.nn.functional
torch.set_num_threads({threads})
torch.manual_seed(0)
nn = torch.nn
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16 * 196, 300),
    nn.LayerNorm(300), nn.GELU(), nn.Linear(300, 10),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

def step(x, y):
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss

run = torch.compile(step)
losses = [run(torch.randn(64, 1, 28, 28), torch.randint(10, (64,))).item() for _ in range(6)]
assert run.programs(), run.reasons
import hashlib
whole = b"".join(t.numpy().tobytes() for t in model.state_dict().values())
print([x.hex() for x in losses], hashlib.sha256(whole).hexdigest())
"""


def test_training_in_processes_of_their_own() -> None:
    found = []
    for n in (1, 2, 2):
        done = subprocess.run([sys.executable, "-c", STEPS.format(threads=n)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout)
    assert found[0] == found[1] == found[2]


def at_once(work: Callable[[int], None], count: int = 5) -> None:
    """Do a piece of work in several threads at once; what one raises is raised here."""
    gate, raised = threading.Barrier(count), []

    def run(k: int) -> None:
        gate.wait()
        try:
            work(k)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for error in raised:
        raise error


def test_threads_compile_and_run_one_function_at_once() -> None:
    def function(x: Any, y: Any) -> Any:
        return torch.func.grad(lambda v: F.cross_entropy(v @ y.T, x.argmax(1)))(x), (x[y.argmax(0)].sin() * 2).cumsum(0)

    compiled = Compiled(function)

    def work(k: int) -> None:
        g = torch.Generator().manual_seed(k)
        for call in range(30):
            rows = 5 + (call % 4 == 0)
            x, y = (torch.randn(rows, 5, generator=g) for _ in range(2))
            for got, want in zip(compiled(x, y), function(x, y), strict=True):
                assert torch.allclose(got, want, atol=1e-5)

    at_once(work)
    assert len(compiled.programs()) == 2, "what one thread has captured no other captures again"


def test_threads_train_models_of_their_own_at_once() -> None:
    def trained(wrap: Callable[[Any], Any]) -> list[float]:
        with lock:
            torch.manual_seed(0)
            model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.Linear(8, 3))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        g = torch.Generator().manual_seed(1)

        run = wrap(classifying(model, optimizer))
        return [run(torch.randn(7, 6, generator=g), torch.randint(3, (7,), generator=g)).item() for _ in range(20)]

    lock = threading.Lock()
    want = trained(lambda step: step)
    found: dict[int, list[float]] = {}
    at_once(lambda k: found.update({k: trained(Compiled)}))
    assert len(found) == 5 and all(np.allclose(losses, want, rtol=1e-4) for losses in found.values())


def test_a_thread_that_the_function_starts_runs_uncompiled_meanwhile() -> None:
    inner = Compiled(lambda x: x * 2)
    seen: list[Any] = []

    def outer(x: Any) -> Any:
        thread = threading.Thread(target=lambda: seen.append(inner(torch.ones(2)).tolist()))
        thread.start()
        thread.join()
        return x + 1

    assert Compiled(outer)(torch.ones(2)).tolist() == [2, 2] and seen == [[2, 2]]


def test_other_threads_write_to_their_tensors_during_a_capture() -> None:
    mine, count = torch.zeros(3), torch.tensor(0.0)

    def outer(x: Any) -> Any:
        def write() -> None:
            mine.add_(1)
            count.add_(1)
            mine[0] = 5

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        return x + 1

    Compiled(outer)(torch.ones(2))
    assert mine.tolist() == [5, 1, 1] and count.item() == 1


def test_a_child_process_does_not_wait_for_a_thread_that_it_has_not() -> None:
    turn = Turn()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        assert turn.take()
        held.set()
        done.wait()

    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    turn._forked()  # as in a child
    assert turn.take() and turn.take()
    turn.leave()
    turn._forked()  # one that has it keeps it
    turn.leave()
    done.set()
    other.join()
