"""``import torch`` means chainrule: `as_torch` and what the import system needs for it.

This file imports nothing of chainrule's, so that a fresh interpreter can load it alone and pay for the rest of the
package at its first ``import torch``.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["as_torch", "missing_name"]

PACKAGE = "chainrule"


def _ours(name: str) -> str:
    return PACKAGE + name[len("torch") :]


def _import_statement() -> bool:
    """Whether a module is being imported, rather than looked for by `importlib.util.find_spec`."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        if frame.f_code.co_name == "_find_and_load_unlocked":
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class _SameModule:
    """Loads ``torch.x`` by handing out ``chainrule.x``, the module object itself."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just stamped torch's spec on it; reload() and relative imports need its own.
        module.__spec__ = self.spec


class TorchAlias:
    """The finder: first on `sys.meta_path`, it answers for torch and its submodules and for nothing else."""

    stands_for = PACKAGE

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "torch" and not name.startswith("torch."):
            return None
        ours = _ours(name)
        try:
            module = importlib.import_module(ours)
        except ModuleNotFoundError as e:
            if e.name != ours:
                raise
            if not _import_statement():
                return None
            raise ModuleNotFoundError(
                f"No module named {name!r} (PyTorch may have it; chainrule, which stands in for it here, has no such module)", name=name
            ) from None
        return ModuleSpec(name, _SameModule(module), is_package=hasattr(module, "__path__"))  # type: ignore[arg-type]


def _installed() -> TorchAlias | None:
    # By what it stands for, not by class: a fresh interpreter's copy of this file has a class of its own.
    finders: list[Any] = list(sys.meta_path)
    return next((f for f in finders if getattr(f, "stands_for", None) == PACKAGE), None)


def is_active() -> bool:
    """Whether ``import torch`` gives chainrule in this process, by `as_torch` or by other means."""
    torch = sys.modules.get("torch")
    return _installed() is not None or (torch is not None and torch is sys.modules.get(PACKAGE))


def _forget_modules() -> None:
    """Take chainrule's modules out of their places under torch's names."""
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        if sys.modules[name] is sys.modules.get(_ours(name)):
            del sys.modules[name]


class _AliasHandle:
    """What `as_torch` returns: leaving the ``with`` block undoes what entering found undone."""

    def __init__(self, finder: TorchAlias | None) -> None:
        self._finder = finder

    def __enter__(self) -> ModuleType:
        return importlib.import_module(PACKAGE)

    def __exit__(self, *exc: object) -> None:
        if self._finder is not None and self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
            _forget_modules()


def as_torch() -> _AliasHandle:
    """Make ``import torch`` and the import of every submodule of torch's give chainrule, from here on.

    They are the same module objects: ``torch.nn is chainrule.nn``.  In a ``with`` statement the alias ends with the
    block.  Raises ImportError when PyTorch itself has been imported already.

    >>> import chainrule
    >>> with chainrule.as_torch():
    ...     import torch
    >>> torch is chainrule
    True
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch is not sys.modules.get(PACKAGE):
        where = getattr(torch, "__file__", None) or "unknown place"
        raise ImportError(
            f"PyTorch itself is already imported here (from {where}), so `import torch` cannot mean chainrule any more: "
            "call chainrule.as_torch() before the first `import torch`",
            name="torch",
        )
    if _installed() is not None:
        return _AliasHandle(None)
    finder = TorchAlias()
    sys.meta_path.insert(0, finder)
    return _AliasHandle(finder)


def missing_name(module: str, name: str) -> AttributeError:
    """The error for a module's ``__getattr__`` to raise; `module` is its ``__name__``.

    >>> raise missing_name("chainrule.nn", "Linaer")
    Traceback (most recent call last):
      ...
    AttributeError: module 'chainrule.nn' has no attribute 'Linaer'
    """
    obj = sys.modules.get(module)
    if not is_active():
        return AttributeError(f"module {module!r} has no attribute {name!r}", name=name, obj=obj)
    theirs = "torch" + module[len(PACKAGE) :]
    text = f"module {theirs!r} has no attribute {name!r}"
    if not name.startswith("__"):
        text += f" (PyTorch may have it; chainrule, which stands in for it here, has no {theirs}.{name})"
    return AttributeError(text, name=name, obj=obj)
