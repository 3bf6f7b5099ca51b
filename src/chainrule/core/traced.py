"""Traced values: a function run on names instead of numbers gives the flat program of the operations that it applies.

Tracing is below the tape (level 0), so backward rules and transforms run as ordinary Python and leave only primitive
operations in the program: the trace of a gradient is the rules' own text, on named values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .meta import Meta, meta_like
from .op import Op
from .tensor import Tensor, wrap
from .value import Value


class Line(NamedTuple):
    """One operation of a program; an argument is a name, a NumPy value, a number or None."""

    outputs: tuple[str, ...]
    op: Op
    args: tuple[Any, ...]
    kw: dict[str, Any]


class Name(str):
    """The name of a value, told apart from a string that is an argument."""

    __slots__ = ()


class Program:
    """Inputs, lines in order, and outputs.  ``print(program)`` reads as assignments; ``program(*arrays)`` runs it."""

    def __init__(self) -> None:
        self.inputs: list[Name] = []
        self.lines: list[Line] = []
        self.outputs: list[Any] = []
        self._count = 0

    def fresh(self) -> Name:
        """A name that is not taken."""
        self._count += 1
        return Name(f"v{self._count}")

    def __call__(self, *arrays: Any) -> list[Any]:
        """The outputs for raw inputs, one operation after another on NumPy."""
        known: dict[str, Any] = dict(zip(self.inputs, arrays, strict=True))

        def value(a: Any) -> Any:
            return known[a] if type(a) is Name else a

        for line in self.lines:
            results = line.op.apply(*[_lifted(value(a)) for a in line.args], **line.kw)
            for name, r in zip(line.outputs, results if isinstance(results, tuple) else (results,), strict=True):
                known[name] = r._value
        return [value(o) for o in self.outputs]

    def __str__(self) -> str:
        lines = ["inputs " + ", ".join(self.inputs)]
        for line in self.lines:
            args = [_shown(a) for a in line.args] + [f"{k}={v}" for k, v in line.kw.items()]
            lines.append(f"{', '.join(line.outputs)} = {line.op.name}({', '.join(args)})")
        return "\n".join([*lines, "return " + ", ".join(_shown(o) for o in self.outputs)])


def _lifted(value: Any) -> Any:
    return wrap(value) if isinstance(value, (np.ndarray, np.generic)) else value


def _shown(a: Any) -> str:
    if isinstance(a, (np.ndarray, np.generic)):
        return f"{a:.6g}" if a.ndim == 0 and a.dtype.kind == "f" else str(a) if a.size <= 4 else f"{a.dtype}{list(a.shape)}"
    return str(a)


class Traced(Value):
    """The value ``name`` of a program; ``meta`` says its shape and dtype."""

    __slots__ = ("meta", "name", "program")

    level = 0

    def __init__(self, program: Program, name: Name, meta: Meta) -> None:
        self.program = program
        self.name = name
        self.meta = meta

    @property
    def shape(self) -> tuple[int, ...]:
        return self.meta.shape

    @property
    def numpy_dtype(self) -> Any:
        return self.meta.numpy_dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.meta.size

    def interpret(self, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        looks = [_look(a) if isinstance(a, Tensor) else a for a in args]
        result = op.apply(*looks, **kw)
        several = isinstance(result, tuple)
        outs = result if several else (result,)
        names = tuple([self.program.fresh() for _ in outs])
        self.program.lines.append(Line(names, op, tuple([_argument(a) for a in args]), dict(kw)))
        traced = tuple([wrap(Traced(self.program, n, o._value)) for n, o in zip(names, outs, strict=True)])
        return traced if several else traced[0]

    def text(self, tensor: Tensor) -> str:
        return f"Traced({self.name}, shape={self.shape}, dtype={tensor.dtype})"

    def concrete(self, what: str) -> Any:
        raise RuntimeError(f"a traced value has a name ({self.name}) and no number: {what} would need one. Keep it out of what is traced.")


def _look(tensor: Tensor) -> Tensor:
    value = tensor._value
    return wrap(value.meta) if isinstance(value, Traced) else meta_like(value)


def _argument(a: Any) -> Any:
    if isinstance(a, Tensor):
        return a._value.name if isinstance(a._value, Traced) else a._value
    return a


def trace(function: Callable[..., Any], *examples: Tensor) -> Program:
    """The program of ``function`` for inputs that look like ``examples``; the function returns a tensor or several.

    >>> import chainrule as torch
    >>> from chainrule.core.traced import trace
    >>> print(trace(lambda x: torch.sin(x) * x, torch.tensor(0.0)))
    inputs a
    v1 = sin(a)
    v2 = mul(v1, a)
    return v2
    """
    program = Program()
    given = []
    for i, x in enumerate(examples):
        name = Name(chr(ord("a") + i) if i < 20 else f"input{i}")
        program.inputs.append(name)
        given.append(wrap(Traced(program, name, Meta(tuple(x.shape), x.dtype.np))))
    result = function(*given)
    outs: Sequence[Any] = result if isinstance(result, (tuple, list)) else (result,)
    program.outputs = [_argument(o) for o in outs]
    return program
