"""Shapes without data."""

from __future__ import annotations

import pytest

import chainrule as torch


def test_operations_give_shapes_and_dtypes():
    x = torch.empty(2, 3, device="meta")
    y = torch.empty(3, dtype=torch.float64, device="meta")
    cases = [
        (x + y, (2, 3), torch.float64),
        (x * 2, (2, 3), torch.float32),
        (x + torch.tensor(1.0), (2, 3), torch.float32),
        (x.sum(1), (2,), torch.float32),
        (x @ x.t(), (2, 2), torch.float32),
        (x.reshape(6), (6,), torch.float32),
        (x.t(), (3, 2), torch.float32),
        (x > 0, (2, 3), torch.bool),
        (x.exp(), (2, 3), torch.float32),
        (x.to(torch.int8), (2, 3), torch.int8),
        (torch.zeros_like(x), (2, 3), torch.float32),
        (torch.rand_like(x), (2, 3), torch.float32),
    ]
    for out, shape, dtype in cases:
        assert out.is_meta and out.shape == shape and out.dtype is dtype


def test_gradients_are_shapes_too():
    x = torch.empty(2, 3, device="meta", requires_grad=True)
    w = torch.empty(3, 4, device="meta", requires_grad=True)
    y = torch.relu(x @ w)
    assert y.grad_fn.name() == "ReluBackward0"
    y.sum().backward()
    assert x.grad.is_meta and x.grad.shape == (2, 3) and w.grad.shape == (3, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x.sum().item(), RuntimeError, "Tensor.item() cannot be called on meta tensors"),
        (lambda x: x.item(), RuntimeError, "a Tensor with 2 elements cannot be converted to Scalar"),
        (lambda x: x.tolist(), NotImplementedError, "Cannot copy out of meta tensor; no data!"),
        (lambda x: x.cpu(), NotImplementedError, "Cannot copy out of meta tensor; no data!"),
        (lambda x: bool(x.sum()), RuntimeError, "Tensor.item() cannot be called on meta tensors"),
        (lambda x: x.numpy(), TypeError,
         "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."),
        (lambda x: x + torch.ones(2), RuntimeError, "Tensor on device cpu is not on the expected device meta!"),
        (lambda x: torch.ones(2).copy_(x), NotImplementedError, "Cannot copy out of meta tensor; no data!"),
    ],
)  # fmt: skip
def test_error_texts(call, error, message):
    with pytest.raises(error) as caught:
        call(torch.empty(2, device="meta"))
    assert str(caught.value) == message


def test_moving_to_meta_and_writing_there():
    x = torch.ones(2, 3).to("meta")
    assert x.is_meta and x.device == torch.device("meta")
    assert x.copy_(torch.ones(3)) is x and x.fill_(1) is x and x.uniform_() is x and x.is_meta
    assert torch.zeros_like(x, device="cpu").tolist() == [[0, 0, 0], [0, 0, 0]]


def test_a_module_on_meta_has_no_data():
    layer = torch.nn.Linear(3, 2, device="meta")
    assert layer.weight.is_meta
    assert layer(torch.empty(5, 3, device="meta")).shape == (5, 2)
    assert layer.to_empty(device="cpu").weight.shape == (2, 3)


def test_views_keep_their_strides():
    x = torch.empty(2, 3, device="meta")
    assert x.t().stride() == (1, 3) and not x.t().is_contiguous()
    assert x[:, ::2].stride() == (3, 2) and x.expand(4, 2, 3).stride() == (0, 3, 1)
    assert x.t().contiguous().stride() == (2, 1)


def test_large_products_cost_nothing():
    layer = torch.nn.Linear(30000, 40000, device="meta")
    y = layer(torch.empty(64, 512, 30000, device="meta"))
    assert y.shape == (64, 512, 40000)
    assert torch.nn.Conv2d(3, 64, 3, stride=2, padding=1, device="meta")(torch.empty(8, 3, 32, 30, device="meta")).shape == (8, 64, 16, 15)
    assert (torch.empty(5, 1, 3, 4, device="meta") @ torch.empty(2, 4, 7, device="meta")).shape == (5, 2, 3, 7)
    assert (torch.empty(4, device="meta") @ torch.empty(4, device="meta")).shape == ()
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        torch.empty(2, 3, device="meta") + torch.empty(4, device="meta")


def test_matrices_without_data_have_inverses_and_factors():
    a, b = torch.empty(2, 3, 3, device="meta"), torch.empty(3, 4, device="meta")
    assert torch.linalg.inv(a).shape == torch.linalg.cholesky(a).shape == (2, 3, 3)
    assert torch.linalg.solve(a, b).shape == (2, 3, 4)
    assert torch.linalg.inv(a).device.type == "meta"
