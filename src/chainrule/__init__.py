"""Automatic differentiation in Python, with PyTorch's names and answers."""

from __future__ import annotations

from typing import Any

from . import ops as _ops  # noqa: F401  (gives tensors their methods)
from .alias import as_torch, missing_name
from .core.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.device import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    get_default_device,
    jagged,
    layout,
    memory_format,
    preserve_format,
    set_default_device,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)
from .core.dtype import (
    bfloat16,
    bool,
    cdouble,
    cfloat,
    chalf,
    complex32,
    complex64,
    complex128,
    double,
    dtype,
    float,
    float8_e4m3fn,
    float8_e4m3fnuz,
    float8_e5m2,
    float8_e5m2fnuz,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    set_default_dtype,
    short,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .core.info import finfo, iinfo
from .core.printing import set_printoptions
from .core.promotion import can_cast
from .core.size import Size, broadcast_shapes
from .core.tensor import Tensor
from .ops.activation import relu
from .ops.arithmetic import (
    add,
    div,
    divide,
    mul,
    multiply,
    neg,
    negative,
    positive,
    reciprocal,
    rsub,
    sub,
    subtract,
    true_divide,
)
from .ops.basics import is_complex, is_floating_point, numel
from .ops.compare import (
    clamp,
    clamp_max,
    clamp_min,
    clip,
    eq,
    fmax,
    fmin,
    ge,
    greater,
    greater_equal,
    gt,
    le,
    less,
    less_equal,
    lt,
    maximum,
    minimum,
    ne,
    not_equal,
    where,
)
from .ops.convert import clone
from .ops.creation import (
    as_tensor,
    asarray,
    empty,
    from_dlpack,
    from_numpy,
    frombuffer,
    full,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .ops.exponential import (
    exp,
    exp2,
    expm1,
    log,
    log10,
    log1p,
    log2,
    rsqrt,
    sigmoid,
    sqrt,
)
from .ops.matmul import (
    bmm,
    dot,
    ger,
    inner,
    linear,
    matmul,
    mm,
    mv,
    outer,
    vdot,
)
from .ops.powers import float_power, pow, square
from .ops.rounding import abs, absolute, sign
from .ops.shape import (
    adjoint,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_tensors,
    broadcast_to,
    flatten,
    moveaxis,
    movedim,
    permute,
    ravel,
    reshape,
    squeeze,
    swapaxes,
    swapdims,
    t,
    transpose,
    unflatten,
    unsqueeze,
)
from .ops.trig import cos, sin, tanh
from .version import __version__

e = 2.718281828459045
pi = 3.141592653589793
inf = 1e999
nan = inf - inf
newaxis = None


def __getattr__(name: str) -> Any:
    # Submodules load at first use: a program that only differentiates pays for neither nn nor optim.
    if not name.startswith("_"):
        import importlib

        full = f"{__name__}.{name}"
        try:
            return importlib.import_module(full)
        except ModuleNotFoundError as error:
            if error.name != full:
                raise
    raise missing_name(__name__, name)
