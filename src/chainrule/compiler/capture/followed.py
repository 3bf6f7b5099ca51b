"""The numbers that change, put where the function reads them, for the time of its capture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.tensor import Tensor
from ...utils import _pytree as pytree
from .number import Number, plain
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
        there = [(s, value, self.trace.place(s, value)) for s in self.spots if s.holder is not None for value in [s.get()]]
        args, kwargs = self._arguments(args, kwargs)
        for spot, _, mine in there:
            spot.put(mine)
        try:
            return function(*args, **kwargs)
        finally:
            for spot, value, mine in there:
                now = spot.get()
                if now is mine:
                    spot.put(value)
                else:
                    self.trace.recorder.note("the call changes what it reads in Python (an attribute, a list, a number)")
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
        """The result with plain numbers; a note where the call keeps one that is followed elsewhere."""
        if not self.trace.made:
            return result
        result = _plain_all(result)
        recorded = any(isinstance(leaf, Tensor) and leaf._gn is not None for leaf in pytree.tree_leaves(result))
        if not recorded and any(ref() is not None for ref in self.trace.made):  # else the tape has them
            self.trace.recorder.note("a number that the call made of others stays alive outside of its result")
        return result


def _plain_all(value: Any) -> Any:
    leaves, structure = pytree.tree_flatten(value)
    if not any(type(leaf) is Number for leaf in leaves):
        return value
    return pytree.tree_unflatten([plain(leaf) for leaf in leaves], structure)
