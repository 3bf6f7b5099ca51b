"""What a derivative rule names, and how that is picked up, kept and handed to it.

A rule is a callable ``rule(g, …)``.  The first parameter is the cotangent (or, in forward mode, the tangent).  Every
other parameter is found by its name:

========================  ==============================================================
``out``                   the output; ``out0``, ``out1`` … of several
an argument's name        that argument
``<argument>_shape``      its shape, without keeping its value
``<argument>_dtype``      its NumPy dtype, without keeping its value
``args``, ``args_shape``  all arguments of a variadic operation, and their shapes
``rest``                  all arguments after the first
``needs``                 which arguments want a cotangent (rules for all arguments at once)
anything else             the operation's keyword of that name
========================  ==============================================================

Only what is named is kept alive until backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .dtype import dtype

Rule = Callable[..., Any]
Picker = Callable[[Any, Any, Any, Any], tuple[Any, ...]]

_PICKERS: dict[tuple[tuple[str, ...], tuple[str, ...]], Picker] = {}


def named(rule: Rule) -> tuple[str, ...]:
    """The names of the rule's parameters after the cotangent."""
    code = rule.__code__
    count: int = code.co_argcount + code.co_kwonlyargcount
    return tuple(code.co_varnames[1:count])


def _part(name: str, argnames: tuple[str, ...]) -> str:
    if name == "out":
        return "out"
    if name.startswith("out") and name[3:].isdigit():
        return f"out[{name[3:]}]"
    if name == "args":
        return "tuple(args)"
    if name == "rest":
        return "tuple(args[1:])"
    if name == "args_shape":
        return "tuple([a.shape for a in args])"
    if name == "needs":
        return "needs"
    if name in argnames:
        return f"args[{argnames.index(name)}]"
    for suffix, part in (("_shape", "args[{}].shape"), ("_dtype", "numpy_dtype(args[{}])")):
        if name.endswith(suffix) and name[: -len(suffix)] in argnames:
            return part.format(argnames.index(name[: -len(suffix)]))
    return f"kw[{name!r}]"


def picker(names: tuple[str, ...], argnames: tuple[str, ...]) -> Picker:
    """``pick(out, args, kw, needs)``: the tuple of what ``names`` name."""
    key = (names, argnames)
    found = _PICKERS.get(key)
    if found is None:
        parts = "".join(f"{_part(n, argnames)}, " for n in names)
        # One expression compiled once is three times as quick as a loop over names at every recorded operation.
        found = _PICKERS[key] = eval(f"lambda out, args, kw, needs: ({parts})", {"tuple": tuple, "numpy_dtype": _numpy_dtype})
    return found


def _numpy_dtype(value: Any) -> Any:
    found = value.dtype
    return found.np if type(found) is dtype else found


def source(name: str, argnames: tuple[str, ...]) -> tuple[str, int]:
    """Where a named value came from: ('out', k), ('arg', k), ('args', first) or ('static', 0)."""
    if name == "out":
        return ("out", 0)
    if name.startswith("out") and name[3:].isdigit():
        return ("out", int(name[3:]))
    if name in ("args", "rest"):
        return ("args", 0 if name == "args" else 1)
    if name in argnames:
        return ("arg", argnames.index(name))
    return ("static", 0)
