"""How PyTorch's files name things: storages by dtype, and the functions that rebuild tensors."""

from __future__ import annotations

from typing import Any

from ..core.dtype import DTYPES, dtype

STORAGE_OF: dict[str, str] = {d.name: f"{d.scalar_name}Storage" for d in DTYPES}
STORAGE_OF.update({"complex64": "ComplexFloatStorage", "complex128": "ComplexDoubleStorage", "bfloat16": "BFloat16Storage"})
DTYPE_OF: dict[str, dtype] = {STORAGE_OF[d.name]: d for d in DTYPES}


class Global:
    """A name in PyTorch's modules, written into a file as such; calling it is the reader's business."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __call__(self, *args: Any) -> Any:
        raise TypeError(f"{self.module}.{self.name} stands for a name in a file")


def storage_name(kind: dtype) -> str:
    """``'FloatStorage'`` for float32; dtypes without a class of their own use ``UntypedStorage``."""
    return STORAGE_OF[kind.name]
