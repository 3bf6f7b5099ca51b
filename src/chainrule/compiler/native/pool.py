"""The threads that run kernels: one pool a process, shared by everything that is compiled.

Machine code runs the chunks of a kernel with

    i32 @chainrule_parallel(ptr kernel, ptr buffers, i64 chunks, i64 workspace bytes for each thread)

(:func:`run_chunks` emits the call).  It comes back when every chunk is done, with 0, or with 1 and nothing done where there was no
memory for workspaces; a program that has called :func:`reserve` before never sees the 1.

* The calling thread works too.  Threads *claim* chunks one by one, so a thread that the system has put aside holds up one chunk, not a
  share of the work.
* Workers are Python threads that sit in one native call without the interpreter's lock.  They begin when a region first needs
  them, spin for about :data:`SPIN` seconds after a region and then sleep until the next: an idle pool costs nothing.
* While one region runs, another caller, and a kernel that itself opens a region, does its chunks alone.  As chunks do not depend on
  who runs them, results are the same.
* A child of fork(2) begins with no workers and starts its own when it needs them.

The number of threads is ``torch.set_num_threads``'s, or ``CHAINRULE_NUM_THREADS``, or ``OMP_NUM_THREADS``, or the processors that this
process may use.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from . import pool_text
from .emitter import Emitter
from .jit import Library, add_symbols, compile_text
from .pool_text import MAX_THREADS
from .target import host

SYMBOL = "chainrule_parallel"
SPIN = 60e-6

_lock = threading.Lock()
_pool: _Pool | None = None
_asked: int | None = None


def default_threads() -> int:
    """How many threads to use when the program has not said."""
    for name in ("CHAINRULE_NUM_THREADS", "OMP_NUM_THREADS"):
        first = os.environ.get(name, "").partition(",")[0].strip()
        if first.isdecimal() and int(first) > 0:
            return int(first)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def get_num_threads() -> int:
    """How many threads a region runs on at most, the caller's included."""
    from chainrule import _blas

    return min(_asked or _blas._asked or default_threads(), MAX_THREADS)


def set_num_threads(n: int) -> None:
    """Use ``n`` threads from the next region on; it waits for a region that is running."""
    global _asked
    with _lock:
        _asked = n
        if _pool is not None:
            _pool.limit(get_num_threads())


def ensure() -> None:
    """Make ``chainrule_parallel`` known to LLVM; to be called before code that uses it is loaded."""
    _the_pool()


def address() -> int:
    """Where ``chainrule_parallel`` begins."""
    return _the_pool().address


def reserve(size: int) -> None:
    """Have workspaces of ``size`` bytes ready for each thread; MemoryError where there is no room."""
    if _the_pool().reserve(size):
        raise MemoryError(f"no memory for workspaces of {size} bytes on {get_num_threads()} threads; use fewer (chainrule.set_num_threads)")


def run_chunks(f: Emitter, kernel: str, buffers: str, chunks: int | str, workspace: int = 0) -> str:
    """Emit a call that runs a kernel's chunks on the pool; the name of its status (``i32``, 0 when all is done)."""
    f.module.declare(SYMBOL, f"declare i32 @{SYMBOL}(ptr, ptr, i64, i64)")
    return f.call(SYMBOL, f"ptr @{kernel}", f"ptr {buffers}", f"i64 {chunks}", f"i64 {workspace}", result="i32")


def _the_pool() -> _Pool:
    global _pool
    found = _pool
    if found is None:
        with _lock:
            found = _pool
            if found is None:
                found = _pool = _Pool(get_num_threads())
    return found


def _system(how: str) -> dict[str, int]:
    """The addresses of what the pool takes from the system, by the names that its text has for them."""
    if sys.platform == "win32":
        runtime: Any = ctypes.CDLL("ucrtbase")
        waiting = ctypes.WinDLL("api-ms-win-core-synch-l1-2-0")
        found = {"malloc": runtime.malloc, "free": runtime.free, "yield": ctypes.WinDLL("kernel32").SwitchToThread}
    else:
        runtime = waiting = ctypes.CDLL(None)
        found = {"malloc": runtime.malloc, "free": runtime.free, "yield": runtime.sched_yield}
    found |= {name: getattr(waiting, name) for name in pool_text.SYSTEM[how]}
    return {f"chainrule_{name}": int(ctypes.cast(f, ctypes.c_void_p).value or 0) for name, f in found.items()}


class _Pool:
    """The compiled pool and its Python threads."""

    def __init__(self, threads: int, how: str | None = None) -> None:
        target = host()
        how = how or os.environ.get("CHAINRULE_POOL_SLEEP") or pool_text.sleeper(target)
        self._callback = ctypes.CFUNCTYPE(None)(self._start)
        callback = int(ctypes.cast(self._callback, ctypes.c_void_p).value or 0)
        add_symbols({"chainrule_start": callback, **_system(how)})
        library = compile_text(pool_text.pool_text(target, how), target)
        # Workers may be in this code until the process is gone, so it outlives every reference that the interpreter clears at its end.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
        self.library: Library = library
        self.address = library.address(SYMBOL)
        self._block = library.variable("chainrule_pool")
        self._worker = library.function("chainrule_worker", ctypes.c_int64, ctypes.c_int32)
        self._limit = library.function("chainrule_limit", ctypes.c_int32)
        self._close = library.function("chainrule_close")
        self._reset = library.function("chainrule_reset", ctypes.c_int32, ctypes.c_int64)
        self.reserve: Callable[[int], int] = library.function("chainrule_reserve", ctypes.c_int64, restype=ctypes.c_int)
        self._workers: list[threading.Thread] = []
        self._closed = False
        self._spins = self._spins_for(SPIN)
        self._reset(threads, self._spins)
        add_symbols({SYMBOL: self.address})
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)
        atexit.register(self._exit)

    def _word(self, offset: int) -> Any:
        return ctypes.c_int32.from_address(self._block + offset)

    def _spins_for(self, seconds: float) -> int:
        """How many turns of the waiting loop last about so long: a processor's pause takes from 1 to 50 ns."""
        spin = self.library.function("chainrule_spin", ctypes.c_int64)
        turns, best = 2000, float("inf")
        for _ in range(3):
            start = time.perf_counter()
            spin(turns)
            best = min(best, (time.perf_counter() - start) / turns)
        return max(1, int(seconds / max(best, 1e-10)))

    def limit(self, threads: int) -> None:
        if not self._closed:
            self._limit(threads)

    def _start(self) -> None:
        """Called from a region that needs workers: it owns the pool, and no worker is in a chunk."""
        interrupted = False
        while True:
            try:
                self._start_workers()
                break
            except KeyboardInterrupt:  # would be lost in a callback: it is raised anew when the region is over
                interrupted = True
        if interrupted:
            threading.Thread(target=_interrupt_later, daemon=True).start()

    def _start_workers(self) -> None:
        generation = self._word(pool_text.GENERATION).value
        wanted = self._word(pool_text.LIMIT).value
        current = [t for t in self._workers if t.name.endswith(f".{generation}") and t.is_alive()]
        for thread in self._workers:
            if thread not in current:
                thread.join()
        self._workers = current
        names = {t.name for t in current}
        for k in range(1, wanted):
            name = f"chainrule-{k}.{generation}"
            if name in names:
                continue
            thread = threading.Thread(target=self._worker, args=(k, generation), daemon=True, name=name)
            try:
                thread.start()
            except RuntimeError:  # no more threads to be had: those that there are claim all chunks
                break
            self._workers.append(thread)
        self._word(pool_text.READY).value = 1

    def _forked(self) -> None:
        global _lock
        _lock = threading.Lock()  # another thread of the parent's may have held it
        self._workers = []
        self._reset(self._word(pool_text.LIMIT).value, self._spins)

    def _exit(self) -> None:
        """Send the workers home; what runs after this runs on one thread."""
        self._closed = True
        self._close()
        end = time.monotonic() + 1.0
        for thread in self._workers:
            thread.join(max(0.0, end - time.monotonic()))


def _interrupt_later() -> None:
    import _thread

    time.sleep(0.01)
    _thread.interrupt_main()
