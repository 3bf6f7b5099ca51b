"""Registering hooks: a dictionary of callables and a handle that takes one out again."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Self, TypeVar

from .epoch import turned

HookTable = OrderedDict[int, Callable[..., Any]]
F = TypeVar("F")


class RemovableHandle:
    """What registering a hook returns: `remove` unregisters it, and so does leaving a ``with`` block.

    `hooks_dict` maps ids to hooks and must take weak references (an OrderedDict does); `extra_dict`, one such dict or a
    list of them, loses the id together with it.  The dicts are held weakly: a handle keeps no module alive.

    >>> from collections import OrderedDict
    >>> hooks = OrderedDict()
    >>> handle = RemovableHandle(hooks)
    >>> hooks[handle.id] = print
    >>> handle.remove()
    >>> len(hooks)
    0
    """

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = [] if extra_dict is None else extra_dict if isinstance(extra_dict, list) else [extra_dict]
        self.extra_dict_ref = tuple([weakref.ref(d) for d in extra])
        turned()  # a hook is about to be registered

    def remove(self) -> None:
        turned()
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.hooks_dict_ref(), self.id, tuple([ref() for ref in self.extra_dict_ref])

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # A dict that is gone gets an empty one in its place, so that remove() stays harmless.
        hooks, self.id = state[:2]
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple([weakref.ref(OrderedDict() if d is None else d) for d in state[2]]) if len(state) > 2 else ()
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register(table: HookTable, fn: Callable[..., Any]) -> RemovableHandle:
    """Add ``fn`` to ``table``."""
    handle = RemovableHandle(table)
    table[handle.id] = fn
    return handle


def unserializable_hook(f: F) -> F:
    """Decorator: pickling a tensor that carries this hook drops it without a warning."""
    f.__torch_unserializable__ = True  # type: ignore[attr-defined]
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """Warn about every hook of `tensor` that pickling would drop silently."""
    for hook in (getattr(tensor, "_backward_hooks", None) or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the "
                "function with @torch.utils.hooks.unserializable_hook to suppress this warning",
                stacklevel=2,
            )
