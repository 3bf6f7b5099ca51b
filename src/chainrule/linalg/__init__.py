"""Products, norms and other functions of matrices (``torch.linalg``)."""

from __future__ import annotations

from typing import Any

from ..ops.contraction import linalg_cross as cross
from ..ops.contraction import linalg_vecdot as vecdot
from ..ops.contraction import multi_dot
from ..ops.matmul import matmul
from ..ops.norm import linalg_norm as norm
from ..ops.norm import matrix_norm, vector_norm
from ..ops.singular import svdvals

__all__ = ["cross", "matmul", "matrix_norm", "multi_dot", "norm", "svdvals", "vecdot", "vector_norm"]


def __getattr__(name: str) -> Any:
    from ..alias import missing_name

    raise missing_name(__name__, name)
