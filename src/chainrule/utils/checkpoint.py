"""Activation checkpointing: keep a function's inputs only, and compute the rest again in backward.

``use_reentrant=False`` (recommended, as in PyTorch) packs every value that the function would save into a promise; the
first one that backward asks for runs the function again and fulfils them all.
https://docs.pytorch.org/docs/stable/checkpoint.html
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

from ..autograd.function import Function
from ..autograd.grad_mode import enable_grad, no_grad
from ..autograd.graph import saved_tensors_hooks
from ..core.grad import backward as _backward
from ..core.modes import MODES
from ..core.tensor import Tensor

__all__ = [
    "CheckpointError", "CheckpointFunction", "checkpoint", "checkpoint_sequential", "detach_variable", "noop_context_fn",
    "set_checkpoint_debug_enabled",
]  # fmt: skip

DEFAULT_DETERMINISM_MODE = "default"


class CheckpointError(RuntimeError):
    """The function did something else the second time."""


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing: for forward and for the recomputation."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Any:
    """Accepted for programs that call it; errors here always say what differed."""
    yield


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Leaves with the values of ``inputs``, and their ``requires_grad``."""
    return tuple([x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs])


def _rng_state(preserve: bool) -> Any:
    from ..ops.random import get_rng_state

    return get_rng_state() if preserve else None


@contextlib.contextmanager
def _replaying(state: Any) -> Any:
    """The generator as it was in forward, put back afterwards."""
    if state is None:
        yield
        return
    from ..ops.random import get_rng_state, set_rng_state

    now = get_rng_state()
    set_rng_state(state)
    try:
        yield
    finally:
        set_rng_state(now)


class CheckpointFunction(Function):
    """The reentrant form: one node whose backward runs the function again and goes backward through it."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        ctx.run_function = run_function
        ctx.state = _rng_state(preserve_rng_state)
        ctx.constants = [None if isinstance(a, Tensor) else a for a in args]
        ctx.is_tensor = [isinstance(a, Tensor) for a in args]
        ctx.save_for_backward(*[a for a in args if isinstance(a, Tensor)])
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        saved = list(ctx.saved_tensors)
        inputs = [saved.pop(0) if t else c for c, t in zip(ctx.constants, ctx.is_tensor, strict=True)]
        leaves = detach_variable(tuple(inputs))
        with _replaying(ctx.state), enable_grad():
            outputs = ctx.run_function(*leaves)
        outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        live = [(o, g) for o, g in zip(outs, grads, strict=True) if isinstance(o, Tensor) and o.requires_grad]
        if not live:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        _backward([o for o, _ in live], [g for _, g in live])
        return (None, None, *[x.grad if isinstance(x, Tensor) else None for x in leaves])


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = DEFAULT_DETERMINISM_MODE, debug: bool = False, early_stop: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """``function(*args, **kwargs)``, whose intermediate values are computed again in backward.

    ``preserve_rng_state=False`` lets random operations differ the second time.  Raises CheckpointError when the
    recomputation saves other tensors than forward did.

    >>> import chainrule as torch
    >>> from chainrule.utils.checkpoint import checkpoint
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> checkpoint(lambda t: (t * t).sin(), x, use_reentrant=False).backward()
    """
    if use_reentrant is None:
        use_reentrant = True
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, calling checkpoint"
            " without use_reentrant will raise an exception. use_reentrant=False is recommended, but if you need to preserve the current"
            " default behavior, you can pass use_reentrant=True. Refer to docs for more details on the differences between the two"
            " variants.",
            UserWarning,
            stacklevel=2,
        )
    preserve = kwargs.pop("preserve_rng_state", True)
    # A program computes once what is the same twice.
    once = MODES.recorder is not None and preserve and context_fn is noop_context_fn and not _has_buffers(function)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        if not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", UserWarning, stacklevel=2)
        elif once:
            return function(*args)
        return CheckpointFunction.apply(function, preserve, *args)
    if once:
        return function(*args, **kwargs)
    forward_context, recompute_context = context_fn()
    frame = _Frame(lambda: function(*args, **kwargs), _rng_state(preserve), recompute_context, early_stop, determinism_check)
    with saved_tensors_hooks(frame.pack, frame.unpack), forward_context:
        return function(*args, **kwargs)


def _has_buffers(function: Any) -> bool:
    """Whether it is a module's that may write to buffers, which running it again would do again."""
    module = getattr(function, "__self__", function)
    return hasattr(module, "_buffers") and any(True for _ in module.buffers())


class _Stop(Exception):
    """Everything that is needed has been computed again."""


class _Frame:
    """The promises of one checkpointed call."""

    def __init__(self, run: Callable[[], Any], state: Any, context: Any, early_stop: bool, check: str) -> None:
        self.run, self.state, self.context, self.early_stop, self.check = run, state, context, early_stop, check
        self.metadata: list[tuple[Any, Any]] = []
        self.again: dict[int, Tensor] = {}

    def pack(self, tensor: Tensor) -> int:
        """Forward: remember only what the tensor looked like."""
        self.metadata.append((tuple(tensor.shape), tensor.dtype))
        return len(self.metadata) - 1

    def unpack(self, index: int) -> Tensor:
        """Backward: run the function again at the first request."""
        if index not in self.again:
            self.recompute()
        if index not in self.again:
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.metadata)}\n"
                f"Number of tensors saved during recomputation: {len(self.again)}"
            )
        return self.again.pop(index)

    def recompute(self) -> None:
        """Collect the values that the second run saves, in the same order."""
        found: list[Tensor] = []

        def pack(tensor: Tensor) -> int:
            k = len(found)
            compared = k < len(self.metadata) and self.check == DEFAULT_DETERMINISM_MODE
            if compared and self.metadata[k] != (tuple(tensor.shape), tensor.dtype):
                raise CheckpointError(
                    "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than during the forward"
                    f" pass.\ntensor at position {k}:\nsaved metadata: {self.metadata[k]}\n"
                    f"recomputed metadata: {(tuple(tensor.shape), tensor.dtype)}"
                )
            found.append(tensor.detach())
            if self.early_stop and len(found) == len(self.metadata):
                raise _Stop
            return k

        with _replaying(self.state), enable_grad(), saved_tensors_hooks(pack, lambda k: found[k]), self.context, contextlib.suppress(_Stop):
            self.run()
        self.again = dict(enumerate(found))


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """Run a sequence of modules in ``segments`` checkpointed pieces; the last piece is kept."""
    if use_reentrant is None:
        use_reentrant = True
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. In version 2.13 we"
            " will raise an exception if use_reentrant is not passed. use_reentrant=False is recommended, but if you need to preserve the"
            " current default behavior, you can pass use_reentrant=True. Refer to docs for more details on the differences between the"
            " two variants.",
            UserWarning,
            stacklevel=2,
        )
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(steps) // segments

    def run(start: int, end: int) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            for j in range(start, end + 1):
                x = steps[j](x)
            return x

        return forward

    end = -1
    for start in range(0, size * (segments - 1), size):
        end = start + size - 1
        input = checkpoint(run(start, end), input, use_reentrant=use_reentrant, **kwargs)
    return run(end + 1, len(steps) - 1)(input)
