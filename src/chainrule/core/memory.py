"""Memory of large results is kept by the process and used again, where the C library is glibc.

glibc takes a block of more than 128 KiB (later, of more than 32 MiB) anew from the system and gives it back when it is freed, and
gives back the end of its heap as soon as that is twice as large as the largest block so far.  The system clears every page of it at
its first use, which takes longer than most operations: forward and backward of ``exp(2 x)`` on a million numbers took 6.7 ms, and
1.3 ms with memory that is kept.  So before the first large result the two thresholds are raised, for the whole process, to
:func:`limit` bytes.

NumPy's own allocator needs no replacement: it asks malloc for everything that matters here, and the system for huge pages from 4 MiB on.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_MOST = 1 << 30
_TUNED = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_")

_done = False


def limit() -> int:
    """How many freed bytes at the end of the heap stay with the process: ``CHAINRULE_KEEP_MEMORY``, or 1 GiB (on a small machine an
    eighth of its memory).

    0: the C library's own policy; so too where the environment tunes malloc.  ValueError for what is no number of bytes.
    """
    told = os.environ.get("CHAINRULE_KEEP_MEMORY", "").strip()
    if told:
        if not told.isdecimal():
            raise ValueError(f"CHAINRULE_KEEP_MEMORY is a number of bytes (0: none are kept), not {told!r}")
        return min(int(told), (1 << 31) - 1)
    if any(name in os.environ for name in _TUNED) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return 0
    return min(_MOST, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8)


def _glibc() -> Any:
    """The C library, if it is glibc."""
    if sys.platform != "linux" or "CS_GNU_LIBC_VERSION" not in os.confstr_names or not os.confstr("CS_GNU_LIBC_VERSION"):
        return None
    return ctypes.CDLL(None)


def keep_freed() -> None:
    """Let memory that large results leave be used again; only the first call does anything."""
    global _done
    if _done:
        return
    _done = True
    libc = _glibc()
    if libc is not None and (size := limit()):
        libc.mallopt(_MMAP_THRESHOLD, size)
        libc.mallopt(_TRIM_THRESHOLD, size)


def give_back() -> bool:
    """Return unused memory to the system; whether there was any to return (False where the C library is not glibc)."""
    libc = _glibc()
    return libc is not None and bool(libc.malloc_trim(0))
