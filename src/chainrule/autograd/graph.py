"""Looking into the graph and hooking into it (``torch.autograd.graph``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..core.hooks import RemovableHandle
from ..core.modes import MODES
from ..core.mutation import written
from ..core.node import LEAF, AccumulateGrad, Node
from ..core.tensor import Tensor

__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version",
    "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks", "set_warn_on_accumulate_grad_stream_mismatch",
]  # fmt: skip


class GradientEdge(NamedTuple):
    """Where a tensor's gradient flows: a node and the number of its output."""

    node: Node
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge of ``tensor``; of a leaf, its ``AccumulateGrad``.  Raises RuntimeError when it needs no gradient."""
    gn = tensor._gn
    if gn is None:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    if gn is LEAF:
        return GradientEdge(AccumulateGrad.of(tensor), 0)
    return GradientEdge(gn.node, gn.index) if gn.is_slot else GradientEdge(gn, 0)


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Count a write that was made behind the tape's back."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        written(t._value, "increment_version")


class saved_tensors_hooks:
    """What operations save goes through ``pack_hook`` in forward and ``unpack_hook`` in backward.

    >>> import chainrule as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), lambda a: torch.from_numpy(a)):
    ...     y = x * x
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        if MODES.recorder is not None:
            MODES.recorder.flush("what is saved for the backward pass goes through hooks")
        if MODES.saved_hooks and isinstance(MODES.saved_hooks[-1], str):
            raise RuntimeError(MODES.saved_hooks[-1])
        MODES.saved_hooks = (*MODES.saved_hooks, (self.pack_hook, self.unpack_hook))

    def __exit__(self, *exc: object) -> None:
        MODES.saved_hooks = MODES.saved_hooks[:-1]


class save_on_cpu(saved_tensors_hooks):
    """Keep what is saved in the CPU's memory, where it is already: a copy of each value."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: t.clone(), lambda t: t)


class disable_saved_tensors_hooks:
    """Inside, entering ``saved_tensors_hooks`` raises RuntimeError with this message."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        self._before = MODES.saved_hooks
        MODES.saved_hooks = (*self._before, self.error_message) if not self._before else self._before

    def __exit__(self, *exc: object) -> None:
        MODES.saved_hooks = self._before


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """Inside, a tensor may be written in place after it was saved: backward sees what was saved."""

    def __init__(self) -> None:
        super().__init__(lambda t: t.clone(), lambda t: t)


class set_warn_on_accumulate_grad_stream_mismatch:
    """There are no streams on the CPU: nothing to warn of."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled


class _MultiHandle(RemovableHandle):
    def __init__(self, handles: list[Any]) -> None:
        self.handles = handles

    def remove(self) -> None:
        for h in self.handles:
            h.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Any, *, mode: str = "all") -> Any:
    """Call ``fn`` when the gradients of all (``mode="all"``: with the list of them) or of any of ``tensors`` are known."""
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    handles: list[Any] = []
    if mode == "any":
        fired: set[int] = set()

        def first(g: Tensor) -> None:
            task = _walk_number()
            if task not in fired:
                fired.clear()
                fired.add(task)
                fn(g)

        handles = [t.register_hook(first) for t in tensors]
        return _MultiHandle(handles)
    found: dict[int, list[Any]] = {}

    def hook(i: int) -> Callable[[Tensor], None]:
        def one(g: Tensor) -> None:
            task = _walk_number()
            if task not in found:
                found.clear()
                found[task] = [None] * len(tensors)
            grads = found[task]
            grads[i] = g
            if all(x is not None for x in grads):
                del found[task]
                fn(grads)

        return one

    handles = [t.register_hook(hook(i)) for i, t in enumerate(tensors)]
    return _MultiHandle(handles)


def _walk_number() -> int:
    from ..core.backward import current_walk

    return current_walk()


