"""Writes that are noted for many arrays at once are seen by whoever asks for one of them."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from chainrule.core import mutation
from chainrule.core.node import next_order


def test_versions_count_the_writes_of_all_programs() -> None:
    a, b, c = np.zeros(2), np.zeros(2), np.zeros(2)
    mutation.written(a, "add_")
    first, second = mutation.Steps([a, b], "one", None), mutation.Steps([b, c], "other", None)
    for _ in range(100):
        first.note()
    second.note()
    first.note()
    mutation.written(c, "mul_")
    second.note()
    assert [mutation.version(x) for x in (a, b, c)] == [102, 103, 3]


def test_what_was_saved_before_is_stale() -> None:
    a, other = np.zeros(2), np.zeros(2)
    steps = mutation.Steps([a], "a program", None)
    assert mutation.stale(a, next_order()) is None
    order = next_order()
    steps.note()
    write = mutation.stale(a, order)
    assert write is not None and write.operation == "a program" and write.count_at(order) == 0
    assert mutation.stale(other, order) is None
    assert mutation.stale(a, next_order()) is None
    assert mutation.LAST.order < order  # they count down


def test_arrays_are_not_kept() -> None:
    a = np.zeros(2)
    gone = weakref.ref(a)
    steps = mutation.Steps([a], "a program", None)
    steps.note()
    del a
    gc.collect()
    assert gone() is None
    steps.note()
    steps.settle()
