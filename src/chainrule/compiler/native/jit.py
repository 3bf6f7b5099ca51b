"""From LLVM's text to addresses of functions: compiled in the process, and found again in the cache on disk.

LLVM writes an object.  Where :mod:`~chainrule.compiler.native.elf` can link it, it is kept as an image that any process puts into its
memory without LLVM, which takes 60 ms to import; elsewhere LLVM's own loader does it, and the object is kept.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache as once
from typing import Any, Protocol

from ..state import LOADS
from . import cache as _cache
from .image import Image, Mapped, Unmappable
from .target import Target

_lock = threading.Lock()  # LLVM's global state is not for several threads at once
_ready = False
_known: dict[str, int] = {}  # names that code may refer to, besides those of the C library
_told: set[str] = set()  # those of them that LLVM has been told
_POOL = "chainrule_parallel"


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


class Loaded(Protocol):
    """Code in memory."""

    def address(self, name: str, /) -> int: ...


class Library:
    """Compiled code; it lives as long as this object.

    ``meta`` is what was stored with it in the cache (a value that JSON can hold), ``cached`` whether it came from there.
    """

    def __init__(self, loaded: Loaded, meta: Any = None, cached: bool = False) -> None:
        self._loaded = loaded
        self.meta = meta
        self.cached = cached

    def address(self, name: str) -> int:
        """Where a function begins, or a global lies."""
        return self._loaded.address(name)

    variable = address

    def function(self, name: str, *argtypes: Any, restype: Any = None) -> Callable[..., Any]:
        """A function that releases the interpreter's lock while it runs."""
        found: Callable[..., Any] = ctypes.CFUNCTYPE(restype, *argtypes)(self.address(name))
        return found


def add_symbols(symbols: Mapping[str, int]) -> None:
    """Give names to addresses, for the code that is compiled or loaded from now on in this process."""
    with _lock:
        _known.update(symbols)
        _told.difference_update(symbols)


def key_of(text: str, target: Target, *, opt: int = 2) -> str:
    """The name of a module's code in the cache: everything that it depends on."""
    return _cache.key(text, target.key, str(opt))


def compile_text(
    text: str, target: Target, *, opt: int = 2, verify: bool = False, cache: bool = True, meta: Any = None, key: str | None = None
) -> Library:
    """Compile a module's text, or load what an earlier process has compiled from it.

    LLVM's IR passes are not run: what is emitted is vector-typed and unrolled already, and they cost more than all the rest.
    ``cache=False`` compiles in any case and stores nothing; ``verify`` asks LLVM to check the text and compiles too.  ``meta`` (for JSON)
    is stored beside the code.  ``key`` is :func:`key_of` the text where the caller has it already.
    """
    store = _cache.default() if cache and not verify else None
    if store is not None:
        key = key or key_of(text, target, opt=opt)
        found = load(key, target, opt=opt)
        if found is not None:
            return found
    LOADS["compiled"] += 1
    data = _object(text, target, opt, verify)
    content, about, loaded = data, None, None
    image = _linked(data)
    if image is not None:
        loaded = _mapped(image)
    if image is not None and loaded is not None:
        content, about = image.packed()
    if store is not None and key is not None:
        store.put(key, content, {"image": about, "pool": _POOL in text, "meta": meta})
    return Library(loaded or _by_llvm(data, target, opt, _POOL in text), meta)


def load(key: str, target: Target, *, opt: int = 2) -> Library | None:
    """The library that was stored under a key (:func:`key_of`), or None; no LLVM text is read, which is why it is quick."""
    store = _cache.default()
    found = None if store is None else store.get(key)
    if found is None:
        return None
    content, stored = found
    try:
        about, pool, meta = stored["image"], stored["pool"], stored["meta"]
        image = None if about is None else Image.unpacked(content, about)
    except (TypeError, KeyError, ValueError):  # written by a version that kept something else
        return None
    loaded = _by_llvm(content, target, opt, pool) if image is None else _mapped(image)
    if loaded is None:
        return None
    LOADS["loaded"] += 1
    return Library(loaded, meta, cached=True)


def assembly(text: str, target: Target, *, opt: int = 2) -> str:
    """The machine code as text, to be read."""
    with _lock:
        llvm = _initialise()
        return str(_machine(llvm, target, opt, jit=False).emit_assembly(llvm.parse_assembly(text)))


def _object(text: str, target: Target, opt: int, verify: bool) -> bytes:
    """The module's object file."""
    with _lock:
        llvm = _initialise()
        module = llvm.parse_assembly(text)
        if verify:
            module.verify()
        return bytes(_machine(llvm, target, opt, jit=False).emit_object(module))


def _machine(llvm: Any, target: Target, opt: int, *, jit: bool) -> Any:
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=",".join(target.features), opt=opt, codemodel="small", reloc="pic", jit=jit
    )


# -- loading -------------------------------------------------------------------------------------------------------------------


def _linked(data: bytes) -> Image | None:
    """The object as an image, where it can be one."""
    from .elf import Unlinkable, link

    try:
        return link(data)
    except Unlinkable:
        return None


def _mapped(image: Image) -> Mapped | None:
    try:
        return Mapped(image, _address_of)
    except Unmappable:
        return None


def _address_of(name: str) -> int | None:
    """What code refers to by a name: something of this package's, or a function of the C library."""
    if name == _POOL:
        _ensure_pool()
    found = _known.get(name)
    return _in_c(name) if found is None else found


@once
def _in_c(name: str) -> int | None:
    try:
        return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
    except (AttributeError, OSError, TypeError):
        return None


class _ByLLVM:
    """Code that LLVM has put into memory."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def address(self, name: str) -> int:
        found = self._engine.get_function_address(name) or self._engine.get_global_value_address(name)
        if not found:
            raise KeyError(name)
        return int(found)


def _by_llvm(data: bytes, target: Target, opt: int, pool: bool) -> Loaded:
    if pool:
        _ensure_pool()
    with _lock:
        llvm = _initialise()
        for name in _known.keys() - _told:
            llvm.add_symbol(name, _known[name])
            _told.add(name)
        empty = llvm.parse_assembly(f'target triple = "{target.triple}"')
        engine = llvm.create_mcjit_compiler(empty, _machine(llvm, target, opt, jit=True), use_lmm=True)
        engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        engine.finalize_object()
    return _ByLLVM(engine)


def _ensure_pool() -> None:
    from . import pool

    pool.ensure()


__all__: Sequence[str] = ["Library", "add_symbols", "assembly", "compile_text", "key_of", "load"]
