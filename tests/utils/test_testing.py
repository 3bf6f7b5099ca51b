"""``torch.testing``: what is close, what is said where it is not, and tensors of random values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as torch
from tests.utils.closeness import CASES, outcome


@pytest.mark.parametrize("name", CASES)
def test_what_is_said(name: str) -> None:
    make, said = CASES[name]
    assert outcome(torch, make) == said


def test_tolerances_come_in_pairs() -> None:
    x = torch.ones(2)
    with pytest.raises(ValueError, match="Both 'rtol' and 'atol' must be either specified or omitted, but got no atol."):
        torch.testing.assert_close(x, x, rtol=1.0)


def test_a_message_of_one_s_own() -> None:
    x, y = torch.ones(2), torch.zeros(2)
    with pytest.raises(AssertionError, match=r"^no$"):
        torch.testing.assert_close(x, y, msg="no")
    with pytest.raises(AssertionError, match=r"^well: Tensor-likes are not close!"):
        torch.testing.assert_close(x, y, msg=lambda text: f"well: {text}")


def test_allclose_is_said_to_be_old() -> None:
    with pytest.warns(FutureWarning, match="deprecated since 1.12"):
        torch.testing.assert_allclose(torch.tensor([1.0]), [1.0])
    with pytest.warns(FutureWarning), pytest.raises(AssertionError, match="Expected 2 but got 1"):
        torch.testing.assert_allclose(1, 2)


KINDS = [getattr(torch, n) for n in ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")]
WHOLE = [getattr(torch, n) for n in ("bool", "uint8", "int8", "int16", "int32", "int64")]


@pytest.mark.parametrize("kind", [*KINDS, *WHOLE])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4)])
def test_random_values_are_in_their_range(kind: Any, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.testing.make_tensor(shape, dtype=kind, exclude_zero=True)
    assert x.shape == shape and x.dtype is kind and x.is_contiguous() and bool((x != 0).all())
    parts = torch.view_as_real(x) if kind.is_complex else x
    assert bool((parts.double() >= -9).all()) and bool((parts.double() < 10).all())
    y = torch.testing.make_tensor(*shape, dtype=kind, low=0, high=1, noncontiguous=True)
    assert y.shape == shape and y.is_contiguous() == (y.numel() < 2)
    assert kind.is_floating_point or kind.is_complex or not bool(y.any())


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"dtype": torch.int32, "requires_grad": True}, "`requires_grad=True` is not supported for boolean and integral dtypes"),
        ({"dtype": torch.int32, "low": 3, "high": 3}, "`low` must be less than `high`, but got 3 >= 3"),
        ({"dtype": torch.float32, "low": float("nan")}, "`low` and `high` cannot be NaN, but got low=nan and high=9"),
        ({"dtype": torch.uint8, "low": 300, "high": 400}, r"is \[300, 400\), but torch.uint8 only supports \[0, 256\)"),
        ({"dtype": torch.float32, "noncontiguous": True, "memory_format": torch.contiguous_format}, "mutually exclusive"),
    ],
)
def test_ranges_that_cannot_be(keywords: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        torch.testing.make_tensor(2, **keywords)


def test_random_values_that_are_differentiated() -> None:
    x = torch.testing.make_tensor(4, 5, dtype=torch.float64, requires_grad=True, noncontiguous=True)
    x.sum().backward()
    assert x.is_leaf and x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.ones((4, 5)))
