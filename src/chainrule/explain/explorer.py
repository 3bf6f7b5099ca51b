"""``explore(y)``: the computation graph of ``y`` as a page in the browser, to step through backward on."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..core.naming import argument_error
from ..core.tensor import Tensor
from .explorer_fold import fold
from .explorer_graph import Drawn, drawn, equation, formulas, source_line, symbol
from .explorer_names import Names, caller, names_in
from .explorer_numbers import BRIEF, FULL, STATISTICS, Numbers
from .explorer_page import page_of
from .local import locals_of

MAX_BYTES = 2_000_000
# Vertices up to which a page has histograms and small arrays, and statistics.
FULL_UP_TO, STATISTICS_UP_TO = 4_000, 20_000


def explore(
    y: Tensor,
    path: str | os.PathLike[str] | None = None,
    *,
    gradient: Tensor | None = None,
    names: dict[str, Any] | None = None,
    title: str | None = None,
    open: bool | None = None,
) -> Path:
    """Write the graph that ``y`` was computed by as one HTML file, and open it in the browser.

    The page loads nothing from anywhere.  It shows the operations in layers with their values, steps through backward with
    the cotangent, the local derivative and the products of every operation, and folds modules and loops.

    ``y`` is a tensor with a history, of any shape and floating or complex dtype; ``gradient`` the cotangent to start with (ones
    by default).  Call it before ``backward``, which frees what gradients are made of.  The variables of the calling function
    give tensors their names; ``names`` adds to them.  What runs inside ``with chainrule.why.watch():`` also has its source lines
    and all of its modules.  The file is ``path``, or a temporary one; ``open`` says whether to open it (by default if it is
    temporary).  Gives the file's path.  No tensor's ``grad`` is changed.

    Raises TypeError for what is no tensor, and RuntimeError for one without history, for a gradient of another shape, and where a
    saved value was overwritten.

    >>> import chainrule as torch
    >>> w = torch.tensor(2.0, requires_grad=True)
    >>> loss = (w * 3 - 1) ** 2
    >>> torch.explore(loss, "graph.html").name
    'graph.html'
    """
    if not isinstance(y, Tensor):
        raise argument_error("explore", "y", "Tensor", y, 1)
    page = write_page(drawn(y, all_names(names), gradient), title)
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


def all_names(given: dict[str, Any] | None) -> Names:
    """The names that were given, and those of the calling function's variables."""
    known = Names()
    for name, value in (given or {}).items():
        known.add(name, value)
    known.merge(names_in(caller()))
    return known


@np.errstate(all="ignore")  # gradients overflow, and this is the place to see it
def write_page(graph: Drawn, title: str | None = None) -> str:
    """The page's text; with less detail where it would be larger than MAX_BYTES."""
    count = len(graph.vertices)
    detail = FULL if count <= FULL_UP_TO else STATISTICS if count <= STATISTICS_UP_TO else BRIEF
    while True:
        page = page_of(page_data(graph, detail, title))
        if len(page.encode()) <= MAX_BYTES or detail == BRIEF:
            return page
        detail += 1


def page_data(graph: Drawn, detail: int, title: str | None = None) -> dict[str, Any]:
    """Everything that the page knows, as JSON can hold it."""
    numbers = Numbers(detail)
    groups, parents = fold(graph)
    root = graph.vertices[graph.root]
    return {
        "title": title or f"{root.name or root.title} – chainrule",
        "notice": graph.notice,
        "vertices": _vertices(graph, numbers, parents, detail),
        "links": _links(graph, numbers, detail),
        "groups": groups,
        "roots": [graph.root],
        "numbers": numbers.table(),
    }


class _Texts:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {"": 0}

    def __call__(self, text: str) -> int:
        return self.index.setdefault(text, len(self.index))


def _vertices(graph: Drawn, numbers: Numbers, parents: list[int], detail: int) -> dict[str, Any]:
    """Columns, since a hundred thousand objects with the same keys take several times the room."""
    texts = _Texts()
    vertices = graph.vertices
    told = vertices if detail < BRIEF else []
    return {
        "kind": [v.kind for v in vertices],
        "title": [texts(v.title) for v in vertices],
        "name": [texts(v.name) for v in vertices],
        "scope": [texts(v.scope) for v in vertices],
        "node": [texts("" if v.step is None else v.step.node.name()) for v in vertices],
        "line": [texts("\t".join(source_line(v)) if v.place else "") for v in vertices],
        "group": parents,
        "value": [numbers.add(v.value) for v in vertices],
        "cotangent": [numbers.add(v.cotangent) for v in vertices],
        "literals": {i: v.literals for i, v in enumerate(vertices) if v.literals},
        "settings": {i: v.settings for i, v in enumerate(vertices) if v.settings},
        "symbol": [texts(symbol(v)) for v in told],
        "equation": [texts(equation(v)) for v in told],
        "formulas": [texts("" if graph.notice else "\n".join(formulas(v))) for v in told],
        "texts": list(texts.index),
    }


def _links(graph: Drawn, numbers: Numbers, detail: int) -> dict[str, Any]:
    links = graph.links
    ends = [k.end for k in links]
    products = [numbers.add(k.product) for k in links]
    return {
        # Links are in the order of their ends, and most are short: as differences they compress to a few bits.
        "further": [b - a for a, b in zip([0, *ends], ends)],
        "back": [k.end - k.start for k in links],
        "out": {i: k.out for i, k in enumerate(links) if k.out},
        "product": products,
        "running": _running(graph, products, numbers),
        "local": {} if graph.notice or detail > FULL else _locals(graph, numbers),
    }


def _running(graph: Drawn, products: list[int], numbers: Numbers) -> list[int]:
    """What has arrived at a link's start when the link's product has been added to it."""
    running = list(products)
    for links in graph.consumers():
        flowing = [i for i in links if graph.links[i].product is not None]
        if len(flowing) > 1 and len({graph.links[i].out for i in flowing}) == 1:
            arrived = graph.links[flowing[0]].product
            for i in flowing[1:]:
                arrived = arrived + graph.links[i].product
                running[i] = numbers.add(arrived)
    return running


def _locals(graph: Drawn, numbers: Numbers) -> dict[int, int]:
    """The rows of the local derivatives, of links where there is a number or an array of them."""
    found = {}
    for vertex in graph.vertices:
        if vertex.step is None:
            continue
        by_argument = {graph.links[i].arg: i for i in vertex.links}
        for local in locals_of(vertex.step):
            row = numbers.add(local.number()) if local.index in by_argument else -1
            if row >= 0:
                found[by_argument[local.index]] = row
    return found
