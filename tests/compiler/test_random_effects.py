"""Random functions with effects in Python, compiled, do what they do: see :mod:`.effect_lines`.

A run takes a share; ``CHAINRULE_RANDOM=all`` takes 2,000, a range such as ``CHAINRULE_RANDOM=0:1000`` a part of them.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import random
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled, default_engine
from chainrule.compiler.program.execute import prepare

from .effect_lines import Statement, World, smaller, text, written

WHICH = os.environ.get("CHAINRULE_RANDOM", "0:40")
FIRST, END = (0, 2000) if WHICH == "all" else map(int, WHICH.split(":"))
BLOCK = 20
NATIVE = 10  # machine code for a part: an LLVM module takes its time
CALLS = 8
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?|\binf\b|\bnan\b")


def made(source: str, name: str) -> tuple[Any, dict[str, Any]]:
    """The function of a text, and its globals."""
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    space: dict[str, Any] = {"__name__": name}
    exec(compile(source, name, "exec"), space)
    return space["make"](), space


def outcomes(source: str, wrap: Callable[[Any], Any]) -> list[Any]:
    """What every call gives or raises, and all that is there after it."""
    function, space = made(source, "<random effects>")
    torch.manual_seed(0)
    random.seed(0)
    world = World()
    run = wrap(function)
    found = []
    for call in range(CALLS):
        torch.manual_seed(call)
        x = torch.randn(3, 4, dtype=torch.float64)
        world.fuel = 20
        printed = io.StringIO()
        result: Any
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result = run(x, world)
            except Exception as error:
                result = (type(error).__name__, str(error).partition("\n")[0])
        after = dict(
            result=result, printed=printed.getvalue(), x=x, level=space["level"], shared=shared(function), w=world.w, grad=world.w.grad,
            momentum=[s.get("momentum_buffer") for s in world.optimizer.state.values()], stream=torch.get_rng_state(),
            random=random.getstate(),
            **{n: v for n, v in vars(world).items() if n not in ("w", "optimizer")},
        )  # fmt: skip
        found.append({name: plain(value) for name, value in after.items()})
    return found


def shared(function: Any) -> Any:
    """The variable around the function that it sets."""
    function = getattr(function, "forward", function)
    function = getattr(function, "__func__", function)
    return dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))["shared"].cell_contents


def plain(value: Any) -> Any:
    """The same without tensors, as it is now."""
    if isinstance(value, torch.Tensor):
        return value.requires_grad, value.detach().numpy().copy()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two are equal but for the order of additions."""
    if isinstance(a, (float, np.ndarray)) and isinstance(b, (float, np.ndarray)):
        return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=1e-6, atol=1e-8, equal_nan=True))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, str) and isinstance(b, str) and NUMBER.sub("", a) == NUMBER.sub("", b):
        return all(abs(float(p) - float(q)) < 2e-4 or p == q for p, q in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True))
    return type(a) is type(b) and bool(a == b)


def difference(body: tuple[Statement, ...], kind: str, engine: Any) -> str | None:
    """Where the compiled function does something else; None where it does not."""
    source = text(body, kind)
    pairs = zip(outcomes(source, lambda f: f), outcomes(source, lambda f: Compiled(f, engine=engine)), strict=True)
    for call, (want, got) in enumerate(pairs):
        for name, value in want.items():
            if not same(value, got[name]):
                return f"call {call}, {name}: {got[name]} instead of {value}"
    return None


def assert_same(seed: int, engine: Any, find: Callable[..., str | None] = difference) -> None:
    """Fail with the smallest function found that differs."""
    body, kind = written(seed)
    found = find(body, kind, engine)
    if found is None:
        return
    name = found.partition(":")[0].partition(", ")[2]

    def fails(candidate: tuple[Statement, ...]) -> bool:
        try:
            why = find(candidate, kind, engine)
        except SyntaxError:
            return False
        return why is not None and f", {name}:" in why

    tries, changed = 0, True
    while changed and tries < 400:
        changed = False
        for candidate in smaller(body):
            tries += 1
            if fails(candidate):
                body, changed = candidate, True
                break
    raise AssertionError(f"seed {seed}\n{text(body, kind)}\n{find(body, kind, engine)}")


@pytest.mark.parametrize("first", range(FIRST, END, BLOCK))
def test_random_effects(first: int) -> None:
    for seed in range(first, min(first + BLOCK, END)):
        assert_same(seed, prepare)
        if seed % NATIVE == 0:
            assert_same(seed, default_engine())


def test_most_functions_have_programs() -> None:
    """The texts are worth something only if there is anything compiled in them."""
    compiled: list[Any] = []

    def kept(function: Any) -> Any:
        compiled.append(Compiled(function, engine=prepare))
        return compiled[-1]

    seeds = range(30)
    calls = [outcomes(text(*written(seed)), kept) for seed in seeds]
    assert sum(bool(c.programs()) for c in compiled) > len(seeds) * 2 // 3
    failed = sum(isinstance(after["result"][0], str) for found in calls for after in found)
    assert failed < len(seeds) * CALLS // 2, "most calls are to give something"


def test_a_difference_is_found_and_made_small() -> None:
    def wrong(body: tuple[Statement, ...], kind: str, engine: Any) -> str | None:
        compile(text(body, kind), "<random effects>", "exec")
        return "call 0, log: [] instead of [1]" if "S.remember" in text(body, kind) else None

    seed = next(s for s in range(100) if "S.remember" in text(*written(s)))
    with pytest.raises(AssertionError) as caught:
        assert_same(seed, None, wrong)
    lines = str(caught.value).partition("nonlocal shared\n")[2].splitlines()
    assert "S.remember" in lines[0] and lines[1].startswith("    return")
