"""Sums, differences, products, quotients, and what is fused from them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core import apply
from ..core.dtype import BOOL, COMPLEX, INT, dtype
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare
from .domain import refuse
from .updates import update_of

_NO_MINUS = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or"
    " `logical_not()` operator instead."
)
_TWO_BOOLS = (
    "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
)
_ONE_BOOL = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or"
    " `logical_not()` operator instead."
)


def _no_bools(kind: dtype, args: Any) -> None:
    bools = [a.dtype.category == BOOL if isinstance(a, Tensor) else isinstance(a, bool) for a in args]
    if True in bools:
        raise RuntimeError(_ONE_BOOL if False in bools else _TWO_BOOLS)


def _zero(x: Any) -> Any:
    return np.zeros_like(x) if isinstance(x, np.ndarray) else type(x)(0)


# The derivative of what is piecewise constant: 0 * t would make NaN of an infinite cotangent.
zero: Op = Op("zero", _zero, kind="elementwise", d=[lambda t: zero(t)], node="ZeroBackward0")

mul = declare.binary(
    "mul", operator.mul, [lambda t, y: t * y, lambda t, x: t * x], operator="mul", commutative=True, aliases=("multiply",),
    doc="""The product of ``input`` and ``other``, elementwise and broadcast.

    >>> import chainrule as torch
    >>> torch.mul(torch.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """,
)  # fmt: skip
neg = declare.unary(
    "neg", operator.neg, lambda t: -t, result="same", aliases=("negative",), check=refuse(BOOL, _NO_MINUS),
    doc="``-input``, elementwise.  RuntimeError for bool tensors.",
)  # fmt: skip
declare.attach(neg, "__neg__")
reciprocal = declare.unary(
    "reciprocal", lambda x: 1.0 / x, lambda t, out: -t * out * out, doc="``1 / input``, elementwise; integers give floats."
)

_add = declare.binary("add", operator.add, [lambda t: t, lambda t: t], operator="add", commutative=True, method=False)
_sub = declare.binary("sub", operator.sub, [lambda t: t, lambda t: -t], operator="sub", method=False, check=_no_bools)
_div = declare.binary(
    "div", operator.truediv, [lambda t, y: t / y, lambda t, out, y: -t * out / y], result="float", operator="truediv", method=False
)


def _over(result: Any, x: Any) -> bool:
    """Whether ``result``, a temporary array, can take what is computed from it and ``x``."""
    return type(result) is np.ndarray and result.shape == x.shape and result.dtype is x.dtype


def _plus(x: Any, y: Any, *, alpha: Any) -> Any:
    r = y * alpha
    return np.add(x, r, out=r) if _over(r, x) else x + r


def _minus(x: Any, y: Any, *, alpha: Any) -> Any:
    r = y * alpha
    return np.subtract(x, r, out=r) if _over(r, x) else x - r


_add_scaled = Op(
    "add_scaled", _plus, kind="elementwise", args="x y",
    d=[lambda t: t, lambda t, alpha: t * alpha], node="AddBackward0",
)  # fmt: skip
_sub_scaled = Op(
    "sub_scaled", _minus, kind="elementwise", args="x y",
    d=[lambda t: t, lambda t, alpha: -t * alpha], node="SubBackward0", check=_no_bools,
)  # fmt: skip
_from_number = Op(
    "rsub_number", lambda x, y: y - x, kind="elementwise", args="x y", d=[lambda t: -t, lambda t: t], node="RsubBackward1",
    check=_no_bools,
)  # fmt: skip
_from_tensor = Op(
    "rsub", lambda x, y: y - x, kind="elementwise", args="x y", d=[lambda t: -t, lambda t: t], node="RsubBackward0", check=_no_bools,
)  # fmt: skip
declare.attach(apply.binary(_from_number, operator=True), "__rsub__")


def _rtruediv(self: Tensor, other: Any) -> Any:
    return reciprocal(self) * other


declare.attach(_rtruediv, "__rtruediv__")


@declare.method
def add(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input + alpha * other``, elementwise and broadcast.

    >>> import chainrule as torch
    >>> torch.add(torch.tensor([1, 2]), 10, alpha=2)
    tensor([21, 22])
    """
    if alpha.__class__ is int and alpha == 1:
        result: Tensor = _add(input, other, out=out)
        return result
    return _scaled(_quick_add_scaled, input, other, alpha, out)


@declare.method(aliases=("subtract",))
def sub(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input - alpha * other``, elementwise and broadcast.  RuntimeError for bool tensors."""
    if alpha.__class__ is int and alpha == 1:
        result: Tensor = _sub(input, other, out=out)
        return result
    return _scaled(_quick_sub_scaled, input, other, alpha, out)


_quick_add_scaled, _quick_sub_scaled = apply.several(_add_scaled), apply.several(_sub_scaled)


def _scaled(quick: Any, input: Any, other: Any, alpha: Any, out: Any) -> Tensor:
    if type(alpha) is not float or not isinstance(input, Tensor) or input._value.dtype not in apply.FLOATS:
        if isinstance(alpha, Tensor):
            alpha = alpha.item()
        kind = apply.operand_dtypes((input, other), None)
        _check_alpha(kind, alpha)
        alpha = apply.fitting(alpha, kind)
    result: Tensor = quick((input, other), {"alpha": alpha}, out)
    return result


def _check_alpha(kind: dtype, alpha: Any) -> None:
    if isinstance(alpha, bool) and kind.category != BOOL:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, float) and kind.category <= INT:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if isinstance(alpha, complex) and kind.category != COMPLEX:
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``, elementwise and broadcast."""
    if alpha != 1:
        _check_alpha(apply.operand_dtypes((input, other), None), alpha)
        input = mul(input, alpha)
    result: Tensor = apply.elementwise(_from_tensor if isinstance(other, Tensor) else _from_number, (input, other))
    return result


@declare.method(aliases=("divide",))
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """``input / other``, elementwise and broadcast; ``rounding_mode`` rounds it: ``'trunc'`` to zero, ``'floor'`` down.

    Without rounding, integers give floats.

    >>> import chainrule as torch
    >>> torch.div(torch.tensor([-7, 7]), 2, rounding_mode="floor")
    tensor([-4,  3])
    """
    if rounding_mode is None:
        result: Tensor = _div(input, other, out=out)
        return result
    from .rounding import divide_rounded

    return divide_rounded(input, other, rounding_mode, out)


@declare.method(inplace=True)
def true_divide(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """``input / other``, elementwise and broadcast; integers give floats."""
    result: Tensor = _div(input, other, out=out)
    return result


@declare.method
def positive(input: Tensor) -> Tensor:
    """``input`` itself.  RuntimeError for bool tensors."""
    if input.dtype.category == BOOL:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# -- fused combinations --------------------------------------------------------------------------------------------------


def _lerp(x: Any, y: Any, w: Any) -> Any:
    # From the nearer end, so that weight 1 gives exactly y.
    if isinstance(w, np.ndarray):
        return np.where(abs(w) < 0.5, x + w * (y - x), y - (y - x) * (1 - w))
    return x + w * (y - x) if abs(w) < 0.5 else y - (y - x) * (1 - w)


_LERP_RULES = [lambda t, w: t * (1 - w), lambda t, w: t * w]
_lerp_number = Op("lerp_number", _lerp, kind="elementwise", args="x y w", d=[*_LERP_RULES, None], node="LerpBackward0")
_lerp_tensor = Op(
    "lerp", _lerp, kind="elementwise", args="x y w", d=[*_LERP_RULES, lambda t, x, y: t * (y - x)], node="LerpBackward1"
)


_quick_lerp = (apply.several(_lerp_number), apply.several(_lerp_tensor))


@declare.method(inplace=True)
def lerp(input: Tensor, end: Tensor, weight: Any, *, out: Tensor | None = None) -> Tensor:
    """``input + weight * (end - input)``, elementwise and broadcast.  RuntimeError for tensors of different dtypes.

    >>> import chainrule as torch
    >>> torch.lerp(torch.tensor([0.0, 10.0]), torch.tensor([1.0, 20.0]), 0.5)
    tensor([ 0.5000, 15.0000])
    """
    kind = input.dtype
    by_tensor = isinstance(weight, Tensor)
    if end.dtype is not kind:
        raise RuntimeError(f"expected dtype {kind.cpp_name} for `end` but got dtype {end.dtype.cpp_name}")
    if by_tensor and weight.dtype is not kind and weight.ndim:
        raise RuntimeError(f"expected dtype {kind.cpp_name} for `weight` but got dtype {weight.dtype.cpp_name}")
    result: Tensor = _quick_lerp[by_tensor]((input, end, weight), {}, out)
    return result


def _plus_product(x: Any, a: Any, b: Any, *, value: Any) -> Any:
    r = a * b if value == 1 else value * a * b
    return np.add(x, r, out=r) if _over(r, x) else x + r


def _plus_quotient(x: Any, a: Any, b: Any, *, value: Any) -> Any:
    r = a / b if value == 1 else value * a / b
    return np.add(x, r, out=r) if _over(r, x) else x + r


_addcmul = Op(
    "addcmul", _plus_product, kind="elementwise", args="x a b",
    d=[lambda t: t, lambda t, b, value: t * (b * value), lambda t, a, value: t * (a * value)],
)  # fmt: skip
_addcdiv = Op(
    "addcdiv", _plus_quotient, kind="elementwise", args="x a b",
    d=[lambda t: t, lambda t, b, value: t * (value / b), lambda t, a, b, value: -t * (value * (a / (b * b)))],
)  # fmt: skip


_quick_addcmul, _quick_addcdiv = apply.several(_addcmul), apply.several(_addcdiv)


@declare.method(inplace=True)
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input + value * tensor1 * tensor2``, elementwise and broadcast."""
    if value != 1 and (type(value) is not float or input.dtype.category <= INT):
        value = apply.fitting(value, apply.operand_dtypes((input, tensor1, tensor2), None))
    result: Tensor = _quick_addcmul((input, tensor1, tensor2), {"value": value}, out)
    return result


@declare.method(inplace=True)
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1, out: Tensor | None = None) -> Tensor:
    """``input + value * tensor1 / tensor2``, elementwise and broadcast.  RuntimeError when both tensors are integers."""
    if tensor1.dtype.category <= INT and tensor2.dtype.category <= INT:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division"
            " of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * torch.trunc(tensor1 /"
            " tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for float inputs. The"
            " future addcdiv behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all dtypes."
        )
    result: Tensor = _quick_addcdiv((input, tensor1, tensor2), {"value": value}, out)
    return result


declare.attach(positive, "__pos__")

for _function, _ufunc, _names in (
    (mul, np.multiply, ("mul_", "multiply_", "__imul__")), (add, np.add, ("add_", "__iadd__")),
    (sub, np.subtract, ("sub_", "subtract_", "__isub__")), (div, np.divide, ("div_", "divide_", "__itruediv__")),
):  # fmt: skip
    for _name in _names:
        declare.attach(update_of(_function, _name if _name[-2:] != "__" else _names[0], _ufunc), _name)
multiply, subtract, divide, negative = mul, sub, div, neg

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "div",
    "divide",
    "lerp",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "reciprocal",
    "rsub",
    "sub",
    "subtract",
    "true_divide",
]
