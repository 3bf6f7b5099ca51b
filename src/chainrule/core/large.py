"""Operations on large arrays: compiled kernels take the place of NumPy where there are any.

The compiler is above this module, so it is found through :data:`LOADER`, at the first operation on a large array; what it gives is a
:class:`Kernels`, or None where nothing can be compiled.  Kernels say for each call whether they take it; NumPy does what they leave.

An operation whose forward pass was large is recorded with a node of the variant ``"large"`` (see ``nodes.py``), whose backward pass asks
here too.  Small arrays never come here: the quick paths compare one number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from numpy import ndarray

from .memory import keep_freed

SMALL = (1 << 15) - 1  # elements up to which a result fits into a cache, and calling a kernel does not pay


class Kernels(Protocol):
    """What the compiler offers to eager operations."""

    def forward(self, op: Any, values: Sequence[Any], kw: dict[str, Any], /) -> Any:
        """What ``op.impl(*values, **kw)`` would give, or None; the values are arrays, numbers or None."""

    def alike(self, op: Any, values: Sequence[Any], /) -> Any:
        """The result of an elementwise operation on arrays of one dtype and one shape, or None: ``forward`` knows more."""

    def copy(self, array: Any, /) -> Any:
        """A fresh array of the same elements, or None."""

    def step(self, optimizer: Any, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any], /) -> bool:
        """Update the array ``p`` and the state by the optimizer's rule; False, with nothing done, where NumPy is to do it."""

    def forget(self) -> None:
        """Drop what can be made again."""

    def backward(self, node: Any, g: Any, /) -> Sequence[Any] | None:
        """What ``node`` would give for a cotangent by its rules on arrays, or None."""


LOADER: list[Callable[[], Kernels | None]] = []
_unknown: Any = object()
_kernels: Any = _unknown


def kernels() -> Kernels | None:
    """What there is, found at the first call."""
    global _kernels
    if _kernels is _unknown:
        keep_freed()
        _kernels = LOADER[0]() if LOADER else None
    return _kernels  # type: ignore[no-any-return]


def use(found: Kernels | None) -> Any:
    """Take these kernels from now on; gives what was in use.  For tests, and to begin anew."""
    global _kernels
    before, _kernels = kernels(), found
    return before


def forget() -> None:
    """Drop the kernels that have been made, and the memory that they work in; what is needed again comes from the cache on disk."""
    if _kernels is not _unknown and _kernels is not None:
        _kernels.forget()


def is_large(*values: Any) -> bool:
    """Whether one of the values is a large array."""
    return any(type(v) is ndarray and v.size > SMALL for v in values)


def computed(op: Any, values: Sequence[Any], kw: dict[str, Any]) -> Any:
    """The raw result of an operation of which some value is large."""
    found = kernels()
    r = None if found is None else found.forward(op, values, kw)
    return op.impl(*values, **kw) if r is None else r


def copied(array: Any) -> Any:
    """A fresh array of the same elements."""
    found = kernels() if array.size > SMALL else None
    made = None if found is None else found.copy(array)
    return array.copy() if made is None else made


def stepped(optimizer: Any, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> bool:
    """Whether kernels have updated a large parameter."""
    found = kernels()
    return found is not None and found.step(optimizer, p, g, group, state)


def pulled(node: Any, g: Any) -> Sequence[Any] | None:
    """The cotangents of a large operation's arguments from kernels, or None."""
    found = kernels()
    return None if found is None else found.backward(node, g)
