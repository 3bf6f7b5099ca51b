"""A derivation as LaTeX, Markdown, HTML, and as plain data."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import numpy as np

from .chain import Chains
from .folding import Unit
from .graph import Graph, Variable
from .notation import latex_name, latex_value, text, value_text
from .told import Told, Writer, latex_head, latex_local, tell, terms

MOST_CELLS = 64  # of an array that is given whole in a dictionary


def _partial(graph: Graph, v: Any) -> str:
    return rf"\frac{{\partial {latex_name(graph.output.name)}}}{{\partial {latex_name(v.name)}}}"


def _arrival(graph: Graph, v: Variable, digits: int) -> str:
    sent = terms(v)
    parts = [_partial(graph, v)]
    if 1 < len(sent) <= 6 and all(np.size(s) == 1 for s in sent):
        shown = [latex_value(s, digits) for s in sent]
        parts.append(" + ".join([rf"\left({s}\right)" if s.startswith("-") else s for s in shown]))
    return " = ".join([*parts, latex_value(v.cotangent, digits)])


def _formulas(graph: Graph, told: Told, digits: int) -> Iterator[tuple[str, str]]:
    """(what, formula) for a step: what it computes, what arrives, and for each input what it gets."""
    yield "computes", latex_head(told, digits)
    yield "arrives", _arrival(graph, told.variable, digits)
    for given in told.inputs:
        leaves = latex_value(given.leaves, digits)
        over = rf"\ \left(\textstyle\sum_{{{','.join([str(n) for n in given.summed])}}}\right)" if given.summed else ""
        yield "gives", rf"{latex_local(told, given, digits)} \quad\Rightarrow\quad {leaves}{over}"


# -- LaTeX ---------------------------------------------------------------------------------------------------------------------


def to_latex(graph: Graph, units: list[Unit], chains: Chains, digits: int) -> str:
    """An ``align*`` environment: the steps backward, then the chains."""
    rows: list[str] = []
    for unit in reversed(units):
        if unit.kind == "step":
            first, *rest = _formulas(graph, tell(unit.step), digits)
            rows.append("&" + first[1])
            rows += [r"&\quad " + formula for _, formula in rest]
        else:
            rows.append("&" + _fold_latex(graph, unit))
    rows += ["&" + chains.latex_line(v, digits) for v in graph.wanted]
    return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"


def _fold_latex(graph: Graph, unit: Unit) -> str:
    names = ", ".join([latex_name(v.name) for v in unit.leaving(graph.output)])
    what = unit.title.replace("_", r"\_") if unit.kind == "module" else rf"\times {unit.count}"
    return rf"{names} = \text{{{what}}}" if unit.kind == "module" else rf"{names} \quad \left({what}\right)"


# -- Markdown ------------------------------------------------------------------------------------------------------------------


def to_markdown(graph: Graph, units: list[Unit], chains: Chains, writer: Writer) -> str:
    """A table of the steps, and the chains as formulas."""
    name = graph.output.name
    lines = [f"| step | value | ∂{name}/∂step | local derivative | leaves |", "|---|---|---|---|---|"]
    for unit in reversed(units):
        lines += _markdown_rows(graph, unit, writer)
    lines.append("")
    lines += [f"$${chains.latex_line(v, writer.digits)}$$" for v in graph.wanted]
    return "\n".join(lines)


def _markdown_rows(graph: Graph, unit: Unit, writer: Writer) -> Iterator[str]:
    def row(*cells: str) -> str:
        return "| " + " | ".join([c.replace("|", "\\|") for c in cells]) + " |"

    if unit.kind != "step":
        head = "".join([s for style, s in writer.fold_head(unit) if style != "hint"])
        yield row(head, "", ", ".join([writer.shown(v.cotangent) for v in unit.leaving(graph.output)]), "", "")
        return
    told = tell(unit.step)
    arrives = "".join([s for _, s in writer.arrival(told.variable, label=False)])
    start = (f"{told.name} = {told.text}", writer.shown(told.value), arrives)
    for given in told.inputs:
        sign = "=" if given.is_factor else ":"
        d = writer.shown(given.derivative) if given.is_factor and given.derivative is not None else ""
        number = "" if d in ("", given.text) else f" = {d}"
        local = f"∂{told.name}/∂{given.name} {sign} {given.text}{number}"
        yield row(*start, local, "".join([s for _, s in writer.product(told, given)]))
        start = ("", "", "")


# -- HTML ----------------------------------------------------------------------------------------------------------------------


def to_html(graph: Graph, units: list[Unit], chains: Chains, writer: Writer) -> str:
    """A fragment: folded modules and loops are ``<details>``, formulas are LaTeX between dollars."""
    parts = ["<div class='chainrule-derivation' style='overflow-x:auto;line-height:1.9'>"]
    parts += [f"<p><b>${chains.latex_line(v, writer.digits)}$</b></p>" for v in graph.wanted]
    parts.append(f"<details{' open' if len(units) <= 12 else ''}><summary>{len(graph.steps)} steps</summary><ol>")
    parts += [_html_unit(graph, unit, writer) for unit in reversed(units)]
    parts.append("</ol></details></div>")
    return "\n".join(parts)


def _html_unit(graph: Graph, unit: Unit, writer: Writer) -> str:
    if unit.kind == "step":
        first, *rest = _formulas(graph, tell(unit.step), writer.digits)
        below = "".join([f"<li>{what} ${html.escape(formula, quote=False)}$</li>" for what, formula in rest])
        return f"<li>${html.escape(first[1], quote=False)}$<ul>{below}</ul></li>"
    head = html.escape("".join([s for style, s in writer.fold_head(unit) if style != "hint"]).replace("▸ ", ""))
    # Of a loop the last iteration stands for all.
    inside = unit.parts if unit.kind == "module" else unit.parts[-(len(unit.parts) // unit.count) :]
    body = "".join([_html_unit(graph, part, writer) for part in reversed(inside)])
    entering = "".join([
        f"<li>gives ${html.escape(_partial(graph, v) + ' : ' + latex_value(ct, writer.digits), quote=False)}$</li>"
        for v, ct in unit.entering().items()
    ])  # fmt: skip
    return f"<li><details><summary>{head}</summary><ol>{body}</ol></details><ul>{entering}</ul></li>"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.7 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
pre {{ overflow-x: auto; line-height: 1.5; padding: 1rem; border: 1px solid #8884; border-radius: 6px; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #16181d; color: #e6e6e6; }} }}
</style></head><body>
<h1>{title}</h1>
<pre>{text}</pre>
<h2>LaTeX</h2>
<pre>{latex}</pre>
</body></html>
"""


def to_page(title: str, text: str, latex: str) -> str:
    """A page of its own, which needs nothing from the network: the text, and the LaTeX to copy."""
    return PAGE.format(title=html.escape(title), text=html.escape(text), latex=html.escape(latex))


# -- plain data ----------------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers, nested lists, large arrays as a summary."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, complex):
        return str(value)
    if np.size(value) > MOST_CELLS:
        return {"shape": list(value.shape), "dtype": str(value.dtype), "summary": value_text(value)}
    if value.dtype.kind == "c":
        return np.asarray(value).astype(str).tolist()
    return np.asarray(value).astype(np.float64).tolist() if value.dtype.kind not in "biuf" else value.tolist()


def step_dict(told: Told) -> dict[str, Any]:
    """One step."""
    return {
        "name": told.name,
        "operation": told.operation,
        "expression": told.text,
        "value": plain(told.value),
        "shape": None if told.shape is None else list(told.shape),
        "module": told.scope,
        "arrives": plain(told.arrives),
        "terms": [plain(t) for t in told.terms],
        "inputs": [
            {
                "name": given.name,
                "formula": None if given.formula is None else text(given.formula),
                "kind": "factor" if given.is_factor else "product with g",
                "derivative": plain(given.derivative),
                "leaves": plain(given.leaves),
                "summed_over": list(given.summed),
            }
            for given in told.inputs
        ],
    }


def to_dict(graph: Graph, steps: list[Told], chains: Chains, digits: int) -> dict[str, Any]:
    """Everything, as dictionaries, lists, numbers and texts."""
    return {
        "output": {"name": graph.output.name, "value": plain(graph.output.value)},
        "gradients": {v.name: plain(v.cotangent) for v in graph.wanted},
        "chains": {v.name: chains.line(v, digits) for v in graph.wanted},
        "steps": [step_dict(told) for told in steps],
    }
