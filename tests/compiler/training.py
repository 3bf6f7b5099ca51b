"""A training step as users write it, for tests of what compiling it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chainrule as torch

F = torch.nn.functional


def classifying(model: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    """The step of a classifier: a function of inputs and classes that gives the loss."""

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step
