"""Writes that are noted for many arrays at once are seen by whoever asks for one of them."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np

from chainrule.core import mutation
from chainrule.core.node import next_order


def note(writes: mutation.ProgramWrites) -> None:
    """Run the statements that a compiled call has for its writes."""
    space: dict[str, Any] = {}

    def named(value: Any) -> str:
        name = f"n{len(space)}"
        space[name] = value
        return name

    exec("\n".join(writes.noting(named)), space)


def test_versions_count_the_writes_of_all_programs() -> None:
    a, b, c = np.zeros(2), np.zeros(2), np.zeros(2)
    mutation.written(a, "add_")
    first, second = mutation.ProgramWrites([a, b], "one", None), mutation.ProgramWrites([b, c], "other", None)
    for _ in range(100):
        note(first)
    note(second)
    note(first)
    mutation.written(c, "mul_")
    note(second)
    assert [mutation.version(x) for x in (a, b, c)] == [102, 103, 3]


def test_what_was_saved_before_is_stale() -> None:
    a, other = np.zeros(2), np.zeros(2)
    steps = mutation.ProgramWrites([a], "a program", None)
    assert mutation.stale(a, next_order()) is None
    order = next_order()
    note(steps)
    write = mutation.stale(a, order)
    assert write is not None and write.operation == "a program" and write.count_at(order) == 0
    assert mutation.stale(other, order) is None
    assert mutation.stale(a, next_order()) is None
    assert mutation.LAST.order < order  # they count down


def test_arrays_are_not_kept() -> None:
    a = np.zeros(2)
    gone = weakref.ref(a)
    steps = mutation.ProgramWrites([a], "a program", None)
    note(steps)
    del a
    gc.collect()
    assert gone() is None
    note(steps)
    steps.settle()
