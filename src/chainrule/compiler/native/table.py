"""A program's calls as data, which one small function walks: what LLVM has to write grows with the kernels that differ, not with the calls.

The table (64-bit words) begins with

    end   patches   space   pool

where it ends, what to do before the calls, the calling thread's workspace, and the function that runs chunks on the pool's threads
(0 where nothing needs it).  A record for each call follows:

    kernel   chunks   workspace   size   pointers…

``workspace`` is the bytes that each thread of the pool needs, or :data:`SERIAL` for a call whose chunks the calling thread does alone;
``size`` is the record's own, in words.  Where chunks of several kernels are shared out together, the record's kernel is a function that
finds the one that a chunk belongs to, and instead of pointers it is given *runs* of chunks, each

    kernel   first   chunks   size   pointers…

Pointers into memory that stays are there from the beginning.  Those into arrays that change
from call to call are put there by *patches*, for every such array in order:

    last   count   (where the pointer is, bytes from the array's first)…

An array that lies where it lay the last time (``last``) has nothing to be done.  ``last`` is written after the pointers, so a child that
is forked meanwhile finds nothing half done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .emitter import Emitter, Module

HEAD = 4  # words before the first record
_RECORD = 4  # words of a record before its pointers
SERIAL = -1
FEW = 8  # calls that are written out
_RUN = 4  # words of a run before its pointers
_WALK, _SHARE = "run_table", "run_shared"

_SHARE_TEXT = f"""
define void @{_SHARE}(ptr noalias readonly %runs, i64 %chunk, ptr noalias %space) nounwind {{
entry:
  br label %look
look:
  %r = phi ptr [ %runs, %entry ], [ %following, %other ]
  %left = phi i64 [ %chunk, %entry ], [ %less, %other ]
  %count.p = getelementptr i64, ptr %r, i64 2
  %count = load i64, ptr %count.p
  %here = icmp ult i64 %left, %count
  br i1 %here, label %run, label %other
other:
  %size.p = getelementptr i64, ptr %r, i64 3
  %size = load i64, ptr %size.p
  %following = getelementptr i64, ptr %r, i64 %size
  %less = sub i64 %left, %count
  br label %look
run:
  %kernel = load ptr, ptr %r
  %first.p = getelementptr i64, ptr %r, i64 1
  %first = load i64, ptr %first.p
  %mine = add i64 %first, %left
  %pointers = getelementptr i64, ptr %r, i64 {_RUN}
  call void %kernel(ptr %pointers, i64 %mine, ptr %space)
  ret void
}}"""

_TEXT = f"""
define internal void @{_WALK}(ptr %block, i64 %changing, ptr %table) nounwind {{
entry:
  %end = load ptr, ptr %table
  %patches.p = getelementptr i64, ptr %table, i64 1
  %patches = load ptr, ptr %patches.p
  %space.p = getelementptr i64, ptr %table, i64 2
  %space = load ptr, ptr %space.p
  %pool.p = getelementptr i64, ptr %table, i64 3
  %pool = load ptr, ptr %pool.p
  %first = getelementptr i64, ptr %table, i64 {HEAD}
  br label %array
array:
  %k = phi i64 [ 0, %entry ], [ %k1, %patched ]
  %last.p = phi ptr [ %patches, %entry ], [ %behind, %patched ]
  %through = icmp eq i64 %k, %changing
  br i1 %through, label %record, label %look
look:
  %now.p = getelementptr ptr, ptr %block, i64 %k
  %now = load ptr, ptr %now.p
  %last = load ptr, ptr %last.p
  %count.p = getelementptr i64, ptr %last.p, i64 1
  %count = load i64, ptr %count.p
  %entries = getelementptr i64, ptr %last.p, i64 2
  %behind = getelementptr {{ ptr, i64 }}, ptr %entries, i64 %count
  %k1 = add i64 %k, 1
  %same = icmp eq ptr %now, %last
  br i1 %same, label %patched, label %patch
patch:
  %e = phi ptr [ %entries, %look ], [ %e1, %patch ]
  %to = load ptr, ptr %e
  %bytes.p = getelementptr i64, ptr %e, i64 1
  %bytes = load i64, ptr %bytes.p
  %pointer = getelementptr i8, ptr %now, i64 %bytes
  store ptr %pointer, ptr %to
  %e1 = getelementptr i64, ptr %e, i64 2
  %done = icmp eq ptr %e1, %behind
  br i1 %done, label %note, label %patch
note:
  store ptr %now, ptr %last.p
  br label %patched
patched:
  br label %array
record:
  %r = phi ptr [ %first, %array ], [ %following, %next ]
  %kernel = load ptr, ptr %r
  %chunks.p = getelementptr i64, ptr %r, i64 1
  %chunks = load i64, ptr %chunks.p
  %workspace.p = getelementptr i64, ptr %r, i64 2
  %workspace = load i64, ptr %workspace.p
  %size.p = getelementptr i64, ptr %r, i64 3
  %size = load i64, ptr %size.p
  %pointers = getelementptr i64, ptr %r, i64 {_RECORD}
  %following = getelementptr i64, ptr %r, i64 %size
  %alone = icmp eq i64 %workspace, {SERIAL}
  br i1 %alone, label %serial, label %parallel
serial:
  %c = phi i64 [ 0, %record ], [ %c1, %serial ]
  call void %kernel(ptr %pointers, i64 %c, ptr %space)
  %c1 = add i64 %c, 1
  %more = icmp ult i64 %c1, %chunks
  br i1 %more, label %serial, label %next
parallel:
  %status = call i32 %pool(ptr %kernel, ptr %pointers, i64 %chunks, i64 %workspace)
  br label %next
next:
  %over = icmp eq ptr %following, %end
  br i1 %over, label %out, label %record
out:
  ret void
}}"""


Word = tuple[str | int | None, int]  # a kernel (0), a slot and bytes from its beginning, or a number


class Run(NamedTuple):
    """``chunks`` of a kernel, from the ``first`` on.  Pointers are (slot, bytes from its beginning): slots count the arrays that
    change, and then the memory that stays.
    """

    kernel: str
    first: int
    chunks: int
    pointers: Sequence[tuple[int, int]]


class Record(NamedTuple):
    """What runs at the same time: chunks of one kernel or several; ``workspace`` is bytes, or :data:`SERIAL`."""

    runs: Sequence[Run]
    workspace: int

    @property
    def chunks(self) -> int:
        return sum(r.chunks for r in self.runs)

    @property
    def kernel(self) -> str:
        return self.runs[0].kernel if len(self.runs) == 1 else _SHARE

    def words(self) -> list[Word]:
        """What is behind the record's head."""
        if len(self.runs) == 1:
            return list(self.runs[0].pointers)
        out: list[Word] = []
        for r in self.runs:
            out += [(r.kernel, 0), (None, r.first), (None, r.chunks), (None, _RUN + len(r.pointers)), *r.pointers]
        return out


def emit_calls(module: Module, name: str, records: Sequence[Record], changing: int) -> None:
    """``void name(ptr %block)``, which runs the table of these records: the block has the arrays that change, then a pointer to the table.

    A few calls are written out, the pointers of each put into its record: that is less text than what walks, and saves a call 0.02 µs.
    """
    f = module.function(name, "ptr %block", linkage="")
    table = f.load("ptr", f.gep("%block", changing, "ptr"))
    if any(len(r.runs) > 1 for r in records) and not module.has(_SHARE):
        module.add(_SHARE_TEXT, _SHARE)
    if len(records) > FEW:
        if not module.has(_WALK):
            module.add(_TEXT, _WALK)
        f.call(_WALK, "ptr %block", f"i64 {changing}", f"ptr {table}")
    else:
        space, run = [f.load("ptr", f.gep(table, place, "i64")) for place in (2, 3)]
        arrays = [f.load("ptr", f.gep("%block", k, "ptr")) for k in range(changing)]
        at = HEAD + _RECORD
        for r in records:
            words = r.words()
            for k, (slot, offset) in enumerate(words):
                if isinstance(slot, int) and slot < changing:
                    f.store("ptr", f.gep(arrays[slot], offset), f.gep(table, at + k, "i64"))
            _call(f, r, f.gep(table, at, "i64"), space, run)
            at += len(words) + _RECORD
    f.ret()


def _call(f: Emitter, r: Record, pointers: str, space: str, run: str) -> None:
    if r.workspace != SERIAL:
        f.op(f"call i32 {run}(ptr @{r.kernel}, ptr {pointers}, i64 {r.chunks}, i64 {r.workspace})")
    elif r.chunks == 1:
        f.call(r.kernel, f"ptr {pointers}", "i64 0", f"ptr {space}")
    else:
        f.loop(0, r.chunks, 1, lambda i, _: f.call(r.kernel, f"ptr {pointers}", f"i64 {i}", f"ptr {space}"))


class Table(NamedTuple):
    """Records as words, before it is known where anything lies: ``words + addresses[what]`` is what is walked.

    ``what`` is 0 for a plain number, 1 and a slot's number for a pointer, and negative for a kernel's address: -1 for the first of
    ``kernels``.
    """

    kernels: tuple[str, ...]
    words: np.ndarray[Any, Any]
    what: np.ndarray[Any, Any]

    @staticmethod
    def of(records: Sequence[Record]) -> Table:
        """The table of some calls, which run one after the other."""
        numbers: dict[str, int] = {}
        values: list[int] = []
        what: list[int] = []
        for r in records:
            words = r.words()
            head: list[Word] = [(r.kernel, 0), (None, r.chunks), (None, r.workspace), (None, _RECORD + len(words))]
            for place, value in [*head, *words]:
                values.append(value)
                if isinstance(place, str):
                    what.append(-1 - numbers.setdefault(place, len(numbers)))
                else:
                    what.append(0 if place is None else place + 1)
        return Table(tuple(numbers), np.array(values, np.int64), np.array(what, np.int32))

    def bound(
        self, address_of: Callable[[str], int], changing: int, fixed: Sequence[int], space: int, pool: int
    ) -> list[np.ndarray[Any, Any]]:
        """The table in memory, and then what has to stay as long as it: for kernels, memory and workspace at these addresses."""
        kernels = [address_of(name) for name in self.kernels]
        addresses = np.array([0, *[0] * changing, *fixed, *reversed(kernels)], np.int64)
        table = np.empty(HEAD + len(self.words), np.int64)
        np.add(self.words, addresses[self.what], out=table[HEAD:])
        start = table.ctypes.data
        patches = self._patches(start + 8 * HEAD, changing)
        table[:HEAD] = start + table.nbytes, patches.ctypes.data, space, pool
        return [table, patches]

    def _patches(self, start: int, changing: int) -> np.ndarray[Any, Any]:
        order = np.argsort(self.what, kind="stable")
        ends = np.searchsorted(self.what[order], np.arange(changing + 1), side="right")
        flat = []
        for begin, end in zip(ends, ends[1:]):
            places = order[begin:end]
            flat += [np.array([0, len(places)]), np.stack([start + 8 * places, self.words[places]], 1).ravel()]
        return np.concatenate(flat or [np.zeros(1)]).astype(np.int64)


__all__ = ["SERIAL", "Record", "Table", "emit_calls"]
