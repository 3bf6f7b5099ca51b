"""From an operation to nodes.

In this order: a lowering that is written for the operation; a view, whose strides NumPy itself finds; the implementation, run
on symbols (elementwise) or on captured tensors (where it is written in operations); and for everything else a host call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from ....core.apply import WIDE_NUMBERS, cast_scalar, operand_dtypes
from ....core.dtype import FROM_NUMPY, defaults, dtype, float32
from ....core.meta import Meta
from ....core.op import Op
from ....core.size import broadcast_pair
from ....core.tensor import Tensor, wrap
from ...program.ir import Node
from ...program.spec import FUNCTIONS, category
from .. import build, symbolic
from ..number import Number, plain
from ..order import template
from ..symbolic import Unsupported
from ..value import Captured
from . import contraction, distances, draws, indexing, losses, normal, order, reduction, resampling, scans, structure, windows
from .forms import FORMS
from .table import LOWERINGS

__all__ = [
    "contraction", "distances", "draws", "indexing", "losses", "lowered", "normal", "order", "reduction", "resampling", "scans",
    "structure", "windows",
]  # fmt: skip

_COMPOSED = frozenset(
    {
        "scaled_dot_product_attention", "lstm_layer", "gru_layer", "rnn_layer", "addmm", "addmv", "addr", "baddbmm", "addbmm",
    }
)  # fmt: skip
_SYMBOLIC = frozenset({"smooth_l1_loss", "huber_loss", "soft_margin_loss"})
_COPIED = frozenset({"view_as_real", "view_as_complex", "strided_gather"})  # views that a program copies
_COUNTED = frozenset({"masked_select"})  # how many elements the result has depends on values


def lowered(recorder: Any, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    """The captured result of ``op``; raises Unsupported where only arrays will do."""
    if op.name in _COPIED:
        made = _host(recorder, op, args, kw)
        recorder.chosen.append((recorder.value_of(args[0]).cell, ref(made._value.cell)))
        return made
    if op.kind == "view":
        found = _view(recorder, op, args, kw)
        if found is not None:
            return found
    if op.name in ("detach", "tie"):
        return wrap(recorder.value_of(args[0]))
    if op.name == "sample_like":
        like = recorder.value_of(args[0])
        order = recorder.order_of(like)
        return wrap(recorder.ordered(recorder.drawn(like.shape, lambda s: op.impl(template(s, order), **kw)), like))
    if op.name in ("draw", "rrelu_slopes"):
        return draws.computed(recorder, op, args, kw)
    if op.name == "to_meta":
        raise Unsupported("a tensor without data")
    if op.name in _COUNTED:
        raise Unsupported("the shape of the result depends on values")
    if op.name in _COMPOSED:
        return op.impl(*[wrap(recorder.value_of(a).frozen()) if isinstance(a, Tensor) else a for a in args], **kw)
    if any(isinstance(a, Tensor) and category(_dtype(a)) == "c" for a in args):
        return _host(recorder, op, args, kw)
    nodes = [recorder.value_of(a).node if isinstance(a, Tensor) else build.const(a) if isinstance(a, np.ndarray) else a for a in args]
    try:
        if op.kind == "elementwise":
            made = [_followed(op, args, nodes, kw)]
        elif op.name in LOWERINGS:
            made = _several(LOWERINGS[op.name](*nodes, **kw))
        elif op.name in _SYMBOLIC:
            made = symbolic.run(op.impl, tuple(nodes), kw)
        else:
            return _host(recorder, op, args, kw)
    except Unsupported:
        return _host(recorder, op, args, kw)
    outs = tuple([wrap(Captured.of(recorder, node)) for node in made])
    if op.name == "index" and all(not a.ndim for a in args[1:]):
        recorder.chosen.append((recorder.value_of(args[0]).cell, ref(outs[0]._value.cell)))
    if op.name == "full_like":
        recorder.ordered(outs[0]._value, recorder.value_of(args[0]))
    return outs if op.outputs != 1 else outs[0]


def _dtype(tensor: Tensor) -> Any:
    value = tensor._value
    return value.numpy_dtype if isinstance(value, Captured) else value.dtype


def _several(made: Any) -> list[Node]:
    return list(made) if isinstance(made, (tuple, list)) else [made]


def _view(recorder: Any, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    """A view of the same cell, or None where NumPy would have to copy."""
    captured = recorder.value_of(args[0])
    probe, whole = captured.probe()
    shown = op.impl(probe, **kw)
    parts = shown if isinstance(shown, (tuple, list)) else (shown,)
    if any(p.dtype != np.uint8 for p in parts):
        return _host(recorder, op, args, kw)
    if any(p.size and not np.may_share_memory(p, whole) for p in parts):
        return wrap(Captured.of(recorder, build.reshape(captured.node, shown.shape)))
    made = [wrap(captured.taken(p, whole)) for p in parts]
    return made[0] if op.outputs == 1 else tuple(made)


# One function of the program's for an operation: no need to look inside.
DIRECT = {
    name: name
    for name in (
        "add sub mul div neg abs reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sigmoid sin cos tan asin acos atan sinh cosh"
        " tanh asinh acosh atanh atan2 hypot erf erfc lgamma floor ceil trunc eq ne lt le gt ge isnan isinf isfinite signbit maximum"
        " minimum fmax fmin where copysign"
    ).split()
}


def _followed(op: Op, args: tuple[Any, ...], nodes: list[Any], kw: dict[str, Any]) -> Node:
    """The elementwise operation; of plain numbers where it cannot be one of numbers that change."""
    if not any(type(a) is Number for a in args):
        return _elementwise(op, args, nodes, kw)
    try:
        return _elementwise(op, args, nodes, kw)
    except Unsupported:
        return _elementwise(op, tuple([plain(a) for a in args]), [plain(n) for n in nodes], kw)


def _operand(number: Number, kind: dtype) -> Node:
    """A number that changes as a node, in the dtype that ``cast_scalar`` gives it."""
    if kind.category == 1 and number._kind is float or not number._trace.fits(number):
        return build.const(cast_scalar(plain(number), kind))
    return build.cast(number._trace.node(number, np.dtype(np.int64 if kind.category == 1 else np.float64)), kind.np)


def _elementwise(op: Op, args: tuple[Any, ...], nodes: list[Any], kw: dict[str, Any]) -> Node:
    """Promotion as :func:`chainrule.core.apply.elementwise` has it, then the function."""
    kind = operand_dtypes(tuple([a._kind() if type(a) is Number else a for a in args]), op.promote)
    if op.result == "float" and kind.category < 2:
        kind = defaults.floating
    if op.check is not None:
        op.check(kind, args)
    if kind.np.kind not in "biuf" and kind.itemsize != 2:
        raise Unsupported(f"dtype {kind}")
    shape: tuple[int, ...] = ()
    for node in nodes:
        if isinstance(node, Node):
            shape = broadcast_pair(shape, node.shape)
    half = kind.category == 2 and kind.itemsize < 4
    narrow = half and op.opmath
    work = np.dtype(np.float32) if narrow or (half and kind.np.kind == "V") else kind.np  # NumPy knows no bfloat16
    wide = narrow and op.name in WIDE_NUMBERS
    given: list[Any] = []
    for i, node in enumerate(nodes):
        promoted = op.promote is None or i in op.promote
        if isinstance(node, Node):
            given.append(build.cast(build.cast(node, kind.np), work) if promoted else node)
        elif type(node) is Number:
            if not promoted:
                raise Unsupported("a number that changes")
            given.append(build.cast(_operand(node, float32 if wide else kind), work))
        elif node is None or not promoted:
            given.append(node)
        else:
            given.append(build.const(node if wide else cast_scalar(node, kind), work))
    target = np.dtype(bool) if op.result == "bool" else kind.np
    if op.name in DIRECT and not kw and all(isinstance(g, Node) for g in given):
        fits = category(given[-1].dtype) in FUNCTIONS[DIRECT[op.name]].categories
        if not fits and op.result != "bool":
            return build.expand(given[0], shape)  # whole numbers are rounded
        if not fits:
            given = [build.cast(g, np.float64) for g in given]
        made = build.mapped(DIRECT[op.name], *given, dtype=target if op.result == "bool" else work)
    else:
        numbers = [g.attrs["value"][()] if isinstance(g, Node) and g.op == "const" and g.shape == () else g for g in given]
        made = symbolic.run(FORMS.get(op.name, op.impl) if kind.category < 3 else op.impl, tuple(numbers), kw)[0]
    return build.expand(build.cast(made, target), shape)


def _on_arrays(op: Op, args: tuple[Any, ...], kw: dict[str, Any], kind: Any) -> Callable[..., tuple[Any, ...]]:
    """The operation as a function of arrays, a tuple; its implementation alone, where dtypes are the result's already."""
    numbers = [None if isinstance(a, Tensor) else (a,) for a in args]
    impl = op.impl
    if op.kind == "elementwise":
        dtypes = {_dtype(a) for a in args if isinstance(a, Tensor)}
        if dtypes != {kind} or kind.kind != "c" or op.promote is not None:

            def applied(*arrays: Any) -> tuple[Any, ...]:
                rest = iter(arrays)
                found = op.apply(*[wrap(next(rest)) if t is None else t[0] for t in numbers], **kw)
                many = found if isinstance(found, (tuple, list)) else (found,)
                return tuple([np.asarray(o._value) for o in many])

            return applied
        numbers = [t if t is None or t[0] is None else (cast_scalar(t[0], FROM_NUMPY[kind]),) for t in numbers]

    def run(*arrays: Any) -> tuple[Any, ...]:
        if len(arrays) < len(numbers):
            rest = iter(arrays)
            arrays = tuple([next(rest) if t is None else t[0] for t in numbers])
        found = impl(*arrays, **kw)
        return tuple(found) if isinstance(found, (tuple, list)) else (found,)

    return run


def _host(recorder: Any, op: Op, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    """The operation on NumPy, called from the program.  Unsupported where the shape of the result depends on values."""
    args = tuple([plain(a) for a in args])
    looks = [wrap(Meta(tuple(a._value.shape), _dtype(a))) if isinstance(a, Tensor) else a for a in args]
    try:
        result = op.apply(*looks, **kw)
    except Exception as error:
        raise Unsupported(f"the shape of the result depends on values ({type(error).__name__}: {error})") from None
    outs = result if isinstance(result, (tuple, list)) else (result,)
    kinds = tuple([(tuple(o._value.shape), o._value.numpy_dtype) for o in outs])
    function = _on_arrays(op, args, kw, kinds[0][1])
    function.__name__ = op.name
    given = [recorder.value_of(a).node for a in args if isinstance(a, Tensor)]
    call = build.make("call", given, (), np.bool_, function=function, outputs=kinds)
    made = [
        wrap(Captured.of(recorder, build.make("item", (call,), shape, dtype, k=k))) for k, (shape, dtype) in enumerate(kinds)
    ]
    return tuple(made) if op.outputs != 1 else made[0]


