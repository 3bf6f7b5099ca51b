"""Dropout: elements or whole channels set to zero at random, the rest scaled up."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..core.inplace import inplace as in_place
from ..core.tensor import Tensor
from .matmul import check_tensors
from .random import bernoulli

_ALPHA = 1.7580993408473766  # minus the limit of SELU at minus infinity


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _channels(x: Any) -> Any:
    """A tensor with one element for every channel of every sample."""
    if x.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return x.new_empty((*x.shape[:2], *[1] * (x.ndim - 2)))


def _dropped(x: Any, p: float, feature: bool) -> Any:
    if not x.dtype.is_floating_point and not x.dtype.is_complex:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {x.dtype.scalar_name}")
    if p == 1.0:
        return x * x.new_zeros(())
    noise = bernoulli(_channels(x) if feature else x.detach(), 1 - p)
    return x * (noise / (1 - p))


def _alpha_dropped(x: Any, p: float, feature: bool) -> Any:
    if p == 1.0:
        return x * x.new_zeros(())
    noise = bernoulli(_channels(x) if feature else x.detach(), 1 - p)
    a = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
    return x * (noise * a) + ((noise - 1) * (_ALPHA * a) + _ALPHA * a * p)


def _apply(function: str, input: Any, p: float, training: bool, inplace: bool, feature: bool, drop: Any) -> Tensor:
    check_tensors(function, ("input",), (input,))
    if feature and training and input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    if not training or p == 0.0 or 0 in input._value.shape:
        return input  # type: ignore[no-any-return]
    if inplace:
        return in_place(function + "_", drop, input, (p, feature), {})
    return drop(input, p, feature)  # type: ignore[no-any-return]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element is 0 with probability ``p``, otherwise divided by ``1 - p``; the input itself unless ``training``.

    Raises ValueError for a ``p`` outside [0, 1].

    >>> import chainrule as torch
    >>> torch.nn.functional.dropout(torch.ones(2), training=False)
    tensor([1., 1.])
    """
    _check(p)
    return _apply("dropout", input, p, training, inplace, False, _dropped)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout to SELU's lowest value, scaled and shifted so that mean 0 and variance 1 stay."""
    _check(p)
    return _apply("alpha_dropout", input, p, training, inplace, False, _alpha_dropped)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """:func:`alpha_dropout` of whole channels (N, C, …)."""
    _check(p)
    return _apply("feature_alpha_dropout", input, p, training, inplace, True, _alpha_dropped)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, L) or (C, L) are dropped."""
    _check(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that dropout1d exists to provide channel-wise"
            " dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    return _whole_channels("dropout1d", input, p, training, inplace, input.ndim == 2)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, H, W) are dropped; three dimensions are read as (N, C, L), with a warning."""
    _check(p)
    if input.ndim not in (3, 4):
        _warn_rank("dropout2d", f"{input.ndim}-D", 2, "3D or 4D")
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired - input is"
            " interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a future release to interpret the"
            " input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise dropout behavior, please"
            " switch to using dropout1d instead.",
            UserWarning,
            stacklevel=2,
        )
    return _whole_channels("dropout2d", input, p, training, inplace, False)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W) are dropped."""
    _check(p)
    if input.ndim not in (4, 5):
        _warn_rank("dropout3d", f"{input.ndim}-D", 3, "4D or 5D")
    return _whole_channels("dropout3d", input, p, training, inplace, input.ndim != 5)


def _warn_rank(function: str, rank: str, dims: int, good: str) -> None:
    warnings.warn(
        f"{function}: Received a {rank} input to {function}, which is deprecated and will result in an error in a future release. To"
        " retain the behavior and silence this warning, please use dropout instead. Note that"
        f" {function} exists to provide channel-wise dropout on inputs with {dims} spatial dimensions, a channel dimension, and an"
        f" optional batch dimension (i.e. {good} inputs).",
        UserWarning,
        stacklevel=3,
    )


def _whole_channels(function: str, input: Any, p: float, training: bool, inplace: bool, single: bool) -> Tensor:
    if not single:
        return _apply(function, input, p, training, inplace, True, _dropped)
    if inplace and training:
        return in_place(function + "_", lambda x, p, feature: _dropped(x.unsqueeze(0), p, feature).squeeze(0), input, (p, True), {})
    return _apply(function, input.unsqueeze(0), p, training, inplace, True, _dropped).squeeze(0)


__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]
