"""Kernels of single operations, called from Python one by one: what checks programs (``CHAINRULE_CHECK``) runs them with."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..program.ir import Node, Program
from ..schedule.fuse import LEAVES, alone
from ..schedule.group import TRANSPARENT
from . import loops
from .bounds import Watch, instrumented
from .emitter import Module
from .engine import REFUSED, calls_of, kernels
from .findings import raise_found
from .jit import compile_text
from .section import aligned
from .sharing import Call, Sharing
from .target import Target, host


class Apart:
    """The kernels of each operation of a program, in one library; with ``bounds`` their accesses are checked."""

    def __init__(self, program: Program, bounds: bool, target: Target | None = None) -> None:
        target = target or host()
        module = Module(target)
        sharing = Sharing(lambda group, inside: kernels(module, group, inside))
        self.calls: dict[int, list[Call]] = {}
        self.lock = threading.Lock()  # the list of regions is one
        for node in program.nodes():
            if node.op not in LEAVES and node.op not in TRANSPARENT and node.op not in ("call", "item"):
                try:
                    found = calls_of(sharing, alone(node))
                except REFUSED:
                    continue
                if found is not None:
                    self.calls[id(node)] = found
        text = module.text()
        self.library = library = compile_text(instrumented(text) if bounds else text, target)  # the code lives as long as it
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        names = {c.kernel.name for calls in self.calls.values() for c in calls}
        self.functions = {name: library.function(name, pointer, number, pointer) for name in names}
        self.watch = Watch(library) if bounds else None

    def has(self, node: Node) -> bool:
        """Whether machine code computes the node."""
        return id(node) in self.calls

    def run(self, node: Node, values: Mapping[int, Any], made: Any) -> tuple[int, int, bool] | None:
        """Compute a node into ``made``, of the values of what it depends on; gives the first access that was outside of them."""
        with self.lock:
            between: dict[int, Any] = {}
            status = np.zeros(3, np.int64)
            for call in self.calls[id(node)]:
                self._call(call, node, values, made, between, status)
                if self.watch is not None and (found := self.watch.outside()) is not None:
                    return found
        raise_found(status)
        return None

    def _call(self, call: Call, node: Node, values: Mapping[int, Any], made: Any, between: dict[int, Any], status: Any) -> None:
        def array(n: Node) -> Any:
            if n is loops.ERRORS:
                return status
            if n is node:
                return made
            if n.op == "temp" and id(n) not in between:
                between[id(n)] = np.empty(n.shape, n.dtype)
            if n.op == "const":
                return between.setdefault(id(n), np.array(n.attrs["value"], order="C"))
            return between[id(n)] if n.op == "temp" else values[id(n)]

        arrays = [array(b.node) for b in call.buffers]
        space = aligned(max(64, call.kernel.workspace))
        if self.watch is not None:
            self.watch.over([(a.ctypes.data, a.nbytes) for a in (*arrays, space)])
        pointers = (ctypes.c_void_p * max(1, len(arrays)))(
            *[a.ctypes.data + b.offset for a, b in zip(arrays, call.buffers, strict=True)]
        )
        function = self.functions[call.kernel.name]
        for chunk in range(call.kernel.chunks):
            function(ctypes.addressof(pointers), chunk, space.ctypes.data)


__all__ = ["Apart"]
