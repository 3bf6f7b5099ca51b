"""Pairs that are compared by ``torch.testing.assert_close``, and what PyTorch 2.13 says of them.

``tests/parity/test_testing_parity.py`` holds the texts to PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

CASES: dict[str, tuple[Callable[[Any], tuple[Any, ...]], str]] = {
    "close": (
        lambda t: (t.tensor([0.1, 0.2]) + 1e-8, t.tensor([0.1, 0.2])),
        "",
    ),
    "one element": (
        lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.5])),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 2 (50.0%)\n"
            "Greatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: 0.20000000298023224 at index (1,) (up to 1.3e-06 allowed)"
        ),
    ),
    "no dimensions": (
        lambda t: (t.tensor(1.0), t.tensor(1.5)),
        (
            "AssertionError: Scalars are not close!\n"
            "\n"
            "Expected 1.5 but got 1.0.\n"
            "Absolute difference: 0.5 (up to 1e-05 allowed)\n"
            "Relative difference: 0.3333333333333333 (up to 1.3e-06 allowed)"
        ),
    ),
    "integers": (
        lambda t: (t.tensor([[1, 2], [3, 4]]), t.tensor([[1, 2], [3, 5]])),
        (
            "AssertionError: Tensor-likes are not equal!\n"
            "\n"
            "Mismatched elements: 1 / 4 (25.0%)\n"
            "Greatest absolute difference: 1 at index (1, 1)\n"
            "Greatest relative difference: 0.20000000298023224 at index (1, 1)"
        ),
    ),
    "bytes": (
        lambda t: (t.tensor([1, 200], dtype=t.uint8), t.tensor([1, 100], dtype=t.uint8)),
        (
            "AssertionError: Tensor-likes are not equal!\n"
            "\n"
            "Mismatched elements: 1 / 2 (50.0%)\n"
            "Greatest absolute difference: 100 at index (1,)\n"
            "Greatest relative difference: 1.0 at index (1,)"
        ),
    ),
    "bools": (
        lambda t: (t.tensor([True, False]), t.tensor([True, True])),
        (
            "AssertionError: Tensor-likes are not equal!\n"
            "\n"
            "Mismatched elements: 1 / 2 (50.0%)\n"
            "Greatest absolute difference: 1 at index (1,)\n"
            "Greatest relative difference: 1.0 at index (1,)"
        ),
    ),
    "complex": (
        lambda t: (t.tensor([1 + 1j]), t.tensor([1 + 2j])),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 1 (100.0%)\n"
            "Greatest absolute difference: 1.0 at index (0,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: 0.4472135901451111 at index (0,) (up to 1.3e-06 allowed)"
        ),
    ),
    "half": (
        lambda t: (t.tensor([1.0], dtype=t.bfloat16), t.tensor([2.0], dtype=t.bfloat16)),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 1 (100.0%)\n"
            "Greatest absolute difference: 1.0 at index (0,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: 0.5 at index (0,) (up to 0.016 allowed)"
        ),
    ),
    "empty": (
        lambda t: (t.zeros(0), t.zeros(0)),
        "",
    ),
    "nan": (
        lambda t: (t.tensor([float("nan")]), t.tensor([float("nan")])),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 1 (100.0%)\n"
            "Greatest absolute difference: nan at index (0,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: nan at index (0,) (up to 1.3e-06 allowed)"
        ),
    ),
    "nan that is equal": (
        lambda t: (t.tensor([float("nan")]), t.tensor([float("nan")]), {"equal_nan": True}),
        "",
    ),
    "nan in other places": (
        lambda t: (t.tensor([float("nan"), 1.0]), t.tensor([1.0, float("nan")]), {"equal_nan": True}),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 2 / 2 (100.0%)\n"
            "Greatest absolute difference: nan at index (0,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: nan at index (0,) (up to 1.3e-06 allowed)"
        ),
    ),
    "infinite": (
        lambda t: (t.tensor([float("inf"), 1.0]), t.tensor([1.0, 1.0])),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 2 (50.0%)\n"
            "Greatest absolute difference: inf at index (0,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: inf at index (0,) (up to 1.3e-06 allowed)"
        ),
    ),
    "infinite expected": (
        lambda t: (t.tensor([[1.0, 2.0]]), t.tensor([[1.0, float("inf")]])),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 2 (50.0%)\n"
            "Greatest absolute difference: inf at index (0, 1) (up to 1e-05 allowed)\n"
            "Greatest relative difference: nan at index (0, 1) (up to 1.3e-06 allowed)"
        ),
    ),
    "zero expected": (
        lambda t: (t.tensor([0.5, 1.0]), t.tensor([0.0, 1.0])),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 2 (50.0%)\n"
            "Greatest absolute difference: 0.5 at index (0,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: inf at index (0,) (up to 1.3e-06 allowed)"
        ),
    ),
    "shapes": (
        lambda t: (t.ones(2), t.ones(2, 1)),
        "AssertionError: The values for attribute 'shape' do not match: torch.Size([2]) != torch.Size([2, 1]).",
    ),
    "dtypes": (
        lambda t: (t.ones(2), t.ones(2, dtype=t.float64)),
        "AssertionError: The values for attribute 'dtype' do not match: torch.float32 != torch.float64.",
    ),
    "dtypes that may differ": (
        lambda t: (t.tensor([1, 2]), t.tensor([1.0, 3.0]), {"check_dtype": False}),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 2 (50.0%)\n"
            "Greatest absolute difference: 1.0 at index (1,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: 0.3333333432674408 at index (1,) (up to 1.3e-06 allowed)"
        ),
    ),
    "strides": (
        lambda t: (t.zeros(2, 3), t.zeros(3, 2).t(), {"check_stride": True}),
        "AssertionError: The values for attribute 'stride()' do not match: (3, 1) != (1, 2).",
    ),
    "strides that may differ": (
        lambda t: (t.zeros(2, 3), t.zeros(3, 2).t()),
        "",
    ),
    "devices": (
        lambda t: (t.ones(2, device="meta"), t.ones(2)),
        "AssertionError: The values for attribute 'device' do not match: meta != cpu.",
    ),
    "no values": (
        lambda t: (t.ones(2, device="meta"), t.zeros(2, device="meta")),
        "",
    ),
    "given tolerances": (
        lambda t: (t.tensor([1.0]), t.tensor([2.0]), {"rtol": 1e-3, "atol": 0}),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 1 (100.0%)\n"
            "Greatest absolute difference: 1.0 at index (0,) (up to 0 allowed)\n"
            "Greatest relative difference: 0.5 at index (0,) (up to 0.001 allowed)"
        ),
    ),
    "within given tolerances": (
        lambda t: (t.tensor([1.0]), t.tensor([2.0]), {"rtol": 0, "atol": 1.5}),
        "",
    ),
    "no tolerance": (
        lambda t: (t.tensor([1.0]), t.tensor([2.0]), {"rtol": 0, "atol": 0}),
        (
            "AssertionError: Tensor-likes are not equal!\n"
            "\n"
            "Mismatched elements: 1 / 1 (100.0%)\n"
            "Greatest absolute difference: 1.0 at index (0,)\n"
            "Greatest relative difference: 0.5 at index (0,)"
        ),
    ),
    "numbers": (
        lambda t: (1.0, 1.5),
        (
            "AssertionError: Scalars are not close!\n"
            "\n"
            "Expected 1.5 but got 1.0.\n"
            "Absolute difference: 0.5 (up to 1e-07 allowed)\n"
            "Relative difference: 0.3333333333333333 (up to 1e-07 allowed)"
        ),
    ),
    "whole numbers": (
        lambda t: (1, 2),
        ("AssertionError: Scalars are not equal!\n\nExpected 2 but got 1.\nAbsolute difference: 1\nRelative difference: 0.5"),
    ),
    "numbers of two kinds": (
        lambda t: (1, 1.0),
        "AssertionError: The (d)types do not match: <class 'int'> != <class 'float'>.",
    ),
    "numbers of two kinds that may differ": (
        lambda t: (1, 1.0, {"check_dtype": False}),
        "",
    ),
    "complex numbers": (
        lambda t: (1 + 1j, 2 + 1j),
        (
            "AssertionError: Scalars are not close!\n"
            "\n"
            "Expected (2+1j) but got (1+1j).\n"
            "Absolute difference: 1.0 (up to 1e-07 allowed)\n"
            "Relative difference: 0.4472135954999579 (up to 1e-07 allowed)"
        ),
    ),
    "infinite number": (
        lambda t: (float("inf"), 1.0),
        (
            "AssertionError: Scalars are not close!\n"
            "\n"
            "Expected 1.0 but got inf.\n"
            "Absolute difference: inf (up to 1e-07 allowed)\n"
            "Relative difference: inf (up to 1e-07 allowed)"
        ),
    ),
    "number that should be zero": (
        lambda t: (0.5, 0.0),
        (
            "AssertionError: Scalars are not close!\n"
            "\n"
            "Expected 0.0 but got 0.5.\n"
            "Absolute difference: 0.5 (up to 1e-07 allowed)\n"
            "Relative difference: inf (up to 1e-07 allowed)"
        ),
    ),
    "NumPy's numbers": (
        lambda t: (np.float32(1), np.float32(2)),
        (
            "AssertionError: Scalars are not close!\n"
            "\n"
            "Expected 2.0 but got 1.0.\n"
            "Absolute difference: 1.0 (up to 1e-07 allowed)\n"
            "Relative difference: 0.5 (up to 1e-07 allowed)"
        ),
    ),
    "truth": (
        lambda t: (True, False),
        "AssertionError: Booleans mismatch: True is not False",
    ),
    "None": (
        lambda t: (None, 1),
        "AssertionError: None mismatch: None is not 1",
    ),
    "None twice": (
        lambda t: (None, None),
        "",
    ),
    "arrays": (
        lambda t: (np.ones(2), np.ones(2) * 2),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 2 / 2 (100.0%)\n"
            "Greatest absolute difference: 1.0 at index (0,) (up to 1e-07 allowed)\n"
            "Greatest relative difference: 0.5 at index (0,) (up to 1e-07 allowed)"
        ),
    ),
    "an array and a tensor": (
        lambda t: (t.ones(2), np.ones(2)),
        "TypeError: No comparison pair was able to handle inputs of type <class 'torch.Tensor'> and <class 'numpy.ndarray'>.",
    ),
    "text": (
        lambda t: ("a", "a"),
        "TypeError: No comparison pair was able to handle inputs of type <class 'str'> and <class 'str'>.",
    ),
    "a parameter": (
        lambda t: (t.nn.Parameter(t.ones(1)), t.ones(1)),
        "",
    ),
    "a parameter of strict type": (
        lambda t: (t.nn.Parameter(t.ones(1)), t.ones(1), {"allow_subclasses": False}),
        (
            "TypeError: No comparison pair was able to handle inputs of type"
            " <class 'torch.nn.parameter.Parameter'> and <class 'torch.Tensor'>."
        ),
    ),
    "lengths": (
        lambda t: ([1.0, 2.0], [1.0]),
        "AssertionError: The length of the sequences mismatch: 2 != 1",
    ),
    "an item": (
        lambda t: ([t.ones(1), t.ones(1)], (t.ones(1), t.zeros(1))),
        (
            "AssertionError: Tensor-likes are not close!\n"
            "\n"
            "Mismatched elements: 1 / 1 (100.0%)\n"
            "Greatest absolute difference: 1.0 at index (0,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: inf at index (0,) (up to 1.3e-06 allowed)\n"
            "\n"
            "The failure occurred for item [1]"
        ),
    ),
    "structure before values": (
        lambda t: ([1, [1]], [2, [1, 2]]),
        ("AssertionError: The length of the sequences mismatch: 1 != 2\n\nThe failure occurred for item [1]"),
    ),
    "keys": (
        lambda t: ({"a": 1, "c": 2}, {"b": 1, "c": 2}),
        (
            "AssertionError: The keys of the mappings do not match:\n"
            "Missing keys in the actual mapping: ['b']\n"
            "Additional keys in the actual mapping: ['a']"
        ),
    ),
    "items within items": (
        lambda t: ([[1], {"k": (1, 2)}], [[1], {"k": (1, 3)}]),
        (
            "AssertionError: Scalars are not equal!\n"
            "\n"
            "Expected 3 but got 2.\n"
            "Absolute difference: 1\n"
            "Relative difference: 0.3333333333333333\n"
            "\n"
            "The failure occurred for item [1]['k'][1]"
        ),
    ),
}


def outcome(torch: Any, make: Callable[[Any], tuple[Any, ...]]) -> str:
    """What is said of a pair; nothing if it is close."""
    actual, expected, *keywords = make(torch)
    try:
        torch.testing.assert_close(actual, expected, **(keywords[0] if keywords else {}))
    except (AssertionError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
