"""Which operations are compiled: measured, not guessed (``python benchmarks/eager_large.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.op import Op

# Beside the elementwise operations: those that are formulas over rows.
ROWS = frozenset(
    {
        "softmax", "log_softmax", "logsumexp", "native_layer_norm", "native_group_norm", "native_batch_norm", "batch_norm_eval",
        "sum", "sum_all", "mean", "mean_all", "var", "std", "linalg_vector_norm", "mse_loss", "binary_cross_entropy",
        "binary_cross_entropy_with_logits", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "convolution", "convolution_transpose",
    }
)  # fmt: skip

# The C library's function, one number at a time and less exact near its zeros than NumPy's composition.
LEFT = frozenset({"lgamma"})

# Whose numbers differ from call to call (a step size, a factor) and mean nothing but their value: the kernel takes them as arguments.
VARYING = frozenset({"add", "sub", "mul", "div", "eq", "ne", "lt", "le", "gt", "ge"})

# Whose cotangent is that of the result at every element: NumPy shows it so without writing it.
SPREAD = frozenset({"sum", "sum_all", "mean", "mean_all"})

# Whose cotangent is handed on as it is, where nothing was broadcast.
PASSED = frozenset({"add"})

# One exact instruction for an element: up to 65,536 of them NumPy is done before a kernel has been found.  Both give the same bits.
CHEAP = frozenset("add sub mul div neg abs maximum minimum sqrt reciprocal eq ne lt le gt ge".split())
PAYS = 1 << 16


def compiled(op: Op) -> bool:
    """Whether kernels of the operation are worth making."""
    return op.name not in LEFT if op.kind == "elementwise" else op.name in ROWS


def quicker(op: Op, values: Sequence[Any]) -> bool:
    """Whether a kernel is quicker than NumPy for these arrays."""
    return op.name not in CHEAP or any(isinstance(v, np.ndarray) and v.size >= PAYS for v in values)


def varying(op: Op, values: Sequence[Any], like: Any = None) -> Sequence[Any]:
    """The values of a call, numbers that may differ from call to call as 0-d arrays of the dtype of the others."""
    if op.name not in VARYING or not any(type(v) is float or type(v) is int for v in values):
        return values
    kind = like.dtype.type if like is not None else next(v.dtype.type for v in values if isinstance(v, np.ndarray))
    return [kind(v) if type(v) is float or type(v) is int else v for v in values]
