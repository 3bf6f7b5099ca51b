"""Lines of random functions whose operands have to be of certain shapes or dtypes: windows, norms, losses, complex numbers, scatters."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import chainrule as T

from .functions import Writer

COMPLEX_MADE = (
    "torch.complex({x}, {x} * 0.5 - 1)", "{x}.to(torch.complex64)", "torch.polar({x}.abs(), {x})", "{x} * 1j + 2",
    "torch.view_as_complex(torch.stack([{x}, {x} + 1], -1))", "torch.fft.fft({x})", "torch.fft.rfft({x}, dim=0)",
    "{x} + torch.tensor(1 + 2j)",
)  # fmt: skip
COMPLEX = (
    "{x}.abs()", "{x}.angle()", "{x}.real", "{x}.imag", "{x}.conj()", "{x} * {x}.conj()", "{x} * 2j", "{x} + 1",
    "torch.view_as_real({x})", "{x} / ({x}.abs() + 1)", "{x}.sum(-1)", "{x}.exp()", "{x}.mT @ {x}", "{x}.mean(0)", "{x} == {x}.conj()",
    "{x}[..., 0]", "{x}.reshape(-1)", "{x} - {x}.real", "torch.fft.ifft({x}).real", "{x}.square().sum()", "{x}.prod(-1)",
    "{x}.cumsum(0)", "{x}.mH", "torch.where({x}.real > 0, {x}, 0)", "torch.sqrt({x})", "{x}.tanh()", "{x}.reciprocal()",
    "torch.vdot({x}.flatten(), {x}.flatten())", "{x}.isfinite()", "{x}.norm()", "{x} ** 2", "{x}.sin()", "torch.cat([{x}, {x}.conj()])",
)  # fmt: skip
MIXED = (
    "{x} + {y}", "{x} * {y}", "{x} - {y}", "{x} / {y}", "torch.where({x} > {y}, {x}, {y})", "torch.maximum({x}, {y})", "{x} == {y}",
    "{x} < {y}", "torch.add({x}, {y}, alpha=2)", "{x} + True", "{x} * 2.5", "{x} + 3", "2 / {x}",
    "torch.stack([{x}.flatten()[:1], {y}.flatten()[:1]])", "torch.cat([{x}.flatten(), {y}.flatten()])", "{x}.type_as({y})",
    "{x}.to({y}.dtype)", "torch.isclose({x}.double(), {y}.double())", "torch.clamp({x}, {y} - 1, {y} + 1)",
    "torch.logical_and({x}, {y})", "torch.pow({x}.abs() + 1, {y}.clamp(0, 3))", "torch.ne({x}, {y}).sum(0)", "{x}.expand_as({y}) + 0",
    "{x}.sub({y}, alpha=3)",
)  # fmt: skip
ORDERED = (
    "{x}.sort(-1, descending=True)", "{x}.sort(0, stable=True)", "{x}.topk(min(2, {x}.shape[-1]), largest=False)",
    "torch.kthvalue({x}, 1)", "torch.mode({x}, -1)", "torch.msort({x})", "{x}.cummin(0)", "{x}.cumsum(-1, dtype=torch.float64)",
    "torch.diff({x})", "torch.diff({x}, n=2, dim=0)", "torch.trapezoid({x})", "torch.quantile({x}.double(), 0.3)",
    "torch.nanmedian({x})", "{x}.nanmean(-1)", "{x}.std(-1, correction=0)", "{x}.var((0, -1), correction=2)",
    "torch.std_mean({x}, -1, correction=0, keepdim=True)", "torch.linalg.vector_norm({x}, 3, -1)",
    "torch.linalg.vector_norm({x}, float('inf'), 0)", "{x}.norm(p=1, dim=0)", "torch.linalg.vector_norm({x}, 0)",
    "{x}.renorm(2, 0, 0.5)", "torch.cov({x})", "torch.corrcoef({x})", "{x}.argsort(0, descending=True)",
    "torch.histc({x}.nan_to_num(), 4, -2, 2)", "{x}.unique()", "torch.cumulative_trapezoid({x})", "{x}.dist({x} * 2)",
    "torch.linalg.det({x} @ {x}.mT + torch.eye({x}.shape[-2], dtype={x}.dtype))",
    "torch.linalg.inv({x} @ {x}.mT + 2 * torch.eye({x}.shape[-2], dtype={x}.dtype))",
    "torch.linalg.cholesky({x} @ {x}.mT + 2 * torch.eye({x}.shape[-2], dtype={x}.dtype))",
    "torch.linalg.solve({x} @ {x}.mT + 2 * torch.eye({x}.shape[-2], dtype={x}.dtype), {x})", "torch.trace({x})",
    "{x}.flip((0, -1)).cumsum(-1)", "{x}.flip(0)[::2]", "{x}.roll((1, -2), (0, -1))", "{x}.roll(3)",
    "torch.meshgrid({x}.flatten()[:2], {x}.flatten()[:3], indexing='ij')", "torch.cross({x}[..., :3], {x}[..., :3] + 1, dim=-1)",
    "torch.vander({x}.flatten()[:3], 3)", "torch.triu_indices(3, 4)", "{x}.count_nonzero()", "{x}.nonzero()", "{x}[{x} > 0]",
    "{x}.sum(dtype=torch.float64)", "{x}.softmax(0, dtype=torch.float64)", "{x}.any()", "{x}.prod()",
    "torch.heaviside({x}, {x} * 0 + 0.5)", "{x}.abs().log1p().logsumexp((0, -1))", "torch.special.xlog1py({x}.abs(), {x}.abs())",
    "torch.sinc({x})", "torch.special.entr({x}.abs())", "torch.i0({x})", "torch.digamma({x}.abs() + 1)", "torch.erfc({x})",
)  # fmt: skip
PLACED = (
    "{x}.index_put((torch.tensor([[0], [-1]]), torch.tensor([0, -1])), torch.ones(2, 2, dtype={x}.dtype))",
    "{x}.index_put((torch.tensor([0, 0]), torch.tensor([0, 0])), {x}[0, 0], accumulate=True)",
    "{x}.masked_scatter({x} > 0, {x}.flip(0).contiguous())", "{x}.masked_select({x} < 0.2)",
    "{x}.index_copy(0, torch.tensor([0]), {x}[-1:])", "torch.select_scatter({x}, {x}[-1] * 2, 0, 0)",
    "torch.slice_scatter({x}, {x}[:1], 0, -1)", "torch.diagonal_scatter({x}, {x}.diagonal() + 1)",
    "{x}.put(torch.tensor([0, 1]), torch.ones(2, dtype={x}.dtype), accumulate=True)", "torch.scatter({x}, -1, {x}.argsort(-1), 0.5)",
    "{x}.index_add(-1, torch.tensor([0, 0]), {x}[..., :1].expand(*{x}.shape[:-1], 2), alpha=0.5)",
    "torch.scatter_reduce({x}, -1, {x}.argsort(-1) // 2, {x} * 2, '{r}', include_self={b})",
    "{x}.index_reduce(0, torch.tensor([0, 0]), {x}[:1].expand(2, *{x}.shape[1:]), 'mean')", "{x}[..., [0, -1, 0]]",
    "{x}[[0, -1], ..., None]", "{x}[torch.tensor([True] + [False] * ({x}.shape[0] - 1))]", "{x}[None, -1:, ...]",
    "{x}[torch.tensor(0)]", "{x}[{x}.argmax(0)[0]]", "F.embedding(torch.tensor([[0, 0], [-1 % {x}.shape[0], 0]]), {x}, padding_idx=0)",
    "F.embedding_bag(torch.tensor([[0, 0], [0, 0]]), {x}, mode='{m}')",
    "F.embedding_bag(torch.tensor([0, 0, 0]), {x}, torch.tensor([0, 1]), mode='mean')",
    "torch.gather({x}, 0, torch.zeros(3, *{x}.shape[1:], dtype=torch.int64))", "torch.where({x} > 0)[0]",
    "torch.where(({x} > 0)[..., :1], {x}, {x}[:1])", "torch.bincount(({x} > 0).long().flatten())",
    "torch.tril(torch.ones({x}.shape[-1], {x}.shape[-1], dtype={x}.dtype)).matmul({x}.mT)",
    "{x}.repeat_interleave(torch.arange({x}.shape[0]), 0)", "{x}.as_strided((2, 2), (1, 1))", "{x}.unfold(0, 2, 2).sum(-1)",
    "torch.combinations({x}.flatten()[:4])", "{x}.tile(2, 2)",
)  # fmt: skip
EINSUMS = (
    ("ij,jk->ik", (3, 4), (4, 5)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("ij,ij->", (3, 4), (3, 4)), ("i,j->ji", (3,), (5,)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)), ("ii->i", (4, 4)), ("...ij->...ji", (2, 3, 4)),
    ("ij,kj,k->i", (3, 4), (5, 4), (5,)), ("ijk,k->ij", (2, 3, 4), (4,)), ("ij,i->j", (3, 4), (3,)),
    ("abc,acd,de->abe", (2, 3, 4), (2, 4, 3), (3, 2)), ("ik,kj->ij", (17, 33), (33, 18)), ("bn,bm->nm", (5, 3), (5, 4)),
    ("ij->", (3, 0)),
)  # fmt: skip
TERSE = (
    "F.l1_loss({x}, {y}, reduction='{r}')", "F.mse_loss({x}, {y}, reduction='{r}')",
    "F.huber_loss({x}, {y}, reduction='{r}', delta=0.3)", "F.smooth_l1_loss({x}, {y}, reduction='{r}', beta=0.4)",
    "F.binary_cross_entropy_with_logits({x}, {y}.sigmoid(), reduction='{r}', pos_weight=torch.tensor(2.0))",
    "F.binary_cross_entropy({x}.sigmoid().nan_to_num(0.5), {y}.sigmoid().nan_to_num(0.5), reduction='{r}')",
    "F.kl_div({x}.log_softmax(-1), {y}.log_softmax(-1), log_target=True, reduction='{r}')",
    "F.poisson_nll_loss({x}, {y}.abs(), reduction='{r}', full={b})", "F.soft_margin_loss({x}, {y}.sign(), reduction='{r}')",
    "F.gaussian_nll_loss({x}, {y}, {y}.abs() + 0.1, reduction='{r}')",
    "F.cross_entropy({x}, {t}, reduction='{r}', label_smoothing=0.1)", "F.cross_entropy({x}, {t}, ignore_index=1, reduction='{r}')",
    "F.nll_loss({x}.log_softmax(-1), {t}, torch.tensor([0.5, 1.0, 2.0, 1.5], dtype={x}.dtype), reduction='{r}')",
    "F.cross_entropy({x}, {y}.softmax(-1), reduction='{r}', label_smoothing=0.2)", "F.multi_margin_loss({x}, {t}, reduction='{r}')",
    "F.multilabel_soft_margin_loss({x}, ({y} > 0).to({x}.dtype), reduction='{r}')",
    "F.triplet_margin_loss({x}, {y}, {x}.flip(0), reduction='{r}')",
    "F.cosine_embedding_loss({x}, {y}, torch.ones(6), reduction='{r}')",
    "F.margin_ranking_loss({x}, {y}, {y}.sign(), margin=0.2, reduction='{r}')",
    "F.hinge_embedding_loss({x}, {y}.sign(), reduction='{r}')",
    "F.cross_entropy({x}.view(3, 2, 4).mT, {t}.view(3, 2), reduction='{r}')", "F.pairwise_distance({x}, {y})",
    "torch.cdist({x}, {y}, p=1.0)", "F.cosine_similarity({x}, {y}, 0)",
)  # fmt: skip
REPLACED = (
    "{x}.index_put_((torch.tensor([0, 0]),), {x}[:1].clone(), accumulate={b})",
    "{x}.masked_scatter_({x} > 0, {x}.flip(0).contiguous())", "{x}.index_copy_(0, torch.tensor([0]), {x}[-1:].clone())",
    "{x}.index_fill_(0, torch.tensor([0, -1]), 3)", "{x}.scatter_add_(0, ({x} > 0).long() * 0, {x}.clone())",
    "{x}.scatter_reduce_(0, ({x} > 0).long() * 0, {x}.clone(), 'amax')", "{x}.fill_diagonal_(2)",
    "{x}.addcdiv_({x}, {x}.abs() + 1, value=-0.5)", "{x}.put_(torch.tensor([0]), torch.ones(1, dtype={x}.dtype))", "{x}.t_()",
    "{x}.unsqueeze_(0)", "{x}.squeeze_()", "{x}.transpose_(0, -1)", "{x}.logical_not_()", "{x}.clamp_min_(0.1)",
    "{x}.copy_(torch.arange({x}.numel()).view({x}.shape))", "{x}[..., 0], {x}[..., -1] = {x}[..., -1].clone(), {x}[..., 0].clone()",
    "{x}[::2] = {x}[1::2].mean()", "{x}.round_().floor_divide_(2)", "{x}.bernoulli_(0.4)", "{x}.uniform_()", "{x}[{x}.argmax(0)] += 1",
    "{x}[[0, -1]] *= 3", "{x}.unbind(0)[0].mul_(2)", "{x}.view(-1)[1:].sub_(1)", "{x}.real.mul_(2)",
    "{x}.addmm_({x}, {x}.mT @ {x}, beta=0.5)", "{x}.remainder_(2)", "{x}.unfold(0, 2, 2)[0].zero_()", "{x}.tril_()",
    "{x}.flip(0).zero_()", "{x} -= {x}.mean()", "{x} /= {x}.abs().sum() + 1", "{x} **= 2",
)  # fmt: skip


def formed(w: Writer, shape: Sequence[int], name: str | None = None) -> str | None:
    """A floating-point value of a shape: one that is there, or the numbers of one over and over."""
    found = w.float(lambda t: tuple(t.shape) == tuple(shape) and (name is None or t.dtype is w.space[name].dtype))
    if found is not None and w.pick(range(3)):
        return found
    size = prod(shape)
    kind = None if name is None else w.space[name].dtype
    x = w.float(lambda t: t.numel() > 0 and t.dtype not in (T.float16, T.bfloat16) and kind in (None, t.dtype))
    if x is None:
        return None
    times = -(-size // w.space[x].numel())
    return w.let(f"{x}.flatten().repeat({max(1, times)})[:{size}].view({tuple(shape)})")


def windows(w: Writer) -> str | None:
    """Convolutions and pools with strides, paddings and dilations that leave remainders."""
    n, groups = w.pick((1, 2, 3)), w.pick((1, 1, 1, 2, 3))
    ins, outs = groups * w.pick((1, 2)), groups * w.pick((1, 2, 3))
    length, kernel = w.pick((5, 7, 8, 11)), w.pick((1, 2, 3))
    x = formed(w, (n, ins, *[length] * w.pick((1, n, 2))))
    if x is None:
        return None
    d = w.space[x].ndim - 2
    stride, padding, dilation = w.pick((1, 1, 2, 3)), w.pick((0, 0, 1, 2)), w.pick((1, 1, 2))
    if w.chance(2):
        p = min(padding, kernel // 2)
        return w.pick((
            f"F.max_pool{d}d({x}, {kernel}, {stride}, {p}, {dilation}, ceil_mode={w.chance(3)})",
            f"F.avg_pool{d}d({x}, {kernel}, {stride}, {p}, ceil_mode={w.chance(3)}, count_include_pad={w.chance(2)})",
            f"F.adaptive_avg_pool{d}d({x}, {w.pick((1, 2, 3))})", f"F.adaptive_max_pool{d}d({x}, {w.pick((1, 2, 3))})",
            f"F.pad({x}, {(1, 2) * d}, mode='{w.pick(('reflect', 'replicate', 'circular'))}')", f"F.lp_pool{d}d({x}, 2, {kernel})",
            f"F.interpolate({x}, size={w.pick((3, 9))}, mode='{w.pick(('nearest', ('linear', 'bilinear', 'trilinear')[d - 1]))}')",
            f"F.unfold({x}, {kernel}, {dilation}, {padding}, {stride})",
            f"F.max_pool{d}d({x}, {kernel}, {stride}, return_indices=True)",
        ))  # fmt: skip
    transposed = w.chance(3)
    weight = formed(w, (ins, outs // groups, *[kernel] * d) if transposed else (outs, ins // groups, *[kernel] * d), x)
    bias = w.chance(2) and formed(w, (outs,), x)
    if weight is None:
        return None
    last = f"{min(stride, dilation) - 1}, {groups}, {dilation}" if transposed else f"{dilation}, {groups}"
    return f"F.conv{'_transpose' * transposed}{d}d({x}, {weight} * 0.3, {bias or None}, {stride}, {padding}, {last})"


def normed(w: Writer) -> str | None:
    """Normalizations with their weights and running statistics."""
    x = formed(w, (w.pick((2, 3)), 4, *w.pick(((), (5,), (3, 3)))))
    scale = x and formed(w, (4,), x)
    shift = scale and formed(w, (4,), x)
    if shift is None or not shift:
        return None
    fresh = f"torch.zeros(4, dtype={x}.dtype), torch.ones(4, dtype={x}.dtype)"
    used = f"{shift}.detach().clone(), {scale}.detach().abs() + 0.2"
    own = w.pick((fresh, used))
    return w.pick((
        f"F.batch_norm({x}, {own}, {scale}, {shift}, training={w.chance(2)}, momentum=0.3)",
        f"F.batch_norm({x}, None, None, {scale}, None, True)",
        f"F.group_norm({x}, 2, {scale}, {shift})", f"F.group_norm({x}, 4)", f"F.instance_norm({x}, weight={scale}, bias={shift})",
        f"F.layer_norm({x}, {x}.shape[1:])",
        f"F.layer_norm({x}.transpose(1, -1), (4,), {scale}, {shift}, 1e-3)", f"F.rms_norm({x}.transpose(1, -1), (4,), {scale})",
        f"F.local_response_norm({x}, 2)",
        f"F.normalize({x}, p=3.0, dim=0)", f"F.prelu({x}, {scale})", f"F.softmin({x}, 1)", f"F.dropout({x}, 0.3) * {x}",
        f"F.threshold({x}, 0.1, 20)", f"F.celu({x}, 0.7) + F.selu({x})",
        f"F.hardswish({x}) * F.hardsigmoid({x})", f"F.softshrink({x}) - F.hardshrink({x})", f"F.feature_alpha_dropout({x}, 0.2)",
        f"F.channel_shuffle({x}, 2)",
    ))  # fmt: skip


def compared(w: Writer) -> str | None:
    """Losses of six rows and four classes."""
    x = formed(w, (6, 4))
    y = x and formed(w, (6, 4), x)
    r = w.pick(("none", "mean", "sum"))
    return y and w.pick(TERSE).format(x=x, y=y, r=r, b=w.chance(2), t="torch.tensor([0, 1, 3, 2, 1, 0])")


def summed(w: Writer) -> str | None:
    """``einsum`` of operands of one dtype."""
    equation, *shapes = w.pick(EINSUMS)
    operands: list[str] = []
    for shape in shapes:
        made = formed(w, shape, operands[0] if operands else None)
        if made is None:
            return None
        operands.append(made)
    return f"torch.einsum('{equation}', {', '.join(operands)})"


def complexes(w: Writer) -> str | None:
    z = w.some(lambda t: t.is_complex())
    if z is not None and w.pick(range(4)):
        return w.pick(COMPLEX).format(x=z)
    x = w.float()
    return x and w.pick(COMPLEX_MADE).format(x=x)


def mixed(w: Writer) -> str | None:
    x = w.some()
    return x and w.pick(MIXED).format(x=x, y=w.some(lambda t: T.is_tensor(t) and _broadcast(t, w.space[x])) or x)


def _broadcast(a: Any, b: Any) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a.shape[::-1], b.shape[::-1], strict=False))


def placed(w: Writer) -> str | None:
    x = w.float(lambda t: t.ndim > 0)
    kind, bag = w.pick(("sum", "prod", "mean", "amax", "amin")), w.pick(("sum", "mean", "max"))
    return x and w.pick(PLACED).format(x=x, r=kind, b=w.chance(2), m=bag)


def replaced(w: Writer) -> None:
    x = w.some()
    if x is not None:
        w.run(w.pick(REPLACED).format(x=x, b=w.chance(2)))


__all__ = ["ORDERED", "compared", "complexes", "formed", "mixed", "normed", "placed", "replaced", "summed", "windows"]
