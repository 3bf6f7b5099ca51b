"""A program taken apart: the kernels that it became, what each computes and moves, the memory between them, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from math import prod
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from .native.section import Host
from .native.segment import parallel
from .native.sharing import Call
from .program.ir import Node, Program
from .program.kinds import compute

if TYPE_CHECKING:
    from .native.engine import Native
    from .native.engine import Part as Planned
    from .native.run import Steps
    from .native.section import Section
    from .native.target import Target

_FREE = frozenset({"input", "const", "iota", "view", "item"})  # nothing is computed, nothing moved
_ROUNDS = (5, 200)  # how often everything is measured: at least, at most
_SECONDS = 0.5  # and how long, in between
_LONG = 1e-5  # what is measured at once takes so long, or
_TIMES = 50  # so many calls
_SOON = 1e-3  # what takes so long has woken all threads after a small part of it


@dataclass
class Part:
    """What a kernel, or some, one after the other, compute; or NumPy, between kernels.

    Parts of one kind, shape and origin are told as one: ``calls`` of them, whose ``arithmetic`` (additions, multiplications, calls of
    mathematical functions), ``bytes`` (read and written) and ``seconds`` (of a run, if it was measured) are added up.  ``nodes`` are the
    program's operations in it, ``operations`` the names of the user's operations that they come from, ``lines`` the user's lines.
    ``kernels`` are the names of the functions, none on NumPy; ``why`` then says why.  ``chunks`` is in how many pieces threads share the
    work; 0 where it is too small to be shared.
    """

    kernels: tuple[str, ...]
    kind: str
    shape: str
    operations: tuple[str, ...]
    lines: tuple[str, ...]
    nodes: tuple[Node, ...] = field(repr=False)
    arithmetic: int
    bytes: int
    calls: int = 1
    chunks: int = 0
    why: str = ""
    seconds: float | None = None

    @property
    def native(self) -> bool:
        return bool(self.kernels)


@dataclass
class Memory:
    """Bytes that a run needs: given to it, made for its results, constants; ``values`` between kernels, which share ``buffers``."""

    inputs: int = 0
    outputs: int = 0
    constants: int = 0
    values: int = 0
    buffers: int = 0
    workspace: int = 0  # for each thread


@dataclass
class Breakdown:
    """A program's parts, in order; ``engine`` is ``"native"`` or ``"NumPy"``."""

    program: Program
    engine: str
    parts: list[Part]
    memory: Memory
    native_calls: int = 0
    kernels: int = 0  # different ones
    vector: int = 0  # bits of a vector register


def taken_apart(program: Program, native: Native | None, inputs: Sequence[Any] | None) -> Breakdown:
    """``native`` is the plan for this machine, None where NumPy runs the program.  With ``inputs`` every part is measured; they stay."""
    if native is None:
        seconds = None if inputs is None else _numpy_seconds(program, inputs)
        parts = [_alone(node) for node in program.nodes() if node.op not in _FREE]
        if seconds is not None:
            for part in parts:
                part.seconds = seconds[id(part.nodes[0])]
        memory = Memory(outputs=sum(n.bytes for n in program.outputs), inputs=sum(n.bytes for n in program.inputs))
        memory.constants = sum(n.bytes for n in program.nodes() if n.op == "const")
        memory.values = memory.buffers = sum(p.nodes[0].bytes for p in parts)
        return Breakdown(program, "NumPy", merged(parts), memory)
    parts = [_planned(p) for p in native.parts if p.steps]
    if inputs is not None:
        _measure(native, parts, inputs)
    parts = _with_items(parts, native)
    kernels = {call.kernel.name for call in _calls(native)}
    coded = [False, *[isinstance(step, Call) for step in native.steps]]
    calls = sum(now and not before for before, now in zip(coded, coded[1:]))
    return Breakdown(native.program, "native", merged(parts), _memory(native), calls, len(kernels), native.target.bits)


def merged(parts: Iterable[Part]) -> list[Part]:
    """Equal parts as one, where the first of them is."""
    found: dict[Any, Part] = {}
    for part in parts:
        key = (part.native, part.kind, part.shape, part.operations, part.lines, part.why)
        first = found.setdefault(key, part)
        if first is not part:
            first.calls += part.calls
            first.arithmetic += part.arithmetic
            first.bytes += part.bytes
            first.nodes += part.nodes
            first.chunks = max(first.chunks, part.chunks)
            first.kernels = tuple(dict.fromkeys((*first.kernels, *part.kernels)))
            if first.seconds is not None and part.seconds is not None:
                first.seconds += part.seconds
    return list(found.values())


def _with_items(parts: Sequence[Part], native: Native) -> list[Part]:
    """What is taken out of a host call's results belongs to the call."""
    calls: dict[int, Part] = {}
    kept = []
    for part, planned in zip(parts, [p for p in native.parts if p.steps], strict=True):
        last = planned.group.nodes[-1]
        if last.op == "item" and id(last.args[0]) in calls:
            call = calls[id(last.args[0])]
            call.bytes += last.bytes
            call.seconds = None if call.seconds is None else call.seconds + (part.seconds or 0.0)
            continue
        if last.op == "call":
            calls[id(last)] = part
            part.bytes = sum(a.bytes for a in last.args)
        kept.append(part)
    return kept


def arithmetic(node: Node) -> int:
    """Additions, multiplications and calls of mathematical functions."""
    if node.op == "order":
        return node.args[0].size
    if node.op in ("map", "scan", "scatter"):
        return 0 if node.op == "map" and node.attrs["fn"] == "cast" else node.size
    if node.op == "reduce":
        return node.args[0].size
    if node.op == "matmul":
        return 2 * node.size * node.args[0].shape[-1]
    if node.op == "conv":
        return 2 * node.size * prod(node.args[1].shape[1:])
    if node.op == "conv_input":
        return 2 * node.args[0].size * prod(node.args[1].shape[1:])
    if node.op == "conv_weight":
        return 2 * node.args[0].size * prod(node.shape[1:])
    return 0


# -- one part --------------------------------------------------------------------------------------------------------------


def _calls(native: Native) -> list[Call]:
    return [step for step in native.steps if isinstance(step, Call)]


def _planned(part: Planned) -> Part:
    group, first = part.group, part.steps[0]
    if not isinstance(first, Call):
        nodes = first.nodes
        reads = {id(a): a.bytes for n in nodes for a in n.args if a not in nodes}
        moved = sum(reads.values()) + sum(n.bytes for n in group.outputs)
        last = group.nodes[-1]
        return _part((), last.op, last, nodes, moved, _no_kernel(last, part.why))
    kernels = [call.kernel for call in part.steps if isinstance(call, Call)]
    main = next((n for n in group.nodes if n.op not in ("map", "view")), group.nodes[-1])
    found = _part([k.name for k in kernels], _kind(group), main, group.nodes, sum(k.bytes for k in kernels))
    found.chunks = max([k.chunks for k in kernels if parallel(k)], default=0)
    if group.kind == "loops" and group.shape:
        found.shape = _times(group.shape)
    return found


def _alone(node: Node) -> Part:
    return _part((), node.attrs["fn"] if node.op == "map" else node.op, node, (node,), node.bytes + sum(a.bytes for a in node.args))


def _part(kernels: Sequence[str], kind: str, node: Node, nodes: Sequence[Node], moved: int, why: str = "") -> Part:
    nodes = tuple([n for n in nodes if n.op not in _FREE])
    operations = tuple(dict.fromkeys(n.source.operation for n in nodes if n.source.operation))
    lines = tuple(dict.fromkeys(n.source.line for n in nodes if n.source.line))
    return Part(tuple(kernels), kind, _shape(node), operations, lines, nodes, sum(map(arithmetic, nodes)), moved, why=why)


def _kind(group: Any) -> str:
    if group.kind == "loops":
        return "reduction" if group.axes else "gather" if any(n.op == "gather" for n in group.nodes) else "elementwise"
    return str(group.nodes[-1].op if group.kind == "host" else group.nodes[0].op)


def _no_kernel(node: Node, why: str) -> str:
    if node.op == "call":
        return f"there is no kernel for {node.source.operation or 'a host call'}"
    return f"{node.op} of {node.dtype}: {why.strip(chr(39)) or 'there is no kernel'}"


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "1"


def _shape(node: Node) -> str:
    if node.op == "matmul":
        a, b = node.args
        return f"{_times(a.shape)} · {_times(b.shape[-2:])}"
    return _times(node.args[0].shape if node.op in ("reduce", "call") and node.args else node.shape)


# -- memory ----------------------------------------------------------------------------------------------------------------


def _memory(native: Native) -> Memory:
    program = native.program
    constants = {id(b.node): b.node for call in _calls(native) for b in call.buffers if b.node.op == "const"}
    found = Memory(sum(n.bytes for n in program.inputs), sum(n.bytes for n in program.outputs), sum(n.bytes for n in constants.values()))
    end = 0
    for start, size in sorted((a.ctypes.data, a.nbytes) for a in native.memory.values()):
        found.values += size
        found.buffers += max(0, start + size - max(start, end))
        end = max(end, start + size)
    found.workspace = max([call.kernel.workspace for call in _calls(native)], default=0)
    return found


# -- time ------------------------------------------------------------------------------------------------------------------


def _rounds(once: Callable[[], Any]) -> None:
    least, most = _ROUNDS
    end = time.perf_counter() + _SECONDS
    for k in range(most):
        once()
        if k + 1 >= least and time.perf_counter() > end:
            return


def _measure(native: Native, parts: Sequence[Part], inputs: Sequence[Any]) -> None:
    """The median of each part's steps.  Every step is a call of its own from Python; what that costs is not counted.

    What is shorter than some microseconds is run several times in a row.
    """
    from .native.run import Steps

    steps = Steps(native.link(apart=True))
    nothing = _nothing(native.target)
    segments = [*steps.plan.segments, nothing]
    times, warm = [1] * len(segments), [False] * len(segments)
    copies = [np.array(a, order="C") for a in inputs]
    took: list[list[float]] = [[] for _ in segments]

    def once() -> None:
        for copy, given in zip(copies, inputs, strict=True):
            copy[...] = given
        values = steps.values(copies) | {id(n): np.zeros(1) for n in nothing.changing}
        for k, segment in enumerate(segments):
            took[k].append(_timed(steps, segment, values, times[k], warm[k]))

    once()
    for k, segment in enumerate(segments):
        if not isinstance(segment, Host):
            once_took = took[k].pop()
            times[k], warm[k] = max(1, min(_TIMES, round(_LONG / max(once_took, 1e-9)))), once_took < _SOON
    _rounds(once)
    *medians, call = map(median, took)
    each = iter([m if isinstance(s, Host) else max(0.0, m - call) for m, s in zip(medians, segments, strict=False)])
    planned = [p for p in native.parts if p.steps]
    for part, plan in zip(parts, planned, strict=True):
        part.seconds = sum(next(each) for _ in plan.steps)


def _timed(steps: Steps, segment: Section | Host, values: dict[int, Any], times: int, warm: bool) -> float:
    """Seconds of one call, over ``times`` calls if it is a kernel's, after one that does not count if ``warm``."""
    if isinstance(segment, Host):
        begun = time.perf_counter()
        steps.step(segment, values)
        return time.perf_counter() - begun
    enter, arrays = segment.enter, [values[id(n)] for n in segment.changing]
    if warm:
        enter(*arrays)  # wakes the threads that it shares its work with, as the program's kernels before it do
    begun = time.perf_counter()
    for _ in repeat(None, times):
        enter(*arrays)
    seconds = (time.perf_counter() - begun) / times
    segment.status[:] = 0  # a kernel that writes over what it reads may have found an index out of bounds the next time
    return seconds


def _nothing(target: Target) -> Section:
    """A native function of some arrays that does nothing."""
    from .native.call import Argument
    from .native.emitter import Module
    from .native.jit import compile_text
    from .native.section import Section
    from .native.table import Table

    module = Module(target)
    module.function("nothing", "ptr %block", linkage="").ret()
    section = Section()
    section.name, section.memory, section.fixed, section.workspace, section.release = "nothing", {}, [], 0, False
    section.table = Table.of([])
    section.changing = [Node("input", (), (1,), np.float64) for _ in range(4)]
    section.arguments = [Argument(n.shape, n.dtype) for n in section.changing]
    section.load(compile_text(module.text(), target))
    return section


def run_seconds(run: Callable[..., Any], inputs: Sequence[Any]) -> float:
    """The median of runs of the whole program on copies of its inputs, each right after another one, as in a loop."""
    copies = [np.array(a, order="C") for a in inputs]
    took: list[float] = []

    def once() -> None:
        for copy, given in zip(copies, inputs, strict=True):
            copy[...] = given
        run(copies)
        begun = time.perf_counter()
        run(copies)
        took.append(time.perf_counter() - begun)

    _rounds(once)
    return median(took)


def _numpy_seconds(program: Program, inputs: Sequence[Any]) -> dict[int, float]:
    """Seconds by node."""
    nodes = program.nodes()
    took: dict[int, list[float]] = {id(n): [] for n in nodes}
    runs = {id(n): compute(n) for n in nodes if n.op != "input"}

    def once() -> None:
        values: dict[int, Any] = {}
        for node in nodes:
            if node.op == "input":
                values[id(node)] = np.array(inputs[node.attrs["index"]])
                continue
            given = [values[id(a)] for a in node.args]
            begun = time.perf_counter()
            values[id(node)] = runs[id(node)](*given)
            took[id(node)].append(time.perf_counter() - begun)

    with np.errstate(all="ignore"):
        _rounds(once)
    return {k: median(v) for k, v in took.items() if v}


__all__ = ["Breakdown", "Memory", "Part", "arithmetic", "merged", "run_seconds", "taken_apart"]
