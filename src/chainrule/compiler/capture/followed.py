"""The numbers that change, put where the function reads them, for the time of its capture."""

from __future__ import annotations

import gc
import operator
from collections.abc import Callable, Sequence
from types import CellType
from typing import Any

from ...core.tensor import Tensor
from ...utils import _pytree as pytree
from .number import Number, plain
from .reads import CHANGES
from .spots import Spot
from .trace import Trace


class Followed:
    """Places whose numbers are followed during one capture."""

    def __init__(self, trace: Trace, spots: Sequence[Spot]) -> None:
        self.trace = trace
        self.spots = spots

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function; its numbers are what they were afterwards, unless it has set them."""
        if not self.spots:
            return function(*args, **kwargs)
        placed = [(s, value, self.trace.place(s, value)) for s in self.spots if s.holder is not None for value in [s.get()]]
        there = [(s, value, mine, [*mine] if type(mine) is list else None) for s, value, mine in placed]
        args, kwargs = self._arguments(args, kwargs)
        for spot, _, mine, _ in there:
            spot.put(mine)
        try:
            return function(*args, **kwargs)
        finally:
            for spot, value, mine, held in there:
                now = spot.get()
                if now is mine and (held is None or (len(held) == len(now) and all(map(operator.is_, held, now)))):
                    spot.put(value)
                elif now is mine:  # the list itself has changed
                    self.trace.recorder.note(CHANGES)
                    value[:] = _plain_all(now)
                    spot.put(value)
                else:
                    self.trace.recorder.note(CHANGES)
                    spot.put(_plain_all(now))

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The arguments with those numbers followed that are among the spots."""
        varying = {s.name: k for k, s in enumerate([s for s in self.spots if s.holder is None])}
        leaves, structure = pytree.tree_flatten((args, kwargs))
        count = 0
        for k, leaf in enumerate(leaves):
            if type(leaf) is float or type(leaf) is int:
                if count in varying:
                    leaves[k] = self.trace.place(Spot(None, varying[count]), leaf)
                count += 1
        return pytree.tree_unflatten(leaves, structure) if varying else (args, kwargs)

    def settle(self, result: Any) -> Any:
        """The result, with plain numbers where the capture has ended; a note where the call keeps one that is followed elsewhere."""
        if not self.trace.made:
            return result
        if self.trace.ended:
            return _plain_all(result)
        inside: set[int] = set()
        for leaf in pytree.tree_leaves(result):
            _parts_of(leaf, inside)
        recorded = any(isinstance(leaf, Tensor) and leaf._gn is not None for leaf in pytree.tree_leaves(result))
        if not recorded and any(n is not None and id(n) not in inside for n in [r() for r in self.trace.made]):  # else the tape has them
            self.trace.recorder.note("a number that the call made of others stays alive outside of its result")
        return result

    def known(self, result: Any) -> Any:
        """The result with plain numbers, when the program has run."""
        if not self.trace.made:
            return result
        result = _plain_all(result)
        if self.trace.recorder.breaks:
            for ref in self.trace.made:
                _replace(ref)
        return result


def _replace(ref: Callable[[], Any]) -> None:
    """Put the plain number where the function has put one that was followed."""
    number = ref()
    if number is not None:
        _everywhere(number, plain(number))


def _everywhere(there: Any, value: Any) -> None:
    """Put ``value`` where ``there`` is held.  No function in here may close over ``there``: its variable would be such a place."""
    for holder in gc.get_referrers(there):
        if type(holder) is set:
            holder.discard(there)
            holder.add(value)
        elif type(holder) is list or type(holder) is dict:
            _exchange(holder, there, value)
        elif type(holder) is tuple:
            _everywhere(holder, _with(holder, there, value))
        elif type(holder) is CellType:
            holder.cell_contents = value
        elif (held := getattr(holder, "__dict__", None)) is not None:
            _exchange(held, there, value)


def _with(held: tuple[Any, ...], there: Any, value: Any) -> tuple[Any, ...]:
    return tuple([value if v is there else v for v in held])


def _exchange(holder: Any, number: Any, value: Any) -> None:
    for k, v in enumerate(holder) if type(holder) is list else list(holder.items()):
        if v is number:
            holder[k] = value


def _plain_all(value: Any) -> Any:
    leaves, structure = pytree.tree_flatten(value)
    if not any(type(leaf) is Number for leaf in leaves):
        return value
    return pytree.tree_unflatten([plain(leaf) for leaf in leaves], structure)


def _parts_of(value: Any, found: set[int]) -> None:
    """Collect the numbers that a number is computed from."""
    if type(value) is Number and id(value) not in found:
        found.add(id(value))
        for part in (value._parts or ())[1:]:
            _parts_of(part, found)
