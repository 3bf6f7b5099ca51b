"""Automatic differentiation in Python, with PyTorch's names and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# isort: off
# fmt: off
from . import ops as _ops
from ._quiet import (
    AcceleratorError, OutOfMemoryError, are_deterministic_algorithms_enabled, compile, compiled_with_cxx11_abi,
    get_deterministic_debug_mode, get_device_module, get_float32_matmul_precision, get_num_interop_threads, get_num_threads,
    is_deterministic_algorithms_warn_only_enabled, is_vulkan_available, is_warn_always_enabled, set_deterministic_debug_mode,
    set_float32_matmul_precision, set_flush_denormal, set_num_interop_threads, set_num_threads, set_warn_always,
    use_deterministic_algorithms,
)
from .alias import as_torch, missing_name
from .core.device import (
    channels_last, channels_last_3d, contiguous_format, device, get_default_device, jagged, layout, memory_format, preserve_format,
    set_default_device, sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr, strided,
)
from .core.dtype import (
    bfloat16, bool, cdouble, cfloat, chalf, complex32, complex64, complex128, double, dtype, float, float8_e4m3fn, float8_e4m3fnuz,
    float8_e5m2, float8_e5m2fnuz, float16, float32, float64, get_default_dtype, half, int, int8, int16, int32, int64, long,
    set_default_dtype, short, uint8, uint16, uint32, uint64,
)
from .core.grad_mode import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .core.info import finfo, iinfo
from .core.large import LOADER as _LOADER
from .core.printing import set_printoptions
from .core.promotion import can_cast, promote_types
from .core.size import Size, broadcast_shapes
from .core.tensor import Tensor
from .ops.activation import celu, celu_, hardshrink, prelu, relu, relu_, rrelu, rrelu_, selu, selu_, threshold, threshold_
from .ops.addmm import addbmm, addmm, addmv, addr, baddbmm
from .ops.arithmetic import (
    add, addcdiv, addcmul, div, divide, lerp, mul, multiply, neg, negative, positive, reciprocal, rsub, sub, subtract, true_divide,
)
from .ops.basics import is_complex, is_floating_point, is_inference, is_nonzero, is_tensor, numel, result_type, typename
from .ops.bce import binary_cross_entropy_with_logits
from .ops.bitwise import (
    bitwise_and, bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, logical_and, logical_not,
    logical_or, logical_xor,
)
from .ops.compare import (
    allclose, clamp, clamp_max, clamp_min, clip, eq, equal, fmax, fmin, ge, greater, greater_equal, gt, isclose, isfinite, isinf,
    isnan, isneginf, isposinf, le, less, less_equal, lt, maximum, minimum, nan_to_num, ne, not_equal, where,
)
from .ops.complex_parts import (
    abs, absolute, angle, complex, conj, conj_physical, imag, is_conj, is_neg, isreal, polar, real, resolve_conj, resolve_neg, sgn,
    view_as_complex, view_as_real,
)
from .ops.contraction import bilinear, chain_matmul, cross, einsum, kron, tensordot
from .ops.convert import clone
from .ops.convolution import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from .ops.creation import as_tensor, asarray, from_dlpack, from_numpy, frombuffer, tensor
from .ops.ctc import ctc_loss
from .ops.differences import cumulative_trapezoid, diff, trapezoid, trapz
from .ops.distances import cdist, cosine_similarity, pairwise_distance, pdist
from .ops.dropout import alpha_dropout, dropout, feature_alpha_dropout
from .ops.embedding import embedding
from .ops.embedding_bag import embedding_bag
from .ops.exponential import exp, exp2, expm1, log, log10, log1p, log2, logaddexp, logaddexp2, logit, rsqrt, sigmoid, sqrt, xlogy
from .ops.extremum import amax, amin, aminmax, argmax, argmin, max, min
from .ops.factories import arange, empty, empty_permuted, empty_strided, eye, full, linspace, logspace, ones, range, scalar_tensor, zeros
from .ops.gather import gather, scatter, scatter_add, scatter_reduce, take_along_dim
from .ops.grids import cartesian_prod, combinations, meshgrid
from .ops.joining import block_diag, cat, column_stack, concat, concatenate, dstack, hstack, row_stack, stack, vstack
from .ops.legacy import (
    BFloat16Tensor, BoolTensor, ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor, ShortTensor,
    set_default_tensor_type,
)
from .ops.likes import empty_like, full_like, ones_like, zeros_like
from .ops.losses import kl_div, poisson_nll_loss
from .ops.margin_losses import cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss, triplet_margin_loss
from .ops.masking import argwhere, index_put, masked_fill, masked_scatter, masked_select, nonzero
from .ops.matmul import bmm, dot, ger, inner, matmul, mm, mv, outer, vdot
from .ops.matrices import (
    cholesky, cholesky_inverse, cholesky_solve, det, geqrf, inverse, logdet, lu_solve, lu_unpack, matrix_exp, matrix_power, orgqr,
    pinverse, qr, slogdet, svd, triangular_solve,
)
from .ops.norm import dist, frobenius_norm, norm, renorm
from .ops.normalisation import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from .ops.order import argsort, bucketize, isin, kthvalue, msort, searchsorted, sort, topk
from .ops.parts import as_strided_scatter, diagonal_scatter, select_scatter, slice_scatter
from .ops.patterns import tril_indices, triu_indices, vander
from .ops.pooling import adaptive_avg_pool1d, adaptive_max_pool1d, avg_pool1d, max_pool1d, max_pool1d_with_indices, max_pool2d, max_pool3d
from .ops.powers import float_power, pow, square
from .ops.quantiles import histc, histogram, median, mode, nanmedian, nanquantile, quantile
from .ops.random import (
    Generator, bernoulli, binomial, default_generator, get_rng_state, initial_seed, manual_seed, multinomial, normal, poisson, rand,
    rand_like, randint, randint_like, randn, randn_like, randperm, seed, set_rng_state,
)
from .ops.rearrange import flip, fliplr, flipud, repeat_interleave, roll, rot90, tile
from .ops.reduce import all, any, count_nonzero, mean, nanmean, nansum, prod, sum, trace
from .ops.resampling import channel_shuffle, pixel_shuffle, pixel_unshuffle
from .ops.rnn import gru, gru_cell, lstm, lstm_cell, rnn_relu, rnn_relu_cell, rnn_tanh, rnn_tanh_cell
from .ops.rounding import (
    ceil, copysign, fix, floor, floor_divide, fmod, frac, frexp, gcd, heaviside, lcm, ldexp, nextafter, remainder, round, sign,
    signbit, trunc,
)
from .ops.rows import index_add, index_copy, index_fill, index_reduce, index_select, put, take
from .ops.scan import cummax, cummin, cumprod, cumsum, logcumsumexp
from .ops.shape import (
    adjoint, atleast_1d, atleast_2d, atleast_3d, broadcast_tensors, broadcast_to, flatten, moveaxis, movedim, permute, ravel,
    reshape, squeeze, swapaxes, swapdims, t, transpose, unflatten, unsqueeze,
)
from .ops.slicing import (
    as_strided, chunk, diagonal, dsplit, hsplit, narrow, narrow_copy, select, split, split_with_sizes, tensor_split, unbind,
    unravel_index, unsafe_chunk, unsafe_split, vsplit,
)
from .ops.softmax import log_softmax, logsumexp, softmax
from .ops.special_functions import digamma, erf, erfc, erfinv, i0, lgamma, mvlgamma, polygamma
from .ops.statistics import corrcoef, cov, std, std_mean, var, var_mean
from .ops.storage import is_storage
from .ops.tapers import bartlett_window, blackman_window, hamming_window, hann_window, kaiser_window
from .ops.triangle import diag, diag_embed, diagflat, tril, triu
from .ops.trig import (
    acos, acosh, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, asin, asinh, atan, atan2, atanh, cos, cosh, deg2rad,
    hypot, rad2deg, sin, sinc, sinh, tan, tanh,
)
from .ops.unique import bincount, unique, unique_consecutive
from .ops.weight_norm import norm_except_dim
from .ops.writes import fill
from .torch_version import __version__
# fmt: on
# isort: on

e = 2.718281828459045
pi = 3.141592653589793
inf = 1e999
nan = inf - inf
newaxis = None
legacy_contiguous_format = contiguous_format


def _kernels() -> Any:
    from .compiler import eager

    return eager.kernels()


_LOADER.append(_kernels)

if TYPE_CHECKING:
    from .explain.derivation import explain as explain  # the package of this name can be called

# Names of this page whose modules load at first use.
_HOMES = {
    "GradScaler": "amp", "TypedStorage": "storage", "UntypedStorage": "storage", "autocast": "amp",
    "clear_autocast_cache": "amp.autocast_mode", "draw": "explain.draw",
    "explain_compile": "compiler.report", "explore": "explain.explorer",
    "get_autocast_cpu_dtype": "amp.autocast_mode",
    "get_autocast_dtype": "amp.autocast_mode", "get_autocast_gpu_dtype": "amp.autocast_mode",
    "is_anomaly_check_nan_enabled": "autograd.anomaly_mode", "is_anomaly_enabled": "autograd.anomaly_mode",
    "is_autocast_cache_enabled": "amp.autocast_mode", "is_autocast_cpu_enabled": "amp.autocast_mode",
    "is_autocast_enabled": "amp.autocast_mode", "lint": "explain.lint", "load": "serialization", "save": "serialization",
    "set_autocast_cache_enabled": "amp.autocast_mode", "set_autocast_cpu_enabled": "amp.autocast_mode",
    "set_autocast_dtype": "amp.autocast_mode", "set_autocast_enabled": "amp.autocast_mode", "vmap": "func", "why": "explain.why",
}  # fmt: skip


# Methods that are functions too.
_METHODS = frozenset(
    """
    abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ asin_ asinh_ atan_ atanh_ ceil_ clamp_
    clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ detach detach_ erf_ erfc_ exp2_ exp_ expm1_ fill_ fix_ floor_
    frac_ get_device i0_ index_put_ is_distributed is_same_size is_signed ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_
    negative_ rad2deg_ reciprocal_ resize_as_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ zero_
    """.split()
)


def __getattr__(name: str) -> Any:
    # Submodules load at first use: a program that only differentiates pays for neither nn nor optim.
    import importlib

    home = _HOMES.get(name)
    if home is not None:
        found = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        globals()[name] = found
        return found
    if name in _METHODS:
        return getattr(Tensor, name)
    if not name.startswith("__"):
        full = f"{__name__}.{name}"
        try:
            return importlib.import_module(full)
        except ModuleNotFoundError as error:
            if error.name != full:
                raise
    raise missing_name(__name__, name)
