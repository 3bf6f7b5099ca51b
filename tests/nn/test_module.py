"""Modules: registration, lookup, state, hooks, copies and reprs."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import pytest

import chainrule as torch
from chainrule import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 1), "b": nn.Linear(4, 2)})
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("offset", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)

    def forward(self, x: Any, head: str = "a") -> Any:
        return self.heads[head](self.body(x)) * self.scale + self.offset


def test_names_in_order() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "heads.a.weight", "heads.a.bias", "heads.b.weight",
        "heads.b.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_buffers()] == [
        "offset", "scratch", "body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked",
    ]  # fmt: skip
    assert [n for n, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "body.2", "heads", "heads.a", "heads.b"]
    assert "scratch" not in net.state_dict()


def test_repr_nests() -> None:
    assert repr(Net()) == (
        "Net(\n  (body): Sequential(\n    (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "    (1): BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)\n    (2): ReLU()\n  )\n"
        "  (heads): ModuleDict(\n    (a): Linear(in_features=4, out_features=1, bias=True)\n"
        "    (b): Linear(in_features=4, out_features=2, bias=True)\n  )\n)"
    )
    assert repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scale", torch.ones(1), "cannot assign 'torch.FloatTensor' as parameter 'scale' (torch.nn.Parameter or None expected)"),
        ("body", 3, "cannot assign 'int' as child module 'body' (torch.nn.Module or None expected)"),
        ("offset", 3, "cannot assign 'int' as buffer 'offset' (torch.nn.Buffer, torch.Tensor or None expected)"),
    ],
)
def test_wrong_kind_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError) as error:
        setattr(Net(), name, value)
    assert str(error.value) == message


def test_assignment_before_init_is_refused() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.p = nn.Parameter(torch.ones(1))

    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Early()


def test_strict_loading_lists_everything() -> None:
    state = Net().state_dict()
    del state["scale"]
    state["what"] = torch.ones(1)
    state["heads.a.weight"] = torch.ones(2, 4)
    with pytest.raises(RuntimeError) as error:
        Net().load_state_dict(state)
    assert str(error.value) == (
        "Error(s) in loading state_dict for Net:\n\t"
        'Missing key(s) in state_dict: "scale". \n\t'
        'Unexpected key(s) in state_dict: "what". \n\t'
        "size mismatch for heads.a.weight: copying a param with shape torch.Size([2, 4]) from checkpoint, the shape in current model is"
        " torch.Size([1, 4])."
    )
    del state["heads.a.weight"]
    outcome = Net().load_state_dict(state, strict=False)
    assert outcome.missing_keys == ["scale", "heads.a.weight"]
    assert outcome.unexpected_keys == ["what"]


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_twins_are_equal_and_apart(twin_of: Any) -> None:
    net = Net().eval()
    x = torch.randn(5, 3)
    twin = twin_of(net)
    assert torch.equal(net(x), twin(x))
    with torch.no_grad():
        twin.scale.fill_(2.0)
    assert not torch.equal(net(x), twin(x))
    assert isinstance(twin.scale, nn.Parameter)


def test_conversion_keeps_integers() -> None:
    net = Net().double()
    assert net.scale.dtype is torch.float64
    assert net.body[1].num_batches_tracked.dtype is torch.int64
    with pytest.raises(TypeError, match="only accepts floating point or complex dtypes"):
        net.to(torch.int32)


def test_forward_hooks_in_order_with_keywords() -> None:
    net = Net().eval()
    seen: list[Any] = []
    net.register_forward_pre_hook(lambda m, args: seen.append("pre"))
    net.register_forward_pre_hook(lambda m, args, kwargs: (args, {"head": "b"}), with_kwargs=True)
    net.register_forward_hook(lambda m, args, out: seen.append(tuple(out.shape)))
    handle = net.register_forward_hook(lambda m, args, kwargs, out: out * 0, with_kwargs=True, prepend=True)
    assert not net(torch.ones(2, 3)).any()
    assert seen == ["pre", (2, 2)]
    handle.remove()
    assert net(torch.ones(2, 3)).any()


def test_always_called_hook_sees_a_failure() -> None:
    seen: list[Any] = []
    net = Net()
    net.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(KeyError):
        net(torch.ones(2, 3), head="c")
    assert seen == [None]


def test_backward_hooks_see_and_replace_gradients() -> None:
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    seen: list[Any] = []
    layer.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 10,))
    layer.register_full_backward_hook(lambda m, inner, outer: seen.append((inner[0].tolist(), outer[0].tolist())))
    layer.register_full_backward_hook(lambda m, inner, outer: (inner[0] + 1,))
    x = torch.zeros(2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == [([40.0, 60.0], [10.0, 10.0])]
    assert x.grad.tolist() == [41.0, 61.0]


def test_state_hooks_run() -> None:
    seen: list[str] = []
    net = Net()
    net.register_state_dict_pre_hook(lambda *a: seen.append("before saving"))
    net.register_state_dict_post_hook(lambda *a: seen.append("saved"))
    net.register_load_state_dict_pre_hook(lambda *a: seen.append("before loading"))
    net.register_load_state_dict_post_hook(lambda m, keys: seen.append("loaded"))
    net.load_state_dict(net.state_dict())
    assert seen == ["before saving", "saved", "before loading", "loaded"]


def test_assign_puts_the_tensor_itself() -> None:
    layer = nn.Linear(2, 1, bias=False)
    given = torch.zeros(1, 2, dtype=torch.float64)
    layer.load_state_dict({"weight": given}, assign=True)
    assert layer.weight.dtype is torch.float64
    assert layer.weight.data_ptr() == given.data_ptr()
    assert layer.weight.requires_grad


def test_shared_parts_are_named_once() -> None:
    net = nn.Module()
    net.a = nn.Linear(1, 1)
    net.b = net.a
    assert [n for n, _ in net.named_parameters()] == ["a.weight", "a.bias"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    twin = copy.deepcopy(net)
    assert twin.a is twin.b


def test_buffers_are_marked_tensors() -> None:
    net = nn.Module()
    net.b = nn.Buffer(torch.ones(2))
    assert isinstance(net.b, nn.Buffer)
    assert type(net.b) is torch.Tensor
    assert not isinstance(net.b * 1, nn.Buffer)
    assert list(net.state_dict()) == ["b"]


def test_sequential_behaves_as_a_list() -> None:
    s = nn.Sequential(OrderedDict(first=nn.ReLU(), second=nn.Tanh()))
    assert s.first is s[0]
    s.append(nn.ELU()).insert(0, nn.Identity())
    assert [type(m).__name__ for m in s] == ["Identity", "ReLU", "Tanh", "ELU"]
    del s[1:3]
    assert list(s._modules) == ["0", "1"]
    with pytest.raises(IndexError, match="index 5 is out of range"):
        s[5]


def test_meta_modules_are_filled_later() -> None:
    layer = nn.Linear(2, 3, device="meta")
    with pytest.raises(NotImplementedError, match="to_empty"):
        layer.to("cpu")
    assert layer.to_empty(device="cpu").weight.device.type == "cpu"


def test_pytorchs_module_names() -> None:
    """Programs take base classes from the modules where PyTorch has them."""
    from chainrule.nn.modules import batchnorm, conv, instancenorm, normalization, utils

    assert issubclass(nn.BatchNorm2d, batchnorm._BatchNorm) and issubclass(nn.ConvTranspose1d, conv._ConvNd)
    assert issubclass(nn.InstanceNorm1d, instancenorm._InstanceNorm) and normalization.LayerNorm is nn.LayerNorm
    assert utils._triple(2) == (2, 2, 2) and utils._single([5]) == (5,)
