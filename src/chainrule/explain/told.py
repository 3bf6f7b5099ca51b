"""What is said about each step, as plain data: the one source of the text, the HTML, the LaTeX and the dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .algebra import Expr
from .folding import Unit
from .graph import Graph, Step, Variable, raw
from .local import expression, locals_of
from .notation import factor, latex, latex_name, latex_value, number, shape_text, text, value_text


@dataclass(slots=True)
class Input:
    """What one input of a step gets."""

    name: str
    formula: Expr | None
    is_factor: bool  # the formula is a number for each element; otherwise it is a product with g, the arriving cotangent
    derivative: Any  # the local derivative by number, where it is one
    leaves: Any  # the cotangent that goes on to this input
    shape: tuple[int, ...] | None
    summed: tuple[int, ...]  # dimensions of the output over which it is summed, because the input was broadcast
    variable: Any = None

    @property
    def text(self) -> str:
        """The local derivative's formula."""
        return "" if self.formula is None else text(self.formula)

    @property
    def latex(self) -> str:
        """The same as LaTeX."""
        return "" if self.formula is None else latex(self.formula)


@dataclass(slots=True)
class Told:
    """A step: ``name = expression = value``, the cotangent that arrives, and what each input gets."""

    name: str
    operation: str
    expression: Expr
    value: Any
    shape: tuple[int, ...] | None
    arrives: Any
    terms: list[Any]  # the cotangents that its consumers sent; their sum arrives
    inputs: list[Input]
    scope: str
    variable: Any = None

    @property
    def text(self) -> str:
        """What is computed, as a line."""
        return text(self.expression)

    @property
    def latex(self) -> str:
        """The same as LaTeX."""
        return latex(self.expression)


def tell(step: Step) -> Told:
    """Everything about one step."""
    out = step.outputs[0]
    found = [
        Input(l.variable.name, l.formula, l.factor, l.number(), l.left, l.variable.shape, l.summed, l.variable)
        for l in locals_of(step)
    ]  # fmt: skip
    return Told(
        ", ".join([v.name for v in step.outputs]), step.opname, expression(step), out.value, out.shape, out.cotangent, terms(out), found,
        step.scope, out,
    )  # fmt: skip


def terms(v: Variable) -> list[Any]:
    """What the consumers of a variable sent it."""
    return [ct for step, i in v.consumers if (ct := step.left[i]) is not None]


# -- lines of text -------------------------------------------------------------------------------------------------------------

Segment = tuple[str, str]  # style, text
Line = list[Segment]


class Writer:
    """Steps and folds as lines of styled segments."""

    def __init__(self, graph: Graph, digits: int) -> None:
        self.output = graph.output
        self.digits = digits

    def shown(self, value: Any) -> str:
        """A value."""
        return value_text(value, self.digits)

    def partial(self, v: Any) -> str:
        """``∂L/∂v``."""
        return f"∂{self.output.name}/∂{v.name}"

    def arrival(self, v: Variable, label: bool = True) -> Line:
        """``∂L/∂v = 2 + 3 = 5``: a sum where several paths meet."""
        line: Line = [("label", f"{self.partial(v)} = " if label else "")]
        sent = terms(v)
        if len(sent) > 1:
            line.append(("sum", self._sum(sent)))
            line.append(("", " = "))
        line.append(("number", self.shown(v.cotangent)))
        return line

    def _sum(self, sent: list[Any]) -> str:
        if len(sent) > 6 or any(np.size(s) > 8 for s in sent):
            return f"sum of {len(sent)} terms"
        return " + ".join([factor(_one(s), self.digits) if np.size(s) == 1 else self.shown(s) for s in sent])

    def head(self, told: Told) -> Line:
        """``z = w·x + b = 6.7``."""
        line: Line = [("name", told.name), ("", " = "), ("expression", told.text)]
        if told.value is not None:
            line += [("", " = "), ("value", self.shown(told.value))]
        small = told.value is not None and np.size(told.value) <= 16
        if told.shape and (small or told.value is None):
            line.append(("shape", f"   {shape_text(told.shape)}"))
        return line

    def local(self, told: Told, given: Input) -> Line:
        """``∂z/∂w = x = 6.7    → 0.9988 · 6.7 = 6.692``."""
        line: Line = [("label", f"∂{told.name}/∂{given.name}")]
        formula = given.text or f"rule of {told.operation}"
        if given.is_factor:
            line += [("", " = "), ("formula", formula)]
            d = self.shown(given.derivative)
            if given.derivative is not None and d != formula:
                line += [("", " = "), ("number", d)]
        else:
            line += [("", ": "), ("formula", formula)]
        return [*line, ("", "   → "), *self.product(told, given)]

    def product(self, told: Told, given: Input) -> Line:
        """What leaves: ``∂L/∂w: 0.9988 · 6.7 = 6.692``."""
        line: Line = []
        d, g = given.derivative, told.arrives
        if given.is_factor and d is not None and np.size(d) == 1 and np.size(g) == 1:
            line.append(("", f"{factor(_one(g), self.digits)} · {factor(_one(d), self.digits)} = "))
        elif given.is_factor and d is not None and g is not None and np.size(d) <= 8 and np.size(g) <= 8:
            line.append(("", f"{self.shown(g)} ⊙ {self.shown(d)}" + self._over(given) + " = "))
        elif given.summed:
            line.append(("", f"summed over dimension {', '.join([str(n) for n in given.summed])}, for it was broadcast: "))
        line.append(("number", self.shown(given.leaves)))
        if given.shape and np.size(given.leaves) <= 16:
            line.append(("shape", f" {shape_text(given.shape)}"))
        return line

    def _over(self, given: Input) -> str:
        return f", summed over dimension {', '.join([str(n) for n in given.summed])}" if given.summed else ""

    def fold_head(self, unit: Unit) -> Line:
        """``▸ model: 5 steps`` or ``▸ ×1000: v = …``."""
        outs = unit.leaving(self.output)
        names = ", ".join([v.name for v in outs[:4]]) + (" …" if len(outs) > 4 else "")
        inner = sum(1 for _ in unit.steps())
        line: Line = [("name", names), ("", " = ")]
        if unit.kind == "module":
            takes = [v.name for v in unit.entering() if v.leaf is None or not v.name.startswith(unit.title + ".")]
            line.append(("fold", f"▸ {unit.title}({', '.join(takes)})   {inner} steps"))
        else:
            body = len(unit.parts) // unit.count
            line.append(("fold", f"▸ ×{unit.count}   {body} {'step' if body == 1 else 'steps'} each"))
        if len(outs) == 1:
            line += [("", " = "), ("value", self.shown(outs[0].value))]
        return [*line, ("hint", f"   open({unit.title!r})")]

    def fold_lines(self, unit: Unit) -> list[Line]:
        """What enters a fold, and for a loop the body's last iteration in short."""
        lines: list[Line] = []
        if unit.kind == "loop":
            body = unit.parts[-(len(unit.parts) // unit.count) :]
            for part in body[:6]:
                said = [("expression", text(expression(part.step)))] if part.kind == "step" else [("fold", f"▸ {part.title}")]
                name = ", ".join([v.name for v in part.leaving(self.output)])
                lines.append([("hint", "last: "), ("name", name), ("", " = "), *said])
        outs = unit.leaving(self.output)
        single = outs[0] if len(outs) == 1 else None
        for v, ct in unit.entering().items():
            line: Line = [("label", f"∂{single.name if single else unit.title}/∂{v.name}")]
            if single is not None and single.is_scalar and v.is_scalar and np.all(single.cotangent):
                with np.errstate(all="ignore"):
                    ratio = _one(ct) / _one(single.cotangent)
                line += [("", " = "), ("number", number(ratio, self.digits))]
                line += [("", f"   → {factor(_one(single.cotangent), self.digits)} · {factor(ratio, self.digits)} = ")]
            else:
                line.append(("", "   → "))
            lines.append([*line, ("number", self.shown(ct))])
        return lines


def _one(x: Any) -> Any:
    return np.reshape(x, ())[()]


def latex_head(told: Told, digits: int) -> str:
    """``z = w·x + b = 6.7`` as LaTeX."""
    value = "" if told.value is None else f" = {latex_value(told.value, digits)}"
    return f"{latex_name(told.name)} = {told.latex}{value}"


def latex_local(told: Told, given: Input, digits: int) -> str:
    """The local derivative as LaTeX."""
    head = rf"\frac{{\partial {latex_name(told.name)}}}{{\partial {latex_name(given.name)}}}"
    formula = given.latex or rf"\text{{rule of {told.operation}}}".replace("_", r"\_")
    if not given.is_factor:
        return f"{head}:\\ {formula}"
    d = "" if given.derivative is None else latex_value(given.derivative, digits)
    return f"{head} = {formula}" + (f" = {d}" if d and d != formula else "")


__all__ = ["Input", "Line", "Told", "Writer", "latex_head", "latex_local", "raw", "tell", "terms"]
