"""Bits and truth values."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core import apply
from ..core.dtype import BOOL, COMPLEX, FLOAT
from ..core.inplace import inplace_of
from ..core.tensor import Tensor
from . import declare
from .domain import unimplemented, whole


def _bits(name: str, impl: Any, check: Any, doc: str, dunder: str, symmetric: bool = True) -> Any:
    function: Any = declare.binary(name, impl, None, check=check, doc=doc)
    forward = apply.binary(function.op, operator=True)
    setattr(Tensor, f"__{dunder}__", forward)
    setattr(Tensor, f"__r{dunder}__", forward if symmetric else apply.binary(function.op, operator=True, reverse=True))
    setattr(Tensor, f"__i{dunder}__", inplace_of(function, f"{name}_"))
    return function


bitwise_and = _bits(
    "bitwise_and", operator.and_, whole("bitwise_and_cpu"),
    "The bits set in ``input`` and in ``other``, elementwise; logical and for bool.", "and",
)  # fmt: skip
bitwise_or = _bits(
    "bitwise_or", operator.or_, whole("bitwise_or_cpu"),
    "The bits set in ``input`` or in ``other``, elementwise; logical or for bool.", "or",
)  # fmt: skip
bitwise_xor = _bits(
    "bitwise_xor", operator.xor, whole("bitwise_xor_cpu"), "The bits set in one of ``input`` and ``other``, elementwise.", "xor"
)
bitwise_left_shift = _bits(
    "bitwise_left_shift", np.left_shift, unimplemented("lshift_cpu", BOOL, FLOAT, COMPLEX),
    "``input`` moved by ``other`` bits to the left, elementwise; 0 from the width of the type on.", "lshift", False,
)  # fmt: skip
bitwise_right_shift = _bits(
    "bitwise_right_shift", np.right_shift, unimplemented("rshift_cpu", BOOL, FLOAT, COMPLEX),
    "``input`` moved by ``other`` bits to the right, elementwise; the sign fills in.", "rshift", False,
)  # fmt: skip
bitwise_not = declare.unary(
    "bitwise_not", operator.invert, None, result="same", check=whole("bitwise_not_cpu"),
    doc="Every bit turned over, elementwise; logical not for bool.",
)  # fmt: skip


def _invert(self: Tensor) -> Any:
    if self.dtype.category >= FLOAT:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(self)


declare.attach(_invert, "__invert__")

logical_and = declare.binary("logical_and", np.logical_and, None, result="bool", doc="Whether both are non-zero, elementwise.")
logical_or = declare.binary("logical_or", np.logical_or, None, result="bool", doc="Whether either is non-zero, elementwise.")
logical_xor = declare.binary("logical_xor", np.logical_xor, None, result="bool", doc="Whether exactly one is non-zero, elementwise.")
logical_not = declare.unary("logical_not", np.logical_not, None, result="bool", doc="Whether ``input`` is zero, elementwise.")

__all__ = [
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
]
