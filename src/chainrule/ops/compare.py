"""Comparisons, choices and bounds."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core import apply
from ..core.op import Op
from ..core.promotion import result_dtype
from ..core.tensor import Tensor
from . import declare


def _comparison(name: str, impl: Any, dunder: str, swapped: str, aliases: tuple[str, ...], doc: str) -> Any:
    function = declare.binary(name, impl, None, result="bool", aliases=aliases, doc=doc)
    setattr(Tensor, f"__{dunder}__", apply.binary(function.op, operator=True))
    return function


eq = _comparison("eq", operator.eq, "eq", "eq", (), "``input == other``, elementwise; a bool tensor.")
ne = _comparison("ne", operator.ne, "ne", "ne", ("not_equal",), "``input != other``, elementwise; a bool tensor.")
lt = _comparison("lt", operator.lt, "lt", "gt", ("less",), "``input < other``, elementwise; a bool tensor.")
le = _comparison("le", operator.le, "le", "ge", ("less_equal",), "``input <= other``, elementwise; a bool tensor.")
gt = _comparison("gt", operator.gt, "gt", "lt", ("greater",), "``input > other``, elementwise; a bool tensor.")
ge = _comparison("ge", operator.ge, "ge", "le", ("greater_equal",), "``input >= other``, elementwise; a bool tensor.")
Tensor.__hash__ = object.__hash__  # type: ignore[method-assign]
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


# -- choices -------------------------------------------------------------------------------------------------------------


def _where(condition: Any, x: Any, y: Any) -> Any:
    if type(condition) is np.bool_ and not isinstance(x, np.ndarray) and not isinstance(y, np.ndarray):
        chosen, other = (x, y) if condition else (y, x)
        if type(chosen) is type(other):
            return chosen
        if not isinstance(chosen, np.generic):
            return type(other)(chosen)
        if not isinstance(other, np.generic):
            return chosen
    return np.where(condition, x, y)[()]


_where_op = Op(
    "where", _where, kind="elementwise", args="condition x y", promote=(1, 2),
    d=[None, lambda t, condition: where(condition, t, 0), lambda t, condition: where(condition, 0, t)],
)  # fmt: skip


def where(condition: Any, input: Any = None, other: Any = None, *, out: Tensor | None = None) -> Any:
    """``input`` where ``condition`` is True, else ``other``; broadcast, either may be a number.

    Only the chosen side receives a gradient: a NaN or an infinity on the other side does not reach it.
    With ``condition`` alone, the indices of its True elements (``condition.nonzero(as_tuple=True)``).

    >>> import chainrule as torch
    >>> torch.where(torch.tensor([True, False]), torch.tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    if isinstance(condition, Tensor):
        if input is None and other is None:
            return condition.nonzero(as_tuple=True)  # type: ignore[attr-defined]
        kind = condition.dtype
        if kind.name != "bool":
            if kind.name != "uint8":
                raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {kind.scalar_name}")
            condition = condition != 0
        return apply.elementwise(_where_op, (condition, input, other), out)
    if isinstance(input, Tensor) or isinstance(other, Tensor):
        return apply.elementwise(_where_op, (condition, input, other), out)
    return _where(condition, input, other)


def _where_method(self: Tensor, condition: Any, other: Any) -> Tensor:
    """``self`` where ``condition`` is True, else ``other``."""
    result: Tensor = where(condition, self, other)
    return result


declare.attach(_where_method, "where")


# -- bounds --------------------------------------------------------------------------------------------------------------


def _clamp(x: Any, *, min: Any, max: Any) -> Any:
    if isinstance(x, np.ndarray) or min != min or max != max:
        if min is None:
            return np.minimum(x, max)
        return np.maximum(x, min) if max is None else np.clip(x, min, max)
    if min is not None and x < min:
        x = type(x)(min)
    if max is not None and x > max:
        x = type(x)(max)
    return x


def _clamp_rule(t: Any, x: Any, min: Any, max: Any) -> Any:
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


_clamp_tensor = Op(
    "clamp_tensor", _clamp_between, kind="elementwise", args="x low high", d=[_inside, _at_low, _at_high], node="ClampBackward0"
)
_clamp_min_tensor = Op(
    "clamp_min_tensor", np.maximum, kind="elementwise", args="x low", node="ClampMinBackward1",
    d=[lambda t, x, low: where(x >= low, t, 0), lambda t, x, low: where(x < low, t, 0)],
)  # fmt: skip
_clamp_max_tensor = Op(
    "clamp_max_tensor", np.minimum, kind="elementwise", args="x high", node="ClampMaxBackward1",
    d=[lambda t, x, high: where(x <= high, t, 0), lambda t, x, high: where(x > high, t, 0)],
)  # fmt: skip


def _bounded(op: Op, quick: Any, input: Any, min: Any, max: Any, out: Any) -> Tensor:
    """Numbers as bounds; an integer tensor becomes a floating one where a bound is a float."""
    if isinstance(input, Tensor) and not input.dtype.is_floating_point:
        kind = result_dtype([(input.dtype, input.ndim == 0), *[type(b) for b in (min, max) if b is not None]])
        if kind.category == 3:
            raise RuntimeError("clamp is not supported for complex types")
        if kind is not input.dtype:
            input = input.to(kind)  # type: ignore[attr-defined]
    result: Tensor = quick(input, {"min": min, "max": max}, out)
    return result


@declare.method(inplace=True, aliases=("clip",))
def clamp(input: Any, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """``input`` limited to ``[min, max]``; either bound may be left out, a number or a tensor.

    The derivative is 1 up to and including the bounds, 0 outside.  RuntimeError when both bounds are missing.

    >>> import chainrule as torch
    >>> torch.clamp(torch.tensor([-2.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        result: Tensor = apply.elementwise(_clamp_tensor, (input, _as_bound(min, input), _as_bound(max, input)), out)
        return result
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    return _bounded(_clamp_number, _quick_clamp, input, min, max, out)


def _as_bound(bound: Any, input: Any) -> Any:
    return bound


_quick_clamp_min = apply.unary_with(_clamp_min_number)
_quick_clamp_max = apply.unary_with(_clamp_max_number)


@declare.method(inplace=True)
def clamp_min(input: Any, min: Any, *, out: Tensor | None = None) -> Tensor:
    """``input``, but at least ``min`` (a number or a tensor)."""
    if isinstance(min, Tensor):
        result: Tensor = apply.elementwise(_clamp_min_tensor, (input, min), out)
        return result
    return _bounded(_clamp_min_number, _quick_clamp_min, input, min, None, out)


@declare.method(inplace=True)
def clamp_max(input: Any, max: Any, *, out: Tensor | None = None) -> Tensor:
    """``input``, but at most ``max`` (a number or a tensor)."""
    if isinstance(max, Tensor):
        result: Tensor = apply.elementwise(_clamp_max_tensor, (input, max), out)
        return result
    return _bounded(_clamp_max_number, _quick_clamp_max, input, None, max, out)


clip = clamp


def _larger(t: Any, x: Any, y: Any) -> Any:
    return where(x == y, t * 0.5, where(x < y, 0, t))


def _smaller(t: Any, x: Any, y: Any) -> Any:
    return where(x == y, t * 0.5, where(x > y, 0, t))


maximum = declare.binary(
    "maximum", np.maximum, [_larger, lambda t, x, y: _larger(t, y, x)], inplace=False,
    doc="The larger of ``input`` and ``other``, elementwise; NaN where either is.  Equal values share the gradient.",
)  # fmt: skip
minimum = declare.binary(
    "minimum", np.minimum, [_smaller, lambda t, x, y: _smaller(t, y, x)], inplace=False,
    doc="The smaller of ``input`` and ``other``, elementwise; NaN where either is.  Equal values share the gradient.",
)  # fmt: skip
fmax = declare.binary(
    "fmax", np.fmax, inplace=False,
    d=[lambda t, x, y: where((x >= y) | (y != y), t, 0), lambda t, x, y: where((x >= y) | (y != y), 0, t)],
    doc="The larger of ``input`` and ``other``, elementwise; a NaN loses against a number.",
)  # fmt: skip
fmin = declare.binary(
    "fmin", np.fmin, inplace=False,
    d=[lambda t, x, y: where((x <= y) | (y != y), t, 0), lambda t, x, y: where((x <= y) | (y != y), 0, t)],
    doc="The smaller of ``input`` and ``other``, elementwise; a NaN loses against a number.",
)  # fmt: skip

__all__ = [
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "eq",
    "fmax",
    "fmin",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "le",
    "less",
    "less_equal",
    "lt",
    "maximum",
    "minimum",
    "ne",
    "not_equal",
    "where",
]
