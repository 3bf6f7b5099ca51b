"""What the ``set_flags`` and ``flags`` of the back ends have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def swap(module: str, values: dict[str, Any]) -> tuple[Any, ...]:
    """Set the module's switches that are not None; gives what they all were."""
    switches = vars(sys.modules[module])
    old = tuple([switches[name] for name in values])
    switches.update({name: value for name, value in values.items() if value is not None})
    return old


@contextmanager
def during(module: str, values: dict[str, Any]) -> Iterator[None]:
    """The switches set for a block."""
    old = swap(module, values)
    try:
        yield
    finally:
        vars(sys.modules[module]).update(zip(values, old))


class Precision:
    """A group of operations whose ``fp32_precision`` may be set."""

    def __init__(self, fp32_precision: str) -> None:
        self.fp32_precision = fp32_precision
