"""From LLVM's text to addresses of functions: parsed, compiled in the process, and found again in the cache on disk."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import cache as _cache
from .target import Target

_lock = threading.Lock()  # LLVM's global state is not for several threads at once
_ready = False
_POOL = "declare i32 @chainrule_parallel("  # how code that uses the pool names it


def _forked() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent's may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _initialise() -> Any:
    global _ready
    import llvmlite.binding as llvm

    if not _ready:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        _ready = True
    return llvm


class Library:
    """Compiled code; it lives as long as this object.

    ``meta`` is what was stored with it in the cache (a value that JSON can hold), ``cached`` whether it came from there.
    """

    def __init__(self, engine: Any, meta: Any = None, cached: bool = False) -> None:
        self._engine = engine
        self.meta = meta
        self.cached = cached

    def address(self, name: str) -> int:
        """Where a function begins."""
        return int(self._engine.get_function_address(name))

    def variable(self, name: str) -> int:
        """Where a global lies."""
        return int(self._engine.get_global_value_address(name))

    def function(self, name: str, *argtypes: Any, restype: Any = None) -> Callable[..., Any]:
        """A function that releases the interpreter's lock while it runs."""
        found: Callable[..., Any] = ctypes.CFUNCTYPE(restype, *argtypes)(self.address(name))
        return found


def add_symbols(symbols: Mapping[str, int]) -> None:
    """Give names to addresses, for the code that is compiled or loaded from now on in this process."""
    with _lock:
        llvm = _initialise()
        for name, address in symbols.items():
            llvm.add_symbol(name, address)


def key_of(text: str, target: Target, *, opt: int = 2) -> str:
    """The name of a module's object in the cache: everything that its machine code depends on."""
    llvm = _initialise()
    return _cache.key(text, target.key, str(opt), ".".join(map(str, llvm.llvm_version_info)))


def compile_text(
    text: str, target: Target, *, opt: int = 2, verify: bool = False, cache: bool = True, meta: Any = None, key: str | None = None
) -> Library:
    """Compile a module's text, or load what an earlier process has compiled from it.

    LLVM's IR passes are not run: what is emitted is vector-typed and unrolled already, and they cost more than all the rest.
    ``cache=False`` compiles in any case and stores nothing; ``verify`` asks LLVM to check the text and compiles too.  ``meta`` (for JSON)
    is stored beside the object.  ``key`` is :func:`key_of` the text where the caller has it already.
    """
    store = _cache.default() if cache and not verify else None
    if _POOL in text:
        _ensure_pool()
    if store is not None:
        key = key or key_of(text, target, opt=opt)
        found = load(key, target, opt=opt)
        if found is not None:
            return found
    objects: list[bytes] = []
    with _lock:
        llvm = _initialise()
        module = llvm.parse_assembly(text)
        if verify:
            module.verify()
        engine = llvm.create_mcjit_compiler(module, _machine(llvm, target, opt, jit=True), use_lmm=True)
        if store is not None:
            engine.set_object_cache(lambda _, data: objects.append(data), None)
        engine.finalize_object()
        engine.set_object_cache(None, None) if store is not None else None
    if store is not None and key is not None and objects:
        store.put(key, objects[0], {"pool": _POOL in text, "meta": meta})
    return Library(engine, meta)


def load(key: str, target: Target, *, opt: int = 2) -> Library | None:
    """The library that was stored under a key (:func:`key_of`), or None; no LLVM text is read, which is why it is quick."""
    store = _cache.default()
    found = None if store is None else store.get(key)
    if found is None:
        return None
    data, stored = found
    if stored["pool"]:
        _ensure_pool()
    with _lock:
        llvm = _initialise()
        empty = llvm.parse_assembly(f'target triple = "{target.triple}"')
        engine = llvm.create_mcjit_compiler(empty, _machine(llvm, target, opt, jit=True), use_lmm=True)
        engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        engine.finalize_object()
    return Library(engine, stored["meta"], cached=True)


def assembly(text: str, target: Target, *, opt: int = 2) -> str:
    """The machine code as text, to be read."""
    with _lock:
        llvm = _initialise()
        return str(_machine(llvm, target, opt, jit=False).emit_assembly(llvm.parse_assembly(text)))


def _machine(llvm: Any, target: Target, opt: int, *, jit: bool) -> Any:
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=",".join(target.features), opt=opt, codemodel="small", reloc="pic", jit=jit
    )


def _ensure_pool() -> None:
    from . import pool

    pool.ensure()


__all__: Sequence[str] = ["Library", "add_symbols", "assembly", "compile_text", "key_of", "load"]
