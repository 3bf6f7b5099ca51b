"""Padding layers: ``padding`` is one number for all ends, or (left, right, top, bottom, front, back) as far as it goes."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from .convolution import ntuple
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d", "ReflectionPad1d",
    "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d",
    "ZeroPad3d",
]  # fmt: skip


class _PadNd(Module):
    _dims = 0
    _mode = ""

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = ntuple(padding, 2 * self._dims)

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Any) -> Any:
        ranks = (self._dims + 1, self._dims + 2)
        if input.dim() not in ranks:
            raise ValueError(f"expected {ranks[0]}D or {ranks[1]}D input (got {input.dim()}D input)")
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """``(N, C, L)`` continued periodically."""

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """``(N, C, H, W)`` continued periodically."""

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """``(N, C, D, H, W)`` continued periodically."""

    _dims = 3


class _ConstantPadNd(_PadNd):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """``(N, C, L)`` with ``value`` around."""

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """``(N, C, H, W)`` with ``value`` around.

    >>> import chainrule as torch
    >>> torch.nn.ConstantPad2d(1, 7.0)(torch.zeros(1, 1, 1, 1))[0, 0]
    tensor([[7., 7., 7.],
            [7., 0., 7.],
            [7., 7., 7.]])
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """``(N, C, D, H, W)`` with ``value`` around."""

    _dims = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd, ConstantPad1d):
    """``(N, C, L)`` with zeros around."""


class ZeroPad2d(_ZeroPadNd, ConstantPad2d):
    """``(N, C, H, W)`` with zeros around."""


class ZeroPad3d(_ZeroPadNd, ConstantPad3d):
    """``(N, C, D, H, W)`` with zeros around."""


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """``(N, C, L)`` mirrored at its ends."""

    _dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    """``(N, C, H, W)`` mirrored at its ends."""

    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """``(N, C, D, H, W)`` mirrored at its ends."""

    _dims = 3


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """``(N, C, L)`` with its ends repeated."""

    _dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    """``(N, C, H, W)`` with its ends repeated."""

    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """``(N, C, D, H, W)`` with its ends repeated."""

    _dims = 3
