"""Forward mode from the one written rule: the tangent of an operation's output from those of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .backward import run_backward
from .levels import new_level
from .lifted import lifted_leaf
from .modes import MODES
from .op import Op, edge_of, has_tangent
from .tensor import Tensor, wrap


def push_forward(op: Op, primals: Sequence[Any], tangents: Sequence[Any], out: Any, kw: dict[str, Any]) -> Any:
    """The output's tangent (a tuple for several outputs); None where it is not differentiable."""
    if (op.rules is None and op.jvp_rule is None) or (op.outputs == 1 and not has_tangent(out)):
        return None
    if op.jvp_rule is not None:
        return op.jvp_rule(tangents, out, primals, kw)
    if op.kind == "elementwise":
        return _elementwise(op, primals, tangents, out, kw)
    if op.kind in ("linear", "view"):
        return op(*[_linear_argument(op, i, p, t) for i, (p, t) in enumerate(zip(primals, tangents, strict=True))], **kw)
    if op.kind == "multilinear":
        total = None
        for i, t in enumerate(tangents):
            if t is not None:
                part = op(*[t if j == i else p for j, p in enumerate(primals)], **kw)
                total = part if total is None else total + part
        return total
    return transposed(op, primals, tangents, out, kw)


def _elementwise(op: Op, primals: Sequence[Any], tangents: Sequence[Any], out: Any, kw: dict[str, Any]) -> Any:
    pickers = op.pickers()
    rules: Any = op.rules
    total = None
    for i, t in enumerate(tangents):
        if t is None or i >= len(rules) or rules[i] is None:
            continue
        part = rules[i](t, *pickers[i](out, primals, kw, None))
        if not isinstance(part, Tensor):
            part = wrap(part)
        total = part if total is None else total + part
    if total is None:
        return None
    if total.dtype is not out.dtype:
        total = total.to(out.dtype)
    return total if tuple(total.shape) == tuple(out.shape) else total.expand(tuple(out.shape))


def _linear_argument(op: Op, index: int, primal: Any, tangent: Any) -> Any:
    """A linear operation on tangents: zeros for a differentiable argument that has none, other arguments as they are."""
    if tangent is not None:
        return tangent
    if not isinstance(primal, Tensor) or not (primal.dtype.is_floating_point or primal.dtype.is_complex):
        return primal
    rules: Any = op.rules
    differentiable = op.joint or (index < len(rules) and rules[index] is not None)
    return primal.detach().zeros_like() if differentiable else primal


def transposed(op: Op, primals: Sequence[Any], tangents: Sequence[Any], out: Any, kw: dict[str, Any]) -> Any:
    """Transpose the vjp rule, which is linear in its cotangent: tape it over a dummy cotangent, and pull the tangents back.

    J t = (Jᵀ)ᵀ t: the "double vjp" of J. Townsend, "A new trick for calculating Jacobian vector products" (2017).
    """
    outer = MODES.grad
    with new_level() as level:
        MODES.grad = True
        outs = out if isinstance(out, (tuple, list)) else (out,)
        wanted = [k for k in range(len(outs)) if op.outputs < 0 or k in op.differentiable]
        dummies = {k: lifted_leaf(level, outs[k].detach().zeros_like(), outer) for k in wanted}
        if op.outputs == 1:
            g: Any = dummies[0]
        elif len(wanted) == 1 and op.outputs > 0:
            g = dummies[wanted[0]]
        else:
            g = tuple([dummies.get(k, outs[k]) for k in range(len(outs))])
        roots = _pulled(op, primals, tangents, out, kw, g)
        roots = [(edge_of(ct), t) for ct, t in roots if isinstance(ct, Tensor) and ct._gn is not None]
        inputs = [dummies[k] for k in wanted]
        MODES.grad = outer
        found = run_backward(roots, inputs=inputs, keep=False, create_graph=False, accumulate=False).captured if roots else {}
    pushed: dict[int, Any] = {}
    for i, k in enumerate(wanted):
        ct = found.get(i)
        pushed[k] = outs[k].detach().zeros_like() if ct is None else ct if isinstance(ct, Tensor) else wrap(ct)
    if op.outputs == 1:
        return pushed[0]
    return tuple([pushed.get(k) for k in range(len(outs))])


def _pulled(op: Op, primals: Sequence[Any], tangents: Sequence[Any], out: Any, kw: dict[str, Any], g: Any) -> list[tuple[Any, Any]]:
    """(cotangent of the dummy, tangent) for every argument that has a tangent."""
    rules: Any = op.rules
    pickers = op.pickers()
    if op.joint:
        needs = tuple([t is not None for t in tangents])
        cts = rules(g, *pickers(out, primals, kw, needs))
        return [(ct, t) for ct, t in zip(cts, tangents, strict=True) if t is not None and ct is not None]
    found = []
    for i, t in enumerate(tangents):
        if t is not None:
            op.require_rule(i)
            found.append((rules[i](g, *pickers[i](out, primals, kw, None)), t))
    return found
