"""Rows of a table by number: embedding, and one-hot vectors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.batched import _looped
from ..core.batching import batch_size
from ..core.dtype import int64
from ..core.mutation import written
from ..core.op import Op
from ..core.tensor import Tensor, wrap
from ..core.value import Value
from .bounds import beyond
from .dims import value_of
from .gather import outside
from .index import _add_rows, index_op, lined
from .inside import inside
from .quick import recorder
from .structure import cast_to, view

ndarray = np.ndarray


def _weights(indices: Any, kind: Any, padding_idx: int, scale: bool) -> Any:
    """What each row's cotangent is multiplied by; None for 1."""
    if padding_idx < 0 and not scale:
        return None
    factor = np.ones(indices.shape, np.float64)
    if scale:
        _, inverse, counts = np.unique(indices, return_inverse=True, return_counts=True)
        factor /= counts[inverse].reshape(indices.shape)
    if padding_idx >= 0:
        factor = np.where(indices == padding_idx, 0, factor)
    return factor[..., None].astype(kind)


def _lookup(weight: Any, indices: Any, *, padding_idx: int, scale: bool) -> Any:
    if outside(indices, weight.shape[0]):
        raise beyond("rows", -1, weight.shape[0])
    return weight.take(indices, 0)


def _back(g: Any, indices: Any, *, rows: int, padding_idx: int, scale: bool) -> Any:
    factor = _weights(indices, g.dtype, padding_idx, scale)
    if factor is not None:
        g = np.where(factor == 0, 0, g * factor).astype(g.dtype)
    out = np.zeros((rows, g.shape[-1]), g.dtype)
    if indices.size:
        _add_rows(out, indices.reshape(-1), g.reshape(-1, g.shape[-1]))
    return out


def _front(t: Any, indices: Any, *, padding_idx: int, scale: bool) -> Any:
    rows = t.take(indices, 0)
    factor = _weights(indices, t.dtype, padding_idx, scale)
    return rows if factor is None else np.where(factor == 0, 0, rows * factor).astype(t.dtype)


def _batch_lookup(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    weight, indices = args
    if not mask[0] and not kw["scale"]:
        return op(weight, indices, **kw)
    if kw["scale"] or kw["padding_idx"] >= 0:
        return _looped(op, list(args), mask, kw)
    if not mask[1]:
        return index_op(weight, indices, dims=(1,), unique=False)
    return lined(weight, indices, 0)


def _batch_back(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    # One table below the other: row r of example b is row b * rows + r.
    g, indices = args
    size, rows = batch_size(args, mask), kw["rows"]
    if kw["scale"] or kw["padding_idx"] >= 0:
        return _looped(op, list(args), mask, kw)
    if not mask[1]:
        indices = indices.expand((size, *indices.shape))
    if not mask[0]:
        g = g.expand((size, *g.shape))
    first = wrap((np.arange(size) * rows).reshape((size,) + (1,) * (indices.ndim - 1)))
    found = op(g, indices + first, rows=size * rows, padding_idx=-1, scale=False)
    return view(found, shape=(size, rows, g.shape[-1]))


def _push(tangents: Any, out: Any, args: Any, kw: dict[str, Any]) -> Any:
    """The transpose of the reverse rule: what ``padding_idx`` holds back there, it holds back here."""
    return embedding_front(tangents[0], args[1], **kw)


embedding_op = Op(
    "embedding", _lookup, kind="multilinear", args="weight indices",
    vjp=[
        lambda g, indices, weight_shape, padding_idx, scale: embedding_back(
            g, indices, rows=weight_shape[0], padding_idx=padding_idx, scale=scale
        ), None,
    ], jvp=_push, batch=_batch_lookup,
)  # fmt: skip
embedding_back: Op = Op(
    "embedding_back", _back, kind="multilinear", args="g indices",
    vjp=[lambda t, indices, padding_idx, scale: embedding_front(t, indices, padding_idx=padding_idx, scale=scale), None],
    batch=_batch_back, node="EmbeddingDenseBackwardBackward0",
)  # fmt: skip
embedding_front: Op = Op(
    "embedding_front", _front, kind="multilinear", args="t indices",
    vjp=[
        lambda g, indices, t_shape, padding_idx, scale: embedding_back(g, indices, rows=t_shape[0], padding_idx=padding_idx, scale=scale),
        None,
    ], node="EmbeddingBackward0",
)  # fmt: skip
_finish = recorder(embedding_op)


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """The rows of ``weight``, (n, d), at the indices ``input``, of any shape (*): (*, d).

    The row ``padding_idx`` receives no gradient. ``max_norm`` scales rows that are longer down, in place.
    ``scale_grad_by_freq`` divides a row's gradient by how often it occurs. ``sparse`` is accepted; gradients are dense.
    IndexError for an index out of range.

    >>> import chainrule as torch
    >>> torch.nn.functional.embedding(torch.tensor([1, 0]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    i, w = value_of("embedding", input), value_of("embedding", weight, "weight", 2)
    if input.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got"
            f" torch.{input.dtype.scalar_name}Tensor instead (while checking arguments for embedding)"
        )
    if w.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    padding = -1
    if padding_idx is not None:
        n = w.shape[0]
        if not -n <= padding_idx < n:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding = padding_idx + n if padding_idx < 0 else padding_idx
    if max_norm is not None:
        _shorten(weight, i, max_norm, norm_type)
    kw: dict[str, Any] = {"padding_idx": padding, "scale": scale_grad_by_freq}
    if type(w) is ndarray and not isinstance(i, Value):
        i = np.asarray(i)
        return _finish(_lookup(w, i, **kw), (w, i), (weight, input), kw)
    return embedding_op(weight, input, **kw)  # type: ignore[no-any-return]


def _shorten(weight: Tensor, indices: Any, max_norm: float, norm_type: float) -> None:
    w = weight._value
    used = np.unique(indices)
    rows = w[used]
    norms = np.linalg.norm(rows.astype(np.float64), norm_type, axis=1)
    long = norms > max_norm
    if long.any():
        w[used[long]] = rows[long] * (max_norm / (norms[long] + 1e-7))[:, None].astype(w.dtype)
        written(w, "embedding_renorm_")


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A new last dimension of ``num_classes`` with 1 at the index that ``tensor`` holds and 0 elsewhere, as int64.

    >>> import chainrule as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    v = value_of("one_hot", tensor, "tensor")
    if tensor.dtype.name != "int64":
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if prod(v.shape) == 0 and num_classes <= 0:
        if num_classes == 0:
            raise RuntimeError("Class values must be smaller than num_classes.")
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if num_classes == -1:
        num_classes = max(0, int(np.max(v.concrete("item") if isinstance(v, Value) else v))) + 1
    from .factories import arange

    seen = inside(tensor, size=num_classes, said="one_hot")
    return cast_to(seen.unsqueeze(-1) == arange(num_classes, device=tensor.device), int64)  # type: ignore[no-any-return]


__all__ = ["embedding", "one_hot"]
