"""The training steps of ``examples/``, compiled against uncompiled."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled

from .test_capture import equal
from .training import classifying

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["perceptron", "convolutional"])
def test_digits(name: str) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("tqdm")
    spec = importlib.util.spec_from_file_location("digits", EXAMPLES / "digits.py")
    assert spec is not None and spec.loader is not None
    digits = importlib.util.module_from_spec(spec)
    with torch.as_torch():
        spec.loader.exec_module(digits)
    images, labels, _, _ = digits.load(0)

    def trained(wrap: Any) -> Any:
        torch.manual_seed(0)
        model = getattr(digits, name)()
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

        run = wrap(classifying(model, optimizer))
        losses = [run(images[rows], labels[rows]).detach() for rows in torch.randperm(640).split(64)]
        return losses, run

    losses, compiled = trained(Compiled)
    assert compiled.programs(), compiled.reasons
    want, _ = trained(lambda f: f)
    for got, expected in zip(losses, want, strict=True):
        assert torch.allclose(got, expected, rtol=1e-3)  # Adam's first steps are signs of what may be rounding
    equal(losses[0], want[0])
