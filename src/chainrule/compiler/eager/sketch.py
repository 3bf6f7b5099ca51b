"""One operation, or one derivative rule, as a program: run once on names by the lowerings that a capture uses.

A capture exchanges the value of every tensor that is alive; here nothing but the given arguments takes part, so no user's code runs and
nothing has to be put back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import get_ident
from typing import Any
from weakref import WeakSet

from ...core.modes import MODES
from ...core.op import Op
from ...core.tensor import Tensor, wrap
from ..capture import build
from ..capture.lower import lowered
from ..capture.symbolic import Unsupported
from ..capture.value import Captured, Cell
from ..passes.simplify import simplify
from ..program.ir import Node, Program, Source


class Sketch:
    """What captured values ask of the recorder that they belong to."""

    closed = False

    def __init__(self) -> None:
        self.thread = get_ident()
        self.program = Program()
        self.cells: WeakSet[Cell] = WeakSet()

    def given(self, shape: Sequence[int], dtype: Any) -> Tensor:
        """A tensor that stands for the next input."""
        node = Node("input", (), shape, dtype, {"index": len(self.program.inputs)})
        self.program.inputs.append(node)
        return wrap(Captured.of(self, node))  # type: ignore[arg-type]

    def apply(self, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        """The captured result of an operation."""
        token = build.SOURCE.set(Source(op.name))
        try:
            return lowered(self, op, args, kw)
        finally:
            build.SOURCE.reset(token)

    def value_of(self, tensor: Any) -> Captured:
        """The captured value of any tensor, a constant's too."""
        value = tensor._value
        return value if isinstance(value, Captured) else Captured.of(self, build.const(value))  # type: ignore[arg-type]

    def about_to_write(self, cell: Cell) -> None:
        """Inputs share no memory."""

    def drawn(self, shape: tuple[int, ...], draw: Callable[..., Any]) -> Any:
        raise Unsupported("random numbers")

    def concrete(self, captured: Captured, what: str) -> Any:
        raise Unsupported(f"{what} of a value that is not computed yet")

    def adopt(self, tensor: Tensor) -> Captured:
        raise Unsupported("a write to memory")

    def finished(self, results: Sequence[Any]) -> Program:
        """The program that gives these tensors.  Unsupported where NumPy would have to compute a part of it."""
        self.program.outputs = [self.value_of(r).node for r in results]
        program = simplify(self.program)
        if any(n.op == "call" for n in program.nodes()):
            raise Unsupported("a part without a kernel")
        return program


def sketched(function: Callable[[Sketch], Sequence[Any]]) -> Program:
    """The program of what ``function`` makes of the inputs that it asks for; nothing is put on a tape.  Raises Unsupported."""
    sketch = Sketch()
    before, MODES.grad = MODES.grad, False
    try:
        return sketch.finished(function(sketch))
    finally:
        MODES.grad = before
