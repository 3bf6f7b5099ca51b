"""Kernels for the program's contractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ..program.ir import Node, row_major
from ..schedule.group import Group
from . import conv, gemm
from .emitter import Module
from .epilogue import Epilogue
from .gemm import Gemm, Layout
from .kernel import Kernel

Pointer = tuple[Node, int]

_ELEMENT = {"float32": "float", "float64": "double"}


def _element(node: Node) -> str:
    found = _ELEMENT.get(node.dtype.name)
    if found is None:
        raise ValueError(f"products of {node.dtype}")
    return found


def contraction(module: Module, group: Group, inside: Sequence[Node]) -> tuple[Kernel, list[Pointer]]:
    """The kernel of a ``matmul``, ``conv``, ``conv_input`` or ``conv_weight``, and what its pointers are to (node, offset in bytes).

    ``inside`` are the group's nodes with the views between them.  Raises ValueError for a dtype, an operand or a rank,
    that has no kernel; NotAffine for an epilogue that has none.
    """
    product = next(n for n in group.nodes if n.op in _EMIT)
    after = None
    if len(group.nodes) > 1:
        after = Epilogue(product, _matrix(product), inside, group.outputs, 3)
    kernel, operands = _EMIT[product.op](module, product, after)
    if after is None:
        return kernel, [*operands, (product, 0)]
    kernel = replace(kernel, bytes=kernel.bytes + sum(n.bytes for n in after.buffers))
    return kernel, [*operands, (after.result, 0), *[(n, 0) for n in after.buffers]]


def _matrix(product: Node) -> tuple[int, int]:
    """Rows and columns that the hook's places count in: of a convolution channels, and the positions in a channel."""
    shape = product.shape
    if product.op == "matmul":
        return shape[-2], shape[-1]
    return (shape[0], prod(shape[1:])) if product.op == "conv_weight" else (shape[1], prod(shape[2:]))


def _laid_out(x: Node) -> tuple[Node, tuple[int, ...], int]:
    """(what lies in memory, strides in elements, offset in bytes)."""
    if x.op != "view":
        return x, row_major(x.shape), 0
    base = x.args[0]
    if base.op == "view":
        raise ValueError("a view of a view")
    return base, tuple(x.attrs["strides"]), x.attrs["offset"] * x.dtype.itemsize


def _matmul(module: Module, node: Node, after: Epilogue | None) -> tuple[Kernel, list[Pointer]]:
    """The kernel, and what its pointers to operands are to."""
    a, b = node.args
    element = _element(node)
    (base_a, steps_a, start_a), (base_b, steps_b, start_b) = _laid_out(a), _laid_out(b)
    steps = row_major(node.shape)
    in_a, in_b, in_c = [Layout(s[-2], s[-1], s[:-2]) for s in (steps_a, steps_b, steps)]
    spec = Gemm(
        element, node.shape[-2], node.shape[-1], a.shape[-1], in_a, in_b, in_c, batch=node.shape[:-2],
        buffers=_pointers(after), on_c=after, looped=after is not None and after.long,
    )  # fmt: skip
    return gemm.emit(module, spec, module.fresh("product")), [(base_a, start_a), (base_b, start_b)]


def _pointers(after: Epilogue | None) -> int:
    return 3 if after is None else 3 + len(after.buffers)


def _conv(module: Module, node: Node, after: Epilogue | None) -> tuple[Kernel, list[Pointer]]:
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
        _element(node), images.shape[0], images.shape[1], weights.shape[0], pair(images.shape[2:], 1),
        pair(weights.shape[2:], 1), pair(attrs["stride"], 1), pair(tuple([p for p, _ in attrs["padding"]]), 0),
        pair(attrs["dilation"], 1), attrs["groups"], kind,  # type: ignore[arg-type]
        _pointers(after), after, after is not None and after.long,
    )  # fmt: skip
    kernel = conv.emit(module, spec, module.fresh("convolution"))
    operands = (first, second) if kind != "weight" else (second, first)
    return kernel, [(x, 0) for x in operands]


_EMIT = {"matmul": _matmul, "conv": _conv, "conv_input": _conv, "conv_weight": _conv}


__all__ = ["contraction"]
