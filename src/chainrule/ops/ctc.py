"""Connectionist temporal classification (Graves et al. 2006, "Connectionist temporal classification: labelling …")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..core.value import Value
from .compare import where
from .joining import stack
from .matmul import check_tensors
from .reduction import checked

_NONE = -float("inf")


def _lengths(given: Any) -> list[int]:
    if isinstance(given, Tensor):
        return [int(n) for n in given.reshape(-1).tolist()]
    return [int(n) for n in given]


def _check(x: Tensor, inputs: Sequence[int], targets: Sequence[int], blank: int) -> None:
    steps, n, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    if len(inputs) != n:
        raise RuntimeError("input_lengths must be of size batch_size")
    if len(targets) != n:
        raise RuntimeError("target_lengths must be of size batch_size")
    for length in inputs:
        if length > steps:
            raise RuntimeError(
                f"Expected input_lengths to have value at most {steps}, but got value {length} (while checking arguments for"
                " ctc_loss_allocate_outputs)"
            )


def _extended(targets: Any, lengths: Sequence[int], blank: int) -> Any:
    """(N, 2 longest + 1): every target with a blank between and around its labels."""
    longest = max(lengths, default=0)
    labels = np.full((len(lengths), 2 * longest + 1), blank)
    at = 0
    for i, length in enumerate(lengths):
        row = targets[i, :length] if targets.ndim == 2 else targets[at : at + length]
        labels[i, 1 : 2 * length : 2] = row
        at += length
    return labels


def _shifted(alpha: Any, by: int) -> Any:
    return alpha.new_full((alpha.shape[0], by), _NONE) if by >= alpha.shape[1] else _joined(alpha, by)


def _joined(alpha: Any, by: int) -> Any:
    from .joining import cat

    return cat([alpha.new_full((alpha.shape[0], by), _NONE), alpha[:, : alpha.shape[1] - by]], 1)


def _log_likelihood(x: Any, labels: Any, inputs: Sequence[int], targets: Sequence[int], blank: int) -> Any:
    """The logarithm of the probability of every target, by the forward recursion over the time steps."""
    n, width = labels.shape
    index = wrap(labels)
    first = np.where(np.arange(width) < 2, 0.0, _NONE)
    # A label may follow the one before directly unless both are the same.
    skip = np.zeros(labels.shape, bool)
    skip[:, 2:] = (labels[:, 2:] != labels[:, :-2]) & (labels[:, 2:] != blank)
    may_skip = wrap(skip)
    alpha = x[0].gather(1, index) + x.new_tensor(first)
    every = [alpha]
    for t in range(1, max(inputs, default=1)):
        ways = [alpha, _shifted(alpha, 1), where(may_skip, _shifted(alpha, 2), _NONE)]
        alpha = stack(ways, 0).logsumexp(0) + x[t].gather(1, index)
        every.append(alpha)
    rows = wrap(np.arange(n))
    final = stack(every, 0)[wrap(np.maximum(np.array(inputs, dtype=np.int64) - 1, 0)), rows]
    ends = 2 * np.array(targets, dtype=np.int64)
    last = final.gather(1, wrap(ends.reshape(n, 1)))
    before = where(wrap((ends > 0).reshape(n, 1)), final.gather(1, wrap(np.maximum(ends - 1, 0).reshape(n, 1))), _NONE)
    return stack([last, before], 0).logsumexp(0).reshape(n)


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """Minus the log-probability that a labelling collapses to the target: log_probs (T, N, C) or (T, C).

    ``targets``: (N, S), or the targets one after the other; label ``blank`` is the empty one.  ``'mean'`` divides every loss
    by the length of its target first.  ``zero_infinity`` makes impossible targets count 0.

    The gradient is that of the loss as a function of any ``log_probs``; PyTorch's adds ``exp(log_probs)``, which makes no
    difference behind a ``log_softmax``.
    """
    check_tensors("ctc_loss", ("log_probs", "targets"), (log_probs, targets))
    checked(reduction)
    inputs, lengths = _lengths(input_lengths), _lengths(target_lengths)
    single = log_probs.ndim == 2
    x: Any = log_probs.unsqueeze(1) if single else log_probs
    _check(x, inputs, lengths, blank)
    value = targets._value
    given = np.asarray(value.concrete("numpy") if isinstance(value, Value) else value)
    labels = _extended(given.reshape(1, -1) if single else given, lengths, blank)
    losses = -_log_likelihood(x, labels, inputs, lengths, blank)
    if zero_infinity:
        losses = where(losses == float("inf"), 0.0, losses)
    if reduction == "mean":
        return (losses / x.new_tensor([max(n, 1) for n in lengths])).mean()  # type: ignore[no-any-return]
    if reduction == "sum":
        return losses.sum()  # type: ignore[no-any-return]
    return losses[0] if single else losses  # type: ignore[no-any-return]


__all__ = ["ctc_loss"]
