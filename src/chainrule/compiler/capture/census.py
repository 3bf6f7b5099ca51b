"""Which tensors there are: once in the whole process, afterwards among what was made since."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from itertools import compress
from typing import Any

from ...core.tensor import Tensor, new

# Before 3.14, and with the interpreter's lock, the collector has its objects by age: what a collection has not seen yet is young.
_FEW = 12  # types; every reference of the process is compared with each of them
_AGES = sys.version_info < (3, 14) and "t" not in getattr(sys, "abiflags", "")


def tensor_types() -> set[type]:
    """Tensor and all that inherit from it."""
    found: set[type] = {Tensor}
    stack: list[type] = [Tensor]
    sub: type
    while stack:
        for sub in stack.pop().__subclasses__():
            if sub not in found:
                found.add(sub)
                stack.append(sub)
    return found


def _tensors(objects: list[Any]) -> Iterable[Tensor]:
    return compress(objects, map(tensor_types().__contains__, map(type, objects)))


def live_tensors() -> list[Tensor]:
    """Every tensor of the process.

    Objects refer to their types, so they are among what refers to those, which the collector finds in half the time that it takes
    to hand out all objects.
    """
    types = tensor_types()
    if len(types) <= _FEW:
        probe = new(Tensor)
        found = [o for o in gc.get_referrers(*types) if type(o) in types]
        kept = [o for o in found if o is not probe]
        if len(kept) < len(found):  # as it is with CPython; another interpreter may not tell the collector of types
            return kept
    return list(_tensors(gc.get_objects()))


class Census:
    """Counts the tensors of the process; the collector has to be switched off as long as it is used.

    ``tensors`` are those of the beginning, which it keeps alive.
    """

    def __init__(self) -> None:
        if _AGES:
            gc.collect(1)  # all that is there is old now
        self._collections = _collections()
        self.tensors = live_tensors()

    def now(self) -> list[Tensor]:
        """Every tensor of the process now."""
        if not _AGES or _collections() != self._collections:  # somebody has collected, and the young ones are among the old
            return live_tensors()
        return [*self.tensors, *_tensors(gc.get_objects(0)), *_tensors(gc.get_objects(1))]


def _collections() -> int:
    """How often what survives has become old."""
    return sum(int(s["collections"]) for s in gc.get_stats()[1:])


__all__ = ["Census", "live_tensors", "tensor_types"]
