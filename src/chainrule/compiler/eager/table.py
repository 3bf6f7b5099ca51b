"""What is known of calls: a table by operation, dtypes, shapes and attributes, of kernels, or that NumPy is to do it."""

from __future__ import annotations

import itertools
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.nodes import fit_tensor
from ...core.op import Op
from ...core.tensor import Tensor
from ..capture.symbolic import Unsupported
from ..program.ir import Program
from . import sweep
from .arguments import Arguments, Leave, plain_key, stand_in, stand_ins
from .facts import CHEAP, PASSED, PAYS, SPREAD, compiled, quicker, varying
from .sketch import Sketch, sketched
from .steps import Step

MOST = 256  # kernels that are kept
MOST_OF_ONE = 32  # of one operation: who calls it with ever new shapes would wait for LLVM every time

Shape = tuple[int, ...]
Run = Callable[[Sequence[Any], Shape], list[Any]]
Function = Callable[[Sketch, Shape | None], Sequence[Any]]  # what is traced; its large arrays are of the shape, or of their own
_ANY = (sweep.BLOCK,)


class Kernel:
    """A compiled program, or (``run`` None) the knowledge that there is none.

    ``exact`` says of a kernel for all shapes that there is one only for each by itself.
    """

    __slots__ = ("exact", "owner", "run", "used")

    def __init__(self, owner: Any, run: Run | None, exact: bool = False) -> None:
        self.owner = owner
        self.run = run
        self.exact = exact
        self.used = 0


class Eager:
    """The kernels of a process."""

    def __init__(self, build: Callable[[Program], Any]) -> None:
        self.build = build
        self.build_sweep: Callable[[Program], Run] = sweep.build
        self.table: dict[Any, Kernel] = {}
        self.count: dict[Any, int] = {}
        self.quick: dict[Any, tuple[Kernel, Run]] = {}  # of plain calls
        self.ready: dict[tuple[Op | str, Any], tuple[Kernel, sweep.Alike, int]] = {}  # for arrays alike, of so many elements at least
        self.calls = 0  # that kernels have taken
        self._clock = itertools.count(1).__next__
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self._lock = threading.RLock()  # another thread of the parent's may have held it

    def forget(self) -> None:
        """Drop all kernels."""
        with self._lock:
            self.table.clear()
            self.quick.clear()
            self.ready.clear()
            self.count.clear()

    # -- what core/large.py calls ----------------------------------------------------------------------------------------

    def alike(self, op: Op | str, values: Sequence[Any]) -> Any:
        """The raw result, on arrays of one dtype and shape, of an elementwise operation without keywords or of "copy"; None where it is not
        known how."""
        first = values[0]
        known = self.ready.get((op, first.dtype))
        if known is None or first.size < known[2]:
            return None
        for v in values:
            if not v.flags.c_contiguous:
                return None
        known[0].used = self._clock()
        self.calls += 1
        return known[1](values)

    def forward(self, op: Op, values: Sequence[Any], kw: dict[str, Any]) -> Any:
        """The raw result, or None."""
        plain = plain_key(op, values, kw)
        try:
            known = self.quick.get(plain)
        except TypeError:  # a keyword that is a list
            plain = known = None
        if known is not None:
            if values[0].size < PAYS and op.name in CHEAP:
                return None
            kernel, run = known
            kernel.used = self._clock()
            self.calls += 1
            return settled(run([v for v in values if v is not None], values[0].shape)[0])
        if op.name == "clone":
            return self.copy(values[0])
        if not (compiled(op) and quicker(op, values)):
            return None
        found = Arguments()
        found.key.append(op)
        try:
            values = varying(op, values)
            for v in values:
                found.add(v)
            if kw:
                found.add_keywords(kw)
        except Leave:
            return None

        def apply(sketch: Sketch, shape: Shape | None) -> Sequence[Any]:
            return [op.apply(*stand_ins(sketch, values, shape), **kw)]

        kernel = self._kernel(found, op, apply, op.kind == "elementwise")
        if kernel.run is None:
            return None
        if plain is not None:
            self.quick[plain] = (kernel, kernel.run)
            if not kw and len(values) == len(found.arrays):
                self._keep_ready(op, values[0].dtype, kernel, PAYS if op.name in CHEAP else sweep.BLOCK)
        return settled(kernel.run(found.arrays, found.shapes[0])[0])

    def copy(self, array: Any) -> Any:
        """A fresh array of the same elements, or None."""
        made = self.alike("copy", (array,))
        if made is not None:
            return made
        found = Arguments()
        found.key.append("copy")
        try:
            found.add(array)
        except Leave:
            return None
        kernel = self._kernel(found, "copy", lambda sketch, shape: [stand_in(sketch, array, shape)], True)
        if kernel.run is None:
            return None
        if found.arrays[0] is array:
            self._keep_ready("copy", array.dtype, kernel, sweep.BLOCK)
        return kernel.run(found.arrays, array.shape)[0]

    def _keep_ready(self, op: Op | str, dtype: Any, kernel: Kernel, least: int) -> None:
        """Remember a kernel for arrays alike, if it is one."""
        alike = getattr(kernel.run, "alike", None)
        if alike is not None:
            self.ready[op, dtype] = (kernel, alike, least)

    def step(self, optimizer: Any, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether the parameter has been updated."""
        try:
            step = Step(optimizer, p, g, group, state)
        except Leave:
            return False
        run = self._kernel(step.found, type(optimizer), lambda sketch, shape: step.traced(sketch)).run
        if run is None:
            return False
        step.finish(run(step.found.arrays, ()))
        return True

    def backward(self, node: Any, g: Any) -> Sequence[Any] | None:
        """The cotangents of a node's arguments, or None."""
        op = node.op
        if not compiled(op) or op.name in SPREAD or (op.name in PASSED and node.fit is None):
            return None
        found = Arguments()
        wanted = [e is not None for e in node.edges]
        rules = [(i, varying(op, s, g)) for i, s in node.rule_saved() if op.joint or wanted[i]]
        fit = node.fit if node.fit is not None and any(f is not None and f[0] != g.shape for f in node.fit) else None
        try:
            found.key += (op, "backward", tuple(wanted))
            found.add(g)
            for i, saved in rules:
                found.key.append(i)
                found.add_all(saved)
            if fit is not None:
                found.add(tuple(fit))
        except Leave:
            return None

        def rule(sketch: Sketch, shape: Shape | None) -> Sequence[Any]:
            ct = stand_in(sketch, g, shape)
            cts: list[Any] = [None] * len(wanted)
            for i, saved in rules:
                made = node.rules[i](ct, *stand_ins(sketch, saved, shape))
                if op.joint:
                    cts = list(made)
                else:
                    cts[i] = made
            if fit is not None:
                cts = [None if c is None else fit_tensor(c, *fit[i]) for i, c in enumerate(cts)]
            if any(w and not isinstance(c, Tensor) for w, c in zip(wanted, cts, strict=True)):
                raise Unsupported("a cotangent that is no tensor")
            return [c for c, w in zip(cts, wanted, strict=True) if w]

        run = self._kernel(found, (op, "backward"), rule, op.kind == "elementwise").run
        if run is None:
            return None
        made = iter(run(found.arrays, g.shape))
        return [settled(next(made)) if w else None for w in wanted]

    # -- the table -------------------------------------------------------------------------------------------------------

    def _kernel(self, found: Arguments, owner: Any, function: Function, each: bool = False) -> Kernel:
        """The kernel; with ``each`` the function has to do with each element by itself, and one kernel may serve all shapes."""
        if each and found.alike():
            kernel = self._known(tuple(found.key), owner, function, _ANY)
            if not kernel.exact:
                return kernel
        return self._known((*found.key, *found.shapes), owner, function, None)

    def _known(self, key: Any, owner: Any, function: Function, shape: Shape | None) -> Kernel:
        kernel = self.table.get(key)
        if kernel is None:
            kernel = self._made(key, owner, function, shape)
        kernel.used = self._clock()
        if kernel.run is not None:
            self.calls += 1
        return kernel

    def _made(self, key: Any, owner: Any, function: Function, shape: Shape | None) -> Kernel:
        with self._lock:
            kernel = self.table.get(key)
            if kernel is not None:
                return kernel
            kernel = Kernel(owner, None)
            if self.count.get(owner, 0) < MOST_OF_ONE:
                kernel = self._compiled(owner, function, shape)
                if kernel.run is not None:
                    self.count[owner] = self.count.get(owner, 0) + 1
            self.table[key] = kernel
            if len(self.table) > MOST:
                self._forget(min(self.table, key=lambda k: self.table[k].used if k != key else self._clock()))
            return kernel

    def _forget(self, key: Any) -> None:
        gone = self.table.pop(key)
        self.quick.clear()
        self.ready.clear()
        if gone.run is not None:
            self.count[gone.owner] -= 1

    def _compiled(self, owner: Any, function: Function, shape: Shape | None) -> Kernel:
        try:
            program = sketched(lambda sketch: function(sketch, shape))
        except Exception:  # NumPy does it, and raises what is to be raised
            return Kernel(owner, None)
        given = [n.attrs["index"] if n.op == "input" else None for n in program.outputs]
        if given and None not in given and not program.stores and owner != "copy":  # a cotangent that is passed on
            return Kernel(owner, None)
        if owner == "copy":
            given = [None]
        else:
            program.outputs = [n for n in program.outputs if n.op != "input"]
        try:
            run = self.build_sweep(program) if shape is not None else _exact(self.build(program))
        except Unsupported:
            return Kernel(owner, None, exact=shape is not None)
        except Exception as error:
            told = f"{_name(owner)} could not be compiled for large arrays, NumPy computes it: {error}"
            warnings.warn(told, RuntimeWarning, stacklevel=2)
            return Kernel(owner, None)
        return Kernel(owner, _with_given(run, given))


def _exact(run: Any) -> Run:
    return lambda arrays, shape: run(arrays)


def _with_given(run: Run, given: Sequence[int | None]) -> Run:
    """The outputs of a program among arrays that are handed on as they are."""
    if not any(k is not None for k in given):
        return run

    def results(arrays: Sequence[Any], shape: Shape) -> list[Any]:
        made = iter(run(arrays, shape))
        return [next(made) if k is None else arrays[k] for k in given]

    return results


def _name(owner: Any) -> str:
    thing = owner[0] if isinstance(owner, tuple) else owner
    return thing if isinstance(thing, str) else thing.__name__ if isinstance(thing, type) else thing.name


def settled(array: Any) -> Any:
    """A raw value as tensors hold it."""
    return array[()] if isinstance(array, np.ndarray) and array.ndim == 0 else array


__all__ = ["MOST", "MOST_OF_ONE", "Eager"]
