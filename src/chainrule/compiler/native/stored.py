"""Programs found again in the cache: machine code and the plan that goes with it, by what the program computes.

A program that an earlier process has compiled is neither scheduled nor emitted again, and LLVM is not even loaded.  What is stored of a
plan are its sections and the memory between them; nodes become numbers.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..program.ir import Node, Program
from ..program.portable import Bound, name_of, node_form, node_of, portable, program_form, revived
from . import cache as _cache
from .call import Argument
from .jit import load
from .run import Plan, Runner, runner
from .section import Host, Section, aligned, span
from .table import Table
from .target import Target, host

_SETTINGS = ("CHAINRULE_CHECK",)  # of the environment: what changes the code that is written


def obtained(program: Program, simplified: Callable[[], Program] | None = None) -> Runner:
    """The program as a function of its inputs, from the cache or newly compiled.

    ``simplified`` gives what is compiled, if not the program itself.  Raises TooLong for a program that has to run on NumPy.
    """
    target = host()
    key = key_of(program, target)
    found = None if key is None else restored(program, key, target)
    if found is not None:
        return found
    from .engine import build

    return build(program if simplified is None else simplified(), target, key)


def key_of(program: Program, target: Target) -> str | None:
    """The name of a program's plan in the cache; None where it belongs to this process, or nothing is kept."""
    if _cache.default() is None:
        return None
    try:
        form = marshal.dumps(program_form(program), 0)  # version 0 has no references: equal values are equal bytes
    except (Bound, ValueError):
        return None
    return _cache.key("program", form, target.key, _cache.sources(), *[os.environ.get(name, "") for name in _SETTINGS])


# -- a plan as plain values ----------------------------------------------------------------------------------------------------


def described(plan: Plan) -> Any:
    """The plan as plain values; None where it has a step that belongs to this process."""
    try:
        return _Description(plan).made()
    except Bound:
        return None


class _Description:
    """Values are ("input", k), ("direct", k: an input whose memory it is written to, shape, dtype), ("output", k), ("memory", block,
    first byte, shape, dtype), ("const", its array), ("errors",), or a node that is computed where it is looked at, in a list without
    repetitions."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        program = plan.program
        self.place: dict[int, tuple[Any, ...]] = {id(n): ("input", k) for k, n in enumerate(program.inputs)}
        self.place |= {id(n): ("output", k) for k, n in enumerate(program.outputs)}
        self.values: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.blocks: dict[int, tuple[int, int]] = {}  # address: (number, bytes)

    def made(self) -> Any:
        steps = [self._section(s) if isinstance(s, Section) else self._host(s) for s in self.plan.segments]
        outputs = [(n.shape, name_of(n.dtype)) for n in self.plan.program.outputs]
        return (steps, self.values, [size for _, size in self.blocks.values()], outputs)

    def _number(self, node: Node) -> int:
        found = self.numbers.get(id(node))
        if found is None:
            form = self._form(node)
            found = self.numbers[id(node)] = len(self.values)
            self.values.append(form)
        return found

    def _form(self, node: Node) -> Any:
        array = self.plan.memory.get(id(node))
        if array is not None:
            start, size = span(array)
            number, _ = self.blocks.setdefault(start, (len(self.blocks), size))
            return ("memory", number, array.ctypes.data - start, node.shape, name_of(node.dtype))
        if id(node) in self.place:
            return self.place[id(node)]
        if id(node) in self.plan.direct:
            return ("direct", self.plan.direct[id(node)], node.shape, name_of(node.dtype))
        if node.op == "const":
            return ("const", portable(np.asarray(node.attrs["value"])))
        if node.op == "errors":
            return ("errors",)
        return ("node", node_form(node, self._number))

    def _section(self, s: Section) -> Any:
        arguments = [(a.shape, None if a.dtype is None else name_of(a.dtype), a.written, a.fresh) for a in s.arguments]
        changing, fixed = [[self._number(n) for n in nodes] for nodes in (s.changing, s.fixed)]
        table = (s.table.kernels, s.table.words.tobytes(), s.table.what.tobytes())
        return ("section", s.name, changing, fixed, arguments, table, s.workspace, s.pooled, s.release)

    def _host(self, s: Host) -> Any:
        inside = [(self._number(n), node_form(n, self._number)) for n in s.nodes]
        return ("host", inside, [self._number(n) for n in s.outputs])


# -- and back ------------------------------------------------------------------------------------------------------------------


def restored(program: Program, key: str, target: Target) -> Runner | None:
    """The program as it was stored under the key."""
    library = load(key, target)
    if library is None:
        return None
    try:
        steps, values, blocks, outputs = library.meta
        if len(outputs) != len(program.outputs):
            raise ValueError
        back = _Restoring(program, values, blocks, outputs)
        segments = [back.section(*s[1:]) if s[0] == "section" else back.host(*s[1:]) for s in steps]
    except (TypeError, KeyError, IndexError, ValueError):  # another version's, or damaged before it was stored
        store = _cache.default()
        if store is not None:
            store.drop(key)
        return None
    for s in segments:
        if isinstance(s, Section):
            s.load(library)
    return runner(Plan(back.program, segments, back.memory, back.direct))


class _Restoring:
    """The nodes of a description; those that have memory of their own stand for nothing but it."""

    def __init__(self, program: Program, values: Sequence[Any], blocks: Sequence[int], outputs: Sequence[Any]) -> None:
        made = [Node("output", (), shape, np.dtype(dtype)) for shape, dtype in outputs]
        self.program = Program(program.inputs, made)
        self.memory: dict[int, Any] = {}
        self.direct: dict[int, int] = {}
        self.blocks = [aligned(max(1, size)) for size in blocks]
        self.nodes: list[Node] = []
        for value in values:
            self.nodes.append(self._node(*value))

    def _node(self, kind: str, *rest: Any) -> Node:
        if kind in ("input", "output"):
            given: list[Node] = self.program.inputs if kind == "input" else self.program.outputs
            return given[int(rest[0])]
        if kind == "const":
            array = revived(rest[0])
            return Node("const", (), array.shape, array.dtype, {"value": array})
        if kind == "errors":
            return Node("errors", (), (3,), np.int64)
        if kind == "node":
            return self._computed(rest[0])
        where, *first, shape, dtype = rest
        node = Node(kind, (), shape, np.dtype(dtype))
        if kind == "direct":
            self.direct[id(node)] = where
        else:
            self.memory[id(node)] = self.blocks[where][first[0] : first[0] + node.bytes].view(node.dtype).reshape(shape)
        return node

    def _computed(self, form: Any) -> Node:
        return node_of(form, self.nodes.__getitem__)

    def section(
        self, name: str, changing: Sequence[int], fixed: Sequence[int], arguments: Sequence[Any], table: Sequence[Any], workspace: int,
        pooled: int | None, release: bool,
    ) -> Section:  # fmt: skip
        s = Section()
        s.name, s.memory, s.workspace, s.pooled, s.release = name, self.memory, workspace, pooled, release
        s.changing, s.fixed = [[self.nodes[k] for k in places] for places in (changing, fixed)]
        s.arguments = [Argument(shape, d if d is None else np.dtype(d), written, fresh) for shape, d, written, fresh in arguments]
        kernels, words, what = table
        s.table = Table(kernels, np.frombuffer(words, np.int64), np.frombuffer(what, np.int32))
        return s

    def host(self, inside: Sequence[Any], outputs: Sequence[int]) -> Host:
        for k, form in inside:
            told = self._computed(form)
            node = self.nodes[k]  # it may stand for memory, which is found by this very node
            node.op, node.args, node.attrs = told.op, told.args, told.attrs
        return Host(tuple([self.nodes[k] for k, _ in inside]), tuple([self.nodes[k] for k in outputs]))


__all__ = ["described", "key_of", "obtained", "restored"]
