"""Elementwise work on slices and on concatenations, piece by piece.

A cell computes all gates in one matrix and takes them apart; backward puts the gates' cotangents together and multiplies them by slopes.
Written down, that is slices of maps and maps of concatenations: values of different shapes, each a kernel of its own with memory in
between.  A map that only equal slices of are read, and a map of a concatenation of equal pieces, are computed for each piece by itself
instead.  All gates then have one shape, one loop nest has them all, and the concatenations that are left are at its end.

Nothing is computed twice, and each element is computed as before.  A map of a product stays whole: it is done with the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..program.ir import Node, Program, Shape, row_major
from ..program.make import concat, view
from ..schedule.fuse import PIECES, kind_of
from ..schedule.reads import base_of
from .slices import uses_of
from .views import composed


class Cut(NamedTuple):
    """Equal pieces along an axis, so many."""

    axis: int
    pieces: int

    def of(self, shape: Shape) -> Shape:
        """The shape of a piece."""
        return tuple([n // self.pieces if k == self.axis else n for k, n in enumerate(shape)])


def apart(program: Program) -> Program:
    """The program with such maps taken apart, and concatenations of concatenations along one axis as one."""
    pieces = _Pieces(program, program.nodes())
    return pieces.program() if pieces.cuts or pieces.concats else program


class _Pieces:
    def __init__(self, program: Program, nodes: Sequence[Node]) -> None:
        self.given, self.nodes = program, nodes
        self.uses = uses_of(program, nodes)
        self.concats: dict[int, Cut] = {}  # concatenations of equal pieces
        self.cuts: dict[int, Cut] = {}  # maps that are taken apart
        self.made: dict[int, Node] = {}  # what other nodes have become
        self.split: dict[int, list[Node]] = {}  # and what those maps have
        for node in nodes:
            if node.op == "concat" and (cut := self._equal(node)) is not None:
                self.concats[id(node)] = cut
            elif _free(node) and (cut := self._of_concatenation(node)) is not None:
                self.cuts[id(node)] = cut
        self._only_sliced()

    # -- which maps ------------------------------------------------------------------------------------------------------

    def _inner(self, node: Node, axis: int) -> Cut | None:
        """How an argument of a concatenation is one itself that nobody else reads, or becomes one."""
        cut = (self.concats.get(id(node)) or self.cuts.get(id(node))) if self.uses[id(node)] == 1 else None
        return cut if cut is not None and cut.axis == axis else None

    def _equal(self, node: Node) -> Cut | None:
        axis = node.attrs["axis"]
        shapes: list[Shape] = []
        for a in node.args:
            cut = self._inner(a, axis) or Cut(axis, 1)
            shapes += [cut.of(a.shape)] * cut.pieces
        return Cut(axis, len(shapes)) if node.size and 2 <= len(shapes) <= PIECES and len(set(shapes)) == 1 else None

    def _of_concatenation(self, node: Node) -> Cut | None:
        for a in node.args:
            if a.shape == node.shape and self.uses[id(a)] == 1:
                cut = self.concats.get(id(a)) or self.cuts.get(id(a))
                if cut is not None:
                    return cut
        return None

    def _only_sliced(self) -> None:
        """Maps whose readers are slices, or maps that are taken apart: from the last to the first."""
        readers: dict[int, list[Node]] = {}
        for node in self.nodes:
            for a in dict.fromkeys(node.args):
                readers.setdefault(id(a), []).append(node)
        wanted = {id(n) for n in self.given.roots()}
        for node in reversed(self.nodes):
            mine = readers.get(id(node), [])
            if id(node) in self.cuts or id(node) in wanted or not mine or not _free(node):
                continue
            cut = self.cuts.get(id(mine[0])) or cell(mine[0])
            if cut is not None and all(self._reads(r, node, cut) for r in mine):
                self.cuts[id(node)] = cut

    def _reads(self, reader: Node, node: Node, cut: Cut) -> bool:
        if reader.op == "map":
            return reader.shape == node.shape and self.cuts.get(id(reader)) == cut
        return cell(reader) == cut

    # -- the new program ---------------------------------------------------------------------------------------------------

    def program(self) -> Program:
        for node in self.nodes:
            cut = self.cuts.get(id(node))
            if cut is not None:
                self.split[id(node)] = [self._mapped(node, cut, k) for k in range(cut.pieces)]
            elif node.op == "concat":
                self.made[id(node)] = node.with_args([p for a in node.args for p in self._pieces(a, node.attrs["axis"])])
            elif (cut := cell(node)) is not None and cut == self.cuts.get(id(node.args[0])):
                self.made[id(node)] = self.split[id(node.args[0])][_number(node, cut)]
            else:
                self.made[id(node)] = node.with_args([self._whole(a) for a in node.args])
        given = self.given
        stores = [(i, self._whole(n)) for i, n in given.stores]
        return Program(given.inputs, [self._whole(n) for n in given.outputs], stores)

    def _mapped(self, node: Node, cut: Cut, k: int) -> Node:
        args = [self._whole(a) if a.shape == () else self._piece(a, cut, k) for a in node.args]
        return Node("map", args, cut.of(node.shape), node.dtype, node.attrs, node.source)

    def _pieces(self, node: Node, axis: int) -> Sequence[Node]:
        """An argument of a concatenation: its own pieces where it is one."""
        if self._inner(node, axis) is None:
            return [self._whole(node)]
        return self.split[id(node)] if id(node) in self.split else self.made[id(node)].args

    def _whole(self, node: Node) -> Node:
        found = self.made.get(id(node))
        if found is None:
            found = self.made[id(node)] = concat(self.split[id(node)], self.cuts[id(node)].axis, node.source)
        return found

    def _piece(self, node: Node, cut: Cut, k: int) -> Node:
        if self.cuts.get(id(node)) == cut:
            return self.split[id(node)][k]
        whole = self._whole(node)
        if self.concats.get(id(node)) == cut:
            return whole.args[k]
        shape, strides = cut.of(whole.shape), row_major(whole.shape)
        found = view(whole, shape, strides, k * shape[cut.axis] * strides[cut.axis], whole.source)
        return (composed(found) if whole.op == "view" else None) or found


def _free(node: Node) -> bool:
    """Whether a node is a map of no whole product."""
    products = [a for a in node.args if kind_of(base := base_of(a)) in ("matmul", "conv") and base.size == a.size]
    return node.op == "map" and node.shape != () and not products


def cell(node: Node) -> Cut | None:
    """Of which equal pieces a view shows one."""
    if node.op != "view" or not node.size or len(node.shape) != len(node.args[0].shape):
        return None
    whole = node.args[0].shape
    strides = row_major(whole)
    axes = [k for k, (n, m) in enumerate(zip(node.shape, whole, strict=True)) if n != m]
    if len(axes) != 1 or any(s != t for n, s, t in zip(node.shape, node.attrs["strides"], strides, strict=True) if n > 1):
        return None
    (axis,) = axes
    count, left = divmod(whole[axis], node.shape[axis])
    found = Cut(axis, count)
    return found if not left and count <= PIECES and node.attrs["offset"] % (strides[axis] * node.shape[axis]) == 0 else None


def _number(node: Node, cut: Cut) -> int:
    """Which of the pieces a view shows."""
    return int(node.attrs["offset"] // (row_major(node.args[0].shape)[cut.axis] * node.shape[cut.axis]))


__all__ = ["Cut", "apart"]
