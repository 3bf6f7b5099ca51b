"""Machine code that has been linked: bytes that run wherever they are put, and the pointers to fill in there.

:mod:`~chainrule.compiler.native.elf` makes an :class:`Image` of an object file.  Everything in it refers to everything else by distance,
so that putting it into memory (:class:`Mapped`) is a copy and a handful of pointers, and takes neither LLVM nor a linker: some 50 µs.
Memory is writable first and executable afterwards, never both.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

PAGE = 1 << 16  # what begins at a multiple of it begins a page, on every system that has images


class Unmappable(Exception):
    """An image that this process cannot run."""


class Image(NamedTuple):
    """Code and constants from 0 on, writable memory from ``start`` to ``size``, of which ``data`` is the beginning and zeros are the rest.

    ``symbols`` has the offsets that names stand for.  At each offset in ``inside`` a pointer into the image belongs (offset, to which
    offset), at each in ``outside`` the address of something else (offset, its name).
    """

    code: bytes
    data: bytes
    start: int
    size: int
    symbols: dict[str, int]
    inside: list[tuple[int, int]]
    outside: list[tuple[int, str]]

    def packed(self) -> tuple[bytes, Any]:
        """(bytes, a value for JSON)."""
        return self.code + self.data, [len(self.code), *self[2:]]

    @staticmethod
    def unpacked(content: bytes, about: Any) -> Image:
        """The inverse of :meth:`packed`."""
        length, start, size, symbols, inside, outside = about
        return Image(content[:length], content[length:], start, size, symbols, inside, outside)


class Mapped:
    """An image in memory; it stays there as long as this object lives."""

    def __init__(self, image: Image, address_of: Callable[[str], int | None]) -> None:
        """Raises :class:`Unmappable` where ``address_of`` does not know a name, or the system does not let memory become executable."""
        if os.name != "posix" or image.start % mmap.PAGESIZE:
            raise Unmappable("no mmap, or pages of another size")
        try:
            self._memory = memory = mmap.mmap(-1, image.size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            raise Unmappable(str(error)) from None
        self._hold = ctypes.c_char.from_buffer(memory)
        self.base = base = ctypes.addressof(self._hold)
        self._symbols = image.symbols
        memory[: len(image.code)] = image.code
        memory[image.start : image.start + len(image.data)] = image.data
        for place, target in image.inside:
            struct.pack_into("=Q", memory, place, base + target)
        for place, name in image.outside:
            address = address_of(name)
            if not address:
                raise Unmappable(f"{name} is not known")
            struct.pack_into("=Q", memory, place, address)
        _make_seen(base, len(image.code))
        if image.start and _mprotect()(base, image.start, mmap.PROT_READ | mmap.PROT_EXEC):
            raise Unmappable("memory cannot be made executable")

    def address(self, name: str) -> int:
        """Where a function or a global lies; KeyError for a name that the image does not give to others."""
        return self.base + self._symbols[name]


def _make_seen(base: int, size: int) -> None:
    """Let the processor fetch what was written: Arm's instruction cache does not notice by itself."""
    if os.uname().machine in ("x86_64", "amd64", "i686"):
        return
    try:
        clear: Any = ctypes.CDLL("libgcc_s.so.1").__clear_cache
    except (OSError, AttributeError):
        return  # Linux does it for pages that become executable
    clear.argtypes, clear.restype = (ctypes.c_void_p, ctypes.c_void_p), None
    clear(base, base + size)


def _mprotect() -> Callable[[int, int, int], int]:
    found: Any = ctypes.CDLL(None).mprotect
    found.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return found  # type: ignore[no-any-return]


__all__ = ["PAGE", "Image", "Mapped", "Unmappable"]
