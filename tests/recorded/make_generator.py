"""Record PyTorch's random numbers: `python tests/recorded/make_generator.py` writes generator.json beside it.

A case is a seed and the draws made from it one after another. A draw is a list: the function of chainrule.core's that
makes it, the shape, the dtype, and that function's further arguments by name. Of a long array the record keeps the elements
around the places where the algorithms change, and a sum.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch

KEPT = 40  # elements of a longer array: as many from its end, and a few of its start


def make(call: str, shape: list[int], dtype: str, arguments: dict[str, Any], g: torch.Generator) -> torch.Tensor:
    """One draw, made by PyTorch."""
    d = getattr(torch, dtype)
    arguments = dict(arguments)
    if call == "normal" and not arguments.pop("contiguous", True):
        apart = torch.empty(*shape, 2, dtype=d)[..., 0]
        return apart.normal_(**arguments, generator=g)
    in_place: dict[str, tuple[str, dict[str, Any]]] = {
        "uniform": ("uniform_", {"low": 0, "high": 1}),
        "normal": ("normal_", {"mean": 0, "std": 1}),
        "log_normal": ("log_normal_", {"mean": 1, "std": 2}),
        "exponential": ("exponential_", {"rate": 1}),
        "cauchy": ("cauchy_", {"median": 0, "sigma": 1}),
        "geometric": ("geometric_", {"p": 0.5}),
        "bernoulli": ("bernoulli_", {"p": 0.5}),
        "random": ("random_", {}),
        "randint": ("random_", {"low": 0, "high": 1}),
    }
    if call in in_place:
        method, defaults = in_place[call]
        return getattr(torch.empty(shape, dtype=d), method)(*(defaults | arguments).values(), generator=g)
    if call == "random_from":
        return torch.empty(shape, dtype=d).random_(arguments["low"], None, generator=g)
    if call == "randperm":
        return torch.randperm(shape[0], dtype=d, generator=g)
    values = [torch.tensor(v, dtype=d) if isinstance(v, list) else v for v in arguments.values()]
    functions: dict[str, Any] = {
        "normal_of": torch.normal,
        "bernoulli_of": torch.bernoulli,
        "multinomial": torch.multinomial,
        "poisson": torch.poisson,
        "binomial": torch.binomial,
        "standard_gamma": torch._standard_gamma,
        "dirichlet": torch._sample_dirichlet,
    }
    return functions[call](*values, generator=g)


def kept(values: list[Any]) -> list[Any]:
    return values if len(values) <= 3 * KEPT else values[:5] + values[-KEPT:]


def numbers(t: torch.Tensor) -> list[Any]:
    """The elements, each with as many digits as its dtype needs."""
    if t.is_complex():
        t = torch.view_as_real(t)
    t = t.reshape(-1)
    if t.dtype in (torch.float32, torch.bfloat16, torch.float16):
        return [float(str(v)) for v in t.float().numpy()]
    return t.tolist()


def record(seed: int, draws: list[list[Any]]) -> dict[str, Any]:
    g = torch.Generator().manual_seed(seed)
    results = []
    for draw in draws:
        values = numbers(make(*draw, g))
        results.append({"values": kept(values), "sum": math.fsum(v for v in values if abs(v) < 1e300)})
    state = g.get_state().numpy()
    return {
        "seed": seed,
        "draws": draws,
        "results": results,
        "left": int(state[8:12].view("i4")[0]),
        "next": int(state[16:24].view("u8")[0]),
        "first_words": state[24:104].view("u8").tolist(),
        "normal": float(state[5024:5032].view("f8")[0]) if state[5040] else None,
    }


SIZES = (0, 1, 2, 15, 16, 17, 31, 32, 100, 1000)
REAL = ("float32", "float64", "float16", "bfloat16")
INTEGER = ("int64", "int32", "int16", "int8", "uint8", "bool")
FORMULAS: list[tuple[str, dict[str, Any]]] = [
    ("uniform", {}),
    ("uniform", {"low": -0.3, "high": 1.7}),
    ("normal", {}),
    ("normal", {"mean": 0.3, "std": 1.7}),
    ("normal", {"std": 0.02}),
    ("normal", {"contiguous": False}),
    ("exponential", {"rate": 0.7}),
    ("cauchy", {"median": 1.5, "sigma": 2.5}),
    ("log_normal", {"mean": 0.1, "std": 0.5}),
    ("geometric", {"p": 0.1}),
    ("bernoulli", {"p": 0.3}),
    ("random", {}),
    ("randint", {"low": -7, "high": 11}),
]
MIXED: list[list[Any]] = [
    ["normal", [3], "float32", {}],
    ["uniform", [5], "float32", {}],
    ["normal", [20], "float32", {}],
    ["normal", [1], "float64", {}],
    ["randint", [4], "int64", {"low": 0, "high": 10}],
    ["randperm", [9], "int64", {}],
    ["normal", [], "float16", {}],
    ["bernoulli", [7], "bool", {"p": 0.5}],
    ["log_normal", [5], "float64", {}],
    ["normal", [4], "float32", {"std": 0.0}],
    ["exponential", [3], "float32", {}],
    ["normal", [2, 3, 4], "bfloat16", {}],
    ["uniform", [3, 0, 2], "float64", {}],
]
WEIGHTS = [[0.1, 2.0, 0.7, 0.0, 1.2], [1.0, 1.0, 1.0, 1.0, 4.0]]


def cases() -> list[tuple[int, list[list[Any]]]]:
    made: list[tuple[int, list[list[Any]]]] = []
    for d in REAL:
        made += [(len(made) + i, [[call, [n], d, arguments] for n in SIZES]) for i, (call, arguments) in enumerate(FORMULAS)]
        made += of_parameters(d)
    made += [(9, rejections(d)) for d in ("float32", "float64")]
    for d in INTEGER:
        draws: list[list[Any]] = [
            ["random", [40], d, {}],
            ["randint", [40], d, {"low": 0, "high": 2}],
            ["random_from", [9], d, {"low": 1}],
            ["bernoulli", [50], d, {"p": 0.6}],
        ]
        made.append((11, draws if d == "bool" else [*draws, ["geometric", [50], d, {"p": 0.2}]]))
    bounds = (0, 2**28 - 1), (0, 2**28), (-5, 2**32 - 5), (-(2**62), 2**62 + 5), (-(2**63), 2**63 - 1)
    made.append((12, [["randint", [20], "int64", {"low": low, "high": high}] for low, high in bounds]))
    made.append((12, [["random_from", [9], "int64", {"low": -(2**63)}], ["random_from", [9], "bfloat16", {"low": -20}]]))
    lengths = (0, 1, 2, 15, 100, 511, 512, 1000, 5000)
    made.append((13, [["randperm", [n], d, {}] for n in lengths for d in ("int64", "int32", "float64")]))
    made += [(14, [[call, [n], d, {}] for n in (1, 7, 8, 20)]) for call in ("uniform", "normal") for d in ("complex64", "complex128")]
    made.append((15, [["normal", shape, "complex64", {"mean": 0.3, "std": 1.7}] for shape in ([], [20])]))
    made.append((-3, MIXED))
    made.append((16, [[call, [100_000], d, {}] for call in ("uniform", "normal", "bernoulli") for d in ("float32", "float64")]))
    return made


def of_parameters(d: str) -> list[tuple[int, list[list[Any]]]]:
    """Draws whose parameters are arrays."""
    race: dict[str, Any] = {"weights": WEIGHTS}
    arrays: list[tuple[str, dict[str, Any]]] = [
        ("bernoulli_of", {"p": [i / 40 for i in range(41)]}),
        ("normal_of", {"mean": [1.0, 2.0], "std": 3.0}),
        ("normal_of", {"mean": 0.5, "std": [3.0, 0.5]}),
        ("normal_of", {"mean": [1.0, 2.0], "std": [3.0, 0.5]}),
        ("poisson", {"rate": [0.0, 0.5, 3.0, 9.5, 10.0, 40.0, 200.0] * 5}),
    ]
    return [
        (2**64 - 1, [["multinomial", [], d, race | {"count": 3, "replacement": True}]]),
        (2**63, [["multinomial", [], d, race | {"count": count}] for count in (3, 1)]),
        (6, [[call, [], d, arguments] for call, arguments in arrays]),
    ]


def rejections(d: str) -> list[list[Any]]:
    return [
        ["standard_gamma", [], d, {"alpha": [0.0, 0.01, 0.3, 1.0, 2.5, 30.0, 1e4] * 6}],
        ["normal", [3], d, {}],
        ["dirichlet", [], d, {"alpha": [[0.01, 0.5, 3.0], [10.0, 1.0, 0.1], [0.0, 0.0, 0.0]]}],
        ["normal", [1], d, {}],
        ["binomial", [], d, {"count": [0.0, 3.0, 30.0, 100.0, 1000.0, 7.0] * 5, "prob": [0.5, 0.2, 0.7, 0.4, 0.99, 1.0] * 5}],
    ]


if __name__ == "__main__":
    target = Path(__file__).with_name("generator.json")
    lines = ",\n".join(json.dumps(record(*case)) for case in cases())
    target.write_text(f"[\n{lines}\n]\n")
