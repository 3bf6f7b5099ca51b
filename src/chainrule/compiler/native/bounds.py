"""Bounds checks compiled into every access to memory: a pass over a module's text.

Each load, store, masked or scattered access of the kernels asks first whether the bytes lie in one of the *regions* that its caller has
listed (its buffers and its workspace).  What does not is noted, the first time, and goes to a spare place instead, so that nothing is
read or written that is not the kernel's.  Lists of pointers (``load ptr``) are exempt: no index gets there; constants of the module may
be read.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence

from .emitter import parts
from .jit import Library
from .target import SIZES

MOST = 256  # regions
REGIONS, FOUND = "check_regions", "check_found"  # count, (first byte, byte behind the last)…; whether, address, bytes, store

_LOAD = re.compile(r"^(\s*%\S+ = load )([^,]+)(, ptr )([^,\s]+)(.*)$")
_STORE = re.compile(r"^(\s*store )(<[^>]*>|\w+)( .+, ptr )([^,\s]+)(, align \d+.*)$")


def _intrinsic(name: str, pointer: str) -> re.Pattern[str]:
    """A masked access: head, type, pointer, alignment, mask, lanes, rest."""
    reads = name in ("load", "gather")
    head = r"(\s*%\S+ = call (\S+|<[^>]*>) " if reads else r"(\s*call void "
    value = "" if reads else "(<[^>]*>) .+, "
    mask, rest = (r"(<(\d+) x i1> .+?)", r"(, (?:<[^>]*>|\w+) \S+\).*)$") if reads else (r"(<(\d+) x i1> .+)", r"(\).*)$")
    return re.compile("^" + head + rf"@llvm\.masked\.{name}\.[\w.]+\({value}{pointer} )" + r"([^,\s]+)(, i32 \d+, )" + mask + rest)


_MASKED_LOAD, _MASKED_STORE = _intrinsic("load", "ptr"), _intrinsic("store", "ptr")
_GATHER, _SCATTER = _intrinsic("gather", r"<\d+ x ptr>"), _intrinsic("scatter", r"<\d+ x ptr>")
_GLOBAL = re.compile(r"^(@\S+) = internal unnamed_addr constant (\[\d+ x [^\]]+\]|<\d+ x \w+>|\w+) ", re.MULTILINE)
_CONSTANT = re.compile(r"^\s*(%\S+) = getelementptr .*ptr (\S+?),")

_PRELUDE = f"""
@{REGIONS} = global [{2 * MOST + 1} x i64] zeroinitializer, align 64
@{FOUND} = global [4 x i64] zeroinitializer, align 64
@check_spare = internal global [256 x i8] zeroinitializer, align 64

define internal ptr @check_access(ptr %at, i64 %bytes, i64 %writes) noinline nounwind {{
  %first = ptrtoint ptr %at to i64
  %end = add i64 %first, %bytes
  %count = load i64, ptr @{REGIONS}, align 8
  br label %look
look:
  %k = phi i64 [ 0, %0 ], [ %next, %more ]
  %left = icmp ult i64 %k, %count
  br i1 %left, label %region, label %outside
region:
  %slot = shl i64 %k, 1
  %low.slot = add i64 %slot, 1
  %high.slot = add i64 %slot, 2
  %low.at = getelementptr i64, ptr @{REGIONS}, i64 %low.slot
  %high.at = getelementptr i64, ptr @{REGIONS}, i64 %high.slot
  %low = load i64, ptr %low.at, align 8
  %high = load i64, ptr %high.at, align 8
  %above = icmp uge i64 %first, %low
  %below = icmp ule i64 %end, %high
  %inside = and i1 %above, %below
  br i1 %inside, label %sound, label %more
more:
  %next = add i64 %k, 1
  br label %look
sound:
  ret ptr %at
outside:
  %reads = icmp eq i64 %writes, 0
  %of.constants = call i1 @check_constant(i64 %first, i64 %end)
  %allowed = and i1 %reads, %of.constants
  br i1 %allowed, label %sound, label %wrong
wrong:
  %before = load i64, ptr @{FOUND}, align 8
  %known = icmp ne i64 %before, 0
  br i1 %known, label %spare, label %note
note:
  store i64 1, ptr @{FOUND}, align 8
  %found.at = getelementptr i64, ptr @{FOUND}, i64 1
  %found.bytes = getelementptr i64, ptr @{FOUND}, i64 2
  %found.writes = getelementptr i64, ptr @{FOUND}, i64 3
  store i64 %first, ptr %found.at, align 8
  store i64 %bytes, ptr %found.bytes, align 8
  store i64 %writes, ptr %found.writes, align 8
  br label %spare
spare:
  ret ptr @check_spare
}}
"""


def instrumented(text: str) -> str:
    """The module with a check before every access; its text is LLVM's, as :mod:`.emitter` writes it."""
    return _Pass().run(text)


class _Pass:
    def __init__(self) -> None:
        self.count = 0
        self.helpers: dict[str, str] = {}
        self.constants: set[str] = set()
        self.lines: list[str] = []

    def run(self, text: str) -> str:
        for line in text.split("\n"):
            if line.startswith("define"):
                self.constants = set()
            self.lines.append(self._line(line))
        return "\n".join([*self.lines, _PRELUDE, _constants(text), *self.helpers.values()])

    def _line(self, line: str) -> str:
        if found := _LOAD.match(line):
            head, type_, middle, pointer, rest = found.groups()
            return line if type_ == "ptr" else head + type_ + middle + self._one(pointer, _bytes(type_), 0) + rest
        if found := _STORE.match(line):
            head, type_, middle, pointer, rest = found.groups()
            return head + type_ + middle + self._one(pointer, _bytes(type_), 1) + rest
        for pattern, scattered, writes in (
            (_MASKED_LOAD, False, 0), (_MASKED_STORE, False, 1), (_GATHER, True, 0), (_SCATTER, True, 1),
        ):  # fmt: skip
            if found := pattern.match(line):
                head, type_, pointer, middle, mask, lanes, rest = found.groups()
                helper = (self._scattered if scattered else self._masked)(int(lanes))
                kind = f"<{lanes} x ptr>" if scattered else "ptr"
                name = self._new()
                size = _bytes(parts(type_)[0])
                self.lines.append(f"  {name} = call {kind} @{helper}({kind} {pointer}, i64 {size}, i64 {writes}, {mask})")
                return head + name + middle + mask + rest
        if (found := _CONSTANT.match(line)) and (found[2].startswith("@") or found[2] in self.constants):
            self.constants.add(found[1])
        return line

    def _new(self) -> str:
        self.count += 1
        return f"%checked{self.count}"

    def _one(self, pointer: str, size: int, writes: int) -> str:
        if pointer.startswith("@") or pointer in self.constants:
            return pointer
        name = self._new()
        self.lines.append(f"  {name} = call ptr @check_access(ptr {pointer}, i64 {size}, i64 {writes})")
        return name

    def _masked(self, lanes: int) -> str:
        """Of lanes side by side: those from the first that counts to the last are looked at, and the pointer moves with them."""
        name = f"check_masked{lanes}"
        self.helpers[name] = f"""
define internal ptr @{name}(ptr %at, i64 %size, i64 %writes, <{lanes} x i1> %mask) noinline nounwind {{
  %bits = bitcast <{lanes} x i1> %mask to i{lanes}
  %wide = zext i{lanes} %bits to i64
  %none = icmp eq i64 %wide, 0
  br i1 %none, label %sound, label %look
look:
  %first = call i64 @llvm.cttz.i64(i64 %wide, i1 true)
  %zeros = call i64 @llvm.ctlz.i64(i64 %wide, i1 true)
  %last = sub i64 64, %zeros
  %count = sub i64 %last, %first
  %skipped = mul i64 %first, %size
  %bytes = mul i64 %count, %size
  %from = getelementptr i8, ptr %at, i64 %skipped
  %checked = call ptr @check_access(ptr %from, i64 %bytes, i64 %writes)
  %same = icmp eq ptr %checked, %from
  br i1 %same, label %sound, label %spare
sound:
  ret ptr %at
spare:
  ret ptr %checked
}}
"""
        self.helpers["counting"] = "declare i64 @llvm.cttz.i64(i64, i1 immarg)\ndeclare i64 @llvm.ctlz.i64(i64, i1 immarg)\n"
        return name

    def _scattered(self, lanes: int) -> str:
        """Of lanes each somewhere else."""
        name = f"check_lanes{lanes}"
        body, held = [], "%at"
        for k in range(lanes):
            body += [
                f"  %on{k} = extractelement <{lanes} x i1> %mask, i64 {k}",
                f"  %p{k} = extractelement <{lanes} x ptr> %at, i64 {k}",
                f"  br i1 %on{k}, label %look{k}, label %next{k}",
                f"look{k}:",
                f"  %c{k} = call ptr @check_access(ptr %p{k}, i64 %size, i64 %writes)",
                f"  br label %next{k}",
                f"next{k}:",
                f"  %q{k} = phi ptr [ %p{k}, %{f'next{k - 1}' if k else '0'} ], [ %c{k}, %look{k} ]",
                f"  %v{k} = insertelement <{lanes} x ptr> {held}, ptr %q{k}, i64 {k}",
            ]
            held = f"%v{k}"
        params = f"<{lanes} x ptr> %at, i64 %size, i64 %writes, <{lanes} x i1> %mask"
        head = f"define internal <{lanes} x ptr> @{name}({params}) noinline nounwind {{"
        self.helpers[name] = "\n".join([head, *body, f"  ret <{lanes} x ptr> {held}", "}", ""])
        return name


def _constants(text: str) -> str:
    """A function that says whether bytes belong to one of the module's constants."""
    body, held = [], "false"
    for k, (name, type_) in enumerate(_GLOBAL.findall(text)):
        body += [
            f"  %above{k} = icmp uge i64 %first, ptrtoint (ptr {name} to i64)",
            f"  %below{k} = icmp ule i64 %end, ptrtoint (ptr getelementptr ({type_}, ptr {name}, i64 1) to i64)",
            f"  %inside{k} = and i1 %above{k}, %below{k}",
            f"  %any{k} = or i1 {held}, %inside{k}",
        ]
        held = f"%any{k}"
    return "\n".join(["define internal i1 @check_constant(i64 %first, i64 %end) noinline nounwind {", *body, f"  ret i1 {held}", "}", ""])


def _bytes(type_: str) -> int:
    element, lanes = parts(type_)
    return -(-lanes // 8) if element == "i1" else SIZES[element] * lanes


class Watch:
    """What checked machine code reads and writes: the list of regions, and what was found outside of them."""

    def __init__(self, library: Library) -> None:
        self.library = library  # the memory lives as long as it
        self.regions = (ctypes.c_int64 * (1 + 2 * MOST)).from_address(library.variable(REGIONS))
        self.found = (ctypes.c_int64 * 4).from_address(library.variable(FOUND))

    def over(self, spans: Sequence[tuple[int, int]]) -> None:
        """Let the code see these spans, each (address, bytes), and nothing else."""
        if len(spans) > MOST:
            raise ValueError(f"an operation has {len(spans)} arrays, more than the {MOST} that can be watched")
        self.regions[0] = len(spans)
        for k, (address, size) in enumerate(spans):
            self.regions[1 + 2 * k], self.regions[2 + 2 * k] = address, address + size

    def outside(self) -> tuple[int, int, bool] | None:
        """The first access that was outside: (address, bytes, whether it writes)."""
        if not self.found[0]:
            return None
        self.found[0] = 0
        return self.found[1], self.found[2], bool(self.found[3])


__all__ = ["Watch", "instrumented"]
