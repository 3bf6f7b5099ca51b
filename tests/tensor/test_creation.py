"""Tensors from data, sizes, ranges and other tensors."""

from __future__ import annotations

import warnings

import ml_dtypes
import numpy as np
import pytest

import chainrule as torch

DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32,
          torch.float64, torch.complex64, torch.complex128]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (3.0, torch.float32, ()), (3, torch.int64, ()), (True, torch.bool, ()), (1j, torch.complex64, ()), ([1, 2], torch.int64, (2,)),
        ([1, 2.5], torch.float32, (2,)), ([True, 2], torch.int64, (2,)), ([[1, 2j]], torch.complex64, (1, 2)), ([], torch.float32, (0,)),
        ([[], []], torch.float32, (2, 0)), (((1, 2), (3, 4)), torch.int64, (2, 2)), (range(3), torch.int64, (3,)),
        (np.float64(2), torch.float64, ()), ([np.float32(1), np.float32(2)], torch.float32, (2,)),
        (np.zeros((2, 0), np.int16), torch.int16, (2, 0)), (torch.Size([2, 3]), torch.int64, (2,)),
    ],
)  # fmt: skip
def test_dtype_and_shape_come_from_the_data(data, dtype, shape):
    t = torch.tensor(data)
    assert t.dtype is dtype
    assert t.shape == shape
    assert t.is_leaf and not t.requires_grad


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("data", [1, [0, 1], [[1.0, 0.0]], [True, False]])
def test_dtype_that_is_asked_for(data, dtype):
    t = torch.tensor(data, dtype=dtype)
    assert t.dtype is dtype
    assert np.array_equal(np.array(t.tolist(), complex), np.array(data, complex))


def test_default_dtype_decides_what_floats_become():
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.tensor(1.0).dtype is torch.tensor([1.0]).dtype is torch.zeros(1).dtype is torch.float64
        assert torch.tensor(1j).dtype is torch.complex128
    finally:
        torch.set_default_dtype(torch.float32)


def test_tensor_copies_its_data():
    a = np.arange(3.0)
    t = torch.tensor(a)
    a[0] = 9
    assert t.tolist() == [0, 1, 2]


def test_tensors_inside_sequences_are_read_as_numbers():
    x = torch.tensor(2.5, requires_grad=True)
    t = torch.tensor([[1, x], [torch.tensor([3]), True]])
    assert t.tolist() == [[1, 2.5], [3, 1]]
    assert not t.requires_grad


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([[1, 2], [3]], ValueError, "expected sequence of length 2 at dim 1 (got 1)"),
        ([[1, 2], 3], TypeError, "not a sequence"),
        ([1, [2]], TypeError, "'list' object cannot be interpreted as an integer"),
        ("a", TypeError, "new(): invalid data type 'str'"),
        (["a"], ValueError, "too many dimensions 'str'"),
        (None, RuntimeError, "Could not infer dtype of NoneType"),
        ([1, None], RuntimeError, "Could not infer dtype of NoneType"),
        ({1: 2}, RuntimeError, "Could not infer dtype of dict"),
        (2**63, ValueError, "Overflow when unpacking long long"),
        ([2**64], ValueError, "Overflow when unpacking long long"),
        ([torch.ones(2), torch.ones(2)], ValueError, "only one element tensors can be converted to Python scalars"),
    ],
)
def test_what_holds_no_numbers_is_refused(data, error, message):
    with pytest.raises(error) as caught:
        torch.tensor(data)
    assert str(caught.value) == message


@pytest.mark.parametrize(("value", "dtype"), [(300, torch.uint8), (-256, torch.uint8), (128, torch.int8), (2**31, torch.int32)])
def test_integers_out_of_range_are_refused(value, dtype):
    for data in (value, [value]):
        with pytest.raises(RuntimeError, match="value cannot be converted to type .* without overflow"):
            torch.tensor(data, dtype=dtype)
    assert torch.tensor([-1], dtype=torch.uint8).item() == 255


def test_requires_grad_is_for_floating_dtypes():
    assert torch.tensor(1.0, requires_grad=True).requires_grad
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"):
        torch.tensor(1, requires_grad=True)


def test_from_numpy_shares_memory_both_ways():
    for a in (np.arange(6.0).reshape(2, 3), np.array(1.5), np.arange(6.0)[::2]):
        t = torch.from_numpy(a)
        a[...] = 7
        assert (t == 7).all()
        t.mul_(2)
        assert (a == 14).all()
        assert np.shares_memory(t.numpy(), a)


def test_from_numpy_refuses_what_it_cannot_share():
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        torch.from_numpy([1])
    with pytest.raises(ValueError, match="negative"):
        torch.from_numpy(np.ones(3)[::-1])
    with pytest.raises(TypeError, match="can't convert np.ndarray of type numpy.str_"):
        torch.from_numpy(np.array(["a"]))
    with pytest.raises(ValueError, match="byte order"):
        torch.from_numpy(np.array([1.0], ">f4"))


def test_as_tensor_copies_only_when_it_must():
    x = torch.ones(2, requires_grad=True)
    assert torch.as_tensor(x) is x
    a = np.ones(2)
    t = torch.as_tensor(a)
    a[0] = 5
    assert t[0] == 5
    assert torch.as_tensor(a, dtype=torch.float32).dtype is torch.float32
    assert torch.as_tensor([1, 2]).tolist() == [1, 2]


def test_asarray_aliases_or_refuses():
    x = torch.ones(2)
    assert torch.asarray(x) is x
    with pytest.raises(ValueError, match="can't alias tensor with dtype 'Float' into dtype 'Double'"):
        torch.asarray(x, dtype=torch.float64, copy=False)
    with pytest.raises(ValueError, match="can't alias arbitrary sequence"):
        torch.asarray([1, 2], copy=False)
    assert torch.asarray(x, copy=True).data_ptr() != x.data_ptr()
    assert torch.asarray(bytearray(b"ab"), dtype=torch.uint8).tolist() == [97, 98]


def test_frombuffer_looks_at_the_buffer():
    memory = bytearray(np.arange(4, dtype=np.int32).tobytes())
    t = torch.frombuffer(memory, dtype=torch.int32, count=2, offset=4)
    assert t.tolist() == [1, 2]
    memory[4] = 9
    assert t.tolist() == [9, 2]
    with pytest.raises(ValueError, match="must be a multiple of element size"):
        torch.frombuffer(bytearray(3), dtype=torch.int32)
    with pytest.raises(ValueError, match="must not be 0"):
        torch.frombuffer(bytearray(), dtype=torch.int32)


def test_dlpack_shares_memory_both_ways():
    x = torch.arange(3.0)
    a = np.from_dlpack(x)
    x.add_(1)
    assert a.tolist() == [1, 2, 3]
    y = torch.from_dlpack(np.arange(3.0))
    assert y.tolist() == [0, 1, 2]
    with pytest.raises(BufferError, match="requires? gradient"):
        np.from_dlpack(torch.ones(2, requires_grad=True))


@pytest.mark.parametrize("sizes", [(), (0,), (2, 3), (2, 0, 3)])
@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
def test_constant_tensors(sizes, dtype):
    for made, value in ((torch.zeros(sizes, dtype=dtype), 0), (torch.ones(sizes, dtype=dtype), 1), (torch.full(sizes, 1, dtype=dtype), 1)):
        assert made.shape == sizes and made.dtype is dtype
        assert (made == value).all()
    x = torch.empty(sizes, dtype=dtype)
    assert x.shape == sizes and x.dtype is dtype
    for made, value in ((torch.zeros_like(x), 0), (torch.ones_like(x), 1), (torch.full_like(x, 1), 1), (x.new_zeros(sizes), 0)):
        assert made.shape == sizes and made.dtype is dtype
        assert (made == value).all()


def test_sizes_may_be_tensors_and_numpy_integers():
    assert torch.zeros(torch.tensor(2), np.int64(3)).shape == (2, 3)
    assert torch.zeros(size=(2,)).shape == (2,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: torch.zeros(2.5), TypeError, "zeros(): argument 'size' (position 1) must be tuple of ints, not float"),
        (lambda: torch.zeros(-1), RuntimeError, "zeros: Dimension size must be non-negative."),
        (lambda: torch.ones(-1, 2), RuntimeError, "Trying to create tensor with negative dimension -1: [-1, 2]"),
        (lambda: torch.zeros(2, dtype="float32"), TypeError, "zeros(): argument 'dtype' must be torch.dtype, not str"),
        (lambda: torch.zeros(2, device="cuda"), AssertionError, "Torch not compiled with CUDA enabled"),
        (lambda: torch.full((2,), 300, dtype=torch.uint8), RuntimeError, "value cannot be converted to type uint8_t without overflow"),
        (lambda: torch.full((2,), 1e300), RuntimeError, "value cannot be converted to type float without overflow"),
        (lambda: torch.full((2,), 1j, dtype=torch.float32), RuntimeError, "value cannot be converted to type float without overflow"),
        (lambda: torch.eye(-1), RuntimeError, "n must be greater or equal to 0, got -1"),
        (lambda: torch.arange(1, 5, 0), RuntimeError, "step must be nonzero"),
        (lambda: torch.arange(5, 1), RuntimeError, "upper bound and lower bound inconsistent with step sign"),
        (lambda: torch.linspace(0, 1, -1), RuntimeError, "number of steps must be non-negative"),
        (lambda: torch.zeros_like([1]), TypeError, "zeros_like(): argument 'input' (position 1) must be Tensor, not list"),
    ],
)
def test_error_texts(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_memory_formats():
    x = torch.empty(2, 3, 4, 5, memory_format=torch.channels_last)
    assert x.stride() == (60, 1, 15, 3)
    assert x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    assert torch.zeros_like(x).stride() == x.clone().stride() == x.stride()
    assert x.contiguous().stride() == (60, 20, 5, 1)
    assert torch.ones(2, 3).t().clone().stride() == (1, 2 + 1)
    assert torch.ones(3).expand(2, 3).clone().stride() == (3, 1)
    assert torch.empty_strided((2, 3), (1, 2)).stride() == (1, 2)


def test_ranges():
    assert torch.arange(3).tolist() == [0, 1, 2] and torch.arange(3).dtype is torch.int64
    assert torch.arange(5, 1, -2).tolist() == [5, 3]
    assert torch.arange(1, 2, 0.3).dtype is torch.float32
    assert torch.arange(end=3).tolist() == torch.arange(start=0, end=3).tolist() == [0, 1, 2]
    assert torch.arange(0, 5.5, 1.5, dtype=torch.int64).tolist() == [0, 1, 2, 3, 4]
    space = torch.linspace(0.1, 0.7, 5)
    assert space[0] == torch.tensor(0.1) and space[-1] == torch.tensor(0.7)
    assert torch.linspace(1, 2, 1).tolist() == [1]
    assert torch.linspace(0, 10, 4, dtype=torch.int64).tolist() == [0, 3, 6, 10]
    assert torch.logspace(0, 2, 3).tolist() == [1, 10, 100]
    assert torch.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert torch.tril_indices(2, 2).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert torch.triu_indices(2, 3, 1).tolist() == [[0, 0, 1], [1, 2, 2]]


def test_legacy_constructors():
    assert torch.Tensor(2, 3).shape == (2, 3) and torch.Tensor([1, 2]).dtype is torch.float32
    assert torch.Tensor().shape == (0,)
    assert torch.LongTensor([1.7, 2]).tolist() == [1, 2]
    assert isinstance(torch.ones(2), torch.FloatTensor) and not isinstance(torch.ones(2), torch.LongTensor)
    assert repr(torch.FloatTensor) == "<class 'torch.FloatTensor'>" and repr(torch.Tensor) == "<class 'torch.Tensor'>"
    shared = torch.ones(2)
    torch.Tensor(shared).zero_()
    assert shared.tolist() == [0, 0]
    with pytest.raises(TypeError, match=r"new\(\): data must be a sequence \(got float\)"):
        torch.Tensor(5.5)


def test_subclasses_are_made_like_tensors():
    class Tagged(torch.Tensor):
        pass

    x = Tagged([1, 2])
    assert type(x) is Tagged and x.tolist() == [1, 2]
    assert repr(x) == "Tagged([1., 2.])"
    made = torch.Tensor._make_subclass(Tagged, torch.ones(2), True)
    assert type(made) is Tagged and made.requires_grad and made.is_leaf
    base = torch.ones(2, requires_grad=True)
    view = base.as_subclass(Tagged)
    assert view.grad_fn.name() == "AliasBackward0"
    view.sum().backward()
    assert base.grad.tolist() == [1, 1]


def test_device_context_decides_where():
    with torch.device("meta"):
        assert torch.zeros(2).is_meta and torch.tensor([1, 2]).is_meta
        assert torch.rand(2).is_meta
    assert not torch.zeros(2).is_meta


def test_extension_dtypes_hold_their_values():
    t = torch.tensor([1.0, 2.703125], dtype=torch.bfloat16)
    assert t._value.dtype == ml_dtypes.bfloat16
    assert t.tolist() == [1.0, 2.703125]


def test_lists_of_arrays_warn_and_work():
    with pytest.warns(UserWarning, match="extremely slow"):
        t = torch.tensor([np.ones(2, np.float32), np.zeros(2, np.float32)])
    assert t.tolist() == [[1, 1], [0, 0]]
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        torch.tensor(torch.ones(2))


def test_out_is_filled():
    out = torch.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.zeros(2, out=out) is out
    assert out.tolist() == [0, 0]
