"""What NumPy computes inside of a program: several steps in a row, between kernels, as results; nobody shares memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as T

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "a result": lambda x: T.fft.rfft(x),
    "a part of it": lambda x: T.fft.rfft(x)[..., 1:],
    "several in a row": lambda x: T.fft.irfft(T.fft.rfft(x) * 0.5 + 1j),
    "read by a kernel, and again later": lambda x: (lambda y: (y.abs() + 1, y.imag * x.sum(), T.fft.irfft(y)))(T.fft.rfft(x)),
    "between kernels": lambda x: T.linalg.eigvalsh((x * 2) @ (x * 2).mT).exp() - 1,
    "a number": lambda x: T.linalg.det(x @ x.mT),
    "a solution": lambda x: T.linalg.solve(x @ x.mT + T.eye(4), x).sin(),
    "what is given": lambda x: (T.view_as_real(T.fft.fft(x)), x),
    "turned": lambda x: T.fft.fft(x).T.real * 2,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_steps_on_numpy(name: str) -> None:
    function = FUNCTIONS[name]
    compiled = T.compile(function)
    before: list[Any] = []
    for call in range(3):
        x = T.tensor(np.random.default_rng(call).normal(size=(4, 8)).astype(np.float32))
        want, got = function(x), compiled(x)
        wants, gots = [v if isinstance(v, tuple) else (v,) for v in (want, got)]
        for w, g in zip(wants, gots, strict=True):
            assert g.dtype == w.dtype
            np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-4, atol=1e-4)
        for g, kept in before:
            np.testing.assert_array_equal(g.numpy(), kept)  # what earlier calls gave is not written to
        before += [(g, g.numpy().copy()) for g in gots]
        for g in gots:
            if g is not x:
                assert not np.shares_memory(g.numpy(), x.numpy())
                if g.ndim:
                    g.mul_(1)  # and is to be written to
    assert len(compiled.programs()) == 1
