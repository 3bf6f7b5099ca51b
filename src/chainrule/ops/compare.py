"""Comparisons, choices and bounds."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core import apply
from ..core.dtype import COMPLEX, FLOAT, defaults
from ..core.info import finfo
from ..core.large import SMALL
from ..core.naming import argument_error
from ..core.op import Op
from ..core.promotion import result_dtype
from ..core.tensor import Tensor
from . import declare
from .domain import not_complex, refuse
from .quick import recorder


def _comparison(name: str, impl: Any, aliases: tuple[str, ...], doc: str) -> Any:
    check = None if name in ("eq", "ne") else not_complex(f"{name}_cpu")
    function = declare.binary(name, impl, None, result="bool", aliases=aliases, check=check, doc=doc)
    setattr(Tensor, f"__{name}__", apply.binary(function.op, operator=True, arrays=name == "eq"))
    return function


eq = _comparison("eq", operator.eq, (), "``input == other``, elementwise; a bool tensor.")
ne = _comparison("ne", operator.ne, ("not_equal",), "``input != other``, elementwise; a bool tensor.")
lt = _comparison("lt", operator.lt, ("less",), "``input < other``, elementwise; a bool tensor.")
le = _comparison("le", operator.le, ("less_equal",), "``input <= other``, elementwise; a bool tensor.")
gt = _comparison("gt", operator.gt, ("greater",), "``input > other``, elementwise; a bool tensor.")
ge = _comparison("ge", operator.ge, ("greater_equal",), "``input >= other``, elementwise; a bool tensor.")
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


# -- choices -------------------------------------------------------------------------------------------------------------


_TRUTH = np.dtype(bool)
_BITS = {np.dtype("f4"): np.dtype("i4"), np.dtype("f8"): np.dtype("i8")}
_LARGE = 512


def choose(condition: Any, x: Any, y: Any) -> Any:
    """``numpy.where`` of raw values: quick for scalars, and where the condition of a large array looks random.

    There NumPy branches at each element, and mispredicts: 13 ns each.  Arithmetic on the bits takes 0.5.
    """
    if type(condition) is np.bool_ and not isinstance(x, np.ndarray) and not isinstance(y, np.ndarray):
        chosen, other = (x, y) if condition else (y, x)
        if type(chosen) is type(other):
            return chosen
        if not isinstance(chosen, np.generic):
            return type(other)(chosen)
        if not isinstance(other, np.generic):
            return chosen
    if isinstance(condition, np.ndarray) and condition.size >= _LARGE:
        model = x if isinstance(x, np.ndarray) else y
        bits = _BITS.get(model.dtype) if isinstance(model, np.ndarray) else None
        if bits is not None and condition.dtype == _TRUTH:
            a, b = _bits_of(x, model, bits), _bits_of(y, model, bits)
            if a is not None and b is not None and condition.shape == model.shape:
                return _blend(condition, a, b).view(model.dtype)
    return np.where(condition, _weak(x, y), _weak(y, x))[()]


def _weak(value: Any, beside: Any) -> Any:
    """A number in the extension dtype of what it stands beside, which NumPy's promotion does not know."""
    if isinstance(value, (int, float)) and not isinstance(beside, (int, float)) and beside.dtype.kind == "V":
        return beside.dtype.type(value)
    return value


def _bits_of(value: Any, model: Any, bits: Any) -> Any:
    """The bits of a number or of an array like ``model``; None of anything else."""
    if isinstance(value, np.ndarray):
        return value.view(bits) if value.dtype is model.dtype and value.shape == model.shape else None
    if isinstance(value, (int, float)) or value.dtype is model.dtype:
        return model.dtype.type(value).view(bits)
    return None


def _blend(condition: Any, a: Any, b: Any) -> Any:
    """``a`` or ``b``, integers, by the condition: ((a ^ b) * condition) ^ b."""
    if not isinstance(b, np.ndarray) and b == 0:
        return a * condition
    if not isinstance(a, np.ndarray) and a == 0:
        return b * ~condition
    r = a ^ b
    r *= condition
    r ^= b
    return r


_where_op = Op(
    "where", choose, kind="elementwise", args="condition x y", promote=(1, 2),
    d=[None, lambda t, condition: where(condition, t, 0), lambda t, condition: where(condition, 0, t)],
)  # fmt: skip


_recorded = recorder(_where_op)


def _alike(condition: Tensor, input: Any, other: Any) -> tuple[Any, Any, Any] | None:
    """The three raw values where neither broadcasting nor promotion is needed; None where it is."""
    c = condition._value
    if c.dtype is not _TRUTH:
        return None
    x = input._value if isinstance(input, Tensor) else input
    y = other._value if isinstance(other, Tensor) else other
    if x is not input:
        if x.dtype not in apply.FLOATS or x.shape != c.shape:
            return None
        if y is not other:
            return (c, x, y) if y.dtype is x.dtype and y.shape == c.shape else None
        return (c, x, y) if type(y) is float or type(y) is int else None
    if y is not other and y.dtype in apply.FLOATS and y.shape == c.shape and (type(x) is float or type(x) is int):
        return (c, x, y)
    return None


def where(condition: Any, input: Any = None, other: Any = None, *, out: Tensor | None = None) -> Any:
    """``input`` where ``condition`` is True, else ``other``; broadcast, either may be a number.

    Only the chosen side receives a gradient: a NaN or an infinity on the other side does not reach it.
    With ``condition`` alone, the indices of its True elements (``condition.nonzero(as_tuple=True)``).

    >>> import chainrule as torch
    >>> torch.where(torch.tensor([True, False]), torch.tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    if isinstance(condition, Tensor):
        values = _alike(condition, input, other) if out is None else None
        if values is not None and values[0].size <= SMALL:
            c, x, y = values
            return _recorded(choose(c, x, y), values, (None, None if x is input else input, None if y is other else other))
        if input is None and other is None:
            return condition.nonzero(as_tuple=True)
        kind = condition.dtype
        if kind.name != "bool":
            if kind.name != "uint8":
                raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {kind.scalar_name}")
            condition = condition != 0
        return apply.elementwise(_where_op, (condition, input, other), out)
    if isinstance(input, Tensor) or isinstance(other, Tensor):
        if not isinstance(condition, (np.ndarray, np.generic)):
            raise argument_error("where", "condition", "Tensor", condition, 1)
        return apply.elementwise(_where_op, (condition, input, other), out)
    return choose(condition, input, other)


def _where_method(self: Tensor, condition: Any, other: Any) -> Tensor:
    """``self`` where ``condition`` is True, else ``other``."""
    result: Tensor = where(condition, self, other)
    return result


declare.attach(_where_method, "where")


# -- bounds --------------------------------------------------------------------------------------------------------------


_FLOAT_SCALARS = frozenset({np.float32, np.float64})


def _clamp(x: Any, *, min: Any, max: Any) -> Any:
    if type(x) not in _FLOAT_SCALARS or min != min or max != max:
        if min is None:
            return np.minimum(x, max)
        return np.maximum(x, min) if max is None else np.clip(x, min, max)
    if min is not None and x < min:
        x = type(x)(min)
    if max is not None and x > max:
        x = type(x)(max)
    return x


def _clamp_rule(t: Any, x: Any, min: Any, max: Any) -> Any:
    if type(x) in _FLOAT_SCALARS:
        return t if (min is None or x >= min) and (max is None or x <= max) else type(x)(0)
    if min is None:
        return where(x <= max, t, 0)
    if max is None:
        return where(x >= min, t, 0)
    return where((x >= min) & (x <= max), t, 0)


_clamp_number = Op("clamp", _clamp, kind="elementwise", d=[_clamp_rule], node="ClampBackward1")
_clamp_min_number = Op("clamp_min", _clamp, kind="elementwise", d=[_clamp_rule], node="ClampMinBackward0")
_clamp_max_number = Op("clamp_max", _clamp, kind="elementwise", d=[_clamp_rule], node="ClampMaxBackward0")
_quick_clamp = apply.unary_with(_clamp_number)


def _clamp_between(x: Any, low: Any, high: Any) -> Any:
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _inside(t: Any, x: Any, low: Any, high: Any) -> Any:
    if low is not None:
        t = where(x >= low, t, 0)
    return t if high is None else where(x <= high, t, 0)


def _at_low(t: Any, x: Any, low: Any, high: Any) -> Any:
    below = x < low
    return where(below if high is None else below & (low < high), t, 0)


def _at_high(t: Any, x: Any, low: Any, high: Any) -> Any:
    above = x > high
    return where(above if low is None else above | (high < low), t, 0)


_NO_COMPLEX_CLAMP = "clamp is not supported for complex types"
_clamp_tensor = Op(
    "clamp_tensor", _clamp_between, kind="elementwise", args="x low high", d=[_inside, _at_low, _at_high], node="ClampBackward0",
    check=refuse(COMPLEX, _NO_COMPLEX_CLAMP, NotImplementedError),
)  # fmt: skip
_clamp_min_tensor = Op(
    "clamp_min_tensor", np.maximum, kind="elementwise", args="x low", node="ClampMinBackward1",
    d=[lambda t, x, low: where(x >= low, t, 0), lambda t, x, low: where(x < low, t, 0)],
)  # fmt: skip
_clamp_max_tensor = Op(
    "clamp_max_tensor", np.minimum, kind="elementwise", args="x high", node="ClampMaxBackward1",
    d=[lambda t, x, high: where(x <= high, t, 0), lambda t, x, high: where(x > high, t, 0)],
)  # fmt: skip


def _bounded(quick: Any, fit: Any, input: Any, min: Any, max: Any, out: Any) -> Tensor:
    """Numbers as bounds; an integer tensor becomes a floating one where a bound is a float."""
    if isinstance(input, Tensor) and type(input._value) not in _FLOAT_SCALARS and not input.dtype.is_floating_point:
        kind = result_dtype([(input.dtype, input.ndim == 0), *[type(b) for b in (min, max) if b is not None]])
        if kind.category == COMPLEX:
            raise NotImplementedError(_NO_COMPLEX_CLAMP)
        if kind is not input.dtype:
            input = input.to(kind)
        min, max = [None if b is None else fit(b, kind) for b in (min, max)]
    result: Tensor = quick(input, {"min": min, "max": max}, out)
    return result


_quick_clamp_tensor = apply.several(_clamp_tensor)


@declare.method(inplace=True, aliases=("clip",))
def clamp(input: Any, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """``input`` limited to ``[min, max]``; either bound may be left out, a number or a tensor.

    The derivative is 1 up to and including the bounds, 0 outside.  RuntimeError when both bounds are missing.

    >>> import chainrule as torch
    >>> torch.clamp(torch.tensor([-2.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        result: Tensor = _quick_clamp_tensor((input, min, max), {}, out)
        return result
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    return _bounded(_quick_clamp, apply.fitting, input, min, max, out)


_quick_clamp_min = apply.unary_with(_clamp_min_number)
_quick_clamp_max = apply.unary_with(_clamp_max_number)
_at_least, _at_most = apply.several(_clamp_min_tensor), apply.several(_clamp_max_tensor)


@declare.method(inplace=True)
def clamp_min(input: Any, min: Any, *, out: Tensor | None = None) -> Tensor:
    """``input``, but at least ``min`` (a number or a tensor)."""
    if isinstance(min, Tensor):
        result: Tensor = _at_least((input, min), {}, out)
        return result
    return _bounded(_quick_clamp_min, apply.cast_scalar, input, min, None, out)


@declare.method(inplace=True)
def clamp_max(input: Any, max: Any, *, out: Tensor | None = None) -> Tensor:
    """``input``, but at most ``max`` (a number or a tensor)."""
    if isinstance(max, Tensor):
        result: Tensor = _at_most((input, max), {}, out)
        return result
    return _bounded(_quick_clamp_max, apply.cast_scalar, input, None, max, out)


clip = clamp


def _max(x: Any, y: Any) -> Any:
    if type(x) is type(y) and isinstance(x, np.number):  # four times as quick as the ufunc
        return +x if x >= y or x != x else +y  # a number of its own: a write finds a number by its identity
    return np.maximum(x, y)


def _min(x: Any, y: Any) -> Any:
    if type(x) is type(y) and isinstance(x, np.number):
        return +x if x <= y or x != x else +y
    return np.minimum(x, y)


def _larger(t: Any, x: Any, y: Any) -> Any:
    return where(x == y, t * 0.5, where(x < y, 0, t))


def _smaller(t: Any, x: Any, y: Any) -> Any:
    return where(x == y, t * 0.5, where(x > y, 0, t))


maximum = declare.binary(
    "maximum", _max, [_larger, lambda t, x, y: _larger(t, y, x)], inplace=False,
    check=refuse(COMPLEX, "maximum not implemented for complex tensors."),
    doc="The larger of ``input`` and ``other``, elementwise; NaN where either is.  Equal values share the gradient.",
)  # fmt: skip
minimum = declare.binary(
    "minimum", _min, [_smaller, lambda t, x, y: _smaller(t, y, x)], inplace=False,
    check=refuse(COMPLEX, "minimum not implemented for complex tensors."),
    doc="The smaller of ``input`` and ``other``, elementwise; NaN where either is.  Equal values share the gradient.",
)  # fmt: skip
fmax = declare.binary(
    "fmax", np.fmax, inplace=False, check=refuse(COMPLEX, "fmax not implemented for complex tensors."),
    d=[lambda t, x, y: where((x >= y) | (y != y), t, 0), lambda t, x, y: where((x >= y) | (y != y), 0, t)],
    doc="The larger of ``input`` and ``other``, elementwise; a NaN loses against a number.",
)  # fmt: skip
fmin = declare.binary(
    "fmin", np.fmin, inplace=False, check=refuse(COMPLEX, "fmin not implemented for complex tensors."),
    d=[lambda t, x, y: where((x <= y) | (y != y), t, 0), lambda t, x, y: where((x <= y) | (y != y), 0, t)],
    doc="The smaller of ``input`` and ``other``, elementwise; a NaN loses against a number.",
)  # fmt: skip


# -- what kind of number -------------------------------------------------------------------------------------------------


def _kind_of(name: str, impl: Any, doc: str, signed: bool = False) -> Any:
    check = refuse(COMPLEX, f"{name} does not support complex inputs.") if signed else None
    return declare.unary(name, impl, None, result="bool", inplace=False, check=check, doc=doc)


isnan = _kind_of("isnan", lambda x: x != x, "Whether each element is NaN.")
isinf = _kind_of("isinf", np.isinf, "Whether each element is infinite; for complex ones, whether either part is.")
isfinite = _kind_of("isfinite", np.isfinite, "Whether each element is neither infinite nor NaN.")
isposinf = _kind_of("isposinf", lambda x: x == np.inf, "Whether each element is positive infinity.", signed=True)
isneginf = _kind_of("isneginf", lambda x: x == -np.inf, "Whether each element is negative infinity.", signed=True)


def _replaced(x: Any, *, nan: float, posinf: float, neginf: float) -> Any:
    if x.dtype.kind == "c":
        r = np.empty(x.shape, x.dtype)
        r.real = _replaced(x.real, nan=nan, posinf=posinf, neginf=neginf)
        r.imag = _replaced(x.imag, nan=nan, posinf=posinf, neginf=neginf)
        return r[()]
    if x.dtype.kind != "f":
        return x.copy()
    if np.isfinite(x).all():
        return x.copy()
    r = np.where(x != x, nan, x)
    np.copyto(r, posinf, where=x == np.inf)
    np.copyto(r, neginf, where=x == -np.inf)
    return r[()]


_nan_to_num = Op("nan_to_num", _replaced, kind="elementwise", d=[lambda t, x: where(isfinite(x), t, 0)])
_quick_nan_to_num = apply.unary_with(_nan_to_num)


@declare.method(inplace=True)
def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``input`` with NaN, infinity and minus infinity replaced (by 0 and the largest and least finite numbers).

    The derivative is 0 where something was replaced.
    """
    kind = input.dtype
    if kind.category >= FLOAT:
        info = finfo(kind.to_real())
        posinf = info.max if posinf is None else posinf
        neginf = info.min if neginf is None else neginf
    result: Tensor = _quick_nan_to_num(input, {"nan": 0.0 if nan is None else nan, "posinf": posinf, "neginf": neginf}, out)
    return result


# -- equal, or nearly ----------------------------------------------------------------------------------------------------


def _two_tensors(function: str, input: Any, other: Any) -> None:
    for position, (name, x) in enumerate((("input", input), ("other", other)), 1):
        if not isinstance(x, Tensor):
            raise argument_error(function, name, "Tensor", x, position)


@declare.method
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether ``|input - other| <= atol + rtol * |other|``, elementwise and broadcast; equal infinities are close.

    RuntimeError for tensors of different dtypes and for negative tolerances.
    """
    _two_tensors("isclose", input, other)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype.scalar_name} did not match {other.dtype.scalar_name}")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not tolerance >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {tolerance:g}")
    close: Any = input == other
    if equal_nan and input.dtype.category >= FLOAT:
        close = close | (isnan(input) & isnan(other))
    if rtol == 0 and atol == 0:
        return close  # type: ignore[no-any-return]
    if input.dtype.category < FLOAT:
        input, other = input.to(defaults.floating), other.to(defaults.floating)
    distance = abs(input - other)
    return close | (isfinite(distance) & (distance <= atol + abs(rtol * other)))  # type: ignore[no-any-return]


@declare.method
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close; see :func:`isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@declare.method
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape and equal elements."""
    _two_tensors("equal", input, other)
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all())


__all__ = [
    "allclose",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "eq",
    "equal",
    "fmax",
    "fmin",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "le",
    "less",
    "less_equal",
    "lt",
    "maximum",
    "minimum",
    "nan_to_num",
    "ne",
    "not_equal",
    "where",
]
