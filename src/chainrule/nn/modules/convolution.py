"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

from ...ops.factories import empty
from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


def ntuple(x: Any, n: int) -> tuple[Any, ...]:
    """``x`` repeated ``n`` times, unless it is a sequence already."""
    return tuple(x) if isinstance(x, (tuple, list)) else (x,) * n


class _ConvNd(Module):
    _dims = 0
    _transposed = False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, groups: int, bias: bool,
        padding_mode: str, device: Any, dtype: Any, output_padding: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        n = self._dims
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                f"padding_mode must be one of {{'zeros', 'reflect', 'replicate', 'circular'}}, but got padding_mode='{padding_mode}'"
            )
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string '{padding}', should be one of {{'same', 'valid'}}")
            if padding == "same" and any(s != 1 for s in ntuple(stride, n)):
                raise ValueError("padding='same' is not supported for strided convolutions")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = ntuple(kernel_size, n)
        self.stride = ntuple(stride, n)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, n)
        self.dilation = ntuple(dilation, n)
        self.transposed = self._transposed
        self.output_padding = ntuple(output_padding, n)
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._padding_amounts()
        ins, outs = (in_channels, out_channels // groups) if self._transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty((ins, outs, *self.kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding_amounts(self) -> list[int]:
        """The padding as ``F.pad`` takes it: last dimension first, both ends."""
        amounts: list[int] = []
        for d in reversed(range(self._dims)):
            if self.padding == "same":
                total = self.dilation[d] * (self.kernel_size[d] - 1)
                amounts += [total // 2, total - total // 2]
            else:
                amounts += [0, 0] if isinstance(self.padding, str) else [self.padding[d]] * 2
        return amounts

    def reset_parameters(self) -> None:
        """Uniform in ±1/√fan_in, drawn as PyTorch draws it."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _convolve(self, function: Any, input: Any, weight: Any, bias: Any) -> Any:
        if self.padding_mode == "zeros":
            return function(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        padded = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
        return function(padded, weight, bias, self.stride, ntuple(0, self._dims), self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * len(self.kernel_size):
            text += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.kernel_size):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * len(self.kernel_size):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text + ("" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}")


class _Conv(_ConvNd):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
        bias: bool = True, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype)


class Conv1d(_Conv):
    """Convolution over ``(N, C, L)``."""

    _dims = 1

    def forward(self, input: Any) -> Any:
        return self._convolve(F.conv1d, input, self.weight, self.bias)


class Conv2d(_Conv):
    """Convolution over ``(N, C, H, W)``.

    >>> import chainrule as torch
    >>> torch.nn.Conv2d(3, 8, 3, padding=1)(torch.zeros(1, 3, 5, 5)).shape
    torch.Size([1, 8, 5, 5])
    """

    _dims = 2

    def forward(self, input: Any) -> Any:
        return self._convolve(F.conv2d, input, self.weight, self.bias)


class Conv3d(_Conv):
    """Convolution over ``(N, C, D, H, W)``."""

    _dims = 3

    def forward(self, input: Any) -> Any:
        return self._convolve(F.conv3d, input, self.weight, self.bias)


class _ConvTranspose(_ConvNd):
    _transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
        groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype, output_padding
        )

    def _output_padding(self, input: Any, output_size: Any) -> tuple[int, ...]:
        if output_size is None:
            return self.output_padding
        n = self._dims
        if len(output_size) not in (n, input.dim()):
            raise ValueError(
                f"ConvTranspose{n}D: for {input.dim()}D input, output_size must have {n} or {input.dim()} elements (got {len(output_size)})"
            )
        sizes = output_size[-n:] if len(output_size) > n else output_size
        spatial = input.shape[-n:]
        smallest = [
            (spatial[d] - 1) * self.stride[d] - 2 * self.padding[d] + self.dilation[d] * (self.kernel_size[d] - 1) + 1 for d in range(n)
        ]
        largest = [s + self.stride[d] - 1 for d, s in enumerate(smallest)]
        if any(not low <= s <= high for s, low, high in zip(sizes, smallest, largest, strict=True)):
            raise ValueError(
                f"requested an output size of {sizes}, but valid sizes range from {smallest} to {largest} (for an input of"
                f" {spatial})"
            )
        return tuple([s - low for s, low in zip(sizes, smallest, strict=True)])

    def _transpose(self, function: Any, input: Any, output_size: Any) -> Any:
        padding = self._output_padding(input, output_size)
        return function(input, self.weight, self.bias, self.stride, self.padding, padding, self.groups, self.dilation)


class ConvTranspose1d(_ConvTranspose):
    """The transpose of :class:`Conv1d`."""

    _dims = 1

    def forward(self, input: Any, output_size: Any = None) -> Any:
        return self._transpose(F.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTranspose):
    """The transpose of :class:`Conv2d`."""

    _dims = 2

    def forward(self, input: Any, output_size: Any = None) -> Any:
        return self._transpose(F.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTranspose):
    """The transpose of :class:`Conv3d`."""

    _dims = 3

    def forward(self, input: Any, output_size: Any = None) -> Any:
        return self._transpose(F.conv_transpose3d, input, output_size)
