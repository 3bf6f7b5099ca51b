"""Which nodes are computed together.

Nodes are taken in order.  Each group has a number; groups run by number, so a node may join a group if all that it needs is there or
in an earlier one.  A node joins the latest group that it depends on where their domains agree, else the last group of its domain
(independent work side by side, such as an optimizer's updates), else it begins a group.  Values that a later group, a contraction, the
host or the caller reads are given memory; all others stay in registers.

What needs nothing but memory that is there from the beginning (``momentum * buffer``) waits for the node that reads it: computed where it
stands, before the gradient is known, it would be written and read again.  So does what needs one value besides (``s * (1 - s)``, the
slope of a sigmoid that backward reads): the value can be read in its place, and often has to be kept anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..program.ir import Node, Program, Shape
from .columns import with_columns
from .epilogue import with_epilogues
from .group import TRANSPARENT, Group, Kind
from .prologue import with_prologues
from .reads import base_of

_CONTRACTIONS = frozenset({"conv", "conv_input", "conv_weight"})
LEAVES = frozenset({"input", "const"})
PIECES = 8  # of a concatenation that is written by one loop nest
_MOST = 100  # nodes a group: registers and code have limits
_STREAMS = 12  # large arrays that a group without reductions reads: no processor fetches many more ahead
_LARGE = 8192  # elements of such an array


class _Open:
    """A group under construction."""

    def __init__(self, kind: Kind, shape: Shape, axes: tuple[int, ...] = ()) -> None:
        self.kind = kind
        self.shape = shape
        self.axes = axes
        self.nodes: list[Node] = []
        self.outputs: dict[int, Node] = {}
        self.streams: set[int] = set()  # what it reads from memory, if that is large

    @property
    def kept(self) -> int:
        """Elements of a reduction's result."""
        return prod([n for k, n in enumerate(self.shape) if k not in self.axes])

    def takes(self, node: Node) -> bool:
        """Whether the node's domain is this one; a reduction may make a group of maps one of reductions."""
        if self.kind != "loops" or len(self.nodes) >= _MOST:
            return False
        if node.op == "concat":
            return not self.axes and domain_of(node) == self.shape
        if node.op == "reduce":
            x = node.args[0]
            if x.shape != self.shape or (self.axes and self.axes != node.attrs["axes"]):
                return False
            return bool(self.axes) or all(n.shape == self.shape for n in self.nodes)
        return node.shape == self.shape or (bool(self.axes) and node.size == self.kept and node.shape == _without(self.shape, self.axes))


def _without(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple([n for k, n in enumerate(shape) if k not in axes])


def domain_of(node: Node) -> Shape:
    """The points at which a kernel computes a node of ``loops``; a concatenation's are those of one piece."""
    return node.args[0].shape if node.op in ("reduce", "concat") else node.shape


def kind_of(node: Node) -> Kind:
    """What computes a node that is no leaf and no view."""
    if node.op in ("map", "reduce", "gather") and node.size and all(a.size for a in node.args):
        return "loops"
    if node.op == "concat" and node.size and 2 <= len(node.args) <= PIECES and len({a.shape for a in node.args}) == 1:
        return "loops"
    return "matmul" if node.op == "matmul" else "conv" if node.op in _CONTRACTIONS else "host"


def alone(node: Node) -> Group:
    """A node that is no leaf and no view as a group of its own."""
    kind = kind_of(node)
    shape = domain_of(node) if kind == "loops" else node.shape
    return Group(kind, (node,), (node,), shape, node.attrs["axes"] if node.op == "reduce" and kind == "loops" else ())


class Fusion:
    """The state of one pass over a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.groups: list[_Open] = []
        self.place: dict[int, int] = {}  # the group in which a node is available; -1 for what is there from the beginning
        self.last: dict[tuple[Shape, tuple[int, ...]], int] = {}  # the latest group of a domain

    def run(self) -> list[Group]:
        nodes = self.program.nodes()
        waiting = _waiting(self.program, nodes)
        before: dict[int, list[Node]] = {}  # what has waited for a node, arguments first
        for node in nodes:
            held = [n for a in dict.fromkeys(node.args) for n in before.pop(id(a), ())]
            if id(node) in waiting:
                before[id(node)] = [*held, node]
                continue
            at_least = max([self.place[id(a)] for n in [*held, node] for a in n.args if id(a) in self.place], default=-1)
            for n in held:
                self._join(n, at_least)
            self._take(node)
        for root in self.program.roots():
            self._materialise(root, len(self.groups))
        return [Group(g.kind, tuple(g.nodes), tuple(g.outputs.values()), g.shape, g.axes) for g in self.groups if g.outputs]

    def _take(self, node: Node) -> None:
        if node.op in LEAVES:
            self.place[id(node)] = -1
        elif node.op in TRANSPARENT:
            self.place[id(node)] = max([self.place[id(a)] for a in node.args], default=-1)
        elif (kind := kind_of(node)) == "loops":
            self._join(node)
        else:
            self._begin(node, _Open(kind, node.shape))

    def _join(self, node: Node, at_least: int = -1) -> None:
        own = max([self.place[id(a)] for a in node.args], default=-1)
        earliest = max(at_least, own)
        if earliest >= 0 and (own == earliest or self.groups[earliest].shape == node.shape) and self._joins(node, earliest):
            return
        domain = domain_of(node)
        for axes in dict.fromkeys([node.attrs.get("axes", ()), ()]):
            later = self.last.get((domain, axes), -1)
            if later > earliest and self._joins(node, later):
                return
        self._begin(node, _Open("loops", domain, node.attrs["axes"] if node.op == "reduce" else ()))

    def _joins(self, node: Node, number: int) -> bool:
        group = self.groups[number]
        if not group.takes(node) or not all(self._visible(a, group, number, node) for a in node.args):
            return False
        if node.op != "reduce" and not group.axes and len(group.streams | self._streams(node, number)) > _STREAMS:
            return False
        if node.op == "reduce" and not group.axes:
            group.axes = node.attrs["axes"]
            self.last[group.shape, group.axes] = number
        self._add(node, number)
        return True

    def _visible(self, arg: Node, group: _Open, number: int, node: Node) -> bool:
        """Whether a kernel of the group can look at an argument: in memory before it begins, or computed at the same point."""
        inside = self._inside(arg, number)
        if inside is None:
            return True
        if node.op == "gather" and arg is node.args[0]:
            return False
        shape = group.shape
        if inside is arg:
            return arg.shape in (shape, _without(shape, group.axes)) and (arg.shape == domain_of(node) or arg.size == 1)
        return group.axes != () and inside.op in ("reduce", "map") and self._broadcast(arg, inside, group)

    def _streams(self, node: Node, number: int) -> set[int]:
        """The large arrays that a node of group ``number`` reads from memory."""
        bases = [base_of(a) for a in node.args]
        return {id(b) for b in bases if b.size >= _LARGE and self.place[id(b)] != number}

    def _inside(self, arg: Node, number: int) -> Node | None:
        """The node of group ``number`` that an argument is, or is a view of."""
        arg = base_of(arg)
        return arg if self.place[id(arg)] == number and arg.op not in LEAVES else None

    @staticmethod
    def _broadcast(arg: Node, inside: Node, group: _Open) -> bool:
        """Whether ``arg`` repeats a reduction's result along the axes that were reduced, and does nothing else to it."""
        if inside.shape != _without(group.shape, group.axes) or arg.shape != group.shape:
            return False
        steps: list[int] = []
        step = 1
        for k in range(len(group.shape) - 1, -1, -1):
            steps.append(0 if k in group.axes else step)
            step *= 1 if k in group.axes else group.shape[k]
        wanted = steps[::-1]
        found = _strides_through(arg, inside)
        return found is not None and all(n == 1 or s == w for n, s, w in zip(arg.shape, found, wanted, strict=True))

    def _begin(self, node: Node, group: _Open) -> None:
        self.groups.append(group)
        number = len(self.groups) - 1
        if group.kind == "loops":
            self.last[group.shape, group.axes] = number
        self._add(node, number)

    def _add(self, node: Node, number: int) -> None:
        group = self.groups[number]
        group.nodes.append(node)
        self.place[id(node)] = number
        group.streams |= self._streams(node, number)
        if group.kind != "loops":
            group.outputs[id(node)] = node
        for a in node.args:
            self._materialise(a, number)

    def _materialise(self, node: Node, reader: int) -> None:
        """Give memory to what a later group reads, through its views."""
        node = base_of(node)
        number = self.place[id(node)]
        if 0 <= number != reader:
            self.groups[number].outputs[id(node)] = node


def _waiting(program: Program, nodes: Sequence[Node]) -> set[int]:
    """Maps that one node of their shape reads, and nobody else, of one value that is no larger and of what is there from the beginning."""
    readers: dict[int, list[Node]] = {}
    for node in nodes:
        for a in dict.fromkeys(node.args):
            readers.setdefault(id(a), []).append(node)
    wanted = {id(n) for n in program.roots()}
    found: dict[int, set[Node]] = {}  # what each of them needs that is computed
    for node in nodes:
        if node.op != "map" or node.size < 2 or id(node) in wanted or len(readers[id(node)]) != 1:
            continue
        (reader,) = readers[id(node)]
        if reader.op not in ("map", "reduce", "concat") or kind_of(reader) != "loops" or domain_of(reader) != node.shape:
            continue
        needs: set[Node] = set()
        for a in node.args:
            base = base_of(a)
            needs |= found[id(a)] if id(a) in found else set() if base.op in LEAVES else {base}
        if len(needs) < 2 and all(n.bytes <= node.bytes for n in needs):
            found[id(node)] = needs
    return set(found)


def _strides_through(arg: Node, inside: Node) -> tuple[int, ...] | None:
    """The strides of a view of ``inside``, where it is one view, or one of a reshaped one that adds axes of extent 1."""
    if arg.op != "view" or arg.attrs["offset"]:
        return None
    if arg.args[0] is inside:
        return tuple(arg.attrs["strides"])
    middle = arg.args[0]
    if middle.op == "view" and middle.args[0] is inside and middle.size == inside.size and not middle.attrs["offset"]:
        step = 1
        for n, s in zip(reversed(middle.shape), reversed(middle.attrs["strides"])):
            if n != 1 and s != step:
                return None
            step *= n
        return tuple(arg.attrs["strides"])
    return None


def fuse(program: Program) -> list[Group]:
    """The groups of a program, in the order in which they run."""
    return with_prologues(program, with_epilogues(program, with_columns(program, Fusion(program).run())))
