"""``draw(y)``: the computation graph of ``y`` as a picture for notebooks and papers."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.naming import argument_error
from ..core.tensor import Tensor
from .draw_layout import Point, layered
from .explorer import all_names
from .explorer_fold import fold
from .explorer_graph import DATA, LEAF_VERTEX, OPERATION, Drawn, drawn, equation
from .explorer_numbers import magnitudes, rms
from .local import locals_of
from .notation import number

LONGEST_EQUATION, LONGEST_LABEL = 26, 36
FONT = "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
# Fill and outline by kind; the texts read on them in a light and in a dark notebook.
FILLS = {OPERATION: ("#f4f7fc", "#7f93b2"), LEAF_VERTEX: ("#e3f4ef", "#14866d"), DATA: ("#f0edf8", "#7a6ba8")}
INK, FAINT, GRADIENT, EDGE = "#161b26", "#4f5a6d", "#a34a08", "#7b8798"


@dataclass
class Box:
    """One thing in the picture: lines of text, and what it is."""

    kind: int
    lines: list[str]
    gradient: str = ""
    folded: bool = False
    output: bool = False


@dataclass
class Scene:
    """Boxes, and the links between them with their labels."""

    boxes: list[Box] = field(default_factory=list)
    links: dict[tuple[int, int], str] = field(default_factory=dict)


class Drawing:
    """A picture of a graph: ``svg`` and ``dot`` are texts, ``png()`` asks Graphviz; a notebook shows the SVG.

    >>> import chainrule as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> y = torch.sin(x)
    >>> picture = torch.draw(y)
    >>> print(picture.dot)
    digraph {
      node [fontname="Helvetica", fontsize=11, style=filled, margin="0.12,0.06"];
      edge [fontname="Helvetica", fontsize=10, color="#7b8798"];
      0 [shape=box, style="rounded,filled", label="x\\n2\\n∂ -0.4161", fillcolor="#e3f4ef", color="#14866d"];
      1 [shape=box, label="y = sin(x)\\n0.9093\\n∂ 1", fillcolor="#f4f7fc", color="#7f93b2", penwidth=2];
      0 -> 1 [label="×-0.4161"];
    }
    <BLANKLINE>
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    @property
    def svg(self) -> str:
        """The picture as SVG, laid out by :mod:`~chainrule.explain.draw_layout`."""
        return _svg(self._scene)

    @property
    def dot(self) -> str:
        """The graph in Graphviz's language."""
        return _dot(self._scene)

    def png(self, dpi: int = 144) -> bytes:
        """The picture as PNG.  RuntimeError where Graphviz is not installed."""
        return self._graphviz("png", dpi)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a file; its ending says what: .svg, .dot, .gv, and with Graphviz .png and .pdf.

        Raises ValueError for any other ending, and RuntimeError where Graphviz is needed and not installed.
        """
        target = Path(path)
        ending = target.suffix.lower()
        if ending == ".svg":
            target.write_text(self.svg, encoding="utf-8")
        elif ending in (".dot", ".gv"):
            target.write_text(self.dot, encoding="utf-8")
        elif ending in (".png", ".pdf"):
            target.write_bytes(self._graphviz(ending[1:], 144))
        else:
            raise ValueError(f"save(): a picture is .svg, .dot, .gv, .png or .pdf, not {ending or 'without ending'!r}")
        return target

    def _graphviz(self, kind: str, dpi: int) -> bytes:
        program = shutil.which("dot")
        if program is None:
            raise RuntimeError(
                f"a {kind.upper()} is made by Graphviz, whose program 'dot' is not installed. Install Graphviz"
                " (apt install graphviz, brew install graphviz), or save an .svg, which needs nothing."
            )
        done = subprocess.run([program, f"-T{kind}", f"-Gdpi={dpi}"], input=self.dot.encode(), capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Graphviz failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Drawing of {len(self._scene.boxes)} boxes and {len(self._scene.links)} links>"


def draw(y: Tensor, *, gradient: Tensor | None = None, names: dict[str, Any] | None = None, most: int = 80) -> Drawing:
    """A picture of the graph that ``y`` was computed by, with values, gradients, and local derivatives on the links.

    ``y`` is a tensor with a history; ``gradient``, ``names`` as for :func:`~chainrule.explain.explorer.explore`.  Modules and
    loops stay folded where there would be more than ``most`` boxes.  After ``backward`` has freed the tape, only the structure
    is drawn.

    Raises TypeError for what is no tensor, and RuntimeError for one without history and for a gradient of another shape.

    >>> import chainrule as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.draw((w * w).sum())
    <Drawing of 3 boxes and 2 links>
    """
    if not isinstance(y, Tensor):
        raise argument_error("draw", "y", "Tensor", y, 1)
    return Drawing(_scene(drawn(y, all_names(names), gradient), most))


# -- what is in the picture ------------------------------------------------------------------------------------------------


@np.errstate(all="ignore")
def _scene(graph: Drawn, most: int) -> Scene:
    groups, parents = fold(graph)
    shown = _shown(groups, parents, most)
    scene = Scene()
    index: dict[int, int] = {}
    inside: dict[int, list[int]] = {}
    for i, item in enumerate(shown):
        inside.setdefault(item, []).append(i)
    for i, item in enumerate(shown):
        if item in index:
            continue
        index[item] = len(scene.boxes)
        scene.boxes.append(_group_box(graph, groups[-item - 1], inside[item]) if item < 0 else _vertex_box(graph, i))
    labels = {} if graph.notice else _labels(graph)
    for k, link in enumerate(graph.links):
        a, b = index[shown[link.start]], index[shown[link.end]]
        if a != b:
            # Two links between the same boxes are one line; x·x has two derivatives there.
            scene.links[a, b] = ", ".join(filter(None, [scene.links.get((a, b), ""), labels.get(k, "")]))
    return scene


def _shown(groups: list[dict[str, Any]], parents: list[int], most: int) -> list[int]:
    """What stands for each vertex: itself, or the closed group -1 - g around it.

    Groups open level by level from the outside; a level that has no room stays folded as a whole.
    """
    children = [0] * (len(groups) + 1)
    for parent in parents + [g["parent"] for g in groups]:
        children[parent + 1] += 1
    visible = children[0]
    is_open = [False] * len(groups)
    level = [g for g, group in enumerate(groups) if group["parent"] < 0]
    while level:
        visible += sum(children[g + 1] - 1 for g in level)
        if visible > most:
            break
        for g in level:
            is_open[g] = True
        inside = set(level)
        level = [g for g, group in enumerate(groups) if group["parent"] in inside]
    stands: list[int | None] = []
    for g, group in enumerate(groups):
        above = group["parent"]
        outer = stands[above] if above >= 0 else None
        stands.append(outer if outer is not None else None if is_open[g] else -1 - g)
    found = []
    for i, parent in enumerate(parents):
        outer = stands[parent] if parent >= 0 else None
        found.append(i if outer is None else outer)
    return found


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _told(value: Any) -> str:
    """One element by its number, more by shape and root mean square."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return ""
    if value.size == 1:
        return number(value.item())
    return f"[{'×'.join(map(str, value.shape))}] {number(rms(magnitudes(value)), 3)}"


def _vertex_box(graph: Drawn, i: int) -> Box:
    vertex = graph.vertices[i]
    label = vertex.name or vertex.title
    if vertex.step is not None:
        label = equation(vertex)
        if len(label) > LONGEST_EQUATION:
            label = f"{vertex.name} = {vertex.title}" if vertex.name else vertex.title
    gradient = _told(vertex.cotangent)
    return Box(vertex.kind, [_short(label), _told(vertex.value)], gradient, output=i == graph.root)


def _group_box(graph: Drawn, group: dict[str, Any], vertices: list[int]) -> Box:
    count = sum(graph.vertices[i].kind == OPERATION for i in vertices)
    told = [group["title"], f"{count} op" if count == 1 else f"{count} ops"]
    lines = [_short(group["name"]), _short(" · ".join(filter(None, told)))]
    return Box(OPERATION, lines, folded=True, output=graph.root in vertices)


def _labels(graph: Drawn) -> dict[int, str]:
    """The local derivatives that are one number."""
    found = {}
    for vertex in graph.vertices:
        if vertex.step is None:
            continue
        by_argument = {graph.links[i].arg: i for i in vertex.links}
        for local in locals_of(vertex.step):
            if local.factor and local.variable.is_scalar and local.index in by_argument:
                value = local.number()
                if value is not None and np.size(value) == 1:
                    found[by_argument[local.index]] = f"×{number(np.asarray(value).reshape(())[()])}"
    return found


# -- SVG ----------------------------------------------------------------------------------------------------------------------

_NARROW, _WIDE = frozenset("iljtfr.,:;'|·()[] "), frozenset("mwMW@%—…")


def _width(line: str, size: float, bold: bool = False) -> float:
    """About how wide a text is; a browser's font may differ by a tenth."""
    units = sum(0.36 if c in _NARROW else 0.95 if c in _WIDE else 0.62 for c in line)
    return units * size * (1.06 if bold else 1.0)


def _texts(box: Box) -> list[tuple[str, float, int, str]]:
    """(text, size, weight, colour) of the lines of a box."""
    found = [(box.lines[0], 12.5, 600, INK)]
    found += [(line, 11.5, 400, FAINT) for line in box.lines[1:] if line]
    return [*found, (f"∂ {box.gradient}", 11.5, 500, GRADIENT)] if box.gradient else found


def _size(box: Box) -> Point:
    lines = _texts(box)
    wide = max(_width(line, size, weight > 500) for line, size, weight, _ in lines)
    return (max(64.0, wide + 26), 12.0 + 15.5 * len(lines))


def _svg(scene: Scene) -> str:
    sizes = [_size(b) for b in scene.boxes]
    layout = layered(sizes, list(scene.links))
    margin = 10
    width, height = layout.width + 2 * margin + 6, layout.height + 2 * margin + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="{-margin} {-margin} {width:.0f} {height:.0f}" font-family="{FONT}" role="img">',
        f"<title>{html.escape(_told_whole(scene))}</title>",
        f'<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"><path d="M0 1L8 4L0 7z" fill="{EDGE}"/>'
        "</marker></defs>",
    ]
    parts += [_line(line) for line in layout.lines]
    parts += [_label(line, label) for line, label in zip(layout.lines, scene.links.values()) if label]
    parts += [_card(box, size, centre) for box, size, centre in zip(scene.boxes, sizes, layout.centres)]
    return "\n".join([*parts, "</svg>\n"])


def _told_whole(scene: Scene) -> str:
    output = next((b for b in scene.boxes if b.output), None)
    return f"Computation graph of {output.lines[0]}" if output else "Computation graph"


def _line(points: list[Point]) -> str:
    """A smooth line that leaves and arrives upright."""
    x, y = points[0]
    path = f"M{x:.1f} {y:.1f}"
    for (x1, y1), (x2, y2) in zip(points, points[1:]):
        middle = (y1 + y2) / 2
        path += f"C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}"
    return f'<path d="{path}" fill="none" stroke="{EDGE}" stroke-width="1.3" marker-end="url(#tip)"/>'


def _label(points: list[Point], label: str) -> str:
    (x1, y1), (x2, y2) = points[0], points[1]
    x, y, wide = (x1 + x2) / 2, (y1 + y2) / 2, _width(label, 10.5) + 8
    return (
        f'<rect x="{x - wide / 2:.1f}" y="{y - 8:.1f}" width="{wide:.1f}" height="16" rx="8" fill="#ffffff" fill-opacity="0.9"/>'
        f'<text x="{x:.1f}" y="{y + 3.5:.1f}" font-size="10.5" text-anchor="middle" fill="{FAINT}">{html.escape(label)}</text>'
    )


def _card(box: Box, size: Point, centre: Point) -> str:
    (w, h), (cx, cy) = size, centre
    x, y = cx - w / 2, cy - h / 2
    fill, outline = FILLS[box.kind]
    radius = 8 if box.kind == OPERATION else h / 2
    line = 2.2 if box.output else 1.2

    def rect(shift: float, width: float) -> str:
        return (
            f'<rect x="{x + shift:.1f}" y="{y + shift:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{radius:.1f}" fill="{fill}"'
            f' stroke="{outline}" stroke-width="{width}"/>'
        )

    parts = [rect(5, 1), rect(2.5, 1)] if box.folded else []
    parts.append(rect(0, line))
    for i, (text, font, weight, colour) in enumerate(_texts(box)):
        style = f'font-size="{font}" font-weight="{weight}" fill="{colour}" text-anchor="middle"'
        parts.append(f'<text x="{cx:.1f}" y="{y + 19 + 15.5 * i:.1f}" {style}>{html.escape(text)}</text>')
    return "".join(parts)


# -- DOT ----------------------------------------------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    """A text in Graphviz's quotes; a backslash would begin an escape there."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _dot(scene: Scene) -> str:
    lines = [
        "digraph {",
        '  node [fontname="Helvetica", fontsize=11, style=filled, margin="0.12,0.06"];',
        f'  edge [fontname="Helvetica", fontsize=10, color="{EDGE}"];',
    ]
    for i, box in enumerate(scene.boxes):
        fill, outline = FILLS[box.kind]
        shape = "box3d" if box.folded else "box"
        rounded = ', style="rounded,filled"' if box.kind != OPERATION else ""
        label = _quoted("\n".join([t for t, *_ in _texts(box)]))
        strong = ", penwidth=2" if box.output else ""
        lines.append(f'  {i} [shape={shape}{rounded}, label={label}, fillcolor="{fill}", color="{outline}"{strong}];')
    for (a, b), label in scene.links.items():
        lines.append(f"  {a} -> {b}" + (f" [label={_quoted(label)}]" if label else "") + ";")
    return "\n".join([*lines, "}", ""])

