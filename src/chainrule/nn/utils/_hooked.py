"""Hooks that compute a parameter before every call: finding them, putting them on once, taking them off."""

from __future__ import annotations

from typing import Any


def hooks_of(module: Any) -> list[tuple[Any, Any]]:
    """(key, function) of the hooks that run before ``forward``."""
    return [(key, getattr(hook, "fn", hook)) for key, hook in module._forward_pre_hooks.items()]


def _found(module: Any, kind: type, name: str) -> Any:
    """The key of the hook of this kind for the parameter ``name``; None where there is none."""
    for key, fn in hooks_of(module):
        if isinstance(fn, kind) and fn.name == name:  # type: ignore[attr-defined]
            return key
    return None


def require_one(module: Any, kind: type, name: str, word: str) -> None:
    """RuntimeError where the parameter has such a hook already."""
    if _found(module, kind, name) is not None:
        raise RuntimeError(f"Cannot register two {word} hooks on the same parameter {name}")


def take_off(module: Any, kind: type, name: str, word: str) -> Any:
    """Let the hook make its parameter an ordinary one again, and remove it; ValueError where there is none."""
    key = _found(module, kind, name)
    if key is None:
        raise ValueError(f"{word} of '{name}' not found in {module}")
    dict(hooks_of(module))[key].remove(module)
    del module._forward_pre_hooks[key]
    return module
