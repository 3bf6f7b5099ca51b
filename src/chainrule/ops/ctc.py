"""Connectionist temporal classification (Graves et al. 2006, "Connectionist temporal classification: labelling …")."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtype import int64
from ..core.meta import Meta
from ..core.op import Op
from ..core.tensor import Tensor, wrap
from ..core.value import Value
from .compare import where
from .joining import stack
from .matmul import check_tensors
from .reduction import checked
from .structure import cast_to

_NONE = -float("inf")


def _lengths(given: Any) -> Any:
    """Lengths as a vector, int64."""
    if isinstance(given, Tensor):
        return cast_to(given.detach().reshape(-1), int64)
    return wrap(np.array([int(n) for n in given], np.int64))


def _longest(lengths: Any, otherwise: int) -> int:
    """The largest of lengths that are known, or what none of them can exceed."""
    value = lengths._value
    return otherwise if isinstance(value, Value) else int(np.max(value, initial=0))


def _check(x: Tensor, inputs: Any, targets: Any, blank: int) -> None:
    _, n, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    if inputs.shape[0] != n:
        raise RuntimeError("input_lengths must be of size batch_size")
    if targets.shape[0] != n:
        raise RuntimeError("target_lengths must be of size batch_size")


def _extended(targets: Any, inputs: Any, lengths: Any, *, blank: int, longest: int, steps: int) -> tuple[Any, Any]:
    """(N, 2 longest + 1): every target with a blank between and around its labels; and where a label may follow the last one directly.

    RuntimeError for inputs of more than these ``steps``.
    """
    for length in inputs:
        if length > steps:
            raise RuntimeError(
                f"Expected input_lengths to have value at most {steps}, but got value {length} (while checking arguments for"
                " ctc_loss_allocate_outputs)"
            )
    labels = np.full((len(lengths), 2 * longest + 1), blank, np.int64)
    at = 0
    for i, length in enumerate(lengths):
        row = targets[i, :length] if targets.ndim == 2 else targets[at : at + length]
        labels[i, 1 : 2 * length : 2] = row
        at += length
    skip = np.zeros(labels.shape, bool)
    skip[:, 2:] = (labels[:, 2:] != labels[:, :-2]) & (labels[:, 2:] != blank)
    return labels, skip


def _extended_like(targets: Any, inputs: Any, lengths: Any, *, blank: int, longest: int, steps: int) -> tuple[Meta, Meta]:
    shape = (lengths.shape[0], 2 * longest + 1)
    return Meta(shape, int64.np), Meta(shape, np.dtype(bool))


_extend = Op(
    "ctc_labels", _extended, kind="general", args="targets inputs lengths", outputs=2, differentiable=(), infer=_extended_like
)  # fmt: skip


def _shifted(alpha: Any, by: int) -> Any:
    return alpha.new_full((alpha.shape[0], by), _NONE) if by >= alpha.shape[1] else _joined(alpha, by)


def _joined(alpha: Any, by: int) -> Any:
    from .joining import cat

    return cat([alpha.new_full((alpha.shape[0], by), _NONE), alpha[:, : alpha.shape[1] - by]], 1)


def _log_likelihood(x: Any, labels: Any, may_skip: Any, inputs: Any, targets: Any, steps: int) -> Any:
    """The logarithm of the probability of every target, by the forward recursion over the time steps."""
    n, width = labels.shape
    first = np.where(np.arange(width) < 2, 0.0, _NONE)
    alpha = x[0].gather(1, labels) + x.new_tensor(first)
    every = [alpha]
    for t in range(1, max(steps, 1)):
        ways = [alpha, _shifted(alpha, 1), where(may_skip, _shifted(alpha, 2), _NONE)]
        alpha = stack(ways, 0).logsumexp(0) + x[t].gather(1, labels)
        every.append(alpha)
    final = stack(every, 0)[(inputs - 1).clamp(min=0), wrap(np.arange(n))]
    ends = (2 * targets).reshape(n, 1)
    last = final.gather(1, ends)
    before = where(ends > 0, final.gather(1, (ends - 1).clamp(min=0)), _NONE)
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
    given = targets.reshape(1, -1) if single else targets
    longest, steps = _longest(lengths, given.shape[-1]), x.shape[0]
    labels, may_skip = _extend(given, inputs, lengths, blank=blank, longest=longest, steps=steps)
    losses = -_log_likelihood(x, labels, may_skip, inputs, lengths, _longest(inputs, steps))
    if zero_infinity:
        losses = where(losses == float("inf"), 0.0, losses)
    if reduction == "mean":
        return (losses / lengths.clamp(min=1).to(x.dtype)).mean()  # type: ignore[no-any-return]
    if reduction == "sum":
        return losses.sum()  # type: ignore[no-any-return]
    return losses[0] if single else losses  # type: ignore[no-any-return]


__all__ = ["ctc_loss"]
