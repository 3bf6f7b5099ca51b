"""Every spec row, compiled, gives what it gives: values, gradients, and the gradient of a gradient's size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import pytest

import chainrule as T
from chainrule.compiler.front import Compiled, default_engine
from chainrule.compiler.program.execute import prepare
from tests.spec.harness import call, cases, is_differentiable, selected, tensors

# A share of the rows a run; machine code for a part of them (an LLVM module takes its time), NumPy for all others.
EVERY, NATIVE = (1, 1) if os.environ.get("CHAINRULE_ROWS") == "all" else (5, 8)
TOLERANCE = {"float32": (2e-5, 2e-6), "float64": (1e-11, 1e-12), "complex64": (2e-5, 2e-6), "complex128": (1e-11, 1e-12)}


def close(got: Any, want: Any, what: str, least: float = 0.0) -> None:
    a, b = got.detach().numpy(), want.detach().numpy()
    assert a.dtype == b.dtype and a.shape == b.shape, what
    rtol, atol = TOLERANCE.get(b.dtype.name, (0, 0))
    rtol, atol = max(rtol, least), max(atol, least)
    finite = np.abs(b[np.isfinite(b)]) if b.dtype.kind in "fc" else b
    scale = max(1.0, float(finite.max())) if finite.size and b.dtype.kind in "fc" else 1.0
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol * scale, equal_nan=True, err_msg=what)


def engine(row: Any) -> Any:
    return default_engine() if crc32(row.name.encode()) // EVERY % NATIVE == 0 else prepare


def share(**options: Any) -> list[Any]:
    return [p for p in selected(**options) if crc32(p.values[1].name.encode()) % EVERY == 0]


def same(compiled: Any, function: Any, make: Any, what: str, least: float = 0.0) -> None:
    for attempt in range(2):
        given, mine = make(), make()
        try:
            want = function(*given)
        except Exception as error:
            with pytest.raises(type(error)):
                compiled(*mine)
            return
        for k, (g, w) in enumerate(zip(compiled(*mine), want, strict=True)):
            close(g, w, f"{what}: output {k} of call {attempt}", least)


@pytest.mark.parametrize(("family", "row", "dtype"), share())
def test_values(family: str, row: Any, dtype: str) -> None:
    def run(*given: Any) -> Any:
        return tuple([o.detach() for o in call(row, T, given)])

    for case, inputs in cases(row):
        arrays = row.arrays(dtype, inputs, case)
        same(Compiled(run, engine=engine(row)), run, lambda arrays=arrays: tensors(T, arrays), f"{row.name} {case}")


def gradients(row: Any, where: Sequence[int]) -> Any:
    def run(*given: Any) -> Any:
        leaves = [T.clone(given[i]).detach().requires_grad_() for i in where]
        args = list(given)
        for i, leaf in zip(where, leaves, strict=True):
            args[i] = leaf
        outs = [o for o in call(row, T, args) if o.requires_grad]
        total = sum([(o * o.conj()).real.sum() for o in outs])
        return T.autograd.grad(total, leaves, materialize_grads=True)

    return run


@pytest.mark.parametrize(("family", "row", "dtype"), share(dtypes=["float64"]))
def test_gradients(family: str, row: Any, dtype: str) -> None:
    arrays = row.arrays(dtype)
    given = tensors(T, arrays)
    where = [i for i, (t, spec) in enumerate(zip(given, row.inputs, strict=True)) if spec.grad and is_differentiable(t)]
    try:
        found = _recorded(row, given, where)
    except RuntimeError as refused:
        pytest.skip(str(refused))
    if not where or not any(o.requires_grad for o in found):
        pytest.skip("nothing to differentiate")
    run = gradients(row, where)
    same(Compiled(run, engine=engine(row)), run, lambda: tensors(T, arrays), row.name, row.rtol or 0.0)


def _recorded(row: Any, given: Sequence[Any], where: Sequence[int]) -> Any:
    return call(row, T, [g.clone().requires_grad_() if i in where else g for i, g in enumerate(given)])
