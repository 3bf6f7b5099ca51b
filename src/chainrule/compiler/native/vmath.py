"""Mathematical functions on vectors of float and double, as LLVM's text.

``FUNCTIONS`` has them by the names that programs use; each takes an emitter, the type (``<16 x float>``, ``double``: any number of
lanes) and the arguments' names, and gives the result's.  What is short is written where it is used; the rest becomes an internal
function of the module, once for each type, and a call.

``ULPS`` says how far a result may be from the exact one, in units of the last place of (float, double); the tests hold it to that.
Arguments may be anything: zeros keep their sign, subnormal numbers count, and NaN, infinities and poles give what C's functions give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import vmath_error as error
from . import vmath_exp as exponential
from . import vmath_log as logarithm
from . import vmath_pow as power
from . import vmath_trig as trigonometric
from .emitter import Emitter, mangled
from .lanes import Lanes, where

Formula = Callable[..., Lanes]
Function = Callable[..., str]


@dataclass(frozen=True)
class Row:
    """A function: its formula, the bounds of its error in float and double, whether it is written where it is used."""

    formula: Formula
    ulps: tuple[float, float]
    inline: tuple[bool, bool] = (False, False)


def _maximum(x: Lanes, y: Lanes) -> Lanes:
    """NaN where an argument is; of two zeros the second may be taken, as NumPy does."""
    return where(x.is_nan() | (x > y), x, y)


def _minimum(x: Lanes, y: Lanes) -> Lanes:
    return where(x.is_nan() | (x < y), x, y)


def _fmax(x: Lanes, y: Lanes) -> Lanes:
    return where(y.is_nan() | (x >= y), x, y)


def _fmin(x: Lanes, y: Lanes) -> Lanes:
    return where(y.is_nan() | (x <= y), x, y)


def _sign(x: Lanes) -> Lanes:
    """-1, 0 or 1; 0 for NaN."""
    return where(x > 0.0, 1.0, where(x < 0.0, x.like(-1.0), 0.0))


_ALWAYS = (True, True)
_FLOAT = (True, False)

ROWS: dict[str, Row] = {
    "exp": Row(exponential.exp, (1.0, 1.0), _ALWAYS),
    "exp2": Row(exponential.exp2, (1.25, 1.25), _ALWAYS),
    "expm1": Row(exponential.expm1, (2.0, 2.0), _FLOAT),
    "log": Row(logarithm.log, (1.0, 1.0), _FLOAT),
    "log2": Row(logarithm.log2, (2.0, 2.0), _FLOAT),
    "log10": Row(logarithm.log10, (2.0, 2.0), _FLOAT),
    "log1p": Row(logarithm.log1p, (1.5, 1.5), _FLOAT),
    "sigmoid": Row(exponential.sigmoid, (2.5, 2.5), _ALWAYS),
    "tanh": Row(exponential.tanh, (1.5, 3.0), _FLOAT),
    "sinh": Row(exponential.sinh, (0.51, 2.5)),
    "cosh": Row(exponential.cosh, (0.51, 2.0)),
    "asinh": Row(logarithm.asinh, (0.51, 3.0)),
    "acosh": Row(logarithm.acosh, (0.51, 3.0)),
    "atanh": Row(logarithm.atanh, (0.51, 3.0)),
    "sin": Row(trigonometric.sin, (2.0, 1.0), _ALWAYS),
    "cos": Row(trigonometric.cos, (2.0, 1.0), _ALWAYS),
    "tan": Row(trigonometric.tan, (0.51, 2.5)),
    "asin": Row(trigonometric.asin, (0.51, 1.5)),
    "acos": Row(trigonometric.acos, (0.51, 1.5)),
    "atan": Row(trigonometric.atan, (0.51, 1.5)),
    "atan2": Row(trigonometric.atan2, (0.51, 1.5)),
    "erf": Row(error.erf, (1.5, 1.5), _FLOAT),
    "erfc": Row(error.erfc, (0.51, 3.5)),
    "lgamma": Row(error.lgamma, (0.51, 4.0)),
    "pow": Row(power.pow, (0.51, 1.25)),
    "fmod": Row(power.fmod, (0.0, 0.0)),
    "remainder": Row(power.remainder, (0.5, 0.5)),
    "floor_div": Row(power.floor_div, (0.0, 0.0)),
    "hypot": Row(power.hypot, (0.51, 1.25)),
    "sqrt": Row(lambda x: x.sqrt(), (0.5, 0.5), _ALWAYS),
    "rsqrt": Row(lambda x: 1.0 / x.sqrt(), (1.5, 1.5), _ALWAYS),
    "reciprocal": Row(lambda x: 1.0 / x, (0.5, 0.5), _ALWAYS),
    "square": Row(lambda x: x * x, (0.5, 0.5), _ALWAYS),
    "add": Row(lambda x, y: x + y, (0.5, 0.5), _ALWAYS),
    "sub": Row(lambda x, y: x - y, (0.5, 0.5), _ALWAYS),
    "mul": Row(lambda x, y: x * y, (0.5, 0.5), _ALWAYS),
    "div": Row(lambda x, y: x / y, (0.5, 0.5), _ALWAYS),
    "neg": Row(lambda x: -x, (0.0, 0.0), _ALWAYS),
    "abs": Row(lambda x: x.abs(), (0.0, 0.0), _ALWAYS),
    "sign": Row(_sign, (0.0, 0.0), _ALWAYS),
    "copysign": Row(lambda x, y: x.with_sign_of(y), (0.0, 0.0), _ALWAYS),
    "floor": Row(lambda x: x.unary("floor"), (0.0, 0.0), _ALWAYS),
    "ceil": Row(lambda x: x.unary("ceil"), (0.0, 0.0), _ALWAYS),
    "trunc": Row(lambda x: x.unary("trunc"), (0.0, 0.0), _ALWAYS),
    "rint": Row(lambda x: x.unary("rint"), (0.0, 0.0), _ALWAYS),
    "maximum": Row(_maximum, (0.0, 0.0), _ALWAYS),
    "minimum": Row(_minimum, (0.0, 0.0), _ALWAYS),
    "fmax": Row(_fmax, (0.0, 0.0), _ALWAYS),
    "fmin": Row(_fmin, (0.0, 0.0), _ALWAYS),
}

ULPS: dict[str, tuple[float, float]] = {name: row.ulps for name, row in ROWS.items()}


def _function(name: str, row: Row) -> Function:
    def emit(f: Emitter, type_: str, *args: str) -> str:
        if row.inline["double" in type_]:
            return row.formula(*[Lanes(f, type_, a) for a in args]).name
        called = f"{name}_{mangled(type_)}"
        if not f.module.has(called):
            names = [f"%a{k}" for k in range(len(args))]
            g = f.module.function(called, ", ".join(f"{type_} {n}" for n in names), result=type_)
            g.ret(row.formula(*[Lanes(g, type_, n) for n in names]).name)
        return f.call(called, *[f"{type_} {a}" for a in args], result=type_)

    return emit


FUNCTIONS: dict[str, Function] = {name: _function(name, row) for name, row in ROWS.items()}

__all__ = ["FUNCTIONS", "ROWS", "ULPS"]
