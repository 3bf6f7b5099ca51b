"""``explore(y)``: the computation graph of ``y`` as a page in the browser, to step through backward on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.tensor import Tensor
from .explorer_backward import Watched, ones_for, watch
from .explorer_fold import fold
from .explorer_graph import OPERATION, Graph, graph_of
from .explorer_names import Names, caller, names_in
from .explorer_numbers import BRIEF, FULL, STATISTICS, Numbers, raw
from .explorer_page import page_of

MAX_BYTES = 2_000_000
# Vertices up to which a page has histograms and small arrays, and statistics.
FULL_UP_TO, STATISTICS_UP_TO = 4_000, 20_000


def explore(
    y: Tensor | Sequence[Tensor],
    path: str | os.PathLike[str] | None = None,
    *,
    gradient: Tensor | Sequence[Tensor] | None = None,
    names: dict[str, Any] | None = None,
    title: str | None = None,
    open: bool | None = None,
) -> Path:
    """Write the graph that ``y`` was computed by as one HTML file, and open it in the browser.

    The page loads nothing from anywhere.  It shows the operations in layers with their values, steps through backward with
    the cotangent, the local derivative and the products of every operation, and folds modules and loops.

    ``y`` is a tensor with a history, or several; ``gradient`` the cotangents to start with (ones by default).  Call it before
    ``backward``, which frees what gradients are made of.  The variables of the calling function give tensors their names;
    ``names`` adds to them.  The file is ``path``, or a temporary one; ``open`` says whether to open it (by default if it is
    temporary).  Gives the file's path.  No tensor's ``grad`` is changed.

    Raises RuntimeError for a tensor without history and for a gradient of another shape.

    >>> import chainrule as torch
    >>> w = torch.tensor(2.0, requires_grad=True)
    >>> loss = (w * 3 - 1) ** 2
    >>> torch.explore(loss, "graph.html").name
    'graph.html'
    """
    outputs = (y,) if isinstance(y, Tensor) else tuple(y)
    known = Names()
    for name, value in (names or {}).items():
        known.add(name, value)
    known.merge(names_in(caller()))
    page = write_page(outputs, _cotangents(outputs, gradient), known, title)
    temporary = path is None
    if path is None:
        handle, path = tempfile.mkstemp(prefix="chainrule-", suffix=".html")
        os.close(handle)
    target = Path(path)
    target.write_text(page, encoding="utf-8")
    if temporary if open is None else open:
        import webbrowser

        webbrowser.open(target.resolve().as_uri())
    return target


def _cotangents(outputs: tuple[Tensor, ...], gradient: Any) -> tuple[Tensor, ...]:
    given = (gradient,) if isinstance(gradient, Tensor) else (None,) * len(outputs) if gradient is None else tuple(gradient)
    if len(given) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(given)} gradients")
    for i, (y, ct) in enumerate(zip(outputs, given)):
        if ct is not None and tuple(ct.shape) != tuple(y.shape):
            raise RuntimeError(f"Mismatch in shape: grad_output[{i}] has a shape of {ct.shape} and output[{i}] has a shape of {y.shape}.")
    return tuple(ones_for(y) if ct is None else ct for y, ct in zip(outputs, given))


def write_page(outputs: tuple[Tensor, ...], cotangents: tuple[Tensor, ...], names: Names, title: str | None = None) -> str:
    """The page's text; with less detail where it would be larger than MAX_BYTES."""
    graph = graph_of(outputs, names)
    count = len(graph.vertices)
    detail = FULL if count <= FULL_UP_TO else STATISTICS if count <= STATISTICS_UP_TO else BRIEF
    while True:
        page = page_of(page_data(graph, outputs, cotangents, detail, title))
        if len(page.encode()) <= MAX_BYTES or detail == BRIEF:
            return page
        detail += 1


def page_data(
    graph: Graph, outputs: tuple[Tensor, ...], cotangents: tuple[Tensor, ...], detail: int, title: str | None = None
) -> dict[str, Any]:
    """Everything that the page knows, as JSON can hold it."""
    numbers = Numbers(detail)
    values = [numbers.add(raw(v.value)) for v in graph.vertices]
    found = watch(graph, outputs, cotangents, numbers.add, detail == FULL)
    groups, parents = fold(graph)
    root = graph.vertices[graph.roots[0]]
    return {
        "title": title or f"{root.name or root.title} – chainrule",
        "notice": found.notice,
        "detail": detail,
        "vertices": _vertices(graph, found, values, parents),
        "links": _links(graph, found),
        "groups": groups,
        "roots": graph.roots,
        "order": found.order if found.order != sorted(found.order, reverse=True) else [],
        "numbers": numbers.table(),
    }


class _Texts:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {"": 0}

    def __call__(self, text: str) -> int:
        return self.index.setdefault(text, len(self.index))


def _vertices(graph: Graph, found: Watched, values: list[int], parents: list[int]) -> dict[str, Any]:
    """Columns, since a hundred thousand objects with the same keys take several times the room."""
    texts = _Texts()
    formulas = [_formulas(v) if v.kind == OPERATION else [] for v in graph.vertices]
    return {
        "kind": [v.kind for v in graph.vertices],
        "title": [texts(v.title) for v in graph.vertices],
        "name": [texts(v.name) for v in graph.vertices],
        "scope": [texts(v.scope) for v in graph.vertices],
        "group": parents,
        "value": values,
        "cotangent": found.cotangents,
        "literals": {i: v.literals for i, v in enumerate(graph.vertices) if v.literals},
        "line": [texts(_line(v)) for v in graph.vertices],
        "node": [texts(v.origin.name() if v.kind == OPERATION else "") for v in graph.vertices],
        "formulas": [texts("\n".join(f)) for f in formulas],
        "texts": list(texts.index),
    }


def _line(vertex: Any) -> str:
    if vertex.line is None:
        return ""
    return "\t".join(str(part) for part in vertex.line)


def _formulas(vertex: Any) -> list[str]:
    return []


def _links(graph: Graph, found: Watched) -> dict[str, Any]:
    ends = [k.end for k in graph.links]
    return {
        # Links are in the order of their ends, and most are short: as differences they compress to a few bits.
        "further": [b - a for a, b in zip([0, *ends], ends)],
        "back": [k.end - k.start for k in graph.links],
        "arg": [k.arg for k in graph.links],
        "out": {i: k.out for i, k in enumerate(graph.links) if k.out},
        "still": [i for i, k in enumerate(graph.links) if not k.flows],
        "product": found.products,
        "running": found.running,
        "local": {i: r for i, r in enumerate(found.local) if r >= 0},
    }
