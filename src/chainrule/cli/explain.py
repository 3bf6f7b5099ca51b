"""``chainrule explain "sin(x**2)" x=3``: the derivation of a formula, in the terminal or in a file."""

from __future__ import annotations

import argparse
import ast
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.core.dtype import float64
from chainrule.core.tensor import Tensor
from chainrule.ops.creation import tensor
from chainrule.ops.likes import ones_like

PARTS = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.operator, ast.unaryop,
    ast.Tuple, ast.List, ast.Subscript, ast.Slice, ast.Attribute,
)  # fmt: skip
CONSTANTS = {"pi": math.pi, "e": math.e}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chainrule explain", description="Work out the derivative of a formula, step by step.",
        epilog='example: chainrule explain "sigmoid(w*x + b)" w=1 x=6.7 b=0 --wrt w,b',
    )  # fmt: skip
    parser.add_argument("formula", help="an expression of chainrule's functions, such as 'sin(x**2)'")
    parser.add_argument("values", nargs="*", metavar="NAME=VALUE", help="the variables: a number, or a nested list for a tensor")
    parser.add_argument("--wrt", help="the variables to differentiate by, with commas between them (all)")
    parser.add_argument("--latex", action="store_true", help="print LaTeX")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--symbolic", action="store_true", help="add the closed form (needs SymPy)")
    parser.add_argument("--check", action="store_true", help="add the comparison with finite differences")
    parser.add_argument("--forward", action="store_true", help="add the steps of forward mode")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page instead of printing")
    return parser


class _Refused(Exception):
    """What is wrong with the arguments."""


def _variables(given: Sequence[str], wrt: str | None) -> dict[str, Any]:
    wanted = None if wrt is None else [n.strip() for n in wrt.split(",")]
    found: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name.isidentifier():
            raise _Refused(f"a variable is given as NAME=VALUE, not as {item!r}")
        try:
            number = ast.literal_eval(value)
            found[name] = tensor(number, dtype=float64, requires_grad=wanted is None or name in wanted)
        except (ValueError, SyntaxError, TypeError) as error:
            raise _Refused(f"the value of {name} has to be a number or a nested list of numbers, not {value!r}") from error
    missing = [n for n in wanted or () if n not in found]
    if missing:
        raise _Refused(f"--wrt names {missing[0]}, which has no value: add {missing[0]}=NUMBER")
    return found


def _value(formula: str, variables: dict[str, Any]) -> Any:
    """The formula's value; only names, numbers, operators and calls of chainrule's functions are taken."""
    import importlib

    chainrule = importlib.import_module("chainrule")  # whose public names are what a formula may call
    try:
        tree = ast.parse(formula, mode="eval")
    except SyntaxError as error:
        raise _Refused(f"{formula!r} is no expression: {error.msg}") from error
    names: dict[str, Any] = {"__builtins__": {}, **CONSTANTS, **variables}
    for part in ast.walk(tree):
        if not isinstance(part, PARTS) or (isinstance(part, ast.Attribute) and part.attr.startswith("_")):
            raise _Refused(f"{type(part).__name__} has no place in a formula")
        if isinstance(part, ast.Name) and part.id not in names:
            function = getattr(chainrule, part.id, None) or getattr(chainrule.nn.functional, part.id, None)
            if part.id.startswith("_") or not callable(function) or isinstance(function, type):
                raise _Refused(f"{part.id} has no value: add {part.id}=NUMBER")
            names[part.id] = function
    return eval(compile(tree, "<formula>", "eval"), names)


def main(argv: Sequence[str]) -> int:
    """Run the command; gives the exit status.

    >>> main(["x**2", "x=3"])
    y = x² = 9
    │ arrives  ∂y/∂y = 1
    │ ∂y/∂x = 2·x = 6   → 1 · 6 = 6
    x = 3   ∂y/∂x = 6
    <BLANKLINE>
    ∂y/∂x = 2·x = 6
    0
    """
    from chainrule.explain.derivation import explain

    args = _parser().parse_args(argv)
    try:
        variables = _variables(args.values, args.wrt)
        y = _value(args.formula, variables)
        if not isinstance(y, Tensor) or not y.requires_grad:
            raise _Refused("the formula has no variable to differentiate by: give one, such as x=3")
        seed = None if y.numel() == 1 else ones_like(y)
        derivation = explain(y, gradient=seed, names=variables)
    except (_Refused, RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        print(f"chainrule explain: {error}", file=sys.stderr)
        return 2
    if args.html is not None:
        args.html.write_text(derivation.html(), encoding="utf-8")
        print(f"written: {args.html}")
        return 0
    print(derivation.latex() if args.latex else derivation.markdown() if args.markdown else derivation)
    return _more(args, derivation)


def _more(args: argparse.Namespace, derivation: Any) -> int:
    if args.forward:
        print(f"\n{derivation.forward()}")
    if args.symbolic:
        try:
            print(f"\n{derivation.symbolic()}")
        except (ImportError, TypeError) as error:
            print(f"chainrule explain: {error}", file=sys.stderr)
            return 1
    if args.check:
        checked = derivation.check()
        print(f"\n{checked}")
        return 0 if checked else 1
    return 0
