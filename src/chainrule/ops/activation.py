"""Activation functions.

The public functions have the signatures of ``torch.nn.functional``, whose ``inplace`` they take.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import apply
from ..core.batching import along_dims
from ..core.dtype import BOOL, COMPLEX, INT, float64
from ..core.generator import default_generator
from ..core.info import finfo
from ..core.inplace import inplace as in_place
from ..core.op import Op
from ..core.sampling import uniform
from ..core.size import normalize_dim
from ..core.tensor import Tensor
from . import declare
from .blocks import in_blocks
from .compare import choose, where
from .domain import Check, both, floats, not_complex, refuse, unimplemented
from .exponential import exp, sigmoid
from .random import sample_op
from .slicing import cat_op, slice_op
from .special_functions import erf
from .structure import view
from .trig import tanh

# -- the rectifier -------------------------------------------------------------------------------------------------------

_NO_CLAMP = refuse(COMPLEX, "clamp is not supported for complex types", NotImplementedError)


def _relu(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        # Twice as quick as maximum on large arrays, slower on small ones.
        return x.clip(0, np.inf) if x.size > 4096 and x.dtype.kind == "f" else np.maximum(x, 0)
    return type(x)(0) if x <= 0 else x


_relu_of = declare.unary(
    "relu", _relu, lambda t, out: where(out <= 0, 0, t), result="same",
    check=both(refuse(BOOL, "Boolean inputs not supported for relu"), _NO_CLAMP),
)  # fmt: skip


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(0, input)``, elementwise; its derivative at 0 is 0.

    >>> import chainrule as torch
    >>> torch.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    result: Tensor = relu_(input) if inplace else _relu_of(input)
    return result


relu_ = Tensor.relu_

# -- activations with parameters -----------------------------------------------------------------------------------------


class _Activation:
    """An elementwise operation with parameters: ``_Activation(op)(input, inplace, parameters)``."""

    def __init__(self, name: str, impl: Any, d: Any, check: Check, node: str | None = None) -> None:
        self.op = Op(name, impl, kind="elementwise", d=[d], check=check, node=node)
        self.name = name + "_"
        self.quick = apply.unary_with(self.op)

    def __call__(self, input: Tensor, inplace: bool, **kw: Any) -> Tensor:
        if inplace:
            return in_place(self.name, self.quick, input, (kw,), {})
        result: Tensor = self.quick(input, kw)
        return result


def _leaky(x: Any, *, slope: float) -> Any:
    scaled = x * slope
    if type(scaled) is np.ndarray and 0 < slope <= 1:
        return np.maximum(x, scaled, out=scaled)
    return choose(x > 0, x, scaled)


_leaky_relu = _Activation("leaky_relu", _leaky, lambda t, x, slope: where(x > 0, t, t * slope), floats("leaky_relu_cpu"))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, else ``negative_slope * input``."""
    return _leaky_relu(input, inplace, slope=negative_slope)


def _elu_impl(x: Any, *, alpha: float, scale: float, input_scale: float) -> Any:
    if not isinstance(x, np.ndarray):
        return x * scale if x > 0 else np.expm1(x * input_scale) * (alpha * scale)
    below = np.expm1(np.minimum(x, 0) * input_scale)
    below *= alpha * scale
    return choose(x > 0, x if scale == 1 else x * scale, below)


def _elu_rule(t: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    # exp of min(x, 0): where x is large, the side that is not taken must not overflow.
    below = exp(where(x <= 0, x, 0) * input_scale) * (alpha * scale * input_scale)
    return where(x <= 0, t * below, t * scale)


_elu = _Activation("elu", in_blocks(_elu_impl), _elu_rule, floats("elu_cpu"))
_celu = _Activation("celu", in_blocks(_elu_impl), _elu_rule, floats("elu_cpu"))
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, else ``alpha * (exp(input) - 1)``."""
    return _elu(input, inplace, alpha=alpha, scale=1.0, input_scale=1.0)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``elu`` with the two constants that keep activations at mean 0 and variance 1."""
    return _elu(input, inplace, alpha=_SELU_ALPHA, scale=_SELU_SCALE, input_scale=1.0)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, else ``alpha * (exp(input / alpha) - 1)``.  RuntimeError for ``alpha`` 0."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _celu(input, inplace, alpha=alpha, scale=1.0, input_scale=1.0 / alpha)


def _softplus_impl(x: Any, *, beta: float, threshold: float) -> Any:
    z = x * beta
    r = np.log1p(np.exp(z))
    return choose(z > threshold, x, r if beta == 1 else r / beta)


_softplus = _Activation(
    "softplus", in_blocks(_softplus_impl),
    lambda t, x, beta, threshold: where(x * beta > threshold, t, t * sigmoid(x * beta)), floats("softplus_cpu"),
)  # fmt: skip


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``, elementwise; ``input`` itself where ``beta * input`` exceeds ``threshold``."""
    return _softplus(input, False, beta=beta, threshold=threshold)


def _outside(x: Any, bound: float) -> Any:
    return (x < -bound) | (x > bound) | (x != x)


_softshrink = _Activation(
    "softshrink", lambda x, *, lambd: x - np.clip(x, -lambd, lambd),
    lambda t, x, lambd: where(_outside(x, lambd), t, 0), floats("softshrink_check"),
)  # fmt: skip
_hardshrink = _Activation(
    "hardshrink", lambda x, *, lambd: choose((x >= -lambd) & (x <= lambd), 0, x),
    lambda t, x, lambd: where(_outside(x, lambd), t, 0), floats("hardshrink_cpu"),
)  # fmt: skip


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` moved towards 0 by ``lambd``, at most to 0.  RuntimeError for a negative ``lambd``."""
    if lambd < 0 and input.dtype.is_floating_point:
        raise RuntimeError(
            f"lambda must be in range [0, {finfo(input.dtype).max:g}] for input dtype {input.dtype.scalar_name}, but found {lambd:g}"
        )
    return _softshrink(input, False, lambd=lambd)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` outside of ``[-lambd, lambd]``, 0 inside."""
    return _hardshrink(input, False, lambd=lambd)


declare.attach(hardshrink, "hardshrink")

# -- piecewise linear ----------------------------------------------------------------------------------------------------


def _between(x: Any, *, low: float, high: float) -> Any:
    if isinstance(x, np.ndarray):
        return np.clip(x, low, high)
    return type(x)(low) if x < low else type(x)(high) if x > high else x


_hardtanh = _Activation(
    "hardtanh", _between, lambda t, x, low, high: where((x <= low) | (x >= high), 0, t),
    both(refuse(BOOL, "Bool inputs not supported for hardtanh"), _NO_CLAMP),
)  # fmt: skip


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` limited to ``[min_val, max_val]``; the derivative at the bounds is 0.  ValueError for swapped bounds."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _hardtanh(input, inplace, low=min_val, high=max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``input`` limited to ``[0, 6]``."""
    return _hardtanh(input, inplace, low=0, high=6)


_hardsigmoid = _Activation(
    "hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, lambda t, x: where((x > -3) & (x < 3), t / 6, 0), floats("hardsigmoid_cpu")
)
_hardswish = _Activation(
    "hardswish", in_blocks(lambda x: x * (np.clip(x + 3, 0, 6) / 6)),
    lambda t, x: where(x <= -3, 0, where(x < 3, t * (x / 3 + 0.5), t)), floats("hardswish_cpu"),
)  # fmt: skip
_threshold = _Activation(
    "threshold", lambda x, *, threshold, value: choose(x <= threshold, value, x),
    lambda t, x, threshold: where(x <= threshold, 0, t), unimplemented("threshold_cpu", BOOL, COMPLEX),
)  # fmt: skip


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``input / 6 + 1/2`` limited to ``[0, 1]``, elementwise."""
    return _hardsigmoid(input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * hardsigmoid(input)``, elementwise."""
    return _hardswish(input, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``input`` where it exceeds ``threshold``, else ``value``."""
    return _threshold(input, inplace, threshold=threshold, value=value)


# -- smooth --------------------------------------------------------------------------------------------------------------

_ROOT_HALF = math.sqrt(0.5)
_GELU_SLOPE = math.sqrt(2 / math.pi)
_GELU_CUBE = 0.044715
_erf_of = erf.op.impl


def _gelu_impl(x: Any, *, approximate: str) -> Any:
    r = _erf_of(x * _ROOT_HALF) if approximate == "none" else np.tanh(_gelu_inner(x))
    r += 1
    r *= x
    r *= 0.5
    return r


def _gelu_inner(x: Any) -> Any:
    r = x * x
    r *= _GELU_CUBE
    r += 1
    r *= x
    r *= _GELU_SLOPE
    return r


def _gelu_slope_impl(x: Any, *, approximate: str) -> Any:
    if approximate == "none":
        slope = _erf_of(x * _ROOT_HALF)
        slope += 1
        rest = np.exp(x * x * -0.5)
        rest *= x
        rest *= _GELU_SLOPE
    else:
        slope = np.tanh(_gelu_inner(x))
        rest = (1 - slope * slope) * x
        rest *= _GELU_SLOPE * (1 + 3 * _GELU_CUBE * (x * x))
        slope += 1
    slope += rest
    slope *= 0.5
    return slope


def _gelu_curvature(t: Any, x: Any, approximate: str) -> Any:
    s = x * x
    if approximate == "none":
        return t * (exp(s * -0.5) * (2 - s) * (0.5 * _GELU_SLOPE))
    h = tanh(x * (1 + _GELU_CUBE * s) * _GELU_SLOPE)
    u = _GELU_SLOPE * (1 + 3 * _GELU_CUBE * s)  # the slope of what tanh is taken of
    return t * ((1 - h * h) * (u + s * (3 * _GELU_CUBE * _GELU_SLOPE) - x * h * u * u))


_gelu_slope = Op("gelu_slope", in_blocks(_gelu_slope_impl), kind="elementwise", d=[_gelu_curvature], node="GeluBackwardBackward0")
_gelu = _Activation(
    "gelu", in_blocks(_gelu_impl), lambda t, x, approximate: t * _gelu_slope(x, approximate=approximate), floats("GeluKernelImpl")
)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``input * Φ(input)`` with the normal distribution function Φ, or (``approximate='tanh'``) its tanh approximation.

    >>> import chainrule as torch
    >>> torch.nn.functional.gelu(torch.tensor([-1.0, 1.0]))
    tensor([-0.1587,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return _gelu(input, False, approximate=approximate)


def _silu_impl(x: Any) -> Any:
    r = np.exp(-x)
    r += 1
    return x / r


def _silu_slope_impl(x: Any) -> Any:
    s = _sigmoid_of(x)
    return s * (1 + x * (1 - s))


def _silu_curvature(t: Any, x: Any) -> Any:
    s = sigmoid(x)
    return t * (s * (1 - s) * (2 + x * (1 - 2 * s)))


_sigmoid_of = sigmoid.op.impl
_silu_slope = Op("silu_slope", in_blocks(_silu_slope_impl), kind="elementwise", d=[_silu_curvature], node="SiluBackwardBackward0")
_silu = _Activation("silu", in_blocks(_silu_impl), lambda t, x: t * _silu_slope(x), unimplemented("silu_cpu", BOOL, INT))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``, elementwise."""
    return _silu(input, inplace)


def _mish_impl(x: Any) -> Any:
    # tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2); it is 1 from 20 on.
    e = np.exp(np.minimum(x, 20))
    n = e * (e + 2)
    return x * (n / (n + 2))


def _mish_rule(t: Any, x: Any) -> Any:
    h = tanh(_softplus.op(x, beta=1.0, threshold=20.0))
    return t * (h + x * sigmoid(x) * (1 - h * h))


_mish = _Activation("mish", in_blocks(_mish_impl), _mish_rule, floats("mish_cpu"))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))``, elementwise."""
    return _mish(input, inplace)


def _log_sigmoid_impl(x: Any) -> Any:
    return np.minimum(x, 0) - np.log1p(np.exp(-abs(x)))


_log_sigmoid = declare.unary(
    "log_sigmoid", in_blocks(_log_sigmoid_impl), lambda t, x: t * sigmoid(-x), result="same", method=False, check=floats("log_sigmoid_cpu")
)


def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))`` without overflow, elementwise."""
    result: Tensor = _log_sigmoid(input)
    return result


def softsign(input: Tensor) -> Tensor:
    """``input / (1 + abs(input))``, elementwise."""
    result: Tensor = input / (abs(input) + 1)
    return result


def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``, elementwise."""
    result: Tensor = input - tanh(input)
    return result


# -- with a learnt slope, with halves, with a random slope ---------------------------------------------------------------

_prelu_kernel = Op(
    "prelu", lambda x, w: choose(x > 0, x, x * w), kind="elementwise", args="x w", node="PreluKernelBackward0",
    d=[lambda t, x, w: where(x > 0, t, t * w), lambda t, x: where(x > 0, 0, t * x)], check=not_complex("prelu_cpu"),
)  # fmt: skip


_quick_prelu = apply.several(_prelu_kernel)


@declare.method
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``input`` where it is positive, else ``weight * input``; one weight, or one for each channel (dimension 1).

    RuntimeError where the number of weights is neither, or the dtypes differ.
    """
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype.scalar_name} and {weight.dtype.scalar_name}"
        )
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    count = weight._value.shape[0] if weight.ndim else 1
    if count != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != count:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} and channel size = {channels}."
            )
    if weight.ndim and input.ndim != 1:
        weight = view(weight, shape=(1, count, *(1,) * (input.ndim - 2)) if input.ndim > 1 else ())
    result: Tensor = _quick_prelu((input, weight))
    return result


def _halves(x: Any, dim: int) -> tuple[Any, Any]:
    half = x.shape[dim] // 2
    return slice_op(x, dim=dim, start=0, end=half, step=1), slice_op(x, dim=dim, start=half, end=2 * half, step=1)


def _glu_impl(x: Any, *, dim: int) -> Any:
    a, b = np.split(x if x.dtype.itemsize > 2 else x.astype(np.float32), 2, axis=dim)
    return (a / (1 + np.exp(-b))).astype(x.dtype, copy=False)


def _glu_rule(g: Any, x: Any, dim: int) -> Any:
    a, b = _halves(x, dim)
    s = sigmoid(b)
    return cat_op(g * s, g * (a * s * (1 - s)), dim=dim)


_glu = Op("glu", _glu_impl, kind="general", vjp=[_glu_rule], batch=along_dims("dim"))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """``a * sigmoid(b)`` of the two halves ``a`` and ``b`` of ``input`` along ``dim``.  RuntimeError for an odd size."""
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = normalize_dim(dim, input.ndim)
    size = input.shape[dim]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    floats("glu_cpu")(input.dtype, ())
    result: Tensor = _glu(input, dim=dim)
    return result


def _drawn_slopes(x: Any, *, lower: float, upper: float) -> Any:
    """1 where ``x`` is positive; elsewhere drawn, one after the other in the order of memory."""
    below = np.asarray(x <= 0)
    slopes = np.ones(below.shape)
    slopes[below] = uniform(default_generator, (int(below.sum()),), float64, lower, upper)
    return slopes.astype(x.dtype)[()]


_slopes = Op("rrelu_slopes", _drawn_slopes, kind="general", batch=sample_op.batch_rule, infer=lambda x, lower, upper: x)
_rrelu_with_noise = Op(
    "rrelu_with_noise", lambda x, noise: x * noise, kind="elementwise", args="x noise", d=[lambda t, noise: t * noise, None]
)
_rrelu = _Activation(
    "rrelu", _leaky, lambda t, x, slope: where(x > 0, t, t * slope), floats("rrelu_with_noise_out_cpu"), "RreluWithNoiseBackward0"
)


def rrelu(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, else times a slope: random in ``[lower, upper)`` if ``training``, else their mean.

    The slopes are PyTorch's for the same seed.  RuntimeError when ``lower`` exceeds ``upper``.
    """
    if not lower <= upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return _rrelu(input, inplace, slope=(lower + upper) / 2)
    floats("rrelu_with_noise_out_cpu")(input.dtype, ())
    slopes = _slopes(input.detach(), lower=lower, upper=upper)
    if inplace:
        return in_place("rrelu_", lambda source: apply.elementwise(_rrelu_with_noise, (source, slopes)), input, (), {})
    result: Tensor = apply.elementwise(_rrelu_with_noise, (input, slopes))
    return result


# -- in place ------------------------------------------------------------------------------------------------------------


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """:func:`leaky_relu` in place."""
    return leaky_relu(input, negative_slope, True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """:func:`elu` in place."""
    return elu(input, alpha, True)


def selu_(input: Tensor) -> Tensor:
    """:func:`selu` in place."""
    return selu(input, True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """:func:`celu` in place."""
    return celu(input, alpha, True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """:func:`hardtanh` in place."""
    return hardtanh(input, min_val, max_val, True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """:func:`threshold` in place."""
    return _threshold(input, True, threshold=threshold, value=value)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """:func:`rrelu` in place."""
    return rrelu(input, lower, upper, training, True)


for _activation in (_leaky_relu, _hardtanh, _threshold, _rrelu, _hardshrink, _softshrink, _hardsigmoid):
    _activation.op.flat = True
_relu_of.op.flat = _prelu_kernel.flat = True

# What torch itself offers; the rest is torch.nn.functional's.
__all__ = [
    "celu",
    "celu_",
    "hardshrink",
    "prelu",
    "relu",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "threshold",
    "threshold_",
]
