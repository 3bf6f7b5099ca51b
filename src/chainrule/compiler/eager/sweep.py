"""Kernels of elementwise programs for arrays of any shape: a kernel for one block, run on every block of what it is given.

The program is traced and compiled for :data:`BLOCK` elements.  The blocks of n elements begin at 0, BLOCK, 2 BLOCK and so on, the last
at n - BLOCK, so some elements may be computed twice: results have memory of their own, and get the same bits again.  So one kernel
serves every shape, contiguous arrays of several axes are walked as one, and no number of elements is left over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..capture.symbolic import Unsupported
from ..native import cache
from ..native.call import ARRAY, DONE, FLOAT, Argument, Entry
from ..native.jit import Library, compile_text, load
from ..native.stored import key_of
from ..native.target import host
from ..program.ir import Node, Program

BLOCK = 4096
_MOST = 8  # blocks that a thread takes at once, of a large array
_FEWEST = 32  # such portions there shall be before they grow

Sweep = Callable[[Sequence[Any], tuple[int, ...]], list[Any]]


def build(program: Program) -> Sweep:
    """A program on :data:`BLOCK` elements as a function of (inputs, shape).  Unsupported where it is not one kernel over all of them."""
    if any(n.shape != (BLOCK,) for n in program.outputs):
        raise Unsupported("a result of another shape")
    target = host()
    known = key_of(program, target)
    key = None if known is None else cache.key("sweep", known)
    library = None if key is None else load(key, target)
    if library is not None and library.meta is not None:
        return _runner(program, library, library.meta)
    from ..native.engine import Native
    from ..native.sharing import Call

    native = Native(program, target)
    (call,) = native.steps if len(native.steps) == 1 else (None,)
    if not isinstance(call, Call) or call.kernel.workspace or any(b.offset for b in call.buffers):
        raise Unsupported("several kernels")
    inputs = {id(n): k for k, n in enumerate(native.program.inputs)}
    outputs = {id(n): len(inputs) + k for k, n in enumerate(native.program.outputs)}
    places: list[int] = []
    constants: list[Any] = []
    for node in [b.node for b in call.buffers]:
        place = inputs.get(id(node), outputs.get(id(node)))
        if place is None:
            if node.op != "const" or node.shape:
                raise Unsupported("memory between kernels")
            place = len(inputs) + len(outputs) + 1 + len(constants)
            constants.append((node.dtype.str, node.attrs["value"].tobytes()))
        places.append(place)
    _emit(native.module, call, places, len(inputs) + len(outputs))
    meta = (places, constants)
    return _runner(program, compile_text(native.module.text(), target, meta=meta, key=key), meta)


def _emit(module: Any, call: Any, places: Sequence[int], count: int) -> None:
    """Write ``blocks``, a kernel that runs ``call`` on some blocks, and ``sweep``, which runs it on all.

    Both see the block of pointers: ``count`` to arrays and numbers, then one to the number of elements (a double), then the constants'.
    """
    from ..native import pool
    from ..native.kernel import SIGNATURE

    f = module.function("blocks", SIGNATURE)
    n, portion = _sizes(f, "%buffers", count)
    pointers = f.op(f"alloca [{max(1, len(places))} x ptr], align 8")
    arrays = [f.load("ptr", f.gep("%buffers", place, "ptr")) for place in places]
    first = f.op(f"mul nsw i64 %chunk, {portion}")
    end = f.least(f.add(first, portion), _blocks(f, n))

    def block(b: Any, _: Any) -> None:
        start = f.least(f.mul(b, BLOCK), f.sub(n, BLOCK))
        for k, (pointer, buffer) in enumerate(zip(arrays, call.buffers, strict=True)):
            at = f.gep(pointer, f.mul(start, buffer.node.dtype.itemsize)) if buffer.node.shape else pointer
            f.store("ptr", at, f.gep(pointers, k, "ptr"))
        for part in range(call.kernel.chunks):
            f.call(call.kernel.name, f"ptr {pointers}", f"i64 {part}", "ptr null")

    f.loop(first, end, 1, block)
    f.ret()
    f = module.function("sweep", "ptr %block", linkage="")
    n, portion = _sizes(f, "%block", count)
    chunks = f.op(f"udiv i64 {f.add(_blocks(f, n), f.sub(portion, 1))}, {portion}")
    pool.run_chunks(f, "blocks", "%block", chunks)
    f.ret()


def _sizes(f: Any, block: str, count: int) -> tuple[str, str]:
    """(elements, blocks that a thread takes at once)."""
    n = f.op(f"fptosi double {f.load('double', f.load('ptr', f.gep(block, count, 'ptr')))} to i64")
    portion = f.least(f.div(_blocks(f, n), _FEWEST), _MOST)
    return n, f.intrinsic("smax", "i64", portion, "1")


def _blocks(f: Any, n: str) -> Any:
    return f.div(f.add(n, BLOCK - 1), BLOCK)


def _runner(program: Program, library: Library, meta: Any) -> Sweep:
    arguments = [_argument(n) for n in program.inputs] + [ARRAY] * len(program.outputs) + [FLOAT]
    constants = meta[1]
    entry = Entry(library, "sweep", arguments, len(constants), release=True)
    for k, (kind, data) in enumerate(constants):
        entry.bind(k, np.frombuffer(data, kind).copy())
    kinds = [n.dtype for n in program.outputs]
    enter = entry.enter

    def run(arrays: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
        made = [np.empty(shape, kind) for kind in kinds]
        size = float(made[0].size)
        if size < BLOCK:
            raise ValueError(f"{made[0].size} elements are no block of {BLOCK}")
        if enter(*arrays, *made, size) != DONE:
            entry(*arrays, *made, size)
        return made

    return run


def _argument(node: Node) -> Argument:
    return ARRAY if node.shape else Argument((), node.dtype)


__all__ = ["BLOCK", "Sweep", "build"]
