"""``torch.distributed`` in a build without it: one process, and no way to form a group of several."""

from __future__ import annotations

import enum
from typing import Any, NoReturn

from chainrule.alias import missing_name

__all__ = [
    "Backend",
    "GroupMember",
    "ProcessGroup",
    "ReduceOp",
    "all_gather",
    "all_gather_into_tensor",
    "all_gather_object",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "broadcast",
    "broadcast_object_list",
    "destroy_process_group",
    "gather",
    "gather_object",
    "get_backend",
    "get_rank",
    "get_world_size",
    "group",
    "init_process_group",
    "irecv",
    "is_available",
    "is_backend_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "is_torchelastic_launched",
    "is_ucc_available",
    "is_xccl_available",
    "isend",
    "monitored_barrier",
    "new_group",
    "recv",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "scatter",
    "scatter_object_list",
    "send",
]


class ReduceOp(enum.Enum):
    """How the values of the processes are combined."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8


class Backend(str):
    """The name of what carries the messages, in lower case."""

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    UCC = "ucc"
    MPI = "mpi"
    XCCL = "xccl"

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return super().__new__(cls, name.lower())


class ProcessGroup:
    """Processes that talk to each other."""


class GroupMember:
    """What stands for a group in the functions' arguments."""

    WORLD: ProcessGroup | None = None
    NON_GROUP_MEMBER = -100


group = GroupMember


def is_available() -> bool:
    return False


def is_initialized() -> bool:
    return False


def is_backend_available(backend: str) -> bool:
    return False


def is_gloo_available() -> bool:
    return False


def is_mpi_available() -> bool:
    return False


def is_nccl_available() -> bool:
    return False


def is_ucc_available() -> bool:
    return False


def is_xccl_available() -> bool:
    return False


def is_torchelastic_launched() -> bool:
    import os

    return os.environ.get("TORCHELASTIC_RUN_ID") is not None


def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> None:
    """RuntimeError: nothing here carries messages between processes."""
    raise RuntimeError("torch.distributed is not available in chainrule (torch.distributed.is_available() is False)")


def destroy_process_group(group: Any = None) -> None:
    raise AssertionError("Process group cannot be None")


def _no_group() -> NoReturn:
    raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")


def get_rank(group: Any = None) -> int:
    _no_group()


def get_world_size(group: Any = None) -> int:
    _no_group()


def get_backend(group: Any = None) -> Backend:
    _no_group()


def new_group(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def barrier(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def monitored_barrier(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def all_reduce(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def reduce(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def broadcast(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def broadcast_object_list(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def all_gather(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def all_gather_into_tensor(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def all_gather_object(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def gather(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def gather_object(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def scatter(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def scatter_object_list(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def reduce_scatter(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def reduce_scatter_tensor(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def all_to_all(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def all_to_all_single(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def send(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def recv(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def isend(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def irecv(*args: Any, **kwargs: Any) -> Any:
    _no_group()


def __getattr__(name: str) -> Any:
    raise missing_name(__name__, name)
