"""Whether a value has a type with parameters."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin


def matches(obj: Any, target: Any) -> bool:
    """Whether `obj` is of the type `target`, elements included.

    >>> matches([1, 2], list[int]), matches({"a": 1}, dict[str, str]), matches(None, int | None)
    (True, False, True)
    """
    if isinstance(target, tuple):
        return any(matches(obj, t) for t in target)
    origin, args = get_origin(target), get_args(target)
    if target is None:
        return obj is None
    if target is Any:
        return True
    if origin is None:
        return isinstance(obj, target)
    if origin in (Union, types.UnionType):
        return any(matches(obj, t) for t in args)
    if not isinstance(obj, origin):
        return False
    if origin is dict:
        return all(matches(k, args[0]) and matches(v, args[1]) for k, v in obj.items())
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        return len(obj) == len(args) and all(matches(x, t) for x, t in zip(obj, args))
    return all(matches(x, args[0]) for x in obj)
