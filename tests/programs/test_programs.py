"""Every program prints what PyTorch printed."""

import json

import pytest

import chainrule

from .runner import files, programs, run, same

CASES = [
    pytest.param(source, want, id=f"{path.stem}-{i}")
    for path in files()
    for i, (source, want) in enumerate(zip(programs(path), json.loads(path.with_suffix(".json").read_text()), strict=True))
]


@pytest.mark.parametrize("source, want", CASES)
def test_program(source, want):
    got = run(source, chainrule, "chainrule")
    assert same(got, want), f"\n{source}\n--- wanted\n{want}\n--- got\n{got}"
