"""Elementwise operations whose implementation asks whether it has an array or a number: what they are for symbols."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ....ops.powers import tensor_power
from .. import build
from ..symbolic import Symbol

_ROOT_HALF = math.sqrt(0.5)
_CUBE, _SLOPE = 0.044715, math.sqrt(2 / math.pi)


def _erf(x: Symbol) -> Any:
    return Symbol(build.mapped("erf", x.node))


def _gelu_inner(x: Any) -> Any:
    return _SLOPE * x * (1 + _CUBE * (x * x))


def _gelu(x: Any, approximate: str) -> Any:
    return 0.5 * x * (1 + (_erf(x * _ROOT_HALF) if approximate == "none" else np.tanh(_gelu_inner(x))))


def _gelu_slope(x: Any, approximate: str) -> Any:
    if approximate == "none":
        return 0.5 * (1 + _erf(x * _ROOT_HALF) + x * np.exp(x * x * -0.5) * _SLOPE)
    h = np.tanh(_gelu_inner(x))
    return 0.5 * (1 + h + (1 - h * h) * x * (_SLOPE * (1 + 3 * _CUBE * (x * x))))


def _lerp(x: Any, y: Any, w: Any) -> Any:
    return np.where(np.absolute(w) < 0.5, x + w * (y - x), y - (y - x) * (1 - w))


def _elu(x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    return np.where(x > 0, x * scale, np.expm1(np.minimum(x, 0) * input_scale) * (alpha * scale))


def _sign(x: Any) -> Any:
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


def _nan_to_num(x: Any, nan: float, posinf: float, neginf: float) -> Any:
    if x.dtype.kind in "biu":
        return x.copy()
    r = np.where(x != x, nan, x)
    return np.where(x == np.inf, posinf, np.where(x == -np.inf, neginf, r))


def _sinc(x: Any) -> Any:
    y = np.where(x == 0, 1, x * math.pi)
    return np.where(x == 0, 1, np.sin(y) / y)


def _logaddexp2(x: Any, y: Any) -> Any:
    return np.where(x == y, x + 1, np.maximum(x, y) + np.log1p(np.exp2(-np.absolute(x - y))) * (1 / math.log(2)))


FORMS: dict[str, Callable[..., Any]] = {
    "relu": lambda x: np.where(x < 0, 0, x),
    "hardtanh": lambda x, low, high: np.clip(x, low, high),
    "sign": _sign,
    "sgn": _sign,
    "nan_to_num": _nan_to_num,
    "sinc": _sinc,
    "logaddexp2": _logaddexp2,
    "lerp": _lerp,
    "lerp_number": _lerp,
    "number_pow": lambda x, y: tensor_power(y, x),
    "zero": lambda x: np.zeros_like(x),
    "elu": _elu,
    "celu": _elu,
    "gelu": _gelu,
    "gelu_slope": _gelu_slope,
}
