"""Normalisation: the public functions."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..core.apply import FLOATS
from ..core.floating_flags import IGNORE, enter, leave
from ..core.inplace import store
from ..core.large import SMALL
from ..core.naming import argument_error
from ..core.size import text
from ..core.tensor import Tensor
from ..core.value import Value
from .matmul import check_tensors
from .normalising import Ints, affine_of, batch_norm_eval, batch_norm_op, group_norm_op, layer_norm_op, moments
from .products import wide
from .quick import recorder
from .structure import view

_record_layer = recorder(layer_norm_op)
_record_batch = recorder(batch_norm_op)
_record_eval = recorder(batch_norm_eval)


def _floating(x: Tensor, kernel: str) -> None:
    if not x.dtype.is_floating_point:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{x.dtype.scalar_name}'")


def _one_dtype(x: Tensor, *parameters: Tensor | None) -> None:
    """PyTorch lets parameters be float32 beside a half-precision input; otherwise all have the dtype of the input."""
    given = [p for p in parameters if p is not None]
    half = x.dtype.itemsize < 4
    for p in given:
        if p.dtype is not x.dtype and not (half and p.dtype.name == "float32"):
            if given[0].dtype is x.dtype or (x.dtype.name == "float32" and p is given[0]):
                raise RuntimeError(f"mixed dtype (CPU): expect parameter to have scalar type of {x.dtype.scalar_name}")
            raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


def _normalized_shape(function: str, given: Any) -> Ints:
    if isinstance(given, int) or not hasattr(given, "__iter__"):
        raise argument_error(function, "normalized_shape", "tuple of ints", given, 2)
    shape = tuple([int(n) for n in given])
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got"
            " normalized_shape = []"
        )
    return shape


def _check_shapes(x: Tensor, shape: Ints, weight: Tensor | None, bias: Tensor | None, star: str) -> None:
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and tuple(p.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {text(p.shape)} and"
                f" normalized_shape = {text(shape)}"
            )
    if x.ndim < len(shape) or tuple(x.shape[x.ndim - len(shape) :]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={text(shape)}, expected input with shape [*{star}{text(shape)[1:-1]}], but got input of"
            f" size{text(x.shape)}"
        )


def _fits(x: Tensor, shape: Ints, weight: Tensor | None, bias: Tensor | None) -> bool:
    """Whether it is plain that the checks would find nothing."""
    v = x._value
    kind = v.dtype
    lead = v.ndim - len(shape)
    if kind not in FLOATS or lead < 0 or v.shape[lead:] != shape:
        return False
    for p in (weight, bias):
        if p is not None and (not isinstance(p, Tensor) or p._value.dtype is not kind or p._value.shape != shape):
            return False
    return True


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Mean 0 and variance 1 over the last dimensions, which are ``normalized_shape``, then ``* weight + bias`` of that shape.

    Raises RuntimeError where shapes or dtypes do not fit.

    >>> import chainrule as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([[1.0, 3.0]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    check_tensors("layer_norm", ("input",), (input,))
    shape = _normalized_shape("layer_norm", normalized_shape)
    if not _fits(input, shape, weight, bias):
        _check_shapes(input, shape, weight, bias, ", ")
        _floating(input, "LayerNormKernelImpl")
        _one_dtype(input, weight, bias)
    rank, k = input.ndim, len(shape)
    kw: dict[str, Any] = {
        "split": tuple(input._value.shape), "dims": tuple(range(rank - k, rank)), "affine": (1,) * (rank - k) + shape, "eps": eps,
    }  # fmt: skip
    return _applied(layer_norm_op, _record_layer, (input, weight, bias), kw)


def _applied(op: Any, record: Any, args: tuple[Any, ...], kw: dict[str, Any]) -> Tensor:
    """``op`` by the quick path where all arguments are plain and of one dtype."""
    values: list[Any] = [None if a is None else a._value for a in args]
    kind = values[0].dtype
    if kind not in FLOATS or values[0].size > SMALL or any(v is not None and v.dtype is not kind for v in values):
        return op(*args, **kw)  # type: ignore[no-any-return]
    token = enter(IGNORE)
    try:
        r = op.impl(*values, **kw)
    finally:
        leave(token)
    return record(r, values, args, kw)  # type: ignore[no-any-return]


# -- batch norm ----------------------------------------------------------------------------------------------------------


def _check_batch(x: Tensor, statistics: dict[str, Tensor | None], training: bool) -> None:
    channels = x.shape[1] if x.ndim > 1 else 0
    if not training:
        for name in ("running_mean", "running_var"):
            if statistics[name] is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
    for name in ("running_mean", "running_var", "weight", "bias"):
        p = statistics[name]
        if p is not None and prod(p.shape) != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {prod(p.shape)}")
    for name in ("running_mean", "running_var"):
        p = statistics[name]
        if p is not None and p.requires_grad:
            raise RuntimeError(
                f"The function 'native_batch_norm' is not differentiable with respect to argument '{name}'. This input cannot have"
                " requires_grad True."
            )


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Every channel (dimension 1) at mean 0 and variance 1, then ``* weight + bias``.

    In training the moments are the batch's, and the running ones take them in:
    ``running = (1 - momentum) * running + momentum * batch``, with the unbiased variance.  Otherwise the running ones count.

    Raises ValueError for a single value per channel in training.
    """
    if training:
        _several_values(input.shape)
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def _several_values(size: Any) -> None:
    count = size[0] if len(size) else 1
    for n in size[2:]:
        count *= n
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def _batch_norm(
    x: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None, bias: Tensor | None, training: bool,
    momentum: float, eps: float,
) -> Tensor:  # fmt: skip
    check_tensors("batch_norm", ("input",), (x,))
    if (running_mean is None) != (running_var is None) and training:
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    _check_batch(x, {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}, training)
    _floating(x, "batch_norm")
    _one_dtype(x, weight, bias, running_mean, running_var)
    shape = tuple(x._value.shape)
    if len(shape) < 2:
        if not shape or shape[0]:
            raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got 1)")
        return x * 1
    affine = (1, shape[1]) + (1,) * (len(shape) - 2)
    if not training:
        return _applied(batch_norm_eval, _record_eval, (x, weight, bias, running_mean, running_var), {"affine": affine, "eps": eps})
    dims = (0, *range(2, len(shape)))
    kw = {"split": shape, "dims": dims, "affine": affine, "eps": eps}
    if running_mean is None or running_var is None or not prod(shape):
        return _applied(batch_norm_op, _record_batch, (x, weight, bias), kw)
    if isinstance(x._value, Value) or isinstance(running_mean._value, Value):
        result = batch_norm_op(x, weight, bias, **kw)
        _update_tensors(x.detach(), running_mean, running_var, dims, momentum)
        return result  # type: ignore[no-any-return]
    return _training(x, running_mean, running_var, weight, bias, momentum, kw)


def _training(
    x: Tensor, running_mean: Tensor, running_var: Tensor, weight: Tensor | None, bias: Tensor | None, momentum: float, kw: dict[str, Any]
) -> Tensor:
    """The moments are computed once, for the result and for the running statistics."""
    values = [x._value, None if weight is None else weight._value, None if bias is None else bias._value]
    token = enter(IGNORE)
    try:
        raw = wide(values[0])
        dims = kw["dims"]
        centred, variance = moments(raw, dims)
        mean = (raw[:1, :, ...] - centred[:1, :, ...])[(0, slice(None), *[0] * (raw.ndim - 2))]
        n = raw.size // raw.shape[1]
        _update(running_mean, mean, momentum)
        _update(running_var, variance.reshape(-1) * (n / (n - 1)) if n > 1 else variance.reshape(-1) * np.nan, momentum)
        centred /= np.sqrt(variance + variance.dtype.type(kw["eps"]))
        r = affine_of(centred, values[1], values[2], kw["affine"]).astype(values[0].dtype, copy=False)
    finally:
        leave(token)
    return _record_batch(r, values, (x, weight, bias), kw)


def _update(running: Tensor, batch: Any, momentum: float) -> None:
    have = running._value
    store("batch_norm", running, (wide(have) * (1 - momentum) + batch.astype(wide(have).dtype) * momentum).reshape(have.shape))


def _update_tensors(x: Any, running_mean: Any, running_var: Any, dims: Ints, momentum: float) -> None:
    running_mean.mul_(1 - momentum).add_(x.mean(dims) * momentum)
    running_var.mul_(1 - momentum).add_(x.var(dims) * momentum)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Every channel of every sample at mean 0 and variance 1 over (N, C, d1, …), then ``* weight + bias`` by channel."""
    shape = tuple(input.shape)
    if use_input_stats and prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    n, channels = shape[:2]
    many = [None if p is None else p.repeat(n) for p in (running_mean, running_var, weight, bias)]
    x = view(input, shape=(1, n * channels, *shape[2:]))
    r = _batch_norm(x, many[0], many[1], many[2], many[3], use_input_stats, momentum, eps)
    if use_input_stats:
        for p, m in ((running_mean, many[0]), (running_var, many[1])):
            if p is not None:
                p.copy_(m.view(n, channels).mean(0))  # type: ignore[union-attr]
    return view(r, shape=shape)  # type: ignore[no-any-return]


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Mean 0 and variance 1 over every group of channels of every sample of (N, C, …), then ``* weight + bias`` by channel."""
    check_tensors("group_norm", ("input",), (input,))
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    shape = tuple(input.shape)
    _several_values((shape[0] * (shape[1] // num_groups), num_groups, *shape[2:]))
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    n, channels = shape[:2]
    if channels % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape {text(shape)} and"
            f" num_groups={num_groups}"
        )
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and tuple(p.shape) != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape"
                f" {text(p.shape)} and input of shape {text(shape)}"
            )
    _floating(input, "GroupNormKernelImpl")
    _one_dtype(input, weight, bias)
    split = (n, num_groups, prod(shape[1:]) // num_groups)
    affine = (1, channels) + (1,) * (len(shape) - 2)
    return group_norm_op(input, weight, bias, split=split, dims=(2,), affine=affine, eps=eps)  # type: ignore[no-any-return]


def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divided by the root mean square over the last dimensions, which are ``normalized_shape``, then ``* weight``.

    ``eps`` is added to the mean square; the machine epsilon of the dtype unless given.
    """
    check_tensors("rms_norm", ("input",), (input,))
    shape = _normalized_shape("rms_norm", normalized_shape)
    _check_shapes(input, shape, weight, None, "")
    if not input.dtype.is_complex:
        _floating(input, "rms_norm")
    if eps is None:
        eps = float(np.finfo(wide(np.zeros(1, input.dtype.np)).dtype).eps)
    x: Any = input.float() if input.dtype.itemsize < 4 else input
    r = x * (x.pow(2).mean(tuple(range(-len(shape), 0)), keepdim=True) + eps).rsqrt()
    if weight is not None:
        r = r * weight
    return r if r.dtype is input.dtype else r.to(input.dtype)  # type: ignore[no-any-return]


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """``input / (k + alpha * mean of the squares of size neighbouring channels) ** beta`` of (N, C, d1, …)."""
    from .padding import pad
    from .pooling import avg_pool2d, avg_pool3d

    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality                          input (got {input.ndim} dimensions)")
    if not prod(input.shape):
        return input
    shape = tuple(input.shape)
    squares: Any = input * input
    if input.ndim == 3:
        means: Any = avg_pool2d(pad(squares.unsqueeze(1), (0, 0, size // 2, (size - 1) // 2)), (size, 1), stride=1).squeeze(1)
    else:
        squares = squares.view(shape[0], 1, shape[1], shape[2], -1)
        means = avg_pool3d(pad(squares, (0, 0, 0, 0, size // 2, (size - 1) // 2)), (size, 1, 1), stride=1).squeeze(1).view(shape)
    return input / (means * alpha + k).pow(beta)  # type: ignore[no-any-return]


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """``input`` divided by its ``p``-norm over ``dim``, but by no less than ``eps``.

    >>> import chainrule as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps)
    if out is not None:
        from .arithmetic import div

        return div(input, norm, out=out)
    return input / norm.expand_as(input)  # type: ignore[no-any-return]


__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]
