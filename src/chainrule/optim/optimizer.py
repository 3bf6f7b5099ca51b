"""``Optimizer``: groups of parameters, their state, and the step.

An update rule is written once, as arithmetic on values (``p -= lr * g``), so the same text writes NumPy arrays in place
and, with ``differentiable=True``, records tensors.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable
from copy import deepcopy
from functools import wraps
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from ..core.dtype import float64
from ..core.epoch import Noted
from ..core.floating_flags import IGNORE, enter, leave
from ..core.hooks import HookTable, register
from ..core.large import SMALL, stepped
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

_global_pre: HookTable = OrderedDict()
_global_post: HookTable = OrderedDict()
GLOBAL_HOOKS = {"step_pre": _global_pre, "step_post": _global_post}


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer."""
    return register(_global_pre, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer."""
    return register(_global_post, hook)


class Optimizer:
    """Base of all optimizers.

    ``params`` is an iterable of tensors, of ``(name, tensor)`` pairs, or of dictionaries with ``"params"`` and options
    of their own.  A subclass gives :meth:`update`, and calls this constructor with the defaults of its options.
    """

    stateful: ClassVar[bool] = True  # False: the rule keeps nothing, unless the group has momentum
    complex_as_real: ClassVar[bool] = True  # the rule sees a complex parameter as pairs of real numbers
    _in_step = False

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._hooks: dict[str, OrderedDict[int, Callable[..., Any]]] = {}
        kind = type(self)
        self._operation = f"{kind.__name__}.step"
        if kind.step is not Optimizer.step and not hasattr(kind.step, "hooked"):
            kind.step = _hooked(kind.step)  # type: ignore[method-assign]
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got " + _type_name(params)
            )
        self.state: Any = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if len(groups) == 0:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [Noted(params=groups)]
        for group in groups:
            self.add_param_group(group)

    # -- the step ----------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; gives the loss that ``closure`` computes, if there is one."""
        if (self._hooks or _global_pre or _global_post) and not self._in_step:
            return self._step_with_hooks(Optimizer._step, *(() if closure is None else (closure,)))
        return self._step(closure)

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else evaluate(closure)
        changed: list[Any] = []
        flags = enter(IGNORE)
        try:
            for group in self.param_groups:
                self.update_group(group, changed)
        finally:
            leave(flags)
        written_by_step(changed, self._operation)
        return loss

    def _step_with_hooks(self, step: Callable[..., Any], *given: Any, **kwargs: Any) -> Any:
        args: Any = (self, *given)
        for hook in chain(_global_pre.values(), self._hooks.get("step_pre", {}).values()):
            answer = hook(self, args, kwargs)
            if answer is not None:
                if not (isinstance(answer, tuple) and len(answer) == 2):
                    raise RuntimeError(f"{step} must return None or a tuple of (new_args, new_kwargs), but got {answer}.")
                args, kwargs = answer
        self._in_step = True
        try:
            out = step(*args, **kwargs)
        finally:
            del self._in_step
        for hook in chain(self._hooks.get("step_post", {}).values(), _global_post.values()):
            hook(self, args, kwargs)
        return out

    def update_group(self, group: dict[str, Any], changed: list[Any]) -> None:
        """Update every parameter of one group by :meth:`update`; the arrays that were written go to ``changed``."""
        maximize = group.get("maximize", False)
        record = group.get("differentiable") and MODES.grad
        states = self.state if self.stateful or group["momentum"] else None
        for p in group["params"]:
            g = p._grad
            if g is None:
                continue
            pv, gv = p._value, g._value
            state = {} if states is None else states[p]
            if record or isinstance(pv, Value) or isinstance(gv, Value):
                self._update_tensor(p, -g if maximize else g, group, state, bool(record))
                continue
            if self.complex_as_real and pv.dtype.kind == "c":
                p._value = pv = np.asarray(pv)
                self.update(p, real_view(pv), -real_view(gv) if maximize else real_view(gv), group, state)
                changed.append(pv)
                continue
            if pv.size > SMALL and stepped(self, pv, gv, group, state):
                changed.append(pv)
                continue
            new = self.update(p, pv, -gv if maximize else gv, group, state)
            if new is not pv:
                p._value = new if new.dtype == pv.dtype else new.astype(pv.dtype)
                changed.append(pv)
            changed.append(p._value)

    def _update_tensor(self, p: Tensor, g: Any, group: dict[str, Any], state: dict[str, Any], record: bool) -> None:
        """The update as operations on tensors: recorded, or interpreted by the values' own interpreter."""
        before, MODES.grad = MODES.grad, record
        try:
            self.update(p, p, g, group, state)
        finally:
            MODES.grad = before

    def update(self, param: Tensor, p: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        """The new value of ``param``, written over ``p`` where that is an array; subclasses give the rule."""
        raise TypeError(f"{type(self).__name__} has no update rule")

    def _begin(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Fill in the state with which a parameter's first step begins; rules whose first step is another than the later ones have none."""

    def _begin_all(self) -> list[Tensor]:
        """Begin the state of all parameters, where no step has been taken, so that the first one is like those after it; which they are.

        :func:`chainrule.compile` does it before it looks at a first step; :meth:`_unbegin` takes back what then was not used.
        """
        if self.state or not self._own_rule() or any(isinstance(p._value, Value) for group in self.param_groups for p in group["params"]):
            return []
        begun = []
        for group in self.param_groups:
            for p in group["params"]:
                state: dict[str, Any] = {}
                if p.requires_grad and (p._value.dtype.kind != "c" or not self.complex_as_real):
                    self._begin(p, group, state)
                if state:
                    self.state[p] = state
                    begun.append(p)
        return begun

    def _own_rule(self) -> bool:
        """Whether the step is that of the class that says how state begins: one that overrides a part of it may keep other state."""
        kind = type(self)
        owner = next(k for k in kind.__mro__ if issubclass(k, Optimizer) and "_begin" in vars(k))
        return kind.update is owner.update and kind.update_group is Optimizer.update_group and kind.step is Optimizer.step

    def _unbegin(self, params: Iterable[Tensor]) -> None:
        """Drop the state of those parameters that no step has been taken of."""
        for p in params:
            if p in self.state and not float(self.state[p]["step"]):
                del self.state[p]

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
        named = [isinstance(p, tuple) for p in params]
        if any(named):
            if not all(named):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = [name for name, _p in params]
            params = [p for _name, p in params]
        param_group["params"] = params
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError("optimizer can only optimize Tensors, but one of the params is " + _type_name(p))
            if not self.defaults.get("differentiable", None) and not (p.is_leaf or p.retains_grad):
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
        if self.param_groups and ("param_names" in param_group) != ("param_names" in self.param_groups[0]):
            how = "with" if "param_names" in param_group else "without"
            raise ValueError(
                f"all optimizer param groups should be with/without names. cannot add param group {how} names to the optimizer"
            )
        known = {id(p) for group in self.param_groups for p in group["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        check_kernels(param_group)
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
        self.__setstate__({"state": state, "param_groups": [Noted(s) for s in saved]})
        for hook in self._hooks.get("load_state_dict_post", {}).values():
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.setdefault("_hooks", {})
        self.__dict__.setdefault("_operation", f"{type(self).__name__}.step")
        self.__dict__.setdefault("defaults", {})
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    # -- hooks -------------------------------------------------------------------------------------------------------

    def _add_hook(self, kind: str, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        table = self._hooks.setdefault(kind, OrderedDict())
        handle = register(table, hook)
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
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n" + "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
        return text + ")"


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """A subclass's own ``step``, with the hooks around it."""

    @wraps(step)
    def around(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (self._hooks or _global_pre or _global_post) and not self._in_step:
            return self._step_with_hooks(step, *args, **kwargs)
        return step(self, *args, **kwargs)

    around.hooked = True  # type: ignore[attr-defined]
    return around


def evaluate(closure: Callable[[], Any]) -> Any:
    """The loss that ``closure`` computes, with recording on."""
    before, MODES.grad = MODES.grad, True
    try:
        return closure()
    finally:
        MODES.grad = before


def _type_name(value: Any) -> str:
    if isinstance(value, Tensor):
        return value.type()
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _fitted(value: Any, param: Tensor, key: Hashable = None) -> Any:
    """Loaded state in the dtype of its parameter; the step count keeps its own."""
    if isinstance(value, Tensor):
        if key != "step" and param.dtype.is_floating_point and value.dtype is not param.dtype:
            return value.to(param.dtype)
        return value.clone()
    if isinstance(value, dict):
        return {k: _fitted(v, param, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)([_fitted(v, param) for v in value])  # type: ignore[call-arg]
    return value


# -- what update rules are written with: arrays and recorded tensors alike ------------------------------------------------


def real_view(a: Any) -> Any:
    """A complex array as real pairs in the same memory."""
    from ..ops.complex_parts import view_as_real

    return view_as_real(wrap(np.asarray(a)))._value


def number(x: Any) -> Any:
    """An option that may be a tensor (a learning rate) as a number, unless its own gradient is wanted."""
    if isinstance(x, Tensor) and not (x.requires_grad and MODES.grad):
        return x if isinstance(x._value, Value) and x._value.memory else x.item()
    return x


def step_count(state: dict[str, Any]) -> float:
    """Count this step in ``state["step"]``, a float32 tensor as in PyTorch; gives the new count."""
    counter = state["step"]
    if isinstance(counter._value, Value):
        return counter.add_(1).to(float64)  # type: ignore[no-any-return]
    counter._value = value = counter._value + 1
    return float(value)


def state_number(state: dict[str, Any], key: str) -> Any:
    """The number in a 0-d state tensor: a float, or where an interpreter has it a float64 tensor."""
    kept = state[key]
    return kept.to(float64) if isinstance(kept._value, Value) else float(kept._value)


def keep_number(state: dict[str, Any], key: str, new: Any) -> None:
    """Put a number, rounded to float32 as PyTorch keeps it, into a 0-d state tensor."""
    kept = state[key]
    if isinstance(new, Tensor):
        kept.copy_(new)
    else:
        kept._value = np.float32(new)


def counter_at_zero() -> Tensor:
    """A step counter."""
    return wrap(np.float32(0.0))


def full_for(param: Tensor, fill: float = 0.0) -> Tensor:
    """A state tensor like ``param``; for complex parameters both parts are ``fill``."""
    value = param._value
    if isinstance(value, Value):
        return param.detach() * 0 + fill
    if fill == 0:
        return wrap(np.zeros(value.shape, value.dtype))
    return wrap(np.full(value.shape, complex(fill, fill) if value.dtype.kind == "c" else fill, value.dtype))


def value_of(state: dict[str, Any], key: str, like: Any) -> Any:
    """The state ``key`` to be written in place: its array, or where ``like`` is a tensor a copy that takes its place.

    Recorded steps copy, because the graph of the step before holds on to what the state was.
    """
    kept = state[key]
    if isinstance(like, Tensor):
        if not (isinstance(kept._value, Value) and kept._value.memory) or MODES.grad:
            kept = state[key] = kept.clone()
        return kept
    value = kept._value
    if isinstance(value, np.generic):
        kept._value = value = np.array(value)
    return value if value.dtype.kind != "c" or like.dtype.kind == "c" else real_view(value)


def keep(state: dict[str, Any], key: str, new: Any) -> Any:
    """Let the state ``key`` be ``new``: written into its array, or where ``new`` is a tensor put in its place."""
    if isinstance(new, Tensor):
        kept = state[key]
        if isinstance(kept._value, Value) and kept._value.memory and not MODES.grad:
            return kept.copy_(new)
        state[key] = new
        return new
    value = state[key]._value
    if value.dtype.kind == "c":
        value = real_view(value)
    value[...] = new
    return value


def check_rate(lr: Any) -> None:
    """Refuse a learning rate that is negative or has several elements."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not 0.0 <= number(lr):
        raise ValueError(f"Invalid learning rate: {lr}")


def check_kernels(group: dict[str, Any]) -> None:
    """Refuse choices of PyTorch's kernels that exclude each other; beyond that, one text computes them all."""
    if group.get("fused"):
        if group.get("differentiable"):
            raise RuntimeError("`fused` does not support `differentiable`")
        if group.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_option(name: str, value: Any, good: bool) -> None:
    """Refuse an option that is out of bounds."""
    if not good:
        raise ValueError(f"Invalid {name} value: {value}")


def check_betas(betas: Any) -> None:
    """Refuse decay rates outside [0, 1)."""
    for i in range(2):
        if not 0.0 <= number(betas[i]) < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def decayed(p: Any, g: Any, group: dict[str, Any], lr: Any) -> tuple[Any, Any]:
    """``p`` and ``g`` after weight decay: added to the gradient, or taken off the parameter where it is decoupled."""
    decay = group["weight_decay"]
    if decay:
        if group.get("decoupled_weight_decay"):
            p *= 1 - lr * decay
        else:
            g = g + p * decay
    return p, g
