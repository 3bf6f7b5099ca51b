"""A group of nodes as expressions over one domain: what a loop nest computes at each of its points.

Lowering starts from what is stored and pulls: views disappear into the positions of what they look at, and only leaves have positions.
A reduction is an expression too; its value depends on the kept axes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import prod
from typing import Any

from ..program.ir import Node, row_major
from ..program.spec import category
from .loops_index import Affine, NotAffine, Split, coordinates, mergeable, viewed
from .numbers import DType

# The cost of one element, in additions; what is dear is kept rather than computed again.
_DEAR = {"exp": 8, "exp2": 8, "expm1": 10, "log": 14, "log2": 14, "log10": 14, "log1p": 15, "sigmoid": 12, "tanh": 14, "erf": 16}
_DEAR |= {"sin": 14, "cos": 14, "div": 4, "reciprocal": 4, "sqrt": 4, "rsqrt": 8, "floor_div": 20, "fmod": 60, "remainder": 60, "hypot": 12}
_DEAR |= dict.fromkeys(("pow", "erfc", "lgamma", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh"), 60)


@dataclass(eq=False)
class Expr:
    """One value at each point of the domain.

    ``kind`` is load, iota, const, map, inside, gather or reduced.  ``deps`` are the axes on which it depends; ``level`` is the number of
    reductions that must be finished before it can be computed.
    """

    kind: str
    dtype: DType
    args: tuple[Expr, ...] = ()
    node: Node | None = None  # load: what lies in memory; gather: what is gathered from; inside: the check; reduced: the reduction
    at: Affine | None = None  # load and iota
    fn: str = ""
    value: Any = None  # const
    deps: frozenset[int] = frozenset()
    level: int = 0
    cost: int = 0
    size: int = field(default=0)

    def __post_init__(self) -> None:
        if self.kind in ("map", "inside", "gather"):
            self.deps = frozenset().union(*[a.deps for a in self.args])
            self.level = max([a.level for a in self.args], default=0)
            self.cost = sum(a.cost for a in self.args) + _DEAR.get(self.fn, 1)


@dataclass(frozen=True, eq=False)
class Store:
    """A value and where it goes: memory of ``node`` at ``at``."""

    value: Expr
    node: Node
    at: Affine


@dataclass
class Lowered:
    """Expressions over a domain: what is stored; ``reduced`` are the domain's axes over which reductions run."""

    domain: list[int]
    reduced: frozenset[int]
    stores: list[Store]
    reductions: list[Expr]
    loads: list[Node]  # what is read from memory, in order
    checked: bool  # whether indices are checked, so that there is an error to report
    parts: list[int]  # :attr:`Axis.part` of each axis


@dataclass
class Axis:
    """An axis of a domain: its extent, the step that it takes in a value of the whole shape, the one in a reduction's result
    (0: the axis is reduced).  Axes of different ``part`` stay apart where neighbours are made one."""

    extent: int
    step: int
    kept: int = 0
    reduced: bool = False
    part: int = 0

    def cut(self, inner: int) -> list[Axis]:
        """Two axes in its place, the inner one of extent ``inner``."""
        return [
            Axis(self.extent // inner, self.step * inner, self.kept * inner, self.reduced, self.part),
            Axis(inner, self.step, self.kept, self.reduced, self.part),
        ]


def axes_of(shape: Sequence[int], reduced: Sequence[int] = ()) -> list[Axis]:
    """The domain that runs over a shape, some of whose axes are reduced."""
    kept = row_major([1 if j in reduced else n for j, n in enumerate(shape)])
    return [Axis(n, s, 0 if j in reduced else k, j in reduced) for j, (n, s, k) in enumerate(zip(shape, row_major(shape), kept))]


class Lowering:
    """From nodes to expressions, over a domain that may have to be refined.

    ``inside`` are the nodes of the group, ``shape`` what the reductions of the group reduce over ``axes`` (or what the stores have).
    ``domain`` may be a part of that, which begins ``start`` elements (of the shape, of the result) further on.
    """

    def __init__(
        self, inside: set[int], shape: Sequence[int], axes: Sequence[int], domain: list[Axis] | None = None, start: tuple[int, int] = (0, 0)
    ) -> None:
        self.inside = inside
        self.shape = tuple(shape)
        self.axes = tuple(axes)
        self.grid = domain if domain is not None else axes_of(shape, axes)
        self.start = start
        self.made: dict[tuple[int, Affine], Expr] = {}
        self.reductions: list[Expr] = []
        self.loads: dict[int, Node] = {}
        self.checked = False

    @property
    def domain(self) -> list[int]:
        return [a.extent for a in self.grid]

    def lower(self, wanted: Callable[[Lowering], list[Store]]) -> Lowered:
        """The stores that ``wanted`` asks for, on a domain that is fine enough."""
        while True:
            self.made, self.reductions, self.loads, self.checked = {}, [], {}, False
            try:
                stores = wanted(self)
            except Split as s:
                if len(self.grid) > 24:
                    raise NotAffine from None
                self.grid[s.axis : s.axis + 1] = self.grid[s.axis].cut(s.inner)
                continue
            reduced = frozenset(j for j, a in enumerate(self.grid) if a.reduced)
            parts = [a.part for a in self.grid]
            return collapse(Lowered(self.domain, reduced, stores, self.reductions, list(self.loads.values()), self.checked, parts))

    def everywhere(self) -> Affine:
        """The position in a value of the whole shape, in row-major order."""
        return self._trimmed(Affine(tuple([a.step for a in self.grid]), self.start[0]))

    def kept(self) -> Affine:
        """The position in a reduction's result."""
        return self._trimmed(Affine(tuple([a.kept for a in self.grid]), self.start[1]))

    def natural(self, node: Node) -> Affine:
        """Where a value that is stored lies: it has an element for each point, or one for each kept one."""
        size = prod(self.shape)
        if self.axes and node.size != size or (self.axes and node.shape != self.shape and size == self._kept_size()):
            if node.size != self._kept_size():
                raise NotAffine
            return self.kept()
        if node.size != size:
            raise NotAffine
        return self.everywhere()

    def _kept_size(self) -> int:
        return prod([n for j, n in enumerate(self.shape) if j not in self.axes])

    def stored(self, node: Node) -> Store:
        """A node of the group whose value goes to its own memory."""
        at = self.natural(node)
        return Store(self.value(node, at), node, at)

    def stores(self, node: Node) -> list[Store]:
        """The same, where a concatenation's pieces are the values at a point."""
        if node.op != "concat":
            return [self.stored(node)]
        axis, steps = node.attrs["axis"], row_major(node.shape)
        starts = accumulate([a.shape[axis] * steps[axis] for a in node.args], initial=0)
        return [self.moved(a, node, steps, start) for a, start in zip(node.args, starts)]

    def moved(self, x: Node, to: Node, strides: Sequence[int], offset: int) -> Store:
        """``x``, which has an element for each point, to the places that a view of ``to`` has."""
        at = self.everywhere()
        places = coordinates(at, self.domain, x.shape)
        return Store(self.value(x, at), to, viewed(places, strides, offset, len(self.grid)))

    def value(self, node: Node, at: Affine) -> Expr:
        """The node's value at a position of its row-major order."""
        at = self._trimmed(at)
        found = self.made.get((id(node), at))
        if found is None:
            found = self.made[id(node), at] = self._value(node, at)
        return found

    def _value(self, node: Node, at: Affine) -> Expr:
        if node.op == "const" and node.size == 1:
            return Expr("const", node.dtype, value=node.attrs["value"].reshape(())[()])
        if id(node) not in self.inside:
            if category(node.dtype) == "c":
                raise NotAffine
            self.loads.setdefault(id(node), node)
            return Expr("load", node.dtype, node=node, at=at, deps=_deps(at), cost=1)
        return getattr(self, "_" + node.op)(node, at)  # type: ignore[no-any-return]

    def _map(self, node: Node, at: Affine) -> Expr:
        nothing = Affine((0,) * len(self.grid))
        args = [self.value(a, at if a.shape == node.shape else nothing) for a in node.args]
        if category(node.dtype) == "c" or any(category(a.dtype) == "c" for a in node.args):
            raise NotAffine
        if node.attrs["fn"] == "inside":
            self.checked = True
            return Expr("inside", node.dtype, tuple(args), node=node)
        return Expr("map", node.dtype, tuple(args), fn=node.attrs["fn"])

    def _view(self, node: Node, at: Affine) -> Expr:
        places = coordinates(at, self.domain, node.shape)
        x = node.args[0]
        return self.value(x, viewed(places, node.attrs["strides"], node.attrs["offset"], len(self.grid)))

    def _iota(self, node: Node, at: Affine) -> Expr:
        place = coordinates(at, self.domain, node.shape)[node.attrs["axis"]]
        return Expr("iota", node.dtype, at=place, deps=_deps(place), cost=1)

    def _gather(self, node: Node, at: Affine) -> Expr:
        x, index = node.args
        if id(x) in self.inside:
            raise NotAffine
        self.loads.setdefault(id(x), x)
        self.checked = True
        return Expr("gather", node.dtype, (self.value(index, at),), node=x, fn="gather", size=x.size)

    def _reduce(self, node: Node, at: Affine) -> Expr:
        x = node.args[0]
        same = x.shape == self.shape and node.attrs["axes"] == self.axes
        if not same or at != self.kept():
            raise NotAffine
        arg = self.value(x, self.everywhere())
        made = Expr("reduced", node.dtype, (arg,), node=node, fn=node.attrs["fn"], deps=_deps(at), level=arg.level + 1)
        self.reductions.append(made)
        return made

    def _trimmed(self, at: Affine) -> Affine:
        return Affine(tuple([s if n > 1 else 0 for s, n in zip(at.strides, self.domain)]), at.offset)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and not name.startswith("__"):
            raise NotAffine  # a kind of node that has no place inside of a group
        raise AttributeError(name)


def _deps(at: Affine) -> frozenset[int]:
    return frozenset(j for j, s in enumerate(at.strides) if s)


def walk(roots: Sequence[Expr]) -> list[Expr]:
    """The expressions and all that they consist of, arguments first, each once."""
    seen: set[int] = set()
    out: list[Expr] = []
    stack = [(r, False) for r in reversed(roots)]
    while stack:
        e, ready = stack.pop()
        if ready:
            out.append(e)
        elif id(e) not in seen:
            seen.add(id(e))
            stack.append((e, True))
            stack.extend([(a, False) for a in reversed(e.args)])
    return out


def collapse(low: Lowered) -> Lowered:
    """The same with as few axes as its positions allow; axes of extent 1 go."""
    leaves = [e for e in walk([s.value for s in low.stores] + low.reductions) if e.at is not None]
    affines: list[Affine] = [e.at for e in leaves if e.at is not None] + [s.at for s in low.stores]
    groups: list[list[int]] = []
    for j, n in enumerate(low.domain):
        if n == 1:
            continue
        last = groups[-1][-1] if groups else None
        if last is not None and _alike(low, last, j) and mergeable(low.domain, affines, last, j):
            groups[-1].append(j)
        else:
            groups.append([j])
    if not groups:
        groups = [[len(low.domain) - 1] if low.domain else []]  # one axis of extent 1
    new_of = {j: k for k, g in enumerate(groups) for j in g}

    def moved(at: Affine) -> Affine:
        return Affine(tuple([at.strides[g[-1]] if g else 0 for g in groups]), at.offset)

    for e in walk([s.value for s in low.stores] + low.reductions):
        e.deps = frozenset(new_of[j] for j in e.deps if j in new_of)
        if e.at is not None:
            e.at = moved(e.at)
    domain = [prod([low.domain[j] for j in g]) for g in groups]
    reduced = frozenset(k for k, g in enumerate(groups) if g and g[-1] in low.reduced)
    stores = [Store(s.value, s.node, moved(s.at)) for s in low.stores]
    parts = [low.parts[g[-1]] if g else 0 for g in groups]
    return Lowered(domain, reduced, stores, low.reductions, low.loads, low.checked, parts)


def _alike(low: Lowered, j: int, k: int) -> bool:
    """Whether two neighbouring axes may be one as far as their kind goes."""
    return (j in low.reduced) == (k in low.reduced) and low.parts[j] == low.parts[k]


__all__ = ["Axis", "Expr", "Lowered", "Lowering", "NotAffine", "Store", "axes_of", "collapse", "walk"]
