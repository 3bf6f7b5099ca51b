"""Every spec row's values against what PyTorch gave, in each of its dtypes, on ordinary and on boundary inputs."""

from __future__ import annotations

import pytest

import chainrule as T

from .harness import call, cases, check, record_of, selected, tensors


@pytest.mark.parametrize(("family", "row", "dtype"), selected())
def test_values(family, row, dtype):
    for case, inputs in cases(row):
        arrays = row.arrays(dtype, inputs, case)
        want = record_of(family).get(row, dtype, case, "values", arrays)
        got = call(row, T, tensors(T, arrays))
        assert len(got) == len(want)
        for k, (g, w) in enumerate(zip(got, want)):
            check(g, w, row, dtype, 0, f"{row.name}{' case ' + case if case else ''}: output {k}")


@pytest.mark.parametrize(("family", "row", "dtype"), selected(dtypes=["float32"]))
def test_inputs_stay(family, row, dtype):
    """No operation writes into its arguments (rows that do so on purpose clone first)."""
    arrays = row.arrays(dtype)
    given = tensors(T, arrays)
    call(row, T, given)
    for k, (tensor, array) in enumerate(zip(given, arrays)):
        check(tensor, array, row, dtype, 0, f"{row.name}: input {k}")
