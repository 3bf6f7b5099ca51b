"""Pruning: masks on top of each other, shared amounts, and back."""

from __future__ import annotations

import pytest

import chainrule as torch
from chainrule import nn
from chainrule.nn.utils import prune


def layer() -> nn.Linear:
    made = nn.Linear(4, 3)
    with torch.no_grad():
        made.weight.copy_(torch.arange(1.0, 13.0).view(3, 4))
    return made


def test_least_magnitudes_go_and_stay_away() -> None:
    net = prune.l1_unstructured(layer(), "weight", amount=0.25)
    assert net.weight_mask.flatten().tolist() == [0] * 3 + [1] * 9
    assert list(net.state_dict()) == ["bias", "weight_orig", "weight_mask"]
    net(torch.ones(1, 4)).sum().backward()
    assert torch.equal(net.weight_orig.grad, net.weight_mask)
    prune.ln_structured(net, "weight", amount=1, n=2, dim=0)  # of the rows, the first is the least
    assert net.weight_mask.tolist() == [[0] * 4, [1] * 4, [1] * 4]
    prune.l1_unstructured(net, "weight", amount=2)  # of what is left
    assert net.weight_mask.tolist() == [[0] * 4, [0, 0, 1, 1], [1] * 4]
    assert prune.is_pruned(nn.Sequential(net))
    prune.remove(net, "weight")
    assert isinstance(net.weight, nn.Parameter) and net.weight.flatten()[:6].tolist() == [0] * 6 and not prune.is_pruned(net)
    with pytest.raises(ValueError, match="has to be pruned before pruning can be removed"):
        prune.remove(net, "weight")


def test_several_together() -> None:
    first, second = layer(), layer()
    with torch.no_grad():
        second.weight.mul_(100)
    prune.global_unstructured([(first, "weight"), (second, "weight")], prune.L1Unstructured, amount=0.5)
    assert not first.weight.any() and second.weight.all()


def test_random_ones_take_the_amount() -> None:
    torch.manual_seed(0)
    assert prune.random_unstructured(layer(), "weight", amount=5).weight_mask.sum() == 7
    mask = prune.random_structured(layer(), "weight", amount=0.5, dim=1).weight_mask
    assert mask.sum(0).tolist().count(0) == 2 and mask.sum() == 6
    assert prune.identity(layer(), "bias").bias_mask.all()


def test_refused() -> None:
    with pytest.raises(ValueError, match="should either be a float in the range"):
        prune.l1_unstructured(layer(), "weight", amount=1.5)
    with pytest.raises(ValueError, match="amount=13 should be smaller than the number of parameters to prune=12"):
        prune.l1_unstructured(layer(), "weight", amount=13)
    net = layer()
    with pytest.raises(ValueError, match="Structured pruning can only be applied to multidimensional tensors"):
        prune.random_structured(net, "bias", amount=1, dim=0)
    assert isinstance(net.bias, nn.Parameter)  # as it was
