"""The state that a training step changes, kept and put back: parameters, buffers, gradients, optimizers, modes, random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..ops.random import get_rng_state, set_rng_state
from .why_live import held_by


class State:
    """What was there before the first run; :meth:`restore` puts it back."""

    def __init__(self) -> None:
        self._tensors: dict[int, tuple[Tensor, Any, Any, Any]] = {}
        self._modes: dict[int, tuple[Any, bool]] = {}
        self._optimizers: dict[int, tuple[Any, dict[Any, Any], list[dict[str, Any]]]] = {}
        self._random = (get_rng_state(), random.getstate(), np.random.get_state())

    def keep(self, thing: Any) -> None:
        """Keep a tensor, a module or an optimizer, if it is not kept yet."""
        if isinstance(thing, Tensor):
            if id(thing) not in self._tensors:
                grad = thing._grad
                self._tensors[id(thing)] = (thing, _copy(thing._value), grad, None if grad is None else _copy(grad._value))
        elif is_module(thing):
            if id(thing) not in self._modes:
                for part in thing.modules():
                    self._modes[id(part)] = (part, part.training)
                for t in (*thing.parameters(), *thing.buffers()):
                    self.keep(t)
        elif is_optimizer(thing) and id(thing) not in self._optimizers:
            for p in held_by(thing):
                self.keep(p)
            state = {p: {k: _copy(v) for k, v in s.items()} if isinstance(s, dict) else s for p, s in thing.state.items()}
            groups = [{k: v for k, v in g.items() if k != "params"} for g in thing.param_groups]
            self._optimizers[id(thing)] = (thing, state, groups)

    def restore(self) -> None:
        """Put everything back."""
        for tensor, value, grad, grad_value in self._tensors.values():
            _put(tensor, value)
            tensor._grad = grad
            if grad is not None:
                _put(grad, grad_value)
        for module, training in self._modes.values():
            module.training = training
        for optimizer, state, groups in self._optimizers.values():
            optimizer.state.clear()
            optimizer.state.update(state)
            for group, options in zip(optimizer.param_groups, groups):
                group.update(options)
        set_rng_state(self._random[0])
        random.setstate(self._random[1])
        np.random.set_state(self._random[2])


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else value


def _put(tensor: Tensor, value: Any) -> None:
    have = tensor._value
    if isinstance(have, np.ndarray) and isinstance(value, (np.ndarray, np.generic)) and have.shape == value.shape and have.flags.writeable:
        np.copyto(have, value)
    else:
        tensor._value = value


def is_module(thing: Any) -> bool:
    """Whether it is a module (``nn`` is not loaded to find out)."""
    return hasattr(type(thing), "named_parameters") and hasattr(type(thing), "forward")


def is_optimizer(thing: Any) -> bool:
    """Whether it is an optimizer."""
    return hasattr(thing, "param_groups") and hasattr(type(thing), "zero_grad")


def used_by(step: Callable[..., Any], args: tuple[Any, ...]) -> Iterator[Any]:
    """The tensors, modules and optimizers that a function can reach by its arguments, closure, globals and object."""
    found = list(args)
    function = getattr(step, "__func__", step)
    found += [getattr(step, "__self__", None)]
    code = getattr(function, "__code__", None)
    for cell in getattr(function, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            continue
    space = getattr(function, "__globals__", {})
    found += [space[name] for name in (code.co_names if code is not None else ()) if name in space]
    for thing in found:
        yield from _things(thing, 0)


def _things(thing: Any, depth: int) -> Iterator[Any]:
    if isinstance(thing, Tensor) or is_module(thing) or is_optimizer(thing):
        yield thing
    elif isinstance(thing, (list, tuple)) and depth < 3:
        for one in thing[:1000]:
            yield from _things(one, depth + 1)
    elif isinstance(thing, dict) and depth < 3:
        for one in list(thing.values())[:1000]:
            yield from _things(one, depth + 1)
    elif depth < 2 and hasattr(thing, "__dict__") and not isinstance(thing, type) and type(thing).__module__ not in ("builtins", "types"):
        if not callable(thing) and not hasattr(thing, "__path__") and not hasattr(thing, "__loader__"):
            for one in list(vars(thing).values())[:200]:
                yield from _things(one, depth + 1)
