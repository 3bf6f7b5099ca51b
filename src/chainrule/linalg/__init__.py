"""Norms and other functions of matrices (``torch.linalg``)."""

from __future__ import annotations

from ..ops.norm import linalg_norm as norm
from ..ops.norm import matrix_norm, vector_norm
from ..ops.singular import svdvals

__all__ = ["matrix_norm", "norm", "svdvals", "vector_norm"]
