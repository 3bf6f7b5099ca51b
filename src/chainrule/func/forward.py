"""Forward mode as transforms: ``jvp``, ``jacfwd``, ``linearize``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core.dual import TANGENT_SHAPE, make_dual, split_dual
from ..core.levels import new_level
from ..core.tensor import Tensor
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten
from .reverse import ArgNums, replace_args, select_args, standard_basis


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """``(func(*primals), its derivative in the direction tangents)`` in one pass.

    Raises RuntimeError when primals and tangents differ in structure, shape or dtype.

    >>> import chainrule as torch
    >>> torch.func.jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    flat, spec = tree_flatten(primals)
    flat_t, spec_t = tree_flatten(tangents)
    if spec != spec_t:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. For example, if primals is a"
            f" tuple of 3 tensors, tangents also must be. Got primals with structure {spec} and tangents with structure {spec_t}"
        )
    if not flat:
        raise RuntimeError("jvp(f, primals, tangents): Expected primals to contain at least one Tensor.")
    for p, t in zip(flat, flat_t, strict=True):
        for name, x in (("primals", p), ("tangents", t)):
            if not isinstance(x, Tensor):
                raise RuntimeError(f"jvp(f, primals, tangents): Expected {name} to only contain Tensors, got {type(x)}")
        if tuple(p.shape) != tuple(t.shape):
            raise RuntimeError(TANGENT_SHAPE.format(list(p.shape), list(t.shape)))
    with new_level() as level:
        duals = [make_dual(level, p, t if t.dtype is p.dtype else t.to(p.dtype)) for p, t in zip(flat, flat_t, strict=True)]
        output = func(*tree_unflatten(duals, spec))
        aux = None
        if has_aux:
            if not (isinstance(output, tuple) and len(output) == 2):
                raise RuntimeError("jvp(f, primals, tangents): output of function f should be a tuple: (output, aux) if has_aux is True")
            output, aux = output
        outs, out_spec = tree_flatten(output)
        values, pushed = [], []
        for o in outs:
            if not isinstance(o, Tensor):
                raise RuntimeError(
                    f"jvp(f, primals, tangents): expected f(*primals) to return only tensors, got unsupported type {type(o)}"
                )
            value, tangent = split_dual(o, level)
            if tangent is None:
                if strict:
                    raise RuntimeError(
                        "jvp(f, primals, tangents): The output of f is independent of the inputs. This is not allowed with strict=True."
                    )
                tangent = value.detach().zeros_like()
            values.append(value)
            pushed.append(tangent)
        result = (tree_unflatten(values, out_spec), tree_unflatten(pushed, out_spec))
        aux = tree_map(lambda a: split_dual(a, level)[0], aux)
    return (*result, aux) if has_aux else result


def jacfwd(
    func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """The Jacobian of ``func`` by forward mode: one vmapped jvp for all columns.

    >>> import chainrule as torch
    >>> torch.func.jacfwd(lambda x: x * x)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def wrapped(*args: Any) -> Any:
        from .vmap import vmap

        selected = select_args(args, argnums, "jacfwd")
        flat, spec = tree_flatten(selected)
        basis = standard_basis(flat)
        kept: list[Any] = []

        def push(*direction: Any) -> Any:
            def of_flat(*xs: Any) -> Any:
                return func(*replace_args(args, argnums, tree_unflatten(list(xs), spec)))

            answer = jvp(of_flat, tuple(flat), direction, has_aux=has_aux)
            if has_aux:
                kept.append(answer[2])
            kept.append(tree_flatten(answer[0])[1])
            return tuple(tree_flatten(answer[1])[0])

        columns = vmap(push, randomness=randomness)(*basis)
        out_spec = kept.pop()
        per_output = []
        for column in columns:
            blocks = column.split([x.numel() for x in flat], 0)
            shaped = [_columns_last(b, x) for b, x in zip(blocks, flat, strict=True)]
            per_output.append(tree_unflatten(shaped, spec))
        result = tree_unflatten(per_output, out_spec)
        return (result, _unbatched(kept[-1])) if has_aux else result

    return wrapped


def _columns_last(block: Tensor, x: Tensor) -> Tensor:
    """``(numel, *output)`` to ``(*output, *input)``."""
    n = block.dim() - 1
    last = block.permute((*range(1, n + 1), 0))
    return last.reshape(tuple(block.shape[1:]) + tuple(x.shape))


def _unbatched(aux: Any) -> Any:
    """Auxiliary output does not depend on the direction: take any sample of it."""
    from ..core.batched import Batched

    def one(t: Any) -> Any:
        while isinstance(t, Tensor) and type(t._value) is Batched:
            t = t._value.inner[0]
        return t

    return tree_map(one, aux)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """``(func(*primals), f_jvp)``: the derivative at ``primals`` as a linear function of tangents.

    >>> import chainrule as torch
    >>> y, f_jvp = torch.func.linearize(torch.sin, torch.tensor(0.0))
    >>> f_jvp(torch.tensor(3.0))
    tensor(3.)
    """
    output = func(*primals)

    def f_jvp(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return output, f_jvp
