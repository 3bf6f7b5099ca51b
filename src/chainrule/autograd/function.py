"""``autograd.Function``: the user's own forward and backward, as one node of the tape."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.inplace import check_writable
from ..core.modes import MODES
from ..core.mutation import stale, stale_error
from ..core.node import LEAF, Node, Slot, next_order
from ..core.op import edge_of
from ..core.tensor import Tensor, new, wrap, wrap_with
from ..core.value import Value
from ..core.views import rebase

Edges = Sequence[Any]


class FunctionCtx:
    """What ``forward`` and ``backward`` share; the first argument of both."""

    __slots__ = ("__dict__",)

    to_save: tuple[Any, ...] | None
    saved_for_forward: tuple[Any, ...]
    dirty_tensors: tuple[Any, ...]
    non_differentiable: tuple[Any, ...]
    materialize_grads: bool

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs, outputs or intermediate tensors (or None) for ``backward``, guarded against in-place writes."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for ``jvp``."""
        for t in tensors:
            if not (isinstance(t, Tensor) or t is None):
                raise TypeError(
                    f"save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes on ctx. Got {type(t)}"
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Any) -> None:
        """Say which inputs ``forward`` wrote in place; they have to be outputs too."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Say which outputs carry no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """False: ``backward`` gets None for an output without gradient, not zeros."""
        self.materialize_grads = value


class _Saved:
    """A saved tensor: its value and where it sits on the tape, without a cycle through the function's own outputs."""

    __slots__ = ("edge", "tensor", "value")

    def __init__(self, tensor: Any, edge: Any) -> None:
        gn = tensor._gn
        self.value = tensor._value
        self.edge = edge
        self.tensor = tensor if edge is None and (gn is None or gn is LEAF) else None

    def get(self, node: Any) -> Tensor:
        if self.tensor is not None:
            return self.tensor
        value = self.value.present() if isinstance(self.value, Value) else self.value
        return wrap_with(value, node if self.edge is None else self.edge)


class BackwardFunction(Node, FunctionCtx):
    """The node and the context in one, as in PyTorch; its class is named after the user's function."""

    __slots__ = ("__dict__",)
    raw = True
    function: Any = None
    materialize_grads = True
    needs_input_grad: tuple[bool, ...] = ()
    to_save: tuple[Any, ...] | None = None
    dirty_tensors: tuple[Any, ...] = ()
    non_differentiable: tuple[Any, ...] = ()
    kept: list[Any] | None = None
    freed = False
    frees = True

    def __repr__(self) -> str:
        return f"<torch.autograd.function.{type(self).__name__} object at {hex(id(self))}>"

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was given to ``save_for_backward``.

        Raises RuntimeError after the buffers were freed, and when a saved tensor was overwritten since.
        """
        if self.saved is None:
            from ..core.telling import freed

            raise freed(self, walking=False)
        if self.kept is None:
            return tuple(self.to_save or ())
        found: list[Any] = []
        for s in self.kept:
            if s is None:
                found.append(None)
                continue
            write = stale(s.value, self.order)
            if write is not None:
                raise stale_error(self, write, s.value, "", write.count_at(self.order))
            found.append(s.get(self) if isinstance(s, _Saved) else s())
        return tuple(found)

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        """:attr:`saved_tensors`; deprecated."""
        warnings.warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2)
        return self.saved_tensors

    def settle(self) -> None:
        """Turn what was saved into values that keep nothing alive in a circle."""
        if self.to_save is None:
            self.kept = []
            return
        hooks = MODES.saved_hooks
        kept: list[Any] = []
        for t in self.to_save:
            if t is None:
                kept.append(None)
            elif not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward can only save variables, but argument {len(kept)} is of type {type(t).__name__}")
            elif hooks:
                kept.append(_PackedSaved(hooks[-1], t))
            else:
                gn = t._gn
                mine = gn is self or (isinstance(gn, Slot) and gn.node is self)
                kept.append(_Saved(t, gn if mine or not (gn is None or gn is LEAF) else None))
                if mine:
                    kept[-1].edge = gn if isinstance(gn, Slot) else None
                    kept[-1].tensor = None
        self.kept = kept
        self.to_save = None

    def pull(self, g: Any) -> Sequence[Any]:
        cts = self.pull_tensors(_wrapped(g), False)
        return [ct if ct is None else ct._value for ct in cts]

    def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
        sent = list(g) if isinstance(g, (list, tuple)) else [g]
        if self.materialize_grads:
            sent = [wrap(np.zeros(*self.__dict__["shapes"][k])) if s is None else s for k, s in enumerate(sent)]
        fn = self.function
        backward = fn.backward if fn.backward is not Function.backward else fn.vjp
        if backward is Function.vjp:
            raise NotImplementedError(_MUST_IMPLEMENT_BACKWARD)
        answer = backward(self, *sent)
        cts = answer if isinstance(answer, (tuple, list)) else (answer,)
        return self._checked(list(cts))

    def _checked(self, cts: list[Any]) -> list[Any]:
        n = len(self.edges)
        if len(cts) > n and all(c is None for c in cts[n:]):
            cts = cts[:n]
        if len(cts) != n:
            raise RuntimeError(f"function {self.name()} returned an incorrect number of gradients (expected {n}, got {len(cts)})")
        shapes = self.__dict__["input_shapes"]
        for i, (ct, edge) in enumerate(zip(cts, self.edges, strict=True)):
            if ct is None:
                continue
            if not isinstance(ct, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(ct).__name__})")
            if edge is None:
                cts[i] = None
                continue
            shape, kind = shapes[i]
            if tuple(ct._value.shape) != shape:
                try:
                    fits = np.broadcast_shapes(tuple(ct._value.shape), shape) == tuple(ct._value.shape)
                except ValueError:
                    fits = False
                if not fits:
                    raise RuntimeError(
                        f"Function {self.name()} returned an invalid gradient at index {i} - got {list(ct.shape)} but expected shape"
                        f" compatible with {list(shape)}"
                    )
                ct = ct.sum_to_size(shape)
            cts[i] = ct if ct.dtype is kind else ct.to(kind)
        return cts


class _PackedSaved:
    """A saved tensor that the user's hooks packed."""

    __slots__ = ("obj", "unpack", "value")

    def __init__(self, hooks: Any, tensor: Tensor) -> None:
        self.obj = hooks[0](tensor)
        self.unpack = hooks[1]
        self.value = None

    def __call__(self) -> Any:
        return self.unpack(self.obj)


def _wrapped(g: Any) -> Any:
    if isinstance(g, (list, tuple)):
        return [None if x is None else x if isinstance(x, Tensor) else wrap(x) for x in g]
    return g if g is None or isinstance(g, Tensor) else wrap(g)


_MUST_IMPLEMENT_BACKWARD = (
    "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
)


class Function:
    """Base of the user's own differentiable functions.

    Override ``forward(ctx, *args)`` and ``backward(ctx, *grads)`` as static methods, or ``forward(*args)`` with
    ``setup_context(ctx, inputs, output)``, which also works inside the transforms of ``torch.func``.

    >>> import chainrule as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor(2.)
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the"
            f" class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static"
            " forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The computation; not recorded."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Fill ``ctx`` after a ``forward`` that does not take it."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The cotangents of the inputs from those of the outputs, one for each argument of ``forward``."""
        raise NotImplementedError(_MUST_IMPLEMENT_BACKWARD)

    @staticmethod
    def vjp(ctx: Any, *grad_outputs: Any) -> Any:
        """Another name for :meth:`backward`."""
        raise NotImplementedError(_MUST_IMPLEMENT_BACKWARD)

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs from those of the inputs."""
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it with forward mode AD.")

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The function on a batch: returns ``(outputs, out_dims)``."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap static method or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and record one node for it."""
        for a in args:
            if isinstance(a, Tensor) and isinstance(a._value, Value) and a._value.level:  # of a transform
                from .function_levels import apply_at_level

                return apply_at_level(cls, args)
        ctx = cls._context(args)
        outputs = cls._run(ctx, args, kwargs)
        return cls._finish(ctx, args, outputs)

    @classmethod
    def _context(cls, args: tuple[Any, ...]) -> Any:
        kind = cls.__dict__.get("_backward_cls")
        if kind is None:
            kind = type(cls.__name__ + "Backward", (BackwardFunction,), {"function": cls, "__slots__": ()})
            cls._backward_cls = kind  # type: ignore[attr-defined]
        ctx = new(kind)
        ctx.saved = ()
        ctx.fit = None
        ctx.edges = ()
        ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a._gn is not None for a in args])
        return ctx

    @classmethod
    def _run(cls, ctx: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before = MODES.grad
        MODES.grad = False
        try:
            if cls.setup_context is Function.setup_context:
                return cls.forward(ctx, *args, **kwargs)
            outputs = cls.forward(*args, **kwargs)
            cls.setup_context(ctx, args, outputs)
            return outputs
        finally:
            MODES.grad = before

    @classmethod
    def _finish(cls, ctx: Any, args: tuple[Any, ...], outputs: Any) -> Any:
        """Make ``ctx`` the outputs' node, if gradient is wanted."""
        single = not isinstance(outputs, (tuple, list))
        outs = [outputs] if single else list(outputs)
        recording = MODES.grad and any(ctx.needs_input_grad)
        ctx.edges = tuple([edge_of(a) if isinstance(a, Tensor) and a._gn is not None else None for a in args])
        ctx.__dict__["input_shapes"] = [
            (tuple(a._value.shape), a.dtype) if isinstance(a, Tensor) else None for a in args
        ]
        ctx.__dict__["shapes"] = [(tuple(o._value.shape), o.dtype.np) if isinstance(o, Tensor) else None for o in outs]
        ctx.n_outputs = len(outs)
        ctx.order = next_order()
        dirty = {id(t) for t in ctx.dirty_tensors}
        inert = {id(t) for t in ctx.non_differentiable}
        inputs = {id(a) for a in args if isinstance(a, Tensor)}
        for k, o in enumerate(outs):
            if isinstance(o, Tensor):
                outs[k] = _place(ctx, o, k, len(outs), recording, id(o) in dirty, id(o) in inert, id(o) in inputs)
        if recording:
            ctx.settle()
        ctx.dirty_tensors = ctx.non_differentiable = ()
        return outs[0] if single else tuple(outs)


def _place(ctx: Any, o: Tensor, k: int, n: int, recording: bool, dirty: bool, inert: bool, is_input: bool) -> Tensor:
    """The output ``o`` with its place on the tape; a fresh tensor where it is an input that was not written."""
    original = o
    if (is_input and not dirty) or (not dirty and o._gn is not None):
        o = wrap(o._value)
        if ctx.to_save is not None:
            ctx.to_save = tuple([o if t is original and not is_input else t for t in ctx.to_save])
    floating = o.dtype.is_floating_point or o.dtype.is_complex
    if recording and not inert and floating:
        gn = ctx if n == 1 else Slot(ctx, k)
        if dirty:
            before = MODES.grad
            MODES.grad = True
            try:
                check_writable(o)
                rebase(o, wrap_with(o._value, gn))
            finally:
                MODES.grad = before
        else:
            o._gn = gn
    return o


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a ``backward`` that cannot itself be differentiated: doing so raises RuntimeError."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        before = MODES.grad
        MODES.grad = False
        try:
            outputs = fn(ctx, *args)
        finally:
            MODES.grad = before
        if not before or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return outputs
        single = not isinstance(outputs, tuple)
        outs = (outputs,) if single else outputs
        message = b"trying to differentiate twice a function that was marked with @once_differentiable"
        barred = tuple([_DelayedError.on(message.decode(), o) if isinstance(o, Tensor) else o for o in outs])
        return barred[0] if single else barred

    return wrapper


class _DelayedError(Node):
    """A node that refuses to be run."""

    __slots__ = ("message",)
    raw = True
    frees = False

    message: str

    @classmethod
    def on(cls, message: str, tensor: Tensor) -> Tensor:
        node = new(cls)
        node.edges, node.saved, node.fit, node.order, node.message = (), (), None, next_order(), message
        return wrap_with(tensor._value, node)

    def name(self) -> str:
        return "torch::autograd::Error"

    def pull(self, g: Any) -> Sequence[Any]:
        raise RuntimeError(self.message)

    def pull_tensors(self, g: Any, create_graph: bool) -> Sequence[Any]:
        raise RuntimeError(self.message)


class InplaceFunction(Function):
    """Kept for programs that name it; the same as :class:`Function`."""


class NestedIOFunction(Function):
    """Kept for programs that name it; the same as :class:`Function`."""
