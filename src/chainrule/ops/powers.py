"""Powers: a tensor to a number, a number to a tensor, a tensor to a tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import apply
from ..core.inplace import inplace_of
from ..core.naming import argument_error
from ..core.op import Op, level_of
from ..core.tensor import Tensor
from . import declare
from .compare import where
from .exponential import log, log_of


def _power(x: Any, y: Any) -> Any:
    """``x**y`` for a number ``y``; the common exponents are exact products and quotients, as in PyTorch."""
    if y == 2:
        return x * x
    if y == 3:
        return x * x * x
    if y == 0.5:
        return np.sqrt(x)
    if y == -1:
        return 1.0 / x
    if y == -2:
        return 1.0 / (x * x)
    if y == -0.5:
        return 1.0 / np.sqrt(x)
    return x**y


def _number_rule(t: Any, x: Any, y: Any) -> Any:
    if y == 2:
        return t * (2 * (x**1 if isinstance(x, Tensor) and _continues(x) else x))
    if y == 1:
        return t * x**0 if isinstance(x, Tensor) and _continues(x) else t
    if y == 0:
        return where(x != x, 0, t * 0)
    return t * (y * x ** (y - 1))


def _continues(x: Tensor) -> bool:
    """Whether ``x`` has a history, in which the powers 1 and 0 stand too: the derivatives of ``x**2`` end in a zero, not in an error."""
    return x._gn is not None and not level_of(x)


def _base_rule(t: Any, x: Any, y: Any) -> Any:
    flat = y == 0  # x**0 is 1 everywhere; x**(y - 1) would be infinite at 0
    return where(flat, 0, t * (y * where(flat, 1, x) ** (y - 1)))


def _exponent_rule(t: Any, out: Any, x: Any, y: Any) -> Any:
    flat = (x == 0) & (_real(y) >= 0)  # 0**y is 0 to the right of any y >= 0, though log(0) is infinite
    return where(flat, 0, t * (out * log(where(flat, 1, x))))


def _real(y: Any) -> Any:
    return y.real


def _exponential_rule(t: Any, out: Any, x: Any, y: Any) -> Any:
    if y == 0:
        return where(_real(x) >= 0, 0, t * (out * -math.inf))
    return t * (out * log_of(y))


def tensor_power(x: Any, y: Any) -> Any:
    return x**y if x.dtype.kind not in "iu" else _integer_power(x, y)


def _integer_power(x: Any, y: Any) -> Any:
    """A negative power of an integer is that of 1 or -1, else rounded to 0."""
    below = y < 0
    r = x ** np.where(below, 0, y)
    return np.where(below, np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y & 1), 0)), r).astype(r.dtype)[()] if np.any(below) else r


_tensor_number = Op("pow_number", _power, kind="elementwise", args="x y", d=[_number_rule, None], node="PowBackward0")
_tensor_tensor = Op("pow", tensor_power, kind="elementwise", args="x y", d=[_base_rule, _exponent_rule], node="PowBackward1")
_number_tensor = Op(
    "number_pow", lambda x, y: tensor_power(np.asarray(y, x.dtype)[()], x), kind="elementwise", args="x y", node="PowBackward2",
    d=[_exponential_rule, None],
)  # fmt: skip
_to_number = apply.binary(_tensor_number, operator=True)
_to_tensor = apply.binary(_tensor_tensor, operator=True)
_of_number = apply.binary(_number_tensor, operator=True)

_NEGATIVE = "Integers to negative integer powers are not allowed."


def _raise_to(self: Any, exponent: Any) -> Any:
    if isinstance(exponent, Tensor):
        return _to_tensor(self, exponent)
    if exponent.__class__ is int and exponent < 0 and self.dtype.category == 1:
        raise RuntimeError(_NEGATIVE)
    return _to_number(self, exponent)


def _raised_by(self: Tensor, base: Any) -> Any:
    if isinstance(base, Tensor):
        return _to_tensor(base, self)
    if self.dtype.is_complex and isinstance(base, (int, float)):
        base = complex(base)
    return _of_number(self, base)


declare.attach(_raise_to, "__pow__")
declare.attach(_raised_by, "__rpow__")


@declare.method(inplace=True)
def pow(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """``input ** exponent``, elementwise and broadcast; either may be a number.

    At special points the derivative is the function's own: ``x**0`` has derivative 0 everywhere, ``0**y`` has
    derivative 0 with respect to ``y >= 0``.  RuntimeError for integers to a negative integer power.

    >>> import chainrule as torch
    >>> torch.pow(torch.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    if isinstance(input, Tensor):
        result: Tensor = _raise_to(input, exponent)
    elif isinstance(exponent, Tensor):
        result = _raised_by(exponent, input)
    else:
        raise argument_error("pow", "input", "Tensor", input, 1)
    if out is not None:
        from ..core.outputs import write_out

        written: Tensor = write_out(out, result)
        return written
    return result


declare.attach(inplace_of(pow, "pow_"), "__ipow__")


@declare.method(inplace=True)
def square(input: Any) -> Tensor:
    """``input * input``, elementwise."""
    result: Tensor = _to_number(input, 2)
    return result


@declare.method(inplace=True)
def float_power(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """``input ** exponent`` computed in float64 (complex128 where an operand is complex)."""
    from ..core.dtype import complex128, float64

    def is_complex(v: Any) -> bool:
        return v.dtype.is_complex if isinstance(v, Tensor) else isinstance(v, complex)

    kind = complex128 if is_complex(input) or is_complex(exponent) else float64
    if out is not None and out.dtype is not kind:
        raise RuntimeError(
            f"the output given to float_power has dtype {out.dtype.scalar_name} but the operation's result requires dtype"
            f" {kind.scalar_name}"
        )
    a, b = [v.to(kind) if isinstance(v, Tensor) else v for v in (input, exponent)]
    return pow(a, b, out=out)


__all__ = ["float_power", "pow", "square"]
