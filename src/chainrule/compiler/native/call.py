"""From Python into a compiled program, at the lowest price that needs no C extension.

A program is ``void program(ptr %block)``: the block is an array of pointers, first those that change from call to call, then those that
stay (parameters, buffers, constants).  :func:`emit_entry` writes what stands between it and Python: a function that takes the tuple of
arguments as the object that it is, and reads from it where each array's elements begin.  So a call hands over one object, however many
arrays there are, and never asks an array for ``ctypes.data``, which takes a microsecond each.

Where the elements begin stands behind the object's header (``object.__basicsize__``): NumPy's published layout of arrays, and
CPython's of floats; a tuple's items follow its own.  :func:`layout_holds` verifies that on objects whose addresses are known.  Where it
does not hold, :class:`Entry` asks each array and hands over a list of addresses.

Measured on a 2.6 GHz server core (``python benchmarks/runtime.py``), an empty program: 0.38 µs with one array or with five, 0.43 µs when
the interpreter's lock is released meanwhile, 3.0 and 7.6 µs when each array is asked for its address.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from weakref import WeakSet

import numpy as np

from .emitter import Module
from .jit import Library

HEADER = object.__basicsize__
ITEMS = tuple.__basicsize__
ARRAY, FLOAT = "array", "float"

_BUSY = -1


def _word(address: int) -> int:
    return int(ctypes.c_size_t.from_address(address).value)


@cache
def layout_holds() -> bool:
    """Whether arrays, floats and tuples lie in memory as this module supposes."""
    arrays = [np.arange(7.0), np.zeros((3, 4), np.float32)[1:, ::2], np.zeros((), np.int8)]
    items = (*arrays, 1.5, -0.25)
    if any(_word(id(items) + ITEMS + 8 * k) != id(item) for k, item in enumerate(items)):
        return False
    if any(_word(id(a) + HEADER) != a.ctypes.data for a in arrays):
        return False
    return all(ctypes.c_double.from_address(id(x) + HEADER).value == x for x in items[3:])


def emit_entry(module: Module, program: str, kinds: Sequence[str], fixed: int = 0, prefix: str = "entry") -> None:
    """Emit how Python enters ``program``: arguments of the given ``kinds`` (:data:`ARRAY`: a pointer to its first element;
    :data:`FLOAT`: a pointer to its double), then ``fixed`` pointers that stay.  ``prefix`` tells several entrances of a module apart.
    """
    block = module.variable(prefix + "_block", f"[{max(1, len(kinds) + fixed)} x ptr]", "zeroinitializer")
    busy = module.variable(prefix + "_busy", "i32", "0")
    for name, objects in ((prefix + "_objects", True), (prefix + "_addresses", False)):
        f = module.function(name, "ptr %arguments", result="i32", linkage="")
        taken = f.op(f"cmpxchg ptr {busy}, i32 0, i32 1 acquire monotonic")
        free, full = f.fresh("free"), f.fresh("full")
        f.branch(f.op(f"extractvalue {{ i32, i1 }} {taken}, 1"), free, full)
        f.label(full)
        f.ret(str(_BUSY))
        f.label(free)
        for k, kind in enumerate(kinds):
            value = f.load("ptr", f.gep("%arguments", (ITEMS if objects else 0) + 8 * k))
            if objects:
                value = f.gep(value, HEADER)
                if kind == ARRAY:
                    value = f.load("ptr", value)
            f.store("ptr", value, f.gep(block, 8 * k))
        f.call(program, f"ptr {block}")
        f.do(f"store atomic i32 0, ptr {busy} release, align 4")
        f.ret("0")


_ENTRIES: WeakSet[Entry] = WeakSet()


def _forked() -> None:
    """A child has none of the threads that were inside of a program."""
    for entry in list(_ENTRIES):
        ctypes.c_int32.from_address(entry._busy).value = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Entry:
    """Calls a program that :func:`emit_entry` has given an entrance.

    ``entry(arguments)`` takes the tuple of its arguments: arrays whose shape, strides and dtype the caller has checked, and Python floats.
    ``release`` says whether other Python threads run meanwhile: worth its price for what takes longer than some microseconds.
    Two threads may call at once: the second waits for the first.
    """

    def __init__(
        self, library: Library, kinds: Sequence[str], *, release: bool = False, objects: bool | None = None, prefix: str = "entry"
    ) -> None:
        self._library = library
        self._kinds = tuple(kinds)
        objects = layout_holds() if objects is None else objects
        prototype = ctypes.CFUNCTYPE if release else ctypes.PYFUNCTYPE
        self._busy = library.variable(prefix + "_busy")
        _ENTRIES.add(self)
        self._fixed = library.variable(prefix + "_block") + 8 * len(self._kinds)
        self._kept: dict[int, np.ndarray[Any, Any]] = {}
        if objects:
            self._enter: Callable[[Any], int] = prototype(ctypes.c_int, ctypes.py_object)(library.address(prefix + "_objects"))
        else:
            self._by_address = prototype(ctypes.c_int, ctypes.c_void_p)(library.address(prefix + "_addresses"))
            self._enter = self._addressed

    def bind(self, index: int, array: np.ndarray[Any, Any]) -> None:
        """Let the fixed pointer ``index`` be to this array's first element, and keep the array."""
        self._kept[index] = array
        ctypes.c_void_p.from_address(self._fixed + 8 * index).value = array.ctypes.data

    def __call__(self, arguments: tuple[Any, ...]) -> None:
        if len(arguments) != len(self._kinds):
            raise TypeError(f"the compiled program takes {len(self._kinds)} arguments, not {len(arguments)}")
        while self._enter(arguments):
            time.sleep(0)  # another thread is in the program

    def _addressed(self, arguments: tuple[Any, ...]) -> int:
        kept = [x if kind == ARRAY else np.array(x, np.float64) for kind, x in zip(self._kinds, arguments, strict=True)]
        return int(self._by_address((ctypes.c_void_p * len(kept))(*(a.ctypes.data for a in kept))))
