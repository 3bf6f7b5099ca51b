"""Record PyTorch's repr of a few hundred tensors: `python tests/recorded/make_printing.py` writes printing.json beside it.

A case holds what builds the tensor (dtype, shape, data repeated to fill the shape, print options, suffixes) and the
text that PyTorch gave. Data are the exact values after the cast to the dtype; what JSON cannot write is a string.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import torch
from torch._tensor_str import get_printoptions

FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
nan, inf = math.nan, math.inf

NOTATION: list[list[float]] = [
    [1.0], [0.0], [-0.0], [nan], [-inf], [inf, -inf, nan], [0.0, nan], [0.0, -0.0], [1.0, nan], [1.5, nan, -inf, 0.0],
    [1.0, 1000.0], [1.0, 1001.0], [0.5, 500.0], [0.5, 501.0], [1e4, 2e4], [65504.0, 6e-8], [1e8], [1.00000016e8], [2.5e8, 1e8],
    [1e-4], [9.9e-5], [1e-4, 0.01], [-9e-5, 0.02, 0.0], [0.5, 0.25, -3.0], [9.99995], [0.99995, 999.5], [-4e-5, 0.0], [123456.789],
    [5e-324], [1e-45, -1e-45], [1e308, 1e-308], [1e100, -1e-100, 3.0], [3.0, -20.0, 100.0], [-1.0, 0.0], [math.pi, -math.e, math.tau],
    [1 / 3, 1e3 / 3, 1.0], [1 / 3, 1e4 / 3, 1.0],
]  # fmt: skip

SHAPES: list[tuple[int, ...]] = [
    (), (1,), (5,), (30,), (1, 1), (2, 3), (3, 30), (3, 1, 2), (2, 2, 2, 2), (2, 1, 2, 1, 3), (1000,), (1001,), (1100, 2), (2, 1100),
    (40, 40), (2, 8, 80), (1001, 1, 1), (7, 7, 7, 7), (0,), (0, 3), (2, 0, 1),
]  # fmt: skip

OPTIONS: list[dict[str, Any]] = [
    {"profile": "short"}, {"profile": "full", "linewidth": 120}, {"precision": 0}, {"precision": 10}, {"linewidth": 1}, {"linewidth": 40},
    {"linewidth": 200, "edgeitems": 5}, {"threshold": 5}, {"threshold": 5, "edgeitems": 1}, {"threshold": 0, "edgeitems": 0},
    {"edgeitems": 0}, {"sci_mode": True}, {"sci_mode": False}, {"sci_mode": True, "precision": 1, "threshold": 10, "edgeitems": 2},
]  # fmt: skip


def jsonable(value: Any) -> Any:
    if isinstance(value, complex):
        return [jsonable(value.real), jsonable(value.imag)]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def build(dtype: str, shape: tuple[int, ...], data: list[Any]) -> torch.Tensor:
    count = math.prod(shape)
    return torch.tensor(list(itertools.islice(itertools.cycle(data), count)), dtype=getattr(torch, dtype)).reshape(shape)


def record(dtype: str, shape: tuple[int, ...], data: list[Any], options: dict[str, Any] | None = None, grad: str = "") -> dict[str, Any]:
    """One case. `grad` is "" for a constant, "leaf" or "node" for a tensor whose suffix says so."""
    wide = torch.tensor(data, dtype=getattr(torch, dtype))
    if dtype in FLOATS:
        wide = wide.double()
    exact = wide.tolist()
    tensor = build(dtype, shape, exact)
    suffixes = []
    if grad:
        tensor.requires_grad_()
        suffixes = ["requires_grad=True"]
    if grad == "node":
        tensor = tensor.clone()
        suffixes = ["grad_fn=<CloneBackward0>"]
    torch.set_printoptions(profile="default")
    torch.set_printoptions(**(options or {}))
    text = repr(tensor)
    torch.set_printoptions(profile="default")
    return {
        "dtype": dtype, "shape": shape, "data": [jsonable(x) for x in exact], "options": options or {}, "suffixes": suffixes, "repr": text,
    }  # fmt: skip


def value_cases() -> list[dict[str, Any]]:
    cases = [record(dtype, (len(data),), data) for data in NOTATION for dtype in FLOATS]
    cases += [record(dtype, (), data[:1]) for data in NOTATION if len(data) == 1 for dtype in FLOATS]
    for data, other in zip(NOTATION, NOTATION[3:], strict=False):
        pairs = [complex(x, y) for x, y in zip(data, itertools.cycle(other), strict=False)]
        cases += [record(dtype, (len(pairs),), pairs) for dtype in COMPLEX]
    cases.append(record("complex64", (), [-1.5 - 0.25j]))
    for dtype in INTEGERS:
        limits = torch.iinfo(getattr(torch, dtype))
        cases.append(record(dtype, (3,), [limits.min, 0, limits.max]))
        cases.append(record(dtype, (), [limits.min]))
    cases += [record("bool", (2, 2), [True, False, False]), record("bool", (3,), [True]), record("bool", (), [False])]
    return cases


def layout_cases() -> list[dict[str, Any]]:
    data: dict[str, list[Any]] = {
        "float32": [0.5, -1.25, 3.0, 12.0, 0.0],
        "bfloat16": [1.0, -2.0, 3.0],
        "int64": [1, -20, 300, 4, 5, 6, 7],
        "complex64": [1 + 2j, -3.5 + 0.25j, 0.5 - 1j],
        "bool": [True, False, True, True, False],
    }
    large = {(2, 8, 80), (1001, 1, 1), (7, 7, 7, 7)}
    cases = [record(dtype, shape, some) for dtype, some in data.items() for shape in SHAPES if shape not in large or dtype == "int64"]
    cases += [record("float32", (40,), some) for some in ([0.0], [-0.0, inf], [nan, 0.0])]
    for options in OPTIONS:
        for dtype, shape in [("float32", ()), ("float32", (3, 12)), ("int64", (20,)), ("complex64", (3, 4)), ("float32", (2, 3, 8))]:
            cases.append(record(dtype, shape, data[dtype], options))
        cases.append(record("float64", (6,), [1e-7, nan, 12.0, -0.0, -3.5, 1e5], options, "leaf"))
        cases.append(record("float64", (0, 2), [1.0], options, "node"))
    return cases


def suffix_cases() -> list[dict[str, Any]]:
    cases = [record(dtype, (n,), [0.5], None, grad) for n in range(1, 12) for dtype in ("float32", "float64") for grad in ("leaf", "node")]
    cases += [record("float16", (2, n), [1.0, 20.0], {"linewidth": 60}, "node") for n in range(1, 14)]
    cases += [record("float64", (4,), [0.5], {"linewidth": width}, "leaf") for width in range(40, 52)]
    return cases


def meta_cases() -> list[dict[str, Any]]:
    cases = []
    for dtype, shape, grad in itertools.product(("float32", "float64", "int64", "bool", "complex64"), [(), (2, 3), (0,)], (False, True)):
        if grad and dtype in ("int64", "bool"):
            continue
        tensor = torch.empty(shape, dtype=getattr(torch, dtype), device="meta", requires_grad=grad)
        suffixes = ["requires_grad=True"] if grad else []
        cases.append({"dtype": dtype, "shape": shape, "suffixes": suffixes, "repr": repr(tensor)})
    return cases


def dtype_cases() -> list[dict[str, Any]]:
    """Which dtypes a repr names, for every default dtype, with values and without."""
    cases = []
    for default in FLOATS:
        torch.set_default_dtype(getattr(torch, default))
        for dtype in (*FLOATS, *COMPLEX, *INTEGERS, "bool"):
            shown = ["dtype=" in repr(torch.ones(n, dtype=getattr(torch, dtype))) for n in (1, 0)]
            cases.append({"default": default, "dtype": dtype, "with_values": shown[0], "empty": shown[1]})
    torch.set_default_dtype(torch.float32)
    return cases


def format_cases() -> list[dict[str, Any]]:
    numbers: list[tuple[str, Any, tuple[str, ...]]] = [(dtype, 6.691762447357178, ("", ".2f", ">12.3e", "%")) for dtype in FLOATS]
    numbers += [("complex64", 1.1 - 2j, ("", ".3f")), ("bool", True, ("", "d", ">6")), ("int64", -1234567, ("", ",d", "x", ".1f"))]
    numbers += [("uint8", 200, ("", "b")), ("float32", nan, ("", "8.2f"))]
    cases = []
    for dtype, number, specs in numbers:
        tensor = torch.tensor(number, dtype=getattr(torch, dtype))
        exact = jsonable((tensor.double() if dtype in FLOATS else tensor).item())
        cases += [{"dtype": dtype, "data": [exact], "spec": spec, "text": format(tensor, spec)} for spec in specs]
    return cases


def option_cases() -> list[dict[str, Any]]:
    """Calls made one after the other, and the options after each."""
    calls: list[dict[str, Any]] = [
        {"profile": "short"}, {"precision": 7}, {"sci_mode": True}, {"linewidth": 100}, {"sci_mode": False, "edgeitems": 1}, {},
        {"profile": "full"}, {"profile": "default", "precision": 6}, {"profile": "unknown"}, {"threshold": 0}, {"profile": "default"},
    ]  # fmt: skip
    cases = []
    for call in calls:
        torch.set_printoptions(**call)
        cases.append({"call": call, "options": {name: jsonable(value) for name, value in get_printoptions().items()}})
    return cases


def main() -> None:
    groups = {
        "values": value_cases() + layout_cases() + suffix_cases(),
        "meta": meta_cases(),
        "dtypes": dtype_cases(),
        "formats": format_cases(),
        "options": option_cases(),
    }
    blocks = [f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, cases)) + "\n]" for name, cases in groups.items()]
    text = '{\n"torch": ' + json.dumps(torch.__version__.split("+")[0]) + ",\n" + ",\n".join(blocks) + "\n}\n"
    Path(__file__).with_name("printing.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
