"""The repr of random tensors, character for character, against the installed PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from chainrule.core import dtype as dtypes
from chainrule.core import printing

torch = pytest.importorskip("torch")
hypothesis = pytest.importorskip("hypothesis")
hnp = pytest.importorskip("hypothesis.extra.numpy")
given, settings, st = hypothesis.given, hypothesis.settings, hypothesis.strategies
forward_ad = torch.autograd.forward_ad

FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
FLOAT8 = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
SPECIAL = (
    0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1e-45, -1e-45, 1e-4, 9.9999e-5, 1e8, 1.0000001e8, 1000.0, 1001.0, 0.5, 1.0, -1.0, 99999.5,
    1e308, 1e38, 65504.0, 9.99995, 0.99995, -4e-5,
)  # fmt: skip


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    set_both(profile="default")
    yield
    set_both(profile="default")


def set_both(**options: Any) -> None:
    printing.set_printoptions(**options)
    torch.set_printoptions(**options)


def numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name) if name == "bfloat16" or name in FLOAT8 else name)


def as_torch(value: np.ndarray[Any, Any], name: str) -> Any:
    if name == "bfloat16" or name in FLOAT8:
        bits = np.ascontiguousarray(value).view(f"i{value.itemsize}").reshape(value.shape)
        return torch.from_numpy(bits.copy()).view(getattr(torch, name))
    return torch.from_numpy(value.copy(order="K"))


def check(value: np.ndarray[Any, Any], name: str, suffixes: list[str], theirs: Any) -> None:
    dtype = getattr(dtypes, "bool_" if name == "bool" else name)
    shown = printing.shows_dtype(dtype, dtypes.float32, no_values=not value.size)
    how: dict[str, Any] = {"dtype_name": f"torch.{name}" if shown else None, "suffixes": suffixes}
    expected = repr(theirs)
    assert printing.tensor_repr(value, **how) == expected
    if not value.ndim:
        assert printing.tensor_repr(value[()], **how) == expected


class Random:
    """Arrays whose values, shapes and dtypes reach every notation and layout, and print options to go with them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def choice(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def floats(self, n: int) -> Any:
        rng = self.rng
        kinds = [
            lambda: rng.standard_normal(n),
            lambda: rng.standard_normal(n) * 10.0 ** rng.integers(-6, 9, n),
            lambda: np.round(rng.standard_normal(n) * 10.0 ** rng.integers(10)),
            lambda: rng.standard_normal(n) * 10.0 ** rng.integers(-320, 306),
            lambda: rng.choice(SPECIAL, n),
            lambda: np.round(rng.standard_normal(n) * 10, 1),
            lambda: rng.choice(SPECIAL[:5], n),
            lambda: rng.random(n) * 10.0 ** rng.uniform(-5, 5),
            lambda: -100 * rng.random(n),
        ]
        values = self.choice(kinds)()
        return np.where(rng.random(n) < 0.2, rng.choice(SPECIAL, n), values) if rng.random() < 0.3 else values

    def shape(self) -> tuple[int, ...]:
        dims = self.choice([0, 1, 1, 1, 2, 2, 3, 4, 5])
        if self.rng.random() < 0.1:
            return tuple(map(int, self.rng.integers(0, 4, dims)))
        most = self.choice([[1], [5, 40, 3000], [5, 60], [4, 14], [8], [5]][dims])
        return tuple(map(int, self.rng.integers(1, most + 1, dims)))

    def array(self) -> tuple[np.ndarray[Any, Any], str]:
        shape = self.shape()
        n = int(np.prod(shape))
        name = self.choice(["float", "float", "float", "float8", "int", "bool"])
        if name == "bool":
            return np.asarray(self.rng.random(shape) < 0.5), name
        if name == "int":
            name = self.choice(INTEGERS)
            limits = np.iinfo(name)
            bits = self.choice([3, 8, 64])
            low, high = max(limits.min, -(2 ** (bits - 1))), min(limits.max, 2**bits - 1)
            value = np.asarray(self.rng.integers(low, high, shape, dtype=name, endpoint=True))
        else:
            name = self.choice(FLOATS if name == "float" else FLOAT8)
            wide = self.floats(n)
            if name.startswith("complex"):
                wide = wide.astype(np.complex128)
                wide.imag = self.floats(n)
            with np.errstate(over="ignore"):
                value = wide.astype(numpy_dtype(name)).reshape(shape)
        return (value.T if self.rng.random() < 0.2 else value), name

    def options(self) -> dict[str, Any]:
        possible = {
            "profile": ["default", "short", "full"],
            "precision": range(13),
            "threshold": [0, 1, 5, 20, 100, 2000],
            "edgeitems": [0, 1, 2, 3, 5],
            "linewidth": [1, 20, 40, 79, 80, 81, 120, 200],
            "sci_mode": [True, False],
        }
        busy = self.rng.random() < 0.6
        return {name: self.choice(values) for name, values in possible.items() if busy and self.rng.random() < 0.3}


@pytest.mark.parametrize("seed", range(8))
def test_random_tensors(seed: int) -> None:
    random = Random(seed)
    for _ in range(500):
        value, name = random.array()
        set_both(profile="default")
        set_both(**random.options())
        suffixes = []
        theirs = as_torch(value, name)
        if name in FLOATS and random.rng.random() < 0.4:
            theirs.requires_grad_()
            suffixes = ["requires_grad=True"]
            if random.rng.random() < 0.5:
                theirs = theirs.clone()
                suffixes = ["grad_fn=<CloneBackward0>"]
        check(value, name, suffixes, theirs)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from(["default", "short", "full"]),
        "precision": st.integers(0, 20),
        "threshold": st.integers(0, 60),
        "edgeitems": st.integers(0, 6),
        "linewidth": st.integers(0, 130),
        "sci_mode": st.booleans(),
    },
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=8).filter(lambda shape: np.prod(shape, dtype=int) <= 400)
REAL = ("bool", *INTEGERS, *FLOATS)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck))
@given(st.data(), SHAPES, st.sampled_from([name for name in REAL if name != "bfloat16"]), OPTIONS)
def test_any_bit_pattern(data: Any, shape: tuple[int, ...], name: str, options: dict[str, Any]) -> None:
    value = data.draw(hnp.arrays(name, shape))
    set_both(profile="default")
    set_both(**options)
    check(value, name, [], as_torch(value, name))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.floats(width=64), st.sampled_from(FLOATS[:4]), OPTIONS)
def test_any_single_float(number: float, name: str, options: dict[str, Any]) -> None:
    with np.errstate(over="ignore"):
        value = np.asarray(number).astype(numpy_dtype(name))
    set_both(profile="default")
    set_both(**options)
    theirs = as_torch(value, name)
    check(value, name, [], theirs)
    for spec in ("", ".3f", ">14.2e"):
        assert printing.item_format(value[()], spec) == format(theirs, spec)


# PyTorch's first dual tensor compiles decompositions with its own deprecated torch.jit.script.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 30])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_suffix_after_suffix(count: int, name: str) -> None:
    value = np.linspace(0.1, 0.9, count, dtype=name)
    tangent = np.linspace(1.0, 2.5, count, dtype=name)
    shown = f"torch.{name}" if name == "float64" else None
    with forward_ad.dual_level():
        primal = as_torch(value, name).requires_grad_()
        theirs = forward_ad.make_dual(primal.clone(), as_torch(tangent, name))
        node = f"grad_fn=<{theirs.grad_fn.name()}>"
        check(value, name, [node, "tangent=" + printing.tensor_repr(tangent, dtype_name=shown)], theirs)


@pytest.mark.parametrize("width", [0, 30, 46, 47, 48, 49, 50, 80])
def test_meta_line_breaks(width: int) -> None:
    set_both(linewidth=width)
    theirs = torch.empty(2, 3, dtype=torch.float64, device="meta", requires_grad=True)
    mine = printing.tensor_repr(None, is_meta=True, size=(2, 3), dtype_name="torch.float64", suffixes=["requires_grad=True"])
    assert mine == repr(theirs)


def test_subclass_prefix() -> None:
    class Image(torch.Tensor):  # type: ignore[misc]
        pass

    value = np.arange(40.0, dtype=np.float32)
    assert printing.tensor_repr(value, prefix="Image(") == repr(torch.from_numpy(value).as_subclass(Image))
