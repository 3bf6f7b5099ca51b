"""Making a batch of a list of samples."""

from __future__ import annotations

import collections.abc
import copy
from typing import Any

import numpy as np

from ...core.tensor import Tensor

__all__ = ["default_collate", "default_convert"]


def default_convert(data: Any) -> Any:
    """NumPy arrays inside ``data`` as tensors; everything else as it is."""
    from ...ops.creation import as_tensor

    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind not in "SUO":
        return as_tensor(data)
    if isinstance(data, collections.abc.Mapping):
        return type(data)({k: default_convert(v) for k, v in data.items()})  # type: ignore[call-arg]
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*[default_convert(d) for d in data])
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        return type(data)([default_convert(d) for d in data]) if isinstance(data, (list, tuple)) else [default_convert(d) for d in data]
    return data


def default_collate(batch: Any) -> Any:
    """Samples stacked along a new axis 0, inside whatever containers they come in.

    Raises TypeError for samples that are no tensors, arrays, numbers, strings or containers of such, RuntimeError for
    containers of unequal size.

    >>> import chainrule as torch
    >>> torch.utils.data.default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    """
    from ...core.dtype import float64
    from ...ops.creation import as_tensor, tensor
    from ...ops.joining import stack

    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch), 0)
    if isinstance(first, (np.ndarray, np.generic)):
        if first.dtype.kind in "SUO":
            raise TypeError(_REFUSED.format(first.dtype))
        return stack([as_tensor(b) for b in batch], 0) if first.ndim else as_tensor(np.array(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, collections.abc.Mapping):
        columns = {k: default_collate([d[k] for d in batch]) for k in first}
        try:
            twin: Any = copy.copy(first)
            twin.update(columns)
            return twin
        except (TypeError, AttributeError):
            return columns
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*[default_collate(column) for column in zip(*batch, strict=True)])
    if isinstance(first, collections.abc.Sequence):
        if any(len(b) != len(first) for b in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(column) for column in zip(*batch, strict=True)]
    raise TypeError(_REFUSED.format(type(first)))


_REFUSED = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
