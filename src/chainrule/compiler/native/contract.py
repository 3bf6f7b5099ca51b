"""Kernels for the program's contractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..program.ir import Node, row_major
from ..schedule.group import Group
from . import conv, gemm
from .emitter import Module
from .epilogue import Epilogue
from .gemm import Gemm, Layout
from .kernel import Kernel

Pointer = tuple[Node, int]

_ELEMENT = {"float32": "float", "float64": "double"}


def contraction(module: Module, group: Group, inside: Sequence[Node]) -> tuple[Kernel, list[Pointer]]:
    """The kernel of a ``matmul``, ``conv``, ``conv_input`` or ``conv_weight``, and what its pointers are to (node, offset in bytes).

    ``inside`` are the group's nodes with the views between them.  Raises KeyError for a dtype, and ValueError for an operand or a rank,
    that has no kernel; NotAffine for an epilogue that has none.
    """
    if group.kind != "matmul":
        return _conv(module, group.nodes[0])
    product = next(n for n in group.nodes if n.op == "matmul")
    return _matmul(module, product, Epilogue(product, inside, group.outputs, 3) if len(group.nodes) > 1 else None)


def _laid_out(x: Node) -> tuple[Node, tuple[int, ...], int]:
    """(what lies in memory, strides in elements, offset in bytes)."""
    if x.op != "view":
        return x, row_major(x.shape), 0
    base = x.args[0]
    if base.op == "view":
        raise ValueError("a view of a view")
    return base, tuple(x.attrs["strides"]), x.attrs["offset"] * x.dtype.itemsize


def _matmul(module: Module, node: Node, after: Epilogue | None) -> tuple[Kernel, list[Pointer]]:
    a, b = node.args
    element = _ELEMENT[node.dtype.name]
    (base_a, steps_a, start_a), (base_b, steps_b, start_b) = _laid_out(a), _laid_out(b)
    steps = row_major(node.shape)
    in_a, in_b, in_c = [Layout(s[-2], s[-1], s[:-2]) for s in (steps_a, steps_b, steps)]
    more = [] if after is None else after.buffers
    spec = Gemm(
        element, node.shape[-2], node.shape[-1], a.shape[-1], in_a, in_b, in_c, batch=node.shape[:-2], buffers=3 + len(more), on_c=after
    )  # fmt: skip
    kernel = gemm.emit(module, spec, module.fresh("product"))
    if more:
        kernel = replace(kernel, bytes=kernel.bytes + sum(n.bytes for n in more))
    result = node if after is None else after.result
    return kernel, [(base_a, start_a), (base_b, start_b), (result, 0), *[(n, 0) for n in more]]


def _conv(module: Module, node: Node) -> tuple[Kernel, list[Pointer]]:
    kind = {"conv": "forward", "conv_input": "data", "conv_weight": "weight"}[node.op]
    first, second = node.args
    images, weights = {"forward": (first, second), "data": (node, second), "weight": (second, node)}[kind]
    if any(x.op == "view" for x in node.args) or len(images.shape) not in (3, 4):
        raise ValueError("an operand that is not contiguous, or three spatial axes")
    attrs = node.attrs
    if any(p != q for p, q in attrs["padding"]):
        raise ValueError("padding that differs at the two ends")

    def pair(values: tuple[int, ...], missing: int) -> tuple[int, int]:
        return (values[0], values[1]) if len(values) == 2 else (missing, values[0])

    spec = conv.Conv(
        _ELEMENT[node.dtype.name], images.shape[0], images.shape[1], weights.shape[0], pair(images.shape[2:], 1),
        pair(weights.shape[2:], 1), pair(attrs["stride"], 1), pair(tuple([p for p, _ in attrs["padding"]]), 0),
        pair(attrs["dilation"], 1), attrs["groups"], kind,  # type: ignore[arg-type]
    )  # fmt: skip
    kernel = conv.emit(module, spec, module.fresh("convolution"))
    operands = (first, second) if kind != "weight" else (second, first)
    return kernel, [*[(x, 0) for x in operands], (node, 0)]


__all__ = ["contraction"]
