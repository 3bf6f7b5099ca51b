"""Copies and pickles."""

from __future__ import annotations

import copy
import pickle

import pytest

import chainrule as torch


def through_pickle(x):
    return pickle.loads(pickle.dumps(x))


CASES = {
    "0-d": lambda: torch.tensor(2.5),
    "0-d bfloat16": lambda: torch.tensor(2.5, dtype=torch.bfloat16),
    "vector": lambda: torch.arange(3.0),
    "empty": lambda: torch.empty(2, 0),
    "transposed": lambda: torch.arange(6).reshape(2, 3).t(),
    "sliced": lambda: torch.arange(10.0)[2:8:3],
    "bfloat16": lambda: torch.tensor([1.5, 2.5], dtype=torch.bfloat16),
    "float8": lambda: torch.tensor([1.5, 2.0], dtype=torch.float8_e4m3fn),
    "complex": lambda: torch.tensor([1 + 2j]),
    "bool": lambda: torch.tensor([True, False]),
    "leaf": lambda: torch.ones(2, requires_grad=True),
    "expanded": lambda: torch.ones(1).expand(3),
}


@pytest.mark.parametrize("way", [through_pickle, copy.deepcopy, copy.copy])
@pytest.mark.parametrize("name", CASES)
def test_everything_about_a_tensor_survives(name, way):
    x = CASES[name]()
    y = way(x)
    assert y is not x and type(y) is torch.Tensor
    assert y.tolist() == x.tolist()
    assert (y.dtype, y.shape, y.stride(), y.requires_grad, y.is_leaf) == (x.dtype, x.shape, x.stride(), x.requires_grad, x.is_leaf)
    assert (y.data_ptr() == x.data_ptr()) == (way is copy.copy or x.numel() == 0)


@pytest.mark.parametrize("way", [through_pickle, copy.deepcopy])
def test_shared_memory_stays_shared(way):
    base = torch.arange(6.0)
    a, b = way([base, base[2:]])
    a[3] = 100
    assert b[1] == 100 and base[3] == 3
    assert b.storage_offset() == 2


def test_deepcopy_keeps_gradients_and_identity():
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.full((2,), 3.0)
    a, b = copy.deepcopy([x, x])
    assert a is b and a.grad.tolist() == [3, 3] and a.grad is not x.grad


def test_deepcopy_is_for_leaves():
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(torch.ones(2, requires_grad=True) * 2)


def test_pickled_results_become_leaves():
    y = through_pickle(torch.ones(2, requires_grad=True) * 2)
    assert y.is_leaf and y.requires_grad and y.tolist() == [2, 2]


def test_attributes_travel_and_hooks_do_not():
    x = torch.ones(2, requires_grad=True)
    x.tag = "kept"
    x.register_hook(print)
    with pytest.warns(UserWarning, match="will not be serialized"):
        y = through_pickle(x)
    assert y.tag == "kept"
    y.sum().backward()
    assert y.grad.tolist() == [1, 1]
    assert copy.deepcopy(x).tag == "kept"


def test_subclasses_keep_their_class():
    x = torch.nn.Parameter(torch.ones(2))
    y = copy.deepcopy(x)
    assert type(y) is torch.nn.Parameter and y.requires_grad


def test_meta_tensors_travel():
    y = through_pickle(torch.empty(2, 3, device="meta"))
    assert y.is_meta and y.shape == (2, 3)


def test_dtypes_devices_and_sizes_travel():
    things = [torch.float32, torch.Size([2, 3]), torch.device("cpu"), torch.strided]
    assert through_pickle(things) == things
