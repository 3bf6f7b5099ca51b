"""Formulas: a small algebra over named values, with the simplifications that a reader expects.

Only *functions* are known here, by the names of the operations.  What the derivative of one is comes from its rule (see
``local.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Expr:
    """A formula."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Sym(Expr):
    """A named value: a variable of the graph, or a parameter of a rule."""

    name: Any


@dataclass(frozen=True, slots=True)
class Num(Expr):
    """A number."""

    value: Any


@dataclass(frozen=True, slots=True)
class App(Expr):
    """A function applied; ``kw`` are settings such as ``dim``."""

    op: str
    args: tuple[Expr, ...]
    kw: tuple[tuple[str, Any], ...] = field(default=(), hash=False)


ONE, ZERO = Num(1), Num(0)


def is_num(e: Expr, value: Any = None) -> bool:
    """A number, or this number."""
    return isinstance(e, Num) and (value is None or (np.ndim(e.value) == 0 and bool(e.value == value)))


def neg(x: Expr) -> Expr:
    """``-x``."""
    if isinstance(x, Num):
        return Num(-x.value)
    if isinstance(x, App) and x.op == "neg":
        return x.args[0]
    if isinstance(x, App) and x.op == "sub":
        return App("sub", (x.args[1], x.args[0]))
    return App("neg", (x,))


def add(x: Expr, y: Expr) -> Expr:
    """``x + y``."""
    if is_num(x, 0):
        return y
    if is_num(y, 0):
        return x
    if isinstance(x, Num) and isinstance(y, Num):
        return Num(x.value + y.value)
    if isinstance(y, App) and y.op == "neg":
        return sub(x, y.args[0])
    return App("add", (x, y))


def sub(x: Expr, y: Expr) -> Expr:
    """``x - y``."""
    if is_num(y, 0):
        return x
    if is_num(x, 0):
        return neg(y)
    if isinstance(x, Num) and isinstance(y, Num):
        return Num(x.value - y.value)
    if isinstance(y, App) and y.op == "neg":
        return add(x, y.args[0])
    return App("sub", (x, y))


def mul(x: Expr, y: Expr) -> Expr:
    """``x * y``."""
    for a, b in ((x, y), (y, x)):
        if is_num(a, 0):
            return ZERO
        if is_num(a, 1):
            return b
        if is_num(a, -1):
            return neg(b)
        if isinstance(a, App) and a.op == "neg":
            return neg(mul(a.args[0], y) if a is x else mul(x, a.args[0]))
        if isinstance(a, App) and a.op == "div" and is_num(a.args[0], 1):
            return div(b, a.args[1])
        if isinstance(a, Num) and isinstance(b, App) and b.op == "mul" and isinstance(b.args[0], Num):
            return mul(Num(a.value * b.args[0].value), b.args[1])
        if isinstance(b, App) and b.op == "pow" and b.args[0] == a and isinstance(b.args[1], Num):
            return power(a, Num(b.args[1].value + 1))
    if isinstance(x, Num) and isinstance(y, Num):
        return Num(x.value * y.value)
    if x == y:
        return power(x, Num(2))
    return App("mul", (y, x) if isinstance(y, Num) else (x, y))


def div(x: Expr, y: Expr) -> Expr:
    """``x / y``."""
    if is_num(y, 1):
        return x
    if is_num(x, 0):
        return ZERO
    if isinstance(x, App) and x.op == "neg":
        return neg(div(x.args[0], y))
    if isinstance(x, Num) and isinstance(y, Num) and y.value != 0 and x.value % y.value == 0:
        return Num(x.value / y.value)
    return App("div", (x, y))


def power(x: Expr, y: Expr) -> Expr:
    """``x ** y``."""
    if is_num(y, 1):
        return x
    if is_num(y, 0):
        return ONE
    if is_num(y, 0.5):
        return App("sqrt", (x,))
    return App("pow", (x, y))


def _where(condition: Expr, x: Expr, y: Expr) -> Expr:
    if isinstance(condition, Num) and np.ndim(condition.value) == 0:
        return x if condition.value else y
    return x if x == y else App("where", (condition, x, y))


def _same(x: Expr, **kw: Any) -> Expr:
    return x


def _transposed(x: Expr, **kw: Any) -> Expr:
    return x.args[0] if isinstance(x, App) and x.op == "T" else App("T", (x,))


def _product(x: Expr, y: Expr) -> Expr:
    return App("matmul", (x, y))


def _permuted(x: Expr, dims: Any = (), **kw: Any) -> Expr:
    last = len(dims) - 1
    if tuple(dims) == (*range(last - 1), last, last - 1) and last > 0:
        return _transposed(x)
    return App("permute", (x,), (("dims", tuple(dims)),))


def _swapped(x: Expr, dim0: int = 0, dim1: int = 1) -> Expr:
    return _transposed(x) if {dim0, dim1} in ({0, 1}, {-1, -2}) else App("transpose", (x,), (("dim0", dim0), ("dim1", dim1)))


def _reshaped(op: str) -> Callable[..., Expr]:
    """A change of shape; of a number, or to no dimensions at all, nothing is seen."""
    return lambda x, **kw: x if isinstance(x, Num) or kw.get("shape") == () else App(op, (x,), tuple(kw.items()))


def _linear(b: Expr | None, x: Expr, w: Expr) -> Expr:
    product = _product(x, _transposed(w))
    return product if b is None else add(product, b)


def _sum_of_product(input: Expr, a: Expr, b: Expr, beta: Any = 1, alpha: Any = 1) -> Expr:
    return add(mul(Num(beta), input), mul(Num(alpha), _product(a, b)))


def _difference_from(x: Expr, y: Expr) -> Expr:
    return sub(y, x)


def _scaled(of: Callable[[Expr, Expr], Expr]) -> Callable[..., Expr]:
    return lambda x, y, alpha: of(x, mul(Num(alpha), y))


# How the operations that are not written ``name(arguments)`` are written.
WRITTEN: dict[str, Callable[..., Expr]] = {
    "add": add, "sub": sub, "mul": mul, "div": div, "neg": neg, "pow": power, "pow_number": power, "where": _where,
    "number_pow": lambda x, y: power(y, x), "rsub": _difference_from, "rsub_number": _difference_from,
    "reciprocal": lambda x: div(ONE, x), "add_scaled": _scaled(add), "sub_scaled": _scaled(sub),
    "addcmul": lambda x, a, b, value: add(x, mul(Num(value), mul(a, b))),
    "addcdiv": lambda x, a, b, value: add(x, mul(Num(value), div(a, b))),
    "lerp": lambda x, y, w: add(x, mul(w, sub(y, x))), "lerp_number": lambda x, y, w: add(x, mul(w, sub(y, x))),
    "zero": lambda x: ZERO, "sum_all": lambda x: App("sum", (x,)), "mean_all": lambda x: App("mean", (x,)),
    "conj": _same, "clone": _same, "alias": _same, "cast": _same, "detach": _same, "copy_gradient": _same, "tie": lambda g, x: g,
    "view": _reshaped("view"), "expand": _reshaped("expand"),
    "column_sums": lambda x: App("sum", (x,), (("dim", (0,)),)),
    "transpose": _swapped, "t": _transposed, "permute": _permuted, "addmm": _sum_of_product, "addmv": _sum_of_product,
    **dict.fromkeys(("mm", "mv", "bmm", "dot", "matmul", "row_mm", "vdot"), _product),
    **dict.fromkeys(("linear", "linear_row", "linear_mm", "linear_stack", "linear_view"), _linear),
}  # fmt: skip


def apply(op: str, args: tuple[Any, ...], kw: dict[str, Any]) -> Expr:
    """The operation ``op`` of formulas, numbers and None, as a formula."""
    written = WRITTEN.get(op)
    if written is not None:
        try:
            return written(*args, **kw)
        except TypeError:  # called in a way that has no short form
            pass
    return App(op, tuple([a for a in args if a is not None]), tuple(kw.items()))


def substituted(e: Expr, values: dict[Any, Expr]) -> Expr:
    """``e`` with names replaced, simplified again."""
    if isinstance(e, Sym):
        return values.get(e.name, e)
    if isinstance(e, App):
        args = tuple([substituted(a, values) for a in e.args])
        return e if args == e.args else apply(e.op, args, dict(e.kw))
    return e


def size(e: Expr) -> int:
    """The number of functions and names in a formula."""
    return 1 + sum([size(a) for a in e.args]) if isinstance(e, App) else 1
