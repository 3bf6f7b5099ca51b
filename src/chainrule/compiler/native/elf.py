"""Linking an ELF object, as LLVM writes it for ``reloc=pic`` and ``codemodel=small``, into an :class:`.image.Image`.

x86-64 and 64-bit Arm.  The formats are those of the System V ABI (chapters on object files) and its supplements for AMD64 and for the
Arm 64-bit architecture (AAELF64), whose names relocations have here.  What is not known here raises :class:`Unlinkable`, and LLVM loads
the object instead: a relocation that is not in the tables, thread-local variables, constructors.  Unwind tables are left out: no
exception passes through this code.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from .image import PAGE, Image

_MACHINES = {62: "x86_64", 183: "aarch64"}
_NULL, _PROGBITS, _SYMTAB, _RELA, _NOBITS = 0, 1, 2, 4, 8
_WRITE, _ALLOC, _EXEC = 1, 2, 4
_PLAIN = 0x1 | 0x2 | 0x4 | 0x10 | 0x20 | 0x40  # flags without a meaning here but the three above: mergeable, strings, sh_info is a link
_CALLED = (".ctors", ".dtors", ".init", ".fini")  # what a loader has to call
_POINTER = 8
_STUB = 16


class Unlinkable(Exception):
    """An object that :func:`link` does not know how to treat."""


class _Section(NamedTuple):
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


class _Symbol(NamedTuple):
    name: str
    section: int  # 0: outside of the object
    value: int
    shared: bool  # whether others may ask for it


class _Fix(NamedTuple):
    """A relocation: how it is written, where, and what it refers to."""

    kind: int
    section: int
    offset: int
    symbol: int
    addend: int


# -- how relocations are written -----------------------------------------------------------------------------------------------

Writer = Callable[[bytearray, int, int, int], None]  # (memory, offset there, place, target)


def _within(value: int, bits: int, what: str) -> int:
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise Unlinkable(f"{what} is out of reach")
    return value


def _distance32(memory: bytearray, at: int, place: int, target: int) -> None:
    struct.pack_into("<i", memory, at, _within(target - place, 32, "a symbol"))


def _distance64(memory: bytearray, at: int, place: int, target: int) -> None:
    struct.pack_into("<q", memory, at, target - place)


def _instruction(memory: bytearray, at: int, field: int, mask: int) -> None:
    (word,) = struct.unpack_from("<I", memory, at)
    struct.pack_into("<I", memory, at, (word & ~mask) | (field & mask))


def _page21(memory: bytearray, at: int, place: int, target: int) -> None:
    """ADRP: the distance of 4-KiB pages, its two lowest bits apart."""
    pages = _within((target >> 12) - (place >> 12), 21, "a page")
    _instruction(memory, at, (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5, 3 << 29 | 0x7FFFF << 5)


def _low12(shift: int) -> Writer:
    """The place within the page, in units of 2**shift bytes."""

    def write(memory: bytearray, at: int, place: int, target: int) -> None:
        low = target & 0xFFF
        if low & ((1 << shift) - 1):
            raise Unlinkable("a place that is not aligned as its access")
        _instruction(memory, at, low >> shift << 10, 0xFFF << 10)

    return write


def _branch26(memory: bytearray, at: int, place: int, target: int) -> None:
    _instruction(memory, at, _within(target - place, 28, "a function") >> 2, 0x3FFFFFF)


class _Machine(NamedTuple):
    """Relocations by number: those that refer to the symbol itself, those of calls, and those that refer to a pointer to it."""

    absolute: int
    direct: dict[int, Writer]
    calls: dict[int, Writer]
    pointers: dict[int, Writer]
    stub: Callable[[int, int], bytes]


def _stub_x86(place: int, pointer: int) -> bytes:
    """``jmp *pointer(%rip)``"""
    return struct.pack("<BBi", 0xFF, 0x25, pointer - place - 6).ljust(_STUB, b"\xcc")


def _stub_arm(place: int, pointer: int) -> bytes:
    """``adrp x16, pointer; ldr x16, [x16, pointer]; br x16``"""
    code = bytearray(struct.pack("<4I", 0x90000010, 0xF9400210, 0xD61F0200, 0xD503201F))
    _page21(code, 0, place, pointer)
    _low12(3)(code, 4, place + 4, pointer)
    return bytes(code)


_X86 = _Machine(
    absolute=1,  # R_X86_64_64
    direct={2: _distance32, 24: _distance64},  # PC32, PC64
    calls={4: _distance32},  # PLT32
    pointers={9: _distance32, 41: _distance32, 42: _distance32},  # GOTPCREL, GOTPCRELX, REX_GOTPCRELX
    stub=_stub_x86,
)
_ARM = _Machine(
    absolute=257,  # R_AARCH64_ABS64
    direct={
        260: _distance64,  # PREL64
        261: _distance32,  # PREL32
        275: _page21,  # ADR_PREL_PG_HI21
        276: _page21,  # ADR_PREL_PG_HI21_NC
        277: _low12(0),  # ADD_ABS_LO12_NC
        278: _low12(0),  # LDST8_ABS_LO12_NC
        284: _low12(1),
        285: _low12(2),
        286: _low12(3),
        299: _low12(4),  # LDST128_ABS_LO12_NC
    },
    calls={282: _branch26, 283: _branch26},  # JUMP26, CALL26
    pointers={311: _page21, 312: _low12(3)},  # ADR_GOT_PAGE, LD64_GOT_LO12_NC
    stub=_stub_arm,
)


# -- reading -------------------------------------------------------------------------------------------------------------------


def _text(table: bytes, start: int) -> str:
    return table[start : table.index(b"\0", start)].decode()


def _sections(data: bytes) -> tuple[_Machine, list[_Section]]:
    if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01":
        raise Unlinkable("not a 64-bit little-endian ELF object")
    kind, number, _, _, _, table, _, _, _, _, entry, count, names = struct.unpack_from("<HHIQQQIHHHHHH", data, 16)
    if kind != 1 or number not in _MACHINES or not count:
        raise Unlinkable("not a relocatable object of a known machine")
    raw = [struct.unpack_from("<IIQQQQIIQQ", data, table + k * entry) for k in range(count)]
    strings = data[raw[names][4] : raw[names][4] + raw[names][5]]
    found = [_Section(_text(strings, r[0]), r[1], r[2], r[4], r[5], r[6], r[7], max(1, r[8])) for r in raw]
    return (_X86 if _MACHINES[number] == "x86_64" else _ARM), found


def _symbols(data: bytes, sections: list[_Section]) -> list[_Symbol]:
    found: list[_Symbol] = []
    for s in sections:
        if s.kind != _SYMTAB:
            continue
        strings = sections[s.link]
        table = data[strings.offset : strings.offset + strings.size]
        for name, info, other, section, value, _ in struct.iter_unpack("<IBBHQQ", data[s.offset : s.offset + s.size]):
            bind, kind = info >> 4, info & 15
            if kind in (6, 10) or bind not in (0, 1, 2) or section >= 0xFF00 and kind != 4:  # 4: a file's name
                raise Unlinkable(f"a symbol of a kind that is not known ({_text(table, name)})")
            found.append(_Symbol(_text(table, name), section, value, bind != 0 and section != 0 and other & 3 == 0))
    return found


def _fixes(data: bytes, sections: list[_Section], placed: dict[int, int]) -> list[_Fix]:
    found: list[_Fix] = []
    for s in sections:
        if s.kind == 9:
            raise Unlinkable("relocations without addends")
        if s.kind == _RELA and s.info in placed:
            for offset, info, addend in struct.iter_unpack("<QQq", data[s.offset : s.offset + s.size]):
                found.append(_Fix(info & 0xFFFFFFFF, s.info, offset, info >> 32, addend))
    return found


# -- linking -------------------------------------------------------------------------------------------------------------------


def _wanted(sections: list[_Section]) -> tuple[list[int], list[int]]:
    """Which sections are loaded: those that stay as they are, code first, and those that are written to."""
    fixed: list[int] = []
    written: list[int] = []
    for k, s in enumerate(sections):
        if not s.flags & _ALLOC or s.name == ".eh_frame" or not s.size:
            continue
        known = s.kind in (_PROGBITS, _NOBITS) and not s.flags & ~_PLAIN and not s.name.startswith(_CALLED)
        if not known or s.flags & _WRITE and s.flags & _EXEC:
            raise Unlinkable(f"a section of a kind that is not known ({s.name})")
        (written if s.flags & _WRITE else fixed).append(k)
    fixed.sort(key=lambda k: not sections[k].flags & _EXEC)
    written.sort(key=lambda k: sections[k].kind == _NOBITS)
    return fixed, written


def _up(offset: int, align: int) -> int:
    return -(-offset // align) * align


def link(data: bytes) -> Image:
    """The object's image; :class:`Unlinkable` where it has something that is not known here."""
    try:
        return _Link(data).image()
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise Unlinkable(f"not a whole object ({error})") from None


class _Link:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.machine, self.sections = _sections(data)
        self.symbols = _symbols(data, self.sections)
        fixed, written = _wanted(self.sections)
        self.place: dict[int, int] = {}  # of a section, in the image
        end = self._put(fixed, 0)
        self.fixes = _fixes(data, self.sections, dict.fromkeys([*fixed, *written], 0))
        self.pointers: dict[int, int] = {}  # where a pointer to a symbol is
        self.stubs: dict[int, int] = {}  # where a jump to a symbol is
        for fix in self.fixes:
            self._need(fix)
        end = _up(end, _STUB)
        self.code_size = end + _STUB * len(self.stubs)
        for k, symbol in enumerate(self.stubs):
            self.stubs[symbol] = end + _STUB * k
        self.start = _up(self.code_size, PAGE)
        for k, symbol in enumerate(self.pointers):
            self.pointers[symbol] = self.start + _POINTER * k
        self.size = max(1, self._put(written, self.start + _POINTER * len(self.pointers)))
        kept = [k for k in written if self.sections[k].kind != _NOBITS]
        self.data_end = max([self.place[k] + self.sections[k].size for k in kept], default=self.start + _POINTER * len(self.pointers))
        self.memory = bytearray(self.data_end)
        self.inside: list[tuple[int, int]] = []
        self.outside: list[tuple[int, str]] = []

    def _put(self, chosen: list[int], at: int) -> int:
        for k in chosen:
            self.place[k] = at = _up(at, self.sections[k].align)
            at += self.sections[k].size
        return at

    def _need(self, fix: _Fix) -> None:
        """Take note of the pointers and jumps that there have to be."""
        outside = not self.symbols[fix.symbol].section
        m = self.machine
        if fix.kind in m.pointers or (fix.kind in m.calls and outside):
            self.pointers[fix.symbol] = 0
        if fix.kind in m.calls and outside:
            self.stubs[fix.symbol] = 0
        elif not (fix.kind in m.pointers or fix.kind in m.calls or fix.kind in m.direct or fix.kind == m.absolute):
            raise Unlinkable(f"a relocation that is not known ({fix.kind})")

    def _target(self, symbol: int) -> int:
        """A symbol's place in the image."""
        s = self.symbols[symbol]
        if s.section not in self.place:
            raise Unlinkable(f"a distance to what is not in the image ({s.name})")
        return self.place[s.section] + s.value

    def image(self) -> Image:
        for k, at in self.place.items():
            s = self.sections[k]
            if s.kind != _NOBITS:
                self.memory[at : at + s.size] = self.data[s.offset : s.offset + s.size]
        for symbol, at in self.stubs.items():
            self.memory[at : at + _STUB] = self.machine.stub(at, self.pointers[symbol])
        for symbol, at in self.pointers.items():
            self._pointer(symbol, at, 0)
        for fix in self.fixes:
            self._fix(fix)
        shared = {s.name: self.place[s.section] + s.value for s in self.symbols if s.shared and s.section in self.place}
        code, rest = bytes(self.memory[: self.code_size]), bytes(self.memory[self.start :])
        return Image(code, rest, self.start, self.size, shared, self.inside, self.outside)

    def _pointer(self, symbol: int, at: int, addend: int) -> None:
        """Have the symbol's address put at ``at`` when the image is loaded."""
        if self.symbols[symbol].section:
            self.inside.append((at, self._target(symbol) + addend))
        elif addend:
            raise Unlinkable("a place beyond a symbol outside")
        else:
            self.outside.append((at, self.symbols[symbol].name))

    def _fix(self, fix: _Fix) -> None:
        at, m = self.place[fix.section] + fix.offset, self.machine
        if fix.kind == m.absolute:
            if at < self.start:
                raise Unlinkable("an address among constants")
            self._pointer(fix.symbol, at, fix.addend)
        elif fix.kind in m.pointers:
            m.pointers[fix.kind](self.memory, at, at, self.pointers[fix.symbol] + fix.addend)
        else:
            write = m.calls.get(fix.kind) or m.direct[fix.kind]
            target = self.stubs[fix.symbol] if fix.symbol in self.stubs and fix.kind in m.calls else self._target(fix.symbol)
            write(self.memory, at, at, target + fix.addend)


__all__ = ["Unlinkable", "link"]
