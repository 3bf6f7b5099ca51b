"""``CHAINRULE_CHECK=1``: programs that look at every access to memory and at every NaN, and say which line of the user's did it.

Each operation of the program runs by itself, none fused with another, so what is found has a name.

* *Bounds*: every load and store of the machine code is checked against the memory that the operation was given
  (:mod:`.native.bounds`); what lies outside is not touched, and the first is reported.
* *NaN*: a NaN that an operation *made*, of operands without one, is reported if it reaches a result of the program or memory that the
  program writes; before anything is written.  NaN among the arguments is the caller's.  What an operation makes and a later one leaves
  out again (``where(x > 0, log(x), 0)``) is no error.

``CHAINRULE_CHECK=bounds`` and ``CHAINRULE_CHECK=nan`` check one of them.  Without llvmlite NumPy computes, which checks bounds itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.source import text_of
from .passes.operands import laid_out
from .program.execute import Runner
from .program.ir import Node, Program
from .program.kinds import compute
from .program.spec import category

_KINDS = {"1": ("bounds", "nan"), "all": ("bounds", "nan"), "bounds": ("bounds",), "nan": ("nan",)}


def wanted() -> frozenset[str]:
    """What the environment asks to be checked: "bounds", "nan", both or nothing.  ValueError for anything else."""
    said = os.environ.get("CHAINRULE_CHECK", "")
    if said in ("", "0"):
        return frozenset()
    try:
        return frozenset(kind for word in said.split(",") for kind in _KINDS[word.strip()])
    except KeyError:
        raise ValueError(f"CHAINRULE_CHECK is {said!r}, should be one of: 0, 1, bounds, nan") from None


def checking(program: Program, kinds: frozenset[str], native: bool) -> Runner:
    """The program as a function of its inputs that checks itself."""
    return Checked(program, kinds, native).run


class Checked:
    """A program whose operations run one after the other and are looked at.  RuntimeError from :meth:`run` where something is found."""

    def __init__(self, program: Program, kinds: frozenset[str], native: bool) -> None:
        self.program = program = laid_out(program)
        self.kinds = kinds
        self.nodes = program.nodes()
        self.kernels: Any = None
        if native:
            from .native.apart import Apart

            self.kernels = Apart(program, "bounds" in kinds)

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        values: dict[int, Any] = {}
        with np.errstate(all="ignore"):
            for node in self.nodes:
                values[id(node)] = self._value(node, values, inputs)
        if "nan" in self.kinds:
            self._look(values)
        results = [np.array(values[id(n)], order="C") for n in self.program.outputs]
        for index, value in [(index, np.array(values[id(n)])) for index, n in self.program.stores]:
            inputs[index][...] = value
        return results

    def _value(self, node: Node, values: dict[int, Any], inputs: Sequence[Any]) -> Any:
        if node.op == "input":
            return np.array(inputs[node.attrs["index"]], order="C")  # memory of the program's own, whose ends are known
        if self.kernels is not None and self.kernels.has(node):
            made = self.memory(node)
            found = self.kernels.run(node, values, made)
            if found is not None:
                raise RuntimeError(_outside(node, found, values, made))
            return made
        made = compute(node)(*[values[id(a)] for a in node.args])
        return made if node.op == "call" else np.asarray(made) if node.op == "view" else np.asarray(made, order="C")

    def memory(self, node: Node) -> Any:
        """Where a kernel is to put a node's value."""
        return np.empty(node.shape, node.dtype)

    def _look(self, values: dict[int, Any]) -> None:
        """Find where a NaN of the results comes from."""
        bad: dict[int, bool] = {}

        def has(node: Node) -> bool:
            if id(node) not in bad:
                bad[id(node)] = node.op != "call" and category(node.dtype) in "fc" and bool(np.isnan(values[id(node)]).any())
            return bad[id(node)]

        roots = [n for n in self.program.roots() if has(n)]
        seen: set[int] = set()
        makers: set[int] = set()
        while roots:
            node = roots.pop()
            if id(node) in seen or node.op in ("input", "const"):
                continue
            seen.add(id(node))
            operands = [a for a in (node.args[0].args if node.op == "item" else node.args) if has(a)]
            roots += operands
            if not operands:
                makers.add(id(node))
        for node in self.nodes:
            if id(node) in makers:
                raise RuntimeError(_made_nan(node, values[id(node)]))


def _named(node: Node) -> str:
    """The user's operation, what the program has for it, and the line."""
    inside = node.attrs["fn"] if node.op in ("map", "reduce", "scan", "scatter") else node.op
    operation = node.source.operation
    return inside if not operation or operation == inside else f"{operation} ({inside})"


def _place(node: Node) -> str:
    line = node.source.line
    text = text_of(line) if line else ""
    return (f" at {line}" if line else "") + (f": {text}" if text else "")


def _kind(node: Node) -> str:
    return f"{node.dtype}{list(node.shape)}"


def _made_nan(node: Node, value: Any) -> str:
    count = int(np.isnan(value).sum())
    given = ", ".join(_kind(a) for a in (node.args[0].args if node.op == "item" else node.args))
    return (
        f"{_named(node)} made a NaN of operands that had none ({given}): {count} of {value.size} elements of its result {_kind(node)} are"
        f" NaN{_place(node)}. Keep its operands where it is defined (a clamp, an eps, another form), or set CHAINRULE_CHECK=bounds to look"
        " at memory alone. Nothing of this program was written."
    )


def _outside(node: Node, found: tuple[int, int, bool], values: dict[int, Any], made: Any) -> str:
    """What an access outside of the operation's memory was."""
    address, size, writes = found
    near: list[tuple[int, str]] = []
    for what, array in [("its result", made), *[(f"its operand {_kind(a)}", values.get(id(a))) for a in node.args]]:
        if isinstance(array, np.ndarray):
            first, end = array.ctypes.data, array.ctypes.data + array.nbytes
            away = first - address if address < first else address + size - end
            near.append((away, f"{away} bytes {'before the first' if address < first else 'behind the last'} byte of {what}"))
    return (
        f"the kernel of {_named(node)} {'writes' if writes else 'reads'} {size} bytes outside of its memory, {min(near)[1]}{_place(node)}."
        f" Its result is {_kind(node)}. This is an error of the compiler's, not of the program's: please report it with this message;"
        " CHAINRULE_ENGINE=numpy runs the program without machine code. The access was not made."
    )


__all__ = ["Checked", "checking", "wanted"]
