"""Graphs are freed when the last reference goes, without the garbage collector, without recursion, without growth."""

from __future__ import annotations

import gc
import os
import sys
import time
import tracemalloc
import weakref

import pytest

import chainrule as torch

F = torch.nn.functional


@pytest.fixture
def no_collector():
    """Reference counting alone."""
    gc.disable()
    yield
    gc.enable()


def graph_nodes(tensor):
    """Weak references to every node behind a tensor."""
    seen, todo = {}, [tensor.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and id(node) not in seen:
            seen[id(node)] = node
            todo += [n for n, _ in node.next_functions]
    return [weakref.ref(n) for n in seen.values()]


def expressions():
    w = torch.randn(3, 3, requires_grad=True)
    x = torch.randn(4, 3)

    def views():
        y = (x @ w).clone()
        y[0] *= 2
        y[:, 1].add_(1)
        return y.t().reshape(-1).sum()

    def hooks():
        y = torch.tanh(x @ w)
        y.register_hook(lambda g: g * 2)
        y.retain_grad()
        return y.sum()

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            out = a**3
            ctx.save_for_backward(a, out)
            return out

        @staticmethod
        def backward(ctx, g):
            a, _ = ctx.saved_tensors
            return 3 * a * a * g

    return {
        "loss": lambda: F.cross_entropy(torch.relu(x @ w), torch.tensor([0, 1, 2, 0])),
        "views": views,
        "hooks": hooks,
        "function": lambda: Cube.apply(x @ w).sum(),
        "softmax": lambda: (torch.softmax(x @ w, 1) * torch.exp(w).sum()).max(),
        "statistics": lambda: torch.var(x @ w, dim=0).sqrt().sum() + torch.norm(w) + torch.logsumexp(w, 0).sum(),
        "indexing": lambda: torch.cat([(x @ w)[torch.tensor([0, 2])], w[None, 0, :]]).sort(dim=0).values.sum(),
    }


@pytest.mark.parametrize("name", list(expressions()))
@pytest.mark.parametrize("ends", ["unused", "backward", "twice", "create_graph"])
def test_no_cycle_keeps_a_graph_alive(no_collector, name, ends):
    loss = expressions()[name]()
    nodes = [r for r in graph_nodes(loss) if type(r()).__name__ != "AccumulateGrad"]
    assert nodes
    if ends == "backward":
        loss.backward()
    elif ends == "twice":
        loss.backward(retain_graph=True)
        loss.backward()
    elif ends == "create_graph":
        leaf = next(n for n in walk_leaves(loss))
        (g,) = torch.autograd.grad(loss, leaf, create_graph=True)
        nodes += [r for r in graph_nodes(g) if type(r()).__name__ != "AccumulateGrad"] if g.grad_fn is not None else []
        if g.requires_grad:
            g.sum().backward()
        del g, leaf
    del loss
    assert [type(r()).__name__ for r in nodes if r() is not None] == []


def walk_leaves(tensor):
    """The leaves behind a tensor."""
    todo = [tensor.grad_fn]
    while todo:
        node = todo.pop()
        if hasattr(node, "variable"):
            yield node.variable
        elif node is not None:
            todo += [n for n, _ in node.next_functions]


def test_values_go_with_the_graph(no_collector):
    x = torch.randn(1000, requires_grad=True)
    y = x.exp()
    saved = weakref.ref(y.numpy(force=True) if y.numpy(force=True).base is None else y.numpy(force=True).base)
    loss = (y * y).sum()
    del y
    assert saved() is not None
    loss.backward()
    assert saved() is None, "backward frees what was saved"
    del loss


def test_a_million_nodes(no_collector):
    """Backward and deletion walk, they do not recurse."""
    limit = sys.getrecursionlimit()
    start = time.perf_counter()
    for ends in ("backward", "unused"):
        x = torch.tensor(1.0, requires_grad=True)
        y = x
        for _ in range(1_000_000 if ends == "backward" else 300_000):
            y = y * 1.0
        middle = weakref.ref(y.grad_fn)
        if ends == "backward":
            y.backward()
            assert x.grad.item() == 1.0
        del y
        assert middle() is None
    assert sys.getrecursionlimit() == limit
    assert time.perf_counter() - start < 60  # some 5 s on an idle machine


def test_a_deep_graph_of_several_kinds(no_collector):
    """Other nodes than the quick ones are freed without recursion too."""
    w = torch.full((2,), 1.0, requires_grad=True)
    y = w
    for k in range(20_000):
        y = (y + w * 0.0, y.view(2), torch.cat([y[:1], y[1:]]), y.clone().mul_(1.0), torch.stack([y, w]).amax(0))[k % 5]
    first = weakref.ref(y.grad_fn)
    y.sum().backward(retain_graph=True)
    del y
    assert first() is None


def rss() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def trainer():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = torch.rand(128, 64), torch.randint(0, 10, (128,))

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def test_training_does_not_grow(no_collector):
    """100 steps of the digits MLP, counted by Python's allocator and by the operating system."""
    step = trainer()
    for _ in range(80):  # until every bounded table has its size
        step()
    tracemalloc.start()
    try:
        for _ in range(80):
            step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100):
            step()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 4096, f"{grown} bytes more after 100 steps"


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read from /proc")
def test_resident_memory_does_not_grow(no_collector):
    step = trainer()
    for _ in range(50):
        step()
    before = rss()
    for _ in range(100):
        step()
    assert rss() - before < 2 << 20, "100 steps leave less than a couple of pages, not a graph each"


def test_in_place_loop_does_not_grow(no_collector):
    """Views and versions of a tensor that is written for long leave nothing behind."""
    x = torch.zeros(100)

    def turn():
        for k in range(100):
            x[k] += 1.0
            x.view(10, 10)[k // 10].mul_(1.0)

    turn()
    tracemalloc.start()
    try:
        turn()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            turn()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 4096, f"{grown} bytes more after 2,000 in-place writes"
