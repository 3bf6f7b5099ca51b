"""What recording and testing share: a row on a module, its scalar, its directions, and comparing."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .row import Input, Row, families

EXPECTED = Path(__file__).parent / "expected"

# (rtol, atol) by precision and order of the derivative; atol is scaled by the largest expected magnitude.
TOLERANCE = {
    "float32": [(2e-5, 2e-6), (1e-4, 1e-5), (5e-4, 5e-5)],
    "float64": [(1e-10, 1e-11), (1e-9, 1e-10), (1e-8, 1e-9)],
}


def numpy_of(tensor: Any) -> np.ndarray:
    """The values of a tensor of either module."""
    t = tensor.detach().resolve_conj().resolve_neg()
    if str(t.dtype).endswith("bfloat16"):
        t = t.float()
    return np.asarray(t.numpy(force=True))  # PyTorch: also what it knows to be zero without memory


def tensors(T: Any, arrays: Sequence[np.ndarray]) -> list[Any]:
    """Fresh tensors, sharing nothing with ``arrays``."""
    return [T.from_numpy(np.array(a)) for a in arrays]


def call(row: Row, T: Any, args: Sequence[Any]) -> tuple[Any, ...]:
    """The row's outputs as a tuple."""
    out = row.fn(T, *args)
    return tuple(out) if isinstance(out, (tuple, list)) else (out,)


def is_differentiable(tensor: Any) -> bool:
    return bool(tensor.dtype.is_floating_point or tensor.dtype.is_complex)


def like(rng: np.random.Generator, shape: Sequence[int], dtype: np.dtype | str) -> np.ndarray:
    """A random direction."""
    kind = np.dtype(dtype)
    drawn = np.round(rng.uniform(0.3, 1.7, tuple(shape)) * np.where(rng.random(tuple(shape)) < 0.5, -1, 1), 3)
    if kind.kind == "c":
        drawn = drawn + 1j * np.round(rng.uniform(-1.5, 1.5, tuple(shape)), 3)
    return np.asarray(drawn).astype(kind)


def directions(row: Row, arrays: Sequence[np.ndarray], where: Sequence[int], salt: str = "tangent") -> list[np.ndarray]:
    """A seeded tangent for each input in ``where``."""
    rng = row.rng(salt)
    return [like(rng, arrays[i].shape, arrays[i].dtype) for i in where]


def cotangents(row: Row, T: Any, outs: Sequence[Any]) -> list[Any]:
    """A seeded cotangent for each differentiable output, None for the others."""
    rng = row.rng("cotangent")
    return [
        T.from_numpy(like(rng, o.shape, "c16" if o.dtype.is_complex else "f8")).to(o.dtype) if is_differentiable(o) else None for o in outs
    ]


def scalar(row: Row, T: Any, arrays: Sequence[np.ndarray], where: Sequence[int]) -> Callable[..., Any]:
    """``L(*x)`` = Re Σ ⟨cotangent, output⟩ + |output|²/2, of the inputs in ``where`` (the others stay constant).

    The square gives linear operations second derivatives too.
    """
    rest = tensors(T, arrays)
    cts: list[Any] = []

    def f(*xs: Any) -> Any:
        args = list(rest)
        for i, x in zip(where, xs):
            args[i] = x
        outs = call(row, T, args)
        if not cts:
            cts.extend(cotangents(row, T, outs))
        total = None
        for o, ct in zip(outs, cts):
            if ct is not None:
                p = (o * (ct + 0.5 * o).conj()).real if ct.dtype.is_complex else o * (ct + 0.5 * o)
                total = p.sum() if total is None else total + p.sum()
        return total

    return f


def dot(a: Sequence[Any], b: Sequence[Any]) -> float:
    """Re Σ ⟨a, b⟩ of arrays, in double precision."""
    return float(sum(np.real(np.sum(np.conj(np.asarray(x, "c16")) * np.asarray(y, "c16"))) for x, y in zip(a, b)))


def reverse(
    row: Row, T: Any, arrays: Sequence[np.ndarray], where: Sequence[int], create_graph: bool = False
) -> tuple[list[Any], list[Any] | None]:
    """Outputs, and the cotangents of the inputs in ``where`` (None when no output can be differentiated)."""
    args = tensors(T, arrays)
    for i in where:
        args[i].requires_grad_()
    outs = call(row, T, args)
    cts = cotangents(row, T, outs)
    pairs = [(o, c) for o, c in zip(outs, cts) if c is not None and o.requires_grad]
    if not pairs or not where:
        return list(outs), None
    xs = [args[i] for i in where]
    grads = T.autograd.grad([o for o, _ in pairs], xs, [c for _, c in pairs], create_graph=create_graph, allow_unused=True)
    return list(outs), [T.zeros_like(x) if g is None else g for g, x in zip(grads, xs)]


def second(row: Row, T: Any, arrays: Sequence[np.ndarray], where: Sequence[int], along: Sequence[np.ndarray]) -> list[Any] | None:
    """The Hessian of the row's scalar times ``along``, by reverse over reverse on one tape; None where it is zero."""
    args = [T.from_numpy(np.array(arrays[i])).requires_grad_() for i in where]
    loss = scalar(row, T, arrays, where)(*args)
    first = T.autograd.grad(loss, args, create_graph=True, allow_unused=True)
    pairs = [(g, T.from_numpy(np.array(t))) for g, t in zip(first, along) if g is not None and g.requires_grad]
    if not pairs:
        return None
    found = T.autograd.grad([g for g, _ in pairs], args, [t for _, t in pairs], allow_unused=True)
    return [T.zeros_like(x) if h is None else h for h, x in zip(found, args)]


def cases(row: Row) -> list[tuple[str, tuple[Input, ...]]]:
    """The ordinary inputs under the name '', and the special ones under '0', '1', …"""
    return [("", row.inputs)] + [(str(k), s) for k, s in enumerate(row.special)]


# -- what was recorded -----------------------------------------------------------------------------------------------


def fingerprint(arrays: Sequence[np.ndarray]) -> int:
    """Of the inputs: a record made from other inputs must not be compared with."""
    crc = 0
    for a in arrays:
        crc = zlib.crc32(f"{a.dtype}{a.shape}".encode() + np.ascontiguousarray(a).tobytes(), crc)
    return crc


class Record:
    """The recorded arrays of one family: a JSON index and one block of bytes, so that thousands of small arrays stay small."""

    def __init__(self, family: str) -> None:
        self.path = EXPECTED / f"{family}.npz"
        self.entries: dict[str, Any] = {}
        self.arrays: dict[str, np.ndarray] = {}
        if self.path.exists():
            with np.load(self.path) as z:
                self.entries = json.loads(z["index"].tobytes())
                block = z["block"].tobytes()
            for key, (dtype, shape, start) in self.entries.pop("arrays").items():
                count = int(np.prod(shape))
                self.arrays[key] = np.frombuffer(block, dtype, count, start).reshape(shape)

    def save(self) -> None:
        index: dict[str, Any] = {}
        block = bytearray()
        for key in sorted(self.arrays):
            a = self.arrays[key]
            # Arrays stand at multiples of 16: NumPy wants items aligned.
            block += b"\0" * (-len(block) % 16)
            index[key] = [a.dtype.str, list(a.shape), len(block)]
            block += np.ascontiguousarray(a).tobytes()
        text = json.dumps({**dict(sorted(self.entries.items())), "arrays": index}, separators=(",", ":"))
        EXPECTED.mkdir(exist_ok=True)
        np.savez_compressed(self.path, index=np.frombuffer(text.encode(), "u1"), block=np.frombuffer(bytes(block), "u1"))

    def get(self, row: Row, dtype: str, case: str, what: str, arrays: Sequence[np.ndarray]) -> list[np.ndarray] | None:
        """The recorded list ``what`` ('values', 'first', 'second'); None where PyTorch has no derivative."""
        entry = self.entries.get(f"{row.name}|{dtype}|{case}")
        assert entry is not None, f"{row.name!r} is not recorded: run python -m tests.spec.make_expected {self.path.stem}"
        assert entry["inputs"] == fingerprint(arrays), (
            f"{row.name!r} was recorded with other inputs: run python -m tests.spec.make_expected {self.path.stem}"
        )
        n = entry.get(what)
        return None if n is None else [self.arrays[f"{row.name}|{dtype}|{case}|{what}{k}"] for k in range(n)]


@cache
def record_of(family: str) -> Record:
    return Record(family)


# -- comparing -------------------------------------------------------------------------------------------------------


def check(got: Any, want: np.ndarray, row: Row, dtype: str, order: int, what: str) -> None:
    """Equal dtype and shape; numbers within the tolerance of their precision; integers and truth values exactly."""
    a = got if isinstance(got, (np.ndarray, np.generic)) else numpy_of(got)
    assert a.dtype == want.dtype, f"{what}: dtype {a.dtype}, PyTorch's {want.dtype}"
    assert a.shape == want.shape, f"{what}: shape {a.shape}, PyTorch's {want.shape}"
    if want.dtype.kind not in "fc":
        np.testing.assert_array_equal(a, want, err_msg=what)
        return
    rtol, atol = TOLERANCE[precision(want.dtype, dtype)][order]
    finite = np.abs(want[np.isfinite(want)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    np.testing.assert_allclose(
        a, want, rtol=max(rtol, row.rtol or 0), atol=max(atol * scale, row.atol or 0), equal_nan=True, err_msg=what
    )


def precision(of: np.dtype, dtype: str) -> str:
    """The coarser of an output's precision and the row's."""
    return "float32" if dtype == "float32" or of in (np.dtype("f4"), np.dtype("c8"), np.dtype("f2")) else "float64"


def selected(want: Callable[[Row], bool] = lambda row: True, dtypes: Sequence[str] | None = None) -> list[Any]:
    """Parameters (family, row, dtype) for pytest, with readable ids."""
    import pytest

    return [
        pytest.param(family, row, dtype, id=f"{family}-{row.name}-{dtype}".replace(" ", "_"))
        for family, rows in families().items()
        for row in rows
        if want(row)
        for dtype in row.dtypes
        if dtypes is None or dtype in dtypes
    ]
