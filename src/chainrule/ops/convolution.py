"""Convolution in one, two and three dimensions, and its transpose.

Three products are linear in each of their two arguments and are each other's derivatives: the convolution itself, its
transpose (the gradient of the input) and the correlation that gives the gradient of the weight.  So every derivative of
every order is one of the three.  Each is a matrix product over the windows that ``windows.py`` lays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.batching import batch_size, bring
from ..core.dtype import bool_
from ..core.naming import argument_error
from ..core.op import Op
from ..core.size import text
from ..core.tensor import Tensor
from .matmul import check_tensors
from .products import BLAS, conj, wide
from .structure import expand_to, permute, sum_dims, view
from .windows import add_windows, cut, offsets, output_size, padded, shifted, windows

Ints = tuple[int, ...]
_CHUNK = 1 << 22  # elements that are laid out as windows at a time
_FEW = 16  # windows a sample below which all samples share one matrix product


def _settled(impl: Any) -> Any:
    """Half precision computes in float32; a bias of None is left out."""

    def run(x: Any, w: Any, *bias: Any, **kw: Any) -> Any:
        if x.dtype in BLAS or x.dtype.kind in "iu":
            return impl(x, w, *bias, **kw)
        return impl(wide(x), wide(w), *[None if b is None else wide(b) for b in bias], **kw).astype(x.dtype)

    return run


def _chunks(n: int, each: int) -> Any:
    step = max(1, _CHUNK // max(1, each))
    return [slice(i, i + step) for i in range(0, n, step)]


def _plain(kernel: Ints, stride: Ints) -> bool:
    """True where the windows are the array itself."""
    return prod(kernel) == 1 and prod(stride) == 1


def _with_bias(r: Any, b: Any) -> Any:
    if b is not None:
        r += b.reshape((-1,) + (1,) * (r.ndim - 2))
    return r


# -- the convolution -----------------------------------------------------------------------------------------------------


def _convolve(x: Any, w: Any, b: Any, *, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Any:
    n, channels = x.shape[:2]
    kernel = w.shape[2:]
    out = output_size(x.shape[2:], kernel, stride, padding, dilation)
    x = padded(x, padding)
    if not x.size or not w.size:
        return _with_bias(np.zeros((n, w.shape[0], *out), x.dtype), b)
    if groups > 1 and w.shape[1] == 1:
        return _with_bias(_each_channel(x, w, out, stride, dilation), b)
    points, taps = prod(out), (channels // groups) * prod(kernel)
    if groups == 1 and points < _FEW and n > 1:
        v = windows(x, out, kernel, stride, dilation)
        k = len(kernel)
        rows = v.transpose(0, *range(2 + k, 2 + 2 * k), *range(1, 2 + k)).reshape(n * points, taps)
        r = np.ascontiguousarray(rows.dot(w.reshape(-1, taps).T).reshape(n, points, -1).transpose(0, 2, 1))
        return _with_bias(r.reshape(n, w.shape[0], *out), b)
    r = np.empty((n, groups, w.shape[0] // groups, points), x.dtype)
    flat = w.reshape(groups, -1, taps)
    for part in _chunks(n, groups * taps * points):
        np.matmul(flat, _columns(x[part], out, kernel, stride, dilation, groups), out=r[part])
    return _with_bias(r.reshape(n, w.shape[0], *out), b)


def _columns(x: Any, out: Ints, kernel: Ints, stride: Ints, dilation: Ints, groups: int) -> Any:
    """The windows as matrices: (N, groups, channels of a group * kernel, windows)."""
    if not _plain(kernel, stride):
        x = windows(x, out, kernel, stride, dilation)
    return x.reshape(x.shape[0], groups, -1, prod(out))


def _each_channel(x: Any, w: Any, out: Ints, stride: Ints, dilation: Ints) -> Any:
    """Every channel by itself: a sum over the kernel's positions."""
    copies = w.shape[0] // x.shape[1]
    r = np.zeros((x.shape[0], x.shape[1], copies, *out), x.dtype)
    grouped = w.reshape(x.shape[1], copies, *w.shape[2:])
    for position in offsets(w.shape[2:]):
        tap = grouped[(..., *position)].reshape(x.shape[1], copies, *(1,) * len(out))
        r += tap * x[shifted(position, out, stride, dilation)][:, :, None]
    return r.reshape(x.shape[0], w.shape[0], *out)


# -- its transpose -------------------------------------------------------------------------------------------------------


def _transpose(x: Any, w: Any, b: Any, *, size: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Any:
    n = x.shape[0]
    kernel = w.shape[2:]
    channels = w.shape[1] * groups
    whole = tuple([m + 2 * p for m, p in zip(size, padding)])
    if not x.size or not w.size:
        return _with_bias(np.zeros((n, channels, *size), x.dtype), b)
    points = prod(x.shape[2:])
    flat = w.reshape(groups, w.shape[0] // groups, -1).swapaxes(1, 2)
    columns = x.reshape(n, groups, -1, points)
    if _plain(kernel, stride):
        r = np.matmul(flat, columns).reshape(n, channels, *x.shape[2:])
        if r.shape[2:] != whole:  # the last elements that no window sees
            r = np.pad(r, [(0, 0), (0, 0), *[(0, m - k) for m, k in zip(whole, r.shape[2:])]])
        return _with_bias(cut(r, padding), b)
    r = np.empty((n, channels, *whole), x.dtype)
    for part in _chunks(n, channels * prod(kernel) * points):
        laid = np.matmul(flat, columns[part]).reshape(-1, channels, *kernel, *x.shape[2:])
        r[part] = add_windows(laid, whole, stride, dilation)
    return _with_bias(cut(r, padding), b)


# -- the gradient of the weight ------------------------------------------------------------------------------------------


def _correlate(x: Any, g: Any, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Any:
    n, channels = x.shape[:2]
    out = g.shape[2:]
    shape = (g.shape[1], channels // groups, *kernel)
    x = padded(x, padding)
    if not x.size or not g.size:
        return np.zeros(shape, x.dtype)
    if groups > 1 and channels == groups:
        return _correlate_channels(x, g, kernel, stride, dilation)
    total = None
    k = len(kernel)
    for part in _chunks(n, channels * prod(kernel) * prod(out)):
        v = windows(x[part], out, kernel, stride, dilation)
        taps = v.transpose(*range(1, 2 + k), 0, *range(2 + k, 2 + 2 * k)).reshape(groups, -1, v.shape[0] * prod(out))
        seen = g[part].swapaxes(0, 1).reshape(groups, g.shape[1] // groups, -1)
        r = np.matmul(seen, taps.swapaxes(1, 2))
        total = r if total is None else total + r
    return total.reshape(shape)  # type: ignore[union-attr]


def _correlate_channels(x: Any, g: Any, kernel: Ints, stride: Ints, dilation: Ints) -> Any:
    channels = x.shape[1]
    copies = g.shape[1] // channels
    out = g.shape[2:]
    grouped = g.reshape(g.shape[0], channels, copies, prod(out))
    r = np.empty((channels, copies, *kernel), x.dtype)
    for position in offsets(kernel):
        seen = x[shifted(position, out, stride, dilation)].reshape(x.shape[0], channels, prod(out), 1)
        r[(..., *position)] = np.add.reduce(np.matmul(grouped, seen), axis=0).reshape(channels, copies)
    return r.reshape(channels * copies, 1, *kernel)


# -- derivatives ---------------------------------------------------------------------------------------------------------


def _bias_rule(g: Any) -> Any:
    return sum_dims(g, dim=(0, *range(2, len(g.shape))), keepdim=False)


def _spatial(shape: Sequence[int]) -> Ints:
    return tuple(shape[2:])


def _first(x: Any, size: Ints) -> Any:
    """The first elements; a transposed convolution may leave room for more windows at its end than it came from."""
    return x if tuple(x.shape[2:]) == size else x[(slice(None), slice(None), *[slice(0, n) for n in size])]


def _at_channels(tb: Any, shape: Sequence[int]) -> Any:
    return expand_to(view(tb, shape=(1, tb.shape[0]) + (1,) * (len(shape) - 2)), shape=tuple(shape))


def _jvp(op: Op, tangents: Sequence[Any], out: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    x, w, _ = args
    tx, tw, tb = tangents
    parts = []
    if tx is not None:
        parts.append(op(tx, w, None, **kw))
    if tw is not None:
        parts.append(op(x, tw, None, **kw))
    if tb is not None:
        parts.append(_at_channels(tb, out.shape))
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _merge_front(x: Any) -> Any:
    return view(x, shape=(x.shape[0] * x.shape[1], *x.shape[2:]))


def _split_front(x: Any, n: int) -> Any:
    return view(x, shape=(n, x.shape[0] // n, *x.shape[1:]))


def _batch_to_channels(x: Any) -> Any:
    """(B, N, C, …) as (N, B*C, …)."""
    x = permute(x, dims=(1, 0, *range(2, len(x.shape))))
    return view(x, shape=(x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:]))


def _channels_to_batch(x: Any, n: int) -> Any:
    """(N, B*C, …) as (B, N, C, …)."""
    x = view(x, shape=(x.shape[0], n, x.shape[1] // n, *x.shape[2:]))
    return permute(x, dims=(1, 0, *range(2, len(x.shape))))


def _batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    """A batch of inputs is a longer batch; a batch of weights is more groups."""
    x, w, b = args
    n = batch_size(args, mask)
    if not mask[1]:
        if mask[0]:
            r = _split_front(op(_merge_front(x), w, None if mask[2] else b, **kw), n)
        else:
            r = op(x, w, None, **kw)
            r = expand_to(view(r, shape=(1, *r.shape)), shape=(n, *r.shape))
    else:
        x, w = bring((x, w), mask[:2], n)
        r = op(_batch_to_channels(x), _merge_front(w), None, **{**kw, "groups": kw["groups"] * n})
        r = _channels_to_batch(r, n)
    if b is None or (not mask[1] and mask[0] and not mask[2]):
        return r
    lead = n if mask[2] else 1
    return r + view(b, shape=(lead, 1, b.shape[-1]) + (1,) * (len(r.shape) - 3))


def _correlate_batch(op: Op, args: Sequence[Any], mask: Sequence[bool], kw: dict[str, Any]) -> Any:
    n = batch_size(args, mask)
    x, g = bring(args, mask, n)
    return _split_front(op(_batch_to_channels(x), _batch_to_channels(g), **{**kw, "groups": kw["groups"] * n}), n)


convolve: Op = Op(
    "convolution", _settled(_convolve), kind="general", args="x w b", batch=_batch, node="ConvolutionBackward0",
    vjp=[
        lambda g, w, x_shape, stride, padding, dilation, groups: transpose(
            g, conj(w), None, size=_spatial(x_shape), stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        lambda g, x, w_shape, stride, padding, dilation, groups: correlate(
            conj(x), g, kernel=_spatial(w_shape), stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        _bias_rule,
    ],
    jvp=lambda tangents, out, args, kw: _jvp(convolve, tangents, out, args, kw),
)  # fmt: skip
transpose: Op = Op(
    "convolution_transpose", _settled(_transpose), kind="general", args="x w b", batch=_batch, node="ConvolutionBackward0",
    vjp=[
        lambda g, w, x_shape, stride, padding, dilation, groups: _first(
            convolve(g, conj(w), None, stride=stride, padding=padding, dilation=dilation, groups=groups), _spatial(x_shape)
        ),
        lambda g, x, w_shape, stride, padding, dilation, groups: correlate(
            g, conj(x), kernel=_spatial(w_shape), stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        _bias_rule,
    ],
    jvp=lambda tangents, out, args, kw: _jvp(transpose, tangents, out, args, kw),
)  # fmt: skip
correlate: Op = Op(
    "convolution_weight", _settled(_correlate), kind="multilinear", args="x g", batch=_correlate_batch, node="ConvolutionBackwardBackward0",
    vjp=[
        lambda ct, g, x_shape, stride, padding, dilation, groups: transpose(
            conj(g), ct, None, size=_spatial(x_shape), stride=stride, padding=padding, dilation=dilation, groups=groups
        ),
        lambda ct, x, g_shape, stride, padding, dilation, groups: _first(
            convolve(conj(x), ct, None, stride=stride, padding=padding, dilation=dilation, groups=groups), _spatial(g_shape)
        ),
    ],
)  # fmt: skip


# -- what PyTorch calls them ---------------------------------------------------------------------------------------------


def _numbers(name: str, value: Any, dims: int) -> Ints:
    """One integer for every spatial dimension."""
    if isinstance(value, int):
        return (value,) * dims
    given = tuple([int(v) for v in value])
    if len(given) == 1:
        return given * dims
    if len(given) != dims:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {dims} values to match the convolution dimensions, but got"
            f" {name}={list(given)}"
        )
    return given


def _rank_error(function: str, input: Tensor, dims: int) -> RuntimeError:
    return RuntimeError(
        f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {function}, but got input of size: {text(input.shape)}"
    )


def _checked(function: str, input: Any, weight: Any, bias: Any, dims: int) -> tuple[Tensor, bool]:
    """The input with a batch dimension, and whether it came without."""
    check_tensors(function, ("input", "weight"), (input, weight))
    if bias is not None and not isinstance(bias, Tensor):
        raise argument_error(function, "bias", "Tensor", bias, 3)
    single = input.ndim == dims + 1
    if not single and input.ndim != dims + 2:
        raise _rank_error(function, input, dims)
    if weight.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if weight.ndim != dims + 2:
        got = [1] * dims
        raise RuntimeError(
            f"expected stride to be a single integer value or a list of {weight.ndim - 2} values to match the convolution dimensions,"
            f" but got stride={got}"
        )
    if input.dtype is not weight.dtype:
        names = f"torch.{input.dtype.scalar_name}Tensor", f"torch.{weight.dtype.scalar_name}Tensor"
        raise RuntimeError(
            f"Input type ({names[0]}) and weight type ({names[1]}) should be the same or input should be a MKLDNN tensor and weight"
            " is a dense tensor"
        )
    if bias is not None and bias.dtype is not input.dtype:
        raise RuntimeError(f"Input type ({input.dtype.cpp_name}) and bias type ({bias.dtype.cpp_name}) should be the same")
    if input.dtype is bool_:
        raise NotImplementedError(f"\"slow_conv{dims}d_cpu\" not implemented for 'Bool'")
    return (input.unsqueeze(0) if single else input), single


def _check_numbers(stride: Ints, padding: Ints, dilation: Ints, groups: int) -> None:
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if min(padding) < 0:
        raise RuntimeError("negative padding is not supported")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) <= 0:
        raise RuntimeError("dilation should be greater than zero" + ("" if min(dilation) else f", but got {list(dilation)}"))


def _check_weight(x: Tensor, w: Tensor, b: Tensor | None, groups: int, transposed: bool) -> None:
    ws = tuple(w.shape)
    if ws[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size {text(ws)} instead"
        )
    if ws[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size"
            f" [{text(ws)}] instead"
        )
    want = ws[0] if transposed else ws[1] * groups
    given = "transposed=1" if transposed else f"groups={groups}"
    if x.shape[1] != want:
        raise RuntimeError(
            f"Given {given}, weight of size {text(ws)}, expected input{text(x.shape)} to have {want} channels, but got"
            f" {x.shape[1]} channels instead"
        )
    outputs = ws[1] * groups if transposed else ws[0]
    if b is not None and tuple(b.shape) != (outputs,):
        raise RuntimeError(
            f"Given {'transposed=1, ' if transposed else ''}weight of size {text(ws)}, expected bias to be 1-dimensional with"
            f" {outputs} elements, but got bias of size {text(b.shape)} instead"
        )


def _check_same(input: Any, weight: Any, dims: int) -> None:
    """What PyTorch checks first where the padding is 'same'."""
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor):
        return
    if 3 <= weight.ndim != dims + 2:
        shape = input.shape if input.ndim == dims + 2 else (1, *input.shape)
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight{text(weight.shape)}, but got"
            f" {len(shape)}-dimensional input of size {text(shape)} instead"
        )


def _same(x: Tensor, kernel: Ints, stride: Ints, dilation: Ints) -> tuple[Tensor, Ints]:
    """The input and the padding that keep the size; the input itself is padded where the two ends differ."""
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(dilation, kernel)]
    if any(t % 2 for t in total):
        from .padding import pad

        x = pad(x, [n for t in reversed(total) for n in (0, t % 2)])
    return x, tuple([t // 2 for t in total])


def _convolution(
    function: str, dims: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    if padding == "same":
        _check_same(input, weight, dims)
    x, single = _checked(function, input, weight, bias, dims)
    stride, dilation = _numbers("stride", stride, dims), _numbers("dilation", dilation, dims)
    kernel = tuple(weight.shape[2:])
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        x, padding = _same(x, kernel, stride, dilation) if padding == "same" else (x, (0,) * dims)
    padding = _numbers("padding", padding, dims)
    _check_numbers(stride, padding, dilation, groups)
    _check_weight(x, weight, bias, groups, False)
    size = [n + 2 * p for n, p in zip(x.shape[2:], padding)]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    if any(n < r for n, r in zip(size, reach)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, size))}). Kernel size:"
            f" ({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size"
        )
    r = convolve(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return r.squeeze(0) if single else r  # type: ignore[no-any-return]


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Convolution of input (N, in, L) or (in, L) with weight (out, in / groups, K); see :func:`conv2d`."""
    return _convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Convolution (cross-correlation) of input (N, in, H, W) or (in, H, W) with weight (out, in / groups, KH, KW).

    ``padding`` is an integer or one for each dimension, ``'valid'`` (none) or ``'same'`` (keeps the size).  Raises
    RuntimeError where shapes or dtypes do not fit.

    >>> import chainrule as torch
    >>> torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)).shape
    torch.Size([1, 1, 2, 2])
    """
    return _convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """Convolution of input (N, in, D, H, W) or (in, D, H, W) with weight (out, in / groups, KD, KH, KW); see :func:`conv2d`."""
    return _convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _transposed(
    function: str, dims: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any
) -> Tensor:
    if isinstance(padding, str):
        raise TypeError(f"{function}(): argument 'padding' must be tuple of ints, not str")
    x, single = _checked(function, input, weight, bias, dims)
    stride, dilation = _numbers("stride", stride, dims), _numbers("dilation", dilation, dims)
    padding, extra = _numbers("padding", padding, dims), _numbers("output_padding", output_padding, dims)
    _check_numbers(stride, padding, dilation, groups)
    if min(extra) < 0:
        raise RuntimeError("negative output_padding is not supported")
    _check_weight(x, weight, bias, groups, True)
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation)):
        axes = ("depth", "height", "width")[3 - max(2, dims) :]
        shown = [
            f"{name}_{axis}: {value}"
            for name, values in (("output_padding", extra), ("stride", stride), ("dilation", dilation))
            for axis, value in zip(axes, values if dims > 1 else (values[0] * (name != "output_padding") or 0, values[0]))
        ]
        raise RuntimeError("output padding must be smaller than either stride or dilation, but got " + " ".join(shown))
    kernel = weight.shape[2:]
    size = tuple(
        [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, s, p, d, k, e in zip(x.shape[2:], stride, padding, dilation, kernel, extra)]
    )
    if min(size) < 1:
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, x.shape[2:]))}). Calculated output size per channel:"
            f" ({' x '.join(map(str, size))}). Output size is too small"
        )
    r = transpose(x, weight, bias, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return r.squeeze(0) if single else r  # type: ignore[no-any-return]


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transpose of :func:`conv1d`: input (N, in, L) or (in, L), weight (in, out / groups, K)."""
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transpose of :func:`conv2d` as a linear map: input (N, in, H, W), weight (in, out / groups, KH, KW).

    The output has (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1 rows.
    """
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transpose of :func:`conv3d`: input (N, in, D, H, W), weight (in, out / groups, KD, KH, KW)."""
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
