"""A count of what compiled programs cannot see in values: an attribute of a module was set, an optimizer's option, the default dtype."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

# How often, and how often of that it was an optimizer's option.
EPOCH: list[int] = [0, 0]

# How often a hook was put on a leaf.
HOOKINGS: list[int] = [0]


def hooking() -> None:
    """A hook is put on a leaf."""
    HOOKINGS[0] += 1


def hooked(leaf: Any) -> bool:
    """Whether there are hooks on a leaf, or on its ``AccumulateGrad``."""
    return bool(leaf._hooks or leaf._post_hooks or "_accumulate_kept" in leaf.__dict__)


def turned() -> None:
    """Something has changed that a compiled program may have taken for granted."""
    EPOCH[0] += 1


class Noted(dict[str, Any]):
    """A dictionary whose changes are counted: an optimizer's group, whose options a compiled step would else compare at every call."""

    def copy(self) -> dict[str, Any]:
        """A plain dictionary of the same."""
        return dict(self)


def _noting(change: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(change)
    def noted(self: Noted, *args: Any, **kwargs: Any) -> Any:
        turned()
        EPOCH[1] += 1
        return change(self, *args, **kwargs)

    return noted


for _name in ("__setitem__", "__delitem__", "__ior__", "update", "setdefault", "pop", "popitem", "clear"):
    setattr(Noted, _name, _noting(getattr(dict, _name)))
