"""One row of the specification: a small program over a torch-like module, and the inputs that it is run on.

    ROWS = [
        Row("sum dim", lambda T, x: T.sum(x, dim=1), (real(2, 3),), op="sum"),
        Row("gather", lambda T, x, i: T.gather(x, 1, i), (real(2, 3), ints(2, 2, lo=0, hi=3))),
        Row("sqrt", lambda T, x: T.sqrt(x), (positive(4),), special=((array([0.0, -1.0, float("inf")]),), (real(0),))),
    ]

``fn(T, *tensors)`` gets real torch where the expected values are recorded, and chainrule where they are tested; it
returns a tensor or a tuple of tensors.  Each row drives every generic test: recorded values, gradients, second
derivatives in four nestings, vmap.  Families are the modules of this directory that define ``ROWS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

HERE = Path(__file__).parent
NOT_FAMILIES = ("__init__", "row", "make_expected", "harness", "conftest")


@dataclass(frozen=True)
class Input:
    """What one input looks like; ``make`` gives the array."""

    kind: str
    shape: tuple[int, ...] = ()
    lo: float = -2.0
    hi: float = 2.0
    value: Any = None
    grad: bool = True  # whether tests differentiate with respect to it (floating and complex inputs only)

    def make(self, rng: np.random.Generator, dtype: str) -> np.ndarray:
        return np.asarray(getattr(self, "_" + self.kind)(rng, np.dtype(dtype)))

    def _real(self, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
        # Rounded, so that float32 and float64 see the same numbers, and random ones keep off kinks at whole numbers.
        drawn = np.round(rng.uniform(self.lo, self.hi, self.shape), 3)
        return np.where(drawn == np.round(drawn), drawn + 0.017, drawn).astype(dtype)

    def _apart(self, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
        n = int(np.prod(self.shape))
        steps = np.linspace(self.lo, self.hi, n) if n != 1 else np.full(1, self.lo)
        return rng.permutation(steps).reshape(self.shape).astype(dtype)

    def _ints(self, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
        return rng.integers(int(self.lo), int(self.hi), self.shape, dtype=np.int64).astype(self.value or "int64")

    def _bools(self, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
        return rng.random(self.shape) < 0.5

    def _cplx(self, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
        drawn = self._real(rng, np.dtype("f8")) + 1j * self._real(rng, np.dtype("f8"))
        return drawn.astype("complex64" if dtype == np.dtype("f4") else "complex128")

    def _constant(self, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
        value = np.array(self.value[0], self.value[1])
        if self.value[1] is not None:
            return value
        if value.dtype.kind == "f":
            return value.astype(dtype)
        if value.dtype.kind == "c":
            return value.astype("complex64" if dtype == np.dtype("f4") else "complex128")
        return value


def real(*shape: int, lo: float = -2.0, hi: float = 2.0, grad: bool = True) -> Input:
    """Uniform in [lo, hi), in the row's dtype; never a whole number (kinks are for ``special``)."""
    return Input("real", shape, lo, hi, grad=grad)


def positive(*shape: int, lo: float = 0.2, hi: float = 3.0, grad: bool = True) -> Input:
    """Uniform in [lo, hi), away from zero."""
    return Input("real", shape, lo, hi, grad=grad)


def apart(*shape: int, lo: float = -1.93, hi: float = 2.07, grad: bool = True) -> Input:
    """Distinct, evenly spread values in random order: for sort, max, median and whatever has kinks at ties."""
    return Input("apart", shape, lo, hi, grad=grad)


def ints(*shape: int, lo: int = 0, hi: int = 10, dtype: str = "int64") -> Input:
    """Integers in [lo, hi)."""
    return Input("ints", shape, lo, hi, dtype)


def bools(*shape: int) -> Input:
    """Random truth values."""
    return Input("bools", shape)


def cplx(*shape: int, lo: float = -2.0, hi: float = 2.0, grad: bool = True) -> Input:
    """Complex numbers of the row's precision."""
    return Input("cplx", shape, lo, hi, grad=grad)


def array(value: Any, dtype: str | None = None, *, grad: bool = True) -> Input:
    """This very value; floating and complex ones in the row's precision unless ``dtype`` is given."""
    return Input("constant", value=(value, dtype), grad=grad)


@dataclass(frozen=True)
class Row:
    """One program and its inputs.

    ``op``: the Ops that the row covers (default: the first word of ``name``).  ``differentiable``: first derivatives
    are recorded and tested; ``second``: second ones too (say ``second=False`` only where PyTorch has none or they are
    wrong there).  ``vmap``: True, False, or one truth value an input: which of them get a batch axis.  ``special``: more
    input tuples (NaN, inf, zeros, ties, empty, 0-d), for which values and first gradients are compared.  ``gradients``
    False leaves the gradients of the special inputs out (where PyTorch is wrong, and the row's own test says what is
    right).  ``numeric`` False leaves out finite differences (only for functions that are not smooth around the inputs,
    or whose derivative deliberately is not the mathematical one).
    """

    name: str
    fn: Callable[..., Any]
    inputs: tuple[Input, ...] = ()
    op: str | tuple[str, ...] = ""
    differentiable: bool = True
    second: bool = True
    vmap: bool | tuple[bool, ...] = True
    dtypes: tuple[str, ...] = ("float32", "float64")
    rtol: float | None = None
    atol: float | None = None
    special: tuple[tuple[Input, ...], ...] = ()
    gradients: bool = True
    numeric: bool = True

    @property
    def ops(self) -> tuple[str, ...]:
        """The names in chainrule.core.op.OPS that this row covers."""
        if isinstance(self.op, str):
            return (self.op or self.name.split()[0],)
        return self.op

    def rng(self, salt: str = "") -> np.random.Generator:
        """A generator that depends on the row's name alone."""
        return np.random.default_rng(crc32((self.name + salt).encode()))

    def arrays(self, dtype: str, inputs: tuple[Input, ...] | None = None, salt: str = "") -> list[np.ndarray]:
        """The inputs (or the given special ones), the same at every call."""
        rng = self.rng(salt)
        return [i.make(rng, dtype) for i in (self.inputs if inputs is None else inputs)]

    def wrt(self, arrays: list[np.ndarray], inputs: tuple[Input, ...] | None = None) -> list[int]:
        """The positions that are differentiated."""
        described = self.inputs if inputs is None else inputs
        return [i for i, (a, d) in enumerate(zip(arrays, described)) if d.grad and a.dtype.kind in "fc"]


def family_names() -> list[str]:
    """The modules of this directory that define ROWS."""
    return [p.stem for p in sorted(HERE.glob("*.py")) if p.stem not in NOT_FAMILIES and not p.stem.startswith("test_")]


@cache
def rows_of(family: str) -> list[Row]:
    """One family's rows; a name may occur once."""
    rows: list[Row] = import_module(f"tests.spec.{family}").ROWS
    names = [r.name for r in rows]
    assert len(set(names)) == len(names), f"{family}: names occur twice: {sorted({n for n in names if names.count(n) > 1})}"
    return rows


def families() -> dict[str, list[Row]]:
    """All rows by family."""
    return {name: rows_of(name) for name in family_names()}
