"""A leaf's gradient is its own memory, whatever the walk handed to several at once."""

from itertools import combinations

import numpy as np
import pytest

import chainrule as torch
from chainrule.core import backward
from chainrule.core.op import OPS

W = torch.tensor([1.0, 2.0, 3.0])

PROGRAMS = {
    "sum of two": (2, lambda a, b: ((a + b) * W).sum()),
    "sum of three": (3, lambda a, b, c: ((a + b + c) * W).sum()),
    "difference": (2, lambda a, b: ((a - b) * W).sum()),
    "a copy beside": (2, lambda a, b: ((a + b.clone()) * W).sum()),
    "in a list": (3, lambda *xs: (torch.stack(xs).sum(0) * W).sum()),
    "views": (2, lambda a, b: ((a.view(3, 1) + b.view(3, 1)).view(3) * W).sum()),
    "where": (2, lambda a, b: ((torch.where(W > 0, a, b) + b) * W).sum()),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("way", ["quick", "with a hook", "with inputs", "tensors"])
def test_leaves_share_no_memory_and_accumulate_apart(name, way):
    n, program = PROGRAMS[name]
    leaves = [torch.ones(3, requires_grad=True) for _ in range(n)]
    if way == "with a hook":
        leaves[0].register_hook(lambda g: None)
    options = {"inputs": leaves} if way == "with inputs" else {"create_graph": True} if way == "tensors" else {}
    program(*leaves).backward(**options)
    first = [leaf.grad.tolist() for leaf in leaves]
    for a, b in combinations(leaves, 2):
        assert not np.shares_memory(a.grad.detach().numpy(), b.grad.detach().numpy())
    program(*leaves).backward(**options)
    assert [leaf.grad.tolist() for leaf in leaves] == [[2 * v for v in g] for g in first]
    for leaf in leaves:  # create_graph makes gradient and leaf refer to each other
        leaf.grad = None


def test_a_gradient_is_not_the_callers_cotangent():
    cotangent = torch.ones(3)
    x = torch.zeros(3, requires_grad=True)
    (x + 0.0).backward(cotangent)
    x.grad.add_(5)
    assert cotangent.tolist() == [1, 1, 1]


def test_a_gradient_that_nobody_shares_is_not_copied(monkeypatch):
    """The array that a rule made becomes the gradient, unless somebody else holds it."""
    monkeypatch.setattr(backward, "HOOKED", {})  # a hook on any node, whosever it is, makes for another walk, which copies
    kind = OPS["mul"].node_class()
    rules = kind.rules
    addresses, held = [], []

    def watched(t, y):
        ct = rules[0](t, y)
        addresses.append(ct.__array_interface__["data"][0])
        if holding:
            held.append(ct)
        return ct

    monkeypatch.setattr(kind, "rules", (watched, rules[1]))
    for holding in (False, True):
        x = torch.ones(3, requires_grad=True)
        (x * W).sum().backward()
        assert x.grad.tolist() == [1, 2, 3]
        assert (x.grad.data_ptr() == addresses[-1]) is not holding
