"""Machine code kept on disk: what one process has compiled, the next one loads in a few milliseconds.

The directory is ``CHAINRULE_CACHE``, or ``chainrule/compiled`` in the user's cache directory (``XDG_CACHE_HOME``, ``~/.cache``;
``~/Library/Caches`` on macOS, `` on Windows).  ``CHAINRULE_CACHE`` empty or ``0`` switches it off.
``CHAINRULE_CACHE_SIZE`` is how large it may grow (``1073741824``, ``512M``, ``2G``; 1 GiB if not set): what was not used for the longest
time goes first.

What is in the directory gets executed.  So it is created for its owner alone, and a directory that belongs to somebody else, or that
others may write to, is not used.  An entry carries a checksum; one that does not hold, left by a full disk for instance, is removed.
Entries are written beside their place and renamed into it, so processes that share the directory never see half of one.  Nothing that
goes wrong here is an error: without the cache the program compiles.
"""

from __future__ import annotations

import contextlib
import itertools
import marshal
import os
import stat
import sys
import threading
from functools import lru_cache
from typing import Any

# What the first call of a process waits for: hashlib would load OpenSSL, and pathlib, tempfile and json take 10 ms together.
try:
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

SIZE = 1 << 30
_MAGIC = b"chainrule object 2\n"
_SUFFIX = ".object"
_numbers = itertools.count()
_written: dict[str, int] = {}  # bytes, by directory, since this process has looked how large it is
_STALE = 3600.0  # seconds after which a file that was never renamed has lost its writer


def key(*parts: str | bytes) -> str:
    """A name for what depends on ``parts``, and on the versions of chainrule and llvmlite."""
    digest = blake2b(digest_size=32)
    for part in (*_versions(), *parts):
        data = part if isinstance(part, bytes) else part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return str(digest.hexdigest())


@lru_cache(maxsize=1)
def _versions() -> tuple[str, ...]:
    import llvmlite

    from chainrule.version import chainrule

    return chainrule, str(llvmlite.__version__), str(marshal.version)


@lru_cache(maxsize=1)
def sources() -> str:
    """What changes whenever the compiler's own text does: names, sizes and times of its files; nothing where they are not files."""
    found: list[tuple[str, int, int]] = []
    pending = [os.path.dirname(os.path.dirname(__file__))]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as files:
            for file in files:
                if file.name.endswith(".py"):
                    about = file.stat()
                    found.append((file.path, about.st_size, about.st_mtime_ns))
                elif "." not in file.name and file.name != "__pycache__":
                    pending.append(file.path)
    return repr(sorted(found))


def directory() -> str | None:
    """Where compiled code is kept; None when the cache is switched off."""
    told = os.environ.get("CHAINRULE_CACHE")
    if told is not None:
        return None if told.strip() in ("", "0") else os.path.expanduser(told)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = os.environ.get("XDG_CACHE_HOME") or "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    base = os.path.expanduser(base)
    return None if base.startswith("~") else os.path.join(base, "chainrule", "compiled")  # "~": there is no home directory


def size_limit() -> int:
    """How many bytes the cache may hold."""
    told = os.environ.get("CHAINRULE_CACHE_SIZE", "").strip().upper().removesuffix("B").removesuffix("I")
    scale = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}.get(told[-1:], 1)
    digits = told if scale == 1 else told[:-1]
    try:
        return int(float(digits) * scale)
    except (ValueError, OverflowError):
        return SIZE


def default() -> ObjectCache | None:
    """The cache that the environment asks for."""
    place = directory()
    return None if place is None else ObjectCache(place, size_limit())


class ObjectCache:
    """Entries by key in ``root``, at most ``limit`` bytes of them.

    An entry is bytes and a value of plain Python (numbers, strings, bytes, tuples, lists, dictionaries).
    """

    def __init__(self, root: str | os.PathLike[str], limit: int = SIZE) -> None:
        self.root = os.path.join(root, "objects")
        self.limit = limit

    def path(self, key: str) -> str:
        return os.path.join(self.root, key + _SUFFIX)

    def get(self, key: str) -> tuple[bytes, Any] | None:
        """(bytes, value), or None; it counts as used now."""
        path = self.path(key)
        try:
            if not _trusted(self.root):
                return None
            with open(path, "rb", buffering=0) as file:
                data = file.read()
        except OSError:
            return None
        found = _unpack(data)
        with contextlib.suppress(OSError):
            if found is None:
                os.unlink(path)
            else:
                os.utime(path)
        return found

    def drop(self, key: str) -> None:
        """Remove an entry that is of no use."""
        with contextlib.suppress(OSError):
            os.unlink(self.path(key))

    def put(self, key: str, data: bytes, meta: Any = None) -> bool:
        """Store an entry; whether it is there now."""
        packed = _pack(data, meta)
        if len(packed) > self.limit:
            return False
        try:
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            if not _trusted(self.root):
                return False
            beside = os.path.join(self.root, f"{key[:16]}.{os.getpid()}.{threading.get_ident()}.{next(_numbers)}.new")
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except OSError:
            return False
        try:
            with open(handle, "wb") as file:
                file.write(packed)
            os.replace(beside, self.path(key))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            return False
        _written[self.root] = written = _written.get(self.root, self.limit) + len(packed)
        if written > self.limit // 32:  # the first time, and when it may have grown
            _written[self.root] = 0
            self._shrink()
        return True

    def clear(self) -> None:
        """Remove all entries."""
        for path, _, _ in self._entries():
            with contextlib.suppress(OSError):
                os.unlink(path)

    def size(self) -> int:
        """Bytes that the entries take."""
        return sum(size for _, size, _ in self._entries())

    def _entries(self) -> list[tuple[str, int, float]]:
        """(path, size, time of last use) of every entry."""
        found = []
        with contextlib.suppress(OSError), os.scandir(self.root) as files:
            for file in files:
                if file.name.endswith((_SUFFIX, ".new")):
                    with contextlib.suppress(OSError):
                        about = file.stat()
                        found.append((file.path, about.st_size, about.st_mtime))
        return found

    def _shrink(self) -> None:
        entries = sorted(self._entries(), key=lambda e: e[2])
        total = sum(size for _, size, _ in entries)
        newest = entries[-1][2] if entries else 0.0
        wanted = self.limit if total <= self.limit else self.limit * 9 // 10  # with room, so that not every entry has to look again
        for path, size, used in entries:
            writing = path.endswith(".new")
            if (newest - used > _STALE) if writing else total > wanted:
                with contextlib.suppress(OSError):
                    os.unlink(path)
                total -= size


def _trusted(root: str) -> bool:
    """Whether the directory is there and only this user (or the system's administrator) can have written to it."""
    about = os.stat(root)
    if not stat.S_ISDIR(about.st_mode):
        return False
    return not hasattr(os, "geteuid") or (about.st_uid in (os.geteuid(), 0) and not about.st_mode & 0o022)


def _pack(data: bytes, meta: Any) -> bytes:
    """Magic, digest of what follows it, length of the marshalled value (8 bytes), the value, the bytes."""
    value = marshal.dumps(meta)
    body = len(value).to_bytes(8, "little") + value + data
    return _MAGIC + blake2b(body, digest_size=32).digest() + body


def _unpack(packed: bytes) -> tuple[bytes, Any] | None:
    start = len(_MAGIC) + 32
    if len(packed) < start + 8 or not packed.startswith(_MAGIC):
        return None
    body = memoryview(packed)[start:]
    if blake2b(body, digest_size=32).digest() != packed[len(_MAGIC) : start]:
        return None
    length = int.from_bytes(body[:8], "little")
    try:
        return bytes(body[8 + length :]), marshal.loads(body[8 : 8 + length])
    except (ValueError, EOFError, TypeError):  # of another version of Python
        return None
