"""From LLVM's text to addresses of functions: parsed, compiled in the process, and found again in the cache on disk."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

from .target import Target

_LOCK = threading.Lock()  # LLVM's global state is not for several threads at once
_ready = False


def _initialise() -> Any:
    global _ready
    import llvmlite.binding as llvm

    if not _ready:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        _ready = True
    return llvm


class Library:
    """Compiled code; it lives as long as this object."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

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


def compile_text(text: str, target: Target, *, opt: int = 2, verify: bool = False, cache: tuple[Any, Any] | None = None) -> Library:
    """Compile a module's text.

    LLVM's IR passes are not run: what is emitted is vector-typed and unrolled already, and they cost more than all the rest.
    ``cache`` has the two functions of llvmlite's object cache (notify, get).
    """
    with _LOCK:
        llvm = _initialise()
        module = llvm.parse_assembly(text)
        if verify:
            module.verify()
        machine = llvm.Target.from_triple(target.triple).create_target_machine(
            cpu=target.cpu, features=",".join(target.features), opt=opt, codemodel="small", reloc="pic", jit=True
        )
        engine = llvm.create_mcjit_compiler(module, machine)
        if cache is not None:
            engine.set_object_cache(*cache)
        engine.finalize_object()
        return Library(engine)


def assembly(text: str, target: Target, *, opt: int = 2) -> str:
    """The machine code as text, to be read."""
    with _LOCK:
        llvm = _initialise()
        machine = llvm.Target.from_triple(target.triple).create_target_machine(
            cpu=target.cpu, features=",".join(target.features), opt=opt, codemodel="small", reloc="pic"
        )
        return str(machine.emit_assembly(llvm.parse_assembly(text)))


__all__: Sequence[str] = ["Library", "assembly", "compile_text"]
