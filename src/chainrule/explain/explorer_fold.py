"""Groups of operations that the page shows as one until they are opened: modules, loops, and parts of what is still too long.

A group is an interval of the program's order, so the graph between groups has no cycles.  Leaves are only starts of
links; each belongs to the innermost group that has all of its consumers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .explorer_graph import OPERATION, Drawn

LIMIT = 40  # a group has at most so many children
LONGEST_BODY = 64  # of a loop, in children


@dataclass(slots=True)
class Group:
    """``children`` are vertices (by number) and groups; ``kind`` is ``module``, ``loop``, ``pass`` or ``part``."""

    name: str
    kind: str
    children: list[Any] = field(default_factory=list)
    title: str = ""

    def first(self) -> int:
        """The number of its first operation."""
        child: Any = self
        while isinstance(child, Group):
            child = child.children[0]
        return int(child)


def fold(graph: Drawn) -> tuple[list[dict[str, Any]], list[int]]:
    """The groups, parents before children, and the group of every vertex (-1: none)."""
    root = Group("", "root")
    _modules(graph, root)
    _shorten(graph, root)
    groups: list[dict[str, Any]] = []
    parents = [-1] * len(graph.vertices)
    stack: list[tuple[Group, int]] = [(root, -1)]
    while stack:
        group, at = stack.pop()
        for child in group.children:
            if isinstance(child, Group):
                groups.append({"name": child.name, "kind": child.kind, "title": child.title, "parent": at})
                stack.append((child, len(groups) - 1))
            else:
                parents[child] = at
    _place_leaves(graph, parents, [g["parent"] for g in groups])
    return groups, parents


def _modules(graph: Drawn, root: Group) -> None:
    """Nest the operations by their modules' paths."""
    open_groups = [root]
    path: tuple[str, ...] = ()
    for at, scope in _paths(graph):
        common = 0
        while common < min(len(path), len(scope)) and path[common] == scope[common]:
            common += 1
        del open_groups[common + 1 :]
        for depth in range(common, len(scope)):
            name = ".".join(scope[: depth + 1])
            group = Group(scope[depth], "module", title=graph.modules.get(name, ""))
            open_groups[-1].children.append(group)
            open_groups.append(group)
        open_groups[-1].children.append(at)
        path = scope
    _dissolve(root, graph)


def _paths(graph: Drawn) -> list[tuple[int, tuple[str, ...]]]:
    """(operation, its module's path); one without module that stands between two takes what is common to both."""
    ops = [i for i, v in enumerate(graph.vertices) if v.kind == OPERATION]
    paths = [tuple(p for p in graph.vertices[i].scope.split(".") if p) for i in ops]
    after: tuple[str, ...] = ()
    following: list[tuple[str, ...]] = [()] * len(ops)
    for k in range(len(ops) - 1, -1, -1):
        following[k] = after
        after = paths[k] or after
    before: tuple[str, ...] = ()
    for k, path in enumerate(paths):
        if not path:
            common = 0
            while common < min(len(before), len(following[k])) and before[common] == following[k][common]:
                common += 1
            paths[k] = before[:common]
        else:
            before = path
    return list(zip(ops, paths))


def _dissolve(group: Group, graph: Drawn) -> None:
    """Replace groups that hold one thing by that thing; a whole that is one group needs no frame around it."""
    children: list[Any] = []
    for child in group.children:
        if isinstance(child, Group):
            _dissolve(child, graph)
            if len(child.children) == 1 and (isinstance(child.children[0], Group) or not _has_leaves(graph, child.children[0])):
                inner = child.children[0]
                if isinstance(inner, Group):
                    inner.name = f"{child.name}.{inner.name}"
                children.append(inner)
                continue
        children.append(child)
    group.children = children


def _has_leaves(graph: Drawn, vertex: int) -> bool:
    return any(graph.vertices[graph.links[i].start].kind != OPERATION for i in graph.vertices[vertex].links)


def _shorten(graph: Drawn, root: Group) -> None:
    """See to it that no group has more than LIMIT children: loops first, then parts of equal length."""
    stack = [root]
    while stack:
        group = stack.pop()
        if len(group.children) > LIMIT and group.kind not in ("loop", "part"):
            group.children = _loops(graph, group.children)
        if len(group.children) > LIMIT:
            group.children = _parts(group)
        stack += [c for c in group.children if isinstance(c, Group)]


def _signature(graph: Drawn, child: Any) -> Any:
    if isinstance(child, Group):
        return (child.name, child.title, len(child.children))
    return (graph.vertices[child].title, len(graph.vertices[child].links))


def _loops(graph: Drawn, children: list[Any]) -> list[Any]:
    """Find what is repeated at least four times in a row and make a loop of it."""
    known: dict[Any, int] = {}
    signs = np.array([known.setdefault(_signature(graph, c), len(known)) for c in children])
    n = len(signs)
    best, period = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for p in range(1, min(LONGEST_BODY, n // 4) + 1):
        same = np.zeros(n, bool)
        same[: n - p] = signs[p:] == signs[:-p]
        stops = np.flatnonzero(~same)
        length = stops[np.searchsorted(stops, np.arange(n))] - np.arange(n)  # how far the repetition goes on from here
        covered = (length // p + 1) * p
        better = (length >= 3 * p) & (covered > best)
        best[better], period[better] = covered[better], p
    found: list[Any] = []
    i = 0
    while i < n:
        if best[i] >= 8:
            p, r = int(period[i]), int(best[i] // period[i])
            found.append(_loop(graph, children[i : i + p * r], p, r))
            i += p * r
        else:
            found.append(children[i])
            i += 1
    return found


def _loop(graph: Drawn, children: list[Any], p: int, r: int) -> Group:
    def called(c: Any) -> str:
        return c.name if isinstance(c, Group) else graph.vertices[c].title

    body = [called(c) for c in children[:p]]
    text = ", ".join(body[:3]) + (", …" if p > 3 else "")
    passes: list[Any] = children
    if p > 1:
        passes = [Group(f"pass {k + 1}", "pass", children[k * p : (k + 1) * p]) for k in range(r)]
    return Group(f"×{r}", "loop", passes, text)


def _parts(group: Group) -> list[Any]:
    children = group.children
    size = max(LIMIT // 2, -(-len(children) // LIMIT))
    word = "passes" if group.kind == "loop" else "steps"
    start = 0
    if group.kind == "part":  # go on counting where the enclosing part does
        word, _, numbers = group.name.partition(" ")
        start = int(numbers.split("–")[0]) - 1
    cut = range(0, len(children), size)
    return [Group(f"{word} {start + k + 1}–{start + min(k + size, len(children))}", "part", children[k : k + size]) for k in cut]


def _place_leaves(graph: Drawn, parents: list[int], above: list[int]) -> None:
    """Put every leaf into the innermost group that has all of its consumers."""
    chains: dict[int, list[int]] = {}
    for link in graph.links:
        start = link.start
        if graph.vertices[start].kind == OPERATION:
            continue
        chain = []
        g = parents[link.end]
        while g >= 0:
            chain.append(g)
            g = above[g]
        chain.reverse()
        have = chains.get(start)
        if have is None:
            chains[start] = chain
        else:
            common = 0
            while common < min(len(have), len(chain)) and have[common] == chain[common]:
                common += 1
            del have[common:]
    for start, chain in chains.items():
        parents[start] = chain[-1] if chain else -1
