"""The vector functions as functions of NumPy arrays, and how far results are from the exact ones."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from chainrule.compiler.native.emitter import Module, vec
from chainrule.compiler.native.jit import Library, compile_text
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.vmath import FUNCTIONS

ELEMENTS = {"float": np.float32, "double": np.float64}
TWO = frozenset({"add", "sub", "mul", "div", "atan2", "pow", "fmod", "remainder", "floor_div", "hypot", "copysign"}) | frozenset(
    {"maximum", "minimum", "fmax", "fmin"}
)


@cache
def library(target: Target, element: str, lanes: int, names: tuple[str, ...]) -> Library:
    """Each function as a loop over arrays: ``name(x, y, out, n)``, n a multiple of the lanes."""
    module = Module(target)
    for name in names:
        f = module.function("all_" + name, "ptr %x, ptr %y, ptr %out, i64 %n", linkage="")
        type_ = vec(element, lanes)

        def body(i: str, _: Sequence[str], name: str = name, f: Any = f, type_: str = type_) -> None:
            args = [f.load(type_, f.gep(p, i, element)) for p in (("%x", "%y") if name in TWO else ("%x",))]
            f.store(type_, FUNCTIONS[name](f, type_, *args), f.gep("%out", i, element))

        f.loop(0, "%n", lanes, body)
        f.ret()
    return compile_text(module.text(), target)


def runner(target: Target, element: str, lanes: int, name: str, names: tuple[str, ...]) -> Callable[..., Any]:
    """One of the functions, on arrays of any length."""
    call = library(target, element, lanes, names).function("all_" + name, *[ctypes.c_void_p] * 3, ctypes.c_int64)

    def run(x: Any, y: Any = None) -> Any:
        size = -(-len(x) // lanes) * lanes
        given = [np.zeros(size, ELEMENTS[element]) for _ in range(3)]
        given[0][: len(x)] = x
        given[1][: len(x)] = x if y is None else y
        call(*[a.ctypes.data for a in given], size)
        return given[2][: len(x)]

    return run


def ulps(result: Any, exact: Any) -> Any:
    """The distance from exact values (of a wider type) in units of the last place that the exact values have; 0 where both are the
    same special value, infinite where one is special only."""
    kind = result.dtype.type
    with np.errstate(all="ignore"):
        rounded = exact.astype(kind)
        unit = np.spacing(np.abs(rounded)).astype(exact.dtype)
        off = np.abs(result.astype(exact.dtype) - exact) / unit
    same = (result == rounded) | (np.isnan(result) & np.isnan(rounded))
    special = ~np.isfinite(result) | ~np.isfinite(rounded)
    # Rounding to infinity begins half a unit above the largest number, which the unit of infinity does not say.
    top = np.finfo(kind).max
    over = (np.isinf(result) & (np.abs(rounded) == top)) | (np.isinf(rounded) & (np.abs(result) == top))
    return np.where(special, np.where(same | (over & (np.sign(result) == np.sign(rounded))), 0.0, np.inf), off)
