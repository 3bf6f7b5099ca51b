"""Calling a module with other tensors in place of its parameters and buffers, for the length of the call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ...core.tensor import Tensor


def functional_call(
    module: Any, parameters_and_buffers: dict[str, Tensor], args: Any = None, kwargs: dict[str, Any] | None = None, *,
    tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """The old place of :func:`chainrule.func.functional_call`."""
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)


def _functional_call(
    module: Any, given: dict[str, Tensor], args: Any = None, kwargs: dict[str, Any] | None = None, *, tie_weights: bool = True,
    strict: bool = False,
) -> Any:  # fmt: skip
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, given, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))


def _members(module: Any) -> dict[str, tuple[Any, str, str]]:
    """dotted name -> (owner, table, name) of every parameter and buffer, shared ones under each of their names."""
    found = {}
    for path, m in module.named_modules(remove_duplicate=False):
        for table in ("_parameters", "_buffers"):
            for name, t in m.__dict__[table].items():
                if t is not None:
                    found[path + ("." if path else "") + name] = (m, table, name)
    return found


@contextlib.contextmanager
def _reparametrize_module(module: Any, given: dict[str, Tensor], *, tie_weights: bool = False, strict: bool = False) -> Iterator[None]:
    members = _members(module)
    if tie_weights:
        given = _tied(members, given)
    if strict:
        missing = [k for k in members if k not in given]
        unexpected = [k for k in given if k not in members]
        if missing or unexpected:
            messages = []
            if unexpected:
                messages.append(f"Unexpected key(s): {', '.join(unexpected)}.")
            if missing:
                messages.append(f"Missing key(s): {', '.join(missing)}.")
            raise RuntimeError(f"Error(s) in reparametrizing for {type(module).__name__}:\n\t" + "\n\t".join(messages))
    before = []
    try:
        for key, tensor in given.items():
            if key not in members:
                continue
            owner, table, name = members[key]
            before.append((owner, table, name, owner.__dict__[table][name], key))
            owner.__dict__[table][name] = tensor
        yield
    finally:
        for owner, table, name, old, key in reversed(before):
            new = owner.__dict__[table].get(name)
            owner.__dict__[table][name] = old
            if new is not None and new is not given[key]:
                given[key] = new  # a buffer that the module replaced


def _tied(members: dict[str, tuple[Any, str, str]], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """A replacement for one name of a shared tensor replaces it under all of its names."""
    groups: dict[int, list[str]] = {}
    for key, (owner, table, name) in members.items():
        groups.setdefault(id(owner.__dict__[table][name]), []).append(key)
    tied = dict(given)
    for names in groups.values():
        named = [n for n in names if n in given]
        if not named or len(names) == 1:
            continue
        if any(given[n] is not given[named[0]] for n in named):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(named)}, which are tied. Consider using tie_weights=False"
            )
        for n in names:
            tied.setdefault(n, given[named[0]])
    return tied
