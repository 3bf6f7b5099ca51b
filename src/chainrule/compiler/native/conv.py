"""Convolutions of two spatial axes and their gradients, on images as PyTorch lays them out: batch, channels, rows, columns.

    spec = Conv("float", 32, 16, 32, size=(28, 28), kernel=(3, 3), padding=(1, 1))
    kernel = emit(module, spec, "conv")  # buffers: images, weights, results

One spatial axis is a convolution whose rows are 1.  A transposed convolution is the data gradient of the one that it transposes.

A stride cuts the padded image into phases, one for each remainder of rows and columns by the stride; within a phase neighbours of
the result read neighbours of the image, so everything below is a sum over taps, each an offset into planes
(:mod:`conv_plane`).  The data gradient is such a sum too, one for each phase of its result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .emitter import Module
from .kernel import Hook, Kernel

Kind = Literal["forward", "data", "weight"]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Conv:
    """One convolution, forward or one of its gradients.

    ``size`` is that of the images of the forward convolution, (batch, in_channels, *size) of them; its weights are
    (out_channels, in_channels / groups, *kernel).  ``kind`` says what is computed from which buffers: ``forward`` results from
    (images, weights), ``data`` images' gradient from (results' gradient, weights), ``weight`` weights' gradient from (images,
    results' gradient); all are contiguous.  The third buffer is what is computed, more than three are the hook's.

    ``on_result`` changes what is computed before it is stored: its places' batch is the image, row the channel, column
    the position in the channel's plane (weights: row the output channel, column the position in its weights).  If its code is long,
    ``looped`` has it written once, and run over what is complete and still near.  ``on_image`` computes the images (of the data gradient
    the results' gradient) where they are used, from the hook's buffers alone; its places are the same.
    """

    element: str
    batch: int
    in_channels: int
    out_channels: int
    size: Pair
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    kind: Kind = "forward"
    buffers: int = 3
    on_result: Hook | None = None
    looped: bool = False
    on_image: Hook | None = None

    def __post_init__(self) -> None:
        if self.element not in ("float", "double"):
            raise ValueError(f"Conv: element is {self.element!r}, it has to be 'float' or 'double'")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(f"Conv: {self.in_channels} and {self.out_channels} channels are not divisible by {self.groups} groups")
        if min(self.out) < 0:
            raise ValueError(f"Conv: a kernel of {self.kernel} (dilation {self.dilation}) does not fit images of {self.size}")

    @property
    def out(self) -> Pair:
        """Rows and columns of the forward convolution's results."""
        a, b = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(self.size, self.padding, self.dilation, self.kernel, self.stride, strict=True)
        )
        return a, b

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @property
    def group_in(self) -> int:
        return self.in_channels // self.groups

    @property
    def group_out(self) -> int:
        return self.out_channels // self.groups

    @property
    def flops(self) -> int:
        rows, columns = self.out
        return 2 * self.batch * self.out_channels * rows * columns * self.group_in * self.taps

    @property
    def elements(self) -> int:
        """Of images, weights and results together."""
        image, result = self.size[0] * self.size[1], self.out[0] * self.out[1]
        weights = self.out_channels * self.group_in * self.taps
        return self.batch * (self.in_channels * image + self.out_channels * result) + weights


def emit(module: Module, spec: Conv, name: str) -> Kernel:
    """Write the kernel."""
    if spec.kind == "weight":
        from .conv_weight import emit_weight

        return emit_weight(module, spec, name)
    from .conv_image import emit_image

    return emit_image(module, spec, name)
