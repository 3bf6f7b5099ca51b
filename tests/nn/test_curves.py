"""Loss curves equal those that PyTorch gave for the same seeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import chainrule

from . import curves

EXPECTED = json.loads(Path(__file__).with_name("curves.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("program", curves.PROGRAMS, ids=lambda p: p.__name__)
def test_loss_curve(program: Callable[[Any], list[float]]) -> None:
    assert program(chainrule) == pytest.approx(EXPECTED[program.__name__], rel=1e-4)
