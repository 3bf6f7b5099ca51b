"""The values of a program's variables, from what its tape has kept.

A tape keeps only what its derivative rules name.  The rest follows: a step whose arguments are known is run again, a
constant that no rule needed (the 3 of ``x + 3``) is what its step's equation leaves for it.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np

from ..core.floating_flags import IGNORE, enter, leave
from ..core.modes import MODES
from ..core.op import Op
from ..core.rules import source
from ..core.tensor import Tensor, wrap
from .graph import Graph, Step, Variable, ones_like, raw, unpacked_values


def fill(graph: Graph) -> None:
    """Give every variable its value, as far as the tape tells."""
    before = MODES.grad
    MODES.grad = False
    token = enter(IGNORE)
    try:
        for step in graph.steps:
            if step.op is not None:
                _read(step, step.op)
        guessed: dict[Variable, Step] = {}
        open_steps = graph.steps
        for _ in range(6):
            forward = [_run(step) for step in open_steps]
            open_steps = [step for step in open_steps if _lacks(step)]
            solved = [_solve(step, guessed) or _invert(step, guessed) for step in reversed(open_steps)]
            if not any(forward) and not any(solved):
                break
    finally:
        leave(token)
        MODES.grad = before


def give(v: Variable, value: Any) -> None:
    """Set a variable's value, shape and dtype."""
    v.value = value
    if isinstance(value, (np.ndarray, np.generic)):
        v.shape, v.dtype = tuple(value.shape), value.dtype
    elif value is not None:
        v.shape = ()


def _read(step: Step, op: Op) -> None:
    """Take over what the step's node has saved."""
    with unpacked_values(step.node):
        pairs: list[tuple[str, Any]] = []
        for i, saved in step.node.rule_saved():  # type: ignore[attr-defined]
            pairs += zip(op.rule_names(i), saved, strict=True)
    for name, value in pairs:
        kind, k = source(name, op.argnames)
        if kind == "arg":
            _read_argument(step, k, value)
        elif kind == "args":
            for j, one in enumerate(value):
                _read_argument(step, k + j, one)
        elif kind == "out":
            for out in step.outputs:
                if out.index == k and out.value is None:
                    give(out, raw(value))
        else:
            step.known[name] = value
            if name.endswith("_shape") and name[:-6] in op.argnames:
                v = step.inputs[op.argnames.index(name[:-6])]
                if v is not None and v.shape is None:
                    v.shape = tuple(value)


def _read_argument(step: Step, k: int, value: Any) -> None:
    v = step.inputs[k]
    if v is None:
        return
    if value is None:
        step.inputs[k] = None  # an argument that was not given
    elif v.value is None or (v.leaf is not None and v.dtype == getattr(value, "dtype", None)):
        give(v, raw(value))


@functools.cache
def keywords(impl: Any) -> tuple[str, ...] | None:
    """The keywords that an implementation cannot do without; None where it does not say."""
    if isinstance(impl, np.ufunc):
        return ()
    try:
        parameters = inspect.signature(impl).parameters.values()
    except (TypeError, ValueError):
        return ()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return tuple([p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty])


def rerun(step: Step, values: list[Any]) -> Any:
    """The step's outputs for other values of its inputs, raw; None where the tape does not keep enough to run it."""
    op = step.op
    if op is None or any(value is None and v is not None for value, v in zip(values, step.inputs, strict=True)):
        return None
    needed = keywords(op.impl)
    if needed is None or any(name not in step.known for name in needed):
        return _by_transposition(step, values)
    kw = {name: step.known[name] for name in needed}
    args = [wrap(v) if isinstance(v, (np.ndarray, np.generic)) else v for v in values]
    if not any(isinstance(a, Tensor) for a in args):
        return None
    result = op.apply(*args, **kw)
    return tuple([raw(r) for r in result]) if isinstance(result, tuple) else raw(result)


def _by_transposition(step: Step, values: list[Any]) -> Any:
    """A linear operation of one argument from its transpose, whose keywords are known: (Jᵀ)ᵀ x."""
    op = step.op
    g = step.arrived
    if op is None or op.kind not in ("linear", "view") or len(values) != 1 or isinstance(g, tuple):
        return None
    g = raw(g)
    if g is None:
        return None
    shape = g.shape
    before = MODES.grad
    MODES.grad = True
    try:
        dummy = wrap(np.zeros(shape, g.dtype)).requires_grad_()
        (ct,) = step.node.pull_tensors(dummy, True)
        (ct * wrap(np.asarray(values[0], ct.dtype.np))).sum().backward()
    finally:
        MODES.grad = before
    return None if dummy._grad is None else dummy._grad._value


def _lacks(step: Step) -> bool:
    """Whether some value of the step is not known yet."""
    for v in step.inputs:
        if v is not None and v.value is None:
            return True
    for v in step.outputs:
        if v.value is None:
            return True
    return False


def _run(step: Step) -> bool:
    """Compute the step's outputs if that is news."""
    for out in step.outputs:
        if out.value is None:
            break
    else:
        return False
    result = rerun(step, [None if v is None else v.value for v in step.inputs])
    if result is None:
        return False
    for out in step.outputs:
        one = result[out.index] if isinstance(result, tuple) else result
        if out.value is None and (out.shape is None or tuple(one.shape) == out.shape):
            give(out, one)
    return True


def _solve(step: Step, guessed: dict[Variable, Step]) -> bool:
    """The one unknown argument of an elementwise step that is affine in it, from its output and the other arguments."""
    op = step.op
    if op is None or op.kind != "elementwise" or not op.rules or len(step.outputs) != 1 or len(op.rules) != len(step.inputs):  # type: ignore[arg-type]
        return False
    out = step.outputs[0].value
    unknown = [i for i, v in enumerate(step.inputs) if v is not None and v.value is None]
    if out is None or len(unknown) != 1:
        return False
    (i,) = unknown
    rule: Any = op.rules[i]  # type: ignore[index]
    if rule is None or any(source(n, op.argnames)[0] != "static" for n in op.rule_names(i)):
        return False
    needed = keywords(op.impl)
    if any(n not in step.known for n in (*op.rule_names(i), *(needed or ()))):
        return False
    v = step.inputs[i]
    assert v is not None
    known = [None if w is None else w.value for w in step.inputs]
    slope = rule(ones_like(out), *[step.known[n] for n in op.rule_names(i)])
    if not np.all(slope):
        return False
    rest = rerun(step, [np.zeros(out.shape, out.dtype)[()] if k == i else value for k, value in enumerate(known)])
    if rest is None or rest.shape != out.shape:
        return False
    found = (out - rest) / slope
    give(v, _tidy(step, known, i, found, guessed) if v.is_constant else _fitted(found, v.shape))
    return True


def _invert(step: Step, guessed: dict[Variable, Step]) -> bool:
    """The unknown argument of a function whose rule needs only its value (exp, tanh, sqrt …), by Newton's method."""
    op = step.op
    if op is None or op.kind != "elementwise" or len(step.inputs) != 1 or len(step.outputs) != 1 or not op.rules:
        return False
    v, out = step.inputs[0], step.outputs[0].value
    if v is None or v.value is not None or out is None or op.rule_names(0) != ("out",) or keywords(op.impl) or out.dtype.kind != "f":
        return False
    want = np.asarray(out, np.float64)
    rule: Any = op.rules[0]  # type: ignore[index]
    with np.errstate(all="ignore"):
        for start in (np.zeros_like(want), np.log1p(np.abs(want)), want, want * want, np.ones_like(want)):
            x = start
            for _ in range(60):
                have = op.impl(x)
                x = x - (have - want) / rule(np.ones_like(want), have)
            if np.all(np.isfinite(x)) and np.allclose(op.impl(x), want, rtol=1e-12, atol=0):
                give(v, x.astype(out.dtype)[()])
                guessed[v] = step
                return True
    return False


def _fitted(found: Any, shape: tuple[int, ...] | None) -> Any:
    """One of the equal copies that broadcasting made."""
    if shape is None or found.shape == shape:
        return found
    lead = found.ndim - len(shape)
    index = (0,) * lead + tuple([slice(0, 1) if n == 1 else slice(None) for n in shape])
    return found[index]


def _tidy(step: Step, known: list[Any], i: int, found: Any, guessed: dict[Variable, Step]) -> Any:
    """The shortest number that gives the output; else what was found."""
    first = found.flat[0] if found.size else None
    if first is None or not np.isfinite(first) or not np.isrealobj(found):
        return found
    made = step.outputs[0]
    user = guessed.get(made)
    for n in range(1, (7 if found.dtype.itemsize <= 4 else 15) + 1):
        number = float(f"{float(first):.{n}g}")
        again = rerun(step, [number if k == i else value for k, value in enumerate(known)])
        if again is None:
            continue
        # An output that was itself guessed counts by what its own consumer makes of it.
        if np.array_equal(again, made.value) if user is None else np.array_equal(rerun(user, [again]), user.outputs[0].value):
            give(made, again)
            return int(number) if number == int(number) and abs(number) < 1e15 else number
    return found
