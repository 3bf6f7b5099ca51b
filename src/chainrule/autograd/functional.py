"""Derivatives of functions by the tape (``torch.autograd.functional``): jacobian, hessian, vjp, jvp, vhp, hvp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.grad import grad as _grad
from ..core.modes import MODES
from ..core.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


class _recording:
    """Recording on, for the length of a computation."""

    def __enter__(self) -> None:
        self._before = MODES.grad
        MODES.grad = True

    def __exit__(self, *exc: object) -> None:
        MODES.grad = self._before

_V_IS_NEEDED = "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element."


def _as_tuple(x: Any, argument: str, function: str) -> tuple[bool, tuple[Tensor, ...]]:
    if isinstance(x, Tensor):
        return False, (x,)
    if not isinstance(x, tuple):
        raise TypeError(
            f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the given {argument} has type {type(x)}."
        )
    for i, el in enumerate(x):
        if not isinstance(el, Tensor):
            raise TypeError(
                f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the value at index {i} has type"
                f" {type(el)}."
            )
    return True, x


def _prepared(inputs: Sequence[Tensor], create_graph: bool) -> tuple[Tensor, ...]:
    """Inputs to differentiate with respect to: views on the given graph, or new leaves."""
    return tuple([x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in inputs])


def _released(tree: Any, create_graph: bool) -> Any:
    if isinstance(tree, tuple):
        return tuple([_released(t, create_graph) for t in tree])
    return tree if create_graph else tree.detach()


def _outputs(func: Callable[..., Any], inputs: tuple[Tensor, ...], function: str) -> tuple[bool, tuple[Tensor, ...]]:
    return _as_tuple(func(*inputs), "outputs of the user-provided function", function)


def _check_vector(v: Sequence[Tensor], like: Sequence[Tensor], of: str) -> None:
    if len(v) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
    for i, (a, b) in enumerate(zip(v, like, strict=True)):
        if tuple(a.shape) != tuple(b.shape):
            prepend = f"Entry {i} in " if len(v) > 1 else ""
            raise RuntimeError(f"{prepend}v has invalid size: should be {b.shape} but got {a.shape}.")


def _filled(grads: Sequence[Any], like: Sequence[Tensor], strict: bool, what: str) -> tuple[Tensor, ...]:
    out = []
    for i, (g, x) in enumerate(zip(grads, like, strict=True)):
        if g is None:
            if strict:
                raise RuntimeError(f"{what} {i}. This is not allowed in strict mode.")
            g = x.detach().zeros_like()
        out.append(g)
    return tuple(out)


def _gradients(
    outs: Sequence[Tensor], ins: Sequence[Tensor], cts: Sequence[Any] | None, create_graph: bool, keep: bool = True
) -> tuple[Any, ...]:
    """``grad`` where outputs without history simply contribute nothing."""
    live = [i for i, o in enumerate(outs) if o.requires_grad]
    if not live:
        return (None,) * len(ins)
    return _grad(
        [outs[i] for i in live], list(ins), None if cts is None else [cts[i] for i in live], create_graph=create_graph, retain_graph=keep,
        allow_unused=True,
    )  # fmt: skip


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """``(func(inputs), vᵀJ)``; ``v`` may be left out for a scalar output."""
    with _recording():
        several, ins = _as_tuple(inputs, "inputs", "vjp")
        ins = _prepared(ins, create_graph)
        several_out, outs = _outputs(func, ins, "vjp")
        cts = _vector_for(v, outs, "vjp")
        found = _gradients(outs, ins, cts, create_graph)
        grads = _filled(found, ins, strict, "The output of the user-provided function is independent of input")
    out = _released(outs if several_out else outs[0], create_graph)
    return out, _released(grads if several else grads[0], create_graph)


def _vector_for(v: Any, outs: Sequence[Tensor], function: str) -> Sequence[Any] | None:
    if v is None:
        if len(outs) != 1 or outs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
            )
        return None
    _several, cts = _as_tuple(v, "v", function)
    _check_vector(cts, outs, "v")
    return cts


def jvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """``(func(inputs), Jv)`` by the double-backward trick; :func:`chainrule.func.jvp` does it in one pass."""
    with _recording():
        _several, ins = _as_tuple(inputs, "inputs", "jvp")
        ins = _prepared(ins, create_graph)
        if v is None:
            if len(ins) != 1 or ins[0].numel() != 1:
                raise RuntimeError(_V_IS_NEEDED)
            tangents: Sequence[Any] = [ins[0].detach().ones_like()]
        else:
            _s, tangents = _as_tuple(v, "v", "jvp")
            _check_vector(tangents, ins, "v")
        several_out, outs = _outputs(func, ins, "jvp")
        dummies = tuple([o.detach().zeros_like().requires_grad_() for o in outs])
        pulled = _gradients(outs, ins, dummies, create_graph=True)
        used = [(p, t) for p, t in zip(pulled, tangents, strict=True) if p is not None]
        raw = _gradients([p for p, _ in used], dummies, [t for _, t in used], create_graph) if used else (None,) * len(outs)
        pushed = _filled(raw, outs, strict, "The output of the user-provided function is independent of the inputs at output")
    return _released(outs if several_out else outs[0], create_graph), _released(pushed if several_out else pushed[0], create_graph)


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Jacobian: one tensor ``(*output, *input)`` for each output and input.

    ``vectorize`` computes all rows (or, with ``strategy="forward-mode"``, all columns) in one vmapped pass.

    >>> import chainrule as torch
    >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            "Expected strategy to be either \"forward-mode\" or \"reverse-mode\". Hint: If your function has more outputs than inputs,"
            " \"forward-mode\" tends to be more performant. Otherwise, prefer to use \"reverse-mode\"."
        )
    several, ins = _as_tuple(inputs, "inputs", "jacobian")
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                "torch.autograd.functional.jacobian: `create_graph=True` and `strategy=\"forward-mode\"` are not supported together (yet)."
            )
        if not vectorize:
            raise NotImplementedError(
                "torch.autograd.functional.jacobian: `vectorize=False` and `strategy=\"forward-mode\"` are not supported together (yet)."
            )
        from ..func import jacfwd

        blocks = jacfwd(func, tuple(range(len(ins))))(*[x.detach() for x in ins])
        rows = blocks if _is_nested(blocks) else (blocks,)
        return _nested(list(rows), several, _is_nested(blocks), False)
    with _recording():
        ins = _prepared(ins, create_graph)
        several_out, outs = _outputs(func, ins, "jacobian")
        if strict:
            for i, o in enumerate(outs):
                if not o.requires_grad:
                    raise RuntimeError(
                        f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a"
                        " differentiable manner from the input when running in strict mode."
                    )
        make = _rows_at_once if vectorize else _rows_one_by_one
        rows = [make(o, ins, create_graph, strict) for o in outs]
    return _nested(rows, several, several_out, create_graph)


def _is_nested(blocks: Any) -> bool:
    return isinstance(blocks, tuple) and bool(blocks) and isinstance(blocks[0], tuple)


def _nested(rows: list[Any], several: bool, several_out: bool, create_graph: bool) -> Any:
    tree = tuple([_released(tuple(r) if several else r[0], create_graph) for r in rows])
    return tree if several_out else tree[0]


def _rows_one_by_one(o: Tensor, ins: Sequence[Tensor], create_graph: bool, strict: bool) -> tuple[Tensor, ...]:
    from ..ops.joining import stack

    flat = o.reshape(-1)
    columns: list[list[Tensor]] = [[] for _ in ins]
    for j in range(flat.numel()):
        found = _gradients((flat[j],), ins, None, create_graph)
        grads = _filled(found, ins, strict, "Output 0 of the user-provided function is independent of input")
        for column, g in zip(columns, grads, strict=True):
            column.append(g)
    shape = tuple(o.shape)
    return tuple(
        [stack(c).reshape(shape + tuple(x.shape)) if c else x.new_zeros(shape + tuple(x.shape)) for c, x in zip(columns, ins, strict=True)]
    )


def _rows_at_once(o: Tensor, ins: Sequence[Tensor], create_graph: bool, strict: bool) -> tuple[Tensor, ...]:
    from ..func.reverse import standard_basis

    if strict:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please either set"
            " `strict=False` or `vectorize=False`."
        )
    basis = standard_basis([o])
    if o.requires_grad:
        grads: Sequence[Any] = _grad(
            o, list(ins), (basis[0],), create_graph=create_graph, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
    else:
        grads = (None,) * len(ins)
    shape = tuple(o.shape)
    return tuple(
        [(x.new_zeros(shape + tuple(x.shape)) if g is None else g.reshape(shape + tuple(x.shape))) for g, x in zip(grads, ins, strict=True)]
    )


def hessian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Hessian of a function with one scalar output: the Jacobian of its gradient.

    >>> import chainrule as torch
    >>> torch.autograd.functional.hessian(lambda x: (x ** 3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    several, ins = _as_tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError("Expected strategy to be either \"forward-mode\" or \"reverse-mode\".")
    if outer_jacobian_strategy == "forward-mode":
        from ..func import jacfwd, jacrev

        numbers = tuple(range(len(ins)))
        found = jacfwd(jacrev(func, numbers), numbers)(*[x.detach() for x in ins])
        return found if several else found[0][0]

    def gradient(*xs: Tensor) -> Any:
        value = func(*xs)
        _check_scalar(value)
        grads = _filled(_gradients((value,), xs, None, True), xs, strict, "Output 0 of the user-provided function is independent of input")
        return grads

    found = jacobian(gradient, tuple(ins), create_graph, strict, vectorize)
    return found if several else found[0][0]


def _check_scalar(value: Any) -> None:
    if not isinstance(value, Tensor):
        raise RuntimeError("The function given to hessian should return a single Tensor")
    if value.numel() != 1:
        raise RuntimeError("The Tensor returned by the function given to hessian should contain a single element")


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """``(func(inputs), vᵀH)`` of a scalar function."""
    return _hessian_product(func, inputs, v, create_graph, strict, "vhp")


def hvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """``(func(inputs), Hv)`` of a scalar function; the Hessian is symmetric, so this is :func:`vhp`."""
    return _hessian_product(func, inputs, v, create_graph, strict, "hvp")


def _hessian_product(func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool, name: str) -> tuple[Any, Any]:
    with _recording():
        several, ins = _as_tuple(inputs, "inputs", name)
        ins = _prepared(ins, create_graph)
        if v is None:
            if len(ins) != 1 or ins[0].numel() != 1:
                raise RuntimeError(_V_IS_NEEDED)
            vector: Sequence[Any] = [ins[0].detach().ones_like()]
        else:
            _s, vector = _as_tuple(v, "v", name)
            _check_vector(vector, ins, "v")
        value = func(*ins)
        if not isinstance(value, Tensor):
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if value.numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        first = _gradients((value,), ins, None, True)
        used = [(g, t) for g, t in zip(first, vector, strict=True) if g is not None]
        raw = _gradients([g for g, _ in used], ins, [t for _, t in used], create_graph) if used else (None,) * len(ins)
        found = _filled(raw, ins, strict, "The output of the user-provided function is independent of input")
    return _released(value, create_graph), _released(found if several else found[0], create_graph)
