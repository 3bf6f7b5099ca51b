"""The last backward passes: where they were called, so that an error about a freed graph can say who freed it."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

from .mutation import Place, user_place

# (the user's place, a weak reference to the root, the root's order, whether the graph was kept)
WALKS: deque[tuple[Place | None, Any, int, bool]] = deque(maxlen=64)


def walk_starts(edge: Any, keep: bool) -> None:
    """Remember that a walk from ``edge`` starts here."""
    node = edge.node if edge.is_slot else edge
    WALKS.append((user_place(), weakref.ref(node), 0 if node.is_leaf_edge else node.order, keep))
