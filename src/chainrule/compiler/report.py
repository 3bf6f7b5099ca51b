"""``explain_compile``: what became of a function, in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.generator import default_generator
from ..core.tensor import Tensor
from ..utils import _pytree as pytree
from . import report_text as show
from .breakdown import Breakdown, Part, arithmetic, run_seconds, taken_apart
from .capture.staged import Way
from .capture.variant import Variant
from .front import Compiled
from .passes.improve import improved
from .program.execute import prepare
from .program.ir import Program


@dataclass
class Line:
    """One of the user's lines: the program's operations that came of it, arithmetic, the kernels that compute it, and its share of
    their bytes and seconds (a kernel's are divided by the elements that each line's operations compute)."""

    where: str
    nodes: int = 0
    arithmetic: int = 0
    bytes: float = 0.0
    seconds: float | None = None
    names: list[str] = field(default_factory=list)
    kernels: list[str] = field(default_factory=list)


@dataclass
class Piece(Breakdown):
    """A program and what it became; ``run`` is the seconds of a whole run where it was measured.  ``name`` tells it from the others."""

    name: str = ""
    run: float | None = None


@dataclass
class Report:
    """What :func:`explain_compile` gives; ``print`` shows it, a notebook shows tables.

    ``pieces`` are the programs, of which ``program`` is the first, or None where the function runs as it is written: ``reasons`` says why,
    with the user's line each time.  ``splits`` are the places where Python goes by a value; the first piece then computes those.  A
    function with effects in Python is ``cut``: its pieces are programs with names of lines, and splits are what Python runs between them.
    ``guards`` are what the program depends on.  ``lines`` are the user's lines over all programs.  ``seconds`` tells how long each stage
    of making the program took, ``loaded`` whether its machine code came from the disk cache (None: there is none).  ``graphs``,
    ``graph_count``, ``graph_break_count``, ``break_reasons`` and ``op_count`` are what ``torch._dynamo.explain`` calls them.
    """

    pieces: list[Piece]
    reasons: list[tuple[str, str]]
    guards: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    loaded: bool | None = None
    splits: list[tuple[str, str]] = field(default_factory=list)
    cut: bool = False

    @property
    def program(self) -> Program | None:
        return self.pieces[0].program if self.pieces else None

    @property
    def kernels(self) -> list[Part]:
        """The parts of all programs."""
        return [part for piece in self.pieces for part in piece.parts]

    @property
    def lines(self) -> list[Line]:
        return by_line(self.kernels)

    @property
    def profiled(self) -> bool:
        return any(part.seconds is not None for part in self.kernels)

    @property
    def graphs(self) -> list[Program]:
        return [piece.program for piece in self.pieces]

    @property
    def graph_count(self) -> int:
        return len(self.pieces)

    @property
    def graph_break_count(self) -> int:
        return len(self.splits if self.pieces else self.reasons)

    @property
    def break_reasons(self) -> list[str]:
        return show.reasons(self.splits if self.pieces else self.reasons)

    @property
    def op_count(self) -> int:
        return sum(len(part.nodes) for part in self.kernels)

    def __str__(self) -> str:
        return "\n".join(show.text(block) for block in self._blocks())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(show.html(block) for block in self._blocks())

    def _blocks(self) -> list[show.Block]:
        """Sentences and tables."""
        if not self.pieces:
            return ["not one program; the function runs as it is written, because", *show.reasons(self.reasons, "  ")]
        blocks: list[show.Block] = []
        for piece in self.pieces:
            if piece is not self.pieces[0]:
                blocks.append("")
            blocks += show.told(piece, piece.name, piece.run)
            if piece is self.pieces[0]:
                blocks += self._made()
            blocks += ["", *show.kernel_table(piece.parts)]
        blocks += ["", show.line_table(self.lines, self.profiled)]
        if self.reasons:
            why = "it is cut into parts because" if self.cut else "before there was a program:"
            blocks += ["", why, *show.reasons(self.reasons, "  ")]
        return blocks

    def _made(self) -> list[show.Block]:
        told: list[show.Block] = [f"split where {why}" for why in show.reasons(self.splits)]
        if self.seconds:
            spans = ", ".join(f"{stage} {show.span(seconds)}" for stage, seconds in self.seconds.items() if seconds > 1e-6)
            how = {None: "", True: "; machine code from the disk cache", False: "; machine code compiled by this process"}[self.loaded]
            told.append(f"made in {show.span(sum(self.seconds.values()))}: {spans}{how}")
        if self.guards:
            told.append("it depends on " + "; ".join(self.guards))
        return told


def explain_compile(function: Any, *args: Any, profile: bool = False, **kwargs: Any) -> Report:
    """What :func:`chainrule.compile` makes of ``function`` for these arguments.

    ``function`` is a function, a module, or what ``compile`` gave for one.  If it was not compiled for such arguments yet it is
    called, three times at most, with all its effects.  ``profile=True`` measures every kernel on copies of what the program is
    given now, for about half a second, and the run as a whole; nothing is written and no random numbers are used up.

    >>> import chainrule as torch
    >>> report = torch.explain_compile(lambda x: torch.sin(x) * 2, torch.ones(3))
    >>> print(str(report).splitlines()[0])
    one program: 2 operations, 1 array in (12 bytes), 1 result, nothing written back
    >>> sorted(name for part in report.kernels for name in part.operations)
    ['mul', 'sin']
    """
    made = function if isinstance(function, Compiled) else getattr(function, "_compiled", None) or Compiled(function)
    try:
        variant = made.variant(*args, **kwargs)
    except ValueError:
        return Report([], made.reasons) if made.parts is None else _by_parts(made)
    state = default_generator.get_state()
    try:
        inputs = [np.array(a, order="C") for a in variant.inputs(args, kwargs)] if profile else None
        pieces = _pieces(variant, made, inputs)
        joint = variant.record.joint
        if joint is not None:
            given = None if inputs is None else _cotangents(variant, inputs)
            pieces.append(_piece("backward", improved(joint.program), made, variant.backward, given))
    finally:
        default_generator.set_state(state)  # what was measured may have drawn
    return Report(pieces, made.reasons, _guards(made, args, kwargs), dict(variant.seconds), variant.loaded, _splits(variant))


def _by_parts(made: Compiled) -> Report:
    """The programs of a function that is cut, those that ran last."""
    pieces: list[Piece] = []
    reasons, seconds = [*made.reasons], {"capture": 0.0}
    for part in made.parts.parts():
        reasons += [r for r in part.run.reasons if r not in reasons]
        among = next((k for k in part.run.kept.values() if k), None)
        if among is None:
            continue
        variant: Variant = among[0].variants()[0]
        first, last = part.lines
        where = f"line {first}" if first == last else f"lines {first} to {last}"
        for piece in _pieces(variant, part.run, None):
            piece.name = f"{where}, {piece.name}" if piece.name else where
            pieces.append(piece)
        if variant.record.joint is not None:
            pieces.append(_piece(f"backward of {where}", improved(variant.record.joint.program), part.run, variant.backward, None))
        for stage, took in variant.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + took
    if not pieces:
        return Report([], reasons)
    return Report(pieces, reasons, seconds=seconds, splits=made.parts.between(), cut=True)


def _pieces(variant: Variant, made: Compiled, inputs: Sequence[Any] | None) -> list[Piece]:
    """The program that a call runs, or what its branches go by and the rest for the ways that they went."""
    ready = variant.ready
    if not isinstance(ready, Way):
        return [_piece("", variant.program, made, variant.run, inputs)]
    stages = ready.stages(None if inputs is None else [np.array(a, order="C") for a in inputs])
    names = ["branches" if len(stages) == 2 else f"branch {k}" for k in range(1, len(stages))]
    return [_piece(name, stage.program, made, stage.run, values) for name, (stage, values) in zip([*names, "rest"], stages, strict=True)]


def _splits(variant: Variant) -> list[tuple[str, str]]:
    return [(f"Python asks for a value, here {d.outcome}", d.node.source.line) for d in variant.record.decisions]


def _piece(name: str, program: Program, made: Compiled, run: Any, inputs: Sequence[Any] | None) -> Piece:
    apart = taken_apart(program, _planned(program, made), inputs)
    return Piece(**vars(apart), name=name, run=None if inputs is None else run_seconds(run, inputs))


def _planned(program: Program, made: Compiled) -> Any:
    """The plan by which machine code runs it; None where NumPy does."""
    if made.engine is prepare:
        return None
    from .native.engine import Native
    from .native.run import TooLong
    from .native.target import host

    try:
        return Native(program, host())
    except TooLong:
        return None


def _cotangents(variant: Variant, inputs: Sequence[Any]) -> list[Any]:
    """What the backward program would be given after such a call, with ones for the results' gradients."""
    joint = variant.record.joint
    assert joint is not None
    copies = [np.array(a, order="C") for a in inputs]
    outputs = variant.run(copies)
    saved = [*outputs[variant.count :], *[copies[k] for k in joint.given]]
    rest = joint.program.inputs[len(saved) :]
    return [*map(np.asarray, saved), *[np.ones(n.shape, n.dtype) for n in rest]]


def _guards(made: Compiled, args: Any, kwargs: Any) -> list[str]:
    shapes = []
    numbers = 0
    for leaf in pytree.tree_leaves((args, kwargs)):
        if isinstance(leaf, Tensor):
            dtype = str(leaf.dtype).rpartition(".")[2]
            shapes.append(f"{dtype}{list(leaf.shape)}" + (" (requires grad)" if leaf.requires_grad else ""))
            continue
        varies = type(leaf) in (int, float) and numbers in made.varying
        numbers += type(leaf) in (int, float)
        plain = isinstance(leaf, (int, float, complex, str, type(None)))
        shapes.append(f"any {type(leaf).__name__}" if varies else repr(leaf) if plain else type(leaf).__name__)
    arguments = [f"arguments {', '.join(shapes)}"] if shapes else []
    return [*arguments, "grad mode and default dtype", "what the function reads from its surroundings"]


def by_line(parts: Sequence[Part]) -> list[Line]:
    """The parts' work by the user's lines, in the order in which they are met."""
    lines: dict[str, Line] = {}
    for part in parts:
        elements = sum(n.size for n in part.nodes) or 1
        for node in part.nodes:
            line = lines.setdefault(node.source.line, Line(node.source.line))
            share = node.size / elements
            line.nodes += 1
            line.arithmetic += arithmetic(node)
            line.bytes += part.bytes * share
            if part.seconds is not None:
                line.seconds = (line.seconds or 0.0) + part.seconds * share
            if node.source.operation and node.source.operation not in line.names:
                line.names.append(node.source.operation)
            line.kernels += [name for name in part.kernels if name not in line.kernels]
    return list(lines.values())
