"""Losses, with every reduction."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .row import Input, Row, array, bools, ints, positive, real

REDUCTIONS = ("mean", "sum", "none")
UNIT = {"lo": 0.02, "hi": 0.98}


def three(
    name: str, inputs: tuple[Input, ...], *, call: Callable[..., Any] | None = None, op: Any = "", suffix: str = "", **kw: Any
) -> list[Row]:
    """One row for each reduction."""

    def make(reduction: str) -> Row:
        def fn(T: Any, *x: Any) -> Any:
            loss = getattr(T.nn.functional, name)
            return loss(*x, reduction=reduction) if call is None else call(loss, reduction, *x)

        return Row(f"{name} {reduction}{suffix}", fn, inputs, op=op or name, **kw)

    return [make(r) for r in REDUCTIONS]


def pairs(name: str, **kw: Any) -> list[Row]:
    return three(name, (real(2, 3), real(2, 3)), **kw)


def quiet_kl_div(kl_div: Any, reduction: str, x: Any, y: Any) -> Any:
    """PyTorch warns that 'mean' is not the mathematical mean."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kl_div(x, y, reduction=reduction)


CLASSES = ints(3, lo=0, hi=4)
PLACES = ints(2, 3, lo=0, hi=4)

ROWS = [
    *pairs("mse_loss", special=((real(0), real(0)), (array(1.0), array(1.0)), (array([float("inf"), 0.0]), array([1.0, float("nan")])))),
    *three("mse_loss", (real(2, 3), real(2, 3), positive(2, 3)), call=lambda f, r, x, y, w: f(x, y, reduction=r, weight=w),
        op="mse_loss", suffix=" weighted"),
    *pairs("l1_loss", op="abs", special=((array([1.0, 2.0, 0.0]), array([1.0, 0.0, 3.0])),)),
    *pairs("smooth_l1_loss", call=lambda f, r, x, y: f(x, y, reduction=r, beta=0.7),
           special=((array([1.0, 2.0, 0.0]), array([1.0, 1.3, 3.0])),)),
    *pairs("huber_loss", call=lambda f, r, x, y: f(x, y, reduction=r, delta=0.7),
           special=((array([1.0, 2.0, 0.0]), array([1.0, 1.3, 3.0])),)),
    *three("soft_margin_loss", (real(2, 3), bools(2, 3)), call=lambda f, r, x, y: f(x, y.to(x.dtype) * 2 - 1, reduction=r)),
    *three("binary_cross_entropy", (real(2, 3, **UNIT), real(2, 3, **UNIT))),
    *three("binary_cross_entropy", (real(2, 3, **UNIT), real(2, 3, **UNIT), positive(3, grad=False)), suffix=" weighted",
           call=lambda f, r, x, y, w: f(x, y, w, reduction=r), op="binary_cross_entropy"),
    Row("binary_cross_entropy at the ends", lambda T, x, y: T.nn.functional.binary_cross_entropy(x, y, reduction="none"),
        (real(4, **UNIT), real(4, grad=False, **UNIT)), op="binary_cross_entropy", rtol=1e-5,
        special=((array([0.0, 1.0, 0.0, 1.0]), array([0.0, 1.0, 1.0, 0.0], grad=False)),)),
    *three("binary_cross_entropy_with_logits", (real(2, 3), real(2, 3, **UNIT)),
           special=((array([0.0, 100.0, -100.0, float("inf")]), array([0.5, 1.0, 0.0, 0.0], grad=False)),)),
    *three("binary_cross_entropy_with_logits", (real(2, 3), real(2, 3, **UNIT), positive(3, grad=False), positive(3, grad=False)),
           call=lambda f, r, x, y, w, p: f(x, y, w, reduction=r, pos_weight=p), op=("binary_cross_entropy_with_logits", "log1p_exp"),
           suffix=" weighted"),
    Row("binary_cross_entropy_with_logits many", lambda T, x, y: T.nn.functional.binary_cross_entropy_with_logits(x, y),
        (real(20, 20, lo=-30, hi=30), real(20, 20, grad=False, **UNIT)), vmap=False, second=False),
    *three("nll_loss", (real(3, 4), CLASSES), op=("nll_loss", "nll_loss_backward")),
    *three("nll_loss", (real(4), ints(lo=0, hi=4)), suffix=" one sample", op="nll_loss"),
    *three("nll_loss", (real(3, 4), CLASSES, positive(4, grad=False)), suffix=" weighted", op="nll_loss",
           call=lambda f, r, x, y, w: f(x, y, w, reduction=r, ignore_index=1)),
    *three("nll_loss", (real(2, 4, 3), PLACES), suffix=" 3d", op=("nll_loss2d", "nll_loss_nd")),
    *three("nll_loss", (real(2, 4, 1, 3), ints(2, 1, 3, lo=0, hi=4)), suffix=" 4d", op="nll_loss2d"),
    Row("nll_loss all ignored", lambda T, x, y: T.nn.functional.nll_loss(x, y, ignore_index=1), (real(2, 3), array([1, 1])),
        differentiable=False),
    *three("cross_entropy", (real(3, 4), CLASSES), op="log_softmax"),
    *three("cross_entropy", (real(3, 4), CLASSES), suffix=" smoothed", op="log_softmax",
           call=lambda f, r, x, y: f(x, y, reduction=r, label_smoothing=0.2, ignore_index=1)),
    *three("cross_entropy", (real(3, 4), CLASSES, positive(4, grad=False)), suffix=" smoothed and weighted", op="log_softmax",
           call=lambda f, r, x, y, w: f(x, y, w, reduction=r, label_smoothing=0.2), vmap=False),
    *three("cross_entropy", (real(3, 4), real(3, 4, **UNIT)), suffix=" probabilities", op="log_softmax"),
    *three("cross_entropy", (real(2, 4, 3), real(2, 4, 3, **UNIT), positive(4)), suffix=" probabilities, smoothed and weighted",
        op="log_softmax",
           call=lambda f, r, x, y, w: f(x, y, w, reduction=r, label_smoothing=0.2)),
    *three("kl_div", (real(2, 3), real(2, 3, **UNIT)), op="xlogy", call=quiet_kl_div),
    *three("kl_div", (real(2, 3), real(2, 3)), suffix=" of logarithms", op="exp",
           call=lambda f, r, x, y: f(x, y, reduction="batchmean" if r == "mean" else r, log_target=True)),
    *three("poisson_nll_loss", (real(2, 3), positive(2, 3)), call=lambda f, r, x, y: f(x, y, reduction=r, full=True), op="where"),
    *three("poisson_nll_loss", (positive(2, 3), positive(2, 3)), call=lambda f, r, x, y: f(x, y, log_input=False, reduction=r),
        op="log", suffix=" of rates"),
    *three("gaussian_nll_loss", (real(2, 3), real(2, 3), positive(2, 1)), call=lambda f, r, x, y, v: f(x, y, v, reduction=r, full=True),
        op="log", vmap=False),
    *three("hinge_embedding_loss", (real(2, 3), bools(2, 3)), call=lambda f, r, x, y: f(x, y.to(x.dtype) * 2 - 1, 0.9, reduction=r),
        op="where"),
    *three("cosine_embedding_loss", (real(2, 3), real(2, 3), bools(2)), op="where",
           call=lambda f, r, x, y, t: f(x, y, t.to(x.dtype) * 2 - 1, 0.1, reduction=r)),
    *three("margin_ranking_loss", (real(4), real(4), bools(4)), op="clamp_min",
           call=lambda f, r, x, y, t: f(x, y, t.to(x.dtype) * 2 - 1, 0.1, reduction=r)),
    *three("multilabel_soft_margin_loss", (real(2, 3), real(2, 3, **UNIT)), op="log_sigmoid"),
    *three("triplet_margin_loss", (real(2, 3), real(2, 3), real(2, 3)), op="clamp_min",
        call=lambda f, r, a, p, n: f(a, p, n, swap=True, reduction=r)),
    *three("triplet_margin_with_distance_loss", (real(2, 3), real(2, 3), real(2, 3)), op="clamp_min"),
    *three("multi_margin_loss", (real(3, 4), CLASSES), second=False),
    *three("multi_margin_loss", (real(3, 4), CLASSES, positive(4, grad=False)), suffix=" weighted squares", second=False,
        op="multi_margin_loss",
           call=lambda f, r, x, y, w: f(x, y, p=2, weight=w, reduction=r), vmap=(True, True, False)),
    *three("multilabel_margin_loss", (real(2, 4), array([[0, 2, -1, 1], [3, -1, 0, 0]])), second=False),
    *three("ctc_loss", (real(6, 2, 4), array([[1, 2, 3], [1, 1, 2]])), op=("logsumexp", "ctc_labels"), second=False, vmap=False,
           call=lambda f, r, x, y: f(x.log_softmax(-1), y, (6, 5), (3, 2), reduction=r)),
]  # fmt: skip
