"""Places that hold Python numbers which a function reads: closure cells, globals, attributes, optimizers' options."""

from __future__ import annotations

from types import CellType
from typing import Any, NamedTuple


class Spot(NamedTuple):
    """``holder`` is a dictionary with the key ``name``, or a closure cell; or None: then it is a number among the arguments."""

    holder: Any
    name: Any

    @property
    def key(self) -> tuple[int, Any]:
        return (id(self.holder), self.name)

    def get(self) -> Any:
        return self.holder.cell_contents if type(self.holder) is CellType else self.holder[self.name]

    def put(self, value: Any) -> None:
        if type(self.holder) is CellType:
            self.holder.cell_contents = value
        else:
            self.holder[self.name] = value

    def text(self, space: dict[str, Any]) -> str:
        """An expression for the place; ``space`` gets what it names."""
        if self.holder is None:
            return f"CALL.arguments[{self.name}]"
        name = f"h{len(space)}"
        space[name] = self.holder
        return f"{name}.cell_contents" if type(self.holder) is CellType else f"{name}[{self.name!r}]"


def is_number(value: Any) -> bool:
    """Whether a value can change from call to call without a new program: a float, an int, or a short tuple or list of them."""
    kind = type(value)
    if kind is tuple or kind is list:
        return 0 < len(value) <= 8 and all(type(v) in (float, int) for v in value)
    return kind is float or kind is int


def moves(before: Any, now: Any) -> bool:
    """Whether a place that held one of those holds another of the same form."""
    if type(before) in (tuple, list):
        return type(now) is type(before) and [*map(type, before)] == [*map(type, now)] and before != now
    return type(before) is type(now) and before != now


# -- numbers among the arguments, in a key: parts (type, value) ----------------------------------------------------------------


def _numbers(key: tuple[Any, ...]) -> list[int]:
    """Where a key has numbers, in the order of the arguments."""
    return [k for k, part in enumerate(key) if type(part) is tuple and len(part) == 2 and (part[0] is float or part[0] is int)]


def differing(known: tuple[Any, ...], key: tuple[Any, ...]) -> list[int]:
    """Which numbers differ between two keys that differ in nothing else."""
    if len(known) != len(key):
        return []
    places = {k: n for n, k in enumerate(_numbers(key))}
    found = []
    for k, (a, b) in enumerate(zip(known, key, strict=True)):
        if a == b:
            continue
        if k not in places or type(a) is not tuple or a[0] is not b[0]:
            return []
        found.append(places[k])
    return found


def without(key: Any, varying: set[int]) -> tuple[Any, tuple[Any, ...]]:
    """(a key without the values of the numbers that vary, those values)."""
    if not varying or key is None:
        return key, ()
    parts, values = list(key), []
    for n, k in enumerate(_numbers(key)):
        if n in varying:
            values.append(key[k][1])
            parts[k] = (key[k][0], ...)
    return tuple(parts), tuple(values)
