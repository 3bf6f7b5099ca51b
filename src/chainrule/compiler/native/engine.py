"""From a program to machine code and back: kernels in order, their memory, and the calls.

Consecutive groups that have kernels become one native function; what only NumPy computes runs between them.  Values lie in buffers that
are made once and used again as soon as nothing reads them; what the caller gets is new at every call.  A value that is only stored to
an input's memory is written there directly where nobody reads the old one any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..program.ir import Node, Program
from ..program.kinds import compute
from ..schedule.fuse import fuse
from ..schedule.group import Group
from ..schedule.reads import base_of, expanded
from . import loops, pool
from .call import ARRAY, Entry, emit_entry
from .contract import contraction
from .emitter import Module
from .jit import compile_text
from .kernel import Kernel
from .loops_index import NotAffine
from .loops_moves import MOVES, emit_move
from .target import Target, host

_PARALLEL = 60_000  # operations and words from which the pool pays
_MOST = 4000  # groups; longer programs run on NumPy until kernels are shared
_ALIGN = 64


class Buffer(NamedTuple):
    """A pointer of a kernel's: into the memory of a node, from an element on."""

    node: Node
    offset: int  # in bytes


class Call(NamedTuple):
    kernel: Kernel
    buffers: tuple[Buffer, ...]


class Host(NamedTuple):
    """Nodes that NumPy computes, one after the other; the values of ``outputs`` are put into memory."""

    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]


class TooLong(Exception):
    """A program with more groups than is worth compiling."""


def build(program: Program, target: Target | None = None) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]]:
    """The program as a function of (inputs, scalars), as :func:`chainrule.compiler.program.execute.prepare` gives it.

    Raises TooLong for a program that has to run on NumPy.
    """
    return Native(program, target or host()).run


class Native:
    """A compiled program."""

    def __init__(self, program: Program, target: Target) -> None:
        if program.scalars:
            raise TooLong
        self.program = program
        self.target = target
        self.lock = threading.Lock()
        groups = fuse(program)
        if len(groups) > _MOST:
            raise TooLong
        self.module = Module(target)
        self.steps: list[Call | Host] = []
        self.readers: dict[int, int] = {}  # the last step that reads a node's memory
        self.written: dict[int, int] = {}  # the step that writes it
        self.made: list[Node] = []
        for group in groups:
            self._plan(group)
        self.outputs = [n if id(n) in self.written else None for n in program.outputs]
        self.direct = self._direct(groups)
        self.memory: dict[int, Any] = {}
        self._place()
        self.segments: list[Segment | Host] = self._segments()

    # -- from groups to steps --------------------------------------------------------------------------------------------

    def _plan(self, group: Group) -> None:
        try:
            calls = self._calls(group)
        except (NotAffine, ValueError, TypeError, KeyError, NotImplementedError):
            calls = None
        if calls is None:
            inside, reads = expanded(group)
            step: list[Call | Host] = [Host(tuple(inside), group.outputs)]
        else:
            step = list(calls)
            reads = [b.node for c in calls for b in c.buffers]
        self.steps += step
        number = len(self.steps) - 1
        for node in reads:
            self.readers[id(base_of(node))] = number
        between = {id(n): n for n in reads if n.op == "temp"}
        for node in [*group.outputs, *between.values()]:
            self.written[id(node)] = number - len(step) + 1
            self.made.append(node)

    def _calls(self, group: Group) -> list[Call] | None:
        last = group.nodes[-1]
        if group.kind == "host" and (last.op not in MOVES or not last.size):
            return None
        if group.kind in ("host", "loops"):
            inside, _ = expanded(group)
            if group.kind == "host":
                made = emit_move(self.module, "move", inside, last)
            else:
                made = loops.emit(self.module, "loop", inside, group.outputs)
            return [Call(c.kernel, tuple([Buffer(n, 0) for n in c.buffers])) for c in made]
        kernel, pointers = contraction(self.module, group.nodes[0])
        return [Call(kernel, tuple([Buffer(n, offset) for n, offset in pointers]))]

    # -- memory ----------------------------------------------------------------------------------------------------------

    def _direct(self, groups: Sequence[Group]) -> dict[int, int]:
        """Nodes that are written to an input's memory at once (node, input)."""
        outputs = {id(n) for n in self.program.outputs}
        group_of = {id(n): g for g in groups for n in g.outputs}
        stored: dict[int, list[int]] = {}
        for index, node in self.program.stores:
            stored.setdefault(id(node), []).append(index)
        found: dict[int, int] = {}
        for index, node in self.program.stores:
            group = group_of.get(id(node))
            if group is None or group.kind != "loops" or group.axes or id(node) in outputs or len(stored[id(node)]) != 1:
                continue
            given = self.program.inputs[index]
            last = self.readers.get(id(given), -1) <= self.written[id(node)]
            alone = not any(base_of(o) is given for o in self.program.outputs)
            if last and alone and not _viewed(group, given):
                found[id(node)] = index
        return found

    def _place(self) -> None:
        """Memory for what is kept between kernels; a buffer is used again when its last reader has run."""
        free: dict[int, list[Any]] = {}
        ends: dict[int, list[Any]] = {}
        outputs = {id(n) for n in self.program.outputs}
        ending = {id(base_of(n)) for n in self.program.roots()}  # read when all has run, through their views
        for node in sorted(self.made, key=lambda n: self.written[id(n)]):
            step = self.written[id(node)]
            for k in [k for k in ends if k < step]:
                for size, block in ends.pop(k):
                    free.setdefault(size, []).append(block)
            if id(node) in outputs or id(node) in self.direct or node.op == "call":
                continue
            size = -(-max(1, node.bytes) // _ALIGN) * _ALIGN
            block = free[size].pop() if free.get(size) else _aligned(size)
            self.memory[id(node)] = block[: node.bytes].view(node.dtype).reshape(node.shape)
            last = len(self.steps) if id(node) in ending else self.readers.get(id(node), step)
            ends.setdefault(last, []).append((size, block))

    # -- native functions --------------------------------------------------------------------------------------------------

    def _segments(self) -> list[Segment | Host]:
        out: list[Segment | Host] = []
        run: list[Call] = []
        names: list[tuple[list[Call], str]] = []
        for step in [*self.steps, None]:
            if isinstance(step, Call):
                run.append(step)
                continue
            if run:
                segment = Segment(self, run, len(names))
                names.append((run, segment.name))
                out.append(segment)
                run = []
            if step is not None:
                out.append(step)
        entries = [s for s in out if isinstance(s, Segment)]
        for s in entries:
            s.emit()
        if entries:
            library = compile_text(self.module.text(), self.target)
            for s in entries:
                s.load(library)
        return out

    # -- running -----------------------------------------------------------------------------------------------------------

    def run(self, inputs: Sequence[Any], scalars: Sequence[Any] = ()) -> list[Any]:
        """The outputs; stores are written into ``inputs``."""
        program = self.program
        with self.lock:
            values: dict[int, Any] = {id(n): a for n, a in zip(program.inputs, inputs, strict=True)}
            for node in self.outputs:
                if node is not None and id(node) not in values:
                    values[id(node)] = np.empty(node.shape, node.dtype)
            for node_id, index in self.direct.items():
                values[node_id] = inputs[index]
            for segment in self.segments:
                if isinstance(segment, Host):
                    self._on_host(segment, values)
                else:
                    segment.run(values)
            results: list[Any] = []
            given: set[int] = set()
            for node in program.outputs:
                array = self._array(node, values)
                results.append(array if id(node) in self.written and id(node) not in given else np.array(array, order="C"))
                given.add(id(node))
            pending = [(i, n) for i, n in program.stores if id(n) not in self.direct]
            fresh = [np.array(self._array(n, values)) if n.op in ("view", "input") else self._array(n, values) for _, n in pending]
            for (index, _), array in zip(pending, fresh, strict=True):
                inputs[index][...] = array
            return results

    def _array(self, node: Node, values: dict[int, Any]) -> Any:
        """A node's value as an array; views of what lies in memory are taken by NumPy."""
        found = values.get(id(node))
        if found is None:
            found = self.memory.get(id(node))
        if found is None:
            found = np.asarray(compute(node)(*[self._array(a, values) for a in node.args]))
        return found

    def _on_host(self, step: Host, values: dict[int, Any]) -> None:
        local = dict(values)
        with np.errstate(all="ignore"):
            for node in step.nodes:
                local[id(node)] = compute(node)(*[self._array(a, local) for a in node.args])
        for node in step.outputs:
            value = local[id(node)]
            if node.op == "call":
                values[id(node)] = value
            elif id(node) in self.memory:
                self.memory[id(node)][...] = value
            elif id(node) in values:
                values[id(node)][...] = value
            else:
                values[id(node)] = np.asarray(value)


class Segment:
    """Kernels that run one after the other as one native call."""

    def __init__(self, native: Native, calls: Sequence[Call], number: int) -> None:
        self.native = native
        self.calls = list(calls)
        self.name = f"segment{number}"
        nodes = {id(b.node): b.node for c in calls for b in c.buffers}
        self.errors = id(loops.ERRORS) in nodes
        fixed = [n for n in nodes.values() if id(n) in native.memory or n.op == "const" or n is loops.ERRORS]
        held = {id(n) for n in fixed}
        self.changing = [n for n in nodes.values() if id(n) not in held]
        self.fixed = fixed
        self.workspace = max([c.kernel.workspace for c in calls], default=0)

    def emit(self) -> None:
        module = self.native.module
        slots = {id(n): k for k, n in enumerate([*self.changing, *self.fixed])}
        f = module.function(self.name, "ptr %block")
        space = f.load("ptr", f.gep("%block", len(slots), "ptr"))
        most = max([c.kernel.buffers for c in self.calls], default=1)
        pointers = f.op(f"alloca [{max(1, most)} x ptr], align 8")
        for call in self.calls:
            for k, buffer in enumerate(call.buffers):
                start = f.load("ptr", f.gep("%block", slots[id(buffer.node)], "ptr"))
                f.store("ptr", f.gep(start, buffer.offset), f.gep(pointers, k, "ptr"))
            self._run(f, call.kernel, pointers, space)
        f.ret()
        emit_entry(module, self.name, [ARRAY] * len(self.changing), fixed=len(self.fixed) + 1, prefix=self.name)

    def _run(self, f: Any, kernel: Kernel, pointers: str, space: str) -> None:
        if kernel.chunks > 1 and kernel.flops + kernel.bytes // 4 >= _PARALLEL:
            pool.run_chunks(f, kernel.name, pointers, kernel.chunks, kernel.workspace)
        elif kernel.chunks == 1:
            f.call(kernel.name, f"ptr {pointers}", "i64 0", f"ptr {space}")
        else:
            f.loop(0, kernel.chunks, 1, lambda i, _: [f.call(kernel.name, f"ptr {pointers}", f"i64 {i}", f"ptr {space}")] and None)

    def load(self, library: Any) -> None:
        self.entry = Entry(library, [ARRAY] * len(self.changing), release=True, prefix=self.name)
        self.status = np.zeros(3, np.int64)
        for k, node in enumerate(self.fixed):
            if node is loops.ERRORS:
                array = self.status
            elif node.op == "const":
                array = np.array(node.attrs["value"], order="C")
            else:
                array = self.native.memory[id(node)]
            self.entry.bind(k, array)
        if self.workspace:
            pool.reserve(self.workspace)
        self.entry.bind(len(self.fixed), _aligned(max(_ALIGN, self.workspace)))

    def run(self, values: dict[int, Any]) -> None:
        self.entry(tuple([values[id(n)] for n in self.changing]))
        if self.errors and self.status[0]:
            index, size = int(self.status[1]), int(self.status[2])
            self.status[:] = 0
            raise IndexError(f"index {index} is out of bounds for {size} elements")


def _viewed(group: Group, given: Node) -> bool:
    """Whether the group looks at an input anywhere but at the element that it is about to write."""
    inside, _ = expanded(group)
    return any(given in n.args and (n.op != "map" or n.shape != given.shape) for n in inside)


def _aligned(size: int) -> Any:
    """Bytes that begin at a multiple of 64."""
    whole = np.empty(size + _ALIGN, np.uint8)
    start = -whole.ctypes.data % _ALIGN
    return whole[start : start + size]
