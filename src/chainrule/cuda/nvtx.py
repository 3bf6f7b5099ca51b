"""``torch.cuda.nvtx``: marks for NVIDIA's profilers, which need a CUDA build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]


def _absent() -> NoReturn:
    raise RuntimeError("NVTX functions not installed. Are you sure you have a CUDA build?")


def range_push(msg: str) -> int:
    _absent()


def range_pop() -> int:
    _absent()


def range_start(msg: str) -> int:
    _absent()


def range_end(range_id: int) -> None:
    _absent()


def mark(msg: str) -> None:
    _absent()


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
