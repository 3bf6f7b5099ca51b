"""What is recorded of ``torch.testing`` is what PyTorch says."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.utils.closeness import CASES, outcome  # noqa: E402


@pytest.mark.parametrize("name", CASES)
def test_what_pytorch_says(name: str) -> None:
    make, said = CASES[name]
    assert outcome(torch, make) == said
