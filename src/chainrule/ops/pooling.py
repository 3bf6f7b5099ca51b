"""Pooling: the public functions."""

from __future__ import annotations

from typing import Any

from ..core.dtype import bool_, int64
from ..core.size import text
from ..core.tensor import Tensor
from .matmul import check_tensors
from .pooling_maps import Ints, adaptive_avg, adaptive_max, avg_pool, max_pool, scatter_places, scatter_places_3d

_COUNT = {1: "one int", 2: "two ints", 3: "three ints"}


def _numbers(function: str, name: str, value: Any, dims: int, default: Ints | None = None) -> Ints:
    """One integer for every spatial dimension."""
    if value is None or (default is not None and isinstance(value, (list, tuple)) and not value):
        assert default is not None
        return default
    if isinstance(value, int):
        return (value,) * dims
    given = tuple([int(v) for v in value])
    if len(given) == 1:
        return given * dims
    if len(given) != dims:
        omitted = "" if default is None else "omitted, "
        raise RuntimeError(f"{function}: {name} must either be {omitted}a single int, or a tuple of {_COUNT[dims]}")
    return given


def _pooled(n: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    """How many windows fit; with ``ceil`` the last may stick out, but must begin inside or in the padding before."""
    reach = n + 2 * p - d * (k - 1) - 1
    out = (-(-reach // s) if ceil else reach // s) + 1
    if ceil and (out - 1) * s >= n + p:
        out -= 1
    return out


def _check_padding(p: int, k: int, d: int) -> None:
    if p < 0:
        raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
    if p > (d * (k - 1) + 1) // 2:
        raise RuntimeError(f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and dilation={d}")


def _positive(name: str, mark: str, values: Ints) -> None:
    if min(values) <= 0:
        shown = ", ".join(f"{mark}{axis}: {v}" for axis, v in zip("THW"[-len(values) :], values))
        raise RuntimeError(f"{name} should be greater than zero, but got {shown}")


def _out_size(
    function: str, x: Tensor, dims: int, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil: bool
) -> Ints:
    """The size of the result; RuntimeError for arguments that PyTorch refuses, in its order."""
    if x.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(f"non-empty {dims + 1}D or {dims + 2}D (batch mode) tensor expected for input")
    if min(stride) == 0:
        raise RuntimeError("stride should not be zero")
    for numbers in zip(padding, kernel, dilation):
        _check_padding(*numbers)
    _positive("kernel size", "k", kernel)
    _positive("stride", "d", stride)
    _positive("dilation", "dilation", dilation)
    if 0 in x.shape[-dims - 1 :]:
        if function == "max_pool3d":
            raise RuntimeError(
                "max_pool3d_with_indices_out_cpu_template(): Expected input's non-batch dimensions to have positive length, but input has a"
                f" shape of {text(x.shape)} and non-batch dimension 0 has length zero!"
            )
        raise RuntimeError(
            f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got:{text(x.shape)}"
        )
    if x.dtype is bool_:
        raise NotImplementedError(f"\"{function}\" not implemented for 'Bool'")
    size = tuple(x.shape[-dims:])
    out = tuple([_pooled(*numbers, ceil) for numbers in zip(size, kernel, stride, padding, dilation)])
    if min(out) < 1:
        channels = x.shape[-dims - 1]
        given, got = ("x".join(map(str, (channels, *s))) for s in (size, [max(o, 0) for o in out]))
        raise RuntimeError(f"Given input size: ({given}). Calculated output size: ({got}). Output size is too small")
    return out


def _check_line(x: Tensor, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> None:
    """What max_pool1d refuses in words of its own."""
    if x.ndim not in (2, 3) or 0 in x.shape[-2:]:
        raise RuntimeError(
            f"max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:{text(x.shape)}"
        )
    for name, n in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if n <= 0:
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {n}")
    _check_padding(padding, kernel, dilation)
    out = _pooled(x.shape[-1], kernel, stride, padding, dilation, ceil)
    if out <= 0:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {out}")


def _line(function: str, x: Any) -> Tensor:
    """A sequence as an image of one row."""
    check_tensors(function, ("input",), (x,))
    if x.ndim not in (2, 3):
        raise RuntimeError(f"{function}() Expected 2D or 3D input tensor, but got {text(x.shape)}")
    return x.unsqueeze(-2)  # type: ignore[no-any-return]


def _flat(numbers: Ints, first: int) -> Ints:
    return (first, *numbers)


def _max(function: str, dims: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    kernel = _numbers(function, "kernel_size", kernel_size, dims)
    stride = _numbers(function, "stride", stride, dims, kernel)
    padding, dilation = _numbers(function, "padding", padding, dims), _numbers(function, "dilation", dilation, dims)
    x = input
    check_tensors(function, ("input",), (input,))
    if dims == 1:
        _check_line(input, kernel[0], stride[0], padding[0], dilation[0], ceil_mode)
        x = _line(function, input)
        kernel, stride, padding, dilation = _flat(kernel, 1), _flat(stride, 1), _flat(padding, 0), _flat(dilation, 1)
        dims = 2
    out = _out_size(function, x, dims, kernel, stride, padding, dilation, ceil_mode)
    pair = max_pool[dims](x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, cells=out)
    return pair if x is input else tuple([t.squeeze(-2) for t in pair])


def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maxima over windows of (N, C, L) or (C, L); see :func:`max_pool2d`."""
    pair = _max("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode)
    return pair if return_indices else pair[0]


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maxima over windows of (N, C, H, W) or (C, H, W), and with ``return_indices`` their flat places in the plane.

    ``stride`` is the kernel size unless given.  The first of several equal maxima gets the gradient.  Raises
    RuntimeError for padding of more than half a window and for an empty result.

    >>> import chainrule as torch
    >>> torch.nn.functional.max_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
    tensor([[[4.]]])
    """
    pair = _max("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return pair if return_indices else pair[0]


def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maxima over windows of (N, C, D, H, W) or (C, D, H, W); see :func:`max_pool2d`."""
    pair = _max("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return pair if return_indices else pair[0]


def max_pool1d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """:func:`max_pool1d` and the places of the maxima."""
    return _max("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """:func:`max_pool2d` and the places of the maxima."""
    return _max("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """:func:`max_pool3d` and the places of the maxima."""
    return _max("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode)


def _avg(
    function: str, dims: int, input: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: int | None
) -> Tensor:
    kernel = _numbers(function, "kernel_size", kernel_size, dims)
    stride = _numbers(function, "stride", stride, dims, kernel)
    padding = _numbers(function, "padding", padding, dims)
    x = input
    if dims == 1:
        x = _line(function, input)
        kernel, stride, padding = _flat(kernel, 1), _flat(stride, 1), _flat(padding, 0)
        dims = 2
    check_tensors(function, ("input",), (x,))
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    out = _out_size(function, x, dims, kernel, stride, padding, (1,) * dims, ceil_mode)
    if x.dtype is not int64 and not x.dtype.is_floating_point:
        raise NotImplementedError(f"\"avg_pool{dims}d\" not implemented for '{x.dtype.scalar_name}'")
    r = avg_pool[dims](
        x, size=tuple(x.shape[-dims:]), kernel=kernel, stride=stride, padding=padding, cells=out, include=include, divisor=divisor
    )
    return r if x is input else r.squeeze(-2)  # type: ignore[no-any-return]


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True
) -> Tensor:
    """The means over windows of (N, C, L) or (C, L); see :func:`avg_pool2d`."""
    return _avg("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The means over windows of (N, C, H, W) or (C, H, W); padding counts as zeros unless ``count_include_pad=False``.

    >>> import chainrule as torch
    >>> torch.nn.functional.avg_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
    tensor([[[2.5000]]])
    """
    return _avg("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The means over windows of (N, C, D, H, W) or (C, D, H, W); see :func:`avg_pool2d`."""
    return _avg("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The ``norm_type``-norms over windows of (N, C, L) or (C, L)."""
    return _norm_of(avg_pool1d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode), norm_type, kernel_size)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The ``norm_type``-norms over windows of (N, C, H, W) or (C, H, W)."""
    count = 1
    for k in _numbers("lp_pool2d", "kernel_size", kernel_size, 2):
        count *= k
    return _norm_of(avg_pool2d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode), norm_type, count)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The ``norm_type``-norms over windows of (N, C, D, H, W) or (C, D, H, W)."""
    count = 1
    for k in _numbers("lp_pool3d", "kernel_size", kernel_size, 3):
        count *= k
    return _norm_of(avg_pool3d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode), norm_type, count)


def _norm_of(mean: Tensor, p: float, count: int) -> Tensor:
    return (mean.sign() * mean.abs().relu() * count).pow(1.0 / p)


# -- adaptive ------------------------------------------------------------------------------------------------------------


def _target(function: str, x: Any, output_size: Any, dims: int) -> Ints:
    """The output size of adaptive pooling, None filled in; errors in PyTorch's words."""
    check_tensors(function, ("input",), (x,))
    average = function.startswith("adaptive_avg")
    given = (output_size,) * dims if isinstance(output_size, int) or output_size is None else tuple(output_size)
    if dims > 1 and len(given) and x.ndim <= len(given):
        raise ValueError(f"Input dimension should be at least {len(given) + 1}")
    if len(given) != dims:
        if dims == 1:
            raise RuntimeError(f"{function}() argument 'output_size' should contain one int (got {len(given)})")
        if average:
            raise RuntimeError(f"{function}: output_size must be {dims}")
        raise RuntimeError(f"{function}(): internal error: output_size.size() must be {dims}")
    if x.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(f"{function}(): Expected {dims + 1}D or {dims + 2}D tensor, but got {text(x.shape)}")
    out = tuple([int(n) if o is None else int(o) for o, n in zip(given, x.shape[-dims:])])
    if min(out) < 0:
        shown = (1, *out) if dims == 1 else out
        if average:
            raise RuntimeError(
                f"adaptive_avg_pool{len(shown)}d: elements of output_size must be greater than or equal to 0 but received"
                f" {{{', '.join(map(str, shown[:2]))}{''.join(f',{n}' for n in shown[2:])}}}"
            )
        worst = next(n for n in out if n < 0)
        raise RuntimeError(f"Trying to create tensor with negative dimension {worst}: {text((*x.shape[: x.ndim - dims], *shown))}")
    return out


def _adaptive_avg(function: str, dims: int, input: Any, output_size: Any) -> Tensor:
    out = _target(function, input, output_size, dims)
    x = input
    if dims == 1:
        x, out, dims = _line(function, input), (1, *out), 2
    if out == (1,) * dims:
        r = x.mean(tuple(range(-dims, 0)), keepdim=True)
    else:
        r = adaptive_avg[dims](x, size=tuple(x.shape[-dims:]), cells=out)
    result: Tensor = r if x is input else r.squeeze(-2)
    return result


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means over ``output_size`` cells of (N, C, L) or (C, L)."""
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means over ``output_size`` cells that cover (N, C, H, W) or (C, H, W); None keeps a size.

    >>> import chainrule as torch
    >>> torch.nn.functional.adaptive_avg_pool2d(torch.ones(1, 3, 5, 7), (2, None)).shape
    torch.Size([1, 3, 2, 7])
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The means over ``output_size`` cells of (N, C, D, H, W) or (C, D, H, W)."""
    return _adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


def _adaptive_max_of(function: str, dims: int, input: Any, output_size: Any) -> Any:
    out = _target(function, input, output_size, dims)
    x = input
    if dims == 1:
        x, out, dims = _line(function, input), (1, *out), 2
    pair = adaptive_max[dims](x, cells=out)
    return pair if x is input else tuple([t.squeeze(-2) for t in pair])


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima over ``output_size`` cells of (N, C, L) or (C, L), and their places."""
    pair = _adaptive_max_of("adaptive_max_pool1d", 1, input, output_size)
    return pair if return_indices else pair[0]


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima over ``output_size`` cells of (N, C, H, W) or (C, H, W), and their places."""
    pair = _adaptive_max_of("adaptive_max_pool2d", 2, input, output_size)
    return pair if return_indices else pair[0]


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima over ``output_size`` cells of (N, C, D, H, W) or (C, D, H, W), and their places."""
    pair = _adaptive_max_of("adaptive_max_pool3d", 3, input, output_size)
    return pair if return_indices else pair[0]


def adaptive_max_pool1d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool1d` and the places of the maxima."""
    return _adaptive_max_of("adaptive_max_pool1d", 1, input, output_size)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool2d` and the places of the maxima."""
    return _adaptive_max_of("adaptive_max_pool2d", 2, input, output_size)


def adaptive_max_pool3d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool3d` and the places of the maxima."""
    return _adaptive_max_of("adaptive_max_pool3d", 3, input, output_size)


# -- back from maxima ----------------------------------------------------------------------------------------------------


def _unpool(function: str, dims: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Tensor:
    check_tensors(function, ("input", "indices"), (input, indices))
    kernel = _numbers(function, "kernel_size", kernel_size, dims)
    stride = _numbers(function, "stride", stride, dims, kernel)
    padding = _numbers(function, "padding", padding, dims)
    if indices.dtype is not int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {indices.dtype.scalar_name}")
    if indices.shape != input.shape:
        end = (1,) if dims == 1 else ()  # a sequence is unpooled as an image of one column
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor"
            f" ({text((*input.shape, *end))}) but got indices tensor with shape: {text((*indices.shape, *end))}"
        )
    default = tuple([(n - 1) * s + k - 2 * p for n, s, k, p in zip(input.shape[-dims:], stride, kernel, padding)])
    size = default
    if output_size is not None:
        given = tuple(output_size)
        size = given[-dims:] if len(given) in (dims, dims + 1, dims + 2) else given
        if len(size) != dims:
            raise ValueError(
                f"output_size should be a sequence containing {dims} or {dims + 2} elements, but it has a length of '{len(given)}'"
            )
        for d in range(dims):
            low, high = default[d] - stride[d], default[d] + stride[d]
            if not low < size[d] < high:
                raise ValueError(f'invalid output_size "{given[-dims:]}" (dim {d} must be between {low} and {high})')
    _check_places(indices, size)
    op = scatter_places_3d if dims == 3 else scatter_places
    r = op(input, indices, size=size, add=False)
    return r  # type: ignore[no-any-return]


def _check_places(indices: Tensor, size: Ints) -> None:
    from ..core.value import Value

    v = indices._value
    count = 1
    for n in size:
        count *= n
    if not isinstance(v, Value) and v.size and (v.min() < 0 or v.max() >= count):
        worst = v[(v < 0) | (v >= count)].flat[0]
        raise RuntimeError(f"Found an invalid max index: {worst} (output volumes are of size {'x'.join(map(str, size))}")


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The maxima of :func:`max_pool1d` back at their places, zeros elsewhere."""
    return _unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The maxima of :func:`max_pool2d` back at their places, zeros elsewhere; ``output_size`` settles what is ambiguous."""
    return _unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The maxima of :func:`max_pool3d` back at their places, zeros elsewhere."""
    return _unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]
