"""Objects linked and loaded by the compiler itself: the same code as LLVM's loader gives, and what is not known is left to that."""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import llvmlite.binding as llvm

from chainrule.compiler.native import call, jit, pool_text
from chainrule.compiler.native import image as image_module
from chainrule.compiler.native.elf import Unlinkable, link
from chainrule.compiler.native.engine import build
from chainrule.compiler.native.image import PAGE, Image, Mapped, Unmappable
from chainrule.compiler.native.target import Target, host
from chainrule.compiler.passes.simplify import simplify

from .programs import ALL, seeded

here = pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "aarch64"), reason="no linker for this system"
)


def module(body: str, target: Target | None = None) -> str:
    return f'target triple = "{(target or host()).triple}"\n{body}'


def refused(*_: object) -> None:
    raise AssertionError("LLVM was asked to load code")


@here
@pytest.mark.parametrize("seed", range(30))
def test_kernels_of_every_kind_compute_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", "0")
    case = seeded(3000 + seed, 24, ALL, ("float32", "float64", "float16", "int64", "int32", "uint8"))
    program = simplify(case.program)
    with monkeypatch.context() as patch:
        patch.setattr(jit, "_by_llvm", refused)
        mine = build(program)
    with monkeypatch.context() as patch:
        patch.setattr(jit, "_linked", lambda data: None)
        theirs = build(program)
    given = [[a.copy() for a in case.inputs] for _ in range(2)]
    results = [run(arrays) for run, arrays in zip((mine, theirs), given, strict=True)]
    for a, b in zip([*results[0], *given[0]], [*results[1], *given[1]], strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@here
def test_what_the_system_gives_is_called() -> None:
    """A function of the C library from code (through a jump) and by its address (through a pointer), constants, and memory of its own."""
    text = module("""
@count = global i64 5
@zeros = global [300 x i64] zeroinitializer, align 64
@powers = internal constant [3 x double] [double 1.0, double 10.0, double 100.0]
declare double @hypot(double, double)
declare ptr @memcpy(ptr, ptr, i64)
define double @far(double %x, double %y) {
  %r = call double @hypot(double %x, double %y)
  ret double %r
}
define ptr @place() {
  ret ptr @memcpy
}
define double @power(i64 %k) {
  %p = getelementptr double, ptr @powers, i64 %k
  %v = load double, ptr %p
  ret double %v
}
define i64 @more() {
  %p = getelementptr i64, ptr @zeros, i64 299
  %z = load i64, ptr %p
  %c = load i64, ptr @count
  %d = add i64 %c, 1
  store i64 %d, ptr @count
  store i64 %d, ptr %p
  %s = add i64 %z, %d
  ret i64 %s
}
""")
    library = jit.compile_text(text, host(), cache=False)
    assert isinstance(library._loaded, Mapped)
    assert library.function("far", ctypes.c_double, ctypes.c_double, restype=ctypes.c_double)(3, 4) == 5
    assert library.function("place", restype=ctypes.c_void_p)() == ctypes.cast(ctypes.CDLL(None).memcpy, ctypes.c_void_p).value
    assert library.function("power", ctypes.c_int64, restype=ctypes.c_double)(2) == 100
    more = library.function("more", restype=ctypes.c_int64)
    assert [more(), more(), more()] == [6, 13, 15]
    assert ctypes.c_int64.from_address(library.variable("count")).value == 8
    assert library.variable("zeros") % 64 == 0
    with pytest.raises(KeyError):
        library.address("powers")


@here
def test_the_pool_and_the_entrance_are_images() -> None:
    for text in (pool_text.pool_text(host(), pool_text.sleeper(host())), module(call._ENTER)):
        assert link(jit._object(text, host(), 2, False)).symbols


@here
def test_code_is_not_writable_and_data_is_not_executable() -> None:
    library = jit.compile_text(module("@kept = global i64 5\ndefine ptr @get() {\n  ret ptr @kept\n}\n"), host(), cache=False)
    with open("/proc/self/maps") as file:
        spans = [line.split()[:2] for line in file]
    kinds = {}
    for span, kind in spans:
        low, high = [int(x, 16) for x in span.split("-")]
        for name in ("get", "kept"):
            if low <= library.address(name) < high:
                kinds[name] = kind
    assert kinds == {"get": "r-xp", "kept": "rw-p"}


CONSTRUCTED = """
@value = global i64 1
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @begin, ptr null }]
define internal void @begin() {
  store i64 7, ptr @value
  ret void
}
define i64 @twice(i64 %x) {
  %r = add i64 %x, %x
  ret i64 %r
}
"""


@here
def test_llvm_loads_what_cannot_be_linked(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    with pytest.raises(Unlinkable, match=r"\.(ctors|init_array)"):
        link(jit._object(module(CONSTRUCTED), host(), 2, False))
    for cached in (False, True):
        library = jit.compile_text(module(CONSTRUCTED), host())
        assert library.cached == cached and not isinstance(library._loaded, Mapped)
        assert library.function("twice", ctypes.c_int64, restype=ctypes.c_int64)(4) == 8
        with pytest.raises(KeyError):
            library.address("nothing")


@here
def test_llvm_loads_what_cannot_be_mapped(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that lets no memory become executable; an image that was stored where that was possible is compiled anew."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    text = module("define i64 @same(i64 %x) {\n  ret i64 %x\n}\n")
    jit.compile_text(text, host())
    with monkeypatch.context() as patch:
        patch.setattr("chainrule.compiler.native.image._mprotect", lambda: lambda *_: -1)
        library = jit.compile_text(text, host())
        assert not library.cached and not isinstance(library._loaded, Mapped)
        assert library.function("same", ctypes.c_int64, restype=ctypes.c_int64)(4) == 4
    again = jit.compile_text(text, host())
    assert again.cached and not isinstance(again._loaded, Mapped)


@here
@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_caches_of_either_machine_are_told(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module.os, "uname", lambda: SimpleNamespace(machine=machine))
    library = jit.compile_text(module("define i64 @same(i64 %x) {\n  ret i64 %x\n}\n"), host(), cache=False)
    assert isinstance(library._loaded, Mapped)
    assert library.function("same", ctypes.c_int64, restype=ctypes.c_int64)(4) == 4


def test_an_unknown_name_is_no_address() -> None:
    image = Image(b"", bytes(8), PAGE, PAGE + 8, {}, [], [(PAGE, "nothing_of_this_name")])
    with pytest.raises(Unmappable, match="nothing_of_this_name"):
        Mapped(image, jit._address_of)


def test_images_are_stored_whole() -> None:
    image = Image(b"code", b"data", PAGE, PAGE + 100, {"f": 0}, [(PAGE, 3)], [(PAGE + 8, "free")])
    assert Image.unpacked(*image.packed()) == image


# -- objects of either machine, wherever the tests run ---------------------------------------------------------------------------

TEXT = """
@state = global i64 5
@block = internal global [100 x i64] zeroinitializer, align 64
@table = internal constant [4 x double] [double 1.0, double 2.0, double 3.0, double 4.0]
declare double @outer(double)
define internal double @inner(double %x) noinline {
  %y = fmul double %x, 3.0
  ret double %y
}
define double @f(i64 %k) {
  %p = getelementptr double, ptr @table, i64 %k
  %v = load double, ptr %p
  %a = call double @outer(double %v)
  %b = call double @inner(double %a)
  %q = getelementptr i64, ptr @block, i64 %k
  %s = load i64, ptr @state
  store i64 %s, ptr %q
  ret double %b
}
"""
MACHINES = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}


def object_for(machine: str, text: str = TEXT) -> bytes:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        found = llvm.Target.from_triple(MACHINES[machine])
    except RuntimeError:
        pytest.skip(f"this LLVM writes no code for {machine}")
    made = found.create_target_machine(codemodel="small", reloc="pic", opt=2)
    return bytes(made.emit_object(llvm.parse_assembly(f'target triple = "{MACHINES[machine]}"\n{text}')))


@pytest.mark.parametrize("machine", MACHINES)
def test_an_image_is_whole(machine: str) -> None:
    image = link(object_for(machine))
    assert set(image.symbols) == {"f", "state"}
    assert image.start % PAGE == 0 and image.start >= len(image.code)
    assert image.symbols["state"] >= image.start > image.symbols["f"]
    assert struct.unpack_from("<q", image.data, image.symbols["state"] - image.start) == (5,)
    assert image.size >= image.start + len(image.data) + 800
    assert [name for _, name in image.outside] == ["outer"]
    assert all(at >= image.start for at, _ in [*image.inside, *image.outside])


@pytest.mark.parametrize("machine", MACHINES)
def test_an_unknown_relocation_is_refused(machine: str) -> None:
    data = bytearray(object_for(machine))
    table = struct.unpack_from("<Q", data, 40)[0]
    count = struct.unpack_from("<H", data, 60)[0]
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * k) for k in range(count)]
    (where,) = [h[4] for h in headers if h[1] == 4 and headers[h[7]][2] & 4]  # the relocations of code
    info = struct.unpack_from("<Q", data, where + 8)[0]
    struct.pack_into("<Q", data, where + 8, info & ~0xFFFFFFFF | 9999)
    with pytest.raises(Unlinkable, match="9999"):
        link(bytes(data))


@pytest.mark.parametrize("machine", MACHINES)
def test_half_an_object_is_refused(machine: str) -> None:
    data = object_for(machine)
    for length in [*range(0, len(data), 7), len(data) - 1]:
        with pytest.raises(Unlinkable):
            link(data[:length])


@pytest.mark.parametrize(
    "body", ["@x = thread_local global i32 0\ndefine ptr @f() {\n  ret ptr @x\n}", "@y = weak_odr global ptr @y\n@x = constant ptr @y"]
)
def test_what_is_never_emitted_is_refused_or_right(body: str) -> None:
    try:
        image = link(object_for("x86_64", body))
    except Unlinkable:
        assert "thread_local" in body
    else:
        assert (image.symbols["y"], image.symbols["y"]) in image.inside and (image.symbols["x"], image.symbols["y"]) in image.inside


def decoded(code: bytes, at: int) -> tuple[str, int, int]:
    """(instruction, register, what it says) of the few that refer to places; AAELF64's fields by the architecture's encoding."""
    (word,) = struct.unpack_from("<I", code, at)
    if word & 0x9F000000 == 0x90000000:
        pages = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
        return "adrp", word & 31, (at >> 12 << 12) + ((pages ^ 1 << 20) - (1 << 20) << 12)
    if word & 0x7F800000 == 0x11000000:
        return "add", word >> 5 & 31, word >> 10 & 0xFFF
    if word & 0x3B000000 == 0x39000000:
        scale = word >> 30 if not (word & 0x04800000 == 0x04800000) else 4
        return "ldst", word >> 5 & 31, (word >> 10 & 0xFFF) << scale
    if word & 0x7C000000 == 0x14000000:
        offset = word & 0x3FFFFFF
        return "b", 0, at + ((offset ^ 1 << 25) - (1 << 25)) * 4
    return "", 0, 0


def places(code: bytes, start: int, end: int) -> list[int]:
    """All addresses that Arm code forms between two places, and where it jumps."""
    pages: dict[int, int] = {}
    found = []
    for at in range(start, end, 4):
        kind, register, value = decoded(code, at)
        if kind == "adrp":
            pages[register] = value
        elif kind in ("add", "ldst") and register in pages:
            found.append(pages[register] + value)
        elif kind == "b":
            found.append(value)
    return found


def test_arm_code_refers_to_what_it_should() -> None:
    """The instructions of a linked function lead to its table, its variables, the function inside, and through a pointer outside."""
    image = link(object_for("aarch64"))
    memory = image.code.ljust(image.start, b"\0") + image.data
    end = len(image.code)
    found = places(memory, 0, end)
    table = memory.index(struct.pack("<4d", 1, 2, 3, 4))
    inner = [p for p in found if 0 <= p < end and p != image.symbols["f"] and p not in (table,)]
    pointers = dict(image.inside)
    outside = dict(image.outside)
    assert table in found
    assert any(pointers.get(p, p) == image.symbols["state"] for p in found)
    assert any(outside.get(p) == "outer" for p in found)
    assert any(p >= image.start + len(image.data) for p in found)  # the block of zeros
    jumps = [p for p in inner if decoded(memory, p)[0] != ""]
    assert any(places(memory, p, p + 12) and places(memory, p, p + 12)[0] in outside for p in jumps)  # the jump outside
