"""``autograd.Function`` inside the transforms: the function runs one level below, with a rule for each level's kind."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from ..core.batched import Batched, unbatch
from ..core.dual import Dual, make_dual, split_dual
from ..core.lifted import Lifted, lower
from ..core.modes import MODES
from ..core.op import level_of
from ..core.tensor import Tensor, wrap

NEEDS_SETUP = (
    "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the setup_context"
    " staticmethod. For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"
)

VmapInfo = namedtuple("VmapInfo", ["batch_size", "randomness"])


def apply_at_level(cls: Any, args: tuple[Any, ...]) -> Any:
    """``cls.apply(*args)`` where some argument belongs to a transform."""
    from .function import Function

    if cls.setup_context is Function.setup_context:
        raise RuntimeError(NEEDS_SETUP)
    top = max((a for a in args if isinstance(a, Tensor)), key=level_of)
    value = top._value
    if isinstance(value, Lifted):
        return _lifted(cls, args, value)
    if isinstance(value, Dual):
        return _dual(cls, args, value.level)
    if isinstance(value, Batched):
        return _batched(cls, args, value.level)
    ctx = cls._context(args)
    return cls._finish(ctx, args, cls._run(ctx, args, {}))


def _mapped(outputs: Any, one: Any) -> Any:
    if isinstance(outputs, (tuple, list)):
        return tuple([one(k, o) for k, o in enumerate(outputs)])
    return one(0, outputs)


def _lifted(cls: Any, args: tuple[Any, ...], value: Lifted) -> Any:
    level = value.level
    inner = tuple([lower(a, level) for a in args])
    ctx = cls._context(args)
    ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a._gn is not None and level_of(a) == level for a in args])
    below = cls.apply(*inner)
    before = MODES.grad
    MODES.grad = False
    try:
        cls.setup_context(ctx, inner, below)
    finally:
        MODES.grad = before
    kept = ctx.to_save
    inert = [id(t) for t in ctx.non_differentiable]
    lifted = _mapped(below, lambda k, o: value.lift(o) if isinstance(o, Tensor) else o)
    ctx.non_differentiable = tuple(
        [lo for lo, o in zip(_listed(lifted), _listed(below), strict=True) if isinstance(o, Tensor) and id(o) in inert]
    )
    ctx.dirty_tensors = ()
    ctx.to_save = None
    result = cls._finish(ctx, args, lifted)
    ctx.level = level
    # What was saved are tensors of the level below, recorded on that level's own tape: kept as they are.
    ctx.kept = None
    ctx.to_save = kept
    ctx.raw = False
    return result


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


def _dual(cls: Any, args: tuple[Any, ...], level: int) -> Any:
    pairs = [split_dual(a, level) for a in args]
    primals = tuple([p for p, _t in pairs])
    ctx = cls._context(primals)
    out = cls.apply(*primals)
    cls.setup_context(ctx, primals, out)
    ctx.to_save = getattr(ctx, "saved_for_forward", None) or ctx.to_save
    pushed = _listed(cls.jvp(ctx, *[t for _p, t in pairs]))
    return _mapped(out, lambda k, o: o if pushed[k] is None else make_dual(level, o, pushed[k]))


def _batched(cls: Any, args: tuple[Any, ...], level: int) -> Any:
    from .function import Function

    size, mode = next((s, m) for lv, s, m in MODES.vmaps if lv == level)
    pairs = [unbatch(a, level) for a in args]
    if cls.vmap is not Function.vmap:
        if cls.generate_vmap_rule:
            raise RuntimeError(
                f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overriden vmap staticmethod."
                " Please set generate_vmap_rule=False or delete the overriden vmap staticmethod to avoid ambiguity. For more details,"
                " please see https://pytorch.org/docs/main/notes/extending.func.html"
            )
        inner = [x for x, _b in pairs]
        dims = tuple([0 if b else None for _x, b in pairs])
        out, out_dims = cls.vmap(VmapInfo(size, mode), dims, *inner)
        places = list(out_dims) if isinstance(out_dims, (tuple, list)) else [out_dims] * len(_listed(out))

        def rewrap(k: int, o: Any) -> Any:
            if places[k] is None or not isinstance(o, Tensor):
                return o
            return wrap(Batched(level, o if places[k] == 0 else o.movedim(places[k], 0)))

        return _mapped(out, rewrap)
    if not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement the vmap"
            " staticmethod or set generate_vmap_rule=True. For more details, please see"
            " https://pytorch.org/docs/main/notes/extending.func.html"
        )
    out = _generated(cls, [b for _x, b in pairs], size, mode).apply(*[x for x, _b in pairs])
    return _mapped(out, lambda k, o: wrap(Batched(level, o)) if isinstance(o, Tensor) else o)


def _generated(cls: Any, batched: list[bool], size: int, mode: str) -> Any:
    """The function of whole batches: forward, backward and jvp of ``cls``, each under vmap."""
    from ..func.vmap import vmap
    from .function import Function

    dims = tuple([0 if b else None for b in batched])

    class Batch(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*args: Any) -> Any:
            return vmap(cls.forward, dims, randomness=mode)(*args)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            ctx.save_for_backward(*[x for x in inputs if isinstance(x, Tensor)], *[o for o in _listed(output) if isinstance(o, Tensor)])
            ctx.layout = [None if isinstance(x, Tensor) else x for x in inputs], [isinstance(x, Tensor) for x in inputs]

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            constants, is_tensor = ctx.layout
            saved = list(ctx.saved_tensors)
            inputs = [saved.pop(0) if t else c for c, t in zip(constants, is_tensor, strict=True)]
            needs = ctx.needs_input_grad
            multiple = len(saved) > 1

            def one(ins: Any, outs: Any, gs: Any) -> Any:
                inner = cls._context(tuple(ins))
                inner.needs_input_grad = needs
                cls.setup_context(inner, tuple(ins), tuple(outs) if multiple else outs[0])
                found = _listed(cls.backward(inner, *gs))
                return tuple([f for f in found if f is not None]), [f is not None for f in found]

            present: list[list[bool]] = []

            def values(ins: Any, outs: Any, gs: Any) -> Any:
                found, mask = one(ins, outs, gs)
                present.append(mask)
                return found

            cts = iter(vmap(values, (list(dims), 0, 0), randomness=mode)(inputs, saved, list(grads)))
            full = [next(cts) if there else None for there in present[-1]]
            return tuple([f if f is None or b else f.sum(0) for f, b in zip(full, batched, strict=True)])

    Batch.__name__ = cls.__name__
    return Batch
