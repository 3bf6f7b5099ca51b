"""All pairs and tuples of the elements of vectors: meshgrid, cartesian_prod, combinations."""

from __future__ import annotations

import warnings
from itertools import combinations as _combinations
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from ..core.size import text
from ..core.tensor import Tensor, wrap
from .dims import value_of
from .joining import stack
from .rows import index_select
from .shape import expand, reshape


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The vectors expanded to one grid, as views; ``indexing`` is ``'ij'`` (rows first) or ``'xy'`` (columns first).

    >>> import chainrule as torch
    >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="ij")[0]
    tensor([[1, 1],
            [2, 2]])
    """
    given = tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for x in given:
        if value_of("meshgrid", x, "tensors").ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {x}")
        if x.dtype is not given[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", UserWarning, stacklevel=2
        )
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(given) > 1
    order = [given[1], given[0], *given[2:]] if swap else list(given)
    n = len(order)
    shape = tuple([int(np.prod(x._value.shape)) for x in order])
    grids = [expand(reshape(x, (1,) * k + (shape[k],) + (1,) * (n - k - 1)), shape) for k, x in enumerate(order)]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def _vectors(tensors: Any) -> None:
    for x in tensors:
        shape = value_of("cartesian_prod", x, "tensors").shape
        if len(shape) != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {text(shape)}")


def cartesian_prod(*tensors: Any) -> Tensor:
    """All tuples with one element of each vector, one a row; the last element changes fastest."""
    _vectors(tensors)
    if len(tensors) == 1:
        return tensors[0]  # type: ignore[no-any-return]
    return stack([reshape(g, -1) for g in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector in their order, one a row."""
    _vectors((input,))
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty((0,))
    choose = combinations_with_replacement if with_replacement else _combinations
    places = np.array(list(choose(range(input._value.shape[0]), r)), np.int64).reshape(-1, r)
    return stack([index_select(input, 0, wrap(np.ascontiguousarray(column))) for column in places.T], 1)


__all__ = ["cartesian_prod", "combinations", "meshgrid"]
