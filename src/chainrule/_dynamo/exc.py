"""``torch._dynamo.exc``: the errors that a program may catch."""

from __future__ import annotations

__all__ = ["InvalidBackend", "TorchDynamoException", "Unsupported"]


class TorchDynamoException(RuntimeError):
    """The base of them all."""


class InvalidBackend(TorchDynamoException):
    """``torch.compile`` was given the name of a back end that there is not."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Invalid backend: {name!r}, see `torch._dynamo.list_backends()` for available backends.")


class Unsupported(TorchDynamoException):
    """A construct that cannot be compiled."""
