"""In-place operations: the functional operation, written over its first argument.

``x.mul_(y)`` is ``mul`` of what ``x`` was; the memory of ``x`` then takes the result and its history becomes that of
the result.  When nothing is recorded the write goes straight to memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .inference import refuse_write
from .modes import MODES
from .mutation import carry, written
from .node import LEAF
from .op import level_of
from .tensor import MADE_WITHOUT_GRAD, MULTI_OUTPUT, UNTRACKED, Tensor, wrap, wrap_with
from .value import Value
from .views import WITHOUT_GRAD, rebase, records


def inplace(name: str, function: Callable[..., Any], x: Tensor, args: tuple[Any, ...], kw: dict[str, Any]) -> Tensor:
    """``x.name(*args)``: write ``function(x, *args)`` over ``x``; returns ``x``.

    Raises RuntimeError for a leaf that requires gradient, a result of another shape or of a dtype that ``x`` cannot
    hold, and memory that several elements share.
    """
    recording = MODES.grad and (records(x) or any(isinstance(a, Tensor) and a._gn is not None for a in (*args, *kw.values())))
    if recording:
        check_writable(x)
        source = wrap_with(snapshot(x._value), x._gn) if x._gn is not LEAF else x
        if x._gn is None:
            source = wrap(snapshot(x._value))
    else:
        source = wrap(x._value)
    result = function(source, *args, **kw)
    return overwrite(name, x, result, recording)


def overwrite(name: str, x: Tensor, result: Tensor, recording: bool) -> Tensor:
    """Let ``x`` hold what ``result`` holds, and have its history."""
    check_result(name, x, result)
    if isinstance(x._value, Value) or isinstance(result._value, Value):
        if result.dtype is not x.dtype:
            result = result.to(x.dtype)
        if isinstance(result._value, Value) and level_of(x) < result._value.level:
            result._value.accept_write(x, name)
        if not _is_memory(x, result):
            rebase(x, result, result._value)
            return x
        x._value.store(result._value)
        if recording and (result._gn is not None or x._gn is not None):
            rebase(x, result)
        return x
    store(name, x, result._value)
    if recording and (result._gn is not None or x._gn is not None):
        rebase(x, result)  # where the dtypes differ, the rules bring the cotangent to that of each argument
    return x


def _is_memory(x: Tensor, result: Tensor) -> bool:
    """Whether the value of ``x`` is memory of an interpreter's, or becomes so since ``result`` is."""
    have, value = x._value, result._value
    if isinstance(have, Value):
        return have.memory and level_of(x) >= level_of(result)
    if value.memory and value.level == 0:
        value.adopt(x)
        return True
    return False


def store(name: str, x: Tensor, value: Any) -> None:
    """Write the raw ``value`` into the memory of ``x`` and note the write."""
    have = x._value
    if x._flags:
        refuse_write(x)
    if isinstance(have, np.generic):
        new_value = value if value.dtype == have.dtype else value.astype(have.dtype)
        x._value = fresh = np.array(new_value).reshape(())
        if isinstance(have, np.bool_):  # there are only two of them, which all tensors share
            if not x._flags & UNTRACKED:
                written(fresh, name)
            return
        if not x._flags & UNTRACKED:
            written(have, name)
        carry(have, fresh)
        return
    if not have.flags.writeable or 0 in have.strides:
        check_memory(have)
    np.copyto(have, value, casting="unsafe")
    if not x._flags & UNTRACKED:
        written(have, name)


def snapshot(value: Any) -> Any:
    """The value as it is now, safe from a later write; a scalar becomes another object, since writes are noted by identity."""
    if isinstance(value, np.ndarray):
        return value.copy()
    return np.array(value)[()] if isinstance(value, np.generic) else value.frozen()


def check_memory(value: np.ndarray[Any, Any]) -> None:
    """Refuse to write where several elements are one memory location."""
    for size, stride in zip(value.shape, value.strides, strict=True):
        if size > 1 and stride == 0 and value.size:
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory location."
                " Please clone() the tensor before performing the operation."
            )
    if not value.flags.writeable:
        value.flags.writeable = True


def check_writable(x: Tensor) -> None:
    """Refuse what cannot be recorded: leaves, views of leaves, views that were taken without gradient."""
    base = x._base
    if base is not None:
        if x._flags & MULTI_OUTPUT:
            node = x.grad_fn
            taken = "A view was created in no_grad mode and is being modified inplace with grad mode enabled."
            if node is not None:
                taken = f"Output {x.output_nr} of {node.name().partition('Backward')[0]} is a view and is being modified inplace."
            raise RuntimeError(
                f"{taken} This view is the output of a function that returns multiple views. Such"
                " functions do not allow the output views to be modified inplace. You should replace the inplace operation by an"
                " out-of-place one."
            )
        if x._flags & MADE_WITHOUT_GRAD:
            raise RuntimeError(WITHOUT_GRAD.format("is being"))
        if base._gn is LEAF:
            raise _leaf_written("a view of a leaf Variable that requires grad is being used in an in-place operation.", base)
    if x._gn is LEAF:
        raise _leaf_written("a leaf Variable that requires grad is being used in an in-place operation.", x)


def _leaf_written(message: str, leaf: Tensor) -> RuntimeError:
    from .telling import leaf_written

    return leaf_written(message, leaf)


def check_result(name: str, x: Tensor, result: Tensor) -> None:
    """Refuse a result that ``x`` cannot hold."""
    if result._value.shape != x._value.shape:
        have, want = list(x.shape), list(result.shape)
        raise RuntimeError(f"output with shape {have} doesn't match the broadcast shape {want}")
    a, b = result.dtype, x.dtype
    if a is not b and a.category > b.category:
        raise RuntimeError(f"result type {a.scalar_name} can't be cast to the desired output type {b.scalar_name}")


def inplace_of(function: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    """The method ``name`` (``mul_``) that writes ``function`` (``mul``) over its tensor."""

    def method(self: Tensor, *args: Any, **kw: Any) -> Tensor:
        return inplace(name, function, self, args, kw)

    method.__name__ = method.__qualname__ = name
    method.__wrapped__ = function  # type: ignore[attr-defined]  # its parameters, for whoever asks for a signature
    return method
