"""What a program consists of; ``README.md`` beside this file says what each kind of node means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int, ...]
DType = np.dtype[Any]


class Source(NamedTuple):
    """Where a node comes from: the operation's name, and the user's line (``file:line``, or empty)."""

    operation: str = ""
    line: str = ""


NOWHERE = Source()


class Node:
    """One value.  Nodes are compared by identity, and never changed."""

    __slots__ = ("args", "attrs", "dtype", "op", "shape", "source")

    def __init__(
        self, op: str, args: Sequence[Node], shape: Iterable[int], dtype: Any, attrs: dict[str, Any] | None = None, source: Source = NOWHERE
    ) -> None:
        self.op = op
        self.args = tuple(args)
        self.shape: Shape = tuple(shape)
        self.dtype: DType = np.dtype(dtype)
        self.attrs: dict[str, Any] = attrs or {}
        self.source = source

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def with_args(self, args: Sequence[Node]) -> Node:
        """The same operation on other arguments; this very node where they are the same."""
        if len(args) == len(self.args) and all(a is b for a, b in zip(args, self.args, strict=True)):
            return self
        return Node(self.op, args, self.shape, self.dtype, self.attrs, self.source)

    def __repr__(self) -> str:
        details = "".join(f" {k}={v}" for k, v in self.attrs.items() if not isinstance(v, np.ndarray))
        return f"<{self.op}{details} {self.dtype}{list(self.shape)}>"


class Program:
    """Inputs, the values that the caller gets, and what is stored back; see ``README.md``.

    ``inputs`` are the ``input`` nodes by index.
    """

    __slots__ = ("inputs", "outputs", "stores")

    def __init__(
        self,
        inputs: list[Node] | None = None,
        outputs: list[Node] | None = None,
        stores: list[tuple[int, Node]] | None = None,
    ) -> None:
        self.inputs = [] if inputs is None else inputs
        self.outputs = [] if outputs is None else outputs
        self.stores = [] if stores is None else stores

    def roots(self) -> list[Node]:
        """All that has to be computed."""
        return [*self.outputs, *[node for _, node in self.stores]]

    def nodes(self) -> list[Node]:
        """Everything that the roots need, arguments first, in the order in which it was made as far as that goes."""
        return ordered(self.roots())

    def __str__(self) -> str:
        from .text import text

        return text(self)


def ordered(roots: Iterable[Node]) -> list[Node]:
    """The roots and all that they depend on, arguments first.  No recursion: programs are long chains."""
    seen: set[int] = set()
    out: list[Node] = []
    for root in roots:
        if id(root) in seen:
            continue
        seen.add(id(root))
        stack: list[tuple[Node, Iterator[Node]]] = [(root, iter(root.args))]
        while stack:
            node, rest = stack[-1]
            for a in rest:
                if id(a) not in seen:
                    seen.add(id(a))
                    stack.append((a, iter(a.args)))
                    break
            else:
                out.append(node)
                stack.pop()
    return out


def rewrite(program: Program, change: Callable[[Node], Node]) -> Program:
    """The program with ``change`` applied to every node, whose arguments have been changed before it."""
    made: dict[int, Node] = {}
    for node in program.nodes():
        made[id(node)] = change(node.with_args([made[id(a)] for a in node.args]))
    return Program(program.inputs, [made[id(n)] for n in program.outputs], [(i, made[id(n)]) for i, n in program.stores])


def row_major(shape: Sequence[int]) -> Shape:
    """Strides in elements of a contiguous array."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * max(1, shape[i + 1])
    return tuple(strides)
