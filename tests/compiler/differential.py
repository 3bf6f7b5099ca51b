"""A random function compiled against the function itself: results, writes, gradients, state, random stream, exceptions."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import chainrule as T
from chainrule.compiler.front import Compiled

from .functions import Function

CALLS = 4
ROUNDING = {"float16": 3e-3, "bfloat16": 2.5e-2, "float32": 2e-5, "float64": 1e-11}


class Outcome(NamedTuple):
    """What is there after a call, by name; ``error`` is what it raised."""

    values: dict[str, Any]
    error: BaseException | None


class Verdict(NamedTuple):
    """``why`` is None where the two agree; ``programs`` were compiled; ``sharp``: rounding alone explains a difference."""

    why: str | None
    programs: int
    sharp: bool = False


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The tensors of a result by name."""
    if isinstance(value, T.Tensor):
        yield name, value
    elif isinstance(value, (tuple, list)):
        for k, v in enumerate(value):
            yield from leaves(v, f"{name}[{k}]")


def outcome(function: Callable[..., Any], given: list[Any], space: dict[str, Any], seed: int) -> Outcome:
    """Call, go backward from what has a history, and look at everything."""
    T.manual_seed(seed)
    found: dict[str, Any] = {}
    error = None
    try:
        results = dict(leaves(function(*given), "result"))
        found.update(results)
        with_history = [r.abs().sum() if r.is_complex() else r.sum() for r in results.values() if r.requires_grad and not r.is_leaf]
        if with_history:
            sum(with_history).backward()
    except Exception as e:
        error = e
    for k, a in enumerate(given):
        found[f"argument {k}"] = a
    for name, value in space.items():
        if isinstance(value, T.Tensor) and re.fullmatch(r"w\d", name):
            found[name] = value
    for name in [n for n, v in found.items() if v.is_leaf and v.grad is not None]:
        found[f"{name}.grad"] = found[name].grad
    found.update(state(space))
    found["the random stream"] = T.get_rng_state()
    return Outcome({n: t.detach().clone() for n, t in found.items()}, error)


def state(space: dict[str, Any]) -> dict[str, Any]:
    """A model's and an optimizer's tensors."""
    found: dict[str, Any] = {}
    if "model" in space:
        found.update({f"model.{n}": t for n, t in space["model"].state_dict().items()})
        found.update({f"{n}.grad": p.grad for n, p in space["model"].named_parameters() if p.grad is not None})
        for k, kept in enumerate(space["optimizer"].state.values()):
            found.update({f"optimizer {k}.{n}": t for n, t in kept.items() if isinstance(t, T.Tensor)})
    return found


def array(t: Any) -> Any:
    return t.float().numpy() if t.dtype in (T.bfloat16, T.float16) else t.numpy()


def compare(want: Outcome, got: Outcome) -> tuple[str, str] | None:
    """(which value, how it differs), the first that does."""
    if type(want.error) is not type(got.error):
        return "the exception", f"{got.error!r} instead of {want.error!r}"
    if want.values.keys() != got.values.keys():
        return "the values", f"there are {sorted(got.values.keys() ^ want.values.keys())} in one and not in the other"
    for name, w in want.values.items():
        g = got.values[name]
        if (w.dtype, w.shape) != (g.dtype, g.shape):
            return name, f"{g.dtype} {tuple(g.shape)} instead of {w.dtype} {tuple(w.shape)}"
        if not close(array(g), array(w), str(w.dtype).partition(".")[2]):
            return name, f"got\n{array(g)}\nwanted\n{array(w)}"
    return None


def close(g: Any, w: Any, dtype: str) -> bool:
    if w.dtype.kind not in "fc":
        return bool(np.array_equal(g, w))
    eps = ROUNDING.get(dtype, 2e-5)
    finite = np.abs(w[np.isfinite(w)])
    scale = max(1.0, float(finite.max(initial=0.0)))
    with np.errstate(all="ignore"):
        return bool(np.allclose(g, w, rtol=eps, atol=eps * scale, equal_nan=True))


def verdict(function: Function, engine: Any = None, calls: int = CALLS) -> Verdict:
    """Call both a few times, with other numbers each time, the function as it was and as it was compiled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, mine = function.made()
        other, theirs = function.made()
        compiled = Compiled(other, engine=engine)
        sharp = False
        for call in range(calls):
            want = outcome(plain, function.given(call), mine, call)
            got = outcome(compiled, function.given(call), theirs, call)
            if "modified by an inplace operation" in str(want.error):
                return Verdict(None, len(compiled.programs()))  # a capture keeps the values that were overwritten
            found = compare(want, got)
            if found is not None and found[0] != "the exception" and explained(function, call, want, got):
                return Verdict(None, len(compiled.programs()), True)  # what follows in later calls is another history
            if found is not None:
                return Verdict(f"call {call}, {found[0]}: {found[1]}", len(compiled.programs()))
        return Verdict(None, len(compiled.programs()), sharp)


def explained(function: Function, call: int, want: Outcome, got: Outcome) -> bool:
    """Whether rounding explains the difference: it does where values change as much when every line's results are rounded otherwise."""
    spread: dict[str, Any] = {}
    for trial in range(6):
        made = noisy(function, call, trial)
        if made is None or made.values.keys() != want.values.keys():
            return made is not None
        for name, w in want.values.items():
            a, b = array(made.values[name]), array(w)
            if a.shape != b.shape:
                return True
            with np.errstate(all="ignore"):
                d = np.where(a == b, 0.0, np.abs(a.astype(np.float64) - b.astype(np.float64))) if a.dtype.kind != "c" else np.abs(a - b)
            same = np.isnan(a) == np.isnan(b) if a.dtype.kind in "fc" else np.ones(a.shape, bool)
            spread[name] = np.maximum(spread.get(name, 0.0), np.where(same & ~np.isnan(d), d, np.where(same, 0.0, np.inf)))
    for name, w in want.values.items():
        a, b = array(got.values[name]), array(w)
        if a.shape != b.shape:
            return False
        if close(a, b, str(w.dtype).partition(".")[2]):
            continue
        most = float(np.max(spread[name], initial=0.0)) * 20
        if a.dtype.kind not in "fc" and most > 0:
            continue
        if not np.isinf(most):
            with np.errstate(all="ignore"):
                if not np.allclose(a, b, rtol=1e-4, atol=most, equal_nan=True):
                    return False
    return True


def noisy(function: Function, call: int, trial: int) -> Outcome | None:
    """One run of the function, each line's result rounded otherwise; the calls before it as they are."""
    plain, space = function.made()
    for before in range(call):
        outcome(plain, function.given(before), space, before)
    rng = np.random.default_rng([function.seed, call, trial])
    given = function.given(call)
    space.update(zip([a.name for a in function.arguments], given))
    for t in (*given, *[space[a.name] for a in function.closed]):
        shaken(t, rng, trial)

    def run(*_: Any) -> Any:
        for line in function.lines:
            exec(line, space)
            named = re.match(r"\w+", line)
            target = space.get(named[0]) if named else None
            for _, t in leaves(target, ""):
                shaken(t, rng, trial)
            if line.endswith("backward()"):
                for p in space["model"].parameters() if "model" in space else ():
                    if p.grad is not None:
                        shaken(p.grad, rng, trial, least=1.0)
        return eval(f"({', '.join(function.results)},)", space)

    made = outcome(run, given, space, call)
    return made if made.error is None else None


def shaken(t: Any, rng: np.random.Generator, trial: int, least: float = 0.0) -> None:
    """Move a tensor's floats by an ulp or two, later by up to the stated rounding; in every second trial zeros too.

    ``least``: how large the numbers are that it was computed from, at least.
    """
    eps = {T.float32: 2e-7, T.float64: 4e-16, T.float16: 1e-3, T.bfloat16: 8e-3}.get(t.dtype)
    if eps is None or not t.numel():
        return
    eps *= 4.0 ** (trial // 2)
    noise = T.tensor(rng.standard_normal(tuple(t.shape)) * eps).to(t.dtype)
    value = t.detach().clone()
    finite = value.float().abs().nan_to_num(0, 0, 0)
    moved = value * (1 + noise) + (noise * max(least, float(finite.max())) if trial % 2 else 0)
    try:
        t.data.copy_(moved)
    except RuntimeError:  # memory of which elements share places
        return


def shrunk(function: Function, fails: Callable[[Function], bool], most: int = 200) -> Function:
    """The function with lines, results and arguments left out, as long as it fails; what a line named becomes one of its operands."""
    tries = 0
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(function):
            tries += 1
            if tries > most:
                return function
            if fails(smaller):
                function, changed = smaller, True
                break
    return function


def _smaller(function: Function) -> Iterator[Function]:
    for k in range(len(function.results)):
        if len(function.results) > 1:
            yield replace(function, results=function.results[:k] + function.results[k + 1 :])
    for k in reversed(range(len(function.lines))):
        line, rest = function.lines[k], function.lines[k + 1 :]
        named = re.match(r"(v\d+) = ", line)
        before = function.lines[:k]
        yield replace(function, lines=before + rest)
        for operand in dict.fromkeys(re.findall(r"\b(?:v\d+|w\d|[a-h])\b", line.partition(" = ")[2])) if named else ():
            exchanged = [re.sub(rf"\b{named[1]}\b", operand, text) for text in (*rest, *function.results)]  # type: ignore[index]
            yield replace(function, lines=before + tuple(exchanged[: len(rest)]), results=tuple(exchanged[len(rest) :]))
    for k, a in enumerate(function.arguments):
        if len(function.arguments) > 1 and a.name not in " ".join([*function.lines, *function.results]):
            continue  # other arguments' numbers depend on the position
        if a.layout != "plain":
            yield replace(function, arguments=(*function.arguments[:k], replace(a, layout="plain"), *function.arguments[k + 1 :]))
        if a.special:
            yield replace(function, arguments=(*function.arguments[:k], replace(a, special=False), *function.arguments[k + 1 :]))


def assert_agrees(function: Function, engine: Any = None) -> Verdict:
    """Fail with the smallest function found that differs."""
    found = verdict(function, engine)
    if found.why is not None:
        kind = found.why.partition(":")[0].partition(",")[2].partition("[")[0]

        def fails(f: Function) -> bool:
            try:
                again = verdict(f, engine).why
            except Exception:
                return False
            return again is not None and kind in again

        small = shrunk(function, fails)
        raise AssertionError(f"seed {function.seed}\n{small}\n{verdict(small, engine).why}")
    return found
