"""Reverse mode as transforms: ``grad``, ``vjp``, ``jacrev`` and, with forward mode over it, ``hessian``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..core.backward import run_backward
from ..core.levels import new_level
from ..core.lifted import lifted_leaf, lower
from ..core.modes import MODES
from ..core.op import edge_of, level_of
from ..core.tensor import Tensor, wrap
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten

ArgNums = int | tuple[int, ...]


def _lift(level: int, outer: bool) -> Callable[[Any], Any]:
    def one(x: Any) -> Any:
        if isinstance(x, Tensor) and (x.dtype.is_floating_point or x.dtype.is_complex):
            return lifted_leaf(level, x, outer)
        return x

    return one


def _pull(outs: Sequence[Tensor], cts: Sequence[Tensor], leaves: Sequence[Tensor], level: int, keep: bool) -> list[Tensor]:
    """Cotangents of ``leaves`` (of ``level``), as tensors of the level below; zeros for what is not reached."""
    roots = [(edge_of(o), c) for o, c in zip(outs, cts, strict=True) if o._gn is not None and level_of(o) == level]
    found = run_backward(roots, inputs=leaves, keep=keep, accumulate=False).captured if roots else {}
    cotangents = []
    for i, leaf in enumerate(leaves):
        ct = found.get(i)
        inner = leaf._value.inner
        cotangents.append(inner.detach().zeros_like() if ct is None else ct if isinstance(ct, Tensor) else wrap(ct))
    return cotangents


def select_args(args: Sequence[Any], argnums: ArgNums, name: str) -> Any:
    """The arguments to differentiate with respect to; checks ``argnums`` with PyTorch's errors."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    wanted = (argnums,) if isinstance(argnums, int) else argnums
    if not wanted:
        raise RuntimeError("argnums must be non-empty")
    for a in wanted:
        if not isinstance(a, int):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(a)}")
        if a >= len(args) or a < -len(args):
            raise RuntimeError(f"Got argnum={a}, but only {len(args)} positional inputs")
    if len({a % len(args) for a in wanted}) != len(wanted):
        raise RuntimeError(f"argnums elements must be unique. Got: argnums={argnums}")
    return args[argnums] if isinstance(argnums, int) else tuple([args[a] for a in argnums])


def replace_args(args: Sequence[Any], argnums: ArgNums, new: Any) -> list[Any]:
    """``args`` with the selected ones replaced."""
    out = list(args)
    if isinstance(argnums, int):
        out[argnums] = new
    else:
        for a, n in zip(argnums, new, strict=True):
            out[a] = n
    return out


def grad_and_value(func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives ``(gradient, value)`` of the scalar function ``func``.

    With ``has_aux``, ``func`` returns ``(scalar, aux)`` and the value is that pair.  Raises RuntimeError when ``func``
    does not return a scalar tensor.

    >>> import chainrule as torch
    >>> torch.func.grad_and_value(torch.sin)(torch.tensor(0.0))
    (tensor(1.), tensor(0.))
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        outer = MODES.grad
        with new_level() as level:
            MODES.grad = True
            selected, spec = tree_flatten(select_args(args, argnums, "grad"))
            tracked = [_lift(level, outer)(_tensor_argument(x)) for x in selected]
            given = replace_args(args, argnums, tree_unflatten(tracked, spec))
            output = func(*given, **kwargs)
            aux: Any = None
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError(
                        "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is True"
                    )
                output, aux = output
            _require_scalar(output)
            leaves = [t for t in tracked if isinstance(t, Tensor)]
            y = lower(output, level)
            with_mode = MODES.grad
            MODES.grad = outer
            cts = _pull([output], [y.detach().ones_like()], leaves, level, keep=False)
            MODES.grad = with_mode
            value = tree_map(lambda t: lower(t, level), (y, aux) if has_aux else y)
        return tree_unflatten(cts, spec), value

    return wrapped


def _tensor_argument(x: Any) -> Any:
    if not isinstance(x, Tensor):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    return x


def _require_scalar(output: Any) -> None:
    if not isinstance(output, Tensor):
        raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}")
    if output.dim() != 0:
        raise RuntimeError(
            "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
            f"{output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )
    if output.dtype.is_complex:
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {output.dtype}")


def grad(func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of the scalar function ``func`` with respect to argument(s) ``argnums``, as a function.

    >>> import chainrule as torch
    >>> torch.func.grad(torch.func.grad(torch.sin))(torch.tensor(0.0))
    tensor(-0.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        g, value = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return wrapped


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """``(func(*primals), pullback)``: the pullback takes cotangents of the outputs and gives those of the primals.

    >>> import chainrule as torch
    >>> y, pullback = torch.func.vjp(torch.sin, torch.zeros(2))
    >>> pullback(torch.ones(2))
    (tensor([1., 1.]),)
    """
    outer = MODES.grad
    with new_level() as level:
        MODES.grad = True
        flat, spec = tree_flatten(primals)
        tracked = [_lift(level, outer)(_tensor_argument(x) if isinstance(x, Tensor) else x) for x in flat]
        output = func(*tree_unflatten(tracked, spec))
        aux = None
        if has_aux:
            if not (isinstance(output, tuple) and len(output) == 2):
                raise RuntimeError("vjp(f, *primals): output of function f should be a tuple: (output, aux) if has_aux is True")
            output, aux = output
        outs, out_spec = tree_flatten(output)
        if not outs or outs == [None]:
            raise RuntimeError(f"vjp(f, *primals): Expected f to be a function that has non-empty output (got output = {outs})")
        for o in outs:
            if not isinstance(o, Tensor):
                raise RuntimeError(
                    f"vjp(f, *primals): expected f(*primals) to return only tensors, got unsupported type {type(o)}"
                )
        value = tree_map(lambda t: lower(t, level), output)
        aux = tree_map(lambda t: lower(t, level), aux)
    leaves = [t for t in tracked if isinstance(t, Tensor) and level_of(t) == level]

    def pullback(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        cts, ct_spec = tree_flatten(cotangents)
        if ct_spec != out_spec:
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. cotangents:"
                f" {ct_spec}, primal output: {out_spec}"
            )
        for k, (o, ct) in enumerate(zip(outs, cts, strict=True)):
            if not isinstance(ct, Tensor):
                raise TypeError(f"gradients can be either Tensors or None, but got {type(ct).__name__}")
            if ct.shape != o.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{k}] has a shape of {ct.shape} and output[{k}] has a shape of {o.shape}."
                )
        found = _pull(outs, cts, leaves, level, keep=retain_graph)
        pieces = iter(found)
        back = [next(pieces) if isinstance(t, Tensor) and level_of(t) == level else t for t in tracked]
        return tree_unflatten(back, spec)

    return (value, pullback, aux) if has_aux else (value, pullback)


def jacrev(
    func: Callable[..., Any], argnums: ArgNums = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """The Jacobian of ``func`` by reverse mode: one vmapped pullback for all rows (``chunk_size`` rows at a time).

    The result has the outputs' structure around the inputs' structure; each leaf has shape ``(*output, *input)``.

    >>> import chainrule as torch
    >>> torch.func.jacrev(lambda x: x * x)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapped(*args: Any) -> Any:
        from .vmap import vmap

        selected = select_args(args, argnums, "jacrev")

        def of_selected(*xs: Any) -> Any:
            return func(*replace_args(args, argnums, xs[0]))

        answer = vjp(of_selected, selected, has_aux=has_aux)
        output, pullback = answer[0], answer[1]
        outs, out_spec = tree_flatten(output)
        basis = standard_basis(outs)
        flat_in, in_spec = tree_flatten(selected)
        rows = vmap(lambda *b: tuple(tree_flatten(pullback(tree_unflatten(list(b), out_spec)))[0]), chunk_size=chunk_size)(*basis)
        sizes = [o.numel() for o in outs]
        columns = [r.split(sizes, 0) for r in rows]
        per_output = []
        for j, o in enumerate(outs):
            blocks = [c[j].reshape(tuple(o.shape) + tuple(x.shape)) for c, x in zip(columns, flat_in, strict=True)]
            per_output.append(tree_unflatten(blocks, in_spec))
        result = tree_unflatten(per_output, out_spec)
        return (result, answer[2]) if has_aux else result

    return wrapped


def standard_basis(tensors: Sequence[Tensor]) -> list[Tensor]:
    """For tensors of N elements together: N unit vectors, cut up like the tensors; each of shape ``(N, *shape)``."""
    import numpy as np

    sizes = [t.numel() for t in tensors]
    total = sum(sizes)
    basis = []
    offset = 0
    for t, n in zip(tensors, sizes, strict=True):
        block = np.zeros((total, n), t.dtype.np)
        block[np.arange(offset, offset + n), np.arange(n)] = 1
        offset += n
        basis.append(wrap(block.reshape((total, *t.shape))))
    return basis


def hessian(func: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """The Hessian of a scalar function: forward over reverse.

    >>> import chainrule as torch
    >>> torch.func.hessian(lambda x: (x ** 3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    from .forward import jacfwd

    return jacfwd(jacrev(func, argnums), argnums)
