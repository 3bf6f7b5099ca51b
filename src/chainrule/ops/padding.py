"""Elements around a tensor: constant, mirrored, repeated or wrapped around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.batching import batch_size
from ..core.op import Op
from ..core.size import Shape, text
from ..core.tensor import Tensor
from .data import checked_scalar
from .dims import sizes, value_of
from .slicing import at
from .structure import clone

Pairs = tuple[tuple[int, int], ...]


# Constant


def _constant(x: Any, *, pads: Pairs, value: Any) -> Any:
    shape = tuple([n + a + b for n, (a, b) in zip(x.shape, pads, strict=True)])
    out = np.full(shape, value, x.dtype)
    inner, source = [], []
    for n, (a, b) in zip(x.shape, pads, strict=True):
        inner.append(slice(max(a, 0), max(a, 0) + n + min(a, 0) + min(b, 0)))
        source.append(slice(max(-a, 0), n - max(-b, 0)))
    out[tuple(inner)] = x[tuple(source)]
    return out


def _batch_pairs(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    return op(args[0], **{**kw, "pads": ((0, 0), *kw["pads"])})


constant_pad_op: Op = Op(
    "constant_pad_nd", _constant, kind="general",
    vjp=[lambda g, pads: constant_pad_op(g, pads=tuple([(-a, -b) for a, b in pads]), value=0)],
    jvp=lambda tangents, out, args, kw: constant_pad_op(tangents[0], pads=kw["pads"], value=0), batch=_batch_pairs,
)  # fmt: skip


# By looking elements up: one array of source positions a dimension, None where nothing is padded


def _looked_up(x: Any, *, places: tuple[Any, ...]) -> Any:
    for d, p in enumerate(places):
        if p is not None:
            x = x.take(p, d)
    return x


def _put_back(g: Any, *, places: tuple[Any, ...], shape: Shape) -> Any:
    for d, p in enumerate(places):
        if p is not None:
            out = np.zeros((*g.shape[:d], shape[d], *g.shape[d + 1 :]), g.dtype)
            np.add.at(out, at(d, np.array(p)), g)
            g = out
    return g


def _batch_places(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    moved = {**kw, "places": (None, *kw["places"])}
    if "shape" in kw:
        moved["shape"] = (batch_size(args, mask), *kw["shape"])
    return op(args[0], **moved)


def _padding(name: str, node: str) -> Op:
    return Op(
        name, _looked_up, kind="linear", vjp=[lambda g, x_shape, places: unpad_op(g, places=places, shape=tuple(x_shape))],
        batch=_batch_places, node=node,
    )  # fmt: skip


unpad_op = Op("unpad", _put_back, kind="linear", vjp=[lambda g, places: replication[1](g, places=places)], batch=_batch_places)
reflection = {n: _padding(f"reflection_pad{n}d", f"ReflectionPad{n}DBackward0") for n in (1, 2, 3)}
replication: dict[int, Op] = {n: _padding(f"replication_pad{n}d", f"ReplicationPad{n}DBackward0") for n in (1, 2, 3)}
circular = {n: _padding(f"circular_pad{n}d", f"CircularPad{n}DBackward0") for n in (1, 2, 3)}


def _sources(mode: str, n: int, before: int, after: int) -> Any:
    place = np.arange(-before, n + after)
    if mode == "replicate":
        place = place.clip(0, n - 1)
    elif mode == "circular":  # what wraps around is what negative amounts leave
        first, last = max(-before, 0), n - max(-after, 0)
        place = first + (place - first) % (last - first)
    else:
        place = np.abs(place)
        place = np.where(place >= n, 2 * (n - 1) - place, place)
    return tuple(place.tolist())


_SUPPORTED = (
    "\nSupported combinations for non-constant padding:\n  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
    "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
)


def _lookup_pad(input: Tensor, pairs: list[tuple[int, int]], mode: str) -> Tensor:
    shape = tuple(input._value.shape)
    count = len(pairs)
    if count not in (1, 2, 3) or len(shape) not in (count + 1, count + 2):
        raise NotImplementedError(f"Padding size {2 * count} is not supported for {len(shape)}D input tensor.{_SUPPORTED}")
    if 0 in shape[len(shape) - count - 1 :]:
        dims, rest = f"{count + 1}D or {count + 2}D", "possibly 0 batch size and other non-zero dimensions"
        raise RuntimeError(f"Expected {dims} (batch mode) tensor with {rest} for input, but got: {text(shape)}")
    places: list[Any] = [None] * len(shape)
    for back, (before, after) in enumerate(pairs, 1):
        d = len(shape) - back
        n = shape[d]
        if mode == "reflect" and (before >= n or after >= n):
            raise RuntimeError(
                f"Argument #{2 * back + 2}: Padding size should be less than the corresponding input dimension, but got: padding"
                f" ({before}, {after}) at dimension {d} of input {text(shape)}"
            )
        if mode == "circular" and (before > n or after > n):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if before or after:
            places[d] = _sources(mode, n, before, after)
    table = {"reflect": reflection, "replicate": replication, "circular": circular}[mode]
    return table[count](input, places=tuple(places))  # type: ignore[no-any-return]


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """``input`` with ``pad = (before, after, …)`` elements around it, from the last dimension on; negative ones cut off.

    ``mode``: ``'constant'`` (``value``, default 0), ``'reflect'`` (mirrored without the edge), ``'replicate'`` (the edge) or
    ``'circular'``; all but the first for the last one to three dimensions only.

    >>> import chainrule as torch
    >>> torch.nn.functional.pad(torch.tensor([[1.0, 2.0, 3.0]]), (1, 1), mode="reflect")
    tensor([[2., 1., 2., 3., 2.]])
    """
    v = value_of("pad", input)
    amounts = sizes("pad", "pad", (pad,))
    if len(amounts) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    ndim = v.ndim
    if len(amounts) > 2 * ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length"
            f" {len(amounts)} and input of dimension {ndim}"
        )
    pairs = [(amounts[k], amounts[k + 1]) for k in range(0, len(amounts), 2)]
    if mode == "constant":
        if isinstance(value, Tensor):
            value = value.item()
        for n, (a, b) in zip(reversed(v.shape), pairs, strict=False):
            if n + a + b < 0 or n + min(a, 0) + min(b, 0) < 0:
                raise RuntimeError("narrow(): length must be non-negative.")
        if not ndim:
            return clone(input)  # type: ignore[no-any-return]
        full = ((0, 0),) * (ndim - len(pairs)) + tuple(reversed(pairs))
        fill = 0 if value is None else checked_scalar(value, input.dtype)
        return constant_pad_op(input, pads=full, value=fill)  # type: ignore[no-any-return]
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    return _lookup_pad(input, pairs, mode)


__all__ = ["pad"]
