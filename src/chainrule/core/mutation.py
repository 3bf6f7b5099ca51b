"""In-place writes are remembered by the array that was written, so that a stale saved value is noticed.

A write draws an order number from the tape's own counter.  A node that saved an array is stale when the array was
written after the node was made.  So recording costs nothing, and backward costs one comparison for a node unless
something was written since.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .node import Node, next_order

PACKAGE = __file__.rsplit("/core/", 1)[0].rsplit("\\core\\", 1)[0]

KEPT = 64  # writes that a record remembers the order of, at most
UNTOLD = 256  # writes of a compiled program that are noted before its arrays are told


class Write:
    """The last write to one array: when, how often so far, by which operation and from which line of the user's."""

    __slots__ = ("count", "guard", "operation", "order", "recent", "steps", "where")

    def __init__(self) -> None:
        self.steps: ProgramWrites | None = None  # that may have written since
        self.count = 0
        self.order = 1
        self.operation = ""
        self.where: Place | None = None
        self.guard: Any = None
        self.recent: list[int] = []

    def note(self, orders: Sequence[int], operation: str, where: Place | None) -> None:
        """Count writes, remember the last, and enough of those before it to count back."""
        self.count += len(orders)
        self.order = orders[-1]
        self.operation = operation
        self.where = where
        recent = self.recent
        recent += orders
        if len(recent) > KEPT:  # a parameter is written at every step
            del recent[: -KEPT // 2]

    def settle(self) -> None:
        """Take in what a compiled program has written."""
        if self.steps is not None and self.steps.orders:
            self.steps.settle()

    def count_at(self, order: int) -> int:
        """How many writes there had been when the node of that order was made."""
        return self.count - sum(1 for o in self.recent if o < order)


class ProgramWrites:
    """The writes of one compiled program to always the same arrays: noted once for all of them, told to each when somebody asks."""

    __slots__ = ("entries", "lost", "operation", "orders", "where")

    def __init__(self, values: list[Any], operation: str, where: Place | None) -> None:
        self.entries = [_entry(value) for value in values]  # not the arrays, which may go
        self.operation = operation
        self.where = where
        self.orders: list[int] = []
        self.lost = True  # another program writes some of them too, or nothing was written yet

    def noting(self, named: Callable[[Any], str]) -> tuple[str, ...]:
        """The statements that note that all have been written; ``named`` gives objects the names that they use."""
        own, orders, last = named(self), named(self.orders), named(LAST)
        return (
            f"if {own}.lost or len({orders}) > {UNTOLD}: {own}.begin()",
            f"{last}.order = order = {named(next_order)}()",
            f"{orders}.append(order)",
        )

    def begin(self) -> None:
        """Be the program that has written last, with nothing left to tell."""
        self.settle()
        if self.lost:
            self._claim()

    def settle(self) -> None:
        orders = self.orders.copy()
        self.orders.clear()
        if orders:
            for write in self.entries:
                write.note(orders, self.operation, self.where)

    def _claim(self) -> None:
        for write in self.entries:
            write.settle()
            if write.steps is not None and write.steps is not self:
                write.steps.lost = True
            write.steps = self
        self.lost = False


_WRITES: dict[int, Write] = {}


class _Last:
    __slots__ = ("order",)

    def __init__(self) -> None:
        self.order = 1


LAST = _Last()


def root(value: Any) -> Any:
    """The object that owns the memory of ``value``."""
    while type(value) is np.ndarray:
        base = value.base
        if base is None:
            break
        if type(base) is not np.ndarray:
            return base if isinstance(base, np.ndarray) else value
        value = base
    return value


Place = tuple[Any, int]  # a code object and an instruction: finding the line costs 0.5 µs, and is rarely asked for


def user_place() -> Place | None:
    """The innermost frame that is not ours."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            return (code, frame.f_lasti)
        frame = frame.f_back
    return None


def user_depth() -> int:
    """How many calls of ours, the caller among them, the user's code is above."""
    depth, frame = 0, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        depth, frame = depth + 1, frame.f_back
    return depth


def line_of(place: Place) -> str:
    """``file:line`` of a place."""
    code, instruction = place
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return f"{code.co_filename}:{line}"
    return str(code.co_filename)


def _entry(value: Any) -> Write:
    """The record of the memory of ``value``, made at its first write and dropped with the memory."""
    owner = root(value)
    key = id(owner)
    write = _WRITES.get(key)
    if write is not None:
        write.settle()
    else:
        write = _WRITES[key] = Write()
        if isinstance(owner, np.ndarray):
            write.guard = weakref.ref(owner, lambda _ref: _WRITES.pop(key, None))
        else:
            write.guard = owner
            _NUMBERS.add(key)
    return write


class _Numbers:
    """The records of NumPy scalars, which no weak reference can watch.

    A record holds its scalar, so that no other takes over its identity, until nobody else does.
    """

    __slots__ = ("keys", "limit")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.limit = 256

    def add(self, key: int) -> None:
        self.keys.append(key)
        if len(self.keys) > self.limit:
            self.keys = [k for k in self.keys if not self.dropped(k)]
            self.limit = max(256, 2 * len(self.keys))

    def dropped(self, key: int) -> bool:
        """Drop the record when it alone holds its scalar."""
        write = _WRITES.get(key)
        if write is not None and sys.getrefcount(write.guard) > 2:  # the record and this call
            return False
        _WRITES.pop(key, None)
        return True


_NUMBERS = _Numbers()


def written(value: Any, operation: str) -> None:
    """Note that the memory of ``value`` (an array, or a NumPy scalar that is being replaced) has been overwritten."""
    write = _entry(value)
    LAST.order = order = next_order()
    write.note((order,), operation, user_place())


def carry(old: Any, new: Any) -> None:
    """``new`` takes the place of ``old`` (a 0-d tensor moved from a scalar to memory): it keeps the count."""
    write = _WRITES.get(id(root(old)))
    if write is not None:
        write.settle()
        written(new, write.operation)
        _WRITES[id(root(new))].count = write.count


def version(value: Any) -> int:
    """How often the memory of ``value`` was written in place."""
    write = _WRITES.get(id(root(value)))
    if write is None:
        return 0
    write.settle()
    return write.count


def stale(value: Any, order: int) -> Write | None:
    """The write that overwrote ``value`` after the node of that order was made, or None."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return None
    write = _WRITES.get(id(root(value)))
    if write is None:
        return None
    write.settle()
    return write if write.order < order else None


def stale_error(node: Node, write: Write, value: Any, output_of: str, expected: int) -> RuntimeError:
    """PyTorch's message, and the line that did it."""
    from .dtype import FROM_NUMPY

    kind = FROM_NUMPY[value.dtype].scalar_name
    shape = ", ".join(map(str, value.shape))
    where = f" The value was overwritten by {write.operation}"
    where += f" at {line_of(write.where)}." if write.where else "."
    error = RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[torch.{kind}Tensor [{shape}]]{output_of} is at version {write.count}; expected version {expected} instead."
        " Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        f"torch.autograd.set_detect_anomaly(True, check_nan=False).{where}"
        f" {node.name()} had saved it: compute with a clone, or out of place."
    )
    from .telling import overwritten

    return overwritten(error, node, line_of(write.where) if write.where else "")


def written_by_step(values: list[Any], operation: str) -> None:
    """:func:`written` for all that an optimizer's step wrote: one order number, the user's line looked up once."""
    if not values:
        return
    order = LAST.order = next_order()
    where = user_place()
    for value in values:
        _entry(value).note((order,), operation, where)
