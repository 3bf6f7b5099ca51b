"""Convolution, pooling, normalisation, resampling, attention."""

from __future__ import annotations

from typing import Any

from .row import Row, apart, array, ints, positive, real

SIZES = {1: (7,), 2: (5, 6), 3: (3, 4, 3)}


def conv(d: int, name: str, *, kernel: int = 2, groups: int = 1, **kw: Any) -> Row:
    inputs = (real(2, 4, *SIZES[d]), real(4, 4 // groups, *(kernel,) * d), real(4))
    return Row(
        f"conv{d}d {name}", lambda T, x, w, b: getattr(T.nn.functional, f"conv{d}d")(x, w, b, groups=groups, **kw), inputs,
        op=("convolution", "convolution_weight", "convolution_transpose"),
    )  # fmt: skip


def conv_transpose(d: int, name: str, *, kernel: int = 2, groups: int = 1, **kw: Any) -> Row:
    inputs = (real(2, 4, *(3,) * d), real(4, 2, *(kernel,) * d), real(2 * groups))
    return Row(
        f"conv_transpose{d}d {name}", lambda T, x, w, b: getattr(T.nn.functional, f"conv_transpose{d}d")(x, w, b, groups=groups, **kw),
        inputs, op=("convolution_transpose", "convolution_weight", "convolution"),
    )  # fmt: skip


def pool(function: str, d: int, name: str, op: Any, *args: Any, **kw: Any) -> Row:
    return Row(
        f"{function}{d}d {name}", lambda T, x: getattr(T.nn.functional, f"{function}{d}d")(x, *args, **kw), (apart(2, 2, *SIZES[d]),), op=op
    )


def max_pool(d: int, name: str, **kw: Any) -> Row:
    return pool("max_pool", d, name, ("max_pool2d" if d < 3 else "max_pool3d", "scatter_places", "pick_places"), **kw)


def avg_pool(d: int, name: str, **kw: Any) -> Row:
    return pool("avg_pool", d, name, ("avg_pool2d" if d < 3 else "avg_pool3d", "avg_pool_backward"), **kw)


def unpool(d: int) -> Row:
    def fn(T: Any, x: Any) -> Any:
        top, places = getattr(T.nn.functional, f"max_pool{d}d")(x, 2, return_indices=True)
        return getattr(T.nn.functional, f"max_unpool{d}d")(top.sin(), places, 2, output_size=x.shape)

    return Row(f"max_unpool{d}d", fn, (apart(1, 2, *SIZES[d]),), op="scatter_places" if d < 3 else "scatter_places_3d")


def resize(mode: str, d: int, op: str, name: str = "", second: bool = True, **kw: Any) -> list[Row]:
    return [
        Row(
            f"interpolate {mode} {d}d{name} {word}", lambda T, x, target=target: T.nn.functional.interpolate(x, mode=mode, **target, **kw),
            (real(1, 2, *SIZES[d]),), op=(op, "upsample_backward"), second=second,
        )
        for word, target in (("smaller", {"size": 3}), ("larger", {"scale_factor": 1.6}))
    ]  # fmt: skip


def batch_norm(name: str, *shape: int, training: bool = True) -> Row:
    def fn(T: Any, x: Any, w: Any, b: Any, m: Any, v: Any) -> Any:
        return T.nn.functional.batch_norm(x, m.clone(), v.clone(), w, b, training)

    # The running statistics are written; inside vmap PyTorch refuses that.
    return Row(
        f"batch_norm {name}", fn, (real(*shape), real(3), real(3), real(3, grad=False), positive(3, grad=False)), vmap=not training,
        op=("native_batch_norm", "normalise_tangent") if training else "batch_norm_eval",
    )  # fmt: skip


def running(T: Any, x: Any, m: Any, v: Any) -> Any:
    """What batch norm writes to the running statistics."""
    m, v = m.clone(), v.clone()
    T.nn.functional.batch_norm(x, m, v, training=True, momentum=0.3)
    return m, v


SPDA = ("scaled_dot_product_attention",)


def attention(T: Any, q: Any, k: Any, v: Any, **kw: Any) -> Any:
    return T.nn.functional.scaled_dot_product_attention(q, k, v, **kw)


ROWS = [
    *[conv(d, "plain") for d in (1, 2, 3)],
    *[conv(d, "strided", kernel=3 if d < 3 else 2, stride=2, padding=1) for d in (1, 2, 3)],
    conv(1, "dilated", dilation=2, padding=1),
    conv(2, "dilated groups", dilation=(2, 1), padding=(1, 0), groups=2),
    conv(2, "depthwise", groups=4, stride=(1, 2)),
    conv(2, "one element", kernel=1),
    conv(2, "same", kernel=3, padding="same"),
    conv(1, "same uneven", padding="same"),
    conv(2, "valid", padding="valid"),
    Row("conv2d without batch", lambda T, x, w: T.nn.functional.conv2d(x, w), (real(2, 4, 4), real(3, 2, 2, 2)), op="convolution"),
    Row("conv2d few windows", lambda T, x, w: T.conv2d(x, w, stride=2), (real(3, 2, 4, 4), real(3, 2, 3, 3)), op="convolution"),
    Row("conv1d int", lambda T, x, w: T.conv1d(x, w), (ints(1, 2, 5), ints(3, 2, 2)), op="convolution", differentiable=False),
    Row("conv2d channels", lambda T, x, w: T.conv2d(x, w, padding=1), (real(2, 3, 9, 9), real(5, 3, 3, 3)), op="convolution", second=False),
    *[conv_transpose(d, "plain") for d in (1, 2, 3)],
    conv_transpose(1, "strided", kernel=3, stride=2, padding=1, output_padding=1),
    conv_transpose(2, "strided groups", kernel=3, stride=2, padding=1, output_padding=(1, 0), groups=2),
    conv_transpose(2, "dilated", dilation=2, output_padding=1),
    conv_transpose(2, "one element", kernel=1, stride=2),
    *[max_pool(d, "plain", kernel_size=2) for d in (1, 2, 3)],
    max_pool(2, "overlapping", kernel_size=3, stride=2, padding=1),
    max_pool(2, "ceil", kernel_size=2, stride=2, ceil_mode=True),
    max_pool(2, "dilated", kernel_size=2, stride=1, dilation=2),
    Row("max_pool2d indices", lambda T, x: T.nn.functional.max_pool2d(x, 2, return_indices=True)[1], (apart(2, 2, 4, 4),),
        differentiable=False, special=((array([[[float("nan"), 1.0], [2.0, 3.0]], [[1.0, 1.0], [1.0, 0.0]]]),),)),
    Row("max_pool2d int", lambda T, x: T.nn.functional.max_pool2d(x, 2), (ints(1, 4, 4),), differentiable=False),
    *[avg_pool(d, "plain", kernel_size=2) for d in (1, 2, 3)],
    avg_pool(2, "overlapping", kernel_size=3, stride=2, padding=1),
    avg_pool(2, "without padding", kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
    avg_pool(2, "divisor", kernel_size=2, divisor_override=3),
    *[pool("adaptive_avg_pool", d, "cells", ("adaptive_avg_pool2d" if d < 3 else "adaptive_avg_pool3d", "adaptive_avg_pool_backward"), 2)
      for d in (1, 2, 3)],
    pool("adaptive_avg_pool", 2, "one", "mean", 1),
    pool("adaptive_avg_pool", 2, "larger", "adaptive_avg_pool2d", (None, 9)),
    *[pool("adaptive_max_pool", d, "cells", "adaptive_max_pool2d" if d < 3 else "adaptive_max_pool3d", 2) for d in (1, 2, 3)],
    *[Row(f"lp_pool{d}d", lambda T, x, d=d: getattr(T.nn.functional, f"lp_pool{d}d")(x, 2, 2), (positive(1, 2, *SIZES[d]),))
      for d in (1, 2, 3)],
    unpool(1), unpool(2), unpool(3),
    *[Row(f"fractional_max_pool{d}d", lambda T, x, u, d=d: getattr(T.nn.functional, f"fractional_max_pool{d}d")(
        x, 2, 2, _random_samples=u, return_indices=True), (apart(2, 2, *(4,) * d), real(2, 2, d, lo=0.02, hi=0.98, grad=False)),
        vmap=(True, False)) for d in (2, 3)],
    Row("layer_norm", lambda T, x, w, b: T.nn.functional.layer_norm(x, (4,), w, b), (real(3, 4), real(4), real(4)),
        op=("native_layer_norm", "normalise_tangent", "normalise_backward")),
    Row("layer_norm two dims", lambda T, x, w, b: T.nn.functional.layer_norm(x, (2, 3), w, b, 0.1), (real(2, 2, 3), real(2, 3), real(2, 3)),
        op="native_layer_norm"),
    Row("layer_norm bare", lambda T, x: T.nn.functional.layer_norm(x, (4,)), (real(2, 4),), op="native_layer_norm",
        special=((array([[1.0, 1.0, 1.0, 1.0]]),),)),
    batch_norm("2d", 4, 3),
    batch_norm("4d", 2, 3, 2, 2),
    batch_norm("evaluation", 2, 3, 2, training=False),
    Row("batch_norm bare", lambda T, x: T.nn.functional.batch_norm(x, None, None, training=True), (real(3, 2, 2),), op="native_batch_norm"),
    Row("batch_norm running", running, (real(3, 2, 2), real(2), positive(2)), op="native_batch_norm", differentiable=False, vmap=False),
    Row("group_norm", lambda T, x, w, b: T.nn.functional.group_norm(x, 2, w, b), (real(2, 4, 3), real(4), real(4)), op="native_group_norm"),
    Row("group_norm bare", lambda T, x: T.nn.functional.group_norm(x, 3), (real(2, 6),), op="native_group_norm"),
    Row("instance_norm", lambda T, x, w, b: T.nn.functional.instance_norm(x, weight=w, bias=b), (real(2, 3, 4), real(3), real(3)),
        op="native_batch_norm"),
    Row("rms_norm", lambda T, x, w: T.nn.functional.rms_norm(x, (4,), w), (real(3, 4), real(4)), op="rsqrt"),
    Row("local_response_norm", lambda T, x: T.nn.functional.local_response_norm(x, 3, alpha=0.5), (real(1, 4, 2, 2),), op="avg_pool3d"),
    Row("normalize", lambda T, x: T.nn.functional.normalize(x), (real(2, 3),), op="linalg_vector_norm"),
    *resize("nearest", 1, "upsample_nearest1d"), *resize("nearest", 2, "upsample_nearest2d"), *resize("nearest", 3, "upsample_nearest3d"),
    *resize("nearest-exact", 1, "upsample_nearestexact1d"), *resize("nearest-exact", 2, "upsample_nearestexact2d"),
    *resize("nearest-exact", 3, "upsample_nearestexact3d"),
    *resize("linear", 1, "upsample_linear1d"), *resize("linear", 1, "upsample_linear1d", " aligned", align_corners=True),
    *resize("bilinear", 2, "upsample_bilinear2d"), *resize("bilinear", 2, "upsample_bilinear2d", " aligned", align_corners=True),
    *resize("bilinear", 2, "upsample_bilinear2daa", " antialias", antialias=True),
    *resize("bicubic", 2, "upsample_bicubic2d"), *resize("bicubic", 2, "upsample_bicubic2d", " aligned", align_corners=True),
    *resize("bicubic", 2, "upsample_bicubic2daa", " antialias", antialias=True),
    *resize("lanczos", 2, "upsample_lanczos2daa", second=False, antialias=True),
    *resize("trilinear", 3, "upsample_trilinear3d"),
    *resize("area", 2, "adaptive_avg_pool2d"),
    Row("pixel_shuffle", lambda T, x: T.pixel_shuffle(x, 2), (real(1, 8, 2, 3),)),
    Row("pixel_unshuffle", lambda T, x: T.pixel_unshuffle(x, 2), (real(1, 2, 4, 6),)),
    Row("channel_shuffle", lambda T, x: T.channel_shuffle(x, 2), (real(2, 6, 2),)),
    *[Row(f"grid_sample {mode} {padding}", lambda T, x, g, mode=mode, padding=padding: T.nn.functional.grid_sample(
        x, g, mode=mode, padding_mode=padding, align_corners=padding == "zeros"), (real(1, 2, 3, 4), real(1, 2, 3, 2, lo=-1.2, hi=1.2)),
        op="gather", second=False) for mode in ("bilinear", "bicubic") for padding in ("zeros", "border", "reflection")],
    Row("grid_sample nearest", lambda T, x, g: T.nn.functional.grid_sample(x, g, mode="nearest", align_corners=False),
        (real(1, 2, 3, 4), real(1, 2, 3, 2, lo=-1.2, hi=1.2, grad=False)), op="gather", second=False),
    Row("affine_grid", lambda T, t: T.nn.functional.affine_grid(t, (2, 1, 3, 4), align_corners=False), (real(2, 2, 3),), op="matmul"),
    Row("scaled_dot_product_attention", attention, (real(1, 2, 3, 2), real(1, 2, 4, 2), real(1, 2, 4, 2)), second=False),
    Row("scaled_dot_product_attention causal", lambda T, *x: attention(T, *x, is_causal=True),
        (real(1, 2, 3, 2), real(1, 2, 3, 2), real(1, 2, 3, 2)), op=SPDA, second=False),
    Row("scaled_dot_product_attention 3d", lambda T, *x: attention(T, *x, scale=0.5), (real(2, 3, 2), real(2, 4, 2), real(2, 4, 3)),
        op=SPDA),
    Row("scaled_dot_product_attention masked", lambda T, q, k, v, m: attention(T, q, k, v, attn_mask=m > 0),
        (real(2, 3, 2), real(2, 4, 2), real(2, 4, 3), real(3, 4, grad=False)), op=SPDA, special=((
            real(2, 2, 2), real(2, 3, 2), real(2, 3, 2), array([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0]], grad=False)),)),
    *[Row(f"embedding_bag {mode}", lambda T, i, w, mode=mode: T.nn.functional.embedding_bag(i, w, mode=mode),
          (ints(3, 2, lo=0, hi=5), real(5, 2)), op=("embedding_bags", "embedding_bag_maxima"), second=False, vmap=False)
      for mode in ("sum", "mean", "max")],
]  # fmt: skip
