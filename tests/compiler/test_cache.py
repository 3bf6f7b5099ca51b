"""The cache on disk: found again, bounded, private, and never in the way."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")

from chainrule.compiler.native import cache, jit
from chainrule.compiler.native.cache import ObjectCache
from chainrule.compiler.native.target import host, restricted

TEXT = f'target triple = "{host().triple}"\ndefine i64 @twice(i64 %x) {{\n  %r = add i64 %x, %x\n  ret i64 %r\n}}\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def twice(library: jit.Library) -> int:
    return library.function("twice", ctypes.c_int64, restype=ctypes.c_int64)(21)


def test_the_second_time_it_is_loaded_with_what_was_stored(place: Path) -> None:
    first = jit.compile_text(TEXT, host(), meta={"slots": [1, 2]})
    second = jit.compile_text(TEXT, host())
    assert (first.cached, second.cached, second.meta) == (False, True, {"slots": [1, 2]})
    assert twice(first) == twice(second) == 42
    found = jit.load(jit.key_of(TEXT, host()), host())
    assert found is not None and twice(found) == 42
    assert jit.load("0" * 64, host()) is None


def test_keys_tell_text_target_and_level_apart() -> None:
    keys = {jit.key_of(TEXT, host()), jit.key_of(TEXT + "\n", host()), jit.key_of(TEXT, host(), opt=1), jit.key_of(TEXT, restricted(128))}
    assert len(keys) == (4 if host().bits > 128 else 3)
    assert cache.key("ab", "c") != cache.key("a", "bc")


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:10], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_damaged_entry_is_removed_and_compiled_anew(place: Path, damage) -> None:
    jit.compile_text(TEXT, host())
    (path,) = (place / "objects").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    store = cache.default()
    assert store is not None and store.get(path.stem) is None and not path.exists()
    assert not jit.compile_text(TEXT, host()).cached
    assert jit.compile_text(TEXT, host()).cached


@pytest.mark.parametrize("value", ["", "0", " "])
def test_switched_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", value)
    assert cache.default() is None
    assert not jit.compile_text(TEXT, host()).cached
    assert not jit.compile_text(TEXT, host()).cached


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the place of other systems")
def test_the_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAINRULE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.directory() == "/somewhere/chainrule/compiled"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.directory() == str(Path.home() / ".cache/chainrule/compiled")


@pytest.mark.parametrize(
    "told, size", [("", 1 << 30), ("1000", 1000), ("2K", 2048), ("1.5m", 3 << 19), ("2GiB", 2 << 30), ("much", 1 << 30)]
)
def test_size_limits_are_read(monkeypatch: pytest.MonkeyPatch, told: str, size: int) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", told)
    assert cache.size_limit() == size


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    store = ObjectCache(tmp_path, 10_000)
    for k in range(8):
        assert store.put(f"{k}", bytes(1000))
        os.utime(store.path(f"{k}"), (1000 + k, 1000 + k))
    assert store.get("0") is not None  # used now
    store.put("8", bytes(1000))
    store.put("9", bytes(1000))
    assert store.size() <= 10_000
    assert store.get("0") is not None and store.get("9") is not None and store.get("1") is None
    assert not store.put("large", bytes(20_000))


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_private(tmp_path: Path) -> None:
    store = ObjectCache(tmp_path / "new")
    assert store.put("a", b"code")
    assert os.stat(store.root).st_mode & 0o777 == 0o700
    assert os.stat(store.path("a")).st_mode & 0o077 == 0
    os.chmod(store.root, 0o777)  # now anybody may have written what would be executed
    assert store.get("a") is None and not store.put("b", b"code")


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "file"))
    assert twice(jit.compile_text(TEXT, host())) == 42


def test_many_processes_at_once(place: Path) -> None:
    code = f"""
from chainrule.compiler.native import jit
from chainrule.compiler.native.target import host
import ctypes
for k in range(12):
    found = jit.compile_text({TEXT!r} + "; " + str(k), host())
    assert found.function("twice", ctypes.c_int64, restype=ctypes.c_int64)(4) == 8
"""
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    assert len(list((place / "objects").iterdir())) == 13  # the target too
