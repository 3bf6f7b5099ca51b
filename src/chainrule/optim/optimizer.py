"""``Optimizer``: groups of parameters, their state, and the step.

An update rule is written once, as arithmetic on values (``p -= lr * g``), so the same text writes NumPy arrays in place
and, with ``differentiable=True``, records tensors.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from ..core.modes import MODES
from ..core.mutation import written_by_step
from ..core.tensor import Tensor, wrap
from ..core.value import Value
from ..utils.hooks import RemovableHandle

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook", "required"]


class _Required:
    """The mark of a parameter that an optimizer has no default for."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

_global_pre: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_post: OrderedDict[int, Callable[..., Any]] = OrderedDict()


def _register(table: OrderedDict[int, Callable[..., Any]], hook: Callable[..., Any]) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer."""
    return _register(_global_pre, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer."""
    return _register(_global_post, hook)


class Optimizer:
    """Base of all optimizers.

    ``params`` is an iterable of tensors, of ``(name, tensor)`` pairs, or of dictionaries with ``"params"`` and options
    of their own.  A subclass gives :meth:`update`, and calls this constructor with the defaults of its options.
    """

    _per_parameter_state: ClassVar[bool] = True

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._hooks: dict[str, OrderedDict[int, Callable[..., Any]]] = {}
        if isinstance(params, Tensor):
            raise TypeError(
                f"params argument given to the optimizer should be an iterable of Tensors or dicts, but got {params.type()}"  # type: ignore[attr-defined]
            )
        self.state: Any = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if len(groups) == 0:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # -- the step ----------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; gives the loss that ``closure`` computes, if there is one."""
        if self._hooks or _global_pre or _global_post:
            return self._step_with_hooks(closure)
        return self._step(closure)

    def _step(self, closure: Callable[[], Any] | None) -> Any:
        loss = None
        if closure is not None:
            before, MODES.grad = MODES.grad, True
            try:
                loss = closure()
            finally:
                MODES.grad = before
        changed: list[Any] = []
        before = MODES.grad
        try:
            for group in self.param_groups:
                MODES.grad = before and bool(group.get("differentiable"))
                self.update_group(group, changed)
        finally:
            MODES.grad = before
        written_by_step(changed, f"{type(self).__name__}.step")
        return loss

    def _step_with_hooks(self, closure: Callable[[], Any] | None) -> Any:
        args, kwargs = (self,) if closure is None else (self, closure), {}  # type: ignore[var-annotated]
        for hook in chain(_global_pre.values(), self._hooks.get("step_pre", {}).values()):
            answer = hook(self, args, kwargs)
            if answer is not None:
                if not (isinstance(answer, tuple) and len(answer) == 2):
                    raise RuntimeError(f"{self.step} must return None or a tuple of (new_args, new_kwargs), but got {answer}.")
                args, kwargs = answer
        out = self._step(*args[1:], **kwargs)
        for hook in chain(self._hooks.get("step_post", {}).values(), _global_post.values()):
            hook(self, args, kwargs)
        return out

    def update_group(self, group: dict[str, Any], changed: list[Any]) -> None:
        """Update every parameter of one group by :meth:`update`; the values that were written go to ``changed``."""
        maximize = group.get("maximize", False)
        for p in group["params"]:
            g = p._grad
            if g is None:
                continue
            pv, gv = p._value, g._value
            recorded = isinstance(pv, Value) or isinstance(gv, Value) or (MODES.grad and (g._gn is not None or p._gn is not None))
            if recorded:
                self.update(p, p, -g if maximize else g, group, self.state[p])
                continue
            new = self.update(p, pv, -gv if maximize else gv, group, self.state[p])
            if new is not pv:
                p._value = new if new.dtype == pv.dtype else new.astype(pv.dtype)
                changed.append(pv)
            changed.append(p._value)

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        """The new value of ``param``, written over ``p`` where that is an array; subclasses give the rule."""
        raise TypeError(f"{type(self).__name__} has no update rule")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear all gradients: drop them, or with ``set_to_none=False`` make them zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p._grad is not None:
                    g = p._grad
                    p._grad = wrap(np.zeros(g._value.shape, g._value.dtype)) if g._gn is not None else g.zero_()

    # -- groups ------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with options of its own.

        Raises TypeError or ValueError for what is no leaf tensor, is missing an option, or is in a group already.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change between"
                " runs. Please use a list instead."
            )
        params = list(params)
        if params and isinstance(params[0], tuple):
            param_group["param_names"] = [name for name, _p in params]
            params = [p for _name, p in params]
        param_group["params"] = params
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError("optimizer can only optimize Tensors, but one of the params is " + _type_name(p))
            if not self.defaults.get("differentiable", None) and not (p.is_leaf or p.retains_grad):  # type: ignore[attr-defined]
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        if len({id(p) for p in params}) != len(params):
            import warnings

            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; see"
                " github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        known = {id(p) for group in self.param_groups for p in group["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # -- state -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and groups, parameters replaced by their numbers."""
        for hook in self._hooks.get("state_dict_pre", {}).values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {k: v for k, v in group.items() if k != "params"}
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {numbers[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        found: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._hooks.get("state_dict_post", {}).values():
            answer = hook(self, found)
            if answer is not None:
                found = answer
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave; ValueError when the groups do not fit, before anything is changed."""
        state_dict = state_dict.copy()
        for hook in self._hooks.get("load_state_dict_pre", {}).values():
            answer = hook(self, state_dict)
            if answer is not None:
                state_dict = answer
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(g["params"]) != len(s["params"]) for g, s in zip(groups, saved, strict=True)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
        by_number = dict(
            zip(chain.from_iterable(s["params"] for s in saved), chain.from_iterable(g["params"] for g in groups), strict=True)
        )
        state: Any = defaultdict(dict)
        for k, v in state_dict["state"].items():
            param = by_number.get(k)
            state[k if param is None else param] = v if param is None else _fitted(v, param)
        for s, g in zip(saved, groups, strict=True):
            s["params"] = g["params"]
            if "param_names" in g and "param_names" not in s:
                s["param_names"] = g["param_names"]
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._hooks.get("load_state_dict_post", {}).values():
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.setdefault("_hooks", {})
        self.__dict__.setdefault("defaults", {})
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    # -- hooks -------------------------------------------------------------------------------------------------------

    def _add_hook(self, kind: str, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        table = self._hooks.setdefault(kind, OrderedDict())
        handle = _register(table, hook)
        if prepend:
            table.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step."""
        return self._add_hook("step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return self._add_hook("step_post", hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict``."""
        return self._add_hook("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after ``state_dict``."""
        return self._add_hook("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before ``load_state_dict``."""
        return self._add_hook("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after ``load_state_dict``."""
        return self._add_hook("load_state_dict_post", hook, prepend)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _fitted(value: Any, param: Tensor, key: Hashable = None) -> Any:
    """Loaded state in the dtype of its parameter; the step count keeps its own."""
    if isinstance(value, Tensor):
        if key != "step" and param.dtype.is_floating_point and value.dtype is not param.dtype:
            return value.to(param.dtype)  # type: ignore[attr-defined]
        return value.clone()  # type: ignore[attr-defined]
    if isinstance(value, dict):
        return {k: _fitted(v, param, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)([_fitted(v, param) for v in value])  # type: ignore[call-arg]
    return value


def number(x: Any) -> Any:
    """An option that may be a tensor (a learning rate) as a number."""
    return x.item() if isinstance(x, Tensor) else x


def zeros_for(p: Any) -> Tensor:
    """A state tensor of zeros for a parameter's value (array or tensor)."""
    if isinstance(p, Tensor):
        return p.detach().zeros_like()  # type: ignore[attr-defined,no-any-return]
    return wrap(np.zeros(p.shape, p.dtype))


def value_of(state: Tensor, like: Any) -> Any:
    """The state tensor as ``like`` is: a tensor, or its array (0-d state is an array too, so that it is written in place)."""
    if isinstance(like, Tensor):
        return state
    if isinstance(state._value, np.generic):
        state._value = np.array(state._value)
    return state._value


def sqrt(x: Any) -> Any:
    """The square root of an array or a tensor."""
    from ..ops.exponential import sqrt as root

    return root(x)


def check_options(**bounds: tuple[Any, bool]) -> None:
    """Raise ``Invalid … value`` for the first option that is out of bounds: name=(value, in bounds)."""
    for name, (value, good) in bounds.items():
        if not good:
            raise ValueError(f"Invalid {name.replace('_', ' ')} value: {value}")


