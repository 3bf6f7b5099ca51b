"""Window functions of signal processing: weights that rise from the edges to the middle."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.device import cpu as _cpu
from ..core.device import strided, tensor_device
from ..core.meta import Meta
from ..core.naming import argument_error
from ..core.tensor import Tensor
from .factories import finish, kind_of


def _window(
    name: str, length: Any, periodic: bool, formula: Callable[[Any, int], Any], dtype: Any, layout: Any, device: Any,
    pin_memory: bool, requires_grad: bool,
) -> Tensor:  # fmt: skip
    """``formula(positions, steps)`` for ``steps + 1`` points; a periodic window leaves the last one out."""
    if isinstance(length, bool) or not hasattr(length, "__index__"):
        raise argument_error(name, "window_length", "int", length, 1)
    n = int(length.__index__())
    kind = kind_of(dtype, None, name)
    if not kind.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {kind}")
    if n < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={n}")
    if tensor_device(device) is not _cpu:
        return finish(Meta((n,), kind.np), None, requires_grad, layout, pin_memory)
    if n <= 1:
        return finish(np.ones(n, kind.np), None, requires_grad, layout, pin_memory)
    steps = n if periodic else n - 1
    working = np.float64 if kind.itemsize == 8 else np.float32
    values = formula(np.arange(n, dtype=working), steps)
    return finish(values.astype(kind.np), None, requires_grad, layout, pin_memory)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = strided, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A triangle.

    >>> import chainrule as torch
    >>> torch.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """

    def formula(k: Any, steps: int) -> Any:
        rising = k * k.dtype.type(2 / steps)
        return np.where(2 * k > steps, 2 - rising, rising)

    return _window("bartlett_window", window_length, periodic, formula, dtype, layout, device, pin_memory, requires_grad)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    layout: Any = strided, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``alpha - beta * cos(2 pi k / N)``.

    >>> import chainrule as torch
    >>> torch.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return _window("hamming_window", window_length, periodic, _raised_cosine(alpha, beta), dtype, layout, device, pin_memory, requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = strided, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``(1 - cos(2 pi k / N)) / 2``.

    >>> import chainrule as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window("hann_window", window_length, periodic, _raised_cosine(0.5, 0.5), dtype, layout, device, pin_memory, requires_grad)


def _raised_cosine(alpha: float, beta: float) -> Callable[[Any, int], Any]:
    def formula(k: Any, steps: int) -> Any:
        real = k.dtype.type
        return real(alpha) - real(beta) * np.cos(k * real(2 * math.pi / steps))

    return formula


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = strided, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``0.42 - 0.5 cos(2 pi k / N) + 0.08 cos(4 pi k / N)``.

    >>> import chainrule as torch
    >>> torch.blackman_window(4)[2]
    tensor(1.)
    """

    def formula(k: Any, steps: int) -> Any:
        real = k.dtype.type
        t = k * real(math.pi / steps)
        return np.cos(t * 4) * real(0.08) - np.cos(t * 2) * real(0.5) + real(0.42)

    return _window("blackman_window", window_length, periodic, formula, dtype, layout, device, pin_memory, requires_grad)


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = strided,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``I0(beta sqrt(1 - x²)) / I0(beta)`` for x from -1 to 1, with the modified Bessel function I0.

    >>> import chainrule as torch
    >>> torch.kaiser_window(3, periodic=False)[1]
    tensor(1.)
    """

    def formula(k: Any, steps: int) -> Any:
        x = k.astype(np.float64) * (2.0 / steps) - 1
        return np.i0(beta * np.sqrt(np.maximum(1 - x * x, 0))) / np.i0(beta)

    return _window("kaiser_window", window_length, periodic, formula, dtype, layout, device, pin_memory, requires_grad)


__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]
