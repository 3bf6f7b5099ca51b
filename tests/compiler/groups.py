"""Groups of nodes, run as kernels and on NumPy."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.compiler.native.emitter import Module
from chainrule.compiler.native.jit import compile_text
from chainrule.compiler.native.loops import ERRORS, Call, emit
from chainrule.compiler.native.target import Target, host
from chainrule.compiler.program.execute import execute
from chainrule.compiler.program.ir import Node, Program
from chainrule.compiler.program.spec import verify


def inputs(*given: Any) -> list[Node]:
    """Input nodes for arrays."""
    return [Node("input", (), a.shape, a.dtype, {"index": k}) for k, a in enumerate(given)]


def run_group(
    arrays: Sequence[Any], given: Sequence[Node], outputs: Sequence[Node], target: Target | None = None, backwards: bool = False
) -> Any:
    """What the kernels for everything behind ``outputs`` store, and the error words; ``backwards``: chunks in the opposite order."""
    program = verify(Program(list(given), list(outputs)))
    nodes = [n for n in program.nodes() if n.op != "input"]
    module = Module(target or host())
    calls = emit(module, "group", nodes, outputs)
    library = compile_text(module.text(), module.target)
    memory: dict[int, Any] = {id(n): np.array(a, order="C") for n, a in zip(given, arrays)}
    memory |= {id(n): np.full(n.shape, 77, n.dtype) for n in outputs}
    memory[id(ERRORS)] = np.zeros(3, np.int64)
    for call in calls:
        run_call(library, call, memory, backwards)
    return [memory[id(n)] for n in outputs], memory[id(ERRORS)]


def run_call(library: Any, call: Call, memory: dict[int, Any], backwards: bool = False) -> None:
    """All chunks of one kernel."""
    kernel = call.kernel
    for node in call.buffers:
        memory.setdefault(id(node), np.empty(node.shape, node.dtype) if node.op != "const" else np.array(node.attrs["value"], order="C"))
    pointers = (ctypes.c_void_p * max(1, kernel.buffers))(*[memory[id(n)].ctypes.data for n in call.buffers])
    space = np.empty(kernel.workspace + 64, np.uint8)
    start = space.ctypes.data + (-space.ctypes.data) % 64
    function = library.function(kernel.name, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    for chunk in reversed(range(kernel.chunks)) if backwards else range(kernel.chunks):
        function(ctypes.addressof(pointers), chunk, start)


def expected(arrays: Sequence[Any], given: Sequence[Node], outputs: Sequence[Node]) -> list[Any]:
    return execute(Program(list(given), list(outputs)), [np.array(a, order="C") for a in arrays])
