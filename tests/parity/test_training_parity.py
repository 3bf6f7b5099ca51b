"""Same seeds, same initial weights, same loss curve as PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import chainrule
from tests.nn import curves


@pytest.mark.parametrize("program", curves.PROGRAMS, ids=lambda p: p.__name__)
def test_loss_curve(program: Callable[[Any], list[float]]) -> None:
    want = program(torch)
    got = program(chainrule)
    assert len(want) >= curves.STEPS
    assert want[-1] < want[0]
    assert got == pytest.approx(want, rel=1e-4)
