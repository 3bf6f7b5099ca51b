"""What the user calls things: the variables of a frame, and the parameters of the modules that they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from ..core.node import LEAF
from ..core.source import user_frame as caller
from ..core.tensor import Tensor

__all__ = ["Names", "caller", "names_in"]


class Names:
    """Names of leaves and nodes, the tensors that carry them, and the modules' classes by their paths.

    ``leaves`` and ``nodes`` are by ``id``; ``data`` has names of plain values by the ``id`` of their memory.
    """

    def __init__(self) -> None:
        self.leaves: dict[int, str] = {}
        self.nodes: dict[tuple[int, int], tuple[str, Tensor]] = {}
        self.data: dict[int, str] = {}
        self.modules: dict[str, str] = {}
        self.scopes: dict[int, str] = {}  # of a parameter: its module's path
        self._kept: list[Any] = []  # an id means something only as long as its object lives

    def add(self, name: str, value: Any) -> None:
        """Learn a variable's name; the first name that a tensor is given stays."""
        if isinstance(value, Tensor):
            self._tensor(name, value)
        elif isinstance(value, (list, tuple)):
            for i, v in enumerate(value[:1000]):
                self._part(f"{name}[{i}]", v)
        elif isinstance(value, dict):
            for k, v in list(value.items())[:1000]:
                self._part(f"{name}[{k!r}]" if isinstance(k, (str, int)) else name, v)
        else:
            self._part(name, value)

    def merge(self, other: Names) -> None:
        """Learn what ``other`` knows; names that are here already stay."""
        self.leaves = other.leaves | self.leaves
        self.nodes = other.nodes | self.nodes
        self.data = other.data | self.data
        self.modules = other.modules | self.modules
        self.scopes = other.scopes | self.scopes
        self._kept += other._kept

    def _part(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor):
            self._tensor(name, value)
        elif hasattr(type(value), "named_parameters") and hasattr(value, "_parameters"):
            self._module(name, value)

    def _tensor(self, name: str, tensor: Tensor) -> None:
        self._kept.append(tensor)
        gn = tensor._gn
        if gn is LEAF:
            self.leaves.setdefault(id(tensor), name)
        elif gn is None:
            self.data.setdefault(id(tensor._value), name)
            self._kept.append(tensor._value)
        else:
            key = (id(gn.node), gn.index) if gn.is_slot else (id(gn), 0)
            self.nodes.setdefault(key, (name, tensor))

    def _module(self, name: str, module: Any) -> None:
        for path, part in module.named_modules():
            full = f"{name}.{path}" if path else name
            self.modules.setdefault(full, type(part).__name__)
            for own, tensor in [*part._parameters.items(), *part._buffers.items()]:
                if tensor is not None:
                    self._tensor(f"{full}.{own}", tensor)
                    self.scopes.setdefault(id(tensor), full)


def names_in(frame: FrameType | None) -> Names:
    """The names that the variables of a frame give, locals before globals, and those of the frames that called it."""
    found = Names()
    # Frames further out are somebody's machinery (a notebook's, a test runner's) more often than the user's.
    for variables in _scopes(frame, 3):
        for name, value in list(variables.items()):
            if not name.startswith("_"):
                found.add(name, value)
    return found


def _scopes(frame: FrameType | None, depth: int) -> Iterator[Mapping[str, Any]]:
    seen = None
    for _ in range(depth):
        if frame is None:
            return
        if frame.f_locals is not frame.f_globals:
            yield frame.f_locals
        if frame.f_globals is not seen:
            seen = frame.f_globals
            yield seen
        frame = frame.f_back
