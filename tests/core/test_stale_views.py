"""A write through a view to what the writing operation itself has saved."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as torch


def same(v: Any) -> Any:
    v *= v
    return v


WRITES = {
    "itself": same, "a transposed view": lambda v: same(v.t()), "a row": lambda v: same(v[0]), "another view": lambda v: v.t().mul_(v.t()),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_it_is_refused(name: str) -> None:
    x = torch.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
    v = x * 3
    WRITES[name](v)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        v.sum().backward()


def test_what_is_not_overwritten_is_right() -> None:
    x = torch.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
    v = x * 3
    v.t().mul_(v.t().clone())
    v.sum().backward()
    assert torch.allclose(x.grad, 18 * x.detach())
