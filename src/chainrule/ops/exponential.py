"""Exponentials, logarithms, roots and the logistic function."""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from ..core import apply
from ..core.dtype import BOOL, INT
from ..core.op import Op
from ..core.tensor import Tensor
from . import declare
from .blocks import in_blocks
from .compare import where
from .domain import floats, not_complex, unimplemented

LN2 = math.log(2.0)
LN10 = math.log(10.0)


def _exp2(x: Any) -> Any:
    return np.exp(x * LN2) if x.dtype.kind == "c" else np.exp2(x)


exp = declare.unary("exp", np.exp, lambda t, out: t * out, doc="e to the power of ``input``, elementwise.")
exp2 = declare.unary("exp2", _exp2, lambda t, out: t * out * LN2, doc="2 to the power of ``input``, elementwise.")
expm1 = declare.unary(
    "expm1", np.expm1, lambda t, out: t * (out + 1), doc="``exp(input) - 1`` without cancellation near 0, elementwise."
)
log = declare.unary("log", np.log, lambda t, x: t / x, doc="The natural logarithm of ``input``, elementwise.")
log2 = declare.unary("log2", np.log2, lambda t, x: t / (x * LN2), doc="The logarithm of ``input`` to base 2, elementwise.")
log10 = declare.unary("log10", np.log10, lambda t, x: t / (x * LN10), doc="The logarithm of ``input`` to base 10, elementwise.")
log1p = declare.unary(
    "log1p", np.log1p, lambda t, x: t / (x + 1), node="Log1PBackward0",
    doc="``log(1 + input)`` without cancellation near 0, elementwise.",
)  # fmt: skip
sqrt = declare.unary(
    "sqrt", np.sqrt, lambda t, out: t / (2 * out), doc="The square root of ``input``, elementwise; NaN below 0, slope infinite at 0."
)
rsqrt = declare.unary(
    "rsqrt", lambda x: 1.0 / np.sqrt(x), lambda t, out: t * (out * out * out) * -0.5, doc="``1 / sqrt(input)``, elementwise."
)


def _sigmoid(x: Any) -> Any:
    # exp overflows to infinity where the result is 0, so no branch is needed.
    r = -x
    if type(r) is not np.ndarray:
        return 1.0 / (1.0 + np.exp(r))
    np.exp(r, out=r)
    r += 1
    return np.divide(1, r, out=r)


sigmoid = declare.unary(
    "sigmoid", in_blocks(_sigmoid), lambda t, out: t * (out * (1.0 - out)), doc="``1 / (1 + exp(-input))``, elementwise."
)


# -- logit ---------------------------------------------------------------------------------------------------------------


def _logit(x: Any, *, eps: float | None) -> Any:
    if eps is not None:
        x = np.clip(x, eps, 1 - eps)
    return np.log(x / (1 - x))


def _logit_rule(t: Any, x: Any, eps: float | None) -> Any:
    slope = t / (x * (1 - x))
    if eps is None:
        return where((x < 0) | (x > 1), math.nan, slope)
    return where((x < eps) | (x > 1 - eps), 0, slope)


_logit_op = Op("logit", _logit, kind="elementwise", d=[_logit_rule], result="float", check=not_complex("logit_cpu"))
_quick_logit = apply.unary_with(_logit_op)


@declare.method(inplace=True)
def logit(input: Any, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """``log(input / (1 - input))``, elementwise; with ``eps``, of ``input`` limited to ``[eps, 1 - eps]``.

    >>> import chainrule as torch
    >>> torch.logit(torch.tensor([0.5, 0.75]))
    tensor([0.0000, 1.0986])
    """
    result: Tensor = _quick_logit(input, {"eps": eps}, out)
    return result


# -- of two arguments ----------------------------------------------------------------------------------------------------


def _logaddexp(x: Any, y: Any) -> Any:
    if x.dtype.kind != "c" and y.dtype.kind != "c":
        return np.logaddexp(x, y)
    larger = np.where(x.real >= y.real, x, y)
    smaller = np.where(x.real >= y.real, y, x)
    return (larger + np.log1p(np.exp(smaller - larger)))[()]


logaddexp = declare.binary(
    "logaddexp", _logaddexp, [lambda t, x, y: t * sigmoid(x - y), lambda t, x, y: t * sigmoid(y - x)], inplace=False,
    check=unimplemented("logaddexp_cpu", BOOL, INT),
    doc="``log(exp(input) + exp(other))`` without overflow, elementwise and broadcast.",
)  # fmt: skip
logaddexp2 = declare.binary(
    "logaddexp2", np.logaddexp2, inplace=False, check=floats("logaddexp2_cpu"),
    d=[lambda t, x, y: t * sigmoid((x - y) * LN2), lambda t, x, y: t * sigmoid((y - x) * LN2)],
    doc="``log2(2**input + 2**other)`` without overflow, elementwise and broadcast.",
)  # fmt: skip


def log_of(number: Any) -> Any:
    """The logarithm of a Python number, as :func:`log` has it."""
    if isinstance(number, complex):
        return cmath.log(number) if number else -math.inf
    return math.log(number) if number > 0 else -math.inf if number == 0 else math.nan


def _log(y: Any) -> Any:
    return log_of(y) if isinstance(y, (int, float)) else log(y)


def _log1p(y: Any) -> Any:
    return math.log1p(y) if isinstance(y, (int, float)) and y > -1 else _log(y + 1) if isinstance(y, (int, float)) else log1p(y)


def _product_with(of: Any) -> Any:
    """``x * of(y)``, and 0 where x is 0 whatever ``of(y)`` is (but NaN where y is)."""

    def impl(x: Any, y: Any) -> Any:
        return np.where((x == 0) & (y == y), 0, x * of(y))[()]

    return impl


def _zero_times(t: Any, x: Any, y: Any, divisor: Any) -> Any:
    """``t * x / divisor``; 0 where x is 0, also at the singularity: there the function is 0 along the whole line."""
    flat = (x == 0) & (y == y)
    return where(flat, 0, t * (x / where(flat, 1, divisor)))


def _named(name: str, node: str, impl: Any, d: list[Any], check: Any) -> Any:
    """PyTorch's three nodes: for two tensors, for a number and a tensor, for a tensor and a number."""
    ops = [
        Op(name + suffix, impl, kind="elementwise", args="x y", d=d, result="float", node=f"{node}Backward{k}", check=check)
        for k, suffix in enumerate(("", "_from_number", "_number"))
    ]

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Any:
        for a in (input, other):
            if isinstance(a, Tensor):
                break
        else:
            return impl(input, other)
        op = ops[0] if isinstance(input, Tensor) and isinstance(other, Tensor) else ops[2] if isinstance(input, Tensor) else ops[1]
        return apply.elementwise(op, (input, other), out)

    function.__name__ = function.__qualname__ = name
    return function


xlogy = _named(
    "xlogy", "Xlogy", _product_with(np.log),
    [lambda t, x, y: where((x == 0) & (y <= 0), 0, t * _log(y)), lambda t, x, y: _zero_times(t, x, y, y)], not_complex("xlogy_cpu"),
)  # fmt: skip
xlogy.__doc__ = """``input * log(other)``, elementwise and broadcast; 0 where ``input`` is 0 and ``other`` is not NaN.

    There the derivative with respect to ``other`` is 0 too, also at ``other = 0``, where PyTorch gives NaN.
    """
declare.attach(xlogy, "xlogy", inplace=True)
xlog1py = _named(
    "special_xlog1py", "SpecialXlog1Py", _product_with(np.log1p),
    [lambda t, x, y: where((x == 0) & (y <= -1), 0, t * _log1p(y)), lambda t, x, y: _zero_times(t, x, y, y + 1)],
    not_complex("xlog1py_cpu"),
)  # fmt: skip
xlog1py.__doc__ = "``input * log1p(other)``, elementwise and broadcast; 0 where ``input`` is 0 and ``other`` is not NaN."

__all__ = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logaddexp2",
    "logit",
    "rsqrt",
    "sigmoid",
    "sqrt",
    "xlogy",
]
