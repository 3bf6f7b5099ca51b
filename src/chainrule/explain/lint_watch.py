"""What happens during the runs of a training step, as the checks of ``lint`` want to know it.

Python's profiler shows the calls of some thirty functions of the package (losses, modules, ``backward``, ``step`` …); each
becomes an event with the user's line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import numpy as np

from .. import nn
from ..core import grad as core_grad
from ..core.modes import MODES
from ..core.mutation import PACKAGE
from ..core.op import OPS
from ..core.source import place_of
from ..core.tensor import Tensor
from ..ops import bce, class_losses, losses, normalisation
from .lint_state import State, is_module, is_optimizer
from .why_live import held_by

LOSSES = {
    "mse_loss": losses.mse_loss, "l1_loss": losses.l1_loss, "smooth_l1_loss": losses.smooth_l1_loss, "huber_loss": losses.huber_loss,
    "cross_entropy": class_losses.cross_entropy, "nll_loss": class_losses.nll_loss, "binary_cross_entropy": bce.binary_cross_entropy,
    "binary_cross_entropy_with_logits": bce.binary_cross_entropy_with_logits, "kl_div": losses.kl_div,
}  # fmt: skip


@dataclass
class Loss:
    """A call of a loss function."""

    name: str
    place: str
    input: Tensor
    target: Tensor
    made_by: str  # the operation that made the input


@dataclass
class Call:
    """A module that the user's code called, and in which modes."""

    module: Any
    place: str
    training: bool
    recorded: bool
    run: int


@dataclass
class Events:
    """All that was seen, over all runs."""

    losses: list[Loss] = field(default_factory=list)
    differences: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    single: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)  # batch norm on a batch of one
    stale: list[tuple[str, Tensor]] = field(default_factory=list)  # gradients that a backward added to after they were used
    roots: list[tuple[int, str, float]] = field(default_factory=list)  # run, line and value of every backward's root
    stepped: dict[int, tuple[Any, str]] = field(default_factory=dict)
    reached: dict[int, Tensor] = field(default_factory=dict)
    broken: dict[int, Tensor] = field(default_factory=dict)  # parameters that are no longer finite
    run: int = 0


class Listener:
    """Fills :class:`Events` while it is on."""

    def __init__(self, state: State) -> None:
        self.events = Events()
        self._state = state
        self._stale: dict[int, tuple[str, Tensor, Any]] = {}  # by leaf: where a used gradient was added to, and its value then
        self._used: dict[int, tuple[Tensor, Any]] = {}  # by leaf: its value when its gradient was written
        self._pending: list[tuple[FrameType, list[Tensor]]] = []
        self._handlers: dict[CodeType, Callable[[FrameType], None]] = {
            _code(nn.Module.__call__): self._module,
            _code(core_grad.tensor_backward): self._backward,
            _code(core_grad.backward): self._backward,
            _code(normalisation.batch_norm): self._batch_norm,
        }
        self._losses = {_code(f): name for name, f in LOSSES.items()}
        self._apply = _code(OPS["sub"].quick)
        self._before: Any = None

    def __enter__(self) -> Events:
        self._before = sys.getprofile()
        sys.setprofile(self._see)
        return self.events

    def __exit__(self, *exc: object) -> None:
        sys.setprofile(self._before)

    def _see(self, frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event == "call":
            handler = self._handlers.get(code)
            if handler is not None:
                handler(frame)
            elif code in self._losses:
                self._loss(frame, self._losses[code])
            elif code is self._apply:
                self._difference(frame)
            elif code.co_name == "step" and is_optimizer(frame.f_locals.get("self")):
                self._step(frame)
        elif event == "return" and self._pending and self._pending[-1][0] is frame:
            self._written(self._pending.pop()[1])

    def _module(self, frame: FrameType) -> None:
        back = frame.f_back
        module = frame.f_locals["self"]
        if back is None or back.f_code.co_filename.startswith(PACKAGE) or is_module(back.f_locals.get("self")):
            return
        self._state.keep(module)
        self.events.calls.append(Call(module, place_of(back), module.training, MODES.grad, self.events.run))

    def _loss(self, frame: FrameType, name: str) -> None:
        space = frame.f_locals
        x, y = space.get("input"), space.get("target")
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            self.events.losses.append(Loss(name, user_line(frame), x, y, maker(x)))

    def _difference(self, frame: FrameType) -> None:
        space = frame.f_locals
        op, x, y = space.get("op"), space.get("input"), space.get("other")
        if op is not OPS["sub"] or not isinstance(x, Tensor) or not isinstance(y, Tensor) or (x._gn is None) == (y._gn is None):
            return
        if spreads(tuple(x.shape), tuple(y.shape)) and not _inside(frame, self._losses):
            self.events.differences.append((user_line(frame), tuple(x.shape), tuple(y.shape)))

    def _batch_norm(self, frame: FrameType) -> None:
        x = frame.f_locals.get("input")
        if frame.f_locals.get("training") and isinstance(x, Tensor) and x.ndim and x.shape[0] == 1:
            self.events.single.append((user_line(frame), tuple(x.shape)))

    def _backward(self, frame: FrameType) -> None:
        if frame.f_code is self._backward_code and self._pending:
            return  # tensor_backward has told of it
        root = frame.f_locals.get("self", frame.f_locals.get("tensors"))
        if not isinstance(root, Tensor) or root._gn is None:
            return
        place = user_line(frame)
        found = leaves_of(root)
        for leaf in found:
            self._state.keep(leaf)
            self._look_for_stale(leaf, place)
        if root.numel() == 1:
            self.events.roots.append((self.events.run, place, float(root.detach())))
        self._pending.append((frame, found))

    def _look_for_stale(self, leaf: Tensor, place: str) -> None:
        """A gradient that an update has used is about to be added to; a mistake once that sum is used for an update too."""
        key = id(leaf)
        if not _holds_gradient(leaf):
            self._stale.pop(key, None)
            return
        known = self._stale.get(key)
        if known is not None and _changed(known[2], leaf):
            self.events.stale.append((known[0], leaf))
        used = self._used.get(key)
        if used is not None and _changed(used[1], leaf):
            self._stale[key] = (place, leaf, _copied(leaf))

    _backward_code = core_grad.backward.__code__

    def _written(self, found: list[Tensor]) -> None:
        for leaf in found:
            self.events.reached[id(leaf)] = leaf
            self._used[id(leaf)] = (leaf, _copied(leaf))

    def _step(self, frame: FrameType) -> None:
        optimizer = frame.f_locals["self"]
        self._state.keep(optimizer)
        self.events.stepped.setdefault(id(optimizer), (optimizer, user_line(frame)))
        for p in held_by(optimizer):
            if id(p) in self._stale and _holds_gradient(p):
                self.events.stale.append((self._stale[id(p)][0], p))

    def finish(self) -> None:
        """Look at the parameters after the last run."""
        for place, leaf, value in self._stale.values():
            if _holds_gradient(leaf) and _changed(value, leaf):
                self.events.stale.append((place, leaf))
        for leaf in self.events.reached.values():
            if isinstance(leaf._value, (np.ndarray, np.generic)) and not np.isfinite(leaf._value).all():
                self.events.broken[id(leaf)] = leaf


def _copied(leaf: Tensor) -> Any:
    value = leaf._value
    return value.copy() if isinstance(value, np.ndarray) else value


def _changed(before: Any, leaf: Tensor) -> bool:
    return not np.array_equal(before, leaf._value, equal_nan=True)


def _holds_gradient(leaf: Tensor) -> bool:
    grad = leaf._grad
    return grad is not None and isinstance(grad._value, (np.ndarray, np.generic)) and bool(np.any(grad._value))


def _code(function: Any) -> CodeType:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function.__code__  # type: ignore[no-any-return]


def _inside(frame: FrameType, codes: dict[CodeType, str]) -> bool:
    back = frame.f_back
    while back is not None and back.f_code.co_filename.startswith(PACKAGE):
        if back.f_code in codes:
            return True
        back = back.f_back
    return False


def user_line(frame: FrameType) -> str:
    """The user's line that led to this call."""
    back: FrameType | None = frame
    while back is not None and back.f_code.co_filename.startswith(PACKAGE):
        back = back.f_back
    return place_of(back) if back is not None else ""


def spreads(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether (N,) meets (N, 1): the result has N × N elements."""
    long, short = (a, b) if len(a) > len(b) else (b, a)
    return len(long) == len(short) + 1 and long[-1] == 1 and long[:-1] == short and short[-1:] not in ((), (1,))


def leaves_of(root: Tensor) -> list[Tensor]:
    """The leaves that the root's tape leads to."""
    gn = root._gn
    stack: list[Any] = [root] if root.is_leaf else [gn.node if gn.is_slot else gn]
    seen: set[int] = set()
    found = []
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.is_leaf_edge:
            found.append(node)
            continue
        stack += [e.node if e.is_slot else e for e in node.edges if e is not None]
    return found


def maker(x: Tensor) -> str:
    """The operation that made a tensor, views left out; empty for a leaf."""
    gn = x._gn
    if gn is None or x.is_leaf:
        return ""
    node = gn.node if gn.is_slot else gn
    for _ in range(4):
        op = node.op
        if op is None or op.kind != "view" or node.edges[0] is None or node.edges[0].is_leaf_edge:
            break
        edge = node.edges[0]
        node = edge.node if edge.is_slot else edge
    return node.op.name if node.op is not None else ""
