"""What a tensor is to Python and NumPy: numbers, lists, arrays, text; and where it lies in memory."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import chainrule as torch


def test_numbers():
    assert torch.tensor([[2.5]]).item() == 2.5
    assert float(torch.tensor(2.5)) == 2.5 and int(torch.tensor([3])) == 3 and complex(torch.tensor(1j)) == 1j
    assert bool(torch.tensor([0.0])) is False and range(5)[torch.tensor(2)] == 2
    assert isinstance(torch.tensor(1.5, dtype=torch.bfloat16).item(), float)
    assert isinstance(torch.tensor(True).item(), bool)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: torch.ones(2).item(), RuntimeError, "a Tensor with 2 elements cannot be converted to Scalar"),
        (lambda: float(torch.ones(2)), ValueError, "only one element tensors can be converted to Python scalars"),
        (lambda: bool(torch.ones(2)), RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"),
        (lambda: bool(torch.ones(0)), RuntimeError, "Boolean value of Tensor with no values is ambiguous"),
        (lambda: len(torch.tensor(1)), TypeError, "len() of a 0-d tensor"),
        (lambda: list(torch.tensor(1)), TypeError, "iteration over a 0-d tensor"),
        (lambda: float(torch.tensor(1j)), RuntimeError, "value cannot be converted to type double without overflow"),
        (lambda: range(5)[torch.tensor(1.0)], TypeError, "only integer tensors of a single element can be converted to an index"),
        (lambda: "a" in torch.ones(2), RuntimeError,
         "Tensor.__contains__ only supports Tensor or scalar, but you passed in a <class 'str'>."),
        (lambda: torch.ones(2, requires_grad=True).numpy(), RuntimeError,
         "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."),
        (lambda: torch.ones(2, dtype=torch.bfloat16).numpy(), TypeError, "Got unsupported ScalarType BFloat16"),
        (lambda: torch.ones(2).size(3), IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 3)"),
    ],
)  # fmt: skip
def test_error_texts(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_converting_a_tracked_tensor_warns():
    with pytest.warns(UserWarning, match="Converting a tensor with requires_grad=True to a scalar"):
        assert float(torch.tensor(2.0, requires_grad=True)) == 2.0


def test_arrays():
    x = torch.arange(6.0).reshape(2, 3)
    a = x.numpy()
    a[0, 0] = 9
    assert x[0, 0] == 9
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.array(x).tolist() == x.tolist()
    assert isinstance(np.sin(x), torch.Tensor)
    zero = torch.tensor(1.5)
    zero.numpy()[...] = 2
    assert zero.item() == 2
    assert torch.ones(2, requires_grad=True).numpy(force=True).tolist() == [1, 1]


def test_iteration_and_membership():
    x = torch.arange(4).reshape(2, 2)
    assert [row.tolist() for row in x] == [[0, 1], [2, 3]]
    assert len(x) == 2 and 3 in x and torch.tensor(7) not in x
    assert sum(torch.arange(3)) == 3


def test_format():
    assert f"{torch.tensor(3.14159):.2f}" == "3.14" and f"{torch.tensor(3)}" == "3"
    assert f"{torch.ones(2)}" == "tensor([1., 1.])"
    with pytest.raises(TypeError):
        f"{torch.ones(2):.2f}"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: torch.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (lambda: torch.tensor(3.0, requires_grad=True), "tensor(3., requires_grad=True)"),
        (lambda: torch.tensor(3.0, requires_grad=True) * 2, "tensor(6., grad_fn=<MulBackward0>)"),
        (lambda: torch.tensor([1, 2], dtype=torch.int32), "tensor([1, 2], dtype=torch.int32)"),
        (lambda: torch.empty(2, 0), "tensor([], size=(2, 0))"),
        (lambda: torch.empty(2, device="meta", dtype=torch.float64), "tensor(..., device='meta', size=(2,), dtype=torch.float64)"),
        (lambda: torch.tensor(True), "tensor(True)"),
    ],
)
def test_repr(make, text):
    assert repr(make()) == str(make()) == text


def test_repr_inside_transforms():
    seen = []
    torch.func.vmap(lambda x: seen.append(repr(x)) or x)(torch.arange(2))
    torch.func.grad(lambda x: seen.append(repr(x)) or x)(torch.tensor(3.0))
    assert seen == [
        "BatchedTensor(lvl=1, bdim=0, value=\n    tensor([0, 1])\n)",
        "GradTrackingTensor(lvl=1, value=\n    tensor(3.)\n)",
    ]


def test_sizes_and_strides():
    x = torch.zeros(2, 3)
    assert x.size() == torch.Size([2, 3]) and x.size(-1) == 3 and x.numel() == x.nelement() == 6
    assert x.stride() == (3, 1) and x.t().stride() == (1, 3) and x.stride(0) == 3
    assert torch.zeros(2, 0, 3).stride() == (3, 3, 1)
    assert x.dim() == x.ndim == x.ndimension() == 2
    assert x.element_size() == x.itemsize == 4 and x.nbytes == 24
    assert x[1].storage_offset() == 3 and x[1, 2].storage_offset() == 5
    assert x[1].data_ptr() - x.data_ptr() == 12
    assert x.is_contiguous() and not x.t().is_contiguous()
    assert x.device.type == "cpu" and x.layout is torch.strided and not x.is_cuda


def test_storages_are_shared_by_views():
    x = torch.arange(6.0)
    assert x[2:].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert x[2:].untyped_storage().nbytes() == 24
    y = torch.zeros(2).set_(x.untyped_storage(), 1, (2, 2), (2, 1))
    assert y.tolist() == [[1, 2], [3, 4]]
    y.zero_()
    assert x.tolist() == [0, 0, 0, 0, 0, 5]
    assert x.is_set_to(x.view(6)) and not x.is_set_to(x[1:])
    with pytest.warns(UserWarning, match="TypedStorage is deprecated"):
        assert x.storage().size() == 6


def test_resize_keeps_the_elements():
    x = torch.arange(4)
    alias = x.view(4)
    assert x.resize_(2).tolist() == [0, 1]
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]] and alias.tolist() == [0, 1, 2, 3]
    x.resize_(3, 2)
    assert x.shape == (3, 2) and x.view(-1)[:4].tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        torch.ones(2, requires_grad=True).resize_(3)


def test_shared_memory_crosses_a_fork():
    import os

    x = torch.zeros(3).share_memory_()
    assert x.is_shared() and not torch.zeros(3).is_shared()
    child = os.fork()
    if child == 0:
        x[1] = 5
        os._exit(0)
    os.waitpid(child, 0)
    assert x.tolist() == [0, 5, 0]


def test_conversions():
    x = torch.tensor([1.7, -2.3])
    assert x.int().tolist() == [1, -2] and x.double().dtype is torch.float64
    assert x.to(torch.float32) is x and x.to("cpu") is x and x.float() is x
    assert x.to(torch.float32, copy=True) is not x
    assert x.to(torch.ones(1, dtype=torch.int8)).dtype is torch.int8
    assert x.type() == "torch.FloatTensor" and x.type("torch.LongTensor").dtype is torch.int64
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        assert torch.tensor([1 + 2j]).float().tolist() == [1]
    assert torch.tensor([2j]).bool().tolist() == [True]
    for name in ("cuda", "xpu"):
        with pytest.raises(AssertionError, match="Torch not compiled with"):
            getattr(x, name)()


def test_conversions_carry_gradients():
    x = torch.ones(2, requires_grad=True)
    x.double().half().to(torch.complex64).real.sum().backward()
    assert x.grad.tolist() == [1, 1] and x.grad.dtype is torch.float32


def test_each_thread_records_by_itself():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_reversed_runs_along_the_first_dimension():
    assert [int(x) for x in reversed(torch.arange(3))] == [2, 1, 0]


def test_old_names_still_answer():
    x = torch.arange(4.0)
    assert x.get_device() == -1 and not x.is_distributed() and x.to_dense() is x
    assert x.const_data_ptr() == x.data_ptr()
    with pytest.warns(UserWarning, match="non-inplace resize is deprecated"):
        assert x.resize(2, 2).tolist() == [[0, 1], [2, 3]]
    assert x.clone().apply_(lambda v: v + 1).tolist() == [1, 2, 3, 4]
    assert x.clone().map_(x, lambda a, b: a * b).tolist() == [0, 1, 4, 9]
    assert x.clone().map2_(x, x, lambda a, b, c: a * b + c).tolist() == [0, 2, 6, 12]
    with pytest.raises(RuntimeError, match=r"Can't call apply_\(\) on Variable that requires grad"):
        torch.ones(2, requires_grad=True).apply_(abs)
