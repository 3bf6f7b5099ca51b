"""The value of a tensor inside ``vmap``: a tensor of the level below whose axis 0 is the batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .apply import operand_dtypes
from .levels import new_level
from .modes import MODES
from .op import Op
from .tensor import Tensor, wrap
from .value import Value, indented, interpreted

_LOOPED: set[str] = set()

ITEM = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, please try to"
    " rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch internals, please file a"
    " bug report."
)
CONTROL_FLOW = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that yet, please"
    " file an issue at https://github.com/pytorch/pytorch/issues ."
)
INPLACE = (
    "vmap: {0}(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that has more elements than"
    " `self`. This happened due to `other` being vmapped over but `self` not being vmapped over in a vmap. Please try to use"
    " out-of-place operators instead of {0}. If said operator is being called inside the PyTorch framework, please file a bug"
    " report instead."
)


class Batched(Value):
    """``inner`` has the batch axis in front; ``shape`` is without it."""

    __slots__ = ("inner",)

    def __init__(self, level: int, inner: Tensor) -> None:
        self.level = level
        self.inner = inner

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.inner._value.shape
        return shape[1:]

    @property
    def numpy_dtype(self) -> Any:
        return self.inner.dtype.np

    @property
    def requires_grad(self) -> bool:
        return self.inner.requires_grad

    @property
    def inner_grad_fn(self) -> Any:
        return self.inner.grad_fn

    def interpret(self, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        level = self.level
        mask = [isinstance(a, Tensor) and type(a._value) is Batched and a._value.level == level for a in args]
        inner = [a._value.inner if m else a for a, m in zip(args, mask, strict=True)]
        if op.kind == "elementwise":
            result = op.apply(*_lined_up(op, args, inner, mask), **kw)
        elif op.batch_rule is not None:
            result = op.batch_rule(op, inner, mask, kw)
        else:
            result = _looped(op, inner, mask, kw)
        return interpreted(result, lambda t: wrap(Batched(level, t)))

    def text(self, tensor: Tensor) -> str:
        return f"BatchedTensor(lvl={self.level}, bdim=0, value={indented(self.inner)})"

    def accept_write(self, target: Tensor, operation: str) -> None:
        raise RuntimeError(INPLACE.format(operation))

    def concrete(self, what: str) -> Any:
        raise RuntimeError(CONTROL_FLOW if what == "bool" else ITEM)


def _lined_up(op: Op, args: Sequence[Any], inner: list[Any], mask: Sequence[bool]) -> list[Any]:
    """The arguments of an elementwise operation with all batch axes at one place, and in one dtype if they differ.

    Promotion looks at what the user sees: a 0-d tensor stays one, whatever its batch axis.
    """
    rank = max(a._value.ndim for a in args if isinstance(a, Tensor))
    first = None
    mixed = False
    for a in args:
        if isinstance(a, Tensor):
            first = first or a.dtype
            mixed = mixed or a.dtype is not first
    kind = operand_dtypes(tuple(args), op.promote) if mixed else None
    lined = []
    for i, (a, x, m) in enumerate(zip(args, inner, mask, strict=True)):
        if m:
            missing = rank - a._value.ndim
            if missing:
                shape = x._value.shape
                x = x.reshape((shape[0],) + (1,) * missing + tuple(shape[1:]))
        if kind is not None and isinstance(x, Tensor) and x.dtype is not kind and (op.promote is None or i in op.promote):
            x = x.to(kind)
        lined.append(x)
    return lined


def _looped(op: Op, inner: list[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    """Always right, one sample at a time; says so once an operation."""
    if op.name not in _LOOPED:
        _LOOPED.add(op.name)
        warnings.warn(
            f"There is a performance drop because we have not yet implemented the batching rule for {op.name}: vmap runs it one"
            f" sample at a time. Give Op({op.name!r}) a batch rule to run it in one go.",
            UserWarning,
            stacklevel=2,
        )
    n = next(x._value.shape[0] for x, m in zip(inner, mask, strict=True) if m)
    if n == 0:
        raise RuntimeError(f"vmap: {op.name} has no batching rule, so it cannot run over a batch of size 0")
    parts = [op(*[x[i] if m else x for x, m in zip(inner, mask, strict=True)], **kw) for i in range(n)]
    from .op import OPS

    stack = OPS["stack"]
    if isinstance(parts[0], (tuple, list)):
        return tuple([stack(*column, dim=0) for column in zip(*parts, strict=True)])
    return stack(*parts, dim=0)


def unbatch(tensor: Any, level: int) -> tuple[Any, bool]:
    """(the tensor below with its batch axis in front, True), or (the tensor, False) when it is not of that level."""
    if isinstance(tensor, Tensor):
        v = tensor._value
        if type(v) is Batched and v.level == level:
            return v.inner, True
    return tensor, False


class randomness_of:
    """What random operations do inside the vmap of ``level``: ``"error"``, ``"same"`` or ``"different"``."""

    def __init__(self, level: int, size: int, mode: str) -> None:
        self.entry = (level, size, mode)

    def __enter__(self) -> None:
        MODES.vmaps = (*MODES.vmaps, self.entry)

    def __exit__(self, *exc: object) -> None:
        MODES.vmaps = MODES.vmaps[:-1]


def vmap_over(func: Callable[[Sequence[Any]], Sequence[Any]], args: Sequence[Any]) -> tuple[Any, ...]:
    """``func`` of a list of tensors (or None), mapped over axis 0 of all; its results may be None."""
    size = next(a._value.shape[0] for a in args if a is not None)

    def stacked(out: Any, level: int) -> Any:
        if out is None:
            return None
        inner, batched = unbatch(out, level)
        return inner if batched else inner.expand((size, *inner.shape))

    with new_level() as level, randomness_of(level, size, "error"):
        result = func([None if a is None else wrap(Batched(level, a)) for a in args])
        return tuple([stacked(r, level) for r in result])
