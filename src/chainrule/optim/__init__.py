"""Optimizers (``torch.optim``)."""

from typing import Any

from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


def __getattr__(name: str) -> Any:
    from ..alias import missing_name

    raise missing_name(__name__, name)
