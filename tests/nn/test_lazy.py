"""Layers that learn the size of their input."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import chainrule as torch
from chainrule import nn

CASES = [
    (lambda: nn.LazyLinear(3), lambda: nn.Linear(4, 3), (2, 4)),
    (lambda: nn.LazyLinear(3, bias=False), lambda: nn.Linear(4, 3, bias=False), (2, 4)),
    (lambda: nn.LazyConv1d(4, 3, groups=2), lambda: nn.Conv1d(2, 4, 3, groups=2), (1, 2, 5)),
    (lambda: nn.LazyConv2d(4, 3, 1, 1, 1, 1, False), lambda: nn.Conv2d(2, 4, 3, padding=1, bias=False), (1, 2, 5, 5)),
    (lambda: nn.LazyConv3d(2, 2), lambda: nn.Conv3d(1, 2, 2), (1, 3, 3, 3)),
    (lambda: nn.LazyConvTranspose1d(4, 3), lambda: nn.ConvTranspose1d(2, 4, 3), (1, 2, 5)),
    (lambda: nn.LazyConvTranspose2d(4, 3, 2, 1, 1, 1, False), lambda: nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, 1, False), (1, 2, 5, 5)),
    (lambda: nn.LazyConvTranspose3d(2, 2), lambda: nn.ConvTranspose3d(1, 2, 2), (1, 1, 3, 3, 3)),
    (lambda: nn.LazyBatchNorm1d(), lambda: nn.BatchNorm1d(4), (3, 4)),
    (lambda: nn.LazyBatchNorm2d(affine=False), lambda: nn.BatchNorm2d(2, affine=False), (3, 2, 2, 2)),
    (lambda: nn.LazyBatchNorm3d(), lambda: nn.BatchNorm3d(2), (3, 2, 2, 2, 2)),
    (lambda: nn.LazyInstanceNorm1d(), lambda: nn.InstanceNorm1d(2, affine=True, track_running_stats=True), (3, 2, 4)),
    (lambda: nn.LazyInstanceNorm2d(), lambda: nn.InstanceNorm2d(2, affine=True, track_running_stats=True), (3, 2, 2, 2)),
    (lambda: nn.LazyInstanceNorm3d(), lambda: nn.InstanceNorm3d(2, affine=True, track_running_stats=True), (3, 2, 2, 2, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("lazy", "ready", "shape"), CASES)
def test_becomes_what_it_would_have_been(lazy: Any, ready: Any, shape: tuple[int, ...]) -> None:
    x = torch.randn(*shape)
    torch.manual_seed(1)
    mine = copy.deepcopy(lazy())
    assert mine.has_uninitialized_params() or not mine.affine
    got = mine(x)
    torch.manual_seed(1)
    other = ready()
    assert torch.equal(got, other(x))
    assert type(mine) is type(other) and repr(mine) == repr(other)
    assert list(mine.state_dict()) == list(other.state_dict())
    assert all(isinstance(p, nn.Parameter) for p in mine.parameters())
    assert torch.equal(mine(x), other(x))


def test_before_the_first_input() -> None:
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2)).double()
    assert repr(net[0].weight) == "<UninitializedParameter>"
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter or buffer"):
        net[0].weight.shape
    net(torch.zeros(1, 3, dtype=torch.float64))
    assert [tuple(p.shape) for p in net.parameters()] == [(4, 3), (4,), (2, 4), (2,)]
    assert net[2].weight.dtype is torch.float64


def test_weights_may_come_from_a_state() -> None:
    ready, lazy = nn.Linear(3, 2), nn.LazyLinear(2)
    again = nn.LazyLinear(2)
    again.load_state_dict(lazy.state_dict())  # nothing in it yet
    assert again.has_uninitialized_params()
    lazy.load_state_dict(ready.state_dict())
    x = torch.randn(4, 3)
    assert torch.equal(lazy(x), ready(x)) and repr(lazy) == repr(ready)


def test_one_device() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    x = torch.randn(2, 1, 3, 3)
    wrapped = nn.DataParallel(net)
    assert next(iter(wrapped.state_dict())) == "module.0.weight"
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(net))
    assert repr(synced[1]).startswith("SyncBatchNorm(2, eps=1e-05")
    assert torch.equal(wrapped(x), synced(x))
    assert nn.utils.skip_init(nn.Linear, 3, 2).weight.shape == (2, 3)
    with pytest.raises(RuntimeError, match="Module must support a 'device' arg"):
        nn.utils.skip_init(nn.ReLU)
