"""``explain(y)``: the derivative of ``y``, worked out step by step."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..core.tensor import Tensor
from ..core.value import Value
from .chain import Chains, Path
from .differences import Check, check
from .explorer_names import Names, caller, names_in
from .folding import Unit, units_of
from .forward import Forward
from .graph import Graph, Variable, trace_back
from .naming import give_names
from .rendered import to_dict, to_html, to_latex, to_markdown, to_page
from .told import Line, Told, Writer, tell
from .tree import tree_lines
from .values import fill

if TYPE_CHECKING:
    from .symbolic import Symbolic

STYLES = {
    "name": "bold cyan", "leaf": "bold green", "expression": "", "value": "yellow", "label": "magenta", "formula": "cyan",
    "number": "bold yellow", "sum": "yellow", "tree": "dim", "hint": "dim", "shape": "dim", "fold": "bold blue", "title": "bold",
}  # fmt: skip


def explain(
    y: Tensor,
    wrt: Tensor | Sequence[Tensor] | None = None,
    *,
    gradient: Tensor | None = None,
    names: Mapping[str, Any] | None = None,
    digits: int = 4,
) -> Derivation:
    """How the derivative of ``y`` by the tensors ``wrt`` (None: by all leaves) comes about.

    ``y`` has one element, or ``gradient`` is the cotangent to start from, of its shape.  ``names`` (a dictionary of names
    and tensors) goes before the names that the caller's variables have.  Nothing is changed: no gradient is accumulated,
    the tape stays, hooks are not called.

    Raises RuntimeError where ``backward`` would: an output without history or with several elements, a tape that was
    freed (explain first, or keep it with ``retain_graph=True``), a saved value that was overwritten; and for a tensor of
    ``wrt`` that ``y`` does not depend on.

    >>> import chainrule as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> y = x**2
    >>> print(torch.explain(y).text())
    y = x² = 9
    │ arrives  ∂y/∂y = 1
    │ ∂y/∂x = 2·x = 6   → 1 · 6 = 6
    x = 3   ∂y/∂x = 6
    <BLANKLINE>
    ∂y/∂x = 2·x = 6
    """
    if not isinstance(y, Tensor):
        raise TypeError(f"explain(): argument 'y' must be Tensor, not {type(y).__name__}")
    if isinstance(y._value, Value):
        raise RuntimeError(
            "explain(): this tensor lives inside a transform (vmap, grad, jvp …), where it has no single value. Explain the program outside"
            " of it: explain(y).forward() shows forward mode, and a gradient made with create_graph=True is explained as it is."
        )
    targets = None if wrt is None else (wrt,) if isinstance(wrt, Tensor) else tuple(wrt)
    found = _names()
    graph = trace_back(y, targets, gradient)
    fill(graph)
    give_names(graph, found, names)
    for i, t in enumerate(targets or ()):
        v = graph.of(t)
        if v is None or v.cotangent is None:
            raise RuntimeError(
                f"explain(): {graph.output.name} does not depend on element {i} of wrt"
                f"{'' if t.requires_grad else ', which does not require grad'}. Leave it out, or look where the connection is cut."
            )
    return Derivation(graph, found, digits)


def _names() -> Names:
    """What the caller's variables are called; in a method, the attributes of its object too."""
    frame = caller()
    found = names_in(frame)
    owner = None if frame is None else frame.f_locals.get("self")
    for name, value in list(getattr(owner, "__dict__", {}).items()):
        if not name.startswith("_"):
            found.add(f"self.{name}", value)
    return found


class Derivation:
    """A derivative with its steps.  ``print`` it; in a notebook it shows itself.

    A terminal gets colours where ``rich`` is installed; :meth:`text` never has them.
    """

    def __init__(self, graph: Graph, names: Names, digits: int, opened: frozenset[str] = frozenset(), fold: bool = True) -> None:
        self.graph = graph
        self.names = names
        self.digits = digits
        self.opened = opened
        self.fold = fold
        self._chains = Chains(graph)

    # -- parts -----------------------------------------------------------------------------------------------------------

    @property
    def value(self) -> Any:
        """The value of what is explained."""
        return self.graph.output.value

    @cached_property
    def units(self) -> list[Unit]:
        """The steps as they are shown: folded, in the program's order."""
        return units_of(self.graph, self.names.scopes, self.opened, self.fold)

    @cached_property
    def steps(self) -> list[Told]:
        """Every step on its own, in the order in which backward visits them.

        Each has ``name``, ``operation``, ``text`` (what it computes), ``value``, ``arrives``, ``terms`` and ``inputs``;
        each input has ``name``, ``text`` (its local derivative's formula), ``derivative`` and ``leaves``.
        """
        return [tell(step) for step in reversed(self.graph.steps)]

    @property
    def gradients(self) -> dict[str, Any]:
        """The derivatives by the leaves (or by ``wrt``), by name, as NumPy values."""
        return {v.name: v.cotangent for v in self.graph.wanted}

    def _variable(self, x: Any) -> Variable:
        found = self.graph.of(x) if isinstance(x, Tensor) else None
        if isinstance(x, str):
            found = next((v for v in self.graph.variables.values() if v.name == x), None)
        if found is None or found.cotangent is None:
            raise KeyError(f"{x if isinstance(x, str) else 'this tensor'} is not part of the derivation of {self.graph.output.name}")
        return found

    def open(self, *titles: str) -> Derivation:
        """The same with these folds opened (their titles are shown), or with everything opened if none is named."""
        return Derivation(self.graph, self.names, self.digits, self.opened | set(titles), self.fold and bool(titles))

    def chain(self, x: Tensor | str) -> str:
        """The chain rule for ``x``, in one line."""
        return self._chains.line(self._variable(x), self.digits)

    def paths(self, x: Tensor | str, limit: int = 100) -> list[Path]:
        """The ways from the output to ``x``, at most ``limit`` of them; their contributions add up to the gradient."""
        return list(self._chains.paths(self._variable(x), limit))

    # -- text ------------------------------------------------------------------------------------------------------------

    def _lines(self) -> Iterator[Line]:
        writer = Writer(self.graph, self.digits)
        if self.graph.steps:
            yield from tree_lines(self.graph, self.units, writer)
            yield []
        for v in self.graph.wanted:
            yield [("title", self._chains.line(v, self.digits))]

    def text(self) -> str:
        """The derivation as plain text."""
        return "\n".join(["".join([part for _, part in line]).rstrip() for line in self._lines()])

    def latex(self) -> str:
        """The derivation as LaTeX (an ``align*`` environment, which needs amsmath)."""
        return to_latex(self.graph, self.units, self._chains, self.digits)

    def markdown(self) -> str:
        """The derivation as a Markdown table, followed by the chains as LaTeX."""
        return to_markdown(self.graph, self.units, self._chains, Writer(self.graph, self.digits))

    def html(self) -> str:
        """A whole page, which needs nothing from the network."""
        return to_page(f"∂{self.graph.output.name}", self.text(), self.latex())

    def to_dict(self) -> dict[str, Any]:
        """The derivation as data that JSON can hold; large arrays are summarised."""
        return to_dict(self.graph, self.steps, self._chains, self.digits)

    def _repr_html_(self) -> str:
        return to_html(self.graph, self.units, self._chains, Writer(self.graph, self.digits))

    def forward(self, tangents: Mapping[str, Any] | None = None) -> Forward:
        """The same derivative in forward mode: tangents from the leaves to the output, by the same local derivatives.

        ``tangents``: those of the leaves by name (tensors, arrays or numbers); a leaf without one gets 0.  None: ones for
        all leaves.
        """
        return Forward(self.graph, tangents, self.digits)

    # -- checks ----------------------------------------------------------------------------------------------------------

    def check(self, tolerance: float = 1e-3) -> Check:
        """Compare the gradients with central differences of the program, which is run again in double precision.

        ``print`` the answer to see the error of each; it is true where all are within ``tolerance`` (relative to the
        gradient's greatest element).
        """
        return check(self.graph, tolerance)

    def symbolic(self, simplify: bool = True) -> Symbolic:
        """The derivative's closed form through SymPy, checked against the tape; of scalar programs.

        ``simplify=False`` leaves it as the chain rule puts it together, which is quicker.  Raises ImportError without
        SymPy, and TypeError for programs with tensors or functions that SymPy does not know.
        """
        from .symbolic import closed_form

        return closed_form(self.graph, simplify)

    def __str__(self) -> str:
        return self._coloured() or self.text()

    __repr__ = __str__

    def __rich__(self) -> Any:
        from rich.text import Text

        return Text("\n").join([Text.assemble(*[(part, STYLES.get(style, "")) for style, part in line]) for line in self._lines()])

    def _coloured(self) -> str | None:
        """With colours, if standard output is a terminal that has them and rich is there."""
        if not getattr(sys.stdout, "isatty", bool)() or os.environ.get("NO_COLOR") or os.environ.get("TERM") in (None, "", "dumb"):
            return None
        try:
            from rich.console import Console
        except ImportError:
            return None
        console = Console()
        with console.capture() as captured:
            console.print(self.__rich__(), soft_wrap=True)
        return captured.get().rstrip("\n")
