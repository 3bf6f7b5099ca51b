"""A module's hooks: before and after ``forward``, and around backward."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ...core.hooks import HookTable, register
from ...core.tensor import Tensor
from ...utils.hooks import RemovableHandle

FORWARD, FORWARD_PRE, BACKWARD, BACKWARD_PRE = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
HOOK_TABLES = frozenset((
    FORWARD, FORWARD_PRE, BACKWARD, BACKWARD_PRE, "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
))  # fmt: skip


class _GlobalHooks:
    """Hooks of all modules, registered by ``nn.modules.module.register_module_forward_hook`` and its like."""

    def __init__(self) -> None:
        self.tables: dict[str, HookTable] = {k: HookTable() for k in (FORWARD, FORWARD_PRE, BACKWARD, BACKWARD_PRE)}
        self.any = False  # read at every call of a module

    def refresh(self) -> None:
        """Look again whether there is a hook."""
        self.any = any(self.tables.values())


global_hooks = _GlobalHooks()


class _GlobalHandle:
    """Takes a global hook out again."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def remove(self) -> None:
        """Take the hook out."""
        self._handle.remove()
        global_hooks.refresh()

    def __enter__(self) -> _GlobalHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def _global(kind: str) -> Callable[[Callable[..., Any]], _GlobalHandle]:
    def add(hook: Callable[..., Any], **options: Any) -> _GlobalHandle:
        handle = register(global_hooks.tables[kind], _Hook(hook, **options))
        global_hooks.refresh()
        return _GlobalHandle(handle)

    return add


class _Hook:
    """A callable and how it wants to be called."""

    __slots__ = ("always", "fn", "with_kwargs")

    def __init__(self, fn: Callable[..., Any], with_kwargs: bool = False, always_call: bool = False) -> None:
        self.fn = fn
        self.with_kwargs = with_kwargs
        self.always = always_call

    def __call__(self, *args: Any) -> Any:
        return self.fn(*args)


register_module_forward_hook = _global(FORWARD)
register_module_forward_pre_hook = _global(FORWARD_PRE)
register_module_full_backward_hook = _global(BACKWARD)
register_module_full_backward_pre_hook = _global(BACKWARD_PRE)
register_module_backward_hook = _global(BACKWARD)


class HookMethods:
    """The registration methods of a module."""

    def _add_hook(self, table: str, hook: _Hook, prepend: bool = False) -> RemovableHandle:
        found: OrderedDict[int, Any] | None = self.__dict__.get(table)
        if found is None:
            found = self.__dict__[table] = OrderedDict()
        self.__dict__["_hooked"] = True
        handle = RemovableHandle(found)
        found[handle.id] = hook
        if prepend:
            found.move_to_end(handle.id, last=False)
        return handle

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns replaces the output."""
        return self._add_hook(FORWARD, _Hook(hook, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns replaces the arguments."""
        return self._add_hook(FORWARD_PRE, _Hook(hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are known."""
        self._one_kind(True)
        return self._add_hook(BACKWARD, _Hook(hook), prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The old hook: ``hook(module, grad_input, grad_output)`` of the last operation of ``forward`` alone."""
        self._one_kind(False)
        return self._add_hook(BACKWARD, _Hook(hook))

    def _one_kind(self, full: bool) -> None:
        if self.__dict__.setdefault("_is_full_backward_hook", full) is not full:
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them."
            )

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the outputs are known."""
        return self._add_hook(BACKWARD_PRE, _Hook(hook), prepend)


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module(*args, **kwargs)`` with every hook."""
    tables = global_hooks.tables
    d = module.__dict__

    def hooks(kind: str) -> list[Any]:
        return [*tables[kind].values(), *d.get(kind, {}).values()]

    for hook in hooks(FORWARD_PRE):
        answer = hook(module, args, kwargs) if hook.with_kwargs else hook(module, args)
        if answer is not None:
            if hook.with_kwargs:
                if not (isinstance(answer, tuple) and len(answer) == 2):
                    raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {answer}.")
                args, kwargs = answer
            else:
                args = answer if isinstance(answer, tuple) else (answer,)
    full, pre = hooks(BACKWARD), hooks(BACKWARD_PRE)
    old: list[Any] = []
    if d.get("_is_full_backward_hook") is False:
        full, old = list(tables[BACKWARD].values()), list(d[BACKWARD].values())
    bridge = _BackwardBridge(module, full, pre) if full or pre else None
    if bridge is not None:
        args = bridge.enter(args)
    after = hooks(FORWARD)
    called: set[int] = set()
    try:
        result = module.forward(*args, **kwargs)
        for hook in after:
            called.add(id(hook))
            answer = hook(module, args, kwargs, result) if hook.with_kwargs else hook(module, args, result)
            if answer is not None:
                result = answer
    except Exception:
        for hook in after:
            if hook.always and id(hook) not in called:
                hook(module, args, kwargs, None) if hook.with_kwargs else hook(module, args, None)
        raise
    if bridge is not None:
        result = bridge.leave(result)
    if old:
        _watch_last(module, old, args, result)
    return result


def _watch_last(module: Any, hooks: list[Any], args: tuple[Any, ...], result: Any) -> None:
    """Hooks of the old kind see only the node that made the (first) output."""
    first = result
    while not isinstance(first, Tensor):
        first = next(iter(first.values())) if isinstance(first, dict) else first[0]
    node = first.grad_fn
    if node is None:
        return
    for hook in hooks:
        node.register_hook(lambda given, out, hook=hook: hook(module, given, out))
    if {f for f, _ in node.next_functions} != {a.grad_fn for a in args if isinstance(a, Tensor)}:
        warnings.warn(
            "Using a non-full backward hook when the forward contains multiple autograd Nodes is deprecated and will be removed in future"
            " versions. This hook will be missing some grad_input. Please use register_full_backward_hook to get the documented behavior.",
            FutureWarning, stacklevel=3,
        )  # fmt: skip


class _BackwardBridge:
    """Backward hooks: an identity node before the module and one after it see the gradients pass."""

    def __init__(self, module: Any, full: list[Any], pre: list[Any]) -> None:
        self.module, self.full, self.pre = module, full, pre
        self.grad_outputs: tuple[Any, ...] | None = None
        self.inputs = 0

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Pass the tensor arguments through the first node."""
        where = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        live = any(args[i].requires_grad for i in where)
        self.inputs = len(args)
        if not where or not live or not self.full:
            self.where: list[int] = []
            return args
        self.where = where
        passed = _identity([args[i] for i in where])
        node = passed[0].grad_fn
        node.register_hook(self.on_inputs)
        out = list(args)
        for i, t in zip(where, passed, strict=True):
            out[i] = t
        return tuple(out)

    def on_inputs(self, grad_inputs: Any, _grad_outputs: Any) -> Any:
        """The gradients of the module's inputs are there: call the hooks."""
        if self.grad_outputs is None:  # the output was nothing that a node could be put behind
            return None
        padded: list[Any] = [None] * self.inputs
        for i, g in zip(self.where, grad_inputs, strict=True):
            padded[i] = g
        given = tuple(padded)
        for hook in self.full:
            answer = hook(self.module, given, self.grad_outputs)
            if answer is not None:
                answer = answer if isinstance(answer, tuple) else (answer,)
                if len(answer) != len(given):
                    raise RuntimeError(
                        f"Backward hook returned an invalid number of grad_input, got {len(answer)}, but expected {len(given)}"
                    )
                given = answer
        self.grad_outputs = None
        return tuple([given[i] for i in self.where])

    def leave(self, result: Any) -> Any:
        """Pass the outputs through the second node."""
        single = isinstance(result, Tensor)
        outs = [result] if single else list(result) if isinstance(result, (tuple, list)) else None
        if outs is None or not all(isinstance(o, Tensor) for o in outs):
            if outs is None:
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received"
                    f" {type(result)}", stacklevel=5,
                )  # fmt: skip
            return result
        if not any(o.requires_grad for o in outs):
            return result
        passed = _identity(outs)
        passed[0].grad_fn.register_prehook(self.on_outputs)
        return passed[0] if single else type(result)(passed)

    def on_outputs(self, grad_outputs: Any) -> Any:
        """The gradients of the module's outputs are there."""
        given = tuple(grad_outputs)
        for hook in self.pre:
            answer = hook(self.module, given)
            if answer is not None:
                given = answer if isinstance(answer, tuple) else (answer,)
                if len(given) != len(grad_outputs):
                    raise RuntimeError(
                        f"Backward pre hook returned an invalid number of grad_output, got {len(given)}, but expected {len(grad_outputs)}"
                    )
        self.grad_outputs = given
        if not self.where and self.full:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require"
                " gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.register_full_backward_hook for more details.", stacklevel=5,
            )  # fmt: skip
            for hook in self.full:
                hook(self.module, (None,) * self.inputs, given)
        return given


def _identity(tensors: list[Any]) -> list[Any]:
    from ...autograd.function import Function

    class BackwardHookFunction(Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            ctx.mark_non_differentiable(*[a for a in args if not a.requires_grad])
            return args

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads

    return list(BackwardHookFunction.apply(*tensors))
