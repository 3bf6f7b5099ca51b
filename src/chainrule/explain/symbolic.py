"""The closed form of a scalar program's derivative, through SymPy.

SymPy supplies the functions; the derivative is put together from the rules' own local formulas by the chain rule, so a
rule that was wrong would be wrong here too, and then differ from SymPy's own ``diff``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .algebra import App, Expr, Num, Sym
from .graph import Graph, Variable
from .local import expression, locals_of

_SAME_NAME = frozenset("sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp log sqrt erf erfc atan2 digamma".split())


def _functions(sp: Any) -> dict[str, Callable[..., Any]]:
    """SymPy's functions by the operations' names."""
    sigmoid = lambda x: 1 / (1 + sp.exp(-x))
    clamp = lambda x, min=None, max=None: sp.Min(sp.Max(x, min) if min is not None else x, *([] if max is None else [max]))
    return {
        **{name: getattr(sp, name) for name in _SAME_NAME},
        "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": lambda x, y: x / y,
        "neg": lambda x: -x, "pow": lambda x, y: x**y, "abs": sp.Abs, "sign": sp.sign, "sigmoid": sigmoid,
        "rsqrt": lambda x: 1 / sp.sqrt(x), "exp2": lambda x: 2**x, "expm1": lambda x: sp.exp(x) - 1,
        "log2": lambda x: sp.log(x) / sp.log(2), "log10": lambda x: sp.log(x) / sp.log(10), "log1p": lambda x: sp.log(1 + x),
        "relu": lambda x: sp.Max(x, 0), "clamp": clamp, "clamp_min": clamp, "clamp_max": clamp, "maximum": sp.Max, "minimum": sp.Min,
        "hypot": lambda x, y: sp.sqrt(x**2 + y**2), "lgamma": sp.loggamma, "floor": sp.floor, "ceil": sp.ceiling,
        "silu": lambda x: x * sigmoid(x), "softplus": lambda x, **kw: sp.log(1 + sp.exp(x)), "log_sigmoid": lambda x: sp.log(sigmoid(x)),
        "logit": lambda x, eps=None: sp.log(x / (1 - x)), "logaddexp": lambda x, y: sp.log(sp.exp(x) + sp.exp(y)),
        "sum": lambda x, **kw: x, "mean": lambda x, **kw: x, "expand": lambda x, **kw: x, "view": lambda x, **kw: x,
        "where": lambda c, x, y: sp.Piecewise((x, c), (y, True)),
        "eq": sp.Eq, "ne": sp.Ne, "lt": lambda x, y: x < y, "le": lambda x, y: x <= y, "gt": lambda x, y: x > y, "ge": lambda x, y: x >= y,
        "bitwise_and": sp.And, "bitwise_or": sp.Or, "matmul": lambda x, y: x * y, "T": lambda x: x, "erfinv": sp.erfinv,
        "deg2rad": lambda x: x * sp.pi / 180, "rad2deg": lambda x: x * 180 / sp.pi, "polygamma": lambda x, n: sp.polygamma(n, x),
    }  # fmt: skip


@dataclass
class Symbolic:
    """``value`` and, by the leaves' names, ``derivatives``, as SymPy expressions; ``errors`` against the tape.

    ``print`` shows the derivatives; where there is one, :meth:`__getattr__`-free access is ``symbolic.derivative``.
    """

    value: Any
    derivatives: dict[str, Any]
    errors: dict[str, float]

    @property
    def derivative(self) -> Any:
        """The derivative by the only leaf.  ValueError where there are several."""
        if len(self.derivatives) != 1:
            raise ValueError(f"there are derivatives by {', '.join(self.derivatives)}: take one from `derivatives`")
        return next(iter(self.derivatives.values()))

    def __str__(self) -> str:
        from sympy import sstr

        return "\n".join([
            f"d/d{name} = {_pretty(sstr(e))}   (error against the tape {self.errors[name]:.1e})" for name, e in self.derivatives.items()
        ])  # fmt: skip

    def _repr_latex_(self) -> str:
        from sympy import latex

        return "$$" + r" \\ ".join([rf"\frac{{d}}{{d {n}}} = {latex(e)}" for n, e in self.derivatives.items()]) + "$$"


def _pretty(s: str) -> str:
    """``2*x*cos(x**2)`` as ``2·x·cos(x²)``."""
    for n, sign in enumerate("²³⁴⁵⁶⁷⁸⁹", 2):
        s = _power(s, n, sign)
    return s.replace("**", "^").replace("*", "·")


def _power(s: str, n: int, sign: str) -> str:
    import re

    return re.sub(rf"\*\*{n}(?![\d.])", sign, s)


def closed_form(graph: Graph, simplify: bool = True) -> Symbolic:
    """The output and its derivatives by the leaves, in the leaves."""
    try:
        import sympy as sp
    except ImportError as error:
        raise ImportError('symbolic() needs SymPy: pip install "chainrule[explain]"') from error
    translate = _Translation(sp, graph)
    for step in graph.steps:
        out = step.outputs[0]
        if len(step.outputs) != 1 or not out.is_scalar or any(v is not None and not _small(v) for v in step.inputs):
            raise TypeError(f"symbolic() is for programs of numbers, and {out.name} = {step.opname}(…) has tensors. See steps or latex().")
        translate.forms[out] = translate(expression(step))
    cotangents: dict[Variable, Any] = {graph.output: translate.number(np.reshape(graph.output.cotangent, ())[()])}
    for step in reversed(graph.steps):
        g = cotangents[step.outputs[0]]
        for local in locals_of(step):
            if local.formula is None:
                raise TypeError(f"symbolic(): the rule of {step.opname} does not run on names, so that it has no formula.")
            part = g * translate(local.formula)
            cotangents[local.variable] = cotangents.get(local.variable, 0) + part
    names = {v: sp.Symbol(v.name, real=True) for v in graph.wanted}
    derivatives = {v.name: _simplest(sp, cotangents[v]) if simplify else sp.sympify(cotangents[v]) for v in names}
    value = translate.forms.get(graph.output, names.get(graph.output))
    errors = {v.name: _error(derivatives[v.name], v, translate) for v in names}
    return Symbolic(value, derivatives, errors)


def _small(v: Variable) -> bool:
    return v.is_scalar or (np.size(v.value) == 1 if v.value is not None else v.is_constant)


def _simplest(sp: Any, e: Any) -> Any:
    """The shorter of the expression and its simplification, which may take long for a large one."""
    e = sp.sympify(e)
    if sp.count_ops(e) > 60:
        return e
    simpler = sp.simplify(e)
    return simpler if sp.count_ops(simpler) <= sp.count_ops(e) else e


def _error(e: Any, v: Variable, translate: _Translation) -> float:
    """The difference to what the tape's backward gave, relative to it."""
    want = complex(np.reshape(v.cotangent, ())[()])
    try:
        got = complex(e.evalf(30, subs=translate.point))
    except TypeError:  # a constant that the tape does not tell stays a symbol
        return math.nan
    return abs(got - want) / max(abs(want), 1e-12) if want != got else 0.0


class _Translation:
    """Formulas as SymPy has them, in the symbols of the leaves."""

    def __init__(self, sp: Any, graph: Graph) -> None:
        self.sp = sp
        self.functions = _functions(sp)
        self.forms: dict[Variable, Any] = {}
        self.point: dict[Any, Any] = {}
        for v in graph.variables.values():
            if v.producer is None:
                self._leaf(v)

    def _leaf(self, v: Variable) -> Any:
        symbol = self.sp.Symbol(v.name, real=True)
        self.forms[v] = symbol
        if v.value is not None and np.size(v.value) == 1:
            self.point[symbol] = self.sp.Float(float(np.reshape(v.value, ())[()]), 30)
        return symbol

    def number(self, x: Any) -> Any:
        """A number, exactly where it is a short fraction."""
        x = x.item() if isinstance(x, np.generic) else x
        if isinstance(x, (bool, np.bool_)):
            return self.sp.true if x else self.sp.false
        if isinstance(x, int):
            return self.sp.Integer(x)
        if not math.isfinite(x):
            return self.sp.nan if x != x else self.sp.oo if x > 0 else -self.sp.oo
        for constant, symbol in ((math.log(2), self.sp.log(2)), (math.log(10), self.sp.log(10)), (math.pi, self.sp.pi)):
            if x == constant:
                return symbol
        short = self.sp.Rational(repr(x)) if len(repr(x)) <= 6 else None
        return short if short is not None else self.sp.Float(x, 17)

    def __call__(self, e: Expr) -> Any:
        if isinstance(e, Num):
            return self.number(np.reshape(e.value, ())[()] if isinstance(e.value, np.ndarray) else e.value)
        if isinstance(e, Sym):
            return self._symbol(e)
        assert isinstance(e, App)
        function = self.functions.get(e.op)
        if function is None:
            raise TypeError(f"symbolic(): SymPy has no function for {e.op}.")
        kw = {k: self.number(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else v for k, v in e.kw}
        return function(*[self(a) for a in e.args], **kw)

    def _symbol(self, e: Sym) -> Any:
        if e.name == "g":
            return self.sp.Integer(1)
        v: Variable = e.name
        found = self.forms.get(v)
        if found is None:
            if v.is_constant and not v.named and v.value is not None:
                return self.number(np.reshape(v.value, ())[()])
            found = self._leaf(v)
        return found
