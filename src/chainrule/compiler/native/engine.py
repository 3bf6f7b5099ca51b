"""From a program to machine code and back: kernels in order, their memory, and the calls.

Consecutive groups that have kernels become one native function; what only NumPy computes runs between them.  Values lie in buffers that
are made once and used again as soon as nothing reads them; what the caller gets is new at every call.  A value that is only stored to
an input's memory is written there directly where nobody reads the old one any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..passes.operands import laid_out
from ..program.ir import Node, Program
from ..schedule.epilogue import parted
from ..schedule.fuse import fuse
from ..schedule.group import Group
from ..schedule.inside import pieces_inside
from ..schedule.reads import base_of, expanded
from . import loops
from .emitter import Module
from .jit import compile_text
from .loops_index import NotAffine
from .loops_moves import MOVES, emit_move
from .regions import Regions, gathered
from .run import Plan, Runner, TooLong, runner
from .section import ALIGN, Host, Section, aligned
from .segment import Segment
from .sharing import Buffer, Call, Sharing
from .stored import described
from .target import Target, host

_KERNELS = 4000  # different ones: compiling more takes minutes
_GROUPS = 60_000  # calls of them; each is some instructions
REFUSED = (NotAffine, ValueError, TypeError, KeyError, NotImplementedError)  # what emitting raises for a group that it cannot write
_UNOWNED = frozenset({"view", "input", "const", "iota"})  # what lies in no memory of its own


def build(program: Program, target: Target | None = None, key: str | None = None) -> Runner:
    """The program as a function of its inputs, as :func:`chainrule.compiler.program.execute.prepare` gives it.

    Raises TooLong for a program that has to run on NumPy.  With a ``key`` the plan is stored under it, see :mod:`.stored`.
    """
    native = Native(program, target or host())
    return runner(native.link(key=key))


def owned(program: Program) -> Program:
    """The program with a copy where an output would share its memory with something else."""
    seen: set[int] = set()
    outputs = []
    for node in program.outputs:
        if node.op in _UNOWNED or id(node) in seen:
            node = _copy(node)
        seen.add(id(node))
        outputs.append(node)
    return Program(program.inputs, outputs, program.stores)


def _copy(node: Node) -> Node:
    return Node("map", (node,), node.shape, node.dtype, {"fn": "cast"}, node.source)


class Part(NamedTuple):
    """What became of a group; ``why`` has the reason that an attempt to write its kernels gave up for."""

    group: Group
    steps: tuple[Call | Host, ...]
    why: str


class Native:
    """A program, planned for a machine.  ``parts`` has its ``steps`` by group, in order."""

    def __init__(self, program: Program, target: Target) -> None:
        program, self.inside = pieces_inside(laid_out(owned(program)))
        self.program = program
        self.target = target
        groups = fuse(program)
        if len(groups) > _GROUPS:
            raise TooLong
        self.module = Module(target)
        self.sharing = Sharing(lambda group, inside: kernels(self.module, group, inside))
        self.steps: list[Call | Host] = []
        self.parts: list[Part] = []
        self.readers: dict[int, int] = {}  # the last step that reads a node's memory
        self.written: dict[int, int] = {}  # the step that writes it
        self.made: list[Node] = []
        self.loaded: set[int] = set()  # what kernels read
        self.hosted: set[int] = set()  # what NumPy computes
        for group in groups:
            self._plan(group)
            if len(self.sharing) > _KERNELS:
                raise TooLong
        self.direct = self._direct(groups)
        self._store()
        self.regions = self._regions()
        self.memory: dict[int, Any] = {}
        self._place()

    def link(self, apart: bool = False, key: str | None = None) -> Plan:
        """The program as machine code; with ``apart`` every step can be run by itself."""
        plan = Plan(self.program, self._segments(apart), self.memory, self.direct)
        sections = [s for s in plan.segments if isinstance(s, Section)]
        if sections:
            meta = described(plan) if key else None
            library = compile_text(self.module.text(), self.target, meta=meta, key=key if meta is not None else None)
            for s in sections:
                s.load(library)
        return plan

    # -- from groups to steps --------------------------------------------------------------------------------------------

    def _plan(self, group: Group) -> None:
        why = ""
        try:
            calls = calls_of(self.sharing, group)
        except REFUSED as error:
            if group.kind in ("matmul", "conv") and len(group.nodes) > 1:
                for part in parted(group):
                    self._plan(part)
                return
            calls, why = None, str(error)
        if calls is None:
            inside, reads = expanded(group)
            step: list[Call | Host] = [Host(tuple(inside), group.outputs)]
            self.hosted |= {id(n) for n in group.outputs}
        else:
            step = list(calls)
            reads = [b.node for c in calls for b in c.buffers]
            self.loaded |= {id(base_of(n)) for n in reads}
        self.steps += step
        self.parts.append(Part(group, tuple(step), why))
        number = len(self.steps) - 1
        for node in reads:
            self.readers[id(base_of(node))] = number
        between = {id(n): n for n in reads if n.op == "temp"}
        for node in [*group.outputs, *between.values()]:
            self.written[id(node)] = number - len(step) + 1
            self.made.append(node)

    def _regions(self) -> list[int]:
        """The region of each step; from here on the numbers of steps that read and write memory are those of regions."""
        found = Regions()
        out: list[int] = []
        for part in self.parts:
            for step in part.steps:
                if isinstance(step, Host):
                    out.append(found.alone())
                    continue
                nodes = [b.node for b in step.buffers]
                made = [*part.group.outputs, *[n for n in nodes if n.op == "temp" or n is loops.ERRORS]]
                out.append(found.add(map(self._lies, nodes), map(self._lies, made)))
        number = dict(enumerate([*out, found.alone()])) | {-1: -1}  # groups without calls come before a step, or after all
        self.written = {node: number[step] for node, step in self.written.items()}
        self.readers = {node: number[step] for node, step in self.readers.items()}
        return out

    def _lies(self, node: Node) -> int:
        """Whose memory a node's value is in."""
        node = base_of(node)
        if id(node) in self.direct:
            return id(self.program.inputs[self.direct[id(node)]])
        return id(self.inside[id(node)].whole) if id(node) in self.inside else id(node)

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

    def _store(self) -> None:
        """Copies at the end for what is stored and not written to its place at once; old values that are stored are taken aside first."""
        pending = [(i, n) for i, n in self.program.stores if id(n) not in self.direct]
        targets = {id(self.program.inputs[i]) for i, _ in self.program.stores}
        values = [n if id(base_of(n)) not in targets else _copy(n) for _, n in pending]
        copies = [_copy(n) for n in values]
        for node in [*[n for n, (_, old) in zip(values, pending, strict=True) if n is not old], *copies]:
            self._plan(Group("loops", (node,), (node,), node.shape, ()))
        self.direct |= {id(n): i for n, (i, _) in zip(copies, pending, strict=True)}
        self.stored = copies  # nodes of the plan, kept alive with their identities

    def _place(self) -> None:
        """Memory for what is kept between kernels; a buffer is used again when its last reader has run."""
        free: dict[int, list[Any]] = {}
        ends: dict[int, list[Any]] = {}
        elsewhere = {id(n) for n in self.program.outputs} | self.direct.keys()
        lasts = self._lasts()
        over = 0
        for node in sorted(self.made, key=lambda n: self.written[id(n)]):
            step = self.written[id(node)]
            for k in range(over, step):
                for size, block in ends.pop(k, ()):
                    free.setdefault(size, []).append(block)
            over = step
            if id(node) in elsewhere or node.op == "call":
                continue
            if id(node) in self.hosted and id(node) not in self.loaded and id(node) not in self.inside:
                continue  # an array of NumPy's, new at every call
            whole, start = self.inside.get(id(node), (node, 0))
            if id(whole) not in self.memory:
                size = -(-max(1, whole.bytes) // ALIGN) * ALIGN
                block = free[size].pop() if free.get(size) else aligned(size)
                self.memory[id(whole)] = block[: whole.bytes].view(whole.dtype).reshape(whole.shape)
                ends.setdefault(max(step, lasts.get(id(whole), step)), []).append((size, block))
            if whole is not node:
                self.memory[id(node)] = self.memory[id(whole)].reshape(-1)[start : start + node.size].reshape(node.shape)

    def _lasts(self) -> dict[int, int]:
        """The last step that reads a node's memory, or what lies inside of it; views of it that the caller gets are read at the end."""
        found = self.readers | {id(base_of(n)): len(self.steps) for n in self.program.roots()}
        for node, (whole, _) in self.inside.items():
            found[id(whole)] = max(found.get(id(whole), -1), found.get(node, -1))
        return found

    # -- native functions --------------------------------------------------------------------------------------------------

    def _segments(self, apart: bool) -> list[Section | Host]:
        written = {id(n): True for n in self.program.outputs} | dict.fromkeys(self.direct, False)
        out: list[Section | Host] = []
        for run in self._runs(apart):
            if isinstance(run, Host):
                out.append(run)
            else:
                calls, numbers = zip(*run, strict=True)
                out.append(Segment(self.module, gathered(calls, numbers), len(out), self.memory, written))
        return out

    def _runs(self, apart: bool) -> list[list[tuple[Call, int]] | Host]:
        """The steps, with those that follow each other and are kernels together, and their regions."""
        runs: list[list[tuple[Call, int]] | Host] = []
        for step, number in zip(self.steps, self.regions, strict=True):
            if isinstance(step, Host):
                runs.append(step)
            elif runs and not isinstance(last := runs[-1], Host) and not apart:
                last.append((step, number))
            else:
                runs.append([(step, number)])
        return runs


def calls_of(sharing: Sharing, group: Group) -> list[Call] | None:
    """The calls that compute a group; None, or one of :data:`REFUSED`, for one that has no kernels."""
    last = group.nodes[-1]
    if group.kind == "host" and (last.op not in MOVES or not last.size):
        return None
    return [c for c in sharing.calls(group) if c.kernel.chunks]


def kernels(module: Module, group: Group, inside: list[Node]) -> list[Call]:
    """Write a group's kernels into a module."""
    if group.kind in ("host", "loops"):
        if group.kind == "host":
            made = emit_move(module, "move", inside, group.nodes[-1])
        else:
            made = loops.emit(module, "loop", inside, group.outputs)
        return [Call(c.kernel, tuple([Buffer(n, 0) for n in c.buffers])) for c in made]
    from .contract import contraction  # many programs have none

    kernel, pointers = contraction(module, group, inside)
    return [Call(kernel, tuple([Buffer(n, offset) for n, offset in pointers]))]


def _viewed(group: Group, given: Node) -> bool:
    """Whether the group looks at an input anywhere but at the element that it is about to write."""
    inside, _ = expanded(group)
    return any(given in n.args and (n.op != "map" or n.shape != given.shape) for n in inside)
