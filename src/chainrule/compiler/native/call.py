"""From Python into a compiled program, at the lowest price that needs no C extension.

A program is ``void program(ptr %block)``: the block is an array of pointers, first those that change from call to call, then those that
stay (parameters, buffers, constants).  What stands between it and Python is one machine function for all programs, which Python calls as
a built-in one.  It looks at each argument as the object that it is: whether it is an array of the shape, dtype and layout that the
program was compiled for, and where its elements begin.  So an array is never asked for ``ctypes.data``, which takes a microsecond, nor
for its shape; and arguments of another kind are noticed before anything is touched.

What it reads stands behind the object's header (``object.__basicsize__``): NumPy's published layout of arrays, and the number in a NumPy
scalar or a Python float.  :func:`layout_holds` verifies that on objects whose addresses are known.  Where it does not hold,
:class:`Entry` looks at the arguments in Python and asks each array for its address.

Measured on a 2.6 GHz server core (``python benchmarks/runtime.py``): an empty program with one array 0.05 µs, with five 0.09 µs.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import prod
from typing import Any, NamedTuple
from weakref import WeakSet

import numpy as np

from .jit import Library, compile_text
from .target import host

HEADER = object.__basicsize__

DONE, BUSY, MISMATCH = 0, -1, -2

_READ = 0x0001 | 0x0100  # NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_ALIGNED
_WRITE = _READ | 0x0400  # NPY_ARRAY_WRITEABLE
_FASTCALL = 0x0080  # METH_FASTCALL: (self, pointer to arguments, how many)
_FIXED = 10  # words of an entry's state before what is known of its arguments


class Argument(NamedTuple):
    """What a program takes: a contiguous array of this dtype and shape, or, of shape (), a number.  ``shape`` None: any array.

    What is ``written`` is an array, unless it is ``fresh``: made for the call, so that a number may be written that nobody has seen.
    """

    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    written: bool = False
    fresh: bool = False

    def takes(self, x: Any) -> bool:
        """Whether an object may be handed over as it is."""
        if self.shape is None:
            return isinstance(x, np.ndarray)
        if isinstance(x, np.ndarray):
            flags = x.flags
            sound = flags.c_contiguous and flags.aligned and (flags.writeable or not self.written)
            return sound and x.shape == self.shape and x.dtype == self.dtype
        return type(x) in self.numbers()

    def numbers(self) -> list[type]:
        """The types of numbers that may stand for the array."""
        if self.shape != () or (self.written and not self.fresh) or self.dtype is None:
            return []
        return [self.dtype.type] if self.dtype != np.float64 else [np.float64, float]


FLOAT = Argument((), np.dtype(np.float64))
ARRAY = Argument()


def _word(address: int) -> int:
    return int(ctypes.c_size_t.from_address(address).value)


@cache
def layout_holds() -> bool:
    """Whether arrays, numbers and their types lie in memory as this module supposes."""
    arrays = [np.arange(7.0), np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)[1:, ::2], np.zeros((), np.int8)]
    for a in arrays:
        about = [_word(id(a) + HEADER + k) for k in (0, 16, 24, 40)]
        dims, steps = [[_word(p + 8 * k) for k in range(a.ndim)] for p in about[1:3]]
        nd, flags = [ctypes.c_int.from_address(id(a) + HEADER + k).value for k in (8, 48)]
        told = (about[0] == a.ctypes.data, about[3] == id(a.dtype), nd == a.ndim, dims == list(a.shape), steps == list(a.strides))
        if not all(told) or _word(id(a) + HEADER - 8) != id(np.ndarray):
            return False
        if [bool(flags & 1), bool(flags & 0x100), bool(flags & 0x400)] != [a.flags.c_contiguous, a.flags.aligned, a.flags.writeable]:
            return False
    numbers = [1.5, *[np.dtype(kind).type(1) for kind in "?bBhHiIlLqQefdFD"]]
    return all(
        _word(id(x) + HEADER - 8) == id(type(x)) and ctypes.string_at(id(x) + HEADER, np.asarray(x).nbytes) == np.asarray(x).tobytes()
        for x in numbers
    )


# ``self`` is the array of an entry's state: where "busy" is, program, block, number of arguments, the type of arrays,
# PyLong_FromSsize_t, PyEval_SaveThread (0: the interpreter's lock is kept), PyEval_RestoreThread, how many ranges of addresses arguments
# must not touch, and where these are; then for each argument: two types of numbers (or 0), its dtype (0: any), its flags, its place in
# the block, its size in bytes (0: it may touch the ranges), its number of dimensions (-1: any), and its dimensions.
_ENTER = f"""
define ptr @chainrule_enter(ptr %self, ptr %args, i64 %given) {{
  %held = getelementptr i8, ptr %self, i64 {HEADER}
  %state = load ptr, ptr %held
  %make.p = getelementptr i64, ptr %state, i64 5
  %make = load ptr, ptr %make.p
  %count.p = getelementptr i64, ptr %state, i64 3
  %count = load i64, ptr %count.p
  %right = icmp eq i64 %given, %count
  br i1 %right, label %claim, label %leave
claim:
  %busy = load ptr, ptr %state
  %claimed = cmpxchg ptr %busy, i64 0, i64 1 acquire monotonic
  %free = extractvalue {{ i64, i1 }} %claimed, 1
  br i1 %free, label %begin, label %leave
begin:
  %block.p = getelementptr i64, ptr %state, i64 2
  %block = load ptr, ptr %block.p
  %array.p = getelementptr i64, ptr %state, i64 4
  %array = load ptr, ptr %array.p
  %ranges.p = getelementptr i64, ptr %state, i64 8
  %ranges = load i64, ptr %ranges.p
  %written.p = getelementptr i64, ptr %state, i64 9
  %written = load ptr, ptr %written.p
  %first = getelementptr i64, ptr %state, i64 {_FIXED}
  br label %next
next:
  %i = phi i64 [ 0, %begin ], [ %i.next, %take ]
  %about = phi ptr [ %first, %begin ], [ %about.next, %take ]
  %over = icmp eq i64 %i, %count
  br i1 %over, label %enter, label %look
look:
  %slot = getelementptr ptr, ptr %args, i64 %i
  %object = load ptr, ptr %slot
  %type.p = getelementptr i8, ptr %object, i64 {HEADER - 8}
  %type = load ptr, ptr %type.p
  %value = getelementptr i8, ptr %object, i64 {HEADER}
  %number = load ptr, ptr %about
  %other.p = getelementptr i64, ptr %about, i64 1
  %other = load ptr, ptr %other.p
  %at.p = getelementptr i64, ptr %about, i64 4
  %at = load i64, ptr %at.p
  %bytes.p = getelementptr i64, ptr %about, i64 5
  %bytes = load i64, ptr %bytes.p
  %dims.p = getelementptr i64, ptr %about, i64 6
  %dims = load i64, ptr %dims.p
  %sizes = getelementptr i64, ptr %about, i64 7
  %one = icmp eq ptr %type, %number
  %two = icmp eq ptr %type, %other
  %plain = or i1 %one, %two
  br i1 %plain, label %take, label %typed
typed:
  %is.array = icmp eq ptr %type, %array
  br i1 %is.array, label %shaped, label %refuse
shaped:
  %data = load ptr, ptr %value
  %any = icmp slt i64 %dims, 0
  br i1 %any, label %take, label %guard
guard:
  %nd.p = getelementptr i8, ptr %value, i64 8
  %nd32 = load i32, ptr %nd.p
  %nd = sext i32 %nd32 to i64
  %same.nd = icmp eq i64 %nd, %dims
  %descr.p = getelementptr i8, ptr %value, i64 40
  %descr = load ptr, ptr %descr.p
  %wanted.p = getelementptr i64, ptr %about, i64 2
  %wanted = load ptr, ptr %wanted.p
  %same.dtype = icmp eq ptr %descr, %wanted
  %flags.p = getelementptr i8, ptr %value, i64 48
  %flags = load i32, ptr %flags.p
  %mask.p = getelementptr i64, ptr %about, i64 3
  %mask64 = load i64, ptr %mask.p
  %mask = trunc i64 %mask64 to i32
  %masked = and i32 %flags, %mask
  %same.flags = icmp eq i32 %masked, %mask
  %both = and i1 %same.nd, %same.dtype
  %all = and i1 %both, %same.flags
  %shape.p = getelementptr i8, ptr %value, i64 16
  %shape = load ptr, ptr %shape.p
  br i1 %all, label %size, label %refuse
size:
  %j = phi i64 [ 0, %guard ], [ %j.next, %compare ]
  %sized = icmp eq i64 %j, %dims
  br i1 %sized, label %apart, label %compare
compare:
  %mine.p = getelementptr i64, ptr %shape, i64 %j
  %mine = load i64, ptr %mine.p
  %told.p = getelementptr i64, ptr %sizes, i64 %j
  %told = load i64, ptr %told.p
  %j.next = add i64 %j, 1
  %agrees = icmp eq i64 %mine, %told
  br i1 %agrees, label %size, label %refuse
apart:
  %check = icmp ne i64 %bytes, 0
  %from = ptrtoint ptr %data to i64
  %to = add i64 %from, %bytes
  br i1 %check, label %range, label %take
range:
  %k = phi i64 [ 0, %apart ], [ %k.next, %outside ]
  %ranged = icmp eq i64 %k, %ranges
  br i1 %ranged, label %take, label %outside
outside:
  %twice = shl i64 %k, 1
  %low.p = getelementptr i64, ptr %written, i64 %twice
  %low = load i64, ptr %low.p
  %high.p = getelementptr i64, ptr %low.p, i64 1
  %high = load i64, ptr %high.p
  %k.next = add i64 %k, 1
  %starts.before = icmp ult i64 %from, %high
  %ends.behind = icmp ugt i64 %to, %low
  %touches = and i1 %starts.before, %ends.behind
  br i1 %touches, label %refuse, label %range
take:
  %pointer = phi ptr [ %value, %look ], [ %data, %shaped ], [ %data, %apart ], [ %data, %range ]
  %place = getelementptr ptr, ptr %block, i64 %at
  store ptr %pointer, ptr %place
  %i.next = add i64 %i, 1
  %some = icmp sgt i64 %dims, 0
  %step = select i1 %some, i64 %dims, i64 0
  %about.next = getelementptr i64, ptr %sizes, i64 %step
  br label %next
refuse:
  store atomic i64 0, ptr %busy release, align 8
  br label %leave
enter:
  %program.p = getelementptr i64, ptr %state, i64 1
  %program = load ptr, ptr %program.p
  %save.p = getelementptr i64, ptr %state, i64 6
  %save = load ptr, ptr %save.p
  %keeps = icmp eq ptr %save, null
  br i1 %keeps, label %holding, label %releasing
holding:
  call void %program(ptr %block)
  br label %done
releasing:
  %thread = call ptr %save()
  call void %program(ptr %block)
  %restore.p = getelementptr i64, ptr %state, i64 7
  %restore = load ptr, ptr %restore.p
  call void %restore(ptr %thread)
  br label %done
done:
  store atomic i64 0, ptr %busy release, align 8
  br label %leave
leave:
  %status = phi i64 [ {MISMATCH}, %0 ], [ {BUSY}, %claim ], [ {MISMATCH}, %refuse ], [ {DONE}, %done ]
  %result = call ptr %make(i64 %status)
  ret ptr %result
}}
"""


class _Method(ctypes.Structure):
    """``PyMethodDef``."""

    _fields_ = (("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


class _Door:
    """The machine function that all programs are entered by."""

    def __init__(self) -> None:
        target = host()
        self.library = compile_text(f'target triple = "{target.triple}"\n{_ENTER}', target)
        self.method = _Method(b"program", self.library.address("chainrule_enter"), _FASTCALL, None)
        make = ctypes.pythonapi.PyCFunction_NewEx
        self._make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(_address(make))
        names = ("PyLong_FromSsize_t", "PyEval_SaveThread", "PyEval_RestoreThread")
        self.make_int, self.save, self.restore = [_address(getattr(ctypes.pythonapi, name)) for name in names]

    def open(self, state: np.ndarray[Any, Any]) -> Callable[..., int]:
        """The built-in function of one program."""
        function: Callable[..., int] = self._make(ctypes.addressof(self.method), state, None)
        return function


def _address(function: Any) -> int:
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)


@cache
def _door() -> _Door:
    door = _Door()
    # Built-in functions of it may be called until the process is gone.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(door))
    return door


_ENTRIES: WeakSet[Entry] = WeakSet()


def _forked() -> None:
    """A child has none of the threads that were inside of a program."""
    for entry in list(_ENTRIES):
        entry.busy[0] = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Entry:
    """A program that Python can call: the function ``name`` of a library.

    :attr:`enter` takes the arguments and gives :data:`DONE`, or, with nothing done, :data:`MISMATCH` (an argument is not what the program
    was compiled for) or :data:`BUSY` (another thread is in the program).  ``entry(*arguments)`` waits for its turn and raises TypeError for
    what does not fit.  ``release`` says whether other Python threads run meanwhile: worth its price (0.05 µs) for what takes longer than
    some microseconds.  ``objects=False`` looks at the arguments in Python, as where :func:`layout_holds` does not hold.
    """

    def __init__(
        self, library: Library, name: str, arguments: Sequence[Argument], fixed: int = 0, *, release: bool = False,
        objects: bool | None = None,
    ) -> None:  # fmt: skip
        self._library = library
        objects = layout_holds() if objects is None else objects
        self.arguments = tuple([a if objects else a._replace(fresh=False) for a in arguments])
        self._block = np.zeros(max(1, len(self.arguments) + fixed), np.int64)
        self._kept: dict[int, np.ndarray[Any, Any]] = {}
        self._address = library.address(name)
        self._objects = objects
        self._release = release
        self._presets: list[Any] = []  # what built-in functions of this program refer to
        self.busy = np.zeros(1, np.int64)
        if not objects:
            self._program = (ctypes.CFUNCTYPE if release else ctypes.PYFUNCTYPE)(None, ctypes.c_void_p)(self._address)
        self.enter: Callable[..., int] = self._opened(range(len(self.arguments)), self._block) if objects else self._asked
        _ENTRIES.add(self)

    def _opened(self, places: Sequence[int], block: np.ndarray[Any, Any], apart: Sequence[Any] = ()) -> Callable[..., int]:
        """The built-in function that takes the arguments of these places, and finds all others in the block."""
        ranges = np.array([x for a in apart for x in (a.ctypes.data, a.ctypes.data + a.nbytes)], np.int64)
        door = _door()
        hold = (door.save, door.restore) if self._release else (0, 0)
        state = [self.busy.ctypes.data, self._address, block.ctypes.data, len(places), id(np.ndarray), door.make_int, *hold]
        state += [len(apart), ranges.ctypes.data]
        held = np.array(state + [word for k in places for word in _guard(self.arguments[k], k)], np.int64)
        self._presets.append((held, block, ranges))
        return door.open(held)

    def preset(self, arrays: Mapping[int, np.ndarray[Any, Any]], apart: Sequence[np.ndarray[Any, Any]] = ()) -> Callable[..., int]:
        """What :attr:`enter` is when these arguments, by place, are always the same arrays: it takes the others, in order.

        An array that has memory in common with one of ``apart`` is a mismatch.  The arrays fit, and whoever keeps the function keeps
        them and this entry.
        """
        places = [k for k in range(len(self.arguments)) if k not in arrays]
        if not self._objects:
            known = [arrays.get(k) for k in range(len(self.arguments))]

            def enter(*given: Any) -> int:
                left = iter(given)
                if any(np.may_share_memory(x, a) for x in given for a in apart if isinstance(x, np.ndarray)):
                    return MISMATCH
                return self._asked(*[next(left) if x is None else x for x in known]) if len(given) == len(places) else MISMATCH

            return enter
        block = self._block.copy()
        for k, array in arrays.items():
            block[k] = array.ctypes.data
        return self._opened(places, block, apart)

    def bind(self, index: int, array: np.ndarray[Any, Any]) -> None:
        """Let the fixed pointer ``index`` be to this array's first element, and keep the array."""
        self._kept[index] = array
        self._block[len(self.arguments) + index] = array.ctypes.data

    def __call__(self, *arguments: Any) -> None:
        """Run the program, as soon as no other thread is in it."""
        status = self.enter(*arguments)
        while status == BUSY:
            time.sleep(0)
            status = self.enter(*arguments)
        if status == MISMATCH:
            self(*self._fitting(arguments))

    def _fitting(self, arguments: tuple[Any, ...]) -> list[Any]:
        """The arguments as the program takes them: another view of what differs in its type or dtype object, a copy of what is read and
        lies otherwise in memory."""
        if len(arguments) != len(self.arguments):
            raise TypeError(f"the compiled program takes {len(self.arguments)} arguments, not {len(arguments)}")
        fitting: list[Any] = []
        for k, (a, x) in enumerate(zip(self.arguments, arguments, strict=True)):
            alike = isinstance(x, np.ndarray) and x.shape == a.shape and x.dtype == a.dtype
            if not a.takes(x) and (a.written or not alike):
                raise TypeError(f"argument {k} of the compiled program is to be {_told(a)}, not {_told_of(x)}")
            if isinstance(x, np.ndarray):
                kind = np.dtype(x.dtype.type if a.dtype is None else a.dtype.type)
                if not a.takes(x):
                    x = np.array(x, kind, order="C")
                elif type(x) is not np.ndarray or x.dtype is not kind:
                    x = x.view(kind, np.ndarray)
            fitting.append(x)
        if all(x is y for x, y in zip(fitting, arguments, strict=True)):
            raise TypeError("the arguments of the compiled program changed while it was called")
        return fitting

    def _asked(self, *arguments: Any) -> int:
        if len(arguments) != len(self.arguments) or not all(a.takes(x) for a, x in zip(self.arguments, arguments, strict=True)):
            return MISMATCH
        arrays = [np.asarray(x) for x in arguments]
        block = self._block.copy()
        block[: len(arrays)] = [x.ctypes.data for x in arrays]
        if not self._turn():
            return BUSY
        try:
            self._program(block.ctypes.data)
        finally:
            self.busy[0] = 0
        return DONE

    def _turn(self) -> bool:
        if self.busy[0]:
            return False
        self.busy[0] = 1
        return True


def _guard(a: Argument, place: int) -> list[int]:
    """What the machine function compares an argument with."""
    if a.shape is None:
        return [0, 0, 0, 0, place, 0, -1]
    assert a.dtype is not None
    numbers = [id(t) for t in a.numbers()]
    size = 0 if a.fresh else prod(a.shape) * a.dtype.itemsize
    return [
        *numbers,
        *[0] * (2 - len(numbers)),
        id(np.dtype(a.dtype.type)),
        _WRITE if a.written else _READ,
        place,
        size,
        len(a.shape),
        *a.shape,
    ]


def _told(a: Argument) -> str:
    return "an array" if a.shape is None else f"a contiguous {a.dtype} array of shape {list(a.shape)}"


def _told_of(x: Any) -> str:
    return f"{x.dtype} of shape {list(x.shape)}" if isinstance(x, np.ndarray) else type(x).__name__
