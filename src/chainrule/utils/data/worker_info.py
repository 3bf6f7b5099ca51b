"""What a worker process knows about itself."""

from __future__ import annotations

from typing import Any, NamedTuple


class WorkerInfo(NamedTuple):
    """``id`` counts from 0; ``seed`` is this worker's; ``dataset`` its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_CURRENT: list[WorkerInfo] = []


def current() -> WorkerInfo | None:
    """This process's, if it is a worker."""
    return _CURRENT[-1] if _CURRENT else None


def become(info: WorkerInfo) -> None:
    """Make this process the worker ``info``."""
    _CURRENT[:] = [info]
