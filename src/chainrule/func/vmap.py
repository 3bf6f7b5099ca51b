"""``vmap``: a function of one sample becomes a function of a batch.

In one pass: every operation runs once on the whole batch (see ``core/batched.py``).  The rules for ``in_dims``,
``out_dims``, ``randomness`` and ``chunk_size`` are those of https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core.batched import Batched, randomness_of, unbatch
from ..core.levels import new_level
from ..core.tensor import Tensor, wrap
from ..ops.shape import movedim
from ..utils._pytree import tree_flatten, tree_unflatten


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable[..., Any]:
    """``func`` mapped over the axis ``in_dims`` of its inputs; results are stacked along ``out_dims``.

    ``in_dims`` and ``out_dims`` are an integer, None (not mapped), or a nested structure of them.  ``randomness`` is
    ``"error"``, ``"same"`` or ``"different"``.  ``chunk_size`` bounds the batch that is in memory at once.
    Raises ValueError for sizes that disagree or a structure that does not fit, RuntimeError for random operations
    under ``"error"``.

    >>> import chainrule as torch
    >>> torch.func.vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        dims, leaves, spec, size = _process_inputs(in_dims, args, func)
        if chunk_size is not None and chunk_size < size:
            return _chunked(func, leaves, dims, spec, out_dims, randomness, size, chunk_size, kwargs)
        return _mapped(func, leaves, dims, spec, out_dims, randomness, size, kwargs)

    return wrapped


def _name(func: Any) -> str:
    return getattr(func, "__name__", repr(func))


def _broadcast_dims(dims: Any, tree: Any) -> list[Any] | None:
    """``dims`` for every leaf of ``tree``: a prefix of its structure; None where it does not fit."""
    from ..utils._pytree import _broadcast_to_and_flatten

    _leaves, spec = tree_flatten(tree)
    return _broadcast_to_and_flatten(dims, spec)


def _process_inputs(in_dims: Any, args: tuple[Any, ...], func: Any) -> tuple[list[Any], list[Any], Any, int]:
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a (potentially nested)"
            f" tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a"
            " function with no inputs. The latter is unsupported."
        )
    leaves, spec = tree_flatten(args)
    dims = _broadcast_dims(in_dims, args)
    where = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): "
    if dims is None:
        raise ValueError(
            f"{where}in_dims is not compatible with the structure of `inputs`. in_dims has structure {tree_flatten(in_dims)[1]} but"
            f" inputs has structure {spec}."
        )
    size = None
    for i, (x, d) in enumerate(zip(leaves, dims, strict=True)):
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(f"{where}Got in_dim={d} for an input but in_dim must be either an integer dimension or None.")
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{where}Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over non-Tensor arguments,"
                " please use None as the respective in_dim"
            )
        if d < -x.dim() or d >= x.dim():
            raise ValueError(
                f"{where}Got in_dim={d} for some input, but that input is a Tensor of dimensionality {x.dim()} so expected in_dim to"
                f" satisfy -{x.dim()} <= in_dim < {x.dim()}."
            )
        dims[i] = d = d % x.dim()
        n = x._value.shape[d]
        if size is None:
            size = n
        elif n != size:
            sizes = [x._value.shape[d % x.dim()] for x, d in zip(leaves, dims, strict=True) if d is not None]
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension"
            )
    if size is None:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    return dims, leaves, spec, size


def _mapped(
    func: Callable[..., Any], leaves: list[Any], dims: list[Any], spec: Any, out_dims: Any, randomness: str, size: int, kwargs: Any
) -> Any:
    with new_level() as level, randomness_of(level, size, randomness):
        inner = [x if d is None else wrap(Batched(level, x if d == 0 else movedim(x, d, 0))) for x, d in zip(leaves, dims, strict=True)]
        result = func(*tree_unflatten(inner, spec), **kwargs)
        return _unwrap(result, level, size, out_dims, func)


def _unwrap(result: Any, level: int, size: int, out_dims: Any, func: Any) -> Any:
    outs, out_spec = tree_flatten(result)
    for o in outs:
        if not isinstance(o, Tensor):
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(o)}. Did you mean to set out_dims= to"
                " None for output?"
            )
    if isinstance(out_dims, int) or out_dims is None:
        dims: Any = [out_dims] * len(outs)
    elif isinstance(result, Tensor) and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims = list(out_dims)
    else:
        dims = _broadcast_dims(out_dims, result)
    if dims is None or any(not (d is None or isinstance(d, int)) for d in dims):
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of `outputs`."
            f" out_dims has structure {tree_flatten(out_dims)[1]} but outputs has structure {out_spec}."
        )
    return tree_unflatten([_place(o, d, level, size, func) for o, d in zip(outs, dims, strict=True)], out_spec)


def _place(out: Tensor, dim: int | None, level: int, size: int, func: Any) -> Tensor:
    inner, batched = unbatch(out, level)
    if dim is None:
        if batched:
            raise ValueError(f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim is None")
        return inner
    if not batched:
        inner = inner.expand((size, *inner.shape))
    return inner if dim == 0 else movedim(inner, 0, dim)


def _chunked(
    func: Callable[..., Any], leaves: list[Any], dims: list[Any], spec: Any, out_dims: Any, randomness: str, size: int, chunk: int, kw: Any
) -> Any:
    from ..ops.joining import cat

    parts: list[list[Any]] = []
    out_spec: Any = None
    for start in range(0, size, chunk):
        n = min(chunk, size - start)
        piece = [x if d is None else x.narrow(d, start, n) for x, d in zip(leaves, dims, strict=True)]
        flat, out_spec = tree_flatten(_mapped(func, piece, dims, spec, out_dims, randomness, n, kw))
        parts.append(flat)
    one_for_all = isinstance(out_dims, int) or out_dims is None
    where = [out_dims] * len(parts[0]) if one_for_all else _broadcast_dims(out_dims, tree_unflatten(parts[0], out_spec))
    joined = [column[0] if d is None else cat(list(column), dim=d) for column, d in zip(zip(*parts, strict=True), where or [], strict=True)]
    return tree_unflatten(joined, out_spec)
