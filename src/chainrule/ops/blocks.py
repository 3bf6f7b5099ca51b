"""Large arrays in blocks that stay in the cache: for functions that make many passes over their argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_BLOCK = 32768


def blocked(kernel: Callable[..., Any], *arrays: Any, **kw: Any) -> Any:
    """``kernel`` of arrays of one shape, whose result has the dtype of the first; block by block if they are large."""
    first = arrays[0]
    if first.size <= _BLOCK or not all(a.flags.c_contiguous for a in arrays):
        return kernel(*arrays, **kw)
    out = np.empty(first.shape, first.dtype)
    result = out.reshape(-1)
    flat = [a.reshape(-1) for a in arrays]
    for i in range(0, result.size, _BLOCK):
        result[i : i + _BLOCK] = kernel(*[a[i : i + _BLOCK] for a in flat], **kw)
    return out


def in_blocks(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """An implementation ``impl(x, **kw)`` from a kernel that takes scalars and arrays of any shape."""

    def impl(x: Any, **kw: Any) -> Any:
        return blocked(kernel, x, **kw) if isinstance(x, np.ndarray) else kernel(x, **kw)

    return impl
