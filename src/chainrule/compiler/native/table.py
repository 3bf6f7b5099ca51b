"""Kernels called one after the other from a table, so that machine code does not grow with the number of calls.

The table has for every call (64-bit words)

    kernel   chunks   workspace   next   pointers…

``workspace`` is the bytes that each thread of the pool needs, or -1 for a call whose chunks the calling thread does alone; ``next``
is where the following record begins.  Pointers to memory that stays are in place from the beginning.  Those into arrays that
change from call to call are put there by *patches*: for every such array, in order,

    last   count   (where the pointer is, bytes from the array's beginning)…

An array that lies where it lay the last time (``last``) has nothing to be done.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import pool
from .emitter import Emitter, Module

_HEAD = 4  # words before a record's pointers
SERIAL = -1
FIXED = 3  # pointers that stay: the table, the patches, the calling thread's workspace
_RUN = "run_table"


def emit_program(module: Module, name: str, changing: int) -> None:
    """``void name(ptr %block)``, which runs a table: ``block`` has the arrays that change, then the :data:`FIXED` pointers."""
    if not module.has(_RUN):
        _emit_run(module)
    f = module.function(name, "ptr %block")
    fixed = [f.load("ptr", f.gep("%block", changing + k, "ptr")) for k in range(FIXED)]
    f.call(_RUN, "ptr %block", f"i64 {changing}", *[f"ptr {p}" for p in fixed])
    f.ret()


def _emit_run(module: Module) -> None:
    f = module.function(_RUN, "ptr %block, i64 %changing, ptr %table, ptr %patches, ptr %space")
    f.module.declare(pool.SYMBOL, f"declare i32 @{pool.SYMBOL}(ptr, ptr, i64, i64)")

    def patch(k: str, held: list[str]) -> list[str]:
        (at,) = held
        now = f.load("ptr", f.gep("%block", k, "ptr"))
        count = f.load("i64", f.gep(at, 8))
        first = f.gep(at, 16)

        def write() -> None:
            f.store("ptr", now, at)

            def one(i: str, _: list[str]) -> None:
                entry = f.gep(first, i, "{ ptr, i64 }")
                f.store("ptr", f.gep(now, f.load("i64", f.gep(entry, 8))), f.load("ptr", entry))

            f.loop(0, count, 1, one)

        f.when(f.icmp("ne", "ptr", now, f.load("ptr", at)), write)
        return [f.gep(first, count, "{ ptr, i64 }")]

    f.loop(0, "%changing", 1, patch, [("ptr", "%patches")])
    _emit_calls(f)
    f.ret()


def _emit_calls(f: Emitter) -> None:
    """Record after record until there is no next one."""
    before = f.block
    f.jump("record")
    f.label("record")
    slot = len(f.lines)
    f.lines.append("")
    kernel, chunks, workspace, following = [f.load(t, f.gep("%at", 8 * k)) for k, t in enumerate(("ptr", "i64", "i64", "ptr"))]
    pointers = f.gep("%at", 8 * _HEAD)
    f.branch(f.icmp("eq", "i64", workspace, str(SERIAL)), "serial", "parallel")
    f.label("parallel")
    f.op(f"call i32 @{pool.SYMBOL}(ptr {kernel}, ptr {pointers}, i64 {chunks}, i64 {workspace})")
    f.jump("next")
    f.label("serial")
    f.loop(0, chunks, 1, lambda i, _: f.do(f"call void {kernel}(ptr {pointers}, i64 {i}, ptr %space)"), entered=True)
    f.jump("next")
    f.label("next")
    f.lines[slot] = f"  %at = phi ptr [ %table, %{before} ], [ {following}, %next ]"
    f.branch(f.icmp("eq", "ptr", following, "null"), "end", "record")
    f.label("end")


class Record:
    """One call: the kernel's address, and its pointers, each (which, bytes further on); ``which`` counts the changing arrays, or is an
    address that stays where it is None."""

    __slots__ = ("chunks", "kernel", "pointers", "workspace")

    def __init__(self, kernel: int, chunks: int, workspace: int, pointers: Sequence[tuple[int | None, int]]) -> None:
        self.kernel, self.chunks, self.workspace, self.pointers = kernel, chunks, workspace, pointers


def tables(records: Sequence[Record], changing: int) -> tuple[np.ndarray, np.ndarray]:
    """(the table, the patches); both have to stay where they are."""
    size = sum(_HEAD + len(r.pointers) for r in records)
    table = np.zeros(max(1, size), np.int64)
    start = table.ctypes.data
    words: list[int] = []
    patches: list[list[int]] = [[] for _ in range(changing)]
    for k, r in enumerate(records):
        end = len(words) + _HEAD + len(r.pointers)
        words += (r.kernel, r.chunks, r.workspace, start + 8 * end if k < len(records) - 1 else 0)
        for which, offset in r.pointers:
            if which is not None:
                patches[which] += (start + 8 * len(words), offset)
            words.append(offset if which is None else 0)
    table[: len(words)] = words
    flat = [word for p in patches for word in (0, len(p) // 2, *p)]
    return table, np.array(flat or [0], np.int64)


__all__ = ["FIXED", "SERIAL", "Record", "emit_program", "tables"]
