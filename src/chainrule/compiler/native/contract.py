"""Kernels for the program's contractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

from ..program.ir import Node, row_major
from ..schedule.group import Group
from ..schedule.prologue import IMAGES
from ..schedule.reads import sides
from . import conv, gemm
from .emitter import Module
from .epilogue import Epilogue
from .gemm import Gemm, Layout
from .kernel import Kernel
from .prologue import Prologue

Pointer = tuple[Node, int]

_ELEMENT = {"float32": "float", "float64": "double"}


def _element(node: Node) -> str:
    found = _ELEMENT.get(node.dtype.name)
    if found is None:
        raise ValueError(f"products of {node.dtype}")
    return found


class Hooks(NamedTuple):
    """What is done to operands, by their numbers, and to results; how many pointers the kernel has."""

    before: dict[int, Prologue]
    after: Epilogue | None
    pointers: int

    @property
    def looped(self) -> bool:
        return self.after is not None and self.after.long


class Operand(NamedTuple):
    """What a kernel reads: memory, where in it (bytes), and how far apart elements are."""

    node: Node
    start: int = 0
    strides: tuple[int, ...] = ()


def contraction(module: Module, group: Group, inside: Sequence[Node]) -> tuple[Kernel, list[Pointer]]:
    """The kernel of a ``matmul``, ``conv``, ``conv_input`` or ``conv_weight``, and what its pointers are to (node, offset in bytes).

    ``inside`` are the group's nodes with the views between them.  Raises ValueError for a dtype, an operand or a rank,
    that has no kernel; NotAffine for a prologue or an epilogue that has none.
    """
    found = sides(group)
    product = found.product
    before = {k: Prologue(product.args[k], inside, _matrices(product, product.args[k])) for k in found.before}
    operands = [_read(product, a, before.get(k)) for k, a in enumerate(product.args)]
    count = 3
    for p in before.values():
        p.first, count = count, count + len(p.buffers)
    after = Epilogue(product, _matrix(product), inside, group.outputs, count) if found.after else None
    others = [n for p in before.values() for n in p.buffers]
    last = [] if after is None else after.buffers
    hooks = Hooks(before, after, count + len(last))
    kernel, order = _EMIT[product.op](module, product, operands, hooks)
    kernel = replace(kernel, bytes=kernel.bytes + sum(n.bytes for n in (*others, *last)))
    result = product if after is None else after.result
    pointers = [(operands[k].node, operands[k].start) for k in order]
    return kernel, [*pointers, *[(n, 0) for n in (result, *others, *last)]]


def _read(product: Node, x: Node, before: Prologue | None) -> Operand:
    """Where a kernel finds an operand, or what the operand is computed from."""
    if before is None:
        return _laid_out(x) if product.op == "matmul" else Operand(x)
    if product.op != "matmul":
        return Operand(before.buffers[0])  # convolutions leave all reading to the hook
    node, start, strides = before.primary()
    return Operand(node, start * node.dtype.itemsize, strides)


def _matrices(product: Node, x: Node) -> tuple[int, ...]:
    """Batch axes, rows and columns that the hooks of an operand count in: of images channels, and the positions in a channel."""
    return x.shape if product.op == "matmul" else (*x.shape[:2], prod(x.shape[2:]))


def _matrix(product: Node) -> tuple[int, int]:
    """Rows and columns that the hook's places count in: of a convolution channels, and the positions in a channel."""
    shape = product.shape
    if product.op == "matmul":
        return shape[-2], shape[-1]
    return (shape[0], prod(shape[1:])) if product.op == "conv_weight" else (shape[1], prod(shape[2:]))


def _laid_out(x: Node) -> Operand:
    if x.op != "view":
        return Operand(x, 0, row_major(x.shape))
    base = x.args[0]
    if base.op == "view":
        raise ValueError("a view of a view")
    return Operand(base, x.attrs["offset"] * x.dtype.itemsize, tuple(x.attrs["strides"]))


Emitted = tuple[Kernel, tuple[int, int]]  # the kernel, and the numbers of the operands that its first pointers are to


def _matmul(module: Module, node: Node, operands: Sequence[Operand], hooks: Hooks) -> Emitted:
    element = _element(node)
    in_a, in_b, in_c = [Layout(s[-2], s[-1], s[:-2]) for s in (*[o.strides for o in operands], row_major(node.shape))]
    spec = Gemm(
        element, node.shape[-2], node.shape[-1], node.args[0].shape[-1], in_a, in_b, in_c, batch=node.shape[:-2],
        buffers=hooks.pointers, on_a=hooks.before.get(0), on_b=hooks.before.get(1), on_c=hooks.after, looped=hooks.looped,
    )  # fmt: skip
    return gemm.emit(module, spec, module.fresh("product")), (0, 1)


def _conv(module: Module, node: Node, operands: Sequence[Operand], hooks: Hooks) -> Emitted:
    kind = {"conv": "forward", "conv_input": "data", "conv_weight": "weight"}[node.op]
    first, second = node.args
    images, weights = {"forward": (first, second), "data": (node, second), "weight": (second, node)}[kind]
    if any(o.node.op == "view" for o in operands) or len(images.shape) not in (3, 4):
        raise ValueError("an operand that is not contiguous, or three spatial axes")
    attrs = node.attrs
    if any(p != q for p, q in attrs["padding"]):
        raise ValueError("padding that differs at the two ends")

    def pair(values: tuple[int, ...], missing: int) -> tuple[int, int]:
        return (values[0], values[1]) if len(values) == 2 else (missing, values[0])

    spec = conv.Conv(
        _element(node), images.shape[0], images.shape[1], weights.shape[0], pair(images.shape[2:], 1),
        pair(weights.shape[2:], 1), pair(attrs["stride"], 1), pair(tuple([p for p, _ in attrs["padding"]]), 0),
        pair(attrs["dilation"], 1), attrs["groups"], kind,  # type: ignore[arg-type]
        hooks.pointers, hooks.after, hooks.looped, hooks.before.get(IMAGES[node.op]),
    )  # fmt: skip
    return conv.emit(module, spec, module.fresh("convolution")), (0, 1) if kind != "weight" else (1, 0)


_EMIT = {"matmul": _matmul, "conv": _conv, "conv_input": _conv, "conv_weight": _conv}


__all__ = ["contraction"]
