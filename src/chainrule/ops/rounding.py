"""Rounding, signs, division with remainder, and the parts of a floating-point number."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ..core import apply
from ..core.dtype import BOOL, COMPLEX, FLOAT, FROM_NUMPY, INT, dtype
from ..core.inplace import inplace_of
from ..core.naming import argument_error
from ..core.op import Op
from ..core.tensor import Tensor
from ..return_types import frexp as FrexpResult
from . import declare
from .arithmetic import zero
from .compare import choose, where
from .domain import both, floats, not_complex, real_numbers, refuse, unimplemented
from .exponential import LN2, exp2
from .structure import cast_to

# -- to whole numbers ----------------------------------------------------------------------------------------------------


def _whole(name: str, impl: Any, complex_message: str | None, aliases: tuple[str, ...], doc: str) -> Any:
    def rounded(x: Any) -> Any:
        return impl(x) if x.dtype.kind == "f" else +x  # a copy: somebody may write into it

    no_complex = refuse(COMPLEX, complex_message, NotImplementedError) if complex_message else not_complex(f"{name}_vml_cpu")
    check = both(no_complex, unimplemented(f"{name}_vml_cpu", BOOL))
    return declare.unary(name, rounded, lambda t: zero(t), result="same", aliases=aliases, check=check, doc=doc)


floor = _whole("floor", np.floor, "floor is not supported for complex inputs", (), "The largest whole number <= ``input``, elementwise.")
ceil = _whole("ceil", np.ceil, "ceil is not supported for complex inputs", (), "The smallest whole number >= ``input``, elementwise.")
trunc = _whole("trunc", np.trunc, "trunc is not supported for complex inputs", ("fix",), "``input`` without its fraction, elementwise.")
fix = trunc
_round = _whole("round", np.rint, None, (), "``input`` rounded to whole numbers.")
_round_to = Op(
    "round_decimals", lambda x, *, decimals: _decimals(x, decimals), kind="elementwise", d=[lambda t: zero(t)], node="RoundBackward1",
    check=unimplemented("round_cpu", BOOL, INT, COMPLEX),
)  # fmt: skip
_quick_round = apply.unary_with(_round_to)


def _decimals(x: Any, decimals: int) -> Any:
    scale = 10.0 ** builtins.abs(decimals)
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


@declare.method(inplace=True)
def round(input: Any, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """``input`` rounded to ``decimals`` places, halves to the even neighbour; negative: places left of the point.

    >>> import chainrule as torch
    >>> torch.round(torch.tensor([2.5, 3.5]))
    tensor([2., 4.])
    """
    result: Tensor = _round(input, out=out) if decimals == 0 else _quick_round(input, {"decimals": decimals}, out)
    return result


frac = declare.unary(
    "frac", lambda x: x - np.trunc(x), lambda t: t, result="same", check=floats("frac_cpu"),
    doc="The fraction of ``input``, with its sign, elementwise.",
)  # fmt: skip

# -- signs ---------------------------------------------------------------------------------------------------------------


def signs(x: Any) -> Any:
    kind = x.dtype.kind
    if kind == "b":
        return x.copy()
    if kind == "c":
        size = np.abs(x)
        return np.where(size == 0, 0, x / np.where(size == 0, 1, size))[()]
    if kind != "f":
        return np.sign(x)
    if isinstance(x, np.ndarray):
        return ((x > 0).view(np.int8) - (x < 0).view(np.int8)).astype(x.dtype)
    return type(x)(1 if x > 0 else -1 if x < 0 else 0)


_NO_COMPLEX_SIGN = "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."
sign = declare.unary(
    "sign", signs, lambda t: zero(t), result="same", check=refuse(COMPLEX, _NO_COMPLEX_SIGN, NotImplementedError),
    doc="-1, 0 or 1 by the sign of ``input``, elementwise; 0 for NaN.",
)  # fmt: skip
abs_real = declare.unary(
    "abs", builtins.abs, lambda t, x: t * sign(x), result="same", method=False, check=unimplemented("abs_cpu", BOOL)
)
signbit = declare.unary(
    "signbit", lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0, None, result="bool", inplace=False,
    check=refuse(COMPLEX, "signbit is not implemented for complex tensors.", NotImplementedError),
    doc="Whether the sign bit is set (also for -0.0), elementwise.",
)  # fmt: skip


_COPYSIGN: list[Any] = [lambda t, out, x: t * (sign(x) * sign(out)), lambda t: zero(t)]
_copysign_tensor = declare.binary(
    "copysign", np.copysign, _COPYSIGN, result="float", check=not_complex("copysign_cpu"), method=False
)  # fmt: skip
_copysign_number = Op(
    "copysign_number", np.copysign, kind="elementwise", args="x y", d=[_COPYSIGN[0], None], result="float", node="CopysignBackward1",
    check=not_complex("copysign_cpu"),
)  # fmt: skip


@declare.method(inplace=True)
def copysign(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """The size of ``input`` with the sign of ``other`` (a number or a tensor), elementwise and broadcast."""
    if isinstance(other, Tensor) or not isinstance(input, Tensor):
        result: Tensor = _copysign_tensor(input, other, out=out)
        return result
    result = apply.elementwise(_copysign_number, (input, other), out)
    return result


# -- division with remainder ---------------------------------------------------------------------------------------------


def _integers(x: Any, y: Any) -> bool:
    """Whether the division is one of integers; RuntimeError if some divisor is zero."""
    number = not hasattr(x, "dtype")  # a rule's: the other one is an array
    if (y if number else x).dtype.kind in "fV" or isinstance(x if number else y, float):
        return False
    if not np.all(y) and np.size(x):
        raise RuntimeError("ZeroDivisionError")
    return True


def _div_floor(x: Any, y: Any) -> Any:
    _integers(x, y)
    return x // y


def _div_trunc(x: Any, y: Any) -> Any:
    if not _integers(x, y):
        return np.trunc(x / y)
    quotient = x // y
    return quotient + ((quotient < 0) & (quotient * y != x)).astype(quotient.dtype)


def _fmod(x: Any, y: Any) -> Any:
    _integers(x, y)
    return np.fmod(x, y)


def _remainder(x: Any, y: Any) -> Any:
    if _integers(x, y) or not isinstance(x, np.ndarray):
        return x % y
    # NumPy's remainder of floats takes five times as long as its fmod.
    r = np.fmod(x, y)
    return choose((r != 0) & ((r < 0) != (y < 0)), r + y, r)


_FLAT: list[Any] = [lambda t: zero(t), lambda t: zero(t)]
div_floor = Op(
    "div_floor", _div_floor, kind="elementwise", args="x y", d=_FLAT, node="DivBackward2", check=real_numbers("div_floor_cpu")
)
div_trunc = Op(
    "div_trunc", _div_trunc, kind="elementwise", args="x y", d=_FLAT, node="DivBackward2", check=real_numbers("div_trunc_cpu")
)
_floor_divide = Op(
    "floor_divide", _div_floor, kind="elementwise", args="x y", d=_FLAT, check=real_numbers("div_floor_cpu")
)


def divide_rounded(input: Any, other: Any, rounding_mode: str, out: Any) -> Tensor:
    """The quotient rounded to zero (``'trunc'``) or down (``'floor'``), in the dtype of the operands."""
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    result: Tensor = apply.elementwise(div_floor if rounding_mode == "floor" else div_trunc, (input, other), out)
    return result


_quick_floor_divide = apply.binary(_floor_divide)


@declare.method(inplace=True)
def floor_divide(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """``floor(input / other)``, elementwise and broadcast.  The derivative is 0; RuntimeError for an integer zero.

    >>> import chainrule as torch
    >>> torch.floor_divide(torch.tensor([-7, 7]), 2)
    tensor([-4,  3])
    """
    result: Tensor = _quick_floor_divide(input, other, out=out)
    return result


def _remainder_pair(name: str, impl: Any, quotient: Op) -> Any:
    """PyTorch's two nodes: by a number and by a tensor."""
    rules: list[Any] = [lambda t: t, lambda t, x, y: -t * quotient(x, y)]
    check = real_numbers(f"{name}_cpu")
    by_number = Op(f"{name}_number", impl, kind="elementwise", args="x y", d=rules, node=f"{name.capitalize()}Backward0", check=check)
    by_tensor = Op(name, impl, kind="elementwise", args="x y", d=rules, node=f"{name.capitalize()}Backward1", check=check)

    of_tensor, of_number = apply.binary(by_tensor), apply.binary(by_number)

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Any:
        return of_tensor(input, other, out=out) if isinstance(other, Tensor) else of_number(input, other, out=out)

    function.__name__ = function.__qualname__ = name
    declare.attach(function, name, inplace=True)
    return function


fmod = _remainder_pair("fmod", _fmod, div_trunc)
fmod.__doc__ = "What is left of ``input / other`` rounded to zero: the sign is that of ``input``.  Elementwise and broadcast."
remainder = _remainder_pair("remainder", _remainder, div_floor)
remainder.__doc__ = "What is left of ``input / other`` rounded down: the sign is that of ``other``.  Elementwise and broadcast."


def _common(name: str, impl: Any, doc: str) -> Any:
    check = unimplemented(f"{name}_cpu", BOOL, FLOAT, COMPLEX)
    return declare.binary(name, impl, None, check=check, doc=doc)


gcd = _common("gcd", np.gcd, "The greatest common divisor of two integers, elementwise and broadcast; not negative.")
lcm = _common("lcm", np.lcm, "The least common multiple of two integers, elementwise and broadcast; not negative.")


def _operator(function: Any, swapped: bool) -> Any:
    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, (Tensor, int, float, np.generic)):
            return NotImplemented
        return function(other, self) if swapped else function(self, other)

    return method


for _name, _function in (("mod", remainder), ("floordiv", floor_divide)):
    setattr(Tensor, f"__{_name}__", _operator(_function, False))
    setattr(Tensor, f"__r{_name}__", _operator(_function, True))
    setattr(Tensor, f"__i{_name}__", inplace_of(_function, f"{_function.__name__}_"))

# -- the parts of a number -----------------------------------------------------------------------------------------------


def _heaviside(x: Any, values: Any) -> Any:
    return np.where(x == 0, values, (x > 0).astype(values.dtype))[()]


_heaviside_op = declare.binary(
    "heaviside", _heaviside, [lambda t: zero(t), lambda t, x: where(x == 0, t, 0)], method=False,
    check=refuse(COMPLEX, "heaviside is not yet implemented for complex tensors."),
)  # fmt: skip


@declare.method(inplace=True)
def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 where ``input`` is negative (or NaN), 1 where it is positive, ``values`` where it is 0; broadcast.

    RuntimeError for tensors of different dtypes.
    """
    for position, (name, x) in enumerate((("input", input), ("values", values)), 1):
        if not isinstance(x, Tensor):
            raise argument_error("heaviside", name, "Tensor", x, position)
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    result: Tensor = _heaviside_op(input, values, out=out)
    return result


_nextafter_op = Op(
    "nextafter", np.nextafter, kind="elementwise", args="x y", check=floats("nextafter_cpu"), opmath=False,
    d=[lambda t, x, y: where(x == y, 0, t), lambda t: zero(t)],
)  # fmt: skip


@declare.method(inplace=True)
def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The next floating-point number after ``input`` towards ``other``, elementwise and broadcast."""
    result: Tensor = apply.elementwise(_nextafter_op, (input, other), out)
    return result


ldexp = declare.binary(
    "ldexp", lambda x, y: x * exp2(y), [lambda t, y: t * exp2(y), lambda t, out: t * (out * LN2)], result="float",
    doc="``input * 2**other``, elementwise and broadcast.",
)  # fmt: skip

_frexp_op = Op(
    "frexp", lambda x: _frexp(x), kind="general", outputs=2, differentiable=(0,), vjp=[lambda g, out1: g / exp2(_in_dtype_of(g, out1))],
    batch=lambda op, args, mask, kw: op(args[0]),
)  # fmt: skip


def _in_dtype_of(g: Any, x: Any) -> Any:
    return cast_to(x, g.dtype if isinstance(g.dtype, dtype) else FROM_NUMPY[g.dtype])


def _frexp(x: Any) -> tuple[Any, Any]:
    wide = x.astype(np.float32) if x.dtype.itemsize < 4 else x
    mantissa, exponent = np.frexp(wide)
    return np.asarray(mantissa, x.dtype), np.asarray(exponent, np.int32)


@declare.method
def frexp(input: Tensor, *, out: Any = None) -> Any:
    """``(mantissa, exponent)`` with ``input = mantissa * 2**exponent`` and ``0.5 <= |mantissa| < 1``, elementwise.

    The exponents are int32.  RuntimeError for tensors that are not floating-point.
    """
    if input.dtype.category != FLOAT:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    result = FrexpResult(_frexp_op(input))
    if out is not None:
        from ..core.outputs import write_out

        return write_out(out, result)
    return result


__all__ = [
    "ceil",
    "copysign",
    "fix",
    "floor",
    "floor_divide",
    "fmod",
    "frac",
    "frexp",
    "gcd",
    "heaviside",
    "lcm",
    "ldexp",
    "nextafter",
    "remainder",
    "round",
    "sign",
    "signbit",
    "trunc",
]
