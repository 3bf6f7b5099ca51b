"""Formulas and numbers as text and as LaTeX."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from .algebra import App, Expr, Num, Sym

SUM, PRODUCT, POWER, ATOM = 1, 2, 3, 4
SMALL = 16  # an array of at most so many elements is shown whole

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_INFIX = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥", "bitwise_and": "∧", "bitwise_or": "∨"}
_LATEX_INFIX = {
    "eq": "=", "ne": r"\ne", "lt": "<", "le": r"\le", "gt": ">", "ge": r"\ge", "bitwise_and": r"\land", "bitwise_or": r"\lor",
}  # fmt: skip
_LATEX_FUNCTIONS = frozenset("sin cos tan sinh cosh tanh log exp max min".split())
_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega".split()
)
_CONSTANTS = {math.log(2): ("ln 2", r"\ln 2"), math.log(10): ("ln 10", r"\ln 10"), math.pi: ("π", r"\pi")}


def number(x: Any, digits: int = 4) -> str:
    """A number with so many significant digits."""
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if isinstance(x, (int, np.integer)):
        return str(int(x))
    if isinstance(x, (complex, np.complexfloating)):
        return f"({x.real:.{digits}g}{x.imag:+.{digits}g}j)"
    return f"{float(x) + 0.0:.{digits}g}"


def factor(x: Any, digits: int = 4) -> str:
    """A number inside a product or a sum: negative ones in parentheses."""
    text = number(x, digits)
    return f"({text})" if text.startswith("-") else text


def value_text(value: Any, digits: int = 4) -> str:
    """A value: a number, a small array whole, a large one by statistics."""
    if value is None:
        return "?"
    if isinstance(value, (bool, int, float, complex)):
        return number(value, digits)
    if value.ndim == 0:
        return number(value[()], digits)
    if value.size <= SMALL:
        return _array(value, digits)
    return statistics(value, digits)


def _array(value: Any, digits: int) -> str:
    if value.ndim == 0:
        return number(value[()], digits)
    return "[" + ", ".join([_array(part, digits) for part in value]) + "]"


def statistics(value: Any, digits: int = 4) -> str:
    """``(100, 10) ‖·‖ = 3.1, mean 0.1, from -2 to 2``."""
    shape = shape_text(value.shape)
    if not value.size:
        return f"{shape} empty"
    if value.dtype.kind not in "fiub":
        with np.errstate(all="ignore"):
            return f"{shape} ‖·‖ = {number(float(np.linalg.norm(value.astype(np.complex128))), digits)}"
    flat = value.astype(np.float64).reshape(-1)
    with np.errstate(all="ignore"):
        norm, mean = float(np.sqrt(np.dot(flat, flat))), float(flat.mean())
    return (
        f"{shape} ‖·‖ = {number(norm, digits)}, mean {number(mean, digits)},"
        f" from {number(flat.min(), digits)} to {number(flat.max(), digits)}"
    )


def shape_text(shape: Any) -> str:
    """``(2×3)``; nothing for no dimensions."""
    return "" if shape is None or not len(shape) else "(" + "×".join([str(n) for n in shape]) + ")"


def _name(e: Sym) -> str:
    name = getattr(e.name, "name", e.name)
    return str(name)


# -- text ------------------------------------------------------------------------------------------------------------------


def text(e: Expr, digits: int = 6) -> str:
    """A formula as a line of Unicode."""
    return _text(e, digits)[0]


def _inside(e: Expr, least: int, digits: int) -> str:
    s, strength = _text(e, digits)
    return s if strength >= least else f"({s})"


def _number_text(e: Num, digits: int) -> tuple[str, int]:
    if isinstance(e.value, np.ndarray) and e.value.ndim:
        return value_text(e.value, digits), ATOM
    if isinstance(e.value, (float, np.floating)) and float(e.value) in _CONSTANTS:
        return _CONSTANTS[float(e.value)][0], ATOM
    s = number(e.value, digits)
    return s, (SUM if s.startswith("-") else ATOM)


def _text(e: Expr, digits: int) -> tuple[str, int]:
    if isinstance(e, Num):
        return _number_text(e, digits)
    if isinstance(e, Sym):
        return _name(e), ATOM
    assert isinstance(e, App)
    op, args = e.op, e.args
    if op in ("add", "sub"):
        sign = "+" if op == "add" else "−"
        return f"{_inside(args[0], SUM, digits)} {sign} {_inside(args[1], SUM if op == 'add' else PRODUCT, digits)}", SUM
    if op == "neg":
        return f"−{_inside(args[0], PRODUCT, digits)}", SUM
    if op == "mul":
        return f"{_inside(args[0], PRODUCT, digits)}·{_inside(args[1], POWER, digits)}", PRODUCT
    if op == "div":
        return f"{_inside(args[0], PRODUCT, digits)}/{_inside(args[1], POWER, digits)}", PRODUCT
    if op == "matmul":
        return f"{_inside(args[0], PRODUCT, digits)} {_inside(args[1], POWER, digits)}", PRODUCT
    if op == "pow":
        return _power_text(args, digits), POWER
    if op == "T":
        return f"{_inside(args[0], ATOM, digits)}ᵀ", ATOM
    if op in _INFIX and len(args) == 2:
        return f"{_inside(args[0], SUM, digits)} {_INFIX[op]} {_inside(args[1], SUM, digits)}", 0
    if op == "where":
        return f"{_inside(args[1], SUM, digits)} if {text(args[0], digits)} else {_inside(args[2], SUM, digits)}", 0
    if op == "sqrt":
        return f"√{_inside(args[0], ATOM, digits)}", ATOM
    if op == "abs":
        return f"|{text(args[0], digits)}|", ATOM
    return _call_text(e, digits), ATOM


def _power_text(args: tuple[Expr, ...], digits: int) -> str:
    base = _inside(args[0], ATOM, digits)
    exponent = args[1]
    if isinstance(exponent, Num) and np.ndim(exponent.value) == 0 and float(exponent.value) == int(exponent.value):
        return base + str(int(exponent.value)).translate(_SUPERSCRIPT)
    return f"{base}^{_inside(exponent, ATOM, digits)}"


def _call_text(e: App, digits: int) -> str:
    if e.op in ("sum", "mean") and dict(e.kw).get("dim") is not None:
        dims = e.kw and dict(e.kw)["dim"]
        below = ",".join([str(d) for d in (dims if isinstance(dims, tuple) else (dims,))]).translate(_SUBSCRIPT)
        return f"{'Σ' if e.op == 'sum' else 'mean'}{below}({text(e.args[0], digits)})"
    shape = dict(e.kw).get("shape")
    if e.op == "expand" and shape is not None:
        return f"{_inside(e.args[0], PRODUCT, digits)}·ones{shape_text(shape)}"
    if e.op in ("view", "reshape", "unsafe_view") and shape is not None:
        return f"reshape({text(e.args[0], digits)}, {shape_text(shape)})"
    parts = [text(a, digits) for a in e.args]
    parts += [f"{k}={_setting(v)}" for k, v in e.kw if v is not None and not _is_large(v)]
    return f"{e.op}({', '.join(parts)})"


def _is_large(v: Any) -> bool:
    return len(repr(v)) > 40


def _setting(v: Any) -> str:
    return number(v, 10) if isinstance(v, (float, np.generic)) else str(v)


# -- LaTeX -----------------------------------------------------------------------------------------------------------------


def latex_name(name: str) -> str:
    """``y_pred`` as ``y_{\\mathrm{pred}}``, ``w1`` as ``w_{1}``, ``loss`` upright."""
    parted = re.fullmatch(r"([A-Za-z]+)_?(\d+)", name) or re.fullmatch(r"([A-Za-z]+)_(\w+)", name)
    if parted:
        below = parted[2] if parted[2].isdigit() or len(parted[2]) == 1 else rf"\mathrm{{{_escaped(parted[2])}}}"
        return f"{_latex_word(parted[1])}_{{{below}}}"
    return _latex_word(name)


def _latex_word(word: str) -> str:
    if word in _GREEK:
        return "\\" + word
    return word if len(word) == 1 else rf"\mathrm{{{_escaped(word)}}}"


def _escaped(word: str) -> str:
    return re.sub(r"([_#%&{}$])", r"\\\1", word)


def latex_number(x: Any, digits: int = 4) -> str:
    """A number; powers of ten as such."""
    if isinstance(x, (float, np.floating)) and float(x) in _CONSTANTS:
        return _CONSTANTS[float(x)][1]
    s = number(x, digits)
    s = s.replace("nan", r"\mathrm{nan}").replace("inf", r"\infty")
    return re.sub(r"e([-+])0*(\d+)", lambda m: rf" \cdot 10^{{{'-' if m[1] == '-' else ''}{m[2]}}}", s)


def latex(e: Expr, digits: int = 6) -> str:
    """A formula as LaTeX."""
    return _latex(e, digits)[0]


def _latex_inside(e: Expr, least: int, digits: int) -> str:
    s, strength = _latex(e, digits)
    return s if strength >= least else rf"\left({s}\right)"


def _latex(e: Expr, digits: int) -> tuple[str, int]:
    if isinstance(e, Num):
        if isinstance(e.value, np.ndarray) and e.value.ndim:
            return latex_value(e.value, digits), ATOM
        s = latex_number(e.value, digits)
        return s, (SUM if s.startswith("-") else PRODUCT if "cdot" in s else ATOM)
    if isinstance(e, Sym):
        return latex_name(_name(e)), ATOM
    assert isinstance(e, App)
    op, args = e.op, e.args
    inside = _latex_inside
    if op in ("add", "sub"):
        sign = "+" if op == "add" else "-"
        return f"{inside(args[0], SUM, digits)} {sign} {inside(args[1], SUM if op == 'add' else PRODUCT, digits)}", SUM
    if op == "neg":
        return f"-{inside(args[0], PRODUCT, digits)}", SUM
    if op == "mul":
        return rf"{inside(args[0], PRODUCT, digits)} \cdot {inside(args[1], PRODUCT, digits)}", PRODUCT
    if op == "div":
        return rf"\frac{{{latex(args[0], digits)}}}{{{latex(args[1], digits)}}}", PRODUCT
    if op == "matmul":
        return rf"{inside(args[0], PRODUCT, digits)}\,{inside(args[1], POWER, digits)}", PRODUCT
    if op == "pow":
        return f"{inside(args[0], ATOM, digits)}^{{{latex(args[1], digits)}}}", POWER
    if op == "T":
        return rf"{inside(args[0], ATOM, digits)}^{{\top}}", POWER
    if op in _LATEX_INFIX and len(args) == 2:
        return f"{inside(args[0], SUM, digits)} {_LATEX_INFIX[op]} {inside(args[1], SUM, digits)}", 0
    return _latex_call(e, digits), ATOM


def _latex_call(e: App, digits: int) -> str:
    op, args = e.op, e.args
    if op == "where":
        c, x, y = [latex(a, digits) for a in args]
        return rf"\begin{{cases}} {x} & {c} \\ {y} & \text{{otherwise}} \end{{cases}}"
    if op == "sqrt":
        return rf"\sqrt{{{latex(args[0], digits)}}}"
    if op == "abs":
        return rf"\left|{latex(args[0], digits)}\right|"
    inner = ", ".join([latex(a, digits) for a in args])
    if op == "sum":
        dims = dict(e.kw).get("dim")
        below = "" if dims is None else "_{" + ",".join([str(d) for d in (dims if isinstance(dims, tuple) else (dims,))]) + "}"
        return rf"\sum{below} {_latex_inside(args[0], PRODUCT, digits)}"
    shape = dict(e.kw).get("shape")
    if op == "expand" and shape is not None:
        sizes = r" \times ".join([str(n) for n in shape])
        return rf"{_latex_inside(args[0], PRODUCT, digits)} \cdot \mathbf{{1}}_{{{sizes}}}"
    if op == "sigmoid":
        return rf"\sigma\left({inner}\right)"
    head = "\\" + op if op in _LATEX_FUNCTIONS else rf"\operatorname{{{_escaped(op)}}}"
    settings = [rf"\mathrm{{{_escaped(k)}}}={_latex_setting(v)}" for k, v in e.kw if v is not None and not _is_large(v)]
    return rf"{head}\left({', '.join([inner, *settings] if inner else settings)}\right)"


def _latex_setting(v: Any) -> str:
    if isinstance(v, (bool, str)) or v is None:
        return rf"\mathrm{{{_escaped(str(v))}}}"
    return latex_number(v, 10) if isinstance(v, (int, float, np.generic)) else _escaped(str(v))


def latex_value(value: Any, digits: int = 4) -> str:
    """A value: numbers, small vectors and matrices whole, anything else by shape and norm."""
    if value is None:
        return "?"
    if isinstance(value, (bool, int, float, complex)) or value.ndim == 0:
        return latex_number(value if not hasattr(value, "ndim") else value[()], digits)
    if value.size <= SMALL and value.ndim <= 2:
        rows = value.reshape(1, -1) if value.ndim == 1 else value
        body = r" \\ ".join([" & ".join([latex_number(x, digits) for x in row]) for row in rows])
        return rf"\begin{{bmatrix}} {body} \end{{bmatrix}}"
    shape = r" \times ".join([str(n) for n in value.shape])
    norm = float(np.linalg.norm(value.astype(np.complex128).reshape(-1)))
    return rf"\mathbb{{R}}^{{{shape}}},\ \lVert\cdot\rVert = {latex_number(norm, digits)}"
