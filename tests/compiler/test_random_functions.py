"""Random functions of tensors, compiled, do what they do: see :mod:`.functions` and :mod:`.differential`.

A run takes a share; ``CHAINRULE_RANDOM=all`` takes 5,000, a range such as ``CHAINRULE_RANDOM=0:1000`` a part of them.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.compiler.front import default_engine
from chainrule.compiler.program.execute import prepare

from .differential import assert_agrees, verdict
from .function_lines import written
from .functions import Argument, Function, Pick, Writer

WHICH = os.environ.get("CHAINRULE_RANDOM", "0:200")
FIRST, END = (0, 5000) if WHICH == "all" else map(int, WHICH.split(":"))
BLOCK = 20
NATIVE = 1 if "CHAINRULE_RANDOM" in os.environ else 5  # machine code for a part: an LLVM module takes its time


def picked(seed: int) -> Function:
    rng = np.random.default_rng(seed)
    return written(Writer(lambda of: of[int(rng.integers(len(of)))], seed))


@pytest.mark.parametrize("first", range(FIRST, END, BLOCK))
def test_random_functions(first: int) -> None:
    functions = [picked(seed) for seed in range(first, min(first + BLOCK, END))]
    found = [assert_agrees(f, prepare) for f in functions]
    for f in functions[::NATIVE]:
        assert_agrees(f, default_engine())
    assert sum(v.programs > 0 for v in found) > BLOCK // 2, "most functions are to be compiled"
    assert sum(v.sharp for v in found) <= BLOCK // 4, "rounding is to explain little"


@st.composite
def chosen(draw: Any) -> Function:
    pick: Pick = lambda of: draw(st.sampled_from(list(of)))
    return written(Writer(pick, draw(st.integers(0, 2**20))))


@settings(derandomize=True, max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(chosen())
def test_functions_that_hypothesis_chooses(function: Function) -> None:
    found = verdict(function, prepare)
    assert found.why is None, f"{function}\n{found.why}"


def test_a_difference_is_found_and_made_small() -> None:
    lines = ("v0 = torch.sin(a)", "v1 = v0 * 2", "v2 = torch.cos(v1)", "v3 = v2 + b")
    function = Function((Argument("a", (3,), "float32"), Argument("b", (), "float32")), (), lines, ("v3", "v1"))

    def wrong(program: Any) -> Any:
        run = prepare(program)
        bad = any(node.op == "map" and node.attrs["fn"] == "cos" for node in program.nodes())
        return lambda inputs: [r + 1 if bad else r for r in run(inputs)]

    assert verdict(function, prepare).why is None
    with pytest.raises(AssertionError) as caught:
        assert_agrees(function, wrong)
    text = str(caught.value)
    assert "torch.cos(a)" in text and "torch.sin" not in text and "result[0]" in text
