"""Copying and pickling tensors: what shared memory before shares it after."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..core.dtype import load_extensions, own
from ..core.hooks import warn_if_has_hooks
from ..core.meta import Meta
from ..core.mutation import root
from ..core.node import LEAF
from ..core.tensor import Tensor, materialise, new
from ..core.value import Value
from .declare import attach
from .strides import offset, restride

_INTERNAL = frozenset(k for k in Tensor.__annotations__) | {"_accumulate", "_accumulate_kept"}


def _own_attributes(tensor: Tensor) -> dict[str, Any]:
    """What a user (or a subclass) has set on the tensor."""
    return {k: v for k, v in tensor.__dict__.items() if k not in _INTERNAL}


def _portable(value: Any) -> tuple[Any, ...]:
    """A raw value as (memory, offset in bytes, shape, strides); the memory is one object for all views of it."""
    if isinstance(value, np.generic):
        return (value, 0, (), ())
    owner = root(value)
    if not (owner.flags.c_contiguous or owner.flags.f_contiguous) or owner.dtype.kind == "V" and owner.dtype.names:
        owner = value = np.array(value)
    if owner.base is not None:  # memory of somebody else, which pickle would not know how to get
        owner = value = np.array(value)
    return (owner, offset(value), value.shape, value.strides)


def restore(memory: Any, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """The inverse of :func:`_portable`."""
    if isinstance(memory, np.generic) or (memory.shape == shape and memory.strides == strides):
        return memory
    return restride(memory, shape, strides, start)


def _rebuild(cls: Any, parts: tuple[Any, ...], requires_grad: bool, attributes: dict[str, Any] | None = None) -> Any:
    """What unpickling calls."""
    out = new(cls)
    value = restore(*parts)
    if value.dtype.kind == "V":
        load_extensions()
    out._value = value if isinstance(value, np.generic) else own(value)
    if requires_grad:
        out._gn = LEAF
    if attributes:
        out.__dict__.update(attributes)
    return out


def _rebuild_meta(cls: Any, shape: tuple[int, ...], kind: Any, requires_grad: bool) -> Any:
    out = new(cls)
    out._value = Meta(shape, kind.np)
    if requires_grad:
        out._gn = LEAF
    return out


def _reduce_ex(self: Tensor, protocol: Any) -> Any:
    value = self._value
    if self._hooks:
        warn_if_has_hooks(self)
    if isinstance(value, Meta):
        return (_rebuild_meta, (type(self), value.shape, self.dtype, self.requires_grad))
    if isinstance(value, Value):
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")
    return (_rebuild, (type(self), _portable(value), self.requires_grad, _own_attributes(self) or None))


def _setstate(self: Tensor, state: dict[str, Any]) -> None:
    self.__dict__.update(state)


def _copy(self: Tensor) -> Tensor:
    value = self._value
    out = new(type(self))
    if isinstance(value, np.generic):
        value = materialise(self)
    out._value = value
    if self.requires_grad:
        out._gn = LEAF
    out.__dict__.update(_own_attributes(self))
    return out


def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    if self._gn is not None and self._gn is not LEAF:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were"
            " attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see"
            " https://github.com/pytorch/pytorch/pull/103001"
        )
    known = memo.get(id(self))
    if known is not None:
        return known  # type: ignore[no-any-return]
    out = new(type(self))
    memo[id(self)] = out
    out._value = self._value if isinstance(self._value, (np.generic, Value)) else _deep_value(self._value, memo)
    if self._gn is LEAF:
        out._gn = LEAF
    if self._grad is not None:
        out._grad = copy.deepcopy(self._grad.detach(), memo)
    for k, v in _own_attributes(self).items():
        out.__dict__[k] = copy.deepcopy(v, memo)
    return out


def _deep_value(value: Any, memo: dict[int, Any]) -> Any:
    owner = root(value)
    twin = memo.get(id(owner))
    if twin is None:
        twin = memo[id(owner)] = np.array(owner, order="K", subok=False)
        memo.setdefault(id(memo), []).append(owner)
    if owner is value:
        return twin
    if twin.strides != owner.strides:
        return np.array(value)
    return restride(twin, value.shape, value.strides, offset(value))


for _name, _function in (
    ("__reduce_ex__", _reduce_ex), ("__setstate__", _setstate), ("__copy__", _copy), ("__deepcopy__", _deepcopy),
):  # fmt: skip
    _function.__name__ = _function.__qualname__ = _name
    attach(_function, _name)

attach(property(lambda self: self._hooks), "_backward_hooks")

__all__: list[str] = []
