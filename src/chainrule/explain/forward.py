"""Forward mode: the tangents that go from the leaves to the output."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .differences import push
from .graph import Graph, Step, Variable
from .local import expression, locals_of
from .notation import factor, text, value_text


class Forward:
    """The tangent of every variable; ``tangent`` is the output's, ``tangents`` has all by name."""

    def __init__(self, graph: Graph, given: Mapping[str, Any] | None, digits: int) -> None:
        self.graph = graph
        self.digits = digits
        self._found: dict[Variable, Any] = {}
        for v in graph.wanted:
            if given is None or v.name in given:
                self._found[v] = _like(v, 1 if given is None else given[v.name])
        unknown = [name for name in given or () if name not in {v.name for v in graph.wanted}]
        if unknown:
            raise KeyError(f"forward(): {unknown[0]} is none of {', '.join([v.name for v in graph.wanted])}")
        for step in graph.steps:
            moved = [(i, self._found[v]) for i, v in enumerate(step.inputs) if v in self._found and step.left[i] is not None]
            if moved and step.outputs[0] not in self._found:
                self._found.update({out: _as(t, out) for out, t in zip(step.outputs, push(step, moved), strict=True)})

    @property
    def tangent(self) -> Any:
        """The output's tangent; 0 where it depends on no leaf that has one."""
        return self._found.get(self.graph.output, 0)

    @property
    def tangents(self) -> dict[str, Any]:
        """Every tangent, by the variable's name."""
        return {v.name: t for v, t in self._found.items()}

    def text(self) -> str:
        """The steps forward, one line each."""
        lines = [f"{dotted(v.name)} = {value_text(self._found[v], self.digits)}" for v in self.graph.wanted if v in self._found]
        lines += [self._line(step) for step in self.graph.steps if step.outputs[0] in self._found]
        return "\n".join(lines)

    __str__ = text
    __repr__ = text

    def _line(self, step: Step) -> str:
        out = step.outputs[0]
        terms, numbers = [], []
        for local in locals_of(step):
            t = self._found.get(local.variable)
            if t is None:
                continue
            terms.append(f"∂{out.name}/∂{local.variable.name} · {dotted(local.variable.name)}")
            d = local.number() if local.factor else None
            if d is not None and np.size(d) == 1 and np.size(t) == 1:
                numbers.append(f"{factor(np.reshape(d, ())[()], self.digits)} · {factor(np.reshape(t, ())[()], self.digits)}")
        parts = [dotted(out.name), " + ".join(terms)]
        if len(numbers) == len(terms):
            parts.append(" + ".join(numbers))
        head = f"{out.name} = {text(expression(step))} = {value_text(out.value, self.digits)}"
        return f"{head}   {' = '.join([*parts, value_text(self._found[out], self.digits)])}"


def dotted(name: str) -> str:
    """``x`` as ``ẋ``; longer names as ``d name``."""
    return unicodedata.normalize("NFC", name + "\u0307") if len(name) == 1 else f"d {name}"


def _like(v: Variable, given: Any) -> Any:
    value = given._value if isinstance(given, Tensor) else np.asarray(given)
    if np.ndim(value) and tuple(np.shape(value)) != v.shape:
        raise RuntimeError(f"forward(): the tangent of {v.name} has shape {list(np.shape(value))}, and {v.name} {list(v.shape or ())}")
    return np.broadcast_to(np.asarray(value, v.dtype), v.shape or ()).copy()[()]


def _as(value: Any, v: Variable) -> Any:
    return value.astype(v.dtype) if v.dtype is not None and value.dtype != v.dtype else value
