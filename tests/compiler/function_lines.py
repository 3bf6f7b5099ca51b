"""The lines of random functions, by families: each writes one expression (or a statement, and gives None)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chainrule as T

from .functions import Function, Writer
from .wide_lines import ORDERED, compared, complexes, mixed, normed, placed, replaced, summed, windows

Family = Callable[[Writer], str | None]

# Where small differences in rounding do not become large ones; then those with poles, jumps and NaN.
GENTLE = (
    "torch.sin({})", "torch.cos({})", "{}.tanh()", "{}.sigmoid()", "torch.erf({})", "torch.atan({})", "{}.abs()", "-{}", "F.relu({})",
    "F.gelu({})", "F.silu({})", "F.softplus({})", "{}.square()", "({}.abs() + 0.3).sqrt()", "({}.abs() + 0.5).rsqrt()",
    "torch.log1p({}.abs())",
    "{}.clamp(-2, 2).exp()", "F.elu({})", "F.leaky_relu({}, 0.1)", "1 / ({}.square() + 1)", "F.hardtanh({})", "F.mish({})",
    "{}.clamp(min=-0.5)",
    "torch.asinh({})", "F.logsigmoid({})", "{} * 2 + 1", "3 - {}", "F.gelu({}, approximate='tanh')", "torch.expm1({}.clamp(max=1))",
)  # fmt: skip
SHARP = (
    "torch.log({})", "{}.sqrt()", "{}.reciprocal()", "torch.exp({})", "{}.floor()", "{}.round()", "{}.sign()", "torch.frac({})",
    "{} ** 3",
    "{} ** -1", "{} ** 0.5", "torch.acos({})", "{}.trunc()", "torch.nan_to_num({})", "torch.tan({})", "torch.log2({}.abs())",
    "torch.sinh({})",
    "torch.special.erfinv({} / 9)", "torch.lgamma({})", "torch.isnan({})", "torch.isfinite({})", "torch.logit({}.sigmoid())",
    "torch.exp2({})",
)  # fmt: skip
BINARY = (
    "{} + {}", "{} - {}", "{} * {}", "{} * {}", "{} + {}", "torch.maximum({}, torch.as_tensor({}))", "torch.add({}, {}, alpha=0.5)",
    "{} / ({} * 0 + 1.5)",
    "torch.minimum({}, torch.as_tensor({}))", "{} > {}", "{} == {}", "{} <= {}", "torch.where({0} > 0.1, {0}, {1})",
    "torch.lerp({0}, {0} * {1}, 0.3)",
)  # fmt: skip
BINARY_SHARP = (
    "{} / {}", "torch.fmod({}, {})", "torch.remainder({}, {})", "{} // {}", "{}.abs() ** (torch.as_tensor({}) * 1)",
    "torch.atan2({}, torch.as_tensor({}))",
    "torch.hypot({}, torch.as_tensor({}))", "torch.copysign({}, {})", "{} ** (torch.as_tensor({}) * 1)",
    "torch.fmax({}, torch.as_tensor({}))",
    "torch.nextafter({0}, {0} + 1) + {1}",
    "torch.logaddexp({}, torch.as_tensor({}))", "torch.xlogy({}, {})", "torch.addcmul({0}, {0}, torch.as_tensor({1}))",
)  # fmt: skip
INTEGER = (
    "{} + {}", "{} * {}", "{} - {}", "{} // 3", "{} % 4", "{} & {}", "{} | {}", "{} ^ {}", "~{}", "{} << 1", "{} >> 1", "{} > {}",
    "{} / {}", "-{}", "{}.abs()",
    "{} // {}", "{} % {}", "torch.bitwise_and({}, 7)", "{}.clamp(-3, 3)", "{} ** 2", "torch.gcd({}, {})",
)  # fmt: skip
LOGIC = (
    "~{}", "{0} & {0}.flip(0)", "{}.any()", "{}.float()", "{}.sum()", "{}.long() * 2", "{0} | {0}.all()", "torch.where({}, 1.0, 0.0)",
)  # fmt: skip
CASTS = (
    "{}.float()", "{}.double()", "{}.to(torch.float32)", "{}.clamp(-100, 100).nan_to_num().long()", "{}.bool()",
    "{}.type(torch.float64)",
    "{}.nan_to_num().clamp(-9, 9).int()", "{}.half()", "{}.bfloat16()", "{}.detach()", "{}.clone()", "{}.contiguous()",
)  # fmt: skip
VIEWS = (
    "{x}.t()", "{x}.transpose(0, -1)", "{x}[..., ::2]", "{x}[1:]", "{x}[:-1]", "{x}[0]", "{x}[..., -1]", "{x}.flatten()",
    "{x}.reshape(-1)", "{x}.unsqueeze(0)",
    "{x}.unsqueeze(-1)", "{x}.squeeze()", "{x}.expand(2, *{x}.shape)", "{x}.diagonal()", "{x}.flip(0)",
    "{x}.permute(*range({x}.ndim)[::-1])", "{x}.view(-1)",
    "{x}.narrow(0, 0, 1)", "{x}.unfold(-1, 2, 1)", "{x}.split(2)", "{x}.chunk(2, -1)", "{x}[None, ..., None]", "{x}.view(1, -1)",
    "{x}.reshape({x}.shape[::-1])",
    "{x}.movedim(0, -1)", "{x}[1::2]", "{x}.unbind(0)", "{x}.expand_as({x})", "{x}.T", "{x}.mT", "{x}.ravel()", "{x}.select(-1, 0)",
    "{x}.view_as({x})",
)  # fmt: skip
SHAPES = (
    "torch.cat([{x}, {x}])", "torch.cat([{x}, {x} * 2], -1)", "torch.stack([{x}, {x}.neg()])", "{x}.repeat(2, *[1] * ({x}.ndim - 1))",
    "torch.roll({x}, 1, 0)",
    "{x}.tril()", "{x}.triu(1)", "F.pad({x}, (1, 2))", "F.pad({x}, (1, 0), value=2.5)", "{x}.repeat_interleave(2, 0)",
    "torch.rot90({x})",
    "torch.diag({x})",
    "F.pad({x}, (-1, 1))", "torch.kron({x}, {x})", "{x}.flip(-1) + {x}", "torch.stack([{x}, {x}], -1)", "torch.block_diag({x}, {x})",
    "torch.diag_embed({x})",
)  # fmt: skip
REDUCTIONS = (
    "{x}.sum()", "{x}.sum(0)", "{x}.mean(-1)", "{x}.sum(-1, keepdim=True)", "{x}.amax(0)", "{x}.max(-1)", "{x}.min(0)", "{x}.var(-1)",
    "{x}.std(0)", "{x}.norm()",
    "torch.logsumexp({x}, -1)", "{x}.prod(-1)", "{x}.mean()", "{x}.argmax(-1)", "{x}.any(0)", "(({x} > 0).sum(-1))", "{x}.cumsum(0)",
    "{x}.cumsum(-1)",
    "{x}.amin((0, -1))", "{x}.norm(dim=-1)", "{x}.cumprod(-1)", "{x}.sort(-1)", "{x}.topk(1)", "torch.var_mean({x}, 0)", "{x}.all()",
    "{x}.max()", "{x}.argmin()",
    "torch.softmax({x}, -1)", "torch.softmax({x}, 0)", "F.log_softmax({x}, -1)", "{x}.median(-1)", "{x}.sum(0, keepdim=True) - {x}",
    "{x} - {x}.mean(-1, keepdim=True)",
    "{x}.nansum(-1)", "torch.logcumsumexp({x}, 0)", "{x}.cummax(-1)", "{x}.argsort(-1)", "{x}.count_nonzero(0)", "{x}.sum((0, -1))",
    "torch.aminmax({x}, dim=-1)",
)  # fmt: skip
INDEXING = (
    "{x}[torch.tensor([0, 0, -1])]", "{x}[..., torch.tensor([0])]", "{x}.index_select(0, torch.tensor([0, 0]))",
    "torch.where({x} > 0, {x}, torch.tensor(0.5, dtype={x}.dtype))",
    "torch.gather({x}, -1, {x}.argsort(-1))", "{x}.masked_fill({x} > 0.3, -1)",
    "torch.take_along_dim({x}, {x}.argmax(-1, keepdim=True), -1)",
    "torch.zeros_like({x}).scatter(-1, {x}.argsort(-1), {x})", "torch.zeros_like({x}).scatter_add(0, ({x} > 0).long() * 0, {x})",
    "torch.take({x}, torch.tensor([0, -1]))",
    "{x}.index_add(0, torch.tensor([0, 0]), {x}[:1].expand(2, *{x}.shape[1:]))",
    "{x}[torch.tensor([0, -1])[:, None], torch.tensor([0, 0, -1])]",
    "F.one_hot(({x} > 0).long())", "torch.embedding({x}, torch.tensor([[0, 0], [0, 0]]))",
    "torch.index_fill({x}, 0, torch.tensor([0]), 2.0)",
    "{x}.index_put((torch.tensor([0, 0]),), {x}[0], accumulate=True)",
    "torch.searchsorted({x}.sort(-1)[0].contiguous(), {x}.contiguous())",
    "torch.scatter_reduce({x}, 0, ({x} > 0).long() * 0, {x}, 'amax')", "{x}[:, 0]", "{x}[torch.arange({x}.shape[0]) % 2 == 0]",
    "torch.bucketize({x}, torch.tensor([-1.0, 0.0, 1.0]))",
)  # fmt: skip
PRODUCTS = (
    "{x} @ {x}.mT", "{x}.mT @ {x}", "torch.outer({x}, {x})", "{x} @ torch.ones({x}.shape[-1], 3, dtype={x}.dtype)",
    "torch.einsum('...i,...i->...', {x}, {x})",
    "F.linear({x}, torch.ones(2, {x}.shape[-1], dtype={x}.dtype) * 0.5)", "torch.dot({x}, {x})", "torch.einsum('ij,kj->ik', {x}, {x})",
    "{x} @ {x}[0]",
    "torch.bmm({x}, {x}.mT)", "torch.addmm({x}, {x} @ {x}.mT, {x})", "torch.tensordot({x}, {x}, dims=([0], [0]))",
    "torch.baddbmm({x}, {x} @ {x}.mT, {x}, beta=0.5)",
    "torch.mv({x}, {x}[0])", "torch.cdist({x}, {x} + 1)", "torch.einsum('bij->bji', {x})", "torch.einsum('ij->', {x})",
)  # fmt: skip
NETWORKS = (
    "F.layer_norm({x}, {x}.shape[-1:])", "F.normalize({x}, dim=-1)", "F.cross_entropy({x}, {x}.argmax(-1))",
    "F.cross_entropy({x}, torch.softmax({x}, -1))",
    "F.mse_loss({x}, {x} * 0.5)", "F.smooth_l1_loss({x}, {x}.flip(0))",
    "F.conv1d({x}[None, :1], torch.ones(2, 1, 2, dtype={x}.dtype), padding=1)",
    "F.conv2d({x}[None, None], torch.ones(2, 1, 2, 2, dtype={x}.dtype) * 0.3, stride=2, padding=1)", "F.max_pool1d({x}[None], 2)",
    "F.avg_pool1d({x}[None], 2, padding=1)",
    "F.max_pool2d({x}[None], 2, ceil_mode=True)", "F.avg_pool2d({x}[None, None], 2)", "F.adaptive_avg_pool1d({x}[None], 2)",
    "F.instance_norm({x}[None])",
    "F.batch_norm({x}, None, None, training=True)", "F.scaled_dot_product_attention({x}, {x}, {x})",
    "F.binary_cross_entropy_with_logits({x}, {x}.sigmoid().detach())",
    "F.nll_loss(F.log_softmax({x}, -1), {x}.argmax(-1))", "F.group_norm({x}[None], 1)", "F.glu({x})",
    "F.kl_div(F.log_softmax({x}, -1), torch.softmax({x} * 2, -1))",
    "F.embedding(torch.tensor([0, 0]), {x})", "F.conv_transpose1d({x}[None, :1], torch.ones(1, 2, 3, dtype={x}.dtype))",
    "F.interpolate({x}[None], scale_factor=2)",
    "F.cosine_similarity({x}, {x} + 1, dim=-1)", "F.rms_norm({x}, {x}.shape[-1:])", "F.unfold({x}[None, None], 2)",
    "F.hinge_embedding_loss({x}, {x}.sign())",
    "F.pixel_shuffle({x}[None], 1)", "F.huber_loss({x}, {x} * 2)",
    "F.max_pool1d({x}[None], 3, stride=1, padding=1, return_indices=True)",
)  # fmt: skip
RANDOM = (
    "F.dropout({x}, 0.4)", "{x} + torch.rand_like({x})", "torch.randn({x}.shape, dtype={x}.dtype) * {x}",
    "torch.bernoulli({x}.sigmoid().nan_to_num())",
    "torch.randint(5, (3,))", "torch.rand(2, 3)", "torch.randperm(4)", "torch.empty_like({x}).uniform_(-1, 1)",
    "torch.zeros_like({x}).normal_()",
)  # fmt: skip
DECISIONS = (
    "{x} * 2 if {x}.sum() > 0 else {x} - 1", "{x} * {x}.mean().item()", "{x} + float({x}.amax() > 0.5)",
    "{x}.sin() if bool(({x} > 0).any()) else {x}",
    "{x} + int({x}.numel() > 3)", "{x} / {x}.abs().max().item() if {x}.abs().max() > 1 else {x}", "{x}[{x}.argmax() % len({x})]",
)  # fmt: skip
MADE = (
    "torch.arange(4)", "torch.ones(2, 3)", "torch.zeros(3)", "torch.full((2, 2), 1.5)", "torch.eye(3)", "torch.linspace(0, 1, 5)",
    "torch.tensor([1.0, -2.0, 3.0])",
    "torch.tensor(2.5)", "torch.ones_like({x})", "torch.zeros(0, 3)", "torch.arange(6.0).reshape(2, 3)", "torch.full_like({x}, 0.25)",
    "torch.tensor([True, False])",
)  # fmt: skip
IN_PLACE = (
    "{x}.add_({y})", "{x}.mul_(0.5)", "{x}[...] = {y}", "{x}.copy_({y})", "{x}.zero_()", "{x}.clamp_(-1, 1)", "{x} += {y}",
    "{x} *= {y}",
    "{x}.masked_fill_({x} > 0.5, 0.25)",
    "{x}[0] = {y}", "{x}[0] += 1", "{x}[..., 0] = 2", "{x}[1:] *= 2", "{x}.fill_(0.75)", "{x}.sub_({y}, alpha=2)", "{x}.sin_()",
    "{x}.view(-1)[0] = 3", "{x}.t()[0] = 1",
    "{x}[torch.tensor([0, 0])] = {x}[:1] * 2", "{x}[{x} > 0] = 0.5", "{x}.index_add_(0, torch.tensor([0]), {x}[:1])", "{x}.neg_()",
    "{x}.transpose(0, -1).mul_({y})",
    "{x}.diagonal().fill_(1)", "{x}[::2].add_(1)", "{x}.div_(2)", "{x}.scatter_(0, ({x} > 0).long() * 0, {x})",
    "{x}.unsqueeze(0)[0].add_(1)", "{x}.relu_()", "{x}.exp_().clamp_(max=9)",
    "{x}.addcmul_({x}, {x})", "{x}.lerp_({x} * 2, 0.5)", "{x}[...] = {x}.flip(0)", "{x}[1:] = {x}[:-1].clone()", "{x}.flatten()[0] = 5",
    "{x}.pow_(2)", "{x}.cumsum_(0)",
)  # fmt: skip


def unary(w: Writer) -> str | None:
    x = w.float()
    return x and w.pick(GENTLE if w.pick(range(3)) else SHARP).format(x)


def binary(w: Writer) -> str | None:
    x = w.float()
    return x and w.pick(BINARY if w.pick(range(4)) else BINARY_SHARP).format(x, w.fit(x))


def integer(w: Writer) -> str | None:
    x = w.integer()
    return x and w.pick(INTEGER).format(x, x if w.chance(2) else w.fit(x))


def logic(w: Writer) -> str | None:
    x = w.some(lambda t: t.dtype is T.bool)
    return x and w.pick(LOGIC).format(x)


def listed(texts: tuple[str, ...], anything: bool = False) -> Family:
    """A family of expressions of one float (or of any value)."""

    def write(w: Writer) -> str | None:
        x = w.some() if anything else w.float()
        return x and w.pick(texts).format(x=x)

    return write


def cast(w: Writer) -> str | None:
    x = w.some()
    return x and w.pick(CASTS).format(x)


def where(w: Writer) -> str | None:
    x, condition = w.some(), w.some(lambda t: t.dtype is T.bool)
    return x and condition and f"torch.where({condition}, {x}, {w.fit(x)})"


def joined(w: Writer) -> str | None:
    x = w.some(lambda t: t.ndim > 0)
    other = x and w.some(lambda t: t.shape[1:] == w.space[x].shape[1:] and t.ndim == w.space[x].ndim)
    return x and f"torch.cat([{x}, {other}])"


def product(w: Writer) -> str | None:
    x = w.float(lambda t: t.ndim > 0)
    if x is None:
        return None
    t = w.space[x]
    y = w.float(lambda u: u.ndim > 0 and u.dtype is t.dtype and u.shape[0 if u.ndim == 1 else -2] == t.shape[-1])
    return f"{x} @ {y}" if y is not None else w.pick(PRODUCTS).format(x=x)


def in_place(w: Writer) -> None:
    x = w.some()
    if x is not None:
        w.run(w.pick(IN_PLACE).format(x=x, y=w.fit(x)))


PURE: tuple[Family, ...] = (
    unary, unary, unary, binary, binary, binary, binary, integer, logic, cast, where, joined, product, listed(PRODUCTS),
    listed(VIEWS, True), listed(VIEWS), listed(VIEWS),
    listed(SHAPES, True), listed(SHAPES), listed(REDUCTIONS), listed(REDUCTIONS), listed(REDUCTIONS, True), listed(INDEXING),
    listed(INDEXING), listed(NETWORKS), listed(NETWORKS),
    listed(MADE, True), *[windows, normed, compared, placed, listed(ORDERED), listed(ORDERED)], summed, complexes, mixed,
)  # fmt: skip
WRITING: tuple[Family, ...] = (*PURE, listed(VIEWS), *[in_place] * 5, replaced, replaced)  # type: ignore[arg-type]
DECIDING: tuple[Family, ...] = (*WRITING, *[listed(DECISIONS)] * 5)
CHANCE: tuple[Family, ...] = (*PURE, *[listed(RANDOM)] * 4)


# -- kinds of functions ---------------------------------------------------------------------------------------------------------


def plain(w: Writer, steps: int) -> Function:
    """Results and writes in place, of arguments, of what is closed over, and through views."""
    for _ in range(w.pick((1, 2, 2, 3))):
        w.argument()
    if w.chance(2):
        w.argument(closed=True)
    w.grow(steps, w.pick((PURE, WRITING, WRITING, CHANCE, DECIDING)))
    return w.function(_results(w))


def differentiable(w: Writer, steps: int) -> Function:
    """Results with a history: their gradient is taken outside, through the compiled function's own node of the tape."""
    w.argument(grad=True, dtype=w.pick(("float32", "float64")), layout="plain")
    if w.chance(2):
        w.argument(grad=True, dtype=w.pick(("float32", "float64")), layout="plain")
    if w.chance(2):
        w.argument()
    if w.chance(3):
        w.argument(closed=True, grad=True, dtype="float32", layout="plain")
    w.grow(steps, w.pick((PURE, PURE, WRITING, CHANCE, DECIDING)))
    return w.function(_results(w, lambda t: t.requires_grad))


def gradients(w: Writer, steps: int) -> Function:
    """First and second derivatives inside of the function, and something made of them."""
    w.argument(dtype=w.pick(("float32", "float64")))
    w.argument()
    leaves = [x for x in (w.let(f"{n}.detach().clone().requires_grad_()") for n in list(w.names) if w.space[n].is_floating_point()) if x]
    w.grow(steps, w.pick((PURE, PURE, WRITING)))
    for _ in range(w.pick((1, 2, 2))):
        loss = w.float(lambda t: t.requires_grad and not t.is_leaf)
        if loss is None:
            break
        total = w.let(f"({loss} * {loss}).sum()" if w.chance(2) else f"{loss}.sum()")
        made = total and w.let(f"torch.autograd.grad({total}, [{', '.join(leaves)}], create_graph=True, materialize_grads=True)")
        if made is None:
            break
        w.grow(2, PURE)
    return w.function(_results(w, detached=True))


INNER = (
    "u.cumsum(0)", "u.sort(0)[0]", "u.flip(0) * u", "u.reshape(-1, 1) * u.reshape(-1)", "u.logsumexp(0)",
    "torch.where(u > 0, u, u.square())", "u.norm()",
    "u.clone().mul_(2)", "u.unsqueeze(0).expand(2, *u.shape)", "u.index_select(0, torch.tensor([0, -1 % u.shape[0]]))",
    "torch.cat([u, u.neg()])", "u.var(0)",
    "u.prod()", "u.amax(0)", "torch.outer(u.flatten(), u.flatten())", "u.roll(1, 0) - u",
)  # fmt: skip


def transformed(w: Writer, steps: int) -> Function:
    """``torch.func``'s transforms of a random inner function."""
    x = w.argument(dtype=w.pick(("float32", "float64")), shape=w.pick(((3,), (2, 3), (4,), (3, 2))))
    y = w.argument(dtype=w.pick(("float32", "float64")), shape=w.pick(((3,), (2, 3), (1,), ())))
    body = w.pick(GENTLE).format(w.pick(("u * " + y, "u", "u.sin() + " + y, "u.sum()", "u.softmax(-1)", *INNER)))
    inner = f"lambda u: ({body}){w.pick(('.sum()', '.mean()', '.square().sum()'))}"
    outer = f"lambda u: {body}"
    w.let(
        w.pick((
            f"torch.func.grad({inner})({x})", f"torch.func.hessian({inner})({x})", f"torch.func.jacrev({outer})({x})",
            f"torch.func.jacfwd({outer})({x})",
            f"torch.func.vmap({inner})({x})", f"torch.func.jvp({outer}, ({x},), ({x}.cos(),))",
            f"torch.func.vmap(torch.func.grad({inner}))({x})",
            f"torch.func.vjp({outer}, {x})[0]", f"torch.func.jacfwd(torch.func.grad({inner}))({x})",
            f"torch.func.jvp(torch.func.grad({inner}), ({x},), ({x}.cos(),))",
            f"torch.func.vmap({outer}, in_dims=-1, out_dims=-1)({x})",
            f"torch.func.vmap(torch.func.vmap({inner}))({x}[..., None])",
            f"torch.func.grad(lambda u: torch.func.grad({inner})(u).sum())({x})",
            f"torch.func.vmap(torch.func.hessian({inner}))({x}[None])", f"torch.func.linearize({outer}, {x})[1]({x}.cos())",
            f"torch.autograd.functional.hessian({inner}, {x})",
            f"torch.autograd.functional.vjp({outer}, {x}, torch.ones_like(({outer})({x})))[1]",
            f"torch.func.vjp({outer}, {x})[1](torch.ones_like(({outer})({x})))[0]", f"torch.func.grad_and_value({inner})({x})",
        ))
    )  # fmt: skip
    w.grow(steps // 3, PURE)
    return w.function(_results(w))


MODELS = (
    "torch.nn.Linear({n}, 4)", "torch.nn.Sequential(torch.nn.Linear({n}, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))",
    "torch.nn.Sequential(torch.nn.Linear({n}, 4), torch.nn.LayerNorm(4), torch.nn.GELU(), torch.nn.Linear(4, 2))",
    "torch.nn.Sequential(torch.nn.Linear({n}, 6), torch.nn.BatchNorm1d(6), torch.nn.Tanh(), torch.nn.Dropout(0.3))",
    "torch.nn.Sequential(torch.nn.Unflatten(1, (1, {n})), torch.nn.Conv1d(1, 3, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten())",
    "torch.nn.Bilinear({n}, {n}, 3)",
)  # fmt: skip
OPTIMIZERS = (
    "SGD({p}, lr=0.05)", "SGD({p}, lr=0.05, momentum=0.9)", "Adam({p}, lr=0.01)", "AdamW({p}, lr=0.01)", "RMSprop({p}, lr=0.01)",
    "Adagrad({p}, lr=0.05)",
    "Adamax({p})", "NAdam({p})", "RAdam({p})", "Adadelta({p})", "Rprop({p})", "ASGD({p})",
    "SGD({p}, lr=0.01, weight_decay=0.1, nesterov=True, momentum=0.8)",
)  # fmt: skip
LOSSES = (
    "F.mse_loss({o}, {o}.detach().roll(1, 0))", "F.cross_entropy({o}.flatten(1), {o}.flatten(1).detach().argmax(-1))",
    "{o}.square().mean()",
    "F.smooth_l1_loss({o}, torch.zeros_like({o}))", "F.log_softmax({o}, -1).mean().neg()", "{o}.logsumexp(-1).sum()",
)  # fmt: skip


def training(w: Writer, steps: int) -> Function:
    """A step of training: forward, backward, optimizer, and zeroed gradients before or after."""
    n = w.pick((2, 3, 8))
    x = w.argument(dtype="float32", shape=(w.pick((2, 4, 5)), n), special=False)
    model, optimizer = w.pick(MODELS).format(n=n), w.pick(OPTIMIZERS).format(p="model.parameters()")
    w.setup += ["torch.manual_seed(0)", f"model = {model}", f"optimizer = torch.optim.{optimizer}"]
    for line in w.setup:
        exec(line, w.space)
    first = w.chance(2)
    if first:
        w.run("optimizer.zero_grad()")
    out = w.let(f"model({x}, {x})" if "Bilinear" in model else f"model({x})")
    loss = out and w.let(w.pick(LOSSES).format(o=out))
    if loss is not None:
        if w.chance(3):
            w.run(f"{loss} = {loss} + sum([(q * q).sum() for q in model.parameters()]) * 0.01")
        w.run(f"{loss}.backward()")
        if w.chance(3):
            w.run("torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)")
        w.run("optimizer.step()")
        if not first:
            w.run("optimizer.zero_grad()")
    w.grow(steps // 4, PURE)
    return w.function([f"{r}.detach()" for r in _results(w)])


KINDS = (plain, plain, plain, differentiable, differentiable, gradients, gradients, transformed, training)


def _results(w: Writer, test: Callable[[Any], bool] = lambda t: True, detached: bool = False) -> list[str]:
    """Some of the last values."""
    fitting = [n for n in w.names if test(w.space[n])] or list(w.names)
    chosen = list(dict.fromkeys([fitting[-1], *[w.pick(fitting) for _ in range(w.pick((0, 1, 2)))], *w.names[-1:]]))
    return [f"{n}.detach()" for n in chosen] if detached else chosen


def written(w: Writer) -> Function:
    """A function of a random kind."""
    return w.pick(KINDS)(w, w.pick((2, 4, 6, 9, 12)))


__all__ = ["KINDS", "written"]
