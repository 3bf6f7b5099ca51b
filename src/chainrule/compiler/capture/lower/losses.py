"""Losses: an element's loss, then the reduction; a class is found by comparing, so it fuses with what computes the scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...program.ir import Node
from .. import build
from ..symbolic import Unsupported
from .reduction import floats_only
from .table import lowers


def reduced(x: Node, reduction: str) -> Node:
    if reduction == "none":
        return x
    s = build.sum_of(x, None, False)
    return s if reduction == "sum" else build.div(s, build.number(x, x.size))


def _same(*nodes: Node | None) -> None:
    kinds = {n.dtype for n in nodes if n is not None}
    if len(kinds) != 1 or next(iter(kinds)).kind != "f" or next(iter(kinds)).itemsize < 4:
        raise Unsupported("mixed or narrow dtypes")


@lowers("mse_loss")
def mse(x: Node, y: Node, *, reduction: str, param: Any) -> Node:
    _same(x, y)
    d = build.sub(x, y)
    return reduced(build.mul(d, d), reduction)


def _one(x: Node) -> Node:
    return build.number(x, 1)


def softplus(x: Node) -> Node:
    """``log(1 + exp(x))`` without overflow."""
    bent = build.mapped("log1p", build.mapped("exp", build.mapped("neg", build.mapped("abs", x))))
    return build.add(build.mapped("maximum", x, build.number(x, 0)), bent)


@lowers("binary_cross_entropy")
def bce(x: Node, y: Node, weight: Node | None, pos_weight: Node | None, *, reduction: str) -> Node:
    _same(x, y, weight)

    def bounded(v: Node) -> Node:
        return build.mapped("maximum", v, build.number(v, -100))

    off = build.mul(build.sub(y, _one(y)), bounded(build.mapped("log1p", build.mapped("neg", x))))
    r = build.sub(off, build.mul(y, bounded(build.mapped("log", x))))
    return reduced(r if weight is None else build.mul(r, weight), reduction)


@lowers("binary_cross_entropy_with_logits")
def bce_logits(x: Node, y: Node, weight: Node | None, pos_weight: Node | None, *, reduction: str) -> Node:
    _same(x, y, weight, pos_weight)
    bent = softplus(build.mapped("neg", x))
    if pos_weight is not None:
        bent = build.mul(build.add(build.mul(build.sub(pos_weight, _one(pos_weight)), y), _one(y)), bent)
    r = build.add(build.mul(build.sub(_one(y), y), x), bent)
    return reduced(r if weight is None else build.mul(r, weight), reduction)


class _Classes(NamedTuple):
    """The ``shape`` of the scores with a batch axis; of the targets, with the class axis as 1: the class, and whether it counts."""

    shape: tuple[int, ...]
    target: Node
    kept: Node

    @property
    def hits(self) -> Node:
        """Where the class is the target, and the target is not the one to ignore."""
        return build.mapped("and", build.compare("eq", build.iota(self.shape, 1), self.target), self.kept, dtype=bool)

    def counted(self, weight: Node | None, kind: Any) -> Node:
        """What every sample counts, with the class axis as 1."""
        if weight is None:
            return build.cast(self.kept, kind)
        each = build.expand(self.by_class(weight), self.shape)
        return build.sum_of(build.where(self.hits, each, build.number(weight, 0)), 1, True)

    def by_class(self, weight: Node) -> Node:
        return build.reshape(weight, (1, self.shape[1]) + (1,) * (len(self.shape) - 2))


def _classes(shape: tuple[int, ...], target: Node, ignore_index: int) -> _Classes:
    whole = (1, *shape) if len(shape) == 1 else shape
    given = build.reshape(build.cast(target, np.int64), (whole[0], 1, *whole[2:]))
    kept = build.compare("ne", given, build.number(given, ignore_index))
    return _Classes(whole, build.inside(build.where(kept, given, build.number(given, 0)), whole[1], "target"), kept)


@lowers("nll_loss", "nll_loss2d", "nll_loss_nd")
def nll(x: Node, target: Node, weight: Node | None, *, reduction: str, ignore_index: int) -> Node:
    floats_only(x)
    _same(x, weight)
    single = len(x.shape) == 1
    at = _classes(x.shape, target, ignore_index)
    scores = build.reshape(x, at.shape)
    if weight is not None:
        scores = build.mul(scores, at.by_class(weight))
    picked = build.where(at.hits, scores, build.number(x, 0))
    if reduction == "none":
        each = build.mapped("neg", build.sum_of(picked, 1, False))
        return build.reshape(each, ()) if single else each
    total = build.mapped("neg", build.sum_of(build.sum_of(picked, 1, False), None, False))
    if reduction == "sum":
        return total
    return build.div(total, build.sum_of(at.counted(weight, x.dtype), None, False))


@lowers("nll_loss_backward")
def nll_back(g: Node, target: Node, weight: Node | None, *, reduction: str, ignore_index: int, shape: tuple[int, ...]) -> Node:
    _same(g, weight)
    at = _classes(shape, target, ignore_index)
    t = build.mapped("neg", g)
    if reduction == "mean":
        t = build.div(t, build.sum_of(at.counted(weight, g.dtype), None, False))
    elif reduction == "none":
        t = build.reshape(t, at.target.shape)
    if weight is not None:
        t = build.mul(t, at.by_class(weight))
    made = build.where(at.hits, build.expand(t, at.shape), build.number(g, 0))
    return build.reshape(made, shape)
